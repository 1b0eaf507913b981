//! Every command that asks: another run changes the store before the answer, and then the answer
//! changes nothing.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::every_command::leaves;
use crate::fixtures::facts;
use crate::scene::{LIVED, MIXED, ONE, PLAIN, SEVERAL, Scene, arguments, text};
use crate::support::engine_folder::shard;
use crate::support::store_image::edit;
use crate::terminal::{Terminal, controlling};
use crate::v1_dbrp::{MAPPINGS, add_mappings};

/// A token of alice's in the store with several users and organizations.
const READ_ALL: &str = "11af8a5123848000";

/// A bucket that no store has.
const OLD_BUCKET: &str = "00000000000000aa";

/// How a person is asked, and what another run does meanwhile.
pub struct Case {
    /// The command in the clap tree.
    pub command: &'static str,
    pub store: &'static str,
    /// Questions and answers; before the last answer the store is changed.
    answers: &'static [(&'static str, &'static str)],
    /// Makes what the command needs and returns its arguments.
    pub arguments: fn(&Scene, &Path) -> Vec<String>,
    /// The change of the other run.
    meanwhile: fn(&Scene, &Path),
    /// Whether the path is found rather than named.
    found: bool,
}

/// The only question of most commands.
const YES: &[(&str, &str)] = &[("[y/N] ", "y")];
/// Those of a command that lets a user and an organization be chosen.
const CHOICES: &[(&str, &str)] = &[("Which user? ", "1"), ("Which organization? ", "1")];

fn words(command: &[&str]) -> Vec<String> {
    command.iter().map(ToString::to_string).collect()
}

#[track_caller]
fn run(scene: &Scene, database: &Path, command: &[&str]) {
    scene.run(command, database, &["--yes"]).code(0);
}

/// The IDs of all operator tokens, ascending.
fn operators(scene: &Scene, database: &Path) -> Vec<String> {
    let extra = ["--kind", "operator", "--json"];
    let listed = scene.run(&["auth", "list"], database, &extra).ok().json();
    let listed = listed["authorizations"].as_array().unwrap().iter();
    let mut ids: Vec<String> = listed
        .map(|one| one["id"].as_str().unwrap().to_owned())
        .collect();
    ids.sort();
    ids
}

/// A list of one token with these permissions.
fn list(scene: &Scene, permissions: &str) -> std::path::PathBuf {
    let path = scene.path("list.toml");
    let text = format!(
        "[[token]]\nname = \"telegraf\"\norg = \"acme\"\nuser = \"alice\"\n\
         permissions = [\"{permissions}\"]\ngenerate = \"telegraf.token\"\n"
    );
    fs::write(&path, text).unwrap();
    path
}

fn operator_token_file(scene: &Scene, name: &str) -> String {
    let path = scene.path("operator.token");
    let token = facts(name)["tokens"][0]["token"].clone();
    fs::write(&path, token.as_str().unwrap()).unwrap();
    text(&path).to_owned()
}

