//! What a signal leaves, before and during a change.

use rustix::process::Signal;

use crate::scene::{ONE, Scene, arguments};
use crate::terminal::Terminal;

#[test]
fn before_the_commit_nothing_is_changed_and_the_last_line_says_so() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let scene = Scene::new();
        let database = scene.store(ONE);
        let before = std::fs::read(&database).unwrap();
        let command = arguments(&["hash", "--no-capture"], &database, &[]);
        let mut terminal = Terminal::start(scene.sandbox.command(command));
        terminal.wait_for("[y/N] ");
        terminal.send(signal);
        terminal.wait_for("interrupted; nothing was changed");
        let (by, echoes) = terminal.killed();
        assert_eq!(by, Some(signal.as_raw()));
        assert!(echoes);
        assert_eq!(std::fs::read(&database).unwrap(), before);
    }
}

#[test]
fn a_reading_command_just_ends() {
    let scene = Scene::new();
    let command = scene.sandbox.command(["token", "hash"]);
    let Some(command) = crate::terminal::controlling(&command) else {
        return;
    };
    let mut terminal = Terminal::start(command);
    terminal.wait_for("(hidden): ");
    terminal.send(Signal::TERM);
    let (by, echoes) = terminal.killed();
    assert_eq!(by, Some(Signal::TERM.as_raw()));
    assert!(echoes);
}
