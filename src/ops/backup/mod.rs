//! Backups of metadata: tokens, users, organizations, dashboards, but no points.
//!
//! | module | does |
//! | --- | --- |
//! | [`export`] | `backup export` |
//! | [`inspect`] | `backup inspect` |
//! | [`token`], [`copied`] | `backup token` |
//! | [`restore`], [`content`], [`opening`], [`old`], `shards` | `backup restore`: the new store, who gets in, the old one |
//! | [`place`] | how both files come into place |
//! | [`disk`] | how both reach the disk |
//! | [`source`], `members`, `tape`, `sound` | a backup that is read: which files, where, whether whole |
//! | [`manifest`], [`sheet`] | what `influx backup` and `backup export` write beside the stores |
//! | `sql` | the SQLite file |
//! | [`summary`] | what a store holds, without secrets |
//! | [`operator`] | operator tokens: supplied ones, and what `influx restore --full` answers |

pub mod backup_copy;
mod backup_files;
pub mod checksum_manifest;
pub mod content;
pub mod export;
mod export_targets;
pub mod folder;
pub mod inspect;
pub mod manifest;
pub mod operator;
pub mod operator_access;
mod pack;
pub mod replaced_store;
pub mod restore;
pub mod restore_target;
#[cfg(test)]
mod restore_target_tests;
mod shards;
pub mod source;
mod sql;
pub mod summary;
mod tar_reader;
pub mod token;
mod verify;

use serde::{Deserialize, Serialize};

/// How a file of a backup is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Not at all.
    None,
    /// As a gzip stream.
    Gzip,
}

impl Compression {
    /// What names of such files end in.
    #[must_use]
    pub fn suffix(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip => ".gz",
        }
    }
}
