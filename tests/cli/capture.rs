//! `capture` and `residue recover`: what they write, and that they overwrite nothing.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::fixtures::facts;
use crate::sandbox::on;
use crate::{Ran, Sandbox};

const CAPTURE: &[&str] = &["capture"];
const RECOVER: &[&str] = &["residue", "recover"];

/// The store that each of them is tried on: one with plaintext, one that only shows it still.
const CASES: [(&[&str], &str); 2] = [(CAPTURE, "lived-2.7.12"), (RECOVER, "upgraded-2.9.1")];

/// Runs `command` on `database`; what it writes is outside of the sandbox.
#[track_caller]
fn write(sandbox: &Sandbox, command: &[&str], database: &Path, out: &str, extra: &[&str]) -> Ran {
    let mut arguments = on(command, database);
    arguments.extend(["--out".into(), out.into()]);
    arguments.extend(extra.iter().map(ToString::to_string));
    sandbox.run(&arguments)
}

/// ID and value of every token in these facts, or in what was written.
fn tokens_of(known: &Value) -> Vec<(String, String)> {
    let mut tokens: Vec<(String, String)> = known["tokens"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|token| token["status"] != "deleted")
        .map(|token| {
            let field = |name: &str| token[name].as_str().unwrap().to_owned();
            (field("id"), field("token"))
        })
        .collect();
    tokens.sort();
    tokens
}

#[test]
fn every_token_is_written_into_a_private_new_file() {
    for (command, store) in CASES {
        let sandbox = Sandbox::new();
        let database = sandbox.store(store);
        let wanted = tokens_of(&facts("lived-2.7.12"));
        let folder = TempDir::new().unwrap();
        let out = folder.path().join("tokens.json");
        let path = out.to_str().unwrap();

        let ran = write(&sandbox, command, &database, path, &[]).ok();
        assert!(ran.stdout.contains(&wanted.len().to_string()), "{ran:?}");
        let metadata = out.metadata().unwrap();
        assert_eq!(metadata.mode() & 0o7777, 0o600);
        assert_eq!(metadata.nlink(), 1);
        let content = fs::read(&out).unwrap();
        let written: Value = serde_json::from_slice(&content).unwrap();
        assert_eq!(written["format"], "boltkey-capture/1");
        assert_eq!(tokens_of(&written), wanted);

        let again = write(&sandbox, command, &database, path, &[]).code(1);
        again.tells(&[path, "exists already", "hint: "]);
        let again = write(&sandbox, command, &database, path, &["--json"]).code(1);
        assert_eq!(again.failure()["code"], "failed");
        assert_eq!(fs::read(&out).unwrap(), content);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);

        let missing = folder.path().join("missing/out");
        write(&sandbox, command, &database, missing.to_str().unwrap(), &[]).code(1);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

#[test]
fn standard_output_holds_the_tokens_alone() {
    for (command, store) in CASES {
        let sandbox = Sandbox::new();
        let database = sandbox.store(store);
        let wanted = tokens_of(&facts("lived-2.7.12"));
        let ran = write(&sandbox, command, &database, "-", &[]).code(0);
        assert_eq!(tokens_of(&ran.json()), wanted);

        let ran = write(&sandbox, command, &database, "-", &["--format", "env"]).code(0);
        // Before each token a comment that describes it.
        let lines: Vec<&str> = ran.stdout.lines().collect();
        assert_eq!(lines.len(), 2 * wanted.len());
        for pair in lines.chunks(2) {
            let [comment, line] = pair else {
                panic!("{pair:?}")
            };
            let name = line.split('=').next().unwrap();
            assert!(
                line.starts_with("INFLUX_TOKEN_") && line.ends_with('\''),
                "{line}"
            );
            assert!(comment.starts_with(&format!("# {name}: \"")), "{comment}");
        }
        assert!(
            ran.stdout.contains(", custom of \"alice\" in \"acme\": "),
            "{ran:?}"
        );
        let ran = write(&sandbox, command, &database, "-", &["--format", "csv"]).code(0);
        assert!(ran.stdout.lines().count() > wanted.len());

        let ran = write(&sandbox, command, &database, "-", &["--json"]).code(2);
        assert_eq!(ran.failure()["code"], "usage");
    }
}

#[test]
fn tokens_that_can_not_be_written_are_a_failure() {
    for (command, store) in CASES {
        let sandbox = Sandbox::new();
        let database = sandbox.store(store);
        write(&sandbox, command, &database, "/dev/full", &[])
            .code(1)
            .tells(&["can't write /dev/full", "nothing was changed"]);
        let mut full = sandbox.command([on(command, &database), vec!["--out=-".into()]].concat());
        let device = fs::OpenOptions::new().write(true).open("/dev/full");
        let output = full
            .stdout(device.unwrap())
            .stderr(std::process::Stdio::piped());
        let output = output.spawn().unwrap().wait_with_output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains("can't write standard output:"), "{text}");
        assert!(text.contains("nothing was changed"), "{text}");
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let arguments = [on(command, &database), vec!["--out".into(), "-".into()]].concat();
        let mut gone = sandbox.command(&arguments);
        let output = gone.stdout(writer).stderr(std::process::Stdio::piped());
        let output = output.spawn().unwrap().wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{command:?}");
    }
}

