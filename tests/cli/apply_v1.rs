//! `apply`: buckets, 1.x users, mappings, and status and hash of users.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use boltkey::metadata::password;
use boltkey::secret::Token;
use serde_json::{Value, json};

use crate::scene::{SEVERAL, Scene, is_sound, text};

const PASSWORD: &str = "a password that is planted";

fn private(scene: &Scene, name: &str, content: &str) -> PathBuf {
    let path = scene.path(name);
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

fn list(scene: &Scene, content: &str) -> PathBuf {
    private(scene, "a.pw", &format!("{PASSWORD}\n"));
    private(scene, "list.toml", content)
}

#[track_caller]
fn apply(scene: &Scene, database: &Path, content: &str, extra: &[&str]) -> Value {
    let list = list(scene, content);
    let extra = [&[text(&list), "--json"], extra].concat();
    scene.run(&["apply"], database, &extra).ok().json()
}

/// Each change with all that it says.
fn told(report: &Value) -> Vec<String> {
    let changes = report["changes"].as_array().unwrap().iter();
    let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    changes
        .map(|change| {
            let mut told: Vec<String> = ["action", "kind", "name", "org"]
                .map(|field| word(&change[field]))
                .into();
            told.extend(change["details"].as_array().unwrap().iter().map(word));
            told.join(" | ")
        })
        .collect()
}

fn rows(scene: &Scene, command: &[&str], database: &Path, field: &str) -> Vec<Value> {
    let report = scene.run(command, database, &["--json"]).ok().json();
    report[field].as_array().unwrap().clone()
}

fn is_let_in(scene: &Scene, database: &Path, verify: &[&str]) -> bool {
    let file = scene.path("a.pw");
    let command = [&["user", "verify"], verify].concat();
    let ran = scene.run(&command, database, &["--password-file", text(&file)]);
    ran.answered().code == 0
}

/// The list with everything; `hash` is that of a password.
fn whole(hash: &str) -> String {
    format!(
        r#"
[[org]]
name = "works"
[[user]]
name = "carol"
orgs = ["works"]
status = "inactive"
passwordHash = "{hash}"
[[user]]
name = "bob"
status = "inactive"
[[bucket]]
name = "stations"
org = "works"
retention = "30d"
shardDuration = "12h"
description = "of the weather"
[[bucket]]
name = "all time"
org = "works"
[[v1]]
username = "station"
org = "works"
user = "alice"
permissions = ["write:buckets/stations", "read:buckets/all time"]
passwordFile = "a.pw"
[[v1]]
username = "collectd"
org = "acme"
permissions = ["write:buckets/metrics"]
status = "inactive"
passwordHash = "{hash}"
[[dbrp]]
database = "weather"
bucket = "stations"
org = "works"
[[dbrp]]
database = "weather"
retentionPolicy = "all"
bucket = "all time"
org = "works"
default = true
"#
    )
}

#[test]
fn a_store_matches_and_a_second_run_changes_nothing() {
    let hash = password::hash(&Token::new(PASSWORD.into())).unwrap();
    for (store, redb) in [(SEVERAL, false), (SEVERAL, true), ("lived-2.7.12", false)] {
        let scene = Scene::new();
        let database = match redb {
            true => scene.redb(store),
            false => scene.store(store),
        };
        let content = whole(&hash);
        let untouched = fs::read(&database).unwrap();
        let would = apply(&scene, &database, &content, &["-n"]);
        assert_eq!(fs::read(&database).unwrap(), untouched);
        let report = apply(&scene, &database, &content, &[]);
        let expected = [
            "create | org | works | -",
            "create | user | carol | - | with a password | inactive | owner of \"works\"",
            "update | user | bob | - | inactive",
            "create | bucket | stations | works | retention 720h0m0s",
            "create | bucket | all time | works | retention infinite",
            "create | v1 | station | works | with a password",
            "update | v1 | collectd | acme | inactive | new password",
            "create | dbrp | weather/autogen | works | to bucket \"stations\"",
            "create | dbrp | weather/all | works | to bucket \"all time\"",
        ];
        assert_eq!(told(&report), expected, "{store}");
        assert_eq!(told(&would), expected, "{store}");
        is_sound(&scene, &database);

        let buckets = rows(&scene, &["bucket", "list"], &database, "buckets");
        let stations = buckets.iter().find(|one| one["name"] == "stations");
        let stations = stations.unwrap();
        assert_eq!(stations["org"], "works");
        assert!(is_let_in(&scene, &database, &["--v1", "--name", "station"]));
        assert!(!is_let_in(
            &scene,
            &database,
            &["--v1", "--name", "collectd"]
        ));
        assert!(!is_let_in(&scene, &database, &["--name", "carol"]));
        let dbrps = rows(&scene, &["v1", "dbrp", "list"], &database, "dbrps");
        let weather: Vec<_> = dbrps
            .iter()
            .filter(|one| one["database"] == "weather")
            .map(|one| (one["retention_policy"].clone(), one["default"].clone()))
            .collect();
        let expected = [
            (json!("autogen"), json!(false)),
            (json!("all"), json!(true)),
        ];
        assert!(
            expected.iter().all(|one| weather.contains(one)),
            "{weather:?}"
        );

        let untouched = fs::read(&database).unwrap();
        let again = apply(&scene, &database, &content, &[]);
        assert_eq!(
            (&again["changed"], &again["unchanged"]),
            (&json!(false), &json!(9))
        );
        assert_eq!(
            fs::read(&database).unwrap(),
            untouched,
            "a second run writes"
        );

        let on = content.replace("inactive", "active");
        let report = apply(&scene, &database, &on, &[]);
        let expected = [
            "update | user | carol | - | active",
            "update | user | bob | - | active",
            "update | v1 | collectd | acme | active",
        ];
        assert_eq!(told(&report), expected);
        assert!(is_let_in(&scene, &database, &["--name", "carol"]));
        assert!(is_let_in(
            &scene,
            &database,
            &["--v1", "--name", "collectd"]
        ));
    }
}

#[test]
fn what_is_there_is_changed_and_what_is_not_named_stays() {
    let scene = Scene::new();
    let database = scene.store(SEVERAL);
    let bucket = |rest: &str| format!("[[bucket]]\nname = \"b\"\norg = \"acme\"\n{rest}\n");
    apply(&scene, &database, &bucket("retention = \"30d\""), &[]);
    for (rest, details) in [
        ("", None),
        ("description = \"x\"", Some("description")),
        (
            "retention = \"60d\"",
            Some("retention 1440h0m0s instead of 720h0m0s"),
        ),
        (
            "retention = \"0\"\nshardDuration = \"48h\"",
            Some("retention infinite instead of 1440h0m0s | shard groups of 48h0m0s"),
        ),
    ] {
        let report = apply(&scene, &database, &bucket(rest), &[]);
        let expected: Vec<_> = details
            .map(|details| format!("update | bucket | b | acme | {details}"))
            .into_iter()
            .collect();
        assert_eq!(told(&report), expected, "{rest}");
        is_sound(&scene, &database);
    }
    // influxd deletes what is older, so this is asked.
    let shorter = list(
        &scene,
        &bucket("retention = \"2d\"\nshardDuration = \"1d\""),
    );
    let before = fs::read(&database).unwrap();
    let ran = scene.run(&["apply"], &database, &[text(&shorter)]).code(6);
    ran.tells(&["Shorten the retention", "48h0m0s", "older points"]);
    assert_eq!(fs::read(&database).unwrap(), before);
    let ran = scene.run(&["apply"], &database, &[text(&shorter), "--yes"]);
    ran.ok();

    let v1 = |rest: &str| {
        format!(
            "[[v1]]\nusername = \"collectd\"\norg = \"acme\"\n\
             permissions = [\"write:buckets/metrics\"]\n{rest}\n"
        )
    };
    for (rest, details) in [
        ("", None),
        ("user = \"bob\"", Some("owner \"bob\"")),
        ("description = \"x\"", Some("description")),
        ("passwordFile = \"a.pw\"", Some("new password")),
        ("passwordFile = \"a.pw\"", None),
    ] {
        let report = apply(&scene, &database, &v1(rest), &[]);
        let expected: Vec<_> = details
            .map(|details| format!("update | v1 | collectd | acme | {details}"))
            .into_iter()
            .collect();
        assert_eq!(told(&report), expected, "{rest}");
    }
    let read = v1("").replace("write:", "read:");
    let report = apply(&scene, &database, &read, &[]);
    assert_eq!(
        told(&report),
        ["update | v1 | collectd | acme | other permissions"]
    );
    is_sound(&scene, &database);
}

#[test]
fn a_mapping_keeps_the_default_of_its_database_right() {
    let scene = Scene::new();
    let database = scene.store(SEVERAL);
    let one = |policy: &str, rest: &str| {
        format!(
            "[[dbrp]]\ndatabase = \"d\"\nretentionPolicy = \"{policy}\"\norg = \"acme\"\n\
             bucket = \"metrics\"\n{rest}\n"
        )
    };
    let defaults = || {
        let dbrps = rows(&scene, &["v1", "dbrp", "list"], &database, "dbrps");
        let of_database = dbrps.into_iter().filter(|one| one["database"] == "d");
        let default = of_database.filter(|one| one["default"] == true);
        let names = default.map(|one| one["retention_policy"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    // The only one stays the default.
    for changed in [true, false] {
        let list = list(&scene, &one("a", "default = false"));
        let ran = scene
            .run(&["apply"], &database, &[text(&list), "--json"])
            .code(0);
        let report = ran.tells(&["the only mapping", "stays its default"]);
        assert_eq!(report.json()["changed"], changed);
        assert_eq!(defaults(), ["a"]);
    }
    let two = one("a", "default = false") + &one("b", "");
    apply(&scene, &database, &two, &[]);
    assert_eq!(defaults(), ["b"]);
    assert_eq!(apply(&scene, &database, &two, &[])["changed"], false);
    apply(&scene, &database, &one("a", "default = true"), &[]);
    assert_eq!(defaults(), ["a"]);
    let other = one("a", "").replace("\"metrics\"", "\"_tasks\"");
    let report = apply(&scene, &database, &other, &[]);
    assert_eq!(
        told(&report),
        ["update | dbrp | d/a | acme | to bucket \"_tasks\""]
    );
    assert_eq!(defaults(), ["a"]);
    is_sound(&scene, &database);
}

#[test]
fn what_can_not_be_is_refused_by_line_and_field() {
    let scene = Scene::new();
    let database = scene.store(SEVERAL);
    let v1 =
        |name: &str, rest: &str| format!("[[v1]]\nusername = \"{name}\"\norg = \"acme\"\n{rest}\n");
    let bucket =
        |name: &str, rest: &str| format!("[[bucket]]\nname = \"{name}\"\norg = \"acme\"\n{rest}\n");
    let dbrp = |rest: &str| format!("[[dbrp]]\ndatabase = \"d\"\norg = \"acme\"\n{rest}\n");
    private(&scene, "short.pw", "short");
    for (content, expected) in [
        (bucket("_b", ""), "line 2, bucket \"_b\", name: "),
        (bucket("b", "retention = \"30m\""), "line 4"),
        (
            bucket("b", "retention = \"1d\"\nshardDuration = \"2d\""),
            "bucket \"b\"",
        ),
        (
            bucket("b", "") + &bucket("b", ""),
            "line 6, bucket \"b\", name: duplicate",
        ),
        (
            "[[bucket]]\nname = \"b\"\norg = \"nowhere\"\n".into(),
            "line 3, bucket \"b\", org: ",
        ),
        (
            v1("x", "user = \"nobody\"\npermissions = [\"read:buckets\"]"),
            "line 4, v1 \"x\", user: ",
        ),
        (
            v1("x", "permissions = [\"read:buckets/nothing\"]"),
            "line 4, v1 \"x\", permissions: ",
        ),
        (
            v1(
                "x",
                "user = \"alice\"\npermissions = [\"read:buckets\"]\npasswordFile = \"short.pw\"",
            ),
            "line 6, v1 \"x\", passwordFile: ",
        ),
        (dbrp("bucket = \"nothing\""), "line 4, dbrp \"d\", bucket: "),
        (
            dbrp("bucket = \"metrics\"\nretentionPolicy = \"a/b\""),
            "dbrp \"d\"",
        ),
        (
            dbrp("bucket = \"metrics\"") + &dbrp("bucket = \"metrics\""),
            "line 6, dbrp \"d\", database: duplicate",
        ),
        (
            dbrp("bucket = \"metrics\"\ndefault = true")
                + &dbrp("bucket = \"metrics\"\nretentionPolicy = \"r\"\ndefault = true"),
            "line 11, dbrp \"d\", default: line 5 has the default",
        ),
    ] {
        let before = fs::read(&database).unwrap();
        let list = list(&scene, &content);
        let ran = scene.run(&["apply"], &database, &[text(&list)]).code(1);
        // Lines are wrapped, but begin with the file.
        let told = ran.stderr.replace("\n  ", " ");
        assert!(told.contains(expected), "{content}\n{ran:?}");
        assert!(!told.contains("short.pw contains") || !told.contains("short\n"));
        assert_eq!(fs::read(&database).unwrap(), before);
    }
}
