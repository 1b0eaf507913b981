//! Named buckets of bytes: snapshots, changes, page-level inspection, opening and locks.
//!
//! Knows nothing of what the bytes mean. [`Snapshot`] is the least that every engine offers;
//! what only pages can tell is in [`Inspect`], and what changes a store in [`Commit`], so an
//! operation says in its signature which of them it needs.

pub mod bolt;
pub mod change;
mod copy;
pub mod device;
mod edits;
mod file;
mod gzip;
mod held;
mod lock;
mod model;
mod open;
mod opened;
pub mod redb;
pub mod sqlite;
mod unpacked;
pub mod writable;

use std::ops::{ControlFlow, Range};

use serde::Serialize;

use crate::error::Result;
use crate::finding::Finding;

pub use change::{
    ChangeSet, Commit, CommitOutcome, Committed, MAX_KEY_SIZE, Precious, Preview, Wipe,
};
pub use copy::{Progress, create_from};
pub use device::Device;
pub use edits::Additions;
pub use file::{MemoryFile, ReadAt, fill};
pub use gzip::{MAGIC as GZIP_MAGIC, most_of as most_unpacked, unpack};
pub use held::Held;
pub use lock::{Holder, LockOptions, holders_of};
pub use model::Model;
pub use open::{Description, Engine, OpenOptions, Store, engine_of};
pub use sqlite::Sqlite;
pub use unpacked::Unpacked;
pub use writable::{WritableStore, has_locks};

/// One top-level bucket of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Its name; InfluxDB's are ASCII, others may be anything.
    pub name: Vec<u8>,
    /// Bolt's per-bucket counter. InfluxDB leaves it 0.
    pub sequence: u64,
}

/// What [`Snapshot::scan`] calls for each pair, in ascending order of keys.
pub type Visitor<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// A read-only view of one committed state of a store.
///
/// Only top-level buckets and plain values are seen here; nested buckets are reported by
/// [`Inspect::check`].
pub trait Snapshot: Send + Sync {
    /// The top-level buckets, ascending by name. Damage that hides some of them is in the
    /// second value.
    ///
    /// # Errors
    /// When the file can't be read.
    fn buckets(&self) -> Result<(Vec<Bucket>, Vec<Finding>)>;

    /// The value at `key` of `bucket`; `None` when there is no such bucket or key.
    ///
    /// # Errors
    /// When the file can't be read, or a page on the way to the key is damaged.
    fn get(&self, bucket: &[u8], key: &[u8]) -> Result<Option<Vec<u8>>>;

    /// Calls `visit` for every pair of `bucket`, ascending by key, until it breaks. A bucket
    /// that does not exist has no pairs. Damaged parts are skipped and returned as findings.
    ///
    /// # Errors
    /// When the file can't be read.
    fn scan(&self, bucket: &[u8], visit: &mut Visitor<'_>) -> Result<Vec<Finding>>;
}

/// What only pages can tell.
pub trait Inspect: Send + Sync {
    /// Checks the whole structure.
    ///
    /// # Errors
    /// When the file can't be read; damage is in the findings.
    fn check(&self) -> Result<StructureCheck>;

