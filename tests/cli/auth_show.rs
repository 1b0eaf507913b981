//! `auth show`: whose login has the permissions, 1.x-compatible authorizations; the header of
//! `auth list`.

use std::fs;
use std::path::PathBuf;

use boltkey::metadata::names;
use boltkey::store::{ChangeSet, Commit, OpenOptions, WritableStore};

use crate::fixtures::{content, fixtures, known_token};
use crate::scene::Scene;

const STORE: &str = "lived-2.7.12";
/// A 1.x-compatible authorization, in the store of the field report.
const LEGACY: &str = "11acd2430797a000";

fn field(scene: &Scene) -> PathBuf {
    let path = scene.path("field.bolt");
    let packed = fixtures().join("field/8-20264-v1-auth.bolt.gz");
    fs::write(&path, content(&packed)).unwrap();
    path
}

fn id_of(name: &str) -> String {
    known_token(STORE, name)["id"].as_str().unwrap().to_owned()
}

#[test]
fn whose_login_has_the_permissions_is_told() {
    let scene = Scene::new();
    let database = scene.store(STORE);
    let cases = [
        ("second operator", Some("bob")),
        // The login keeps what the token loses.
        ("switched off", Some("alice")),
        ("of the leaver", None),
    ];
    for (name, login) in cases {
        let id = id_of(name);
        let told = scene
            .run(&["auth", "show", &id], &database, &[])
            .ok()
            .stdout;
        let line = told
            .lines()
            .find(|line| line.starts_with("Login:"))
            .unwrap();
        let expected = match login {
            Some(user) => format!(
                "Login:        {user} has these permissions when signed in, even if the token is \
                 inactive"
            ),
            None => "Login:        no user has these permissions through this token".to_owned(),
        };
        assert_eq!(line, expected, "{name}");
        let json = scene
            .run(&["auth", "show", &id], &database, &["--json"])
            .ok()
            .json();
        assert_eq!(json["login"].as_str(), login, "{name}");
    }
}

#[test]
fn a_1_x_authorization_is_shown() {
    let scene = Scene::new();
    let database = field(&scene);
    let show = ["auth", "show", LEGACY];
    let told = scene.run(&show, &database, &[]).ok().stdout;
    for words in [
        "1.x user:     collectd\n",
        "Password:     set\n",
        "Usable:       yes\n",
        "Description:  1.x user\n",
        "write:orgs/6a74cfa47793ef19/buckets/ccbae4c757e23849  (metrics in acme)",
        "Login:        no user has these permissions through a 1.x-compatible authorization",
        "Changeable by:\n",
    ] {
        assert!(told.contains(words), "{words:?}: {told}");
    }
    assert!(!told.contains("Token:"), "{told}");
    let json = scene.run(&show, &database, &["--json"]).ok().json();
    assert_eq!(json["id"], LEGACY);
    assert_eq!(json["token"], "collectd");
    assert_eq!(json["hasPassword"], true);
    assert_eq!(json["usable"], true);
    assert!(json["login"].is_null());
    // As `auth list --v1` has it.
    let listed = scene
        .run(&["auth", "list", "--v1"], &database, &["--json"])
        .ok()
        .json();
    let listed = listed["authorizations"][0].as_object().unwrap().clone();
    for (field, value) in &listed {
        assert_eq!(json[field], *value, "{field}");
    }
}

#[test]
fn a_1_x_authorization_without_a_password_or_index_entry_is_not_usable() {
    let scene = Scene::new();
    let database = field(&scene);
    let show = ["auth", "show", LEGACY, "--json"];
    let changed = |bucket: &[u8], key: &[u8]| {
        let mut store = WritableStore::open(&database, &OpenOptions::default()).unwrap();
        let mut changes = ChangeSet::default();
        changes.remove(bucket, key);
        store.commit(&changes, &[]).unwrap();
        drop(store);
        // A program that another test starts at this moment keeps the lock until it runs.
        scene.run(&show, &database, &["--wait", "10s"]).ok().json()
    };
    let json = changed(names::LEGACY_PASSWORDS, LEGACY.as_bytes());
    assert_eq!(json["hasPassword"], false);
    assert_eq!(json["usable"], false);
    assert_eq!(json["problems"][0], "no password is set");
    let told = scene
        .run(&["auth", "show", LEGACY], &database, &[])
        .ok()
        .stdout;
    assert!(told.contains("Password:     not set\n"), "{told}");
    let json = changed(names::LEGACY_AUTHORIZATION_INDEX, b"collectd");
    let problems = json["problems"].to_string();
    assert!(
        problems.contains("its entry in legacy/authorizationindexv1 is missing"),
        "{problems}"
    );
}

#[test]
fn an_unknown_id_names_both_lists() {
    let scene = Scene::new();
    let database = scene.store(STORE);
    let ran = scene
        .run(&["auth", "show", "0000000000000001"], &database, &[])
        .code(1);
    ran.tells(&["there is no authorization", "boltkey v1 auth list"]);
}

#[test]
fn the_header_of_the_table_can_be_left_out() {
    let scene = Scene::new();
    let database = scene.store(STORE);
    for v1 in [&[][..], &["--v1"]] {
        let list = [&["auth", "list"], v1].concat();
        let with = scene.run(&list, &database, &[]).ok().stdout;
        let without = scene.run(&list, &database, &["--hide-headers"]).ok().stdout;
        assert!(with.starts_with("ID"), "{with}");
        assert!(
            !without.lines().any(|line| line.starts_with("ID")),
            "{without}"
        );
        let ids = |table: &str| -> Vec<String> {
            let cells = table
                .lines()
                .filter_map(|line| line.split_whitespace().next());
            let ids = cells.filter(|cell| cell.len() == 16);
            ids.map(str::to_owned).collect()
        };
        assert!(!ids(&with).is_empty());
        assert_eq!(ids(&with), ids(&without));
        // JSON has no header.
        let json = |extra: &[&str]| scene.run(&list, &database, extra).ok().stdout;
        assert_eq!(json(&["--json"]), json(&["--json", "--hide-headers"]));
    }
}
