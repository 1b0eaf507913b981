//! Every field that the schemas describe occurs in the output of a command. That the output has no
//! other fields is checked wherever the tests run a command with `--json`.

use std::fs;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::thread;

use boltkey::metadata::names;
use serde_json::{Value, json};

use crate::every_command::{runs, words};
use crate::fixtures::{content, facts, fixture, fixtures, operator_token};
use crate::hash::edit;
use crate::repair::without_metadata;
use crate::sandbox::READERS;
use crate::scene::{LIVED, MIXED, ONE, PLAIN, SEVERAL, Scene, text};
use crate::support::engine_folder::{HOUR, WEDNESDAY, folder, shard};
use crate::support::program::ended;
use crate::support::schemas::{Seen, never_seen, refused, seen};
use crate::v1_dbrp::add_mappings;

/// How lines without `--db` begin: they name their store themselves, or need none.
const WITHOUT_STORE: [&str; 10] = [
    "backup inspect",
    "backup restore",
    "backup token",
    "completions",
    "diff",
    "explain",
    "locate",
    "man",
    "report",
    "token",
];

/// Runs commands in the folder of the scene, on `influxd.bolt` if they take a store, and returns the
/// output of the last one. A command may end as it wants; what it prints must be documented.
fn run(scene: &Scene, lines: &[&str]) -> String {
    let mut last = String::new();
    for line in lines {
        let mut arguments = words(line);
        if !line.contains(" --out - ") {
            arguments.push("--json".to_owned());
        }
        if !WITHOUT_STORE.iter().any(|other| line.starts_with(other)) {
            arguments.extend(["--db".to_owned(), "influxd.bolt".to_owned()]);
        }
        let ran = scene.sandbox.finish(scene.command_here(&arguments));
        assert!(![2, 6].contains(&ran.code), "{line}: {ran:?}");
        last = ran.stdout;
    }
    last
}

/// A scene with a store, and files with secrets.
fn scene(store: &str) -> Scene {
    let scene = Scene::new();
    scene.store(store);
    for (name, content) in [
        ("password", "correct horse battery"),
        ("v1-password", "legacy pass 9"),
        ("operator.token", "my-super-secret-admin-token"),
    ] {
        fs::write(scene.path(name), content).unwrap();
    }
    scene
}

/// Every command that changes or writes something, and its dry run.
fn changes() {
    for one in runs() {
        for more in [&["--json", "--dry-run"][..], &["--json"]] {
            let (scene, arguments) = one.prepare();
            ended(scene.command_here(&arguments).args(more));
        }
    }
}

/// What only reads, on stores of all kinds.
fn readers() {
    for store in [ONE, PLAIN, SEVERAL, MIXED, LIVED, "downgraded-20-hashed"] {
        let scene = scene(store);
        for reader in READERS {
            run(&scene, &[&reader.join(" ")]);
        }
        run(&scene, &["capture --out - --format json"]);
    }
}

