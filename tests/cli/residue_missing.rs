//! What `residue scan` and `residue recover` say of hashed tokens that were not found, and of the files
//! beside the database that may have them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::fixtures::{content, fixture, fixtures, gzip, sealed_with_passphrase};
use crate::scene::{Scene, text};

/// Hashed by the server's upgrade: its unused parts show nearly all tokens.
const UPGRADED: &str = "upgraded-2.9.1";
/// Tokens of that store: one of them only in a telegraf configuration.
const HASHED: u64 = 36;

/// The upgraded store after a scrub, as `influxd.bolt`.
fn scrubbed(scene: &Scene) -> std::path::PathBuf {
    let database = scene.store(UPGRADED);
    scene.run(&["residue", "scrub"], &database, &["--yes"]).ok();
    database
}

fn ids(report: &Value) -> BTreeSet<String> {
    let missing = report["missing"].as_array().unwrap().iter();
    missing
        .map(|token| token["id"].as_str().unwrap().to_owned())
        .collect()
}

fn scan(scene: &Scene, database: &Path, extra: &[&str]) -> Value {
    let extra = [extra, &["--json"]].concat();
    scene
        .run(&["residue", "scan"], database, &extra)
        .answered()
        .json()
}

#[test]
fn nothing_is_missing_while_the_file_shows_every_token() {
    let scene = Scene::new();
    let database = scene.store(UPGRADED);
    let out = scene.path("out");
    for report in [
        scan(&scene, &database, &[]),
        scene
            .run(
                &["residue", "recover"],
                &database,
                &["--json", "--out", text(&out)],
            )
            .ok()
            .json(),
    ] {
        assert_eq!(report["hashed"], HASHED);
        assert_eq!(ids(&report), BTreeSet::new());
        assert_eq!(report["siblings"], serde_json::json!([]));
    }
    let told = scene
        .run(&["residue", "recover"], &database, &["-n", "--out", "-"])
        .answered();
    assert!(!told.stderr.contains("not found"), "{told:?}");
}

#[test]
fn what_was_not_found_is_counted_and_listed_with_the_next_step() {
    let scene = Scene::new();
    let database = scrubbed(&scene);
    let report = scan(&scene, &database, &[]);
    assert_eq!(report["hashed"], HASHED);
    // One token is in a live record.
    assert_eq!(ids(&report).len() as u64, HASHED - 1);
    let out = scene.path("out");
    let extra = ["--out", text(&out)];
    let told = scene
        .run(&["residue", "recover"], &database, &extra)
        .ok()
        .stdout;
    assert!(
        told.contains("35 hashed tokens of 36 in the store were not found\n"),
        "{told}"
    );
    assert!(
        told.contains("boltkey residue recover --files FILE"),
        "{told}"
    );
    let recovered: Value = serde_json::from_slice(&fs::read(&out).unwrap()).unwrap();
    let found: BTreeSet<String> = recovered["tokens"]
        .as_array()
        .unwrap()
        .iter()
        .map(|token| token["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(found.len(), 1);
    assert!(found.is_disjoint(&ids(&report)));
    for token in report["missing"].as_array().unwrap() {
        let id = token["id"].as_str().unwrap();
        assert!(told.contains(&format!("\n  {id}  ")), "{told}");
        assert!(token["description"].is_string());
    }
    assert!(told.contains("  device 00000\n"), "{told}");
    // Names from the database are escaped.
    assert!(!told.contains('\u{1b}'), "{told:?}");
}

#[test]
fn files_beside_the_database_that_have_them_are_named_and_searched() {
    let scene = Scene::new();
    let database = scrubbed(&scene);
    let before = fixture(UPGRADED);
    let captured = scene.path("source.bolt");
    fs::write(&captured, &before).unwrap();
    for format in ["json", "csv", "env"] {
        let out = scene.path(&format!("capture-{format}"));
        let extra = ["--format", format, "--out", text(&out)];
        scene.run(&["residue", "recover"], &captured, &extra).ok();
    }
    fs::remove_file(&captured).unwrap();
    fs::write(scene.path("influxd.bolt.pre-2.8-upgrade.backup"), &before).unwrap();
    fs::create_dir(scene.path("backups")).unwrap();
    fs::write(
        scene.path("backups/20260101T000000Z.bolt.gz"),
        gzip(&before),
    )
    .unwrap();
    fs::write(
        scene.path("sealed.age"),
        sealed_with_passphrase(b"{}", "secret"),
    )
    .unwrap();
    fs::write(scene.path("notes.txt"), "nothing").unwrap();
    fs::write(scene.path("influxd.bolt.empty"), "nothing").unwrap();
    let report = scan(&scene, &database, &[]);
    let siblings: Vec<(String, Option<u64>)> = report["siblings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|sibling| {
            let path = Path::new(sibling["path"].as_str().unwrap());
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            assert_eq!(sibling["tokens"].is_null(), sibling["because"].is_string());
            (name, sibling["tokens"].as_u64())
        })
        .collect();
    let all = Some(HASHED - 1);
    let expected = [
        ("20260101T000000Z.bolt.gz", all),
        ("capture-csv", all),
        ("capture-env", all),
        ("capture-json", all),
        ("influxd.bolt.pre-2.8-upgrade.backup", all),
        ("sealed.age", None),
    ];
    let expected: Vec<_> = expected.map(|(name, n)| (name.to_owned(), n)).into();
    assert_eq!(siblings, expected);

    let told = scene
        .run(&["residue", "scan"], &database, &[])
        .answered()
        .stdout;
    let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in [
        "influxd.bolt.pre-2.8-upgrade.backup has 35 of them",
        "sealed.age may have them: it is encrypted",
        "boltkey residue recover --files FILE",
    ] {
        assert!(told.contains(words), "{told}");
    }
    // Each file that is named gives what it promises.
    for (name, tokens) in siblings {
        let Some(tokens) = tokens else { continue };
        let path = match name.starts_with("2026") {
            true => scene.path("backups").join(&name),
            false => scene.path(&name),
        };
        let out = scene.path("found");
        let extra = ["--files", text(&path), "--out", text(&out), "--json"];
        let report = scene
            .run(&["residue", "recover"], &database, &extra)
            .ok()
            .json();
        assert_eq!(report["matching"], tokens, "{name}");
        assert_eq!(ids(&report), BTreeSet::new(), "{name}");
        assert_eq!(report["siblings"], serde_json::json!([]), "{name}");
        fs::remove_file(&out).unwrap();
    }
}

#[test]
fn damage_makes_the_number_unknown_not_zero() {
    let scene = Scene::new();
    let database = scene.path("damaged.bolt");
    let packed = fixtures().join("field/bolt-bigp-d2.bolt.gz");
    fs::write(&database, content(&packed)).unwrap();
    let extra = ["--json", "--out", "found"];
    let report = scene
        .run(&["residue", "recover", "-n"], &database, &extra)
        .code(0)
        .json();
    assert!(
        report["hashed"].is_null() && report["missing"].is_null(),
        "{report}"
    );
    let told = scene
        .run(
            &["residue", "recover", "-n"],
            &database,
            &["--out", "found"],
        )
        .code(0);
    assert!(
        told.stdout.contains("it is unknown how many were not"),
        "{told:?}"
    );
}
