//! Names mean what the index says, as in influxd: missing entries, blocked names, entries that lead
//! to somebody else, two records of one name.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use boltkey::metadata::names;
use boltkey::store::{ChangeSet, Commit, OpenOptions, WritableStore};
use serde_json::{Value, json};

use crate::fixtures::{content, facts, fixtures};
use crate::scene::{Scene, text};

/// The store that the reports were made again on.
const STORE: &str = "lived-2.7.12";
/// A store whose index has no entry for alice.
const NO_ENTRY: &str = "1-25221-no-name-index";
/// A store whose index leads from `user123` to no record.
const BLOCKED: &str = "9-24318-name-blocked";

fn field(scene: &Scene, name: &str) -> PathBuf {
    let bytes = content(&fixtures().join(format!("field/{name}.bolt.gz")));
    let path = scene.path("influxd.bolt");
    fs::write(&path, bytes).unwrap();
    path
}

/// Another state of the same store.
fn edited(scene: &Scene, edit: impl Fn(&mut ChangeSet)) -> PathBuf {
    let path = scene.store(STORE);
    let mut store = WritableStore::open(&path, &OpenOptions::default()).unwrap();
    let mut changes = ChangeSet::default();
    edit(&mut changes);
    store.commit(&changes, &[]).unwrap();
    path
}

fn user_id(name: &str) -> String {
    facts(STORE)["users"][name].as_str().unwrap().to_owned()
}

fn org_id(name: &str) -> String {
    facts(STORE)["orgs"][name].as_str().unwrap().to_owned()
}

