//! Authorizations and the two indexes of their tokens.

use std::collections::HashMap;
use std::ops::ControlFlow;

use serde::Deserialize;

use crate::error::Result;
use crate::finding::{Code, Finding};
use crate::metadata::authenticate::key_digest;
use crate::metadata::authorization::{Undecoded, classify};
use crate::metadata::catalog::{Undecodable, undecodable_record};
use crate::metadata::check::authorization_record::record_findings;
use crate::metadata::check::expected::Expected;
use crate::metadata::check::index::Index;
use crate::metadata::check::{Checker, place, text};
use crate::metadata::token_hash::PREFIX;
use crate::metadata::{Authorization, Class, Id, Storage, names, parallel_scan};

/// What some consecutive records show.
#[derive(Default)]
struct Part {
    found: Vec<(Code, String, String)>,
    entries: Vec<RequiredEntry>,
    undecodable: Undecodable,
    /// By organization and permissions as written: most records have the same ones.
    classes: HashMap<Id, HashMap<Box<str>, Class>>,
}

/// The entry of an index that a record requires, or only tolerates.
struct RequiredEntry {
    is_raw: bool,
    key: [u8; 16],
    target: Id,
    required: bool,
}

impl Part {
    fn add(&mut self, key: &[u8], value: &[u8], checker: &Checker<'_>) -> Result<(), Finding> {
        let bucket = names::AUTHORIZATIONS;
        let record = Authorization::<'_, Undecoded<'_>>::decode(bucket, key, value)?;
        let class = self
            .class(&record)
            .map_err(|cause| undecodable_record(bucket, key, &cause))?;
        let found = &mut self.found;
        record_findings(&record, class, checker, &mut |code, message| {
            found.push((code, place(bucket, record.id), message));
        });
        let storage = record.storage();
        let mut entry = |is_raw, key: &str, required| {
            self.entries.push(RequiredEntry {
                is_raw,
                key: key_digest(key.as_bytes()),
                target: record.id,
                required,
            });
        };
        if matches!(storage, Storage::Plaintext | Storage::Both) {
            entry(true, &record.token, true);
        }
        if matches!(storage, Storage::Hashed | Storage::Both) {
            entry(false, &record.hashed_token, storage == Storage::Hashed);
        }
        Ok(())
    }

    fn class(
        &mut self,
        record: &Authorization<'_, Undecoded<'_>>,
    ) -> Result<Class, serde_json::Error> {
        let classes = self.classes.entry(record.org_id).or_default();
        let text = record.permissions.text();
        if let Some(class) = classes.get(text) {
            return Ok(*class);
        }
        let class = classify(&record.permissions.decode()?, record.org_id);
        classes.insert(text.into(), class);
        Ok(class)
    }
}

impl Checker<'_> {
    pub(super) fn authorizations(&mut self) -> Result<()> {
        let mut raw = Expected::default();
        let mut hashed = Expected::default();
        let mut found = Vec::new();
        let mut undecodable = Undecodable::default();
        let checker = &*self;
        let mut skipped = parallel_scan::scan(
            checker.snapshot,
            names::AUTHORIZATIONS,
            &|part: &mut Part, key, value| {
                if let Err(finding) = part.add(key, value, checker) {
                    part.undecodable.push(finding);
                }
            },
            &mut |part| {
                for entry in part.entries {
                    let index = if entry.is_raw { &mut raw } else { &mut hashed };
                    index.insert(entry.key, entry.target, entry.required);
                }
                found.extend(part.found);
                undecodable.append(part.undecodable);
            },
        )?;
        skipped.extend(undecodable.into_findings(names::AUTHORIZATIONS));
        self.skipped(skipped);
        for (code, place, message) in found {
            self.add(code, place, message);
        }
        self.keys_of(names::AUTHORIZATIONS)?;
        self.token_index(names::AUTHORIZATION_INDEX, raw)?;
        self.token_index(names::AUTHORIZATION_HASHED_INDEX, hashed)
    }

    /// Compares a token index. Its keys may be tokens, so findings name the record of an entry
    /// instead.
    fn token_index(&mut self, bucket: &'static [u8], expected: Expected<Id>) -> Result<()> {
        let undecodable = self.undecodable.clone();
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
                let is_hash =
                    bucket == names::AUTHORIZATION_INDEX && key.starts_with(PREFIX.as_bytes());
                is_hash.then(|| {
                    let message = "the index of raw tokens has a hash as its key";
                    (Code::HashAsToken, message.into())
                })
            },
        };
        self.compare_index(&index, expected)
    }

    /// Reports records whose key is not their ID.
    pub(super) fn keys_of(&mut self, bucket: &[u8]) -> Result<()> {
        #[derive(Deserialize)]
        struct HasId {
            id: Id,
        }
        let mut found = Vec::new();
        self.snapshot.scan(bucket, &mut |key, value| {
            // Most records of the large bucket need no parser.
            let record = (bucket == names::AUTHORIZATIONS)
                .then(|| Authorization::<'_, Undecoded<'_>>::decode(bucket, key, value));
            let id = match record {
                Some(Ok(record)) => Some(record.id),
                _ => serde_json::from_slice(value).ok().map(|HasId { id }| id),
            };
            if let Some(id) = id
                && key != id.to_string().as_bytes()
            {
                found.push((format!("{}/{}", text(bucket), text(key)), id));
            }
            ControlFlow::Continue(())
        })?;
        for (place, id) in found {
            self.add(
                Code::KeyMismatch,
                place,
                format!("the ID in the record is {id}"),
            );
        }
        Ok(())
    }
}
