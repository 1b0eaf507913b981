//! `auth export`, and `apply` of the list to another store: the same tokens may do the same there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use boltkey::metadata::permission::{Action, Permission, RESOURCE_TYPES, allows};
use boltkey::metadata::{Catalog, authenticate, authorization};
use boltkey::secret::Token;
use boltkey::store::WritableStore;
use serde_json::{Value, json};

use crate::fixtures::{known_token, tokens};
use crate::moved_stores::{export, private, target};
use crate::sandbox::on;
use crate::scene::{SEVERAL, Scene, text};
use crate::support::store_image::{as_it_is, edit};
use crate::support::threads::side_by_side;

/// A store in which every token is in plaintext, of schema 20.
const PLAINTEXT: &str = "lived-2.7.12";

const EXPORT: &[&str] = &["auth", "export"];

#[track_caller]
fn apply(scene: &Scene, database: &Path, list: &Path, extra: &[&str]) -> Value {
    let extra = [&[text(list), "--json"], extra].concat();
    scene.run(&["apply"], database, &extra).code(0).json()
}

/// A resource by name, and what a token may do with it.
type Allowed = BTreeSet<(String, String)>;

/// What a token may do in a store, by the server's rule, with the names of all resources that the
/// store has. Empty if no server accepts it.
fn allowed(store: &WritableStore, catalog: &Catalog, token: &str) -> Allowed {
    let mut allowed = Allowed::new();
    let found = authenticate::find(store, &Token::new(token.to_owned())).unwrap();
    let Some(id) = found else {
        return allowed;
    };
    authorization::with(store, id, |record| {
        let user = record.user_id.and_then(|id| catalog.users.get(&id));
        let is_accepted = record.is_active() && user.is_some_and(|user| user.status == "active");
        if !is_accepted {
            return;
        }
        let mut ask = |kind: &'static str, id, org, name: String| {
            for action in Action::ALL {
                let request = Permission::new(action, kind, id, org);
                if allows(&record.permissions, &request) {
                    allowed.insert((action.to_string(), name.clone()));
                }
            }
        };
        for kind in RESOURCE_TYPES {
            ask(kind, None, None, kind.to_owned());
            for org in catalog.orgs.values() {
                let name = format!("{kind} of {}", org.name);
                ask(kind, None, Some(org.id), name);
            }
        }
        for bucket in catalog.buckets.values() {
            let org = &catalog.orgs[&bucket.org_id].name;
            let name = format!("bucket {} of {org}", bucket.name);
            ask("buckets", Some(bucket.id), Some(bucket.org_id), name);
        }
        for org in catalog.orgs.values() {
            ask("orgs", Some(org.id), None, format!("org {}", org.name));
        }
        for user in catalog.users.values() {
            ask("users", Some(user.id), None, format!("user {}", user.name));
        }
    })
    .unwrap();
    allowed
}

/// What each token may do, by value, with those resources only that both stores have.
fn both(values: &[String], one: &Path, other: &Path) -> [BTreeMap<String, Allowed>; 2] {
    let stores = [one, other].map(as_it_is);
    let catalogs = [0, 1].map(|at| Catalog::load(&stores[at]).unwrap());
    let names = catalogs.each_ref().map(|catalog| {
        let buckets = catalog.buckets.values().map(|bucket| {
            let org = &catalog.orgs[&bucket.org_id].name;
            format!("bucket {} of {org}", bucket.name)
        });
        let orgs = catalog.orgs.values().map(|org| format!("org {}", org.name));
        let users = catalog
            .users
            .values()
            .map(|user| format!("user {}", user.name));
        buckets.chain(orgs).chain(users).collect::<BTreeSet<_>>()
    });
    [0, 1].map(|at| {
        let allowed = values.iter().map(|value| {
            let mut allowed = allowed(&stores[at], &catalogs[at], value);
            allowed.retain(|(_, name)| {
                let single = ["bucket ", "org ", "user "]
                    .iter()
                    .any(|of| name.starts_with(of));
                !single || names.iter().all(|names| names.contains(name))
            });
            (value.clone(), allowed)
        });
        allowed.collect()
    })
}

