//! Page-level inspection of redb files. The library does not tell which pages it uses, so every byte
//! of the file counts as unused: see [`Inspect::shows_live_bytes`].

use std::ops::Range;

use ::redb::TableHandle;
use zeroize::Zeroizing;

use crate::error::Result;
use crate::finding::{Code, Finding};
use crate::store::StaleElement;
use crate::store::redb::backend::Overlay;
use crate::store::redb::guard::{drop_quietly, guarded};
use crate::store::redb::names::{FILLER, SEQUENCES, bucket_of};
use crate::store::redb::node::{LONGEST_NODE, layout, node_length, number};
use crate::store::redb::{Pages, Redb, Snapshot, StructureCheck, Unused, open_on, table};

#[allow(unused_imports)] // for the documentation
use crate::store::Inspect;

/// How many bytes are read at a time; a multiple of the page size.
const CHUNK: usize = 256 << 10;

/// See [`Inspect::check`]. All checksums were verified when the store was opened.
pub(super) fn check(store: &Redb) -> Result<StructureCheck> {
    let mut findings = store.notices();
    let mut pages = Pages {
        page_size: store.page_size,
        allocated: store.source.size().div_ceil(store.page_size.max(1)),
        ..Pages::default()
    };
    let (buckets, _) = store.buckets()?;
    pages.buckets = buckets.len() as u64;
    store.read(|transaction| {
        let tables = transaction
            .list_tables()
            .map_err(|cause| store.failed(cause))?;
        let foreign: Vec<String> = tables
            .map(|handle| handle.name().to_owned())
            .filter(|name| {
                let ours = bucket_of(name);
                name != SEQUENCES
                    && !ours.is_some_and(|name| buckets.iter().any(|bucket| bucket.name == name))
            })
            .collect();
        for name in foreign {
            if name == FILLER {
                findings.push(Finding::new(
                    Code::UnfinishedScrub,
                    format!("table {name:?}"),
                    "a scrub of the unused parts of the file was interrupted; the next scrub finishes \
                     it",
                ));
                continue;
            }
            findings.push(Finding::new(
                Code::ForeignTable,
                format!("table {name:?}"),
                "this table was not created by boltkey; it is left unchanged",
            ));
        }
        for bucket in &buckets {
            let table = table(transaction, &bucket.name).map_err(|cause| store.failed(cause))?;
            if let Some(table) = table {
                use ::redb::ReadableTableMetadata;
                pages.keys += table.len().map_err(|cause| store.failed(cause))?;
            }
        }
        Ok(())
    })?;
    // Only a write transaction has these numbers. It is in memory and never committed.
    let path = &store.path;
    guarded(path, || {
        let database = open_on(Overlay::new(store.source.clone()), path)?;
        let transaction = database
            .begin_write()
            .map_err(|cause| store.failed(cause))?;
        let stats = transaction.stats().map_err(|cause| store.failed(cause))?;
        pages.leaf = stats.leaf_pages();
        pages.branch = stats.branch_pages();
        pages.free = pages.allocated.saturating_sub(stats.allocated_pages());
        pages.depth = u64::from(stats.tree_height());
        drop(transaction);
        drop_quietly(path, database);
        Ok(())
    })?;
    Ok(StructureCheck { findings, pages })
}

/// Visits all bytes of the file, and the elements of everything that looks like a leaf or branch.
pub(super) fn shown(store: &Redb, visit: &mut dyn FnMut(Unused<'_>)) -> Result<Vec<Finding>> {
    let size = store.source.size();
    let page_size = store.page_size.clamp(512, CHUNK as u64);
    let mut buffer = Zeroizing::new(vec![0; CHUNK]);
    let mut at = 0;
    // How many bytes were read a second time, for nodes that end beyond the buffer.
    let mut spare = size.saturating_mul(2);
    while at < size {
        let length = usize::try_from(size - at).map_or(CHUNK, |left| left.min(CHUNK));
        let piece = buffer.get_mut(..length).unwrap_or_default();
        read(store, piece, at)?;
        visit(Unused::Run {
            offset: at,
            continued: at > 0,
            bytes: piece,
        });
        let mut page = at;
        while page < at + length as u64 {
            let from = usize::try_from(page - at).unwrap_or(usize::MAX);
            let here = piece.get(from..).unwrap_or_default();
            if let Some(needed) = node_length(here) {
                if needed <= here.len() {
                    elements(here, page, page / page_size, visit);
                } else if needed <= LONGEST_NODE
                    && page + needed as u64 <= size
                    && needed as u64 <= spare
                {
                    spare -= needed as u64;
                    // Bounded by the length of the file.
                    let mut whole = Zeroizing::new(vec![0; needed]);
                    read(store, &mut whole, page)?;
                    elements(&whole, page, page / page_size, visit);
                }
            }
            page += page_size;
        }
        at += length as u64;
    }
    Ok(Vec::new())
}

fn read(store: &Redb, buffer: &mut [u8], at: u64) -> Result<()> {
    store
        .source
        .read_exact_at(buffer, at)
        .map_err(|cause| store.failed(::redb::Error::Io(cause)))
}

/// Visits the elements of a node that are in bounds. Ends are offsets from the start of the node.
fn elements(bytes: &[u8], base: u64, page: u64, visit: &mut dyn FnMut(Unused<'_>)) {
    let Some(layout) = layout(bytes) else { return };
    let key_end = |index: usize| number(bytes, layout.key_ends + 4 * index);
    let keys_end = key_end(layout.count - 1);
    let mut from = layout.data;
    let mut value_from = keys_end.unwrap_or(0);
    for index in 0..layout.count {
        let Some(to) = key_end(index).filter(|to| *to >= from) else {
            return;
        };
        let value_to = if layout.leaf {
            match number(bytes, layout.value_ends + 4 * index).filter(|to| *to >= value_from) {
                Some(to) => to,
                None => return,
            }
        } else {
            value_from
        };
        let (Some(key), Some(value)) = (bytes.get(from..to), bytes.get(value_from..value_to))
        else {
            return;
        };
        let place: Range<u64> = base..base + to.max(value_to) as u64;
        visit(Unused::Element(StaleElement {
            page,
            bucket: None,
            key,
            value: if layout.leaf { value } else { &[] },
            place,
        }));
        from = to;
        value_from = value_to;
    }
}
