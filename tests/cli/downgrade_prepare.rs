//! `downgrade prepare`: every source of tokens, and sources with errors.

use std::fs;
use std::path::Path;

use boltkey::metadata::{TokenHash, Variant, names};
use boltkey::store::{Snapshot, WritableStore};
use serde_json::{Value, json};

use crate::downgrade::{APPLY, BEFORE, CHECK, HASHED, value};
use crate::fixtures::damaged;
use crate::fixtures::{facts, fixture, gzip, sealed_with_passphrase};
use crate::scene::{Scene, arguments, is_sound, text};
use crate::support::store_image::{as_it_is, edit};

const PREPARE: &[&str] = &["downgrade", "prepare"];

/// The tokens of a store that were not deleted, as they were made.
fn tokens(store: &str) -> Vec<String> {
    let facts = facts(store);
    let list = facts["tokens"].as_array().unwrap().iter();
    list.filter(|token| token["status"] != "deleted")
        .map(|token| token["token"].as_str().unwrap().to_owned())
        .collect()
}

/// Runs it with `--json`, expecting numbers of tokens: restored, plaintext before, unmatched, still
/// hashed.
#[track_caller]
fn prepare(scene: &Scene, database: &Path, extra: &[&str], numbers: [usize; 4]) -> Value {
    let extra = [extra, &["--yes", "--json"]].concat();
    let report = scene.run(PREPARE, database, &extra).ok().json();
    expect(&report, numbers);
    report
}

#[track_caller]
fn expect(report: &Value, numbers: [usize; 4]) {
    let found = [
        report["restored"].as_u64(),
        report["alreadyPlaintext"].as_u64(),
        report["unmatched"].as_u64(),
        report["stillHashed"]
            .as_array()
            .map(|list| list.len() as u64),
    ];
    assert_eq!(found, numbers.map(|n| Some(n as u64)), "{report}");
    assert_eq!(report["changed"], numbers[0] > 0, "{report}");
}

/// Every token of these facts authenticates by its plaintext, the active ones with success.
#[track_caller]
fn all_work(scene: &Scene, database: &Path, store: &str) {
    let known: Vec<String> = tokens(store);
    let lookup = as_it_is(database);
    for token in &known {
        let entry = lookup.get(names::AUTHORIZATION_INDEX, token.as_bytes());
        assert!(entry.unwrap().is_some(), "{token}");
    }
    is_sound(scene, database);
    let report = scene
        .run(CHECK, database, &["--to", "2.7", "--json"])
        .ok()
        .json();
    assert_eq!(report["kept"], known.len(), "{report}");
}

