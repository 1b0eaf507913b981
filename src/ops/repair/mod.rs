//! `repair`: cures in place, in one commit, what `check` finds. There is one file per family of
//! findings; this one collects what they do into a plan, and proves the result.

mod dbrp;
mod engine_shards;
mod gone;
mod index_entries;
mod labels;
mod left;
mod mappings;
mod name_indexes;
mod planned_cures;
mod proof;
mod store_buckets;
mod structure;
mod system_buckets;
mod tasks;
mod time_series;
mod token_indexes;
mod token_records;
mod v1;

use std::collections::{BTreeSet, HashSet};
use std::path::Path;

use crate::error::Result;
use crate::finding::{Code, Finding, Repair};
use crate::metadata::{Catalog, Fingerprint, Schema, check, fingerprint};
use crate::ops::commit::proof::commit_and_prove;
use crate::ops::commit::{SideFiles, known_schema};
use crate::ops::files::one_set::{OneSet, sqlite_beside};
use crate::ops::timestamp::Timestamp;
use crate::store::{
    ChangeSet, CommitOutcome, Committed, Description, Inspect, Mend, Preview, Snapshot, Wipe,
    WritableStore,
};

pub use engine_shards::{EngineShards, Needed};
pub use planned_cures::{Cure, Deletion, Gain, Left};

use planned_cures::PlannedCures;

/// Options of `repair`.
#[derive(Debug, Clone, Default)]
pub struct Options<'a> {
    /// The codes to cure; all if empty.
    pub only: BTreeSet<Code>,
    /// The SQLite file of influxd. `None`: `influxd.sqlite` beside the database.
    pub sqlite_path: Option<&'a Path>,
}

/// A planned repair.
pub struct Plan {
    /// What is cured, in the order in which it is done.
    pub repaired: Vec<Cure>,
    /// What is left.
    pub left: Vec<Left>,
    /// The old values of everything that changes.
    pub before: Fingerprint,
    changes: ChangeSet,
}

/// The cures of one family: the codes that it cures, and the function that plans them.
type Family = (&'static [Code], fn(&mut PlannedCures<'_>) -> Result<()>);

/// In this order: what later ones depend on comes first.
const FAMILIES: &[Family] = &[
    (store_buckets::CODES, store_buckets::repair),
    (name_indexes::CODES, name_indexes::repair),
    (token_records::CODES, token_records::repair),
    (token_indexes::CODES, token_indexes::repair),
    (v1::CODES, v1::repair),
    (mappings::CODES, mappings::repair),
    (dbrp::CODES, dbrp::repair),
    (labels::CODES, labels::repair),
    (time_series::CODES, time_series::repair),
    (system_buckets::CODES, system_buckets::repair),
    (tasks::CODES, tasks::repair),
];

/// A cure can make other findings appear, such as an index without entries. Each round cures what
/// the round before left; no store needs as many as these.
const MOST_ROUNDS: usize = 10;

