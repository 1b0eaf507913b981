//! Reading whole files: the ones Bolt wrote, and the format's own test vectors.

use std::fmt::Write as _;
use std::io::Read;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::store::bolt::codes::Defect;
use crate::store::bolt::layout::PageId;
use crate::store::bolt::node::{BucketContent, Element, Node};
use crate::store::bolt::validate::Reference;
use crate::store::bolt::walk::{Visit, Walker, inline};
use crate::store::bolt::*;
use crate::store::{MemoryFile, Snapshot};

pub(super) fn open(content: Vec<u8>) -> Bolt {
    Bolt::open(Box::new(MemoryFile::new(content)), Path::new("test.bolt")).unwrap()
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/bbolt")
}

pub(super) fn fixture(name: &str) -> Vec<u8> {
    let content = std::fs::read(fixtures().join(name)).unwrap();
    if !name.ends_with(".gz") {
        return content;
    }
    let mut unpacked = Vec::new();
    flate2::read::MultiGzDecoder::new(&content[..])
        .read_to_end(&mut unpacked)
        .unwrap();
    unpacked
}

/// The files that Bolt wrote.
fn names() -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(fixtures())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".bolt") || name.ends_with(".bolt.gz"))
        .collect();
    names.sort();
    assert!(names.len() >= 29, "{} files", names.len());
    names
}

enum Item {
    Value(Vec<u8>, String),
    Tree(Vec<u8>, u64, PageId),
    Inline(Vec<u8>, u64, Vec<Item>),
}

/// Collects the elements of a bucket. Panics on defects.
#[derive(Default)]
struct Collect(Vec<Item>);

impl Visit for Collect {
    fn defect(&mut self, _: Code, describe: impl FnOnce() -> Defect) {
        panic!("{:?}", describe());
    }

    fn element(&mut self, node: &Node<'_>, element: &Element<'_>) -> ControlFlow<()> {
        let key = element.key.to_vec();
        self.0.push(if element.is_bucket() {
            match node.bucket(element).unwrap() {
                (header, BucketContent::Tree(root)) => Item::Tree(key, header.sequence, root),
                (header, BucketContent::Inline(node, _)) => {
                    let mut inner = Self::default();
                    let _ = inline(&node, &mut inner);
                    Item::Inline(key, header.sequence, inner.0)
                }
            }
        } else {
            Item::Value(key, hex::encode(Sha256::digest(element.value)))
        });
        ControlFlow::Continue(())
    }
}

/// The canonical form that `fixtures/bbolt/README.md` describes.
#[derive(Default)]
struct Dump {
    lines: String,
    buckets: usize,
    keys: usize,
}

impl Dump {
    fn bucket(&mut self, bolt: &Bolt, path: &str, sequence: u64, items: Vec<Item>) {
        self.buckets += 1;
        let shown = if path.is_empty() { "/" } else { path };
        writeln!(self.lines, "bucket {shown} {sequence}").unwrap();
        for item in &items {
            if let Item::Value(key, hash) = item {
                self.keys += 1;
                writeln!(self.lines, "key {shown} {} {hash}", hex::encode(key)).unwrap();
            }
        }
        for item in items {
            match item {
                Item::Value(..) => {}
                Item::Tree(name, sequence, root) => {
                    let inner = tree(bolt, root);
                    self.bucket(
                        bolt,
                        &format!("{path}/{}", hex::encode(&name)),
                        sequence,
                        inner,
                    );
                }
                Item::Inline(name, sequence, inner) => {
                    self.bucket(
                        bolt,
                        &format!("{path}/{}", hex::encode(&name)),
                        sequence,
                        inner,
                    );
                }
            }
        }
    }
}

fn tree(bolt: &Bolt, root: PageId) -> Vec<Item> {
    let mut collect = Collect::default();
    let from = Reference {
        page: root,
        offset: 0,
    };
    let mut walker = Walker::new(&bolt.file, bolt.metas.current.hwm);
    let _ = walker.tree(root, from, &mut collect).unwrap();
    collect.0
}

