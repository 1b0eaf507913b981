//! Numbers and lists of damaged stores: what damage hides is unknown, never 0 or empty.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::fixtures::{content, fixture, fixtures};
use crate::scene::{SEVERAL, Scene, text};
use crate::support::bolt_image::Image;

fn field(scene: &Scene, name: &str) -> PathBuf {
    let bytes = content(&fixtures().join(format!("field/{name}.bolt.gz")));
    let path = scene.path("influxd.bolt");
    fs::write(&path, bytes).unwrap();
    path
}

/// Stores without a readable bucket of tokens, or with a part of it: the number that can be read,
/// the tokens that only the index shows in plaintext, and the text of `status`.
const STORES: &[(&str, u64, u64, &str)] = &[
    (
        "bolt-bigp-d2",
        0,
        2001,
        "Tokens:    at least 2001; damage hides",
    ),
    (
        "6-23186-invalid-page-type-41-10",
        0,
        0,
        "Tokens:    unknown; damage hides",
    ),
    ("bolt-okbut-1-13", 0, 0, "Tokens:    unknown; damage hides"),
    ("bolt-c08", 3, 33, "Tokens:    at least 36; damage hides"),
    (
        "bolt-fullok-2-113",
        3,
        33,
        "Tokens:    at least 36; damage hides",
    ),
    ("bolt-c76", 35, 1, "Tokens:    at least 36; damage hides"),
];

#[test]
fn tokens_that_damage_hides_are_unknown() {
    for (name, readable, indexed, line) in STORES {
        let scene = Scene::new();
        let database = field(&scene, name);
        let ran = scene.run(&["status"], &database, &[]).code(0);
        assert!(ran.stdout.contains(line), "{name}: {}", ran.stdout);
        // Where unused parts show no token, none is a last copy.
        let last_copy = match *name {
            "bolt-c76" => "unknown of them",
            _ => " 0 of them the last copy",
        };
        for false_fact in ["Tokens:    0", last_copy, "nobody"] {
            assert!(!ran.stdout.contains(false_fact), "{name}: {}", ran.stdout);
        }
        let status = scene.run(&["status"], &database, &["--json"]).json();
        let inspect = scene
            .sandbox
            .run(["backup", "inspect", text(&database), "--json"])
            .code(3)
            .json();
        for report in [&status, &inspect] {
            let tokens = &report["tokens"];
            for number in ["total", "plaintext", "hashed", "operator", "inactive"] {
                assert_eq!(tokens[number], Value::Null, "{name}: {number}");
            }
            assert_eq!(tokens["atLeast"]["total"], *readable, "{name}");
            assert_eq!(tokens["onlyInIndex"]["plaintext"], *indexed, "{name}");
            let incomplete = report["incomplete"].as_array().unwrap();
            assert!(incomplete.contains(&"tokens".into()), "{name}");
            assert!(incomplete.contains(&"operatorTokens".into()), "{name}");
            let found = report["findings"].as_array().unwrap();
            let codes = found.iter().map(|finding| &finding["code"]);
            assert!(!codes.clone().any(|c| c == "metadata.nobody-gets-in"));
        }
        assert_eq!(inspect["complete"], false, "{name}");
        assert_eq!(inspect["fullRestore"]["cli28"], Value::Null, "{name}");
        let list = scene.run(&["auth", "list"], &database, &["--json"]).code(0);
        let list = list.json();
        match readable {
            0 => assert_eq!(list["authorizations"], Value::Null, "{name}"),
            _ => assert_eq!(
                list["authorizations"].as_array().unwrap().len() as u64,
                *readable
            ),
        }
        assert_eq!(list["incomplete"], serde_json::json!(["authorizations"]));
        let ran = scene.run(&["auth", "list"], &database, &[]).code(0);
        assert!(ran.stdout.contains("damage hides records"), "{name}");
        let check = ["--to", "2.7", "--json"];
        let outlook = scene.run(&["downgrade", "check"], &database, &check);
        let outlook = outlook.code(3).json();
        assert_eq!(outlook["kept"], Value::Null, "{name}");
        assert_eq!(outlook["supported"], false, "{name}");
        assert_eq!(outlook["steps"], serde_json::json!([]), "{name}");
        let located = scene.run(&["locate"], &database, &["--json"]).json();
        let stores = located["stores"].as_array().unwrap();
        let store = stores
            .iter()
            .find(|store| store["path"] == text(&database))
            .unwrap();
        // A record that can't be decoded still counts there.
        if *name != "bolt-c76" {
            assert_eq!(store["tokens"], Value::Null, "{name}");
        }
    }
}

