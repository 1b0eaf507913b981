//! `apply`: a declarative list, and the store after it.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::fixtures::fixture;
use crate::scene::{SEVERAL, Scene, mode, text};

const PASSWORD: &str = "a password that is planted";
const VALUE: &str = "a value that is planted";

/// What the list names beside the token.
const PEOPLE: &str = "[[org]]\nname = \"works\"\n[[user]]\nname = \"carol\"\n\
                      orgs = [\"works\", \"acme\"]\npasswordFile = \"carol.pw\"\n";

fn private(scene: &Scene, name: &str, content: &str) -> PathBuf {
    let path = scene.path(name);
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

/// A token of carol in acme.
fn token(name: &str, rest: &str) -> String {
    format!("[[token]]\nname = \"{name}\"\norg = \"acme\"\nuser = \"carol\"\n{rest}\n")
}

/// The list as a file, with the files that it refers to.
fn list(scene: &Scene, tokens: &[String]) -> PathBuf {
    private(scene, "carol.pw", PASSWORD);
    private(scene, "value", &format!("{VALUE}\n"));
    private(scene, "list.toml", &format!("{PEOPLE}{}", tokens.concat()))
}

const WRITE: &str = "permissions = [\"write:buckets/metrics\"]\n";

fn simple(scene: &Scene) -> PathBuf {
    let one = token("telegraf", &format!("{WRITE}tokenFile = \"value\""));
    list(scene, &[one])
}

#[track_caller]
fn apply(scene: &Scene, database: &Path, list: &Path, extra: &[&str]) -> Value {
    let extra = [&[text(list), "--json"], extra].concat();
    scene.run(&["apply"], database, &extra).ok().json()
}

/// Everything of a file that a write would change.
fn state(path: &Path) -> (Vec<u8>, u64, i64, i64) {
    let metadata = path.metadata().unwrap();
    (
        fs::read(path).unwrap(),
        metadata.ino(),
        metadata.mtime(),
        metadata.mtime_nsec(),
    )
}

/// What `auth verify` says of a token.
fn verified(scene: &Scene, database: &Path, token: &str, can: &str) -> (i32, Value) {
    let mut arguments = crate::sandbox::on(&["auth", "verify", "--token-file", "-"], database);
    arguments.extend(["--can", can, "--json"].map(String::from));
    let ran = scene.sandbox.run_with(arguments, token.as_bytes());
    (ran.code, ran.json())
}

fn listed(scene: &Scene, database: &Path) -> Vec<Value> {
    let list = scene.run(&["auth", "list", "--json"], database, &[]);
    list.ok().json()["authorizations"]
        .as_array()
        .unwrap()
        .clone()
}

fn brief(report: &Value) -> Vec<String> {
    let changes = report["changes"].as_array().unwrap().iter();
    let word = |change: &Value, field: &str| change[field].as_str().unwrap_or("?").to_owned();
    changes
        .map(|change| {
            ["action", "kind", "name"]
                .map(|field| word(change, field))
                .join(" ")
        })
        .collect()
}

#[test]
fn a_store_matches_and_a_second_run_changes_nothing() {
    for (store, redb) in [
        (SEVERAL, false),
        (SEVERAL, true),
        ("lived-2.7.12", false),
        ("mixed-2.9.1", false),
        ("lived-2.9.1-plaintext", false),
    ] {
        let scene = Scene::new();
        let database = match redb {
            true => scene.redb(store),
            false => scene.store(store),
        };
        let all = [
            token("telegraf", &format!("{WRITE}tokenFile = \"value\"")),
            token("all", "kind = \"all-access\"\ngenerate = \"all.token\""),
            token("root", "kind = \"operator\"\ngenerate = \"root.token\""),
        ];
        let list = list(&scene, &all);
        let before = listed(&scene, &database);
        let untouched = state(&database);
        let would = apply(&scene, &database, &list, &["-n"]);
        assert_eq!(would["dryRun"], true);
        assert_eq!(would["changes"][0]["id"], Value::Null);
        assert_eq!(state(&database), untouched);
        assert!(!scene.path("all.token").exists());

        let report = apply(&scene, &database, &list, &[]);
        assert_eq!(report["changed"], true);
        let expected = [
            "create org works",
            "create user carol",
            "create token telegraf",
            "create token all",
            "create token root",
        ];
        assert_eq!(brief(&report), expected, "{store}");
        assert_eq!(brief(&would), expected);
        let (code, told) = verified(&scene, &database, VALUE, "write:buckets/metrics");
        assert_eq!((code, &told["allowed"]), (0, &json!(true)), "{told}");
        let authorization = &told["authorization"];
        assert_eq!(authorization["description"], "telegraf (boltkey apply)");
        assert_eq!(authorization["user"], "carol");
        assert_eq!(
            verified(&scene, &database, VALUE, "read:buckets/metrics").0,
            3
        );
        for (file, kind) in [("all.token", "all-access"), ("root.token", "operator")] {
            assert_eq!(mode(&scene.path(file)), 0o600);
            let made = fs::read_to_string(scene.path(file)).unwrap();
            let (code, told) = verified(&scene, &database, made.trim_end(), "write:buckets");
            assert_eq!(code, 0);
            assert_eq!(told["authorization"]["kind"], kind);
        }
        let after = listed(&scene, &database);
        assert_eq!(after.len(), before.len() + 3);
        assert!(before.iter().all(|one| after.contains(one)), "others stay");
        let users = scene
            .run(&["user", "list", "--json"], &database, &[])
            .ok()
            .json();
        let users = users["users"].as_array().unwrap();
        let carol = users.iter().find(|user| user["name"] == "carol").unwrap();
        assert_eq!(carol["owns"].as_array().unwrap().len(), 2);
        assert_eq!(carol["hasPassword"], true);

        let untouched = state(&database);
        let again = apply(&scene, &database, &list, &[]);
        assert_eq!(
            (&again["changed"], &again["unchanged"]),
            (&json!(false), &json!(5))
        );
        assert_eq!(state(&database), untouched, "{store}: a second run writes");
        let said = scene.run(&["apply"], &database, &[text(&list)]).ok().stdout;
        assert_eq!(said, "nothing to change: 5 things already match the list\n");
    }
}

#[test]
fn toml_and_json_say_the_same_from_a_file_and_standard_input() {
    let scene = Scene::new();
    let database = scene.store(SEVERAL);
    let toml = simple(&scene);
    apply(&scene, &database, &toml, &[]);
    let said = json!({
        "org": [{"name": "works"}],
        "user": [{"name": "carol", "orgs": ["works", "acme"], "passwordFile": "carol.pw"}],
        "token": [{
            "name": "telegraf", "org": "acme", "user": "carol",
            "permissions": ["write:buckets/metrics"], "tokenFile": "value",
        }],
    });
    let json = private(&scene, "list.json", &said.to_string());
    assert_eq!(apply(&scene, &database, &json, &[])["changed"], false);
    // Paths are relative to the working directory then.
    let absolute = said
        .to_string()
        .replace("carol.pw", text(&scene.path("carol.pw")));
    let absolute = absolute.replace("\"value\"", &format!("{:?}", text(&scene.path("value"))));
    let arguments = crate::sandbox::on(&["apply", "-", "--json"], &database);
    let ran = scene.sandbox.run_with(arguments, absolute.as_bytes()).ok();
    assert_eq!(ran.json()["changed"], false);
}

#[test]
fn another_value_goes_into_the_same_record() {
    for store in ["mixed-2.9.1", "lived-2.7.12", SEVERAL] {
        let scene = Scene::new();
        let database = scene.store(store);
        let list = simple(&scene);
        let first = apply(&scene, &database, &list, &[]);
        let id = first["changes"][2]["id"].clone();
        private(&scene, "value", "another value");
        let second = apply(&scene, &database, &list, &[]);
        assert_eq!(brief(&second), ["update token telegraf"]);
        assert_eq!(second["changes"][0]["id"], id);
        assert_eq!(verified(&scene, &database, VALUE, "write").0, 3);
        let (code, told) = verified(&scene, &database, "another value", "write:buckets/metrics");
        assert_eq!(code, 0);
        assert_eq!(told["authorization"]["id"], id);
        assert_eq!(apply(&scene, &database, &list, &[])["changed"], false);
    }
}

#[test]
fn other_permissions_take_another_record_after_a_question() {
    let scene = Scene::new();
    let database = scene.store(SEVERAL);
    let list = simple(&scene);
    let first = apply(&scene, &database, &list, &[]);
    let old = first["changes"][2]["id"].clone();
    let content = fs::read_to_string(&list).unwrap();
    fs::write(
        &list,
        content.replace("write:buckets/metrics", "read:buckets"),
    )
    .unwrap();
    let untouched = state(&database);
    let ran = scene.run(&["apply"], &database, &[text(&list)]).code(6);
    ran.tells(&[
        "Replace 1 token",
        "telegraf in acme",
        "nothing was changed",
        "--yes",
    ]);
    assert_eq!(state(&database), untouched);
    let second = apply(&scene, &database, &list, &["--yes"]);
    assert_eq!(brief(&second), ["replace token telegraf"]);
    assert_ne!(second["changes"][0]["id"], old);
    let (code, told) = verified(&scene, &database, VALUE, "read:buckets");
    assert_eq!(code, 0);
    assert_eq!(told["authorization"]["id"], second["changes"][0]["id"]);
    assert_eq!(verified(&scene, &database, VALUE, "write").0, 3);
    let id = old.as_str().unwrap();
    scene.run(&["auth", "show", id], &database, &[]).code(1);
    assert_eq!(apply(&scene, &database, &list, &[])["changed"], false);
    // Another order says the same, and the owner is part of it.
    let content = fs::read_to_string(&list).unwrap();
    fs::write(
        &list,
        content.replace("user = \"carol\"", "user = \"alice\""),
    )
    .unwrap();
    let third = apply(&scene, &database, &list, &["-n"]);
    assert_eq!(brief(&third), ["replace token telegraf"]);
}

#[test]
fn prune_takes_away_what_an_earlier_run_made_and_nothing_else() {
    let scene = Scene::new();
    let database = scene.store(SEVERAL);
    let before = listed(&scene, &database);
    let one = token("telegraf", &format!("{WRITE}tokenFile = \"value\""));
    let two = token("two", "kind = \"all-access\"\ngenerate = \"two.token\"");
    let both = list(&scene, &[one.clone(), two]);
    apply(&scene, &database, &both, &[]);
    // The name is free again for others, who did not make it by a list.
    let add = [
        "--user",
        "alice",
        "--org",
        "acme",
        "--read-buckets",
        "--description",
        "two",
    ];
    scene.run(&["auth", "create"], &database, &add).ok();
    let one = list(&scene, &[one]);
    assert_eq!(apply(&scene, &database, &one, &[])["changed"], false);
    let ran = scene
        .run(&["apply", "--prune"], &database, &[text(&one)])
        .code(6);
    ran.tells(&["Delete 1 token no longer in the list: two in acme?"]);
    let report = apply(&scene, &database, &one, &["--prune", "-y"]);
    assert_eq!(brief(&report), ["delete token two"]);
    let after = listed(&scene, &database);
    assert_eq!(after.len(), before.len() + 2);
    assert!(before.iter().all(|one| after.contains(one)));
    assert_eq!(
        apply(&scene, &database, &one, &["--prune"])["changed"],
        false
    );
    let made = fs::read_to_string(scene.path("two.token")).unwrap();
    assert_eq!(verified(&scene, &database, made.trim_end(), "read").0, 3);
}

#[test]
fn a_token_gets_another_name_where_its_old_one_is_pruned() {
    let scene = Scene::new();
    let database = scene.store(SEVERAL);
    let list = simple(&scene);
    apply(&scene, &database, &list, &[]);
    let content = fs::read_to_string(&list).unwrap();
    fs::write(&list, content.replace("telegraf", "collector")).unwrap();
    let ran = scene.run(&["apply", text(&list)], &database, &[]).code(1);
    ran.tells(&["line 12, token \"collector\"", "token already exists"]);
    let report = apply(&scene, &database, &list, &["--prune", "--yes"]);
    let expected = ["delete token telegraf", "create token collector"];
    assert_eq!(brief(&report), expected);
    let (code, told) = verified(&scene, &database, VALUE, "write:buckets/metrics");
    assert_eq!(code, 0);
    let description = &told["authorization"]["description"];
    assert_eq!(description, "collector (boltkey apply)");
    assert_eq!(
        apply(&scene, &database, &list, &["--prune"])["changed"],
        false
    );
}

#[test]
fn a_generated_value_is_made_once() {
    let scene = Scene::new();
    let database = scene.store(SEVERAL);
    let one = token("telegraf", &format!("{WRITE}generate = \"made/new.token\""));
    let list = list(&scene, &[one]);
    let untouched = state(&database);
    // The folder is missing: neither a file nor a token.
    for extra in [&["-n"][..], &[]] {
        let ran = scene.run(&["apply", text(&list)], &database, extra).code(1);
        ran.tells(&["new.token", "nothing was changed"]);
        assert_eq!(state(&database), untouched);
    }
    fs::create_dir(scene.path("made")).unwrap();
    apply(&scene, &database, &list, &[]);
    let file = scene.path("made/new.token");
    let value = fs::read_to_string(&file).unwrap();
    assert_eq!(apply(&scene, &database, &list, &[])["changed"], false);

    // Without its file it is not made again.
    fs::remove_file(&file).unwrap();
    let untouched = state(&database);
    let ran = scene.run(&["apply", text(&list)], &database, &[]).code(1);
    ran.tells(&[
        "list.toml, line 12, token \"telegraf\", generate",
        "its file is missing",
    ]);
    ran.tells(&["boltkey auth rotate", "--token-out FILE"]);
    assert_eq!(state(&database), untouched);
    assert!(!file.exists());

    // Without the token, as after a crash before the commit, the file's value is used.
    fs::write(&file, &value).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&database, fixture(SEVERAL)).unwrap();
    apply(&scene, &database, &list, &[]);
    assert_eq!(fs::read_to_string(&file).unwrap(), value);
    assert_eq!(verified(&scene, &database, value.trim_end(), "write").0, 0);
}

