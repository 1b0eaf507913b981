//! `doctor`: on each state the first step is the right one, and it leads out of the state.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use boltkey::finding::{Code, Repair};
use boltkey::store::{LockOptions, OpenOptions, Store};
use rustix::fs::{FlockOperation, flock};
use serde_json::Value;

use crate::cures::ground::bolt_of;
use crate::downgrade::sqlite;
use crate::fixtures::{content, fixture, fixtures, tokens};
use crate::sandbox::Ran;
use crate::scene::{ONE, Scene, text};
use crate::support::engine_folder::{HOUR, WEDNESDAY, shard};
use crate::support::record_changes::{ID, MUTATORS, sound};

/// A store in which every token is in plaintext, of an older release.
const PLAINTEXT: &str = "lived-2.7.12";

/// A state, and the first step that it needs.
struct State {
    name: &'static str,
    /// Makes the state; the path to examine.
    make: fn(&Scene) -> PathBuf,
    /// The version of the influxd in the container image.
    installed: Option<&'static str>,
    /// The exit code of `doctor`.
    code: i32,
    /// The check of the first step; empty if nothing has to be done.
    check: &'static str,
    /// How its command begins.
    command: &'static str,
}

const fn state(
    name: &'static str,
    make: fn(&Scene) -> PathBuf,
    code: i32,
    check: &'static str,
    command: &'static str,
) -> State {
    State {
        name,
        make,
        installed: None,
        code,
        check,
        command,
    }
}