#[test]
fn a_held_lock_leaves_no_output_behind() {
    for (command, store) in CASES {
        let sandbox = Sandbox::new();
        let database = sandbox.store(store);
        let server = fs::File::open(&database).unwrap();
        server.lock().unwrap();
        let folder = TempDir::new().unwrap();
        let out = folder.path().join("tokens.json");
        write(&sandbox, command, &database, out.to_str().unwrap(), &[]).code(4);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

#[test]
fn an_encrypted_output_shows_no_token() {
    for (command, store) in CASES {
        let sandbox = Sandbox::new();
        let database = sandbox.store(store);
        let folder = TempDir::new().unwrap();
        let out = folder.path().join("tokens.age");
        let arguments = [
            on(command, &database),
            vec!["--out".into(), out.to_str().unwrap().into()],
            vec!["--passphrase-file".into(), "-".into(), "--json".into()],
        ]
        .concat();
        let ran = sandbox
            .run_with(&arguments, b"correct horse battery\n")
            .ok();
        assert_eq!(ran.json()["encrypted"], true);
        let content = fs::read(&out).unwrap();
        assert!(content.starts_with(b"age-encryption.org/v1\n"));
        for (_, token) in tokens_of(&facts("lived-2.7.12")) {
            let shown = content.windows(token.len()).any(|w| w == token.as_bytes());
            assert!(!shown && !ran.stdout.contains(&token));
        }
    }
}

/// Whether a file system has files without a name.
fn has_nameless_files(folder: &Path) -> bool {
    use rustix::fs::{CWD, Mode, OFlags, openat};
    let flags = OFlags::TMPFILE | OFlags::RDWR;
    openat(CWD, folder, flags, Mode::RUSR | Mode::WUSR).is_ok()
}

#[test]
fn a_killed_program_leaves_nothing() {
    let folder = TempDir::new().unwrap();
    if !has_nameless_files(folder.path()) {
        println!("not run: this file system has no files without a name");
        return;
    }
    let sandbox = Sandbox::new();
    for (command, store) in CASES {
        let database = sandbox.store(store);
        // Held so that it waits with its output open.
        let server = fs::File::open(&database).unwrap();
        server.lock().unwrap();
        for signal in [rustix::process::Signal::TERM, rustix::process::Signal::KILL] {
            let out = folder.path().join("tokens.json");
            let arguments = [
                on(command, &database),
                vec!["--out".into(), out.to_str().unwrap().into()],
                vec!["--wait".into(), "1m".into()],
            ]
            .concat();
            let mut running = sandbox.command(&arguments).spawn().unwrap();
            let pid = running.id();
            let opened = |fd: &fs::DirEntry| {
                let target = fs::read_link(fd.path()).unwrap_or_default();
                target.starts_with(folder.path())
            };
            let open_files = || fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
            while !open_files().any(|fd| opened(&fd)) {
                assert!(running.try_wait().unwrap().is_none(), "it ended");
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            let pid = rustix::process::Pid::from_child(&running);
            rustix::process::kill_process(pid, signal).unwrap();
            assert_eq!(running.wait().unwrap().code(), None);
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        }
    }
}

#[test]
fn what_an_older_run_left_is_told() {
    let sandbox = Sandbox::new();
    let database = sandbox.store("upgraded-2.9.1");
    let left = sandbox.file(
        "work/.boltkey-3kQxZ1.tmp",
        crate::fixtures::fixture("lived-2.7.12"),
    );
    let path = left.to_str().unwrap();
    let report = sandbox
        .run(on(&["status", "--json"], &database))
        .ok()
        .json();
    let findings = report["findings"].as_array().unwrap();
    let told = findings
        .iter()
        .find(|finding| finding["code"] == "metadata.left-over")
        .unwrap();
    assert_eq!(told["where"], path);
    assert_eq!(told["severity"], "warning");
    assert!(told["hint"].as_str().unwrap().contains("delete it"));
    assert_eq!(report["siblings"][0]["path"], path);
    assert!(report["siblings"][0]["plaintextTokens"].as_u64().unwrap() > 30);
}

#[test]
fn a_dry_run_writes_nothing_and_says_what_it_would() {
    for (command, store) in CASES {
        let sandbox = Sandbox::new();
        let database = sandbox.store(store);
        let wanted = tokens_of(&facts("lived-2.7.12")).len();
        // In the sandbox: the run may make nothing there.
        let ran = write(&sandbox, command, &database, "out", &["-n", "--json"]).ok();
        let report = ran.json();
        assert_eq!(report["dryRun"], true);
        assert_eq!(report["changed"], false);
        let counted = if command == CAPTURE {
            "captured"
        } else {
            "recovered"
        };
        assert_eq!(report[counted], wanted);
        for out in ["out", "-"] {
            let ran = write(&sandbox, command, &database, out, &["--dry-run"]).ok();
            let text = format!("would {} {wanted} ", command.last().unwrap());
            assert!(ran.stdout.starts_with(&text), "{ran:?}");
            assert!(ran.stdout.contains("nothing was written"), "{ran:?}");
            assert_eq!(ran.stdout.lines().count(), 1);
        }
        // What the run itself would refuse is refused.
        let path = database.to_str().unwrap();
        let refused = write(&sandbox, command, &database, path, &["-n"]).code(1);
        refused.tells(&["exists already", "nothing was changed"]);
        let refused = write(&sandbox, command, &database, "missing/out", &["-n"]).code(1);
        refused.tells(&["missing/out", "No such file", "the folder must exist"]);
        write(&sandbox, command, &database, "/dev/full", &["-n"]).ok();
    }
}

#[test]
fn nothing_is_called_the_last_copy_beside_another_one() {
    let sandbox = Sandbox::new();
    let database = sandbox.store("upgraded-2.9.1");
    sandbox.store("lived-2.7.12");
    let report = sandbox
        .run(on(&["status", "--json"], &database))
        .ok()
        .json();
    assert_eq!(report["siblings"][0]["plaintextTokens"], 36);
    let findings = report["findings"].as_array().unwrap();
    let told = findings
        .iter()
        .find(|finding| finding["code"] == "metadata.last-copies")
        .unwrap()["message"]
        .as_str()
        .unwrap();
    assert!(!told.contains("nowhere else"), "{told}");
    assert!(
        told.contains("that the store holds only as a hash"),
        "{told}"
    );
}

/// One of the tokens is also in a live telegraf configuration.
#[test]
fn what_a_live_record_shows_is_written_out_and_not_called_lost() {
    let sandbox = Sandbox::new();
    let database = sandbox.store("upgraded-2.9.1");
    let backup = sandbox.store("lived-2.7.12");
    let all = tokens_of(&facts("lived-2.7.12")).len();
    for files in [vec![], vec!["--files", backup.to_str().unwrap()]] {
        let run = |command: &[&str]| {
            let mut arguments = on(command, &database);
            arguments.extend(files.iter().map(ToString::to_string));
            sandbox.run(&arguments)
        };
        let scan = run(&["residue", "scan", "--json"]).code(3).json();
        assert_eq!(scan["tokens"], all - 1);
        assert_eq!(scan["matching"], all - 1);
        let dry = ["residue", "recover", "--json", "-n", "--out", "out"];
        let recovery = run(&dry).ok().json();
        assert_eq!(recovery["matching"], all - 1);
        assert_eq!(recovery["recovered"], all);
    }
    let status = sandbox
        .run(on(&["status", "--json"], &database))
        .ok()
        .json();
    assert_eq!(status["residue"]["plaintextTokens"], all - 1);
    assert_eq!(status["residue"]["recoverable"], all - 1);
}

#[test]
fn nothing_found_names_where_else_to_look() {
    let sandbox = Sandbox::new();
    let hashed = sandbox.store("fresh-2.9.1");
    let capture = write(&sandbox, CAPTURE, &hashed, "-", &[]).code(0);
    capture.tells(&["boltkey residue recover"]);
    let recover = write(&sandbox, RECOVER, &hashed, "-", &[]).code(0);
    recover.tells(&["boltkey capture"]);
    // With --quiet there is only the output.
    let quiet = write(&sandbox, CAPTURE, &hashed, "-", &["--quiet"]).code(0);
    assert_eq!(quiet.stderr, "");
}