#[test]
fn what_is_wrong_is_told_with_its_line_and_nothing_is_written() {
    let scene = Scene::new();
    let database = scene.store(SEVERAL);
    let taken = private(&scene, "taken", "a value in use");
    let add = [
        "--user",
        "alice",
        "--org",
        "acme",
        "--read-buckets",
        "--token-file",
        text(&taken),
    ];
    scene.run(&["auth", "create"], &database, &add).ok();
    let hash = "$influxdb2-sha256$";
    private(&scene, "hash", &format!("{hash}{}", "A".repeat(43)));
    private(&scene, "jwt", "eyJhbGciOiJIUzI1NiJ9.eyJhIjoxfQ.c2VjcmV0");
    private(&scene, "lines", "two\nlines");
    private(&scene, "long", &"x".repeat(40_000));
    private(&scene, "short", "seven77");
    private(&scene, "none", "");
    let from = |file: &str| token("telegraf", &format!("{WRITE}tokenFile = \"{file}\""));
    let can = |can: &str| {
        token(
            "t",
            &format!("permissions = [\"{can}\"]\ntokenFile = \"value\""),
        )
    };
    let untouched = state(&database);
    let cases = vec![
        (from("taken"), "line 12", "token already exists"),
        (from("hash"), "line 12", "is a hash"),
        (from("jwt"), "line 12", "would refuse"),
        (from("lines"), "line 12", "would refuse"),
        (from("long"), "line 12", "longer than 32 KiB"),
        (from("none"), "line 12", "is empty"),
        (from("missing"), "line 12", "No such file"),
        (
            can("write:buckets/metric"),
            "line 11, token \"t\", permissions",
            "\"metrics\"",
        ),
        (can("write:bucket"), "line 11", "unknown resource type"),
        (can("read:users/carl"), "line 11", "\"carol\""),
        (can("read:tasks/x"), "line 11", "identified by an ID"),
        (
            from("value").replace("carol", "alcie"),
            "line 10, token \"telegraf\", user",
            "\"alice\"",
        ),
        (
            from("value").replace("acme", "acne"),
            "line 9, token \"telegraf\", org",
            "\"acme\"",
        ),
        (
            from("value").replace("carol", "sleeper"),
            "line 10",
            "would reject this token",
        ),
        (
            from("value") + &from("value"),
            "line 14",
            "line 8 has a token with the same name",
        ),
        (
            from("value") + &from("value").replace("telegraf", "other"),
            "line 18",
            "token \"telegraf\" (line 12) has the same value",
        ),
        (
            from("value").replace("tokenFile", "token"),
            "line 12",
            "unknown key \"token\"",
        ),
        (format!("{}\n", VALUE), "line 7", "invalid TOML"),
        (
            "[[user]]\nname = \"carol\"\n".into(),
            "line 8",
            "duplicate name",
        ),
        (
            "[[user]]\nname = \"d\"\npasswordFile = \"short\"\n".into(),
            "line 9, user \"d\", passwordFile",
            "between 8 and 72",
        ),
        (
            "[[user]]\nname = \"d\"\norgs = [\"nowhere\"]\n".into(),
            "line 9, user \"d\", orgs",
            "there is no organization",
        ),
        ("[[org]]\nname = \" \"\n".into(), "line 8", "name must have"),
    ];
    for (rest, place, why) in cases {
        let list = list(&scene, std::slice::from_ref(&rest));
        for extra in [&[][..], &["-n"]] {
            let ran = scene.run(&["apply", text(&list)], &database, extra).code(1);
            ran.tells(&["list.toml, ", place, why, "nothing was changed"]);
            let told = format!("{}{}", ran.stdout, ran.stderr);
            for secret in [
                PASSWORD,
                VALUE,
                "a value in use",
                "seven77",
                "two\nlines",
                "eyJ",
            ] {
                assert!(!told.contains(secret), "{rest}: {told}");
            }
        }
        assert_eq!(state(&database), untouched, "{rest}");
    }
    let ran = scene
        .run(&["apply", "missing.toml"], &database, &[])
        .code(1);
    ran.tells(&["missing.toml", "No such file"]);
}