/// Every command that asks. A command without a question of its own is asked about the path.
pub const ASK: &[Case] = &[
    Case {
        command: "auth create",
        store: SEVERAL,
        answers: YES,
        arguments: |_, _| {
            words(&[
                "auth",
                "create",
                "--operator",
                "--user",
                "bob",
                "--org",
                "acme",
            ])
        },
        meanwhile: |scene, database| {
            // Somebody else of the same name.
            run(scene, database, &["user", "delete", "--name", "bob"]);
            run(scene, database, &["user", "create", "--name", "bob"]);
        },
        found: true,
    },
    Case {
        command: "repair",
        store: ONE,
        answers: &[("1 index entry that leads to nothing. [y/N] ", "y")],
        arguments: |_, database| {
            edit(database, |_, changes| {
                changes.put(b"userindexv1", b"was here", b"0000000000000a01");
            });
            words(&["repair"])
        },
        meanwhile: |_, database| {
            edit(database, |_, changes| {
                changes.put(b"userindexv1", b"was too", b"0000000000000a02");
            });
        },
        found: false,
    },
    Case {
        command: "auth clone",
        store: SEVERAL,
        answers: YES,
        arguments: |_, _| words(&["auth", "clone", READ_ALL]),
        meanwhile: |scene, database| run(scene, database, &["auth", "delete", READ_ALL]),
        found: true,
    },
    Case {
        command: "auth rotate",
        store: SEVERAL,
        answers: YES,
        arguments: |_, _| words(&["auth", "rotate", READ_ALL]),
        meanwhile: |scene, database| {
            let other = ["auth", "update", READ_ALL, "--description", "in use"];
            run(scene, database, &other);
        },
        found: false,
    },
    Case {
        command: "auth update",
        store: ONE,
        answers: &[("No usable operator token will remain. [y/N] ", "y")],
        arguments: |scene, database| {
            let id = &operators(scene, database)[0];
            words(&["auth", "update", id, "--status", "inactive"])
        },
        meanwhile: |scene, database| run(scene, database, &["recover", "operator"]),
        found: false,
    },
    Case {
        command: "auth delete",
        store: ONE,
        answers: &[("lose access. [y/N] ", "y")],
        arguments: |scene, database| {
            run(scene, database, &["recover", "operator"]);
            words(&["auth", "delete", &operators(scene, database)[0]])
        },
        meanwhile: |scene, database| {
            // The first one would be the last then.
            let ids = operators(scene, database);
            run(scene, database, &["auth", "delete", &ids[1]]);
        },
        found: false,
    },
    Case {
        command: "auth create-operator",
        store: SEVERAL,
        answers: CHOICES,
        arguments: |_, _| words(&["auth", "create-operator"]),
        meanwhile: |scene, database| {
            run(scene, database, &["user", "delete", "--name", "alice"]);
            run(scene, database, &["user", "create", "--name", "alice"]);
        },
        found: false,
    },
    Case {
        command: "recover operator",
        store: SEVERAL,
        answers: CHOICES,
        arguments: |_, _| words(&["recover", "operator"]),
        meanwhile: |scene, database| run(scene, database, &["user", "delete", "--name", "alice"]),
        found: false,
    },
    Case {
        command: "user create",
        store: ONE,
        answers: YES,
        arguments: |_, _| words(&["user", "create", "--name", "carol", "--instance-owner"]),
        meanwhile: |scene, database| run(scene, database, &["user", "create", "--name", "carol"]),
        found: false,
    },
    Case {
        command: "user password",
        store: ONE,
        answers: YES,
        arguments: |scene, _| {
            let file = scene.path("password");
            fs::write(&file, "another password\n").unwrap();
            let file = ["--password-file", text(&file)];
            words(&[&["user", "password", "--name", "alice"][..], &file].concat())
        },
        meanwhile: |scene, database| {
            run(scene, database, &["user", "delete", "--name", "alice"]);
            let file = scene.path("password");
            let other = [
                "user",
                "create",
                "--name",
                "alice",
                "--password-file",
                text(&file),
            ];
            run(scene, database, &other);
        },
        found: false,
    },
    Case {
        command: "user delete",
        store: SEVERAL,
        answers: YES,
        arguments: |_, _| words(&["user", "delete", "--name", "bob"]),
        meanwhile: |scene, database| {
            let other = [
                "auth",
                "create",
                "--operator",
                "--user",
                "bob",
                "--org",
                "acme",
            ];
            run(scene, database, &other);
        },
        found: false,
    },
    Case {
        command: "org create",
        store: ONE,
        answers: YES,
        arguments: |_, _| words(&["org", "create", "--name", "new"]),
        meanwhile: |scene, database| run(scene, database, &["org", "create", "--name", "new"]),
        found: true,
    },
    Case {
        command: "bucket create",
        store: ONE,
        answers: YES,
        arguments: |_, _| words(&["bucket", "create", "--name", "new"]),
        meanwhile: |scene, database| run(scene, database, &["bucket", "create", "--name", "new"]),
        found: true,
    },
    Case {
        command: "v1 auth create",
        store: SEVERAL,
        answers: YES,
        arguments: |_, _| words(&V1_USER),
        // Another owner of the same name.
        meanwhile: |scene, database| {
            run(scene, database, &["user", "delete", "--name", "bob"]);
            run(scene, database, &["user", "create", "--name", "bob"]);
        },
        found: true,
    },
    Case {
        command: "v1 auth update",
        store: SEVERAL,
        answers: YES,
        arguments: |_, _| {
            words(&[
                "v1",
                "auth",
                "update",
                "--username",
                "collectd",
                "--status",
                "inactive",
            ])
        },
        meanwhile: |scene, database| {
            let other = [
                "v1",
                "auth",
                "update",
                "--username",
                "collectd",
                "--description",
                "in use",
            ];
            run(scene, database, &other);
        },
        found: true,
    },
    Case {
        command: "v1 auth password",
        store: SEVERAL,
        answers: YES,
        arguments: |scene, _| words(&set_v1_password(&password(scene, "another password"))),
        meanwhile: |scene, database| {
            let file = password(scene, "a third password");
            run(scene, database, &set_v1_password(&file));
            password(scene, "another password");
        },
        found: false,
    },
    Case {
        command: "v1 auth delete",
        store: SEVERAL,
        answers: &[("lose access. [y/N] ", "y")],
        arguments: |_, _| words(&["v1", "auth", "delete", "--username", "collectd"]),
        meanwhile: |scene, database| {
            let other = [
                "v1",
                "auth",
                "update",
                "--username",
                "collectd",
                "--description",
                "in use",
            ];
            run(scene, database, &other);
        },
        found: false,
    },
    Case {
        command: "v1 dbrp create",
        store: SEVERAL,
        answers: YES,
        arguments: |_, _| {
            words(&[
                "v1",
                "dbrp",
                "create",
                "--org",
                "acme",
                "--bucket",
                "metrics",
                "--database",
                "new",
            ])
        },
        meanwhile: |scene, database| {
            let other = [
                "v1",
                "dbrp",
                "create",
                "--org",
                "acme",
                "--bucket",
                "_tasks",
                "--database",
                "new",
                "--rp",
                "x",
            ];
            run(scene, database, &other);
        },
        found: true,
    },
    Case {
        command: "v1 dbrp update",
        store: SEVERAL,
        answers: YES,
        arguments: |_, database| {
            add_mappings(database, SEVERAL, &MAPPINGS);
            words(&["v1", "dbrp", "update", "--default", "--id", MAPPINGS[1].0])
        },
        meanwhile: |scene, database| {
            let other = [
                "v1",
                "dbrp",
                "update",
                "--rp",
                "year",
                "--id",
                MAPPINGS[1].0,
            ];
            run(scene, database, &other);
        },
        found: true,
    },
    Case {
        command: "v1 dbrp delete",
        store: SEVERAL,
        answers: &[("fail. [y/N] ", "y")],
        arguments: |_, database| {
            add_mappings(database, SEVERAL, &MAPPINGS);
            words(&["v1", "dbrp", "delete", "--id", MAPPINGS[0].0])
        },
        meanwhile: |scene, database| {
            run(
                scene,
                database,
                &["v1", "dbrp", "delete", "--id", MAPPINGS[1].0],
            );
        },
        found: false,
    },
    Case {
        command: "bucket adopt",
        store: ONE,
        answers: &[("until you set a retention. [y/N] ", "y")],
        arguments: |scene, _| {
            shard(&scene.path("engine"), OLD_BUCKET, 70, (0, 5));
            words(&["bucket", "adopt", "--all"])
        },
        meanwhile: |scene, database| run(scene, database, &["bucket", "adopt", OLD_BUCKET]),
        found: false,
    },
    Case {
        command: "apply",
        store: SEVERAL,
        answers: YES,
        arguments: |scene, database| {
            let first = list(scene, "write:buckets");
            run(scene, database, &["apply", text(&first)]);
            words(&["apply", text(&list(scene, "read:buckets"))])
        },
        meanwhile: |scene, database| {
            let listed = scene.run(&["auth", "list", "--json"], database, &[]).json();
            let listed = listed["authorizations"].as_array().unwrap();
            let of_list = listed.last().unwrap()["id"].as_str().unwrap();
            run(scene, database, &["auth", "delete", of_list]);
        },
        found: false,
    },
    Case {
        command: "hash",
        store: MIXED,
        answers: YES,
        arguments: |scene, _| words(&["hash", "--capture", text(&scene.path("tokens.json"))]),
        meanwhile: |scene, database| {
            run(
                scene,
                database,
                &["recover", "operator", "--user", "bob", "--org", "acme"],
            );
        },
        found: false,
    },
    Case {
        command: "residue scrub",
        store: LIVED,
        answers: YES,
        arguments: |_, _| words(&["residue", "scrub"]),
        meanwhile: |scene, database| run(scene, database, &["residue", "scrub"]),
        found: false,
    },
    Case {
        command: "downgrade prepare",
        store: LIVED,
        answers: YES,
        arguments: |_, _| words(&["downgrade", "prepare", "--from-residue"]),
        meanwhile: |scene, database| {
            let other = ["downgrade", "prepare", "--from-residue"];
            run(scene, database, &other);
        },
        found: false,
    },
    Case {
        command: "downgrade apply",
        store: PLAIN,
        answers: YES,
        arguments: |_, _| words(&["downgrade", "apply", "--to", "2.7"]),
        meanwhile: |scene, database| {
            let other = [
                "auth",
                "create",
                "--operator",
                "--user",
                "alice",
                "--org",
                "acme",
                "--store",
                "hashed",
            ];
            run(scene, database, &other);
        },
        found: false,
    },
    Case {
        command: "backup restore",
        store: ONE,
        answers: YES,
        arguments: |scene, database| {
            let from = scene.sandbox.store(LIVED);
            let file = operator_token_file(scene, LIVED);
            words(&[
                "backup",
                "restore",
                text(&from),
                "--to",
                text(database),
                "--force",
                "--operator-token-file",
                &file,
            ])
        },
        meanwhile: |scene, database| {
            let from = scene.sandbox.store(SEVERAL);
            let other = [
                "backup",
                "restore",
                text(&from),
                "--to",
                text(database),
                "--force",
                "--yes",
                "--operator-token-file",
            ];
            let file = operator_token_file(scene, SEVERAL);
            scene.sandbox.run([&other[..], &[&file]].concat()).code(0);
        },
        found: false,
    },
];

