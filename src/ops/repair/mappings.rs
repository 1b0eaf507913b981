//! Ownerships and memberships: those whose user or organization is gone, and their index by user.

use std::collections::HashSet;
use std::ops::ControlFlow;

use zeroize::Zeroizing;

use crate::error::Result;
use crate::finding::Code;
use crate::metadata::{Id, Mapping, mapping, names};
use crate::ops::repair::gone::Gone;
use crate::ops::repair::index_entries::{self, Index, Needed};
use crate::ops::repair::planned_cures::{Cure, Deletion, PlannedCures, place, text};

pub(super) const CODES: &[Code] = &[
    Code::MappingUserGone,
    Code::MappingOrgGone,
    Code::MappingIndexAbsent,
    Code::MappingIndexDangling,
];

pub(super) fn repair(planned: &mut PlannedCures<'_>) -> Result<()> {
    let gone = Gone::load(planned.snapshot)?;
    let snapshot = planned.snapshot;
    let mut needed = Needed::<[u8; 32]>::default();
    let mut orphans = Vec::new();
    let (_, skipped) = mapping::load(snapshot)?;
    snapshot.scan(names::MAPPINGS, &mut |key, value| {
        let Ok(mapping) = serde_json::from_slice::<Mapping>(value) else {
            return ControlFlow::Continue(());
        };
        let codes = [
            (Code::MappingUserGone, gone.user(mapping.user_id)),
            (
                Code::MappingOrgGone,
                mapping.resource_type == "orgs" && gone.org(mapping.resource_id),
            ),
        ];
        let codes = codes.into_iter().filter(|(_, is_gone)| *is_gone);
        let codes: Vec<Code> = codes.map(|(code, _)| code).collect();
        // Under another key it is nobody's.
        let is_own = key == mapping.key().as_bytes();
        if is_own && codes.iter().any(|code| planned.wants(*code)) {
            orphans.push((mapping, codes));
        } else if let Ok(target) = mapping.key().as_bytes().try_into() {
            needed.add(entry(&mapping).as_bytes(), target);
        }
        ControlFlow::Continue(())
    })?;
    for (mapping, codes) in &orphans {
        delete(planned, &gone, mapping, codes);
    }
    let deleted: HashSet<String> = orphans.iter().map(|(mapping, _)| mapping.key()).collect();
    let undecodable: Vec<String> = skipped.into_iter().map(|finding| finding.place).collect();
    let (buckets, _) = snapshot.buckets()?;
    let has_records = buckets.iter().any(|bucket| bucket.name == names::MAPPINGS);
    let bucket = names::MAPPINGS_BY_USER;
    let index = Index {
        bucket,
        target: |value| <[u8; 32]>::try_from(value).ok(),
        value: &|key: [u8; 32]| key.to_vec(),
        key_of: &|_, key: [u8; 32]| {
            let user = key.get(16..).and_then(|user| Id::from_bytes(user).ok());
            let key = user.map(|user| format!("{user}/{}", text(&key)).into_bytes());
            Ok(key.map(Zeroizing::new))
        },
        stays: &|to: Option<[u8; 32]>| {
            let key = to.map(|key| text(&key));
            !has_records
                || key.is_some_and(|key| {
                    deleted.contains(&key) || undecodable.contains(&place(names::MAPPINGS, &key))
                })
        },
        absent: &|key: [u8; 32]| {
            let at = place(names::MAPPINGS, text(&key));
            let action = "adds the index entry by user";
            let before = "no entry: the user's login does not get it";
            Cure::new(Code::MappingIndexAbsent, at, action, before, "an entry")
        },
        elsewhere: &|key, _, right| {
            let at = place(bucket, text(key));
            let action = "corrects the index entry by user";
            let after = format!("leads to {}", text(&right));
            Cure::new(
                Code::MappingIndexDangling,
                at,
                action,
                "leads to no record",
                after,
            )
        },
        dangling: &|key, _| {
            let at = place(bucket, text(key));
            let code = Code::MappingIndexDangling;
            let cure = Cure::new(
                code,
                at,
                "removes the entry",
                "leads to no record",
                "no entry",
            );
            Some(cure.deleting(Deletion::Entry))
        },
        ambiguous: "several records are the same mapping",
    };
    index_entries::repair(planned, &index, needed)
}

/// The key of its entry in the index by user.
fn entry(mapping: &Mapping) -> String {
    format!("{}/{}", mapping.user_id, mapping.key())
}

fn delete(planned: &mut PlannedCures<'_>, gone: &Gone, mapping: &Mapping, codes: &[Code]) {
    let key = mapping.key();
    let user = match gone.catalog.users.get(&mapping.user_id) {
        Some(user) => format!("user {:?}", user.name),
        None => format!("deleted user {}", mapping.user_id),
    };
    let resource = match gone.catalog.orgs.get(&mapping.resource_id) {
        Some(org) => format!("organization {:?}", org.name),
        None => format!("{} {}", mapping.resource_type, mapping.resource_id),
    };
    let what = format!("{} {user} of {resource}", mapping.user_type);
    for code in codes {
        let (kind, id) = match code {
            Code::MappingUserGone => ("user", mapping.user_id),
            _ => ("organization", mapping.resource_id),
        };
        let cure = Cure::new(
            *code,
            place(names::MAPPINGS, &key),
            format!("deletes the mapping: {what}"),
            format!("its {kind} {id} does not exist"),
            "no mapping",
        );
        let deleted = Deletion::Named(format!("mapping: {what}"));
        planned.cure(cure.deleting(deleted), |changes| {
            changes.remove(names::MAPPINGS, key.as_bytes());
            changes.remove(names::MAPPINGS_BY_USER, entry(mapping).as_bytes());
        });
    }
}
