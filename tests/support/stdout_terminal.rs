//! A terminal as standard output, of a given width.

use std::fs::File;
use std::io::Read;
use std::process::{Command, ExitStatus};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, OutputModes, Winsize, tcgetattr, tcsetattr, tcsetwinsize};

/// Runs a command at a terminal of so many columns. Returns its status and what it prints.
pub fn at_terminal(mut command: Command, columns: u16) -> (ExitStatus, String) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let slave = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
    let mut modes = tcgetattr(&slave).unwrap();
    modes.output_modes.remove(OutputModes::OPOST);
    tcsetattr(&slave, OptionalActions::Now, &modes).unwrap();
    let size = Winsize {
        ws_row: 50,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&master, size).unwrap();
    let mut child = command.stdout(slave).spawn().unwrap();
    // It holds the terminal, which has to end with the program.
    drop(command);
    let mut printed = Vec::new();
    let mut buffer = [0; 4096];
    let mut source = File::from(master);
    // The end is an error: no process has the terminal open.
    while let Ok(length @ 1..) = source.read(&mut buffer) {
        printed.extend_from_slice(&buffer[..length]);
    }
    let status = child.wait().unwrap();
    (status, String::from_utf8(printed).unwrap())
}
