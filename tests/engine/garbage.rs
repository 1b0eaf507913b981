//! Files full of damage are handled in bounded work: each page is read a few times, not once for
//! every bucket that is looked up.

use std::cell::Cell;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::support::bolt_image::checksum;
use boltkey::finding::Finding;
use boltkey::metadata;
use boltkey::metadata::names;
use boltkey::metadata::residue::Known;
use boltkey::store::bolt::Bolt;
use boltkey::store::{Inspect, MemoryFile, ReadAt, Snapshot};

const PAGE: usize = 512;
const PAGES: u64 = 8192;

/// Counts the bytes that are read.
struct Counting(MemoryFile, Arc<AtomicU64>);

impl ReadAt for Counting {
    fn size(&self) -> u64 {
        self.0.size()
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.1.fetch_add(buf.len() as u64, Ordering::Relaxed);
        self.0.read_exact_at(buf, offset)
    }
}

/// A page header.
fn header(id: u64, flags: u16, count: u16) -> Vec<u8> {
    let mut bytes = id.to_le_bytes().to_vec();
    bytes.extend(flags.to_le_bytes());
    bytes.extend(count.to_le_bytes());
    bytes.extend([0; 4]);
    bytes
}

fn meta(slot: u64) -> Vec<u8> {
    let mut page = header(slot, 4, 0);
    page.extend(0xED0C_DAED_u32.to_le_bytes());
    page.extend(2_u32.to_le_bytes());
    page.extend((PAGE as u32).to_le_bytes());
    page.extend([0; 4]);
    for field in [3, 0, 2, PAGES, 10 + slot] {
        page.extend(field.to_le_bytes());
    }
    let sum = checksum(&page[16..72]);
    page.extend(sum.to_le_bytes());
    page
}

/// Two sound metas; every other page is a node of `count` elements as `element` makes them from
/// the page's number, their place and a random number.
fn garbage(flags: u16, count: u16, element: impl Fn(u64, u64, u64) -> [u8; 16]) -> Vec<u8> {
    let mut state = 1_u64;
    let mut file = metas();
    for id in 2..PAGES {
        let mut page = header(id, flags, count);
        for index in 0..u64::from(count) {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            page.extend(element(id, index, state >> 33));
        }
        page.resize(PAGE, b'k');
        file.extend(page);
    }
    file
}

fn metas() -> Vec<u8> {
    let pages = [meta(0), meta(1)].map(|mut page| {
        page.resize(PAGE, 0);
        page
    });
    pages.concat()
}

/// Changes the overflow in the header of a page.
fn overflow(file: &mut [u8], page: u64, pages: u64) {
    let at = page as usize * PAGE + 12;
    file[at..at + 4].copy_from_slice(&(pages as u32).to_le_bytes());
}

/// A file whose root bucket holds all buckets there are in an InfluxDB store, each with the same
/// tree: one branch above as many leaves as fit, full of records that say nothing.
fn one_tree_for_all() -> Vec<u8> {
    const ROOT: u64 = 3;
    const TREE: u64 = 20;
    const LEAVES: u64 = 300;
    let mut names = names::ALL.to_vec();
    names.sort_unstable();
    let mut file = garbage(2, 28, |_, index, _| leaf_element(28 - index, 0, 0));
    let (mut elements, mut data) = (Vec::new(), Vec::new());
    for (name, left) in names.iter().zip((1..=names.len()).rev()) {
        let mut element = leaf_element(left as u64, name.len(), 16);
        let at = (16 * left + data.len()) as u32;
        element[0] = 1;
        element[4..8].copy_from_slice(&at.to_le_bytes());
        elements.extend(element);
        data.extend(*name);
        data.extend([TREE, 0].map(u64::to_le_bytes).concat());
    }
    let count = (PAGES - LEAVES) as u16;
    let mut root = header(ROOT, 2, names.len() as u16);
    root.extend(elements);
    root.extend(data);
    let mut tree = header(TREE, 1, count);
    for index in 0..u64::from(count) {
        let mut element = branch_element(0, LEAVES + index);
        let at = 16 * (u32::from(count) - index as u32);
        element[..4].copy_from_slice(&at.to_le_bytes());
        tree.extend(element);
    }
    for (page, bytes) in [(ROOT, root), (TREE, tree)] {
        let at = page as usize * PAGE;
        file[at..at + bytes.len()].copy_from_slice(&bytes);
        overflow(&mut file, page, (bytes.len() / PAGE) as u64);
    }
    file
}

/// A leaf's element, `left` elements before the end of the array.
fn leaf_element(left: u64, key: usize, value: usize) -> [u8; 16] {
    let mut element = [0; 16];
    element[4..8].copy_from_slice(&(16 * left as u32).to_le_bytes());
    element[8..12].copy_from_slice(&(key as u32).to_le_bytes());
    element[12..].copy_from_slice(&(value as u32).to_le_bytes());
    element
}

/// An element with a key of one byte, at the end of the array of 28.
fn branch_element(index: u64, child: u64) -> [u8; 16] {
    let mut element = [0; 16];
    element[..4].copy_from_slice(&(16 * (28 - index) as u32).to_le_bytes());
    element[4] = 1;
    element[8..].copy_from_slice(&child.to_le_bytes());
    element
}

