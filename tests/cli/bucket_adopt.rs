//! `bucket adopt`: buckets for folders of the engine that the store does not know.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::Ran;
use crate::fixtures::fixture;
use crate::hostile_files::Place;
use crate::scene::{ONE, SEVERAL, Scene, is_sound, text};
use crate::support::engine_folder::{
    HOUR, SECOND, WEDNESDAY, folder, shard, sparse_tsm, wal_entry, wal_shard,
};

/// Folders of buckets that no fixture knows.
const WEEKS: &str = "00000000000000aa";
const DAYS: &str = "00000000000000bb";
const TASKS: &str = "00000000000000cc";
const RUNS: &str = "runs,status=success,taskID=0c1a#!~#runID";

/// An engine folder with a bucket of two weeks, one of two days in the write-ahead log, and an old
/// `_tasks`.
fn engine(scene: &Scene) -> PathBuf {
    let engine = scene.path("engine");
    let day = 24 * HOUR;
    shard(&engine, WEEKS, 3, (WEDNESDAY, WEDNESDAY + HOUR));
    let later = WEDNESDAY + 6 * day;
    shard(&engine, WEEKS, 9, (later, later + 3 * day));
    let own = "cpu,host=a#!~#v";
    wal_shard(&engine, DAYS, 4, own, &[WEDNESDAY + 5, WEDNESDAY + 2]);
    wal_shard(&engine, DAYS, 5, own, &[WEDNESDAY + day]);
    wal_shard(&engine, TASKS, 7, RUNS, &[WEDNESDAY]);
    fs::create_dir_all(engine.join("data").join(WEEKS).join("_series/00")).unwrap();
    engine
}

#[track_caller]
fn adopt(scene: &Scene, database: &Path, extra: &[&str]) -> Ran {
    let extra = [extra, &["--yes"]].concat();
    scene.run(&["bucket", "adopt"], database, &extra)
}

#[track_caller]
fn report(ran: Ran) -> Value {
    ran.code(0).json()
}

#[test]
fn buckets_come_back_under_their_old_ids_in_both_engines() {
    for bolt in [true, false] {
        let scene = Scene::new();
        let database = match bolt {
            true => scene.store(ONE),
            false => scene.redb(ONE),
        };
        engine(&scene);
        let name = format!("{WEEKS}=old metrics");
        let expected = json!([
            {
                "id": WEEKS, "name": "old metrics", "shards": [3, 9],
                "from": "2023-11-15T00:00:00Z", "to": "2023-11-24T00:00:00Z",
                "retentionSeconds": 0, "shardGroupDurationSeconds": 604_800,
            },
            {
                "id": DAYS, "name": format!("recovered-{DAYS}"), "shards": [4, 5],
                "from": "2023-11-15T00:00:00.000000002Z", "to": "2023-11-16T00:00:00Z",
                "retentionSeconds": 0, "shardGroupDurationSeconds": 86_400,
            },
        ]);
        let skipped = json!([{
            "id": TASKS,
            "reason": "it was the bucket _tasks of an organization; to adopt it, name its ID",
        }]);
        let mut whole = json!({
            "changed": true, "dryRun": true, "org": "acme", "adopted": expected,
            "skipped": skipped, "unread": [],
        });
        let all = ["--all", "--name", &name, "--json"];
        let before = fs::read(&database).unwrap();
        let dry = adopt(&scene, &database, &[&all[..], &["--dry-run"]].concat());
        assert_eq!(report(dry), whole);
        assert_eq!(fs::read(&database).unwrap(), before);
        whole.as_object_mut().unwrap().remove("dryRun");
        assert_eq!(report(adopt(&scene, &database, &all)), whole);
        is_sound(&scene, &database);
        scene.run(&["check"], &database, &[]).ok();
        let listed = scene.run(&["bucket", "list", "--json"], &database, &[]);
        let listed = listed.ok().json()["buckets"].clone();
        let listed = listed.as_array().unwrap();
        for (id, name, seconds) in [(WEEKS, "old metrics", 604_800), (DAYS, "", 86_400)] {
            let bucket = listed.iter().find(|bucket| bucket["id"] == id).unwrap();
            assert_eq!(
                (&bucket["type"], &bucket["org"]),
                (&json!("user"), &json!("acme"))
            );
            assert!(name.is_empty() || bucket["name"] == name);
            let rule = &bucket["retentionRules"][0];
            assert_eq!(rule["everySeconds"], 0);
            assert_eq!(rule["shardGroupDurationSeconds"], seconds);
        }

        // A second run changes nothing and says so.
        let before = fs::read(&database).unwrap();
        let again = report(adopt(&scene, &database, &all));
        assert_eq!(
            again,
            json!({"changed": false, "adopted": [], "skipped": skipped, "unread": []})
        );
        let ran = adopt(&scene, &database, &[WEEKS]).code(0);
        assert!(ran.stdout.starts_with("nothing to do: "), "{ran:?}");
        assert!(ran.stdout.contains("the store has this bucket"), "{ran:?}");
        assert_eq!(fs::read(&database).unwrap(), before);

        // Asked for by its ID, a system bucket is adopted.
        let tasks = report(adopt(&scene, &database, &[TASKS, "--json"]));
        assert_eq!(tasks["adopted"][0]["name"], format!("recovered-{TASKS}"));
        let ran = adopt(&scene, &database, &["--all"]).code(0);
        ran.says_nothing_is_left();
        is_sound(&scene, &database);
    }
}

