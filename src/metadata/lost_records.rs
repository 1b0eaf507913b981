//! Records that are no longer in any tree of a store, because pages were never written or were
//! overwritten.
//!
//! Bolt's data pages have no checksum. If a branch or root was not written, an older page of the
//! same number is used, and the tree below it can look valid although most records are missing.
//! Signs of that are pages with records that nothing uses, and index entries without a record.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use serde::Deserialize;
use zeroize::Zeroizing;

use crate::error::Result;
use crate::finding::{Code, Finding, Severity, counted};
use crate::metadata::{Id, check, names};
use crate::secret::Token;
use crate::store::{Inspect, Orphans, Previous, Snapshot, StaleElement};

/// Findings that a lost page can cause. None of them is a proof by itself.
const GAPS: &[Code] = &[
    Code::BucketAbsent,
    Code::OtherBucketAbsent,
    Code::TokenIndexAbsent,
    Code::IndexAbsent,
    Code::IndexDangling,
    Code::MappingIndexAbsent,
    Code::MappingIndexDangling,
    Code::TsmAbsent,
    Code::TsmDangling,
    Code::SystemBucketAbsent,
    Code::TasksBucketAbsent,
    Code::TaskOrgGone,
    Code::V1IndexAbsent,
    Code::V1IndexDangling,
];

/// The fields that show that a value belongs to its key.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    id: Option<Id>,
    #[serde(rename = "userID")]
    user_id: Option<Id>,
    #[serde(rename = "resourceID")]
    resource_id: Option<Id>,
}

/// Whether a pair is from InfluxDB: a record under its own ID, a mapping, a password, an index
/// entry, or time-series metadata.
fn is_record(key: &[u8], value: &[u8]) -> bool {
    if value.first() == Some(&b'{') {
        let Ok(named) = serde_json::from_slice::<Named>(value) else {
            return false;
        };
        return match (Id::from_bytes(key), named.resource_id, named.user_id) {
            (Ok(id), ..) => named.id == Some(id),
            (Err(_), Some(resource), Some(user)) => key == format!("{resource}{user}").as_bytes(),
            _ => false,
        };
    }
    match Id::from_bytes(key) {
        Ok(_) => value.starts_with(b"$2"),
        Err(_) => {
            key == names::TSM_METADATA_KEY
                || (Id::from_bytes(value).is_ok() && std::str::from_utf8(key).is_ok())
        }
    }
}

/// The digest of a pair on a page that no tree uses: keys may be tokens.
type Digest = [u8; 16];

fn digest(key: &[u8], value: &[u8]) -> Digest {
    let mut pair = Zeroizing::new(Vec::with_capacity(key.len() + value.len() + 8));
    pair.extend_from_slice(&(key.len() as u64).to_le_bytes());
    pair.extend_from_slice(key);
    pair.extend_from_slice(value);
    crate::metadata::authenticate::key_digest(&pair)
}

/// Finds pages with records that the store has lost. In a valid store it reads only the pages of
/// records that the last transaction changed, and of their indexes.
///
/// # Errors
/// When the file can't be read.
pub fn find(snapshot: &dyn Snapshot, inspect: &dyn Inspect) -> Result<Option<Finding>> {
    let mut records: HashMap<Digest, u64> = HashMap::new();
    let orphans = inspect.orphans(&mut |element| {
        if is_record(element.key, element.value) {
            records.insert(digest(element.key, element.value), element.page);
        }
    })?;
    if let Some(finding) = vanished(snapshot, inspect)? {
        return Ok(Some(finding));
    }
    if orphans == Orphans::None {
        return Ok(None);
    }
    leave_out(&mut records, snapshot)?;
    let is_lost = match orphans {
        Orphans::None => false,
        Orphans::Leaked(_) => !records.is_empty() || has_gaps(snapshot)?,
        Orphans::Unreachable(_) => {
            if !records.is_empty()
                && let Previous::Whole(before) = inspect.previous()?
            {
                leave_out(&mut records, &*before)?;
            }
            !records.is_empty() && has_gaps(snapshot)?
        }
    };
    if !is_lost {
        return Ok(None);
    }
    let pages: HashSet<u64> = records.values().copied().collect();
    let place = match pages.iter().min() {
        Some(page) => format!("page {page}"),
        None => String::from("pages in no tree"),
    };
    let text = match orphans {
        Orphans::Leaked(_) => "in no tree and not on the freelist",
        _ => "in no tree",
    };
    let message = match pages.len() as u64 {
        0 => format!("there are pages {text}, and other records refer to missing records"),
        held => format!(
            "{} {text} {} {} that the store lacks: a page was lost or overwritten",
            counted(held, "page"),
            if held == 1 { "holds" } else { "hold" },
            counted(records.len() as u64, "record"),
        ),
    };
    Ok(Some(
        Finding::new(Code::LostRecords, place, message).with_hint(
            "don't change this file and don't start influxd on it; boltkey capture and boltkey \
             residue recover write out the tokens that can still be read",
        ),
    ))
}

