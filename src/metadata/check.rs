//! The sense of the metadata: whether records, indexes and each other's references agree.

mod expected;
mod record;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::ControlFlow;

use serde::Deserialize;

use crate::error::Result;
use crate::finding::{Finding, Severity};
use crate::metadata::check::expected::{Expected, Met};
use crate::metadata::check::record::record_findings;
use crate::metadata::token_hash::PREFIX;
use crate::metadata::{Catalog, Id, Schema, Storage, authorization, mapping, names, tsm};
use crate::store::Snapshot;

/// Every finding this module can make: code, severity, meaning.
pub const CODES: &[(&str, Severity, &str)] = {
    use Severity::{Error, Info, Warning};
    &[
        (
            "metadata.undecodable",
            Error,
            "a record influxd can't decode; one authorization of them stops 2.8 and later from starting",
        ),
        (
            "metadata.key-mismatch",
            Error,
            "a record stands under a key that is not its ID",
        ),
        (
            "metadata.bucket-absent",
            Error,
            "a bucket of the store that influxd requires is not there",
        ),
        (
            "metadata.bucket-unknown",
            Info,
            "a bucket of the store that InfluxDB does not know",
        ),
        (
            "metadata.migration-unknown",
            Error,
            "a migration record that no release up to 2.9 knows",
        ),
        (
            "metadata.migration-name",
            Error,
            "a migration record with a wrong name",
        ),
        (
            "metadata.migration-gap",
            Warning,
            "a migration that was never run and never will be",
        ),
        (
            "metadata.migration-unfinished",
            Warning,
            "a migration that influxd will run again",
        ),
        (
            "metadata.token-index-absent",
            Error,
            "a token without index entry: it does not authenticate",
        ),
        (
            "metadata.token-index-elsewhere",
            Error,
            "an index entry of a token leads to another record",
        ),
        (
            "metadata.token-index-dangling",
            Warning,
            "an index entry that leads to no record, or to one with another token",
        ),
        (
            "metadata.token-absent",
            Warning,
            "an authorization without any token",
        ),
        (
            "metadata.token-both",
            Warning,
            "an authorization with plaintext and hash: influxd never hashes it",
        ),
        (
            "metadata.token-disagrees",
            Error,
            "plaintext and hash of one authorization belong to different tokens",
        ),
        (
            "metadata.hash-undecodable",
            Error,
            "a token hash influxd can't decode",
        ),
        (
            "metadata.hash-as-token",
            Error,
            "a hash where a raw token belongs: whoever has the hash gets in",
        ),
        (
            "metadata.token-user-gone",
            Warning,
            "an authorization of a deleted user",
        ),
        (
            "metadata.token-org-gone",
            Warning,
            "an authorization of a deleted organization",
        ),
        (
            "metadata.token-temporary",
            Warning,
            "an authorization that was marked as temporary when it was made",
        ),
        (
            "metadata.operator-old",
            Warning,
            "an operator token that lacks what later releases added",
        ),
        (
            "metadata.index-absent",
            Error,
            "a user, organization or bucket without index entry: not found by name",
        ),
        (
            "metadata.index-elsewhere",
            Error,
            "an index entry of a user, organization or bucket leads to another",
        ),
        (
            "metadata.index-dangling",
            Warning,
            "an index entry that leads to nothing and blocks the name",
        ),
        (
            "metadata.mapping-index-absent",
            Error,
            "an ownership that its user's login does not get",
        ),
        (
            "metadata.mapping-index-dangling",
            Warning,
            "an entry of the ownership index without ownership",
        ),
        (
            "metadata.mapping-user-gone",
            Warning,
            "an ownership of a deleted user",
        ),
        (
            "metadata.bucket-org-gone",
            Warning,
            "an InfluxDB bucket of a deleted organization",
        ),
        (
            "metadata.tsm-undecodable",
            Error,
            "time-series metadata that influxd can't decode",
        ),
        (
            "metadata.tsm-absent",
            Error,
            "an InfluxDB bucket without time-series metadata: influxd does not start",
        ),
        (
            "metadata.tsm-dangling",
            Warning,
            "time-series metadata of a bucket that is not there",
        ),
        (
            "metadata.system-bucket-absent",
            Warning,
            "an organization without its system bucket",
        ),
        (
            "metadata.tasks-bucket-absent",
            Error,
            "an organization with tasks and no _tasks bucket: influxd does not start",
        ),
        (
            "metadata.v1-index-absent",
            Error,
            "a 1.x-compatible authorization without index entry",
        ),
        (
            "metadata.v1-index-dangling",
            Warning,
            "an index entry of a 1.x user name that leads nowhere",
        ),
        (
            "metadata.v1-password-absent",
            Warning,
            "a 1.x-compatible authorization without password",
        ),
    ]
};

