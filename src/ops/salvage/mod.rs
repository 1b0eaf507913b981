//! `salvage`: a new, clean store out of a damaged Bolt file, which is only read.

mod sources;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::finding::{Code, Finding, Severity, counted};
use crate::metadata::residue::{Known, Scan};
use crate::metadata::salvage::{BucketCounts, Lost, MadeAgain, Records, Surroundings, TokenReport};
use crate::metadata::tsm::Highest;
use crate::metadata::{check, lost_records, names};
use crate::ops::commit::verify_structure;
use crate::ops::files::engine_folder;
use crate::ops::files::new_file::folder_of;
use crate::ops::files::secret_output::OutputFile;
use crate::ops::residue::look_into;
use crate::ops::timestamp::Timestamp;
use crate::ops::token_plan::new_id;
use crate::store::bolt::salvage::DamagedBolt;
use crate::store::{
    DamagedFile, Engine, Model, OpenOptions, Progress, Snapshot, Store, create_from,
};

pub use sources::{OtherState, Sources, records};

/// Options of a salvage.
#[derive(Debug, Clone)]
pub struct Options {
    /// The damaged file.
    pub database: PathBuf,
    /// The new file, which must not exist.
    pub out: PathBuf,
    /// Whether records are taken too that were deleted, or may have been.
    pub lenient: bool,
    /// Whether the file is only planned.
    pub dry_run: bool,
    /// How to open the damaged file.
    pub open: OpenOptions,
}

/// What was found, from where, and what is missing.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The new file.
    pub out: PathBuf,
    /// Its length in bytes; 0 in a dry run.
    pub size_bytes: u64,
    /// Whether the file has no damage that hides records: the new file is a plain copy then.
    pub sound: bool,
    /// The transactions that the records are from.
    pub sources: Sources,
    /// The records of each bucket.
    pub buckets: Vec<BucketCounts>,
    /// The authorizations.
    pub tokens: TokenReport,
    /// Tokens of hashed authorizations whose plaintext is only in unused parts of the damaged file.
    pub recoverable_left: u64,
    /// What was made again.
    pub made: MadeAgain,
    /// Records that were left out because they were deleted, or may have been.
    pub left_out: u64,
    /// Other versions of the records, which were not taken.
    pub other_versions: u64,
    /// What was lost.
    pub lost: Vec<Lost>,
    /// What `check` finds in the new store.
    pub findings: Vec<Finding>,
    /// Whether this is only a plan.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Always false: the damaged file is only read.
    pub changed: bool,
}

/// Makes a new store out of a damaged one. The new file gets its name only when it is complete,
/// synced and verified. `reading` is called with the number of bytes of the damaged file that were
/// read, `writing` with the number of bytes written.
///
/// # Errors
/// * [`ErrorKind::Refused`] when `out` exists, and for a redb store
/// * [`ErrorKind::NotAStore`] when nothing of InfluxDB's is left in the file
/// * as [`DamagedFile::open`]; [`ErrorKind::Io`] when the new file can't be written or verified
pub fn salvage(
    options: &Options,
    now: &Timestamp,
    reading: &dyn Fn(u64),
    writing: &(dyn Fn(u64) + Sync),
) -> Result<Report> {
    let out = &options.out;
    OutputFile::could_create_regular(out)?;
    let opened = match Store::open(&options.database, &options.open) {
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::Locked | ErrorKind::NotFound | ErrorKind::PermissionDenied
            ) =>
        {
            return Err(error);
        }
        opened => opened,
    };
    if let Ok(store) = &opened
        && store.description().engine == Engine::Bolt
        && is_sound(store)?
    {
        return copy(store, options, writing);
    }
    let highest = highest_shards(&options.database)?;
    let damaged = DamagedFile::open(&options.database, &options.open, reading)?;
    drop(opened);
    let (found, mut sources) = records(damaged.pages(), options.lenient)?;
    let mut notices = damaged.notices().to_vec();
    notices.extend(exchanged(damaged.pages()));
    is_influxdb(&found, &options.database)?;
    sources.based_on_previous = found.based_on_previous;

    let mut report = Report {
        out: out.clone(),
        size_bytes: 0,
        sound: false,
        sources,
        buckets: found.counts(),
        tokens: TokenReport::default(),
        recoverable_left: 0,
        made: MadeAgain::default(),
        left_out: found.left_out,
        other_versions: found.other_versions,
        lost: Vec::new(),
        findings: notices,
        dry_run: options.dry_run,
        changed: false,
    };
    report.lost.extend(unknown(&found));
    let surroundings = Surroundings {
        utc: &now.utc,
        random_id: &|content| new_id::of_engine(content),
        random: new_id::random_number()?,
        highest,
    };
    let rebuilt = found.rebuild(&surroundings)?;
    report.lost.extend(rebuilt.lost);
    report.lost.sort();
    report.tokens = rebuilt.tokens;
    report.made = rebuilt.made;
    report.recoverable_left = recoverable(&rebuilt.content, options)?;
    // The lock is held until all is read.
    drop(damaged);
    if options.dry_run {
        report.findings.extend(errors_of(&rebuilt.content)?);
        return Ok(report);
    }
    let (size, findings) = write(&rebuilt.content, out, writing)?;
    report.size_bytes = size;
    report.findings.extend(findings);
    Ok(report)
}

/// Whether every record of the current transaction can be read, and none is lost.
fn is_sound(store: &Store) -> Result<bool> {
    match store.could_copy_to(Engine::Bolt) {
        Err(error) if error.kind() == ErrorKind::Corrupt => return Ok(false),
        readable => readable?,
    }
    let (snapshot, inspect) = (store.snapshot(), store.inspect());
    if lost_records::find(snapshot, inspect)?.is_some() {
        return Ok(false);
    }
    let findings = check::check(snapshot)?;
    Ok(!findings
        .iter()
        .any(|finding| finding.code == Code::Undecodable))
}