#[test]
fn contents_are_those_that_bolt_wrote() {
    let mut tried = 0;
    for name in names() {
        let name = name.as_str();
        let stem = name.trim_end_matches(".gz").trim_end_matches(".bolt");
        let wanted = std::fs::read_to_string(fixtures().join(format!("{stem}.digest"))).unwrap();
        let bolt = open(fixture(name));
        let mut dump = Dump::default();
        let top = tree(&bolt, bolt.metas.current.root);
        let names: Vec<Vec<u8>> = top
            .iter()
            .filter_map(|item| match item {
                Item::Value(..) => None,
                Item::Tree(name, ..) | Item::Inline(name, ..) => Some(name.clone()),
            })
            .collect();
        dump.bucket(&bolt, "", 0, top);
        let digest = hex::encode(Sha256::digest(&dump.lines));
        let got = format!("{digest} buckets={} keys={}", dump.buckets, dump.keys);
        assert_eq!(got, wanted.trim(), "{name}");

        let (buckets, findings) = bolt.buckets().unwrap();
        assert_eq!(findings, [], "{name}");
        assert!(buckets.iter().map(|b| &b.name).eq(&names), "{name}");
        for bucket in &names {
            let mut pairs = Vec::new();
            let findings = bolt
                .scan(bucket, &mut |key, value| {
                    pairs.push((key.to_vec(), value.to_vec()));
                    ControlFlow::Continue(())
                })
                .unwrap();
            assert_eq!(findings, [], "{name}");
            for (key, value) in pairs.iter().step_by(pairs.len() / 50 + 1) {
                let got = bolt.get(bucket, key).unwrap();
                assert_eq!(got.as_ref(), Some(value), "{name}");
                let mut next = key.clone();
                next.push(0);
                let there = pairs.iter().find(|(key, _)| *key == next);
                let got = bolt.get(bucket, &next).unwrap();
                assert_eq!(got.as_ref(), there.map(|(_, value)| value), "{name}");
            }
        }
        tried += 1;
    }
    println!("cases: bolt-files {tried}");
}

#[test]
fn the_check_is_content_with_what_bolt_wrote() {
    for name in names() {
        let outcome = open(fixture(&name)).check().unwrap();
        let worse: Vec<_> = outcome
            .findings
            .iter()
            .filter(|finding| finding.severity > Severity::Info)
            .filter(|finding| finding.code != Code::OddPageSize.name() || !name.contains("5000"))
            .collect();
        assert!(worse.is_empty(), "{name}: {worse:?}");
        let pages = outcome.pages;
        let sum = 2 + pages.branch + pages.leaf + pages.freelist + pages.free + pages.leaked;
        assert_eq!(sum, pages.allocated, "{name}");
    }
}

/// The walk of everything streams each pair of a bucket once, as a scan does.
#[test]
fn pairs_are_shown_while_the_pages_are_looked_at() {
    let mut tried = 0;
    for name in names() {
        let content = fixture(&name);
        let bolt = open(content.clone());
        let (buckets, _) = bolt.buckets().unwrap();
        // A few of many, the first and the last among them.
        let step = buckets.len() / 8 + 1;
        let last = buckets.last();
        for bucket in buckets.iter().step_by(step).chain(last) {
            let mut scanned = Vec::new();
            bolt.scan(&bucket.name, &mut |key, value| {
                scanned.push((key.to_vec(), value.to_vec()));
                ControlFlow::Continue(())
            })
            .unwrap();
            let fresh = open(content.clone());
            // During the walk, and from that bucket alone when the walk was done before.
            for _ in 0..2 {
                let mut shown = Vec::new();
                let mut take =
                    |key: &[u8], value: &[u8]| shown.push((key.to_vec(), value.to_vec()));
                assert!(fresh.prepare(&bucket.name, &mut take).unwrap());
                shown.sort();
                assert!(shown == scanned, "{name}");
            }
            tried += 1;
        }
    }
    println!("cases: bolt-files {tried}");
}
