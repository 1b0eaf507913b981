//! Steps around every change of a store: refuse an unknown schema or damage, write copies and new
//! tokens to disk before the commit, protect last copies of tokens, and afterwards keep or remove
//! those files.

pub(crate) mod proof;

use std::io::Write;
use std::ops::Range;
use std::panic::resume_unwind;
use std::path::Path;
use std::thread;

use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::finding::{Finding, Severity};
use crate::metadata::residue::{Known, Scan};
use crate::metadata::{Schema, lost_records, migration};
use crate::ops::capture::before_change::{Capture, CaptureFile, Captured};
use crate::ops::files::checksums::{ChecksumWriter, reads_back};
use crate::ops::files::secret_output::{Finished, OutputFile};
use crate::secret::Token;
use crate::store::writable::CopyFailed;
use crate::store::{ChangeSet, Commit, Committed, Engine, Inspect, Snapshot, Wipe, WritableStore};

/// Files that are complete and synced before the commit.
#[derive(Default)]
pub struct SideFiles<'a> {
    /// Path for a verified copy of the whole database before the change.
    pub keep_copy: Option<&'a Path>,
    /// Paths for new tokens.
    pub tokens_out: Vec<(&'a Path, &'a Token)>,
}

impl SideFiles<'_> {
    /// Checks, for a dry run, whether these files can be created.
    ///
    /// # Errors
    /// As [`OutputFile::could_create_regular`].
    pub fn could_be_made(&self) -> Result<()> {
        let tokens = self.tokens_out.iter().map(|(path, _)| *path);
        let mut files = self.keep_copy.into_iter().chain(tokens);
        files.try_for_each(OutputFile::could_create_regular)
    }
}

/// The schema of a store, if it may be edited.
///
/// # Errors
/// [`ErrorKind::UnknownSchema`] for any schema that this version does not know.
pub fn known_schema(snapshot: &dyn Snapshot) -> Result<Schema> {
    let schema = Schema::load(snapshot)?;
    if schema.known {
        return Ok(schema);
    }
    // If its records can't be read, the schema is unknown.
    let damage = schema.findings.iter().cloned();
    let damage = damage.filter(|finding| finding.code.is_structure());
    all_decoded(&damage.collect::<Vec<_>>())?;
    let why = match schema.findings.first() {
        Some(finding) => format!("{}: {}", finding.place, finding.message),
        None => String::from("no migration is recorded as finished"),
    };
    let newest = migration::MIGRATIONS.len();
    Err(Error::new(
        ErrorKind::UnknownSchema,
        format!(
            "this version does not know the schema of the store; it knows schemas 1 to {newest} \
             without a gap ({why})"
        ),
    )
    .with_hint(
        "reading commands still work; boltkey check lists the problems, and if only migrations \
         are missing, starting influxd once adds them",
    ))
}

/// Refuses a store with records that must be kept but can't be decoded.
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
                "{}: {}; a store with such records can't be edited",
                finding.place, finding.message
            ),
        )
        .with_hint("boltkey check lists all damage; reading commands still work")),
    }
}

/// Refuses a store with a damaged structure, as [`commit`] does; for a dry run.
///
/// # Errors
/// [`ErrorKind::Corrupt`] when the structure is damaged, or as [`nothing_lost`].
pub fn verify_structure(snapshot: &dyn Snapshot, inspect: &dyn Inspect) -> Result<()> {
    all_decoded(&inspect.check()?.findings)?;
    nothing_lost(snapshot, inspect)
}

/// Refuses a store that has lost records which are still on pages outside all trees. Any commit
/// would reuse or wipe these pages.
///
/// # Errors
/// [`ErrorKind::Corrupt`] when there are such pages.
pub fn nothing_lost(snapshot: &dyn Snapshot, inspect: &dyn Inspect) -> Result<()> {
    let Some(finding) = lost_records::find(snapshot, inspect)? else {
        return Ok(());
    };
    let errors = inspect.check()?.findings;
    let damaged = errors.iter().any(|f| f.severity == Severity::Error);
    Err(Error::new(
        ErrorKind::Corrupt,
        format!(
            "can't be changed: {}{}: {}; writing would destroy them, so the file is not edited",
            if damaged {
                "its structure is damaged, and "
            } else {
                ""
            },
            finding.place,
            finding.message
        ),
    )
    .with_hint(
        "boltkey capture --out FILE and boltkey residue recover --out FILE write out the tokens \
         that can still be read; boltkey check lists all damage",
    ))
}

/// Commits `changes` as one transaction. The files of `side_files` are complete before the commit.
/// If the change was certainly not committed, files with tokens are removed, except a capture with
/// tokens that may have no other copy by then.
///
/// # Errors
/// When the change was certainly not committed.
pub fn commit(
    store: &mut WritableStore,
    changes: &ChangeSet,
    side_files: &SideFiles<'_>,
) -> Result<Committed> {
    Ok(commit_after(store, changes, side_files, None)?.0)
}

