//! Records of authorizations: plaintext beside a hash, an unknown status, and permissions that an
//! upgrade missed.

use std::ops::ControlFlow;

use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};
use crate::finding::{Code, counted};
use crate::metadata::json::{Edit, Object};
use crate::metadata::permission::{Action, Permission};
use crate::metadata::{Authorization, Id, Kind, Storage, TokenHash, names};
use crate::ops::repair::planned_cures::{Cure, Gain, PlannedCures, place};
use crate::store::Engine;

pub(super) const CODES: &[Code] = &[
    Code::TokenBoth,
    Code::TokenStatus,
    Code::OperatorOld,
    Code::AllAccessOld,
];

/// The migration that introduced hashed tokens.
const HASHED: u64 = 21;

/// A cure of one record.
struct RecordCure {
    cure: Cure,
    /// The field that changes.
    field: &'static str,
    /// Its new value as JSON; none removes it.
    value: Option<String>,
}

/// What is cured in one record.
struct Edited {
    key: Vec<u8>,
    record: Zeroizing<Vec<u8>>,
    cures: Vec<RecordCure>,
    /// The token whose plaintext is removed, and its hash.
    hashed: Option<(Zeroizing<Vec<u8>>, Vec<u8>)>,
}

pub(super) fn repair(planned: &mut PlannedCures<'_>) -> Result<()> {
    let mut edited = Vec::new();
    let mut left = Vec::new();
    let bucket = names::AUTHORIZATIONS;
    planned.snapshot.scan(bucket, &mut |key, value| {
        let Ok(record) = Authorization::decode(bucket, key, value) else {
            return ControlFlow::Continue(());
        };
        let cures = [
            both(planned, &record, &mut left),
            status(&record),
            permissions(planned, &record, value),
        ];
        let cures = cures.into_iter().flatten();
        let cures: Vec<RecordCure> = cures.filter(|one| planned.wants(one.cure.code)).collect();
        if !cures.is_empty() {
            let hashed = cures.iter().any(|one| one.cure.code == Code::TokenBoth);
            edited.push(Edited {
                key: key.to_vec(),
                record: Zeroizing::new(value.to_vec()),
                cures,
                hashed: hashed.then(|| {
                    let token = Zeroizing::new(record.token.as_bytes().to_vec());
                    (token, record.hashed_token.as_bytes().to_vec())
                }),
            });
        }
        ControlFlow::Continue(())
    })?;
    for (code, id, reason) in left {
        planned.leave(code, place(bucket, id), reason);
    }
    for one in edited {
        apply(planned, one)?;
    }
    Ok(())
}