/// Commands about tokens and users, on the store with several of each.
fn tokens() {
    let scene = scene(SEVERAL);
    let (operator, other) = ("11af8a50f6848000", "11af8a511d848000");
    add_mappings(
        &scene.path("influxd.bolt"),
        SEVERAL,
        &[("11b6d4bc27c44000", "autogen", true)],
    );
    let old =
        br#"{"id":"00000000000000aa","orgID":"b5d21adac0dd4e3c","name":"of 1.x","rp":"autogen"}"#;
    edit(&scene.path("influxd.bolt"), |changes| {
        changes.put(names::BUCKETS, b"00000000000000aa", old);
    });
    fs::write(scene.path("reading.token"), "a token that may only read").unwrap();
    run(
        &scene,
        &[
            "bucket list",
            "doctor",
            &format!("auth show {operator}"),
            &format!("auth show {other}"),
            "auth verify --token-file operator.token --can read:buckets",
            "auth verify --token-file password",
            "auth create --org acme --user alice --token-file reading.token --read-bucket 40159f932df8e53b",
            "auth create --org acme --user alice --all-access",
            "auth verify --token-file reading.token",
            "auth create-operator --username alice --org acme --token-out made.token",
            "user verify --name alice --password-file password",
            "user verify --name collectd --v1 --password-file v1-password",
            "report influxd.bolt --out report.html",
            "report influxd.bolt password --out - --format json",
            "report influxd.bolt password --out - --format ndjson",
            "explain metadata.engine-foreign",
            "explain structure.freelist-page",
            "explain unauthorized access",
            "explain nonsense",
            "diff influxd.bolt influxd.bolt",
            "token generate",
            "token hash --token-file operator.token",
            "completions bash",
            "man --out man",
            "downgrade check --to 2.7",
            "capture --out captured.json",
            "capture verify captured.json",
            "auth rotate --user alice --yes --token-out many.json --dry-run",
            "auth rotate --user alice --yes --token-out many.json",
            "auth update --org acme --description new --yes --dry-run",
            "auth update --all --description new --yes",
            "user update --name bob --rename robert",
            "user create --name carol --org acme",
        ],
    );
    for id in ids(&run(&scene, &["auth list"])) {
        run(&scene, &[&format!("auth show {id}")]);
    }
    for id in ids(&run(&scene, &["auth list --v1"])) {
        run(&scene, &[&format!("auth show {id}")]);
    }
}

fn ids(list: &str) -> Vec<String> {
    let list: Value = serde_json::from_str(list).unwrap();
    let all = list["authorizations"].as_array().unwrap().iter();
    all.map(|one| one["id"].as_str().unwrap().to_owned())
        .collect()
}

/// Tokens that only unused bytes or files beside the store show, hashes, backups.
fn copies() {
    let scene = scene(LIVED);
    run(
        &scene,
        &[
            "capture --out captured.json",
            "capture verify captured.json",
            "backup export --out backup --influx-manifest",
            "backup inspect backup --operator-token-file operator.token",
            "backup inspect backup --operator-token-file password",
            "backup restore backup --to other.bolt --operator-token-file password",
            "backup restore backup --to other.bolt --new-operator --user alice --org acme --token-out first",
            "downgrade check --to 2.7",
            "downgrade apply --to 2.7 --allow-loss --yes --dry-run",
            "residue scrub --yes",
        ],
    );
    // What the other store had is lost with it.
    fs::write(scene.path("fresh.bolt"), fixture(ONE)).unwrap();
    let token = operator_token(ONE);
    fs::write(scene.path("fresh.token"), token).unwrap();
    let restore = "backup restore fresh.bolt --to influxd.bolt --operator-token-file fresh.token";
    run(
        &scene,
        &[
            &format!("{restore} --force --yes"),
            "diff influxd.bolt other.bolt",
        ],
    );
    // A copy beside the store has what is scrubbed.
    let scene = self::scene(SEVERAL);
    run(&scene, &["residue scrub --yes"]);
    let beside = scene.path("influxd.bolt.pre-2.8-upgrade.backup");
    fs::write(beside, fixture(SEVERAL)).unwrap();
    run(
        &scene,
        &["status", "residue scan", "residue recover --out found.json"],
    );
}