/// The copy of a store without damage.
fn copy(store: &Store, options: &Options, writing: &(dyn Fn(u64) + Sync)) -> Result<Report> {
    let out = &options.out;
    let mut counts = Vec::new();
    let mut tokens = TokenReport::default();
    for bucket in store.snapshot().buckets()?.0 {
        let mut records = 0;
        store.snapshot().scan(&bucket.name, &mut |_, _| {
            records += 1;
            std::ops::ControlFlow::Continue(())
        })?;
        if bucket.name == names::AUTHORIZATIONS {
            tokens.found = records;
        }
        if records > 0 {
            counts.push(BucketCounts {
                name: String::from_utf8_lossy(&bucket.name).into_owned(),
                records,
                from_tree: records,
                ..BucketCounts::default()
            });
        }
    }
    let mut report = Report {
        out: out.clone(),
        size_bytes: 0,
        sound: true,
        sources: Sources::of_sound_store(),
        buckets: counts,
        tokens,
        recoverable_left: 0,
        made: MadeAgain::default(),
        left_out: 0,
        other_versions: 0,
        lost: Vec::new(),
        findings: store.notices().to_vec(),
        dry_run: options.dry_run,
        changed: false,
    };
    let (left, findings) = crate::ops::convert::recoverable(store)?;
    report.recoverable_left = left;
    report.findings.extend(findings);
    if options.dry_run {
        return Ok(report);
    }
    let output = OutputFile::create_database(out)?;
    let device = output.device().at("write", out)?;
    store.copy_to(Engine::Bolt, device, out, &Progress::new(writing))?;
    let (size, findings) = finish(output, out)?;
    report.size_bytes = size;
    report.findings.extend(findings);
    Ok(report)
}

/// Writes the new store. Returns its length in bytes, and what `check` finds in it.
fn write(
    content: &Model,
    out: &Path,
    writing: &(dyn Fn(u64) + Sync),
) -> Result<(u64, Vec<Finding>)> {
    let output = OutputFile::create_database(out)?;
    let device = output.device().at("write", out)?;
    create_from(content, Engine::Bolt, device, out, &Progress::new(writing))?;
    finish(output, out)
}

/// Verifies the new file as a restore does, then gives it its name.
fn finish(output: OutputFile, out: &Path) -> Result<(u64, Vec<Finding>)> {
    let store = Store::of_file(output.file().at("read", out)?, out)?;
    verify_structure(store.snapshot(), store.inspect())?;
    let findings = errors_of(store.snapshot())?;
    drop(store);
    let size = output.length().at("access", out)?;
    output.finish()?;
    Ok((size, findings))
}

/// What is wrong with the records of the new store.
fn errors_of(snapshot: &dyn Snapshot) -> Result<Vec<Finding>> {
    let mut findings = check::check(snapshot)?;
    findings.retain(|finding| finding.severity == Severity::Error);
    Ok(findings)
}

/// Refuses a file that has none of InfluxDB's records.
fn is_influxdb(records: &Records, path: &Path) -> Result<()> {
    if records.has_any() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::NotAStore,
        format!(
            "none of InfluxDB's records can be found in {}: either it is another Bolt file, or all \
             of its pages were overwritten",
            path.display()
        ),
    )
    .with_hint(
        "check the path (boltkey locate lists the stores of this host); if the file is lost, restore \
         a backup with boltkey backup restore",
    ))
}

/// Pages that stand in each other's place, and were read where they belong.
fn exchanged(pages: &DamagedBolt) -> Option<Finding> {
    let all = pages.exchanged();
    let (one, other) = all.first()?;
    let message = match all.len() {
        1 => String::from("they stand in each other's place, and were read where they belong"),
        number => format!(
            "{number} pairs of pages, of which this is the first, stand in each other's place, and \
             were read where they belong"
        ),
    };
    let place = format!("pages {one} and {other}");
    Some(Finding::new(Code::PageId, place, message).with_severity(Severity::Warning))
}

/// Pages in use whose records are of no known kind.
fn unknown(records: &Records) -> Option<Lost> {
    let pages = records.unknown_pages.len() as u64;
    (pages > 0).then(|| Lost {
        bucket: None,
        id: None,
        name: None,
        page: records.unknown_pages.first().copied(),
        reason: format!(
            "{} on {} are left out: nothing tells which bucket they are from",
            counted(records.unknown, "record"),
            counted(pages, "page")
        ),
    })
}

/// The highest number of a shard in the engine folder beside the database: a new store must not
/// give it out again.
fn highest_shards(database: &Path) -> Result<Highest> {
    let shards = engine_folder::shards(&folder_of(database).join("engine")).map_err(|error| {
        error.with_hint(
            "or salvage a copy of the database in another folder; then run boltkey bucket adopt --all \
             on the new store, in its place, before influxd starts",
        )
    })?;
    let highest = shards.iter().map(|placed| placed.shard).max();
    let highest = highest.unwrap_or_default();
    Ok(Highest {
        group: highest,
        shard: highest,
    })
}

/// Counts the tokens of hashed authorizations that only the damaged file shows.
fn recoverable(content: &Model, options: &Options) -> Result<u64> {
    let (known, _) = Known::load(content)?;
    let mut scan = Scan::new(&known);
    look_into(&mut scan, &options.database, &options.open)?;
    let found: BTreeSet<_> = scan
        .finish()
        .matching
        .into_iter()
        .map(|(id, _)| id)
        .collect();
    Ok(found.len() as u64)
}
