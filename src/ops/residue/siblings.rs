//! Files beside a database that may contain its tokens in plaintext: copies that influxd leaves
//! before upgrades and downgrades, files of interrupted restores, manual copies.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::{IoContext, Result};
use crate::finding::{Code, Finding};
use crate::metadata::residue::{Known, Scan};
use crate::ops::files::new_file::{folder_of, is_temporary};
use crate::ops::files::read_budget::ReadBudget;
use crate::ops::residue::sql_tokens::SqlTokens;
use crate::ops::residue::{look_into, look_into_plain};
use crate::store::OpenOptions;

/// Maximum number of folder entries.
pub(super) const MOST_ENTRIES: usize = 100_000;
/// Maximum number of files that are read.
const MOST_FILES: usize = 1000;
/// Maximum number of bytes that are read, after unpacking. The folder may belong to somebody else.
const MOST_BYTES: u64 = 4 << 30;
/// So many copies of the database are read beyond that, whatever their length.
const MORE_COPIES: u64 = 4;

/// A file that contains tokens.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Sibling {
    /// Its path.
    pub path: PathBuf,
    /// Number of distinct tokens in it.
    pub plaintext_tokens: u64,
}

/// Searches likely files in the folder of `database`, `sql` among them, except `capture`, which is there on purpose.
/// Links are not followed. A file becomes a finding if it can't be read or exceeds the limits above.
#[must_use]
pub fn look_beside(
    database: &Path,
    capture: Option<&Path>,
    sql: &SqlTokens,
) -> (Vec<Sibling>, Vec<Finding>) {
    look_at(database, files_beside(database), capture, sql)
}

/// What is in the folder of `database`, in any order. At most [`MOST_ENTRIES`].
///
/// # Errors
/// When the folder can't be read.
pub fn files_beside(database: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder_of(database))?;
    Ok(entries
        .take(MOST_ENTRIES)
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect())
}

/// As [`look_beside`], with the result of [`files_beside`], or a part of it.
#[must_use]
pub fn look_at(
    database: &Path,
    files: io::Result<Vec<PathBuf>>,
    capture: Option<&Path>,
    sql: &SqlTokens,
) -> (Vec<Sibling>, Vec<Finding>) {
    let real = |path: &Path| std::fs::canonicalize(path).ok();
    let capture = capture.and_then(real);
    let is_capture = |path: &Path| capture.is_some() && real(path) == capture;
    let (mut siblings, mut findings) = (Vec::new(), Vec::new());
    let mut unreadable = |path: &Path, cause: &dyn std::fmt::Display| {
        findings.push(Finding::new(
            Code::SiblingUnread,
            path.display().to_string(),
            format!("it may contain tokens, but can't be read: {cause}"),
        ));
    };
    let mut paths = match files {
        Ok(files) => files,
        Err(cause) => {
            unreadable(folder_of(database), &cause);
            return (siblings, findings);
        }
    };
    paths.retain(|path| path != database && may_hold_tokens(path, database));
    paths.sort();
    let mut left_over = Vec::new();
    let mut budget = budget_beside(database);
    for path in paths {
        if path.file_name().is_some_and(is_left_over) {
            left_over.push(left(&path));
        }
        match count(&path, &mut budget, sql) {
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

/// How much of the files beside `database` is read at most.
pub(super) fn budget_beside(database: &Path) -> ReadBudget {
    let length = std::fs::metadata(database).map_or(0, |metadata| metadata.len());
    let bytes = MOST_BYTES.saturating_add(length.saturating_mul(MORE_COPIES));
    ReadBudget::new(MOST_FILES, bytes)
}

fn is_left_over(name: &OsStr) -> bool {
    is_temporary(&name.to_string_lossy())
}

/// The finding for a file that a killed run has left, with or without tokens in it.
fn left(path: &Path) -> Finding {
    Finding::new(
        Code::LeftOver,
        path.display().to_string(),
        "an incomplete output of an earlier run; it may contain plaintext tokens",
    )
    .with_hint("delete it, unless another run is writing it now")
}

/// By name: files that start with the database's name or look like a copy of a Bolt file, and the
/// influx CLI's `configs`, and the server's SQLite file, which has the tokens of remotes.
pub(super) fn may_hold_tokens(path: &Path, database: &Path) -> bool {
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
        || name == "influxd.sqlite"
}

/// The number of distinct tokens in a file; `None` if it is not a regular file.
fn count(path: &Path, budget: &mut ReadBudget, sql: &SqlTokens) -> Result<Option<u64>> {
    let metadata = std::fs::symlink_metadata(path).at("access", path)?;
    if !metadata.is_file() {
        return Ok(None);
    }
    budget.spend(path, metadata.len())?;
    let known = Known::default();
    let mut scan = Scan::new(&known);
    if path
        .file_name()
        .is_some_and(|name| name == "influxd.sqlite")
    {
        look_into_plain(&mut scan, path)?;
        if sql.are_of(path) {
            sql.feed(&mut scan);
        }
    } else {
        look_into(&mut scan, path, &OpenOptions::default())?;
    }
    Ok(Some(scan.finish().tokens()))
}
