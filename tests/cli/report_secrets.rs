//! Tokens are planted everywhere in a store. No format of a report shows one, nor does `status`.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use boltkey::metadata::names;

use crate::scene::{Scene, text};
use crate::support::reported_stores::{Records, bolt_of, generated, model};

/// A token that its owner chose, of a record with its hash.
const HASHED: &str = "kitchen-sink-42";
/// The same, of a record with plaintext.
const CHOSEN: &str = "correct-horse-battery";

/// A store whose every text contains tokens.
fn planted() -> (Vec<u8>, Vec<String>) {
    let mut records = Records::new(model("lived-2.7.12"));
    let values = [
        HASHED.to_owned(),
        CHOSEN.to_owned(),
        generated(1),
        generated(2),
    ];
    let text = values.join(" ");
    let all = r#"[{"action":"read","resource":{"type":"buckets"}}]"#;
    let org = records.org("works");
    let user = records.user("wanda");
    for (n, value) in values.iter().enumerate() {
        if *value == CHOSEN {
            let id = "2000000000000001";
            let record = format!(
                r#"{{"id":"{id}","token":"{CHOSEN}","status":"active","description":"plain","orgID":"{org}","userID":"{user}","permissions":{all}}}"#
            );
            records.put(names::AUTHORIZATIONS, id, &record);
            records.put(names::AUTHORIZATION_INDEX, CHOSEN, id);
        } else {
            records.token(value, &format!("token {n}"), (&org, &user), all);
        }
    }
    // Names and descriptions, each with one token, and with all of them.
    let mut texts: Vec<String> = values.to_vec();
    texts.push(text.clone());
    texts.push(format!("of {HASHED}: mine"));
    texts.push(STANDARD.encode(CHOSEN));
    texts.push(format!(r#"{{"token":"{}"}}"#, generated(7)));
    texts.push(format!("another server's {}", generated(8)));
    for planted in &texts {
        let org = records.org(planted);
        let user = records.user(planted);
        let bucket = records.bucket(&org, planted);
        let kind = serde_json::to_string(planted).unwrap();
        let permissions = format!(
            r#"[{{"action":"read","resource":{{"type":"buckets","id":"{bucket}","orgID":"{org}"}}}},{{"action":"write","resource":{{"type":"users","id":"{user}"}}}},{{"action":"write","resource":{{"type":{kind}}}}}]"#
        );
        records.token(
            &generated(100 + texts.len()),
            planted,
            (&org, &user),
            &permissions,
        );
        let id = format!("{org}{}", "s");
        records.put(names::SECRETS, &id, &STANDARD.encode(planted));
        let record = format!(r#"{{"id":"{org}","config":{kind}}}"#);
        records.put(b"telegrafv1", &org, &record);
        records.put(b"telegrafv1", planted, "x");
        let v1 = format!(
            r#"{{"id":"{bucket}","token":{kind},"status":{kind},"description":{kind},"orgID":"{org}","userID":"{user}","permissions":[]}}"#
        );
        records.put(names::LEGACY_AUTHORIZATIONS, &bucket, &v1);
        records.put(names::LEGACY_AUTHORIZATION_INDEX, planted, &bucket);
        let dbrp = format!(
            r#"{{"id":"{user}","database":{kind},"retention_policy":{kind},"orgID":"{org}","bucketID":"{bucket}"}}"#
        );
        records.put(names::DBRP, &user, &dbrp);
        // A bucket of the store itself, and records that can't be decoded.
        let name = format!("zz {planted}");
        records.model.create_bucket(name.as_bytes());
        records.put(name.as_bytes(), planted, &"v".repeat(5_000));
        records.put(names::TASKS, planted, planted);
        records.put(names::MAPPINGS, planted, planted);
    }
    let mut bytes = bolt_of(&records.model);
    // In unused bytes, behind the last page.
    let stale = format!(r#"{{"id":"2000000000000002","token":"{text}"}}"#);
    bytes.extend_from_slice(stale.as_bytes());
    bytes.extend(std::iter::repeat_n(0, 4096 - stale.len()));
    let mut secrets = values.to_vec();
    secrets.extend([generated(7), generated(8), STANDARD.encode(CHOSEN)]);
    (bytes, secrets)
}

#[test]
fn no_format_shows_a_planted_token() {
    let (bytes, secrets) = planted();
    for secret in &secrets {
        let shown = memchr::memmem::find(&bytes, secret.as_bytes()).is_some();
        assert!(shown, "{secret} is in no record");
    }
    let scene = Scene::new();
    let database = scene.path("influxd.bolt");
    fs::write(&database, &bytes).unwrap();
    let mut searched = 0;
    let mut search = |what: &str, text: &str| {
        for secret in &secrets {
            assert!(
                !text.contains(secret.as_str()),
                "{what} shows {secret}: {}",
                around(text, secret)
            );
            searched += 1;
        }
    };
    for format in ["html", "md", "json", "ndjson"] {
        let ran = scene
            .sandbox
            .run(["report", text(&database), "--out", "-", "--format", format]);
        let ran = ran.code(0);
        search(format, &ran.stdout);
        search(format, &ran.stderr);
        assert!(
            ran.stdout.contains("[removed") || ran.stdout.contains("\\[removed"),
            "{format}"
        );
    }
    for extra in [&[][..], &["--json"]] {
        let arguments = crate::scene::arguments(&["status"], &database, extra);
        let ran = scene.sandbox.run(arguments).code(0);
        search("status", &ran.stdout);
    }
    println!("cases: report-secrets {searched}");
}

/// The text around a place.
fn around<'t>(text: &'t str, place: &str) -> &'t str {
    let at = text.find(place).unwrap();
    let is_end = |end: &usize| text.is_char_boundary(*end);
    let from = (0..=at.saturating_sub(200)).rev().find(is_end).unwrap();
    let to = (at + 200..=text.len()).find(is_end).unwrap_or(text.len());
    &text[from..to]
}