/// What can't be said once damage hides records: that something refers to none, or that one is
/// not there.
const NEEDS_ALL_RECORDS: &[&str] = &[
    "metadata.migration-gap",
    "metadata.token-index-dangling",
    "metadata.token-user-gone",
    "metadata.token-org-gone",
    "metadata.index-dangling",
    "metadata.mapping-index-dangling",
    "metadata.mapping-user-gone",
    "metadata.bucket-org-gone",
    "metadata.tsm-dangling",
    "metadata.system-bucket-absent",
    "metadata.tasks-bucket-absent",
    "metadata.v1-index-dangling",
];

/// At most this many findings of one code are spelled out; one more counts the rest.
const MOST_OF_A_CODE: usize = 100;

/// Checks the records of a store against each other, as far as they can be read: damage that
/// hides some is in the findings, and nothing is said then that only they could tell.
///
/// # Errors
/// When the file can't be read.
pub fn check(snapshot: &dyn Snapshot) -> Result<Vec<Finding>> {
    let mut check = Checker {
        snapshot,
        catalog: Catalog::load(snapshot)?,
        hidden: false,
        undecodable: HashSet::new(),
        counts: HashMap::new(),
        findings: Vec::new(),
    };
    let skipped = std::mem::take(&mut check.catalog.skipped);
    check.skipped(skipped);
    let schema = Schema::load(snapshot)?;
    check.skipped(schema.findings.clone());
    check.store_buckets(&schema)?;
    check.authorizations()?;
    check.legacy()?;
    check.names()?;
    check.mappings()?;
    check.time_series()?;
    check.system_buckets()?;
    Ok(check.finish())
}

/// Keys and values of a bucket.
type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

struct Checker<'a> {
    snapshot: &'a dyn Snapshot,
    catalog: Catalog,
    /// Whether damage hides some records.
    hidden: bool,
    /// Where the records stand that can't be decoded: what refers to one is no dangling entry.
    undecodable: HashSet<String>,
    counts: HashMap<&'static str, usize>,
    findings: Vec<Finding>,
}

