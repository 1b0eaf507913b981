//! Every reading command on every store that a real server wrote.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;

use crate::Sandbox;
use crate::fixtures::{facts, fixture, gzip, store_names};
use crate::sandbox::{READERS, on};
use crate::support::stdout_terminal::at_terminal;

#[test]
fn every_store_is_read_as_it_is_and_gzipped() {
    for name in store_names() {
        let sandbox = Sandbox::new();
        let database = sandbox.store(&name);
        let packed = sandbox.file("packed/influxd.bolt", gzip(&fixture(&name)));
        let json_of = |reader: &[&str], path: &Path| {
            let mut arguments = on(reader, path);
            arguments.push("--json".into());
            sandbox.run(&arguments).answered()
        };
        for reader in READERS {
            let json = json_of(reader, &database);
            let report = json.json();
            let no = match reader {
                // There the tokens are dead.
                ["check"] => name == "downgraded-20-hashed",
                ["residue", ..] => report["tokens"] != 0,
                _ => false,
            };
            assert_eq!(json.code, if no { 3 } else { 0 }, "{name} {reader:?}");
            let text = sandbox.run(on(reader, &database)).answered();
            assert_eq!(text.code, json.code);
            assert!(!text.stdout.is_empty());

            // What a gzipped copy holds is the same.
            let of_packed = json_of(reader, &packed);
            assert_eq!(of_packed.code, json.code);
            let [database, packed] = [&database, &packed].map(|path| path.to_str().unwrap());
            let of_packed = of_packed.stdout.replace(packed, database);
            assert_eq!(of_packed, json.stdout, "{name} {reader:?}");
        }
    }
}

#[test]
fn no_token_is_shown_unless_asked_for() {
    let sandbox = Sandbox::new();
    let database = sandbox.store("lived-2.7.12");
    let facts = facts("lived-2.7.12");
    let tokens: Vec<&str> = facts["tokens"]
        .as_array()
        .unwrap()
        .iter()
        .map(|token| token["token"].as_str().unwrap())
        .collect();
    let shown = |text: &str| tokens.iter().filter(|token| text.contains(**token)).count();
    for reader in READERS {
        for json in [false, true] {
            let mut arguments = on(reader, &database);
            if json {
                arguments.push("--json".into());
            }
            arguments.push("--verbose".into());
            let ran = sandbox.run(&arguments);
            assert!([0, 3].contains(&ran.code), "{ran:?}");
            assert_eq!(shown(&ran.stdout) + shown(&ran.stderr), 0, "{reader:?}");
        }
    }
    let mut arguments = on(&["auth", "list", "--reveal"], &database);
    assert!(shown(&sandbox.run(&arguments).ok().stdout) > 1);
    arguments.push("--json".into());
    assert!(shown(&sandbox.run(&arguments).ok().stdout) > 1);
}

#[test]
fn a_token_is_verified_without_being_shown() {
    let sandbox = Sandbox::new();
    let database = sandbox.store("lived-2.7.12");
    let facts = facts("lived-2.7.12");
    let operator = &facts["tokens"][1];
    let (id, token) = (operator["id"].as_str(), operator["token"].as_str().unwrap());
    let verify = |extra: &[&str], token: &str| {
        let mut arguments = on(&["auth", "verify", "--token-file", "-"], &database);
        arguments.extend(extra.iter().map(ToString::to_string));
        let ran = sandbox.run_with(&arguments, token.as_bytes());
        assert!(!ran.stdout.contains(token) && !ran.stderr.contains(token));
        ran
    };
    verify(&[], token).ok();
    verify(&["--can", "write:buckets"], token).ok();
    let ran = verify(&["--json"], &format!("{token}\n")).ok();
    assert_eq!(ran.json()["authorization"]["id"].as_str(), id);
    assert_eq!(ran.json()["authenticates"], true);

    let unknown = verify(&["--json"], "not-a-token-of-this-store").code(3);
    assert_eq!(unknown.stderr, "");
    assert_eq!(unknown.json()["authenticates"], false);
    assert!(unknown.json()["authorization"].is_null());
    verify(&[], "not-a-token-of-this-store").code(3);
}

#[test]
fn a_reader_without_any_right_to_write_is_enough() {
    let sandbox = Sandbox::new();
    let database = sandbox.store("upgraded-2.9.1");
    let mode = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(&database, 0o444);
    mode(&sandbox.path("work"), 0o555);
    let as_root = rustix::process::geteuid().is_root();
    if as_root {
        // Root may write any file, so another user runs a copy in a folder that it can read.
        sandbox.program();
    }
    for reader in READERS {
        let mut command = sandbox.command(on(reader, &database));
        if as_root {
            let mut other = std::process::Command::new(sandbox.path("boltkey"));
            other
                .args(command.get_args())
                .current_dir(sandbox.path("work"))
                .env_clear()
                .uid(65534)
                .gid(65534);
            command = other;
        }
        sandbox.finish(command).answered();
    }
    mode(&sandbox.path("work"), 0o755);
}

