//! `downgrade check` and `downgrade apply`.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use boltkey::metadata::names;
use boltkey::metadata::release::SQL_MIGRATIONS;
use boltkey::store::Snapshot;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::fixtures::damaged;
use crate::fixtures::{fixture, gzip};
use crate::scene::{Scene, is_sound, text};
use crate::support::store_image::{as_it_is, edit};

pub const CHECK: &[&str] = &["downgrade", "check"];
pub const APPLY: &[&str] = &["downgrade", "apply"];
/// All 36 tokens are hashed, and unused bytes show them all.
pub const HASHED: &str = "upgraded-2.9.1";
/// The same store before the upgrade.
pub const BEFORE: &str = "lived-2.7.12";

/// The value of a key, as text.
pub fn value(database: &Path, bucket: &[u8], key: &str) -> Option<String> {
    let store = as_it_is(database);
    let value = store.get(bucket, key.as_bytes()).unwrap();
    value.map(|value| String::from_utf8(value).unwrap())
}

/// Makes an SQLite file with the first so many of influxd's migrations recorded.
pub fn sqlite(path: &Path, migrations: usize, rows: &str) {
    let connection = Connection::open(path).unwrap();
    let create = "CREATE TABLE migrations(id INTEGER PRIMARY KEY AUTOINCREMENT, \
                  name TEXT UNIQUE NOT NULL);";
    connection.execute_batch(create).unwrap();
    for name in SQL_MIGRATIONS.iter().take(migrations) {
        connection
            .execute("INSERT INTO migrations(name) VALUES (?1)", [name])
            .unwrap();
    }
    connection.execute_batch(rows).unwrap();
}

const ROWS: &str = "
    CREATE TABLE notebooks(id TEXT); CREATE TABLE streams(id TEXT); CREATE TABLE annotations(id);
    CREATE TABLE remotes(id TEXT, remote_org_id TEXT);
    CREATE TABLE replications(id TEXT, remote_bucket_name TEXT DEFAULT '');
    INSERT INTO notebooks VALUES ('n');
    INSERT INTO streams VALUES ('s'), ('t');
    INSERT INTO annotations VALUES ('a'), ('b'), ('c');
    INSERT INTO remotes VALUES ('1', NULL), ('2', 'o'), ('3', NULL), ('4', 'o');
    INSERT INTO replications VALUES ('1', 'by name'), ('2', ''), ('3', ''), ('4', ''), ('5', '');";

fn ids(list: &Value) -> Vec<String> {
    let list = list.as_array().unwrap().iter();
    list.map(|one| one["id"].as_str().unwrap().to_owned())
        .collect()
}

fn texts(list: &Value) -> Vec<&str> {
    let list = list.as_array().unwrap().iter();
    list.map(|text| text.as_str().unwrap()).collect()
}

#[track_caller]
fn check(scene: &Scene, database: &Path, to: &str, extra: &[&str], code: i32) -> Value {
    let extra = [&["--to", to, "--json"], extra].concat();
    scene.run(CHECK, database, &extra).code(code).json()
}

/// Removes the migration records above `schema` from a store of schema 21.
fn back_to(database: &Path, schema: u64) {
    edit(database, |_, changes| {
        for number in schema + 1..=21 {
            changes.remove(names::MIGRATIONS, format!("{number:016x}").as_bytes());
        }
        changes.delete_bucket(names::AUTHORIZATION_HASHED_INDEX);
    });
}

