//! Names that a signal removes before it ends the program, and outputs that are complete.
//!
//! A private file has a name only where the system needs one. An output has one when it is complete.
//! An output of several files is complete with the last of them. A name is given and taken here in
//! one step, so a signal finds either the state before it or the state after it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Held while a name is given, and for ever by a signal that ends the program.
static GATE: Mutex<()> = Mutex::new(());
static NAMES: Mutex<Names> = Mutex::new(Names {
    private: BTreeMap::new(),
    next: 0,
    parts: Vec::new(),
    complete: None,
    streams: false,
});

/// How often a private folder is emptied, because another thread may still make files in it.
const TRIES: u32 = 100;

struct Names {
    /// Files and folders that nobody else needs, by number.
    private: BTreeMap<u64, PathBuf>,
    next: u64,
    /// Complete files, and folders made for them, of an output that is not complete.
    parts: Vec<PathBuf>,
    /// The output that is complete.
    complete: Option<PathBuf>,
    /// Whether output goes to a pipe, a device or standard output.
    streams: bool,
}

fn lock<T>(mutex: &'static Mutex<T>) -> MutexGuard<'static, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// No signal ends the program while this lives.
pub struct Gate(#[expect(dead_code, reason = "holds the lock")] MutexGuard<'static, ()>);

/// Waits until no other thread gives a name.
#[must_use]
pub fn gate() -> Gate {
    Gate(lock(&GATE))
}

impl Gate {
    /// A private file or folder that has just got this name.
    #[must_use]
    pub fn private(&self, path: &Path) -> Private {
        let mut names = lock(&NAMES);
        let number = names.next;
        names.next += 1;
        names.private.insert(number, path.to_path_buf());
        Private(number)
    }

    /// A file that has just got this name, or a folder that was made for such files. It counts only
    /// with the rest of the output.
    pub fn part(&self, path: &Path) {
        lock(&NAMES).parts.push(path.to_path_buf());
    }

    /// The output is complete, and so are its parts.
    pub fn complete(&self, path: &Path) {
        let mut names = lock(&NAMES);
        names.parts.clear();
        names.complete = Some(path.to_path_buf());
    }
}

/// Output begins to go to a pipe, a device or standard output.
pub fn streams() {
    lock(&NAMES).streams = true;
}

/// A part was removed.
pub fn removed(path: &Path) {
    lock(&NAMES).parts.retain(|part| part != path);
}

/// The name of a private file or folder. Dropped when it has another name or none.
#[derive(Debug)]
pub struct Private(u64);

impl Drop for Private {
    fn drop(&mut self) {
        lock(&NAMES).private.remove(&self.0);
    }
}

/// What a signal leaves.
pub struct Left {
    /// The output that is complete.
    pub complete: Option<PathBuf>,
    /// Whether a part of the output was sent to a stream.
    pub streamed: bool,
    /// No more names are given.
    _gate: Gate,
}

/// Removes private files, and with `parts` those of an output that is not complete. Afterwards no
/// name is given any more: the caller ends the program.
#[must_use]
pub fn end(parts: bool) -> Left {
    let gate = gate();
    let mut names = lock(&NAMES);
    for path in names.private.values() {
        remove(path);
    }
    if parts {
        // A folder comes before its files.
        while let Some(part) = names.parts.pop() {
            let _ = fs::remove_file(&part).or_else(|_| fs::remove_dir(&part));
        }
    }
    Left {
        complete: names.complete.clone(),
        streamed: names.streams,
        _gate: gate,
    }
}

fn remove(path: &Path) {
    for _ in 0..TRIES {
        match fs::remove_file(path).or_else(|_| fs::remove_dir_all(path)) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => {}
            _ => return,
        }
    }
}
