//! The locks that bbolt uses: `flock(2)` on the database file itself.
//!
//! A waiting bbolt retries every 50 ms until its timeout, which is 1 s in influxd. boltkey does the
//! same with a timeout of its own.

use std::fs::{File, Metadata, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::finding::{Code, Finding};
use crate::store::holder::Holder;
use crate::store::overlay::{self, Through};

/// How to take the lock.
#[derive(Debug, Clone, Default)]
pub struct LockOptions {
    /// How long to wait for another process to release the lock. Zero: don't wait.
    pub wait: Duration,
    /// Continue without a lock if the file system has none.
    pub no_lock: bool,
}

/// The interval between two attempts, the same as in bbolt.
const RETRY: Duration = Duration::from_millis(50);

/// Takes the shared lock on an open database file, for reading. If the file system has no locks, it
/// returns a finding instead of an error.
///
/// # Errors
/// [`ErrorKind::Locked`] when another process holds the exclusive lock for longer than
/// `options.wait`, with the name of the process if it is known; [`ErrorKind::Refused`] when another
/// file is at `path` now; [`ErrorKind::Io`] when the system fails in another way.
pub(super) fn lock_shared(
    file: &File,
    path: &Path,
    options: &LockOptions,
) -> Result<Option<Finding>> {
    let lock = wait_for(Access::Reading, file, path, options)?;
    is_at(file, path)?;
    match lock {
        Lock::Taken => Ok(None),
        Lock::Unsupported(cause) => Ok(Some(unlocked(path, &cause))),
    }
}

/// Takes the exclusive lock on an open database file, for writing. If the file system has no locks
/// and `options.no_lock` is set, it returns a finding instead of an error.
///
/// # Errors
/// As [`lock_shared`], also for holders of the shared lock; [`ErrorKind::Refused`] when the file
/// system has no locks, or another file is at `path` now.
pub(super) fn lock_exclusive(
    file: &File,
    path: &Path,
    options: &LockOptions,
) -> Result<Option<Finding>> {
    let finding = match wait_for(Access::Writing, file, path, options)? {
        Lock::Taken => None,
        Lock::Unsupported(cause) if options.no_lock => Some(unlocked(path, &cause)),
        Lock::Unsupported(cause) => {
            return Err(Error::new(
                ErrorKind::Refused,
                format!(
                    "{} is on a file system without locks ({cause}), so a running influxd can't be \
                     detected",
                    path.display()
                ),
            )
            .with_hint(
                "make sure that influxd is stopped on every host that mounts the file system, then pass \
                 --no-lock; or work on a copy on a local disk",
            ));
        }
    };
    is_at(file, path)?;
    Ok(finding)
}

/// Refuses a lock on the wrong file: the one at `path` may have been replaced meanwhile.
fn is_at(file: &File, path: &Path) -> Result<()> {
    let ours = file.metadata().at("read", path)?;
    let theirs = std::fs::metadata(path).at("read", path)?;
    if (ours.dev(), ours.ino()) != (theirs.dev(), theirs.ino()) {
        return Err(Error::new(
            ErrorKind::Refused,
            format!(
                "{} was replaced by another file while it was opened",
                path.display()
            ),
        )
        .with_hint("find out what replaces it, then run the command again"));
    }
    Ok(())
}

/// Whether the file system supports locks. Takes and releases a shared lock on the open file to find
/// out; if another process has locked it, the answer is true.
///
/// # Errors
/// [`ErrorKind::Io`] when the system fails in another way.
pub(super) fn can_lock(file: &File, path: &Path) -> Result<bool> {
    match file.try_lock_shared() {
        Ok(()) => file.unlock().map(|()| true).at("unlock", path),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(cause)) if has_no_locks(&cause) => Ok(false),
        Err(TryLockError::Error(cause)) => Err(cause).at("lock", path),
    }
}

/// The result of an attempt to lock.
enum Lock {
    Taken,
    /// The file system has no locks.
    Unsupported(io::Error),
}

impl Lock {
    /// The result of an attempt; `None` if another process holds the lock.
    fn of(attempt: Result<(), TryLockError>, path: &Path) -> Result<Option<Self>> {
        match attempt {
            Ok(()) => Ok(Some(Self::Taken)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(cause)) if has_no_locks(&cause) => {
                Ok(Some(Self::Unsupported(cause)))
            }
            Err(TryLockError::Error(cause)) => Err(cause).at("lock", path),
        }
    }
}

/// What a lock is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Reading,
    Writing,
}

