//! `hash`: what it accepts, refuses and prints, and what the file contains afterwards.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use age::secrecy::ExposeSecret;
use boltkey::metadata::authenticate::find;
use boltkey::secret::Token;
use boltkey::store::{ChangeSet, Model};
use memchr::memmem;
use serde_json::{Value, json};

use crate::Ran;
use crate::fixtures::{facts, sealed_with_passphrase, tokens};
use crate::scene::{SEVERAL, Scene, arguments, is_sound, mode, text};
use crate::support::program::BOLTKEY;
use crate::support::store_image;
use crate::support::store_image::as_it_is;

const HASH: &[&str] = &["hash"];
const NOWHERE: &[&str] = &["--no-capture", "--yes"];
/// One user, one organization, one token in plaintext, at schema 21 and at 20.
const PLAIN: &str = "fresh-2.9.1-plaintext";
const OLDER: &str = "fresh-2.7.12";
/// 36 tokens in plaintext, at schema 20.
const LIVED: &str = "lived-2.7.12";
const RECORDS: &[u8] = b"authorizationsv1";
const RAW: &[u8] = b"authorizationindexv1";
const HASHED: &[u8] = b"authorizationhashedindexv1";

/// Changes a store as its server might have.
pub fn edit(database: &Path, change: impl FnOnce(&mut ChangeSet)) {
    store_image::edit(database, |_, changes| change(changes));
}

/// A record of the store with one user and one organization; `fields` holds its token.
fn record(id: &str, description: &str, fields: &str) -> Vec<u8> {
    let facts = facts(PLAIN);
    let first = |what: &str| {
        facts[what]
            .as_object()
            .unwrap()
            .values()
            .next()
            .unwrap()
            .clone()
    };
    let quoted = |text: &str| boltkey::metadata::json::string(text);
    format!(
        r#"{{"id":"{id}",{fields},"status":"active","description":{},"orgID":{},"userID":{},"permissions":[],"createdAt":"2024-01-01T00:00:00Z","updatedAt":"2024-01-01T00:00:00Z"}}"#,
        quoted(description),
        first("orgs"),
        first("users"),
    )
    .into_bytes()
}

/// A field with this text, as influxd writes it.
fn field(name: &str, text: &str) -> String {
    format!("\"{name}\":{}", boltkey::metadata::json::string(text))
}

/// Adds an authorization with a token in plaintext.
pub fn add(changes: &mut ChangeSet, id: &str, token: &str, description: &str) {
    changes.put(
        RECORDS,
        id.as_bytes(),
        &record(id, description, &field("token", token)),
    );
    changes.put(RAW, token.as_bytes(), id.as_bytes());
}

fn id(n: u64) -> String {
    format!("0a{n:014x}")
}

/// A token of the form that influxd generates.
pub fn generated(n: u64) -> String {
    format!("{n:043x}-{:042x}==", n * 7919 + 1)
}

fn hash_of(token: &str) -> String {
    use boltkey::metadata::{TokenHash, Variant};
    TokenHash::of(Variant::Sha256, token.as_bytes()).to_phc()
}

/// The authorization that a server would find by this token.
pub fn finds(database: &Path, token: &str) -> Option<String> {
    let found = find(&as_it_is(database), &Token::new(token.to_owned())).unwrap();
    found.map(|id| id.to_string())
}

/// Whether any byte of the file shows this token, as it is or as JSON writes it.
pub fn shows(database: &Path, token: &str) -> bool {
    let bytes = fs::read(database).unwrap();
    let escaped = boltkey::metadata::json::string(token);
    let escaped = &escaped[1..escaped.len() - 1];
    [token, escaped]
        .iter()
        .any(|form| memmem::find(&bytes, form.as_bytes()).is_some())
}

/// Refused with this code and these words; nothing has changed.
#[track_caller]
fn refused(scene: &Scene, database: &Path, extra: &[&str], code: i32, words: &[&str]) {
    let (before, names) = (fs::read(database).unwrap(), scene.names());
    let ran = scene.run(HASH, database, extra).code(code);
    ran.tells(words);
    assert_eq!(ran.stdout, "");
    assert!(fs::read(database).unwrap() == before, "{ran:?}");
    assert_eq!(scene.names(), names, "{ran:?}");
}

