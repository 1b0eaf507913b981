//! The program at a real terminal: the test reads its questions and answers them.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use crate::Ran;

/// How long a test waits for a question.
const PATIENCE: Duration = Duration::from_secs(120);

/// A run of the program whose standard input and standard error are a terminal.
pub struct Terminal {
    child: Child,
    master: File,
    output: Receiver<Vec<u8>>,
    /// The text on standard error, with the answers as the terminal echoes them.
    said: String,
    /// How much of it was waited for.
    read: usize,
}

impl Terminal {
    pub fn start(command: Command) -> Self {
        Self::begin(command, false)
    }

    /// A run whose standard output is the terminal, too.
    pub fn start_with_stdout(command: Command) -> Self {
        Self::begin(command, true)
    }

    fn begin(mut command: Command, with_stdout: bool) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        // Wide, so that questions are one line.
        let size = Winsize {
            ws_row: 50,
            ws_col: 200,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&master, size).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let slave: OwnedFd =
            rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        let stdout = match with_stdout {
            true => Stdio::from(slave.try_clone().unwrap()),
            false => Stdio::piped(),
        };
        command
            .stdin(slave.try_clone().unwrap())
            .stderr(slave)
            .stdout(stdout);
        let child = command.spawn().unwrap();
        // It holds the terminal, which has to end with the program.
        drop(command);
        let master = File::from(master);
        let mut source = master.try_clone().unwrap();
        let (send, output) = channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            // The end is an error: no process has the terminal open.
            while let Ok(length @ 1..) = source.read(&mut buffer) {
                if send.send(buffer[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            master,
            output,
            said: String::new(),
            read: 0,
        }
    }

    /// Waits until this is said, after what was waited for before.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) {
        let started = Instant::now();
        loop {
            if let Some(at) = self.said[self.read..].find(text) {
                self.read += at + text.len();
                return;
            }
            let left = PATIENCE.saturating_sub(started.elapsed());
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.said.push_str(&String::from_utf8_lossy(&bytes)),
                Err(_) => panic!("{text:?} was not said, but: {}", self.said),
            }
        }
    }

    pub fn answer(&mut self, text: &str) {
        self.master
            .write_all(format!("{text}\n").as_bytes())
            .unwrap();
    }

    /// Types keys, without a line end.
    pub fn keys(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).unwrap();
    }

    /// Whether the terminal shows what is typed.
    pub fn echoes(&self) -> bool {
        let modes = tcgetattr(&self.master).unwrap().local_modes;
        modes.contains(LocalModes::ECHO)
    }

    pub fn send(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).unwrap();
    }

    /// Waits for the end. Returns the signal that ended the program, and whether the terminal shows
    /// what is typed afterwards.
    pub fn killed(mut self) -> (Option<i32>, bool) {
        let status = self.child.wait().unwrap();
        (status.signal(), self.echoes())
    }

    /// Waits for the end.
    pub fn end(mut self) -> Ran {
        let mut stdout = String::new();
        let mut source = self.child.stdout.take().unwrap();
        source.read_to_string(&mut stdout).unwrap();
        let status = self.child.wait().unwrap();
        while let Ok(bytes) = self.output.recv() {
            self.said.push_str(&String::from_utf8_lossy(&bytes));
        }
        Ran {
            code: status.code().unwrap_or(-1),
            stdout,
            stderr: self.said,
        }
    }
}

/// Makes the terminal of this run its controlling one, from which secrets are read.
pub fn controlling(command: &Command) -> Option<Command> {
    let setsid = ["/usr/bin/setsid", "/bin/setsid"];
    let setsid = setsid.into_iter().find(|path| Path::new(path).exists())?;
    let mut with = Command::new(setsid);
    with.arg("--ctty")
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear()
        .current_dir(command.get_current_dir().unwrap());
    for (key, value) in command.get_envs() {
        if let Some(value) = value {
            with.env(key, value);
        }
    }
    Some(with)
}
