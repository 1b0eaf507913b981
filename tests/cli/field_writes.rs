//! Every command that changes a store, on every store that people reported: what can't be changed is
//! refused with a command that was tried, and that command leads out or gives what it promises.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::explain::commands_in;
use crate::fixtures::{content, fixtures};
use crate::scene::{Scene, text};

/// What becomes of a store that people reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// It can be changed.
    Sound,
    /// It can't, but `compact` makes a file that can be.
    Compact,
    /// It can't, but `compact --previous` makes a file with so many tokens.
    Previous(usize),
    /// It can't, and `capture` and `residue recover` save so many tokens.
    Saved(usize),
    /// It can't, and `residue recover` saves so many tokens: of the records only hashes are left.
    Recovered(usize),
    /// Some commands refuse it because of one record, which `auth delete` removes.
    Record(&'static str),
}

const STORES: &[(&str, Expected)] = &[
    ("1-25221-no-name-index", Expected::Sound),
    ("2-27361-task-of-deleted-org", Expected::Sound),
    ("5-492-token-with-newline", Expected::Sound),
    ("6-23186-invalid-page-type-41-10", Expected::Recovered(39)),
    ("7-22825-page-already-freed", Expected::Compact),
    ("8-20264-v1-auth", Expected::Sound),
    ("9-24318-name-blocked", Expected::Sound),
    ("bolt-bigp-d2", Expected::Saved(2001)),
    ("bolt-c01", Expected::Saved(36)),
    ("bolt-c02", Expected::Compact),
    ("bolt-c08", Expected::Previous(36)),
    ("bolt-c12", Expected::Compact),
    ("bolt-c21", Expected::Previous(36)),
    ("bolt-c74", Expected::Compact),
    ("bolt-c76", Expected::Record("11af8a534483b000")),
    ("bolt-fullok-2-113", Expected::Previous(36)),
    ("bolt-hotnone-25", Expected::Saved(36)),
    ("bolt-okbut-1-13", Expected::Previous(36)),
];

fn field(scene: &Scene, name: &str) -> PathBuf {
    let path = scene.path("influxd.bolt");
    fs::write(
        &path,
        content(&fixtures().join(format!("field/{name}.bolt.gz"))),
    )
    .unwrap();
    path
}

/// Commands that change a store, and do so on every sound one of the list.
fn writers(scene: &Scene) -> Vec<Vec<String>> {
    let owned = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
    let list = scene.path("list.toml");
    fs::write(&list, "[[org]]\nname = \"one-more\"\n").unwrap();
    let password = scene.path("password");
    fs::write(&password, "long-enough-1").unwrap();
    std::fs::set_permissions(
        &password,
        std::os::unix::fs::PermissionsExt::from_mode(0o600),
    )
    .unwrap();
    vec![
        owned(&["hash", "--no-capture", "--yes"]),
        owned(&["residue", "scrub", "--yes"]),
        owned(&[
            "recover", "operator", "--user", "USER", "--org", "ORG", "--yes",
        ]),
        owned(&[
            "auth",
            "create",
            "--operator",
            "--user",
            "USER",
            "--org",
            "ORG",
            "--yes",
        ]),
        owned(&["org", "create", "--name", "another"]),
        owned(&[
            "user",
            "create",
            "--name",
            "another",
            "--password-file",
            text(&password),
        ]),
        owned(&["apply", text(&list), "--yes"]),
        owned(&["downgrade", "apply", "--to", "2.5", "--allow-loss", "--yes"]),
    ]
}

/// Fills in a user and an organization of the store, if they can be read.
fn filled(scene: &Scene, command: &[String], database: &Path) -> Vec<String> {
    let first = |what: &str, list: &str| {
        let ran = scene.run(&[what, "list"], database, &["--json"]);
        let json: Value = serde_json::from_str(&ran.stdout).unwrap_or_default();
        json[list][0]["name"].as_str().unwrap_or("alice").to_owned()
    };
    let (user, org) = (first("user", "users"), first("org", "orgs"));
    let fill = |word: &String| match word.as_str() {
        "USER" => user.clone(),
        "ORG" => org.clone(),
        _ => word.clone(),
    };
    command.iter().map(fill).collect()
}