impl Ran {
    #[track_caller]
    fn says_nothing_is_left(&self) {
        let text = "nothing to do: the store has every bucket with points";
        assert!(self.stdout.starts_with(text), "{self:?}");
    }
}

#[test]
fn setup_and_adoption_make_a_lost_store_again() {
    let scene = Scene::new();
    engine(&scene);
    for name in ["influxd.bolt", "store.redb"] {
        let database = scene.path(name);
        let password = scene.path("password");
        fs::write(&password, "correct horse battery").unwrap();
        let options = [
            "--username",
            "alice",
            "--org",
            "acme",
            "--bucket",
            "metrics",
            "--password-file",
            text(&password),
        ];
        let ran = scene.run(&["setup"], &database, &options).code(0);
        for part in [
            "shards 3, 9",
            "shards 4, 5",
            "shard 7",
            "boltkey bucket adopt --all --db",
        ] {
            assert!(ran.stdout.contains(part), "{ran:?}");
        }
        let ran = adopt(&scene, &database, &["--all"]).code(0);
        for part in [
            "added 2 buckets to organization acme",
            "  2023-11-15  2023-11-24\n",
            "influxd keeps all points",
            "Not adopted:\n  00000000000000cc: it was the bucket _tasks",
        ] {
            assert!(ran.stdout.contains(part), "{ran:?}");
        }
        scene.run(&["check"], &database, &[]).ok();
        let status = scene.run(&["status", "--json"], &database, &[]).ok().json();
        // The shard of the old _tasks is left, and its number is not given out.
        let foreign = &status["findings"][0];
        assert_eq!(foreign["code"], "metadata.engine-foreign", "{status}");
        assert!(
            foreign["message"]
                .as_str()
                .unwrap()
                .contains("can't be queried")
        );
    }
}

