//! Files beside a database that may have the plaintext of its missing tokens: copies, backups,
//! captures.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::{IoContext, Result};
use crate::metadata::Id;
use crate::metadata::residue::{Known, Scan};
use crate::ops::capture::read::CaptureKind;
use crate::ops::capture::unseal::START;
use crate::ops::files::new_file::folder_of;
use crate::ops::files::read_budget::ReadBudget;
use crate::ops::residue::look_into;
use crate::ops::residue::missing::MissingToken;
use crate::ops::residue::siblings::{MOST_ENTRIES, budget_beside, may_hold_tokens};
use crate::store::{OpenOptions, fill, open_regular};

/// Maximum number of folders beside the database whose files are considered, such as backups.
const MOST_FOLDERS: usize = 100;

/// A file that has missing tokens, or may have some.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Holder {
    /// Its path.
    pub path: PathBuf,
    /// Number of missing tokens in it; none if it is encrypted or can't be read.
    pub tokens: Option<u64>,
    /// Why that is unknown.
    pub because: Option<String>,
}

/// Searches likely files in the folder of `database`, and in the folders in it, for the tokens in
/// `missing`. The `searched` files are left out. Links are not followed.
#[must_use]
pub fn beside(
    database: &Path,
    known: &Known,
    missing: &[MissingToken],
    searched: &[PathBuf],
) -> Vec<Holder> {
    if missing.is_empty() {
        return Vec::new();
    }
    let missing: BTreeSet<Id> = missing.iter().map(|token| token.id).collect();
    let real = |path: &Path| std::fs::canonicalize(path).ok();
    let searched: BTreeSet<PathBuf> = searched
        .iter()
        .map(PathBuf::as_path)
        .chain([database])
        .filter_map(real)
        .collect();
    let mut budget = budget_beside(database);
    let mut holders = Vec::new();
    for path in candidates(database) {
        if real(&path).is_none_or(|path| searched.contains(&path)) {
            continue;
        }
        let (tokens, because) = match count(&path, known, &missing, &mut budget) {
            Ok(Content::Tokens(0) | Content::Nothing) => continue,
            Ok(Content::Tokens(number)) => (Some(number), None),
            Ok(Content::Encrypted) => (None, Some("it is encrypted".into())),
            Err(error) => (None, Some(error.to_string())),
        };
        holders.push(Holder {
            path,
            tokens,
            because,
        });
    }
    holders
}

/// Likely files by name or first bytes, sorted.
fn candidates(database: &Path) -> Vec<PathBuf> {
    let files_in = |folder: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).into_iter().flatten();
        let entries = entries.take(MOST_ENTRIES);
        entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .collect()
    };
    let is_folder = |path: &Path| path.symlink_metadata().is_ok_and(|found| found.is_dir());
    let mut paths = files_in(folder_of(database));
    let folders: Vec<PathBuf> = paths
        .extract_if(.., |path| is_folder(path))
        .take(MOST_FOLDERS)
        .collect();
    for folder in folders {
        paths.extend(files_in(&folder));
        paths.truncate(MOST_ENTRIES);
    }
    paths.retain(|path| may_hold_tokens(path, database) || is_capture(path));
    paths.sort();
    paths
}

fn is_capture(path: &Path) -> bool {
    let is_file = path.symlink_metadata().is_ok_and(|found| found.is_file());
    is_file && kind(path).is_ok_and(|kind| kind.is_some())
}

fn kind(path: &Path) -> Result<Option<CaptureKind>> {
    let mut start = [0; START];
    let mut file = open_regular(path).at("open", path)?;
    let length = fill(&mut file, &mut start).at("read", path)?;
    Ok(CaptureKind::of(start.get(..length).unwrap_or_default()))
}

/// What a file has.
enum Content {
    /// So many missing tokens.
    Tokens(u64),
    Encrypted,
    /// It is not a regular file.
    Nothing,
}

fn count(
    path: &Path,
    known: &Known,
    missing: &BTreeSet<Id>,
    budget: &mut ReadBudget,
) -> Result<Content> {
    let metadata = std::fs::symlink_metadata(path).at("access", path)?;
    if !metadata.is_file() {
        return Ok(Content::Nothing);
    }
    budget.spend(path, metadata.len())?;
    if kind(path)? == Some(CaptureKind::Sealed) {
        return Ok(Content::Encrypted);
    }
    let mut scan = Scan::new(known);
    look_into(&mut scan, path, &OpenOptions::default())?;
    let found = scan.finish().matching;
    let found = found.iter().filter(|(id, _)| missing.contains(id));
    Ok(Content::Tokens(found.count() as u64))
}