/// The tokens in plaintext that `capture` and `residue recover` write out.
fn saved(scene: &Scene, database: &Path) -> usize {
    let mut saved = BTreeSet::new();
    for command in [&["capture"][..], &["residue", "recover"]] {
        let out = scene.path("saved");
        let ran = scene.run(command, database, &["--out", text(&out)]);
        assert_eq!(ran.code, 0, "{command:?}: {ran:?}");
        if let Ok(written) = fs::read(&out) {
            fs::remove_file(&out).unwrap();
            let json: Value = serde_json::from_slice(&written).unwrap();
            let tokens = json["tokens"].as_array().unwrap().iter();
            saved.extend(tokens.map(|token| token["token"].to_string()));
        }
    }
    saved.len()
}

fn tokens(scene: &Scene, database: &Path) -> usize {
    let listed = scene
        .run(&["auth", "list"], database, &["--json"])
        .code(0)
        .json();
    listed["authorizations"].as_array().unwrap().len()
}

/// Every command that a hint names is one, and none suggests a file that was not given.
fn must_name_commands(scene: &Scene, hint: &str) {
    let named = commands_in(hint);
    assert!(!named.is_empty(), "{hint}");
    for (words, options) in named {
        let known = |words: &[String]| {
            let mut arguments = words.to_vec();
            arguments.push("--help".into());
            let ran = scene.sandbox.run(&arguments);
            (ran.code == 0).then_some(ran.stdout)
        };
        let help = known(&words).or_else(|| known(&words[..1]));
        let help = help.unwrap_or_else(|| panic!("{words:?}: {hint}"));
        for option in options {
            assert!(help.contains(&option), "{words:?} {option}: {hint}");
        }
    }
}

#[test]
fn every_refused_write_names_a_command_that_leads_out() {
    let mut tried = 0;
    for (name, expected) in STORES {
        let scene = Scene::new();
        let original = fs::read(field(&scene, name)).unwrap();
        for command in writers(&scene) {
            let database = field(&scene, name);
            let command = filled(&scene, &command, &database);
            let words: Vec<&str> = command.iter().map(String::as_str).collect();
            let ran = scene.run(&words, &database, &["--json"]);
            tried += 1;
            let context = format!("{name}: {words:?}: {ran:?}");
            match expected {
                Expected::Sound => {
                    // A downgrade of a store that is older already is refused or nothing.
                    assert!([0, 1, 3].contains(&ran.code), "{context}");
                    continue;
                }
                Expected::Record(_) if ran.code == 0 => continue,
                _ => assert_eq!(ran.code, 5, "{context}"),
            }
            assert!(fs::read(&database).unwrap() == original, "{context}");
            let line = ran.stderr.lines().last().unwrap();
            let error: Value = serde_json::from_str(line).unwrap();
            let message = error["error"]["message"].as_str().unwrap();
            assert!(message.contains("nothing was changed"), "{context}");
            let hint = error["error"]["hint"]
                .as_str()
                .unwrap_or_else(|| panic!("{context}"));
            must_name_commands(&scene, hint);
            let names = match expected {
                Expected::Compact => &["boltkey compact --out FILE"][..],
                Expected::Previous(_) => &["boltkey compact --previous --out FILE"],
                Expected::Recovered(_) => &[
                    "boltkey residue recover --out FILE",
                    "boltkey backup restore",
                ],
                Expected::Saved(_) => &[
                    "boltkey capture --out FILE",
                    "boltkey residue recover --out FILE",
                    "boltkey backup restore",
                ],
                Expected::Record(_) => &["boltkey auth delete ID"],
                Expected::Sound => &[],
            };
            assert!(names.iter().all(|name| hint.contains(name)), "{context}");
            // What would give nothing is not named.
            assert!(
                !matches!(expected, Expected::Recovered(_)) || !hint.contains("boltkey capture"),
                "{hint}"
            );
        }
        leads_out(&scene, name, *expected);
    }
    println!("cases: field-writes {tried}");
}

