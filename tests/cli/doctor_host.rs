//! `doctor` on made-up hosts: what only the host knows.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::doctor::first_step;
use crate::fixtures::fixture;
use crate::scene::{ONE, SEVERAL};
use crate::support::stage::Stage;

const PRIVATE: u32 = 0o600;

/// A store of a host that only its owner, root, can read.
fn store(stage: &Stage, relative: &str, name: &str) {
    let path = stage.file(relative, fixture(name));
    fs::set_permissions(path, fs::Permissions::from_mode(PRIVATE)).unwrap();
}

/// What `doctor` says after a script: the report, and the command of its first step.
fn examine(stage: &Stage, script: &str, arguments: &str) -> (Value, Option<String>) {
    let ran = stage.run_after(script, &format!("doctor --json {arguments}"));
    let report = ran.json();
    let first = first_step(&report).map(|check| check["command"].as_str().unwrap().to_owned());
    (report, first)
}

fn result<'r>(report: &'r Value, id: &str) -> &'r Value {
    let checks = report["checks"].as_array().unwrap();
    let found = checks.iter().find(|check| check["id"] == id);
    &found.unwrap()["result"]
}

#[test]
fn of_two_stores_the_one_that_influxd_uses_is_looked_for_first() {
    let Some(stage) = Stage::new() else { return };
    store(&stage, "root/.influxdbv2/influxd.bolt", ONE);
    let (report, first) = examine(&stage, "true", "");
    assert_eq!(
        (&report["verdict"], first),
        (&"ok".into(), None),
        "{report}"
    );
    store(&stage, "var/lib/influxdb/influxd.bolt", SEVERAL);
    let (report, first) = examine(&stage, "true", "");
    assert_eq!(result(&report, "store"), "warn", "{report}");
    assert_eq!(first.unwrap(), "boltkey locate");
    // It shows both, and a path decides.
    let located = stage.run("locate").code(0);
    for path in [
        "/root/.influxdbv2/influxd.bolt",
        "/var/lib/influxdb/influxd.bolt",
    ] {
        assert!(located.stdout.contains(path), "{located:?}");
    }
    let (report, first) = examine(&stage, "true", "--db /root/.influxdbv2/influxd.bolt");
    assert_eq!(
        (&report["verdict"], first),
        (&"ok".into(), None),
        "{report}"
    );
}

#[test]
fn a_store_that_the_service_can_not_open_is_given_to_its_user() {
    let Some(stage) = Stage::new() else { return };
    store(&stage, "var/lib/influxdb/influxd.bolt", ONE);
    stage.file(
        "etc/systemd/system/influxdb.service",
        "[Service]\nUser=influxdb\nExecStart=/usr/bin/influxd --bolt-path \
         /var/lib/influxdb/influxd.bolt\n",
    );
    let (report, first) = examine(&stage, "true", "");
    assert_eq!(
        (&report["verdict"], result(&report, "file")),
        (&"fail".into(), &"fail".into())
    );
    let command = first.unwrap();
    assert_eq!(command, "chown influxdb /var/lib/influxdb/influxd.bolt");
    let (report, first) = examine(&stage, &command, "");
    assert_eq!(
        (&report["verdict"], first),
        (&"ok".into(), None),
        "{report}"
    );
}

#[test]
fn on_a_full_disk_the_copy_goes_to_another_one() {
    let Some(stage) = Stage::new() else { return };
    store(&stage, "srv/influxd.bolt", ONE);
    let size = fs::metadata(stage.path("srv/influxd.bolt")).unwrap().len();
    let disk = |free: u64| {
        format!(
            "mkdir -p /full; mount -t tmpfs -o size={} tmpfs /full; cp -p /srv/influxd.bolt /full",
            size + free
        )
    };
    let (report, first) = examine(&stage, &disk(3 * size), "/full/influxd.bolt");
    assert_eq!(
        (&report["verdict"], first),
        (&"ok".into(), None),
        "{report}"
    );
    let small = disk(size);
    let (report, first) = examine(&stage, &small, "/full/influxd.bolt");
    assert_eq!(result(&report, "space"), "warn", "{report}");
    let command = first.unwrap();
    let elsewhere = command.replace("'<file elsewhere>'", "<file elsewhere>");
    let elsewhere = elsewhere.replace("<file elsewhere>", "/srv/compact.bolt");
    let arguments = elsewhere.strip_prefix("boltkey ").unwrap();
    stage.run_after(&small, arguments).code(0);
    let (report, first) = examine(&stage, "true", "/srv/compact.bolt");
    assert_eq!(
        (&report["verdict"], first),
        (&"ok".into(), None),
        "{report}"
    );
}
