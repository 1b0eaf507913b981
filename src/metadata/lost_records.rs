//! Records that are no longer in any tree of a store, because pages were never written or were
//! overwritten.
//!
//! Bolt's data pages have no checksum. If a branch or root was not written, an older page of the
//! same number is used, and the tree below it can look valid although most records are missing.
//! Signs of that are pages with records that nothing uses, and index entries without a record.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::ControlFlow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use zeroize::Zeroizing;

use crate::error::{ErrorKind, Result};
use crate::finding::{Code, Finding, Severity, counted};
use crate::metadata::hidden::Hidden;
use crate::metadata::{Authorization, Id, Schema, check, names, stray_entries};
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

/// The fields by which a record of an unknown bucket shows where it belongs.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Telling {
    permissions: Option<IgnoredAny>,
    #[serde(rename = "orgID")]
    org_id: Option<IgnoredAny>,
    retention_period: Option<IgnoredAny>,
    #[serde(rename = "resourceID")]
    resource_id: Option<IgnoredAny>,
}

/// The buckets that a record on a page outside all trees may be from.
fn homes(element: &StaleElement<'_>) -> &'static [&'static [u8]] {
    if let Some(bucket) = element.bucket {
        return match RECORDS.iter().position(|name| *name == bucket) {
            Some(at) => RECORDS.get(at..=at).unwrap_or_default(),
            None => &[],
        };
    }
    if element.value.first() != Some(&b'{') {
        return match Id::from_bytes(element.key) {
            Ok(_) => &[names::USER_PASSWORDS, names::LEGACY_PASSWORDS],
            Err(_) if element.key == names::TSM_METADATA_KEY => &[names::TSM_METADATA],
            Err(_) => &[
                names::AUTHORIZATION_INDEX,
                names::AUTHORIZATION_HASHED_INDEX,
                names::USER_INDEX,
                names::ORGANIZATION_INDEX,
                names::BUCKET_INDEX,
                names::LEGACY_AUTHORIZATION_INDEX,
            ],
        };
    }
    match serde_json::from_slice::<Telling>(element.value) {
        Ok(fields) if fields.resource_id.is_some() => &[names::MAPPINGS],
        Ok(fields) if fields.permissions.is_some() => {
            &[names::AUTHORIZATIONS, names::LEGACY_AUTHORIZATIONS]
        }
        Ok(fields) if fields.retention_period.is_some() => &[names::BUCKETS],
        // Tasks, dashboards and others. Users and organizations have no organization.
        Ok(fields) if fields.org_id.is_some() => &[],
        _ => &[names::USERS, names::ORGANIZATIONS],
    }
}

/// The buckets with records that commands count or list, and the indexes of these records.
const RECORDS: &[&[u8]] = &[
    names::AUTHORIZATIONS,
    names::AUTHORIZATION_INDEX,
    names::AUTHORIZATION_HASHED_INDEX,
    names::USERS,
    names::USER_INDEX,
    names::USER_PASSWORDS,
    names::ORGANIZATIONS,
    names::ORGANIZATION_INDEX,
    names::BUCKETS,
    names::BUCKET_INDEX,
    names::MAPPINGS,
    names::LEGACY_AUTHORIZATIONS,
    names::LEGACY_AUTHORIZATION_INDEX,
    names::LEGACY_PASSWORDS,
    names::MIGRATIONS,
    names::TSM_METADATA,
];

/// The buckets of [`RECORDS`] that only newer schemas have, with the migration that adds them.
const ADDED: &[(u64, &[u8])] = &[
    (7, names::TSM_METADATA),
    (8, names::LEGACY_AUTHORIZATIONS),
    (8, names::LEGACY_AUTHORIZATION_INDEX),
    (9, names::LEGACY_PASSWORDS),
    (21, names::AUTHORIZATION_HASHED_INDEX),
];

/// Records that a store has lost.
struct Lost {
    finding: Finding,
    /// The buckets they were in; none if any bucket may have had them.
    from: Option<BTreeSet<&'static [u8]>>,
}

/// Adds the buckets whose records can't all be read to `hidden`, and returns the finding of
/// [`find`]. Records that can't be decoded are left to the reader of the bucket.
///
/// # Errors
/// When the file can't be read.
pub fn find_hidden(
    snapshot: &dyn Snapshot,
    inspect: &dyn Inspect,
    hidden: &mut Hidden,
) -> Result<Option<Finding>> {
    let (buckets, damage) = snapshot.buckets()?;
    let schema = Schema::load(snapshot)?;
    // Without readable migrations, any schema may have been there.
    let migrations = match schema.migrations {
        0 if !damage.is_empty() => u64::MAX,
        migrations => migrations,
    };
    let is_there = |name: &[u8]| buckets.iter().any(|bucket| bucket.name == name);
    for name in RECORDS {
        let since = ADDED.iter().find(|(_, added)| added == name);
        if !is_there(name) && since.is_none_or(|(since, _)| migrations >= *since) {
            hidden.add(name);
        }
    }
    if has_errors(inspect)? {
        for name in RECORDS {
            let damage = snapshot.scan(name, &mut |_, _| ControlFlow::Continue(()))?;
            if !damage.is_empty() {
                hidden.add(name);
            }
        }
    }
    let Some(lost) = find_lost(snapshot, inspect)? else {
        return Ok(None);
    };
    match lost.from {
        Some(from) => from.into_iter().for_each(|name| hidden.add(name)),
        None => hidden.add_all(),
    }
    Ok(Some(lost.finding))
}

/// Whether the structure of the file is damaged.
fn has_errors(inspect: &dyn Inspect) -> Result<bool> {
    let findings = inspect.check()?.findings;
    Ok(findings.iter().any(|f| f.severity == Severity::Error))
}

/// Finds pages with records that the store has lost. In a valid store it reads only the pages of
/// records that the last transaction changed, and of their indexes.
///
/// # Errors
/// When the file can't be read.
pub fn find(snapshot: &dyn Snapshot, inspect: &dyn Inspect) -> Result<Option<Finding>> {
    Ok(find_lost(snapshot, inspect)?.map(|lost| lost.finding))
}

/// A lost record: its page, and where it may be from.
type Stray = (u64, &'static [&'static [u8]]);

