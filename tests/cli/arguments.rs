//! The database as a plain argument, and suggestions for arguments that don't exist.

use crate::support::sandbox::Sandbox;

#[test]
fn reading_commands_take_the_database_as_a_plain_argument() {
    let sandbox = Sandbox::new();
    let database = sandbox.store("fresh-2.9.1");
    let path = database.to_str().unwrap();
    for command in [
        &["status"][..],
        &["check"],
        &["auth", "list"],
        &["user", "list"],
        &["org", "list"],
        &["bucket", "list"],
        &["downgrade", "check", "--to", "2.8"],
    ] {
        let json = ["--json"];
        let plain = sandbox.run([command, &[path], &json].concat()).code(0);
        let option = sandbox.run([command, &["--db", path], &json].concat());
        assert_eq!(plain.stdout, option.code(0).stdout, "{command:?}");
        sandbox
            .run([command, &["--db", path, path]].concat())
            .code(2)
            .tells(&["cannot be used with"]);
    }
    // A command that changes the database does not.
    sandbox
        .run(["hash", "--no-capture", path])
        .code(2)
        .tells(&["unexpected argument"]);
}

#[test]
fn what_is_suggested_does_what_was_meant() {
    let sandbox = Sandbox::new();
    for (typed, meant, wrong) in [
        (
            &["auth", "create", "--token", "x"][..],
            "'--token-file'",
            "--token-out",
        ),
        (&["restore", "x"], "'backup restore'", "residue"),
        (&["backup", "create"], "'backup export'", "'restore'"),
        (&["export"], "'backup export'", "'explain'"),
        (&["operator"], "'recover operator'", "'repair'"),
        (&["auth", "recover"], "'recover operator'", "'rotate'"),
        (&["password"], "'user password'", "'report'"),
        (&["auth", "get", "x"], "'show'", "'list'"),
        (&["v1", "auth", "rm"], "'delete'", "'auth delete'"),
        (&["find"], "'locate'", "'list'"),
        (
            &["user", "password", "--password", "x"],
            "'--password-file'",
            "--passphrase",
        ),
    ] {
        let ran = sandbox.run(typed).code(2);
        ran.tells(&[meant]);
        assert!(!ran.stderr.contains(wrong), "{ran:?}");
        let ran = sandbox.run([typed, &["--json"]].concat()).code(2);
        ran.tells(&[meant]);
    }
}
