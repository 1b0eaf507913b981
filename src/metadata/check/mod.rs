//! Consistency of the metadata: whether records, indexes and references agree. Each family of
//! records has a file; this one collects what they find.

mod authorizations;
mod expected;
mod index;
mod mappings;
mod name_indexes;
mod other_records;
mod record;
mod store_buckets;
mod system_buckets;
mod tasks;
mod time_series;
mod v1;

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use crate::error::Result;
use crate::finding::{Code, Finding};
use crate::metadata::{Catalog, Id, Schema};
use crate::store::Snapshot;

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
        tasks: 0,
        counts: HashMap::new(),
        findings: Vec::new(),
    };
    let skipped = std::mem::take(&mut check.catalog.skipped);
    check.skipped(skipped);
    let schema = Schema::load(snapshot)?;
    check.skipped(schema.findings.clone());
    check.tasks()?;
    check.store_buckets(&schema)?;
    check.instance()?;
    check.authorizations()?;
    check.v1_authorizations()?;
    check.names()?;
    check.mappings()?;
    check.time_series()?;
    check.system_buckets();
    check.other_records()?;
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
    /// How many tasks there are.
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

    /// Adds what reading records had to skip.
    fn skipped(&mut self, findings: Vec<Finding>) {
        self.hidden |= findings.iter().any(|finding| finding.code.is_structure());
        let undecodable = findings.iter().filter(|f| f.code == Code::Undecodable);
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
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn place(bucket: &[u8], id: Id) -> String {
    format!("{}/{id}", text(bucket))
}