#[test]
fn check_names_every_token_that_would_be_lost() {
    for (store, to, lost, kept) in [
        (HASHED, "2.7", 36, 0),
        (HASHED, "2.5", 36, 0),
        (HASHED, "2.0", 36, 0),
        (HASHED, "2.8", 0, 36),
        (HASHED, "2.9", 0, 36),
        ("mixed-2.9.1", "2.7", 6, 35),
        ("lived-2.9.1-plaintext", "2.7", 0, 36),
        (BEFORE, "2.7", 0, 36),
        (BEFORE, "2.9", 0, 36),
        ("downgraded-20-hashed", "2.7", 0, 0),
        ("downgraded-20-hashed", "2.9", 0, 0),
    ] {
        let scene = Scene::new();
        let database = scene.sandbox.store(store);
        let code = if lost > 0 { 3 } else { 0 };
        let report = check(&scene, &database, to, &[], code);
        let place = format!("{store} to {to}: {report}");
        let fields: Vec<&str> = report.as_object().unwrap().keys().map(|k| &**k).collect();
        let wanted = [
            "target",
            "supported",
            "undo",
            "lost",
            "reduced",
            "kept",
            "steps",
            "warnings",
            "incomplete",
        ];
        assert_eq!(fields, wanted, "{place}");
        assert_eq!(report["target"], to, "{place}");
        assert_eq!(report["supported"], true, "{place}");
        assert_eq!(report["kept"], kept, "{place}");
        let named = ids(&report["lost"]);
        assert_eq!(named.len(), lost, "{place}");
        // The same that `auth list` calls hashed.
        let extra = ["--storage", "hashed", "--json"];
        let hashed = scene.run(&["auth", "list"], &database, &extra).ok().json();
        let mut hashed = ids(&hashed["authorizations"]);
        if lost > 0 {
            hashed.sort();
            assert_eq!(named, hashed, "{place}");
            let first = &report["lost"][0];
            assert_eq!(first["description"], "alice's Token");
            assert_eq!(first["kind"], "operator");
            let reason = first["reason"].as_str().unwrap();
            assert!(reason.contains("hash") && reason.contains(to), "{reason}");
        } else if store == "downgraded-20-hashed" {
            assert!(
                report["warnings"]
                    .to_string()
                    .contains("36 tokens are not accepted"),
                "{place}"
            );
        }
        let text = scene.run(CHECK, &database, &["--to", to]).code(code);
        if lost > 0 {
            assert!(
                text.stdout.contains(&format!("{lost} would be LOST")),
                "{text:?}"
            );
            assert!(text.stdout.contains("alice's Token"), "{text:?}");
            assert!(!text.stdout.contains('\u{1b}'), "{text:?}");
        }
    }
}

#[test]
fn check_tells_the_commands_in_order() {
    let scene = Scene::new();
    let database = scene.sandbox.store(HASHED);
    let path = text(&database);
    let report = check(&scene, &database, "2.7", &[], 3);
    assert_eq!(
        texts(&report["steps"]),
        [
            format!("boltkey downgrade prepare --from-residue --db {path}"),
            format!("boltkey downgrade apply --to 2.7 --db {path}"),
        ]
    );
    assert_eq!(
        report["undo"],
        json!({"database": ["create authorizationhashedindexv1 bucket"], "sqlite": []})
    );
    // A copy that influxd made is a better source still.
    let backup = scene.sandbox.file(
        "work/upgraded-2.9.1.bolt.pre-v2.9.1-upgrade.backup",
        fixture(BEFORE),
    );
    let report = check(&scene, &database, "2.7", &[], 3);
    let step = format!(
        "boltkey downgrade prepare --from-db {} --from-residue --db {path}",
        text(&backup)
    );
    assert_eq!(report["steps"][0], step);
    assert_eq!(
        texts(&check(&scene, &database, "2.9", &[], 0)["steps"]),
        [""; 0]
    );

    // Where nothing shows the tokens, a list has to be named; paths are for a shell to read.
    let scene = Scene::new();
    let database = scene
        .sandbox
        .file("work/my files/it's.bolt", fixture("fresh-2.9.1"));
    let report = check(&scene, &database, "2.6", &[], 3);
    let first = report["steps"][0].as_str().unwrap();
    assert!(first.contains("it'\\''s.bolt'"), "{first}");
}

