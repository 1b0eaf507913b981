//! Other users of the host, who put pipes, links and configurations in the way, and containers that
//! hold a store by another path.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::Sandbox;
use crate::fixtures::fixture;
use crate::support::program::{BOLTKEY, make_pipe};
use crate::support::stage::Stage;
use crate::terminal::{Terminal, controlling};

const LIVED: &str = "lived-2.9.1";

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn a_pipe_of_another_user_gets_no_token() {
    let sandbox = Sandbox::new();
    let database = sandbox.store(LIVED);
    let database = database.to_str().unwrap();
    let pipe = sandbox.path("work/pipe");
    make_pipe(&pipe);
    if !is_root() {
        println!("only root can give a pipe to another user");
        return;
    }
    std::os::unix::fs::chown(&pipe, Some(12345), None).unwrap();
    let arguments = ["capture", "--db", database, "--out", pipe.to_str().unwrap()];
    let ran = sandbox.run(arguments).code(1);
    ran.tells(&["belongs to another user"]);
}

#[test]
fn a_configuration_that_is_a_pipe_is_not_waited_for() {
    // A server of this host would be asked first.
    let Some(stage) = Stage::new() else { return };
    let pipe =
        "mkdir -p /srv; mkfifo /srv/config.toml; export INFLUXD_CONFIG_PATH=/srv/config.toml";
    let started = Instant::now();
    stage
        .run_after(pipe, "status")
        .code(1)
        .tells(&["not a regular file"]);
    assert!(started.elapsed() < Duration::from_secs(20));
}

#[test]
fn an_identity_that_is_given_as_a_recipient_is_not_shown() {
    let sandbox = Sandbox::new();
    let database = sandbox.store(LIVED);
    let database = database.to_str().unwrap();
    let identity = "AGE-SECRET-KEY-1QQQSECRETQQQ";
    for key in [identity, &identity.to_lowercase(), "something else"] {
        let arguments = [
            "capture",
            "--db",
            database,
            "--out",
            "new",
            "--recipient",
            key,
        ];
        let ran = sandbox.run(arguments).code(2);
        ran.tells(&["recipient"]);
        assert!(!ran.stderr.contains(key), "{ran:?}");
    }
}

#[test]
fn no_core_is_dumped() {
    let sandbox = Sandbox::new();
    let pipe = sandbox.path("work/pipe");
    make_pipe(&pipe);
    let database = sandbox.store(LIVED);
    let mut child = sandbox
        .command([
            "auth",
            "verify",
            "--db",
            database.to_str().unwrap(),
            "--token-file",
        ])
        .arg(&pipe)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // Once it has opened the pipe it is past its start.
    let writer = File::options().write(true).open(&pipe).unwrap();
    let limits = fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
    let core = limits
        .lines()
        .find(|line| line.contains("core file"))
        .unwrap();
    let words: Vec<&str> = core.split_ascii_whitespace().collect();
    assert_eq!(words[4..6], ["0", "0"], "{core}");
    drop(writer);
    child.wait().unwrap();
}

/// The shell would seem dead if the terminal did not show what is typed any more.
#[test]
fn a_signal_while_a_secret_is_typed_restores_the_terminal() {
    let sandbox = Sandbox::new();
    let database = sandbox.store(LIVED);
    let before = fs::read(&database).unwrap();
    for signal in [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT] {
        let arguments = ["user", "password", "--name", "alice", "--yes", "--db"];
        let mut command = sandbox.command(arguments);
        command.arg(&database);
        let Some(command) = controlling(&command) else {
            println!("there is no setsid here");
            return;
        };
        let mut terminal = Terminal::start(command);
        terminal.wait_for("password (hidden): ");
        // The prompt is written just before or after the echo is switched off.
        while terminal.echoes() {
            std::thread::sleep(Duration::from_millis(5));
        }
        terminal.send(signal);
        let (by, echoes) = terminal.killed();
        assert_eq!((by, echoes), (Some(signal.as_raw()), true));
    }
    assert!(fs::read(&database).unwrap() == before);
}

#[test]
fn a_kept_capture_that_others_may_read_is_warned_about() {
    let sandbox = Sandbox::new();
    let database = sandbox.store("lived-2.9.1-plaintext");
    let capture = sandbox.path("work/capture.json");
    let run = |arguments: &[&str]| {
        let output = sandbox
            .command(arguments)
            .args(["--db", database.to_str().unwrap()])
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{said}");
        said
    };
    run(&["capture", "--out", "capture.json"]);
    fs::set_permissions(&capture, fs::Permissions::from_mode(0o644)).unwrap();
    let said = run(&["hash", "-y", "--capture", "capture.json"]);
    assert!(said.contains("other users can read"), "{said}");
}

/// A store in the upper folder of an overlay, which a process has locked through the overlay.
#[test]
fn a_lock_through_an_overlay_is_seen() {
    // A mount needs a namespace of its own; where there is none to be had, nothing can be tried.
    let script = r#"
        set -e
        cd "$1"; mkdir lower upper work merged
        cp store.bolt upper/influxd.bolt
        mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work merged || exit 77
        exec 9<>merged/influxd.bolt
        flock -x 9 || exit 77
        set +e
        "$2" recover operator --db upper/influxd.bolt --user alice --org acme --token-out tok -y 9>&-
        echo "write $?"
        "$2" status --db upper/influxd.bolt 9>&- >/dev/null
        echo "read $?"
        cmp store.bolt upper/influxd.bolt && echo same
        exec 9>&-
        "$2" status --db upper/influxd.bolt >/dev/null
        echo "free $?"
    "#;
    // The folder of the sandbox may be on an overlay, which can't be an upper folder.
    let folder = ["/dev/shm", "/tmp"]
        .into_iter()
        .find_map(|place| tempfile::TempDir::new_in(place).ok())
        .unwrap();
    fs::write(folder.path().join("store.bolt"), fixture(LIVED)).unwrap();
    let output = Command::new("unshare")
        .args(["-m", "bash", "-c", script, "bash"])
        .arg(folder.path())
        .arg(BOLTKEY)
        .env("INFLUXD_CONFIG_PATH", "/nowhere")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    if !is_root() || output.status.code() == Some(77) {
        println!("no overlay can be mounted here: {said}");
        return;
    }
    let told = String::from_utf8_lossy(&output.stdout);
    assert_eq!(told, "write 4\nread 4\nsame\nfree 0\n", "{said}");
    assert!(said.contains("through an overlay file system"), "{said}");
    assert!(said.contains("bash (pid"), "{said}");
}
