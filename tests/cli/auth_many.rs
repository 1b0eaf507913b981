//! `auth rotate`, `update` and `delete` of several tokens: which ones, in one commit, with new values
//! in one file.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use age::secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::Ran;
use crate::auth_create::{made, shown, verify};
use crate::fixtures::{known_token, token_of, tokens};
use crate::scene::{ONE, SEVERAL, Scene, is_sound, mode, text};
use crate::support::store_image::edit;

/// All tokens in plaintext, of schema 20.
const PLAINTEXT: &str = "lived-2.7.12";
const ROTATE: &[&str] = &["auth", "rotate"];
const UPDATE: &[&str] = &["auth", "update"];
const DELETE: &[&str] = &["auth", "delete"];

fn id_of(name: &str) -> String {
    known_token(PLAINTEXT, name)["id"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// The listed authorizations by ID.
fn listed(scene: &Scene, database: &Path, extra: &[&str]) -> BTreeMap<String, Value> {
    let extra = [extra, &["--json", "--reveal"]].concat();
    let ran = scene.run(&["auth", "list"], database, &extra).code(0);
    by_id(&ran.json()["authorizations"])
}

fn by_id(list: &Value) -> BTreeMap<String, Value> {
    let list = list.as_array().unwrap().iter();
    list.map(|one| (one["id"].as_str().unwrap().to_owned(), one.clone()))
        .collect()
}

/// The tokens of a file in the JSON form of `capture`, by ID.
fn captured(path: &Path) -> BTreeMap<String, String> {
    let file: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    assert_eq!(file["format"], "boltkey-capture/1");
    let tokens = by_id(&file["tokens"]).into_iter();
    tokens
        .map(|(id, one)| (id, one["token"].as_str().unwrap().to_owned()))
        .collect()
}

/// Whether a server would accept the token, and of which authorization it is.
fn id_of_value(scene: &Scene, database: &Path, token: &str) -> Option<String> {
    let arguments = crate::scene::arguments(
        &["auth", "verify"],
        database,
        &["--token-file", "-", "--json"],
    );
    let ran = scene.sandbox.run_with(arguments, token.as_bytes());
    let report = ran.json();
    let id = report["authorization"]["id"].as_str()?;
    report["matchedAs"].is_null().then(|| id.to_owned())
}

#[test]
fn filters_choose_what_auth_list_shows_with_them() {
    let scene = Scene::new();
    let database = scene.sandbox.store(PLAINTEXT);
    let out = scene.path("new");
    let orphan = known_token(PLAINTEXT, "of the leaver")["id"].clone();
    for filters in [
        &["--user", "alice"][..],
        &["-u", "bob", "--kind", "operator"],
        &["--org", "beta & co"],
        &["--kind", "all-access"],
        &["--storage", "plaintext"],
        &["--storage", "hashed"],
        &["--orphaned"],
        &["--can", "write:buckets/metrics", "-o", "acme"],
        &["--id", orphan.as_str().unwrap()],
        &["--status", "inactive"],
        &["--status", "active", "--user", "alice", "--kind", "custom"],
    ] {
        let expected = listed(&scene, &database, filters);
        let delete = [filters, &["-n", "--json"]].concat();
        let report = scene.run(DELETE, &database, &delete).ok().json();
        assert!(
            by_id(&report["deleted"]).keys().eq(expected.keys()),
            "{filters:?}"
        );
        let rotate = [filters, &["-n", "--json", "--token-out", text(&out)]].concat();
        let report = scene.run(ROTATE, &database, &rotate).ok().json();
        assert!(
            by_id(&report["authorizations"]).keys().eq(expected.keys()),
            "{filters:?}"
        );
        assert_eq!(report["changed"], !expected.is_empty());
        let filters: Vec<&str> = filters
            .iter()
            .map(|word| match *word {
                "--status" => "--with-status",
                word => word,
            })
            .collect();
        let update = [&filters[..], &["-n", "--json", "--description", "new"]].concat();
        let report = scene.run(UPDATE, &database, &update).ok().json();
        assert!(
            by_id(&report["authorizations"]).keys().eq(expected.keys()),
            "{filters:?}"
        );
    }
    // All, those whose user or organization is gone too; all but two; several by ID.
    let all = listed(&scene, &database, &[]);
    let (first, second) = (id_of("telegraf"), id_of("alice's Token"));
    let ids = |extra: &[&str]| {
        let extra = [extra, &["-n", "--json"]].concat();
        by_id(&scene.run(DELETE, &database, &extra).ok().json()["deleted"])
    };
    assert!(ids(&["--all"]).keys().eq(all.keys()));
    let rest = ids(&["--all", "--except", &first, "--except", &second]);
    assert_eq!(rest.len(), all.len() - 2);
    assert!(!rest.contains_key(&first) && !rest.contains_key(&second));
    let rest = ids(&["--kind", "custom", "--except", &first]);
    assert!(!rest.contains_key(&first));
    assert_eq!(ids(&[&second, &first, &second]).len(), 2);
}

#[test]
fn what_names_no_tokens_or_too_many_ways_is_a_usage_error() {
    let scene = Scene::new();
    let database = scene.sandbox.store(PLAINTEXT);
    let id = id_of("telegraf");
    let id = id.as_str();
    let given = scene.path("given");
    fs::write(&given, "a value").unwrap();
    let (given, out) = (text(&given), scene.path("out"));
    let out = ["--token-out", text(&out)];
    let status = ["--status", "inactive"];
    for (command, words, told) in [
        (ROTATE, vec![], "no token is named"),
        (ROTATE, vec!["--except", id], "no token is named"),
        (ROTATE, vec![id, "--all"], "IDs can't be combined"),
        (ROTATE, vec![id, "--user", "alice"], "IDs can't be combined"),
        (
            ROTATE,
            vec!["--all", "--user", "alice"],
            "--all can't be combined",
        ),
        (
            ROTATE,
            vec!["--all", "--status", "active"],
            "--all can't be combined",
        ),
        (
            ROTATE,
            vec![id, "--except", id],
            "--except can't be combined",
        ),
        (ROTATE, vec!["--user", "alice"], "--token-out is required"),
        (
            ROTATE,
            vec!["--user", "alice", "--json"],
            "--token-out is required",
        ),
        (
            ROTATE,
            vec!["--user", "alice", "--token-file", given],
            "one token only",
        ),
        (ROTATE, vec![id, "--format", "csv"], "--token-out"),
        (
            ROTATE,
            vec![id, "--format", "csv", "--token-file", given, out[0], out[1]],
            "one token",
        ),
        (
            ROTATE,
            vec!["--user", "alice", "--token-out", "-"],
            "standard output",
        ),
        (
            ROTATE,
            vec!["--user", "a", "--user-id", id],
            "cannot be used with",
        ),
        (UPDATE, vec![], "--status"),
        (UPDATE, vec![status[0], status[1]], "no token is named"),
        (
            UPDATE,
            vec!["--all", "--with-status", "active", status[0], status[1]],
            "--all can't",
        ),
        (DELETE, vec![], "no token is named"),
        (DELETE, vec!["--yes"], "no token is named"),
        (DELETE, vec!["all"], "all"),
    ] {
        let ran = scene.run(command, &database, &words).code(2);
        ran.tells(&[told]);
        assert_eq!(ran.stdout, "");
    }
    // What does not exist is not passed over.
    for words in [
        vec!["--user", "alcie"],
        vec!["--org", "nobody"],
        vec!["--can", "write:buckets/nothing", "-o", "acme"],
        vec!["--all", "--except", "00000000deadbeef"],
        vec![id, "00000000deadbeef"],
    ] {
        for command in [ROTATE, DELETE] {
            let mut words = words.clone();
            if command == ROTATE {
                words.extend(out);
            }
            words.push("--yes");
            let ran = scene.run(command, &database, &words).code(1);
            ran.tells(&["nothing was changed", "hint: "]);
        }
    }
    assert_eq!(scene.names(), ["given"]);
}

#[test]
fn several_rotated_tokens_have_new_values_in_one_file_and_nothing_else_changes() {
    for (store, redb) in [
        (PLAINTEXT, false),
        (PLAINTEXT, true),
        (SEVERAL, false),
        (SEVERAL, true),
        ("mixed-2.9.1", false),
    ] {
        let scene = Scene::new();
        let database = if redb {
            scene.redb(store)
        } else {
            scene.store(store)
        };
        let before = listed(&scene, &database, &[]);
        let server = match store {
            "mixed-2.9.1" => store,
            _ => PLAINTEXT,
        };
        let kept = known_token(server, "device 00000")["id"].clone();
        let kept = kept.as_str().unwrap().to_owned();
        let out = scene.path("new.json");
        let extra = ["--all", "--except", &kept, "--token-out", text(&out)];
        let untouched = fs::read(&database).unwrap();
        let ran = scene.run(ROTATE, &database, &extra).code(6);
        ran.tells(&[
            "--yes",
            "lose access",
            "The new values go to",
            "nothing was changed",
        ]);
        assert!(fs::read(&database).unwrap() == untouched && !out.exists());

        let extra = [&extra[..], &["--yes", "--json"]].concat();
        let ran = scene.run(ROTATE, &database, &extra).code(0);
        let report = ran.json();
        let values = captured(&out);
        assert_eq!(mode(&out), 0o600);
        assert_eq!(report["changed"], true);
        assert_eq!(report["tokenOut"], text(&out));
        assert_eq!(report["encrypted"], false);
        assert!(report.get("authorization").is_none());
        let after = listed(&scene, &database, &[]);
        let told = by_id(&report["authorizations"]);
        assert!(told.keys().eq(values.keys()));
        assert_eq!(told.len(), before.len() - 1, "{store}");
        for (id, new) in &after {
            let old = &before[id];
            if *id == kept {
                assert_eq!(new, old);
                continue;
            }
            let mut expected = old.clone();
            for field in ["token", "updatedAt", "storage", "problems", "usable"] {
                expected[field] = new[field].clone();
            }
            assert_eq!(*new, expected);
            assert_ne!(new["updatedAt"], old["updatedAt"]);
            let value = &values[id];
            assert_eq!(value.len(), 88);
            assert!(!said(&ran).contains(value.as_str()));
            assert_eq!(told[id]["token"], "REDACTED");
            let found = id_of_value(&scene, &database, value);
            assert_eq!(found, Some(id.clone()));
            assert_eq!(new["usable"], old["usable"], "{new}");
        }
        for (id, value) in tokens(server) {
            let expected = (id == kept).then(|| id.clone());
            assert_eq!(id_of_value(&scene, &database, &value), expected, "{id}");
            // A Telegraf configuration in the store has the value of the token for it.
            if !redb && store == PLAINTEXT && id != kept && id != id_of("telegraf") {
                assert_eq!(shown(&database, &value), 0, "{id}");
            }
        }
        is_sound(&scene, &database);
        let ran = scene.run(ROTATE, &database, &extra).code(1);
        ran.tells(&["exists already", "nothing was changed"]);
    }
}

fn said(ran: &Ran) -> String {
    format!("{}{}", ran.stdout, ran.stderr)
}

#[test]
fn the_file_has_the_formats_of_capture() {
    let id = id_of("telegraf");
    for (words, begins) in [
        (vec!["--user", "bob"], "{\"format\":\"boltkey-capture/1\""),
        (
            vec!["--user", "bob", "--format", "csv"],
            "\"id\",\"token\",\"kind\"",
        ),
        (vec!["--user", "bob", "--format", "env"], "# INFLUX_TOKEN_"),
        (
            vec![id.as_str(), "--format", "json"],
            "{\"format\":\"boltkey-capture/1\"",
        ),
        (vec![id.as_str(), "--format", "env"], "# INFLUX_TOKEN_"),
    ] {
        let scene = Scene::new();
        let database = scene.store(SEVERAL);
        let out = scene.path("out");
        let words = [&words[..], &["--yes", "--token-out", text(&out)]].concat();
        let ran = scene.run(ROTATE, &database, &words).ok();
        assert!(
            ran.stdout.contains("the old values no longer work"),
            "{ran:?}"
        );
        assert!(ran.stdout.contains(text(&out)), "{ran:?}");
        let content = fs::read_to_string(&out).unwrap();
        assert!(content.starts_with(begins), "{content}");
        assert_eq!(mode(&out), 0o600);
    }
    // Encrypted, for one token too; `capture verify` and everybody else reads it with age.
    let identity = age::x25519::Identity::generate();
    let recipient = identity.to_public().to_string();
    for words in [vec!["--user", "bob"], vec![id.as_str()]] {
        let scene = Scene::new();
        let database = scene.store(SEVERAL);
        let out = scene.path("out.age");
        let extra = [
            "--yes",
            "--json",
            "--token-out",
            text(&out),
            "--recipient",
            &recipient,
        ];
        let ran = scene
            .run(ROTATE, &database, &[&words[..], &extra].concat())
            .code(0);
        assert_eq!(ran.json()["encrypted"], true);
        let content = fs::read(&out).unwrap();
        assert!(content.starts_with(b"age-encryption.org/v1"));
        let open = age::decrypt(&identity, &content).unwrap();
        let open: Value = serde_json::from_slice(&open).unwrap();
        for (id, one) in by_id(&open["tokens"]) {
            let value = one["token"].as_str().unwrap();
            assert_eq!(id_of_value(&scene, &database, value), Some(id));
        }
    }
    assert!(identity.to_string().expose_secret().starts_with("AGE"));
}

#[test]
fn a_dry_run_of_several_makes_no_file() {
    let scene = Scene::new();
    let database = scene.sandbox.store(SEVERAL);
    let out = scene.path("out");
    let dry = ["--user", "alice", "-n", "--token-out", text(&out)];
    let ran = scene.run(ROTATE, &database, &dry).ok();
    assert!(ran.stdout.starts_with("would replace "), "{ran:?}");
    assert!(ran.stdout.contains("nothing was changed"), "{ran:?}");
    let report = scene.run(ROTATE, &database, &[&dry[..], &["--json"]].concat());
    let report = report.ok().json();
    assert_eq!(
        (&report["dryRun"], &report["changed"]),
        (&json!(true), &json!(true))
    );
    assert!(report.get("tokenOut").is_none());
    let update = ["--user", "alice", "-n", "--status", "inactive"];
    let ran = scene.run(UPDATE, &database, &update).ok();
    assert!(ran.stdout.starts_with("would update "), "{ran:?}");
    assert_eq!(scene.names(), Vec::<String>::new());
    fs::write(&out, "mine").unwrap();
    let ran = scene.run(ROTATE, &database, &dry).code(1);
    ran.tells(&["exists already"]);
}

#[test]
fn the_question_sums_up_who_is_affected_and_what_remains() {
    let scene = Scene::new();
    let database = scene.sandbox.store(SEVERAL);
    let out = scene.path("out");
    let out = ["--token-out", text(&out)];
    let operators = ["--kind", "operator"];
    let (own, second) = (id_of("alice's Token"), id_of("second operator"));
    let gone = id_of("operator of the deleted organization");
    for (command, words, told) in [
        (
            ROTATE,
            vec!["--all", out[0], out[1]],
            vec![
                "Replace the values of 36 tokens: 3 operator, 2 all-access, 31 custom; 3 not usable;",
                "29 of \"alice\", 5 of \"bob\"",
                "32 in \"acme\", 3 in \"beta & co\", 1 without an organization",
                "\"alice's Token\", \"second operator\"",
                "and 31 more?",
                "No usable operator token keeps its value, so the file is the way in.",
            ],
        ),
        (
            ROTATE,
            vec!["--user", "bob", out[0], out[1]],
            vec![
                "5 tokens: ",
                &second,
                "2 usable operator tokens keep their values.",
            ],
        ),
        (
            ROTATE,
            vec!["--id", &own, out[0], out[1]],
            vec![
                "Replace the value of this token",
                &own,
                "2 usable operator tokens keep",
            ],
        ),
        (
            DELETE,
            vec!["--user", "alice"],
            vec![
                "Delete these 29 tokens: ",
                "1 usable operator token remains.",
            ],
        ),
        (
            DELETE,
            vec!["--all"],
            vec![
                "Delete these 36 tokens",
                "No usable operator token will remain.",
            ],
        ),
        (
            DELETE,
            vec![
                operators[0],
                operators[1],
                "--except",
                &own,
                "--except",
                &second,
            ],
            vec!["Delete this token", &gone],
        ),
        (
            UPDATE,
            vec!["--all", "--status", "inactive"],
            vec![
                "Deactivate 35 tokens: ",
                "No usable operator token will remain.",
                "lose access",
            ],
        ),
    ] {
        let ran = scene.run(command, &database, &words).code(6);
        ran.tells(&told);
    }
    assert_eq!(scene.names(), Vec::<String>::new());
}

/// An update can be undone, so nothing is asked as long as an operator token remains.
#[test]
fn an_update_of_several_is_not_asked_about() {
    for (words, told) in [
        (
            &["--all", "--except", "OPERATOR", "--status", "inactive"][..],
            "updated 3",
        ),
        (&["--user", "alice", "--description", "x"], "updated 29"),
        (
            &[
                "--user",
                "alice",
                "--status",
                "active",
                "--description",
                "x",
            ],
            "updated 29",
        ),
    ] {
        let scene = Scene::new();
        let database = scene.store(PLAINTEXT);
        let own = id_of("alice's Token");
        let word = |word: &&'static str| match *word {
            "OPERATOR" => own.clone(),
            other => other.to_owned(),
        };
        let words: Vec<String> = words.iter().map(word).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let ran = scene.run(UPDATE, &database, &words).ok();
        assert!(ran.stdout.contains(told), "{told}: {ran:?}");
        is_sound(&scene, &database);
    }
}

#[test]
fn several_switched_off_and_on_again() {
    let scene = Scene::new();
    let database = scene.store(PLAINTEXT);
    let value = token_of(PLAINTEXT, "write both");
    let before = listed(&scene, &database, &[]);
    let off = ["--kind", "custom", "--status", "inactive"];
    let ran = scene.run(UPDATE, &database, &off).ok();
    for words in [
        "updated 30 tokens; 1 token already had these values",
        "boltkey auth delete",
    ] {
        assert!(ran.stdout.contains(words), "{words}: {ran:?}");
    }
    assert_eq!(verify(&scene, &database, &value, "write"), 3);
    // Nothing is asked where there is nothing to do.
    let untouched = fs::read(&database).unwrap();
    let ran = scene.run(UPDATE, &database, &off).ok();
    assert!(
        ran.stdout.contains("31 tokens already had these values"),
        "{ran:?}"
    );
    let report = scene.run(UPDATE, &database, &[&off[..], &["--json"]].concat());
    let report = report.ok().json();
    assert_eq!(
        (&report["changed"], &report["unchanged"]),
        (&json!(false), &json!(31))
    );
    assert!(fs::read(&database).unwrap() == untouched);
    // The filter is for the status before.
    let on = ["--with-status", "inactive", "--status", "active"];
    let report = made(&scene, UPDATE, &database, &on);
    let told = by_id(&report["authorizations"]);
    assert_eq!(told.len(), 31);
    assert!(told.values().all(|one| one["status"] == "active"));
    assert_eq!(verify(&scene, &database, &value, "write"), 0);
    for (id, new) in listed(&scene, &database, &[]) {
        let mut old = before[&id].clone();
        for field in ["updatedAt", "status", "usable", "problems"] {
            old[field] = new[field].clone();
        }
        assert_eq!(new, old);
    }
    is_sound(&scene, &database);
    // One match only.
    let one = ["--id", &id_of("telegraf"), "--description", "of the cellar"];
    let report = made(&scene, UPDATE, &database, &one);
    assert_eq!(report["authorizations"][0]["description"], "of the cellar");
}

#[test]
fn several_deleted_at_once() {
    for redb in [false, true] {
        let scene = Scene::new();
        let database = if redb {
            scene.redb(PLAINTEXT)
        } else {
            scene.store(PLAINTEXT)
        };
        let before = listed(&scene, &database, &[]);
        let extra = ["--user", "alice", "--kind", "custom", "--yes"];
        let report = made(&scene, DELETE, &database, &extra);
        let gone = by_id(&report["deleted"]);
        assert_eq!(gone.len(), 26);
        let after = listed(&scene, &database, &[]);
        let rest = before.iter().filter(|(id, _)| !gone.contains_key(*id));
        assert!(rest.eq(after.iter()));
        for (id, value) in tokens(PLAINTEXT) {
            let found = id_of_value(&scene, &database, &value);
            assert_eq!(found.is_none(), !after.contains_key(&id), "{id}");
        }
        is_sound(&scene, &database);
        let ran = scene.run(DELETE, &database, &extra).ok();
        assert_eq!(ran.stdout, "no token matches; nothing was changed\n");
    }
}

#[test]
fn a_record_that_can_not_be_decoded_hides_from_filters() {
    let scene = Scene::new();
    let database = scene.store(ONE);
    let broken = "00000000000000aa";
    edit(&database, |_, changes| {
        changes.put(b"authorizationsv1", broken.as_bytes(), b"{\"id\":7}");
    });
    let out = scene.path("out");
    let rotate = ["--kind", "operator", "--token-out", text(&out)];
    for (command, words) in [
        (ROTATE, &rotate[..]),
        (ROTATE, &["--all", "--token-out", text(&out)]),
        (UPDATE, &["--all", "--description", "x"]),
        (DELETE, &["--kind", "operator"]),
    ] {
        let ran = scene.run(command, &database, words).code(5);
        ran.tells(&["can't be decoded", "nothing was changed"]);
    }
    // All is all.
    let report = made(&scene, DELETE, &database, &["--all", "--yes"]);
    let deleted = by_id(&report["deleted"]);
    assert_eq!(deleted.len(), 2);
    assert_eq!(deleted[broken]["kind"], Value::Null);
    assert_eq!(report["lastOperator"], true);
    assert_eq!(listed(&scene, &database, &[]).len(), 0);
}
