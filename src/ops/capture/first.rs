//! A capture that is complete and on disk before the tokens in it are replaced or wiped.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;

use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::metadata::authenticate::key_digest;
use crate::metadata::authorization::Undecoded;
use crate::metadata::{Authorization, Catalog, Id, names};
use crate::ops::capture::read::Unseal;
use crate::ops::capture::seal::Seal;
use crate::ops::capture::{Format, Writer, each, read};
use crate::ops::files::checksums::{ChecksumWriter, reads_back};
use crate::ops::files::output::{Finished, OutputFile};
use crate::secret::Token;
use crate::store::Snapshot;

/// Where a capture goes, and how.
pub struct CaptureFirst {
    /// A new file, or one that holds all of the tokens already.
    pub path: PathBuf,
    /// Its format, if it is new.
    pub format: Format,
    /// Its encryption, if it is new.
    pub seal: Seal,
    /// What opens it, if it is there already.
    pub unseal: Unseal,
}

/// What became of it.
#[derive(Debug)]
pub enum Captured {
    /// It was written.
    Written {
        /// Where.
        file: Finished,
        /// Whether it holds tokens that only unused parts of the database showed. They may be
        /// overwritten before the change comes to hold.
        last_copies: bool,
    },
    /// It was there, and holds all that it should.
    Kept {
        /// Whether it is encrypted.
        encrypted: bool,
    },
}

/// The tokens that a change replaces or wipes, and where they go before.
pub struct Capture<'a> {
    /// The file.
    pub first: &'a CaptureFirst,
    /// Hashed tokens that only unused bytes of the database, or its index, still show.
    pub recovered: &'a BTreeMap<Id, Token>,
}

/// The capture that is on disk now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CaptureFile {
    /// Whether it was there before, with all the tokens.
    pub kept: bool,
    /// Whether it is encrypted.
    pub encrypted: bool,
}

impl Capture<'_> {
    /// As [`CaptureFirst::ensure`].
    ///
    /// # Errors
    /// The same.
    pub(in crate::ops) fn ensure(&self, snapshot: &dyn Snapshot) -> Result<Captured> {
        self.first.ensure(snapshot, self.recovered)
    }
}

impl CaptureFirst {
    /// Writes every token that `snapshot` holds in plaintext, and those of `recovered`; or finds
    /// that the file holds all of them already.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`] when the file is there and lacks some of them, or can't be told to
    /// hold them; otherwise as the system says.
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
            Err(cause) => Err(cause).at("look at", &self.path),
            Ok(metadata) if metadata.is_file() => {
                let encrypted = self.holds_all(snapshot, recovered)?;
                Ok(Captured::Kept { encrypted })
            }
            Ok(_) => Err(Error::new(
                ErrorKind::Refused,
                format!(
                    "{} is no regular file: a capture has to stay",
                    self.path.display()
                ),
            )
            .with_hint("name a new file with --capture")),
        }
    }

    /// What [`Self::ensure`] would refuse, without writing anything.
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
                    failed = writer.token(&captured).err();
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

    /// Sees that the file has every token, and that it is on disk; whether it is encrypted.
    fn holds_all(&self, snapshot: &dyn Snapshot, recovered: &BTreeMap<Id, Token>) -> Result<bool> {
        let name = self.path.display().to_string();
        let mut file = File::open(&self.path).at("open", &self.path)?;
        let mut there = HashSet::new();
        let encrypted = read::read(&mut file, &name, &self.unseal, &mut |texts| {
            there.extend(
                texts
                    .iter()
                    .map(|text| key_digest(text.reveal().as_bytes())),
            );
        })
        .map_err(|error| error.and_note("so it can't be told whether it holds all tokens"))?;
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
            // Whoever made it may not have waited for that.
            file.sync_all().at("sync", &self.path)?;
            return Ok(encrypted);
        }
        Err(Error::new(
            ErrorKind::Refused,
            format!("{name} is there already and lacks {lacking} of {all} tokens"),
        )
        .with_hint("name a new file with --capture: one that exists is never changed"))
    }
}