#[test]
fn every_token_works_and_none_can_be_read() {
    for (name, redb, variant) in [
        (OLDER, false, "sha256"),
        (PLAIN, false, "sha512"),
        (LIVED, false, "sha256"),
        (LIVED, true, "sha512"),
        ("mixed-2.9.1", false, "sha512"),
        ("mixed-2.9.1", true, "sha256"),
        ("lived-2.9.1-plaintext", false, "sha256"),
        ("downgraded-20", false, "sha256"),
        ("downgraded-20-hashed", false, "sha256"),
        (SEVERAL, false, "sha512"),
    ] {
        let scene = Scene::new();
        let database = if redb {
            scene.redb(name)
        } else {
            scene.store(name)
        };
        let tokens = tokens(name);
        let before: Vec<_> = tokens
            .iter()
            .map(|(_, token)| finds(&database, token))
            .collect();
        let counts = scene
            .run(&["status", "--json"], &database, &[])
            .code(0)
            .json();
        let counts = &counts["tokens"];
        let capture = scene.path("tokens.json");
        let extra = [
            "--capture",
            text(&capture),
            "--yes",
            "--json",
            "--variant",
            variant,
        ];
        let report = scene.run(HASH, &database, &extra).code(0).json();
        let number = |name: &str| counts[name].as_u64().unwrap();
        assert_eq!(
            report["hashed"],
            number("plaintext") + number("both"),
            "{name}"
        );
        assert_eq!(report["alreadyHashed"], number("hashed"));
        assert_eq!(report["withoutToken"], number("missing"));
        assert_eq!(report["variant"], variant);
        assert_eq!(report["plaintextRemaining"], 0);
        assert_eq!(report["changed"], true);
        assert!(report.get("dryRun").is_none());
        assert!(report["recovered"].is_u64() && report["residueRemoved"].is_u64());
        assert_eq!(
            report["capture"],
            json!({
                "path": text(&capture), "encrypted": false, "kept": false,
            })
        );
        assert_eq!(mode(&capture), 0o600);
        let captured = fs::read_to_string(&capture).unwrap();
        let embedded = report["embedded"].as_array().unwrap();
        for ((id, token), before) in tokens.iter().zip(before) {
            let after = finds(&database, token);
            // One that no index led to works again.
            assert!(
                after == before || report["revived"].as_u64() > Some(0),
                "{name} {id}"
            );
            let named = embedded.iter().any(|place| place["id"] == id.as_str());
            assert!(named || !shows(&database, token), "{name} {id}");
            let held = captured.contains(&serde_json::to_string(token).unwrap());
            let lost = name == "downgraded-20-hashed" || name == "mixed-2.9.1" || redb;
            assert!(held || before.is_none() || lost, "{name} {id}");
        }
        let hashes = format!("$influxdb2-{variant}$");
        assert_eq!(
            shows(&database, &hashes),
            report["hashed"] != 0 || variant == "sha256"
        );
        is_sound(&scene, &database);
        let status = scene
            .run(&["status", "--json"], &database, &[])
            .code(0)
            .json();
        assert_eq!(status["schema"]["migrations"], 21);
        for (field, value) in [("plaintext", 0), ("both", 0)] {
            assert_eq!(status["tokens"][field], value, "{name}");
        }
        assert_eq!(
            status["residue"],
            json!({"plaintextTokens": 0, "recoverable": 0})
        );

        // Once more there is nothing to do, and nothing is done.
        let bytes = fs::read(&database).unwrap();
        for again in [&extra[..], NOWHERE, &["--no-capture"]] {
            let ran = scene.run(HASH, &database, again).code(0);
            if let Some(report) = ran.stdout.starts_with('{').then(|| ran.json()) {
                assert_eq!(report["changed"], false);
                assert_eq!(
                    (&report["hashed"], &report["plaintextRemaining"]),
                    (&json!(0), &json!(0))
                );
            } else {
                assert!(ran.stdout.contains("nothing to do"), "{ran:?}");
            }
            assert!(
                fs::read(&database).unwrap() == bytes,
                "{name}: written for nothing"
            );
        }
        assert_eq!(fs::read_to_string(&capture).unwrap(), captured);
    }
}

#[test]
fn what_has_to_be_said_is_asked_for() {
    let scene = Scene::new();
    let database = scene.store(OLDER);
    refused(
        &scene,
        &database,
        &[],
        6,
        &["to save the tokens", "--no-capture", "nothing was changed"],
    );
    refused(
        &scene,
        &database,
        &["--yes"],
        6,
        &["--capture FILE", "nothing was changed"],
    );
    refused(
        &scene,
        &database,
        &["--no-capture"],
        6,
        &[
            "2.7 and older will not start",
            "downgrade apply",
            "not saved",
            "Hash 1 token",
            "--yes",
        ],
    );
    let file = scene.path("tokens");
    refused(
        &scene,
        &database,
        &["--capture", text(&file)],
        6,
        &["Hash 1 token", "--yes"],
    );
    let both = ["--capture", text(&file), "--no-capture"];
    refused(&scene, &database, &both, 2, &["cannot be used with"]);
    for options in [
        ["--recipient", "age1x"],
        ["--passphrase-file", "x"],
        ["--identity", "x"],
    ] {
        let extra = [NOWHERE, &options].concat();
        refused(
            &scene,
            &database,
            &extra,
            2,
            &["encryption options can't be combined"],
        );
    }
    // Of a store with nothing in plaintext, what is destroyed is named.
    let upgraded = scene.store(SEVERAL);
    refused(
        &scene,
        &upgraded,
        &["--no-capture"],
        6,
        &[
            "last copy of 35 hashed tokens",
            "will be destroyed",
            "overwrite plaintext in unused parts",
        ],
    );
    let capture = ["--capture", text(&file)];
    refused(
        &scene,
        &upgraded,
        &capture,
        6,
        &["35 hashed tokens", "will be saved too"],
    );
}

