//! `auth clone`, `rotate`, `update` and `delete`.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::auth_create::{CREATE, made, only, shown, verify};
use crate::fixtures::{known_token, token_of};
use crate::scene::{FOR_ALICE, ONE, SEVERAL, Scene, arguments, is_sound, mode, text};

/// A store in which every token is in plaintext, of an older release.
const PLAINTEXT: &str = "lived-2.7.12";

/// The listed entry of one authorization; null if there is none.
fn listed(scene: &Scene, database: &Path, id: &str) -> Value {
    let extra = ["--id", id, "--reveal", "--json"];
    let list = scene.run(&["auth", "list"], database, &extra).ok().json();
    list["authorizations"][0].clone()
}

/// The ID of a token that the server's facts name.
fn id_of(store: &str, name: &str) -> String {
    known_token(store, name)["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_clone_may_do_the_same() {
    let scene = Scene::new();
    let database = scene.store(PLAINTEXT);
    for name in [
        "all access two",
        "write both",
        "second operator",
        "switched off",
    ] {
        let id = id_of(PLAINTEXT, name);
        let old = listed(&scene, &database, &id);
        let report = made(&scene, &["auth", "clone", &id], &database, &[]);
        let new = &report["authorization"];
        for field in ["orgID", "userID", "permissions", "description", "kind"] {
            assert_eq!(new[field], old[field], "{name}: {field}");
        }
        assert_ne!(new["id"], old["id"]);
        assert_ne!(new["token"], old["token"]);
        assert_eq!(new["status"], "active");
        assert_eq!(report["loginHadPower"], true);
        assert_eq!(listed(&scene, &database, &id), old);
        let token = new["token"].as_str().unwrap();
        assert_eq!(
            verify(
                &scene,
                &database,
                token,
                new["permissions"][0]["action"].as_str().unwrap()
            ),
            0
        );
    }
    for (name, words) in [
        ("of the leaver", "has no user, or a deleted one"),
        (
            "operator of the deleted organization",
            "an organization that was deleted",
        ),
        ("of the sleeper", "user is inactive"),
    ] {
        let id = id_of(PLAINTEXT, name);
        let ran = scene.run(&["auth", "clone", &id], &database, &[]).code(1);
        ran.tells(&[words, "nothing was changed"]);
    }
    let ran = scene
        .run(&["auth", "clone", "00000000deadbeef"], &database, &[])
        .code(1);
    ran.tells(&[
        "authorization 00000000deadbeef does not exist",
        "boltkey auth list",
    ]);
    is_sound(&scene, &database);
}

#[test]
fn a_rotated_token_keeps_all_but_its_value() {
    for (store, redb) in [
        (PLAINTEXT, false),
        (SEVERAL, false),
        (PLAINTEXT, true),
        (SEVERAL, true),
    ] {
        let scene = Scene::new();
        let database = if redb {
            scene.redb(store)
        } else {
            scene.store(store)
        };
        let (id, value) = (
            id_of(PLAINTEXT, "write both"),
            token_of(PLAINTEXT, "write both"),
        );
        assert_eq!(
            verify(&scene, &database, &value, "write:buckets/metrics"),
            0
        );
        let old = listed(&scene, &database, &id);
        let rotate = ["auth", "rotate", &id];
        let before = fs::read(&database).unwrap();
        let ran = scene.run(&rotate, &database, &[]).code(6);
        ran.tells(&[&id, "\"write both\"", "\"alice\"", "lose access", "--yes"]);
        assert_eq!(fs::read(&database).unwrap(), before);

        let out = scene.path("new");
        let extra = ["--yes", "--token-out", text(&out)];
        let report = made(&scene, &rotate, &database, &extra);
        assert!(report.get("login").is_none());
        let new = listed(&scene, &database, &id);
        for field in [
            "description",
            "status",
            "orgID",
            "userID",
            "permissions",
            "createdAt",
        ] {
            assert_eq!(new[field], old[field], "{field}");
        }
        assert_ne!(new["updatedAt"], old["updatedAt"]);
        assert_eq!(report["authorization"]["updatedAt"], new["updatedAt"]);
        let token = fs::read_to_string(&out).unwrap();
        assert_eq!((token.len(), mode(&out)), (89, 0o600));
        assert_eq!(
            verify(&scene, &database, &token, "write:buckets/metrics"),
            0
        );
        assert_eq!(verify(&scene, &database, &value, "write"), 3);
        is_sound(&scene, &database);
        if store == PLAINTEXT && !redb {
            assert_eq!(
                shown(&database, &value),
                0,
                "the old value is still in the file"
            );
        }
        // To a chosen one, and to a hash.
        let chosen = scene.path("chosen");
        fs::write(&chosen, "chosen value").unwrap();
        made(
            &scene,
            &rotate,
            &database,
            &["--yes", "--token-file", text(&chosen)],
        );
        assert_eq!(verify(&scene, &database, "chosen value", "write"), 0);
        assert_eq!(verify(&scene, &database, &token, "write"), 3);
        let ran = scene.run(
            &rotate,
            &database,
            &["--yes", "--token-file", text(&chosen)],
        );
        ran.code(1).tells(&["token already exists", &id]);
    }
}

#[test]
fn a_dry_run_of_each_changes_nothing() {
    let scene = Scene::new();
    let database = scene.sandbox.store(SEVERAL);
    let id = id_of(PLAINTEXT, "write both");
    let id = id.as_str();
    let create = [CREATE, &["--operator"], FOR_ALICE].concat();
    for (command, told) in [
        (&create[..], "would create a new"),
        (&["auth", "clone", id], "would create a new"),
        (&["auth", "rotate", id], "would replace the token"),
        (
            &["auth", "update", id, "--status", "inactive"],
            "would update",
        ),
        (
            &["auth", "delete", id],
            "would delete 1 token; nothing was changed",
        ),
    ] {
        let ran = scene
            .run(command, &database, &["-n", "--keep-copy", "copy"])
            .ok();
        assert!(ran.stdout.contains(told), "{ran:?}");
        let report = scene.run(command, &database, &["-n", "--json"]).ok().json();
        assert_eq!(
            (&report["dryRun"], &report["changed"]),
            (&json!(true), &json!(true))
        );
        let entry = &report["authorization"];
        if command[1] != "update" && command[1] != "delete" {
            assert_eq!(entry["token"], Value::Null, "{command:?}");
        }
    }
}

#[test]
fn switched_off_and_on_again() {
    let scene = Scene::new();
    let database = scene.store(PLAINTEXT);
    let (id, value) = (
        id_of(PLAINTEXT, "write both"),
        token_of(PLAINTEXT, "write both"),
    );
    let update = ["auth", "update", &id];
    let ran = scene
        .run(&update, &database, &["--status", "inactive"])
        .ok();
    for words in [
        "updated ",
        "alice keeps these permissions",
        "boltkey auth delete",
    ] {
        assert!(ran.stdout.contains(words), "{words}: {ran:?}");
    }
    assert!(!ran.stdout.contains(&value), "{ran:?}");
    assert_eq!(verify(&scene, &database, &value, "write"), 3);
    let before = fs::read(&database).unwrap();
    let ran = scene
        .run(&update, &database, &["--status", "inactive"])
        .ok();
    assert!(ran.stdout.contains("already has these values"), "{ran:?}");
    assert_eq!(fs::read(&database).unwrap(), before);
    let extra = ["--status", "active", "--description", "Zähler <&>"];
    let report = made(&scene, &update, &database, &extra);
    assert_eq!(report["authorization"]["token"], "REDACTED");
    assert_eq!(listed(&scene, &database, &id)["description"], "Zähler <&>");
    assert_eq!(verify(&scene, &database, &value, "write"), 0);
    is_sound(&scene, &database);
    let ran = scene.run(
        &["auth", "update", "00000000deadbeef", "--status", "active"],
        &database,
        &[],
    );
    ran.code(1)
        .tells(&["does not exist", "nothing was changed"]);
}

#[test]
fn deleted_tokens_are_gone_with_all_that_leads_to_them() {
    for redb in [false, true] {
        let scene = Scene::new();
        let database = if redb {
            scene.redb(PLAINTEXT)
        } else {
            scene.store(PLAINTEXT)
        };
        let names = ["write both", "of the leaver", "second operator"];
        let ids: Vec<String> = names.iter().map(|name| id_of(PLAINTEXT, name)).collect();
        let mut delete = vec!["auth", "delete"];
        delete.extend(ids.iter().map(String::as_str));
        let before = fs::read(&database).unwrap();
        let ran = scene.run(&delete, &database, &[]).code(6);
        ran.tells(&[
            "\"write both\"",
            "of \"alice\"",
            "not usable",
            "operator",
            "--yes",
        ]);
        let with_unknown = [&delete[..], &["00000000deadbeef"]].concat();
        let ran = scene.run(&with_unknown, &database, &["--yes"]).code(1);
        ran.tells(&["00000000deadbeef does not exist", "nothing was changed"]);
        assert_eq!(fs::read(&database).unwrap(), before);

        let twice = [&delete[..], &[delete[2]]].concat();
        let report = made(&scene, &twice, &database, &["--yes"]);
        assert_eq!(report["changed"], true);
        assert_eq!(report["deleted"].as_array().unwrap().len(), 3);
        assert_eq!(report["lastOperator"], false);
        for (name, id) in names.iter().zip(&ids) {
            let value = token_of(PLAINTEXT, name);
            assert_eq!(listed(&scene, &database, id), Value::Null);
            assert_eq!(verify(&scene, &database, &value, "write"), 3);
            if !redb {
                assert_eq!(shown(&database, &value), 0, "{name}");
            }
        }
        is_sound(&scene, &database);
    }
    let scene = Scene::new();
    let database = scene.store(ONE);
    let id = only(&scene, &database);
    let ran = scene.run(&["auth", "delete", &id], &database, &[]).code(6);
    ran.tells(&["No usable operator token will remain"]);
    let ran = scene
        .run(&["auth", "delete", &id], &database, &["--yes"])
        .ok();
    assert!(ran.stdout.contains("boltkey recover operator"), "{ran:?}");
    let status = scene.run(&["status"], &database, &[]).ok();
    assert!(
        status
            .stdout
            .contains("no operator token is usable; boltkey recover operator"),
        "{status:?}"
    );
    scene.run(&["auth", "delete"], &database, &[]).code(2);
}

#[test]
fn a_legacy_authorization_is_not_touched() {
    let scene = Scene::new();
    let database = scene.sandbox.store(PLAINTEXT);
    let list = scene
        .run(&["auth", "list", "--v1", "--json"], &database, &[])
        .ok()
        .json();
    let id = list["authorizations"][0]["id"].as_str().unwrap();
    for command in [
        &["auth", "clone", id][..],
        &["auth", "rotate", id, "--yes"],
        &["auth", "update", id, "--status", "inactive"],
        &["auth", "delete", id, "--yes"],
    ] {
        let ran = scene.run(command, &database, &[]).code(1);
        ran.tells(&["1.x-compatible", "nothing was changed"]);
    }
}

/// A value that the store must not lose track of: the report can't be printed.
#[test]
fn what_can_not_be_printed_is_told_with_the_way_on() {
    for (command, given, words) in [
        (
            &["auth", "create", "--operator"][..],
            false,
            &["boltkey auth create --token-out FILE"][..],
        ),
        (
            &["auth", "create", "--operator"],
            true,
            &["the value you supplied"],
        ),
        (
            &["auth", "rotate", "ID", "--yes"],
            false,
            &["boltkey auth rotate"],
        ),
        (&["auth", "clone", "ID"], false, &["boltkey auth clone"]),
        (
            &["auth", "delete", "ID", "--yes"],
            false,
            &["the change is committed"],
        ),
    ] {
        let scene = Scene::new();
        let database = scene.store(ONE);
        let id = only(&scene, &database);
        let file = scene.path("token");
        fs::write(&file, "the value that is given").unwrap();
        let mut command: Vec<&str> = command
            .iter()
            .map(|word| if *word == "ID" { id.as_str() } else { word })
            .collect();
        if given {
            command.extend(["--token-file", text(&file)]);
        }
        let mut command = scene.sandbox.command(arguments(&command, &database, &[]));
        let full = fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap();
        command.stdout(full).stderr(std::process::Stdio::piped());
        let output = command.spawn().unwrap().wait_with_output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(7), "{told}");
        for word in words {
            assert!(told.contains(word), "{word}: {told}");
        }
        assert!(!told.contains("the value that is given"), "{told}");
    }
}