#[test]
fn what_can_not_be_adopted_is_told() {
    let scene = Scene::new();
    let database = scene.store(SEVERAL);
    let acme = ["--org", "acme"];
    let ran = adopt(&scene, &database, &["--all"]).code(1);
    ran.tells(&["no engine folder at", "--engine-path"]);
    let engine = engine(&scene);
    fs::create_dir_all(engine.join("data/not a bucket/autogen/70")).unwrap();
    let before = fs::read(&database).unwrap();
    for (extra, code, tells) in [
        (&["--all"][..], 2, "several organizations"),
        (&["--all", "--org", "nobody"], 1, "there is no organization"),
        (&["--all", WEEKS], 2, "cannot be used with"),
        (&[], 2, "required"),
        (&["00000000000000ff", "--org", "acme"], 1, WEEKS),
        (&["--all", "--org", "acme", "--name", WEEKS], 2, "ID=NAME"),
        (&["--all", "--org", "acme", "--name", "x=y"], 2, "16 bytes"),
        (
            &["--all", "--org", "acme", "--name", "00000000000000aa=_x"],
            1,
            "must not begin with _",
        ),
        (
            &[
                "--all",
                "--org",
                "acme",
                "--name",
                "00000000000000aa=metrics",
            ],
            1,
            "choose another name with --name 00000000000000aa=NAME",
        ),
        (
            &[WEEKS, "--org", "acme", "--name", "00000000000000bb=b"],
            1,
            "boltkey bucket adopt 00000000000000bb",
        ),
        (
            &[
                "--all",
                "--org",
                "acme",
                "--name",
                "00000000000000aa=b",
                "--name",
                "00000000000000bb=b",
            ],
            1,
            "two buckets",
        ),
        (
            &[
                "--all",
                "--org",
                "acme",
                "--name",
                "00000000000000aa=b",
                "--name",
                "00000000000000aa=c",
            ],
            2,
            "two names",
        ),
    ] {
        adopt(&scene, &database, extra).code(code).tells(&[tells]);
    }
    let asked = [&["--all"][..], &acme].concat();
    let ran = scene.run(&["bucket", "adopt"], &database, &asked).code(6);
    ran.tells(&["confirmation required"]);
    assert_eq!(fs::read(&database).unwrap(), before);
    let done = report(adopt(
        &scene,
        &database,
        &[&asked[..], &["--json"]].concat(),
    ));
    let reasons = done["skipped"].to_string();
    assert!(reasons.contains("not a bucket") && reasons.contains("not the ID"));
}

#[test]
fn no_number_is_used_for_two_shards() {
    let scene = Scene::new();
    let database = scene.store(ONE);
    let engine = engine(&scene);
    report(adopt(&scene, &database, &[WEEKS, "--json"]));
    // Another bucket has a shard with the number of one that the store has now, a second one has a
    // number that a third one has too.
    let second = "00000000000000dd";
    for (bucket, number) in [(DAYS, 9), (second, 7)] {
        shard(&engine, bucket, number, (WEDNESDAY, WEDNESDAY));
    }
    let done = report(adopt(&scene, &database, &["--all", "--json"]));
    assert_eq!(
        (&done["changed"], &done["adopted"]),
        (&json!(false), &json!([]))
    );
    for (n, (bucket, tells)) in [
        (DAYS, "bucket 00000000000000aa has a shard 9 too"),
        (TASKS, "bucket 00000000000000dd has a shard 7 too"),
        (second, "bucket 00000000000000cc has a shard 7 too"),
    ]
    .iter()
    .enumerate()
    {
        let skipped = &done["skipped"][n];
        assert_eq!(skipped["id"], *bucket);
        let reason = skipped["reason"].as_str().unwrap();
        assert!(
            reason.contains(tells) && reason.contains(" to 10, a number"),
            "{reason}"
        );
    }
    let ran = adopt(&scene, &database, &[DAYS]).code(1);
    ran.tells(&["can't be adopted", "rename its folders"]);
    // The cure.
    for (bucket, number, free) in [(DAYS, "9", "10"), (second, "7", "11")] {
        let policy = engine.join("data").join(bucket).join("autogen");
        fs::rename(policy.join(number), policy.join(free)).unwrap();
    }
    let done = report(adopt(&scene, &database, &["--all", "--json"]));
    let ids: Vec<&Value> = done["adopted"]
        .as_array()
        .unwrap()
        .iter()
        .map(|b| &b["id"])
        .collect();
    assert_eq!(ids, [DAYS, second]);
    // The store is gone, and the folder of one of its shards with it. Its number is still in use.
    fs::remove_dir_all(engine.join("data").join(WEEKS)).unwrap();
    shard(&engine, "00000000000000ee", 3, (WEDNESDAY, WEDNESDAY));
    let ran = adopt(&scene, &database, &["00000000000000ee"]).code(1);
    ran.tells(&["in the store, shard 3 belongs to bucket 00000000000000aa"]);
}

