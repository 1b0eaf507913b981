//! `auth export` of records that another store can't have, and `apply` to one that has other ones of the
//! same names.

use std::collections::BTreeSet;
use std::fs;

use boltkey::store::Snapshot;
use serde_json::json;

use crate::moved_stores::{apply, enrich, export, private, rows, target};
use crate::scene::{SEVERAL, Scene, is_sound, text};
use crate::support::store_image::edit;

/// Records that no server makes any more, or that have lost what they are about.
#[test]
fn what_another_store_can_not_have_is_told_and_left_out() {
    let scene = Scene::new();
    let old = scene.store(SEVERAL);
    enrich(&scene, &old);
    let buckets = rows(&scene, &old, &["bucket", "list"], "buckets");
    let of = |name: &str| {
        let bucket = buckets.iter().find(|one| one["name"] == name).unwrap();
        let field = |field: &str| bucket[field].as_str().unwrap().to_owned();
        (field("id"), field("orgID"))
    };
    let (stations, works) = of("stations");
    let (metrics, acme) = of("metrics");
    let (monitoring, _) = of("_monitoring");
    let v1 = rows(&scene, &old, &["v1", "auth", "list"], "authorizations");
    let station = v1.iter().find(|one| one["token"] == "station").unwrap();
    let station = station["id"].as_str().unwrap().to_owned();
    let users = rows(&scene, &old, &["user", "list"], "users");
    let alice = users.iter().find(|one| one["name"] == "alice").unwrap();
    let alice = alice["id"].as_str().unwrap().to_owned();
    edit(&old, |model, changes| {
        let replaced = |bucket: &[u8], key: &str, old: &str, new: &str| {
            let record = model.get(bucket, key.as_bytes()).unwrap().unwrap();
            let record = String::from_utf8(record).unwrap();
            assert!(record.contains(old), "{record}");
            record.replace(old, new).into_bytes()
        };
        // A bucket whose name influxd reserves, as early releases took it, and what leads to it.
        let record = replaced(b"bucketsv1", &stations, "\"stations\"", "\"_stations\"");
        changes.put(b"bucketsv1", stations.as_bytes(), &record);
        let key = |name: &str| format!("{works}{name}").into_bytes();
        changes.remove(b"bucketindexv1", &key("stations"));
        changes.put(b"bucketindexv1", &key("_stations"), stations.as_bytes());
        // Durations that influxd refuses.
        let record = replaced(
            b"bucketsv1",
            &metrics,
            "\"retentionPeriod\":0",
            "\"retentionPeriod\":1000000000",
        );
        changes.put(b"bucketsv1", metrics.as_bytes(), &record);
        // A system bucket with another retention.
        let week = "\"retentionPeriod\":604800000000000";
        let record = replaced(b"bucketsv1", &monitoring, week, "\"retentionPeriod\":0");
        changes.put(b"bucketsv1", monitoring.as_bytes(), &record);
        // A 1.x user whom influxd does not find, one of no owner, one of no organization, and a password
        // that is none.
        changes.remove(b"legacy/authorizationindexv1", b"collectd");
        for (id, name, org, user) in [
            ("00000000000000a1", "of nobody", &acme, "00000000000000aa"),
            (
                "00000000000000a2",
                "of nothing",
                &"00000000000000aa".to_owned(),
                &*alice,
            ),
        ] {
            let record = json!({"id": id, "token": name, "status": "active", "description": "",
                "orgID": org, "userID": user,
                "permissions": [{"action": "read", "resource": {"type": "buckets", "orgID": org}}]});
            changes.put(
                b"legacy/authorizationsv1",
                id.as_bytes(),
                record.to_string().as_bytes(),
            );
            changes.put(
                b"legacy/authorizationindexv1",
                name.as_bytes(),
                id.as_bytes(),
            );
        }
        changes.put(
            b"legacy/authorizationPasswordv1",
            station.as_bytes(),
            b"no hash",
        );
        // A mapping to a bucket that is gone, and one without entries.
        for (id, database, bucket) in [
            ("00000000000000b1", "gone", "00000000000000aa"),
            ("00000000000000b2", "unindexed", &*metrics),
        ] {
            let record = json!({"id": id, "database": database, "retention_policy": "autogen",
                "default": true, "virtual": false, "orgID": acme, "bucketID": bucket});
            changes.put(b"dbrpv1", id.as_bytes(), record.to_string().as_bytes());
            if database == "gone" {
                for (index, key) in [
                    (&b"dbrpbyorgv1"[..], format!("{acme}/{id}")),
                    (b"dbrpbyorganddbindexv1", format!("{acme}{database}/{id}")),
                    (b"dbrpdefaultv1", format!("{acme}{database}")),
                ] {
                    changes.put(index, key.as_bytes(), id.as_bytes());
                }
            }
        }
    });
    let report = export(&scene, &old, "list.toml", &["--with-passwords"]);
    let skipped = report["skipped"].as_array().unwrap().iter();
    let told: BTreeSet<String> = skipped
        .filter(|one| one["kind"] != "token")
        .map(|one| {
            let word = |field: &str| one[field].as_str().unwrap();
            format!("{} {}: {}", word("kind"), word("name"), word("reason"))
        })
        .collect();
    let not_found = "influxd does not find it by its name; boltkey repair cures that";
    let reserved = "a bucket name must not begin with _, which is reserved for InfluxDB";
    for expected in [
        format!("bucket _stations: {reserved}"),
        "bucket metrics: its retention 0h0m1s is one that InfluxDB refuses; the list has the bucket \
         with infinite retention"
            .into(),
        "bucket _monitoring: a system bucket, which a list does not have; its retention is infinite \
         instead of 168h0m0s"
            .into(),
        format!("v1 collectd: {not_found}"),
        "v1 of nobody: its owner was deleted".into(),
        "v1 of nothing: its organization was deleted".into(),
        "password station: what is stored is not a hash that influxd supports".into(),
        "dbrp gone/autogen: its bucket was deleted".into(),
        format!("dbrp unindexed/autogen: {not_found}"),
        format!("dbrp weather/autogen: its bucket \"_stations\": {reserved}"),
    ] {
        assert!(told.contains(&expected), "{expected}\n{told:#?}");
    }
    assert_eq!(told.len(), 10, "{told:#?}");

    // All the rest works in one run; the permission for the bucket is kept by its ID.
    let new = target(&scene, "new.bolt", "2.9");
    let list = scene.path("list.toml");
    let ran = scene.run(&["apply", text(&list)], &new, &[]).code(0);
    ran.tells(&[
        &format!("buckets/{stations} is not in this store"),
        "the 1.x user keeps",
    ]);
    assert_eq!(apply(&scene, &new, "list.toml", &[])["changed"], false);
    is_sound(&scene, &new);
    let v1 = rows(&scene, &new, &["v1", "auth", "list"], "authorizations");
    let moved = v1.iter().find(|one| one["token"] == "station").unwrap();
    assert_eq!(moved["permissions"][0]["resource"]["id"], json!(stations));
    assert_eq!(moved["hasPassword"], false);
}

