//! Global options: accepted everywhere, before and after the command.

use crate::Sandbox;
use crate::sandbox::{READERS, on};

#[test]
fn before_or_after_the_command() {
    let sandbox = Sandbox::new();
    let database = sandbox.store("fresh-2.9.1");
    let path = database.to_str().unwrap();
    let global = [
        "--json",
        "-n",
        "-y",
        "--wait",
        "5s",
        "--no-lock",
        "-q",
        "--color",
        "never",
    ];
    for reader in READERS {
        let plain = sandbox
            .run([reader, &["-d", path, "--json"][..]].concat())
            .answered();
        let before = [&global[..], &["--bolt-path", path], reader].concat();
        assert_eq!(sandbox.run(&before).answered().stdout, plain.stdout);
        let after = [*reader, &["--db", path], &global].concat();
        assert_eq!(sandbox.run(&after).answered().stdout, plain.stdout);
        let long = [
            *reader,
            &["--db", path, "--json", "--dry-run", "--yes", "--quiet"],
        ]
        .concat();
        assert_eq!(sandbox.run(&long).answered().stdout, plain.stdout);
    }
}

#[test]
fn usage_errors_are_told_as_text_and_as_json() {
    let sandbox = Sandbox::new();
    let cases: &[(&[&str], &str)] = &[
        (&[], "subcommand"),
        (&["stat"], "unrecognized subcommand"),
        (&["auth"], "subcommand"),
        (&["auth", "lst"], "unrecognized subcommand"),
        (&["status", "--nope"], "--nope"),
        (&["locate", "extra"], "extra"),
        (&["status", "--db"], "--db"),
        (&["status", "--db", ""], "--db"),
        (&["status", "--wait", "5"], "500ms, 5s or 2m"),
        (&["status", "--color", "sometimes"], "--color"),
        (&["status", "-q", "-v"], "cannot be used with"),
        (&["auth", "show"], "<ID>"),
        (&["auth", "show", "xyz"], "xyz"),
        (&["auth", "list", "--can", "own"], "--can"),
        (
            &["auth", "list", "--can", "write:buckets/"],
            "a name or an ID",
        ),
        (
            &["auth", "verify", "--can", "read:orgs/"],
            "a name or an ID",
        ),
        (
            &[
                "auth",
                "list",
                "--user",
                "a",
                "--user-id",
                "08371db24dcc8000",
            ],
            "--user-id",
        ),
        (&["token", "hash", "--variant", "md5"], "--variant"),
        (&["completions", "csh"], "csh"),
        (&["man"], "--out"),
    ];
    for (arguments, word) in cases {
        let text = sandbox.run(*arguments).code(2);
        assert_eq!(text.stdout, "");
        if !arguments.is_empty() && *arguments != ["auth"] {
            text.tells(&["error: ", word, "--help"]);
        }
        for place in [0, arguments.len()] {
            let mut arguments = arguments.to_vec();
            if arguments == ["status", "--db"] && place > 0 {
                continue; // --json would be the path
            }
            arguments.insert(place, "--json");
            let ran = sandbox.run(&arguments).code(2);
            let error = ran.failure();
            assert_eq!(error["code"], "usage");
            let message = error["message"].as_str().unwrap();
            assert!(message.contains(word), "{message}");
            assert_eq!(ran.stderr.lines().count(), 1);
        }
    }
}

#[test]
fn near_misses_are_suggested() {
    let sandbox = Sandbox::new();
    sandbox.run(["stats"]).code(2).tells(&["'status'"]);
    sandbox.run(["auth", "verfy"]).code(2).tells(&["'verify'"]);
    sandbox.run(["status", "--jsno"]).code(2).tells(&["--json"]);
}

#[test]
fn colour_only_where_wanted() {
    let sandbox = Sandbox::new();
    let escapes = |extra: &[&str], variable: Option<&str>| {
        let arguments = [&["status", "--db", "missing"], extra].concat();
        let mut command = sandbox.command(&arguments);
        if let Some(variable) = variable {
            command.env(variable, "1");
        }
        sandbox.finish(command).code(1).stderr.contains('\u{1b}')
    };
    assert!(!escapes(&[], None));
    assert!(!escapes(&["--color", "never"], None));
    assert!(escapes(&["--color", "always"], None));
    assert!(!escapes(&[], Some("NO_COLOR")));
    assert!(escapes(&["--color", "always"], Some("NO_COLOR")));
}

#[test]
fn verbose_and_quiet_change_standard_error_alone() {
    let sandbox = Sandbox::new();
    let database = sandbox.store("fresh-2.9.1");
    let plain = sandbox.run(on(&["status"], &database)).ok();
    let verbose = sandbox.run(on(&["status", "-v"], &database)).code(0);
    verbose.tells(&["opened ", "pages of 4096"]);
    assert_eq!(verbose.stdout, plain.stdout);
    let quiet = sandbox.run(on(&["status", "-q"], &database)).ok();
    assert_eq!(quiet.stdout, plain.stdout);
}
