//! Authorization records as InfluxDB writes them are split without a JSON parser. The result is
//! that of the parser, for every record of the fixtures and for random changes of it.

use std::ops::ControlFlow;

use boltkey::metadata::authorization::Undecoded;
use boltkey::metadata::permission::Permission;
use boltkey::metadata::{Authorization, names};
use boltkey::store::bolt::Bolt;
use boltkey::store::{MemoryFile, Snapshot};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::support::fixtures::{fixture, store_names};

/// All fields, and the permissions in text form.
type Fields = (Vec<String>, Vec<String>);

fn fields<P>(record: &Authorization<'_, P>, permissions: Vec<String>) -> Fields {
    let texts = [
        record.id.to_string(),
        record.token.to_string(),
        record.hashed_token.to_string(),
        record.status.to_string(),
        record.description.to_string(),
        record.org_id.to_string(),
        format!("{:?}", record.user_id),
        record.created_at.to_string(),
        record.updated_at.to_string(),
    ];
    (texts.to_vec(), permissions)
}

fn listed(permissions: &[Permission<'_>]) -> Vec<String> {
    permissions.iter().map(|p| format!("{p:?}")).collect()
}

/// What boltkey decodes, with permissions decoded and as written.
fn decoded(record: &[u8]) -> [Option<Fields>; 2] {
    let bucket = names::AUTHORIZATIONS;
    let whole = <Authorization<'_>>::decode(bucket, b"key", record).ok();
    let text = Authorization::<'_, Undecoded<'_>>::decode(bucket, b"key", record).ok();
    [
        whole.map(|record| fields(&record, listed(&record.permissions))),
        text.map(|record| fields(&record, vec![record.permissions.text().to_owned()])),
    ]
}

/// The same by the parser alone.
fn parsed(record: &[u8]) -> [Option<Fields>; 2] {
    if record.trim_ascii_start().first() != Some(&b'{') {
        return [None, None];
    }
    let whole = serde_json::from_slice::<Authorization<'_>>(record).ok();
    let text = serde_json::from_slice::<Authorization<'_, Undecoded<'_>>>(record).ok();
    [
        whole.map(|record| fields(&record, listed(&record.permissions))),
        text.map(|record| fields(&record, vec![record.permissions.text().to_owned()])),
    ]
}

fn records() -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    for name in store_names() {
        let source = Box::new(MemoryFile::new(fixture(&name)));
        let store = Bolt::open(source, name.as_ref()).unwrap();
        for bucket in [names::AUTHORIZATIONS, names::LEGACY_AUTHORIZATIONS] {
            store
                .scan(bucket, &mut |_, value| {
                    records.push(value.to_vec());
                    ControlFlow::Continue(())
                })
                .unwrap();
        }
    }
    records
}

/// A change of a record at a place between 0 and 1.
#[derive(Debug, Clone)]
enum Change {
    Byte(f64, u8),
    Insert(f64, &'static str),
    Remove(f64, usize),
    Cut(f64),
    /// The field with this name gets another one.
    Rename(&'static str, &'static str),
}

const TEXTS: &[&str] = &[
    " ",
    "\\",
    "\"",
    "\\u0041",
    "☂",
    "\u{1}",
    "\"token\":\"x\",",
    "],\"createdAt\":\"",
    "}",
    ",",
    "[",
    "null",
    "\"updatedAt\":\"2024-01-01T00:00:00Z\"",
];

const FIELDS: &[&str] = &[
    "\"token\"",
    "\"hashedToken\"",
    "\"status\"",
    "\"orgID\"",
    "\"userID\"",
    "\"createdAt\"",
    "\"permissions\"",
    "\"action\"",
    "\"other\"",
];

fn change() -> impl Strategy<Value = Change> {
    let texts = proptest::sample::select(TEXTS);
    let names = || proptest::sample::select(FIELDS);
    prop_oneof![
        (0.0..1.0, any::<u8>()).prop_map(|(at, byte)| Change::Byte(at, byte)),
        (0.0..1.0, texts).prop_map(|(at, text)| Change::Insert(at, text)),
        (0.0..1.0, 1_usize..40).prop_map(|(at, length)| Change::Remove(at, length)),
        (0.0..1.0).prop_map(Change::Cut),
        (names(), names()).prop_map(|(from, to)| Change::Rename(from, to)),
    ]
}

impl Change {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss
    )] // a place in a short record
    fn apply(&self, record: &mut Vec<u8>) {
        let place = |at: f64| (at * record.len() as f64) as usize;
        match self {
            Self::Byte(at, byte) => {
                let at = place(*at);
                if let Some(old) = record.get_mut(at) {
                    *old = *byte;
                }
            }
            Self::Insert(at, text) => {
                let at = place(*at);
                record.splice(at..at, text.bytes());
            }
            Self::Remove(at, length) => {
                let at = place(*at);
                record.drain(at..(at + length).min(record.len()));
            }
            Self::Cut(at) => {
                let at = place(*at);
                record.truncate(at);
            }
            Self::Rename(from, to) => {
                if let Some(at) = memchr::memmem::find(record, from.as_bytes()) {
                    record.splice(at..at + from.len(), to.bytes());
                }
            }
        }
    }
}

#[test]
fn records_decode_as_the_parser_decodes_them() {
    let records = records();
    for record in &records {
        let found = decoded(record);
        assert_eq!(found, parsed(record));
        assert!(found.iter().all(Option::is_some));
    }
    let config = Config {
        cases: 4000,
        ..Config::default()
    };
    let changes = proptest::collection::vec(change(), 1..4);
    let all = (proptest::sample::select(records.clone()), changes);
    let mut runner = TestRunner::new(config);
    runner
        .run(&all, |(mut record, changes)| {
            for change in &changes {
                change.apply(&mut record);
            }
            prop_assert_eq!(decoded(&record), parsed(&record));
            Ok(())
        })
        .unwrap();
    println!("cases: authorization-records {}", 4000 + records.len());
}