#[test]
fn doctor_report_and_diff_count_nothing_that_damage_hides() {
    let scene = Scene::new();
    let database = field(&scene, "bolt-okbut-1-13");
    let ran = scene.run(&["doctor"], &database, &[]).code(3);
    for unknown in [
        "unknown usable operator tokens",
        "unknown tokens in records",
    ] {
        assert!(ran.stdout.contains(unknown), "{ran:?}");
    }
    let report = ["--out", "-", "--format", "md"];
    let ran = scene.run(&["report"], &database, &report);
    assert!(
        ran.stdout.contains("Operator tokens:\n\nUnknown."),
        "{ran:?}"
    );
    // Buckets that it lost are not gone.
    let other = scene.path("other.bolt");
    fs::write(&other, fixture(SEVERAL)).unwrap();
    let ran = scene
        .sandbox
        .run(["diff", text(&other), text(&database), "--json"]);
    let diff = ran.code(3).json();
    assert_eq!(diff["after"]["migrations"], Value::Null);
    let changes = diff["changes"].as_array().unwrap().iter();
    let gone: Vec<_> = changes.filter(|one| one["change"] == "removed").collect();
    assert!(gone.is_empty(), "{gone:?}");
}

/// A file that was named and is not there is not taken for one that does not exist.
#[test]
fn a_file_that_was_named_must_be_there() {
    let scene = Scene::new();
    let database = scene.store(SEVERAL);
    for command in [&["doctor"][..], &["repair", "-y"]] {
        for (option, says) in [
            ("--sqlite-path", "there is no SQLite file nothere"),
            ("--engine-path", "there is no engine folder at nothere"),
        ] {
            let ran = scene.run(command, &database, &[option, "nothere"]).code(1);
            ran.tells(&[says, "nothing was changed"]);
        }
    }
}

/// The transaction before has more than `capture` and `residue recover` find.
#[test]
fn who_saves_tokens_learns_of_the_transaction_before() {
    let scene = Scene::new();
    let database = field(&scene, "bolt-okbut-1-13");
    for command in [&["capture"][..], &["residue", "recover"]] {
        let says = "the previous transaction is intact and holds 36 tokens";
        let out = scene.path("out.json");
        let extra = ["--out", text(&out)];
        scene.run(command, &database, &extra).code(0).tells(&[says]);
        fs::remove_file(&out).unwrap();
        let ran = scene.run(command, &database, &[&extra[..], &["--previous"]].concat());
        assert!(!ran.code(0).stderr.contains(says));
        let _ = fs::remove_file(&out);
    }
}

#[test]
fn users_organizations_and_buckets_that_damage_hides_are_unknown() {
    let scene = Scene::new();
    let database = field(&scene, "bolt-okbut-1-13");
    for (command, list, readable) in [
        ("user", "users", 0),
        ("org", "orgs", 2),
        ("bucket", "buckets", 0),
    ] {
        let report = scene.run(&[command, "list"], &database, &["--json"]).json();
        match readable {
            0 => assert_eq!(report[list], Value::Null),
            _ => assert_eq!(report[list].as_array().unwrap().len(), readable),
        }
        assert_eq!(report["incomplete"], serde_json::json!([list]));
        let ran = scene.run(&[command, "list"], &database, &[]).code(0);
        let text = match readable {
            0 => "unknown; damage hides records",
            _ => "at least 2 organizations; damage hides records",
        };
        assert!(ran.stdout.contains(text), "{}", ran.stdout);
    }
    let ran = scene
        .sandbox
        .run(["backup", "inspect", text(&database)])
        .code(3);
    for line in [
        "Holds:     unknown users, at least 2 organizations, unknown buckets\n",
        "Schema:    unknown; damage hides migrations\n",
    ] {
        assert!(ran.stdout.contains(line), "{}", ran.stdout);
    }
    // A sound store has everything.
    let sound = scene.store(SEVERAL);
    for command in ["user", "org", "bucket", "auth"] {
        let report = scene.run(&[command, "list"], &sound, &["--json"]).json();
        assert_eq!(report["incomplete"], serde_json::json!([]));
    }
}

#[test]
fn what_the_index_or_lost_pages_show_is_captured_and_recovered() {
    for (name, captured, recovered) in [
        ("bolt-bigp-d2", 2001, 2001),
        ("bolt-c76", 36, 1),
        ("bolt-hotnone-25", 36, 36),
        ("6-23186-invalid-page-type-41-10", 0, 36),
    ] {
        let scene = Scene::new();
        let database = field(&scene, name);
        let out = scene.path("tokens.json");
        let ran = scene.run(&["capture"], &database, &["--out", text(&out), "--json"]);
        let report = ran.code(0).json();
        assert_eq!(report["captured"], captured, "{name}");
        assert_eq!(report["incomplete"], serde_json::json!(["captured"]));
        let out = scene.path("recovered.json");
        let extra = ["--out", text(&out), "--json"];
        let report = scene.run(&["residue", "recover"], &database, &extra);
        let report = report.code(0).json();
        assert!(report["recovered"].as_u64().unwrap() >= recovered, "{name}");
        let saved: Value = serde_json::from_slice(&fs::read(&out).unwrap()).unwrap();
        let mut ids: Vec<&str> = saved["tokens"]
            .as_array()
            .unwrap()
            .iter()
            .map(|token| token["id"].as_str().unwrap())
            .collect();
        let all = ids.len();
        ids.dedup();
        assert_eq!(ids.len(), all, "{name}: an ID twice");
    }
}

