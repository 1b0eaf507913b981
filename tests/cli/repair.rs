//! `boltkey repair`: reported states, the plan, the question, what is left, and what is refused.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};

use boltkey::metadata::tsm::{Data, Shard, ShardGroup};
use boltkey::metadata::{Catalog, names, tsm};
use boltkey::store::{OpenOptions, Snapshot, Store};
use prost::Message;

use crate::fixtures::{content, fixtures};
use crate::scene::{ONE, SEVERAL, Scene, arguments, text};
use crate::support::engine_folder::{HOUR, WEDNESDAY, shard, wal_shard};
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

/// A store whose buckets have lost their time-series metadata, or all of it, and the IDs of the buckets
/// with these names.
pub fn without_metadata<const N: usize>(
    scene: &Scene,
    names_of: [&str; N],
    lose: impl Fn(&[u8], &[String]) -> Option<Vec<u8>>,
) -> (PathBuf, [String; N]) {
    let database = scene.store(SEVERAL);
    let mut found = names_of.map(|_| String::new());
    edit(&database, |store, changes| {
        let catalog = Catalog::load(store).unwrap();
        for (id, name) in found.iter_mut().zip(names_of) {
            let mut buckets = catalog.buckets.values();
            *id = buckets.find(|b| b.name == name).unwrap().id.to_string();
        }
        let (bucket, key) = (names::TSM_METADATA, names::TSM_METADATA_KEY);
        let old = store.get(bucket, key).unwrap().unwrap();
        match lose(&old, &found) {
            Some(new) => changes.put(bucket, key, &new),
            None => changes.remove(bucket, key),
        };
    });
    (database, found)
}

/// The time-series metadata of a store.
fn metadata(database: &Path) -> Data {
    let store = Store::open(database, &OpenOptions::default()).unwrap();
    tsm::load(store.snapshot()).unwrap().unwrap()
}

/// The numbers, begin and end of the groups of a bucket.
fn groups(data: &Data, bucket: &str) -> Vec<(u64, u64, i64, i64)> {
    let database = data.databases.iter().find(|d| d.name == bucket).unwrap();
    let groups = database.retention_policies[0].shard_groups.iter();
    groups
        .map(|g| (g.id, g.shards[0].id, g.start_time, g.end_time))
        .collect()
}

const WEEK: i64 = 7 * 24 * HOUR;
/// The Monday before [`WEDNESDAY`].
const MONDAY: i64 = WEDNESDAY - 48 * HOUR;

/// Whatever of the metadata is lost, the buckets get the groups of their shards again, and no number
/// of a shard is given out again.
#[test]
fn shards_in_the_engine_folder_come_back_with_the_metadata() {
    type Lose = fn(&[u8], &[String]) -> Option<Vec<u8>>;
    let damaged: Lose = |_, _| Some(b"\xff\xff".to_vec());
    let nothing: Lose = |_, _| None;
    // What influxd writes if there is none.
    let empty: Lose = |_, _| Some(vec![8, 0, 16, 1, 24, 7, 56, 0, 64, 0, 72, 0]);
    for (lose, code) in [
        (damaged, "metadata.tsm-undecodable"),
        (nothing, "metadata.tsm-absent"),
        (empty, "metadata.tsm-absent"),
    ] {
        let scene = Scene::new();
        let (database, [metrics, cold]) =
            without_metadata(&scene, ["metrics", "cold storage"], lose);
        let engine = scene.path("engine");
        shard(&engine, &metrics, 30, (WEDNESDAY + WEEK, WEDNESDAY + WEEK));
        shard(&engine, &metrics, 4, (WEDNESDAY, WEDNESDAY + HOUR));
        wal_shard(&engine, &cold, 9, "m#!~#v", &[WEDNESDAY + 5]);
        fs::create_dir_all(engine.join("data/deleted/autogen/99")).unwrap();
        let before = fs::read(&database).unwrap();
        let plan = scene.run(&["repair"], &database, &["--dry-run", "--json"]);
        let plan = plan.code(3).json();
        assert!(fs::read(&database).unwrap() == before);
        let asked = scene.run(&["repair"], &database, &["--json"]).code(6);
        asked.tells(&["Repair"]);
        let report = scene.run(&["repair"], &database, &["--yes", "--json"]);
        let report = report.code(3).json();
        assert_eq!(report["repaired"], plan["repaired"]);
        assert!(codes(&report, "repaired").contains(&code.to_owned()));
        if code == "metadata.tsm-absent" {
            let repaired = report["repaired"].as_array().unwrap();
            let at = format!("bucketsv1/{metrics}");
            let one = repaired.iter().find(|one| one["where"] == *at).unwrap();
            assert_eq!(
                one["action"],
                "adds time-series metadata for bucket \"metrics\", with shards 4, 30 of the engine folder"
            );
            assert_eq!(one["after"], "2 shard groups from 2023-11-13 to 2023-11-27");
        }
        let data = metadata(&database);
        assert_eq!((data.max_shard_id, data.max_shard_group_id), (99, 102));
        let (of_metrics, of_cold) = (groups(&data, &metrics), groups(&data, &cold));
        let ranges: Vec<_> = of_metrics
            .iter()
            .map(|(_, shard, from, to)| (*shard, *from, *to))
            .collect();
        assert_eq!(
            ranges,
            [
                (4, MONDAY, MONDAY + WEEK),
                (30, MONDAY + WEEK, MONDAY + 2 * WEEK)
            ]
        );
        assert_eq!(of_cold.len(), 1);
        assert_eq!(of_cold[0].1, 9);
        let mut numbers: Vec<u64> = of_metrics.iter().chain(&of_cold).map(|g| g.0).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, [100, 101, 102]);
        // The shard of no bucket is still there, and told.
        let left = codes(&report, "left");
        assert_eq!(left.last().unwrap(), "metadata.engine-foreign");
        assert!(!left.contains(&code.to_owned()), "{left:?}");
        scene.run(&["check"], &database, &[]).code(0);
    }
}

