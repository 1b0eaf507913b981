//! `auth create`, and helpers for the tests of all token commands.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

use crate::fixtures::fixture;
use crate::scene::{FOR_ALICE, ONE, SEVERAL, Scene, arguments, is_sound, text};

pub const CREATE: &[&str] = &["auth", "create"];
/// Its schema does not know hashed tokens.
const OLD: &str = "fresh-2.7.12";

/// Runs it and returns what was made.
#[track_caller]
pub fn made(scene: &Scene, command: &[&str], database: &Path, extra: &[&str]) -> Value {
    let extra = [extra, &["--json"]].concat();
    scene.run(command, database, &extra).code(0).json()
}

pub fn verify(scene: &Scene, database: &Path, token: &str, can: &str) -> i32 {
    let extra = ["--token-file", "-", "--can", can];
    let arguments = arguments(&["auth", "verify"], database, &extra);
    scene.sandbox.run_with(arguments, token.as_bytes()).code
}

/// The ID of the only authorization.
pub fn only(scene: &Scene, database: &Path) -> String {
    let list = scene
        .run(&["auth", "list", "--json"], database, &[])
        .ok()
        .json();
    list["authorizations"][0]["id"].as_str().unwrap().to_owned()
}

/// How often the file shows a text.
pub fn shown(database: &Path, text: &str) -> usize {
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
    // The server accepts a bucket that does not exist. The command warns.
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
            ran.tells(&["schema 20", "don't support hashed tokens", "hint: "]);
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
        (" padded ", "ends in a space", true),
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
    ran.tells(&["wrong length", "--allow-unusable"]);
    // What may be a token that was given by mistake is not repeated.
    let ran = scene
        .run(
            CREATE,
            &database,
            &["--operator", "--hashed-token", "my-token"],
        )
        .code(2);
    ran.tells(&["not a hash that influxd supports", "token hash"]);
    assert!(!ran.stderr.contains("my-token"), "{ran:?}");
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
    ran.tells(&["readable by other users"]);
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
    ran.tells(&[
        "don't support hashed tokens",
        "nothing was changed",
        "hint: ",
    ]);
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
        (&["--operator", "--from-json", "x"], &["can't be combined"]),
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
