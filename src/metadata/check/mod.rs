//! Metadata consistency: whether records, indexes and references agree. There is one file per
//! family of records; this one collects the findings.

mod authorization_record;
mod authorizations;
mod dbrp;
mod expected;
mod index;
mod labels;
mod mappings;
mod name_indexes;
mod other_records;
mod store_buckets;
mod system_buckets;
mod tasks;
mod time_series;
mod v1;

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use crate::error::Result;
use crate::finding::{Code, Finding};
use crate::metadata::authorization_pass::PassedRecord;
use crate::metadata::{Catalog, Id, Schema, names};
use crate::store::Snapshot;

/// At most this many findings of one code are listed; the last one counts the rest.
const MOST_OF_A_CODE: usize = 100;

/// Checks the records of a store against each other. Damage that hides records is in the findings;
/// then findings that need all records are left out.
///
/// # Errors
/// When the file can't be read.
pub fn check(snapshot: &dyn Snapshot) -> Result<Vec<Finding>> {
    let beside = |(): &mut (), _: &PassedRecord<'_>| ();
    Ok(check_beside(snapshot, &beside, &mut |()| ())?.findings)
}

/// The result of [`check_beside`].
pub struct Checked {
    /// The findings of [`check`].
    pub findings: Vec<Finding>,
    /// Whether parts of the bucket of authorizations can't be read.
    pub is_damaged: bool,
}

/// [`check`], with `work` called for every authorization in the same pass, see
/// [`crate::metadata::authorization_pass::scan`].
///
/// # Errors
/// When the file can't be read; `sink` may have received results before.
pub fn check_beside<P: Default + Send>(
    snapshot: &dyn Snapshot,
    work: &(impl Fn(&mut P, &PassedRecord<'_>) + Sync),
    sink: &mut impl FnMut(P),
) -> Result<Checked> {
    let mut check = Checker {
        snapshot,
        catalog: Catalog::load(snapshot)?,
        schema: None,
        hidden: false,
        undecodable: HashSet::new(),
        tasks: 0,
        counts: HashMap::new(),
        findings: Vec::new(),
    };
    let skipped = std::mem::take(&mut check.catalog.skipped);
    check.skipped(skipped);
    let schema = Schema::load(snapshot)?;
    check.skipped(schema.findings.clone());
    check.schema = schema.known.then_some(schema.migrations);
    check.tasks()?;
    check.store_buckets(&schema)?;
    check.instance()?;
    let is_damaged = check.authorizations(work, sink)?;
    check.v1_authorizations()?;
    check.names()?;
    check.mappings()?;
    check.dbrp_mappings()?;
    check.labels()?;
    check.time_series()?;
    check.system_buckets();
    check.other_records()?;
    Ok(Checked {
        findings: check.finish(),
        is_damaged,
    })
}

/// Keys and values of a bucket.
type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

struct Checker<'a> {
    snapshot: &'a dyn Snapshot,
    catalog: Catalog,
    /// The number of migrations, if the schema is known.
    schema: Option<u64>,
    /// Whether damage hides some records.
    hidden: bool,
    /// Places of records that can't be decoded: an entry for one is not dangling.
    undecodable: HashSet<String>,
    /// The number of tasks.
    tasks: u64,
    counts: HashMap<Code, usize>,
    findings: Vec<Finding>,
}

impl Checker<'_> {
    /// Adds a finding.
    fn add(&mut self, code: Code, place: impl Into<String>, message: impl Into<String>) {
        self.extend([Finding::new(code, place, message)]);
    }

    fn extend(&mut self, findings: impl IntoIterator<Item = Finding>) {
        for finding in findings {
            if self.hidden && finding.code.needs_all() {
                continue;
            }
            let count = self.counts.entry(finding.code).or_default();
            *count += 1;
            if *count <= MOST_OF_A_CODE {
                self.findings.push(finding);
            }
        }
    }

    /// Adds findings about skipped records.
    fn skipped(&mut self, findings: Vec<Finding>) {
        self.hidden |= findings.iter().any(|finding| finding.code.is_structure());
        let undecodable = findings.iter().filter(|f| f.code == Code::Undecodable);
        // More than these are only counted.
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

    /// Whether a bucket has a record with this ID that can't be decoded.
    fn is_undecodable(&self, bucket: &[u8], id: Id) -> bool {
        self.undecodable.contains(&place(bucket, id))
    }

    /// Whether there is no such user, not even one that can't be decoded.
    fn is_user_gone(&self, id: Id) -> bool {
        !self.catalog.users.contains_key(&id) && !self.is_undecodable(names::USERS, id)
    }

    /// Whether there is no such organization, not even one that can't be decoded.
    fn is_org_gone(&self, id: Id) -> bool {
        !self.catalog.orgs.contains_key(&id) && !self.is_undecodable(names::ORGANIZATIONS, id)
    }

    /// Whether there is no such bucket, not even one that can't be decoded.
    fn is_bucket_gone(&self, id: Id) -> bool {
        !self.catalog.buckets.contains_key(&id) && !self.is_undecodable(names::BUCKETS, id)
    }

    /// Reads all pairs of a bucket and returns whether they are complete. Skipped parts become
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
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn place(bucket: &[u8], id: Id) -> String {
    format!("{}/{id}", text(bucket))
}