fn find_lost(snapshot: &dyn Snapshot, inspect: &dyn Inspect) -> Result<Option<Lost>> {
    let mut records: HashMap<Digest, Stray> = HashMap::new();
    let orphans = inspect.orphans(&mut |element| {
        if is_record(element.key, element.value) {
            let stray = (element.page, homes(&element));
            records.insert(digest(element.key, element.value), stray);
        }
    })?;
    if let Some((finding, index, of)) = vanished(snapshot, inspect)? {
        let from = Some(BTreeSet::from([index, of]));
        return Ok(Some(Lost { finding, from }));
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
    let pages: HashSet<u64> = records.values().map(|(page, _)| *page).collect();
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
    // Records that the previous transaction has too are lost as well, but were left out above.
    let is_told = matches!(orphans, Orphans::Leaked(_)) && !records.is_empty();
    let from = is_told.then(|| records.values().flat_map(|(_, homes)| *homes));
    let finding = Finding::new(Code::LostRecords, place, message).with_hint(
        "don't change this file and don't start influxd on it; boltkey salvage --out FILE makes a \
         new store of every record that is left",
    );
    Ok(Some(Lost {
        finding,
        from: from.map(|from| from.copied().collect()),
    }))
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

/// A finding, the index bucket, and the bucket of its records.
type Vanished = (Finding, &'static [u8], &'static [u8]);

/// Finds index entries whose record is only in the previous transaction: influxd removes both in
/// one transaction, so the leaf of the record was not written.
fn vanished(snapshot: &dyn Snapshot, inspect: &dyn Inspect) -> Result<Option<Vanished>> {
    for (index, records) in INDEXES {
        let (index, records) = (*index, *records);
        if inspect.unchanged_since_previous(records)? {
            continue;
        }
        // Only pages that the last transaction replaced are read.
        let mut gone = HashSet::new();
        let is_readable = inspect.replaced_since_previous(records, &mut |key| {
            gone.extend(Id::from_bytes(key).ok());
        })?;
        if !is_readable {
            return Ok(None);
        }
        still_there(snapshot, records, &mut gone)?;
        if gone.is_empty() {
            continue;
        }
        let mut count = 0_u64;
        snapshot.scan(index, &mut |_, value| {
            count += u64::from(Id::from_bytes(value).is_ok_and(|id| gone.contains(&id)));
            ControlFlow::Continue(())
        })?;
        if count > 0 {
            let message = format!(
                "{} to records that only the previous transaction has: a page was lost or \
                 overwritten",
                if count == 1 {
                    String::from("1 entry leads")
                } else {
                    format!("{count} entries lead")
                }
            );
            let place = String::from_utf8_lossy(index);
            let finding = Finding::new(Code::LostRecords, place, message).with_hint(
                "boltkey salvage --out FILE makes a new store of every record that is left; boltkey \
                 compact --previous --out FILE writes just the previous transaction",
            );
            return Ok(Some((finding, index, records)));
        }
    }
    Ok(None)
}

/// Removes records that a state of the store has.
fn leave_out(records: &mut HashMap<Digest, Stray>, snapshot: &dyn Snapshot) -> Result<()> {
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

/// Removes the IDs from `gone` that are keys of a bucket.
fn still_there(snapshot: &dyn Snapshot, bucket: &[u8], gone: &mut HashSet<Id>) -> Result<()> {
    /// More of them are found faster in one pass over the bucket.
    const FEW: usize = 1000;
    if gone.len() <= FEW {
        let mut lacking = HashSet::new();
        for id in gone.iter() {
            match snapshot.get(bucket, id.to_string().as_bytes()) {
                Ok(Some(value)) => drop(Zeroizing::new(value)),
                // Not found, or damage hides it. Keys may have upper case letters.
                Ok(None) => drop(lacking.insert(*id)),
                Err(error) if error.kind() == ErrorKind::Corrupt => drop(lacking.insert(*id)),
                Err(error) => return Err(error),
            }
        }
        *gone = lacking;
    }
    if !gone.is_empty() {
        snapshot.scan_any_order(bucket, &mut |key, _| {
            if let Ok(id) = Id::from_bytes(key) {
                gone.remove(&id);
            }
            ControlFlow::Continue(())
        })?;
    }
    Ok(())
}

fn ids(snapshot: &dyn Snapshot, bucket: &[u8]) -> Result<HashSet<Id>> {
    let mut ids = HashSet::new();
    snapshot.scan_any_order(bucket, &mut |key, _| {
        ids.extend(Id::from_bytes(key).ok());
        ControlFlow::Continue(())
    })?;
    Ok(ids)
}

/// The callback of [`Unreadable::entries`]: the index, the key and the authorization.
pub type EntryVisitor<'v> = dyn FnMut(&[u8], &[u8], Id) + 'v;

/// The authorizations of a damaged store that have no readable record.
pub struct Unreadable {
    /// Those with a readable record.
    there: HashSet<Id>,
    /// Those with a record that can't be decoded.
    undecodable: HashSet<Id>,
    /// Whether any authorization may have lost its record.
    lost: bool,
}

impl Unreadable {
    /// None if the store has all its authorizations. `skipped` says that some records can't be
    /// decoded.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn find(
        snapshot: &dyn Snapshot,
        inspect: &dyn Inspect,
        skipped: bool,
    ) -> Result<Option<Self>> {
        let lost = has_errors(inspect)? || find(snapshot, inspect)?.is_some();
        if !lost && !skipped {
            return Ok(None);
        }
        let (mut there, mut undecodable) = (HashSet::new(), HashSet::new());
        let bucket = names::AUTHORIZATIONS;
        snapshot.scan(bucket, &mut |key, value| {
            let record: Result<Authorization<'_>, Finding> =
                Authorization::decode(bucket, key, value);
            let ids = match record {
                Ok(_) => &mut there,
                Err(_) => &mut undecodable,
            };
            ids.extend(Id::from_bytes(key).ok());
            ControlFlow::Continue(())
        })?;
        Ok(Some(Self {
            there,
            undecodable,
            lost,
        }))
    }

    /// Whether an index entry for this ID is the entry of an authorization without a readable
    /// record. In a store without other damage, an entry without any record is left over.
    #[must_use]
    pub fn has(&self, id: Id) -> bool {
        match self.lost {
            true => !self.there.contains(&id),
            false => self.undecodable.contains(&id),
        }
    }

    /// Number of records with an ID that can't be decoded.
    #[must_use]
    pub fn undecodable(&self) -> u64 {
        self.undecodable.len() as u64
    }

    /// The authorizations that only an index still shows: `visit` gets each entry and its index.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn entries(&self, snapshot: &dyn Snapshot, visit: &mut EntryVisitor<'_>) -> Result<()> {
        for index in [
            names::AUTHORIZATION_INDEX,
            names::AUTHORIZATION_HASHED_INDEX,
        ] {
            snapshot.scan(index, &mut |key, value| {
                if let Ok(id) = Id::from_bytes(value)
                    && self.has(id)
                {
                    visit(index, key, id);
                }
                ControlFlow::Continue(())
            })?;
        }
        Ok(())
    }
}

impl Unreadable {
    /// Calls `visit` for every record of such an authorization on pages that no tree uses. Of a
    /// record there may be several versions. Returns the IDs of 1.x-compatible authorizations among
    /// them, whose tokens are user names.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn stray_records(
        &self,
        snapshot: &dyn Snapshot,
        inspect: &dyn Inspect,
        visit: &mut dyn FnMut(Id, &[u8]),
    ) -> Result<HashSet<Id>> {
        // Such a record can be recognised by its password, which has the authorization's ID as key.
        let mut legacy = ids(snapshot, names::LEGACY_PASSWORDS)?;
        legacy.extend(ids(snapshot, names::LEGACY_AUTHORIZATIONS)?);
        inspect.orphans(&mut |element| {
            let StaleElement {
                bucket, key, value, ..
            } = element;
            let Ok(id) = Id::from_bytes(key) else { return };
            if value.starts_with(b"$2") || bucket == Some(names::LEGACY_AUTHORIZATIONS) {
                legacy.insert(id);
            }
            if self.has(id) && is_record(key, value) {
                visit(id, value);
            }
        })?;
        Ok(legacy)
    }
}

