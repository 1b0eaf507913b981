//! Steps around every change of a store: refuse an unknown schema or damage, write copies and new
//! tokens to disk before the commit, protect last copies of tokens, and afterwards keep or remove
//! those files.

pub(crate) mod proof;
mod refusals;

use std::io::Write;
use std::ops::Range;
use std::panic::resume_unwind;
use std::path::Path;
use std::thread;

use zeroize::Zeroizing;

use crate::error::{Error, IoContext, Result};
use crate::metadata::residue::{Known, Scan};
use crate::ops::capture;
use crate::ops::capture::Format;
use crate::ops::capture::before_change::{Capture, CaptureFile, Captured};
use crate::ops::capture::seal::Seal;
use crate::ops::files::checksums::{ChecksumWriter, reads_back};
use crate::ops::files::secret_output::{Finished, OutputFile};
use crate::secret::Token;
use crate::store::writable::CopyFailed;
use crate::store::{
    ChangeSet, Commit, Committed, Engine, Mend, ProtectedBytes, Wipe, WritableStore,
};

pub use refusals::{all_decoded, can_be_copied, known_schema, nothing_lost, verify_structure};

/// Files that are complete and synced before the commit.
#[derive(Default)]
pub struct SideFiles<'a> {
    /// Path for a verified copy of the whole database before the change.
    pub keep_copy: Option<&'a Path>,
    /// Paths for new tokens.
    pub tokens_out: Vec<(&'a Path, &'a Token)>,
    /// A file for several new tokens.
    pub tokens_file: Option<TokensFile<'a>>,
    /// Called when all files are written, before the commit. Its error ends the change.
    pub may_commit: Option<&'a dyn Fn() -> Result<()>>,
}

/// Several new tokens in one file, in a format of `capture`.
pub struct TokensFile<'a> {
    /// Its path.
    pub path: &'a Path,
    /// Its format.
    pub format: Format,
    /// Its encryption.
    pub seal: &'a Seal,
    /// The tokens.
    pub tokens: &'a [capture::Captured],
}

impl SideFiles<'_> {
    /// Checks, for a dry run, whether these files can be created.
    ///
    /// # Errors
    /// As [`OutputFile::could_create_regular`].
    pub fn could_be_made(&self) -> Result<()> {
        let tokens = self.tokens_out.iter().map(|(path, _)| *path);
        let several = self.tokens_file.iter().map(|file| file.path);
        let mut files = self.keep_copy.into_iter().chain(tokens).chain(several);
        files.try_for_each(OutputFile::could_create_regular)
    }
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
    Ok(commit_after(store, changes, side_files, None, None)?.0)
}

/// Like [`commit`], after writing the tokens of `capture` to disk. `last_copies` are the ranges of
/// unused bytes that contain tokens of the store's hashes; they are searched for if they are not
/// given. Returns the state of the capture.
///
/// # Errors
/// When the change was certainly not committed.
pub(crate) fn commit_after(
    store: &mut WritableStore,
    changes: &ChangeSet,
    side_files: &SideFiles<'_>,
    capture: Option<&Capture<'_>>,
    last_copies: Option<&ProtectedBytes>,
) -> Result<(Committed, Option<CaptureFile>)> {
    // The engine refuses damage too, but only after the files are created. A redb store is checked
    // completely when it is opened.
    let makes_files = capture.is_some()
        || side_files.keep_copy.is_some()
        || !side_files.tokens_out.is_empty()
        || side_files.tokens_file.is_some();
    let mends = changes.mend != Mend::Nothing;
    if makes_files && store.description().engine == Engine::Bolt && !mends {
        verify_structure(store, store.inspect())?;
    } else {
        nothing_lost(store, store.inspect())?;
    }
    let protected = match changes.wipe {
        Wipe::Everything => Vec::new(),
        Wipe::Freed | Wipe::Nothing => match last_copies {
            Some(found) => found.to_vec(),
            None => find_last_copies(store)?,
        },
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
        .and_then(|()| {
            side_files
                .may_commit
                .map_or(Ok(()), |may_commit| may_commit())
        })
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
        result?;
        if let Some(tokens) = &side_files.tokens_file {
            let holds = "tokens that do not work";
            self.removable.push((tokens.write()?, holds));
        }
        Ok(())
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

impl TokensFile<'_> {
    /// Writes and syncs the file, and reads it again.
    fn write(&self) -> Result<Finished> {
        let mut file = OutputFile::create_regular(self.path)?;
        let mut out = ChecksumWriter::new(&mut file);
        let name = self.path.display().to_string();
        self.seal.write(&mut out, &name, |out| {
            capture::write(
                self.tokens.iter().map(capture::Captured::lent),
                self.format,
                out,
            )
        })?;
        let expected = out.sum();
        file.finish_after(|written| reads_back(written, &expected))
    }
}

/// Ranges of unused bytes that contain tokens of the store's hashes. They may be the last copies.
fn find_last_copies(store: &WritableStore) -> Result<Vec<Range<u64>>> {
    let (known, _) = Known::hashed_beside(store, store.inspect())?;
    if !known.has_hashes() {
        return Ok(Vec::new());
    }
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
    let mut file = OutputFile::create_regular(path)?.into_part();
    let mut line = Zeroizing::new(Vec::with_capacity(token.reveal().len() + 1));
    line.extend_from_slice(token.reveal().as_bytes());
    line.push(b'\n');
    file.write_all(&line).at("write", path)?;
    file.finish()
}
