//! What a signal leaves of every command: before its commit, during it and after it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::Duration;

use rustix::fs::{OFlags, fcntl_setfl};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::every_command::{Leaves, Run, runs, words};
use crate::scene::{ONE, Scene, arguments, text};
use crate::support::threads::side_by_side;
use crate::terminal::{Terminal, controlling};

const SIGNALS: [Signal; 3] = [Signal::INT, Signal::TERM, Signal::HUP];

/// At so many of its calls each command is interrupted.
const MOST_MOMENTS: usize = 9;

/// Stands between the program and the system. Counts the calls that change names or content or make
/// them last, and sends the program a signal at one of them.
const CALLS: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

static int calls;

static int number(const char *name) {
    const char *text = getenv(name);
    return text ? atoi(text) : -1;
}

static void at_a_call(void) {
    if (__sync_fetch_and_add(&calls, 1) == number("SIGNAL_AT")) {
        kill(getpid(), number("SIGNAL"));
        usleep(100000);
    }
}

__attribute__((destructor)) static void tell(void) {
    const char *path = getenv("CALLS_TO");
    FILE *file = path ? fopen(path, "w") : NULL;
    if (file) {
        fprintf(file, "%d", calls);
        fclose(file);
    }
}

#define BETWEEN(name, parameters, values) \
    int name parameters { \
        static int (*next) parameters; \
        if (!next) next = (int (*) parameters) dlsym(RTLD_NEXT, #name); \
        at_a_call(); \
        int result = next values; \
        at_a_call(); \
        return result; \
    }

BETWEEN(fsync, (int fd), (fd))
BETWEEN(fdatasync, (int fd), (fd))
BETWEEN(flock, (int fd, int how), (fd, how))
BETWEEN(ftruncate64, (int fd, off_t length), (fd, length))
BETWEEN(rename, (const char *from, const char *to), (from, to))
BETWEEN(unlink, (const char *path), (path))
BETWEEN(rmdir, (const char *path), (path))
BETWEEN(mkdir, (const char *path, mode_t mode), (path, mode))

ssize_t write(int fd, const void *bytes, size_t length) {
    static ssize_t (*next)(int, const void *, size_t);
    if (!next) next = (ssize_t (*)(int, const void *, size_t)) dlsym(RTLD_NEXT, "write");
    if (fd != 1) return next(fd, bytes, length);
    at_a_call();
    ssize_t result = next(fd, bytes, length);
    at_a_call();
    return result;
}
"#;

/// The library of [`CALLS`].
fn calls() -> &'static Path {
    static LIBRARY: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, library) = LIBRARY.get_or_init(|| {
        let folder = TempDir::new().unwrap();
        let (source, library) = (
            folder.path().join("calls.c"),
            folder.path().join("calls.so"),
        );
        fs::write(&source, CALLS).unwrap();
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-o"]);
        compiler.args([&library, &source]).arg("-ldl");
        assert!(compiler.status().unwrap().success());
        (folder, library)
    });
    library
}

/// Paths and content of all files below a folder; of a folder, none.
type Files = BTreeMap<PathBuf, Option<Vec<u8>>>;

fn files(folder: &Path) -> Files {
    let mut found = Files::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
            found.insert(path, None);
        } else {
            let content = fs::read(&path).unwrap();
            found.insert(path, Some(content));
        }
    }
    found
}

/// Makes a folder again what it was.
fn put_back(folder: &Path, files: &Files) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => fs::remove_dir_all(path).unwrap(),
            false => fs::remove_file(path).unwrap(),
        }
    }
    for (path, content) in files {
        match content {
            None => fs::create_dir_all(path).unwrap(),
            Some(content) => {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, content).unwrap();
            }
        }
    }
}

/// Names without what differs between two runs: dates.
fn names(files: &Files) -> BTreeSet<String> {
    let digits = |c: char| if c.is_ascii_digit() { '0' } else { c };
    let name = |path: &PathBuf| text(path).chars().map(digits).collect();
    files.keys().map(name).collect()
}

/// What an interrupted run left and said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Nothing,
    Everything,
    /// It was over before the signal came.
    Done,
}

/// Where a command runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Host {
    /// Files that are not complete have no name.
    Usual,
    /// They need one, as on file systems that know no other files.
    NamedFiles,
}

