//! Which files of a backup are missing or damaged.

use serde::Serialize;

use crate::error::Result;
use crate::finding::{Code, Finding};
use crate::ops::backup::Compression;
use crate::ops::backup::backup_files::{BackupFiles, FileCheck};

/// A file that the backup should contain.
#[derive(Debug, Clone)]
pub struct Expected {
    /// Its name.
    pub name: String,
    /// What it contains.
    pub role: Role,
    /// Its length in bytes, if a manifest says it.
    pub(super) size: Option<u64>,
    /// Its checksum, if a manifest says it.
    pub(super) sha256: Option<String>,
    /// Its compression, if it is known.
    pub(super) compression: Option<Compression>,
}

/// What a file of a backup contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The metadata store.
    Kv,
    /// The SQLite file.
    Sql,
    /// Time-series data.
    Shard,
}

/// The state of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct FileState {
    /// Its name.
    pub file_name: String,
    /// What it contains.
    pub role: Role,
    /// Its length in bytes; `None` when it is missing.
    pub size: Option<u64>,
    /// Whether it is intact.
    pub state: State,
}

/// Whether a file is intact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// No problem was found.
    Ok,
    /// It does not exist.
    Missing,
    /// Its length, checksum or gzip stream is wrong.
    Damaged,
}

/// Reads the expected files to their ends and compares them with what the manifest says. With
/// `unpack`, decompression is tested too.
///
/// # Errors
/// When one can't be read.
pub(super) fn file_states(
    files: &BackupFiles,
    expected: impl Iterator<Item = Expected>,
    unpack: bool,
) -> Result<(Vec<FileState>, Vec<Finding>)> {
    let mut states = Vec::new();
    let mut findings = Vec::new();
    for expected in expected {
        let found = files.check(&expected.name, unpack)?;
        let damage = match &found {
            None => Some(String::from("it is missing")),
            Some(check) => expected.damage(check),
        };
        let state = match (&found, &damage) {
            (None, _) => State::Missing,
            (_, Some(_)) => State::Damaged,
            _ => State::Ok,
        };
        if let Some(damage) = damage {
            let code = if state == State::Missing {
                Code::FileMissing
            } else {
                Code::FileDamaged
            };
            let place = files.path(&expected.name).display().to_string();
            findings.push(Finding::new(code, place, damage));
        }
        states.push(FileState {
            file_name: expected.name,
            role: expected.role,
            size: found.map(|check| check.size),
            state,
        });
    }
    Ok((states, findings))
}

impl Expected {
    /// What is wrong with the file, if anything is.
    fn damage(&self, check: &FileCheck) -> Option<String> {
        if let Some(size) = self.size.filter(|size| *size != check.size) {
            return Some(format!("it has {} bytes instead of {size}", check.size));
        }
        if self.sha256.as_ref().is_some_and(|sum| *sum != check.sha256) {
            return Some(String::from("its checksum does not match the manifest"));
        }
        if self.compression == Some(Compression::Gzip) && !check.gzip {
            return Some(String::from("it should be a gzip stream, but is not"));
        }
        check.damage.clone()
    }
}
