//! `boltkey repair`: reported states, the plan, the question, what is left, and what is refused.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::fixtures::{content, fixtures};
use crate::scene::{ONE, SEVERAL, Scene, text};
use crate::support::store_image::edit;

/// A reported state, unpacked.
fn field(scene: &Scene, name: &str) -> PathBuf {
    let path = scene.path("influxd.bolt");
    let packed = fixtures().join("field").join(format!("{name}.bolt.gz"));
    fs::write(&path, content(&packed)).unwrap();
    path
}

fn codes(report: &serde_json::Value, list: &str) -> Vec<String> {
    let list = report[list].as_array().unwrap().iter();
    list.map(|one| one["code"].as_str().unwrap().to_owned())
        .collect()
}

/// What people reported, and the code that is cured. Tokens of deleted users stay.
#[test]
fn reported_states_are_cured() {
    let mut tried = 0;
    for (name, code) in [
        ("1-25221-no-name-index", "metadata.index-absent"),
        ("2-27361-task-of-deleted-org", "metadata.task-org-gone"),
        ("7-22825-page-already-freed", "structure.freelist-live"),
        ("9-24318-name-blocked", "metadata.index-dangling"),
        ("bolt-c02", "structure.freelist-page"),
        ("bolt-c12", "structure.truncated"),
        ("bolt-c74", "structure.excess-shared"),
    ] {
        let scene = Scene::new();
        let database = field(&scene, name);
        let before = fs::read(&database).unwrap();
        let plan = scene.run(&["repair"], &database, &["--dry-run", "--json"]);
        let plan = plan.code(3).json();
        assert_eq!(plan["dryRun"], true);
        assert!(fs::read(&database).unwrap() == before, "{name}");
        let ran = scene.run(&["repair"], &database, &["--yes", "--json"]);
        let report = ran.code(3).json();
        assert_eq!(report["changed"], true);
        assert_eq!(report["repaired"], plan["repaired"], "{name}");
        assert!(
            codes(&report, "repaired").contains(&code.to_owned()),
            "{name}"
        );
        for left in codes(&report, "left") {
            assert!(left.starts_with("metadata.token-"), "{name}: {left}");
        }
        for one in report["left"].as_array().unwrap() {
            assert!(one["reason"].as_str().unwrap().contains("never deleted"));
        }
        let check = scene.run(&["check"], &database, &["--json"]).code(0);
        assert!(!codes(&check.json(), "findings").contains(&code.to_owned()));
        let again = scene.run(&["repair"], &database, &["--yes", "--json"]);
        assert_eq!(again.code(3).json()["changed"], false);
        tried += 1;
    }
    println!("cases: repaired-field {tried}");
}

/// Pages of the tree are damaged, or records are lost.
#[test]
fn damaged_trees_are_refused() {
    for name in [
        "bolt-c01",
        "bolt-c08",
        "bolt-c21",
        "bolt-hotnone-25",
        "bolt-bigp-d2",
        "bolt-okbut-1-13",
        "bolt-fullok-2-113",
        "6-23186-invalid-page-type-41-10",
    ] {
        let scene = Scene::new();
        let database = field(&scene, name);
        let before = fs::read(&database).unwrap();
        for extra in [&["--yes"][..], &["--dry-run"]] {
            let ran = scene.run(&["repair"], &database, extra).code(5);
            ran.tells(&["nothing was changed", "hint:"]);
        }
        assert!(fs::read(&database).unwrap() == before, "{name}");
    }
}

#[test]
fn a_store_that_needs_nothing_is_not_touched() {
    for redb in [false, true] {
        let scene = Scene::new();
        let database = match redb {
            true => scene.redb(ONE),
            false => scene.store(ONE),
        };
        let before = fs::read(&database).unwrap();
        let stat = |path: &Path| {
            let stat = fs::metadata(path).unwrap();
            (
                stat.ino(),
                stat.mtime(),
                stat.mtime_nsec(),
                stat.ctime_nsec(),
            )
        };
        let was = stat(&database);
        for extra in [&[][..], &["--yes"], &["--dry-run"]] {
            let ran = scene.run(&["repair"], &database, extra).code(0);
            assert_eq!(ran.stdout, "nothing to repair; nothing is left\n");
        }
        assert_eq!(stat(&database), was);
        assert!(fs::read(&database).unwrap() == before);
    }
}

#[test]
fn without_an_answer_nothing_is_changed() {
    let scene = Scene::new();
    let database = field(&scene, "2-27361-task-of-deleted-org");
    let before = fs::read(&database).unwrap();
    scene.run(&["repair"], &database, &[]).code(6).tells(&[
        "Repair 1 finding in",
        "This deletes: task \"downsample\" (0c00000000000000).",
    ]);
    assert!(fs::read(&database).unwrap() == before);
}

#[test]
fn codes_that_repair_does_not_cure_are_refused() {
    let scene = Scene::new();
    let database = scene.store(ONE);
    let run = |code| scene.run(&["repair"], &database, &["--only", code]).code(2);
    run("metadata.token-user-gone").tells(&["repair does not cure findings of this code"]);
    run("structure.page-type").tells(&["repair does not cure"]);
    run("metadata.no-such").tells(&["no finding has this code"]);
    // Nothing can be committed while the structure is damaged.
    let database = field(&scene, "7-22825-page-already-freed");
    let only = ["--only", "metadata.index-absent", "--yes"];
    scene.run(&["repair"], &database, &only).code(5).tells(&[
        "its structure must be repaired too",
        "--only structure.freelist-live",
    ]);
}

#[test]
fn a_refused_change_names_repair() {
    let scene = Scene::new();
    let database = field(&scene, "7-22825-page-already-freed");
    let alice = ["--user", "alice", "--org", "acme", "--yes"];
    let ran = scene.run(&["recover", "operator"], &database, &alice);
    ran.code(5).tells(&["boltkey repair cures it"]);
}

/// The engine folder has points of the bucket: metadata without its shards would hide them.
#[test]
fn a_bucket_with_shards_is_left() {
    let scene = Scene::new();
    let database = scene.store(SEVERAL);
    let mut bucket = String::new();
    edit(&database, |store, changes| {
        use boltkey::metadata::names;
        use boltkey::store::Snapshot;
        store
            .scan(names::BUCKETS, &mut |key, _| {
                bucket = String::from_utf8(key.to_vec()).unwrap();
                std::ops::ControlFlow::Break(())
            })
            .unwrap();
        changes.remove(names::TSM_METADATA, names::TSM_METADATA_KEY);
    });
    let shard = scene
        .path("elsewhere")
        .join("data")
        .join(&bucket)
        .join("autogen/7");
    fs::create_dir_all(&shard).unwrap();
    let engine = scene.path("elsewhere");
    let extra = ["--yes", "--json", "--engine-path", text(&engine)];
    let report = scene.run(&["repair"], &database, &extra).code(3).json();
    let left: Vec<_> = report["left"].as_array().unwrap().iter().collect();
    let at = format!("bucketsv1/{bucket}");
    let one = left.iter().find(|one| one["where"] == *at).unwrap();
    assert_eq!(one["code"], "metadata.tsm-absent");
    assert!(one["reason"].as_str().unwrap().contains("1 shard"));
    // The others are cured, and shard 7 is not given out again.
    edit(&database, |store, _| {
        let data = boltkey::metadata::tsm::load(store).unwrap().unwrap();
        assert_eq!((data.max_shard_id, data.max_shard_group_id), (7, 7));
        assert!(data.databases.iter().all(|d| d.name != bucket));
        assert!(!data.databases.is_empty());
    });
}
