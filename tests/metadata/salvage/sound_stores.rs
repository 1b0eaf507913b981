//! A sound store comes back as it is, from its tree and without its meta pages.

use std::collections::BTreeSet;
use std::path::Path;

use crate::support::bolt_image::Image;
use crate::support::device::Recorder;
use crate::support::fixtures::{content, fixture, fixtures, store_names};
use crate::support::record_changes::sound;
use crate::support::salvage::{Difference, salvaged, truth};
use crate::support::store_image::{made, made_of, open};
use boltkey::metadata::permission::{Action, Permission};
use boltkey::metadata::{Catalog, Id, names};
use boltkey::store::{ChangeSet, Commit, Engine, Wipe, WritableStore};
use sha2::{Digest, Sha256};

/// The stores of all releases, and one of every page size.
pub fn stores() -> Vec<(String, Vec<u8>)> {
    let mut stores: Vec<(String, Vec<u8>)> = store_names()
        .into_iter()
        .map(|name| {
            let bytes = fixture(&name);
            (name, bytes)
        })
        .collect();
    stores.push(("churned".to_owned(), churned()));
    let lived = open(Engine::Bolt, &fixture("lived-2.9.1")).unwrap();
    for page_size in [512, 1024, 8192, 16384, 65536] {
        let name = format!("pages of {page_size}");
        stores.push((name, made(Engine::Bolt, &*lived, page_size)));
    }
    stores
}

pub fn churned() -> Vec<u8> {
    content(&fixtures().join("churned/tokens-136.bolt.gz"))
}

/// Large stores with thousands of authorizations, of which many were changed and others deleted: one
/// that bbolt wrote, and two that boltkey wrote, with old pages wiped and as they were.
pub fn large_stores() -> [(&'static str, Vec<u8>); 3] {
    [
        ("churned", churned()),
        ("of boltkey", written(Wipe::default())),
        ("of boltkey, with old pages", written(Wipe::Nothing)),
    ]
}

/// A store of 2,150 authorizations, written by boltkey in 45 transactions.
fn written(wipe: Wipe) -> Vec<u8> {
    let recorder = Recorder::new(made_of(Engine::Bolt, &sound()));
    let mut store = WritableStore::on(Box::new(recorder.clone()), Path::new("written")).unwrap();
    let catalog = Catalog::load(&store).unwrap();
    let (org, user) = (
        *catalog.orgs.keys().next().unwrap(),
        *catalog.users.keys().next().unwrap(),
    );
    let id = |number: u64| {
        Id::new(0x0d00_0000_0000_0000 + (number << 20))
            .unwrap()
            .to_string()
    };
    let token = |number: u64| format!("{}==", hex::encode(Sha256::digest(number.to_be_bytes())));
    let record = |number: u64, status: &str| {
        let mut text = format!(
            r#"{{"id":"{}","token":"{}","status":"{status}","description":"device {number:05}","orgID":"{org}","userID":"{user}","permissions":["#,
            id(number),
            token(number)
        )
        .into_bytes();
        // Records of many lengths.
        for n in 0..=number % 7 {
            if n > 0 {
                text.push(b',');
            }
            Permission::new(Action::Read, "buckets", Id::new(number + n + 1), Some(org))
                .push_json(&mut text);
        }
        text.extend(br#"],"createdAt":"2024-05-01T10:00:00Z","updatedAt":"2024-05-01T10:00:00Z"}"#);
        text
    };
    let mut deleted = BTreeSet::new();
    for batch in 0..45 {
        let mut changes = ChangeSet::default();
        changes.wipe = wipe;
        for number in batch * 50..(batch + 1) * 50 {
            let id = id(number);
            let bytes = record(number, "active");
            changes.put(names::AUTHORIZATIONS, id.as_bytes(), &bytes);
            let token = token(number);
            changes.put(names::AUTHORIZATION_INDEX, token.as_bytes(), id.as_bytes());
        }
        // Of those before, some are deleted, and others switched off.
        let last = batch.saturating_sub(1) * 50..batch * 50;
        for number in last.skip(7).step_by(20) {
            changes.remove(names::AUTHORIZATIONS, id(number).as_bytes());
            changes.remove(names::AUTHORIZATION_INDEX, token(number).as_bytes());
            deleted.insert(number);
        }
        let before = batch.saturating_sub(3) * 50..batch * 50;
        for number in before
            .step_by(19)
            .filter(|number| !deleted.contains(number))
        {
            let bytes = record(number, "inactive");
            changes.put(names::AUTHORIZATIONS, id(number).as_bytes(), &bytes);
        }
        assert!(store.commit(&changes, &[]).unwrap().failure.is_none());
    }
    recorder.bytes()
}

#[test]
fn nothing_is_added_or_lost() {
    let mut cases = 0;
    for (name, bytes) in stores() {
        let truth = truth(&bytes);
        let found = salvaged(&bytes);
        let difference = Difference::of(&truth, &found.rebuilt.content);
        assert!(difference.is_none(), "{name}: {}", difference.numbers());
        assert_eq!(found.rebuilt.lost, [], "{name}");
        cases += 1;
    }
    println!("cases: salvaged-sound {cases}");
}

#[test]
fn both_metas_zeroed_lose_nothing() {
    let mut cases = 0;
    for (name, bytes) in stores() {
        let truth = truth(&bytes);
        let mut image = Image::new(bytes);
        let size = image.page_size;
        image.bytes[..2 * size].fill(0);
        let found = salvaged(&image.bytes);
        let difference = Difference::of(&truth, &found.rebuilt.content);
        assert!(difference.is_none(), "{name}: {}", difference.numbers());
        assert_eq!(found.sources.lost_metas, 2, "{name}");
        assert_eq!(found.sources.state, "found", "{name}");
        cases += 1;
    }
    println!("cases: salvaged-without-metas {cases}");
}