/// Everything of a file that a write would change.
fn state(path: &Path) -> (Vec<u8>, std::time::SystemTime) {
    (
        fs::read(path).unwrap(),
        path.metadata().unwrap().modified().unwrap(),
    )
}

#[test]
fn every_token_may_do_on_another_store_what_it_may_on_its_own() {
    let sources: &[(&str, bool, &[&str])] = &[
        (PLAINTEXT, false, &[]),
        (PLAINTEXT, true, &[]),
        (SEVERAL, false, &[]),
        (SEVERAL, true, &[]),
        ("lived-2.9.1-plaintext", false, &[]),
        ("mixed-2.9.1", false, &[]),
        (PLAINTEXT, false, &["sha512"]),
    ];
    let targets = ["new.bolt", "new.redb"];
    let cases = sources
        .iter()
        .flat_map(|source| targets.map(|target| (*source, target)));
    let cases: Vec<_> = cases.collect();
    side_by_side(cases, |_, ((store, redb, hashed), name)| {
        let scene = Scene::new();
        let old = if redb {
            scene.redb(store)
        } else {
            scene.store(store)
        };
        for variant in hashed {
            let hash = ["hash", "--no-capture", "--variant", variant, "--yes"];
            scene.run(&hash, &old, &[]).code(0);
        }
        let before = state(&old);
        let report = export(&scene, &old, "list.toml", &["--with-passwords"]);
        assert!(state(&old) == before, "{store}: the export wrote");
        let new = target(&scene, name, "2.9");
        let list = scene.path("list.toml");
        let would = apply(&scene, &new, &list, &["-n"]);
        let done = apply(&scene, &new, &list, &[]);
        assert_eq!(would["changes"].as_array().unwrap().len(), {
            done["changes"].as_array().unwrap().len()
        });

        let server = if store == SEVERAL { PLAINTEXT } else { store };
        let values: Vec<String> = tokens(server).into_iter().map(|(_, value)| value).collect();
        let [expected, found] = both(&values, &old, &new);
        let skipped = report["skipped"].as_array().unwrap();
        let gone: BTreeSet<&str> = skipped
            .iter()
            .map(|one| one["id"].as_str().unwrap())
            .collect();
        let mut compared = 0;
        for (id, value) in tokens(server) {
            if gone.contains(id.as_str()) {
                assert!(found[&value].is_empty(), "{store} to {name}: {id}");
                continue;
            }
            assert_eq!(found[&value], expected[&value], "{store} to {name}: {id}");
            compared += usize::from(!found[&value].is_empty());
        }
        assert!(compared > 5, "{compared}");

        // What the other store has then, nothing more: a second run, and an export of it.
        let after = state(&new);
        let again = apply(&scene, &new, &list, &["--prune"]);
        assert_eq!(again["changed"], false, "{store} to {name}: {again}");
        assert!(state(&new) == after);
        let back = export(&scene, &new, "back.toml", &[]);
        // The operator token of the setup is there in addition.
        let number = |report: &Value| report["tokens"].as_u64().unwrap();
        assert_eq!(number(&back), number(&report) + 1, "{store} to {name}");
        let own = fs::read_to_string(scene.path("back.toml")).unwrap();
        for line in fs::read_to_string(&list).unwrap().lines() {
            if line.starts_with("description") || line.starts_with("hash") {
                assert!(own.contains(line), "{line}");
            }
        }
        let check = scene.run(&["check"], &new, &[]).code(0);
        assert!(check.stdout.contains("no errors, 0 warnings"), "{check:?}");
    });
}