fn private(path: PathBuf) -> PathBuf {
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

/// A copy of a server's store, without what would be told of every store that somebody lived in.
fn store(scene: &Scene, name: &str) -> PathBuf {
    without_orphans(scene, private(scene.store(name)))
}

/// Deletes the tokens of deleted users and organizations that a server left.
fn without_orphans(scene: &Scene, path: PathBuf) -> PathBuf {
    let found = scene.run(&["check"], &path, &["--json"]).json();
    for finding in found["findings"].as_array().unwrap() {
        let code = finding["code"].as_str().unwrap();
        let place = finding["where"].as_str().unwrap();
        if ["metadata.token-user-gone", "metadata.token-org-gone"].contains(&code)
            && !place.ends_with(ID)
        {
            let id = place.split_once('/').unwrap().1;
            scene.run(&["auth", "delete", id, "--yes"], &path, &[]);
        }
    }
    path
}

fn field(scene: &Scene, name: &str) -> PathBuf {
    let path = scene.path("influxd.bolt");
    fs::write(&path, content(&fixtures().join("field").join(name))).unwrap();
    private(path)
}

fn changed(scene: &Scene, code: &str) -> PathBuf {
    let (_, change) = MUTATORS.iter().find(|(name, _)| *name == code).unwrap();
    let mut model = sound();
    change(&mut model);
    let path = scene.path("influxd.bolt");
    fs::write(&path, bolt_of(&model)).unwrap();
    without_orphans(scene, private(path))
}

fn of_bytes(scene: &Scene, bytes: &[u8]) -> PathBuf {
    let path = scene.path("influxd.bolt");
    fs::write(&path, bytes).unwrap();
    private(path)
}

fn delete_operators(scene: &Scene, database: &Path) {
    let extra = ["--kind", "operator", "--json"];
    let listed = scene.run(&["auth", "list"], database, &extra).ok().json();
    for token in listed["authorizations"].as_array().unwrap() {
        let id = token["id"].as_str().unwrap();
        scene
            .run(&["auth", "delete", id, "--yes"], database, &[])
            .code(0);
    }
}

const STATES: &[State] = &[
    state("sound", |s| store(s, ONE), 0, "", ""),
    state(
        "hashed with a capture",
        |s| {
            let path = store(s, "fresh-2.9.1-plaintext");
            s.run(&["hash", "--no-capture", "--yes"], &path, &[])
                .code(0);
            path
        },
        0,
        "",
        "",
    ),
    state(
        "no operator token, but a login",
        |s| {
            let path = store(s, ONE);
            delete_operators(s, &path);
            path
        },
        0,
        "access",
        "boltkey recover operator",
    ),
    state(
        "all users are inactive",
        |s| {
            let path = store(s, ONE);
            delete_operators(s, &path);
            let users = s.run(&["user", "list"], &path, &["--json"]).ok().json();
            for user in users["users"].as_array().unwrap() {
                let name = user["name"].as_str().unwrap();
                let update = [
                    "user",
                    "update",
                    "--name",
                    name,
                    "--status=inactive",
                    "--yes",
                ];
                s.run(&update, &path, &[]).code(0);
            }
            path
        },
        3,
        "access",
        "boltkey user update",
    ),
    state(
        "no user is left",
        |s| {
            let mut model = sound();
            for bucket in [
                &b"usersv1"[..],
                b"userindexv1",
                b"authorizationsv1",
                b"authorizationindexv1",
                b"userresourcemappingsv1",
                b"userresourcemappingsbyuserindexv1",
                b"userspasswordv1",
                b"legacy/authorizationsv1",
                b"legacy/authorizationindexv1",
                b"legacy/authorizationPasswordv1",
            ] {
                model.delete_bucket(bucket);
                model.create_bucket(bucket);
            }
            of_bytes(s, &bolt_of(&model))
        },
        3,
        "access",
        "boltkey user create",
    ),
    state(
        "created by a wrong path",
        |s| {
            let path = s.path("influxd.bolt");
            let mut model = sound();
            let (buckets, _) = boltkey::store::Snapshot::buckets(&model).unwrap();
            for bucket in buckets {
                if bucket.name != b"migrationsv1" && bucket.name != b"idsv1" {
                    model.delete_bucket(&bucket.name);
                    model.create_bucket(&bucket.name);
                }
            }
            fs::write(&path, bolt_of(&model)).unwrap();
            private(path)
        },
        3,
        "access",
        "boltkey locate",
    ),
    state(
        "hashed, and the last copies are in the file",
        |s| {
            let path = store(s, PLAINTEXT);
            let hash = ["hash", "--no-capture", "--keep-residue", "--yes"];
            s.run(&hash, &path, &[]).code(0);
            path
        },
        3,
        "last-copies",
        "boltkey residue recover",
    ),
    state(
        "open to all",
        |s| {
            let path = store(s, ONE);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
            path
        },
        0,
        "file",
        "chmod 600",
    ),
    state(
        "a page of records was overwritten",
        |s| field(s, "bolt-c08.bolt.gz"),
        3,
        "structure.key-range",
        "boltkey salvage",
    ),
    state(
        "the last transaction lost a page",
        |s| field(s, "bolt-fullok-2-113.bolt.gz"),
        3,
        "metadata.lost-records",
        "boltkey salvage",
    ),
    state(
        "root pages lost",
        |s| field(s, "bolt-okbut-1-13.bolt.gz"),
        3,
        "metadata.lost-records",
        "boltkey salvage",
    ),
    state(
        "no bucket can be read",
        |s| field(s, "bolt-c01.bolt.gz"),
        5,
        "structure",
        "boltkey salvage",
    ),
    state(
        "a branch was zeroed",
        |s| field(s, "bolt-bigp-d2.bolt.gz"),
        3,
        "structure.page-id",
        "boltkey salvage",
    ),
    state(
        "both meta pages are lost",
        |s| {
            let mut bytes = fixture(PLAINTEXT);
            bytes[..8192].fill(0);
            of_bytes(s, &bytes)
        },
        5,
        "structure",
        "boltkey salvage",
    ),
    state(
        "the freelist is damaged",
        |s| field(s, "bolt-c02.bolt.gz"),
        3,
        "structure.freelist-page",
        "boltkey repair",
    ),
    state(
        "page already freed",
        |s| field(s, "7-22825-page-already-freed.bolt.gz"),
        3,
        "structure.freelist-live",
        "boltkey repair",
    ),
    state(
        "invalid page type",
        |s| field(s, "6-23186-invalid-page-type-41-10.bolt.gz"),
        3,
        "structure.page-type",
        "boltkey salvage",
    ),
    state(
        "the end is cut off",
        |s| field(s, "bolt-c12.bolt.gz"),
        3,
        "structure.",
        "boltkey",
    ),
    state(
        "the path is wrong",
        |s| s.path("nowhere.bolt"),
        3,
        "store",
        "boltkey locate",
    ),
    state(
        "an empty file",
        |s| of_bytes(s, b""),
        5,
        "structure",
        "boltkey locate",
    ),
    state(
        "an SQLite file",
        |s| {
            let path = s.path("influxd.sqlite");
            sqlite(&path, 8, "");
            private(path)
        },
        5,
        "structure",
        "boltkey locate",
    ),
    state(
        "a Bolt file of another program",
        |s| {
            let mut model = boltkey::store::Model::default();
            model.create_bucket(b"other");
            model.put(b"other", b"k", b"v");
            of_bytes(s, &bolt_of(&model))
        },
        5,
        "structure",
        "boltkey locate",
    ),
    state(
        "a task of a deleted organization",
        |s| field(s, "2-27361-task-of-deleted-org.bolt.gz"),
        3,
        "metadata.task-org-gone",
        "boltkey repair",
    ),
    state(
        "a user without an index entry",
        |s| field(s, "1-25221-no-name-index.bolt.gz"),
        3,
        "metadata.index-absent",
        "boltkey repair",
    ),
    state(
        "a blocked name",
        |s| changed(s, "metadata.index-dangling"),
        0,
        "metadata.index-dangling",
        "boltkey repair",
    ),
    state(
        "a token of a deleted user",
        |s| {
            let path = store(s, PLAINTEXT);
            for command in [
                &["user", "create", "--name", "leaver", "--org", "acme"][..],
                &[
                    "auth",
                    "create",
                    "--user",
                    "leaver",
                    "--org",
                    "acme",
                    "--read-buckets",
                ],
                &["user", "delete", "--name", "leaver", "--yes"],
            ] {
                s.run(command, &path, &[]).code(0);
            }
            path
        },
        0,
        "metadata.token-user-gone",
        "boltkey auth delete",
    ),
    state(
        "plaintext and hash disagree",
        |s| changed(s, "metadata.token-disagrees"),
        3,
        "metadata.token-disagrees",
        "boltkey auth rotate",
    ),
    state(
        "a hash that nobody can decode",
        |s| changed(s, "metadata.hash-undecodable"),
        3,
        "metadata.hash-undecodable",
        "boltkey auth rotate",
    ),
    state(
        "an authorization that can't be decoded",
        |s| {
            let mut model = sound();
            model.put(b"authorizationsv1", b"0000000000000a01", b"{");
            of_bytes(s, &bolt_of(&model))
        },
        3,
        "metadata.undecodable",
        "boltkey auth delete",
    ),
    state(
        "a user that can't be decoded",
        |s| changed(s, "metadata.undecodable"),
        3,
        "metadata.undecodable",
        "boltkey backup restore",
    ),
    state(
        "a migration of a newer release",
        |s| changed(s, "metadata.migration-unknown"),
        3,
        "metadata.migration-unknown",
        "boltkey explain",
    ),
    state(
        "the SQLite file of another server",
        |s| {
            let path = store(s, ONE);
            let rows = "CREATE TABLE notebooks(org_id TEXT);
                    INSERT INTO notebooks VALUES ('00000000000000bb');";
            sqlite(&s.path("influxd.sqlite"), 8, rows);
            path
        },
        0,
        "metadata.sqlite-foreign",
        "mv",
    ),
    state(
        "the SQLite file of a newer release",
        |s| {
            let path = store(s, ONE);
            let rows = "INSERT INTO migrations(name) VALUES ('0009_new');";
            sqlite(&s.path("influxd.sqlite"), 8, rows);
            path
        },
        3,
        "metadata.sqlite-unusable",
        "mv",
    ),
    state(
        "an engine folder of a beta",
        |s| {
            let path = store(s, ONE);
            fs::create_dir_all(s.path("engine/_series")).unwrap();
            path
        },
        3,
        "metadata.engine-old",
        "mv",
    ),
    state(
        "shards that the store does not know",
        |s| {
            let path = store(s, ONE);
            let times = (WEDNESDAY, WEDNESDAY + HOUR);
            shard(&s.path("engine"), "00000000000000bb", 70, times);
            path
        },
        0,
        "metadata.engine-foreign",
        "boltkey bucket adopt",
    ),
    state(
        "a copy with tokens beside it",
        |s| {
            let path = store(s, PLAINTEXT);
            fs::copy(&path, s.path("influxd.bolt.bak")).unwrap();
            s.run(&["hash", "--no-capture", "--yes"], &path, &[]);
            path
        },
        0,
        "files-beside",
        "mv",
    ),
    State {
        installed: Some("2.9.1"),
        ..state(
            "before an upgrade that hashes",
            |s| store(s, PLAINTEXT),
            0,
            "start",
            "boltkey hash --capture",
        )
    },
    State {
        installed: Some("2.7.12"),
        ..state(
            "after a downgrade, tokens in plaintext",
            |s| store(s, "fresh-2.9.1-plaintext"),
            3,
            "start",
            "boltkey downgrade apply --to 2.7",
        )
    },
    State {
        installed: Some("2.7.12"),
        ..state(
            "after a downgrade, tokens hashed",
            |s| store(s, ONE),
            3,
            "start",
            "boltkey downgrade prepare",
        )
    },
    State {
        installed: Some("2.7.12"),
        ..state("the right release", |s| store(s, "fresh-2.7.12"), 0, "", "")
    },
    state(
        "a whole backup",
        |s| {
            let path = store(s, PLAINTEXT);
            let out = s.path("backup");
            s.run(
                &["backup", "export", "--influx-manifest"],
                &path,
                &["--out", text(&out)],
            )
            .code(0);
            out
        },
        0,
        "",
        "",
    ),
    state(
        "a backup without a plaintext operator token",
        |s| {
            let path = store(s, ONE);
            let out = s.path("backup");
            s.run(
                &["backup", "export", "--influx-manifest"],
                &path,
                &["--out", text(&out)],
            )
            .code(0);
            out
        },
        0,
        "restore",
        "boltkey backup token",
    ),
    state(
        "a backup with a damaged file",
        |s| {
            let path = store(s, PLAINTEXT);
            let out = s.path("backup");
            s.run(&["backup", "export"], &path, &["--out", text(&out)])
                .code(0);
            let files = fs::read_dir(&out)
                .unwrap()
                .map(|entry| entry.unwrap().path());
            let mut packed = files.filter(|path| text(path).ends_with(".bolt.gz"));
            let packed = packed.next().unwrap();
            let length = packed.metadata().unwrap().len();
            File::options()
                .write(true)
                .open(packed)
                .unwrap()
                .set_len(length / 2)
                .unwrap();
            out
        },
        3,
        "backup.",
        "boltkey backup inspect",
    ),
];

fn examine(scene: &Scene, path: &Path, installed: Option<&str>) -> Ran {
    let mut command = scene.sandbox.command(["doctor", text(path), "--json"]);
    if let Some(version) = installed {
        command.env("INFLUXDB_VERSION", version);
    }
    scene.sandbox.finish(command)
}

/// The check whose command comes first, as the contract says: the first of the worst.
pub fn first_step(report: &Value) -> Option<&Value> {
    let worst = report["verdict"].as_str().unwrap();
    (worst != "ok")
        .then(|| first_of(&report["checks"], worst))
        .flatten()
}

fn first_of<'r>(checks: &'r Value, worst: &str) -> Option<&'r Value> {
    let checks = checks.as_array().unwrap().iter();
    checks
        .filter(|check| check["result"] == worst)
        .find_map(|check| {
            let below = first_of(&check["checks"], worst);
            below.or_else(|| check["command"].is_string().then_some(check))
        })
}