impl Host {
    /// Whether this system lets a test make such a host.
    fn is_possible(self) -> bool {
        let can = || {
            Command::new("unshare")
                .args(["-rm", "mount", "-t", "tmpfs", "none", "/proc"])
                .status()
        };
        self == Self::Usual || can().is_ok_and(|status| status.success())
    }

    /// The command on such a host, with [`CALLS`].
    fn command(self, scene: &Scene, arguments: &[String]) -> Command {
        let command = scene.command_here(arguments);
        let mut on_host = match self {
            Self::Usual => Command::new("sh"),
            Self::NamedFiles => Command::new("unshare"),
        };
        let script = "if [ $0 = named ]; then mount -t tmpfs none /proc; fi; \
                      LD_PRELOAD=$CALLS exec \"$@\"";
        match self {
            Self::Usual => on_host.args(["-c", script, "usual"]),
            Self::NamedFiles => on_host.args(["-rm", "sh", "-c", script, "named"]),
        };
        on_host.arg(command.get_program()).args(command.get_args());
        on_host
            .current_dir(&scene.folder)
            .env_clear()
            .stdin(Stdio::null());
        for (key, value) in command.get_envs() {
            on_host.env(key, value.unwrap());
        }
        on_host
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("CALLS", calls());
        on_host
    }
}

/// A command, interrupted at its calls.
struct Interrupted {
    command: &'static str,
    /// The ends that were seen.
    ends: BTreeSet<End>,
    wrong: Vec<String>,
}

fn interrupt(run: &Run, host: Host) -> Interrupted {
    let (scene, arguments) = run.prepare();
    let folder = scene.folder.path();
    fs::create_dir_all(scene.path("tmp")).unwrap();
    let before = files(folder);
    let number = scene.sandbox.path("calls");
    let mut whole = host.command(&scene, &arguments);
    let output = whole.env("CALLS_TO", &number).output().unwrap();
    assert!(output.status.success(), "{}: {output:?}", run.command);
    let after = files(folder);
    let all: usize = fs::read_to_string(&number).unwrap().parse().unwrap();

    let mut seen = Interrupted {
        command: run.command,
        ends: BTreeSet::new(),
        wrong: Vec::new(),
    };
    let step = all.div_ceil(MOST_MOMENTS).max(1);
    // The last calls, too.
    let moments = (0..all).step_by(step).chain(all.saturating_sub(3)..all);
    let mut tried = 0;
    for (signal, at) in SIGNALS.into_iter().cycle().zip(moments) {
        put_back(folder, &before);
        let mut command = host.command(&scene, &arguments);
        command
            .env("SIGNAL_AT", at.to_string())
            .env("SIGNAL", signal.as_raw().to_string());
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        let last = said.lines().last().unwrap_or_default();
        let end = match last {
            last if !last.contains("interrupted") => End::Done,
            last if last.ends_with("nothing was changed") => End::Nothing,
            last if last.ends_with("nothing was written") => End::Nothing,
            _ => End::Everything,
        };
        let mut left = files(folder);
        if end == End::Nothing && said.contains("the copy kept.bolt is complete and is kept") {
            left.remove(&scene.path("kept.bolt"));
        }
        let told = match run.leaves {
            Leaves::Store => "the change is committed",
            Leaves::Files => "is complete",
        };
        let database = scene.path("influxd.bolt");
        let is_changed = left.get(&database) != before.get(&database);
        let is_right = match end {
            End::Nothing => left == before && output.stdout.is_empty(),
            End::Everything | End::Done => {
                names(&left) == names(&after)
                    && is_changed == (run.leaves == Leaves::Store)
                    && (end == End::Done || last.contains(told))
            }
        };
        let by = match end {
            End::Done => output.status.code() == Some(0),
            _ => output.status.signal() == Some(signal.as_raw()),
        };
        let private = fs::read_dir(scene.path("tmp")).unwrap().count();
        if !(is_right && by && private == 0) {
            seen.wrong.push(format!(
                "{}, {host:?}, at call {at} of {all}: {:?}, {said:?}, {:?}, {private} private files",
                run.command,
                output.status,
                names(&left)
            ));
        }
        seen.ends.insert(end);
        tried += 1;
    }
    println!("cases: interruption {tried}");
    seen
}