/// Plans the repair of a store. The engine folder was read before.
///
/// # Errors
/// * [`crate::ErrorKind::Corrupt`] when pages of the trees are damaged, or records are lost
/// * [`crate::ErrorKind::UnknownSchema`] for stores that can't be edited
/// * [`crate::ErrorKind::Refused`] when the shards in the engine folder have changed since
/// * otherwise when the file can't be read
pub fn plan(
    snapshot: &dyn Snapshot,
    inspect: &dyn Inspect,
    description: &Description,
    engine_shards: &EngineShards,
    options: &Options<'_>,
    now: &Timestamp,
) -> Result<Plan> {
    let structure = structure::plan(snapshot, inspect, &options.only)?;
    let schema = known_schema(snapshot)?;
    engine_shards.is_unchanged()?;
    let mut changes = ChangeSet::default();
    changes.mend = structure.mend;
    let mut repaired = structure.cures;
    let mut reasons = planned_cures::Reasons::default();
    let found = check::check(snapshot)?;
    let mut findings = found.clone();
    for _ in 0..MOST_ROUNDS {
        let before = repaired.len();
        for (codes, repair) in FAMILIES {
            let is_found = findings.iter().any(|f| codes.contains(&f.code));
            if !is_found && repaired.len() == before {
                continue;
            }
            let preview = Preview::new(snapshot, &changes);
            let mut planned = PlannedCures::new(
                &preview,
                &schema,
                description.engine,
                engine_shards,
                &options.only,
                now,
            );
            repair(&mut planned)?;
            let done = planned.finish();
            repaired.extend(done.cures);
            reasons.extend(done.reasons);
            changes.extend(done.changes);
        }
        if repaired.len() == before {
            break;
        }
        findings = check::check(&Preview::new(snapshot, &changes))?;
    }
    if repaired.iter().any(|cure| cure.keeps_plaintext.is_some()) {
        // The old pages show tokens in plaintext that no record holds any more. They may be the
        // last copies, so the pages stay as they are.
        changes.wipe = Wipe::Nothing;
    }
    let wanted = |code: Code| options.only.is_empty() || options.only.contains(&code);
    let along = gone_too(&found, &findings, &repaired);
    repaired.extend(along.filter(|cure| wanted(cure.code)));
    let mut others = structure.others;
    others.extend(findings);
    others.extend(beside(
        &Preview::new(snapshot, &changes),
        &schema,
        &description.path,
        engine_shards,
        options,
    )?);
    let left = others
        .into_iter()
        .filter(|f| matches!(f.code.repair(), Repair::Cured | Repair::Choice) && wanted(f.code))
        .map(|finding| reasons.left(finding))
        .collect();
    Ok(Plan {
        before: before(snapshot, &changes)?,
        repaired,
        left,
        changes,
    })
}

/// Findings that are gone because of the cures of others.
fn gone_too<'f>(
    found: &'f [Finding],
    left: &[Finding],
    repaired: &[Cure],
) -> impl Iterator<Item = Cure> + use<'f> {
    let known: HashSet<(Code, String)> = left
        .iter()
        .map(|finding| (finding.code, finding.place.clone()))
        .chain(repaired.iter().map(|cure| (cure.code, cure.place.clone())))
        .collect();
    found
        .iter()
        .filter(move |finding| !known.contains(&(finding.code, finding.place.clone())))
        .map(|finding| {
            let action = "is cured together with another finding";
            Cure::new(
                finding.code,
                &*finding.place,
                action,
                &*finding.message,
                "no such finding",
            )
        })
}

/// What is wrong with the files beside the database, once it is repaired.
fn beside(
    repaired: &dyn Snapshot,
    schema: &Schema,
    database: &Path,
    engine_shards: &EngineShards,
    options: &Options<'_>,
) -> Result<Vec<Finding>> {
    let catalog = Catalog::load(repaired)?;
    let one_set = OneSet::of(repaired, schema, &catalog)?;
    let sqlite = options.sqlite_path;
    let sqlite = sqlite.map_or_else(|| sqlite_beside(database), Path::to_path_buf);
    Ok(one_set.look_at(&sqlite, engine_shards.path()))
}

/// The fingerprint of the values that change, as they are now.
fn before(snapshot: &dyn Snapshot, changes: &ChangeSet) -> Result<Fingerprint> {
    let mut running = fingerprint::Running::default();
    for (bucket, change) in changes.buckets() {
        for key in change.edits.keys() {
            if let Some(old) = snapshot.get(bucket, key)? {
                let old = zeroize::Zeroizing::new(old);
                for part in [bucket, key, &old] {
                    running.join(Fingerprint::of(part));
                }
            }
        }
    }
    Ok(running.finish())
}

impl Plan {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn nothing_to_do(&self) -> bool {
        self.repaired.is_empty()
    }

    /// The changes to commit.
    #[must_use]
    pub fn changes(&self) -> &ChangeSet {
        &self.changes
    }

    /// Commits the repair, then checks the store again: what was cured must be gone.
    ///
    /// # Errors
    /// When the change was certainly not committed.
    pub fn apply(
        &self,
        store: &mut WritableStore,
        side_files: &SideFiles<'_>,
    ) -> Result<Committed> {
        let mut committed = commit_and_prove(store, &self.changes, side_files, "the repair")?;
        if committed.outcome == CommitOutcome::Changed && committed.failure.is_none() {
            committed.failure = proof::prove(store, self).err();
        }
        Ok(committed)
    }

    /// Whether pages are mended, not only records.
    #[must_use]
    pub fn mends_pages(&self) -> bool {
        self.changes.mend != Mend::Nothing
    }
}
