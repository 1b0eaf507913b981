//! What people name by mistake, and what goes wrong around the program.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::Sandbox;
use crate::sandbox::{BOLTKEY, READERS, fixture, gzip, on};

/// Runs every reader on `database`: as text and as JSON the answer is this exit code with these
/// words, standard output is empty, and it comes within ten seconds.
fn refused_by_all(sandbox: &Sandbox, database: &Path, code: i32, words: &[&str]) {
    refused_by(READERS, sandbox, database, code, words);
}

fn refused_by(readers: &[&[&str]], sandbox: &Sandbox, database: &Path, code: i32, words: &[&str]) {
    let name = match code {
        1 => "failed",
        4 => "locked",
        _ => "unreadable",
    };
    for reader in readers {
        let started = Instant::now();
        let ran = sandbox.run(on(reader, database)).code(code);
        assert_eq!(ran.stdout, "");
        ran.tells(&["error: ", database.to_str().unwrap()])
            .tells(words);

        let mut arguments = on(reader, database);
        arguments.insert(0, "--json".into());
        let ran = sandbox.run(&arguments).code(code);
        assert_eq!(ran.failure()["code"], name);
        assert!(started.elapsed() < Duration::from_secs(10));
    }
}

#[test]
fn no_such_file_is_not_created() {
    let sandbox = Sandbox::new();
    for path in ["work/influxd.bolt", "work/missing/influxd.bolt"] {
        refused_by_all(
            &sandbox,
            &sandbox.path(path),
            1,
            &["No such file", "hint: "],
        );
    }
}

#[test]
fn files_that_are_no_database() {
    let sandbox = Sandbox::new();
    let store = fixture("fresh-2.9.1");
    let cases: &[(&str, Vec<u8>, &str)] = &[
        ("empty", Vec::new(), "empty"),
        ("text", b"bolt-path = \"/var/lib\"\n".to_vec(), ""),
        ("long-text", b"[global]\n".repeat(20_000), ""),
        ("sqlite", sqlite(), "SQLite"),
        ("zeros", vec![0; 65_536], ""),
        ("cut-in-meta", store[..60].to_vec(), ""),
        ("gzipped-text", gzip(b"nothing of interest"), ""),
        ("gzipped-sqlite", gzip(&sqlite()), "SQLite"),
        ("gzipped-nothing", gzip(b""), "empty"),
        ("cut-gzip", gzip(&store)[..2000].to_vec(), "gzip"),
        ("gzip-magic", vec![0x1f, 0x8b], "gzip"),
        ("gzip-bomb", gzip(&vec![0; 80 << 20]), "unpacks to more"),
    ];
    for (name, content, word) in cases {
        let database = sandbox.file(&format!("work/{name}"), content);
        refused_by_all(
            &sandbox,
            &database,
            5,
            &[
                "is not an InfluxDB metadata store",
                "nothing was changed",
                word,
            ],
        );
    }
}

#[test]
fn a_redb_file_that_can_not_be_read() {
    let sandbox = Sandbox::new();
    let magic = b"redb\x1a\x0a\xa9\x0d\x0a";
    for (name, content) in [
        ("redb", magic.repeat(1000)),
        ("cut-in-its-header", magic.to_vec()),
    ] {
        let database = sandbox.file(&format!("work/{name}"), &content);
        refused_by_all(
            &sandbox,
            &database,
            5,
            &["is a damaged redb store", "nothing was changed"],
        );
    }
}

fn sqlite() -> Vec<u8> {
    let mut content = b"SQLite format 3\0".to_vec();
    content.resize(8192, 0);
    content
}

#[test]
fn things_that_are_no_files() {
    let sandbox = Sandbox::new();
    let folder = sandbox.path("work");
    refused_by_all(&sandbox, &folder, 5, &["folder", "influxd.bolt"]);

    let pipe = sandbox.path("work/pipe");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    refused_by_all(&sandbox, &pipe, 5, &["not a regular file"]);
    refused_by_all(&sandbox, Path::new("/dev/null"), 5, &["not a regular file"]);

    let circle = sandbox.path("work/circle");
    symlink("circle", &circle).unwrap();
    refused_by_all(&sandbox, &circle, 1, &["can't open"]);
}

#[test]
fn a_bolt_file_that_is_no_metadata_store() {
    let sandbox = Sandbox::new();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/bbolt");
    for name in ["fresh-4096-array-136", "tiny-4096-array-136"] {
        let content = fs::read(fixtures.join(name).with_extension("bolt")).unwrap();
        let database = sandbox.file(&format!("work/{name}.bolt"), content);
        for reader in READERS {
            let arguments = on(reader, &database);
            let ran = sandbox.run(&arguments);
            if *reader == ["residue", "scan"] || reader.contains(&"--structure-only") {
                ran.ok();
            } else {
                ran.code(5)
                    .tells(&["bucket \"authorizationsv1\": bucket not found", "hint: "]);
            }
        }
    }
}

