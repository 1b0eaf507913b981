//! What a dry run says: what would be done, in the conditional. Nothing it says has happened or is
//! so, unless it is so before.

use std::collections::BTreeSet;
use std::fs;

use crate::every_command::{runs, words};
use crate::fixtures::{content, fixtures};
use crate::scene::{LIVED, MIXED, ONE, PLAIN, SEVERAL, Scene, arguments, text};
use crate::support::engine_folder::shard;

/// Words for something that was done. They stand beside "would", or in a part about what did not
/// happen.
const DONE: &[&str] = &[
    "added",
    "adopted",
    "captured",
    "changed",
    "committed",
    "created",
    "cured",
    "deleted",
    "exported",
    "made",
    "migrated",
    "moved",
    "overwritten",
    "recovered",
    "removed",
    "renamed",
    "repaired",
    "replaced",
    "restored",
    "rotated",
    "salvaged",
    "saved",
    "undone",
    "updated",
    "verified",
    "wrote",
    "written",
];

/// Words for what is or was so, and for what is done now.
const NOW: &[&str] = &[
    "is", "are", "was", "were", "has", "have", "had", "can", "can't", "does", "do", "don't",
    "will", "adds", "becomes", "deletes", "extends", "finds", "gains", "gets", "gives", "keeps",
    "loses", "makes", "opens", "removes", "replaces", "sets", "shows", "start", "starts", "stay",
    "stays", "succeeds", "uses", "writes",
];

/// Parts that are true whatever the run would do.
const FACTS: &[&str] = &[
    // Of the store and its files.
    "already",
    "before:",
    "after:",
    "because releases of schema 20 don't support",
    "belongs to",
    "no password is set",
    "can't be decoded",
    "contains 1 shard that the database does not know",
    "has 1 of them",
    "has no .manifest",
    "has no SQLite file",
    "has no damage that hides records",
    "is inactive now",
    "is readable by other users",
    "its tree is",
    "only its hash is stored",
    "the authorization is inactive",
    "the last transaction was written only in part",
    "the old retention is not known",
    "the user is inactive",
    "there are no points",
    "they are from",
    "this metadata has no shards",
    "was deleted",
    "were not found",
    // Names in the stores.
    "operator of the deleted organization",
    "recovered-00000000000000aa",
    "userindexv1/was here",
    // What commands and servers do, whatever this run is about.
    "InfluxData:",
    "boltkey ",
    "don't change this file and don't start influxd on it",
    "influx bucket update",
    "influxd hides it",
    "influxd treats",
    "is never deleted",
    "InfluxDB 2.7 and older do not start on it",
    "tokens are never deleted",
    "use --sqlite-path",
];

/// Runs on stores and with options that let a report say more.
fn lines() -> Vec<(&'static str, Vec<&'static str>)> {
    vec![
        (
            SEVERAL,
            vec![
                "auth create --read-buckets --user alice --org acme",
                "auth create --operator --user alice --org acme --temporary",
                "auth create --all-access --user bob --org acme --store plaintext",
                "auth update 11af8a5123848000 --status inactive",
                "auth delete 11af8a5123848000",
                "user update --name alice --status inactive",
                "user create --name carol --instance-owner",
                "user delete --name alice",
                "user delete --name bob",
                "apply list.toml",
                "capture --out out.json",
            ],
        ),
        (
            ONE,
            vec![
                "user create --name carol --password-file password --org acme",
                "user create --name carol",
                "user update --name alice --status inactive",
                "user delete --name alice",
                "user password --name alice --password-file password",
                "bucket adopt --all",
                "hash --no-capture",
                "repair",
                "backup export --out backup --influx-manifest",
            ],
        ),
        (
            PLAIN,
            vec![
                "hash --capture out.json",
                "hash --no-capture --keep-residue",
                "downgrade apply --to 2.7",
                "downgrade apply --to 2.5",
                "downgrade prepare --from-residue",
            ],
        ),
        (
            MIXED,
            vec![
                "hash --capture out.json",
                "downgrade apply --to 2.7 --allow-loss --drop-hashed",
                "downgrade apply --to 2.7",
            ],
        ),
        (
            LIVED,
            vec![
                "residue scrub",
                "residue recover --out out.json",
                "downgrade prepare --from-residue",
                "downgrade apply --to 2.7 --allow-loss",
                "convert --out out.redb",
                "compact --out out.bolt",
                "salvage --out out.bolt",
                "backup export --out backup --influx-manifest",
            ],
        ),
        (
            "lived-2.7.12",
            vec![
                "hash --capture out.json",
                "recover operator --user alice --org acme",
            ],
        ),
        (
            "downgraded-20-hashed",
            vec!["hash --capture out.json", "residue scrub"],
        ),
    ]
}

/// Damaged stores and states from public reports.
const FIELD: &[&str] = &[
    "1-25221-no-name-index",
    "2-27361-task-of-deleted-org",
    "7-22825-page-already-freed",
    "9-24318-name-blocked",
    "bolt-bigp-d2",
    "bolt-c02",
    "bolt-c12",
    "bolt-c74",
    "bolt-c76",
    "bolt-fullok-2-113",
];

