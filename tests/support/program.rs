//! The program, run without the environment of this host.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::schemas;

/// The binary under test.
pub const BOLTKEY: &str = env!("CARGO_BIN_EXE_boltkey");

/// The program, to be run in a working directory with a home. Standard input is empty.
pub fn program(work: &Path, home: &Path) -> Command {
    let mut command = Command::new(BOLTKEY);
    command
        .current_dir(work)
        .env_clear()
        .env("HOME", home)
        // Keeps the search away from the configuration of a server on this host.
        .env("INFLUXD_CONFIG_PATH", home.join("no-config"))
        .stdin(Stdio::null());
    command
}

/// Runs a command of the program to its end. What it printed as JSON must be as documented.
#[track_caller]
pub fn ended(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    schemas::hold(command, &output);
    output
}

/// The text of a command on standard error.
pub fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The names of all files in a folder, ascending.
pub fn names_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// With file sizes limited to so many blocks of 512 bytes; to go beyond is an error, not a signal.
pub fn limited(blocks: usize, command: &Command) -> Command {
    shell_before(&format!("trap '' XFSZ; ulimit -f {blocks}"), command)
}

/// The same command, after a line of shell has been run in its process.
pub fn shell_before(line: &str, command: &Command) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell
        .arg("-c")
        .arg(format!("{line} && exec \"$0\" \"$@\""))
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear()
        .current_dir(command.get_current_dir().unwrap());
    for (key, value) in command.get_envs() {
        if let Some(value) = value {
            shell.env(key, value);
        }
    }
    shell
}

/// Makes a named pipe.
pub fn make_pipe(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
}
