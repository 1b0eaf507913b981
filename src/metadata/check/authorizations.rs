//! Authorizations and the two indexes of their tokens.

use std::ops::ControlFlow;

use serde::Deserialize;

use crate::error::Result;
use crate::finding::Code;
use crate::metadata::authenticate::{KeyDigest, key_digest, short_digest};
use crate::metadata::authorization_pass::{self, PassedRecord};
use crate::metadata::catalog::Undecodable;
use crate::metadata::check::authorization_record::record_findings;
use crate::metadata::check::expected::Expected;
use crate::metadata::check::index::Index;
use crate::metadata::check::{Checker, place, text};
use crate::metadata::token_hash::PREFIX;
use crate::metadata::{Id, Storage, names};

/// What some consecutive records show.
#[derive(Default)]
struct Part<P> {
    found: Vec<(Code, String, String)>,
    /// Places of records whose key is not their ID, with the ID.
    mismatched: Vec<(String, Id)>,
    entries: Vec<RequiredEntry>,
    undecodable: Undecodable,
    beside: P,
}

/// The entry of an index that a record requires, or only tolerates.
struct RequiredEntry {
    is_raw: bool,
    key: KeyDigest,
    target: Id,
    required: bool,
}

impl<P> Part<P> {
    fn add(&mut self, passed: &PassedRecord<'_>, checker: &Checker<'_>) {
        let bucket = names::AUTHORIZATIONS;
        let (id, decoded) = match &passed.decoded {
            Ok(decoded) => (Some(decoded.fields.id), Some(decoded)),
            Err(finding) => {
                self.undecodable.push(finding.clone());
                (id_of(passed.value), None)
            }
        };
        if let Some(id) = id.filter(|id| !is_key_of(*id, passed.key)) {
            let place = format!("{}/{}", text(bucket), text(passed.key));
            self.mismatched.push((place, id));
        }
        let Some(decoded) = decoded else { return };
        let record = &decoded.fields;
        let found = &mut self.found;
        record_findings(record, decoded.class, checker, &mut |code, message| {
            found.push((code, place(bucket, record.id), message));
        });
        let storage = record.storage();
        let mut entry = |is_raw, key, required| {
            self.entries.push(RequiredEntry {
                is_raw,
                key,
                target: record.id,
                required,
            });
        };
        if matches!(storage, Storage::Plaintext | Storage::Both) {
            entry(true, short_digest(*decoded.token_digest()), true);
        }
        if matches!(storage, Storage::Hashed | Storage::Both) {
            let key = key_digest(record.hashed_token.as_bytes());
            entry(false, key, storage == Storage::Hashed);
        }
    }
}

/// The ID of a record, whatever else it has.
fn id_of(value: &[u8]) -> Option<Id> {
    #[derive(Deserialize)]
    struct HasId {
        id: Id,
    }
    serde_json::from_slice(value).ok().map(|HasId { id }| id)
}

fn is_key_of(id: Id, key: &[u8]) -> bool {
    // Keys in upper case are not found by influxd.
    Id::from_bytes(key) == Ok(id) && !key.iter().any(u8::is_ascii_uppercase)
}

impl Checker<'_> {
    /// Checks the authorizations and their indexes, with `work` in the same pass. Returns whether
    /// parts of the bucket can't be read.
    pub(super) fn authorizations<P: Default + Send>(
        &mut self,
        work: &(impl Fn(&mut P, &PassedRecord<'_>) + Sync),
        sink: &mut impl FnMut(P),
    ) -> Result<bool> {
        let mut raw = Expected::default();
        let mut hashed = Expected::default();
        let mut found = Vec::new();
        let mut mismatched = Vec::new();
        let mut undecodable = Undecodable::default();
        let checker = &*self;
        let mut skipped = authorization_pass::scan(
            checker.snapshot,
            &|part: &mut Part<P>, passed| {
                part.add(passed, checker);
                work(&mut part.beside, passed);
            },
            &mut |part| {
                for entry in part.entries {
                    let index = if entry.is_raw { &mut raw } else { &mut hashed };
                    index.insert(entry.key, entry.target, entry.required);
                }
                found.extend(part.found);
                mismatched.extend(part.mismatched);
                undecodable.append(part.undecodable);
                sink(part.beside);
            },
        )?;
        let is_damaged = !skipped.is_empty();
        skipped.extend(undecodable.into_findings(names::AUTHORIZATIONS));
        self.skipped(skipped);
        for (code, place, message) in found {
            self.add(code, place, message);
        }
        self.add_mismatched(mismatched);
        self.token_index(names::AUTHORIZATION_INDEX, raw)?;
        self.token_index(names::AUTHORIZATION_HASHED_INDEX, hashed)?;
        Ok(is_damaged)
    }

    /// Compares a token index. Its keys may be tokens, so findings name the record of an entry
    /// instead.
    fn token_index(&mut self, bucket: &'static [u8], expected: Expected<Id>) -> Result<()> {
        let undecodable = self.undecodable.clone();
        let is_odd: fn(&[u8]) -> bool = match bucket == names::AUTHORIZATION_INDEX {
            true => |key| key.starts_with(PREFIX.as_bytes()),
            false => |_| false,
        };
        let index = Index {
            bucket,
            target: |value| Id::from_bytes(value).ok(),
            place: &|_, target| match target {
                Some(id) => format!("{}, an entry of {id}", text(bucket)),
                None => format!("{}, an entry without a valid ID", text(bucket)),
            },
            elsewhere: Some(&|id| {
                (
                    Code::TokenIndexElsewhere,
                    format!("the entry of authorization {id}'s token leads to another record"),
                )
            }),
            dangling: &|target| {
                let decodable = target
                    .is_none_or(|id| !undecodable.contains(&place(names::AUTHORIZATIONS, id)));
                decodable.then(|| {
                    let message = "no record has the token of this entry";
                    (Code::TokenIndexDangling, message.into())
                })
            },
            absent: &|id| {
                let message = format!(
                    "its token has no entry in {}, so it does not authenticate",
                    text(bucket)
                );
                let told = (Code::TokenIndexAbsent, message);
                (place(names::AUTHORIZATIONS, id), told)
            },
            key: &|key| {
                is_odd(key).then(|| {
                    let message = "the index of raw tokens has a hash as its key";
                    (Code::HashAsToken, message.into())
                })
            },
        };
        self.compare_large_index(&index, expected, is_odd)
    }

    /// Reports records whose key is not their ID.
    pub(super) fn keys_of(&mut self, bucket: &[u8]) -> Result<()> {
        let mut mismatched = Vec::new();
        self.snapshot.scan(bucket, &mut |key, value| {
            if let Some(id) = id_of(value).filter(|id| !is_key_of(*id, key)) {
                mismatched.push((format!("{}/{}", text(bucket), text(key)), id));
            }
            ControlFlow::Continue(())
        })?;
        self.add_mismatched(mismatched);
        Ok(())
    }

    fn add_mismatched(&mut self, mismatched: Vec<(String, Id)>) {
        for (place, id) in mismatched {
            let message = format!("the ID in the record is {id}");
            self.add(Code::KeyMismatch, place, message);
        }
    }
}