/// Runs the command of a check, with its values filled in. Returns what to examine next.
fn run(scene: &Scene, state: &str, command: &str, examined: &Path) -> PathBuf {
    let new = scene.path("made-by-the-command");
    let mut filled = command.to_owned();
    for value in [
        "<new file>",
        "<new folder>",
        "<file elsewhere>",
        "<safe folder>",
    ] {
        filled = filled.replace(value, text(&new));
    }
    let name = match filled.contains("user update") {
        true => "alice",
        false => "somebody",
    };
    filled = filled.replace("<name>", name);
    if filled.contains("<engine folder>") {
        let engine = scene.path("engine-of-influxd");
        fs::create_dir(&engine).unwrap();
        filled = filled.replace("<engine folder>", text(&engine));
    }
    if filled.contains("<file with tokens>") {
        let known = scene.path("known.txt");
        let tokens = tokens(ONE);
        let lines: Vec<&str> = tokens.iter().map(|(_, token)| token.as_str()).collect();
        fs::write(&known, lines.join("\n")).unwrap();
        filled = filled.replace("<file with tokens>", text(&known));
    }
    if filled.contains("<backup>") {
        let backup = scene.path("sound.bolt");
        fs::write(&backup, fixture(ONE)).unwrap();
        filled = filled.replace("<backup>", text(&backup));
    }
    assert!(!filled.contains('<'), "{state}: {filled}");
    let words: Vec<&str> = filled.split(' ').collect();
    let (program, arguments) = words.split_first().unwrap();
    if *program != "boltkey" {
        let ran = Command::new(program).args(arguments).output().unwrap();
        assert!(ran.status.success(), "{state}: {filled}: {ran:?}");
        return examined.to_path_buf();
    }
    let mut arguments = arguments.to_vec();
    arguments.push("--yes");
    if arguments.contains(&"operator") {
        let users = scene
            .run(&["user", "list"], examined, &["--json"])
            .ok()
            .json();
        let orgs = scene
            .run(&["org", "list"], examined, &["--json"])
            .ok()
            .json();
        let name = |list: &Value| list[0]["name"].as_str().unwrap().to_owned();
        let (user, org) = (name(&users["users"]), name(&orgs["orgs"]));
        let ran = scene
            .sandbox
            .run([&arguments[..], &["--user", &user, "--org", &org]].concat());
        assert_eq!(ran.code, 0, "{state}: {filled}: {ran:?}");
        return examined.to_path_buf();
    }
    let ran = scene.sandbox.run(&arguments);
    let some_lost = arguments.contains(&"salvage") || arguments.contains(&"repair");
    let is_done = ran.code == 0 || (some_lost || arguments.contains(&"inspect")) && ran.code == 3;
    assert!(is_done, "{state}: {filled}: {ran:?}");
    let makes_a_store = ["salvage", "compact", "token"];
    if makes_a_store.iter().any(|word| arguments.contains(word)) {
        return new;
    }
    examined.to_path_buf()
}