#[test]
fn a_list_says_what_it_leaves_out_and_who_must_not_read_it() {
    let scene = Scene::new();
    let database = scene.sandbox.store(PLAINTEXT);
    let out = scene.path("list.toml");
    let ran = scene.run(EXPORT, &database, &["--out", text(&out)]).ok();
    for words in [
        "exported 2 organizations, 3 users, 2 buckets, 34 tokens, 1 1.x user to ",
        "34 of the tokens are in plaintext: keep the list private",
        "token \"of the leaver\"",
        "its user was deleted",
        "its organization was deleted",
    ] {
        assert!(ran.stdout.contains(words), "{words}: {ran:?}");
    }
    let list = fs::read_to_string(&out).unwrap();
    assert!(list.contains("# token \"of the leaver\""), "{list}");
    assert!(!list.contains("passwordHash"));
    for (_, value) in tokens(PLAINTEXT) {
        assert!(!ran.stdout.contains(&value));
    }
    let leaver = known_token(PLAINTEXT, "of the leaver")["token"].clone();
    assert!(!list.contains(leaver.as_str().unwrap()));

    // An existing file stays; a dry run makes none; standard output has the list alone.
    let ran = scene.run(EXPORT, &database, &["--out", text(&out)]).code(1);
    ran.tells(&["exists already"]);
    let other = scene.path("other.toml");
    let ran = scene
        .run(EXPORT, &database, &["--out", text(&other), "-n"])
        .ok();
    assert!(ran.stdout.contains("would export "), "{ran:?}");
    assert!(!other.exists());
    let ran = scene.run(EXPORT, &database, &["--out", "-"]).code(0);
    assert_eq!(ran.stdout, list);
    ran.tells(&["exported 2 organizations"]);
    let ran = scene
        .run(EXPORT, &database, &["--out", "-", "--json"])
        .code(2);
    assert_eq!(ran.failure()["code"], "usage");
    let ran = scene.run(EXPORT, &database, &[]).code(2);
    ran.tells(&["--out"]);

    let report = export(&scene, &database, "again.toml", &[]);
    assert_eq!(report["values"], 34);
    assert_eq!(report["passwords"], 0);
    assert_eq!(report["changed"], false);
    assert_eq!(report["incomplete"], json!([]));
    let hashed = scene.sandbox.store(SEVERAL);
    let report = export(&scene, &hashed, "hashed.toml", &[]);
    assert_eq!(
        (&report["tokens"], &report["values"]),
        (&json!(34), &json!(0))
    );
    let list = fs::read_to_string(scene.path("hashed.toml")).unwrap();
    for (_, value) in tokens(PLAINTEXT) {
        assert!(!list.contains(&value), "a hash is enough");
    }
}

#[test]
fn filters_take_only_what_the_tokens_need() {
    let scene = Scene::new();
    let database = scene.sandbox.store(PLAINTEXT);
    for (number, (filters, orgs, users, tokens)) in [
        (
            &["--user", "bob"][..],
            vec!["acme", "beta & co"],
            vec!["bob"],
            5,
        ),
        (&["--org", "beta & co"], vec!["beta & co"], vec!["bob"], 3),
        (
            &["--id", "11af8a5134c48000"],
            vec!["acme"],
            vec!["alice"],
            1,
        ),
        (&["--storage", "hashed"], vec![], vec![], 0),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("list{number}");
        let report = export(&scene, &database, &name, filters);
        assert_eq!(report["tokens"], tokens, "{filters:?}");
        let list: toml::Table = fs::read_to_string(scene.path(&name))
            .unwrap()
            .parse()
            .unwrap();
        let names = |kind: &str| -> Vec<String> {
            let entries = list.get(kind).and_then(|list| list.as_array());
            let entries = entries.into_iter().flatten();
            entries
                .map(|entry| entry["name"].as_str().unwrap().to_owned())
                .collect()
        };
        assert_eq!(names("org"), orgs, "{filters:?}");
        assert_eq!(names("user"), users, "{filters:?}");
    }
    let out = scene.path("none");
    let ran = scene.run(EXPORT, &database, &["--out", text(&out), "--user", "alcie"]);
    ran.code(1).tells(&["no user called"]);
    assert!(!out.exists());
}

