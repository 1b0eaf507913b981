//! Bytes that nothing uses, when a backup is restored. A store without such bytes is used as it is.
//! Every other store is copied to a new file, and the unused bytes are gone.

use std::fs;
use std::path::Path;

use boltkey::finding::Severity;
use boltkey::ops::backup::restore::Planned;
use boltkey::ops::backup::restored_access::OperatorSource;
use boltkey::ops::backup::source::{Backup, From};
use boltkey::ops::files::disk::RealDisk;
use boltkey::secret::Token;
use boltkey::store::device::on_file;
use boltkey::store::{
    ChangeSet, Commit, Engine, OpenOptions, Progress, Snapshot, Store, WritableStore,
};
use tempfile::TempDir;

use crate::scene::{into_empty, planned};
use crate::support::bolt_image::checksum;
use crate::support::fixtures::{fixture, gzip, operator_token};

const STORES: [&str; 6] = [
    "fresh-2.9.1-plaintext",
    "lived-2.7.12",
    "lived-2.9.1",
    "lived-2.9.1-plaintext",
    "mixed-2.9.1",
    "upgraded-2.9.1",
];

/// A store, and one of its operator tokens.
fn store_of(name: &str) -> (Vec<u8>, String) {
    (fixture(name), operator_token(name))
}

/// Whether a store is compact; none if it is damaged.
fn compact_if_sound(bytes: &[u8]) -> Option<bool> {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), bytes).unwrap();
    let store = Store::open(file.path(), &OpenOptions::default()).unwrap();
    let findings = store.inspect().check().unwrap().findings;
    let sound = findings.iter().all(|f| f.severity != Severity::Error);
    sound.then(|| store.inspect().is_compact().unwrap())
}

fn is_compact(bytes: &[u8]) -> bool {
    compact_if_sound(bytes).unwrap()
}

/// As an export lays it out.
fn laid_out(folder: &Path, bytes: &[u8]) -> Vec<u8> {
    let (from, to) = (folder.join("from.bolt"), folder.join("to.bolt"));
    fs::write(&from, bytes).unwrap();
    let mut new = fs::File::options();
    let new = new.read(true).write(true).create(true).truncate(true);
    let device = on_file(new.open(&to).unwrap());
    let store = Store::open(&from, &OpenOptions::default()).unwrap();
    let progress = Progress::new(&|_| {});
    store.copy_to(Engine::Bolt, device, &to, &progress).unwrap();
    fs::read(&to).unwrap()
}

/// Restores a packed store.
fn restored(bytes: &[u8], token: &str) -> Vec<u8> {
    let folder = TempDir::new().unwrap();
    let backup = folder.path().join("backup.bolt.gz");
    fs::write(&backup, gzip(bytes)).unwrap();
    let to = folder.path().join("influxd.bolt");
    let options = into_empty(&to);
    let backup = Backup::open(From::Path(&backup), None).unwrap();
    let opener = OperatorSource::Token(Token::new(token.to_owned()));
    let planned = planned(&backup, opener, &options).unwrap();
    let Planned::Ready(mut plan) = planned else {
        panic!("the token does not open the backup");
    };
    // Nothing has a name yet.
    assert!(!to.exists());
    plan.apply(None, "20270115T080000Z", &RealDisk, &|_| {})
        .unwrap();
    fs::read(&to).unwrap()
}

#[test]
fn a_compact_store_is_taken_as_it_is_and_others_become_compact() {
    let folder = TempDir::new().unwrap();
    for name in STORES {
        let (bytes, token) = store_of(name);
        let compact = laid_out(folder.path(), &bytes);
        assert!(is_compact(&compact), "{name}");
        assert!(restored(&compact, &token) == compact, "{name}");
        assert!(!is_compact(&bytes), "{name}: nothing is shown by this test");
        assert!(restored(&bytes, &token) == compact, "{name}");
    }
    println!("cases: restored-as-they-are {}", STORES.len());
}