#[test]
fn every_command_leaves_and_tells_all_or_nothing() {
    if !cfg!(target_os = "linux") {
        println!("not run: calls are watched on Linux only");
        return;
    }
    let mut wrong = Vec::new();
    for host in [Host::Usual, Host::NamedFiles] {
        if !host.is_possible() {
            println!("not run: this system makes no host where all files have names");
            continue;
        }
        for seen in side_by_side(runs(), |_, run| interrupt(&run, host)) {
            wrong.extend(seen.wrong);
            for end in [End::Nothing, End::Everything] {
                if !seen.ends.contains(&end) {
                    wrong.push(format!("{}: {end:?} was not seen", seen.command));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_report_that_nobody_reads_can_be_interrupted() {
    for (extra, code, last) in [
        (
            &[][..],
            Some(7),
            "the change is committed, but its report with the new token was not printed",
        ),
        (
            &["--token-out", "new.token"],
            None,
            "the change is committed",
        ),
    ] {
        let scene = Scene::new();
        let database = scene.store(ONE);
        let (reader, mut writer) = std::io::pipe().unwrap();
        fcntl_setfl(&writer, OFlags::NONBLOCK).unwrap();
        while writer.write(&[b'x'; 4096]).is_ok() {}
        fcntl_setfl(&writer, OFlags::empty()).unwrap();
        let mut command = scene.command_here(arguments(&["recover", "operator"], &database, extra));
        command.stdout(writer).stderr(Stdio::piped());
        let before = fs::read(&database).unwrap();
        let mut child = command.spawn().unwrap();
        while fs::read(&database).unwrap() == before {
            sleep(Duration::from_millis(20));
        }
        // The commit ends soon.
        let mut signals = 0;
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
            signals += 1;
            sleep(Duration::from_millis(100));
        };
        assert!(signals >= 2);
        drop(reader);
        let mut said = String::new();
        child.stderr.unwrap().read_to_string(&mut said).unwrap();
        assert!(said.trim_end().ends_with(last), "{said}");
        assert_eq!(status.code(), code, "{said}");
        assert_eq!(scene.operators(&database), 2);
    }
}

#[test]
fn before_the_commit_nothing_is_changed_and_the_last_line_says_so() {
    for signal in SIGNALS {
        let scene = Scene::new();
        let database = scene.store(ONE);
        let before = fs::read(&database).unwrap();
        let command = arguments(&["hash", "--no-capture"], &database, &[]);
        let mut terminal = Terminal::start(scene.sandbox.command(command));
        terminal.wait_for("[y/N] ");
        terminal.send(signal);
        terminal.wait_for("interrupted; nothing was changed");
        let (by, echoes) = terminal.killed();
        assert_eq!(by, Some(signal.as_raw()));
        assert!(echoes);
        assert_eq!(fs::read(&database).unwrap(), before);
    }
}

/// Commands that ask for a secret, and what they say when they are interrupted then.
const PROMPTS: &[(&str, &str)] = &[
    ("token hash", ""),
    ("auth verify --db influxd.bolt", ""),
    (
        "user password --name alice --db influxd.bolt",
        "interrupted; nothing was changed",
    ),
    (
        "setup --username alice --org acme --bucket metrics --db new.bolt",
        "interrupted; nothing was changed",
    ),
    (
        "backup restore influxd.bolt --to restored.bolt",
        "interrupted; nothing was changed",
    ),
    (
        "backup restore influxd.bolt --to influxd.bolt --force",
        "interrupted; nothing was changed",
    ),
];

#[test]
fn the_terminal_is_as_it_was_when_a_secret_was_asked_for() {
    for (line, last) in PROMPTS {
        for signal in SIGNALS {
            let scene = Scene::new();
            scene.store(ONE);
            let command = scene.command_here(words(line));
            let before = files(scene.folder.path());
            let Some(command) = controlling(&command) else {
                println!("not run: no setsid");
                return;
            };
            let mut terminal = Terminal::start(command);
            terminal.wait_for("(hidden): ");
            // The question comes just before.
            while terminal.echoes() {
                sleep(Duration::from_millis(5));
            }
            terminal.send(signal);
            terminal.wait_for(last);
            let (by, echoes) = terminal.killed();
            assert_eq!(by, Some(signal.as_raw()), "{line}");
            assert!(echoes, "{line}");
            assert_eq!(files(scene.folder.path()), before, "{line}");
        }
    }
}
