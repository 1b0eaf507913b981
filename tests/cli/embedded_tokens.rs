//! Tokens in configuration texts, secrets and the SQLite file: named by record, kept, recovered.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use boltkey::metadata::names;
use boltkey::store::Snapshot;
use serde_json::Value;

use crate::cures::ground::{bolt_model, bolt_of, model_of};
use crate::fixtures::tokens;
use crate::scene::{Scene, text};

/// A store of a server that does not hash tokens. One of its tokens was chosen.
const PLAIN: &str = "lived-2.7.12";
const CHOSEN: &str = "my-super-secret-admin-token";
const ORG: &str = "0000000000000a01";

/// That store, with more records.
fn store(scene: &Scene, records: &[(&[u8], &str, String)]) -> std::path::PathBuf {
    let mut model = bolt_model(PLAIN);
    for (bucket, key, value) in records {
        model.put(bucket, key.as_bytes(), value.as_bytes());
    }
    let folder = scene.path("store");
    fs::create_dir_all(&folder).unwrap();
    let database = folder.join("influxd.bolt");
    fs::write(&database, bolt_of(&model)).unwrap();
    database
}

/// The ID of a token.
fn id_of(database: &Path, token: &str) -> String {
    let value = model_of(database)
        .get(names::AUTHORIZATION_INDEX, token.as_bytes())
        .unwrap();
    String::from_utf8(value.unwrap()).unwrap()
}