/// The number at an offset, of so many bytes.
fn number(bytes: &[u8], at: usize, length: usize) -> usize {
    let number = bytes[at..at + length].iter().rev();
    number.fold(0, |sum, byte| sum << 8 | usize::from(*byte))
}

const PAGE: usize = 4096;
const PLANTED: &[u8] = b"PLANTED";

/// Pages that end in zeros.
fn with_slack(bytes: &[u8]) -> Vec<usize> {
    let blank = |page: &usize| {
        let end = (page + 1) * PAGE;
        bytes[end - PLANTED.len()..end]
            .iter()
            .all(|byte| *byte == 0)
    };
    (0..bytes.len() / PAGE).filter(blank).collect()
}

#[test]
fn what_is_planted_beside_the_content_is_gone() {
    let folder = TempDir::new().unwrap();
    let (mut tried, mut branches) = (0, 0);
    for name in STORES {
        let (bytes, token) = store_of(name);
        let compact = laid_out(folder.path(), &bytes);
        let mut check = |planted: &[u8], what: &str| {
            assert!(!is_compact(planted), "{name}: {what}");
            assert!(restored(planted, &token) == compact, "{name}: {what}");
            tried += 1;
        };
        // Behind the metas, the freelist, and the last element of nodes.
        for page in with_slack(&compact) {
            let mut planted = compact.clone();
            let end = (page + 1) * PAGE;
            planted[end - PLANTED.len()..end].copy_from_slice(PLANTED);
            check(&planted, &format!("the end of page {page}"));
        }
        // Behind the last page.
        let mut planted = compact.clone();
        planted.extend(PLANTED);
        planted.resize(compact.len() + PAGE, 0);
        check(&planted, "the tail");
        planted[compact.len()..].fill(0);
        check(&planted, "an empty tail");
        // In a branch, as the key of an element that is gone.
        for page in 3..compact.len() / PAGE {
            let start = page * PAGE;
            let is_branch = number(&compact, start, 8) == page
                && number(&compact, start + 8, 2) == 1
                && number(&compact, start + 10, 2) > 1;
            for element in (1..).take(if is_branch {
                number(&compact, start + 10, 2) - 1
            } else {
                0
            }) {
                let element = start + 16 + 16 * element;
                let key = element + number(&compact, element, 4);
                let end = key + number(&compact, element + 4, 4);
                let mut planted = compact.clone();
                planted[end - 1] -= 1;
                // Where the key before is not that one.
                if compact_if_sound(&planted).is_some() {
                    check(&planted, &format!("a key in branch {page}"));
                    branches += 1;
                    break;
                }
            }
        }
    }
    assert!(branches > 0 && tried > 100, "{branches} {tried}");
    println!("cases: planted-in-compact-stores {tried}");
}

/// After a change there are free pages, wiped or not.
#[test]
fn free_pages_are_left_out() {
    let folder = TempDir::new().unwrap();
    for name in STORES {
        let (bytes, token) = store_of(name);
        let compact = laid_out(folder.path(), &bytes);
        let path = folder.path().join("changed.bolt");
        fs::write(&path, &compact).unwrap();
        let mut store = WritableStore::open(&path, &OpenOptions::default()).unwrap();
        let bucket = store.buckets().unwrap().0.remove(0).name;
        for put in [true, false] {
            let mut changes = ChangeSet::default();
            match put {
                true => changes.put(&bucket, b"zzz", b"more"),
                false => changes.remove(&bucket, b"zzz"),
            }
            assert!(store.commit(&changes, &[]).unwrap().failure.is_none());
        }
        drop(store);
        let changed = fs::read(&path).unwrap();
        assert!(!is_compact(&changed), "{name}");
        assert!(restored(&changed, &token) == compact, "{name}");
    }
    println!("cases: restored-without-free-pages {}", STORES.len());
}