#[test]
fn a_list_with_values_must_be_private_and_may_be_encrypted() {
    let scene = Scene::new();
    let old = scene.sandbox.store(PLAINTEXT);
    export(&scene, &old, "list.toml", &[]);
    let list = scene.path("list.toml");
    let apply_to = |database: &Path, words: &[&str]| {
        let mut arguments = on(&["apply"], database);
        arguments.extend(words.iter().map(ToString::to_string));
        arguments.push("-n".into());
        scene.sandbox.command(arguments)
    };
    let database = target(&scene, "new.bolt", "2.9");
    for exposed in [0o644, 0o640, 0o604] {
        fs::set_permissions(&list, fs::Permissions::from_mode(exposed)).unwrap();
        let ran = scene.sandbox.finish(apply_to(&database, &[text(&list)]));
        ran.code(1)
            .tells(&["other users can read it", "chmod 600", "value"]);
        let mut command = apply_to(&database, &["-"]);
        command.stdin(fs::File::open(&list).unwrap());
        scene
            .sandbox
            .finish(command)
            .code(1)
            .tells(&["other users can read it"]);
    }
    // What comes through a pipe is nobody else's.
    let pipe = |content: Vec<u8>| {
        let mut command = apply_to(&database, &["-"]);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        std::io::Write::write_all(&mut stdin, &content).unwrap();
        drop(stdin);
        child.wait_with_output().unwrap()
    };
    let ran = pipe(fs::read(&list).unwrap());
    assert!(ran.status.success(), "{ran:?}");

    let identity = age::x25519::Identity::generate();
    let key = age::secrecy::ExposeSecret::expose_secret(&identity.to_string()).to_owned();
    let key = private(&scene, "key", &key);
    let recipient = identity.to_public().to_string();
    let report = export(&scene, &old, "list.age", &["--recipient", &recipient]);
    assert_eq!(report["encrypted"], true);
    let sealed = scene.path("list.age");
    let content = fs::read(&sealed).unwrap();
    assert!(content.starts_with(b"age-encryption.org/v1"));
    // Nobody can read it, whatever its mode.
    fs::set_permissions(&sealed, fs::Permissions::from_mode(0o644)).unwrap();
    let words = [text(&sealed), "--identity", text(&key)];
    scene.sandbox.finish(apply_to(&database, &words)).code(0);
    let ran = scene.sandbox.finish(apply_to(&database, &words[..1]));
    ran.code(1).tells(&["it is encrypted", "--identity"]);
    let other = age::x25519::Identity::generate();
    let other = age::secrecy::ExposeSecret::expose_secret(&other.to_string()).to_owned();
    let wrong = private(&scene, "wrong", &other);
    let words = [text(&sealed), "--identity", text(&wrong)];
    let ran = scene.sandbox.finish(apply_to(&database, &words));
    ran.code(1).tells(&["can't decrypt", "right key"]);
    // As age -d writes it.
    let ran = pipe(age::decrypt(&identity, &content).unwrap());
    assert!(ran.status.success(), "{ran:?}");
    let passphrase = private(&scene, "passphrase", "many words\n");
    let sealed = crate::fixtures::sealed_with_passphrase(&fs::read(&list).unwrap(), "many words");
    fs::write(scene.path("words.age"), sealed).unwrap();
    let words = scene.path("words.age");
    let words = [text(&words), "--passphrase-file", text(&passphrase)];
    scene.sandbox.finish(apply_to(&database, &words)).code(0);
    let words = ["-", "--passphrase-file", "-"];
    let ran = scene.sandbox.finish(apply_to(&database, &words));
    ran.code(2).tells(&["standard input"]);
}

/// A list of one token by description.
fn one(scene: &Scene, fields: &str) -> PathBuf {
    let text = format!("[[token]]\norg = \"acme\"\nuser = \"alice\"\n{fields}\n");
    private(scene, "one.toml", &text)
}

const READ: &str = "permissions = [\"read:buckets\"]";