/// What the other run leaves is alike in all numbers: other tokens, or other values of the same.
const EXCHANGED: &[Case] = &[
    Case {
        command: "bucket adopt",
        store: ONE,
        answers: YES,
        arguments: |scene, _| {
            shard(&scene.path("engine"), OLD_BUCKET, 70, (0, 5));
            words(&["bucket", "adopt", "--all"])
        },
        // A server has the engine folder, with another store.
        meanwhile: |scene, _| {
            shard(&scene.path("engine"), "00000000000000bb", 71, (0, 5));
        },
        found: false,
    },
    Case {
        command: "hash",
        store: PLAIN,
        answers: YES,
        arguments: |scene, database| {
            run(scene, database, &["residue", "scrub"]);
            words(&["hash", "--capture", text(&scene.path("tokens.json"))])
        },
        meanwhile: |scene, database| {
            let id = &operators(scene, database)[0];
            run(
                scene,
                database,
                &["auth", "rotate", id, "--store", "plaintext"],
            );
            run(scene, database, &["residue", "scrub"]);
        },
        found: false,
    },
    Case {
        command: "hash",
        store: PLAIN,
        answers: YES,
        arguments: |scene, database| {
            run(scene, database, &["residue", "scrub"]);
            words(&["hash", "--no-capture"])
        },
        meanwhile: |scene, database| {
            let id = &operators(scene, database)[0];
            let clone = ["auth", "clone", id, "--store", "plaintext"];
            run(scene, database, &clone);
            run(scene, database, &["auth", "delete", id]);
            run(scene, database, &["residue", "scrub"]);
        },
        found: false,
    },
    Case {
        command: "auth rotate",
        store: SEVERAL,
        answers: YES,
        arguments: |_, _| words(&["auth", "rotate", READ_ALL]),
        meanwhile: |scene, database| run(scene, database, &["auth", "rotate", READ_ALL]),
        found: false,
    },
    Case {
        command: "auth delete",
        store: SEVERAL,
        answers: YES,
        arguments: |_, _| words(&["auth", "delete", READ_ALL]),
        meanwhile: |scene, database| run(scene, database, &["auth", "rotate", READ_ALL]),
        found: false,
    },
    // Filters match another token then, or the same with another value.
    Case {
        command: "auth rotate",
        store: SEVERAL,
        answers: &[("36 tokens: ", "y")],
        arguments: |scene, _| {
            let out = scene.path("new.json");
            words(&["auth", "rotate", "--all", "--token-out", text(&out)])
        },
        meanwhile: |scene, database| run(scene, database, &["auth", "clone", READ_ALL]),
        found: false,
    },
    Case {
        command: "auth rotate",
        store: SEVERAL,
        answers: YES,
        arguments: |scene, _| {
            let out = scene.path("new.json");
            words(&[
                "auth",
                "rotate",
                "--user",
                "alice",
                "--token-out",
                text(&out),
            ])
        },
        meanwhile: |scene, database| run(scene, database, &["auth", "rotate", READ_ALL]),
        found: false,
    },
    Case {
        command: "auth update",
        store: SEVERAL,
        answers: &[("Deactivate 35 tokens: ", "y")],
        arguments: |_, _| words(&["auth", "update", "--all", "--status", "inactive"]),
        meanwhile: |scene, database| run(scene, database, &["auth", "delete", READ_ALL]),
        found: false,
    },
    Case {
        command: "auth delete",
        store: SEVERAL,
        answers: &[("Delete these 26 tokens: ", "y")],
        arguments: |_, _| words(&["auth", "delete", "--user", "alice", "--kind", "custom"]),
        meanwhile: |scene, database| {
            let other = ["auth", "update", READ_ALL, "--description", "in use"];
            run(scene, database, &other);
        },
        found: false,
    },
    Case {
        command: "user password",
        store: ONE,
        answers: YES,
        arguments: |scene, _| words(&set_password(&password(scene, "another password"))),
        meanwhile: |scene, database| {
            let file = password(scene, "a third password");
            run(scene, database, &set_password(&file));
            password(scene, "another password");
        },
        found: false,
    },
    Case {
        command: "user delete",
        store: SEVERAL,
        answers: YES,
        arguments: |_, _| words(&["user", "delete", "--name", "alice"]),
        meanwhile: |scene, database| run(scene, database, &["auth", "rotate", READ_ALL]),
        found: false,
    },
    Case {
        command: "downgrade apply",
        store: PLAIN,
        answers: YES,
        arguments: |scene, database| {
            run(
                scene,
                database,
                &[
                    "auth",
                    "rotate",
                    &last(scene, database),
                    "--store",
                    "hashed",
                ],
            );
            words(&[
                "downgrade",
                "apply",
                "--to",
                "2.7",
                "--allow-loss",
                "--drop-hashed",
            ])
        },
        meanwhile: |scene, database| {
            run(
                scene,
                database,
                &[
                    "auth",
                    "rotate",
                    &last(scene, database),
                    "--store",
                    "hashed",
                ],
            );
        },
        found: false,
    },
];