#[test]
fn files_that_were_not_read_are_named() {
    let scene = Scene::new();
    let database = scene.store(ONE);
    let engine = engine(&scene);
    // A torn end, a torn file, a link to nowhere, a shard without points, one without its folder.
    let torn = wal_shard(&engine, DAYS, 6, "m#!~#v", &[WEDNESDAY + 50 * HOUR]);
    let mut content = fs::read(&torn).unwrap();
    let end = content.len();
    content.extend(&wal_entry("m#!~#v", &[WEDNESDAY])[..9]);
    fs::write(&torn, content).unwrap();
    let data = folder(&engine, "data", WEEKS, 3);
    fs::write(data.join("000000002-000000001.tsm"), "half").unwrap();
    symlink("nowhere", data.join("000000003-000000001.tsm")).unwrap();
    folder(&engine, "data", WEEKS, 20);
    wal_shard(&engine, WEEKS, 21, "m#!~#v", &[WEDNESDAY - 24 * 40 * HOUR]);
    fs::remove_dir(engine.join(format!("data/{WEEKS}/autogen/21"))).unwrap();
    let done = report(adopt(&scene, &database, &["--all", "--json"]));
    let adopted = &done["adopted"][0];
    assert_eq!(
        (&adopted["shards"], &adopted["empty"]),
        (&json!([21, 3, 9]), &json!([20]))
    );
    let unread: Vec<(String, String)> = done["unread"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            let path = Path::new(one["path"].as_str().unwrap());
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, one["reason"].as_str().unwrap().to_owned())
        })
        .collect();
    let expected = [
        ("000000002-000000001.tsm", "not read: it ends too early"),
        ("000000003-000000001.tsm", "not read: No such file"),
        ("21", "make this empty folder"),
        ("_00001.wal", &format!("run truncate -s {end} FILE")),
    ];
    assert_eq!(unread.len(), expected.len(), "{unread:?}");
    for ((name, tells), (found, reason)) in expected.iter().zip(&unread) {
        assert!(name == found && reason.contains(tells), "{found}: {reason}");
    }

    // What is denied to this user, another one can read.
    let other = scene.sandbox.path("other");
    shard(&other, "00000000000000ef", 90, (0, SECOND));
    let file = other.join("data/00000000000000ef/autogen/90/000000001-000000001.tsm");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read(&file).is_err() {
        let ran = adopt(&scene, &database, &["--all", "--engine-path", text(&other)]).code(1);
        ran.tells(&["can't read", text(&file), "nothing was changed"]);
    }
}

/// The store is older than its engine folder.
#[test]
fn buckets_of_the_store_get_the_shards_that_they_lack() {
    for bolt in [true, false] {
        let scene = Scene::new();
        let database = match bolt {
            true => scene.store(SEVERAL),
            false => scene.redb(SEVERAL),
        };
        let listed = scene.run(&["bucket", "list", "--json"], &database, &[]);
        let listed = listed.ok().json();
        let buckets = listed["buckets"].as_array().unwrap();
        let metrics = buckets.iter().find(|one| one["name"] == "metrics").unwrap();
        let metrics = metrics["id"].as_str().unwrap();
        let engine = scene.path("engine");
        // Ten weeks before the shard that the store knows.
        let time = WEDNESDAY - 70 * 24 * HOUR;
        shard(&engine, metrics, 80, (time, time + HOUR));
        let torn = shard(&engine, metrics, 81, (WEDNESDAY, WEDNESDAY));
        fs::remove_file(torn).unwrap();
        let before = fs::read(&database).unwrap();
        let question = ["bucket", "adopt", "--all"];
        let ran = scene.run(&question, &database, &[]).code(6);
        ran.tells(&[
            "Add shards to 1 bucket of the store",
            "\"metrics\"",
            "1 shard, 2023-09-06",
        ]);
        let dry = adopt(&scene, &database, &["--all", "--dry-run"]).code(0);
        let would = "would add shards to 1 bucket of the store; nothing was changed";
        assert!(dry.stdout.starts_with(would), "{dry:?}");
        assert!(fs::read(&database).unwrap() == before);
        // No organization is asked for, though there are several.
        let whole = report(adopt(&scene, &database, &["--all", "--json"]));
        assert_eq!(
            whole,
            json!({
                "changed": true, "adopted": [], "skipped": [], "unread": [],
                "extended": [{
                    "id": metrics, "name": "metrics", "shards": [80], "empty": [81],
                    "from": "2023-09-06T00:00:00Z", "to": "2023-09-06T01:00:00Z",
                }],
            })
        );
        is_sound(&scene, &database);
        let before = fs::read(&database).unwrap();
        let again = adopt(&scene, &database, &[metrics]).code(0);
        assert!(again.stdout.starts_with("nothing to do"), "{again:?}");
        assert!(fs::read(&database).unwrap() == before);
        let check = scene.run(&["status", "--json"], &database, &[]).ok().json();
        assert!(
            !check["findings"]
                .to_string()
                .contains("assigns the numbers")
        );
    }
}