#[test]
fn a_token_with_a_description_is_recognized_by_its_value() {
    for redb in [false, true] {
        let scene = Scene::new();
        let database = if redb {
            scene.redb(SEVERAL)
        } else {
            scene.store(SEVERAL)
        };
        let telegraf = known_token(PLAINTEXT, "telegraf");
        let (id, value) = (telegraf["id"].clone(), telegraf["token"].as_str().unwrap());
        let write = "permissions = [\"write:buckets/metrics\"]";
        let same = one(
            &scene,
            &format!("description = \"telegraf\"\n{write}\nvalue = \"{value}\""),
        );
        let report = apply(&scene, &database, &same, &[]);
        assert_eq!(report["changed"], false);
        // By hash, of either kind.
        for variant in ["sha256", "sha512"] {
            let hash = ["token", "hash", "--token-file", "-", "--variant", variant];
            let hash = scene.sandbox.run_with(hash, value.as_bytes()).ok().stdout;
            let fields = format!(
                "description = \"telegraf\"\n{write}\nhash = \"{}\"",
                hash.trim()
            );
            let report = scene.run(
                &["apply", text(&one(&scene, &fields)), "--json"],
                &database,
                &[],
            );
            let action = report.code(0).json()["changes"][0]["action"].clone();
            match variant {
                "sha256" => assert_eq!(action, Value::Null),
                // Of two hashes nobody can tell that they are of the same token.
                _ => assert_eq!(action, "create"),
            }
        }
        let copies = [
            "auth",
            "delete",
            "--can",
            "write:buckets/metrics",
            "--org",
            "acme",
        ];
        let copies = [
            &copies[..],
            &[
                "--yes",
                "--kind",
                "custom",
                "--except",
                id.as_str().unwrap(),
            ],
        ];
        scene.run(&copies.concat(), &database, &[]).code(0);
        // Status and description are changed in the record.
        let fields = format!(
            "description = \"of the cellar\"\nstatus = \"inactive\"\n{write}\nvalue = \"{value}\""
        );
        let report = apply(&scene, &database, &one(&scene, &fields), &[]);
        let change = &report["changes"][0];
        assert_eq!((&change["action"], &change["id"]), (&json!("update"), &id));
        let details = json!(["inactive", "its description was \"telegraf\""]);
        assert_eq!(change["details"], details);
        let extra = ["--id", id.as_str().unwrap(), "--json"];
        let shown = scene.run(&["auth", "list"], &database, &extra).code(0);
        let shown = shown.json()["authorizations"][0].clone();
        assert_eq!(shown["status"], "inactive");
        assert_eq!(shown["description"], "of the cellar");
        assert_eq!(
            apply(&scene, &database, &one(&scene, &fields), &[])["changed"],
            false
        );
        // Without a status it stays.
        let fields = format!("description = \"of the cellar\"\n{write}\nvalue = \"{value}\"");
        assert_eq!(
            apply(&scene, &database, &one(&scene, &fields), &[])["changed"],
            false
        );

        // Other permissions need another record, with the same value, and a confirmation.
        let fields = format!(
            "description = \"of the cellar\"\nstatus = \"active\"\n{READ}\nvalue = \"{value}\""
        );
        let list = one(&scene, &fields);
        let ran = scene.run(&["apply", text(&list)], &database, &[]).code(6);
        ran.tells(&["Replace 1 token to change permissions or owner: of the cellar in acme"]);
        let report = apply(&scene, &database, &list, &["--yes"]);
        assert_eq!(report["changes"][0]["action"], "replace");
        let mut arguments = on(
            &["auth", "verify", "--token-file", "-", "--json"],
            &database,
        );
        arguments.extend(["--can", "read:buckets/metrics"].map(String::from));
        let told = scene
            .sandbox
            .run_with(arguments, value.as_bytes())
            .code(0)
            .json();
        assert_ne!(told["authorization"]["id"], id);
        assert_eq!(told["authorization"]["description"], "of the cellar");
    }
}

#[test]
fn a_listed_hash_does_not_take_the_plaintext_of_a_store() {
    let scene = Scene::new();
    let database = scene.store(PLAINTEXT);
    let value = known_token(PLAINTEXT, "telegraf")["token"].clone();
    let value = value.as_str().unwrap();
    let hash = ["token", "hash", "--token-file", "-", "--variant", "sha512"];
    let hash = scene.sandbox.run_with(hash, value.as_bytes()).ok().stdout;
    let write = "permissions = [\"write:buckets/metrics\"]";
    let fields = format!(
        "description = \"telegraf\"\n{write}\nhash = \"{}\"",
        hash.trim()
    );
    // The store has it, although its releases know no hashes.
    let report = apply(&scene, &database, &one(&scene, &fields), &[]);
    assert_eq!(report["changed"], false);
    let fields = format!(
        "description = \"telegraf\"\n{READ}\nhash = \"{}\"",
        hash.trim()
    );
    apply(&scene, &database, &one(&scene, &fields), &["--yes"]);
    let extra = ["--reveal", "--json", "--can", "read:buckets"];
    let listed = scene
        .run(&["auth", "list"], &database, &extra)
        .code(0)
        .json();
    let mut listed = listed["authorizations"].as_array().unwrap().iter();
    assert!(listed.any(|one| one["description"] == "telegraf" && one["token"] == value));
    // Another hash can't be stored there.
    let fields = format!(
        "description = \"x\"\n{READ}\nhash = \"$influxdb2-sha256${}=\"",
        "A".repeat(43)
    );
    let list = one(&scene, &fields);
    let ran = scene.run(&["apply", text(&list)], &database, &[]).code(1);
    ran.tells(&[
        "one.toml, line 6, token \"x\", hash",
        "schema 20",
        "boltkey hash",
    ]);
}