/// Puts a number into the meta of a slot, with the sum made right.
fn put_in_meta(bytes: &mut [u8], slot: usize, at: usize, value: &[u8]) {
    let meta = slot * PAGE;
    bytes[meta + at..meta + at + value.len()].copy_from_slice(value);
    let sum = checksum(&bytes[meta + 16..meta + 72]);
    bytes[meta + 72..meta + 80].copy_from_slice(&sum.to_le_bytes());
}

const ROOT: usize = 32;
const FREELIST: usize = 48;
const HWM: usize = 56;
const TXID: usize = 64;

/// The freelist changes places with another page that one number in the file leads to.
fn freelist_moved(bytes: &[u8]) -> Option<Vec<u8>> {
    for page in (3..bytes.len() / PAGE).rev() {
        let (start, name) = (page * PAGE, (page as u64).to_le_bytes());
        let leads_there = |at: &usize| bytes[*at..].starts_with(&name) && *at != start;
        let mut places = (0..bytes.len()).filter(leads_there);
        let (Some(place), None) = (places.next(), places.next()) else {
            continue;
        };
        if number(bytes, start, 8) != page || number(bytes, start + 12, 4) > 0 || place < 2 * PAGE {
            continue;
        }
        let mut moved = bytes.to_vec();
        moved[place..place + 8].copy_from_slice(&2_u64.to_le_bytes());
        for at in 0..PAGE {
            moved.swap(2 * PAGE + at, start + at);
        }
        moved[2 * PAGE..2 * PAGE + 8].copy_from_slice(&2_u64.to_le_bytes());
        moved[start..start + 8].copy_from_slice(&name);
        for slot in [0, 1] {
            put_in_meta(&mut moved, slot, FREELIST, &name);
        }
        return Some(moved);
    }
    None
}

/// The children of a branch: keys and pages.
fn children(bytes: &[u8], page: usize) -> Vec<(Vec<u8>, u64)> {
    let start = page * PAGE;
    let elements = (0..number(bytes, start + 10, 2)).map(|index| start + 16 + 16 * index);
    let child = |element: usize| {
        let key = element + number(bytes, element, 4);
        let length = number(bytes, element + 4, 4);
        let page = number(bytes, element + 8, 8) as u64;
        (bytes[key..key + length].to_vec(), page)
    };
    elements.map(child).collect()
}

/// Writes a branch with these children.
fn put_branch(bytes: &mut [u8], page: usize, children: &[(Vec<u8>, u64)]) {
    let mut image = header(page, 1, children.len());
    let mut keys: Vec<u8> = Vec::new();
    for (index, (key, child)) in children.iter().enumerate() {
        let at = 16 * (children.len() - index) + keys.len();
        image.extend(&(at as u64).to_le_bytes()[..4]);
        image.extend(&(key.len() as u64).to_le_bytes()[..4]);
        image.extend(child.to_le_bytes());
        keys.extend(key);
    }
    image.extend(keys);
    image.resize(PAGE, 0);
    bytes[page * PAGE..(page + 1) * PAGE].copy_from_slice(&image);
}

fn header(page: usize, flags: u16, count: usize) -> Vec<u8> {
    let mut header = (page as u64).to_le_bytes().to_vec();
    header.extend(flags.to_le_bytes());
    header.extend(&(count as u64).to_le_bytes()[..2]);
    header.extend(0_u32.to_le_bytes());
    header
}

