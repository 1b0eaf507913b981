//! `bucket create`: records and time-series metadata as the API makes them.

use std::fs;
use std::path::Path;

use boltkey::metadata::names;
use serde_json::{Value, json};

use crate::downgrade::value;
use crate::fixtures::facts;
use crate::scene::{ONE, SEVERAL, Scene, is_sound};

#[track_caller]
fn report(scene: &Scene, command: &[&str], database: &Path, extra: &[&str]) -> Value {
    let extra = [extra, &["--json"]].concat();
    scene.run(command, database, &extra).ok().json()
}

#[test]
fn records_are_those_of_a_server() {
    for redb in [false, true] {
        let scene = Scene::new();
        let database = match redb {
            true => scene.redb(SEVERAL),
            false => scene.store(SEVERAL),
        };
        let create = [
            "bucket",
            "create",
            "--org",
            "acme",
            "--name",
            "history/2026 <a>",
        ];
        let extra = ["--retention", "30d", "--description", "d"];
        let bytes = fs::read(&database).unwrap();
        let dry = report(&scene, &create, &database, &["-n"]);
        assert_eq!(
            (&dry["dryRun"], &dry["changed"]),
            (&json!(true), &json!(true))
        );
        assert_eq!(fs::read(&database).unwrap(), bytes);
        let made = report(&scene, &create, &database, &extra);
        let bucket = &made["bucket"];
        let id = bucket["id"].as_str().unwrap();
        let listed = report(&scene, &["bucket", "list"], &database, &[]);
        assert!(listed["buckets"].as_array().unwrap().contains(bucket));
        if !redb {
            let org = facts(SEVERAL)["orgs"]["acme"].as_str().unwrap().to_owned();
            let time = bucket["createdAt"].as_str().unwrap();
            let expected = format!(
                r#"{{"id":"{id}","orgID":"{org}","type":0,"name":"history/2026 \u003ca\u003e","description":"d","retentionPeriod":2592000000000000,"shardGroupDuration":86400000000000,"createdAt":"{time}","updatedAt":"{time}"}}"#
            );
            assert_eq!(value(&database, names::BUCKETS, id).unwrap(), expected);
        }
        is_sound(&scene, &database);
        let check = scene
            .run(&["check", "--json"], &database, &[])
            .code(0)
            .json();
        assert!(
            !check["findings"].to_string().contains("time-series"),
            "{check}"
        );
        let ran = scene.run(&create, &database, &extra).code(1);
        ran.tells(&["already exists", "nothing was changed"]);
    }
}

#[test]
fn durations_and_names_have_influxdbs_rules() {
    let scene = Scene::new();
    let database = scene.store(ONE);
    let create = |name: &str, extra: &[&str]| {
        let command = [&["bucket", "create", "--name", name], extra].concat();
        let made = report(&scene, &command, &database, &[]);
        let rule = made["bucket"]["retentionRules"][0].clone();
        let seconds = |field: &str| rule[field].as_i64().unwrap();
        (
            seconds("everySeconds") / 3600,
            seconds("shardGroupDurationSeconds") / 3600,
        )
    };
    // The only organization is the default.
    assert_eq!(create("a", &[]), (0, 168));
    assert_eq!(create("b", &["--retention", "1h"]), (1, 1));
    assert_eq!(
        create(
            "c",
            &["--retention", "48h", "--shard-group-duration", "30m"]
        ),
        (48, 1)
    );
    assert_eq!(create("d", &["--shard-group-duration", "3d"]), (0, 72));
    let before = fs::read(&database).unwrap();
    for (name, extra, code, told) in [
        ("_mine", &[][..], 1, "must not begin with _"),
        ("a\"b", &[], 1, "quotation mark"),
        ("", &[], 1, "1 to 32,752 bytes"),
        (
            "e",
            &["--retention", "30m"],
            2,
            "minimum retention is one hour",
        ),
        (
            "e",
            &["--retention", "2h", "--shard-group-duration", "3d"],
            1,
            "must not be shorter than a shard group",
        ),
        ("e", &["--org", "nope"], 1, "no organization called"),
    ] {
        let command = [&["bucket", "create", "--name", name], extra].concat();
        scene
            .run(&command, &database, &[])
            .code(code)
            .tells(&[told]);
    }
    assert_eq!(fs::read(&database).unwrap(), before);
}
