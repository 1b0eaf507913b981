//! A capture that is complete and synced before its tokens are replaced or wiped.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;

use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::metadata::authenticate::key_digest;
use crate::metadata::authorization::Undecoded;
use crate::metadata::{Authorization, Catalog, Id, names};
use crate::ops::capture::seal::Seal;
use crate::ops::capture::unseal::Unseal;
use crate::ops::capture::{Format, Writer, each, read};
use crate::ops::files::checksums::{ChecksumWriter, reads_back};
use crate::ops::files::named_input::open_input;
use crate::ops::files::secret_output::{Finished, OutputFile};
use crate::secret::Token;
use crate::store::Snapshot;

/// Destination and format of a capture.
pub struct CaptureFirst {
    /// A new file, or an existing one that already holds all tokens.
    pub path: PathBuf,
    /// Its format, if it is new.
    pub format: Format,
    /// Its encryption, if it is new.
    pub seal: Seal,
    /// The keys that open it, if it exists.
    pub unseal: Unseal,
}

/// The result of ensuring a capture.
#[derive(Debug)]
pub enum Captured {
    /// It was written.
    Written {
        /// The file.
        file: Finished,
        /// Whether it holds tokens whose only other copy is in unused parts of the database. They
        /// may be overwritten before the change is committed.
        last_copies: bool,
    },
    /// It existed and holds every token.
    Kept {
        /// Whether it is encrypted.
        encrypted: bool,
    },
}

/// The tokens that a change replaces or wipes, and the capture that saves them first.
pub struct Capture<'a> {
    /// The file.
    pub first: &'a CaptureFirst,
    /// Hashed tokens whose plaintext is only in unused bytes of the database or in its index.
    pub recovered: &'a BTreeMap<Id, Token>,
}

/// The capture on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CaptureFile {
    /// Whether it already existed with all tokens.
    pub kept: bool,
    /// Whether it is encrypted.
    pub encrypted: bool,
}

impl Capture<'_> {
    /// As [`CaptureFirst::ensure`].
    ///
    /// # Errors
    /// As [`CaptureFirst::ensure`].
    pub(in crate::ops) fn ensure(&self, snapshot: &dyn Snapshot) -> Result<Captured> {
        self.first.ensure(snapshot, self.recovered)
    }
}

impl CaptureFirst {
    /// Writes every plaintext token of `snapshot` and the tokens of `recovered`, or verifies that
    /// an existing file holds all of them.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`] when the file exists and lacks some of them, or can't be read to
    /// check that; otherwise I/O errors.
    pub fn ensure(
        &self,
        snapshot: &dyn Snapshot,
        recovered: &BTreeMap<Id, Token>,
    ) -> Result<Captured> {
        match fs::symlink_metadata(&self.path) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(Captured::Written {
                file: self.write(snapshot, recovered)?,
                last_copies: !recovered.is_empty(),
            }),
            Err(cause) => Err(cause).at("access", &self.path),
            Ok(metadata) if metadata.is_file() => {
                let encrypted = self.holds_all(snapshot, recovered)?;
                Ok(Captured::Kept { encrypted })
            }
            Ok(_) => Err(Error::new(
                ErrorKind::Refused,
                format!(
                    "{} is not a regular file, so a capture would be lost",
                    self.path.display()
                ),
            )
            .with_hint("name a new file with --capture")),
        }
    }

    /// Checks whether [`Self::ensure`] would succeed, without writing anything.
    ///
    /// # Errors
    /// As [`Self::ensure`].
    pub fn could_be_made(
        &self,
        snapshot: &dyn Snapshot,
        recovered: &BTreeMap<Id, Token>,
    ) -> Result<()> {
        match fs::symlink_metadata(&self.path) {
            Ok(_) => self.ensure(snapshot, recovered).map(drop),
            Err(_) => OutputFile::could_create_regular(&self.path),
        }
    }

    fn write(&self, snapshot: &dyn Snapshot, recovered: &BTreeMap<Id, Token>) -> Result<Finished> {
        let catalog = Catalog::load(snapshot)?;
        let mut file = OutputFile::create_regular(&self.path)?;
        let mut out = ChecksumWriter::new(&mut file);
        let name = self.path.display().to_string();
        let mut unread = None;
        self.seal.write(&mut out, &name, |out| {
            let mut writer = Writer::new(self.format, out)?;
            let mut failed = None;
            let token_of = |record: &Authorization<'_>, _: &Catalog| {
                if record.token.is_empty() {
                    recovered.get(&record.id).cloned()
                } else {
                    Some(Token::new(record.token.to_string()))
                }
            };
            let scanned = each(snapshot, &catalog, &token_of, &mut |captured| {
                if failed.is_none() {
                    failed = writer.token(&captured.lent()).err();
                }
            });
            if let Some(cause) = failed {
                return Err(cause);
            }
            match scanned {
                Ok(skipped) => unread = skipped.into_iter().next(),
                Err(error) => return Err(io::Error::other(error.to_string())),
            }
            writer.end()
        })?;
        let expected = out.sum();
        if let Some(finding) = unread {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!("{}: {}", finding.place, finding.message),
            ));
        }
        file.finish_after(|written| reads_back(written, &expected))
    }

    /// Verifies that the file has every token and is synced. Returns whether it is encrypted.
    fn holds_all(&self, snapshot: &dyn Snapshot, recovered: &BTreeMap<Id, Token>) -> Result<bool> {
        let name = self.path.display().to_string();
        let mut file = open_input(&self.path)?;
        let mut there = HashSet::new();
        let encrypted = read::read(&mut file, &name, &self.unseal, &mut |texts| {
            there.extend(
                texts
                    .iter()
                    .map(|text| key_digest(text.reveal().as_bytes())),
            );
        })
        .map_err(|error| error.and_note("so it is not known whether it holds all tokens"))?;
        let (mut all, mut lacking) = (0_u64, 0_u64);
        let mut look = |token: &str| {
            all += 1;
            lacking += u64::from(!there.contains(&key_digest(token.as_bytes())));
        };
        for token in recovered.values() {
            look(token.reveal());
        }
        snapshot.scan(names::AUTHORIZATIONS, &mut |key, value| {
            let record =
                Authorization::<'_, Undecoded<'_>>::decode(names::AUTHORIZATIONS, key, value);
            if let Ok(record) = record.as_ref()
                && !record.token.is_empty()
            {
                look(&record.token);
            }
            ControlFlow::Continue(())
        })?;
        if lacking == 0 {
            // Whoever wrote it may not have synced it.
            file.sync_all().at("sync", &self.path)?;
            return Ok(encrypted);
        }
        Err(Error::new(
            ErrorKind::Refused,
            format!("{name} exists already and lacks {lacking} of {all} tokens"),
        )
        .with_hint("name a new file with --capture; an existing file is never changed"))
    }
}