/// Runs what the hints name.
fn leads_out(scene: &Scene, name: &str, expected: Expected) {
    let database = field(scene, name);
    let new = scene.path("new.bolt");
    let out = ["--out", text(&new)];
    match expected {
        Expected::Sound => return,
        Expected::Compact => {
            let ran = scene.run(&["compact"], &database, &out);
            assert_eq!(ran.code, 0, "{name}: {ran:?}");
            assert_eq!(tokens(scene, &new), tokens(scene, &database), "{name}");
            // Every other copy works as well.
            let redb = scene.path("new.redb");
            let ran = scene.run(&["convert"], &database, &["--out", text(&redb)]);
            assert_eq!(ran.code, 0, "{name}: {ran:?}");
            assert_eq!(tokens(scene, &redb), tokens(scene, &database), "{name}");
            let restored = scene.path("restored.bolt");
            let token = scene.path("token");
            for source in exported(scene, &database).iter().chain([&database]) {
                let ran = scene.sandbox.run([
                    "backup",
                    "restore",
                    text(source),
                    "--to",
                    text(&restored),
                    "--new-operator",
                    "--user",
                    "alice",
                    "--org",
                    "acme",
                    "--token-out",
                    text(&token),
                    "--yes",
                ]);
                assert_eq!(ran.code, 0, "{name}: {ran:?}");
                assert_eq!(
                    tokens(scene, &restored),
                    tokens(scene, &database) + 1,
                    "{name}"
                );
                fs::remove_file(&restored).unwrap();
                fs::remove_file(&token).unwrap();
            }
        }
        Expected::Previous(count) => {
            let extra = ["--previous", out[0], out[1]];
            let ran = scene.run(&["compact"], &database, &extra);
            assert_eq!(ran.code, 0, "{name}: {ran:?}");
            assert_eq!(tokens(scene, &new), count, "{name}");
        }
        Expected::Saved(count) | Expected::Recovered(count) => {
            assert_eq!(saved(scene, &database), count, "{name}");
            for command in ["compact", "convert"] {
                scene.run(&[command], &database, &out).code(5);
            }
            return;
        }
        Expected::Record(id) => {
            scene
                .run(&["auth", "delete", id], &database, &["--yes"])
                .code(0);
            fs::copy(&database, &new).unwrap();
        }
    }
    // What came out can be changed.
    let check = scene.run(&["check", "--structure-only"], &new, &[]);
    assert_eq!(check.code, 0, "{name}: {check:?}");
    for command in writers(scene) {
        let again = scene.path("again.bolt");
        fs::copy(&new, &again).unwrap();
        let command = filled(scene, &command, &again);
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let ran = scene.run(&words, &again, &[]);
        assert!([0, 3].contains(&ran.code), "{name}: {words:?}: {ran:?}");
    }
}

/// A backup of the store by `backup export`.
fn exported(scene: &Scene, database: &Path) -> Option<PathBuf> {
    let out = scene.path("backup");
    let ran = scene.run(&["backup", "export"], database, &["--out", text(&out)]);
    assert_eq!(ran.code, 0, "{ran:?}");
    Some(out)
}

#[test]
fn check_and_the_writers_agree() {
    for (name, expected) in STORES {
        let scene = Scene::new();
        let database = field(&scene, name);
        let check = scene.run(&["check"], &database, &["--json"]);
        let report = check.json();
        let findings = report["findings"].as_array().unwrap().iter();
        let refuses = findings.into_iter().any(|finding| {
            let code = finding["code"].as_str().unwrap();
            let structural = code.starts_with("structure.") || code == "metadata.lost-records";
            structural && finding["severity"] == "error"
        });
        let is_refused = !matches!(expected, Expected::Sound | Expected::Record(_));
        assert_eq!(refuses, is_refused, "{name}: {report}");
        assert!(!is_refused || check.code == 3, "{name}");
    }
}