/// Tokens of authorizations without a readable record in the store.
#[derive(Default)]
pub struct Tokens {
    /// Records on pages that no tree uses, as written, by ID.
    pub records: HashMap<Id, Zeroizing<Vec<u8>>>,
    /// Tokens of which only an index entry is left.
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
/// `skipped` says that some records can't be decoded.
///
/// # Errors
/// When the file can't be read.
pub fn tokens(snapshot: &dyn Snapshot, inspect: &dyn Inspect, skipped: bool) -> Result<Tokens> {
    let Some(unreadable) = Unreadable::find(snapshot, inspect, skipped)? else {
        return Ok(Tokens::default());
    };
    let mut indexed: HashMap<Id, Token> = HashMap::new();
    unreadable.entries(snapshot, &mut |index, key, id| {
        if index == names::AUTHORIZATION_INDEX
            && let Ok(text) = std::str::from_utf8(key)
        {
            indexed.insert(id, Token::new(text.to_owned()));
        }
    })?;
    let mut records: HashMap<Id, Zeroizing<Vec<u8>>> = HashMap::new();
    let legacy = unreadable.stray_records(snapshot, inspect, &mut |id, value| {
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
    for (id, token) in stray_entries::find(inspect, &|id| unreadable.has(id))? {
        if !legacy.contains(&id) {
            indexed.entry(id).or_insert(token);
        }
    }
    indexed.retain(|id, _| !records.contains_key(id));
    Ok(Tokens { records, indexed })
}