#[test]
fn ready_hashes_need_a_schema_that_knows_them() {
    let scene = Scene::new();
    let hash = scene
        .sandbox
        .run_with(["token", "hash", "--token-file", "-"], VALUE.as_bytes());
    let rest = format!("{WRITE}hash = \"{}\"", hash.stdout.trim_end());
    let list = list(&scene, &[token("telegraf", &rest)]);
    let database = scene.store("lived-2.7.12");
    let ran = scene.run(&["apply", text(&list)], &database, &[]).code(1);
    ran.tells(&["line 12, token \"telegraf\", hash", "boltkey hash"]);
    let database = scene.store(SEVERAL);
    apply(&scene, &database, &list, &[]);
    assert_eq!(
        verified(&scene, &database, VALUE, "write:buckets/metrics").0,
        0
    );
    assert_eq!(apply(&scene, &database, &list, &[])["changed"], false);
    // The file with the token says the same as its hash.
    assert_eq!(
        apply(&scene, &database, &simple(&scene), &[])["changed"],
        false
    );
}

#[test]
fn a_token_of_others_is_handed_over_and_not_taken() {
    let scene = Scene::new();
    let database = scene.store(SEVERAL);
    let list = simple(&scene);
    let value = scene.path("value");
    let add = [
        "--user",
        "alice",
        "--org",
        "acme",
        "--description",
        "telegraf",
    ];
    let add = [
        &add[..],
        &["--read-tasks", "--token-file", text(&value), "--json"],
    ]
    .concat();
    let made = scene.run(&["auth", "create"], &database, &add).ok().json();
    let id = made["authorization"]["id"].as_str().unwrap();
    let ran = scene.run(&["apply", text(&list)], &database, &[]).code(1);
    let command = format!("boltkey auth update {id} --description 'telegraf (boltkey apply)'");
    ran.tells(&[&command]);
    let name = ["--description", "telegraf (boltkey apply)"];
    scene.run(&["auth", "update", id], &database, &name).ok();
    let report = apply(&scene, &database, &list, &["-n"]);
    assert_eq!(brief(&report)[2], "replace token telegraf");
    // A token that was deactivated by hand stays inactive, and the report says so.
    apply(&scene, &database, &list, &["-y"]);
    let all = listed(&scene, &database);
    let ours = all
        .iter()
        .find(|one| one["description"] == name[1])
        .unwrap();
    let off = ["--status", "inactive"];
    let id = ours["id"].as_str().unwrap();
    scene.run(&["auth", "update", id], &database, &off).ok();
    let ran = scene.run(&["apply", text(&list)], &database, &[]).code(0);
    ran.tells(&["exists, but a server rejects it", "inactive"]);
}

