//! `user verify`: whether a password signs a user or a 1.x user in, and why not.

use std::fs;
use std::path::Path;

use boltkey::metadata::{names, password};
use boltkey::secret::Token;
use serde_json::{Value, json};

use crate::fixtures::{facts, operator_token};
use crate::scene::{SEVERAL, Scene, text};
use crate::support::store_image::edit;
use crate::v1_auth::{collectd, secret};
use crate::v1_dbrp::{MAPPINGS, add_mappings};

/// The answer to a password, with or without `--v1`.
#[track_caller]
fn verify(scene: &Scene, database: &Path, name: &str, password: &str, v1: bool) -> (i32, Value) {
    let file = secret(scene, password);
    let mut command = vec![
        "user",
        "verify",
        "--name",
        name,
        "--password-file",
        text(&file),
    ];
    command.extend(v1.then_some("--v1"));
    let ran = scene.run(&command, database, &["--json"]).answered();
    let answer = ran.json();
    let text = scene.run(&command, database, &[]).answered();
    assert_eq!(
        (ran.code == 0, text.code),
        (answer["authenticates"] == true, ran.code)
    );
    assert!(
        text.stdout
            .starts_with(if ran.code == 0 { "yes: " } else { "no: " })
    );
    for shown in [&text.stdout, &ran.stdout] {
        assert!(
            !shown.contains(password) && !shown.contains("$2a$"),
            "{shown}"
        );
    }
    (ran.code, answer)
}

#[track_caller]
fn is_no(answer: &(i32, Value), reasons: &[&str], hint: &str) {
    let (code, answer) = answer;
    assert_eq!(*code, 3);
    let told = answer["reasons"].as_array().unwrap();
    assert_eq!(told.len(), reasons.len(), "{answer}");
    for (told, reason) in told.iter().zip(reasons) {
        assert!(told.as_str().unwrap().contains(reason), "{answer}");
    }
    assert!(answer["hint"].as_str().unwrap().contains(hint), "{answer}");
}

const RIGHT: &str = "correct horse battery";

#[test]
fn a_right_password_is_told_with_the_power_of_the_login() {
    let scene = Scene::new();
    let database = scene.store(SEVERAL);
    for (name, password, operator) in [("alice", RIGHT, true), ("bob", "another good one 7", true)]
    {
        let (code, answer) = verify(&scene, &database, name, password, false);
        assert_eq!(code, 0);
        assert_eq!(answer["passwordMatches"], true);
        assert_eq!(answer["operator"], operator);
        assert!(answer["power"].is_string() && answer["user"]["name"] == name);
        assert_eq!(
            (&answer["reasons"], &answer["hint"]),
            (&json!([]), &Value::Null)
        );
    }
    let wrong = verify(&scene, &database, "alice", "another one", false);
    is_no(
        &wrong,
        &["the password is wrong"],
        "boltkey user password --id",
    );
    let file = secret(&scene, RIGHT);
    let verify = [
        "user",
        "verify",
        "--name",
        "nobody",
        "--password-file",
        text(&file),
    ];
    scene
        .run(&verify, &database, &[])
        .code(1)
        .tells(&["no user called \"nobody\"", "\"alice\""]);
    // Before the password is asked for.
    let ran = scene
        .run(&["user", "verify", "--name", "collectd"], &database, &[])
        .code(1);
    ran.tells(&["no user called \"collectd\"", "--v1"]);
    let ran = scene
        .run(&["user", "verify", "--name", "alice"], &database, &[])
        .code(6);
    ran.tells(&["password required", "--password-file FILE"]);
}

