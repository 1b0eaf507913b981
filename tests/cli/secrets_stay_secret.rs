//! Secrets that a command reads are in no output and in no file that it leaves: on success, in a
//! dry run, when it refuses, and when standard output is full.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use crate::scene::{SEVERAL, Scene, arguments, text};
use crate::support::program::ended;

const TOKEN: &str = "planted-token-7f3a";
const PASSWORD: &str = "planted password 91c2";

/// Commands that take secrets; FILES is the folder with the files.
const COMMANDS: &[&[&str]] = &[
    &[
        "auth",
        "create",
        "--user",
        "alice",
        "--org",
        "acme",
        "--operator",
        "--token-file",
        "FILES/token",
    ],
    &[
        "auth",
        "create",
        "--user",
        "alcie",
        "--org",
        "acme",
        "--operator",
        "--token-file",
        "FILES/token",
    ],
    &[
        "auth",
        "create",
        "--user",
        "sleeper",
        "--org",
        "acme",
        "--operator",
        "--token-file",
        "FILES/token",
    ],
    &[
        "auth",
        "create",
        "--user",
        "alice",
        "--org",
        "acme",
        "--operator",
        "--hashed-token",
        "planted-token-7f3a",
    ],
    &["auth", "clone", "ID", "--token-file", "FILES/token"],
    &[
        "auth",
        "rotate",
        "ID",
        "--token-file",
        "FILES/token",
        "--yes",
    ],
    &["auth", "rotate", "ID", "--token-file", "FILES/token"],
    &["auth", "verify", "--token-file", "FILES/token"],
    &[
        "user",
        "create",
        "--name",
        "nora",
        "--password-file",
        "FILES/password",
    ],
    &[
        "user",
        "create",
        "--name",
        "alice",
        "--password-file",
        "FILES/password",
    ],
    &[
        "user",
        "password",
        "--name",
        "alice",
        "--password-file",
        "FILES/password",
        "--yes",
    ],
    &[
        "user",
        "password",
        "--name",
        "alcie",
        "--password-file",
        "FILES/password",
        "--yes",
    ],
    &[
        "v1",
        "auth",
        "create",
        "--org",
        "acme",
        "--user",
        "alice",
        "--username",
        "nora",
        "--read-bucket",
        "metrics",
        "--password-file",
        "FILES/password",
    ],
    &[
        "v1",
        "auth",
        "password",
        "--username",
        "collectd",
        "--password-file",
        "FILES/password",
        "--yes",
    ],
    &[
        "user",
        "verify",
        "--name",
        "alice",
        "--password-file",
        "FILES/password",
    ],
    &[
        "user",
        "verify",
        "--v1",
        "--name",
        "collectd",
        "--password-file",
        "FILES/password",
    ],
    &["apply", "FILES/v1.toml"],
    &["apply", "FILES/list.toml"],
    &["apply", "FILES/wrong.toml"],
    &["apply", "FILES/token.toml"],
    &["apply", "FILES/token"],
    &["token", "hash", "--token-file", "FILES/token"],
];

const LIST: &str = r#"
[[user]]
name = "nora"
passwordFile = "password"
[[token]]
name = "planted"
org = "acme"
user = "nora"
kind = "operator"
tokenFile = "token"
"#;

const V1_LIST: &str = r#"
[[v1]]
username = "nora"
org = "acme"
user = "alice"
permissions = ["read:buckets"]
passwordFile = "password"
"#;

/// Fails if the text contains one of the secrets.
#[track_caller]
fn is_silent(what: &str, text: &[u8]) {
    for secret in [TOKEN, PASSWORD] {
        let shown = memchr::memmem::find(text, secret.as_bytes()).is_some();
        assert!(!shown, "{what}: {}", String::from_utf8_lossy(text));
    }
}

fn write(path: &Path, content: &str) {
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn given_secrets_are_told_nowhere() {
    let mut runs = 0;
    for words in COMMANDS {
        for extra in [
            &[][..],
            &["-v"],
            &["--json", "-v"],
            &["-n"],
            &["-n", "--json"],
        ] {
            let scene = Scene::new();
            let database = scene.store(SEVERAL);
            let files = tempfile::tempdir().unwrap();
            write(&files.path().join("token"), TOKEN);
            write(&files.path().join("password"), PASSWORD);
            write(&files.path().join("list.toml"), LIST);
            write(&files.path().join("v1.toml"), V1_LIST);
            let wrong = LIST.replace("acme", "acne");
            write(&files.path().join("wrong.toml"), &wrong);
            let inline = LIST.replace("tokenFile = \"token\"", &format!("token = \"{TOKEN}\""));
            write(&files.path().join("token.toml"), &inline);
            let listed = scene.run(&["auth", "list", "--json"], &database, &[]).ok();
            let id = listed.json()["authorizations"][0]["id"].clone();
            let fill = |word: &&str| match *word {
                "ID" => id.as_str().unwrap().to_owned(),
                word => word.replace("FILES", text(files.path())),
            };
            let command: Vec<String> = words.iter().map(fill).collect();
            let command: Vec<&str> = command.iter().map(String::as_str).collect();
            let database_is_taken = command[0] != "token";
            let arguments = |extra: &[&str]| match database_is_taken {
                true => arguments(&command, &database, extra),
                false => command
                    .iter()
                    .chain(extra)
                    .map(|word| (*word).to_owned())
                    .collect(),
            };
            let place = format!("{words:?} {extra:?}");
            let before = scene.names();
            for full in [false, true] {
                let mut run = scene.sandbox.command(arguments(extra));
                run.stdout(Stdio::piped()).stderr(Stdio::piped());
                if full {
                    let device = fs::OpenOptions::new().write(true).open("/dev/full");
                    run.stdout(device.unwrap());
                }
                let output = ended(&mut run);
                // A chosen value is shown once, in JSON, as the API does.
                let shown_by_contract = !full
                    && extra.contains(&"--json")
                    && words[0] == "auth"
                    && output.status.success();
                if !shown_by_contract {
                    is_silent(&place, &output.stdout);
                }
                is_silent(&place, &output.stderr);
                runs += 1;
            }
            assert_eq!(scene.names(), before, "{place} left something");
        }
    }
    println!("cases: planted-secrets {runs}");
}
