//! `diff`: what two stores or backups do not share.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::fixtures::{content, fixtures, known_token, store_names, tokens};
use crate::sandbox::Ran;
use crate::scene::{Scene, text};

/// A store in which every token is in plaintext, of an older release.
const PLAINTEXT: &str = "lived-2.7.12";

fn diff(scene: &Scene, before: &Path, after: &Path, extra: &[&str]) -> Ran {
    let arguments = [&["diff", text(before), text(after)], extra].concat();
    scene.sandbox.run(arguments)
}

/// `KIND HOW` of each difference, and of those of a token, user or other record `ID` too.
fn told(report: &Value) -> Vec<String> {
    let changes = report["changes"].as_array().unwrap();
    let word = |change: &Value, field: &str| change[field].as_str().unwrap_or("").to_owned();
    changes
        .iter()
        .map(|change| {
            let [kind, how] = ["kind", "change"].map(|field| word(change, field));
            match kind.as_str() {
                "records" => format!("{kind} {how} {}", word(change, "name")),
                _ => format!("{kind} {how} {}", word(change, "id")),
            }
        })
        .collect()
}

/// A changing command, and what its report says must differ.
struct Case {
    command: &'static [&'static str],
    /// More arguments, made from the scene.
    extra: fn(&Scene) -> Vec<String>,
    /// From the report of the command: what must be told, in any order.
    expected: fn(&Scene, &Value) -> Vec<String>,
}