/// Runs first steps until the check of the first one asks for nothing more.
fn follow(scene: &Scene, state: &State, path: &Path, report: &Value) -> Result<(), String> {
    let started = first_step(report).unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let (mut path, mut report) = (path.to_path_buf(), report.clone());
    let mut done: Vec<String> = Vec::new();
    for _ in 0..4 {
        let first = first_step(&report).ok_or("no further step")?;
        let command = first["command"].as_str().unwrap().to_owned();
        if done.contains(&command) {
            return Err(format!("{command} did not help: {report}"));
        }
        path = run(scene, state.name, &command, &path);
        // These change nothing: they look elsewhere, or save what is in danger.
        let looks = ["locate", "explain", "backup inspect", "residue recover"];
        if looks
            .iter()
            .any(|words| command.starts_with(&format!("boltkey {words}")))
        {
            return Ok(());
        }
        report = examine(scene, &path, state.installed).json();
        if !asks(&report, &started) {
            return Ok(());
        }
        done.push(command);
    }
    Err(format!("{done:?} did not help: {report}"))
}

/// Whether a check with this ID still asks for something.
fn asks(report: &Value, id: &str) -> bool {
    fn in_checks(checks: &Value, id: &str) -> bool {
        checks.as_array().unwrap().iter().any(|check| {
            let same = check["id"] == id && check["result"] != "ok";
            same || in_checks(&check["checks"], id)
        })
    }
    in_checks(&report["checks"], id)
}

