//! `capture verify`: whether a saved file opens and holds every token of the store.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use age::secrecy::ExposeSecret;
use boltkey::metadata::{TokenHash, Variant};
use serde_json::{Value, json};

use crate::Ran;
use crate::fixtures::{content, facts, fixture, fixtures, sealed_with_passphrase, store_names};
use crate::scene::{LIVED, MIXED, ONE, PLAIN, Scene, text};
use crate::support::program::make_pipe;
use crate::terminal::{Terminal, controlling};

const VERIFY: &[&str] = &["capture", "verify"];

/// Runs the command on this file and this database.
#[track_caller]
fn verify(scene: &Scene, file: &Path, database: &Path, extra: &[&str]) -> Ran {
    let extra = [&[text(file)], extra].concat();
    scene.run(VERIFY, database, &extra)
}

#[track_caller]
fn report(scene: &Scene, file: &Path, database: &Path, code: i32) -> Value {
    let ran = verify(scene, file, database, &["--json"]).code(code);
    ran.json()
}

/// ID and value of every token that the server of a store knows.
fn living(store: &str) -> Vec<(String, String)> {
    let facts = facts(store);
    let tokens = facts["tokens"].as_array().unwrap().iter();
    let field = |token: &Value, name: &str| token[name].as_str().unwrap().to_owned();
    tokens
        .filter(|token| token["status"] != "deleted")
        .map(|token| (field(token, "id"), field(token, "token")))
        .collect()
}

