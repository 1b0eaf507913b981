//! Completeness of the structure check: for every code, one change to a sound file that causes this
//! finding. `fixtures/damaged` has the changed files, named for the defect, each with all its
//! findings.
//!
//! With `BOLTKEY_WRITE_DAMAGED` set, the folder and its entries in the MANIFEST are written instead
//! of compared.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::support::bolt_image::Image;
use crate::support::fixtures::{content, fixtures};
use boltkey::store::bolt::{Bolt, Code};
use boltkey::store::{Inspect, MAX_KEY_SIZE, MemoryFile, Snapshot};

/// Three buckets, one inline, one with pages and a nested one inside; pages 5 and 6 are free.
const TINY: &str = "tiny-4096-array-136.bolt";
/// One bucket of three leaves under a branch; pages 2 and 3 are free.
const BRANCH: &str = "branch-1024-array-136.bolt";

type Mutator = fn(&mut Image);

/// The first leaf below the branch of [`BRANCH`].
fn leaf(image: &Image, index: usize) -> usize {
    let branch = image.tree_of("fill");
    image.page(image.u64(image.element(branch, index) + 8))
}

fn free_ids(image: &Image) -> usize {
    image.page(image.freelist()) + 16
}

const MUTATORS: &[(Code, &str, Mutator)] = &[
    (Code::OlderMeta, TINY, |i| i.put_u64(i.meta() + 72, 1)),
    (Code::MetaChecksumZero, TINY, |i| {
        i.put_u64(i.other_meta() + 72, 0)
    }),
    (Code::MetaHeader, TINY, |i| i.put(i.other_meta(), &[9])),
    (Code::MetaRoot, TINY, |i| i.set_meta(i.meta(), 32, 0)),
    (Code::MetaPageSize, TINY, |i| {
        i.put_u32(i.meta() + 24, 8192);
        i.seal(i.meta());
    }),
    (Code::OtherMetaPageSize, TINY, |i| {
        let second = i.page_size;
        i.set_meta(0, 64, 4);
        i.put_u32(second + 24, 8192);
        i.seal(second);
    }),
    (Code::OddPageSize, "influx-5000-array-136.bolt.gz", |_| {}),
    (Code::MetaParity, TINY, |i| i.set_meta(i.meta(), 64, 4)),
    (Code::MetaTwins, TINY, |i| i.set_meta(i.other_meta(), 64, 3)),
    (Code::OtherMeta, TINY, |i| i.put(i.page(5) + 8, &[0, 0])),
    (Code::Truncated, TINY, |i| i.bytes.truncate(5 * 4096)),
    (Code::ShortPage, TINY, |i| i.bytes.truncate(4 * 4096 + 2000)),
    (Code::Tail, TINY, |i| i.put(7 * 4096 + 100, &[1])),
    (Code::PageBounds, TINY, |i| {
        i.put_u64(i.value(i.bucket("big")), 7)
    }),
    (Code::PageMissing, TINY, |i| i.bytes.truncate(4 * 4096)),
    (Code::PageId, TINY, |i| i.put_u64(i.page(4), 9)),
    (Code::PageType, TINY, |i| i.put(i.page(4) + 8, &[0x12, 0])),
    (Code::PageCount, TINY, |i| {
        i.put(i.page(4) + 10, &[0xff, 0xff])
    }),
    (Code::PageShared, BRANCH, |i| {
        let branch = i.tree_of("fill");
        let first = i.u64(i.element(branch, 0) + 8);
        i.put_u64(i.element(branch, 1) + 8, first);
    }),
    (Code::ExcessShared, BRANCH, |i| {
        let node = leaf(i, 0);
        i.put_u32(node + 12, i.u32(node + 12) + 1);
    }),
    (Code::TreeDepth, BRANCH, |i| {
        // A chain of branches with one child each, from the bucket to what was its root.
        let root = i.value(i.bucket("fill"));
        let (top, first) = (i.u64(root), i.hwm());
        let branch = i.page(top);
        let key = i.key_of_branch(i.element(branch, 0));
        i.bytes.truncate(i.page(first));
        for page in first..first + 64 {
            let child = if page == first + 63 { top } else { page + 1 };
            i.push_branch(page, &key, child);
        }
        i.put_u64(root, first);
        i.set_meta(i.meta(), 56, first + 64);
    }),
    (Code::TreeUneven, BRANCH, |i| {
        // One more branch is between the root and its last leaf.
        let last = i.element(i.tree_of("fill"), 2);
        let (key, leaf, new) = (i.key_of_branch(last), i.u64(last + 8), i.hwm());
        i.bytes.truncate(i.page(new));
        i.push_branch(new, &key, leaf);
        i.put_u64(last + 8, new);
        i.set_meta(i.meta(), 56, new + 1);
    }),
    (Code::EmptyBranch, BRANCH, |i| {
        i.put(i.tree_of("fill") + 10, &[0, 0])
    }),
    (Code::EmptyLeaf, BRANCH, |i| i.put(leaf(i, 1) + 10, &[0, 0])),
    (Code::SingleChild, BRANCH, |i| {
        i.put(i.tree_of("fill") + 10, &[1, 0])
    }),
    (Code::ExcessPages, TINY, |i| i.put_u32(i.page(4) + 12, 1)),
    (Code::Packing, BRANCH, |i| {
        let node = leaf(i, 0);
        let last = i.element(node, usize::from(i.u16(node + 10)) - 1);
        i.put_u32(last + 4, i.u32(last + 4) + 1);
        i.put_u32(last + 12, i.u32(last + 12) - 1);
    }),
    (Code::Slack, TINY, |i| i.put(5 * 4096 - 1, &[1])),
    (Code::ElementBounds, BRANCH, |i| {
        i.put_u32(i.element(leaf(i, 0), 0) + 12, 60_000)
    }),
    (Code::ElementOverlap, BRANCH, |i| {
        let second = i.element(leaf(i, 0), 1);
        i.put_u32(second + 4, i.u32(second + 4) - 16);
    }),
    (Code::ElementFlags, BRANCH, |i| {
        i.put_u32(i.element(leaf(i, 0), 0), 2)
    }),
    (Code::KeyEmpty, BRANCH, |i| {
        let first = i.element(leaf(i, 0), 0);
        i.put_u32(first + 12, i.u32(first + 8) + i.u32(first + 12));
        i.put_u32(first + 8, 0);
    }),
    (Code::KeySize, "limits-512-array-150.bolt.gz", |i| {
        let long = i
            .all_root_elements()
            .into_iter()
            .find(|e| i.u32(e + 8) > u32::try_from(MAX_KEY_SIZE).unwrap());
        i.put_u32(long.unwrap(), 0);
    }),
    (Code::KeyOrder, BRANCH, |i| {
        let at = i.key(i.element(leaf(i, 0), 0));
        i.put(at, &[0xff]);
    }),
    (Code::KeyRange, BRANCH, |i| {
        let at = i.key(i.element(leaf(i, 1), 0));
        i.put(at, b"a");
    }),
    (Code::BucketValue, TINY, |i| {
        i.put_u32(i.bucket("empty") + 12, 8)
    }),
    (Code::BucketTrailing, TINY, |i| {
        i.put_u32(i.bucket("empty") + 12, 33)
    }),
    (Code::InlinePage, TINY, |i| {
        i.put(i.value(i.bucket("cfg")) + 16 + 8, &[4])
    }),
    (Code::InlineHeader, TINY, |i| {
        i.put(i.value(i.bucket("cfg")) + 16, &[5])
    }),
    (Code::InlineNested, TINY, |i| {
        i.put(i.value(i.bucket("cfg")) + 32, &[1])
    }),
    (Code::NestedBucket, TINY, |_| {}),
    (Code::RootValue, TINY, |i| i.put_u32(i.bucket("empty"), 0)),
    (Code::FreelistAbsent, "influx-1024-none-136.bolt.gz", |_| {}),
    (Code::FreelistPage, TINY, |i| i.put(i.page(3) + 8, &[2])),
    (Code::FreelistCount, TINY, |i| {
        i.put(i.page(3) + 10, &[0x60, 0xea])
    }),
    (Code::FreelistBounds, TINY, |i| i.put_u64(free_ids(i), 1)),
    (Code::FreelistSelf, TINY, |i| i.put_u64(free_ids(i), 3)),
    (Code::FreelistDuplicate, TINY, |i| i.put_u64(free_ids(i), 6)),
    (Code::FreelistOrder, TINY, |i| {
        i.put_u64(free_ids(i), 6);
        i.put_u64(free_ids(i) + 8, 5);
    }),
    (Code::FreelistLive, TINY, |i| i.put_u64(free_ids(i), 4)),
    (Code::Leaked, TINY, |i| i.put(i.page(3) + 10, &[1, 0])),
];