/// Like [`commit`], after writing the tokens of `capture` to disk. Returns the state of the
/// capture.
///
/// # Errors
/// When the change was certainly not committed.
pub(crate) fn commit_after(
    store: &mut WritableStore,
    changes: &ChangeSet,
    side_files: &SideFiles<'_>,
    capture: Option<&Capture<'_>>,
) -> Result<(Committed, Option<CaptureFile>)> {
    // The engine refuses damage too, but only after the files are created. A redb store is checked
    // completely when it is opened.
    let makes_files =
        capture.is_some() || side_files.keep_copy.is_some() || !side_files.tokens_out.is_empty();
    if makes_files && store.description().engine == Engine::Bolt {
        verify_structure(store, store.inspect())?;
    } else {
        nothing_lost(store, store.inspect())?;
    }
    let protected = match changes.wipe {
        Wipe::Everything => Vec::new(),
        Wipe::Freed | Wipe::Nothing => last_copies(store)?,
    };
    let copy = side_files
        .keep_copy
        .map(|path| keep_copy(store, path))
        .transpose()?;
    let named = |error: Error| match side_files.keep_copy {
        Some(path) if copy.is_some() => error.and_note(&format!(
            "the copy {} is complete and is kept",
            path.display()
        )),
        _ => error,
    };
    let mut files = Written::default();
    let result = files
        .write(store, side_files, capture)
        .and_then(|()| store.commit(changes, &protected));
    let committed = result.map_err(|error| {
        let mut error = named(error);
        if let Some(file) = &files.stays {
            error = error.and_note(&format!(
                "the capture {} is complete and is kept, because unused parts of the database \
                 that held some of its tokens may be overwritten; you can name it again with \
                 --capture",
                file.path().display()
            ));
        }
        for (file, holds) in &files.removable {
            if let Err(cause) = file.remove() {
                error = error.and_note(&format!(
                    "{} could not be removed ({cause}) and holds {holds}",
                    file.path().display()
                ));
            }
        }
        error
    })?;
    Ok((committed, files.capture))
}

/// Files with secrets that were written before the commit.
#[derive(Default)]
struct Written {
    /// Files that are removed if the commit fails, with a description of their content.
    removable: Vec<(Finished, &'static str)>,
    /// A capture that must be kept.
    stays: Option<Finished>,
    capture: Option<CaptureFile>,
}

impl Written {
    /// Writes the files that must be on disk before the commit.
    ///
    /// # Errors
    /// When a file can't be written. Files written before it are in `self`.
    fn write(
        &mut self,
        store: &WritableStore,
        side_files: &SideFiles<'_>,
        capture: Option<&Capture<'_>>,
    ) -> Result<()> {
        if let Some(capture) = capture {
            let mut file = CaptureFile {
                kept: false,
                encrypted: capture.first.seal.is_closed(),
            };
            match capture.ensure(store)? {
                Captured::Written {
                    file, last_copies, ..
                } if last_copies => self.stays = Some(file),
                Captured::Written { file, .. } => {
                    self.removable.push((file, "the tokens of the store"));
                }
                Captured::Kept { encrypted } => {
                    file = CaptureFile {
                        kept: true,
                        encrypted,
                    };
                }
            }
            self.capture = Some(file);
        }
        let (files, result) = write_tokens(&side_files.tokens_out);
        let holds = "a token that does not work";
        self.removable
            .extend(files.into_iter().map(|file| (file, holds)));
        result
    }
}

/// Writes each token to its file, several in parallel, because each waits for the disk. Returns the
/// written files, also after a failure.
fn write_tokens(tokens: &[(&Path, &Token)]) -> (Vec<Finished>, Result<()>) {
    const MOST_AT_ONCE: usize = 16;
    /// Fewer than this are written one after the other.
    const FEW: usize = 4;
    let write = |tokens: &[(&Path, &Token)]| {
        let mut files = Vec::with_capacity(tokens.len());
        for (path, token) in tokens {
            match write_token(path, token) {
                Ok(file) => files.push(file),
                Err(error) => return (files, Err(error)),
            }
        }
        (files, Ok(()))
    };
    if tokens.len() < FEW {
        return write(tokens);
    }
    let share = tokens.len().div_ceil(MOST_AT_ONCE);
    thread::scope(|scope| {
        let parts = tokens.chunks(share);
        let threads: Vec<_> = parts.map(|part| scope.spawn(move || write(part))).collect();
        let (mut files, mut result) = (Vec::with_capacity(tokens.len()), Ok(()));
        for thread in threads {
            match thread.join() {
                Ok((written, ended)) => {
                    files.extend(written);
                    result = result.and(ended);
                }
                Err(panic) => resume_unwind(panic),
            }
        }
        (files, result)
    })
}

/// Ranges of unused bytes that contain tokens of the store's hashes. They may be the last copies.
fn last_copies(store: &WritableStore) -> Result<Vec<Range<u64>>> {
    let (known, _) = Known::load_beside(store, store.inspect())?;
    let mut scan = Scan::new(&known);
    scan.feed_unused(store.inspect(), store)?;
    Ok(scan.finish().places)
}

/// Copies the database and verifies the copy.
fn keep_copy(store: &WritableStore, path: &Path) -> Result<Finished> {
    let mut file = OutputFile::create_database(path)?;
    let mut written = ChecksumWriter::new(&mut file);
    store.copy_to(&mut written).or_else(|failed| match failed {
        CopyFailed::Reading(cause) => Err(cause).at("read", &store.description().path),
        CopyFailed::Writing(cause) => Err(cause).at("write", path),
    })?;
    let expected = written.sum();
    file.finish_after(|copy| reads_back(copy, &expected))
}

/// Writes a token to a new file that only its owner can read, and syncs it.
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
