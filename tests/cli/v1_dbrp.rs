//! `v1 dbrp list|create|update|delete`: records and defaults as influxd writes them, virtual mappings,
//! and what is refused.

use std::fs;
use std::path::Path;

use boltkey::metadata::dbrp::NewDbrp;
use boltkey::metadata::names;
use boltkey::store::Snapshot;
use serde_json::{Value, json};

use crate::downgrade::value;
use crate::fixtures::facts;
use crate::scene::{SEVERAL, Scene, is_sound};
use crate::support::store_image::edit;

/// Two mappings of one database, of which the second is not the default.
pub const MAPPINGS: [(&str, &str, bool); 2] = [
    ("11b6d4bc27c40000", "autogen", true),
    ("11b6d4bc27c48000", "month", false),
];

/// Adds these mappings of the database `collectd`.
pub fn add_mappings(database: &Path, store: &str, mappings: &[(&str, &str, bool)]) {
    let facts = facts(store);
    let id = |kind: &str, name: &str| facts[kind][name].as_str().unwrap().parse().unwrap();
    edit(database, |_, changes| {
        for (mapping, policy, default) in mappings {
            NewDbrp {
                id: mapping.parse().unwrap(),
                database: "collectd",
                retention_policy: policy,
                org: id("orgs", "acme"),
                bucket: id("buckets", "metrics"),
                default: *default,
            }
            .put(changes);
        }
    });
}

#[track_caller]
fn report(scene: &Scene, command: &[&str], database: &Path, extra: &[&str]) -> Value {
    let extra = [extra, &["--json"]].concat();
    scene.run(command, database, &extra).ok().json()
}

const CREATE: &[&str] = &[
    "v1",
    "dbrp",
    "create",
    "--org",
    "acme",
    "--bucket",
    "metrics",
    "--database",
];

/// Database, retention policy, whether it is the default, whether it is virtual.
fn listed(scene: &Scene, database: &Path, extra: &[&str]) -> Vec<(String, String, bool, bool)> {
    let list = report(scene, &["v1", "dbrp", "list"], database, extra);
    let list = list["dbrps"].as_array().unwrap();
    let text = |one: &Value, field: &str| one[field].as_str().unwrap().to_owned();
    let one = |one: &Value| {
        (
            text(one, "database"),
            text(one, "retention_policy"),
            one["default"].as_bool().unwrap(),
            one["virtual"].as_bool().unwrap(),
        )
    };
    list.iter().map(one).collect()
}

fn row(
    database: &str,
    policy: &str,
    default: bool,
    is_virtual: bool,
) -> (String, String, bool, bool) {
    (database.into(), policy.into(), default, is_virtual)
}

#[test]
fn records_are_those_of_a_server_and_the_first_is_the_default() {
    for redb in [false, true] {
        let scene = Scene::new();
        let database = match redb {
            true => scene.redb(SEVERAL),
            false => scene.store(SEVERAL),
        };
        let bytes = fs::read(&database).unwrap();
        let first = [CREATE, &["collectd"]].concat();
        let dry = report(&scene, &first, &database, &["-n"]);
        assert_eq!(
            (&dry["dryRun"], &dry["changed"]),
            (&json!(true), &json!(true))
        );
        assert_eq!(fs::read(&database).unwrap(), bytes);
        let made = report(&scene, &first, &database, &[]);
        let id = made["dbrp"]["id"].as_str().unwrap().to_owned();
        assert_eq!(made["dbrp"]["default"], true);
        if !redb {
            let facts = facts(SEVERAL);
            let org = facts["orgs"]["acme"].as_str().unwrap();
            let bucket = facts["buckets"]["metrics"].as_str().unwrap();
            for (in_bucket, key, expected) in [
                (
                    names::DBRP,
                    id.clone(),
                    format!(
                        r#"{{"id":"{id}","database":"collectd","retention_policy":"autogen","default":true,"virtual":false,"orgID":"{org}","bucketID":"{bucket}"}}"#
                    ),
                ),
                (names::DBRP_BY_ORG, format!("{org}/{id}"), id.clone()),
                (
                    names::DBRP_BY_DATABASE,
                    format!("{org}collectd/{id}"),
                    id.clone(),
                ),
                (names::DBRP_DEFAULT, format!("{org}collectd"), id.clone()),
            ] {
                assert_eq!(value(&database, in_bucket, &key), Some(expected));
            }
        }
        let ran = scene.run(&first, &database, &[]).code(1);
        ran.tells(&["is mapped already", "nothing was changed"]);
        let second = [CREATE, &["collectd", "--rp", "week"]].concat();
        assert_eq!(
            report(&scene, &second, &database, &[])["dbrp"]["default"],
            false
        );
        let third = [CREATE, &["collectd", "--rp", "year", "--default"]].concat();
        assert_eq!(
            report(&scene, &third, &database, &[])["dbrp"]["default"],
            true
        );
        assert_eq!(
            listed(&scene, &database, &["--database", "collectd"]),
            [
                row("collectd", "autogen", false, false),
                row("collectd", "week", false, false),
                row("collectd", "year", true, false),
            ]
        );
        is_sound(&scene, &database);
    }
}