/// A store that has the same names for other things is told apart before anything is changed.
#[test]
fn what_the_other_store_has_otherwise_is_said_first() {
    let scene = Scene::new();
    let old = scene.store(SEVERAL);
    enrich(&scene, &old);
    export(&scene, &old, "list.toml", &["--with-passwords"]);
    let new = target(&scene, "new.bolt", "2.9");
    let other = private(
        &scene,
        "other.toml",
        r#"
[[org]]
name = "works"
[[user]]
name = "carol"
status = "inactive"
[[bucket]]
name = "stations"
org = "works"
retention = "2h"
[[bucket]]
name = "all 'time' \\ 🦀"
org = "works"
retention = "1d"
[[v1]]
username = "station"
org = "acme"
user = "alice"
permissions = ["read:buckets"]
[[dbrp]]
database = "weather"
bucket = "all 'time' \\ 🦀"
org = "works"
"#,
    );
    scene.run(&["apply", text(&other)], &new, &[]).code(0);
    let before = fs::read(&new).unwrap();
    let list = scene.path("list.toml");
    let ran = scene
        .run(&["apply", text(&list)], &new, &["-n", "-v"])
        .code(0);
    for words in [
        "update  user  carol",
        "      active",
        "update  bucket stations in works",
        "      retention 1h30m0s instead of 2h0m0s",
        "update  bucket all 'time' \\ 🦀 in works",
        "      retention infinite instead of 24h0m0s",
        "update  1.x user station in works",
        "      owner \"carol\"",
        "      organization \"works\"",
        "      other permissions",
        "update  mapping weather/autogen in works",
        "      to bucket \"stations\"",
    ] {
        assert!(ran.stdout.contains(words), "{words}: {ran:?}");
    }
    // A shorter retention deletes points, so it is asked.
    let ran = scene.run(&["apply", text(&list)], &new, &[]).code(6);
    ran.tells(&["Shorten the retention", "\"stations\" of \"works\""]);
    assert!(fs::read(&new).unwrap() == before);
    apply(&scene, &new, "list.toml", &["--yes"]);
    assert_eq!(apply(&scene, &new, "list.toml", &[])["changed"], false);
    is_sound(&scene, &new);
}
