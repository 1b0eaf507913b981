//! A store, exported and applied to a new one: everything that a list has is the same there but IDs and
//! times.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use boltkey::metadata::password;
use boltkey::secret::Token;
use boltkey::store::Snapshot;
use serde_json::{Value, json};

use crate::fixtures::{facts, store_names};
use crate::scene::{SEVERAL, Scene, is_sound, mode, text};
use crate::support::store_image::as_it_is;
use crate::support::threads::side_by_side;

const PASSWORD: &str = "a password that is planted";

/// Names that a careless writer of TOML would break.
const HARD_NAMES: [&str; 4] = [
    "two\nlines \"quoted\" \\ 'single'",
    "🦀 日本 \u{202e}\u{200b}",
    "# [[token]]",
    "0000000000000007",
];

pub fn private(scene: &Scene, name: &str, content: &str) -> PathBuf {
    let path = scene.path(name);
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

/// Adds one of everything that a list has to a store.
pub fn enrich(scene: &Scene, database: &Path) {
    let hash = password::hash(&Token::new(PASSWORD.into())).unwrap();
    let mut list = String::new();
    for name in HARD_NAMES {
        let name = toml::Value::String(name.into());
        list.push_str(&format!(
            "[[user]]\nname = {name}\nstatus = \"inactive\"\npasswordHash = \"{hash}\"\n\
             [[org]]\nname = {name}\n\
             [[v1]]\nusername = {name}\norg = {name}\nuser = \"alice\"\ndescription = {name}\n\
             permissions = [\"read:buckets\"]\nstatus = \"inactive\"\n",
        ));
    }
    list.push_str(&format!(
        r#"
[[org]]
name = "works"
[[user]]
name = "carol"
orgs = ["works", "acme"]
passwordHash = "{hash}"
[[bucket]]
name = "stations"
org = "works"
retention = "90m"
shardDuration = "1h"
description = "of the weather, \"here\""
[[bucket]]
name = "all 'time' \\ 🦀"
org = "works"
[[bucket]]
name = "a/b"
org = "acme"
retention = "30d"
shardDuration = "12h"
[[v1]]
username = "station"
org = "works"
user = "carol"
permissions = [
    "write:buckets/stations",
    {{ action = "read", type = "buckets", name = "a/b", org = "acme" }},
    {{ action = "read", type = "buckets", org = "acme" }},
    {{ action = "write", type = "tasks", id = "00000000000000aa" }},
    {{ action = "read", type = "dashboards" }},
]
passwordHash = "{hash}"
[[v1]]
username = "without a password"
org = "works"
user = "alice"
permissions = ["write:buckets"]
[[dbrp]]
database = "weather"
retentionPolicy = "first \"quoted\" 🦀"
bucket = "all 'time' \\ 🦀"
org = "works"
[[dbrp]]
database = "weather"
retentionPolicy = "autogen"
bucket = "stations"
org = "works"
default = true
[[dbrp]]
database = "weather"
bucket = "a/b"
org = "acme"
[[dbrp]]
database = "weather"
retentionPolicy = "tasks"
bucket = "_tasks"
org = "acme"
"#
    ));
    let list = private(scene, "more.toml", &list);
    scene
        .run(&["apply", text(&list)], database, &["--quiet"])
        .code(0);
}

pub fn rows(scene: &Scene, database: &Path, command: &[&str], field: &str) -> Vec<Value> {
    let report = scene.run(command, database, &["--json"]).code(0).json();
    report[field].as_array().unwrap().clone()
}

/// The hashes of passwords of a bucket, by ID.
fn hash_of(store: &impl Snapshot, bucket: &[u8], id: &Value) -> Option<String> {
    let key = id.as_str().unwrap().as_bytes();
    let hash = store.get(bucket, key).unwrap();
    hash.map(|hash| String::from_utf8(hash).unwrap())
}

/// The permissions of an authorization by names where there are names. Those of operator and
/// all-access tokens are the release's.
fn permissions(auth: &Value) -> Value {
    if auth["kind"] != "custom" {
        return auth["kind"].clone();
    }
    let each = auth["permissions"].as_array().unwrap().iter();
    let each: BTreeSet<String> = each
        .map(|permission| {
            let mut resource = permission["resource"].clone();
            let fields = resource.as_object_mut().unwrap();
            if fields.contains_key("name") {
                fields.remove("id");
            }
            if fields.contains_key("org") {
                fields.remove("orgID");
            }
            // Where a resource is named, its organization need not be.
            if fields.contains_key("name") && fields["type"] != "buckets" {
                fields.remove("org");
            }
            format!("{} {resource}", permission["action"])
        })
        .collect();
    json!(each)
}

/// What a list says about a store, without IDs and times; each record once.
fn meaning(scene: &Scene, database: &Path) -> BTreeSet<String> {
    let store = as_it_is(database);
    let mut all = BTreeSet::new();
    let mut add = |what: &str, fields: Value| assert!(all.insert(format!("{what} {fields}")));
    for org in rows(scene, database, &["org", "list"], "orgs") {
        add("org", json!([org["name"], org["description"]]));
    }
    for user in rows(scene, database, &["user", "list"], "users") {
        let owns = user["owns"].as_array().unwrap().iter();
        let owns: BTreeSet<&str> = owns.filter_map(|org| org["name"].as_str()).collect();
        let hash = hash_of(&store, b"userspasswordv1", &user["id"]);
        add("user", json!([user["name"], user["status"], owns, hash]));
    }
    for bucket in rows(scene, database, &["bucket", "list"], "buckets") {
        if bucket["org"].is_null() {
            continue;
        }
        let fields = ["name", "org", "type", "description", "retentionRules"];
        add("bucket", json!(fields.map(|field| &bucket[field])));
    }
    let mut tokens = Vec::new();
    for auth in rows(scene, database, &["auth", "list"], "authorizations") {
        let fields = ["description", "org", "user", "status"].map(|field| &auth[field]);
        tokens.push(format!("{} {}", json!(fields), permissions(&auth)));
    }
    // Tokens may be equal but for their values.
    tokens.sort();
    for (number, token) in tokens.iter().enumerate() {
        let same = tokens[..number].iter().filter(|other| *other == token);
        add("token", json!([token, same.count()]));
    }
    for auth in rows(scene, database, &["v1", "auth", "list"], "authorizations") {
        let fields = ["token", "description", "org", "user", "status"].map(|field| &auth[field]);
        let hash = hash_of(&store, b"legacy/authorizationPasswordv1", &auth["id"]);
        add("v1", json!([fields, permissions(&auth), hash]));
    }
    for dbrp in rows(scene, database, &["v1", "dbrp", "list"], "dbrps") {
        let fields = ["database", "retention_policy", "bucket", "org", "default"];
        let kind = dbrp["virtual"].clone();
        if !dbrp["org"].is_null() {
            add("dbrp", json!([kind, fields.map(|field| &dbrp[field])]));
        }
    }
    all
}

/// A new store of a release, in the engine of its name, with a user, an organization and a bucket of
/// names that the exported stores have too.
pub fn target(scene: &Scene, name: &str, release: &str) -> PathBuf {
    let password = private(scene, "password", "correct horse\n");
    let path = scene.path(name);
    let token = scene.path(&format!("{name}.token"));
    let setup = [
        "setup",
        "--username",
        "alice",
        "--org",
        "acme",
        "--bucket",
        "metrics",
        "--release",
        release,
        "--password-file",
        text(&password),
        "--token-out",
        text(&token),
    ];
    scene.run(&setup, &path, &[]).code(0);
    path
}

#[track_caller]
pub fn export(scene: &Scene, database: &Path, out: &str, extra: &[&str]) -> Value {
    let path = scene.path(out);
    let extra = [&["--out", text(&path), "--json"], extra].concat();
    let ran = scene.run(&["auth", "export"], database, &extra).code(0);
    assert_eq!(mode(&path), 0o600);
    ran.json()
}

#[track_caller]
pub fn apply(scene: &Scene, database: &Path, list: &str, extra: &[&str]) -> Value {
    let list = scene.path(list);
    let extra = [&[text(&list), "--json"], extra].concat();
    scene.run(&["apply"], database, &extra).code(0).json()
}

/// The fields of a list but the comments, for comparisons.
fn entries(scene: &Scene, list: &str) -> toml::Table {
    let text = fs::read_to_string(scene.path(list)).unwrap();
    text.parse().unwrap()
}

#[test]
fn nothing_but_ids_and_times_differs() {
    let stores = store_names().into_iter();
    let pairs = stores.flat_map(|store| ["2.7", "2.9"].map(|release| (store.clone(), release)));
    let cases: Vec<_> = pairs
        .flat_map(|(store, release)| {
            let engines = [(false, "new.redb"), (true, "new.bolt")];
            engines.map(|(redb, new)| (store.clone(), redb, release, new))
        })
        .collect();
    let all = cases.len();
    let compared = side_by_side(cases, |_, (store, redb, release, new)| {
        let what = format!("{store} to {release}, {new}");
        let scene = Scene::new();
        let old = if redb {
            scene.redb(&store)
        } else {
            scene.store(&store)
        };
        enrich(&scene, &old);
        let before = fs::read(&old).unwrap();
        let report = export(&scene, &old, "list.toml", &["--with-passwords"]);
        assert!(
            fs::read(&old).unwrap() == before,
            "{what}: the export wrote"
        );

        let new = target(&scene, new, release);
        if release == "2.7" && report["values"] != report["tokens"] {
            // 2.7 knows no hashes.
            let list = scene.path("list.toml");
            let ran = scene.run(&["apply", text(&list)], &new, &[]).code(1);
            ran.tells(&[
                "hash: ",
                "don't support hashed tokens",
                "nothing was changed",
            ]);
            return 0;
        }
        // In one run, as announced.
        let setup: Vec<_> = rows(&scene, &new, &["auth", "list"], "authorizations");
        let would = apply(&scene, &new, "list.toml", &["-n"]);
        let done = apply(&scene, &new, "list.toml", &[]);
        let numbers = |report: &Value| report["changes"].as_array().unwrap().len();
        assert_eq!(numbers(&would), numbers(&done), "{what}");
        is_sound(&scene, &new);

        // What the list leaves out, and the token of the setup, are all that differs.
        let mut expected = meaning(&scene, &old);
        let mut found = meaning(&scene, &new);
        let id = setup[0]["id"].as_str().unwrap();
        scene
            .run(&["auth", "delete", id, "--yes"], &new, &[])
            .code(0);
        if setup.len() == 1 {
            found = meaning(&scene, &new);
        }
        let skipped = report["skipped"].as_array().unwrap();
        let gone: BTreeSet<&str> = skipped
            .iter()
            .filter(|one| one["kind"] == "token")
            .map(|one| one["name"].as_str().unwrap())
            .collect();
        expected.retain(|one| {
            !gone
                .iter()
                .any(|name| one.starts_with("token") && one.contains(name))
        });
        let [only_old, only_new] = [(&expected, &found), (&found, &expected)]
            .map(|(one, other)| one.difference(other).collect::<Vec<_>>());
        assert!(
            only_old.is_empty() && only_new.is_empty(),
            "{what}\nonly in the old store: {only_old:#?}\nonly in the new one: {only_new:#?}\n{skipped:#?}"
        );

        // A second run, and an export of the new store.
        let before = fs::read(&new).unwrap();
        let again = apply(&scene, &new, "list.toml", &["--prune"]);
        assert_eq!(again["changed"], false, "{what}: {again}");
        assert!(fs::read(&new).unwrap() == before, "{what}");
        export(&scene, &new, "back.toml", &["--with-passwords"]);
        let (list, back) = (entries(&scene, "list.toml"), entries(&scene, "back.toml"));
        for kind in ["org", "user", "bucket", "v1", "dbrp"] {
            let sorted = |list: &toml::Table| -> BTreeSet<String> {
                let entries = list[kind].as_array().unwrap().iter();
                entries.map(ToString::to_string).collect()
            };
            assert_eq!(sorted(&list), sorted(&back), "{what}: {kind}");
        }
        expected.len()
    });
    let moved = compared.iter().filter(|number| **number > 0).count();
    assert!(moved > all / 2 && moved < all, "{moved} of {all}");
    let compared: usize = compared.into_iter().sum();
    println!("cases: moved-stores {compared}");
    assert!(compared > 1_000, "{compared}");
}

#[test]
fn passwords_are_in_a_list_only_on_request() {
    let scene = Scene::new();
    let old = scene.store(SEVERAL);
    enrich(&scene, &old);
    let without = export(&scene, &old, "without.toml", &[]);
    assert_eq!(without["passwords"], 0);
    let list = fs::read_to_string(scene.path("without.toml")).unwrap();
    assert!(!list.contains("$2a$") && !list.contains("passwordHash"));
    let with = export(&scene, &old, "with.toml", &["--with-passwords"]);
    // Of the server: alice, bob, the 1.x user collectd; of the list: those of carol, station and the
    // users with hard names.
    assert_eq!(with["passwords"], 3 + 2 + HARD_NAMES.len());
    let list = fs::read_to_string(scene.path("with.toml")).unwrap();
    assert_eq!(list.matches("\npasswordHash = \"$2a$10$").count(), 9);
    for report in [&with, &without] {
        let numbers = ["buckets", "v1Users", "mappings"].map(|field| &report[field]);
        assert!(numbers.iter().all(|number| number.as_u64().unwrap() > 2));
    }
    // Nothing of them in what the program tells.
    let (out, ran) = (scene.path("told.toml"), ["--with-passwords", "-v"]);
    let ran = scene.run(&["auth", "export", "--out", text(&out)], &old, &ran);
    let ran = ran.code(0);
    assert!(!ran.stdout.contains("$2a$") && !ran.stderr.contains("$2a$"));
    assert!(
        ran.stdout
            .starts_with("exported 7 organizations, 8 users, 5 buckets, "),
        "{ran:?}"
    );
    assert!(
        ran.stdout.contains("with the hashes of 9 passwords"),
        "{ran:?}"
    );

    // The old passwords hold on the new server, of users and of 1.x users.
    let new = target(&scene, "new.bolt", "2.9");
    apply(&scene, &new, "with.toml", &[]);
    let known = facts(SEVERAL)["passwords"].clone();
    let known = |name: &str| known[name].as_str().unwrap().to_owned();
    for (name, password, v1) in [
        ("alice", known("alice"), false),
        ("bob", known("bob"), false),
        ("carol", PASSWORD.into(), false),
        ("collectd", known("collectd (1.x)"), true),
        ("station", PASSWORD.into(), true),
    ] {
        let file = private(&scene, "pw", &password);
        let command = [
            "user",
            "verify",
            "--name",
            name,
            "--password-file",
            text(&file),
        ];
        let v1: &[&str] = if v1 { &["--v1"] } else { &[] };
        scene.run(&command, &new, v1).code(0);
    }
    // Without hashes, an existing password stays.
    let new = target(&scene, "other.bolt", "2.9");
    apply(&scene, &new, "without.toml", &[]);
    let file = private(&scene, "pw", "correct horse");
    let command = ["user", "verify", "--name", "alice"];
    let extra = ["--password-file", text(&file)];
    scene.run(&command, &new, &extra).code(0);
}

#[test]
fn filters_take_what_1x_clients_need() {
    let scene = Scene::new();
    let old = scene.store(SEVERAL);
    enrich(&scene, &old);
    for (filters, orgs, buckets, v1, dbrps) in [
        (
            &["--org", "works"][..],
            &["acme", "works"][..],
            // Of station; all of the organization for the one without a password.
            &["a/b", "all 'time' \\ 🦀", "stations"][..],
            &["station", "without a password"][..],
            &[
                "weather/autogen",
                "weather/autogen",
                "weather/first \"quoted\" 🦀",
            ][..],
        ),
        (
            &["--user", "carol"],
            &["acme", "works"],
            &["a/b", "stations"],
            &["station"],
            &["weather/autogen", "weather/autogen"],
        ),
        (
            &["--storage", "hashed", "--user", "carol"],
            &[],
            &[],
            &[],
            &[],
        ),
    ] {
        let list = scene.path("list.toml");
        let _ = fs::remove_file(&list);
        export(&scene, &old, "list.toml", filters);
        let list = entries(&scene, "list.toml");
        let names = |kind: &str, fields: &[&str]| -> Vec<String> {
            let of = list.get(kind).and_then(|list| list.as_array());
            let mut names: Vec<String> = of
                .into_iter()
                .flatten()
                .map(|one| fields.iter().map(|field| one[*field].as_str().unwrap()))
                .map(|fields| fields.collect::<Vec<_>>().join("/"))
                .collect();
            names.sort();
            names
        };
        assert_eq!(names("org", &["name"]), orgs, "{filters:?}");
        assert_eq!(names("bucket", &["name"]), buckets, "{filters:?}");
        assert_eq!(names("v1", &["username"]), v1, "{filters:?}");
        let mapped = names("dbrp", &["database", "retentionPolicy"]);
        assert_eq!(mapped, dbrps, "{filters:?}");
        // Such a list is enough for a new store.
        let new = target(&scene, "new.bolt", "2.9");
        apply(&scene, &new, "list.toml", &[]);
        assert_eq!(apply(&scene, &new, "list.toml", &[])["changed"], false);
        for file in ["new.bolt", "new.bolt.token"] {
            fs::remove_file(scene.path(file)).unwrap();
        }
    }
}
