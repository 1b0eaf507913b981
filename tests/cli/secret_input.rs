//! How secrets are read, and the messages when they can't be.

use std::fs;

use crate::Sandbox;
use crate::scene::{ONE, Scene, arguments};
use crate::terminal::{Terminal, controlling};

const HASH: [&str; 2] = ["token", "hash"];

#[test]
fn nobody_there_to_be_asked() {
    let sandbox = Sandbox::new();
    sandbox
        .run(HASH)
        .code(6)
        .tells(&["there is no terminal", "--token-file", "BOLTKEY_TOKEN"]);
    let failure = sandbox
        .run([&HASH[..], &["--json"]].concat())
        .code(6)
        .failure();
    assert_eq!(failure["code"], "confirmation");
}

#[test]
fn what_can_be_no_secret_is_refused_by_its_place() {
    let sandbox = Sandbox::new();
    for (content, word) in [
        (&b""[..], "is empty"),
        (b"\n", "is empty"),
        (b"\r\n", "is empty"),
        (b"\xff\xfe", "not UTF-8"),
        (&[b'x'; 33_000], "longer than 32 KiB"),
    ] {
        let file = sandbox.file("token", content);
        let path = file.to_str().unwrap();
        sandbox
            .run([&HASH[..], &["--token-file", path]].concat())
            .code(1)
            .tells(&[path, word]);
        sandbox
            .run_with([&HASH[..], &["--token-file", "-"]].concat(), content)
            .code(1)
            .tells(&["standard input", word]);
    }
    let missing = sandbox.path("missing");
    sandbox
        .run([&HASH[..], &["--token-file", missing.to_str().unwrap()]].concat())
        .code(1)
        .tells(&["No such file"]);
    let mut command = sandbox.command(HASH);
    command.env("BOLTKEY_TOKEN", "");
    sandbox
        .finish(command)
        .code(1)
        .tells(&["BOLTKEY_TOKEN", "is empty"]);
}

#[test]
fn a_new_password_is_asked_for_twice() {
    let scene = Scene::new();
    let database = scene.store(ONE);
    let before = fs::read(&database).unwrap();
    for (second, code) in [("another pasword", 1), ("another password", 0)] {
        let command = ["user", "password", "--name", "alice", "--yes"];
        let command = scene.sandbox.command(arguments(&command, &database, &[]));
        let Some(command) = controlling(&command) else {
            return;
        };
        let mut terminal = Terminal::start(command);
        terminal.wait_for("password (hidden): ");
        terminal.answer("another password");
        terminal.wait_for("repeat (hidden): ");
        terminal.answer(second);
        let ran = terminal.end().code(code);
        assert_eq!(fs::read(&database).unwrap() == before, code == 1);
        if code == 1 {
            ran.tells(&["the password entries do not match", "nothing was changed"]);
        }
    }
}
