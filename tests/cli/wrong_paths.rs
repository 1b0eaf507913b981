//! Wrong paths and wrong files, and failures outside the program.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::Sandbox;
use crate::fixtures::{fixture, gzip};
use crate::sandbox::{READERS, on};
use crate::support::program::{BOLTKEY, ended};

/// Runs every reader on `database`, as text and as JSON. Each ends within ten seconds with this exit
/// code and these words, and an empty standard output.
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
            &["No such file", "nothing was changed", "hint: "],
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
                // Damage that hides tokens is no "none would be lost".
                code if code == 0 && reader[0] != "check"
                    || code == 3 && reader[0] == "downgrade" =>
                {
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
    let writers: [&[&str]; 4] = [
        &["capture", "-n", "--out", "out"],
        &["residue", "recover", "-n", "--out", "out"],
        &["convert", "-n", "--out", "out"],
        &["compact", "-n", "--out", "out"],
    ];
    for reader in READERS.iter().copied().chain(writers) {
        let mut arguments = on(reader, &database);
        arguments.push("--json".into());
        let ran = sandbox.run(&arguments);
        let warned = "warning: {} has a schema that this version does not know";
        ran.tells(&[&warned.replace("{}", database.to_str().unwrap())]);
        assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
        match reader {
            ["status"] => {
                let report = ran.code(0).json();
                let schema = &report["schema"];
                assert_eq!(
                    (&schema["known"], &schema["release"]),
                    (&false.into(), &"unknown".into())
                );
                let text = sandbox.run(on(reader, &database)).code(0).stdout;
                assert!(text.contains("21, not known to this version"), "{text}");
                assert!(!text.contains("2.9"), "{text}");
            }
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
    let waited = sandbox.run(&arguments).code(4);
    waited.tells(&["after waiting", "--wait a longer time"]);
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
    let program = sandbox.program();
    let close = |closed: &Path| {
        fs::set_permissions(closed, fs::Permissions::from_mode(0o000)).unwrap();
    };
    let run = |reader: &[&str]| {
        let mut command = sandbox.command(on(reader, &database));
        if rustix::process::geteuid().is_root() {
            // Root may read any file, so another user runs a copy.
            let mut other = Command::new(&program);
            other
                .args(command.get_args())
                .env_clear()
                .current_dir("/")
                .uid(65534)
                .gid(65534);
            command = other;
        }
        ended(&mut command)
    };
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
            assert!(text.contains("can't write standard output"), "{text}");

            let (reader, writer) = std::io::pipe().unwrap();
            drop(reader);
            let mut gone = prepare();
            let output = gone.stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
            let output = output.wait_with_output().unwrap();
            assert_eq!(output.status.code(), Some(0), "{arguments:?}");
            assert!(output.stderr.is_empty());

            // Nobody reads the report, so nothing is lost.
            let output = redirected(&prepare(), ">&-");
            assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        }
    }
}

/// Runs a command with its streams as a shell sets them up.
fn redirected(command: &Command, redirection: &str) -> Output {
    let mut shell = Command::new("/bin/sh");
    shell
        .arg("-c")
        .arg(format!("exec \"$0\" \"$@\" {redirection}"));
    shell.arg(BOLTKEY).args(command.get_args()).env_clear();
    shell
        .current_dir(command.get_current_dir().unwrap())
        .output()
        .unwrap()
}

