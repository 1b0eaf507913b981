//! `user create|password|update|delete` and `org create`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::fixtures::fixture;
use crate::scene::{ONE, SEVERAL, Scene, is_sound, text};

fn secret(scene: &Scene, content: &str) -> PathBuf {
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

fn user(scene: &Scene, database: &Path, name: &str) -> Value {
    let list = report(scene, &["user", "list"], database, &[]);
    let users = list["users"].as_array().unwrap().iter();
    let mut users = users.filter(|user| user["name"] == name);
    users.next().cloned().unwrap_or_default()
}

/// The findings of `check`, by code and place.
fn findings(scene: &Scene, database: &Path) -> Vec<String> {
    let ran = scene
        .run(&["check", "--json"], database, &[])
        .code(0)
        .json();
    let findings = ran["findings"].as_array().unwrap().iter();
    findings
        .map(|f| format!("{} {}", f["code"], f["where"]))
        .collect()
}

#[test]
fn a_user_is_made_with_all_that_a_login_needs() {
    for redb in [false, true] {
        let scene = Scene::new();
        let database = if redb {
            scene.redb(SEVERAL)
        } else {
            scene.store(SEVERAL)
        };
        let before = findings(&scene, &database);
        let file = secret(&scene, "long enough\n");
        let create = ["user", "create", "--name", "Zoë <&>", "--org", "acme"];
        let made = report(
            &scene,
            &create,
            &database,
            &["--password-file", text(&file)],
        );
        assert_eq!(made["changed"], true);
        let listed = user(&scene, &database, "Zoë <&>");
        assert_eq!(made["user"], listed);
        assert_eq!(
            (&listed["status"], &listed["hasPassword"]),
            (&json!("active"), &json!(true))
        );
        assert_eq!(listed["owns"][0]["name"], "acme");
        assert_eq!(listed["ownsInstance"], false);
        assert_eq!(findings(&scene, &database), before);

        let bytes = fs::read(&database).unwrap();
        let ran = scene.run(&create, &database, &[]).code(1);
        ran.tells(&[
            "already exists",
            "boltkey user password",
            "nothing was changed",
        ]);
        for (extra, words) in [
            (
                &["--name", "new", "--org", "acne"][..],
                "no organization called",
            ),
            (&["--name", ""], "1 to 32,768 bytes"),
        ] {
            let ran = scene.run(&["user", "create"], &database, extra).code(1);
            ran.tells(&[words, "nothing was changed"]);
        }
        assert_eq!(fs::read(&database).unwrap(), bytes);

        // Without a password, and without anything else.
        let made = report(
            &scene,
            &["user", "create", "--name", "idle"],
            &database,
            &[],
        );
        assert_eq!(made["user"]["hasPassword"], false);
        assert_eq!(findings(&scene, &database), before);
    }
}

#[test]
fn power_over_the_instance_is_asked_about() {
    let scene = Scene::new();
    let database = scene.store(ONE);
    let create = ["user", "create", "--name", "root", "--instance-owner"];
    scene.run(&create, &database, &[]).code(6).tells(&[
        "\"root\"",
        "owner of the instance",
        "--yes",
    ]);
    let made = report(&scene, &create, &database, &["--yes"]);
    assert_eq!(made["user"]["ownsInstance"], true);
    is_sound(&scene, &database);
    let old = scene.path("old.bolt");
    fs::write(&old, fixture("downgraded-18")).unwrap();
    let ran = scene.run(&create, &old, &["--yes"]).code(1);
    ran.tells(&["schema 18", "recover operator"]);
}

#[test]
fn passwords_by_influxdbs_rules() {
    let scene = Scene::new();
    let database = scene.store(ONE);
    let password = ["user", "password", "--name", "alice"];
    for (content, words) in [
        ("short", "between 8 and 72 characters"),
        (&"x".repeat(73), "between 8 and 72 characters"),
        ("", "is empty"),
    ] {
        let file = secret(&scene, content);
        let ran = scene.run(
            &password,
            &database,
            &["--yes", "--password-file", text(&file)],
        );
        let ran = ran.code(1);
        ran.tells(&[words, "nothing was changed"]);
        assert!(content.is_empty() || !ran.stderr.contains(content));
    }
    let file = secret(&scene, "only lower case");
    let extra = ["--password-file", text(&file)];
    scene
        .run(&password, &database, &extra)
        .code(6)
        .tells(&["\"alice\"", "--yes"]);
    let mut command = scene.sandbox.command(crate::scene::arguments(
        &password,
        &database,
        &["--yes", "--password-file", text(&file)],
    ));
    command.env("INFLUXD_STRONG_PASSWORDS", "true");
    scene
        .sandbox
        .finish(command)
        .code(1)
        .tells(&["three of the following character classes"]);
    let before = fs::read(&database).unwrap();
    let dry = report(
        &scene,
        &password,
        &database,
        &[&extra[..], &["-n"]].concat(),
    );
    assert_eq!(dry["dryRun"], true);
    assert_eq!(fs::read(&database).unwrap(), before);
    let done = report(
        &scene,
        &password,
        &database,
        &[&extra[..], &["--yes"]].concat(),
    );
    assert_eq!(
        (&done["changed"], &done["user"]["name"]),
        (&json!(true), &json!("alice"))
    );
    is_sound(&scene, &database);
    // A first password takes nothing from anybody.
    report(&scene, &["user", "create", "--name", "new"], &database, &[]);
    report(
        &scene,
        &["user", "password", "--name", "new"],
        &database,
        &extra,
    );
    assert_eq!(user(&scene, &database, "new")["hasPassword"], true);
    let ran = scene
        .run(&["user", "password", "--name", "alcie"], &database, &extra)
        .code(1);
    ran.tells(&["no user called \"alcie\"", "there are: \"alice\""]);
    scene
        .run(&["user", "password", "--name", "new"], &database, &[])
        .code(6);
    scene.run(&["user", "password"], &database, &extra).code(2);
}

#[test]
fn a_deleted_user_leaves_only_tokens() {
    let scene = Scene::new();
    let database = scene.store(SEVERAL);
    let id = user(&scene, &database, "bob")["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let delete = ["user", "delete", "--id", &id];
    scene
        .run(&delete, &database, &[])
        .code(6)
        .tells(&["\"bob\"", "tokens", "stop working"]);
    let gone = report(&scene, &delete, &database, &["--yes"]);
    assert_eq!(gone["changed"], true);
    assert!(gone["tokens"].as_array().unwrap().len() > 2);
    assert_eq!(user(&scene, &database, "bob"), Value::Null);
    let codes = findings(&scene, &database);
    assert!(
        codes
            .iter()
            .all(|code| !code.contains("mapping") && !code.contains("index")),
        "{codes:?}"
    );
    // The name is free again.
    report(&scene, &["user", "create", "--name", "bob"], &database, &[]);
    scene
        .run(&delete, &database, &["--yes"])
        .code(1)
        .tells(&["no user with the ID"]);
}

#[test]
fn a_user_is_switched_off_and_on() {
    for redb in [false, true] {
        let scene = Scene::new();
        let database = match redb {
            true => scene.redb(SEVERAL),
            false => scene.store(SEVERAL),
        };
        let before = user(&scene, &database, "bob");
        let off = ["user", "update", "--name", "bob", "--status", "inactive"];
        let dry = report(&scene, &off, &database, &["-n"]);
        assert_eq!(
            (&dry["dryRun"], &dry["changed"]),
            (&json!(true), &json!(true))
        );
        assert_eq!(user(&scene, &database, "bob"), before);
        let ran = scene.run(&off, &database, &["-n"]).code(0);
        assert!(ran.stdout.contains("would become inactive"), "{ran:?}");
        assert_eq!(report(&scene, &off, &database, &[])["changed"], true);
        assert_eq!(user(&scene, &database, "bob")["status"], "inactive");
        let bytes = fs::read(&database).unwrap();
        assert_eq!(report(&scene, &off, &database, &[])["changed"], false);
        assert_eq!(fs::read(&database).unwrap(), bytes);
        let id = before["id"].as_str().unwrap();
        let on = ["user", "update", "--id", id, "--status", "active"];
        assert_eq!(report(&scene, &on, &database, &[])["user"], before);
        is_sound(&scene, &database);
        scene
            .run(&["user", "update", "--name", "bob"], &database, &[])
            .code(2);
        let nobody = ["user", "update", "--name", "nobody", "--status", "active"];
        scene
            .run(&nobody, &database, &[])
            .code(1)
            .tells(&["nobody", "alice"]);
    }
}

#[test]
fn a_user_gets_another_name() {
    for redb in [false, true] {
        let scene = Scene::new();
        let database = match redb {
            true => scene.redb(SEVERAL),
            false => scene.store(SEVERAL),
        };
        let before = user(&scene, &database, "bob");
        let file = secret(&scene, "a password for bob");
        let password = ["user", "password", "--name", "bob", "--yes"];
        let password_file = ["--password-file", text(&file)];
        scene.run(&password, &database, &password_file).ok();
        let rename = ["user", "update", "--name", "bob", "--rename", "b\"o\"b <&>"];
        assert_eq!(report(&scene, &rename, &database, &["-n"])["changed"], true);
        assert_eq!(user(&scene, &database, "bob"), before);
        let told = report(&scene, &rename, &database, &[]);
        assert_eq!(told["changed"], true);
        let after = user(&scene, &database, "b\"o\"b <&>");
        for field in ["id", "status", "owns", "hasPassword"] {
            assert_eq!(after[field], before[field], "{field}");
        }
        is_sound(&scene, &database);
        let signs_in = |name| {
            let verify = ["user", "verify", "--name", name];
            scene.run(&verify, &database, &password_file).code
        };
        assert_eq!(signs_in("b\"o\"b <&>"), 0);
        assert_eq!(signs_in("bob"), 1, "no such user");
        let bytes = fs::read(&database).unwrap();
        let id = before["id"].as_str().unwrap();
        let same = ["user", "update", "--id", id, "--rename", "b\"o\"b <&>"];
        assert_eq!(report(&scene, &same, &database, &[])["changed"], false);
        for (name, code, why) in [("alice", 1, "alice"), ("", 1, "1 to 32,768 bytes")] {
            let ran = scene.run(
                &["user", "update", "--id", id, "--rename", name],
                &database,
                &[],
            );
            ran.code(code).tells(&[why, "nothing was changed"]);
        }
        assert_eq!(fs::read(&database).unwrap(), bytes);
        let both = [
            "user", "update", "--id", id, "--rename", "bob", "--status", "inactive",
        ];
        report(&scene, &both, &database, &[]);
        assert_eq!(user(&scene, &database, "bob")["status"], "inactive");
        is_sound(&scene, &database);
    }
}

#[test]
fn who_would_lock_everybody_out_is_asked() {
    let scene = Scene::new();
    let database = scene.store(SEVERAL);
    let off = |name| ["user", "update", "--name", name, "--status", "inactive"];
    scene.run(&off("bob"), &database, &[]).ok();
    let before = fs::read(&database).unwrap();
    let ran = scene.run(&off("alice"), &database, &[]).code(6);
    ran.tells(&[
        "Nobody with access to everything will be left",
        "nothing was changed",
    ]);
    assert_eq!(fs::read(&database).unwrap(), before);
    let ran = scene.run(&off("alice"), &database, &["--yes"]).code(0);
    ran.tells(&["warning", "boltkey recover operator"]);
    assert_eq!(user(&scene, &database, "alice")["status"], "inactive");
}

#[test]
fn an_organization_has_all_that_influxd_starts_with() {
    for store in [ONE, SEVERAL, "fresh-2.7.12", "downgraded-15"] {
        let scene = Scene::new();
        let database = scene.store(store);
        let before = findings(&scene, &database);
        let made = report(
            &scene,
            &["org", "create", "--name", " new one "],
            &database,
            &[],
        );
        assert_eq!(made["org"]["name"], "new one");
        assert_eq!(findings(&scene, &database), before, "{store}");
        let buckets = report(&scene, &["bucket", "list"], &database, &[]);
        let own: Vec<&str> = buckets["buckets"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|bucket| bucket["orgID"] == made["org"]["id"])
            .map(|bucket| bucket["name"].as_str().unwrap())
            .collect();
        assert_eq!(own.len(), 2, "{own:?}");
        assert!(own.contains(&"_tasks") && own.contains(&"_monitoring"));
        let orgs = report(&scene, &["org", "list"], &database, &[]);
        assert!(orgs["orgs"].as_array().unwrap().contains(&made["org"]));
        for (name, words) in [("new one", "already exists"), ("  ", "1 to 32,768 bytes")] {
            let ran = scene
                .run(&["org", "create", "--name", name], &database, &[])
                .code(1);
            ran.tells(&[words, "nothing was changed"]);
        }
    }
}