#[test]
fn why_a_right_password_would_still_fail() {
    let scene = Scene::new();
    let database = scene.store(SEVERAL);
    let facts = facts(SEVERAL);
    let id = |name: &str| facts["users"][name].as_str().unwrap().to_owned();
    let (alice, bob) = (id("alice"), id("bob"));
    let record = |id: &str, status: &str| {
        edit(&database, |_, changes| {
            let record = format!(r#"{{"id":"{id}","name":"alice","status":"{status}"}}"#);
            changes.put(names::USERS, id.as_bytes(), record.as_bytes());
        });
    };
    let entry = |to: Option<&str>| {
        edit(&database, |_, changes| match to {
            Some(id) => changes.put(names::USER_INDEX, b"alice", id.as_bytes()),
            None => changes.remove(names::USER_INDEX, b"alice"),
        });
    };
    let verify = |password: &str| verify(&scene, &database, "alice", password, false);
    record(&alice, "inactive");
    is_no(
        &verify(RIGHT),
        &["the user is inactive"],
        "boltkey user update --id",
    );
    is_no(
        &verify("wrong one"),
        &["the password is wrong", "the user is inactive"],
        "boltkey user password --id",
    );
    record(&alice, "");
    assert_eq!(verify(RIGHT).0, 0);
    entry(None);
    is_no(
        &verify(RIGHT),
        &["userindexv1 has no entry"],
        "boltkey repair",
    );
    // The name leads to somebody else, and influxd takes that one's password.
    entry(Some(&bob));
    is_no(
        &verify(RIGHT),
        &["the password is wrong", "leads to user \"bob\""],
        "boltkey user password",
    );
    let (code, answer) = verify("another good one 7");
    assert_eq!((code, &answer["user"]["name"]), (0, &json!("bob")));
    entry(Some(&alice));
    let put = |hash: &str| {
        edit(&database, |_, changes| {
            changes.put(names::USER_PASSWORDS, alice.as_bytes(), hash.as_bytes());
        });
    };
    let hash = |text: &str| password::hash(&Token::new(text.into())).unwrap();
    put(&hash("short"));
    is_no(
        &verify("short"),
        &["servers refuse it: passwords must be between 8 and 72"],
        "boltkey user password",
    );
    // A comparison would take days.
    put(&hash(RIGHT).replace("$10$", "$31$"));
    is_no(&verify(RIGHT), &["takes too long"], "boltkey user password");
    put("no hash");
    is_no(
        &verify(RIGHT),
        &["the password is wrong"],
        "boltkey user password",
    );
    edit(&database, |_, changes| {
        changes.remove(names::USER_PASSWORDS, alice.as_bytes())
    });
    is_no(
        &verify(RIGHT),
        &["no password is set"],
        "boltkey user password",
    );
}

#[test]
fn passwords_that_older_releases_accept_are_told_so() {
    let scene = Scene::new();
    let database = scene.store("lived-2.7.12");
    let alice = facts("lived-2.7.12")["users"]["alice"]
        .as_str()
        .unwrap()
        .to_owned();
    let hash = password::hash(&Token::new("short".into())).unwrap();
    edit(&database, |_, changes| {
        changes.put(names::USER_PASSWORDS, alice.as_bytes(), hash.as_bytes());
    });
    let answer = verify(&scene, &database, "alice", "short", false);
    is_no(
        &answer,
        &["releases before 2.7.6 accept it"],
        "boltkey user password",
    );
}

#[test]
fn what_a_1x_user_can_use() {
    let scene = Scene::new();
    let database = scene.store(SEVERAL);
    add_mappings(&database, SEVERAL, &MAPPINGS);
    let (code, answer) = verify(&scene, &database, "collectd", "legacy pass 9", true);
    assert_eq!(code, 0);
    assert_eq!(answer["authorization"]["token"], "collectd");
    let row = |database: &str, policy: &str, default: bool| {
        json!({"database": database, "retentionPolicy": policy, "default": default,
               "bucket": "metrics", "read": false, "write": true})
    };
    assert_eq!(
        answer["databases"],
        json!([
            row("collectd", "autogen", true),
            row("collectd", "month", false),
            row("metrics", "autogen", true),
        ])
    );
    let wrong = verify(&scene, &database, "collectd", "another one", true);
    is_no(
        &wrong,
        &["the password is wrong"],
        "boltkey v1 auth password --id",
    );
    let id = collectd(&scene, &database);
    let off = ["v1", "auth", "update", "--id", &id, "--status", "inactive"];
    scene.run(&off, &database, &[]).ok();
    let off = verify(&scene, &database, "collectd", "legacy pass 9", true);
    is_no(
        &off,
        &["the authorization is inactive"],
        "boltkey v1 auth update --id",
    );
    let hash = password::hash(&Token::new("short".into())).unwrap();
    edit(&database, |_, changes| {
        changes.put(names::LEGACY_PASSWORDS, id.as_bytes(), hash.as_bytes());
    });
    let on = ["v1", "auth", "update", "--id", &id, "--status", "active"];
    scene.run(&on, &database, &[]).ok();
    let short = verify(&scene, &database, "collectd", "short", true);
    is_no(
        &short,
        &["servers refuse it"],
        "boltkey v1 auth password --id",
    );
    edit(&database, |_, changes| {
        changes.remove(names::LEGACY_PASSWORDS, id.as_bytes())
    });
    let none = verify(&scene, &database, "collectd", "short", true);
    is_no(
        &none,
        &["no password is set"],
        "boltkey v1 auth password --id",
    );
}

#[test]
fn names_that_are_no_1x_user() {
    let scene = Scene::new();
    let database = scene.store(SEVERAL);
    let two = verify(&scene, &database, "alice", RIGHT, true);
    is_no(
        &two,
        &["no 1.x user called", "is a user of 2.x"],
        "boltkey v1 auth create",
    );
    let nobody = verify(&scene, &database, "colectd", RIGHT, true);
    is_no(&nobody, &["no 1.x user called"], "there are: \"collectd\"");
    // 1.x clients may send a token as the password, with every name but that of a 1.x user.
    let token = operator_token(SEVERAL);
    let (code, answer) = verify(&scene, &database, "any", &token, true);
    assert_eq!(
        (code, &answer["authorization"]["kind"]),
        (0, &json!("operator"))
    );
    assert!(answer["databases"].as_array().unwrap().len() == 3);
    let wrong = verify(&scene, &database, "collectd", &token, true);
    is_no(
        &wrong,
        &["the password is wrong", "it is an API token"],
        "boltkey v1 auth password",
    );
    let before = fs::read(&database).unwrap();
    verify(&scene, &database, "any", &token, true);
    assert_eq!(fs::read(&database).unwrap(), before);
}