#[test]
fn check_looks_at_both_sides() {
    let scene = Scene::new();
    let database = scene.sandbox.store("lived-2.9.1-plaintext");
    let beside = scene.sandbox.path("work/influxd.sqlite");
    sqlite(&beside, 8, ROWS);
    let words = "\"Downgrading directly to a version earlier than 2.7 is not recommended.\"";
    for (to, by, sql, told) in [
        ("2.7", None, 0, &[][..]),
        ("2.5", None, 0, &[]),
        (
            "2.4",
            Some("2.4"),
            1,
            &["2 remotes without an organization"],
        ),
        (
            "2.3",
            Some("2.3"),
            3,
            &[
                "2 remotes without an organization",
                "1 replication that names its bucket",
            ],
        ),
        (
            "2.2",
            Some("2.1"),
            5,
            &["4 remotes in", "5 replications in", "no target 2.2"],
        ),
        (
            "2.1",
            Some("2.1"),
            5,
            &["4 remotes in", "5 replications in"],
        ),
        (
            "2.0",
            Some("2.0"),
            8,
            &[
                "4 remotes in",
                "5 replications in",
                "1 notebook in",
                "2 annotation streams in",
                "3 annotations in",
            ],
        ),
    ] {
        for named in [&[][..], &["--sqlite-path", text(&beside)]] {
            let report = check(&scene, &database, to, named, 0);
            let warnings = texts(&report["warnings"]).join("\n");
            assert_eq!(warnings.contains(words), to < "2.7", "{to}: {warnings}");
            for text in told {
                assert!(warnings.contains(text), "{to}: {warnings}");
            }
            assert_eq!(
                warnings.matches("would be deleted").count(),
                told.len() - usize::from(to == "2.2")
            );
            let undone = report["undo"]["sqlite"].as_array().unwrap().len();
            assert_eq!(undone, sql, "{to}");
            let steps = texts(&report["steps"]);
            match by {
                None => assert!(
                    steps[0].starts_with("boltkey downgrade apply --to "),
                    "{steps:?}"
                ),
                Some(by) => assert_eq!(
                    steps,
                    [format!(
                        "influxd downgrade --bolt-path {} --sqlite-path {} {by}",
                        text(&database),
                        text(&beside)
                    )]
                ),
            }
        }
    }
    // Without the file, and with one of an older schema, the database alone decides.
    fs::remove_file(&beside).unwrap();
    let report = check(&scene, &database, "2.4", &[], 0);
    assert!(
        report["steps"][0]
            .as_str()
            .unwrap()
            .starts_with("boltkey downgrade apply")
    );
    assert!(
        report["warnings"]
            .to_string()
            .contains("only the database was checked")
    );
    sqlite(&beside, 5, "");
    let report = check(&scene, &database, "2.3", &[], 0);
    assert!(
        report["steps"][0]
            .as_str()
            .unwrap()
            .starts_with("boltkey downgrade apply")
    );
    let report = check(&scene, &database, "2.1", &[], 0);
    assert!(
        report["steps"][0]
            .as_str()
            .unwrap()
            .starts_with("influxd downgrade")
    );
}

#[test]
fn an_sqlite_file_that_can_not_be_read() {
    let scene = Scene::new();
    let database = scene.sandbox.store("lived-2.9.1-plaintext");
    let beside = scene.sandbox.path("work/influxd.sqlite");
    let sound = scene.path("sound.sqlite");
    sqlite(&sound, 8, ROWS);
    let sound_bytes = fs::read(&sound).unwrap();
    let cases: [(&str, Vec<u8>, &str); 3] = [
        ("no SQLite", b"hello".to_vec(), "is not an SQLite file"),
        (
            "cut",
            sound_bytes[..sound_bytes.len() / 2].to_vec(),
            "is damaged",
        ),
        (
            "format",
            [&sound_bytes[..18], &[9, 9], &sound_bytes[20..]].concat(),
            "newer than this version",
        ),
    ];
    for (_, bytes, words) in &cases {
        fs::write(&beside, bytes).unwrap();
        for to in ["2.7", "2.4"] {
            let ran = scene.run(CHECK, &database, &["--to", to]).code(5);
            ran.tells(&[text(&beside), words, "nothing was changed", "hint: "]);
            assert_eq!(ran.stdout, "");
        }
        let extra = ["--to", "2.4", "--yes"];
        scene.run(APPLY, &database, &extra).code(5).tells(&[words]);
        // What does not have to change does not stop the database's side.
        let extra = ["--to", "2.7", "-n", "--json"];
        let report = scene.run(APPLY, &database, &extra).code(0).json();
        let warnings = report["warnings"].to_string();
        assert!(
            warnings.contains(words) && warnings.contains("may not start"),
            "{warnings}"
        );
    }
    fs::remove_file(&beside).unwrap();
    symlink(&sound, &beside).unwrap();
    let ran = scene.run(CHECK, &database, &["--to", "2.7"]).code(1);
    ran.tells(&["is a link", text(&beside)]);
    fs::remove_file(&beside).unwrap();
    let missing = scene.path("missing");
    for command in [CHECK, APPLY] {
        let extra = ["--to", "2.4", "--sqlite-path", text(&missing), "--json"];
        let failure = scene.run(command, &database, &extra).code(1).failure();
        assert!(failure["hint"].as_str().unwrap().contains("--sqlite-path"));
    }
    // A schema of the future: no known release starts on it.
    let newer = scene.path("newer.sqlite");
    sqlite(
        &newer,
        8,
        "INSERT INTO migrations(name) VALUES ('0009_something_new');",
    );
    let extra = ["--sqlite-path", text(&newer)];
    let report = check(&scene, &database, "2.4", &extra, 0);
    assert_eq!(report["supported"], false);
    assert_eq!(texts(&report["steps"]), [""; 0]);
    assert!(
        report["warnings"]
            .to_string()
            .contains("0009_something_new")
    );
    let extra = ["--to", "2.4", "--yes", "--sqlite-path", text(&newer)];
    let ran = scene.run(APPLY, &database, &extra).code(5);
    ran.tells(&["0009_something_new", "nothing was changed"]);
}

