//! Files that are made to take long: thousands of roots and freelists, and pages that lead to each
//! other.

use std::time::{Duration, Instant};

use crate::support::salvage::salvaged;

const PAGE: usize = 4096;

/// A page of this file.
fn page(bytes: &mut [u8], number: usize, flags: u16, count: u16) -> &mut [u8] {
    let page = &mut bytes[number * PAGE..(number + 1) * PAGE];
    page[..8].copy_from_slice(&(number as u64).to_le_bytes());
    page[8..10].copy_from_slice(&flags.to_le_bytes());
    page[10..12].copy_from_slice(&count.to_le_bytes());
    page
}

/// A leaf with buckets that lead to these pages.
fn root(bytes: &mut [u8], number: usize, children: &[usize]) {
    let count = u16::try_from(children.len()).unwrap();
    let page = page(bytes, number, 2, count);
    let mut data = 16 + 16 * children.len();
    for (index, child) in children.iter().enumerate() {
        let at = 16 + 16 * index;
        let name = format!("bucket{index:02}");
        page[at..at + 4].copy_from_slice(&1_u32.to_le_bytes());
        let pos = u32::try_from(data - at).unwrap();
        page[at + 4..at + 8].copy_from_slice(&pos.to_le_bytes());
        page[at + 8..at + 12].copy_from_slice(&8_u32.to_le_bytes());
        page[at + 12..at + 16].copy_from_slice(&16_u32.to_le_bytes());
        page[data..data + 8].copy_from_slice(name.as_bytes());
        page[data + 8..data + 16].copy_from_slice(&(*child as u64).to_le_bytes());
        data += 24;
    }
}

/// A leaf with one record.
fn leaf(bytes: &mut [u8], number: usize) {
    let page = page(bytes, number, 2, 1);
    page[20..24].copy_from_slice(&16_u32.to_le_bytes());
    page[24..28].copy_from_slice(&16_u32.to_le_bytes());
    page[28..32].copy_from_slice(&60_u32.to_le_bytes());
    page[32..48].copy_from_slice(format!("{number:016x}").as_bytes());
    page[48..108].fill(b'x');
    page[48..55].copy_from_slice(b"$2a$10$");
}

#[test]
fn thousands_of_roots_and_freelists_take_seconds() {
    const MANY: usize = 4000;
    let pages = 2 + 3 * MANY;
    let mut bytes = vec![0; pages * PAGE];
    for number in 0..MANY {
        let at = 2 + 3 * number;
        leaf(&mut bytes, at);
        // Each root leads to many leaves that others lead to as well.
        let children: Vec<usize> = (0..60).map(|n| 2 + 3 * ((number + n) % MANY)).collect();
        root(&mut bytes, at + 1, &children);
        let free: Vec<usize> = (0..300).map(|n| 3 + 3 * ((number + n) % MANY)).collect();
        let mut free: Vec<usize> = free.into_iter().filter(|page| *page != at + 2).collect();
        free.sort_unstable();
        let list = page(&mut bytes, at + 2, 16, u16::try_from(free.len()).unwrap());
        for (index, number) in free.iter().enumerate() {
            let place = 16 + 8 * index;
            list[place..place + 8].copy_from_slice(&(*number as u64).to_le_bytes());
        }
    }
    let begun = Instant::now();
    let found = salvaged(&bytes);
    assert_eq!(found.sources.state, "pages");
    let took = begun.elapsed();
    println!("{took:?}");
    assert!(took < Duration::from_secs(60), "{took:?}");
}

#[test]
fn pages_that_lead_to_each_other_end() {
    let pages = 2000;
    let mut bytes = vec![0; pages * PAGE];
    for number in 2..pages {
        // A branch that leads to itself, to the next one, and to the first.
        let page = page(&mut bytes, number, 1, 3);
        let children = [number, (number + 1) % pages, 2];
        for (index, child) in children.into_iter().enumerate() {
            let at = 16 + 16 * index;
            let pos = u32::try_from(64 + 8 * index - at).unwrap();
            page[at..at + 4].copy_from_slice(&pos.to_le_bytes());
            page[at + 4..at + 8].copy_from_slice(&8_u32.to_le_bytes());
            page[at + 8..at + 16].copy_from_slice(&(child as u64).to_le_bytes());
            let key = format!("{index:08}");
            page[64 + 8 * index..72 + 8 * index].copy_from_slice(key.as_bytes());
        }
    }
    let begun = Instant::now();
    let found = salvaged(&bytes);
    assert_eq!(found.rebuilt.tokens.found, 0);
    assert!(begun.elapsed() < Duration::from_secs(150));
}
