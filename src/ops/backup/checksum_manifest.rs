//! `<base>.boltkey.json`: the checksum manifest that `backup export` writes beside its files.

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::ops::backup::Compression;
use crate::ops::backup::influx_manifest::plain_name;
use crate::ops::backup::summary::Summary;

/// The suffix of such files.
pub const SUFFIX: &str = ".boltkey.json";

/// The value of the `format` field.
const FORMAT: &str = "boltkey-backup/1";

/// One file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ManifestEntry {
    /// Its name in the folder.
    pub file_name: String,
    /// Its length in bytes, as it is stored.
    pub size: u64,
    /// The SHA-256 of its bytes, as they are stored, in hex.
    pub sha256: String,
    /// Its compression.
    pub compression: Compression,
}

/// The files listed in a checksum manifest.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ChecksumManifest {
    format: String,
    /// The metadata store, a Bolt file.
    pub kv: ManifestEntry,
    /// The SQLite file. `null` if there was none; a manifest without the field is damaged.
    #[serde(deserialize_with = "Option::deserialize")]
    pub sql: Option<ManifestEntry>,
}

impl ChecksumManifest {
    /// Parses a checksum manifest; `name` is its file name, for messages.
    ///
    /// # Errors
    /// [`ErrorKind::NotAStore`] when it is invalid, or names files outside the folder.
    pub fn read(text: &[u8], name: &str) -> Result<Self> {
        let damaged =
            |why: String| Error::new(ErrorKind::NotAStore, format!("{name} is damaged: {why}"));
        let checksums: Self = serde_json::from_slice(text).map_err(|cause| {
            damaged(format!("line {}, column {}", cause.line(), cause.column()))
        })?;
        if checksums.format != FORMAT {
            return Err(damaged(format!("its format is {:?}", checksums.format))
                .with_hint("it may come from a later version of boltkey; use that version"));
        }
        plain_name(&checksums.kv.file_name, name)?;
        if let Some(sql) = &checksums.sql {
            plain_name(&sql.file_name, name)?;
        }
        Ok(checksums)
    }
}

/// A checksum manifest to write.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewChecksumManifest<'a> {
    format: &'static str,
    created_at: &'a str,
    kv: &'a ManifestEntry,
    sql: Option<&'a ManifestEntry>,
    #[serde(flatten)]
    summary: &'a Summary,
    recoverable_left: u64,
}

impl<'a> NewChecksumManifest<'a> {
    /// A manifest of these files; `created_at` is in UTC, RFC 3339.
    #[must_use]
    pub fn new(
        created_at: &'a str,
        kv: &'a ManifestEntry,
        sql: Option<&'a ManifestEntry>,
        summary: &'a Summary,
        recoverable_left: u64,
    ) -> Self {
        Self {
            format: FORMAT,
            created_at,
            kv,
            sql,
            summary,
            recoverable_left,
        }
    }

    /// Serializes the manifest.
    ///
    /// # Errors
    /// Only if JSON serialization fails, which does not happen for these types.
    pub fn text(&self) -> Result<Vec<u8>> {
        let mut text = serde_json::to_vec_pretty(self).map_err(|cause| {
            Error::new(ErrorKind::Io, format!("can't write the summary: {cause}"))
        })?;
        text.push(b'\n');
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_checksum_manifest_is_refused() {
        let sound = r#"{"format":"boltkey-backup/1","kv":{"fileName":"a.bolt","size":1,
            "sha256":"00","compression":"none"},"sql":null,"more":[]}"#;
        assert_eq!(
            ChecksumManifest::read(sound.as_bytes(), "s")
                .unwrap()
                .kv
                .size,
            1
        );
        for text in [
            String::from("{"),
            sound.replace("backup/1", "backup/2"),
            sound.replace("a.bolt", "../a.bolt"),
            sound.replace("none", "lzma"),
            sound.replace("sql", "sqm"),
        ] {
            let refused = ChecksumManifest::read(text.as_bytes(), "s").unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::NotAStore, "{text}");
        }
    }
}