/// The last operator token.
fn last(scene: &Scene, database: &Path) -> String {
    operators(scene, database).pop().unwrap()
}

fn password(scene: &Scene, password: &str) -> String {
    let file = scene.path("password");
    fs::write(&file, format!("{password}\n")).unwrap();
    text(&file).to_owned()
}

fn set_password(file: &str) -> [&str; 6] {
    [
        "user",
        "password",
        "--name",
        "alice",
        "--password-file",
        file,
    ]
}

const V1_USER: [&str; 13] = [
    "v1",
    "auth",
    "create",
    "--username",
    "grafana",
    "--org",
    "acme",
    "--user",
    "bob",
    "--read-bucket",
    "metrics",
    "--no-password",
    "--quiet",
];

fn set_v1_password(file: &str) -> [&str; 7] {
    [
        "v1",
        "auth",
        "password",
        "--username",
        "collectd",
        "--password-file",
        file,
    ]
}

/// Commands that read, write new files only, or need no database. None asks for a yes.
const NEVER_ASK: &[&str] = &[
    "status",
    "explain",
    "locate",
    "auth list",
    "auth show",
    "auth verify",
    "auth export",
    "check",
    "diff",
    "doctor",
    "report",
    "user list",
    "org list",
    "bucket list",
    "user verify",
    "v1 auth list",
    "v1 dbrp list",
    // Only where nobody is left: tests/cli/user_org.rs.
    "user update",
    "setup",
    "capture",
    "capture verify",
    "residue scan",
    "residue recover",
    "downgrade check",
    "convert",
    "compact",
    "salvage",
    "backup export",
    "backup inspect",
    "backup token",
    "token generate",
    "token hash",
    "completions",
    "man",
];