fn id(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn known(name: &str) -> String {
    known_token(PLAINTEXT, name)["id"].as_str().unwrap().into()
}

fn password(scene: &Scene) -> String {
    let path = scene.path("password");
    fs::write(&path, "correct horse battery").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    text(&path).into()
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

/// Everything that changes a store, one after the other.
const CASES: &[Case] = &[
    Case {
        command: &["auth", "create"],
        extra: |_| {
            let by = ["--org", "acme", "--user", "alice", "--read-buckets"];
            words(&by)
        },
        expected: |_, report| {
            let id = id(&report["authorization"]["id"]);
            vec![format!("token added {id}")]
        },
    },
    Case {
        command: &["auth", "clone"],
        extra: |_| vec![known("write both")],
        expected: |_, report| {
            let id = id(&report["authorization"]["id"]);
            vec![format!("token added {id}")]
        },
    },
    Case {
        command: &["auth", "rotate"],
        extra: |_| vec![known("read all")],
        expected: |_, report| {
            let id = id(&report["authorization"]["id"]);
            vec![format!("token value {id}")]
        },
    },
    Case {
        command: &["auth", "update"],
        extra: |_| {
            vec![
                known("telegraf"),
                "--status=inactive".into(),
                "--description=x".into(),
            ]
        },
        expected: |_, report| {
            let id = id(&report["authorization"]["id"]);
            vec![
                format!("token status {id}"),
                format!("token description {id}"),
            ]
        },
    },
    Case {
        command: &["auth", "delete"],
        extra: |_| vec![known("telegraf")],
        expected: |_, _| vec![format!("token removed {}", known("telegraf"))],
    },
    Case {
        command: &["user", "create"],
        extra: |scene| {
            let password = password(scene);
            words(&[
                "--name",
                "new",
                "--org",
                "acme",
                "--password-file",
                &password,
            ])
        },
        expected: |scene, report| {
            let id = id(&report["user"]["id"]);
            let org = id_of_org(scene, "acme");
            vec![
                format!("user added {id}"),
                format!("password added {id}"),
                format!("mapping added {org}{id}"),
            ]
        },
    },
    Case {
        command: &["user", "password"],
        extra: |scene| words(&["--name", "alice", "--password-file", &password(scene)]),
        expected: |scene, _| vec![format!("password changed {}", id_of_user(scene, "alice"))],
    },
    Case {
        command: &["user", "update"],
        extra: |_| words(&["--name", "new", "--status", "inactive"]),
        expected: |scene, _| vec![format!("user status {}", id_of_user(scene, "new"))],
    },
    Case {
        command: &["org", "create"],
        extra: |_| words(&["--name", "another"]),
        expected: |scene, report| {
            let org = id(&report["org"]["id"]);
            let mut expected = vec![format!("org added {org}")];
            for bucket in buckets_of(scene, org) {
                expected.push(format!("bucket added {bucket}"));
                expected.push(format!("shards added {bucket}"));
            }
            assert_eq!(expected.len(), 5);
            expected
        },
    },
    Case {
        command: &["recover", "operator"],
        extra: |_| words(&["--user", "alice", "--org", "acme"]),
        expected: |_, report| {
            let id = id(&report["authorization"]["id"]);
            vec![format!("token added {id}")]
        },
    },
    Case {
        command: &["hash"],
        extra: |_| words(&["--no-capture"]),
        expected: |scene, report| {
            let mut expected = vec![String::from("migration added 21")];
            for token in tokens_of(scene) {
                expected.push(format!("token storage {token}"));
            }
            assert_eq!(report["hashed"], expected.len() - 1);
            expected
        },
    },
    Case {
        command: &["residue", "scrub"],
        extra: |_| Vec::new(),
        expected: |_, _| Vec::new(),
    },
    Case {
        command: &["downgrade", "prepare"],
        extra: |scene| {
            let file = scene.path("known.txt");
            let known = tokens(PLAINTEXT);
            let lines: Vec<&str> = known.iter().map(|(_, token)| token.as_str()).collect();
            fs::write(&file, lines.join("\n")).unwrap();
            words(&["--tokens", text(&file)])
        },
        expected: |scene, report| {
            let restored: Vec<String> = tokens_of_storage(scene, "plaintext");
            assert_eq!(report["restored"], restored.len());
            assert!(restored.len() > 20);
            let told = restored.iter().map(|id| format!("token storage {id}"));
            told.collect()
        },
    },
    Case {
        command: &["downgrade", "apply"],
        extra: |_| words(&["--to", "2.7", "--allow-loss"]),
        expected: |scene, _| {
            let mut expected = vec![String::from("migration removed 21")];
            // InfluxDB 2.7 does not find them.
            for token in tokens_of_storage(scene, "hashed") {
                let at = format!("authorizationsv1/{token}");
                expected.push(format!("finding added {at}"));
            }
            expected
        },
    },
    Case {
        command: &["user", "delete"],
        extra: |_| words(&["--name", "new"]),
        expected: |scene, report| {
            let id = id(&report["user"]["id"]);
            let org = id_of_org(scene, "acme");
            vec![
                format!("user removed {id}"),
                format!("password removed {id}"),
                format!("mapping removed {org}{id}"),
            ]
        },
    },
    Case {
        command: &["apply"],
        extra: |scene| {
            let list = scene.path("list.toml");
            let text_of_list = "[[org]]\nname = \"applied\"\n";
            fs::write(&list, text_of_list).unwrap();
            vec![text(&list).into()]
        },
        expected: |scene, report| {
            let org = id(&report["changes"][0]["id"]);
            let mut expected = vec![format!("org added {org}")];
            for bucket in buckets_of(scene, org) {
                expected.push(format!("bucket added {bucket}"));
                expected.push(format!("shards added {bucket}"));
            }
            expected
        },
    },
];

fn database(scene: &Scene) -> PathBuf {
    let redb = scene.path("store.redb");
    if redb.exists() {
        redb
    } else {
        scene.path("influxd.bolt")
    }
}

fn list(scene: &Scene, command: &[&str], extra: &[&str]) -> Value {
    let extra = [&["--json"], extra].concat();
    scene.run(command, &database(scene), &extra).ok().json()
}

fn id_of_org(scene: &Scene, name: &str) -> String {
    id_of(&list(scene, &["org", "list"], &[])["orgs"], name)
}

fn id_of_user(scene: &Scene, name: &str) -> String {
    id_of(&list(scene, &["user", "list"], &[])["users"], name)
}

fn id_of(records: &Value, name: &str) -> String {
    let records = records.as_array().unwrap();
    let found = records.iter().find(|record| record["name"] == name);
    id(&found.unwrap()["id"]).into()
}

fn buckets_of(scene: &Scene, org: &str) -> Vec<String> {
    let listed = list(scene, &["bucket", "list"], &[]);
    let buckets = listed["buckets"].as_array().unwrap().iter();
    let of_org = buckets.filter(|bucket| bucket["orgID"] == org);
    of_org.map(|bucket| id(&bucket["id"]).into()).collect()
}

fn tokens_of(scene: &Scene) -> Vec<String> {
    ids_of(&list(scene, &["auth", "list"], &[]))
}

fn tokens_of_storage(scene: &Scene, storage: &str) -> Vec<String> {
    ids_of(&list(scene, &["auth", "list"], &["--storage", storage]))
}

fn ids_of(listed: &Value) -> Vec<String> {
    let listed = listed["authorizations"].as_array().unwrap().iter();
    listed.map(|token| id(&token["id"]).into()).collect()
}

#[test]
fn it_names_what_each_command_changed_and_nothing_else() {
    for redb in [false, true] {
        let scene = Scene::new();
        let database = match redb {
            true => scene.redb(PLAINTEXT),
            false => scene.store(PLAINTEXT),
        };
        let before = scene.path("before");
        for case in CASES {
            let what = format!("{:?}, redb: {redb}", case.command);
            fs::copy(&database, &before).unwrap();
            let mut extra = (case.extra)(&scene);
            extra.extend(words(&["--yes", "--json"]));
            let extra: Vec<&str> = extra.iter().map(String::as_str).collect();
            let ran = scene.run(case.command, &database, &extra).code(0);
            let mut expected = (case.expected)(&scene, &ran.json());
            let ran = diff(&scene, &before, &database, &["--json"]);
            let report = ran.json();
            let mut told = told(&report);
            told.sort();
            expected.sort();
            assert_eq!(told, expected, "{what}");
            let code = if expected.is_empty() { 0 } else { 3 };
            assert_eq!(
                (ran.code, &report["equal"]),
                (code, &(code == 0).into()),
                "{what}"
            );
            // Backwards, the same records.
            let back = diff(&scene, &database, &before, &["--json"]).json();
            let number = |report: &Value| report["changes"].as_array().unwrap().len();
            assert_eq!(number(&back), number(&report), "{what}");
        }
    }
}

#[test]
fn copies_are_equal_in_every_form() {
    for name in store_names() {
        let scene = Scene::new();
        let database = scene.store(&name);
        let redb = scene.path("copy.redb");
        scene
            .run(&["convert"], &database, &["--out", text(&redb)])
            .ok();
        let compact = scene.path("compact.bolt");
        scene
            .run(&["compact"], &database, &["--out", text(&compact)])
            .ok();
        let backup = scene.path("backup");
        scene
            .run(&["backup", "export"], &database, &["--out", text(&backup)])
            .ok();
        for copy in [&redb, &compact, &backup, &database] {
            let ran = diff(&scene, &database, copy, &[]).code(0);
            assert!(ran.stdout.ends_with("no differences\n"), "{name}: {ran:?}");
        }
    }
}

#[test]
fn the_last_transaction_of_a_server_is_shown() {
    // The last transaction of this store lost a page.
    let scene = Scene::new();
    let damaged = scene.path("damaged.bolt");
    let bytes = content(&fixtures().join("field/bolt-fullok-2-113.bolt.gz"));
    fs::write(&damaged, bytes).unwrap();
    for arguments in [
        &["diff", "--previous", text(&damaged)][..],
        &["diff", "--previous", "--db", text(&damaged)],
        &["diff", "--previous", text(&damaged), text(&damaged)],
    ] {
        let mut arguments = words(arguments);
        arguments.push("--json".into());
        let report = scene.sandbox.run(arguments).code(3).json();
        assert_eq!(report["before"]["previous"], true);
        assert_eq!(report["after"]["previous"], false);
        assert_eq!(report["incomplete"][0], "token");
        // What damage hides is not said to be removed.
        let told = told(&report);
        let tokens = |how: &str| told.iter().filter(|line| line.starts_with(how)).count();
        assert_eq!((tokens("token unknown"), tokens("token removed")), (33, 0));
    }
    let both = ["--previous", "--previous-of-second", "--json"];
    let report = diff(&scene, &damaged, &damaged, &both).code(0).json();
    assert_eq!(report["equal"], true);
}

#[test]
fn no_secret_is_shown() {
    let scene = Scene::new();
    let database = scene.store(PLAINTEXT);
    let empty = scene.path("empty.bolt");
    let setup = ["--username", "x", "--org", "y", "--bucket", "z"];
    let password = ["--password-file", &password(&scene)];
    let setup = [&setup[..], &password].concat();
    scene.run(&["setup"], &empty, &setup).ok();
    for extra in [&["--json"][..], &["--verbose"]] {
        for pair in [[&database, &empty], [&empty, &database]] {
            let ran = diff(&scene, pair[0], pair[1], extra).code(3);
            for (_, token) in tokens(PLAINTEXT) {
                assert!(!ran.stdout.contains(&token) && !ran.stderr.contains(&token));
            }
            for secret in ["$2a$", "$influxdb2"] {
                assert!(!ran.stdout.contains(secret), "{secret}");
            }
        }
    }
}

#[test]
fn what_is_no_pair_of_stores_is_refused() {
    let scene = Scene::new();
    let database = scene.store(PLAINTEXT);
    let one = scene.sandbox.run(["diff", text(&database)]).code(2);
    one.tells(&["needs two stores", "boltkey diff --previous"]);
    scene.sandbox.run(["diff"]).code(2);
    let missing = scene.path("missing");
    diff(&scene, &database, &missing, &[]).code(1);
    let other = scene.path("other");
    fs::write(&other, "no store").unwrap();
    diff(&scene, &database, &other, &[]).code(5);
    // A transaction that boltkey wrote has no previous one.
    scene
        .run(&["org", "create", "--name", "new"], &database, &[])
        .ok();
    let ran = scene.sandbox.run(["diff", "--previous", text(&database)]);
    let ran = ran.code(0);
    assert!(
        ran.stdout.contains("such as that of --keep-copy"),
        "{ran:?}"
    );
}