#[test]
fn virtual_mappings_are_told_apart_and_stored_ones_hide_them() {
    let scene = Scene::new();
    let database = scene.store(SEVERAL);
    for name in ["a", "a/b", "a/c"] {
        scene
            .run(
                &["bucket", "create", "--org", "acme", "--name", name],
                &database,
                &[],
            )
            .ok();
    }
    let of_a = || listed(&scene, &database, &["--org", "acme", "--database", "a"]);
    assert_eq!(
        of_a(),
        [
            row("a", "autogen", true, true),
            row("a", "b", false, true),
            row("a", "c", false, true),
        ]
    );
    // The same pair hides one, and the first stored one takes the default.
    let made = report(
        &scene,
        &[CREATE, &["a", "--rp", "b"]].concat(),
        &database,
        &[],
    );
    let effects = made["effects"].to_string();
    assert!(
        effects.contains(
            "without a retention policy go to bucket \\\"metrics\\\", not to bucket \\\"a\\\""
        ),
        "{effects}"
    );
    assert!(
        effects.contains("with retention policy \\\"b\\\" go to bucket \\\"metrics\\\", not to"),
        "{effects}"
    );
    assert_eq!(
        of_a(),
        [
            row("a", "b", true, false),
            row("a", "autogen", false, true),
            row("a", "c", false, true),
        ]
    );
    assert_eq!(
        listed(&scene, &database, &["--database", "a", "--default"]).len(),
        1
    );
    let list = report(
        &scene,
        &["v1", "dbrp", "list"],
        &database,
        &["--database", "a", "--rp", "c"],
    );
    let id = list["dbrps"][0]["id"].as_str().unwrap();
    for command in [
        &["v1", "dbrp", "update", "--default", "--id", id][..],
        &["v1", "dbrp", "delete", "--id", id],
    ] {
        let ran = scene.run(command, &database, &["--yes"]).code(1);
        ran.tells(&[
            "is the virtual mapping of bucket \"a/c\"",
            "boltkey v1 dbrp create",
        ]);
    }
    let ran = scene
        .run(&["v1", "dbrp", "list"], &database, &["--org", "nope"])
        .code(1);
    ran.tells(&["no organization called"]);
    let ran = scene.run(
        &["v1", "dbrp", "list", "--org", "acme"],
        &database,
        &["--bucket", "nope"],
    );
    ran.code(1).tells(&["no bucket called"]);
}