#[test]
fn apply_undoes_what_keeps_2_7_from_starting_and_nothing_else() {
    for redb in [false, true] {
        let scene = Scene::new();
        let store = "lived-2.9.1-plaintext";
        let database = if redb {
            scene.redb(store)
        } else {
            scene.store(store)
        };
        let records = |database: &Path| {
            let listed = ["--reveal", "--json"];
            scene.run(&["auth", "list"], database, &listed).ok().json()
        };
        let before = records(&database);
        scene
            .run(APPLY, &database, &["--to", "2.7"])
            .code(6)
            .tells(&["Undo 1 migration", "2.7 can start on it", "--yes"]);
        let dry = ["--to", "2.7", "-n", "--json"];
        let report = scene.run(APPLY, &database, &dry).ok().json();
        assert_eq!(
            (&report["dryRun"], &report["changed"]),
            (&json!(true), &json!(false))
        );
        let wanted = ["--to", "2.7", "--yes", "--json"];
        let report = scene.run(APPLY, &database, &wanted).ok().json();
        assert_eq!(report["changed"], true);
        assert_eq!(
            (report["kept"].as_u64(), report["dropped"].as_u64()),
            (Some(36), Some(0))
        );
        assert_eq!(ids(&report["lost"]), [""; 0]);
        assert_eq!(texts(&report["steps"]), [""; 0]);
        assert_eq!(records(&database), before);
        assert_eq!(
            value(&database, names::MIGRATIONS, "0000000000000015"),
            None
        );
        assert!(value(&database, names::MIGRATIONS, "0000000000000014").is_some());
        is_sound(&scene, &database);
        let status = scene.run(&["status", "--json"], &database, &[]).ok().json();
        assert_eq!(
            status["schema"],
            json!({"migrations": 20, "release": "2.3–2.7", "known": true})
        );

        // A second run for any release: nothing to do, and no question.
        let bytes = fs::read(&database).unwrap();
        for to in ["2.3", "2.4", "2.5", "2.6", "2.7", "2.8", "2.9"] {
            let ran = scene.run(APPLY, &database, &["--to", to]).ok();
            assert!(ran.stdout.contains("nothing to undo"), "{ran:?}");
            let report = scene
                .run(APPLY, &database, &["--to", to, "--json"])
                .ok()
                .json();
            assert_eq!(report["changed"], false);
        }
        assert_eq!(fs::read(&database).unwrap(), bytes);
    }
}

