//! One bit is flipped at every offset of small files. Bolt has no checksums on its data, so a flip
//! may cause no finding. Then it changes at most one name, one sequence, or one key with its value.
//! It never causes a panic or a hang.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;

use crate::support::fixtures::{content, fixtures};
use boltkey::store::bolt::Bolt;
use boltkey::store::{Inspect, MemoryFile, Snapshot};

type Pair = (Vec<u8>, Vec<u8>);

/// Buckets in order, with their pairs in order.
type Contents = Vec<(Vec<u8>, u64, Vec<Pair>)>;

/// What a file shows: contents and findings; none when it can't be opened.
fn look(bytes: &[u8]) -> Option<(Contents, BTreeSet<(&'static str, String)>)> {
    let source = Box::new(MemoryFile::new(bytes.to_vec()));
    let bolt = Bolt::open(source, Path::new("image")).ok()?;
    let (buckets, damage) = bolt.buckets().unwrap();
    let mut findings: Vec<_> = damage;
    let mut contents = Vec::new();
    for bucket in buckets {
        let mut pairs = Vec::new();
        findings.extend(
            bolt.scan(&bucket.name, &mut |key, value| {
                pairs.push((key.to_vec(), value.to_vec()));
                ControlFlow::Continue(())
            })
            .unwrap(),
        );
        contents.push((bucket.name, bucket.sequence, pairs));
    }
    findings.extend(Inspect::check(&bolt).unwrap().findings);
    findings.extend(bolt.unused(&mut |_| {}).unwrap());
    // The map of the pages has each page once, in order.
    let mut next = 0;
    let mapped = bolt.page_uses(&mut |pages, _| {
        assert!(pages.start == next && pages.end > next, "{pages:?}");
        next = pages.end;
    });
    assert!(mapped.unwrap());
    let findings = findings
        .into_iter()
        .map(|f| (f.code.name(), f.place))
        .collect();
    Some((contents, findings))
}

/// In how many names, sequences and pairs two contents differ.
fn differences(left: &Contents, right: &Contents) -> usize {
    let mut count = left.len().abs_diff(right.len());
    for ((name, sequence, pairs), (other_name, other_sequence, other_pairs)) in
        left.iter().zip(right)
    {
        count += usize::from(name != other_name) + usize::from(sequence != other_sequence);
        count += pairs.len().abs_diff(other_pairs.len());
        // A flip in an element's lengths moves the border between its key and its value.
        count += pairs
            .iter()
            .zip(other_pairs)
            .filter(|(one, other)| one != other)
            .count();
    }
    count
}

fn flip_every_byte(bytes: &[u8]) -> (usize, usize, usize) {
    let (contents, findings) = look(bytes).unwrap();
    let (mut told, mut unchanged, mut confined) = (0, 0, 0);
    let mut image = bytes.to_vec();
    for offset in 0..image.len() {
        // Every bit gets its turn, in some byte of each eight.
        let bit = 1 << (offset % 8);
        image[offset] ^= bit;
        match look(&image) {
            None => told += 1,
            Some((_, now)) if now.difference(&findings).next().is_some() => told += 1,
            Some((now, _)) => match differences(&contents, &now) {
                0 => unchanged += 1,
                1 => confined += 1,
                more => panic!("a flip at byte {offset} changes {more} things without a finding"),
            },
        }
        image[offset] ^= bit;
    }
    (told, unchanged, confined)
}

#[test]
fn a_flipped_bit_is_told_or_confined() {
    let mut cases = 0;
    for path in [
        fixtures().join("bbolt/tiny-4096-array-136.bolt"),
        fixtures().join("bbolt/branch-1024-array-136.bolt"),
        fixtures().join("../fuzz/corpus/bolt/overflow-array"),
    ] {
        let bytes = content(&path);
        let (told, unchanged, confined) = flip_every_byte(&bytes);
        println!(
            "{}: {told} told, {unchanged} without effect, {confined} confined",
            path.display()
        );
        assert!(told > 0 && unchanged > 0 && confined > 0);
        cases += bytes.len();
    }
    println!("cases: bit-flips {cases}");
}
