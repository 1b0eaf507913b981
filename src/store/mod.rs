//! Stores: named buckets of keys and values in a database file, without the meaning of the bytes.
//!
//! [`Snapshot`] reads buckets and pairs. [`Inspect`] checks the file and finds unused bytes.
//! [`Commit`] changes the store. An operation says in its signature which of them it needs.

pub mod bolt;
mod bucket_edits;
pub mod change;
mod copy;
mod damaged_file;
pub mod device;
mod either_engine;
mod engine;
pub mod engine_folder;
mod file;
mod gzip;
mod holder;
mod lock;
mod model;
mod open;
mod overlay;
mod partial_reads;
mod progress;
pub mod redb;
mod replacement_lock;
mod sparse;
pub mod sqlite;
pub mod unfinished;
mod unpacked;
mod walk_once;
pub mod writable;

use std::ops::{ControlFlow, Range};

use serde::Serialize;

use crate::error::Result;
use crate::finding::Finding;

pub use bucket_edits::Additions;
pub use change::{
    ChangeSet, Commit, CommitOutcome, Committed, MAX_KEY_SIZE, Mend, Preview, ProtectedBytes, Wipe,
};
pub use copy::create_from;
pub use damaged_file::DamagedFile;
pub use device::Device;
pub use engine::Engine;
pub use file::{FileIdentity, MemoryFile, ReadAt, fill};
pub use gzip::{MAGIC as GZIP_MAGIC, most_in_memory, most_of as most_unpacked, unpack};
pub use holder::Holder;
pub use lock::{LockOptions, holders_of};
pub use model::Model;
pub use open::{Description, OpenOptions, Store, engine_by_magic, engine_of, open_regular};
pub use progress::Progress;
pub use replacement_lock::Held;
pub use sparse::refuse_sparse;
pub use sqlite::{Sqlite, SqliteCopy, Stamp, unnamed_file};
pub use unpacked::Unpacked;
pub use walk_once::WalkOnce;
pub use writable::{WritableStore, has_locks};

/// One top-level bucket of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Its name. Names of InfluxDB are ASCII; others may be any bytes.
    pub name: Vec<u8>,
    /// Bolt's per-bucket counter. InfluxDB leaves it 0.
    pub sequence: u64,
}

/// The callback of [`Snapshot::scan`], called for each pair in ascending order of keys.
pub type Visitor<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// A read-only view of one committed state of a store.
///
/// It has only top-level buckets and plain values. [`Inspect::check`] reports nested buckets.
pub trait Snapshot: Send + Sync {
    /// The top-level buckets, ascending by name, and findings about damage that may hide others.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Io`] when the file can't be read.
    fn buckets(&self) -> Result<(Vec<Bucket>, Vec<Finding>)>;

    /// The value at `key` of `bucket`; `None` when there is no such bucket or key.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Io`] when the file can't be read; [`crate::ErrorKind::Corrupt`] when a
    /// page on the way to the key is damaged.
    fn get(&self, bucket: &[u8], key: &[u8]) -> Result<Option<Vec<u8>>>;

    /// Calls `visit` for every pair of `bucket`, ascending by key, until it breaks. A bucket
    /// that does not exist has no pairs. Damaged parts are skipped and returned as findings.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Io`] when the file can't be read.
    fn scan(&self, bucket: &[u8], visit: &mut Visitor<'_>) -> Result<Vec<Finding>>;

    /// [`Snapshot::scan`] in any order: that of the file is read with fewer and longer reads.
    ///
    /// # Errors
    /// As [`Snapshot::scan`].
    fn scan_any_order(&self, bucket: &[u8], visit: &mut Visitor<'_>) -> Result<Vec<Finding>> {
        self.scan(bucket, visit)
    }
}

/// Page-level inspection of a store.
pub trait Inspect: Send + Sync {
    /// Checks the whole structure.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Io`] when the file can't be read. Damage is in the findings.
    fn check(&self) -> Result<StructureCheck>;