impl Access {
    fn try_lock(self, file: &File) -> Result<(), TryLockError> {
        match self {
            Self::Reading => file.try_lock_shared(),
            Self::Writing => file.try_lock(),
        }
    }

    /// The processes that hold the file through an overlay file system, where the lock can't be
    /// seen. To write, there must be none; to read, none that has locked it.
    fn held_elsewhere(self, file: &File, path: &Path) -> Vec<Through> {
        let Ok(metadata) = file.metadata() else {
            return Vec::new();
        };
        let mut holders = overlay::holders(path, &metadata);
        holders.retain(|through| through.locks || self == Self::Writing);
        holders
    }
}

/// Tries to lock until it succeeds, the file system turns out to have no locks, or `options.wait` is
/// over.
fn wait_for(access: Access, file: &File, path: &Path, options: &LockOptions) -> Result<Lock> {
    let started = Instant::now();
    loop {
        let lock = Lock::of(access.try_lock(file), path)?;
        let mut elsewhere = Vec::new();
        if let Some(lock) = lock {
            elsewhere = access.held_elsewhere(file, path);
            if elsewhere.is_empty() {
                return Ok(lock);
            }
            if matches!(lock, Lock::Taken) {
                file.unlock().at("unlock", path)?;
            }
        }
        let left = options.wait.saturating_sub(started.elapsed());
        if left.is_zero() {
            return Err(held_by_another(file, path, &elsewhere, options.wait));
        }
        std::thread::sleep(left.min(RETRY));
    }
}

fn has_no_locks(cause: &io::Error) -> bool {
    use rustix::io::Errno;
    let unsupported = [Errno::OPNOTSUPP, Errno::NOSYS, Errno::NOLCK, Errno::INVAL];
    cause.kind() == io::ErrorKind::Unsupported
        || unsupported
            .iter()
            .any(|errno| cause.raw_os_error() == Some(errno.raw_os_error()))
}

fn unlocked(path: &Path, cause: &io::Error) -> Finding {
    Finding::new(
        Code::Unlocked,
        path.display().to_string(),
        format!("this file system has no locks ({cause}), so a running influxd can't be detected"),
    )
    .with_hint("make sure that influxd is stopped on every host that mounts this file system")
}

fn held_by_another(file: &File, path: &Path, elsewhere: &[Through], waited: Duration) -> Error {
    let holders = file
        .metadata()
        .as_ref()
        .map_or_else(|_| Vec::new(), holders);
    let by = if !elsewhere.is_empty() {
        let names: Vec<String> = elsewhere.iter().map(describe_elsewhere).collect();
        names.join(", ")
    } else if holders.is_empty() {
        String::from(
            "an unknown process \
             (it may run as another user or in another container)",
        )
    } else {
        let names: Vec<String> = holders.iter().map(Holder::describe).collect();
        names.join(", ")
    };
    let after = if waited.is_zero() {
        String::new()
    } else {
        format!(" after waiting {waited:?}")
    };
    Error::new(
        ErrorKind::Locked,
        format!("{} is held by {by}{after}", path.display()),
    )
    .with_hint(format!(
        "stop influxd first (influxd reports a held lock as \"timeout\"), or pass {}",
        if waited.is_zero() {
            "--wait 10s to wait for the lock"
        } else {
            "--wait a longer time"
        }
    ))
}

fn describe_elsewhere(through: &Through) -> String {
    format!(
        "{}, which has it open as {} through an overlay file system",
        through.holder.describe(),
        through.path.display()
    )
}

/// The processes that hold an `flock` on the file at `path`, or hold it through an overlay file
/// system. Empty if the metadata of the file can't be read, or if the system has no table of locks
/// or hides the entry.
#[must_use]
pub fn holders_of(path: &Path) -> Vec<Holder> {
    let Ok(metadata) = std::fs::metadata(path) else {
        return Vec::new();
    };
    let elsewhere = overlay::holders(path, &metadata).into_iter();
    let mut found = holders(&metadata);
    found.extend(elsewhere.map(|through| through.holder));
    found
}

/// The processes that hold an `flock` on a file, from the table of locks of Linux. Empty if the
/// system has no such table or hides the entry.
fn holders(metadata: &Metadata) -> Vec<Holder> {
    let Ok(table) = std::fs::read_to_string("/proc/locks") else {
        return Vec::new();
    };
    let device = metadata.dev();
    let wanted = format!(
        "{:02x}:{:02x}:{}",
        rustix::fs::major(device),
        rustix::fs::minor(device),
        metadata.ino()
    );
    parse_lock_table(&table, &wanted)
        .into_iter()
        .map(Holder::of)
        .collect()
}

