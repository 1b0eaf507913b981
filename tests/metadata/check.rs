//! Completeness of the metadata check: for every code, one change to a sound store that causes
//! exactly this finding.

use std::collections::BTreeMap;
use std::path::Path;

use boltkey::finding::{Code, Finding};
use boltkey::metadata::check::check;
use boltkey::metadata::names;
use boltkey::store::bolt::Bolt;
use boltkey::store::{MemoryFile, Model, OpenOptions, Store};

use crate::support::fixtures::{fixture, fixtures};
use crate::support::record_changes::{ID, MUTATORS, codes, pair, replace, sound};

fn counts(model: &Model) -> BTreeMap<Code, usize> {
    let mut counts = BTreeMap::new();
    for finding in check(model).unwrap() {
        *counts.entry(finding.code).or_default() += 1;
    }
    counts
}

#[test]
fn every_code_has_a_change_that_makes_it() {
    let sound = sound();
    let before = counts(&sound);
    for code in codes() {
        let (_, mutate) = MUTATORS
            .iter()
            .find(|(known, _)| code == *known)
            .unwrap_or_else(|| panic!("{code} has no mutator"));
        let mut broken = sound.clone();
        mutate(&mut broken);
        let after = counts(&broken);
        let count = |counts: &BTreeMap<_, usize>| counts.get(&code).copied().unwrap_or(0);
        assert!(
            count(&after) > count(&before),
            "{code} ({}): {after:?}",
            code.meaning()
        );
        let findings = check(&broken).unwrap();
        let finding = findings.iter().find(|f| f.code == code).unwrap();
        assert_eq!(finding.severity, code.severity(), "{code}");
    }
    assert_eq!(MUTATORS.len(), codes().count());
    println!("cases: metadata-check {}", MUTATORS.len());
}

#[test]
fn stores_of_real_servers_have_no_errors() {
    let folder = fixtures().join("real");
    let mut stores = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.contains(".bolt") {
            continue;
        }
        let store = Store::open(&path, &OpenOptions::default()).unwrap();
        let errors: Vec<_> = check(store.snapshot())
            .unwrap()
            .into_iter()
            .filter(|f| f.severity == boltkey::finding::Severity::Error)
            .map(|f| f.code.name())
            .collect();
        // A downgrade deletes the index of hashes, and with it every hashed token's way in.
        let expected = match name.as_str() {
            "downgraded-20-hashed.bolt.gz" => {
                vec!["metadata.token-index-absent"; errors.len().max(1)]
            }
            _ => Vec::new(),
        };
        assert_eq!(errors, expected, "{name}");
        stores += 1;
    }
    println!("cases: metadata-check-real {stores}");
    assert!(stores >= 12);
}

/// Each page of a real store made zero in turn: the check goes on with what can be read, tells
/// the damage, and says nothing of records that it could not see.
#[test]
fn damage_is_a_finding_and_no_reason_for_others() {
    let sound = fixture("lived-2.9.1-plaintext");
    let findings = |bytes: Vec<u8>| {
        let bolt = Bolt::open(Box::new(MemoryFile::new(bytes)), Path::new("image")).unwrap();
        check(&bolt).unwrap()
    };
    let before = findings(sound.clone());
    let pages = sound.len() / 4096;
    let mut damaged = 0;
    for page in 2..pages {
        let mut bytes = sound.clone();
        bytes[page * 4096..][..4096].fill(0);
        let (structure, rest): (Vec<_>, Vec<_>) = findings(bytes)
            .into_iter()
            .partition(|finding| finding.code.is_structure());
        damaged += usize::from(!structure.is_empty());
        // A record that goes on in that page can't be decoded.
        let own = |f: &&Finding| f.code != "metadata.undecodable" && !before.contains(f);
        let new: Vec<_> = rest.iter().filter(own).collect();
        assert!(new.is_empty(), "page {page}: {new:?}");
    }
    assert!(damaged > 20, "{damaged} of {pages} pages matter");
    // Whatever is cut off: findings, no error.
    for pages in 2..pages {
        findings(sound[..pages * 4096].to_vec());
    }
    println!("cases: metadata-check-damaged {pages}");
}

/// The codes of findings that the second store has more of than the first.
fn new(before: &Model, after: &Model) -> Vec<&'static str> {
    let (before, after) = (counts(before), counts(after));
    let more = after
        .iter()
        .filter(|(code, count)| before.get(code).is_none_or(|had| had < count));
    more.map(|(code, _)| code.name()).collect()
}

/// What refers to a record that can't be decoded is not said to refer to nothing.
#[test]
fn references_to_a_record_that_can_not_be_decoded_are_not_dangling() {
    let sound = sound();
    let mut tried = 0;
    for (bucket, text) in [
        (names::USERS, "alice"),
        (names::USERS, "sleeper"),
        (names::ORGANIZATIONS, "acme"),
        (names::ORGANIZATIONS, "beta"),
        (names::BUCKETS, "cold storage"),
        (names::BUCKETS, "_monitoring"),
        (names::BUCKETS, "_tasks"),
        (names::MAPPINGS, ""),
        (names::LEGACY_AUTHORIZATIONS, ""),
        (names::AUTHORIZATIONS, "second operator"),
        (names::MIGRATIONS, "migrate task owner id"),
    ] {
        let mut broken = sound.clone();
        let (key, _) = pair(&broken, bucket, text);
        broken.put(bucket, &key, b"{\"id\":");
        let new = new(&sound, &broken);
        assert_eq!(new, ["metadata.undecodable"], "{text}");
        tried += 1;
    }
    println!("cases: metadata-check-undecodable {tried}");
    // Others are told as before.
    let mut broken = sound.clone();
    broken.put(names::USERS, ID.as_bytes(), b"{");
    broken.put(names::USER_INDEX, b"was here", b"0000000000000a02");
    assert!(new(&sound, &broken).contains(&"metadata.index-dangling"));
    replace(&mut broken, names::MIGRATIONS, "task owner id", "something");
    assert!(new(&sound, &broken).contains(&"metadata.migration-name"));
}
