//! Authorizations and the two indexes of their tokens.

use std::ops::ControlFlow;

use serde::Deserialize;

use crate::error::Result;
use crate::finding::Code;
use crate::metadata::check::authorization_record::record_findings;
use crate::metadata::check::expected::Expected;
use crate::metadata::check::index::Index;
use crate::metadata::check::{Checker, place, text};
use crate::metadata::token_hash::PREFIX;
use crate::metadata::{Id, Storage, authorization, names};

impl Checker<'_> {
    pub(super) fn authorizations(&mut self) -> Result<()> {
        let mut raw = Expected::default();
        let mut hashed = Expected::default();
        let mut found = Vec::new();
        let checker = &*self;
        let skipped =
            authorization::scan(checker.snapshot, names::AUTHORIZATIONS, &mut |record| {
                record_findings(record, checker, &mut |code, message| {
                    found.push((code, place(names::AUTHORIZATIONS, record.id), message));
                });
                match record.storage() {
                    Storage::Plaintext | Storage::Both => {
                        raw.expect(record.token.as_bytes(), record.id);
                    }
                    Storage::Hashed => hashed.expect(record.hashed_token.as_bytes(), record.id),
                    Storage::Missing => {}
                }
                if record.storage() == Storage::Both {
                    hashed.tolerate(record.hashed_token.as_bytes(), record.id);
                }
            })?;
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
            if let Ok(HasId { id }) = serde_json::from_slice(value)
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