#[test]
fn every_command_is_tried_or_never_asks() {
    let mut found = BTreeSet::new();
    leaves(&boltkey::cli::command(), "", &mut found);
    let listed: Vec<&str> = ASK
        .iter()
        .map(|case| case.command)
        .chain(NEVER_ASK.iter().copied())
        .collect();
    let names: BTreeSet<String> = listed.iter().map(ToString::to_string).collect();
    assert_eq!(found, names);
    assert_eq!(names.len(), listed.len(), "a command is listed twice");
}

/// A command at a terminal, up to its last question.
struct Asked {
    scene: Scene,
    database: std::path::PathBuf,
    terminal: Terminal,
    last: &'static str,
}

#[track_caller]
fn ask(case: &Case) -> Asked {
    let scene = Scene::new();
    let database = scene.store(case.store);
    let command = (case.arguments)(&scene, &database);
    let is_restore = case.command == "backup restore";
    let mut command = match case.found || is_restore {
        true => scene.sandbox.command(command),
        false => {
            let command: Vec<&str> = command.iter().map(String::as_str).collect();
            scene.sandbox.command(arguments(&command, &database, &[]))
        }
    };
    if case.found {
        command.env("BOLTKEY_DB", &database);
    }
    let mut terminal = Terminal::start(command);
    let [before @ .., (question, last)] = case.answers else {
        panic!("{} has no question", case.command);
    };
    for (question, answer) in before {
        terminal.wait_for(question);
        terminal.answer(answer);
    }
    terminal.wait_for(question);
    Asked {
        scene,
        database,
        terminal,
        last,
    }
}