#[test]
fn the_first_step_leads_out_of_each_state() {
    let mut wrong = Vec::new();
    for state in STATES {
        let scene = Scene::new();
        let path = (state.make)(&scene);
        let ran = examine(&scene, &path, state.installed);
        let report: Value = match serde_json::from_str(&ran.stdout) {
            Ok(report) => report,
            Err(_) => {
                wrong.push(format!("{}: {ran:?}", state.name));
                continue;
            }
        };
        let Some(first) = first_step(&report) else {
            if !state.check.is_empty() || ran.code != state.code {
                wrong.push(format!("{}: no step: {ran:?}", state.name));
            }
            continue;
        };
        let (id, command) = (
            first["id"].as_str().unwrap(),
            first["command"].as_str().unwrap(),
        );
        let right = id.starts_with(state.check)
            && !state.check.is_empty()
            && command.starts_with(state.command)
            && ran.code == state.code;
        if !right {
            wrong.push(format!("{}: {}, {id}: {command}", state.name, ran.code));
            continue;
        }
        if let Err(why) = follow(&scene, state, &path, &report) {
            wrong.push(format!("{}: {why}", state.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("cases: doctor-states {}", STATES.len());
}

#[test]
fn a_report_has_the_verdict_and_the_first_step_of_doctor() {
    let mut wrong = Vec::new();
    let (mut read, mut unread) = (0, 0);
    for state in STATES.iter().filter(|state| state.installed.is_none()) {
        let scene = Scene::new();
        let path = (state.make)(&scene);
        let examined = examine(&scene, &path, None).json();
        let format = ["--out", "-", "--format", "json"];
        let ran = scene
            .sandbox
            .run(["report", text(&path)].into_iter().chain(format));
        if ran.stdout.is_empty() {
            // No store and no backup: there is nothing to report on.
            assert_ne!(state.code, 0, "{}: {ran:?}", state.name);
            continue;
        }
        let report = ran.json();
        let first = first_step(&examined);
        let row = &report["overview"][0];
        if let Some(hint) = row["error"]["hint"].as_str() {
            let command = first.unwrap()["command"].as_str().unwrap();
            let words: Vec<&str> = command.split(' ').take(2).collect();
            let elsewhere = command == "boltkey locate";
            if command.starts_with("boltkey") && !elsewhere && !hint.contains(&words.join(" ")) {
                wrong.push(format!("{}: {command}, but {hint}", state.name));
            }
            unread += 1;
            continue;
        }
        let store = &report["stores"][0];
        let step = &store["steps"][0];
        let same = store["verdict"] == examined["verdict"]
            && first.is_none_or(|first| {
                ["message", "hint", "command"]
                    .iter()
                    .all(|field| step[*field] == first[*field])
            })
            && (examined["verdict"] == "ok") == step.is_null()
            && row["command"] == step["command"];
        if !same {
            wrong.push(format!("{}: {row}, but {first:?}", state.name));
        }
        read += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("cases: doctor-reports {read}");
    assert!(read >= 30 && unread > 0, "{read} {unread}");
}

#[test]
fn what_repair_cures_is_cured_by_the_named_command() {
    let mut tried = 0;
    for (name, change) in MUTATORS {
        let code = Code::by_name(name).unwrap();
        if code.repair() != Repair::Cured {
            continue;
        }
        let scene = Scene::new();
        let mut model = sound();
        change(&mut model);
        let path = of_bytes(&scene, &bolt_of(&model));
        let report = examine(&scene, &path, None).json();
        let metadata = report["checks"].as_array().unwrap().iter();
        let metadata = metadata
            .clone()
            .find(|check| check["id"] == "metadata")
            .unwrap();
        let found = metadata["checks"].as_array().unwrap().iter();
        let mut of_code = found.filter(|check| check["id"] == *name);
        let Some(check) = of_code.next() else {
            panic!("{name} is not told: {report}");
        };
        let command = check["command"].as_str().unwrap();
        assert!(
            command.starts_with("boltkey repair --"),
            "{name}: {command}"
        );
        run(&scene, name, command, &path);
        let after = examine(&scene, &path, None).json();
        assert!(!asks(&after, name), "{name}: {after}");
        tried += 1;
    }
    println!("cases: doctor-cures {tried}");
}

#[test]
fn a_store_that_somebody_holds_is_told_with_the_way_to_free_it() {
    let scene = Scene::new();
    let path = store(&scene, ONE);
    let held = File::open(&path).unwrap();
    flock(&held, FlockOperation::LockExclusive).unwrap();
    let ran = examine(&scene, &path, None).code(4);
    let report = ran.json();
    let first = first_step(&report).unwrap();
    assert_eq!(first["id"], "lock");
    let kill = format!("kill {}", std::process::id());
    assert_eq!(first["command"], kill.as_str());
    // The mode is known without reading the store.
    let ids: Vec<&Value> = report["checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| &c["id"])
        .collect();
    assert_eq!(ids, ["store", "lock", "file"]);
    drop(held);
    assert!(
        Store::open(
            &path,
            &OpenOptions {
                lock: LockOptions::default()
            }
        )
        .is_ok()
    );
    examine(&scene, &path, None).code(0);
}

#[test]
fn a_folder_of_influxd_is_examined() {
    let scene = Scene::new();
    let path = store(&scene, ONE);
    let ran = scene
        .sandbox
        .run(["doctor", text(path.parent().unwrap())])
        .code(0);
    assert!(ran.stdout.contains("ok: nothing has to be done"), "{ran:?}");
    let before = fs::read(&path).unwrap();
    scene.run(&["doctor"], &path, &[]).code(0);
    assert!(fs::read(&path).unwrap() == before);
}

#[test]
fn no_secret_is_shown() {
    let scene = Scene::new();
    let path = store(&scene, PLAINTEXT);
    for extra in [&["--json"][..], &[]] {
        let ran = scene.run(&["doctor"], &path, extra).code(0);
        for (_, token) in tokens(PLAINTEXT) {
            assert!(!ran.stdout.contains(&token) && !ran.stderr.contains(&token));
        }
    }
}
