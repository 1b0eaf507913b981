//! The two indexes of tokens. Adding the entry of a hashed token revives tokens that a downgrade
//! and an upgrade left dead.

use std::collections::HashSet;

use zeroize::Zeroizing;

use crate::error::Result;
use crate::finding::Code;
use crate::metadata::authorization::{self, Undecoded};
use crate::metadata::{Authorization, Id, Storage, TokenHash, Variant, names};
use crate::ops::repair::index_entries::{self, Index, Needed};
use crate::ops::repair::planned_cures::{Cure, Deletion, Gain, PlannedCures, place, text};
use crate::store::{Engine, Snapshot};

pub(super) const CODES: &[Code] = &[
    Code::TokenIndexAbsent,
    Code::TokenIndexElsewhere,
    Code::TokenIndexDangling,
];

/// The migration that introduced hashed tokens.
const HASHED: u64 = 21;

/// What the records say about tokens.
#[derive(Default)]
struct Records {
    raw: Needed<Id>,
    hashed: Needed<Id>,
    /// Digests of all hashes in records.
    hashes: HashSet<[u8; 16]>,
    hashed_ids: Vec<Id>,
}

pub(super) fn repair(planned: &mut PlannedCures<'_>) -> Result<()> {
    let mut records = Records::default();
    authorization::scan(planned.snapshot, names::AUTHORIZATIONS, &mut |record| {
        let (token, hash) = (record.token.as_bytes(), record.hashed_token.as_bytes());
        match record.storage() {
            Storage::Plaintext => records.raw.add(token, record.id),
            Storage::Both => {
                records.raw.add(token, record.id);
                records.hashed.allow(hash, record.id);
            }
            Storage::Hashed => {
                records.hashed.add(hash, record.id);
                records.hashed_ids.push(record.id);
            }
            Storage::Missing => {}
        }
        if !hash.is_empty() {
            records.hashes.insert(digest(hash));
        }
    })?;
    let Records {
        raw,
        hashed,
        hashes,
        hashed_ids,
    } = records;
    let is_last_copy = |token: &[u8]| {
        Variant::ALL.into_iter().any(|variant| {
            let hash = Zeroizing::new(TokenHash::of(variant, token).to_phc());
            hashes.contains(&digest(hash.as_bytes()))
        })
    };
    repair_index(planned, names::AUTHORIZATION_INDEX, raw, &is_last_copy)?;
    if planned.schema.migrations < HASHED {
        for id in hashed_ids {
            planned.leave(
                Code::TokenIndexAbsent,
                place(names::AUTHORIZATIONS, id),
                "releases of this schema don't accept hashed tokens. Start InfluxDB 2.8 or later \
                 on the store, then run boltkey repair again",
            );
        }
        return Ok(());
    }
    repair_index(planned, names::AUTHORIZATION_HASHED_INDEX, hashed, &|_| {
        false
    })
}

fn digest(text: &[u8]) -> [u8; 16] {
    crate::metadata::authenticate::key_digest(text)
}

/// One of the two indexes. `is_last_copy` tells whether a key is the token of a hash in a record.
fn repair_index(
    planned: &mut PlannedCures<'_>,
    bucket: &'static [u8],
    needed: Needed<Id>,
    is_last_copy: &dyn Fn(&[u8]) -> bool,
) -> Result<()> {
    let (snapshot, engine) = (planned.snapshot, planned.engine);
    let (buckets, _) = snapshot.buckets()?;
    let has_records = buckets.iter().any(|b| b.name == names::AUTHORIZATIONS);
    let entry_at = |target: Option<Id>| match target {
        Some(id) => format!("{}, an entry of {id}", text(bucket)),
        None => format!("{}, an entry without a valid ID", text(bucket)),
    };
    let leads = |to: Option<Id>| match to {
        Some(id) => format!("leads to authorization {id}"),
        None => String::from("contains no ID"),
    };
    let index = Index {
        bucket,
        target: |value| Id::from_bytes(value).ok(),
        value: &|id: Id| id.to_string().into_bytes(),
        key_of: &|snapshot, id| key_of(snapshot, bucket, id),
        stays: &|to| !has_records || to.is_some_and(|id| is_undecodable(snapshot, id)),
        absent: &|id| {
            let action = format!("adds the entry of its token to {}", text(bucket));
            let at = place(names::AUTHORIZATIONS, id);
            let cure = Cure::new(
                Code::TokenIndexAbsent,
                at,
                action,
                "no entry: no server accepts the token",
                leads(Some(id)),
            );
            cure.gaining(Gain::Accepted)
        },
        elsewhere: &|_, to, right| {
            let action = format!("corrects the entry of the token of authorization {right}");
            let code = Code::TokenIndexElsewhere;
            Cure::new(code, entry_at(to), action, leads(to), leads(Some(right)))
                .gaining(Gain::Accepted)
        },
        dangling: &|token, to| {
            let last = is_last_copy(token);
            if last && engine != Engine::Bolt {
                // A redb file can't keep it in unused bytes.
                return None;
            }
            let code = Code::TokenIndexDangling;
            let action = "removes the entry";
            let cure = Cure::new(code, entry_at(to), action, leads(to), "no entry")
                .deleting(Deletion::Entry);
            Some(if last {
                cure.keeping_plaintext(token)
            } else {
                cure
            })
        },
        ambiguous: "several authorizations have the same token. boltkey auth rotate ID gives one of \
                    them a new token",
    };
    index_entries::repair(planned, &index, needed)
}

/// The key that the record of this ID needs in this index.
fn key_of(snapshot: &dyn Snapshot, bucket: &[u8], id: Id) -> Result<Option<Zeroizing<Vec<u8>>>> {
    let raw = bucket == names::AUTHORIZATION_INDEX;
    authorization::with(snapshot, id, |record| {
        let key = if raw {
            record.token.as_bytes()
        } else {
            record.hashed_token.as_bytes()
        };
        Zeroizing::new(key.to_vec())
    })
}

/// Whether there is a record with this ID that can't be decoded.
fn is_undecodable(snapshot: &dyn Snapshot, id: Id) -> bool {
    let key = id.to_string();
    let bucket = names::AUTHORIZATIONS;
    match snapshot.get(bucket, key.as_bytes()) {
        Ok(Some(value)) => {
            let value = Zeroizing::new(value);
            Authorization::<'_, Undecoded<'_>>::decode(bucket, key.as_bytes(), &value)
                .is_ok_and(|record| record.permissions.decode().is_ok())
                .eq(&false)
        }
        Ok(None) => false,
        Err(_) => true,
    }
}
