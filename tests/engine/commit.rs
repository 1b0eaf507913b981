//! Random changes to files of every page size, freelist form and shape. Afterwards the contents
//! equal the model, the structure is sound, no page is lost or used twice, protected bytes are
//! unchanged, and replaced bytes are gone.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

use crate::support::device::Recorder;
use boltkey::store::Engine;

use crate::support::fixtures::{content, fixtures};
use crate::support::store_image::{made, open as open_image};
use boltkey::finding::Severity;
use boltkey::store::bolt::Bolt;
use boltkey::store::change::{PairAction, Transform};
use boltkey::store::{
    ChangeSet, Commit, CommitOutcome, Inspect, MAX_KEY_SIZE, MemoryFile, Model, Preview, Snapshot,
    Unused, WritableStore,
};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

fn files() -> Vec<std::path::PathBuf> {
    let mut files: Vec<_> = ["bbolt", "real"]
        .iter()
        .flat_map(|folder| std::fs::read_dir(fixtures().join(folder)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_str().unwrap().contains(".bolt"))
        // 33 MB of nothing but free pages, and one with pages of 1 MiB: one test each.
        .filter(|path| !path.to_str().unwrap().contains("longfreelist"))
        .filter(|path| !path.to_str().unwrap().contains("1048576"))
        .collect();
    files.sort();
    files
}

/// What is done to one store in one commit.
#[derive(Debug, Clone)]
enum Step {
    /// Puts a value of this size at a new key in the `n`th bucket.
    Put(usize, Vec<u8>, usize),
    /// Replaces the value of the `m`th key of the `n`th bucket.
    Replace(usize, usize, usize),
    /// Removes some consecutive keys.
    Remove(usize, usize, usize),
    Create(Vec<u8>),
    Delete(usize),
    Transform(usize, u8),
}

fn step() -> impl Strategy<Value = Step> {
    let key = prop_oneof![
        8 => proptest::collection::vec(any::<u8>(), 1..24),
        1 => proptest::collection::vec(any::<u8>(), 100..900),
        1 => (1..MAX_KEY_SIZE).prop_map(|n| vec![b'k'; n]),
    ];
    let size = prop_oneof![6 => 0..400_usize, 2 => 0..5000_usize, 1 => 0..70_000_usize];
    prop_oneof![
        6 => (any::<usize>(), key.clone(), size.clone()).prop_map(|(n, k, s)| Step::Put(n, k, s)),
        4 => (any::<usize>(), any::<usize>(), size).prop_map(|(n, m, s)| Step::Replace(n, m, s)),
        4 => (any::<usize>(), any::<usize>(), 1..200_usize)
            .prop_map(|(n, m, c)| Step::Remove(n, m, c)),
        1 => key.prop_map(Step::Create),
        1 => any::<usize>().prop_map(Step::Delete),
        1 => (any::<usize>(), any::<u8>()).prop_map(|(n, s)| Step::Transform(n, s)),
    ]
}

struct Mixed(u8);

impl Transform for Mixed {
    fn apply(&self, key: &[u8], value: &[u8], out: &mut Vec<u8>) -> boltkey::Result<PairAction> {
        let sum = key
            .iter()
            .fold(self.0, |sum, byte| sum.wrapping_mul(31) ^ byte);
        Ok(match sum % 4 {
            0 => PairAction::Remove,
            1 => PairAction::Keep,
            _ => {
                out.extend_from_slice(&value[..value.len() / 2]);
                out.extend_from_slice(key);
                PairAction::Replace
            }
        })
    }
}

fn changes(snapshot: &dyn Snapshot, steps: &[Step]) -> ChangeSet {
    let mut changes = ChangeSet::default();
    let buckets = snapshot.buckets().unwrap().0;
    let bucket = |n: usize| (!buckets.is_empty()).then(|| buckets[n % buckets.len()].name.clone());
    let keys = |name: &[u8]| {
        let mut keys = Vec::new();
        snapshot
            .scan(name, &mut |key, _| {
                keys.push(key.to_vec());
                std::ops::ControlFlow::Continue(())
            })
            .unwrap();
        keys
    };
    for step in steps {
        match step {
            Step::Put(n, key, size) => {
                let Some(name) = bucket(*n) else { continue };
                changes.put(&name, key, &vec![b'v'; *size]);
            }
            Step::Replace(n, m, size) => {
                let Some(name) = bucket(*n) else { continue };
                let keys = keys(&name);
                if !keys.is_empty() {
                    changes.put(&name, &keys[m % keys.len()], &vec![b'w'; *size]);
                }
            }
            Step::Remove(n, m, count) => {
                let Some(name) = bucket(*n) else { continue };
                let keys = keys(&name);
                let start = if keys.is_empty() { 0 } else { m % keys.len() };
                for key in keys.iter().skip(start).take(*count) {
                    changes.remove(&name, key);
                }
            }
            Step::Create(name) => changes.create_bucket(name),
            Step::Delete(n) => {
                if let Some(name) = bucket(*n) {
                    changes.delete_bucket(&name);
                }
            }
            Step::Transform(n, salt) => {
                let Some(name) = bucket(*n) else { continue };
                changes.bucket(&name).transform = Some(Box::new(Mixed(*salt)));
            }
        }
    }
    changes
}

fn open(bytes: &[u8]) -> Bolt {
    Bolt::open(
        Box::new(MemoryFile::new(bytes.to_vec())),
        Path::new("image"),
    )
    .unwrap()
}

/// Everything that must hold of a Bolt file after a commit.
fn sound(bytes: &[u8], what: &str) {
    let bolt = open(bytes);
    let check = Inspect::check(&bolt).unwrap();
    for finding in &check.findings {
        // Leaks, gaps and nested oddities of the file's own making are only noted.
        assert!(finding.severity != Severity::Error, "{what}: {finding:?}");
        assert!(
            ![
                "leaked",
                "single-child",
                "other-meta",
                "freelist-order",
                "truncated",
                "older-meta"
            ]
            .iter()
            .any(|code| finding.code.name() == format!("structure.{code}")),
            "{what}: {finding:?}"
        );
    }
    let pages = &check.pages;
    assert_eq!(
        2 + pages.branch + pages.leaf + pages.freelist + pages.free,
        pages.allocated,
        "{what}: {pages:?}"
    );
    assert!(bytes.len() as u64 >= pages.allocated * pages.page_size);
    // As Bolt has it: each meta page in the slot that its number says, one after the other.
    let second = usize::try_from(pages.page_size).unwrap();
    let number = |at: usize| u64::from_le_bytes(bytes[at + 64..at + 72].try_into().unwrap());
    let (even, odd) = (number(0), number(second));
    assert!(even % 2 == 0 && odd % 2 == 1, "{what}: {even} and {odd}");
    assert_eq!(even.abs_diff(odd), 1, "{what}: {even} and {odd}");
}

/// Everything that must hold of a file of redb: the library has checked every sum to open it, and
/// needed no repair.
fn sound_redb(bytes: &[u8], what: &str) {
    let store = open_image(Engine::Redb, bytes).unwrap();
    let check = store.check().unwrap();
    assert!(check.findings.is_empty(), "{what}: {:?}", check.findings);
}

/// Runs of unused bytes that are not all zero; in a file of redb, of any bytes.
fn unused(engine: Engine, bytes: &[u8]) -> Vec<Range<u64>> {
    let mut runs = Vec::new();
    if engine == Engine::Redb {
        let length = bytes.len() as u64;
        return (1..9).map(|n| length * n / 9..length).collect();
    }
    open(bytes)
        .unused(&mut |unused| {
            if let Unused::Run { offset, bytes, .. } = unused
                && bytes.iter().any(|byte| *byte != 0)
            {
                runs.push(offset..offset + bytes.len() as u64);
            }
        })
        .unwrap();
    runs
}

/// What a refusal must say.
fn refused(error: &boltkey::Error, what: &str) {
    assert_eq!(error.kind(), boltkey::ErrorKind::Refused, "{what}: {error}");
    assert_eq!(error.effect(), boltkey::error::Effect::Nothing, "{error}");
}

/// The same changes to a file of either engine and to the model. How many commits there were.
fn try_changes(
    engine: Engine,
    file: &Path,
    bytes: Vec<u8>,
    rounds: &[Vec<Step>],
    pick: usize,
) -> usize {
    let mut commits = 0;
    let what = format!("{} of {engine:?}", file.display());
    let contents = |recorder: &Recorder| {
        let store = open_image(engine, &recorder.bytes()).unwrap();
        Model::copy_of(&*store).unwrap().0
    };
    let recorder = Recorder::new(bytes);
    let mut store = WritableStore::on(Box::new(recorder.clone()), file).unwrap();
    let (mut model, _) = Model::copy_of(&store).unwrap();
    for steps in rounds {
        let before = recorder.bytes();
        let calls = recorder.log().len();
        // Some bytes in unused places are protected.
        let runs = unused(engine, &before);
        let mut protected = Vec::new();
        for (n, run) in runs.iter().enumerate() {
            if (n + pick).is_multiple_of(3) {
                let start = run.start + (run.end - run.start) / 3;
                protected.push(start..(start + 100).min(run.end));
            }
        }
        let mut changes = changes(&store, steps);
        let preview = Preview::new(&store, &changes);
        let (expected, _) = Model::copy_of(&preview).unwrap();
        let (old, _) = Model::copy_of(&store).unwrap();
        assert!(old == model, "{what}");
        assert_eq!(recorder.log().len(), calls, "{what}: written by looking");
        let mut committed = store.commit(&changes, &protected);
        if engine == Engine::Redb
            && let Err(error) = &committed
        {
            // The library can't be told what to leave alone.
            refused(error, &what);
            assert!(
                recorder.bytes() == before,
                "{what}: written although refused"
            );
            changes = self::changes(&store, steps);
            protected.clear();
            committed = store.commit(&changes, &protected);
        }
        let after = recorder.bytes();
        for range in &protected {
            let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
            assert!(
                before[range.clone()] == after[range.clone()],
                "{what}: protected bytes {range:?} were touched"
            );
        }
        match committed {
            Err(error) => {
                // A key that is the name of a nested bucket can't be put, nor a bucket replaced.
                refused(&error, &what);
                assert!(contents(&recorder) == old, "{what}");
                store = WritableStore::on(Box::new(recorder.clone()), file).unwrap();
            }
            Ok(committed) => {
                assert!(committed.failure.is_none());
                let (now, findings) = Model::copy_of(&store).unwrap();
                assert!(findings.is_empty(), "{what}: {findings:?}");
                assert!(now == expected, "{what}: contents differ after {steps:?}");
                assert!(
                    contents(&recorder) == expected,
                    "{what}: it is not in the file"
                );
                let by_model = model.commit(&changes, &[]).unwrap();
                assert!(
                    model == expected,
                    "{what}: the model differs after {steps:?}"
                );
                // A transform may give what was there already; only the model compares all.
                if by_model.outcome == CommitOutcome::Changed {
                    assert_eq!(committed.outcome, CommitOutcome::Changed, "{what}");
                }
                if committed.outcome == CommitOutcome::Unchanged {
                    assert!(after == before, "{what}: written for nothing");
                    continue;
                }
                match engine {
                    Engine::Bolt => sound(&after, &what),
                    Engine::Redb => sound_redb(&after, &what),
                }
                commits += 1;
            }
        }
    }
    commits
}

#[test]
fn contents_of_bolt_are_what_the_model_says() {
    contents_are_what_the_model_says(Engine::Bolt);
}

#[test]
fn contents_of_redb_are_what_the_model_says() {
    contents_are_what_the_model_says(Engine::Redb);
}

fn contents_are_what_the_model_says(engine: Engine) {
    let config = ProptestConfig {
        // About 2,300 commits, far more than the minimum: chance must not miss it.
        cases: 16,
        max_shrink_iters: 10,
        ..ProptestConfig::default()
    };
    let rounds = proptest::collection::vec(proptest::collection::vec(step(), 1..12), 1..5);
    let mut stores = Vec::new();
    let mut sequences = 0;
    for file in files() {
        let bytes = content(&file);
        let source = open_image(Engine::Bolt, &bytes).unwrap();
        let (buckets, _) = source.buckets().unwrap();
        sequences += buckets.iter().filter(|bucket| bucket.sequence != 0).count();
        match engine {
            Engine::Bolt => {
                drop(source);
                stores.push((file, bytes));
            }
            Engine::Redb => {
                let name = file.to_str().unwrap();
                if name.contains("4096") || name.contains("real") {
                    stores.push((file, made(engine, &*source, 4096)));
                }
            }
        }
    }
    assert!(sequences > 0, "no bucket has a sequence to be kept");
    let mut runner = TestRunner::new(config);
    let commits = Cell::new(0);
    let done = runner.run(&(rounds, 0..3_usize), |(rounds, pick)| {
        for (file, bytes) in &stores {
            let more = try_changes(engine, file, bytes.clone(), &rounds, pick);
            commits.set(commits.get() + more);
        }
        Ok(())
    });
    if let Err(failed) = done {
        panic!("{failed}");
    }
    println!("cases: commit-model {}", commits.get());
}

/// To grow by many pages, to become inline, to become nothing.
#[test]
fn a_bucket_goes_through_every_size() {
    for file in files() {
        let recorder = Recorder::new(content(&file));
        let mut store = WritableStore::on(Box::new(recorder.clone()), &file).unwrap();
        let what = file.display().to_string();
        let mut changes = ChangeSet::default();
        changes.create_bucket(b"sizes");
        store.commit(&changes, &[]).unwrap();
        let mut model: BTreeSet<Vec<u8>> = BTreeSet::new();
        for (from, to) in [
            (0, 1),
            (1, 3),
            (3, 40),
            (40, 900),
            (300, 500),
            (0, 899),
            (899, 900),
        ] {
            let mut changes = ChangeSet::default();
            for n in from..to {
                let key = format!("{n:08}").into_bytes();
                if model.remove(&key) {
                    changes.remove(b"sizes", &key);
                } else {
                    changes.put(b"sizes", &key, &vec![b'x'; n % 90]);
                    model.insert(key);
                }
            }
            store.commit(&changes, &[]).unwrap();
            sound(&recorder.bytes(), &what);
            let mut keys = BTreeSet::new();
            store
                .scan(b"sizes", &mut |key, _| {
                    keys.insert(key.to_vec());
                    std::ops::ControlFlow::Continue(())
                })
                .unwrap();
            assert!(keys == model, "{what} {from} {to}");
        }
        let mut changes = ChangeSet::default();
        changes.delete_bucket(b"sizes");
        store.commit(&changes, &[]).unwrap();
        sound(&recorder.bytes(), &what);
        assert!(store.get(b"sizes", b"00000001").unwrap().is_none());
    }
}

/// One key more in a tree of many leaves: only what leads to it is written.
#[test]
fn what_does_not_change_keeps_its_pages() {
    let file = fixtures().join("bbolt/levels-512-array-150.bolt.gz");
    let recorder = Recorder::new(content(&file));
    let mut store = WritableStore::on(Box::new(recorder.clone()), &file).unwrap();
    let mut changes = ChangeSet::default();
    changes.put(b"levels", b"7777", b"one more");
    let before = recorder.log().len();
    store.commit(&changes, &[]).unwrap();
    let depth = Inspect::check(&store).unwrap().pages.depth;
    let nodes: usize = recorder.log()[before..]
        .iter()
        .filter_map(|call| match call {
            crate::support::device::Call::Write { offset, bytes } if *offset >= 1024 => Some(bytes),
            _ => None,
        })
        // The freelist comes last and may be long.
        .filter(|bytes| bytes[8] == 1 || bytes[8] == 2)
        .map(|bytes| bytes.len() / 512)
        .sum();
    assert!(depth >= 3);
    // Two halves at most on each level, and the root bucket's leaf.
    assert!(
        nodes <= 2 * usize::try_from(depth).unwrap() + 2,
        "{nodes} pages at depth {depth}"
    );
}

/// After a commit neither meta leads to what was, and what was is overwritten.
#[test]
fn what_was_replaced_is_gone() {
    for name in ["lived-2.7.12.bolt", "upgraded-2.9.1.bolt"] {
        let file = fixtures().join("real").join(name);
        let recorder = Recorder::new(content(&file));
        let mut store = WritableStore::on(Box::new(recorder.clone()), &file).unwrap();
        let mut changes = ChangeSet::default();
        let canary = b"canary-value-that-is-replaced";
        changes.put(b"usersv1", b"0000000000000abc", canary);
        store.commit(&changes, &[]).unwrap();
        let count = |bytes: &[u8]| memchr::memmem::find_iter(bytes, canary).count();
        assert_eq!(count(&recorder.bytes()), 1, "{name}");
        let mut changes = ChangeSet::default();
        changes.remove(b"usersv1", b"0000000000000abc");
        store.commit(&changes, &[]).unwrap();
        assert_eq!(count(&recorder.bytes()), 0, "{name}");
        // Either meta, should the other be lost, shows the same.
        let (expected, _) = Model::copy_of(&store).unwrap();
        let page_size = usize::try_from(store.description().page_size).unwrap();
        for slot in [0, 1] {
            let mut bytes = recorder.bytes();
            bytes[slot * page_size + 16..slot * page_size + 80].fill(0);
            let (found, _) = Model::copy_of(&open(&bytes)).unwrap();
            assert!(found == expected, "{name} without slot {slot}");
        }
    }
}

#[test]
fn damaged_and_truncated_files_are_refused() {
    let mut refused = 0;
    for entry in std::fs::read_dir(fixtures().join("damaged")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "gz") {
            continue;
        }
        let bytes = content(&path);
        let bolt = open(&bytes);
        let check = Inspect::check(&bolt).unwrap();
        let fatal = check.findings.iter().any(|finding| {
            finding.severity == Severity::Error
                || ["structure.truncated", "structure.short-page"].contains(&finding.code.name())
        });
        let recorder = Recorder::new(bytes.clone());
        let mut store = WritableStore::on(Box::new(recorder.clone()), &path).unwrap();
        let (buckets, _) = store.buckets().unwrap();
        let mut changes = ChangeSet::default();
        match buckets.first() {
            Some(bucket) => changes.put(&bucket.name, b"new key", b"value"),
            None => changes.create_bucket(b"new"),
        }
        match store.commit(&changes, &[]) {
            Ok(_) => {
                assert!(!fatal, "{}", path.display());
                let (_, findings) = Model::copy_of(&store).unwrap();
                assert!(findings.is_empty(), "{}: {findings:?}", path.display());
            }
            Err(error) => {
                assert!(fatal, "{}: {error}", path.display());
                assert_eq!(
                    error.kind(),
                    boltkey::ErrorKind::Corrupt,
                    "{}",
                    path.display()
                );
                assert!(recorder.bytes() == bytes, "{}", path.display());
                refused += 1;
            }
        }
    }
    println!("cases: damage-refused {refused}");
    assert!(refused > 25);
}
