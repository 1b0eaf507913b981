//! `auth create`, `clone`, `rotate`, `update` and `delete`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

use crate::sandbox::{facts, fixture};
use crate::scene::{FOR_ALICE, ONE, SEVERAL, Scene, arguments, is_sound, mode, text};

const CREATE: &[&str] = &["auth", "create"];
/// A store in which every token is in plaintext, of an older release.
const PLAINTEXT: &str = "lived-2.7.12";
/// Its schema does not know hashed tokens.
const OLD: &str = "fresh-2.7.12";

/// Runs it and returns what was made.
#[track_caller]
fn made(scene: &Scene, command: &[&str], database: &Path, extra: &[&str]) -> Value {
    let extra = [extra, &["--json"]].concat();
    scene.run(command, database, &extra).code(0).json()
}

fn verify(scene: &Scene, database: &Path, token: &str, can: &str) -> i32 {
    let extra = ["--token-file", "-", "--can", can];
    let arguments = arguments(&["auth", "verify"], database, &extra);
    scene.sandbox.run_with(arguments, token.as_bytes()).code
}

/// The listed entry of one authorization; null if there is none.
fn listed(scene: &Scene, database: &Path, id: &str) -> Value {
    let extra = ["--id", id, "--reveal", "--json"];
    let list = scene.run(&["auth", "list"], database, &extra).ok().json();
    list["authorizations"][0].clone()
}

/// The ID of a token that the server's facts name.
fn id_of(store: &str, name: &str) -> String {
    let facts = facts(store);
    let token = facts["tokens"]
        .as_array()
        .unwrap()
        .iter()
        .find(|token| token["name"] == name)
        .unwrap();
    token["id"].as_str().unwrap().to_owned()
}

fn value_of(store: &str, name: &str) -> String {
    let facts = facts(store);
    let tokens = facts["tokens"].as_array().unwrap();
    let token = tokens.iter().find(|token| token["name"] == name).unwrap();
    token["token"].as_str().unwrap().to_owned()
}

/// How often the file shows a text.
fn shown(database: &Path, text: &str) -> usize {
    memchr::memmem::find_iter(&fs::read(database).unwrap(), text.as_bytes()).count()
}

#[test]
fn every_kind_on_every_engine() {
    for redb in [false, true] {
        let scene = Scene::new();
        let database = if redb {
            scene.redb(ONE)
        } else {
            scene.store(ONE)
        };
        for (extra, kind, can, can_not) in [
            (&["--operator"][..], "operator", "write:orgs", ""),
            (
                &["--all-access"],
                "all-access",
                "write:buckets/metrics",
                "write:orgs/acme",
            ),
            (
                &["--read-buckets"],
                "custom",
                "read:buckets/metrics",
                "write:buckets/metrics",
            ),
            (
                &["--write-users", "--read-orgs"],
                "custom",
                "read:orgs",
                "write:buckets",
            ),
        ] {
            let report = made(&scene, CREATE, &database, extra);
            let entry = &report["authorization"];
            assert_eq!(entry["kind"], kind);
            assert_eq!(entry["storage"], "hashed");
            assert_eq!(entry["usable"], true);
            assert_eq!(
                (&report["changed"], &report["login"]),
                (&json!(true), &json!("alice"))
            );
            let token = entry["token"].as_str().unwrap();
            assert_eq!(token.len(), 88);
            assert_eq!(verify(&scene, &database, token, can), 0, "{extra:?}");
            if !can_not.is_empty() {
                assert_eq!(verify(&scene, &database, token, can_not), 3, "{extra:?}");
            }
            assert_eq!(shown(&database, token), 0);
        }
        is_sound(&scene, &database);
    }
}

#[test]
fn descriptions_are_made_from_permissions() {
    let scene = Scene::new();
    let database = scene.store(SEVERAL);
    let buckets = scene
        .run(&["bucket", "list", "--json"], &database, &[])
        .ok()
        .json();
    let id = |name: &str| {
        let all = buckets["buckets"].as_array().unwrap().iter();
        let mut all = all.filter(|bucket| bucket["name"] == name);
        all.next().unwrap()["id"].as_str().unwrap().to_owned()
    };
    let (metrics, cold) = (id("metrics"), id("cold storage"));
    for (extra, description) in [
        (
            &["--write-bucket", &cold, "--read-bucket", &metrics][..],
            "Read buckets metrics Write buckets cold storage",
        ),
        (&["--operator"], "alice's Operator Token"),
        (&["--all-access"], "alice's All-Access Token for acme"),
        (&["--read-tasks", "--description", "mine"], "mine"),
        (&["--read-tasks", "--description", ""], ""),
        (
            &["--read-tasks", "--temporary"],
            "Read tasks (boltkey temporary)",
        ),
    ] {
        let extra = [FOR_ALICE, extra].concat();
        let report = made(&scene, CREATE, &database, &extra);
        assert_eq!(report["authorization"]["description"], description);
    }
    // A bucket that is not there is none of the server's business, but told.
    let extra = [FOR_ALICE, &["--read-bucket", "00000000deadbeef"]].concat();
    let ran = scene.run(CREATE, &database, &extra).code(0);
    ran.tells(&["there is no bucket 00000000deadbeef"]);
}