#[test]
fn a_shared_lock_of_another_reader_is_no_obstacle() {
    let sandbox = Sandbox::new();
    let database = sandbox.store("fresh-2.9.1");
    let other = fs::File::open(&database).unwrap();
    other.lock_shared().unwrap();
    for reader in READERS {
        sandbox.run(on(reader, &database)).answered();
    }
}

#[test]
fn an_orphan_is_visible_to_no_token() {
    let sandbox = Sandbox::new();
    let database = sandbox.store("upgraded-2.9.1");
    let listed = |extra: &[&str]| {
        let mut arguments = on(&["auth", "list", "--json"], &database);
        arguments.extend(extra.iter().map(ToString::to_string));
        sandbox.run(&arguments).ok().json()["authorizations"].clone()
    };
    let orphans = listed(&["--orphaned"]);
    assert_eq!(orphans.as_array().unwrap().len(), 2);
    for orphan in orphans.as_array().unwrap() {
        let id = orphan["id"].as_str().unwrap();
        let shown = sandbox.run(on(&["auth", "show", id, "--json"], &database));
        let shown = shown.ok().json();
        assert_eq!(shown["visibleTo"], serde_json::json!([]));
        // The server deletes it all the same.
        assert!(!shown["changeableBy"].as_array().unwrap().is_empty());
        let text = sandbox
            .run(on(&["auth", "show", id], &database))
            .ok()
            .stdout;
        for words in [
            "Visible to: no token; the server answers 404",
            "Deletable by:\n",
        ] {
            assert!(text.contains(words), "{text}");
        }
    }
    let other = listed(&["--kind", "custom", "--status", "active"]);
    let id = other[0]["id"].as_str().unwrap();
    let text = sandbox
        .run(on(&["auth", "show", id], &database))
        .ok()
        .stdout;
    assert!(text.contains("Visible to:\n"), "{text}");
}

#[test]
fn a_status_fits_a_terminal() {
    for name in store_names() {
        let sandbox = Sandbox::new();
        // A short path, since paths are not broken.
        sandbox.store(&name);
        let file = format!("{name}.bolt");
        let arguments = ["status", "--db", &file];
        let (status, text) = at_terminal(sandbox.command(arguments), 80);
        assert!(status.success());
        for line in text.lines() {
            let width = anstream::adapter::strip_str(line)
                .to_string()
                .chars()
                .count();
            assert!(width <= 80, "{name}: {line}");
        }
    }
}

#[test]
fn one_of_something_is_no_plural() {
    let sandbox = Sandbox::new();
    let database = sandbox.store("fresh-2.7.12");
    let ran = sandbox.run(on(&["capture", "-n", "--out", "out"], &database));
    assert!(
        ran.stdout.contains("would capture 1 plaintext token to"),
        "{ran:?}"
    );
    let text = sandbox
        .run(on(&["check"], &sandbox.store("lived-2.7.12")))
        .ok();
    assert!(
        text.stdout.contains("ok: no errors, 2 warnings"),
        "{text:?}"
    );
}

#[test]
fn a_refusal_is_told_once() {
    let sandbox = Sandbox::new();
    let database = sandbox.store("lived-2.7.12");
    let facts = facts("lived-2.7.12");
    let tokens = facts["tokens"].as_array().unwrap();
    let mut refused = 0;
    for token in tokens {
        let mut arguments = on(&["auth", "verify", "--token-file", "-"], &database);
        arguments.extend(["--can".into(), "write:telegrafs".into()]);
        let token = token["token"].as_str().unwrap();
        let ran = sandbox.run_with(&arguments, token.as_bytes());
        let mut lines: Vec<&str> = ran.stdout.lines().map(str::trim).collect();
        let count = lines.len();
        lines.sort_unstable();
        lines.dedup();
        assert_eq!(lines.len(), count, "{ran:?}");
        let not_allowed = ran.stdout.matches("do not allow what was asked").count();
        assert!(not_allowed <= 1, "{ran:?}");
        refused += ran.code;
    }
    assert!(refused > 9);
}

#[test]
fn the_table_of_1_x_authorizations_tells_of_passwords() {
    let sandbox = Sandbox::new();
    let database = sandbox.store("lived-2.7.12");
    let table = sandbox
        .run(on(&["auth", "list", "--v1"], &database))
        .ok()
        .stdout;
    let mut lines = table.lines();
    let column = lines.next().unwrap().find("Password").unwrap();
    assert!(
        lines.next().unwrap()[column..].starts_with("yes"),
        "{table}"
    );
    assert!(!table.contains("Storage"));
}