/// Each index bucket and the bucket of its records.
const INDEXES: &[(&[u8], &[u8])] = &[
    (names::AUTHORIZATION_INDEX, names::AUTHORIZATIONS),
    (names::AUTHORIZATION_HASHED_INDEX, names::AUTHORIZATIONS),
    (names::USER_INDEX, names::USERS),
    (names::ORGANIZATION_INDEX, names::ORGANIZATIONS),
    (names::BUCKET_INDEX, names::BUCKETS),
    (
        names::LEGACY_AUTHORIZATION_INDEX,
        names::LEGACY_AUTHORIZATIONS,
    ),
];

/// Finds index entries whose record is only in the previous transaction: influxd removes both in
/// one transaction, so the leaf of the record was not written.
fn vanished(snapshot: &dyn Snapshot, inspect: &dyn Inspect) -> Result<Option<Finding>> {
    let mut changed = Vec::new();
    for (index, records) in INDEXES {
        if !inspect.unchanged_since_previous(records)? {
            changed.push((*index, *records));
        }
    }
    if changed.is_empty() {
        return Ok(None);
    }
    let Previous::Whole(before) = inspect.previous()? else {
        return Ok(None);
    };
    for (index, records) in changed {
        let mut gone = ids(&*before, records)?;
        for id in ids(snapshot, records)? {
            gone.remove(&id);
        }
        if gone.is_empty() {
            continue;
        }
        let mut count = 0_u64;
        snapshot.scan(index, &mut |_, value| {
            count += u64::from(Id::from_bytes(value).is_ok_and(|id| gone.contains(&id)));
            ControlFlow::Continue(())
        })?;
        if count > 0 {
            let index = String::from_utf8_lossy(index).into_owned();
            let message = format!(
                "{} to records that only the previous transaction has: a page was lost or \
                 overwritten",
                if count == 1 {
                    String::from("1 entry leads")
                } else {
                    format!("{count} entries lead")
                }
            );
            let finding = Finding::new(Code::LostRecords, index, message).with_hint(
                "boltkey compact --previous --out FILE writes the previous transaction to a new file",
            );
            return Ok(Some(finding));
        }
    }
    Ok(None)
}

/// Removes records that a state of the store has.
fn leave_out(records: &mut HashMap<Digest, u64>, snapshot: &dyn Snapshot) -> Result<()> {
    for bucket in snapshot.buckets()?.0 {
        if records.is_empty() {
            break;
        }
        snapshot.scan(&bucket.name, &mut |key, value| {
            records.remove(&digest(key, value));
            ControlFlow::Continue(())
        })?;
    }
    Ok(())
}