#[test]
fn no_secret_is_lost_in_a_closed_standard_output() {
    let sandbox = Sandbox::new();
    let database = sandbox.store("fresh-2.7.12");
    let path = database.to_str().unwrap();
    let commands: &[&[&str]] = &[
        &["token", "generate"],
        &["token", "generate", "--json"],
        &["capture", "--out", "-", "--db", path],
        &["capture", "--out", "/dev/stdout", "--db", path, "--json"],
        &["residue", "recover", "--out", "-", "--db", path],
        &["auth", "list", "--reveal", "--db", path],
        &["recover", "operator", "--db", path],
        &["recover", "operator", "--json", "--db", path],
        &["auth", "create-operator", "--db", path],
    ];
    let before = fs::read(&database).unwrap();
    for arguments in commands {
        let command = sandbox.command(*arguments);
        let output = redirected(&command, ">&-");
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?} {text}");
        for words in [
            "can't write standard output",
            "closed",
            "nothing was changed",
        ] {
            assert!(text.contains(words), "{arguments:?} {text}");
        }
        let makes_one = ["operator", "create-operator"].contains(&arguments[1]);
        assert_eq!(text.contains("--token-out FILE"), makes_one, "{text}");
        assert_eq!(fs::read(&database).unwrap(), before, "{arguments:?}");
        // What is thrown away on purpose is no failure.
        if !makes_one {
            let output = redirected(&command, ">/dev/null");
            assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        }
    }
}

#[test]
fn a_gzip_bomb_costs_little_memory() {
    let sandbox = Sandbox::new();
    let (packed, honest) = (gzip(&vec![0; 600 << 20]), 600 << 20);
    assert!(
        (500_000..800_000).contains(&packed.len()),
        "{}",
        packed.len()
    );
    for told in [honest, 1_u32] {
        let mut bomb = packed.clone();
        let end = bomb.len() - 4;
        bomb[end..].copy_from_slice(&told.to_le_bytes());
        let database = sandbox.file("work/bomb.gz", bomb);
        for arguments in [
            &["status"][..],
            &["residue", "scan"],
            &["compact", "--out", "out"],
        ] {
            let command = sandbox.command(on(arguments, &database));
            let mut shell = Command::new("/bin/sh");
            shell
                .args(["-c", "ulimit -v 400000; exec \"$0\" \"$@\"", BOLTKEY])
                .args(command.get_args())
                .env_clear()
                .current_dir(sandbox.path("work"));
            let ran = sandbox.finish(shell).code(5);
            ran.tells(&[
                "unpacks to more than 64 MiB",
                "gunzip",
                "nothing was changed",
            ]);
        }
    }
}

#[test]
fn an_output_that_fills_the_disk_is_named_as_it_was_asked_for() {
    let sandbox = Sandbox::new();
    let database = sandbox.store("upgraded-2.9.1");
    let out = sandbox.path("work/out");
    let path = out.to_str().unwrap();
    for command in [
        &["capture"][..],
        &["residue", "recover"],
        &["compact"],
        &["convert"],
    ] {
        let mut arguments = on(command, &database);
        arguments.extend(["--out".into(), path.into()]);
        if command == ["capture"] {
            // Only there is anything to write.
            arguments[2] = sandbox.store("lived-2.7.12").to_str().unwrap().into();
        }
        let command = sandbox.command(&arguments);
        let mut shell = Command::new("/bin/sh");
        shell
            .args([
                "-c",
                "trap '' XFSZ; ulimit -f 2; exec \"$0\" \"$@\"",
                BOLTKEY,
            ])
            .args(command.get_args())
            .env_clear()
            .current_dir(sandbox.path("work"));
        let ran = sandbox.finish(shell).code(1);
        ran.tells(&[path, "File too large", "nothing was changed"]);
        assert!(!ran.stderr.contains("boltkey-"), "{ran:?}");
    }
    let mut arguments = on(&["residue", "scan", "--files", "nosuch"], &database);
    let ran = sandbox.run(&arguments).code(1);
    ran.tells(&["can't open nosuch", "--files", "nothing was changed"]);
    assert!(!ran.stderr.contains("recovery"), "{ran:?}");
    arguments = on(&["capture", "--out", "missing/out"], &database);
    let ran = sandbox.run(&arguments).code(1);
    ran.tells(&[
        "can't create missing/out: No such file",
        "nothing was changed",
        "the folder must",
    ]);
}