impl Checker<'_> {
    /// Adds a finding; its severity is the table's.
    fn add(&mut self, code: &'static str, place: impl Into<String>, message: impl Into<String>) {
        let severity = CODES
            .iter()
            .find(|(known, ..)| *known == code)
            .map_or(Severity::Error, |(_, severity, _)| *severity);
        self.extend([Finding::new(severity, code, place, message)]);
    }

    fn extend(&mut self, findings: impl IntoIterator<Item = Finding>) {
        for finding in findings {
            if self.hidden && NEEDS_ALL_RECORDS.contains(&finding.code) {
                continue;
            }
            let count = self.counts.entry(finding.code).or_default();
            *count += 1;
            if *count <= MOST_OF_A_CODE {
                self.findings.push(finding);
            }
        }
    }

    /// Adds what reading records had to skip.
    fn skipped(&mut self, findings: Vec<Finding>) {
        let mut codes = findings.iter().map(|finding| finding.code);
        self.hidden |= codes.any(|code| code.starts_with("structure."));
        let undecodable = findings.iter().filter(|f| f.code == "metadata.undecodable");
        // Beyond that they are only counted.
        self.hidden |= undecodable.clone().count() > MOST_OF_A_CODE;
        self.undecodable
            .extend(undecodable.map(|f| f.place.clone()));
        self.extend(findings);
    }

    fn finish(mut self) -> Vec<Finding> {
        for (code, count) in self.counts {
            let Some(rest) = count.checked_sub(MOST_OF_A_CODE + 1) else {
                continue;
            };
            if let Some(last) = self.findings.iter_mut().rfind(|f| f.code == code) {
                let text = format!(" (and {} more of this kind)", rest + 1);
                last.message.push_str(&text);
            }
        }
        self.findings
    }

    /// Collects a bucket's pairs, and tells whether these are all; what was skipped becomes
    /// findings.
    fn pairs(&mut self, bucket: &[u8]) -> Result<(Pairs, bool)> {
        let mut pairs = Vec::new();
        let damage = self.snapshot.scan(bucket, &mut |key, value| {
            pairs.push((key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        })?;
        let whole = damage.is_empty();
        self.extend(damage);
        Ok((pairs, whole))
    }

    fn store_buckets(&mut self, schema: &Schema) -> Result<()> {
        let (buckets, damage) = self.snapshot.buckets()?;
        let whole = damage.is_empty();
        self.extend(damage);
        let there: BTreeSet<Vec<u8>> = buckets.into_iter().map(|bucket| bucket.name).collect();
        for (since, name) in names::REQUIRED {
            if whole && schema.migrations >= *since && !there.contains(*name) {
                let text = text(name);
                self.add(
                    "metadata.bucket-absent",
                    &*text,
                    format!("the store lacks the bucket {text:?} that influxd requires"),
                );
            }
        }
        for name in &there {
            if !names::ALL.contains(&name.as_slice()) {
                let text = text(name);
                self.add(
                    "metadata.bucket-unknown",
                    &*text,
                    "InfluxDB knows no such bucket of the store",
                );
            }
        }
        Ok(())
    }

    fn authorizations(&mut self) -> Result<()> {
        let mut raw = Expected::default();
        let mut hashed = Expected::default();
        let mut found = Vec::new();
        let catalog = &self.catalog;
        let skipped = authorization::scan(self.snapshot, names::AUTHORIZATIONS, &mut |record| {
            record_findings(record, catalog, &mut |code, message| {
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

    /// Compares a token index with what the records demand. Its keys may be tokens, so places
    /// name the record an entry leads to.
    fn token_index(&mut self, bucket: &[u8], mut expected: Expected) -> Result<()> {
        let mut found = Vec::new();
        let undecodable = &self.undecodable;
        let is_decodable = |target: Option<Id>| {
            target.is_none_or(|id| !undecodable.contains(&place(names::AUTHORIZATIONS, id)))
        };
        let damage = self.snapshot.scan(bucket, &mut |key, value| {
            let target = Id::from_bytes(value).ok();
            let place = match target {
                Some(id) => format!("{}, an entry of {id}", text(bucket)),
                None => format!("{}, an entry that holds no identifier", text(bucket)),
            };
            if bucket == names::AUTHORIZATION_INDEX && key.starts_with(PREFIX.as_bytes()) {
                found.push((
                    "metadata.hash-as-token",
                    place.clone(),
                    String::from("the index of raw tokens has a hash as its key"),
                ));
            }
            match expected.meet(key, target) {
                Met::Right => {}
                Met::Elsewhere(id) => found.push((
                    "metadata.token-index-elsewhere",
                    place,
                    format!("the entry of authorization {id}'s token leads to another record"),
                )),
                Met::Unexpected if is_decodable(target) => found.push((
                    "metadata.token-index-dangling",
                    place,
                    String::from("no record has the token this entry stands for"),
                )),
                Met::Unexpected => {}
            }
            ControlFlow::Continue(())
        })?;
        // Of an index that can't be read whole, nobody knows what it lacks.
        let whole = damage.is_empty();
        self.extend(damage);
        for (code, place, message) in found {
            self.add(code, place, message);
        }
        for id in expected.unmet().into_iter().filter(|_| whole) {
            self.add(
                "metadata.token-index-absent",
                place(names::AUTHORIZATIONS, id),
                format!(
                    "its token has no entry in {}, so it does not authenticate",
                    text(bucket)
                ),
            );
        }
        Ok(())
    }

    /// Records whose key is not their ID.
    fn keys_of(&mut self, bucket: &[u8]) -> Result<()> {
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
                "metadata.key-mismatch",
                place,
                format!("the record says that its ID is {id}"),
            );
        }
        Ok(())
    }

    fn legacy(&mut self) -> Result<()> {
        let mut expected = BTreeMap::new();
        let mut ids = BTreeSet::new();
        let skipped =
            authorization::scan(self.snapshot, names::LEGACY_AUTHORIZATIONS, &mut |record| {
                expected.insert(record.token.as_bytes().to_vec(), record.id);
                ids.insert(record.id);
            })?;
        self.skipped(skipped);
        let (entries, whole) = self.pairs(names::LEGACY_AUTHORIZATION_INDEX)?;
        for (key, value) in entries {
            let target = Id::from_bytes(&value).ok();
            if target.is_some() && expected.get(&key).copied() == target {
                expected.remove(&key);
            } else {
                self.add(
                    "metadata.v1-index-dangling",
                    format!("legacy/authorizationindexv1/{}", text(&key)),
                    "no 1.x-compatible authorization has this user name and ID",
                );
            }
        }
        for id in expected.into_values().filter(|_| whole) {
            self.add(
                "metadata.v1-index-absent",
                place(names::LEGACY_AUTHORIZATIONS, id),
                "its 1.x user name has no index entry, so it does not authenticate",
            );
        }
        let (passwords, whole) = self.pairs(names::LEGACY_PASSWORDS)?;
        for (key, _) in passwords {
            if let Ok(id) = Id::from_bytes(&key) {
                ids.remove(&id);
            }
        }
        for id in ids.into_iter().filter(|_| whole) {
            self.add(
                "metadata.v1-password-absent",
                place(names::LEGACY_AUTHORIZATIONS, id),
                "no password is set, so nobody can use it",
            );
        }
        Ok(())
    }

    /// Users, organizations and buckets against their indexes by name.
    fn names(&mut self) -> Result<()> {
        let users = self.catalog.users.values();
        let users: Vec<_> = users.map(|u| (u.name.clone().into_bytes(), u.id)).collect();
        let orgs = self.catalog.orgs.values();
        let orgs: Vec<_> = orgs.map(|o| (o.name.trim().into(), o.id)).collect();
        let buckets: Vec<_> = self
            .catalog
            .buckets
            .values()
            .map(|bucket| {
                let key = format!("{}{}", bucket.org_id, bucket.name);
                (key.into_bytes(), bucket.id)
            })
            .collect();
        self.name_index(names::USERS, names::USER_INDEX, users)?;
        self.name_index(names::ORGANIZATIONS, names::ORGANIZATION_INDEX, orgs)?;
        self.name_index(names::BUCKETS, names::BUCKET_INDEX, buckets)?;
        for bucket in [names::USERS, names::ORGANIZATIONS, names::BUCKETS] {
            self.keys_of(bucket)?;
        }
        Ok(())
    }

    fn name_index(
        &mut self,
        records: &[u8],
        index: &[u8],
        expected: Vec<(Vec<u8>, Id)>,
    ) -> Result<()> {
        let mut expected: BTreeMap<Vec<u8>, Id> = expected.into_iter().collect();
        let (entries, whole) = self.pairs(index)?;
        for (key, value) in entries {
            let at = format!("{}/{}", text(index), text(&key));
            match expected.remove(&key) {
                Some(id) if Id::from_bytes(&value) == Ok(id) => {}
                Some(id) => self.add(
                    "metadata.index-elsewhere",
                    at,
                    format!("the entry should lead to {id}"),
                ),
                None => self.add(
                    "metadata.index-dangling",
                    at,
                    format!(
                        "nothing in {} has this name; the name stays blocked",
                        text(records)
                    ),
                ),
            }
        }
        for id in expected.into_values().filter(|_| whole) {
            self.add(
                "metadata.index-absent",
                place(records, id),
                format!(
                    "it has no entry in {}, so influxd does not find it by name",
                    text(index)
                ),
            );
        }
        Ok(())
    }

    fn mappings(&mut self) -> Result<()> {
        let (mappings, skipped) = mapping::load(self.snapshot)?;
        self.skipped(skipped);
        let mut expected = BTreeMap::new();
        for mapping in &mappings {
            let key = mapping.key();
            let at = format!("{}/{key}", text(names::MAPPINGS));
            if !self.catalog.users.contains_key(&mapping.user_id) {
                self.add(
                    "metadata.mapping-user-gone",
                    at,
                    format!("its user {} was deleted", mapping.user_id),
                );
            }
            expected.insert(format!("{}/{key}", mapping.user_id).into_bytes(), key);
        }
        let (entries, whole) = self.pairs(names::MAPPINGS_BY_USER)?;
        for (key, value) in entries {
            let right = expected
                .get(&key)
                .is_some_and(|primary| primary.as_bytes() == value);
            if right {
                expected.remove(&key);
            } else {
                self.add(
                    "metadata.mapping-index-dangling",
                    format!("{}/{}", text(names::MAPPINGS_BY_USER), text(&key)),
                    "no ownership record stands behind this entry",
                );
            }
        }
        for key in expected.into_values().filter(|_| whole) {
            self.add(
                "metadata.mapping-index-absent",
                format!("{}/{key}", text(names::MAPPINGS)),
                "it has no entry by user, so that user's login does not get it",
            );
        }
        Ok(())
    }

    fn time_series(&mut self) -> Result<()> {
        let place_of_all = "v1_tsm1_metadata/meta.db";
        let (entries, whole) = self.pairs(names::TSM_METADATA)?;
        let entry = entries
            .iter()
            .find(|(key, _)| key == names::TSM_METADATA_KEY);
        let data = match entry.map(|(_, value)| tsm::decode(value)) {
            Some(Ok(data)) => data,
            None if !whole => return Ok(()),
            // influxd writes a fresh one then, and misses every bucket in it.
            None => tsm::Data::default(),
            Some(Err(_)) => {
                self.add(
                    "metadata.tsm-undecodable",
                    place_of_all,
                    "influxd can't read its time-series metadata and does not start",
                );
                return Ok(());
            }
        };
        let databases: BTreeSet<&str> = data.databases.iter().map(|d| d.name.as_str()).collect();
        let mut found = Vec::new();
        for bucket in self.catalog.buckets.values() {
            if !databases.contains(bucket.id.to_string().as_str()) {
                found.push((
                    "metadata.tsm-absent",
                    place(names::BUCKETS, bucket.id),
                    format!(
                        "bucket {:?} has no time-series metadata; influxd does not start: \
                         \"Missing metadata for bucket.\"",
                        bucket.name
                    ),
                ));
            }
            if !self.catalog.orgs.contains_key(&bucket.org_id) {
                found.push((
                    "metadata.bucket-org-gone",
                    place(names::BUCKETS, bucket.id),
                    format!("its organization {} was deleted", bucket.org_id),
                ));
            }
        }
        for name in databases {
            let is_there = name
                .parse::<Id>()
                .is_ok_and(|id| self.catalog.buckets.contains_key(&id));
            if !is_there {
                found.push((
                    "metadata.tsm-dangling",
                    format!("{place_of_all}, database {name}"),
                    String::from("no bucket of this ID is there; its points can't be reached"),
                ));
            }
        }
        for (code, place, message) in found {
            self.add(code, place, message);
        }
        Ok(())
    }

    fn system_buckets(&mut self) -> Result<()> {
        #[derive(Deserialize)]
        struct Task {
            #[serde(rename = "orgID")]
            org_id: Id,
        }
        let mut with_tasks = BTreeSet::new();
        let damage = self.snapshot.scan(names::TASKS, &mut |_, value| {
            if let Ok(Task { org_id }) = serde_json::from_slice(value) {
                with_tasks.insert(org_id);
            }
            ControlFlow::Continue(())
        })?;
        self.extend(damage);
        let mut found = Vec::new();
        for org in self.catalog.orgs.values() {
            for name in ["_tasks", "_monitoring"] {
                let there = self
                    .catalog
                    .buckets
                    .values()
                    .any(|bucket| bucket.org_id == org.id && bucket.name == name);
                if there {
                    continue;
                }
                let at = place(names::ORGANIZATIONS, org.id);
                if name == "_tasks" && with_tasks.contains(&org.id) {
                    found.push((
                        "metadata.tasks-bucket-absent",
                        at,
                        format!(
                            "organization {:?} has tasks and no bucket for their logs; influxd \
                             does not start: bucket \"_tasks\" not found",
                            org.name
                        ),
                    ));
                } else {
                    found.push((
                        "metadata.system-bucket-absent",
                        at,
                        format!("organization {:?} has no bucket {name:?}", org.name),
                    ));
                }
            }
        }
        for (code, place, message) in found {
            self.add(code, place, message);
        }
        Ok(())
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn place(bucket: &[u8], id: Id) -> String {
    format!("{}/{id}", text(bucket))
}