#[test]
fn a_capture_can_not_go_anywhere() {
    let scene = Scene::new();
    let database = scene.store(PLAIN);
    fs::create_dir(scene.path("folder")).unwrap();
    fs::write(scene.path("real"), "").unwrap();
    symlink("real", scene.path("link")).unwrap();
    symlink("nowhere", scene.path("dangling")).unwrap();
    assert!(
        Command::new("mkfifo")
            .arg(scene.path("pipe"))
            .status()
            .unwrap()
            .success()
    );
    for dry in [&[][..], &["-n"]] {
        for name in ["folder", "link", "dangling", "pipe"] {
            let path = scene.path(name);
            let extra = [&["--yes", "--capture", text(&path)], dry].concat();
            refused(
                &scene,
                &database,
                &extra,
                1,
                &[
                    text(&path),
                    "not a regular file",
                    "nothing was changed",
                    "--capture",
                ],
            );
        }
        for (name, words) in [
            (
                "missing/tokens",
                &["No such file", "the folder must exist"][..],
            ),
            ("new/", &["nothing was changed"]),
            ("real", &["lacks 1 of 1 tokens", "is never changed"]),
            // The database itself.
            ("influxd.bolt", &["influxd.bolt", "nothing was changed"]),
        ] {
            let path = scene.path(name);
            let extra = [&["--yes", "--capture", text(&path)], dry].concat();
            refused(&scene, &database, &extra, 1, words);
        }
        let extra = [&["--yes", "--capture", "-"], dry].concat();
        refused(
            &scene,
            &database,
            &extra,
            2,
            &["needs a file", "boltkey capture"],
        );
    }
}

/// What becomes of a capture that is there, with each way to open it.
#[test]
fn a_capture_that_is_there_must_hold_all() {
    a_capture_must_hold_all(LIVED, true);
}

#[test]
fn a_capture_of_residues_must_hold_all() {
    a_capture_must_hold_all(SEVERAL, false);
}