#[test]
fn a_temporary_token_is_listed_until_it_is_gone() {
    let scene = Scene::new();
    let database = scene.store(ONE);
    let report = made(&scene, CREATE, &database, &["--operator", "--temporary"]);
    let id = report["authorization"]["id"].as_str().unwrap();
    for command in [&["status"][..], &["check"]] {
        let ran = scene.run(command, &database, &[]).code(0);
        assert!(ran.stdout.contains("marked as temporary"), "{ran:?}");
        assert!(ran.stdout.contains(id), "{ran:?}");
    }
    // A clone of it is not temporary.
    let clone = made(&scene, &["auth", "clone", id], &database, &[]);
    assert_eq!(
        clone["authorization"]["description"],
        "alice's Operator Token"
    );
    scene
        .run(&["auth", "delete", id], &database, &["--yes"])
        .ok();
    for command in [&["status"][..], &["check"]] {
        let ran = scene.run(command, &database, &[]).code(0);
        assert!(!ran.stdout.contains("temporary"), "{ran:?}");
    }
}

#[test]
fn a_chosen_value_and_a_ready_hash() {
    for store in [ONE, OLD] {
        let scene = Scene::new();
        let database = scene.store(store);
        let file = scene.path("token");
        fs::write(&file, "known in advance\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let report = made(
            &scene,
            CREATE,
            &database,
            &["--operator", "--token-file", text(&file)],
        );
        let entry = &report["authorization"];
        assert_eq!(entry["token"], "known in advance");
        let storage = if store == ONE { "hashed" } else { "plaintext" };
        assert_eq!(entry["storage"], storage);
        assert!(scene.is_operator(&database, "known in advance"));
        let ran = scene.run(
            CREATE,
            &database,
            &["--operator", "--token-file", text(&file)],
        );
        let ran = ran.code(1);
        ran.tells(&["token already exists", "nothing was changed", "auth show"]);
        assert!(!ran.stderr.contains("known in advance"), "{ran:?}");

        let hash = scene.run(
            &["token", "hash", "--token-file", text(&file)],
            &database,
            &[],
        );
        let hash = hash.ok().stdout.trim_end().to_owned();
        let ran = scene
            .run(CREATE, &database, &["--operator", "--hashed-token", &hash])
            .code(1);
        if store == ONE {
            ran.tells(&["token already exists"]);
        } else {
            ran.tells(&["schema 20", "know no hashed tokens", "hint: "]);
        }
        for variant in ["sha256", "sha512"] {
            if store == OLD {
                break;
            }
            let other = format!("another one {variant}");
            let extra = ["--token-file", "-", "--variant", variant];
            let arguments = arguments(&["token", "hash"], &database, &extra);
            let hash = scene.sandbox.run_with(arguments, other.as_bytes());
            let hash = hash.ok().stdout.trim_end().to_owned();
            let report = made(
                &scene,
                CREATE,
                &database,
                &["--operator", "--hashed-token", &hash],
            );
            assert_eq!(report["authorization"]["token"], Value::Null);
            assert_eq!(report["authorization"]["storage"], "hashed");
            assert!(scene.is_operator(&database, &other));
            // The same token in plaintext is the same token.
            fs::write(&file, &other).unwrap();
            let ran = scene.run(
                CREATE,
                &database,
                &["--operator", "--token-file", text(&file)],
            );
            ran.code(1).tells(&["token already exists"]);
        }
        is_sound(&scene, &database);
    }
}

