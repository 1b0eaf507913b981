//! Backups of metadata: tokens, users, organizations, dashboards, but no points.
//!
//! | module | does |
//! | --- | --- |
//! | [`export`] | `backup export`, and when it is refused |
//! | `export_targets` | writing the files of an export to a folder or as a tar stream |
//! | [`inspect`] | `backup inspect` |
//! | [`token`], [`backup_copy`] | `backup token`, and the copy of the backup that it writes |
//! | [`restore`] | `backup restore`, step by step: the token is checked before any file is made |
//! | [`backup_store`] | the store of the backup: kept as it is if compact, else laid out anew |
//! | `shards` | shards of the backup and of the engine folder |
//! | [`supplied_token`] | whether the supplied operator token opens the backup |
//! | [`restored_access`] | the operator token of the new store: the supplied one, or a new one |
//! | [`full_restore`] | what `influx restore --full` does with the backup |
//! | [`replaced_store`], [`move_into_place`] | the store that a restore replaces, and how the new files take its place |
//! | [`source`] | reading a backup: of which kind it is, or that it is none |
//! | [`file_states`] | which files of a backup are missing or damaged |
//! | `open_verified` | opening the store of a backup, refusing a damaged one |
//! | [`folder`], `backup_files`, `tar_reader` | the files of a folder, and of a tar stream |
//! | [`influx_manifest`], [`checksum_manifest`] | what `influx backup` and `backup export` write beside the stores |
//! | `compression`, `sql` | compressed files; the SQLite file |
//! | [`summary`] | what a store holds, without secrets |

pub mod backup_copy;
mod backup_files;
pub mod backup_store;
pub mod checksum_manifest;
mod compression;
pub mod export;
mod export_targets;
pub mod file_states;
pub mod folder;
pub mod full_restore;
pub mod influx_manifest;
pub mod inspect;
pub mod move_into_place;
mod open_verified;
#[cfg(test)]
mod operator_token_tests;
pub mod replaced_store;
pub mod restore;
#[cfg(test)]
mod restore_target_tests;
pub mod restored_access;
mod shards;
pub mod source;
mod sql;
pub mod summary;
pub mod supplied_token;
pub(in crate::ops) mod tar_reader;
pub mod token;

use serde::{Deserialize, Serialize};

/// Compression of a file of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Not compressed.
    None,
    /// Gzip.
    Gzip,
}

impl Compression {
    /// The suffix of such files.
    #[must_use]
    pub fn suffix(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip => ".gz",
        }
    }
}