/// To make or open an age file with a passphrase takes a second each time, so only where
/// `own_passphrase_file` says so the file that `hash` has made is read again, and else one that
/// takes less work.
fn a_capture_must_hold_all(name: &str, own_passphrase_file: bool) {
    let key = age::x25519::Identity::generate();
    let other = age::x25519::Identity::generate();
    let secret = |key: &age::x25519::Identity| key.to_string().expose_secret().to_owned();
    let recipient = key.to_public().to_string();
    let scene = Scene::new();
    let at = |name: &str| scene.path(name);
    fs::write(at("key"), secret(&key)).unwrap();
    fs::write(at("other"), secret(&other)).unwrap();
    fs::write(at("words"), "correct horse\n").unwrap();
    fs::write(at("wrong"), "battery staple\n").unwrap();
    let (paths, keys): (Vec<PathBuf>, Vec<PathBuf>) = (
        [
            "plain.json",
            "plain.csv",
            "plain.env",
            "for.age",
            "pass.age",
        ]
        .map(at)
        .into(),
        ["key", "other", "words", "wrong"].map(at).into(),
    );
    let [json, csv, env, sealed, pass] = &paths[..] else {
        panic!()
    };
    let [key, other, words, wrong] = &keys[..] else {
        panic!()
    };
    let whole = scene.store(name);
    let kept = fs::read(&whole).unwrap();
    // `hash` itself makes each of them; the one of the upgraded store from residues.
    for (path, options) in [
        (json, &[][..]),
        (csv, &["--format", "csv"]),
        (env, &["--format", "env"]),
        (sealed, &["--recipient", &recipient]),
        (pass, &["--passphrase-file", text(words)]),
    ] {
        fs::write(&whole, &kept).unwrap();
        let extra = [&["--yes", "--json", "--capture", text(path)], options].concat();
        let report = scene.run(HASH, &whole, &extra).code(0).json();
        let encrypted = path == sealed || path == pass;
        assert_eq!(report["capture"]["encrypted"], encrypted);
        let bytes = fs::read(path).unwrap();
        assert_eq!(bytes.starts_with(b"age-encryption.org"), encrypted);
    }
    fs::write(&whole, &kept).unwrap();
    if !own_passphrase_file {
        let content = fs::read(json).unwrap();
        fs::write(pass, sealed_with_passphrase(&content, "correct horse")).unwrap();
    }
    for (path, options, words) in [
        (
            sealed,
            &[][..],
            &["it is encrypted and no key", "--identity"][..],
        ),
        (
            sealed,
            &["--recipient", &recipient],
            &["not known whether", "--identity"],
        ),
        (
            sealed,
            &["--identity", text(other)],
            &["can't decrypt", "right key"],
        ),
        (
            sealed,
            &["--passphrase-file", text(words)],
            &["can't decrypt"],
        ),
        (
            sealed,
            &["--identity", text(words)],
            &["not an age identity file"],
        ),
        (sealed, &["--identity", "/nowhere"], &["/nowhere"]),
        (pass, &[], &["it is encrypted and no key"]),
        (
            pass,
            &["--passphrase-file", text(wrong)],
            &["can't decrypt", "passphrase"],
        ),
        (pass, &["--identity", text(key)], &["can't decrypt"]),
    ] {
        for dry in [&[][..], &["-n"]] {
            let extra = [&["--yes", "--capture", text(path)], options, dry].concat();
            refused(&scene, &whole, &extra, 1, words);
        }
    }
    // One token less.
    let cut = scene.path("cut.env");
    let lines = fs::read_to_string(env).unwrap();
    fs::write(
        &cut,
        // The first token and the comment before it.
        lines.lines().skip(2).collect::<Vec<_>>().join("\r\n\r\n"),
    )
    .unwrap();
    let extra = ["--yes", "--capture", text(&cut)];
    refused(
        &scene,
        &whole,
        &extra,
        1,
        &["lacks 1 of 36 tokens", "nothing was changed"],
    );
    fs::write(&cut, b"\xff\x00\xfe").unwrap();
    refused(
        &scene,
        &whole,
        &extra,
        1,
        &["is not UTF-8 text", "not known whether"],
    );
    fs::write(&cut, &lines.as_bytes()[..lines.len() / 2]).unwrap();
    refused(&scene, &whole, &extra, 1, &["lacks"]);
    fs::write(&cut, "{\"tokens\":[").unwrap();
    refused(&scene, &whole, &extra, 1, &["JSON"]);
    fs::remove_file(&cut).unwrap();

    // A list in another order, with blank lines, Windows line ends and doubles, does as well.
    let list = scene.path("list");
    let mut tokens: Vec<String> = tokens(LIVED).into_iter().map(|(_, token)| token).collect();
    tokens.reverse();
    fs::write(
        &list,
        format!("\u{feff}{0}\r\n\r\n{0}\r\n", tokens.join("\r\n")),
    )
    .unwrap();
    for (path, options) in [
        (json, &[][..]),
        (csv, &["--format", "env"]),
        (env, &[]),
        (&list, &[]),
        (sealed, &["--identity", text(key)]),
        (
            sealed,
            &["--identity", text(key), "--recipient", &recipient],
        ),
        (pass, &["--passphrase-file", text(words)]),
    ] {
        fs::write(&whole, &kept).unwrap();
        let before = fs::read(path).unwrap();
        let extra = [&["--yes", "--json", "--capture", text(path)], options].concat();
        scene
            .run(HASH, &whole, &[&extra[..], &["-n"]].concat())
            .code(0);
        assert!(fs::read(&whole).unwrap() == kept);
        let report = scene.run(HASH, &whole, &extra).code(0).json();
        let encrypted = path == sealed || path == pass;
        assert_eq!(
            report["capture"],
            json!({
                "path": text(path), "encrypted": encrypted, "kept": true,
            })
        );
        assert!(fs::read(path).unwrap() == before);
        assert_eq!(report["plaintextRemaining"], 0);
    }
}

/// As it is when power fails between the commit and the wiping.
#[test]
fn what_was_interrupted_is_finished() {
    let key = age::x25519::Identity::generate();
    let recipient = key.to_public().to_string();
    for redb in [false, true] {
        for sealed in [false, true] {
            let scene = Scene::new();
            let database = if redb {
                scene.redb(LIVED)
            } else {
                scene.store(LIVED)
            };
            let (capture, identity) = (scene.path("capture"), scene.path("key"));
            fs::write(&identity, key.to_string().expose_secret()).unwrap();
            let seal: &[&str] = match sealed {
                true => &["--recipient", &recipient, "--identity", text(&identity)],
                false => &[],
            };
            let tokens: Vec<_> = tokens(LIVED)
                .into_iter()
                .map(|(id, token)| (finds(&database, &token), id, token))
                .collect();
            let extra = [&["--yes", "--capture", text(&capture)], seal].concat();
            let ran = scene.run(HASH, &database, &[&extra[..], &["--keep-residue"]].concat());
            let ran = ran.code(0);
            ran.tells(&["plaintext tokens left", "boltkey residue scrub"]);
            assert!(!ran.stdout.contains("shows one"), "{ran:?}");
            let before = fs::read(&capture).unwrap();
            assert!(tokens.iter().any(|(_, _, token)| shows(&database, token)));

            // Left as it is once more: told, and not called clean.
            let bytes = fs::read(&database).unwrap();
            let kept = [NOWHERE, &["--keep-residue"]].concat();
            let ran = scene.run(HASH, &database, &kept).code(0);
            ran.tells(&["plaintext tokens left"]);
            assert!(
                ran.stdout
                    .contains("but unused parts of the file still contain"),
                "{ran:?}"
            );
            let report = scene
                .run(HASH, &database, &[&kept[..], &["--json"]].concat())
                .code(0);
            assert!(report.json()["plaintextRemaining"].as_u64() > Some(0));
            assert_eq!(report.json()["changed"], false);
            assert!(fs::read(&database).unwrap() == bytes);

            let ran = scene.run(HASH, &database, &extra).code(0);
            assert!(
                ran.stdout.contains("0 tokens were hashed (sha256)"),
                "{ran:?}"
            );
            assert!(ran.stdout.contains("kept unchanged"), "{ran:?}");
            assert!(fs::read(&capture).unwrap() == before);
            let report = scene
                .run(HASH, &database, &[&extra[..], &["--json"]].concat())
                .ok()
                .json();
            assert_eq!(report["changed"], false);
            let embedded = report["embedded"].as_array().unwrap();
            for (found, id, token) in &tokens {
                let named = embedded.iter().any(|place| place["id"] == id.as_str());
                assert!(named || !shows(&database, token), "{id}");
                assert_eq!(&finds(&database, token), found, "{id}");
            }
        }
    }
}