/// The forms of a capture, written by hand.
fn forms(tokens: &[(String, String)]) -> [(&'static str, String); 4] {
    let objects: Vec<Value> = tokens
        .iter()
        .map(|(id, token)| json!({"id": id, "token": token}))
        .collect();
    let lines = |line: fn(&str, &str) -> String| -> String {
        tokens.iter().map(|(id, token)| line(id, token)).collect()
    };
    [
        (
            "json",
            json!({"format": "boltkey-capture/1", "tokens": objects}).to_string(),
        ),
        (
            "csv",
            format!(
                "id,token,kind\n{}",
                lines(|id, token| format!("{id},\"{}\",\n", token.replace('"', "\"\"")))
            ),
        ),
        (
            "env",
            lines(|id, token| {
                let quoted = token.replace('\'', "'\\''");
                format!("# INFLUX_TOKEN_{id}: \"d\"\nINFLUX_TOKEN_{id}='{quoted}'\n")
            }),
        ),
        ("list", lines(|_, token| format!("{token}\n"))),
    ]
}

/// A file that only its owner reads.
fn private(scene: &Scene, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = scene.path(name);
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

/// That the report or a message has each of these texts.
#[track_caller]
fn says(ran: &Ran, texts: &[&str]) {
    for text in texts {
        let said = ran.stdout.contains(text) || ran.stderr.contains(text);
        assert!(said, "{text:?} is missing: {ran:?}");
    }
}

/// That no token of these is shown.
#[track_caller]
fn hides(ran: &Ran, tokens: &[(String, String)]) {
    for (_, token) in tokens {
        assert!(!ran.stdout.contains(token.as_str()), "{ran:?}");
        assert!(!ran.stderr.contains(token.as_str()), "{ran:?}");
    }
}

#[test]
fn every_form_is_compared_with_every_store_of_both_engines() {
    let mut cases = 0;
    for name in store_names() {
        let tokens = living(&name);
        let without: Vec<_> = tokens.iter().skip(1).cloned().collect();
        let lacking = &tokens[0].0;
        for engine in ["bolt", "redb"] {
            let scene = Scene::new();
            let database = match engine {
                "bolt" => scene.store(&name),
                _ => scene.redb(&name),
            };
            let place = format!("{name} {engine}");
            let before = fs::read(&database).unwrap();
            for (form, content) in forms(&tokens) {
                let file = private(&scene, form, &content);
                let whole = report(&scene, &file, &database, 0);
                assert_eq!(whole["complete"], true, "{place} {form}");
                assert_eq!(whole["encrypted"], false);
                assert_eq!(whole["tokens"], tokens.len(), "{place} {form}");
                assert_eq!(whole["unmatched"], 0, "{place} {form}");
                assert_eq!(whole["missing"], json!([]));
                assert_eq!(whole["incomplete"], json!([]));
                let number = |field: &str| whole[field].as_u64().unwrap();
                assert_eq!(
                    number("plaintext") + number("hashed"),
                    tokens.len() as u64,
                    "{place} {form}"
                );
                cases += 1;
            }
            for (form, content) in forms(&without) {
                let file = private(&scene, form, &content);
                let part = report(&scene, &file, &database, 3);
                assert_eq!(part["complete"], false, "{place} {form}");
                let missing = part["missing"].as_array().unwrap();
                assert_eq!(missing.len(), 1, "{place} {form}");
                assert_eq!(missing[0]["id"], **lacking, "{place} {form}");
                cases += 1;
            }
            assert_eq!(fs::read(&database).unwrap(), before);
        }
    }
    println!("cases: captures-verified {cases}");
}

#[test]
fn what_capture_writes_is_whole_before_and_after_hashing() {
    let key = age::x25519::Identity::generate();
    let recipient = key.to_public().to_string();
    let scene = Scene::new();
    let identity = private(&scene, "key", key.to_string().expose_secret());
    let words = private(&scene, "words", "correct horse\n");
    let database = scene.store(PLAIN);
    let cases = [
        ("json", vec![], vec![]),
        ("csv", vec![], vec![]),
        ("env", vec![], vec![]),
        (
            "json",
            vec!["--recipient", &recipient],
            vec!["--identity", text(&identity)],
        ),
        (
            "csv",
            vec!["--passphrase-file", text(&words)],
            vec!["--passphrase-file", text(&words)],
        ),
    ];
    let mut files = Vec::new();
    for (number, (format, seals, opens)) in (0..).zip(&cases) {
        let file = scene.path(&format!("capture-{number}"));
        let extra = [&["--format", format, "--out", text(&file)], &seals[..]].concat();
        scene.run(&["capture"], &database, &extra).code(0);
        files.push((file, opens, !seals.is_empty()));
    }
    for hashed in [false, true] {
        if hashed {
            let extra = ["--no-capture", "--yes"];
            scene.run(&["hash"], &database, &extra).code(0);
        }
        for (file, opens, sealed) in &files {
            let ran = verify(&scene, file, &database, opens).code(0);
            says(
                &ran,
                &["complete: ", "36 values, ", text(file), text(&database)],
            );
            assert_eq!(ran.stdout.contains(", encrypted"), *sealed, "{ran:?}");
            assert!(!ran.stderr.contains("warning"), "{ran:?}");
            hides(&ran, &living(PLAIN));
            let json = verify(&scene, file, &database, &[&opens[..], &["--json"]].concat());
            let report = json.code(0).json();
            assert_eq!(report["encrypted"], *sealed);
            let (plaintext, hashes) = match hashed {
                false => (36, 0),
                true => (0, 36),
            };
            assert_eq!(report["plaintext"], plaintext);
            assert_eq!(report["hashed"], hashes);
        }
    }
}

#[test]
fn what_is_missing_is_listed_with_the_command_that_saves_it() {
    let scene = Scene::new();
    let database = scene.store(MIXED);
    let tokens = living(MIXED);
    let file = private(&scene, "some", "a-value-of-nobody\n");
    let ran = verify(&scene, &file, &database, &[]).code(3);
    says(
        &ran,
        &[
            "NOT complete: ",
            "lacks 41 tokens",
            "no value matches a token of the store: it may be a capture of another store",
            "name the store that the file was made of with --db",
            "boltkey capture --out NEW",
            "boltkey residue recover --out NEW",
        ],
    );
    for (id, _) in &tokens {
        assert!(ran.stdout.contains(id), "{id}: {ran:?}");
    }
    // Names from the database are escaped.
    assert!(!ran.stdout.contains('\u{1b}'), "{ran:?}");
    hides(&ran, &tokens);

    let missing = report(&scene, &file, &database, 3)["missing"].clone();
    let missing = missing.as_array().unwrap();
    assert_eq!(missing.len(), tokens.len());
    let listed = scene.run(&["auth", "list"], &database, &["--json"]).json();
    for one in listed["authorizations"].as_array().unwrap() {
        let same = missing.iter().find(|other| other["id"] == one["id"]);
        for field in ["description", "orgID", "userID", "storage"] {
            assert_eq!(same.unwrap()[field], one[field], "{field} {one}");
        }
    }

    // Only those in plaintext are missing, or only the hashed ones.
    let ids = |storage: &str| -> Vec<&str> {
        let some = missing.iter().filter(|one| one["storage"] == storage);
        some.map(|one| one["id"].as_str().unwrap()).collect()
    };
    for (storage, named, not_named) in [
        ("plaintext", "boltkey capture", "boltkey residue recover"),
        ("hashed", "boltkey residue recover", "boltkey capture"),
    ] {
        let lacking = ids(storage);
        assert!(!lacking.is_empty() && lacking.len() < tokens.len());
        let held = tokens.iter().filter(|(id, _)| !lacking.contains(&&**id));
        let lines: String = held.map(|(_, token)| format!("{token}\n")).collect();
        let file = private(&scene, "part", lines + "a-value-of-nobody\n");
        let ran = verify(&scene, &file, &database, &[]).code(3);
        says(&ran, &[named, "1 belongs to no token of the store"]);
        assert!(!ran.stdout.contains(not_named), "{ran:?}");
        assert!(!ran.stdout.contains("another store"), "{ran:?}");
    }
}

#[test]
fn a_long_list_is_cut_in_text_only() {
    let scene = Scene::new();
    let database = private(
        &scene,
        "large.bolt",
        crate::support::reported_stores::large(60),
    );
    let file = private(&scene, "empty", "");
    let report = report(&scene, &file, &database, 3);
    let missing = report["missing"].as_array().unwrap().len();
    assert!(missing > 50, "{missing}");
    let ran = verify(&scene, &file, &database, &[]).code(3);
    says(
        &ran,
        &[&format!("and {} more; --json lists all", missing - 50)],
    );
    let listed = missing_ids(&report);
    let shown = listed.iter().filter(|id| ran.stdout.contains(&***id));
    assert_eq!(shown.count(), 50);
}

fn missing_ids(report: &Value) -> Vec<String> {
    let missing = report["missing"].as_array().unwrap().iter();
    missing
        .map(|one| one["id"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_file_that_can_not_be_used_is_refused_with_the_next_step() {
    let key = age::x25519::Identity::generate();
    let other = age::x25519::Identity::generate();
    let scene = Scene::new();
    let database = scene.store(PLAIN);
    let tokens = living(PLAIN);
    let right = private(&scene, "right", key.to_string().expose_secret());
    let wrong = private(&scene, "wrong", other.to_string().expose_secret());
    let sealed = scene.path("sealed.age");
    let recipient = key.to_public().to_string();
    let extra = ["--out", text(&sealed), "--recipient", &recipient];
    scene.run(&["capture"], &database, &extra).code(0);
    let bytes = fs::read(&sealed).unwrap();
    let cut = private(&scene, "cut.age", &bytes[..bytes.len() - 20]);
    let mut changed = bytes.clone();
    let last = changed.len() - 100;
    changed[last] ^= 1;
    let changed = private(&scene, "changed.age", changed);
    let header = private(&scene, "header.age", &bytes[..60]);
    let pass = private(
        &scene,
        "pass.age",
        sealed_with_passphrase(b"token\n", "correct horse"),
    );
    let words = private(&scene, "words", "battery staple");
    let [(_, json), ..] = forms(&tokens);
    let json = private(&scene, "cut.json", &json[..json.len() - 10]);
    let binary = private(&scene, "binary", fixture(ONE));
    let (missing, folder) = (scene.path("missing"), scene.path("folder"));
    fs::create_dir(&folder).unwrap();
    let right = ["--identity", text(&right)];
    let wrong = ["--identity", text(&wrong)];
    let no_key = ["--identity", text(&missing)];
    let words = ["--passphrase-file", text(&words)];
    let capture = "boltkey capture --out NEW";
    let cases: [(&Path, &[&str], i32, &[&str]); 13] = [
        (&missing, &[], 1, &["missing", capture]),
        (&folder, &[], 1, &["is a folder", capture]),
        (&json, &[], 5, &["is not valid JSON", capture]),
        (&binary, &[], 5, &["not UTF-8", "--db", capture]),
        (
            &sealed,
            &[],
            1,
            &["no key or passphrase", "--identity FILE", capture],
        ),
        (&sealed, &wrong, 1, &["--identity FILE", capture]),
        (&sealed, &no_key, 1, &["missing", "--identity FILE"]),
        (&pass, &words, 1, &["--passphrase-file FILE", capture]),
        (&pass, &[], 1, &["--passphrase-file", capture]),
        (&cut, &right, 5, &["cut.age", capture]),
        (&changed, &right, 5, &["changed.age", capture]),
        (&header, &right, 5, &["header.age", capture]),
        (&sealed, &right, 0, &["complete: "]),
    ];
    for (file, extra, code, words) in cases {
        let ran = verify(&scene, file, &database, extra).code(code);
        says(&ran, words);
        hides(&ran, &tokens);
        if code == 0 {
            continue;
        }
        assert!(ran.stderr.contains("hint: "), "{ran:?}");
        let ran = verify(&scene, file, &database, &[extra, &["--json"]].concat());
        let name = match code {
            1 => "failed",
            _ => "unreadable",
        };
        assert_eq!(ran.code(code).failure()["code"], name);
    }
    // A file without any value is whole, and holds nothing.
    let empty = private(&scene, "empty", "");
    let ran = verify(&scene, &empty, &database, &[]).code(3);
    says(&ran, &["lacks 36 tokens", "0 values", capture]);
    assert!(!ran.stdout.contains("another store"), "{ran:?}");
}

#[test]
fn a_hash_in_a_file_is_no_value() {
    let scene = Scene::new();
    let database = scene.store(LIVED);
    let token = &living(LIVED)[0].1;
    let hash = TokenHash::of(Variant::Sha256, token.as_bytes()).to_phc();
    let file = private(&scene, "hash", format!("{hash}\n"));
    let report = report(&scene, &file, &database, 3);
    assert_eq!(report["unmatched"], 1);
    assert_eq!(report["missing"].as_array().unwrap().len(), 36);
}

#[test]
fn what_damage_hides_is_unknown() {
    // One token is only in the index: `capture` writes it too.
    let scene = Scene::new();
    let bytes = content(&fixtures().join("field/bolt-c76.bolt.gz"));
    let database = private(&scene, "influxd.bolt", bytes);
    let file = scene.path("tokens.json");
    scene
        .run(&["capture"], &database, &["--out", text(&file)])
        .code(0);
    let all = report(&scene, &file, &database, 3);
    assert_eq!(all["complete"], Value::Null);
    assert_eq!(all["plaintext"], Value::Null);
    assert_eq!(all["missing"], Value::Null);
    assert_eq!(all["tokens"], 36);
    assert_eq!(all["unmatched"], 0);
    for field in ["complete", "plaintext", "hashed", "missing"] {
        let incomplete = all["incomplete"].as_array().unwrap();
        assert!(incomplete.contains(&field.into()), "{field}");
    }
    let ran = verify(&scene, &file, &database, &[]).code(3);
    says(
        &ran,
        &["unknown: ", "damage may hide others", "boltkey check"],
    );

    // What is known to be missing is certain.
    let list: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let tokens = list["tokens"].as_array().unwrap();
    for left_out in 0..tokens.len() {
        let mut kept = tokens.clone();
        let gone = kept.remove(left_out);
        let part = private(&scene, "part.json", json!({"tokens": kept}).to_string());
        let report = report(&scene, &part, &database, 3);
        assert_eq!(report["complete"], false);
        assert_eq!(missing_ids(&report), [gone["id"].as_str().unwrap()]);
    }
    let foreign = private(&scene, "foreign", "a-value-of-nobody\n");
    let report = report(&scene, &foreign, &database, 3);
    assert_eq!(report["unmatched"], Value::Null);
    let ran = verify(&scene, &foreign, &database, &[]).code(3);
    says(&ran, &["lacks at least 36 tokens"]);
}

#[test]
fn a_capture_that_others_may_read_is_warned_about() {
    let scene = Scene::new();
    let database = scene.store(ONE);
    let [(_, json), ..] = forms(&living(ONE));
    let sealed = sealed_with_passphrase(json.as_bytes(), "correct horse");
    let words = private(&scene, "words", "correct horse");
    for (content, mode, warned) in [
        (json.as_bytes(), 0o600, false),
        (json.as_bytes(), 0o640, true),
        (json.as_bytes(), 0o604, true),
        (&sealed[..], 0o644, false),
    ] {
        let file = private(&scene, "capture", content);
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let extra = ["--passphrase-file", text(&words)];
        let ran = verify(&scene, &file, &database, &extra).code(0);
        let is_warned = ran.stderr.contains("chmod 600");
        assert_eq!(is_warned, warned, "{mode:o}: {ran:?}");
    }
}

#[test]
fn a_pipe_is_read_to_its_end() {
    let scene = Scene::new();
    let database = scene.store(PLAIN);
    let pipe = scene.path("pipe");
    make_pipe(&pipe);
    let [(_, json), ..] = forms(&living(PLAIN));
    let writer = thread::spawn({
        let pipe = pipe.clone();
        move || fs::write(pipe, json)
    });
    let ran = verify(&scene, &pipe, &database, &[]).code(0);
    writer.join().unwrap().unwrap();
    says(&ran, &["complete: ", "36 values"]);
    assert!(!ran.stderr.contains("chmod"), "{ran:?}");
}

#[test]
fn a_passphrase_is_asked_for_at_a_terminal_only_where_one_is_needed() {
    let scene = Scene::new();
    let database = scene.store(ONE);
    let [(_, json), ..] = forms(&living(ONE));
    let key = age::x25519::Identity::generate();
    let sealed = private(
        &scene,
        "sealed",
        age::encrypt(&key.to_public(), json.as_bytes()).unwrap(),
    );
    let pass = private(
        &scene,
        "pass",
        sealed_with_passphrase(json.as_bytes(), "correct horse"),
    );
    let plain = private(&scene, "plain", json);
    for (file, asked, code) in [
        (&pass, Some("correct horse"), 0),
        (&pass, Some("battery staple"), 1),
        (&sealed, None, 1),
        (&plain, None, 0),
    ] {
        let arguments = crate::scene::arguments(VERIFY, &database, &[text(file)]);
        let Some(command) = controlling(&scene.sandbox.command(&arguments)) else {
            return;
        };
        let mut terminal = Terminal::start(command);
        if let Some(words) = asked {
            terminal.wait_for("passphrase (hidden): ");
            terminal.answer(words);
        }
        let ran = terminal.end().code(code);
        assert_eq!(ran.stderr.contains("(hidden)"), asked.is_some(), "{ran:?}");
    }
}

#[test]
fn options_of_capture_are_not_ignored() {
    let scene = Scene::new();
    let database = scene.store(ONE);
    let [(_, json), ..] = forms(&living(ONE));
    let file = private(&scene, "capture", json);
    let (file, database) = (text(&file), text(&database));
    let run = |arguments: &[&str]| scene.sandbox.run(arguments);
    // Global options are fine before the subcommand.
    run(&["capture", "--db", database, "verify", file]).code(0);
    run(&["-d", database, "capture", "--json", "verify", file]).code(0);
    for (arguments, told) in [
        (
            &["capture", "--out", "x", "verify", file, "-d", database][..],
            "--out",
        ),
        (&["capture", "-u", "alice", "verify", file], "--user"),
        (&["capture", "--format", "csv", "verify", file], "--format"),
        (&["capture", database, "verify", file], "DATABASE"),
        (&["capture", "verify"], "FILE"),
        (&["capture"], "--out"),
    ] {
        let ran = run(arguments).code(2);
        assert!(ran.stderr.contains(told), "{ran:?}");
    }
    assert!(!scene.sandbox.path("work/x").exists());
}

#[test]
fn a_slow_pipe_keeps_nobody_from_the_store() {
    let scene = Scene::new();
    let database = scene.store(PLAIN);
    let saved = scene.path("saved.json");
    scene
        .run(&["capture"], &database, &["--out", text(&saved)])
        .code(0);
    let content = fs::read(&saved).unwrap();
    // More than what says whether it is encrypted.
    let (first, rest) = content.split_at(content.len() / 2);
    assert!(first.len() > 2000);
    let pipe = scene.path("pipe");
    make_pipe(&pipe);
    let mut child = crate::support::program::program(scene.folder.path(), scene.folder.path())
        .args(["capture", "verify", text(&pipe), "--json"])
        .args(["--db", text(&database)])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut writer = fs::OpenOptions::new().write(true).open(&pipe).unwrap();
    writer.write_all(first).unwrap();
    thread::sleep(Duration::from_millis(500));
    // Changes the store while the pipe is open.
    let of_alice = ["--user", "alice", "--org", "acme"];
    let changed = scene.run(&["recover", "operator"], &database, &of_alice);
    writer.write_all(rest).unwrap();
    drop(writer);
    let mut said = String::new();
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_to_string(&mut said).unwrap();
    let verified = child.wait().unwrap();
    changed.code(0);
    assert_eq!(verified.code(), Some(3));
    let report: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(report["unmatched"], 0);
    assert_eq!(report["missing"].as_array().unwrap().len(), 1);
}