#[test]
fn shards_of_different_durations_do_not_overlap() {
    let scene = Scene::new();
    let database = scene.store(ONE);
    let engine = scene.path("engine");
    for (number, times) in [
        (11, (WEDNESDAY + HOUR, WEDNESDAY + HOUR)),
        (12, (WEDNESDAY + 2 * HOUR, WEDNESDAY + 3 * HOUR)),
        (13, (WEDNESDAY + 48 * HOUR, WEDNESDAY + 200 * HOUR)),
    ] {
        shard(&engine, WEEKS, number, times);
    }
    let overlapping = "00000000000000dd";
    for number in [14, 15] {
        shard(&engine, overlapping, number, (WEDNESDAY, WEDNESDAY + HOUR));
    }
    let ran = adopt(&scene, &database, &["--all"]).code(0);
    let tells = "00000000000000dd: shard 15 has points of the same time";
    assert!(ran.stdout.contains(tells), "{ran:?}");
    scene.run(&["check"], &database, &[]).ok();
}

/// The engine of a server of 20 GB is read in seconds and 64 MB.
#[test]
fn a_large_engine_folder_is_read_in_little_memory() {
    let place = Place::new();
    fs::write(place.path("influxd.bolt"), fixture(ONE)).unwrap();
    for number in 1..=10_u32 {
        let folder = folder(
            &place.path("engine"),
            "data",
            WEEKS,
            u64::from(number) + 100,
        );
        let time = WEDNESDAY + i64::from(number) * 24 * 7 * HOUR;
        sparse_tsm(
            &folder.join("000000001-000000001.tsm"),
            2 << 30,
            (time, time + HOUR),
        );
    }
    // Files that say they are long.
    let torn = folder(&place.path("engine"), "data", WEEKS, 200);
    let hole = fs::File::create(torn.join("000000001-000000001.tsm")).unwrap();
    hole.set_len(1 << 43).unwrap();
    let torn = folder(&place.path("engine"), "wal", WEEKS, 200);
    let hole = fs::File::create(torn.join("_00001.wal")).unwrap();
    hole.set_len(1 << 43).unwrap();
    fs::write(torn.join("_00002.wal"), [1, 0xff, 0xff, 0xff, 0xff]).unwrap();
    let arguments = [
        "bucket",
        "adopt",
        "--all",
        "--db",
        "influxd.bolt",
        "--yes",
        "--json",
    ];
    let output = place.run_in(64_000, &arguments);
    assert!(output.status.success(), "{output:?}");
    let done: Value = serde_json::from_slice(&output.stdout).unwrap();
    let bucket = &done["adopted"][0];
    assert_eq!(bucket["shards"].as_array().unwrap().len(), 10);
    assert_eq!(bucket["to"], "2024-01-24T01:00:00Z");
    assert_eq!(
        (&bucket["empty"], done["unread"].as_array().unwrap().len()),
        (&json!([200]), 3)
    );
}