#[test]
fn a_truncated_store_is_unreadable_or_told_to_be_damaged() {
    let sandbox = Sandbox::new();
    let store = fixture("upgraded-2.9.1");
    let whole = sandbox.file("work/whole.bolt", &store);
    let report = sandbox.run(on(&["check", "--json"], &whole)).ok().json();
    let allocated = usize::try_from(report["pages"]["allocated"].as_u64().unwrap()).unwrap();
    let mut without_buckets = 0;
    for pages in 1..store.len() / 4096 {
        let database = sandbox.file("work/cut.bolt", &store[..pages * 4096]);
        let mut unreadable = Vec::new();
        for reader in READERS {
            let mut arguments = on(reader, &database);
            arguments.push("--json".into());
            let ran = sandbox.run(&arguments);
            match ran.code {
                // What is missing may be needed for nothing that was asked; `check` knows.
                0 | 3 if reader[0] == "residue" => drop(ran.json()),
                0 if reader[0] != "check" => {
                    unreadable.push(None);
                    drop(ran.json());
                }
                0 | 3 => {
                    assert_eq!(reader[0], "check");
                    let report = ran.json();
                    assert_eq!(report["ok"], ran.code == 0);
                    let truncated = report["findings"].to_string().contains("structure.");
                    assert_eq!(truncated, pages < allocated, "{pages} pages");
                }
                code => {
                    assert_eq!(code, 5, "{ran:?}");
                    assert_ne!(reader[0], "check", "a damaged store is its answer: {ran:?}");
                    let failure = ran.failure();
                    assert_eq!(failure["code"], "unreadable");
                    unreadable.push(Some(failure["message"].to_string()));
                }
            }
        }
        // Either all of them have something to show or none has, for the same reason.
        unreadable.dedup();
        assert_eq!(unreadable.len(), 1, "{pages} pages: {unreadable:?}");
        without_buckets += usize::from(unreadable != [None]);
    }
    assert!(without_buckets > 0);
}

#[test]
fn a_schema_of_the_future_is_read_with_a_word_about_it() {
    let sandbox = Sandbox::new();
    let mut store = fixture("fresh-2.9.1");
    let (known, future) = (
        b"create authorizationhashedindexv1 bucket",
        b"create authorizationhashedindexv9 bucket",
    );
    let mut changed = 0;
    for at in 0..store.len() - known.len() {
        if store[at..].starts_with(known) {
            store[at..at + future.len()].copy_from_slice(future);
            changed += 1;
        }
    }
    assert!(changed > 0);
    let database = sandbox.file("work/future.bolt", store);
    for reader in READERS {
        let mut arguments = on(reader, &database);
        arguments.push("--json".into());
        let ran = sandbox.run(&arguments);
        match reader {
            ["status"] => assert_eq!(ran.code(0).json()["schema"]["known"], false),
            ["check"] => {
                let report = ran.code(3).json();
                assert!(report.to_string().contains("authorizationhashedindexv9"));
            }
            _ => drop(ran.code(0).json()),
        }
    }
}

#[test]
fn a_held_lock_names_its_holder_and_is_waited_for() {
    let sandbox = Sandbox::new();
    let database = sandbox.store("fresh-2.9.1");
    let server = File::open(&database).unwrap();
    server.lock().unwrap();
    let mut words = vec!["timeout", "--wait", "nothing was changed"];
    let pid = format!("(pid {})", std::process::id());
    if cfg!(target_os = "linux") {
        words.push(&pid);
    }
    refused_by_all(&sandbox, &database, 4, &words);

    let mut arguments = on(&["user", "list", "--wait", "200ms"], &database);
    let started = Instant::now();
    sandbox.run(&arguments).code(4).tells(&["after waiting"]);
    assert!(started.elapsed() >= Duration::from_millis(200));

    let server = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        drop(server);
    });
    arguments[3] = "1m".into();
    sandbox.run(&arguments).ok();
    server.join().unwrap();
}

#[test]
fn no_permission() {
    let sandbox = Sandbox::new();
    let database = sandbox.store("fresh-2.9.1");
    let close = |closed: &Path| {
        fs::set_permissions(closed, fs::Permissions::from_mode(0o000)).unwrap();
    };
    let run = |reader: &[&str]| {
        let mut command = sandbox.command(on(reader, &database));
        if rustix::process::geteuid().is_root() {
            // Root may read whatever the mode says, so another user runs a copy.
            let mut other = Command::new(sandbox.path("boltkey"));
            other
                .args(command.get_args())
                .env_clear()
                .current_dir("/")
                .uid(65534)
                .gid(65534);
            command = other;
        }
        command.output().unwrap()
    };
    fs::copy(BOLTKEY, sandbox.path("boltkey")).unwrap();
    close(&database);
    for reader in READERS {
        let output = run(reader);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("ermission denied"), "{text}");
        assert!(text.contains("hint: run boltkey as the user"), "{text}");
    }
}

#[test]
fn standard_output_full_closed_or_gone() {
    let sandbox = Sandbox::new();
    let database = sandbox.store("fresh-2.9.1");
    let mut commands: Vec<Vec<String>> = READERS.iter().map(|r| on(r, &database)).collect();
    commands.push(vec!["completions".into(), "bash".into()]);
    commands.push(vec!["--help".into()]);
    commands.push(vec!["--version".into()]);
    for arguments in &commands {
        for json in [false, true] {
            let prepare = || {
                let mut command = sandbox.command(arguments);
                if json {
                    command.arg("--json");
                }
                command
            };
            let mut full = prepare();
            let device = OpenOptions::new().write(true).open("/dev/full").unwrap();
            let output = full.stdout(device).stderr(Stdio::piped()).spawn().unwrap();
            let output = output.wait_with_output().unwrap();
            let text = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(1), "{arguments:?} {text}");
            assert!(text.contains("can't write to standard output"), "{text}");

            let (reader, writer) = std::io::pipe().unwrap();
            drop(reader);
            let mut gone = prepare();
            let output = gone.stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
            let output = output.wait_with_output().unwrap();
            assert_eq!(output.status.code(), Some(0), "{arguments:?}");
            assert!(output.stderr.is_empty());

            let mut shell = Command::new("/bin/sh");
            shell.arg("-c").arg("exec \"$0\" \"$@\" >&-").arg(BOLTKEY);
            shell.args(prepare().get_args()).env_clear();
            let output = shell.current_dir(sandbox.path("work")).output().unwrap();
            assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        }
    }
}
