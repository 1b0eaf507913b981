//! Listing and verification on stores that real servers wrote, compared with the answers of those
//! servers.

use boltkey::metadata::{Id, Kind};
use boltkey::ops::auth::list::{Filters, Lister};
use boltkey::ops::auth::verify::verify;
use boltkey::secret::Token;
use boltkey::store::{OpenOptions, Store};
use serde_json::Value;

use crate::support::fixtures::{fixture_path, fixtures, store_names};

/// The fixtures' names, and what the server answered where it was asked, else its facts.
fn stores(suffix: &str) -> Vec<(String, Value)> {
    let mut stores = Vec::new();
    for name in store_names() {
        if let Ok(text) = std::fs::read(fixtures().join(format!("real/{name}{suffix}"))) {
            stores.push((name, serde_json::from_slice(&text).unwrap()));
        }
    }
    stores
}

fn open(name: &str) -> Store {
    Store::open(&fixture_path(name), &OpenOptions::default()).unwrap()
}

/// The list as `auth list --json --reveal` prints it.
fn listed(store: &Store, filters: Filters) -> Vec<Value> {
    let lister = Lister::new(store.snapshot(), filters, true).unwrap();
    let mut entries = Vec::new();
    let skipped = lister
        .list(store.snapshot(), &mut |entry| {
            entries.push(serde_json::to_value(entry).unwrap());
        })
        .unwrap();
    assert!(skipped.findings.is_empty(), "{:?}", skipped.findings);
    entries
}

#[test]
fn the_list_is_the_servers_answer() {
    const FIELDS: [&str; 10] = [
        "id",
        "status",
        "description",
        "orgID",
        "org",
        "userID",
        "user",
        "permissions",
        "createdAt",
        "updatedAt",
    ];
    let mut compared = 0;
    for (file, answer) in stores(".authorizations.json") {
        let mut ours = listed(&open(&file), Filters::default()).into_iter();
        for theirs in answer["authorizations"].as_array().unwrap() {
            // Only entries that the server hides may be in between.
            let ours = loop {
                let ours = ours.next().unwrap();
                if ours["id"] == theirs["id"] {
                    break ours;
                }
                assert!(ours["org"].is_null() || ours["user"].is_null(), "{ours}");
            };
            for field in FIELDS {
                assert_eq!(ours[field], theirs[field], "{file}: {field}");
            }
            // In the same order, too.
            assert_eq!(
                ours["permissions"].to_string(),
                theirs["permissions"].to_string()
            );
            match ours["storage"].as_str() {
                Some("plaintext") => assert_eq!(ours["token"], theirs["token"], "{file}"),
                Some("hashed") => {
                    assert_eq!(ours["token"], "REDACTED");
                    assert_eq!(theirs["token"], "");
                }
                other => panic!("{file}: storage {other:?}"),
            }
            compared += 1;
        }
        for hidden in ours {
            assert!(
                hidden["org"].is_null() || hidden["user"].is_null(),
                "{hidden}"
            );
        }
    }
    assert!(compared >= 178, "{compared}");
    println!("cases: server-listings {compared}");
}

/// Filters, and how many authorizations of each lived-in store they take.
fn filters() -> Vec<(Filters, usize)> {
    let none = Filters::default;
    vec![
        (none(), 36),
        (
            Filters {
                kind: Some(Kind::Operator),
                ..none()
            },
            3,
        ),
        (
            Filters {
                orphaned: true,
                ..none()
            },
            2,
        ),
        (
            Filters {
                active: Some(false),
                ..none()
            },
            1,
        ),
        (
            Filters {
                can: Some("write:buckets".parse().unwrap()),
                active: Some(true),
                ..none()
            },
            28,
        ),
    ]
}

#[test]
fn rendering_on_all_processors_gives_the_same_list() {
    for (file, _) in stores(".json") {
        let store = open(&file);
        for (filters, taken) in filters() {
            let mut text = Vec::new();
            let skipped = Lister::new(store.snapshot(), filters.clone(), true)
                .unwrap()
                .render(
                    store.snapshot(),
                    &|entry, text| {
                        serde_json::to_writer(&mut *text, entry).unwrap();
                        text.push(b'\n');
                    },
                    &mut |more| text.extend(more),
                )
                .unwrap();
            assert!(skipped.findings.is_empty(), "{:?}", skipped.findings);
            let rendered: Vec<Value> = serde_json::Deserializer::from_slice(&text)
                .into_iter()
                .map(Result::unwrap)
                .collect();
            assert_eq!(rendered, listed(&store, filters), "{file}");
            if file.starts_with("lived") {
                assert_eq!(rendered.len(), taken, "{file}");
            }
        }
    }
}

#[test]
fn every_token_is_recognised_and_judged() {
    let (mut verified, mut refused) = (0, 0);
    for (file, facts) in stores(".json") {
        let store = open(&file);
        let listed = listed(&store, Filters::default());
        for token in facts["tokens"].as_array().unwrap() {
            let id: Id = token["id"].as_str().unwrap().parse().unwrap();
            let secret = Token::new(token["token"].as_str().unwrap().to_owned());
            let entry = listed.iter().find(|e| e["id"] == token["id"]);
            let (authenticates, found) =
                verify(store.snapshot(), &secret, None, None, |verified| {
                    let found = verified.authorization.as_ref().map(|entry| entry.id);
                    (verified.authenticates, found)
                })
                .unwrap();
            // A release before 2.8 has no index of hashes.
            let known = token["status"] != "deleted" && !file.starts_with("downgraded-20-hashed");
            assert_eq!(found, known.then_some(id), "{file}: {id}");
            let name = token["name"].as_str().unwrap();
            let expected = known
                && token["status"] == "active"
                && !matches!(name, "of the leaver" | "of the sleeper");
            assert_eq!(authenticates, expected, "{file}: {name}");
            match entry {
                Some(entry) => assert_eq!(entry["usable"], expected, "{file}: {name}"),
                None => assert_eq!(token["status"], "deleted", "{file}: {name}"),
            }
            if authenticates {
                verified += 1;
            } else {
                refused += 1;
            }
        }
    }
    assert!(verified > 200 && refused > 40, "{verified}, {refused}");
    println!("cases: known-tokens {}", verified + refused);
}
