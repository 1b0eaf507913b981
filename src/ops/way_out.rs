//! The command that helps with a store whose structure is damaged, after a trial on the file as it is.

use std::path::Path;

use crate::error::{Error, ErrorKind, Result};
use crate::finding::counted;
use crate::ops::auth::list::Filters;
use crate::ops::capture::capture;
use crate::ops::commit::{can_be_copied, verify_structure};
use crate::ops::previous;
use crate::ops::residue::Options;
use crate::ops::residue::recover::recover;
use crate::ops::salvage::records;
use crate::store::{DamagedFile, Engine, LockOptions, OpenOptions, Store};

/// What to do about a damaged store; `None` if its structure is sound. Nothing is written: a copy is
/// tried by reading everything that it would contain.
///
/// # Errors
/// When the file can't be read.
pub fn way_out(store: &Store) -> Result<Option<String>> {
    if verify_structure(store.snapshot(), store.inspect()).is_ok() {
        return Ok(None);
    }
    let could_copy = || store.could_copy_to(store.description().engine);
    if can_be_copied(store.snapshot(), store.inspect(), could_copy).is_ok() {
        return Ok(Some(
            "every record can be read: boltkey compact --out FILE writes them to a new file without \
             the damage, which can take the place of this one"
                .into(),
        ));
    }
    let steps = [
        salvaging(store),
        Some(previous::advice(store)?),
        saving(store),
        Some("boltkey backup restore puts a backup in the place of this file".into()),
    ];
    let steps: Vec<String> = steps.into_iter().flatten().collect();
    Ok(Some(steps.join("; ")))
}

/// Adds to an error about the database at `path` what helps, if the database is damaged.
#[must_use]
pub fn advise(error: Error, path: &Path, options: &OpenOptions) -> Error {
    let unreadable = [
        ErrorKind::Corrupt,
        ErrorKind::UnknownSchema,
        ErrorKind::NotAStore,
    ];
    if !unreadable.contains(&error.kind()) {
        return error;
    }
    let advice = Store::open(path, options).and_then(|store| way_out(&store));
    // Errors of this extra check are ignored. The original error matters.
    let Ok(Some(advice)) = advice else {
        return error;
    };
    let hint = match error.hint() {
        Some(hint) => format!("{hint}; {advice}"),
        None => advice,
    };
    error.with_hint(hint)
}

/// What `salvage` makes of the file of a store.
fn salvaging(store: &Store) -> Option<String> {
    let description = store.description();
    if description.engine != Engine::Bolt {
        return None;
    }
    // This store has the lock.
    let options = OpenOptions {
        lock: LockOptions {
            no_lock: true,
            ..LockOptions::default()
        },
    };
    let damaged = DamagedFile::open(&description.path, &options, &|_| {}).ok()?;
    let (found, _) = records(damaged.pages(), false).ok()?;
    let tokens = counted(found.authorizations(), "token");
    found.has_any().then(|| {
        format!(
            "boltkey salvage --out FILE makes a new store of every record that is left, with {tokens}"
        )
    })
}

/// The commands that write out tokens of a store, with the number of tokens that they find in it.
fn saving(store: &Store) -> Option<String> {
    let (snapshot, inspect) = (store.snapshot(), store.inspect());
    let captured = capture(snapshot, inspect, Filters::default());
    let captured = captured.map_or(0, |(tokens, _)| tokens.len());
    let recovered = recover(store, &Options::default());
    let recovered = recovered.map_or(0, |recovered| recovered.tokens.len());
    let commands = [
        ("boltkey capture --out FILE", captured),
        ("boltkey residue recover --out FILE", recovered),
    ];
    let useful: Vec<String> = commands
        .into_iter()
        .filter(|(_, number)| *number > 0)
        .map(|(command, number)| {
            format!("{command} writes out {}", counted(number as u64, "token"))
        })
        .collect();
    (!useful.is_empty()).then(|| useful.join(", "))
}