#[test]
fn apply_loses_no_token_unasked() {
    let scene = Scene::new();
    let database = scene.store(HASHED);
    let bytes = fs::read(&database).unwrap();
    let refused: [&[&str]; 4] = [&[], &["--yes"], &["--yes", "--drop-hashed"], &["-n"]];
    for extra in refused {
        let extra = [&["--to", "2.7"], extra].concat();
        let ran = scene.run(APPLY, &database, &extra).code(3);
        assert!(ran.stdout.contains("36 tokens would be lost"), "{ran:?}");
        assert!(ran.stdout.contains("--allow-loss"), "{ran:?}");
        let json = [&extra[..], &["--json"]].concat();
        let report = scene.run(APPLY, &database, &json).code(3).json();
        assert_eq!(report["changed"], false);
        assert_eq!(ids(&report["lost"]).len(), 36);
        let first = report["steps"][0].as_str().unwrap();
        assert!(
            first.starts_with("boltkey downgrade prepare --from-residue"),
            "{first}"
        );
        let dropped = if extra.contains(&"--drop-hashed") {
            36
        } else {
            0
        };
        assert_eq!(report["dropped"], dropped);
    }
    let extra = ["--to", "2.7", "--allow-loss"];
    let ran = scene.run(APPLY, &database, &extra).code(6);
    ran.tells(&["36 tokens will be lost"]);
    assert_eq!(fs::read(&database).unwrap(), bytes);
    let report = scene
        .run(
            APPLY,
            &database,
            &["--to", "2.7", "--allow-loss", "--yes", "--json"],
        )
        .ok()
        .json();
    assert_eq!(
        (&report["changed"], &report["dropped"]),
        (&json!(true), &json!(0))
    );
    assert_eq!(ids(&report["lost"]).len(), 36);
    let count = |storage: &str| {
        let extra = ["--storage", storage, "--json"];
        let listed = scene.run(&["auth", "list"], &database, &extra).ok().json();
        ids(&listed["authorizations"]).len()
    };
    assert_eq!(count("hashed"), 36);
    // What could still be put back is not removed without a word.
    let drop = ["--to", "2.7", "--drop-hashed", "--yes"];
    let ran = scene.run(APPLY, &database, &drop).code(3);
    assert!(
        ran.stdout.contains("36 hashed tokens would be removed"),
        "{ran:?}"
    );
    let drop = [&drop[..], &["--allow-loss", "--json"]].concat();
    let report = scene.run(APPLY, &database, &drop).ok().json();
    assert_eq!(
        (&report["changed"], &report["dropped"]),
        (&json!(true), &json!(36))
    );
    assert_eq!(count("hashed"), 0);
    is_sound(&scene, &database);
    let report = scene.run(APPLY, &database, &drop).ok().json();
    assert_eq!(
        (&report["changed"], &report["dropped"]),
        (&json!(false), &json!(0))
    );
}

#[test]
fn what_is_lost_and_dropped_can_go_in_one_step() {
    let scene = Scene::new();
    let database = scene.store("mixed-2.9.1");
    let copy = scene.path("copy");
    let before = fs::read(&database).unwrap();
    let extra = [
        "--to",
        "2.6",
        "--allow-loss",
        "--drop-hashed",
        "--yes",
        "--json",
        "--keep-copy",
        text(&copy),
    ];
    let report = scene.run(APPLY, &database, &extra).ok().json();
    assert_eq!(
        (&report["changed"], &report["dropped"]),
        (&json!(true), &json!(6))
    );
    assert_eq!(report["kept"], 35);
    assert_eq!(fs::read(&copy).unwrap(), before);
    let listed = scene
        .run(&["auth", "list", "--json"], &database, &[])
        .ok()
        .json();
    let listed = ids(&listed["authorizations"]);
    assert!(ids(&report["lost"]).iter().all(|id| !listed.contains(id)));
    assert_eq!(listed.len(), 35);
}

#[test]
fn further_back_is_for_influxd() {
    let scene = Scene::new();
    let database = scene.sandbox.store("lived-2.9.1-plaintext");
    let beside: PathBuf = scene.sandbox.path("work/influxd.sqlite");
    for (to, by) in [("2.0", "2.0"), ("2.1", "2.1"), ("2.2", "2.1")] {
        for yes in [&[][..], &["--yes"], &["-n"]] {
            let extra = [&["--to", to], yes].concat();
            let ran = scene.run(APPLY, &database, &extra).code(1);
            let command = format!(
                "influxd downgrade --bolt-path {} --sqlite-path {} {by}",
                text(&database),
                text(&beside)
            );
            ran.tells(&[&command, "nothing was changed", &format!("check --to {to}")]);
            assert_eq!(ran.stdout, "");
        }
    }
    for (migrations, to, by_influxd) in [
        (8, "2.4", true),
        (8, "2.3", true),
        (7, "2.4", false),
        (7, "2.3", true),
        (5, "2.3", false),
        (8, "2.5", false),
    ] {
        let scene = Scene::new();
        let database = scene.store("lived-2.9.1-plaintext");
        let named = scene.path("other.sqlite");
        sqlite(&named, migrations, "");
        let extra = ["--to", to, "--yes", "--sqlite-path", text(&named)];
        let ran = scene
            .run(APPLY, &database, &extra)
            .code(i32::from(by_influxd));
        if by_influxd {
            ran.tells(&["influxd downgrade --bolt-path", text(&named)]);
        } else {
            assert!(ran.stdout.contains("1 migration was undone"), "{ran:?}");
        }
    }
    // influxd opens no redb store.
    let scene = Scene::new();
    let database = scene.redb("lived-2.9.1-plaintext");
    let report = check(&scene, &database, "2.1", &[], 0);
    let steps = texts(&report["steps"]);
    assert!(
        steps[0].starts_with("boltkey convert --engine bolt --out "),
        "{steps:?}"
    );
    assert!(
        steps[1].starts_with("influxd downgrade --bolt-path "),
        "{steps:?}"
    );
}