const LIST: &str = r#"
[[org]]
name = "new"
[[user]]
name = "dora"
orgs = ["new"]
[[user]]
name = "emil"
passwordFile = "password"
[[token]]
name = "telegraf"
org = "new"
user = "dora"
permissions = ["write:buckets"]
generate = "telegraf.token"
[[token]]
name = "all"
org = "new"
user = "dora"
kind = "operator"
generate = "all.token"
"#;

/// The parts of a text in which a word of done things must have its "would".
fn parts(text: &str) -> Vec<String> {
    let mut lines = Vec::<String>::new();
    for line in text.lines() {
        let goes_on = |last: &String| !last.ends_with(['.', ':']);
        match lines.last_mut().filter(|last| goes_on(last)) {
            // A line that was broken.
            Some(last) if line.starts_with(|c: char| c.is_lowercase()) => {
                last.push(' ');
                last.push_str(line);
            }
            _ => lines.push(line.to_owned()),
        }
    }
    let parts = lines.iter().flat_map(|line| line.split("; "));
    let parts = parts.flat_map(|part| part.split(". "));
    parts.map(|part| part.trim().to_owned()).collect()
}

/// The parts of what a dry run says that are not in the conditional.
fn indicative(said: &str) -> BTreeSet<String> {
    let is_wrong = |part: &&String| {
        let apart = |c: char| !c.is_alphanumeric() && c != '\'';
        let words: Vec<&str> = part.split(apart).collect();
        let has = |listed: &[&str]| words.iter().any(|word| listed.contains(word));
        (has(DONE) || has(NOW))
            && !has(&["would", "could", "nothing"])
            && !FACTS.iter().any(|fact| part.contains(fact))
    };
    parts(said).iter().filter(is_wrong).cloned().collect()
}

/// Runs a command and judges what it says.
fn judge(scene: &Scene, arguments: &[String], wrong: &mut Vec<String>) {
    let ran = scene.sandbox.finish(scene.command_here(arguments));
    let mut json = arguments.to_vec();
    json.push("--json".into());
    let as_json = scene.sandbox.finish(scene.command_here(json));
    println!("cases: dry-runs 2");
    // An error is about what is there.
    let said = match [0, 3].contains(&ran.code) {
        true => format!("{}{}", ran.stdout, ran.stderr),
        false => return,
    };
    // Then all is as it is.
    let does_nothing = ["nothing to", "Aborted"]
        .iter()
        .any(|start| said.contains(start));
    if does_nothing {
        return;
    }
    for part in indicative(&said) {
        wrong.push(format!("{arguments:?}: {part:?}"));
    }
    if !(said.contains("would") && said.contains("nothing was")) {
        wrong.push(format!("{arguments:?}: {said}"));
    }
    if as_json.json()["dryRun"] != true {
        wrong.push(format!("{arguments:?}: {as_json:?}"));
    }
}

#[test]
fn every_command_speaks_in_the_conditional() {
    let mut wrong = Vec::new();
    for run in runs() {
        let (scene, mut arguments) = run.prepare();
        arguments.push("-n".into());
        judge(&scene, &arguments, &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_report_speaks_in_the_conditional() {
    let mut wrong = Vec::new();
    for (store, commands) in lines() {
        let scene = Scene::new();
        let database = scene.store(store);
        fs::write(scene.path("list.toml"), LIST).unwrap();
        fs::write(scene.path("password"), "another password\n").unwrap();
        shard(&scene.path("engine"), "00000000000000aa", 70, (0, 5));
        for line in commands {
            let mut command = words(line);
            command.extend(["-n".into(), "--db".into(), text(&database).into()]);
            judge(&scene, &command, &mut wrong);
        }
    }
    for name in FIELD {
        let scene = Scene::new();
        let database = scene.path("influxd.bolt");
        let packed = fixtures().join(format!("field/{name}.bolt.gz"));
        fs::write(&database, content(&packed)).unwrap();
        for line in [
            "repair",
            "salvage --out out.bolt",
            "salvage --out out.bolt --lenient",
            "capture --out out.json",
        ] {
            let command: Vec<&str> = line.split(' ').collect();
            judge(&scene, &arguments(&command, &database, &["-n"]), &mut wrong);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_text_in_the_indicative_is_seen() {
    for text in [
        "created a new token",
        "the user can't sign in: afterwards",
        "the schema is 21",
        "1 finding would be cured; 2 findings are left",
        "all permissions; the login of its user gets them too",
    ] {
        assert_eq!(indicative(text).len(), 1, "{text}");
    }
    for text in [
        "would create a new token; nothing was changed",
        "these tokens would be kept, but no server would accept them;\nboltkey auth delete removes them:",
    ] {
        assert!(indicative(text).is_empty(), "{text}");
    }
}
