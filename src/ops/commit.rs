//! What every command that changes a store does around its change: refuses what it does not know,
//! keeps copies and new tokens on disk before the change comes to hold, leaves somebody's last
//! copies alone, and knows afterwards whether those files have to stay.

use std::io::{self, Read, Write};
use std::ops::Range;
use std::path::Path;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::output::{Finished, OutputFile};
use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::finding::{Finding, Severity};
use crate::metadata::residue::{Known, Scan};
use crate::metadata::{Schema, migration};
use crate::secret::Token;
use crate::store::writable::CopyFailed;
use crate::store::{ChangeSet, Commit, Committed, Engine, Inspect, Snapshot, Wipe, WritableStore};

/// Files that are written, complete and on disk, before the change comes to hold.
#[derive(Default)]
pub struct Around<'a> {
    /// Gets a verified copy of the whole database as it is.
    pub keep_copy: Option<&'a Path>,
    /// Gets the new token.
    pub token_out: Option<(&'a Path, &'a Token)>,
}

impl Around<'_> {
    /// What would keep these files from being made, for a dry run.
    ///
    /// # Errors
    /// As [`OutputFile::could_create_regular`].
    pub fn could_be_made(&self) -> Result<()> {
        let files = [self.keep_copy, self.token_out.map(|(path, _)| path)];
        files
            .into_iter()
            .flatten()
            .try_for_each(OutputFile::could_create_regular)
    }
}

/// The schema of a store that may be edited.
///
/// # Errors
/// [`ErrorKind::UnknownSchema`] for any other: what it may mean is not known here.
pub fn known_schema(snapshot: &dyn Snapshot) -> Result<Schema> {
    let schema = Schema::load(snapshot)?;
    if schema.known {
        return Ok(schema);
    }
    // Where its records can't be reached, nothing can be said of the schema.
    let damage = schema.findings.iter().cloned();
    let damage = damage.filter(|finding| finding.code.starts_with("structure."));
    all_decoded(&damage.collect::<Vec<_>>())?;
    let why = match schema.findings.first() {
        Some(finding) => format!("{}: {}", finding.place, finding.message),
        None => String::from("no migration is recorded as finished"),
    };
    let newest = migration::MIGRATIONS.len();
    Err(Error::new(
        ErrorKind::UnknownSchema,
        format!(
            "the schema is not one this version knows, which is 1 to {newest} without a gap \
             ({why}); nothing was changed"
        ),
    )
    .with_hint(
        "reading commands work all the same; boltkey check lists what is wrong, and a store that \
         only lacks migrations is mended by one start of influxd",
    ))
}

/// Refuses to go on when records that have to be kept can't be decoded.
///
/// # Errors
/// [`ErrorKind::Corrupt`], naming the first of them.
pub fn all_decoded(skipped: &[Finding]) -> Result<()> {
    match skipped
        .iter()
        .find(|finding| finding.severity == Severity::Error)
    {
        None => Ok(()),
        Some(finding) => Err(Error::new(
            ErrorKind::Corrupt,
            format!(
                "{}: {}; a store with such records is not edited; nothing was changed",
                finding.place, finding.message
            ),
        )
        .with_hint("boltkey check lists all damage; reading commands work all the same")),
    }
}

/// What [`commit`] would refuse of the structure, for a dry run.
///
/// # Errors
/// [`ErrorKind::Corrupt`] when the structure is damaged.
pub fn sound_structure(inspect: &dyn Inspect) -> Result<()> {
    all_decoded(&inspect.check()?.findings)
}

/// Makes `changes` hold, as one transaction. Files of `around` are complete before; if the change
/// was certainly not made, the one with the new token is removed again.
///
/// # Errors
/// When the change was certainly not made.
pub fn commit(
    store: &mut WritableStore,
    changes: &ChangeSet,
    around: &Around<'_>,
) -> Result<Committed> {
    // The engine would refuse it too, but only after the copy was made. A redb store is checked
    // whole when it is opened.
    if around.keep_copy.is_some() && store.description().engine == Engine::Bolt {
        sound_structure(store.inspect()).map_err(Error::nothing_changed)?;
    }
    let precious = match changes.wipe {
        Wipe::Everything => Vec::new(),
        Wipe::Freed | Wipe::Nothing => last_copies(store).map_err(Error::nothing_changed)?,
    };
    let copy = around
        .keep_copy
        .map(|path| keep_copy(store, path))
        .transpose()
        .map_err(Error::nothing_changed)?;
    let named = |error: Error| match around.keep_copy {
        Some(path) if copy.is_some() => error.nothing_changed().and_note(&format!(
            "the copy {} is complete and stays",
            path.display()
        )),
        _ => error.nothing_changed(),
    };
    let token = around
        .token_out
        .map(|(path, token)| write_token(path, token))
        .transpose()
        .map_err(named)?;
    store.commit(changes, &precious).map_err(|error| {
        let error = named(error);
        match token.map(|file| (file.path().display().to_string(), file.remove())) {
            Some((path, Err(cause))) => error.and_note(&format!(
                "{path} could not be removed ({cause}) and holds a token that opens nothing"
            )),
            _ => error,
        }
    })
}

/// Where the unused parts of a store's file show tokens whose hash stands in the store. They may
/// be somebody's last copies.
fn last_copies(store: &WritableStore) -> Result<Vec<Range<u64>>> {
    let (known, _) = Known::load_beside(store, store.inspect())?;
    let mut scan = Scan::new(&known);
    scan.feed_unused(store.inspect(), store)?;
    Ok(scan.finish().places)
}

/// Copies the database and compares what was written with what was read.
fn keep_copy(store: &WritableStore, path: &Path) -> Result<Finished> {
    let mut file = OutputFile::create_database(path)?;
    let mut written = Summed {
        out: &mut file,
        sum: Sha256::new(),
    };
    store.copy_to(&mut written).or_else(|failed| match failed {
        CopyFailed::Reading(cause) => Err(cause).at("read", &store.description().path),
        CopyFailed::Writing(cause) => Err(cause).at("write", path),
    })?;
    let expected = written.sum.finalize();
    let finished = file.finish_after(|copy| {
        let mut sum = Sha256::new();
        let mut buffer = Zeroizing::new(vec![0; 256 << 10]);
        loop {
            match copy.read(&mut buffer)? {
                0 => break,
                n => sum.update(buffer.get(..n).unwrap_or_default()),
            }
        }
        if sum.finalize() == expected {
            Ok(())
        } else {
            Err(io::Error::other("it does not read back as it was written"))
        }
    })?;
    Ok(finished)
}

/// Puts a token into a new file, readable by its owner only, complete and on disk.
///
/// # Errors
/// As [`OutputFile::create_regular`], and when the file can't be written.
pub fn write_token(path: &Path, token: &Token) -> Result<Finished> {
    let mut file = OutputFile::create_regular(path)?;
    let mut line = Zeroizing::new(Vec::with_capacity(token.reveal().len() + 1));
    line.extend_from_slice(token.reveal().as_bytes());
    line.push(b'\n');
    file.write_all(&line).at("write", path)?;
    file.finish()
}

/// Passes bytes on and adds them up.
struct Summed<'a> {
    out: &'a mut dyn Write,
    sum: Sha256,
}

impl Write for Summed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.sum.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