#[test]
fn garbage_is_read_a_few_times_only() {
    let mut to_the_end = garbage(2, 28, |page, index, _| {
        leaf_element(28 - index, 8, (PAGES - page) as usize * PAGE / 30)
    });
    for page in 3..PAGES {
        overflow(&mut to_the_end, page, PAGES - 1 - page);
    }
    let kinds = [
        // Random children, as in a file torn to pieces.
        garbage(1, 28, |_, index, random| {
            branch_element(index, random % PAGES)
        }),
        // One chain as deep as the file is long.
        garbage(1, 28, |page, index, _| branch_element(index, page + 1)),
        // Every page leads to the next ones.
        garbage(1, 28, |page, index, _| {
            branch_element(index, page + 1 + index)
        }),
        // The same, with a leaf as the first child of each, so that the others seem to be leaves.
        garbage(1, 28, |page, index, _| {
            branch_element(index, if index == 0 { 2 } else { page + 1 + index })
        }),
        garbage(2, 28, |_, _, random| [random as u8; 16]),
        // Buckets with random roots.
        garbage(2, 15, |_, index, _| {
            let mut element = leaf_element(15 - index, 1, 16);
            element[0] = 1;
            element
        }),
        // Nodes that all reach to the end of the file.
        to_the_end,
        one_tree_for_all(),
    ];
    for (kind, file) in kinds.iter().enumerate() {
        let read = Arc::new(AtomicU64::new(0));
        let source = Counting(MemoryFile::new(file.clone()), Arc::clone(&read));
        let bolt = Bolt::open(Box::new(source), Path::new("image")).unwrap();
        let (seen, told) = (Cell::new(0), Cell::new(0));
        let tell = |findings: Vec<Finding>| told.set(told.get().max(findings.len()));
        type Look<'b> = (&'static str, Box<dyn Fn() + 'b>);
        let looks: [Look<'_>; 7] = [
            ("buckets", Box::new(|| tell(bolt.buckets().unwrap().1))),
            (
                "scans",
                Box::new(|| {
                    for bucket in names::ALL {
                        let findings = bolt.scan(bucket, &mut |_, _| {
                            seen.set(seen.get() + 1);
                            ControlFlow::Continue(())
                        });
                        tell(findings.unwrap());
                    }
                }),
            ),
            (
                "check",
                Box::new(|| tell(Inspect::check(&bolt).unwrap().findings)),
            ),
            (
                "unused",
                Box::new(|| {
                    let findings = bolt.unused(&mut |_| seen.set(seen.get() + 1));
                    tell(findings.unwrap());
                }),
            ),
            (
                "map",
                Box::new(|| {
                    let mapped = bolt.page_uses(&mut |_, _| seen.set(seen.get() + 1));
                    assert!(mapped.unwrap());
                }),
            ),
            (
                "metadata",
                Box::new(|| tell(metadata::check::check(&bolt).unwrap())),
            ),
            ("tokens", Box::new(|| tell(Known::load(&bolt).unwrap().1))),
        ];
        for (name, look) in looks {
            read.store(0, Ordering::Relaxed);
            seen.set(0);
            told.set(0);
            look();
            let times = read.load(Ordering::Relaxed) as f64 / file.len() as f64;
            assert!(times <= 5.0, "kind {kind}, {name}: read {times} times");
            let seen = seen.get() as f64 / (file.len() / 16) as f64;
            assert!(seen <= 5.0, "kind {kind}, {name}: seen {seen} times");
            assert!(told.get() <= 2000, "kind {kind}, {name}: {told:?} told");
        }
    }
    println!("cases: garbage {}", 6 * kinds.len());
}

/// Two separators as long as half the file, above branches whose own can't be read: they are
/// compared with, and never copied. Copied for each branch below they would come to gigabytes.
#[test]
fn long_separators_are_kept_once() {
    const HALF: u64 = PAGES / 2;
    let mut file = garbage(1, 28, |page, index, _| {
        let first = page + (page - HALF.min(page)) * 27;
        let mut element = branch_element(index, first + 1 + index);
        element[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        element
    });
    let key = (HALF - 4) as usize * PAGE / 2 - 64;
    let mut top = header(3, 1, 2);
    for (at, left) in [(0, 2_u32), (key, 1)] {
        top.extend((16 * left + at as u32).to_le_bytes());
        top.extend((key as u32).to_le_bytes());
        top.extend(HALF.to_le_bytes());
    }
    top.extend(vec![0; key]);
    top.extend(vec![0xff; key]);
    let at = 3 * PAGE;
    file[at..at + top.len()].copy_from_slice(&top);
    overflow(&mut file, 3, HALF - 4);
    let bolt = Bolt::open(Box::new(MemoryFile::new(file)), Path::new("image")).unwrap();
    let check = Inspect::check(&bolt).unwrap();
    let codes: Vec<_> = check
        .findings
        .iter()
        .map(|finding| finding.code.name())
        .collect();
    assert!(codes.contains(&"structure.element-bounds"), "{codes:?}");
    assert!(check.pages.branch > HALF / 2, "{:?}", check.pages);
}