#[test]
fn tokens_that_people_chose() {
    let chosen = [
        "ab",
        "short",
        "sixsix",
        "a<b>&\"c\\d",
        "tökén-日本",
        "'; DROP",
        "with space",
        "=x",
        "-dash",
        "x\u{2028}y",
        "my-super-secret",
        "==",
        "null",
        "{\"a\":1}",
    ];
    for redb in [false, true] {
        let scene = Scene::new();
        let database = if redb {
            scene.redb(PLAIN)
        } else {
            scene.store(PLAIN)
        };
        edit(&database, |changes| {
            for (n, token) in (1..).zip(chosen) {
                add(changes, &id(n), token, "chosen");
            }
        });
        let capture = scene.path("capture");
        let extra = ["--yes", "--json", "--capture", text(&capture)];
        let ran = scene.run(HASH, &database, &extra).code(0);
        let report = ran.json();
        assert_eq!(report["hashed"], chosen.len() + 1);
        assert_eq!(report["embedded"], json!([]), "{report}");
        let held: Value = serde_json::from_slice(&fs::read(&capture).unwrap()).unwrap();
        let held = held["tokens"].as_array().unwrap();
        for (n, token) in (1..).zip(chosen) {
            assert_eq!(finds(&database, token), Some(id(n)), "{token:?}");
            assert!(
                held.iter()
                    .any(|one| one["token"] == token && one["id"] == id(n).as_str())
            );
            // Shorter ones can be in other texts.
            if token.len() > 5 {
                assert!(!shows(&database, token), "{token:?}");
                assert!(!ran.stdout.contains(token), "{token:?}");
            }
        }
        is_sound(&scene, &database);
    }
}

#[test]
fn where_hashing_does_not_reach_is_named() {
    let [telegraf, described, name, user, task] = [1, 2, 3, 4, 5].map(generated);
    let (chosen, chosen_name, odd) = ("chosen-by-me", "chosen-for-a-user", "a\"b<c>&d\\e");
    for redb in [false, true] {
        let scene = Scene::new();
        let database = if redb {
            scene.redb(PLAIN)
        } else {
            scene.store(PLAIN)
        };
        let all = [
            &telegraf,
            &described,
            &name,
            &user,
            &task,
            chosen,
            chosen_name,
            odd,
        ];
        edit(&database, |changes| {
            for (n, token) in (1..).zip(all) {
                let description = match n {
                    2 => format!("the token is {described}"),
                    6 => format!("called {chosen}"),
                    _ => String::from("nothing"),
                };
                add(changes, &id(n), token, &description);
            }
            let config = format!("{{\"config\":\"token = \\\"{telegraf}\\\"\\n# {chosen}\"}}");
            changes.put(b"telegrafv1", id(1).as_bytes(), config.as_bytes());
            // The name of a bucket, of a user.
            let key = [&id(9).into_bytes()[..], name.as_bytes()].concat();
            changes.put(b"bucketindexv1", &key, id(10).as_bytes());
            changes.put(b"userindexv1", chosen_name.as_bytes(), id(11).as_bytes());
            let key = [b"x", user.as_bytes(), b"y"].concat();
            changes.put(b"userindexv1", &key, id(12).as_bytes());
            let script = boltkey::metadata::json::string(&format!("f({odd}) and {task}"));
            changes.put(
                b"tasksv1",
                b"a-task",
                format!("{{\"flux\":{script}}}").as_bytes(),
            );
        });
        let place =
            |bucket: &str, key: &str, n: u64| json!({"bucket": bucket, "key": key, "id": id(n)});
        let (first, second, sixth) = (id(1), id(2), id(6));
        let expected = json!([
            place("authorizationsv1", &second, 2),
            place("authorizationsv1", &sixth, 6),
            place("bucketindexv1", "", 3),
            place("tasksv1", "a-task", 5),
            place("tasksv1", "a-task", 8),
            place("telegrafv1", &first, 1),
            place("telegrafv1", &first, 6),
            place("userindexv1", "", 4),
            place("userindexv1", "", 7),
        ]);
        let no_token = |ran: &Ran| {
            for token in all {
                assert!(
                    !ran.stdout.contains(token) && !ran.stderr.contains(token),
                    "{ran:?}"
                );
            }
        };
        for extra in [&["-n"][..], &["-n", "--json"]] {
            let ran = scene.run(HASH, &database, extra).ok();
            no_token(&ran);
            if extra.len() > 1 {
                assert_eq!(ran.json()["embedded"], expected);
            }
        }
        let ran = scene
            .run(HASH, &database, &[NOWHERE, &["--json"]].concat())
            .code(0);
        no_token(&ran);
        assert_eq!(ran.json()["embedded"], expected);
        assert_eq!(ran.json()["plaintextRemaining"], 0);
        for (n, token) in (1..).zip(all) {
            assert_eq!(finds(&database, token), Some(id(n)));
        }
        // They stay readable, are not residues, and are named each time if they can be recognized.
        let bytes = fs::read(&database).unwrap();
        let ran = scene.run(HASH, &database, NOWHERE).code(0);
        no_token(&ran);
        assert!(ran.stdout.contains("nothing to do"), "{ran:?}");
        for line in ["a key of bucketindexv1", "tasksv1/a-task", "telegrafv1/"] {
            assert!(ran.stdout.contains(line), "{line}: {ran:?}");
        }
        scene.run(&["residue", "scan"], &database, &[]).code(0);
        assert!(fs::read(&database).unwrap() == bytes);
    }
}