#[test]
fn values_that_are_none() {
    let scene = Scene::new();
    let database = scene.store(ONE);
    let before = fs::read(&database).unwrap();
    let jwt = "eyJhIjoxfQ.eyJhIjoxfQ.sig";
    let hash = "$influxdb2-sha256$MF-hXZK0ApLZgX8ybiLglgYvxJSVlxrEFgaIQtXa89k=";
    let long = "x".repeat(32_769);
    for (value, word, forced) in [
        (jwt, "JSON Web Token", true),
        ("two\nlines", "control characters", true),
        (" padded ", "outer spaces", true),
        (hash, "is a hash", false),
        (&long, "longer than 32 KiB", false),
        ("", "is empty", false),
    ] {
        let file = scene.path("token");
        fs::write(&file, value).unwrap();
        let extra = ["--operator", "--token-file", text(&file)];
        for command in [CREATE, &["auth", "clone", &only(&scene, &database)]] {
            let extra = if command == CREATE {
                &extra[..]
            } else {
                &extra[1..]
            };
            let ran = scene.run(command, &database, extra).code(1);
            ran.tells(&[word, "nothing was changed"]);
            assert!(value.is_empty() || !ran.stderr.contains(value), "{ran:?}");
        }
        if !forced {
            let extra = [&extra[..], &["--allow-unusable", "-n"]].concat();
            scene.run(CREATE, &database, &extra).code(1).tells(&[word]);
        }
    }
    assert_eq!(fs::read(&database).unwrap(), before);
    let file = scene.path("token");
    fs::write(&file, jwt).unwrap();
    let extra = [
        "--operator",
        "--token-file",
        text(&file),
        "--allow-unusable",
    ];
    let report = made(&scene, CREATE, &database, &extra);
    assert_eq!(report["authorization"]["usable"], false);

    let short = "$influxdb2-sha256$AA==";
    let ran = scene
        .run(CREATE, &database, &["--operator", "--hashed-token", short])
        .code(1);
    ran.tells(&["length of its kind", "--allow-unusable"]);
    // What may be a token that was given by mistake is not repeated.
    let ran = scene
        .run(
            CREATE,
            &database,
            &["--operator", "--hashed-token", "my-token"],
        )
        .code(2);
    ran.tells(&["no hash that influxd knows", "token hash"]);
    assert!(!ran.stderr.contains("my-token"), "{ran:?}");
}