/// Trees that Bolt would lose records of, or stop at, once it changes them. Each has one page more.
fn lopsided(compact: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let branch = (3..compact.len() / PAGE).find(|page| {
        let start = page * PAGE;
        let is = |at: usize, length, what| number(compact, start + at, length) == what;
        is(0, 8, *page) && is(8, 2, 1) && number(compact, start + 10, 2) > 2
    });
    let Some(branch) = branch else {
        return Vec::new();
    };
    let more = compact.len() / PAGE;
    let mut longer = compact.to_vec();
    longer.resize(compact.len() + PAGE, 0);
    for slot in [0, 1] {
        put_in_meta(&mut longer, slot, HWM, &(more as u64 + 1).to_le_bytes());
    }
    let children = children(compact, branch);
    let below = |count: usize| {
        let mut bytes = longer.clone();
        let (stay, go) = children.split_at(children.len() - count);
        put_branch(&mut bytes, more, go);
        let new = (go[0].0.clone(), more as u64);
        put_branch(&mut bytes, branch, &[stay, &[new]].concat());
        bytes
    };
    let mut empty = longer.clone();
    empty[more * PAGE..more * PAGE + 16].copy_from_slice(&header(more, 2, 0));
    let key = (b"zzz-the-key-of-a-deleted-token".to_vec(), more as u64);
    put_branch(&mut empty, branch, &[&children[..], &[key]].concat());
    vec![
        ("a tree with leaves of several depths", below(2)),
        ("a branch with one child", below(1)),
        ("an empty leaf", empty),
    ]
}

/// Whose metas say what no new file's do.
fn odd_metas(compact: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let with = |slots: &[usize], at, value: &[u8]| {
        let mut bytes = compact.to_vec();
        for slot in slots {
            put_in_meta(&mut bytes, *slot, at, value);
        }
        bytes
    };
    let pages = (compact.len() / PAGE) as u64;
    let mut last = compact.to_vec();
    put_in_meta(&mut last, 0, TXID, &(u64::MAX - 1).to_le_bytes());
    put_in_meta(&mut last, 1, TXID, &u64::MAX.to_le_bytes());
    vec![
        ("the last numbers of transactions", last),
        (
            "pages beyond the end",
            with(&[0, 1], HWM, &(pages + 1_000_000).to_le_bytes()),
        ),
        ("another root", with(&[0], ROOT, &3_u64.to_le_bytes())),
        ("another end", with(&[0], HWM, &3_u64.to_le_bytes())),
        ("the flags of a meta", with(&[0, 1], 28, b"seen")),
        ("the header of a meta page", with(&[0], 10, b"secret")),
    ]
}

/// The page number in an inline bucket's page, which is 0.
fn in_an_inline_bucket(compact: &[u8]) -> Option<Vec<u8>> {
    let leaves = (3..compact.len() / PAGE).map(|page| page * PAGE);
    let leaves = leaves.filter(|start| number(compact, start + 8, 2) == 2);
    let mut elements = leaves.flat_map(|start| {
        (0..number(compact, start + 10, 2)).map(move |index| start + 16 + 16 * index)
    });
    let value = elements.find_map(|element| {
        let value = element + number(compact, element + 4, 4) + number(compact, element + 8, 4);
        let inline = number(compact, element, 4) == 1 && number(compact, value, 8) == 0;
        inline.then_some(value)
    })?;
    let mut bytes = compact.to_vec();
    bytes[value + 16..value + 24].copy_from_slice(b"SECRET01");
    Some(bytes)
}

/// What looks nearly as an export does, and may hold what a copy would leave out, or be built so
/// that a server would lose records.
#[test]
fn what_no_export_looks_like_is_laid_out_anew() {
    let folder = TempDir::new().unwrap();
    let mut tried = std::collections::BTreeMap::new();
    for name in STORES {
        let (bytes, token) = store_of(name);
        let compact = laid_out(folder.path(), &bytes);
        let mut cases = [lopsided(&compact), odd_metas(&compact)].concat();
        let inline = in_an_inline_bucket(&compact);
        cases.extend(inline.map(|bytes| ("an inline bucket", bytes)));
        let moved = freelist_moved(&compact);
        cases.extend(moved.map(|bytes| ("the freelist elsewhere", bytes)));
        for (what, odd) in cases {
            // A file whose end is missing is damaged, so it is none either.
            assert_ne!(compact_if_sound(&odd), Some(true), "{name}: {what}");
            assert!(restored(&odd, &token) == compact, "{name}: {what}");
            *tried.entry(what).or_insert(0) += 1;
        }
    }
    assert_eq!(tried.len(), 11, "{tried:?}");
    println!("cases: restored-though-odd {}", tried.values().sum::<i32>());
}
