//! `auth verify`: the forms of a token that people paste, what each "no" says, and what the server
//! does with odd tokens.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::fixtures::{content, fixtures, known_token, token_of};
use crate::sandbox::Ran;
use crate::scene::{FOR_ALICE, Scene, text};

const STORE: &str = "lived-2.7.12";
/// An operator token of that store, in the form that influxd makes.
const OPERATOR: &str = "second operator";
/// Its only token ends in a line feed.
const LINE_FEED: &str = "5-492-token-with-newline";
/// The authorization of that token.
const WITH_LINE_FEED: &str = "11b67efe03414000";

fn field(scene: &Scene, name: &str) -> PathBuf {
    let path = scene.path("field.bolt");
    fs::write(
        &path,
        content(&fixtures().join(format!("field/{name}.bolt.gz"))),
    )
    .unwrap();
    path
}

/// Without the breaks that make lines fit a terminal.
fn in_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn verify(scene: &Scene, database: &Path, token: &[u8], extra: &[&str]) -> Ran {
    let mut arguments = vec![
        "auth",
        "verify",
        "--token-file",
        "-",
        "--db",
        text(database),
    ];
    arguments.extend(extra);
    scene.sandbox.run_with(arguments, token)
}

#[test]
fn the_forms_that_people_paste_are_named() {
    let scene = Scene::new();
    let database = scene.store(STORE);
    let token = token_of(STORE, OPERATOR);
    let id = known_token(STORE, OPERATOR)["id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(token.ends_with("=="));
    let bare = token.trim_end_matches('=');
    let cases = [
        // One line end is no part of what is given.
        (format!("{token}\n\n"), "line-end", "remove the line end"),
        (format!("{token}\r"), "line-end", "remove the line end"),
        (format!("\"{token}\""), "quotes", "remove the quotes"),
        (format!("'{token}'\n"), "quotes", "remove the quotes"),
        (format!(" {token}"), "spaces", "remove the spaces around it"),
        (format!("Token {token}"), "scheme", "remove the scheme"),
        (format!("Bearer {token}"), "scheme", "remove the scheme"),
        (
            format!("INFLUX_TOKEN={token}"),
            "assignment",
            "remove the name",
        ),
        (
            format!("export INFLUX_TOKEN='{token}'"),
            "assignment",
            "then remove the quotes",
        ),
        (bare.to_owned(), "padding", "append \"==\""),
        (token.replace('=', "%3D"), "percent", "percent-encoding"),
        (STANDARD.encode(&token), "base64", "decode it from base64"),
        (
            STANDARD.encode(format!("{token}\n")),
            "base64",
            "then remove the line end",
        ),
        (format!("\u{feff}{token}"), "bom", "byte order mark"),
        (
            format!("\u{feff}{token}\r\n\r\n"),
            "bom",
            "then remove the line end",
        ),
        (id.clone(), "id", "is the ID of an authorization"),
        (format!("ID={id}"), "id", "is the ID of an authorization"),
    ];
    for (pasted, form, change) in &cases {
        let ran = verify(&scene, &database, pasted.as_bytes(), &["--json"]).code(3);
        let json = ran.json();
        assert_eq!(json["matchedAs"], *form, "{form}: {json}");
        assert_eq!(json["authorization"]["id"], id, "{form}");
        assert_eq!(json["authenticates"], false, "{form}");
        assert!(json["allowed"].is_null(), "{form}");
        let reasons = json["reasons"].to_string();
        assert!(reasons.contains(&change.replace('"', "\\\"")), "{reasons}");
        let ran = verify(&scene, &database, pasted.as_bytes(), &[]).code(3);
        assert!(in_one_line(&ran.stdout).contains(change), "{ran:?}");
        assert!(!ran.stdout.contains(bare), "{ran:?}");
    }
    println!("cases: verify-forms {}", cases.len());

    let exact = verify(&scene, &database, token.as_bytes(), &["--json"])
        .code(0)
        .json();
    assert!(
        exact["matchedAs"].is_null() && exact["hint"].is_null(),
        "{exact}"
    );
    assert_eq!(exact["authenticates"], true);
}

/// As on real servers: see `interop/suite/pasted_test.go`.
#[test]
fn spaces_at_the_end_are_dropped_by_the_server() {
    let scene = Scene::new();
    let database = scene.store(STORE);
    let token = token_of(STORE, OPERATOR);
    for end in [" ", "\t", "  \t"] {
        let ran = verify(
            &scene,
            &database,
            format!("{token}{end}").as_bytes(),
            &["--json"],
        );
        let json = ran.code(0).json();
        assert_eq!(json["authenticates"], true, "{end:?}");
        assert_eq!(json["matchedAs"], "spaces", "{end:?}");
        assert!(
            json["reasons"][0]
                .as_str()
                .unwrap()
                .contains("remove the spaces at its end")
        );
    }
}

#[test]
fn a_token_that_ends_in_a_line_feed_is_recognised_in_both_directions() {
    let scene = Scene::new();
    let database = field(&scene, LINE_FEED);
    let secret = fs::read(fixtures().join("field/5-492-secret.txt")).unwrap();
    let ran = verify(&scene, &database, &secret, &["--json"]).code(3);
    let json = ran.json();
    assert_eq!(json["matchedAs"], "line-end");
    assert_eq!(json["authenticates"], false);
    assert_eq!(json["authorization"]["id"], WITH_LINE_FEED);
    assert!(
        json["reasons"][0]
            .as_str()
            .unwrap()
            .contains("itself ends in a line feed")
    );
    let told = verify(&scene, &database, &secret, &[]).code(3).stdout;
    assert!(
        told.contains("boltkey auth rotate 11b67efe03414000 --token-file FILE"),
        "{told}"
    );

    // With the line feed it is the token, but no header can carry it.
    let exact = [&secret[..], b"\n"].concat();
    let json = verify(&scene, &database, &exact, &["--json"])
        .code(3)
        .json();
    assert!(json["matchedAs"].is_null());
    assert_eq!(json["authenticates"], false);
    let reasons = json["reasons"].to_string();
    for words in [
        "ends in a line feed",
        "only 1.x endpoints (/query, /write) accept it",
    ] {
        assert!(reasons.contains(words), "{reasons}");
    }

    // What the answer names leads out.
    let file = scene.path("secret");
    fs::write(&file, &secret).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let rotate = ["auth", "rotate", WITH_LINE_FEED];
    let extra = ["--token-file", text(&file), "--yes"];
    scene.run(&rotate, &database, &extra).ok();
    verify(&scene, &database, &secret, &[]).code(0);
}

#[test]
fn status_and_show_say_why_the_token_with_a_line_feed_is_not_usable() {
    let scene = Scene::new();
    let database = field(&scene, LINE_FEED);
    let status = scene.run(&["status"], &database, &["--json"]).ok().json();
    let token = &status["operatorTokens"][0];
    assert_eq!(token["usable"], false);
    assert!(
        token["because"]
            .as_str()
            .unwrap()
            .contains("ends in a line feed")
    );
    let told = scene.run(&["status"], &database, &[]).ok().stdout;
    for words in ["- it ends in a line feed", "boltkey recover operator"] {
        assert!(told.contains(words), "{told}");
    }
    let told = scene
        .run(&["auth", "show", WITH_LINE_FEED], &database, &[])
        .ok()
        .stdout;
    for words in [
        "Usable:       no",
        "it ends in a line feed",
        "boltkey auth rotate",
    ] {
        assert!(told.contains(words), "{told}");
    }
    let sound = scene
        .run(&["status"], &scene.store(STORE), &["--json"])
        .ok()
        .json();
    let tokens = sound["operatorTokens"].as_array().unwrap().iter();
    for token in tokens {
        assert_eq!(
            token["usable"] == true,
            token["because"].is_null(),
            "{token}"
        );
    }
}

#[test]
fn a_file_that_is_no_utf_8_gets_a_hint() {
    let scene = Scene::new();
    let database = scene.store(STORE);
    let latin1 = fs::read(fixtures().join("field/5-492-latin1.txt")).unwrap();
    let utf16: Vec<u8> = "\u{feff}token"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    for (content, encoding) in [(latin1, "WINDOWS-1252"), (utf16, "UTF-16")] {
        let ran = verify(&scene, &database, &content, &["--json"]).code(1);
        let error = ran.failure();
        assert!(
            error["message"]
                .as_str()
                .unwrap()
                .contains("is not UTF-8 text")
        );
        let hint = error["hint"].as_str().unwrap();
        assert!(
            hint.contains(&format!("iconv -f {encoding} -t UTF-8")),
            "{hint}"
        );
    }
}

#[test]
fn a_permission_that_lacks_is_told_with_those_that_are_there() {
    let scene = Scene::new();
    let database = scene.store(STORE);
    let listed = scene.run(
        &["auth", "list", "--kind", "custom"],
        &database,
        &["--json", "--reveal"],
    );
    let listed = listed.ok().json();
    let custom = listed["authorizations"].as_array().unwrap().iter();
    let mut custom = custom.filter(|token| token["usable"] == true);
    let token = custom.next().unwrap()["token"].as_str().unwrap().to_owned();
    let can = ["--can", "write:telegrafs"];
    let ran = verify(&scene, &database, token.as_bytes(), &can).code(3);
    for words in [
        "no: its permissions do not allow this",
        "boltkey auth list --can write:telegrafs",
        "boltkey auth create",
        "Permissions: read:orgs/",
    ] {
        assert!(in_one_line(&ran.stdout).contains(words), "{words}: {ran:?}");
    }
    // The command that it names works.
    scene
        .run(
            &["auth", "list", "--can", "write:telegrafs"],
            &database,
            &[],
        )
        .ok();
    let json = verify(
        &scene,
        &database,
        token.as_bytes(),
        &["--can", "write:telegrafs", "--json"],
    );
    let json = json.code(3).json();
    assert_eq!(json["allowed"], false);
    assert_eq!(json["authenticates"], true);
    assert!(
        !json["authorization"]["permissions"]
            .as_array()
            .unwrap()
            .is_empty()
    );

    // In another form, what it may do is known as well.
    let quoted = format!("'{}'", token_of(STORE, OPERATOR));
    let json = verify(
        &scene,
        &database,
        quoted.as_bytes(),
        &["--can", "write:orgs", "--json"],
    );
    let json = json.code(3).json();
    assert_eq!(json["allowed"], true);
    assert_eq!(json["authenticates"], false);
}

#[test]
fn every_no_names_the_command_that_helps() {
    let scene = Scene::new();
    let database = scene.store(STORE);
    let told = |token: &str| {
        let ran = verify(&scene, &database, token.as_bytes(), &["--json"]).code(3);
        let json = ran.json();
        let hint = json["hint"]
            .as_str()
            .unwrap_or_else(|| panic!("{json}"))
            .to_owned();
        let printed = verify(&scene, &database, token.as_bytes(), &[])
            .code(3)
            .stdout;
        assert!(in_one_line(&printed).contains(&hint), "{printed}");
        (json, hint)
    };
    let (json, hint) = told("nothing-of-this-store");
    assert!(json["authorization"].is_null() && json["matchedAs"].is_null());
    assert!(hint.contains("boltkey auth list") && hint.contains("boltkey recover operator"));
    let (_, hint) = told("$influxdb2-sha256$xxxx");
    assert!(hint.contains("boltkey residue recover"), "{hint}");
    let (_, hint) = told("collectd");
    assert!(hint.contains("boltkey v1 auth list"), "{hint}");
    scene.run(&["v1", "auth", "list"], &database, &[]).ok();

    // An inactive token works after the command that is named.
    let made = scene.path("made");
    let extra = [FOR_ALICE, &["--token-out", text(&made)]].concat();
    scene.run(&["recover", "operator"], &database, &extra).ok();
    let token = fs::read_to_string(&made).unwrap();
    let known = verify(&scene, &database, token.as_bytes(), &["--json"])
        .ok()
        .json();
    let id = known["authorization"]["id"].as_str().unwrap().to_owned();
    scene
        .run(
            &["auth", "update", &id, "--status", "inactive"],
            &database,
            &["--yes"],
        )
        .ok();
    let (_, hint) = told(token.trim_end());
    assert!(
        hint.contains(&format!("boltkey auth update {id} --status active")),
        "{hint}"
    );
    scene
        .run(
            &["auth", "update", &id, "--status", "active"],
            &database,
            &["--yes"],
        )
        .ok();
    verify(&scene, &database, token.as_bytes(), &[]).ok();

    // Of a deleted user.
    let gone = token_of(STORE, "of the leaver");
    let (_, hint) = told(&gone);
    assert!(hint.contains("boltkey auth create --user"), "{hint}");
}
