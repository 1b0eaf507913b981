//! Reading what is left of a damaged Bolt file: every page is looked at, whether or not a tree leads
//! to it.
//!
//! | module | knows |
//! | --- | --- |
//! | [`page_size`] | the page size of a file without meta pages |
//! | [`exchanged`] | pages that stand in each other's place |
//! | [`page_table`] | the node or freelist that begins on each page |
//! | [`subtrees`] | the sum of the pages of every tree |
//! | [`partition`] | transactions without meta pages |
//! | [`tree`] | what a root leads to, and what is missing |
//! | [`leaves`] | the pairs of all leaves, with their origin |

mod exchanged;
mod leaves;
mod page_size;
mod page_table;
mod partition;
mod subtrees;
mod tree;

use std::path::Path;

use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::finding::Severity;
use crate::store::ReadAt;
use crate::store::bolt::bitmap::Bitmap;
use crate::store::bolt::codes::Report;
use crate::store::bolt::freelist::{self, Freelist};
use crate::store::bolt::layout::{PageId, TxId};
use crate::store::bolt::meta::{self, Meta};
use crate::store::bolt::pages::PageFile;
use page_table::PageTable;
use partition::partitions;
use subtrees::Subtrees;
use tree::Tree;

pub use leaves::{FoundLeaf, MissingPart, Origin};

/// At most this many transactions are found without meta pages.
const MOST_FOUND: usize = 8;

/// A damaged file, and what each of its pages looks like.
pub struct DamagedBolt {
    file: PageFile,
    metas: Vec<Meta>,
    table: PageTable,
    /// Pages that stand in each other's place.
    exchanged: exchanged::Pairs,
}

/// How a transaction was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FoundBy {
    /// A meta page names it, with this number.
    Meta(u64),
    /// Its root and its freelist divide the pages of the file among them.
    Pages,
}

/// One transaction of a damaged file.
pub struct FoundState {
    /// How it was found.
    pub found_by: FoundBy,
    /// The page of the root.
    pub root: u64,
    /// The number of places where its tree is damaged.
    pub holes: u64,
    /// Whether its freelist is readable and agrees with its tree. Then every page that the freelist
    /// does not have is in use.
    pub freelist_is_sound: bool,
    meta: Meta,
    tree: Tree,
    /// The pages that the freelist has, and its own; empty if it is not sound.
    free: Bitmap,
}

impl FoundState {
    /// Its high-water mark: it never falls.
    #[must_use]
    pub fn high_water_mark(&self) -> u64 {
        self.meta.hwm.0
    }

    /// Whether nothing of its tree is missing.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.holes == 0
    }
}

impl DamagedBolt {
    /// Reads all pages of `source`. `path` is for messages only. `progress` is called with the
    /// number of bytes read so far.
    ///
    /// # Errors
    /// [`ErrorKind::NotAStore`] when nothing in it looks like a Bolt file; [`ErrorKind::Io`] when it
    /// can't be read.
    pub fn open(source: Box<dyn ReadAt>, path: &Path, progress: &dyn Fn(u64)) -> Result<Self> {
        let (page_size, metas) = match meta::all_valid(&*source, path)? {
            Some((page_size, metas)) => (Some(page_size), metas),
            None => (page_size::detect(&*source, path)?, Vec::new()),
        };
        let nothing = || {
            Error::new(
                ErrorKind::NotAStore,
                format!(
                    "{} is not a Bolt file, or nothing of it is left: it has no valid meta page, \
                     and no page of it can be read",
                    path.display()
                ),
            )
            .with_hint("check the path; use a copy or a backup of the file if there is one")
        };
        let page_size = page_size.ok_or_else(nothing)?;
        let (source, exchanged) = exchanged::put_back(source, page_size).at("read", path)?;
        let file = PageFile::new(source, path, page_size);
        let table = PageTable::read(&file, progress)?;
        if table.nodes().next().is_none() {
            return Err(nothing());
        }
        Ok(Self {
            file,
            metas,
            table,
            exchanged,
        })
    }

    /// The pairs of pages that stand in each other's place, ascending. They are read as if they were
    /// where they belong.
    #[must_use]
    pub fn exchanged(&self) -> &[(u64, u64)] {
        &self.exchanged
    }

    /// Bytes per page.
    #[must_use]
    pub fn page_size(&self) -> u64 {
        self.file.page_size() as u64
    }

    /// The number of meta pages that are lost.
    #[must_use]
    pub fn lost_metas(&self) -> u64 {
        2 - self.metas.len().min(2) as u64
    }

    /// The transactions of the file: those that the meta pages name, the newest first, then, if
    /// none of them has a usable root, those that can be found without meta pages.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] when the file can't be read.
    pub fn states(&self) -> Result<Vec<FoundState>> {
        let mut states = Vec::new();
        for meta in &self.metas {
            let known = states.iter().any(|state: &FoundState| {
                state.meta.root == meta.root && state.meta.freelist == meta.freelist
            });
            if !known {
                states.push(self.state(*meta, FoundBy::Meta(meta.txid.0))?);
            }
        }
        if states.iter().all(|state| state.tree.buckets.is_empty()) {
            let trees = Subtrees::of(&self.table);
            let mut found = partitions(&self.table, &trees);
            // An old state at the start of the file may be complete too.
            let marks: Vec<PageId> = self.metas.iter().map(|meta| meta.hwm).collect();
            found.retain(|found| marks.is_empty() || marks.contains(&found.hwm));
            for found in found.into_iter().take(MOST_FOUND) {
                let meta = Meta {
                    slot: 0,
                    header_ok: true,
                    page_size: self.page_size(),
                    flags: 0,
                    root: found.root,
                    root_sequence: 0,
                    freelist: found.freelist,
                    hwm: found.hwm,
                    txid: TxId(0),
                };
                states.push(self.state(meta, FoundBy::Pages)?);
            }
        }
        Ok(states)
    }

    fn state(&self, meta: Meta, found_by: FoundBy) -> Result<FoundState> {
        let mut tree = Tree::new(self.table.len());
        tree.add(&self.file, &self.table, meta.root)?;
        let mut report = Report::default();
        let list = freelist::read(&self.file, &meta, &mut report)?;
        let mut free = Bitmap::new(self.table.len());
        let sound = match &list {
            Freelist::Stored(list) if !report.has(Severity::Error) => {
                let pages = (2..meta.hwm.0.min(self.table.len())).map(PageId);
                for page in pages.filter(|page| list.free.has(*page)) {
                    free.insert(page);
                }
                for page in list.span.clone() {
                    free.insert(PageId(page));
                }
                (2..self.table.len())
                    .map(PageId)
                    .all(|page| !(free.has(page) && tree.reached.has(page)))
            }
            _ => false,
        };
        Ok(FoundState {
            found_by,
            root: meta.root.0,
            holes: tree.holes.len() as u64,
            freelist_is_sound: sound,
            meta,
            tree,
            free: if sound { free } else { Bitmap::new(0) },
        })
    }
}