/// Files that are damaged, and states that were reported.
fn damage() {
    let mut files: Vec<PathBuf> = fs::read_dir(fixtures().join("field"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.to_str().unwrap().ends_with(".bolt.gz"))
        .collect();
    files.sort();
    for file in files {
        let scene = scene(ONE);
        fs::write(scene.path("influxd.bolt"), content(&file)).unwrap();
        run(
            &scene,
            &[
                "status",
                "doctor",
                "salvage --out salvaged.bolt",
                "backup inspect influxd.bolt",
                "report influxd.bolt --out - --format json",
                "report influxd.bolt --out - --format ndjson",
                "repair --yes --dry-run",
                "user password --name admin --password-file password --yes",
            ],
        );
    }
    // The names of a user and a 1.x user are not in the index.
    let scene = scene(SEVERAL);
    let database = scene.path("influxd.bolt");
    let list = run(&scene, &["v1 auth list"]);
    let id = ids(&list).remove(0);
    edit(&database, |changes| {
        changes.remove(names::LEGACY_PASSWORDS, id.as_bytes());
        changes.remove(names::LEGACY_AUTHORIZATION_INDEX, b"collectd");
        changes.remove(names::USER_INDEX, b"alice");
    });
    run(
        &scene,
        &[
            "v1 auth password --username collectd --password-file password --yes",
            "user password --id 11af8a50e3848000 --password-file password --yes",
        ],
    );
}

/// More files than are listed that are no TSM files, in an engine folder.
fn torn(engine: &Path, bucket: &str, number: u64) {
    for file in 1..=120 {
        let path = folder(engine, "data", bucket, number).join(format!("{file:09}-000000001.tsm"));
        fs::write(path, "half").unwrap();
    }
}

/// Engine folders with shards that the store does not know.
fn shards() {
    let scene = scene(SEVERAL);
    let engine = scene.path("engine");
    let old = (WEDNESDAY - 70 * 24 * HOUR, WEDNESDAY - 69 * 24 * HOUR);
    let short = run(
        &scene,
        &["bucket create --org acme --name short --retention 24h"],
    );
    let short: Value = serde_json::from_str(&short).unwrap();
    let short = short["bucket"]["id"].as_str().unwrap();
    shard(&engine, short, 80, old);
    for bucket in [
        facts(SEVERAL)["buckets"]["metrics"].as_str().unwrap(),
        "00000000000000dd",
    ] {
        let number = if bucket.ends_with("dd") { 90 } else { 60 };
        shard(&engine, bucket, number, old);
        shard(&engine, bucket, number + 1, old);
        folder(&engine, "data", bucket, number + 2);
    }
    shard(&engine, "00000000000000ee", 99, old);
    torn(&engine, "00000000000000ee", 99);
    fs::create_dir_all(engine.join("data/not a bucket/autogen/70")).unwrap();
    let setup = "setup --username alice --org acme --bucket b --password-file password";
    run(&scene, &["bucket adopt --all --org acme --yes"]);
    fs::remove_file(scene.path("influxd.bolt")).unwrap();
    run(&scene, &[setup, &format!("{setup} --if-missing --dry-run")]);

    let scene = Scene::new();
    let (_, [metrics]) = without_metadata(&scene, ["metrics"], |_, _| None);
    shard(&scene.path("engine"), &metrics, 7, (WEDNESDAY, WEDNESDAY));
    torn(&scene.path("engine"), &metrics, 7);
    run(&scene, &["repair --yes --dry-run"]);
}

/// A store that a process holds.
fn held() {
    let scene = scene(ONE);
    let holder = File::open(scene.path("influxd.bolt")).unwrap();
    holder.lock().unwrap();
    let mut command = scene.command_here([
        "locate",
        "--json",
        "--db",
        text(&scene.path("influxd.bolt")),
    ]);
    ended(command.env("BOLTKEY_DB", scene.path("influxd.bolt")));
    run(&scene, &["status"]);
}

/// Each part runs in a thread of its own. Other tests add nothing: fields are noted by thread.
#[test]
fn every_documented_field_occurs() {
    let parts: [fn(); 7] = [changes, readers, tokens, copies, damage, shards, held];
    let seen: Seen = thread::scope(|scope| {
        let parts = parts.map(|part| {
            scope.spawn(move || {
                part();
                seen()
            })
        });
        let seen = parts.into_iter().map(|part| part.join().unwrap());
        seen.flatten().collect()
    });
    let (missing, number) = never_seen(&seen);
    assert!(missing.is_empty(), "never seen: {missing:#?}");
    println!("cases: documented-fields {number}");
}

/// The comparison refuses what is not documented.
#[test]
fn what_is_not_documented_is_refused() {
    assert_eq!(refused("token-generate", &json!({"token": "a"})), None);
    for (bad, why) in [
        (json!({}), "token is missing"),
        (json!({"token": 1}), "not \"string\""),
        (json!({"token": null}), "not \"string\""),
        (json!({"token": "a", "more": 1}), "/more: not documented"),
        (json!([]), "not \"object\""),
    ] {
        let told = refused("token-generate", &bad).unwrap();
        assert!(told.contains(why), "{bad}: {told}");
    }
}