/// Makes the edits of one record. All other bytes of it stay.
fn apply(planned: &mut PlannedCures<'_>, edited: Edited) -> Result<()> {
    let Edited {
        key,
        record,
        cures,
        hashed,
    } = edited;
    let object = Object::parse(&record).ok_or_else(|| {
        let at = place(names::AUTHORIZATIONS, String::from_utf8_lossy(&key));
        Error::new(
            ErrorKind::Corrupt,
            format!("{at}: the record can't be parsed"),
        )
    })?;
    let edits: Vec<(&str, Edit<'_>)> = cures
        .iter()
        .map(|one| match &one.value {
            Some(value) => (one.field, Edit::Set(value)),
            None => (one.field, Edit::Remove),
        })
        .collect();
    let mut new = Zeroizing::new(Vec::with_capacity(record.len() + 4096));
    object.edit(&edits, &mut new);
    if let Some((token, hash)) = hashed {
        // The index follows, or the token would stop working.
        let leads = planned.snapshot.get(names::AUTHORIZATION_INDEX, &token)?;
        if leads.as_deref() == Some(&key) {
            planned.changes.remove(names::AUTHORIZATION_INDEX, &token);
        }
        let index = names::AUTHORIZATION_HASHED_INDEX;
        planned.changes.create_bucket(index);
        planned.changes.put(index, &hash, &key);
    }
    for one in cures {
        planned.cure(one.cure, |changes| {
            changes.put(names::AUTHORIZATIONS, &key, &new);
        });
    }
    Ok(())
}

type Reasons = Vec<(Code, Id, &'static str)>;

/// A record with plaintext and hash of one token: the hash stays.
fn both(
    planned: &PlannedCures<'_>,
    record: &Authorization<'_>,
    left: &mut Reasons,
) -> Option<RecordCure> {
    if record.storage() != Storage::Both {
        return None;
    }
    let fits = TokenHash::parse(&record.hashed_token)
        .is_ok_and(|hash| hash.matches(record.token.as_bytes()));
    if !fits {
        return None;
    }
    let code = Code::TokenBoth;
    if planned.schema.migrations < HASHED {
        left.push((
            code,
            record.id,
            "releases of this schema need the plaintext and ignore the hash",
        ));
        return None;
    }
    if planned.engine != Engine::Bolt {
        left.push((
            code,
            record.id,
            "a redb file can't keep the plaintext in unused bytes. boltkey hash --capture FILE saves \
             it and removes it",
        ));
        return None;
    }
    let at = place(names::AUTHORIZATIONS, record.id);
    let cure = Cure::new(
        code,
        at,
        "removes the plaintext from the record, but not the hash",
        "plaintext and hash",
        "hash; boltkey residue recover still finds the plaintext in unused bytes of the file",
    );
    Some(RecordCure {
        cure: cure.keeping_plaintext(record.token.as_bytes()),
        field: "token",
        value: None,
    })
}

/// A status that is no status: every release treats the token as inactive.
fn status(record: &Authorization<'_>) -> Option<RecordCure> {
    let is_known = record.is_active() || record.status == "inactive";
    if is_known || record.storage() != Storage::Plaintext {
        return None;
    }
    let cure = Cure::new(
        Code::TokenStatus,
        place(names::AUTHORIZATIONS, record.id),
        "sets the status to inactive, which is how influxd treats the token",
        format!("status {:?}", record.status),
        "status \"inactive\"",
    );
    Some(RecordCure {
        cure,
        field: "status",
        value: Some("\"inactive\"".into()),
    })
}

/// An operator or all-access token of an older release that no upgrade extended. `value` is its record.
fn permissions(
    planned: &PlannedCures<'_>,
    record: &Authorization<'_>,
    value: &[u8],
) -> Option<RecordCure> {
    let class = record.class();
    let migrations = planned.schema.migrations;
    if !class.is_missed(migrations) {
        return None;
    }
    let (code, org) = match class.kind {
        Kind::Operator => (Code::OperatorOld, None),
        Kind::AllAccess => (Code::AllAccessOld, Some(record.org_id)),
        Kind::Custom => return None,
    };
    let types: Vec<&str> = class.lacks(migrations).collect();
    let missing: Vec<Permission<'_>> = types
        .iter()
        .flat_map(|kind| Action::ALL.map(|action| Permission::new(action, *kind, None, org)))
        .collect();
    // The permissions that are there stay byte for byte.
    let old = Object::parse(value)?.get("permissions")?.trim_ascii_end();
    let mut new = old.strip_suffix(b"]")?.to_vec();
    for permission in &missing {
        new.push(b',');
        permission.push_json(&mut new);
    }
    new.push(b']');
    let before = record.permissions.len();
    let cure = Cure::new(
        code,
        place(names::AUTHORIZATIONS, record.id),
        format!(
            "adds the {} permissions for {}",
            class.kind.name(),
            types.join(", ")
        ),
        counted(before as u64, "permission"),
        counted((before + missing.len()) as u64, "permission"),
    );
    Some(RecordCure {
        cure: cure.gaining(Gain::Permissions),
        field: "permissions",
        value: Some(String::from_utf8(new).ok()?),
    })
}