    /// Calls `visit` for all bytes that no live record uses: free and leaked pages, the tree of the
    /// older meta, slack inside live pages, the tail beyond the high-water mark. Each unused byte is
    /// in exactly one [`Unused::Run`], but zeros may be left out. The elements of stale nodes are
    /// passed in addition.
    ///
    /// If damage hides a part of the live tree, the pages of that part count as unused. The
    /// returned findings report the damage.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Io`] when the file can't be read.
    fn unused(&self, visit: &mut dyn FnMut(Unused<'_>)) -> Result<Vec<Finding>>;

    /// [`Inspect::unused`] in parallel: each of `visits` is called for a part of the unused bytes.
    /// Elements of one stale node, and a run with its continuations, are passed to one visitor.
    ///
    /// # Errors
    /// As [`Inspect::unused`].
    fn unused_in_parts(&self, visits: &mut [&mut UnusedVisitor<'_>]) -> Result<Vec<Finding>> {
        match visits.first_mut() {
            Some(visit) => self.unused(*visit),
            None => Ok(Vec::new()),
        }
    }

    /// Walks all trees, as [`Inspect::check`] and [`Inspect::unused`] need it, and keeps the result
    /// for them. Pairs of `bucket` are passed to `visit` during the walk, in no particular order, so
    /// that its pages are read once. Damaged parts are left out; the later calls report them.
    ///
    /// False when the engine does not support this. `visit` was not called then.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Io`] when the file can't be read.
    fn prepare(&self, bucket: &[u8], visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<bool> {
        let _ = (bucket, visit);
        Ok(false)
    }

    /// Calls `visit` for all pages, ascending, many of the same use at a time: those of the file, and
    /// those that are missing at its end. False, without a call, if the engine can't tell how pages
    /// are used.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Io`] when the file can't be read.
    fn page_uses(&self, visit: &mut dyn FnMut(Range<u64>, PageUse<'_>)) -> Result<bool> {
        let _ = visit;
        Ok(false)
    }

    /// Whether compacting would not improve the file: it has the layout of a new file, no findings,
    /// no free pages, no unused bytes other than zeros, and no keys that are in branches only. False
    /// if the engine can't find out.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Io`] when the file can't be read.
    fn is_compact(&self) -> Result<bool> {
        Ok(false)
    }

    /// Calls `visit` for the elements of nodes on pages that no tree uses and that should not
    /// exist. With a sound freelist: pages that are not on it (a correct writer can't leave such
    /// pages). Without one: all pages that neither this transaction nor a complete previous one
    /// uses.
    ///
    /// # Errors
    /// When the file can't be read.
    fn orphans(&self, visit: &mut dyn FnMut(StaleElement<'_>)) -> Result<Orphans> {
        let _ = visit;
        Ok(Orphans::None)
    }

    /// The previous transaction, if the file still has all of it.
    ///
    /// # Errors
    /// When the file can't be read.
    fn previous(&self) -> Result<Previous> {
        Ok(Previous::Unreadable(String::from(
            "this engine does not keep the previous transaction",
        )))
    }

    /// Whether `bucket` is certainly the same as in the previous transaction; false if damage hides
    /// it.
    ///
    /// # Errors
    /// When the file can't be read.
    fn unchanged_since_previous(&self, bucket: &[u8]) -> Result<bool> {
        let _ = bucket;
        Ok(false)
    }

    /// Calls `visit` for the keys of `bucket` on pages that the previous transaction uses and this one
    /// does not. All keys that were removed since are among them. False, without a call, if the
    /// previous transaction can't be read.
    ///
    /// # Errors
    /// When the file can't be read.
    fn replaced_since_previous(&self, bucket: &[u8], visit: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let _ = (bucket, visit);
        Ok(false)
    }

    /// Whether [`Inspect::unused`] includes live bytes, because the engine can't distinguish them.
    /// The caller must leave out live records then.
    fn shows_live_bytes(&self) -> bool {
        false
    }
}

/// How a page is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageUse<'a> {
    /// A meta page.
    Meta,
    /// The tree of the list of buckets, with small buckets inside it.
    Root,
    /// The tree of the bucket of this name.
    Bucket(&'a [u8]),
    /// The freelist.
    Freelist,
    /// Free for reuse. It may have the content that it had before.
    Free,
    /// Neither in a tree nor known to be free.
    Unreferenced,
    /// It has an error, so that records may be lost.
    Damaged,
    /// Beyond the high-water mark.
    Tail,
    /// Below the high-water mark, but beyond the end of the file.
    Missing,
}

/// The kind of pages that [`Inspect::orphans`] visits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Orphans {
    /// There are none.
    None,
    /// This number of pages that are not on the stored freelist.
    Leaked(u64),
    /// This number of pages of a file without a readable freelist. Most have old records that were
    /// deleted or replaced.
    Unreachable(u64),
}

/// A committed state that is read from pages.
pub trait Transaction: Snapshot + Inspect {}

impl<T: Snapshot + Inspect> Transaction for T {}

/// The previous transaction.
pub enum Previous {
    /// Its tree and freelist are complete.
    Whole(Box<dyn Transaction>),
    /// It can't be read; the text is the reason, without a full stop.
    Unreadable(String),
}

/// A callback of [`Inspect::unused_in_parts`].
pub type UnusedVisitor<'v> = dyn FnMut(Unused<'_>) + Send + 'v;

/// A part of the unused bytes of a file.
#[derive(Debug, Clone)]
pub enum Unused<'a> {
    /// Consecutive unused bytes. A long run is passed in several calls. In each but the first,
    /// `continued` is true and `offset` is the end of the call before.
    Run {
        /// Where in the file (of the unpacked content, for a gzipped copy) `bytes` begins.
        offset: u64,
        /// Whether these bytes directly follow those of the call before.
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
    /// The first page of the node.
    pub page: u64,
    /// The bucket, if it is known (inline buckets only).
    pub bucket: Option<&'a [u8]>,
    /// The key.
    pub key: &'a [u8],
    /// The value; empty for a branch.
    pub value: &'a [u8],
    /// The bytes of the file that are needed to read the element: from the start of the node to the
    /// end of the element.
    pub place: Range<u64>,
}

/// The result of [`Inspect::check`].
#[derive(Debug, Clone, Default)]
pub struct StructureCheck {
    /// The findings, mostly in the order of pages. Their codes begin with `structure.`.
    pub findings: Vec<Finding>,
    /// How the pages are used.
    pub pages: Pages,
}

/// How the pages of a file are used; numbers of pages unless said otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
    /// Pages that are free for reuse.
    pub free: u64,
    /// Pages neither live nor free.
    pub leaked: u64,
    /// Bytes beyond the high-water mark.
    pub tail_bytes: u64,
    /// Buckets, including nested ones.
    pub buckets: u64,
    /// Buckets stored in the leaf of their parent.
    pub inline_buckets: u64,
    /// Keys with plain values.
    pub keys: u64,
    /// Levels of the deepest tree.
    pub depth: u64,
}