    /// Calls `visit` for everything that stands in bytes no live record uses: free and leaked
    /// pages, the tree of the superseded meta, slack inside live pages, the tail beyond the
    /// high-water mark. Each unused byte is shown exactly once as part of [`Unused::Run`], but
    /// that zeros may be left out; elements of stale nodes come in addition.
    ///
    /// Where damage hides part of the live tree, the pages that may belong to it count as
    /// unused; the returned findings say so.
    ///
    /// # Errors
    /// When the file can't be read.
    fn unused(&self, visit: &mut dyn FnMut(Unused<'_>)) -> Result<Vec<Finding>>;

    /// The same on several processors: each of `visits` is shown a part of it, all of them together
    /// everything. Elements of a stale node, and runs that are continued, stay together.
    ///
    /// # Errors
    /// As [`Inspect::unused`].
    fn unused_in_parts(&self, visits: &mut [&mut UnusedVisitor<'_>]) -> Result<Vec<Finding>> {
        match visits.first_mut() {
            Some(visit) => self.unused(*visit),
            None => Ok(Vec::new()),
        }
    }

    /// Does what [`Inspect::check`] and [`Inspect::unused`] begin with, so that it is done when they
    /// are called, and calls `visit` for the pairs of `bucket` on the way: a scan of it that costs
    /// no second look at its pages. They come in no particular order; damaged parts are left out
    /// and told by the calls that follow.
    ///
    /// False when that is not to be had, or was done before; nothing was shown then.
    ///
    /// # Errors
    /// When the file can't be read.
    fn prepare(&self, bucket: &[u8], visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<bool> {
        let _ = (bucket, visit);
        Ok(false)
    }

    /// Whether a copy of the file would be no better than the file: it is laid out as a new one is,
    /// nothing is to be found in it, no page is free, no unused byte is anything but zero, and
    /// branches have no keys that leaves do not have. False where that can't be told.
    ///
    /// # Errors
    /// When the file can't be read.
    fn is_compact(&self) -> Result<bool> {
        Ok(false)
    }

    /// Whether [`Inspect::unused`] shows live bytes as well, because the engine does not tell them
    /// from others. What is found there and is live has to be left out then.
    fn shows_live_bytes(&self) -> bool {
        false
    }
}

/// Is shown a part of what a file shows outside its live records.
pub type UnusedVisitor<'v> = dyn FnMut(Unused<'_>) + Send + 'v;

/// A piece of what the file shows outside its live records.
#[derive(Debug, Clone)]
pub enum Unused<'a> {
    /// Consecutive unused bytes. A long run comes in several calls; in each but the first
    /// `continued` is true and `offset` follows on the last call's end.
    Run {
        /// Where in the file (of the unpacked content, for a gzipped copy) `bytes` begins.
        offset: u64,
        /// Whether these bytes follow directly on those of the previous call.
        continued: bool,
        /// The bytes.
        bytes: &'a [u8],
    },
    /// One element of a stale node.
    Element(StaleElement<'a>),
}

/// One key, with its value, of a stale node: a leaf element, an element of an inline bucket in a
/// stale leaf, or the separator key of a stale branch (empty value).
#[derive(Debug, Clone)]
pub struct StaleElement<'a> {
    /// The page the node starts at.
    pub page: u64,
    /// The bucket, where the node tells (inline buckets only).
    pub bucket: Option<&'a [u8]>,
    /// The key.
    pub key: &'a [u8],
    /// The value; empty for a branch.
    pub value: &'a [u8],
    /// The bytes of the file from which it can be read as such: from the node's start to the
    /// element's end.
    pub place: Range<u64>,
}

/// The outcome of [`Inspect::check`].
#[derive(Debug, Clone, Default)]
pub struct StructureCheck {
    /// What was found, in the order of pages as far as possible; codes begin `structure.`.
    pub findings: Vec<Finding>,
    /// How the pages are used.
    pub pages: Pages,
}

/// How the pages of a file are used; numbers of pages unless said otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pages {
    /// Bytes per page.
    pub page_size: u64,
    /// Pages below the high-water mark.
    pub allocated: u64,
    /// Pages of live branches, with their continuation pages.
    pub branch: u64,
    /// Pages of live leaves, with their continuation pages.
    pub leaf: u64,
    /// Pages of the freelist.
    pub freelist: u64,
    /// Pages that the freelist offers for reuse.
    pub free: u64,
    /// Pages neither live nor free.
    pub leaked: u64,
    /// Bytes beyond the high-water mark.
    pub tail_bytes: u64,
    /// Buckets, nested ones included.
    pub buckets: u64,
    /// Buckets that live inside their parent's leaf.
    pub inline_buckets: u64,
    /// Keys with plain values.
    pub keys: u64,
    /// Levels of the deepest tree.
    pub depth: u64,
}