/// The process IDs of the holders of `wanted` ("major:minor:inode") in the text of `/proc/locks`. Its
/// lines are like `1: FLOCK  ADVISORY  WRITE 1234 08:01:567 0 EOF`. Waiting processes, marked `->`,
/// are left out.
fn parse_lock_table(table: &str, wanted: &str) -> Vec<u32> {
    table
        .lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            match fields.as_slice() {
                [_, "FLOCK", _, _, pid, place, ..] if *place == wanted => {
                    pid.parse().ok().filter(|pid| *pid != 0)
                }
                _ => None,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holders_are_told_from_waiters_and_other_files() {
        let table = "1: FLOCK  ADVISORY  WRITE 4242 08:01:567 0 EOF\n\
                     1: -> FLOCK  ADVISORY  WRITE 4243 08:01:567 0 EOF\n\
                     2: POSIX  ADVISORY  WRITE 17 08:01:567 0 EOF\n\
                     3: FLOCK  ADVISORY  READ 18 08:01:568 0 EOF\n\
                     4: FLOCK  ADVISORY  READ 0 08:01:567 0 EOF\n\
                     garbage\n";
        assert_eq!(parse_lock_table(table, "08:01:567"), [4242]);
    }

    #[test]
    fn a_held_file_is_refused_and_its_holder_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let holder = File::open(file.path()).unwrap();
        holder.lock().unwrap();
        let second = File::open(file.path()).unwrap();
        let refused = lock_shared(&second, file.path(), &LockOptions::default()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Locked);
        if cfg!(target_os = "linux") {
            let pid = std::process::id().to_string();
            assert!(refused.message().contains(&pid), "{}", refused.message());
        }
        holder.unlock().unwrap();
        assert!(lock_shared(&second, file.path(), &LockOptions::default()).is_ok());
    }

    #[test]
    fn to_write_one_must_be_alone() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let reader = File::open(file.path()).unwrap();
        reader.lock_shared().unwrap();
        let writer = File::open(file.path()).unwrap();
        let options = LockOptions::default();
        let refused = lock_exclusive(&writer, file.path(), &options).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Locked);
        assert!(can_lock(&writer, file.path()).unwrap());
        drop(reader);
        assert!(
            lock_exclusive(&writer, file.path(), &options)
                .unwrap()
                .is_none()
        );
        let second = File::open(file.path()).unwrap();
        assert!(lock_shared(&second, file.path(), &options).is_err());
    }

    #[test]
    fn a_file_that_was_replaced_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("influxd.bolt");
        std::fs::write(&path, "old").unwrap();
        let opened = File::open(&path).unwrap();
        std::fs::write(folder.path().join("new"), "new").unwrap();
        std::fs::rename(folder.path().join("new"), &path).unwrap();
        let refused = lock_exclusive(&opened, &path, &LockOptions::default()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Refused);
        assert!(refused.message().contains("was replaced"));
    }

    #[test]
    fn where_there_are_no_locks_writing_has_to_be_asked_for() {
        let none = Err(TryLockError::Error(rustix::io::Errno::NOLCK.into()));
        let lock = Lock::of(none, Path::new("influxd.bolt")).unwrap();
        assert!(matches!(lock, Some(Lock::Unsupported(_))));
    }

    #[test]
    fn a_system_without_locks_is_told_by_its_errors() {
        use rustix::io::Errno;
        for errno in [Errno::NOLCK, Errno::OPNOTSUPP, Errno::NOSYS] {
            assert!(has_no_locks(&errno.into()), "{errno}");
        }
        assert!(!has_no_locks(&Errno::IO.into()));
    }

    #[test]
    fn a_file_that_was_replaced_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("influxd.bolt");
        std::fs::write(&path, "old").unwrap();
        let opened = File::open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "new").unwrap();
        let refused = lock_shared(&opened, &path, &LockOptions::default()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Refused);
    }

    #[test]
    fn waiting_ends_when_the_holder_lets_go() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let holder = File::open(file.path()).unwrap();
        holder.lock().unwrap();
        let second = File::open(file.path()).unwrap();
        let options = LockOptions {
            wait: Duration::from_secs(20),
            no_lock: false,
        };
        let release = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(120));
            drop(holder);
        });
        assert!(lock_shared(&second, file.path(), &options).is_ok());
        release.join().unwrap();
    }
}