#[test]
fn records_and_entries_of_every_kind() {
    for redb in [false, true] {
        let scene = Scene::new();
        let database = if redb {
            scene.redb(PLAIN)
        } else {
            scene.store(PLAIN)
        };
        let [both, gone, fresh, bare, twin, lost] = [1, 2, 3, 4, 5, 6].map(generated);
        let unknown = "$influxdb2-argon9$c2FsdA==";
        edit(&database, |changes| {
            let mut put = |n: u64, fields: &str| {
                changes.put(RECORDS, id(n).as_bytes(), &record(&id(n), "x", fields));
            };
            put(
                1,
                &format!(
                    "{},{}",
                    field("token", &both),
                    field("hashedToken", &hash_of(&both))
                ),
            );
            // Dead.
            put(2, "\"token\":\"\"");
            put(3, "\"hashedToken\":\"\"");
            // Hashed, without an entry.
            put(4, &field("hashedToken", &hash_of(&bare)));
            // A hash of an unknown kind.
            put(5, &field("hashedToken", unknown));
            // The same token twice.
            put(6, &field("token", &twin));
            put(7, &field("token", &twin));
            // Hashed, and an entry of the raw index still shows it.
            put(8, &field("hashedToken", &hash_of(&lost)));
            put(9, &field("token", &fresh));
            changes.put(RAW, both.as_bytes(), id(1).as_bytes());
            changes.put(RAW, twin.as_bytes(), id(7).as_bytes());
            changes.put(RAW, lost.as_bytes(), id(8).as_bytes());
            changes.put(RAW, fresh.as_bytes(), id(9).as_bytes());
            // Of a record that is gone.
            changes.put(RAW, gone.as_bytes(), id(77).as_bytes());
            changes.put(HASHED, hash_of(&gone).as_bytes(), id(77).as_bytes());
            changes.put(HASHED, unknown.as_bytes(), id(5).as_bytes());
            changes.put(HASHED, hash_of(&lost).as_bytes(), id(8).as_bytes());
        });
        let all = [&both, &fresh, &bare, &twin, &lost, &gone];
        let before = all.map(|token| finds(&database, token));
        assert_eq!(
            before,
            [Some(1), Some(9), None, Some(7), Some(8), None].map(|n| n.map(id))
        );
        let preview = scene.run(HASH, &database, &["-n", "--json"]).ok().json();
        let capture = scene.path("capture");
        let extra = ["--yes", "--json", "--capture", text(&capture)];
        let report = scene.run(HASH, &database, &extra).code(0).json();
        for (name, value) in [
            ("hashed", 5),
            ("alreadyHashed", 3),
            ("withoutToken", 2),
            ("recovered", 1),
            ("revived", 1),
            // Of the token that is gone in either index, and of the one that is hashed.
            ("strayIndexEntries", 3),
        ] {
            assert_eq!(report[name], value, "{name}: {report}");
            assert_eq!(preview[name], value, "{name}: {preview}");
        }
        let after = all.map(|token| finds(&database, token));
        let expected = [Some(1), Some(9), Some(4), Some(7), Some(8), None].map(|n| n.map(id));
        assert_eq!(after, expected);
        assert!(all.iter().all(|token| !shows(&database, token)));
        let captured = fs::read_to_string(&capture).unwrap();
        for token in [&both, &fresh, &twin, &lost] {
            assert!(captured.contains(token.as_str()));
        }
        let fates = preview["tokens"].as_array().unwrap();
        let fate = |n: u64| {
            let found = fates.iter().find(|fate| fate["id"] == id(n).as_str());
            found.unwrap()["action"].as_str().unwrap().to_owned()
        };
        let expected = [
            "drop-plaintext",
            "no-token",
            "no-token",
            "already-hashed",
            "already-hashed",
        ];
        assert_eq!([1, 2, 3, 4, 5].map(fate), expected);
        assert_eq!(fate(6), "hash");
        let ran = scene.run(HASH, &database, NOWHERE).code(0);
        assert!(ran.stdout.contains("without a token, unusable"), "{ran:?}");
        assert!(ran.stdout.contains("nothing to do"), "{ran:?}");
        // The hash of an unknown kind is as it was.
        assert!(shows(&database, unknown));
    }
}

