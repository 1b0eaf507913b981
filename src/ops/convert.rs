//! `convert` and `compact`: copy the content of a store to a new file.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::{IoContext, Result};
use crate::finding::Finding;
use crate::metadata::residue::Known;
use crate::ops::files::secret_output::OutputFile;
use crate::ops::residue;
use crate::store::{Engine, Progress, Store};

/// The report of a copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Copied {
    /// The new file.
    pub out: PathBuf,
    /// Its engine.
    pub engine: Engine,
    /// Its length in bytes.
    pub size_bytes: u64,
    /// Tokens of hashed authorizations whose plaintext is only in unused parts of the source. The
    /// copy contains none of them.
    pub recoverable_left: u64,
    /// Always false: the database itself is only read.
    pub changed: bool,
}

/// Copies a store to a new, private file at `out`. The file gets its name only when it is complete,
/// synced and verified.
///
/// # Errors
/// * [`crate::ErrorKind::Refused`] when `out` exists, or `engine` can't store the content
/// * [`crate::ErrorKind::Corrupt`] when the store can't be read completely
/// * [`crate::ErrorKind::Io`] when the file can't be written or verified
pub fn convert(
    store: &Store,
    out: &Path,
    engine: Engine,
    progress: &Progress<'_>,
) -> Result<(Copied, Vec<Finding>)> {
    let output = OutputFile::create_database(out)?;
    let device = output.device().at("write", out)?;
    // The search for tokens in unused parts takes about as long as the copy, so they run in
    // parallel.
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
    let size_bytes = output.length().at("access", out)?;
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

/// Does everything that [`convert`] does except creating the file; `size_bytes` is 0 then.
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

/// Counts the tokens that a copy does not include.
///
/// # Errors
/// When the store can't be read.
pub(in crate::ops) fn recoverable(store: &Store) -> Result<(u64, Vec<Finding>)> {
    let (known, mut findings) = Known::load(store.snapshot())?;
    let (residue, damage) = residue::look(store, &known, &residue::Options::default())?;
    findings.extend(damage);
    Ok((residue.matching.len() as u64, findings))
}