/// The codes that a file shows, or why it can't be opened.
fn findings(bytes: &[u8]) -> BTreeSet<String> {
    let source = Box::new(MemoryFile::new(bytes.to_vec()));
    match Bolt::open(source, Path::new("image")) {
        Ok(bolt) => {
            let check = Inspect::check(&bolt).unwrap();
            look_at_everything(&bolt);
            let codes = check.findings.iter().map(|finding| {
                assert!(finding.place.contains("page") || finding.place == "elsewhere");
                finding.code.to_string()
            });
            codes.collect()
        }
        Err(error) => BTreeSet::from([format!("can't be opened: {:?}", error.kind())]),
    }
}

/// Reads everything readable. It must return.
fn look_at_everything(bolt: &Bolt) {
    for bucket in bolt.buckets().unwrap().0 {
        let _ = bolt
            .scan(&bucket.name, &mut |_, _| ControlFlow::Continue(()))
            .unwrap();
    }
    bolt.unused(&mut |_| {}).unwrap();
    assert!(bolt.page_uses(&mut |_, _| {}).unwrap());
}

fn damaged(code: Code) -> PathBuf {
    let name = code.name().trim_start_matches("structure.");
    fixtures().join("damaged").join(format!("{name}.bolt.gz"))
}

/// The codes of bolt files. The others of `structure.` are about redb stores and locks.
fn codes() -> impl Iterator<Item = Code> {
    let elsewhere = [
        Code::Unlocked,
        Code::Unclean,
        Code::UnfinishedScrub,
        Code::ForeignTable,
    ];
    let codes = Code::ALL.iter().copied();
    codes.filter(move |code| code.is_structure() && !elsewhere.contains(code))
}