#[test]
fn what_can_not_be_judged_stops_all() {
    let token = generated(1);
    let cases: &[(&str, i32, &[&str])] = &[
        (
            &format!(
                "{},{}",
                field("token", &token),
                field("hashedToken", &hash_of("another"))
            ),
            1,
            &[
                "holds a token and the hash of a different token",
                "boltkey auth show",
                "nothing was changed",
            ],
        ),
        // A hash of an unknown kind, beside a token.
        (
            &format!(
                "{},{}",
                field("token", &token),
                field("hashedToken", "$argon9$x")
            ),
            1,
            &["holds a token and the hash of a different token"],
        ),
        (
            "\"token\":7",
            5,
            &["can't be decoded", "boltkey check", "nothing was changed"],
        ),
        ("\"token\":\"a\",\"token\":\"b\"", 5, &["can't be decoded"]),
        (
            "\"token\":\"a\",\"permissions\":7",
            5,
            &["authorizationsv1"],
        ),
    ];
    for redb in [false, true] {
        for (fields, code, words) in cases {
            let scene = Scene::new();
            let database = if redb {
                scene.redb(PLAIN)
            } else {
                scene.store(PLAIN)
            };
            edit(&database, |changes| {
                let record = record(&id(1), "x", fields);
                changes.put(RECORDS, id(1).as_bytes(), &record);
                changes.put(RAW, token.as_bytes(), id(1).as_bytes());
            });
            let file = scene.path("capture");
            for extra in [&["--capture", text(&file), "--yes"][..], NOWHERE, &["-n"]] {
                refused(&scene, &database, extra, *code, words);
            }
        }
    }
}

#[test]
fn older_schemas_are_sent_to_a_server_first() {
    let scene = Scene::new();
    for (name, schema) in [
        ("downgraded-15", 15),
        ("downgraded-18", 18),
        ("downgraded-20", 19),
    ] {
        let database = scene.store(name);
        if schema == 19 {
            edit(&database, |changes| {
                changes.remove(b"migrationsv1", b"0000000000000014")
            });
        }
        let words = [
            &format!("schema {schema}")[..],
            "influxd 2.7",
            "nothing was changed",
        ];
        refused(&scene, &database, NOWHERE, 1, &words);
        refused(&scene, &database, &["-n"], 1, &words);
    }
    // A gap is no schema.
    let database = scene.store("downgraded-20");
    edit(&database, |changes| {
        changes.remove(b"migrationsv1", b"0000000000000007")
    });
    refused(&scene, &database, NOWHERE, 5, &["does not know the schema"]);
}

#[test]
fn a_dry_run_lists_everything_and_changes_nothing() {
    let scene = Scene::new();
    // In the sandbox: nothing there may change, nor come to be.
    let database = scene.sandbox.store(LIVED);
    for extra in [
        &[][..],
        &["--capture", "tokens.json"],
        &["--no-capture", "--keep-copy", "copy"],
    ] {
        let extra = [extra, &["-n"]].concat();
        let ran = scene.run(HASH, &database, &extra).ok();
        for words in [
            "36 tokens would be hashed (sha256)",
            "would become 21",
            "nothing was changed",
        ] {
            assert!(ran.stdout.contains(words), "{words}: {ran:?}");
        }
        for (id, token) in tokens(LIVED) {
            // The one that was deleted is not there.
            let row = ran.stdout.lines().find(|line| line.starts_with(&id));
            assert!(
                row.is_none_or(|row| row.contains("would be hashed")),
                "{row:?}"
            );
            assert!(!ran.stdout.contains(&token));
        }
        assert_eq!(
            ran.stdout
                .lines()
                .filter(|line| line.contains("  would be hashed  "))
                .count(),
            36
        );
        let report = scene
            .run(HASH, &database, &[&extra[..], &["--json"]].concat())
            .ok()
            .json();
        assert_eq!(report["dryRun"], true);
        assert_eq!(report["plaintextRemaining"], Value::Null);
        assert_eq!(report["tokens"].as_array().unwrap().len(), 36);
    }
    let ran = scene
        .run(HASH, &database, &["-n", "--keep-copy", "missing/copy"])
        .code(1);
    ran.tells(&["the folder must exist"]);
}