fn private(scene: &Scene, name: &str, content: &str) -> PathBuf {
    let path = scene.path(name);
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

/// A record of the list at `field` in what a command prints.
fn one(scene: &Scene, command: &[&str], database: &Path, list: &str, name: [&str; 2]) -> Value {
    let ran = scene.run(command, database, &["--json"]).code(0).json();
    let records = ran[list].as_array().unwrap().iter();
    let mut records = records.filter(|record| record[name[0]] == name[1]);
    records.next().cloned().unwrap_or_default()
}

fn login(scene: &Scene, database: &Path, user: &str) -> Value {
    one(scene, &["status"], database, "logins", ["user", user])
}

fn listed(scene: &Scene, database: &Path, user: &str) -> Value {
    one(scene, &["user", "list"], database, "users", ["name", user])
}

/// Codes and places of the findings about names.
fn findings(scene: &Scene, database: &Path) -> Vec<String> {
    let ran = scene.run(&["check"], database, &["--json"]).json();
    let findings = ran["findings"].as_array().unwrap().iter();
    let told = findings.map(|f| {
        let (code, place) = (f["code"].as_str().unwrap(), f["where"].as_str().unwrap());
        format!("{code} {place}")
    });
    told.filter(|told| told.contains("index-") || told.contains("name-taken"))
        .filter(|told| !told.contains("token-index"))
        .collect()
}

/// Every command that takes a user's name, up to the name.
const WITH_USER: &[(&[&str], &[&str])] = &[
    (&["auth", "list"], &["--user"]),
    (&["capture"], &["--out", "-", "--user"]),
    (
        &["auth", "create"],
        &["--operator", "--org", "acme", "--user"],
    ),
    (&["recover", "operator"], &["--org", "acme", "--user"]),
    (&["user", "delete"], &["--yes", "--name"]),
    (&["user", "create"], &["--name"]),
];

/// Every command refuses the name `alice`, tells these texts, and changes nothing.
#[track_caller]
fn all_refuse(scene: &Scene, database: &Path, texts: &[&str]) {
    let before = fs::read(database).unwrap();
    for (command, extra) in WITH_USER {
        let ran = scene.run(command, database, &[extra, &["alice"][..]].concat());
        ran.code(1).tells(texts);
    }
    assert_eq!(fs::read(database).unwrap(), before);
}

#[test]
fn a_user_without_entry_does_not_get_in_until_the_password_is_set() {
    let scene = Scene::new();
    let database = field(&scene, NO_ENTRY);
    let id = listed(&scene, &database, "alice")["id"].clone();
    let id = id.as_str().unwrap().to_owned();
    assert_eq!(
        findings(&scene, &database),
        [format!("metadata.index-absent usersv1/{id}")]
    );
    scene.run(&["check"], &database, &[]).code(3);
    let alice = login(&scene, &database, "alice");
    assert_eq!(
        (&alice["operator"], &alice["signsIn"]),
        (&json!(false), &json!(false))
    );
    assert!(alice["because"].as_str().unwrap().contains("userindexv1"));
    let alice = listed(&scene, &database, "alice");
    assert_eq!(
        (&alice["hasPassword"], &alice["signsIn"]),
        (&json!(true), &json!(false))
    );
    assert!(alice["because"].as_str().unwrap().contains("userindexv1"));
    assert_eq!(listed(&scene, &database, "bob")["signsIn"], true);
    let ran = scene.run(&["status"], &database, &[]).code(0);
    assert!(ran.stdout.contains("alice  can't sign in: "), "{ran:?}");
    let ran = scene.run(&["user", "list"], &database, &[]).code(0);
    assert!(ran.stdout.contains("no: userindexv1"), "{ran:?}");

    all_refuse(
        &scene,
        &database,
        &["userindexv1", &id, "boltkey user password --id"],
    );
    // By ID a user needs no entry.
    let by_id = ["--operator", "--org", "acme", "--user-id", &id];
    scene.run(&["auth", "create"], &database, &by_id).code(0);

    let file = private(&scene, "pw", "another password\n");
    let password = ["--name", "alice", "--password-file", text(&file)];
    let ran = scene.run(&["user", "password"], &database, &password);
    ran.code(6).tells(&["index entry"]);
    let dry = [&password[..], &["--yes", "--dry-run"]].concat();
    let ran = scene.run(&["user", "password"], &database, &dry).code(0);
    assert!(ran.stdout.contains("would be created"), "{ran:?}");
    let yes = [&password[..], &["--yes", "--json"]].concat();
    let created = scene.run(&["user", "password"], &database, &yes).code(0);
    let created = created.json();
    assert_eq!(created["indexEntryCreated"], true);
    assert_eq!(created["user"]["signsIn"], true);
    assert!(findings(&scene, &database).is_empty());
    assert_eq!(login(&scene, &database, "alice")["operator"], true);
    // Once is enough.
    let again = scene.run(&["user", "password"], &database, &yes).code(0);
    assert_eq!(again.json()["indexEntryCreated"], Value::Null);
}

#[test]
fn an_entry_to_somebody_else_is_followed_by_nobody() {
    let (alice, bob) = (user_id("alice"), user_id("bob"));
    let scene = Scene::new();
    let database = edited(&scene, |changes| {
        changes.put(names::USER_INDEX, b"alice", bob.as_bytes());
    });
    assert_eq!(
        findings(&scene, &database),
        ["metadata.index-elsewhere userindexv1/alice"]
    );
    assert_eq!(login(&scene, &database, "alice")["signsIn"], false);
    assert_eq!(login(&scene, &database, "bob")["signsIn"], true);
    all_refuse(&scene, &database, &["userindexv1", "\"bob\"", &bob]);
    let file = private(&scene, "pw", "another password\n");
    let before = fs::read(&database).unwrap();
    for (who, name) in [("--name", "alice"), ("--id", &alice)] {
        let extra = [who, name, "--yes", "--password-file", text(&file)];
        let ran = scene.run(&["user", "password"], &database, &extra);
        ran.code(1).tells(&["\"bob\"", "nothing was changed"]);
    }
    assert_eq!(fs::read(&database).unwrap(), before);
    // An entry that leads to nobody is nobody's loss.
    let database = edited(&scene, |changes| {
        changes.put(names::USER_INDEX, b"alice", b"0fffffffffffffff");
    });
    assert_eq!(login(&scene, &database, "alice")["signsIn"], false);
    let extra = ["--name", "alice", "--yes", "--password-file", text(&file)];
    scene.run(&["user", "password"], &database, &extra).code(0);
    assert_eq!(login(&scene, &database, "alice")["signsIn"], true);
    assert!(findings(&scene, &database).is_empty());
}

#[test]
fn an_entry_of_another_name_is_a_login() {
    let scene = Scene::new();
    let alice = user_id("alice");
    let database = edited(&scene, |changes| {
        changes.remove(names::USER_INDEX, b"alice");
        changes.put(names::USER_INDEX, b"old", alice.as_bytes());
    });
    let found = login(&scene, &database, "alice");
    assert_eq!(
        (&found["operator"], &found["signsIn"]),
        (&json!(true), &json!(true))
    );
    assert!(
        found["because"]
            .as_str()
            .unwrap()
            .contains("signs in as \"old\"")
    );
    let ran = scene.run(&["auth", "list"], &database, &["--user", "old"]);
    ran.code(1).tells(&["\"alice\"", &alice]);
    let ran = scene.run(&["user", "create"], &database, &["--name", "old"]);
    ran.code(1).tells(&["\"alice\"", &alice]);
    // The user goes with every name.
    let extra = ["--id", &alice, "--yes"];
    scene.run(&["user", "delete"], &database, &extra).code(0);
    assert!(findings(&scene, &database).is_empty());
}

#[test]
fn of_two_with_one_name_the_index_names_one() {
    const OTHER: &str = "0fffffffffffffff";
    let alice = user_id("alice");
    for (entry, taken) in [(alice.as_str(), OTHER), (OTHER, alice.as_str())] {
        let scene = Scene::new();
        let database = edited(&scene, |changes| {
            let record = format!(r#"{{"id":"{OTHER}","name":"alice","status":"active"}}"#);
            changes.put(names::USERS, OTHER.as_bytes(), record.as_bytes());
            changes.put(names::USER_INDEX, b"alice", entry.as_bytes());
        });
        assert_eq!(
            findings(&scene, &database),
            [format!("metadata.name-taken usersv1/{taken}")]
        );
        assert_eq!(login(&scene, &database, "alice")["signsIn"], entry == alice);
        let extra = ["--operator", "--org", "acme", "--user", "alice", "--json"];
        let created = scene.run(&["auth", "create"], &database, &extra).code(0);
        assert_eq!(created.json()["authorization"]["userID"], entry);
        // The other one could never sign in.
        let file = private(&scene, "pw", "another password\n");
        let extra = ["--id", taken, "--yes", "--password-file", text(&file)];
        let ran = scene.run(&["user", "password"], &database, &extra);
        ran.code(1).tells(&["the same name"]);
    }
    // No entry at all: nobody knows which one is meant.
    let scene = Scene::new();
    let database = edited(&scene, |changes| {
        let record = format!(r#"{{"id":"{OTHER}","name":"alice","status":"active"}}"#);
        changes.put(names::USERS, OTHER.as_bytes(), record.as_bytes());
        changes.remove(names::USER_INDEX, b"alice");
    });
    all_refuse(&scene, &database, &[OTHER, &alice]);
    let file = private(&scene, "pw", "another password\n");
    let extra = ["--name", "alice", "--yes", "--password-file", text(&file)];
    let ran = scene.run(&["user", "password"], &database, &extra);
    ran.code(1).tells(&[OTHER, &alice]);
}

#[test]
fn a_blocked_name_is_told_with_what_frees_it() {
    let scene = Scene::new();
    let database = field(&scene, BLOCKED);
    assert_eq!(
        findings(&scene, &database),
        ["metadata.index-dangling userindexv1/user123"]
    );
    let ran = scene.run(&["user", "create"], &database, &["--name", "user123"]);
    ran.code(1).tells(&[
        "userindexv1",
        "blocked",
        "boltkey user delete --id",
        "nothing was changed",
    ]);
    let list = scene.path("list.toml");
    fs::copy(fixtures().join("field/9-24318-list.toml"), &list).unwrap();
    private(&scene, "pw", "another password\n");
    let ran = scene.run(&["apply"], &database, &[text(&list)]);
    ran.code(1)
        .tells(&["list.toml, line 2", "user123", "boltkey user delete"]);

    let delete = ["--name", "user123"];
    let ran = scene.run(&["user", "delete"], &database, &delete);
    ran.code(6).tells(&["does not exist any more"]);
    let yes = ["--name", "user123", "--yes"];
    scene.run(&["user", "delete"], &database, &yes).code(0);
    assert!(findings(&scene, &database).is_empty());
    scene.run(&["apply"], &database, &[text(&list)]).code(0);
    assert_eq!(listed(&scene, &database, "user123")["signsIn"], true);
}

#[test]
fn organizations_and_buckets_are_found_by_index_too() {
    let (acme, beta) = (org_id("acme"), org_id("beta & co"));
    let scene = Scene::new();
    let metrics = facts(STORE)["buckets"]["metrics"]
        .as_str()
        .unwrap()
        .to_owned();
    let database = edited(&scene, |changes| {
        changes.remove(names::ORGANIZATION_INDEX, b"acme");
        changes.remove(names::BUCKET_INDEX, format!("{acme}metrics").as_bytes());
    });
    assert_eq!(
        findings(&scene, &database),
        [
            format!("metadata.index-absent organizationsv1/{acme}"),
            format!("metadata.index-absent bucketsv1/{metrics}"),
        ]
    );
    let before = fs::read(&database).unwrap();
    for (command, extra) in [
        (&["auth", "list"][..], &["--org"][..]),
        (
            &["auth", "create"],
            &["--operator", "--user", "alice", "--org"],
        ),
        (&["recover", "operator"], &["--user", "alice", "--org"]),
        (&["user", "create"], &["--name", "carol", "--org"]),
        (&["org", "create"], &["--name"]),
    ] {
        let ran = scene.run(command, &database, &[extra, &["acme"][..]].concat());
        ran.code(1).tells(&["organizationindexv1", &acme]);
    }
    let can = ["--org-id", &acme, "--can", "read:buckets/metrics"];
    let ran = scene.run(&["auth", "list"], &database, &can);
    ran.code(1).tells(&["bucketindexv1", &metrics]);
    let can = format!("read:buckets/{metrics}");
    let can = ["--org-id", &acme, "--can", &can];
    scene.run(&["auth", "list"], &database, &can).code(0);
    let list = private(
        &scene,
        "list.toml",
        "[[org]]\nname = \"beta & co\"\n[[org]]\nname = \"acme\"\n",
    );
    let ran = scene.run(&["apply"], &database, &[text(&list)]);
    ran.code(1).tells(&["line 4", "organizationindexv1"]);
    assert_eq!(fs::read(&database).unwrap(), before);

    // The name leads to the other organization: nothing is done to that one.
    let database = edited(&scene, |changes| {
        changes.put(names::ORGANIZATION_INDEX, b"acme", beta.as_bytes());
    });
    let ran = scene.run(&["auth", "list"], &database, &["--org", "acme"]);
    ran.code(1).tells(&["\"beta & co\"", &beta]);
    // A name that leads to nothing.
    let database = edited(&scene, |changes| {
        changes.put(names::ORGANIZATION_INDEX, b"was here", b"0fffffffffffffff");
    });
    let ran = scene.run(&["org", "create"], &database, &["--name", "was here"]);
    ran.code(1).tells(&["blocked", "choose another name"]);
}

#[test]
fn tasks_need_the_entry_of_their_bucket() {
    let scene = Scene::new();
    let acme = org_id("acme");
    let database = edited(&scene, |changes| {
        changes.remove(names::BUCKET_INDEX, format!("{acme}_tasks").as_bytes());
    });
    let ran = scene.run(&["check"], &database, &[]).code(3);
    assert!(
        ran.stdout.contains("metadata.tasks-bucket-absent"),
        "{ran:?}"
    );
}
