//! The program in a limited address space and with a limit on its time.

use std::io::{Read, Seek};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::program::shell_before;

/// The address space that the program gets, in KiB.
pub const MEMORY: usize = 1_000_000;

/// More than any of the runs takes, with 30 seconds for a pipe to which nobody writes.
pub const LONG: Duration = Duration::from_secs(90);

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    /// None if a signal ended it.
    pub code: Option<i32>,
    /// Standard output and standard error.
    pub said: String,
    pub took: Duration,
}

/// The same command in an address space of this many KiB.
pub fn with_memory(kib: usize, command: &Command) -> Command {
    shell_before(&format!("ulimit -v {kib}"), command)
}

/// Runs a command to its end, without input.
///
/// # Panics
/// When it takes longer than [`LONG`]; it is killed then.
#[track_caller]
pub fn finish(mut command: Command) -> Ended {
    let mut told = tempfile::tempfile().unwrap();
    let started = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(told.try_clone().unwrap())
        .stderr(told.try_clone().unwrap())
        .spawn()
        .unwrap();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if started.elapsed() > LONG {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{command:?} does not end");
        }
        thread::sleep(Duration::from_millis(5));
    };
    let took = started.elapsed();
    let mut said = Vec::new();
    told.rewind().unwrap();
    told.read_to_end(&mut said).unwrap();
    assert!(status.signal().is_some() || status.code().is_some());
    Ended {
        code: status.code(),
        said: String::from_utf8_lossy(&said).into_owned(),
        took,
    }
}

impl Ended {
    /// Whether it ended as a program does that has its input under control.
    pub fn is_orderly(&self) -> bool {
        let code = self
            .code
            .is_some_and(|code| (0..=7).contains(&code) && code != 2);
        code && !self.said.contains("panicked")
    }
}