#[test]
fn policy_and_default_change_and_the_rest_stays() {
    let scene = Scene::new();
    let database = scene.store(SEVERAL);
    add_mappings(&database, SEVERAL, &MAPPINGS);
    let id = MAPPINGS[1].0;
    let record = || value(&database, names::DBRP, id).unwrap();
    let before = record();
    let default = ["v1", "dbrp", "update", "--id", id, "--default"];
    let made = report(&scene, &default, &database, &[]);
    assert_eq!(
        (&made["changed"], &made["dbrp"]["default"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(
        record(),
        before.replace("\"default\":false", "\"default\":true")
    );
    let bytes = fs::read(&database).unwrap();
    assert_eq!(report(&scene, &default, &database, &[])["changed"], false);
    assert_eq!(fs::read(&database).unwrap(), bytes);
    let rename = ["v1", "dbrp", "update", "--id", id, "--rp", "year"];
    report(&scene, &rename, &database, &[]);
    let after = before.replace("\"default\":false", "\"default\":true");
    assert_eq!(record(), after.replace("month", "year"));
    assert_eq!(
        listed(&scene, &database, &["--database", "collectd"]),
        [
            row("collectd", "autogen", false, false),
            row("collectd", "year", true, false)
        ]
    );
    is_sound(&scene, &database);
    for (extra, code, told) in [
        (&["--rp", "autogen"][..], 1, "is mapped already"),
        (&["--rp", "a/b"], 1, "is not a valid name"),
        (&[], 2, "--rp"),
    ] {
        let update = [&["v1", "dbrp", "update", "--id", id], extra].concat();
        scene.run(&update, &database, &[]).code(code).tells(&[told]);
    }
    let ran = scene.run(
        &["v1", "dbrp", "update", "--default", "--id"],
        &database,
        &[],
    );
    ran.code(2);
    let nobody = [
        "v1",
        "dbrp",
        "update",
        "--default",
        "--id",
        "00000000000000aa",
    ];
    scene
        .run(&nobody, &database, &[])
        .code(1)
        .tells(&["there is no mapping"]);
}

#[test]
fn after_the_default_the_next_one_is_the_default() {
    let scene = Scene::new();
    let database = scene.store(SEVERAL);
    add_mappings(&database, SEVERAL, &MAPPINGS);
    let org = facts(SEVERAL)["orgs"]["acme"].as_str().unwrap().to_owned();
    let default = || value(&database, names::DBRP_DEFAULT, &format!("{org}collectd"));
    for (number, (id, policy, _)) in MAPPINGS.iter().enumerate() {
        assert_eq!(default().as_deref(), Some(*id));
        let delete = ["v1", "dbrp", "delete", "--id", id];
        let before = fs::read(&database).unwrap();
        let ran = scene.run(&delete, &database, &[]).code(6);
        ran.tells(&[
            &format!(
                "Delete the mapping of database \"collectd\" with retention policy {policy:?}"
            ),
            "fail.",
        ]);
        assert_eq!(fs::read(&database).unwrap(), before);
        let gone = report(&scene, &delete, &database, &["--yes"]);
        assert_eq!(gone["changed"], true);
        assert_eq!(
            gone["effects"]
                .to_string()
                .contains("without a retention policy fail"),
            number == 1,
            "{gone}"
        );
        assert_eq!(value(&database, names::DBRP, id), None);
        is_sound(&scene, &database);
    }
    assert_eq!(default(), None);
    assert!(listed(&scene, &database, &["--database", "collectd"]).is_empty());
}

#[test]
fn what_influxd_refuses_is_refused() {
    let scene = Scene::new();
    let database = scene.store(SEVERAL);
    let cold = facts(SEVERAL)["buckets"]["cold storage"]
        .as_str()
        .unwrap()
        .to_owned();
    let before = fs::read(&database).unwrap();
    let create = ["v1", "dbrp", "create"];
    for (extra, code, told) in [
        (
            &["--database", "a/b", "--org", "acme", "--bucket", "metrics"][..],
            1,
            "is not a valid name of a database",
        ),
        (
            &["--database", "", "--org", "acme", "--bucket", "metrics"],
            1,
            "is not a valid name",
        ),
        (
            &[
                "--database",
                "a",
                "--rp",
                "..",
                "--org",
                "acme",
                "--bucket",
                "metrics",
            ],
            1,
            "of a retention policy",
        ),
        (
            &["--database", "a", "--org", "acme", "--bucket", "nope"],
            1,
            "no bucket called",
        ),
        (
            &["--database", "a", "--org", "acme", "--bucket-id", &cold],
            1,
            "belongs to organization",
        ),
        (
            &["--database", "a", "--bucket-id", "00000000000000aa"],
            1,
            "no bucket with the ID",
        ),
        (
            &["--database", "a", "--bucket", "metrics"],
            2,
            "there are several organizations",
        ),
        (&["--database", "a"], 2, "--bucket"),
    ] {
        let ran = scene
            .run(&[&create[..], extra].concat(), &database, &[])
            .code(code);
        ran.tells(&[told]);
    }
    assert_eq!(fs::read(&database).unwrap(), before);
    // The organization follows from the ID of the bucket.
    let made = report(
        &scene,
        &[
            "v1",
            "dbrp",
            "create",
            "--database",
            "a",
            "--bucket-id",
            &cold,
        ],
        &database,
        &[],
    );
    assert_eq!(made["dbrp"]["org"], "beta & co");
}

#[test]
fn mappings_that_influxd_fails_on_are_named_and_cured() {
    let scene = Scene::new();
    let database = scene.store(SEVERAL);
    add_mappings(&database, SEVERAL, &MAPPINGS);
    let org = facts(SEVERAL)["orgs"]["acme"].as_str().unwrap().to_owned();
    edit(&database, |_, changes| {
        changes.remove(names::DBRP_DEFAULT, format!("{org}collectd").as_bytes());
        let record = format!(
            r#"{{"id":"{}","database":"collectd","retention_policy":"autogen","default":true,"orgID":"{org}"}}"#,
            MAPPINGS[0].0
        );
        changes.put(names::DBRP, MAPPINGS[0].0.as_bytes(), record.as_bytes());
    });
    let list = report(
        &scene,
        &["v1", "dbrp", "list"],
        &database,
        &["--database", "collectd"],
    );
    let problems = |number: usize| list["dbrps"][number]["problems"].to_string();
    assert!(problems(0).contains("it names no bucket"), "{list}");
    assert!(
        problems(1).contains("no mapping of its database is the default"),
        "{list}"
    );
    let shown = scene
        .run(&["v1", "dbrp", "list"], &database, &[])
        .ok()
        .stdout;
    assert!(shown.contains("names no bucket"), "{shown}");
    let check = scene.run(&["check"], &database, &[]).code(0).stdout;
    assert!(check.contains("is mapped to no bucket"), "{check}");
    let delete = ["v1", "dbrp", "delete", "--id", MAPPINGS[0].0];
    scene.run(&delete, &database, &["--yes"]).ok();
    let update = ["v1", "dbrp", "update", "--default", "--id", MAPPINGS[1].0];
    scene.run(&update, &database, &[]).ok();
    let list = report(
        &scene,
        &["v1", "dbrp", "list"],
        &database,
        &["--database", "collectd"],
    );
    assert_eq!(list["dbrps"][0]["problems"], json!([]));
    let check = scene.run(&["check"], &database, &[]).code(0).stdout;
    assert!(!check.contains("dbrp"), "{check}");
}

/// influxd 2.7.12 and 2.9.1 answer 500 to every list of mappings if one is as 2.0.0 wrote it.
#[test]
fn mappings_of_early_releases_are_named_and_cured() {
    let early = |database: &Path, store: &str| {
        add_mappings(database, store, &MAPPINGS[..1]);
        edit(database, |model, changes| {
            let key = MAPPINGS[0].0.as_bytes();
            let record = model.get(names::DBRP, key).unwrap().unwrap();
            let record = String::from_utf8(record).unwrap();
            let record = record
                .replace("\"orgID\"", "\"organization_id\"")
                .replace("\"bucketID\"", "\"bucket_id\"");
            changes.put(names::DBRP, key, record.as_bytes());
        });
    };
    let scene = Scene::new();
    let database = scene.store(SEVERAL);
    early(&database, SEVERAL);
    let collectd = ["--database", "collectd"];
    let list = report(&scene, &["v1", "dbrp", "list"], &database, &collectd);
    let problems = list["dbrps"][0]["problems"].to_string();
    assert!(problems.contains("releases before 2.0.2"), "{list}");
    let check = scene.run(&["check"], &database, &[]).code(0).stdout;
    assert!(
        check.contains("metadata.other-undecodable") && check.contains("fails on it"),
        "{check}"
    );
    // In a list it has the form that releases read.
    let out = scene.path("list.toml");
    let out = ["--out", out.to_str().unwrap()];
    scene.run(&["auth", "export"], &database, &out).code(0);
    let exported = fs::read_to_string(out[1]).unwrap();
    assert!(exported.contains("database = \"collectd\""), "{exported}");
    let delete = ["v1", "dbrp", "delete", "--id", MAPPINGS[0].0];
    scene.run(&delete, &database, &["--yes"]).ok();
    let create = [CREATE, &["collectd"]].concat();
    scene.run(&create, &database, &[]).ok();
    let list = report(&scene, &["v1", "dbrp", "list"], &database, &collectd);
    assert_eq!(list["dbrps"][0]["problems"], json!([]));
    is_sound(&scene, &database);
}