#[test]
fn a_store_that_was_changed_before_the_answer_stays_as_it_is() {
    let mut wrong = Vec::new();
    for case in ASK.iter().chain(EXCHANGED) {
        let mut asked = ask(case);
        (case.meanwhile)(&asked.scene, &asked.database);
        let left = fs::read(&asked.database).unwrap();
        let names = asked.scene.names();
        asked.terminal.answer(asked.last);
        let ran = asked.terminal.end();
        let refused = ran.code == 1
            && ran.stdout.is_empty()
            && ran.stderr.contains("changed since")
            && ran.stderr.contains("nothing was changed");
        let same = fs::read(&asked.database).unwrap() == left && asked.scene.names() == names;
        // One question says everything.
        let once = ran.stderr.matches("[y/N]").count() <= 1;
        if !(refused && same && once) {
            wrong.push(format!("{}: {ran:?}", case.command));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_answer_counts() {
    for case in ASK {
        let before = |asked: &Asked| fs::read(&asked.database).unwrap();
        let mut asked = ask(case);
        let untouched = before(&asked);
        let names = asked.scene.names();
        for _ in 0..3 {
            asked.terminal.answer("n");
        }
        let ran = asked.terminal.end();
        let what = format!("{}: {ran:?}", case.command);
        assert_eq!(ran.code, 1, "{what}");
        assert!(ran.stderr.contains("nothing was changed"), "{what}");
        assert!(fs::read(&asked.database).unwrap() == untouched, "{what}");
        assert_eq!(asked.scene.names(), names, "{what}");

        let mut asked = ask(case);
        let untouched = before(&asked);
        asked.terminal.answer(asked.last);
        let ran = asked.terminal.end();
        let what = format!("{}: {ran:?}", case.command);
        assert_eq!(ran.code, 0, "{what}");
        assert!(fs::read(&asked.database).unwrap() != untouched, "{what}");
        assert!(ran.stderr.matches("[y/N]").count() <= 1, "{what}");
    }
}

#[test]
fn one_question_tells_the_path_and_the_change() {
    let scene = Scene::new();
    let database = scene.store(ONE);
    let id = operators(&scene, &database)[0].clone();
    let mut command = scene.sandbox.command(["auth", "delete", &id]);
    command.env("BOLTKEY_DB", &database);
    let mut terminal = Terminal::start(command);
    terminal.wait_for(text(&database));
    terminal.wait_for("from BOLTKEY_DB");
    terminal.wait_for("Delete this token");
    terminal.wait_for("[y/N] ");
    terminal.answer("y");
    let ran = terminal.end().code(0);
    // The question may be wrapped.
    let said = ran.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    let last = "No usable operator token will remain. [y/N]";
    assert!(said.contains(last), "{said}");
    assert_eq!(ran.stderr.matches("[y/N]").count(), 1, "{ran:?}");
    assert_eq!(operators(&scene, &database).len(), 0);
}

#[test]
fn another_file_of_the_same_path_and_content_was_not_confirmed() {
    let scene = Scene::new();
    let database = scene.store(ONE);
    let mut command = scene.sandbox.command(["org", "create", "--name", "new"]);
    command.env("BOLTKEY_DB", &database);
    let mut terminal = Terminal::start(command);
    terminal.wait_for("[y/N] ");
    let content = fs::read(&database).unwrap();
    let other = scene.path("other");
    fs::write(&other, &content).unwrap();
    fs::rename(&other, &database).unwrap();
    terminal.answer("y");
    let ran = terminal.end().code(1);
    ran.tells(&["changed since"]);
    assert!(fs::read(&database).unwrap() == content);
}

#[test]
fn a_restore_replaces_only_what_it_has_asked_about() {
    let case = ASK.iter().find(|case| case.command == "backup restore");
    let mut asked = ask(case.unwrap());
    // Its time-series metadata stay as they were.
    run(&asked.scene, &asked.database, &["recover", "operator"]);
    let left = fs::read(&asked.database).unwrap();
    asked.terminal.answer(asked.last);
    let ran = asked.terminal.end().code(1);
    ran.tells(&["changed since the question was asked"]);
    assert!(fs::read(&asked.database).unwrap() == left, "{ran:?}");
}

#[test]
fn a_yes_beforehand_is_an_answer_to_whatever_is_there() {
    let scene = Scene::new();
    let database = scene.store(ONE);
    let id = operators(&scene, &database)[0].clone();
    let update = ["auth", "update", &id, "--status", "inactive"];
    // It takes the last usable operator token away.
    let ran = scene.run(&update, &database, &[]).code(6);
    ran.tells(&[
        "Deactivate 1 token: ",
        "Clients that use it lose access. No usable operator token will remain.",
        "--yes",
    ]);
    scene.run(&update, &database, &["--yes"]).ok();
    // Nothing is asked where there is nothing to do.
    scene.run(&update, &database, &[]).ok();
    // Nor where none was usable before.
    scene.run(&["auth", "delete", &id], &database, &["-n"]).ok();
}

#[test]
fn a_password_that_is_typed_comes_after_all_that_can_refuse() {
    let scene = Scene::new();
    let database = scene.store(ONE);
    let typed = |who: &str| {
        let command = ["user", "password", "--name", who, "--yes"];
        let command = scene.sandbox.command(arguments(&command, &database, &[]));
        controlling(&command).map(Terminal::start)
    };
    let Some(terminal) = typed("nobody") else {
        return;
    };
    // Not asked for.
    let ran = terminal.end().code(1);
    ran.tells(&["no user called \"nobody\""]);

    for changed in [false, true] {
        let mut terminal = typed("alice").unwrap();
        terminal.wait_for("password (hidden): ");
        terminal.answer("another password");
        terminal.wait_for("repeat (hidden): ");
        if changed {
            run(&scene, &database, &["user", "delete", "--name", "alice"]);
            run(&scene, &database, &["user", "create", "--name", "alice"]);
        }
        let before = fs::read(&database).unwrap();
        terminal.answer("another password");
        let ran = terminal.end().code(i32::from(changed));
        let same = fs::read(&database).unwrap() == before;
        assert_eq!(same, changed, "{ran:?}");
    }
}

#[test]
fn where_the_tokens_go_is_asked_only_if_there_is_something_to_hash() {
    let scene = Scene::new();
    let database = scene.store(MIXED);
    let hash = || Terminal::start(scene.sandbox.command(arguments(&["hash"], &database, &[])));
    let capture = scene.path("tokens.json");
    let mut terminal = hash();
    terminal.wait_for("(new file, or none): ");
    terminal.answer(text(&capture));
    terminal.wait_for("[y/N] ");
    terminal.answer("y");
    terminal.end().code(0);
    assert!(capture.exists());
    let ran = hash().end().code(0);
    assert!(ran.stdout.contains("nothing to do"), "{ran:?}");
    scene.run(&["hash"], &database, &[]).code(0);
}