#[test]
fn from_every_source() {
    let list = tokens(BEFORE).join("\n");
    let (capture, packed) = (fixture(BEFORE), gzip(&fixture(BEFORE)));
    for redb in [false, true] {
        let scene = Scene::new();
        let path = |name: &str| scene.path(name);
        fs::write(path("before.bolt"), &capture).unwrap();
        fs::write(path("before.bolt.gz"), &packed).unwrap();
        fs::write(path("list"), &list).unwrap();
        fs::write(
            path("configs"),
            format!("[default]\ntoken = \"{}\"\n", tokens(BEFORE)[0]),
        )
        .unwrap();
        for format in ["json", "csv", "env"] {
            let out = path(format);
            let extra = ["--out", text(&out), "--format", format];
            scene.run(&["capture"], &path("before.bolt"), &extra).ok();
        }
        let cases: &[(&[&str], usize)] = &[
            (&["--tokens", "json"], 36),
            (&["--tokens", "csv"], 36),
            (&["--tokens", "env"], 36),
            (&["--tokens", "list"], 36),
            (&["--from-db", "before.bolt"], 36),
            (&["--from-db", "before.bolt.gz"], 36),
            (&["--files", "configs", "before.bolt.gz"], 36),
            (&["--files", "configs"], 1),
            // A telegraf configuration of the store itself shows one, unused pages the others.
            (&["--from-residue"], if redb { 1 } else { 36 }),
            (
                &["--tokens", "list", "--tokens", "csv", "--from-residue"],
                36,
            ),
        ];
        for (sources, restored) in cases {
            let database = if redb {
                scene.redb(HASHED)
            } else {
                scene.store(HASHED)
            };
            let sources: Vec<String> = sources
                .iter()
                .map(|word| match word.strip_prefix("--") {
                    Some(_) => (*word).to_owned(),
                    None => text(&path(word)).to_owned(),
                })
                .collect();
            let sources: Vec<&str> = sources.iter().map(String::as_str).collect();
            let report = prepare(
                &scene,
                &database,
                &sources,
                [*restored, 0, 0, 36 - restored],
            );
            let fields: Vec<&str> = report.as_object().unwrap().keys().map(|k| &**k).collect();
            let wanted = [
                "restored",
                "alreadyPlaintext",
                "unmatched",
                "stillHashed",
                "changed",
            ];
            assert_eq!(fields, wanted);
            for token in report["stillHashed"].as_array().unwrap() {
                let fields: Vec<&str> = token.as_object().unwrap().keys().map(|k| &**k).collect();
                assert_eq!(fields, ["id", "description", "kind"]);
            }
            if *restored == 36 {
                all_work(&scene, &database, BEFORE);
            }
            // Again: nothing to do, no question, not a byte.
            let bytes = fs::read(&database).unwrap();
            let again = [&sources[..], &["--json"]].concat();
            let report = scene.run(PREPARE, &database, &again).ok().json();
            expect(&report, [0, *restored, 0, 36 - restored]);
            let ran = scene.run(PREPARE, &database, &sources).ok();
            assert!(ran.stdout.contains("nothing to restore"), "{ran:?}");
            assert!(ran.stdout.contains("nothing was changed"), "{ran:?}");
            assert_eq!(fs::read(&database).unwrap(), bytes);
            fs::remove_file(&database).unwrap();
        }
    }
}