#[test]
fn what_the_other_store_lacks_is_said_first() {
    let scene = Scene::new();
    let database = scene.store(PLAINTEXT);
    let value = "value = \"a value\"";
    let entry = |permission: &str| {
        one(
            &scene,
            &format!("description = \"x\"\npermissions = [{permission}]\n{value}"),
        )
    };
    // By a name: refused, with line and field.
    for (permission, told) in [
        (
            "\"write:buckets/none\"",
            "there is no bucket called \"none\"",
        ),
        (
            "{ action = \"write\", type = \"buckets\", name = \"none\", org = \"acme\" }",
            "there is no bucket called \"none\"",
        ),
        (
            "{ action = \"write\", type = \"tasks\", org = \"nobody\" }",
            "there is no organization called \"nobody\"",
        ),
        (
            "{ action = \"write\", type = \"buckets\", name = \"metrics\" }",
            "org is required",
        ),
        (
            "{ action = \"write\", type = \"tasks\", name = \"x\" }",
            "identified by id",
        ),
        (
            "{ action = \"own\", type = \"tasks\" }",
            "must be read or write",
        ),
        ("{ action = \"read\", type = \"none\" }", "resource type"),
        ("{ action = \"read\" }", "needs action and type"),
        (
            "{ action = \"read\", type = \"users\", name = \"bob\", id = \"11af8a5123848000\" }",
            "only one of name and id",
        ),
        (
            "{ action = \"read\", type = \"tasks\", org = \"acme\", orgID = \"11af8a5123848000\" }",
            "only one of org and orgID",
        ),
        (
            "{ action = \"read\", type = \"tasks\", id = \"7\" }",
            "not an ID",
        ),
        (
            "{ action = \"read\", type = \"tasks\", nmae = \"7\" }",
            "unknown key \"nmae\"",
        ),
        ("{ action = \"read\", type = 7 }", "expected a string"),
    ] {
        let ran = scene.run(&["apply", text(&entry(permission))], &database, &[]);
        ran.code(1).tells(&[
            "one.toml, line 5, token \"x\", permissions",
            told,
            "nothing was changed",
        ]);
    }
    // By an ID: said before anything is changed, and kept.
    let ids = "{ action = \"read\", type = \"tasks\", id = \"00000000000000aa\" }, \
               \"read:dashboards/00000000000000bb\", \
               { action = \"read\", type = \"tasks\", orgID = \"00000000000000cc\" }, \
               { action = \"read\", type = \"remotes\", id = \"00000000000000dd\" }";
    let list = entry(ids);
    for extra in [&["-n"][..], &[]] {
        let ran = scene.run(&["apply", text(&list)], &database, extra).code(0);
        ran.tells(&[
            "tasks/00000000000000aa is not in this store",
            "dashboards/00000000000000bb is not in this store",
            "organization 00000000000000cc is not in this store",
            "allows nothing here",
        ]);
        assert!(!ran.stderr.contains("00000000000000dd"), "{ran:?}");
        assert_eq!(ran.stderr.matches("00000000000000aa").count(), 1);
    }
    assert_eq!(apply(&scene, &database, &list, &[])["changed"], false);
    // As written.
    let listed = scene
        .run(&["auth", "list", "--json"], &database, &[])
        .json();
    let made = listed["authorizations"]
        .as_array()
        .unwrap()
        .last()
        .unwrap()
        .clone();
    let resources = made["permissions"].as_array().unwrap().iter();
    let resources: Vec<&Value> = resources
        .map(|permission| &permission["resource"])
        .collect();
    assert_eq!(
        *resources[0],
        json!({"type": "tasks", "id": "00000000000000aa"})
    );
    assert_eq!(
        *resources[2],
        json!({"type": "tasks", "orgID": "00000000000000cc"})
    );
}

