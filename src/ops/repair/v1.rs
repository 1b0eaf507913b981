//! 1.x-compatible authorizations: those whose user or organization is gone, and their index.

use std::collections::HashSet;

use zeroize::Zeroizing;

use crate::error::Result;
use crate::finding::Code;
use crate::metadata::{Id, authorization, names};
use crate::ops::repair::gone::Gone;
use crate::ops::repair::index_entries::{self, Index, Needed};
use crate::ops::repair::planned_cures::{Cure, Deletion, Gain, PlannedCures, place, text};
use crate::store::Snapshot;

pub(super) const CODES: &[Code] = &[
    Code::V1UserGone,
    Code::V1OrgGone,
    Code::V1IndexAbsent,
    Code::V1IndexDangling,
];

/// An authorization of which user or organization is gone.
struct Orphan {
    id: Id,
    name: String,
    codes: Vec<(Code, Id)>,
}

pub(super) fn repair(planned: &mut PlannedCures<'_>) -> Result<()> {
    let gone = Gone::load(planned.snapshot)?;
    let snapshot = planned.snapshot;
    let bucket = names::LEGACY_AUTHORIZATIONS;
    let mut needed = Needed::default();
    let mut orphans = Vec::new();
    let skipped = authorization::scan(snapshot, bucket, &mut |record| {
        let user = record.user_id.filter(|id| gone.user(*id));
        let org = Some(record.org_id).filter(|id| gone.org(*id));
        let codes = [(Code::V1UserGone, user), (Code::V1OrgGone, org)];
        let codes = codes.into_iter().filter_map(|(code, id)| Some((code, id?)));
        let codes: Vec<_> = codes.collect();
        if codes.iter().any(|(code, _)| planned.wants(*code)) {
            orphans.push(Orphan {
                id: record.id,
                name: record.token.to_string(),
                codes,
            });
        } else {
            needed.add(record.token.as_bytes(), record.id);
        }
    })?;
    for orphan in &orphans {
        delete(planned, orphan)?;
    }
    let deleted: HashSet<Id> = orphans.iter().map(|orphan| orphan.id).collect();
    let undecodable: Vec<String> = skipped.into_iter().map(|finding| finding.place).collect();
    let leads = |to: Option<Id>| match to {
        Some(id) => format!("leads to 1.x authorization {id}"),
        None => String::from("contains no ID"),
    };
    let bucket = names::LEGACY_AUTHORIZATION_INDEX;
    let entry_at = |key: &[u8]| place(bucket, text(key));
    let correct = |code, at: String, right: Id, before: String| {
        let action = "adds the index entry of its 1.x user name";
        Cure::new(code, at, action, before, leads(Some(right))).gaining(Gain::Accepted)
    };
    let index = Index {
        bucket,
        target: |value| Id::from_bytes(value).ok(),
        value: &|id: Id| id.to_string().into_bytes(),
        key_of: &name_of,
        stays: &|to| {
            to.is_some_and(|id| {
                deleted.contains(&id)
                    || undecodable.contains(&place(names::LEGACY_AUTHORIZATIONS, id))
            })
        },
        absent: &|id| {
            let at = place(names::LEGACY_AUTHORIZATIONS, id);
            correct(Code::V1IndexAbsent, at, id, String::from("no entry"))
        },
        elsewhere: &|key, to, right| {
            correct(Code::V1IndexDangling, entry_at(key), right, leads(to))
        },
        dangling: &|key, to| {
            let code = Code::V1IndexDangling;
            let cure = Cure::new(
                code,
                entry_at(key),
                "removes the entry",
                leads(to),
                "no entry",
            );
            Some(cure.deleting(Deletion::Entry))
        },
        ambiguous: "several 1.x-compatible authorizations have the same user name",
    };
    index_entries::repair(planned, &index, needed)
}

/// The 1.x user name of an authorization.
fn name_of(snapshot: &dyn Snapshot, id: Id) -> Result<Option<Zeroizing<Vec<u8>>>> {
    let key = id.to_string();
    let bucket = names::LEGACY_AUTHORIZATIONS;
    let value = snapshot.get(bucket, key.as_bytes())?;
    Ok(value.and_then(|value| {
        let record: Result<authorization::Authorization<'_>, _> =
            authorization::Authorization::decode(bucket, key.as_bytes(), &value);
        let name = record.ok()?.token.as_bytes().to_vec();
        Some(Zeroizing::new(name))
    }))
}

/// Deletes an authorization with its index entry and its password.
fn delete(planned: &mut PlannedCures<'_>, orphan: &Orphan) -> Result<()> {
    let Orphan { id, name, codes } = orphan;
    let key = id.to_string();
    let entry = planned
        .snapshot
        .get(names::LEGACY_AUTHORIZATION_INDEX, name.as_bytes())?;
    let is_own = entry.as_deref() == Some(key.as_bytes());
    let has_passwords = planned
        .snapshot
        .get(names::LEGACY_PASSWORDS, key.as_bytes())?
        .is_some();
    for (code, gone) in codes {
        let what = match code {
            Code::V1UserGone => "user",
            _ => "organization",
        };
        let cure = Cure::new(
            *code,
            place(names::LEGACY_AUTHORIZATIONS, id),
            format!("deletes the 1.x-compatible authorization {name:?}"),
            format!("its {what} {gone} does not exist"),
            "no authorization",
        )
        .deleting(Deletion::Named(format!(
            "1.x authorization {name:?} ({id})"
        )));
        planned.cure(cure, |changes| {
            changes.remove(names::LEGACY_AUTHORIZATIONS, key.as_bytes());
            if is_own {
                changes.remove(names::LEGACY_AUTHORIZATION_INDEX, name.as_bytes());
            }
            if has_passwords {
                changes.remove(names::LEGACY_PASSWORDS, key.as_bytes());
            }
        });
    }
    Ok(())
}