#[test]
fn residues_match_the_index_of_hashes_where_the_records_are_lost() {
    let scene = Scene::new();
    let database = scene.store(SEVERAL);
    let recovered = |out: &str| {
        let out = scene.path(out);
        scene
            .run(&["residue", "recover"], &database, &["--out", text(&out)])
            .code(0);
        let saved: Value = serde_json::from_slice(&fs::read(&out).unwrap()).unwrap();
        let tokens = saved["tokens"].as_array().unwrap().clone();
        let pairs = tokens.iter().map(|t| (t["id"].clone(), t["token"].clone()));
        pairs.collect::<Vec<_>>()
    };
    let before = recovered("before.json");
    assert!(!before.is_empty());
    let mut image = Image::new(fixture(SEVERAL));
    let at = image.tree_of("authorizationsv1");
    image.put(at, &[0; 4096]);
    fs::write(&database, &image.bytes).unwrap();
    let after = recovered("after.json");
    for token in &before {
        assert!(after.contains(token), "{}", token.0);
    }
    let status = scene.run(&["status"], &database, &["--json"]).json();
    assert_eq!(status["residue"]["recoverable"], Value::Null);
    assert!(status["tokens"]["onlyInIndex"]["hashed"].as_u64().unwrap() >= before.len() as u64);
    let counts = scene
        .run(&["residue", "scan"], &database, &["--json"])
        .json();
    assert_ne!(counts["matching"], 0);
}

/// Images of a store whose root does not show its buckets.
fn without_root() -> Vec<(&'static str, Vec<u8>)> {
    let image = || Image::new(fixture(SEVERAL));
    let lead_to = |mut image: Image, page: u64| {
        for meta in [image.meta(), image.other_meta()] {
            image.set_meta(meta, 32, page);
        }
        image.bytes
    };
    let page_of = |image: &Image, bucket: &str| (image.tree_of(bucket) / 4096) as u64;
    let mut zeroed = image();
    let root = zeroed.page(zeroed.root());
    zeroed.put(root, &[0; 4096]);
    let mut empty = image();
    let root = empty.page(empty.root());
    // A leaf without elements.
    empty.put(root + 8, &[2, 0, 0, 0]);
    let mut images = vec![("zeroed root", zeroed.bytes), ("empty root", empty.bytes)];
    for bucket in ["authorizationsv1", "authorizationhashedindexv1"] {
        let page = page_of(&image(), bucket);
        images.push((bucket, lead_to(image(), page)));
    }
    let hotnone = content(&fixtures().join("field/bolt-hotnone-25.bolt.gz"));
    images.push(("hotnone", hotnone));
    images
}

#[test]
fn a_damaged_store_is_never_called_another_file() {
    for (what, bytes) in without_root() {
        let scene = Scene::new();
        let database = scene.path("influxd.bolt");
        fs::write(&database, bytes).unwrap();
        for command in [
            &["status"][..],
            &["auth", "list"],
            &["user", "list"],
            &["check"],
            &["downgrade", "check", "--to", "2.7"],
            &["hash", "--no-capture", "--yes"],
            &["residue", "scan"],
        ] {
            let ran = scene.run(command, &database, &[]);
            let said = format!("{}{}", ran.stdout, ran.stderr);
            for false_fact in [
                "not an InfluxDB metadata store",
                "wrong path",
                "Tokens:    0",
            ] {
                assert!(!said.contains(false_fact), "{what} {command:?}: {said}");
            }
            assert!([3, 5].contains(&ran.code), "{what} {command:?}: {said}");
        }
        let ran = scene.sandbox.run(["backup", "inspect", text(&database)]);
        assert!(!ran.stdout.contains("Tokens:    0"), "{what}");
        let located = scene.run(&["locate"], &database, &[]);
        assert!(!located.stdout.contains("wrong path"), "{what}");
        assert!(!located.stdout.contains("0 tokens"), "{what}");
    }
    // An empty file, and the store of another program.
    let scene = Scene::new();
    let other = scene.path("other.bolt");
    fs::write(&other, &Image::bbolt("branch-1024-array-136.bolt").bytes).unwrap();
    let ran = scene.run(&["status"], &other, &[]).code(5);
    ran.tells(&["not an InfluxDB metadata store"]);
}
