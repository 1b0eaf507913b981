//! Files that are nothing but damage are handled in bounded work: whatever a tree made of
//! garbage leads to, its pages are read a few times, not once for every bucket that is looked for.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)] // test code

use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use boltkey::metadata::{self, names};
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
    let sum = page[16..72]
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
    page.extend(sum.to_le_bytes());
    page
}

/// Two sound metas; every other page is a node of `count` elements as `element` makes them from
/// the page's number, their place and a random number.
fn garbage(flags: u16, count: u16, element: impl Fn(u64, u64, u64) -> [u8; 16]) -> Vec<u8> {
    let mut state = 1_u64;
    let mut file = Vec::new();
    for id in 0..PAGES {
        let mut page = if id < 2 {
            meta(id)
        } else {
            let mut page = header(id, flags, count);
            for index in 0..u64::from(count) {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                page.extend(element(id, index, state >> 33));
            }
            page
        };
        page.resize(PAGE, b'k');
        file.extend(page);
    }
    file
}

/// An element whose key of one byte stands at the end of the array of 28.
fn branch_element(index: u64, child: u64) -> [u8; 16] {
    let mut element = [0; 16];
    element[..4].copy_from_slice(&(16 * (28 - index) as u32).to_le_bytes());
    element[4] = 1;
    element[8..].copy_from_slice(&child.to_le_bytes());
    element
}

#[test]
fn garbage_is_read_a_few_times_only() {
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
        garbage(2, 28, |_, _, random| [random as u8; 16]),
    ];
    for (kind, file) in kinds.iter().enumerate() {
        let read = Arc::new(AtomicU64::new(0));
        let source = Counting(MemoryFile::new(file.clone()), Arc::clone(&read));
        let bolt = Bolt::open(Box::new(source), Path::new("image")).unwrap();
        type Look<'b> = (&'static str, Box<dyn Fn() + 'b>);
        let mut looks: Vec<Look<'_>> = Vec::new();
        looks.push(("buckets", Box::new(|| drop(bolt.buckets().unwrap()))));
        looks.push((
            "scans",
            Box::new(|| {
                for bucket in names::ALL {
                    let _ = bolt
                        .scan(bucket, &mut |_, _| ControlFlow::Continue(()))
                        .unwrap();
                }
            }),
        ));
        looks.push(("check", Box::new(|| drop(Inspect::check(&bolt).unwrap()))));
        looks.push((
            "unused",
            Box::new(|| drop(bolt.unused(&mut |_| {}).unwrap())),
        ));
        looks.push((
            "metadata",
            Box::new(|| drop(metadata::check::check(&bolt).unwrap())),
        ));
        for (name, look) in looks {
            read.store(0, Ordering::Relaxed);
            look();
            let times = read.load(Ordering::Relaxed) / file.len() as u64;
            assert!(times <= 5, "kind {kind}, {name}: read {times} times");
        }
    }
    println!("cases: garbage {}", kinds.len());
}