fn json(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Live records that show a token in every encoding.
fn records(chosen: &str, generated: &str) -> Vec<(&'static [u8], &'static str, String)> {
    let secret = |name| (names::SECRETS, name);
    let [(secrets, one), (_, two), (_, three)] = [
        secret("0000000000000a01ONE"),
        secret("0000000000000a01TWO"),
        secret("0000000000000a01THREE"),
    ];
    let toml = format!("[[outputs.influxdb_v2]]\n  token = {}\n", json(chosen));
    let nested = json(&json(&toml));
    vec![
        (secrets, one, STANDARD.encode(chosen)),
        (secrets, two, STANDARD.encode(generated)),
        (secrets, three, STANDARD.encode(format!("Token {chosen}"))),
        (
            b"telegrafv1",
            ORG,
            format!(r#"{{"id":"{ORG}","config":{}}}"#, json(&toml)),
        ),
        (b"tasksv1", ORG, format!(r#"{{"flux":{nested}}}"#)),
        (
            b"dashboardsv2",
            ORG,
            format!(
                r#"{{"url":"https://h/query?token={}"}}"#,
                percent(generated)
            ),
        ),
        (
            b"variablesv1",
            ORG,
            format!(r#"{{"value":"{}"}}"#, hex::encode(generated)),
        ),
    ]
}

/// The places that a report names, with the tokens.
fn places(report: &Value) -> Vec<(String, String)> {
    let embedded = report["embedded"].as_array().unwrap().iter();
    embedded
        .map(|place| {
            let part = |name: &str| place[name].as_str().unwrap().to_owned();
            (format!("{}/{}", part("bucket"), part("key")), part("id"))
        })
        .collect()
}

#[test]
fn live_records_in_every_encoding_are_named_and_never_edited() {
    let scene = Scene::new();
    let all = tokens(PLAIN);
    let (_, generated) = all.iter().find(|(_, token)| token.ends_with("==")).unwrap();
    let records = records(CHOSEN, generated);
    let database = store(&scene, &records);
    let (chosen_id, generated_id) = (id_of(&database, CHOSEN), id_of(&database, generated));
    let expected: Vec<(String, String)> = records
        .iter()
        .map(|(bucket, key, value)| {
            let bucket = std::str::from_utf8(bucket).unwrap();
            let of_generated =
                key.ends_with("TWO") || ["dashboardsv2", "variablesv1"].contains(&bucket);
            let id = if of_generated {
                &generated_id
            } else {
                &chosen_id
            };
            assert!(!value.is_empty());
            (format!("{bucket}/{key}"), id.clone())
        })
        .collect();
    let sqlite = database.with_file_name("influxd.sqlite");
    let connection = rusqlite::Connection::open(&sqlite).unwrap();
    connection
        .execute_batch(&format!(
            "CREATE TABLE remotes(id TEXT PRIMARY KEY, name TEXT, description TEXT, \
             remote_url TEXT, remote_api_token TEXT);
             INSERT INTO remotes VALUES ('00000000000000b1', 'self', '', 'http://h', '{CHOSEN}');
             INSERT INTO remotes VALUES ('00000000000000b2', 'other', '', 'http://h', 'elsewhere');
             CREATE TABLE replications(id TEXT PRIMARY KEY, description TEXT);
             INSERT INTO replications VALUES ('00000000000000b3', 'token={}');",
            percent(generated)
        ))
        .unwrap();
    drop(connection);
    let of_sqlite = [
        ("influxd.sqlite/remotes/00000000000000b1", &chosen_id),
        (
            "influxd.sqlite/replications/00000000000000b3",
            &generated_id,
        ),
    ];
    let is_complete = |report: &Value, what: &str| {
        let places = places(report);
        let of_sqlite = of_sqlite
            .iter()
            .map(|(place, id)| (String::from(*place), (*id).clone()));
        for place in expected.iter().cloned().chain(of_sqlite) {
            assert!(places.contains(&place), "{what}: {place:?} in {places:?}");
        }
        let siblings = report["siblings"].as_array().unwrap();
        let sqlite = siblings
            .iter()
            .find(|sibling| {
                sibling["path"]
                    .as_str()
                    .unwrap()
                    .ends_with("influxd.sqlite")
            })
            .unwrap();
        assert_eq!(sqlite["plaintextTokens"], 2, "{what}");
    };
    let ran = scene.run(&["status"], &database, &["--json"]).code(0);
    assert!(!ran.stdout.contains(CHOSEN) && !ran.stdout.contains(generated));
    is_complete(&ran.json(), "status");
    let ran = scene.run(&["status"], &database, &[]).code(0);
    assert!(
        ran.stdout
            .contains("in influxd.sqlite/remotes/00000000000000b1 contains token")
    );

    let before = fs::read(&sqlite).unwrap();
    let yes = ["--no-capture", "--yes", "--json"];
    let ran = scene.run(&["hash"], &database, &yes).code(0);
    assert!(!ran.stdout.contains(CHOSEN) && !ran.stdout.contains(generated));
    is_complete(&ran.json(), "hash");
    assert_eq!(fs::read(&sqlite).unwrap(), before);
    let now = model_of(&database);
    for (bucket, key, value) in &records {
        let now = now.get(bucket, key.as_bytes()).unwrap().unwrap();
        assert_eq!(now, value.as_bytes());
    }
    // Hashed tokens are still named, except chosen ones in a text without a name.
    let ran = scene.run(&["status"], &database, &["--json"]).code(0);
    is_complete(&ran.json(), "status of hashed tokens");
    // And written out.
    let out = scene.path("recovered.json");
    scene
        .run(&["residue", "recover"], &database, &["--out", text(&out)])
        .code(0);
    let saved = fs::read_to_string(&out).unwrap();
    assert!(saved.contains(CHOSEN) && saved.contains(generated.as_str()));
}

#[test]
fn a_chosen_token_in_a_stale_configuration_is_found_kept_and_recovered() {
    let toml = format!("  token = \"{CHOSEN}\"\n");
    let texts = [
        toml.clone(),
        json(&toml),
        json(&json(&toml)),
        format!("token: '{CHOSEN}'\n"),
        format!("INFLUX_TOKEN={CHOSEN}\n"),
        format!("export INFLUX_TOKEN='{CHOSEN}'"),
        format!("https://h/write?token={}&org=o", percent(CHOSEN)),
        format!("{{\"apiToken\":\"{CHOSEN}\"}}"),
        format!("Authorization: Token {CHOSEN}\r\n"),
    ];
    for (n, stale) in texts.iter().enumerate() {
        let scene = Scene::new();
        let database = store(&scene, &[]);
        let id = id_of(&database, CHOSEN);
        scene
            .run(&["hash"], &database, &["--no-capture", "--yes"])
            .code(0);
        let scan = || {
            scene
                .run(&["residue", "scan"], &database, &["--json"])
                .json()
        };
        assert_eq!(scan()["tokens"], 0);
        // Beyond the high-water mark, across the border of two parts that are read.
        let mut bytes = fs::read(&database).unwrap();
        let border = bytes.len().next_multiple_of(256 << 10);
        bytes.resize(border - stale.len() / 2 - n, 0);
        bytes.extend_from_slice(stale.as_bytes());
        let length = (bytes.len() + 64).next_multiple_of(4096);
        bytes.resize(length, 0);
        fs::write(&database, &bytes).unwrap();

        let counts = scan();
        assert_eq!(counts["matching"], 1, "{stale}: {counts}");
        assert_eq!(counts["unmatched"], 0, "{stale}");
        let status = scene.run(&["status"], &database, &["--json"]).json();
        assert_eq!(status["residue"]["recoverable"], 1, "{stale}");
        let out = scene.path("recovered.json");
        let extra = ["--out", text(&out)];
        scene
            .run(&["residue", "recover"], &database, &extra)
            .code(0);
        let saved: Value = serde_json::from_slice(&fs::read(&out).unwrap()).unwrap();
        assert_eq!(saved["tokens"][0]["id"], id, "{stale}");
        assert_eq!(saved["tokens"][0]["token"], CHOSEN, "{stale}");
        // Another change keeps it.
        let change = ["--name", "new", "--org", "acme"];
        scene.run(&["user", "create"], &database, &change).code(0);
        assert_eq!(scan()["matching"], 1, "{stale}");
        // To overwrite it is said before.
        let ran = scene.run(&["residue", "scrub"], &database, &["-n", "--json"]);
        assert_eq!(ran.code(0).json()["matching"], 1, "{stale}");
        scene
            .run(&["residue", "scrub"], &database, &["--yes"])
            .code(0);
        assert_eq!(scan()["matching"], 0, "{stale}");
    }
}