/// Whether records are missing that other records refer to, or that every store has.
fn has_gaps(snapshot: &dyn Snapshot) -> Result<bool> {
    let mut gap = false;
    for (index, of) in [
        (names::AUTHORIZATION_INDEX, names::AUTHORIZATIONS),
        (names::AUTHORIZATION_HASHED_INDEX, names::AUTHORIZATIONS),
    ] {
        let there = ids(snapshot, of)?;
        snapshot.scan(index, &mut |_, value| {
            gap |= Id::from_bytes(value).is_ok_and(|id| !there.contains(&id));
            ControlFlow::Continue(())
        })?;
    }
    if gap {
        return Ok(true);
    }
    let findings = check::check(snapshot)?;
    Ok(findings.iter().any(|found| GAPS.contains(&found.code)))
}

fn ids(snapshot: &dyn Snapshot, bucket: &[u8]) -> Result<HashSet<Id>> {
    let mut ids = HashSet::new();
    snapshot.scan(bucket, &mut |key, _| {
        ids.extend(Id::from_bytes(key).ok());
        ControlFlow::Continue(())
    })?;
    Ok(ids)
}

/// Tokens of authorizations without a readable record in the store.
#[derive(Default)]
pub struct Tokens {
    /// Records on pages that no tree uses, as written, by ID.
    pub records: HashMap<Id, Zeroizing<Vec<u8>>>,
    /// Tokens of which only a live index entry is left.
    pub indexed: HashMap<Id, Token>,
}

/// The fields of an authorization that matter here.
#[derive(Deserialize)]
struct WithToken {
    token: String,
    #[serde(rename = "orgID")]
    _org_id: Id,
}

/// Finds the plaintext tokens of a damaged store outside its readable records; none in a valid
/// store. Of several versions of a record, the one whose token has a live index entry counts.
///
/// # Errors
/// When the file can't be read.
pub fn tokens(snapshot: &dyn Snapshot, inspect: &dyn Inspect) -> Result<Tokens> {
    let errors = inspect.check()?.findings;
    let damaged = errors.iter().any(|f| f.severity == Severity::Error);
    if !damaged && find(snapshot, inspect)?.is_none() {
        return Ok(Tokens::default());
    }
    let mut there = HashSet::new();
    snapshot.scan(names::AUTHORIZATIONS, &mut |key, value| {
        if value.first() == Some(&b'{') && is_record(key, value) {
            there.extend(Id::from_bytes(key).ok());
        }
        ControlFlow::Continue(())
    })?;
    let mut indexed: HashMap<Id, Token> = HashMap::new();
    snapshot.scan(names::AUTHORIZATION_INDEX, &mut |key, value| {
        if let Ok(id) = Id::from_bytes(value)
            && !there.contains(&id)
            && let Ok(text) = std::str::from_utf8(key)
        {
            indexed.insert(id, Token::new(text.to_owned()));
        }
        ControlFlow::Continue(())
    })?;
    // The token of a 1.x-compatible authorization is a user name. Such a record can be recognised
    // by its password, which has the authorization's ID as key.
    let mut legacy = ids(snapshot, names::LEGACY_PASSWORDS)?;
    legacy.extend(ids(snapshot, names::LEGACY_AUTHORIZATIONS)?);
    let mut records: HashMap<Id, Zeroizing<Vec<u8>>> = HashMap::new();
    inspect.orphans(&mut |element| {
        let StaleElement {
            bucket, key, value, ..
        } = element;
        let Ok(id) = Id::from_bytes(key) else { return };
        if value.starts_with(b"$2") || bucket == Some(names::LEGACY_AUTHORIZATIONS) {
            legacy.insert(id);
        }
        if there.contains(&id) || !is_record(key, value) {
            return;
        }
        let Ok(WithToken { token, .. }) = serde_json::from_slice(value) else {
            return;
        };
        let token = Token::new(token);
        let is_live = indexed.get(&id).is_some_and(|live| *live == token);
        if !token.reveal().is_empty() && (is_live || !records.contains_key(&id)) {
            records.insert(id, Zeroizing::new(value.to_vec()));
        }
    })?;
    records.retain(|id, _| !legacy.contains(id));
    indexed.retain(|id, _| !records.contains_key(id));
    Ok(Tokens { records, indexed })
}
