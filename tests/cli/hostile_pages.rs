//! redb stores with forged page numbers, in which all checksums are right. The number says that the
//! page has 4 GiB.

use std::fs;
use std::path::Path;

use redb::{Database, MultimapTableDefinition, TableDefinition};
use twox_hash::XxHash3_128;

use crate::hostile_files::Place;

const MANY: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("many");
const VALUES: MultimapTableDefinition<'_, &[u8], &[u8]> = MultimapTableDefinition::new("values");

/// A place in a file where a page is named.
#[derive(Clone, Copy)]
struct Step {
    /// The offset of the page number.
    number: usize,
    /// The offset of the checksum of the page.
    sum: usize,
}

struct Forgery {
    bytes: Vec<u8>,
}

impl Forgery {
    fn u16(&self, at: usize) -> usize {
        usize::from(u16::from_le_bytes(*self.bytes[at..].first_chunk().unwrap()))
    }

    fn u32(&self, at: usize) -> usize {
        u32::from_le_bytes(*self.bytes[at..].first_chunk().unwrap()) as usize
    }

    fn u64(&self, at: usize) -> usize {
        usize::try_from(u64::from_le_bytes(*self.bytes[at..].first_chunk().unwrap())).unwrap()
    }

    /// The offset of the slot in use.
    fn slot(&self) -> usize {
        64 + 128 * usize::from(self.bytes[9] & 1)
    }

    /// The offset of the page that a number names.
    fn page(&self, number: usize) -> usize {
        let page = self.u64(number);
        let (page_size, header, data) = (self.u32(12), self.u32(16), self.u32(20));
        let order = page >> 59;
        let region = (page >> 20) & 0xf_ffff;
        let index = page & (0xf_ffff >> order);
        page_size * (1 + region * (header + data) + header) + index * (page_size << order)
    }

    fn is_leaf(&self, page: usize) -> bool {
        self.bytes[page] == 1
    }

    fn child(&self, page: usize, child: usize) -> Step {
        let children = self.u16(page + 2) + 1;
        Step {
            number: page + 8 + 16 * children + 8 * child,
            sum: page + 8 + 16 * child,
        }
    }

    /// Keys and offsets of values of a leaf.
    fn entries(&self, page: usize) -> Vec<(&[u8], usize)> {
        let count = self.u16(page + 2);
        let (mut key, mut value) = (4 + 8 * count, self.u32(page + 4 + 4 * (count - 1)));
        let mut entries = Vec::new();
        for entry in 0..count {
            let end = self.u32(page + 4 + 4 * entry);
            entries.push((&self.bytes[page + key..page + end], page + value));
            key = end;
            value = self.u32(page + 4 + 4 * count + 4 * entry);
        }
        entries
    }

    /// The offset of the value of a key, and the way to its leaf.
    fn find(&self, from: &[Step], key: &[u8]) -> Option<(Vec<Step>, usize)> {
        let page = self.page(from.last().unwrap().number);
        if self.is_leaf(page) {
            let entries = self.entries(page);
            let found = entries.iter().find(|(there, _)| *there == key)?;
            return Some((from.to_vec(), found.1));
        }
        (0..=self.u16(page + 2))
            .find_map(|child| self.find(&[from, &[self.child(page, child)]].concat(), key))
    }

    /// The way to a table.
    fn table(&self, name: &str) -> Vec<Step> {
        let (mut steps, definition) = self.find(&[self.root()], name.as_bytes()).unwrap();
        steps.push(Step {
            number: definition + 10,
            sum: definition + 18,
        });
        steps
    }

    fn root(&self) -> Step {
        let slot = self.slot();
        Step {
            number: slot + 8,
            sum: slot + 16,
        }
    }

    /// Makes the last page 4 GiB long, and all checksums right.
    fn forge(&mut self, steps: &[Step]) {
        let (last, above) = steps.split_last().unwrap();
        self.bytes[last.number + 7] = 20 << 3 | (self.bytes[last.number + 7] & 7);
        self.seal(above);
    }

    fn seal(&mut self, steps: &[Step]) {
        for step in steps.iter().rev() {
            let page = self.page(step.number);
            let count = self.u16(page + 2);
            let end = if self.is_leaf(page) {
                self.u32(page + 4 + 4 * count + 4 * (count - 1))
            } else {
                self.u32(page + 8 + 24 * (count + 1) + 4 * (count - 1))
            };
            self.sign(page..page + end, step.sum);
        }
        let slot = self.slot();
        self.sign(slot..slot + 112, slot + 112);
    }

    fn sign(&mut self, range: std::ops::Range<usize>, at: usize) {
        let sum = XxHash3_128::oneshot(&self.bytes[range]).to_le_bytes();
        self.bytes[at..at + 16].copy_from_slice(&sum);
    }
}

/// A store of each engine's tables, with one table of several levels and one of many values.
fn store(path: &Path) {
    let database = Database::open(path).unwrap();
    let transaction = database.begin_write().unwrap();
    {
        let mut many = transaction.open_table(MANY).unwrap();
        let mut values = transaction.open_multimap_table(VALUES).unwrap();
        for n in 0..2000_u32 {
            let key = n.to_be_bytes();
            many.insert(&key[..], &[0; 100][..]).unwrap();
            values.insert(&b"key"[..], &key[..]).unwrap();
        }
    }
    transaction.commit().unwrap();
}

#[test]
fn a_page_of_four_gigabytes_is_never_allocated() {
    let place = Place::new();
    let path = place.redb("influxd.redb");
    store(&path);
    let sound = Forgery {
        bytes: fs::read(&path).unwrap(),
    };
    let root = vec![sound.root()];
    let table = sound.table("many");
    let top = sound.page(table.last().unwrap().number);
    assert!(!sound.is_leaf(top));
    let branch = [&table[..], &[sound.child(top, 1)]].concat();
    let (mut subtree, value) = sound.find(&sound.table("values"), b"key").unwrap();
    assert_eq!(sound.bytes[value], 3);
    subtree.push(Step {
        number: value + 1,
        sum: value + 9,
    });
    // The checksums of a store that is not forged stay the same.
    let mut sealed = Forgery {
        bytes: sound.bytes.clone(),
    };
    for steps in [&root, &table, &branch, &subtree] {
        sealed.seal(&steps[..steps.len() - 1]);
    }
    assert!(sealed.bytes == sound.bytes);
    place.done(&["status", "--db", "influxd.redb"]);

    let mut refused = 0;
    for (name, steps) in [
        ("root", root),
        ("table", table),
        ("branch", branch),
        ("subtree", subtree),
    ] {
        let mut forged = Forgery {
            bytes: sound.bytes.clone(),
        };
        forged.forge(&steps);
        fs::write(&path, &forged.bytes).unwrap();
        for command in [
            &["status"][..],
            &["check"],
            &["capture", "--out", "new"],
            &["residue", "scan"],
            &["residue", "scrub", "-y"],
            &["recover", "operator", "--token-out", "new", "-y"],
        ] {
            let command = [command, &["--db", "influxd.redb"]].concat();
            let ran = place.run(&command);
            let said = String::from_utf8_lossy(&ran.stderr);
            assert_eq!(ran.status.code(), Some(5), "{name} {command:?}: {said}");
            refused += 1;
        }
        assert!(fs::read(&path).unwrap() == forged.bytes, "{name}");
    }
    println!("cases: forged-pages {refused}");
}