#[test]
fn records_come_back_as_they_were() {
    let scene = Scene::new();
    let (database, before) = (scene.store(HASHED), scene.path("before.bolt"));
    fs::write(&before, fixture(BEFORE)).unwrap();
    prepare(
        &scene,
        &database,
        &["--from-db", text(&before)],
        [36, 0, 0, 0],
    );
    let (old, new) = (as_it_is(&before), as_it_is(&database));
    for bucket in [names::AUTHORIZATIONS, names::AUTHORIZATION_INDEX] {
        let pairs = |store: &WritableStore| {
            let mut pairs = Vec::new();
            let damage = store.scan(bucket, &mut |key, value| {
                pairs.push((key.to_vec(), String::from_utf8(value.to_vec()).unwrap()));
                std::ops::ControlFlow::Continue(())
            });
            assert!(damage.unwrap().is_empty());
            pairs
        };
        assert_eq!(pairs(&new), pairs(&old));
    }
    let mut hashes = 0;
    new.scan(names::AUTHORIZATION_HASHED_INDEX, &mut |_, _| {
        hashes += 1;
        std::ops::ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(hashes, 0);
}

#[test]
fn lists_as_people_keep_them() {
    let scene = Scene::new();
    let all = tokens(BEFORE);
    let list = format!(
        "\r\n{}\r\n\r\n{}\n  \n{}\r\n{}\nnot a token of this store\r\n{}\r\nexport T='{}'\nnot a token of this store",
        all[0], all[1], all[0], all[1], all[2], all[3]
    );
    let database = scene.store(HASHED);
    let arguments = arguments(PREPARE, &database, &["--tokens", "-", "--yes", "--json"]);
    let ran = scene.sandbox.run_with(&arguments, list.as_bytes()).ok();
    expect(&ran.json(), [4, 0, 1, 32]);
    // Standard input is not a terminal, so the command can't ask.
    let unconfirmed: Vec<String> = arguments
        .iter()
        .filter(|argument| *argument != "--yes")
        .cloned()
        .collect();
    let ran = scene
        .sandbox
        .run_with(&unconfirmed, all[9].as_bytes())
        .code(6);
    ran.tells(&["Restore 1 token", "in plaintext", "--yes"]);
    // A hash is no token, a 1.x user name no candidate, and an empty list no error.
    let hash = TokenHash::of(Variant::Sha256, all[9].as_bytes()).to_phc();
    for (list, unmatched) in [
        ("collectd\n", 0),
        (&hash, 1),
        ("\n\n", 0),
        ("", 0),
        ("x\ny\n", 2),
    ] {
        let ran = scene.sandbox.run_with(&arguments, list.as_bytes()).ok();
        expect(&ran.json(), [0, 4, unmatched, 32]);
    }
}

#[test]
fn encrypted_captures() {
    let scene = Scene::new();
    let before = scene.path("before.bolt");
    fs::write(&before, fixture(BEFORE)).unwrap();
    let (right, wrong) = (scene.path("right"), scene.path("wrong"));
    fs::write(&right, "the right one\n").unwrap();
    fs::write(&wrong, "another\n").unwrap();
    let sealed = scene.path("sealed.age");
    let extra = ["--out", text(&sealed), "--passphrase-file", text(&right)];
    scene.run(&["capture"], &before, &extra).ok();
    // One that takes less work to open.
    let plain = scene.path("plain.json");
    let out = ["--out", text(&plain)];
    scene.run(&["capture"], &before, &out).ok();
    let light = scene.path("light.age");
    let content = sealed_with_passphrase(&fs::read(plain).unwrap(), "the right one");
    fs::write(&light, content).unwrap();

    let database = scene.store(HASHED);
    let bytes = fs::read(&database).unwrap();
    let source = ["--tokens", text(&light), "--yes"];
    let ran = scene.run(PREPARE, &database, &source).code(1);
    ran.tells(&[
        text(&light),
        "encrypted",
        "--identity",
        "nothing was changed",
    ]);
    let extra = [&source[..], &["--passphrase-file", text(&wrong)]].concat();
    let ran = scene.run(PREPARE, &database, &extra).code(1);
    ran.tells(&[
        "can't decrypt",
        "right key or passphrase",
        "nothing was changed",
    ]);
    let extra = [&source[..], &["--identity", text(&wrong)]].concat();
    let ran = scene.run(PREPARE, &database, &extra).code(1);
    ran.tells(&[text(&wrong), "not an age identity"]);
    let cut = scene.path("cut.age");
    fs::write(&cut, &fs::read(&light).unwrap()[..400]).unwrap();
    let extra = [
        "--tokens",
        text(&cut),
        "--yes",
        "--passphrase-file",
        text(&right),
    ];
    scene.run(PREPARE, &database, &extra).code(1);
    assert_eq!(fs::read(&database).unwrap(), bytes);

    let extra = ["--tokens", text(&sealed), "--passphrase-file", text(&right)];
    prepare(&scene, &database, &extra, [36, 0, 0, 0]);
    // By the environment, and for the holder of a key.
    let database = scene.store(HASHED);
    let mut command = scene
        .sandbox
        .command(arguments(PREPARE, &database, &source));
    command.env("BOLTKEY_PASSPHRASE", "the right one");
    let ran = scene.sandbox.finish(command).ok();
    assert!(ran.stdout.contains("restored 36 tokens"), "{ran:?}");
    let identity = age::x25519::Identity::generate();
    let recipient = identity.to_public().to_string();
    let (key, sealed) = (scene.path("key"), scene.path("for-a-key.age"));
    fs::write(
        &key,
        age::secrecy::ExposeSecret::expose_secret(&identity.to_string()),
    )
    .unwrap();
    let extra = ["--out", text(&sealed), "--recipient", &recipient];
    scene.run(&["capture"], &before, &extra).ok();
    let database = scene.store(HASHED);
    let extra = ["--tokens", text(&sealed), "--identity", text(&key)];
    prepare(&scene, &database, &extra, [36, 0, 0, 0]);
}

#[test]
fn sources_that_are_none() {
    let scene = Scene::new();
    let database = scene.store(HASHED);
    let bytes = fs::read(&database).unwrap();
    let (missing, broken) = (scene.path("missing"), scene.path("broken.bolt"));
    fs::write(&broken, b"not a database").unwrap();
    let (json, nul) = (scene.path("cut.json"), scene.path("nul"));
    fs::write(&json, "{\"tokens\":[{\"token\":\"SECRET\"").unwrap();
    fs::write(&nul, b"SECRET\n\xff\xfe\n").unwrap();
    for (extra, code, words) in [
        (
            &[][..],
            2,
            &["--tokens", "--from-db", "--files", "--from-residue"][..],
        ),
        (&["--tokens", "-", "--tokens", "-"], 2, &["standard input"]),
        (
            &["--tokens", "-", "--passphrase-file", "-"],
            2,
            &["standard input"],
        ),
        (
            &[
                "--identity",
                "-",
                "--passphrase-file",
                "-",
                "--from-residue",
            ],
            2,
            &["standard input"],
        ),
        (
            &["--tokens", text(&missing)],
            1,
            &[text(&missing), "No such file"],
        ),
        (
            &["--tokens", text(&json)],
            1,
            &[text(&json), "not valid JSON"],
        ),
        (
            &["--tokens", text(&nul)],
            1,
            &[text(&nul), "line 2", "not UTF-8"],
        ),
        (
            &["--from-db", text(&missing)],
            1,
            &[text(&missing), "--from-db"],
        ),
        (
            &["--from-db", text(&broken)],
            5,
            &[text(&broken), "--files"],
        ),
        (&["--files", text(&missing)], 1, &[text(&missing)]),
    ] {
        for json in [false, true] {
            let extra = [extra, &["--yes"], if json { &["--json"] } else { &[] }].concat();
            let ran = scene.run(PREPARE, &database, &extra).code(code);
            ran.tells(words);
            assert!(!ran.stderr.contains("SECRET"), "{ran:?}");
            assert_eq!(ran.stdout, "");
        }
    }
    assert_eq!(fs::read(&database).unwrap(), bytes);
}

#[test]
fn a_dry_run_a_copy_and_a_question() {
    let scene = Scene::new();
    let database = scene.sandbox.store(HASHED);
    for extra in [
        &["--from-residue"][..],
        &["--from-residue", "--keep-copy", "copy"],
    ] {
        let dry = [extra, &["-n", "--json"]].concat();
        let report = scene.run(PREPARE, &database, &dry).ok().json();
        assert_eq!(report["restored"], 36);
        assert_eq!(
            (&report["dryRun"], &report["changed"]),
            (&json!(true), &json!(false))
        );
        let ran = scene
            .run(PREPARE, &database, &[extra, &["-n"]].concat())
            .ok();
        assert!(ran.stdout.contains("would restore 36 tokens"), "{ran:?}");
        let failure = scene
            .run(PREPARE, &database, &[extra, &["--json"]].concat())
            .code(6)
            .failure();
        assert_eq!(failure["code"], "confirmation");
    }
    let packed = scene.sandbox.file("work/copy.gz", gzip(&fixture(HASHED)));
    let extra = ["--from-residue", "--yes"];
    scene
        .run(PREPARE, &packed, &extra)
        .code(1)
        .tells(&["gzipped copy"]);
    let broken = scene
        .sandbox
        .file("work/broken.bolt", damaged("page-shared"));
    scene.run(PREPARE, &broken, &extra).code(5);

    let database = scene.store(HASHED);
    let (before, copy) = (fs::read(&database).unwrap(), scene.path("copy"));
    let extra = ["--from-residue", "--keep-copy", text(&copy)];
    prepare(&scene, &database, &extra, [36, 0, 0, 0]);
    assert_eq!(fs::read(&copy).unwrap(), before);
}

#[test]
fn after_prepare_nothing_is_lost() {
    for store in [HASHED, "mixed-2.9.1"] {
        let scene = Scene::new();
        let database = scene.store(store);
        let list = scene.path("list");
        fs::write(&list, tokens(store).join("\n")).unwrap();
        let hashed = if store == HASHED { 36 } else { 6 };
        let all = tokens(store).len();
        prepare(
            &scene,
            &database,
            &["--tokens", text(&list)],
            [hashed, all - hashed, 0, 0],
        );
        let extra = ["--to", "2.7", "--yes", "--json"];
        let report = scene.run(APPLY, &database, &extra).ok().json();
        assert_eq!(
            (&report["changed"], &report["kept"]),
            (&json!(true), &json!(all))
        );
        all_work(&scene, &database, store);
    }
    // Also when it is thought of too late: 2.7 knows none of them, until they are put back.
    let scene = Scene::new();
    let database = scene.store("downgraded-20-hashed");
    let list = scene.path("list");
    fs::write(&list, tokens("downgraded-20-hashed").join("\n")).unwrap();
    prepare(&scene, &database, &["--tokens", text(&list)], [36, 0, 0, 0]);
    all_work(&scene, &database, "downgraded-20-hashed");
}

#[test]
fn records_of_every_kind() {
    let scene = Scene::new();
    let database = scene.store("fresh-2.9.1");
    let hash = |token: &str| TokenHash::of(Variant::Sha256, token.as_bytes()).to_phc();
    let long = TokenHash::of(Variant::Sha512, b"long").to_phc();
    let org = "0000000000000001";
    let record = |number: u32, fields: &str| {
        format!(
            r#"{{ "more" : 1.50, "id":"{number:016x}",{fields},"orgID":"{org}","permissions":null}}"#
        )
    };
    let cases = [
        (
            1,
            format!(r#""token":"","hashedToken":"{}""#, hash("empty")),
            Some(hash("empty")),
        ),
        (2, format!(r#""hashedToken":"{long}""#), Some(long.clone())),
        (3, r#""hashedToken":"$influxdb2-sha999$AAAA""#.into(), None),
        (
            4,
            format!(r#""token":"both","hashedToken":"{}""#, hash("both")),
            Some(hash("both")),
        ),
        // Two with one token: the server finds the second.
        (5, format!(r#""hashedToken":"{}""#, hash("twice")), None),
        (
            6,
            format!(r#""hashedToken":"{}""#, hash("twice")),
            Some(hash("twice")),
        ),
        // Somebody else holds the same in plaintext.
        (
            7,
            format!(r#""hashedToken":"{}""#, hash("taken")),
            Some(hash("taken")),
        ),
        (8, r#""token":"taken""#.into(), None),
        (9, r#""status":"active""#.into(), None),
        (
            10,
            format!(r#""hashedToken":"{}""#, hash("q\"<é>")),
            Some(hash("q\"<é>")),
        ),
    ];
    edit(&database, |_, changes| {
        for (number, fields, hash) in &cases {
            let id = format!("{number:016x}");
            changes.put(
                names::AUTHORIZATIONS,
                id.as_bytes(),
                record(*number, fields).as_bytes(),
            );
            if let Some(hash) = hash {
                changes.put(
                    names::AUTHORIZATION_HASHED_INDEX,
                    hash.as_bytes(),
                    id.as_bytes(),
                );
            }
        }
        changes.put(names::AUTHORIZATION_INDEX, b"taken", b"0000000000000008");
    });
    let list = scene.path("list");
    fs::write(&list, "empty\nlong\nboth\ntwice\ntaken\nq\"<é>\nnobody's\n").unwrap();
    // Restored: 1, 2, 4 (its entry), 6, 10. In plaintext: 8. Hashed: 3, 5, 7, and setup's own.
    let report = prepare(&scene, &database, &["--tokens", text(&list)], [5, 1, 1, 4]);
    let still = report["stillHashed"].to_string();
    for number in ["3", "5", "7"] {
        assert!(
            still.contains(&format!("000000000000000{number}")),
            "{still}"
        );
    }
    let now = |number: u32| value(&database, names::AUTHORIZATIONS, &format!("{number:016x}"));
    assert_eq!(now(1), Some(record(1, r#""token":"empty""#)));
    assert_eq!(now(2), Some(record(2, r#""token":"long""#)));
    assert_eq!(now(4), Some(record(4, &cases[3].1)));
    assert_eq!(now(10), Some(record(10, r#""token":"q\"\u003cé\u003e""#)));
    for (token, number) in [
        ("empty", 1),
        ("long", 2),
        ("both", 4),
        ("twice", 6),
        ("taken", 8),
        ("q\"<é>", 10),
    ] {
        let entry = value(&database, names::AUTHORIZATION_INDEX, token);
        assert_eq!(entry, Some(format!("{number:016x}")), "{token}");
    }
    assert_eq!(
        value(&database, names::AUTHORIZATION_HASHED_INDEX, &long),
        None
    );
    // An undecodable record has to be kept, and so stops everything.
    edit(&database, |_, changes| {
        changes.put(names::AUTHORIZATIONS, b"0000000000000bad", b"{\"id\":\"\"}");
    });
    let extra = ["--from-residue", "--yes"];
    let ran = scene.run(PREPARE, &database, &extra).code(5);
    ran.tells(&["0000000000000bad", "nothing was changed"]);
}