/// The ID of the only authorization.
fn only(scene: &Scene, database: &Path) -> String {
    let list = scene
        .run(&["auth", "list", "--json"], database, &[])
        .ok()
        .json();
    list["authorizations"][0]["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_file_that_others_may_read_is_warned_about() {
    let scene = Scene::new();
    let database = scene.store(ONE);
    let file = scene.path("token");
    fs::write(&file, "everybody's").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let ran = scene.run(
        CREATE,
        &database,
        &["--operator", "--token-file", text(&file)],
    );
    let ran = ran.code(0);
    ran.tells(&["can be read by others"]);
    assert!(!ran.stdout.contains("everybody's"), "{ran:?}");
}

#[test]
fn how_it_is_kept() {
    let scene = Scene::new();
    let fresh = scene.path("plain.bolt");
    fs::write(&fresh, fixture("fresh-2.9.1-plaintext")).unwrap();
    let hashed = scene.store(ONE);
    let old = scene.path("old.bolt");
    fs::write(&old, fixture(OLD)).unwrap();
    for (database, store, setting, expected) in [
        (&fresh, "auto", "", "plaintext"),
        (&fresh, "auto", "true", "hashed"),
        (&hashed, "auto", "", "hashed"),
        (&hashed, "auto", "false", "plaintext"),
        (&hashed, "plaintext", "true", "plaintext"),
        (&hashed, "hashed", "false", "hashed"),
        (&old, "auto", "true", "plaintext"),
        (&old, "plaintext", "", "plaintext"),
    ] {
        let extra = ["--operator", "--store", store, "-n", "--json"];
        let mut command = scene.sandbox.command(arguments(CREATE, database, &extra));
        if !setting.is_empty() {
            command.env("INFLUXD_USE_HASHED_TOKENS", setting);
        }
        let report = scene.sandbox.finish(command).ok().json();
        assert_eq!(
            report["authorization"]["storage"], expected,
            "{store} {setting}"
        );
    }
    let ran = scene
        .run(CREATE, &old, &["--operator", "--store", "hashed"])
        .code(1);
    ran.tells(&["know no hashed tokens", "nothing was changed", "hint: "]);
    let hash = "$influxdb2-sha256$MF-hXZK0ApLZgX8ybiLglgYvxJSVlxrEFgaIQtXa89k=";
    let extra = ["--operator", "--store", "plaintext", "--hashed-token", hash];
    scene.run(CREATE, &hashed, &extra).code(2);
}

#[test]
fn bad_arguments() {
    let scene = Scene::new();
    let database = scene.sandbox.store(SEVERAL);
    for (extra, words) in [
        (
            &[][..],
            &["must include permissions", "--operator", "--from-json"][..],
        ),
        (
            &["--operator", "--read-tasks"],
            &["cannot compose other permissions"],
        ),
        (&["--operator", "--from-json", "x"], &["exclude each other"]),
        (&["--operator"], &["several users", "--user NAME"]),
        (
            &["--operator", "--user", "alice"],
            &["several organizations", "--org NAME"],
        ),
        (
            &["--read-bucket", "metrics"],
            &["did you pass a bucket name"],
        ),
        (
            &["--from-json", "-", "--token-file", "-"],
            &["both read standard input"],
        ),
        (
            &["--user", "alice", "--user-id", "0000000000000001"],
            &["cannot be used with"],
        ),
        (
            &["--token-out", "t", "--hashed-token", "x"],
            &["cannot be used with"],
        ),
    ] {
        scene.run(CREATE, &database, extra).code(2).tells(words);
    }
    for (extra, words) in [
        (
            &["--user", "alcie"][..],
            &["no user called \"alcie\"", "there are: \"alice\""][..],
        ),
        (
            &["--user-id", "00000000000000ff"],
            &["no user with the ID 00000000000000ff"],
        ),
        (
            &["--user", "alice", "--org", "acne"],
            &["no organization called", "\"acme\", "],
        ),
        (
            &["--user", "sleeper", "--org", "acme"],
            &["user is inactive", "--allow-unusable"],
        ),
    ] {
        let extra = [&["--operator"], extra].concat();
        let ran = scene.run(CREATE, &database, &extra).code(1);
        ran.tells(words).tells(&["nothing was changed"]);
    }
}

#[test]
fn a_body_and_the_options_beside_it() {
    let scene = Scene::new();
    let database = scene.store(SEVERAL);
    let body = |body: Value| {
        let file = scene.path("body");
        fs::write(&file, body.to_string()).unwrap();
        text(&file).to_owned()
    };
    let orgs = scene
        .run(&["org", "list", "--json"], &database, &[])
        .ok()
        .json();
    let acme = orgs["orgs"]
        .as_array()
        .unwrap()
        .iter()
        .find(|org| org["name"] == "acme");
    let acme = acme.unwrap()["id"].as_str().unwrap();
    let permissions = json!([{"action": "read", "resource": {"type": "tasks", "orgID": acme}}]);
    let bare = body(json!({"permissions": permissions, "status": "inactive"}));
    let report = made(
        &scene,
        CREATE,
        &database,
        &["--from-json", &bare, "--user", "bob", "--org-id", acme],
    );
    let entry = &report["authorization"];
    assert_eq!(
        (&entry["user"], &entry["org"]),
        (&json!("bob"), &json!("acme"))
    );
    assert_eq!(
        (&entry["status"], &entry["usable"]),
        (&json!("inactive"), &json!(false))
    );
    assert_eq!(entry["description"], "Read tasks");

    let full = body(json!({"permissions": permissions, "orgID": acme, "description": "d"}));
    for (extra, code) in [
        (&["--user", "alice"][..], 0),
        (
            &["--user", "alice", "--org", "acme", "--description", "d"],
            0,
        ),
        (&["--user", "alice", "--org", "beta & co"], 2),
        (&["--user", "alice", "--description", "e"], 2),
        (&["--user", "alice", "--org", "none"], 1),
        (&[], 2),
    ] {
        let extra = [&["--from-json", &full], extra].concat();
        scene.run(CREATE, &database, &extra).code(code);
    }
    let arguments = arguments(CREATE, &database, &["--from-json", "-", "--user", "alice"]);
    let input = fs::read(&full).unwrap();
    scene.sandbox.run_with(arguments, &input).ok();
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
            value_of(PLAINTEXT, "write both"),
        );
        assert_eq!(
            verify(&scene, &database, &value, "write:buckets/metrics"),
            0
        );
        let old = listed(&scene, &database, &id);
        let rotate = ["auth", "rotate", &id];
        let before = fs::read(&database).unwrap();
        let ran = scene.run(&rotate, &database, &[]).code(6);
        ran.tells(&[&id, "\"write both\"", "\"alice\"", "stops working", "--yes"]);
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
        (&create[..], "would be made; nothing was changed"),
        (&["auth", "clone", id], "would be made; nothing was changed"),
        (&["auth", "rotate", id], "would get a new token"),
        (
            &["auth", "update", id, "--status", "inactive"],
            "would be changed; nothing was changed",
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
        value_of(PLAINTEXT, "write both"),
    );
    let update = ["auth", "update", &id];
    let ran = scene
        .run(&update, &database, &["--status", "inactive"])
        .ok();
    for words in [
        "was changed",
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
    assert!(ran.stdout.contains("is like that already"), "{ran:?}");
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
            let value = value_of(PLAINTEXT, name);
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
    ran.tells(&["No usable operator token is left then"]);
    let ran = scene
        .run(&["auth", "delete", &id], &database, &["--yes"])
        .ok();
    assert!(ran.stdout.contains("boltkey recover operator"), "{ran:?}");
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
            &["boltkey auth create again"][..],
        ),
        (&["auth", "create", "--operator"], true, &["the given one"]),
        (
            &["auth", "rotate", "ID", "--yes"],
            false,
            &["boltkey auth rotate again"],
        ),
        (
            &["auth", "clone", "ID"],
            false,
            &["boltkey auth clone again"],
        ),
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