#[test]
fn users_get_what_they_lack() {
    let scene = Scene::new();
    let database = scene.store(SEVERAL);
    let list = simple(&scene);
    apply(&scene, &database, &list, &[]);
    private(&scene, "carol.pw", "another password");
    let content = fs::read_to_string(&list).unwrap();
    fs::write(
        &list,
        content
            .replace("\"works\", \"acme\"", "\"works\", \"acme\", \"emca\"")
            .replace("[[user]]", "[[org]]\nname = \"emca\"\n[[user]]"),
    )
    .unwrap();
    let report = apply(&scene, &database, &list, &[]);
    assert_eq!(brief(&report), ["create org emca", "update user carol"]);
    assert_eq!(
        report["changes"][1]["details"],
        json!(["new password", "owner of \"emca\""])
    );
    assert_eq!(apply(&scene, &database, &list, &[])["changed"], false);
}

#[test]
fn exposed_secrets_are_warned_about_and_failed_printing_is_told() {
    let scene = Scene::new();
    let database = scene.store(SEVERAL);
    let list = simple(&scene);
    fs::set_permissions(scene.path("value"), fs::Permissions::from_mode(0o644)).unwrap();
    let ran = scene
        .run(&["apply", text(&list)], &database, &["-n"])
        .code(0);
    ran.tells(&["value contains a token and is readable by other users"]);
    fs::set_permissions(scene.path("carol.pw"), fs::Permissions::from_mode(0o604)).unwrap();
    let mut full = scene.sandbox.command(crate::scene::arguments(
        &["apply"],
        &database,
        &[text(&list)],
    ));
    let device = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let output = full.stdout(device).stderr(Stdio::piped()).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(7), "{told}");
    assert!(
        told.contains("carol.pw contains a password and is readable by other users"),
        "{told}"
    );
    assert!(told.contains("the change is committed"), "{told}");
    assert_eq!(verified(&scene, &database, VALUE, "write").0, 0);
}

#[test]
fn a_long_report_lists_fifty_changes_and_ends_with_a_summary() {
    let scene = Scene::new();
    let database = scene.store("fresh-2.9.1");
    let orgs: String = (0..60)
        .map(|n| format!("[[org]]\nname = \"org{n}\"\n"))
        .collect();
    let list = scene.path("list.toml");
    fs::write(&list, orgs).unwrap();
    let apply = ["apply", list.to_str().unwrap()];
    let lines = |text: &str| text.lines().filter(|line| line.contains(" org ")).count();
    let dry = scene.run(&apply, &database, &["-n"]).code(0).stdout;
    assert_eq!(lines(&dry), 50);
    assert!(dry.contains("and 10 more changes"), "{dry}");
    let last = dry.lines().last().unwrap();
    assert_eq!(last, "would create 60 organizations; nothing was changed");
    let all = scene
        .run(&apply, &database, &["-n", "--verbose"])
        .code(0)
        .stdout;
    assert_eq!(lines(&all), 60);
    let json = scene.run(&apply, &database, &["--json"]).code(0).json();
    assert_eq!(json["changes"].as_array().unwrap().len(), 60);
}
