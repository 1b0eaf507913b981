//! `auth create` stores and refuses the same as the real influx CLI and the real server's API.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::Ran;
use crate::scene::{Scene, is_sound, text};

fn oracle(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::read(path.join("fixtures/oracle").join(name)).unwrap()
}

/// The cases of one oracle, with the IDs of the store for their marks.
fn cases(name: &str) -> Vec<Value> {
    let marks: Value = serde_json::from_slice(&oracle("store.json")).unwrap();
    let mut text = String::from_utf8(oracle(name)).unwrap();
    for (mark, id) in marks.as_object().unwrap() {
        text = text.replace(mark.as_str(), id.as_str().unwrap());
    }
    let mut all: Value = serde_json::from_str(&text).unwrap();
    all["cases"].as_array_mut().unwrap().drain(..).collect()
}

fn store(scene: &Scene) -> std::path::PathBuf {
    let path = scene.path("influxd.bolt");
    fs::write(&path, oracle("store.bolt")).unwrap();
    path
}

/// Permissions without the names that the API adds.
fn bare(permissions: &Value) -> Value {
    let mut permissions = permissions.clone();
    for permission in permissions.as_array_mut().unwrap() {
        let resource = permission["resource"].as_object_mut().unwrap();
        resource.remove("name");
        resource.remove("org");
    }
    permissions
}

/// What the store holds of the authorization that a run has made.
#[track_caller]
fn made(scene: &Scene, database: &Path, ran: Ran) -> Value {
    let report = ran.code(0).json();
    assert_eq!(report["changed"], true);
    let id = report["authorization"]["id"].as_str().unwrap();
    let listed = scene.run(
        &["auth", "list", "--id", id, "--reveal", "--json"],
        database,
        &[],
    );
    let listed = listed.ok().json()["authorizations"][0].clone();
    assert_eq!(
        listed, report["authorization"],
        "what is told is not what is stored"
    );
    listed
}

#[test]
fn argument_lists_of_the_influx_cli() {
    let scene = Scene::new();
    let database = store(&scene);
    let (mut stored, mut refused) = (0, 0);
    for case in cases("influx-auth-create.json") {
        let given: Vec<&str> = case["args"]
            .as_array()
            .unwrap()
            .iter()
            .map(|arg| arg.as_str().unwrap())
            .collect();
        let mut extra = vec!["--org", "acme", "--json"];
        if !given.contains(&"--user") {
            extra.extend(["--user", "alice"]);
        }
        extra.extend(&given);
        let before = fs::read(&database).unwrap();
        let ran = scene.run(&["auth", "create"], &database, &extra);
        if case["exit"] == 0 {
            let made = made(&scene, &database, ran);
            assert_eq!(bare(&made["permissions"]), case["permissions"], "{given:?}");
            assert_eq!(made["user"], case["user"], "{given:?}");
            assert_eq!(made["org"], "acme");
            assert_eq!(
                (&made["status"], &made["storage"]),
                (&json!("active"), &json!("plaintext"))
            );
            let description = made["description"].as_str().unwrap();
            match case["description"].as_str().unwrap() {
                "" => assert!(!description.is_empty()),
                given => assert_eq!(description, given),
            }
            stored += 1;
        } else {
            assert!([1, 2].contains(&ran.code), "{given:?}: {ran:?}");
            assert_eq!(fs::read(&database).unwrap(), before, "{given:?}");
            // The CLI's text ends with the text of the server.
            let told = case["stderr"].as_str().unwrap();
            let words = told.rsplit(": ").next().unwrap();
            let words = words.split(" (did").next().unwrap();
            if !given.contains(&"nobody") {
                ran.tells(&[words]);
            }
            refused += 1;
        }
    }
    is_sound(&scene, &database);
    println!("cases: oracle-cli {}", stored + refused);
    assert_eq!((stored, refused), (52, 9));
}

#[test]
fn bodies_of_the_api() {
    let scene = Scene::new();
    let database = store(&scene);
    let (mut stored, mut refused) = (0, 0);
    for case in cases("api-authorizations.json") {
        let name = case["case"].as_str().unwrap();
        if name.starts_with("PATCH") || name.starts_with("GET") {
            continue;
        }
        let body = match (name, case.get("body")) {
            (_, Some(body)) => body.to_string(),
            ("number for orgID", None) => r#"{"orgID":7,"permissions":[]}"#.to_owned(),
            ("no JSON", None) => "nope".to_owned(),
            _ => panic!("{name}"),
        };
        let file = scene.path("body");
        fs::write(&file, &body).unwrap();
        let mut extra = vec!["--from-json", text(&file), "--json"];
        if case["body"].get("userID").is_none() {
            extra.extend(["--user", "alice"]);
        }
        let before = fs::read(&database).unwrap();
        let ran = scene.run(&["auth", "create"], &database, &extra);
        let answer = &case["answer"];
        if case["code"] == 201 {
            let made = made(&scene, &database, ran);
            for field in ["status", "orgID", "org", "userID", "user", "permissions"] {
                assert_eq!(made[field], answer[field], "{name}: {field}");
            }
            stored += 1;
        } else {
            assert!([1, 2].contains(&ran.code), "{name}: {ran:?}");
            assert_eq!(fs::read(&database).unwrap(), before, "{name}");
            let words = answer["message"].as_str().unwrap();
            match name {
                // An option may name it, or there may be only one.
                "no orgID" => ran.tells(&["several organizations", "--org NAME"]),
                "unknown user" => ran.tells(&["no user with the ID 00000000deadbeef"]),
                "unknown org" => ran.tells(&["no organization with the ID 00000000deadbeef"]),
                "no JSON" => ran.tells(&["invalid json structure: "]),
                _ => ran.tells(&[words]),
            };
            refused += 1;
        }
    }
    is_sound(&scene, &database);
    println!("cases: oracle-api {}", stored + refused);
    assert_eq!((stored, refused), (9, 17));
}

/// What the API does not let be changed, nor does `auth update`; what it does, does.
#[test]
fn changes_by_the_api() {
    let scene = Scene::new();
    let database = store(&scene);
    let extra = [
        "--operator",
        "--description",
        "",
        "--user",
        "bob",
        "--org",
        "acme",
    ];
    let extra = [&extra[..], &["--json"]].concat();
    let report = scene
        .run(&["auth", "create"], &database, &extra)
        .ok()
        .json();
    let id = report["authorization"]["id"].as_str().unwrap();
    let update = |extra: &[&str]| scene.run(&["auth", "update", id, "--json"], &database, extra);
    for (extra, status, description, changed) in [
        (
            &["--status", "active", "--description", ""][..],
            "active",
            "",
            false,
        ),
        (&["--status", "inactive"], "inactive", "", true),
        (&["--description", "new"], "inactive", "new", true),
        (&["--description", "new"], "inactive", "new", false),
        (&["--status", "active"], "active", "new", true),
    ] {
        let report = update(extra).ok().json();
        assert_eq!(report["changed"], changed, "{extra:?}");
        assert_eq!(report["authorization"]["status"], status, "{extra:?}");
        assert_eq!(report["authorization"]["description"], description);
    }
    update(&["--status", "x"]).code(2);
    update(&[]).code(2);
}