/// Without the right folder it is not known which shards a bucket has.
#[test]
fn without_the_engine_folder_no_metadata_are_made() {
    let scene = Scene::new();
    let (database, [metrics]) = without_metadata(&scene, ["metrics"], |old, lost| {
        let mut data = tsm::decode(old).unwrap();
        data.databases.retain(|database| database.name != lost[0]);
        // One that is not lost has a shard.
        let group = ShardGroup {
            id: 1,
            shards: vec![Shard { id: 5 }],
            ..ShardGroup::default()
        };
        data.databases[0].retention_policies[0].shard_groups = vec![group];
        Some(data.encode_to_vec())
    });
    let before = fs::read(&database).unwrap();
    let beside = scene.path("engine");
    let left = |extra: &[&str], reason: &str| {
        let extra = [&["--yes", "--json"], extra].concat();
        let report = scene.run(&["repair"], &database, &extra).code(3).json();
        let left = report["left"].as_array().unwrap();
        let at = format!("bucketsv1/{metrics}");
        let one = left.iter().find(|one| one["where"] == *at).unwrap();
        let told = one["reason"].as_str().unwrap();
        assert!(told.contains(reason), "{told}");
        assert!(!codes(&report, "repaired").contains(&"metadata.tsm-absent".into()));
        assert!(fs::read(&database).unwrap() == before);
    };
    left(
        &[],
        &format!(
            "there is no engine folder at {}. Name it with --engine-path",
            text(&beside)
        ),
    );
    fs::write(&beside, "a file").unwrap();
    left(&[], "there is no engine folder at");
    fs::remove_file(&beside).unwrap();
    // A folder that is named must be there.
    let named = ["--yes", "--engine-path", text(&beside)];
    let ran = scene.run(&["repair"], &database, &named).code(1);
    ran.tells(&["there is no engine folder at", "nothing was changed"]);
    // The folder of another server: the store knows shards, and none of them is there.
    let data = metadata(&database);
    shard(&beside, &metrics, 77, (WEDNESDAY, WEDNESDAY));
    left(&[], "has none of the");
    // Two buckets can't have a shard of one number.
    shard(&beside, &data.databases[0].name, 5, (WEDNESDAY, WEDNESDAY));
    shard(&beside, "00000000000000aa", 77, (WEDNESDAY, WEDNESDAY));
    left(&[], "bucket 00000000000000aa has a shard 77 too");
    fs::remove_dir_all(beside.join("data/00000000000000aa")).unwrap();
    // Points that can't be read now may be readable later.
    let damaged = beside.join(format!("data/{metrics}/autogen/77/000000001-000000001.tsm"));
    let sound = fs::read(&damaged).unwrap();
    fs::write(&damaged, "damaged").unwrap();
    left(&[], "no points can be read in shard 77");
    fs::write(&damaged, sound).unwrap();
    let report = scene.run(&["repair"], &database, &["--yes", "--json"]);
    assert!(codes(&report.json(), "repaired").contains(&"metadata.tsm-absent".into()));
    assert_eq!(groups(&metadata(&database), &metrics)[0].1, 77);
}

/// A file that the system denies may have points.
#[test]
fn a_folder_that_can_not_be_read_is_no_empty_folder() {
    let scene = Scene::new();
    let (database, [metrics]) = without_metadata(&scene, ["metrics"], |_, _| None);
    let engine = scene.path("engine");
    shard(&engine, &metrics, 7, (WEDNESDAY, WEDNESDAY));
    let shard = engine.join(format!("data/{metrics}/autogen/7"));
    let mode = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    let as_root = rustix::process::geteuid().is_root();
    mode(scene.folder.path(), 0o755);
    mode(&database, 0o644);
    if as_root {
        // Root may read any file, so another user runs a copy.
        scene.sandbox.program();
    }
    for (path, closed, open) in [
        (shard.join("000000001-000000001.tsm"), 0o000, 0o644),
        (shard.clone(), 0o000, 0o755),
        (engine.join("data"), 0o000, 0o755),
        // It can be listed, but nothing in it can be looked at.
        (engine.join("data"), 0o444, 0o755),
        (engine.clone(), 0o000, 0o755),
    ] {
        mode(&path, closed);
        let extra = ["--dry-run", "--json"];
        let mut command = scene
            .sandbox
            .command(arguments(&["repair"], &database, &extra));
        if as_root {
            let mut other = std::process::Command::new(scene.sandbox.path("boltkey"));
            other
                .args(command.get_args())
                .current_dir(scene.sandbox.path("work"))
                .env_clear()
                .uid(65534)
                .gid(65534);
            command = other;
        }
        let report = scene.sandbox.finish(command).code(3).json();
        mode(&path, open);
        let left = report["left"].as_array().unwrap();
        let denied = |one: &&serde_json::Value| {
            one["code"] == "metadata.tsm-absent"
                && one["reason"]
                    .as_str()
                    .unwrap()
                    .contains("Permission denied")
        };
        assert!(
            left.iter().any(|one| denied(&one)),
            "{}: {left:?}",
            path.display()
        );
    }
}
