//! A token is planted in one place of a file that contains it nowhere else. It is found in every
//! kind of unused byte and in every form. The forms of a token in a text are tested beside the code,
//! in `src/metadata/residue/tests.rs`.

use std::ops::Range;
use std::path::Path;

use crate::support::fixtures::fixture;
use boltkey::metadata::residue::{Known, Residue, Scan};
use boltkey::store::bolt::Bolt;
use boltkey::store::{Inspect, MemoryFile, Unused};

/// The operator's token of the fixture, chosen by a person.
const CHOSEN: &str = "my-super-secret-admin-token";
const PAGE: usize = 4096;

fn open(bytes: &[u8]) -> Bolt {
    let source = Box::new(MemoryFile::new(bytes.to_vec()));
    Bolt::open(source, Path::new("image")).unwrap()
}

/// The runs of unused bytes.
fn runs(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    open(bytes)
        .unused(&mut |unused| {
            if let Unused::Run {
                offset,
                continued,
                bytes,
            } = unused
            {
                let start = usize::try_from(offset).unwrap();
                match runs.last_mut() {
                    Some(last) if continued => last.end = start + bytes.len(),
                    _ => runs.push(start..start + bytes.len()),
                }
            }
        })
        .unwrap();
    runs
}

/// A store whose tokens a real 2.9.1 has hashed, its unused bytes wiped.
fn wiped() -> Vec<u8> {
    let mut bytes = fixture("upgraded-2.9.1");
    for run in runs(&bytes) {
        bytes[run].fill(0);
    }
    assert_eq!(search(&bytes).tokens(), 0);
    bytes
}

fn search(bytes: &[u8]) -> Residue {
    let bolt = open(bytes);
    let (known, _) = Known::load(&bolt).unwrap();
    let mut scan = Scan::new(&known);
    scan.feed_unused(&bolt, &bolt).unwrap();
    scan.finish()
}

/// Whether the token is found, and still is when of all unused bytes only those pages are left of
/// which it was said that they show it.
fn finds(bytes: &[u8]) -> bool {
    let found =
        |residue: &Residue| residue.matching.len() == 1 && residue.matching[0].1.reveal() == CHOSEN;
    let residue = search(bytes);
    let mut rest = bytes.to_vec();
    for run in runs(bytes) {
        for at in run {
            let page = (at / PAGE * PAGE) as u64..(at / PAGE * PAGE + PAGE) as u64;
            let shows = |place: &Range<u64>| place.start < page.end && place.end > page.start;
            if !residue.places.iter().any(shows) {
                rest[at] = 0;
            }
        }
    }
    found(&residue) && found(&search(&rest))
}

/// A node with one element, as Bolt writes it to page `page`.
fn node(page: usize, flags: u16, element: [u8; 16], data: &[u8]) -> Vec<u8> {
    let mut node = (page as u64).to_le_bytes().to_vec();
    node.extend(flags.to_le_bytes());
    node.extend([1, 0, 0, 0, 0, 0]);
    node.extend(element);
    node.extend(data);
    node
}

fn leaf_element(flags: u32, key: &[u8], value: &[u8]) -> [u8; 16] {
    let fields = [
        flags,
        16,
        key.len().try_into().unwrap(),
        value.len().try_into().unwrap(),
    ];
    let mut element = [0; 16];
    for (to, from) in element.chunks_exact_mut(4).zip(fields) {
        to.copy_from_slice(&from.to_le_bytes());
    }
    element
}

fn leaf(page: usize, flags: u32, key: &[u8], value: &[u8]) -> Vec<u8> {
    node(
        page,
        2,
        leaf_element(flags, key, value),
        &[key, value].concat(),
    )
}

fn branch(page: usize, key: &[u8]) -> Vec<u8> {
    let mut element = [0; 16];
    element[..4].copy_from_slice(&16_u32.to_le_bytes());
    element[4..8].copy_from_slice(&u32::try_from(key.len()).unwrap().to_le_bytes());
    element[8..].copy_from_slice(&7_u64.to_le_bytes());
    node(page, 1, element, key)
}

/// A stale leaf with its element array on one page and its second key on the next.
fn overflowing(page: usize, id: &[u8]) -> Vec<u8> {
    let first = vec![b'a'; PAGE];
    let mut node = leaf(page, 0, &first, id);
    node[10] = 2;
    node[12] = 1;
    let mut second = leaf_element(0, CHOSEN.as_bytes(), id);
    let pos = u32::try_from(16 + first.len() + id.len()).unwrap();
    second[4..8].copy_from_slice(&pos.to_le_bytes());
    // One more element moves the data of the first.
    node[16 + 4] += 16;
    node.splice(32..32, second);
    node.extend(CHOSEN.as_bytes());
    node.extend(id);
    node
}

#[test]
fn in_every_form() {
    let sound = wiped();
    let free = runs(&sound)
        .into_iter()
        .map(|run| run.start.div_ceil(PAGE)..run.end / PAGE)
        .find(|pages| pages.start > 1 && pages.len() > 1)
        .unwrap()
        .start;
    let id = b"11af8a50f6848000";
    let record = format!(r#"{{"id":"0000000000000a01","token":"{CHOSEN}","status":"active"}}"#);
    let inner = leaf(0, 0, CHOSEN.as_bytes(), id);
    let inline = [&[0; 16][..], &inner].concat();
    let forms = [
        ("a stale record", leaf(free, 0, id, record.as_bytes())),
        // Its start is lost, where the identifier stood.
        ("a torn record", [b"xx", &record.as_bytes()[20..]].concat()),
        ("a stale index key", leaf(free, 0, CHOSEN.as_bytes(), id)),
        ("a key far behind its node's start", overflowing(free, id)),
        ("a stale branch", branch(free, CHOSEN.as_bytes())),
        (
            "a stale inline index",
            leaf(free, 1, b"authorizationindexv1", &inline),
        ),
    ];
    for (what, planted) in &forms {
        let mut bytes = sound.clone();
        let at = free * PAGE;
        bytes[at..at + planted.len()].copy_from_slice(planted);
        assert!(finds(&bytes), "{what}");
    }
    println!("cases: planted-forms {}", forms.len());
}

#[test]
fn in_every_unused_place() {
    let sound = wiped();
    let planted = format!(r#""token":"{CHOSEN}""#);
    let mut cases = 0;
    for run in runs(&sound) {
        if run.len() < planted.len() {
            continue;
        }
        for start in [run.start, run.end - planted.len()] {
            let mut bytes = sound.clone();
            bytes[start..start + planted.len()].copy_from_slice(planted.as_bytes());
            assert!(finds(&bytes), "at byte {start}");
            cases += 1;
        }
    }
    // Behind the elements of live nodes, which is zero in what Bolt writes.
    for end in (3 * PAGE..=sound.len()).step_by(PAGE) {
        let start = end - planted.len();
        if sound[start..end].iter().any(|byte| *byte != 0) {
            continue;
        }
        let mut bytes = sound.clone();
        bytes[start..end].copy_from_slice(planted.as_bytes());
        if runs(&bytes)
            .iter()
            .any(|run| run.start <= start && run.end >= end)
        {
            assert!(finds(&bytes), "at byte {start}");
            cases += 1;
        }
    }
    // Behind the last page.
    let mut bytes = sound.clone();
    bytes.extend(planted.as_bytes());
    assert!(finds(&bytes));
    println!("cases: planted-places {}", cases + 1);
    assert!(cases > 20);
}