#[test]
fn every_code_has_a_change_that_makes_it() {
    let rewrite = std::env::var_os("BOLTKEY_WRITE_DAMAGED").is_some();
    let mut entries = String::new();
    for code in codes() {
        let (_, base, mutate) = MUTATORS
            .iter()
            .find(|(known, ..)| *known == code)
            .unwrap_or_else(|| panic!("{code:?} has no mutator"));
        let mut image = Image::bbolt(base);
        let sound = image.clone();
        mutate(&mut image);
        let before = findings(&sound.bytes);
        let after = findings(&image.bytes);
        assert!(after.contains(code.name()), "{code:?}: {after:?}");
        // An unchanged file means that the code is not about damage.
        if image.bytes != sound.bytes {
            assert!(!before.contains(code.name()), "{code:?} before: {before:?}");
            let path = damaged(code);
            if rewrite {
                write(&path, &image.bytes, &after);
                entries.push_str(&entry(code, base, &path, &after));
            }
            assert_eq!(content(&path), image.bytes, "{}", path.display());
        }
    }
    if rewrite {
        note("damaged", &entries);
    }
    assert_eq!(MUTATORS.len(), codes().count());
    println!("cases: checker {}", MUTATORS.len());
}

fn write(path: &Path, bytes: &[u8], findings: &BTreeSet<String>) {
    let mut packed = flate2::GzBuilder::new().write(Vec::new(), flate2::Compression::best());
    packed.write_all(bytes).unwrap();
    fs::write(path, packed.finish().unwrap()).unwrap();
    let lines: Vec<&str> = findings.iter().map(String::as_str).collect();
    fs::write(expected(path), lines.join("\n") + "\n").unwrap();
}

/// The lines of a damaged file and of its findings for `interop/manifest`.
fn entry(code: Code, base: &str, path: &Path, findings: &BTreeSet<String>) -> String {
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    let findings: Vec<&str> = findings.iter().map(String::as_str).collect();
    let command = "command\tBOLTKEY_WRITE_DAMAGED=1 cargo test --test engine every_code";
    format!(
        "{file}\tproducer\tbbolt v1.3.6, then tests/engine/damaged_files.rs\t{command}\tcontent\tbbolt/{base} \
         with one change\tdefect\t{}\tfindings\t{}\n\
         {}\tproducer\ttests/engine/damaged_files.rs\t{command}\tcontent\tthe findings expected of {file}, one \
         on each line\n",
        code.meaning(),
        findings.join(", "),
        name(&expected(path)),
        file = name(path),
    )
}

/// Replaces the entries of a folder of fixtures in the MANIFEST.
pub fn note(folder: &str, entries: &str) {
    let script = fixtures().join("../interop/manifest");
    let mut running = std::process::Command::new(script)
        .arg(folder)
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = running.stdin.take().unwrap();
    input.write_all(entries.as_bytes()).unwrap();
    drop(input);
    assert!(running.wait().unwrap().success());
}

fn expected(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap().to_str().unwrap();
    path.with_file_name(format!("{}.findings", name.trim_end_matches(".bolt.gz")))
}

#[test]
fn damaged_files_show_what_is_expected_of_them() {
    let mut files = 0;
    for entry in fs::read_dir(fixtures().join("damaged")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "gz") {
            let wanted = fs::read_to_string(expected(&path)).unwrap();
            let wanted: BTreeSet<String> = wanted.lines().map(String::from).collect();
            assert_eq!(findings(&content(&path)), wanted, "{}", path.display());
            files += 1;
        }
    }
    assert!(files > 40);
    println!("cases: damaged-files {files}");
}
