//! How secrets are read, and the messages when they can't be.

use crate::Sandbox;

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