#[test]
fn entries_that_contradict_are_told_with_line_and_field() {
    let scene = Scene::new();
    let database = scene.store(SEVERAL);
    let named = "name = \"t\"";
    let described = "description = \"t\"";
    for (fields, told) in [
        (
            format!("{named}\n{described}\n{READ}\nvalue = \"v\""),
            "only one of name and description",
        ),
        (
            format!("{described}\n{READ}\ngenerate = \"file\""),
            "a token with generate needs a name",
        ),
        (
            format!("{described}\n{READ}\nstatus = \"off\"\nvalue = \"v\""),
            "active or inactive",
        ),
        (
            format!("{described}\n{READ}\nvalue = \"v\"\nhash = \"x\""),
            "only one of tokenFile",
        ),
        (
            format!("{described}\n{READ}"),
            "tokenFile, hash, value or generate required",
        ),
        (format!("{READ}\nvalue = \"v\""), "name is missing"),
        (
            format!("{described}\n{READ}\nvalue = \"\""),
            "must have 1 to 32,768 bytes",
        ),
        (
            format!("{described}\n{READ}\nvalue = \"$influxdb2-sha256$x\""),
            "is a hash",
        ),
        (
            format!("{described}\n{READ}\nvalue = 7"),
            "expected a string",
        ),
    ] {
        let list = one(&scene, &fields);
        let ran = scene.run(&["apply", text(&list)], &database, &[]).code(1);
        ran.tells(&["one.toml, line ", told, "nothing was changed"]);
    }
    // Two entries for the same token: by its value and by its name.
    let list = one(&scene, &format!("{named}\n{READ}\nvalue = \"first\""));
    apply(&scene, &database, &list, &[]);
    let two = format!(
        "{named}\n{READ}\nvalue = \"second\"\n[[token]]\norg = \"acme\"\nuser = \"alice\"\n\
         {described}\n{READ}\nvalue = \"first\""
    );
    let ran = scene.run(&["apply", text(&one(&scene, &two))], &database, &[]);
    ran.code(1)
        .tells(&["line 4 means the same token of the store"]);
    // Names of an earlier run are not pruned if the list has them by value.
    let exact = format!("description = \"t (boltkey apply)\"\n{READ}\nvalue = \"first\"");
    let list = one(&scene, &exact);
    assert_eq!(
        apply(&scene, &database, &list, &["--prune"])["changed"],
        false
    );
    // An index entry that leads to nothing is in the way of the value.
    edit(&database, |_, changes| {
        changes.put(b"authorizationindexv1", b"third", b"00000000000000aa");
    });
    let list = one(&scene, &format!("{described}\n{READ}\nvalue = \"third\""));
    let ran = scene.run(&["apply", text(&list)], &database, &[]).code(1);
    ran.tells(&["token already exists", "boltkey repair"]);
}