#[test]
fn a_copy_holds_what_was() {
    let scene = Scene::new();
    let database = scene.store(PLAIN);
    let before = fs::read(&database).unwrap();
    let copy = scene.path("influxd.bolt.copy");
    let extra = [NOWHERE, &["--keep-copy", text(&copy)]].concat();
    let ran = scene.run(HASH, &database, &extra).code(0);
    ran.tells(&["warning", text(&copy), "contains every token in plaintext"]);
    assert!(fs::read(&copy).unwrap() == before);
    let (_, token) = &tokens(PLAIN)[0];
    assert!(shows(&copy, token) && !shows(&database, token));
}

#[test]
fn a_held_store_is_not_hashed() {
    let scene = Scene::new();
    let database = scene.store(PLAIN);
    let server = File::open(&database).unwrap();
    server.lock().unwrap();
    let file = scene.path("capture");
    let capture = ["--capture", text(&file), "--yes"];
    for extra in [NOWHERE, &capture, &["-n"]] {
        refused(
            &scene,
            &database,
            extra,
            4,
            &["is held by", "nothing was changed"],
        );
    }
    let failure = scene
        .run(HASH, &database, &[&capture[..], &["--json"]].concat())
        .code(4)
        .failure();
    assert_eq!(failure["code"], "locked");
}

/// A disk that is full, as a limit on the length of files makes one.
#[test]
fn a_full_disk_changes_nothing() {
    let scene = Scene::new();
    let database = scene.store(LIVED);
    // 256 KiB, and the new pages come behind.
    let mut length = fs::metadata(&database).unwrap().len();
    edit(&database, |changes| {
        for n in 0..600_u64 {
            add(changes, &id(n), &generated(n), "one of many");
        }
    });
    length = length.max(fs::metadata(&database).unwrap().len());
    let contents = |database: &Path| Model::copy_of(&as_it_is(database)).unwrap().0;
    let before = contents(&database);
    let capture = scene.path("capture");
    let limited = |kib: u64| {
        let mut command = Command::new("/bin/bash");
        command
            .args([
                "-c",
                "ulimit -f $0; trap '' XFSZ; exec \"$@\"",
                &kib.to_string(),
                BOLTKEY,
            ])
            .args(arguments(
                HASH,
                &database,
                &["--yes", "--capture", text(&capture)],
            ))
            .env_clear();
        scene.sandbox.finish(command)
    };
    // In the middle of the capture, and of what grows.
    for kib in [16, 100, length / 1024] {
        let ran = limited(kib).code(1);
        ran.tells(&["too large", "nothing was changed"]);
        assert!(contents(&database) == before, "{kib}");
        assert_eq!(scene.names(), ["influxd.bolt"], "{kib}: {ran:?}");
    }
    limited(1 << 20).code(0);
}

#[test]
fn a_report_that_can_not_be_printed_is_told() {
    let scene = Scene::new();
    let database = scene.store(PLAIN);
    let mut command = scene.sandbox.command(arguments(HASH, &database, NOWHERE));
    command.stdout(
        fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap(),
    );
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(7));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("is committed, but"), "{told}");
    assert!(!told.contains("nothing was changed"), "{told}");
    let (id, token) = &tokens(PLAIN)[0];
    assert_eq!(finds(&database, token).as_ref(), Some(id));
}

/// Lets the list of free pages of the current meta page name the root's page too.
fn free_the_root(database: &Path) {
    let mut bytes = fs::read(database).unwrap();
    let number =
        |bytes: &[u8], at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    let page_size = u32::from_le_bytes(bytes[24..28].try_into().unwrap()) as usize;
    let newer = number(&bytes, page_size + 64) > number(&bytes, 64);
    let meta = usize::from(newer) * page_size;
    let root = number(&bytes, meta + 32);
    let freelist = usize::try_from(number(&bytes, meta + 48)).unwrap() * page_size;
    // Behind the page's header is the first of its page numbers.
    bytes[freelist + 16..freelist + 24].copy_from_slice(&root.to_le_bytes());
    fs::write(database, bytes).unwrap();
}

#[test]
fn a_damaged_store_is_refused_before_a_capture_is_written() {
    let scene = Scene::new();
    let database = scene.store(LIVED);
    free_the_root(&database);
    let capture = scene.path("tokens.json");
    let copy = scene.path("copy.bolt");
    let capture = ["--capture", text(&capture)];
    for extra in [
        &["--yes"][..],
        // Damage comes before the question.
        &[],
        &["-n"],
        &["--yes", "--keep-copy", text(&copy)],
    ] {
        let extra = [&capture[..], extra].concat();
        let words = ["can't be changed", "nothing was changed"];
        refused(&scene, &database, &extra, 5, &words);
        let ran = scene.run(HASH, &database, &extra).code(5);
        assert!(!ran.stderr.contains("is kept"), "{ran:?}");
    }
    // Nor is another file with a token.
    let out = scene.path("new.token");
    let before = fs::read(&database).unwrap();
    let recover = ["recover", "operator", "--user", "alice", "--org", "acme"];
    let extra = ["--token-out", text(&out)];
    scene.run(&recover, &database, &extra).code(5);
    assert!(!out.exists());
    assert!(fs::read(&database).unwrap() == before);
}