#[test]
fn stores_of_other_schemas() {
    for (store, schema) in [
        ("downgraded-15", 15),
        ("downgraded-18", 18),
        ("downgraded-20", 20),
    ] {
        let scene = Scene::new();
        let database = scene.sandbox.store(store);
        let report = check(&scene, &database, "2.7", &[], 0);
        assert_eq!(report["kept"], 36, "{report}");
        let older = report["warnings"].to_string().contains("older than 2.7");
        assert_eq!(older, schema < 20, "{report}");
        let ran = scene.run(APPLY, &database, &["--to", "2.7"]).ok();
        assert!(ran.stdout.contains("nothing to undo"));
        let back = check(&scene, &database, "2.0", &[], 0);
        let steps = back["steps"].as_array().unwrap().len();
        assert_eq!(steps, usize::from(schema > 15), "{back}");
    }
    // 2.2's.
    let scene = Scene::new();
    let database = scene.store("lived-2.9.1-plaintext");
    back_to(&database, 19);
    let report = check(&scene, &database, "2.2", &[], 0);
    assert_eq!(texts(&report["steps"]), [""; 0]);
    scene.run(APPLY, &database, &["--to", "2.2"]).ok();
    scene.run(APPLY, &database, &["--to", "2.1"]).code(1);
    // A gap, as no release leaves it: read with a warning, not written.
    let scene = Scene::new();
    let database = scene.store("lived-2.9.1-plaintext");
    edit(&database, |_, changes| {
        changes.remove(names::MIGRATIONS, b"0000000000000014");
    });
    let report = check(&scene, &database, "2.7", &[], 0);
    assert_eq!(report["supported"], false);
    assert_eq!(texts(&report["steps"]), [""; 0]);
    let ran = scene
        .run(APPLY, &database, &["--to", "2.7", "--yes"])
        .code(5);
    ran.tells(&[
        "this version does not know the schema",
        "nothing was changed",
    ]);
}

#[test]
fn what_is_wrong_with_the_store_or_the_command() {
    let scene = Scene::new();
    let database = scene.sandbox.store("lived-2.9.1-plaintext");
    for command in [CHECK, APPLY] {
        scene.run(command, &database, &[]).code(2).tells(&["--to"]);
        for to in ["2.10", "2.7.x", "3", "v3.0", ""] {
            let ran = scene.run(command, &database, &["--to", to]).code(2);
            ran.tells(&["2.0 to 2.9"]);
        }
    }
    let packed = scene
        .sandbox
        .file("work/copy.bolt.gz", gzip(&fixture(HASHED)));
    check(&scene, &packed, "2.7", &[], 3);
    let extra = ["--to", "2.7", "--yes", "--allow-loss"];
    scene
        .run(APPLY, &packed, &extra)
        .code(1)
        .tells(&["gzipped copy", "gunzip"]);
    let broken = scene
        .sandbox
        .file("work/broken.bolt", damaged("page-shared"));
    scene.run(APPLY, &broken, &extra).code(5);

    let scene = Scene::new();
    let database = scene.store("mixed-2.9.1");
    edit(&database, |_, changes| {
        changes.put(names::AUTHORIZATIONS, b"0000000000000bad", b"{\"id\":\"\"}");
    });
    let ran = scene.run(CHECK, &database, &["--to", "2.7"]).code(3);
    ran.tells(&["authorizationsv1/0000000000000bad", "can't be decoded"]);
    let ran = scene.run(APPLY, &database, &extra).code(5);
    ran.tells(&["0000000000000bad", "nothing was changed"]);
}