#[test]
fn names_are_data() {
    let scene = Scene::new();
    let database = scene.store(SEVERAL);
    let names = [
        "a\"]]\n[[token]]\nx = \"",
        "\u{202e}evil\u{1b}[31m",
        "# comment",
        "0000000000000007",
        "a/b",
    ];
    for name in names {
        scene
            .run(&["org", "create", "--name", name], &database, &[])
            .code(0);
        let create = [
            "auth",
            "create",
            "--org",
            name,
            "--user",
            "alice",
            "--all-access",
        ];
        scene
            .run(&create, &database, &["--description", name])
            .code(0);
        let create = [
            "auth",
            "create",
            "--org",
            "acme",
            "--user",
            "alice",
            "--read-buckets",
        ];
        scene
            .run(&create, &database, &["--description", name])
            .code(0);
    }
    let report = export(&scene, &database, "list.toml", &[]);
    assert_eq!(report["orgs"], 2 + names.len());
    let list = scene.path("list.toml");
    let written = fs::read_to_string(&list).unwrap();
    assert!(
        written
            .chars()
            .all(|c| c == '\n' || !c.is_control() && c != '\u{202e}')
    );
    let new = target(&scene, "new.bolt", "2.9");
    apply(&scene, &new, &list, &[]);
    assert_eq!(apply(&scene, &new, &list, &[])["changed"], false);
    let orgs = scene.run(&["org", "list", "--json"], &new, &[]).json();
    let orgs: BTreeSet<&str> = orgs["orgs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|org| org["name"].as_str().unwrap())
        .collect();
    assert!(names.iter().all(|name| orgs.contains(name)), "{orgs:?}");
}

#[test]
fn records_that_can_not_be_read_are_told() {
    let scene = Scene::new();
    let database = scene.store(PLAINTEXT);
    edit(&database, |_, changes| {
        changes.put(b"authorizationsv1", b"00000000000000aa", b"{\"id\":7}");
        // Another user is found by bob's name.
        let id = b"11af8a50e3848000";
        changes.put(b"userindexv1", b"bob", id);
    });
    let out = scene.path("list.toml");
    let ran = scene
        .run(EXPORT, &database, &["--out", text(&out), "--json"])
        .code(0);
    ran.tells(&["can't be decoded"]);
    let report = ran.json();
    assert_eq!(report["tokens"], Value::Null);
    assert_eq!(report["incomplete"], json!(["tokens", "values"]));
    let skipped = report["skipped"].as_array().unwrap();
    let reasons: Vec<&str> = skipped
        .iter()
        .map(|one| one["reason"].as_str().unwrap())
        .collect();
    assert!(
        reasons.contains(&"influxd does not find its user by name"),
        "{reasons:?}"
    );
    assert!(
        skipped
            .iter()
            .any(|one| one["kind"] == "user" && one["name"] == "bob")
    );
    let list = fs::read_to_string(&out).unwrap();
    assert!(!list.contains("user = \"bob\""), "{list}");
}

#[test]
fn roles_that_a_list_can_not_say_are_told() {
    let scene = Scene::new();
    let database = scene.store(SEVERAL);
    let list = scene
        .run(&["user", "list", "--json"], &database, &[])
        .json();
    let bob = list["users"].as_array().unwrap().iter();
    let bob = bob.into_iter().find(|user| user["name"] == "bob").unwrap()["id"].clone();
    let orgs = scene.run(&["org", "list", "--json"], &database, &[]).json();
    let org = orgs["orgs"][0]["id"].as_str().unwrap();
    let name = orgs["orgs"][0]["name"].as_str().unwrap();
    let bob = bob.as_str().unwrap();
    edit(&database, |_, changes| {
        for (resource, kind, role) in [
            (org, "orgs", "member"),
            ("0000000000000001", "instance", "owner"),
        ] {
            let mapping = json!({"userID": bob, "userType": role, "mappingType": "user",
                "resourceType": kind, "resourceID": resource});
            let key = format!("{resource}{bob}");
            changes.put(
                b"userresourcemappingsv1",
                key.as_bytes(),
                mapping.to_string().as_bytes(),
            );
        }
    });
    let roles = |report: Value| -> Vec<String> {
        let skipped = report["skipped"].as_array().unwrap().iter();
        let roles = skipped.filter(|one| one["kind"] == "role" && one["name"] == "bob");
        roles
            .map(|one| one["reason"].as_str().unwrap().to_owned())
            .collect()
    };
    let member = format!("the user is a member of {name:?}, which a list can't say");
    // His operator token gives his login the same power.
    assert_eq!(roles(export(&scene, &database, "all", &[])), [member]);
    let custom = roles(export(&scene, &database, "custom", &["--kind", "custom"]));
    let owner = "the user owns the instance, which a list can't say".to_owned();
    assert!(custom.contains(&owner), "{custom:?}");
}

/// Packed, or as a plain argument.
#[test]
fn a_copy_is_enough() {
    let scene = Scene::new();
    let database = scene.store(SEVERAL);
    let expected = export(&scene, &database, "list.toml", &[]);
    let packed = scene.path("copy.gz");
    fs::write(
        &packed,
        crate::fixtures::gzip(&fs::read(&database).unwrap()),
    )
    .unwrap();
    let report = export(&scene, &packed, "packed.toml", &[]);
    assert_eq!(report["tokens"], expected["tokens"]);
    let out = scene.path("plain");
    let ran = scene
        .sandbox
        .run(["auth", "export", text(&packed), "--out", text(&out)]);
    ran.ok();
}
