//! Files beside a database that may hold its tokens in plaintext: the copies influxd leaves
//! before upgrades and downgrades, files of interrupted restores, copies made by hand.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::{IoContext, Result};
use crate::finding::{Code, Finding};
use crate::metadata::residue::{Known, Scan};
use crate::ops::files::new_file::is_temporary;
use crate::ops::files::read_budget::ReadBudget;
use crate::ops::residue::look_into;
use crate::store::OpenOptions;

/// Most entries of the folder that are looked at.
const MOST_ENTRIES: usize = 100_000;
/// Most files that are read.
const MOST_FILES: usize = 1000;
/// Most bytes that are read, gzipped copies unpacked. A folder may be somebody else's.
const MOST_BYTES: u64 = 4 << 30;
/// So many copies of the database are read beyond that, however long it is.
const MORE_COPIES: u64 = 4;

/// A file that shows tokens.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sibling {
    /// Where it is.
    pub path: PathBuf,
    /// How many distinct tokens it shows.
    pub plaintext_tokens: u64,
}

/// Looks at the plausible files in the folder of `database`, but for `capture`, which is there
/// because somebody asked for it. Links are not followed. A file that can't be read, or is beyond
/// the limits of this module, becomes a finding.
#[must_use]
pub fn look_beside(database: &Path, capture: Option<&Path>) -> (Vec<Sibling>, Vec<Finding>) {
    let real = |path: &Path| std::fs::canonicalize(path).ok();
    let capture = capture.and_then(real);
    let is_capture = |path: &Path| capture.is_some() && real(path) == capture;
    let folder = match database.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let (mut siblings, mut findings) = (Vec::new(), Vec::new());
    let mut unreadable = |path: &Path, cause: &dyn std::fmt::Display| {
        findings.push(Finding::new(
            Code::SiblingUnread,
            path.display().to_string(),
            format!("it may hold tokens and can't be looked at: {cause}"),
        ));
    };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(cause) => {
            unreadable(folder, &cause);
            return (siblings, findings);
        }
    };
    let mut paths: Vec<PathBuf> = entries
        .take(MOST_ENTRIES)
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| Some(path.as_path()) != Some(database) && may_hold_tokens(path, database))
        .collect();
    paths.sort();
    let mut left_over = Vec::new();
    let length = std::fs::metadata(database).map_or(0, |metadata| metadata.len());
    let bytes = MOST_BYTES.saturating_add(length.saturating_mul(MORE_COPIES));
    let mut budget = ReadBudget::new(MOST_FILES, bytes);
    for path in paths {
        if path.file_name().is_some_and(is_left_over) {
            left_over.push(left(&path));
        }
        match count(&path, &mut budget) {
            Ok(Some(plaintext_tokens)) if plaintext_tokens > 0 && !is_capture(&path) => siblings
                .push(Sibling {
                    path,
                    plaintext_tokens,
                }),
            Ok(_) => {}
            Err(cause) => unreadable(&path, &cause),
        }
    }
    findings.extend(left_over);
    (siblings, findings)
}

fn is_left_over(name: &OsStr) -> bool {
    is_temporary(&name.to_string_lossy())
}

/// What a killed boltkey has left, whether or not tokens can be seen in it.
fn left(path: &Path) -> Finding {
    Finding::new(
        Code::LeftOver,
        path.display().to_string(),
        "an output that an earlier run did not complete; it may hold tokens in plaintext",
    )
    .with_hint("delete it, unless another run is just writing it")
}

/// By name: what begins like the database's name or looks like a copy of some Bolt file, and the
/// influx CLI's `configs`.
fn may_hold_tokens(path: &Path, database: &Path) -> bool {
    let (Some(name), Some(own)) = (path.file_name(), database.file_name()) else {
        return false;
    };
    let (name, own) = (name.to_string_lossy(), own.to_string_lossy());
    if name == own {
        return false;
    }
    name.starts_with(&*own)
        || name.contains(".bolt")
        || is_temporary(&name)
        || name.ends_with(".backup")
        || name.ends_with(".bak")
        || name == "configs"
        || name == "influx-configs"
}

/// The number of distinct tokens a file shows; `None` for what is no regular file.
fn count(path: &Path, budget: &mut ReadBudget) -> Result<Option<u64>> {
    let metadata = std::fs::symlink_metadata(path).at("look at", path)?;
    if !metadata.is_file() {
        return Ok(None);
    }
    budget.spend(path, metadata.len())?;
    let known = Known::default();
    let mut scan = Scan::new(&known);
    look_into(&mut scan, path, &OpenOptions::default())?;
    Ok(Some(scan.finish().tokens()))
}
