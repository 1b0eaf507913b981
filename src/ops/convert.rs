//! `convert` and `compact`: everything that a store holds in a new file, and nothing else.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::{IoContext, Result};
use crate::finding::Finding;
use crate::metadata::residue::Known;
use crate::ops::files::output::OutputFile;
use crate::ops::residue;
use crate::store::{Engine, Progress, Store};

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Copied {
    /// The new file.
    pub out: PathBuf,
    /// Its engine.
    pub engine: Engine,
    /// Its length in bytes.
    pub size_bytes: u64,
    /// Tokens of hashed authorizations that only unused parts of the source still show; the copy
    /// shows none of them.
    pub recoverable_left: u64,
    /// Always false: the database itself is only read.
    pub changed: bool,
}

/// Copies a store to a new file at `out`. The file is private, and has its name only when it is
/// complete, on disk and read back.
///
/// # Errors
/// * [`crate::ErrorKind::Refused`] when something stands at `out`, or `engine` can't hold what is
///   in the store
/// * [`crate::ErrorKind::Corrupt`] when the store can't be read whole
/// * [`crate::ErrorKind::Io`] when the file can't be written, or does not read back
pub fn convert(
    store: &Store,
    out: &Path,
    engine: Engine,
    progress: &Progress<'_>,
) -> Result<(Copied, Vec<Finding>)> {
    let output = OutputFile::create_database(out)?;
    let device = output.device().at("write", out)?;
    // To look for tokens in unused parts takes about as long as copying what is in use.
    let (copied, left) = std::thread::scope(|scope| {
        let left = scope.spawn(|| recoverable(store));
        let copied = store.copy_to(engine, device, out, progress);
        (copied, left.join())
    });
    copied?;
    let (recoverable_left, findings) = match left {
        Ok(left) => left?,
        Err(panic) => std::panic::resume_unwind(panic),
    };
    let size_bytes = output.length().at("look at", out)?;
    output.finish()?;
    let copied = Copied {
        out: out.to_path_buf(),
        engine,
        size_bytes,
        recoverable_left,
        changed: false,
    };
    Ok((copied, findings))
}

/// Does all of [`convert`] but making the file; `size_bytes` is 0 then.
///
/// # Errors
/// As [`convert`].
pub fn could_convert(store: &Store, out: &Path, engine: Engine) -> Result<(Copied, Vec<Finding>)> {
    OutputFile::could_create_regular(out)?;
    store.could_copy_to(engine)?;
    let (recoverable_left, findings) = recoverable(store)?;
    let copied = Copied {
        out: out.to_path_buf(),
        engine,
        size_bytes: 0,
        recoverable_left,
        changed: false,
    };
    Ok((copied, findings))
}

/// How many tokens a copy leaves behind.
///
/// # Errors
/// When the store can't be read.
pub(in crate::ops) fn recoverable(store: &Store) -> Result<(u64, Vec<Finding>)> {
    let (known, mut findings) = Known::load(store.snapshot())?;
    let (residue, damage) = residue::look(store, &known, &residue::Options::default())?;
    findings.extend(damage);
    Ok((residue.matching.len() as u64, findings))
}
