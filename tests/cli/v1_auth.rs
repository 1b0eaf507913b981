//! `v1 auth list|create|update|password|delete`: records as influxd writes them, and what is refused.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use boltkey::metadata::names;
use serde_json::{Value, json};

use crate::downgrade::value;
use crate::fixtures::facts;
use crate::scene::{SEVERAL, Scene, is_sound, text};
use crate::support::store_image::edit;

/// A file with a secret.
pub fn secret(scene: &Scene, content: &str) -> PathBuf {
    let path = scene.path("secret");
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

#[track_caller]
fn report(scene: &Scene, command: &[&str], database: &Path, extra: &[&str]) -> Value {
    let extra = [extra, &["--json"]].concat();
    scene.run(command, database, &extra).ok().json()
}

/// The ID of the 1.x user that the server made.
pub fn collectd(scene: &Scene, database: &Path) -> String {
    let listed = report(scene, &["v1", "auth", "list"], database, &[]);
    let listed = listed["authorizations"].as_array().unwrap();
    let one = listed.iter().find(|one| one["token"] == "collectd");
    one.unwrap()["id"].as_str().unwrap().to_owned()
}

/// Whether the password in `file` lets 1.x clients in as this 1.x user.
pub fn is_let_in(scene: &Scene, database: &Path, name: &str, file: &Path) -> bool {
    let verify = ["user", "verify", "--v1", "--name", name];
    let ran = scene.run(&verify, database, &["--password-file", text(file)]);
    let ran = ran.answered();
    ran.code == 0
}

const CREATE: &[&str] = &[
    "v1",
    "auth",
    "create",
    "--org",
    "acme",
    "--user",
    "alice",
    "--username",
    "grafana <&>",
    "--description",
    "a \"panel\"",
    "--read-bucket",
    "metrics",
    "--write-bucket",
];

#[test]
fn records_are_those_of_a_server() {
    for redb in [false, true] {
        let scene = Scene::new();
        let database = match redb {
            true => scene.redb(SEVERAL),
            false => scene.store(SEVERAL),
        };
        let facts = facts(SEVERAL);
        let id = |kind: &str, name: &str| facts[kind][name].as_str().unwrap().to_owned();
        let metrics = id("buckets", "metrics");
        let file = secret(&scene, "long enough\n");
        let create = [CREATE, &[&metrics, "--password-file", text(&file)]].concat();

        let bytes = fs::read(&database).unwrap();
        let dry = report(&scene, &create, &database, &["-n"]);
        assert_eq!(
            (&dry["dryRun"], &dry["changed"]),
            (&json!(true), &json!(true))
        );
        assert_eq!(fs::read(&database).unwrap(), bytes);

        let made = report(&scene, &create, &database, &[]);
        assert_eq!(made["changed"], true);
        let one = &made["authorization"];
        let key = one["id"].as_str().unwrap();
        let time = one["createdAt"].as_str().unwrap();
        assert_eq!(
            (&one["usable"], &one["hasPassword"]),
            (&json!(true), &json!(true))
        );
        is_sound(&scene, &database);
        if !redb {
            let (org, user) = (id("orgs", "acme"), id("users", "alice"));
            let resource =
                format!(r#""resource":{{"type":"buckets","id":"{metrics}","orgID":"{org}"}}"#);
            let expected = format!(
                r#"{{"id":"{key}","token":"grafana \u003c\u0026\u003e","status":"active","description":"a \"panel\"","orgID":"{org}","userID":"{user}","permissions":[{{"action":"read",{resource}}},{{"action":"write",{resource}}}],"createdAt":"{time}","updatedAt":"{time}"}}"#
            );
            let bucket = names::LEGACY_AUTHORIZATIONS;
            assert_eq!(value(&database, bucket, key).unwrap(), expected);
            let entry = value(&database, names::LEGACY_AUTHORIZATION_INDEX, "grafana <&>");
            assert_eq!(entry.as_deref(), Some(key));
            let hash = value(&database, names::LEGACY_PASSWORDS, key).unwrap();
            assert!(hash.starts_with("$2a$10$") && hash.len() == 60);
        }
        assert!(is_let_in(&scene, &database, "grafana <&>", &file));

        let ran = scene.run(&create, &database, &[]).code(1);
        ran.tells(&[
            "already exists",
            "boltkey v1 auth password",
            "nothing was changed",
        ]);
        let list = ["v1", "auth", "list", "--username", "grafana <&>"];
        let listed = report(&scene, &list, &database, &[]);
        assert_eq!(listed["authorizations"], json!([one]));
        // The same as of the list of tokens.
        let old = report(
            &scene,
            &["auth", "list", "--v1", "--id", key],
            &database,
            &[],
        );
        assert_eq!(listed, old);
    }
}

#[test]
fn what_influxd_refuses_is_refused_before_a_secret_is_read() {
    let scene = Scene::new();
    let database = scene.store(SEVERAL);
    let facts = facts(SEVERAL);
    let cold = facts["buckets"]["cold storage"].as_str().unwrap();
    let before = fs::read(&database).unwrap();
    let create = [
        "v1",
        "auth",
        "create",
        "--username",
        "new",
        "--org",
        "acme",
        "--user",
        "alice",
    ];
    for (extra, code, told) in [
        (&[][..], 2, "authorization must include permissions"),
        (&["--read-bucket", "nope"], 1, "no bucket called \"nope\""),
        (
            &["--read-bucket", "00000000000000aa"],
            1,
            "no bucket called",
        ),
        (
            &["--read-bucket", cold],
            1,
            "belongs to organization \"beta & co\"",
        ),
        (&["--read-bucket", "metrics"], 6, "password required"),
        (
            &["--read-bucket", "metrics", "--org-id", cold],
            2,
            "cannot be used with",
        ),
        (
            &[
                "--read-bucket",
                "metrics",
                "--no-password",
                "--password-file",
                "x",
            ],
            2,
            "cannot be used with",
        ),
    ] {
        let ran = scene
            .run(&[&create[..], extra].concat(), &database, &[])
            .code(code);
        ran.tells(&[told]);
    }
    let file = secret(&scene, "seven77");
    let with = ["--read-bucket", "metrics", "--password-file", text(&file)];
    let ran = scene
        .run(&[&create[..], &with].concat(), &database, &[])
        .code(1);
    ran.tells(&["passwords must be between 8 and 72 characters long"]);
    // Several users, and none is named.
    let create = ["v1", "auth", "create", "--username", "new", "--org", "acme"];
    let ran = scene.run(
        &create,
        &database,
        &["--read-bucket", "metrics", "--no-password"],
    );
    ran.code(2)
        .tells(&["there are several users", "--user NAME"]);
    let create = [
        "v1",
        "auth",
        "create",
        "--username",
        "",
        "--org",
        "acme",
        "--user",
        "alice",
    ];
    let ran = scene.run(
        &create,
        &database,
        &["--read-bucket", "metrics", "--no-password"],
    );
    ran.code(1)
        .tells(&["a 1.x user name must have 1 to 32,768 bytes"]);
    assert_eq!(fs::read(&database).unwrap(), before);
}

#[test]
fn a_name_that_an_entry_blocks_is_not_given_out() {
    let scene = Scene::new();
    let database = scene.store(SEVERAL);
    edit(&database, |_, changes| {
        changes.put(
            names::LEGACY_AUTHORIZATION_INDEX,
            b"ghost",
            b"00000000000000aa",
        );
    });
    let create = [
        "v1",
        "auth",
        "create",
        "--username",
        "ghost",
        "--org",
        "acme",
        "--user",
        "alice",
        "--read-bucket",
        "metrics",
        "--no-password",
    ];
    let ran = scene.run(&create, &database, &[]).code(1);
    ran.tells(&[
        "is taken",
        "legacy/authorizationindexv1",
        "boltkey repair frees the name",
    ]);
    let only = ["repair", "--only", "metadata.v1-index-dangling"];
    scene.run(&only, &database, &["--yes"]).code(0);
    scene.run(&create, &database, &[]).ok();
}

#[test]
fn status_description_and_permissions_change_and_the_rest_stays() {
    let scene = Scene::new();
    let database = scene.store(SEVERAL);
    let id = collectd(&scene, &database);
    let record = || value(&database, names::LEGACY_AUTHORIZATIONS, &id).unwrap();
    let before = record();
    let update = ["v1", "auth", "update", "--username", "collectd"];
    let off = [&update[..], &["--status", "inactive"]].concat();
    let made = report(&scene, &off, &database, &[]);
    let one = &made["authorization"];
    assert_eq!(
        (&made["changed"], &one["usable"]),
        (&json!(true), &json!(false))
    );
    let (old, new) = (before.split_once("\"updatedAt\"").unwrap().0, record());
    let expected = old.replace("\"status\":\"active\"", "\"status\":\"inactive\"");
    assert_eq!(new.split_once("\"updatedAt\"").unwrap().0, expected);
    // A second run writes nothing.
    let bytes = fs::read(&database).unwrap();
    assert_eq!(report(&scene, &off, &database, &[])["changed"], false);
    assert_eq!(fs::read(&database).unwrap(), bytes);

    let on = [
        &update[..],
        &[
            "--status",
            "active",
            "--description",
            "of host <a>",
            "--read-bucket",
            "metrics",
        ],
    ];
    let made = report(&scene, &on.concat(), &database, &[]);
    let permissions = made["authorization"]["permissions"].as_array().unwrap();
    assert_eq!(permissions.len(), 1);
    assert_eq!(permissions[0]["action"], "read");
    assert!(record().contains(r#""description":"of host \u003ca\u003e""#));
    assert_eq!(
        report(&scene, &on.concat(), &database, &[])["changed"],
        false
    );
    is_sound(&scene, &database);

    scene
        .run(&update, &database, &[])
        .code(2)
        .tells(&["nothing to change was given"]);
    let nobody = [
        "v1",
        "auth",
        "update",
        "--username",
        "colectd",
        "--status",
        "active",
    ];
    let ran = scene.run(&nobody, &database, &[]).code(1);
    ran.tells(&["no 1.x user called \"colectd\"", "\"collectd\""]);
    let token = facts(SEVERAL)["tokens"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let token = ["v1", "auth", "update", "--id", &token, "--status", "active"];
    let ran = scene.run(&token, &database, &[]).code(1);
    ran.tells(&["is an API token"]);
    let ran = scene.run(
        &["auth", "update", &id, "--status", "active"],
        &database,
        &[],
    );
    ran.code(1)
        .tells(&["1.x-compatible authorization", "boltkey v1 auth update"]);
}

#[test]
fn a_password_is_set_and_tried_offline() {
    let scene = Scene::new();
    let database = scene.store(SEVERAL);
    let id = collectd(&scene, &database);
    let old = secret(&scene, "legacy pass 9\n");
    assert!(is_let_in(&scene, &database, "collectd", &old));
    let file = scene.path("new");
    fs::write(&file, "a new password").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let set = [
        "v1",
        "auth",
        "password",
        "--username",
        "collectd",
        "--password-file",
        text(&file),
    ];
    let ran = scene.run(&set, &database, &[]).code(6);
    ran.tells(&["Replace the password of 1.x user \"collectd\"?"]);
    let made = report(&scene, &set, &database, &["--yes"]);
    assert_eq!(
        (&made["changed"], &made["indexEntryCreated"]),
        (&json!(true), &Value::Null)
    );
    assert!(is_let_in(&scene, &database, "collectd", &file));
    assert!(!is_let_in(&scene, &database, "collectd", &old));

    // The password is the first one, and the entry of the name is missing.
    edit(&database, |_, changes| {
        changes.remove(names::LEGACY_PASSWORDS, id.as_bytes());
        changes.remove(names::LEGACY_AUTHORIZATION_INDEX, b"collectd");
    });
    let ran = scene.run(
        &["v1", "auth", "update", "--username", "collectd"],
        &database,
        &["--status", "inactive"],
    );
    ran.code(1).tells(&["has no entry", "boltkey repair"]);
    let made = report(&scene, &set, &database, &[]);
    assert_eq!(made["indexEntryCreated"], true);
    assert!(is_let_in(&scene, &database, "collectd", &file));
}

#[test]
fn a_deleted_one_is_gone_with_entry_and_password() {
    let scene = Scene::new();
    let database = scene.store(SEVERAL);
    let id = collectd(&scene, &database);
    let delete = ["v1", "auth", "delete", "--username", "collectd"];
    let before = fs::read(&database).unwrap();
    let ran = scene.run(&delete, &database, &[]).code(6);
    ran.tells(&["Delete 1.x user \"collectd\"", "lose access"]);
    let dry = report(&scene, &delete, &database, &["-n"]);
    assert_eq!(
        (&dry["dryRun"], &dry["deleted"]["username"]),
        (&json!(true), &json!("collectd"))
    );
    assert_eq!(fs::read(&database).unwrap(), before);
    let gone = report(&scene, &delete, &database, &["--yes"]);
    assert_eq!(
        (&gone["changed"], &gone["deleted"]["id"]),
        (&json!(true), &json!(id))
    );
    for bucket in [names::LEGACY_AUTHORIZATIONS, names::LEGACY_PASSWORDS] {
        assert_eq!(value(&database, bucket, &id), None);
    }
    assert_eq!(
        value(&database, names::LEGACY_AUTHORIZATION_INDEX, "collectd"),
        None
    );
    is_sound(&scene, &database);
    scene.run(&delete, &database, &["--yes"]).code(1);
}

#[test]
fn a_record_that_can_not_be_decoded_is_deleted_by_its_id() {
    let scene = Scene::new();
    let database = scene.store(SEVERAL);
    let id = collectd(&scene, &database);
    edit(&database, |_, changes| {
        changes.put(names::LEGACY_AUTHORIZATIONS, id.as_bytes(), b"{");
    });
    for command in [
        &["v1", "auth", "update", "--status", "active", "--id"][..],
        &[
            "v1",
            "auth",
            "password",
            "--password-file",
            "/dev/null",
            "--id",
        ],
    ] {
        scene
            .run(&[command, &[&id]].concat(), &database, &["--yes"])
            .code(if command[2] == "update" { 5 } else { 1 });
    }
    let delete = ["v1", "auth", "delete", "--id", &id];
    let ran = scene.run(&delete, &database, &[]).code(6);
    ran.tells(&["can't be decoded"]);
    let gone = report(&scene, &delete, &database, &["--yes"]);
    assert_eq!(gone["deleted"]["username"], Value::Null);
    assert_eq!(
        value(&database, names::LEGACY_AUTHORIZATION_INDEX, "collectd"),
        None
    );
    is_sound(&scene, &database);
}

#[test]
fn why_one_is_refused_is_told_with_the_command_that_helps() {
    let scene = Scene::new();
    let database = scene.store(SEVERAL);
    let id = collectd(&scene, &database);
    let user = facts(SEVERAL)["users"]["alice"]
        .as_str()
        .unwrap()
        .to_owned();
    let alice = |status: &str| {
        edit(&database, |_, changes| {
            let record = format!(r#"{{"id":"{user}","name":"alice","status":"{status}"}}"#);
            changes.put(names::USERS, user.as_bytes(), record.as_bytes());
        });
    };
    let shown = || report(&scene, &["auth", "show", &id], &database, &[]);
    let is = |problem: &str, hint: &str| {
        let shown = shown();
        assert_eq!(shown["usable"], false);
        assert!(shown["problems"].to_string().contains(problem), "{shown}");
        let told = shown["hint"].as_str().unwrap();
        assert!(told.contains(hint), "{told}");
    };
    assert_eq!(
        (&shown()["usable"], &shown()["hint"]),
        (&json!(true), &Value::Null)
    );
    alice("inactive");
    is("its owner is inactive", "boltkey user update --id");
    // Such a user can sign in, and API tokens work.
    alice("");
    is("its owner has no status", "boltkey user update --id");
    alice("active");
    edit(&database, |_, changes| {
        changes.remove(names::LEGACY_PASSWORDS, id.as_bytes())
    });
    is("no password is set", "boltkey v1 auth password --id");
    let off = ["v1", "auth", "update", "--id", &id, "--status", "inactive"];
    scene.run(&off, &database, &[]).ok();
    is(
        "the authorization is inactive",
        "boltkey v1 auth update --id",
    );
    edit(&database, |_, changes| {
        changes.remove(names::USERS, user.as_bytes())
    });
    is("was deleted", "boltkey v1 auth create");
}
