//! The engine folder of influxd: which shards it contains, and the times and series of their points.
//! Nothing in it is changed.
//!
//! ```text
//! data/<bucket ID>/autogen/<shard>/   TSM files
//! wal/<bucket ID>/autogen/<shard>/    segments of the write-ahead log
//! ```
//!
//! Only the index of a TSM file is read, not its points. The segments of a write-ahead log are read
//! completely. They are short: influxd starts a new one after 10 MiB, and deletes them when it has
//! written their points to a TSM file.

mod folders;
mod shard;
mod tsm_index;
mod wal_segment;

use std::io;
use std::path::PathBuf;

pub use folders::{ShardFolder, shard_folders};
pub use shard::shard_times;
pub use tsm_index::tsm_times;
pub use wal_segment::{WalSegment, wal_times};

/// The times of the first and the last point, in Unix nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// Of the first point.
    pub first: i64,
    /// Of the last point, not before `first`.
    pub last: i64,
}

impl Times {
    /// The times of one point.
    #[must_use]
    pub fn at(time: i64) -> Self {
        Self {
            first: time,
            last: time,
        }
    }

    /// The shortest range that contains both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            first: self.first.min(other.first),
            last: self.last.max(other.last),
        }
    }

    /// Extends `times` by these.
    fn add_to(self, times: &mut Option<Self>) {
        *times = Some(times.map_or(self, |times| times.and(self)));
    }
}

/// A file or folder of a shard that was not read, or not completely.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Flaw {
    /// The file or folder.
    pub path: PathBuf,
    /// Why, without a full stop.
    pub reason: String,
}

/// Receives the key of a series and field: `measurement,tag=value#!~#field`.
pub type KeyVisitor<'a> = dyn FnMut(&[u8]) + 'a;

/// Why a file gives no times.
#[derive(Debug)]
pub enum Unusable {
    /// The system can't read it.
    Io(io::Error),
    /// It is not such a file, or is damaged. The text has no full stop.
    Damaged(String),
}

impl Unusable {
    fn damaged<T>(why: impl Into<String>) -> Result<T, Self> {
        Err(Self::Damaged(why.into()))
    }
}

/// A file that ends too early is damaged.
impl From<io::Error> for Unusable {
    fn from(cause: io::Error) -> Self {
        match cause.kind() {
            io::ErrorKind::UnexpectedEof => Self::Damaged("it ends too early".into()),
            _ => Self::Io(cause),
        }
    }
}
