//! One interface, three implementations: model, Bolt and redb are equal after the same changes. A
//! store converted to the other engine and back loses nothing.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::support::device::Recorder;
use crate::support::fixtures::{content, fixtures};
use boltkey::ErrorKind;
use boltkey::finding::Severity;
use boltkey::ops::convert::convert;
use boltkey::store::change::{PairAction, Transform};
use boltkey::store::{
    ChangeSet, Commit, CommitOutcome, Device, Engine, Inspect, Model, OpenOptions, Preview,
    Progress, Snapshot, Store, Unused, Wipe, WritableStore, bolt, redb,
};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    Put(usize, Vec<u8>, usize),
    Remove(usize, usize),
    Create(Vec<u8>),
    Delete(usize),
    Transform(usize, u8),
    /// In a bucket that is not there.
    Lost(Vec<u8>),
}

fn step() -> impl Strategy<Value = Step> {
    let key = || proptest::collection::vec(any::<u8>(), 1..40);
    let size = prop_oneof![6 => 0..300_usize, 1 => 0..20_000_usize];
    prop_oneof![
        10 => (any::<usize>(), key(), size).prop_map(|(n, k, s)| Step::Put(n, k, s)),
        4 => (any::<usize>(), any::<usize>()).prop_map(|(n, m)| Step::Remove(n, m)),
        2 => key().prop_map(Step::Create),
        1 => any::<usize>().prop_map(Step::Delete),
        1 => (any::<usize>(), any::<u8>()).prop_map(|(n, s)| Step::Transform(n, s)),
        1 => key().prop_map(Step::Lost),
    ]
}

struct Mixed(u8);

impl Transform for Mixed {
    fn apply(&self, key: &[u8], value: &[u8], out: &mut Vec<u8>) -> boltkey::Result<PairAction> {
        let sum = key.iter().fold(self.0, |sum, byte| sum.wrapping_add(*byte));
        Ok(match sum % 3 {
            0 => PairAction::Remove,
            1 => PairAction::Keep,
            _ => {
                out.extend_from_slice(key);
                out.extend_from_slice(value);
                PairAction::Replace
            }
        })
    }
}

fn changes(snapshot: &dyn Snapshot, steps: &[Step]) -> ChangeSet {
    let mut changes = ChangeSet::default();
    let buckets = snapshot.buckets().unwrap().0;
    let name = |n: usize| (!buckets.is_empty()).then(|| &buckets[n % buckets.len()].name);
    for step in steps {
        match step {
            Step::Put(n, key, size) => {
                if let Some(name) = name(*n) {
                    changes.put(name, key, &vec![b'v'; *size]);
                }
            }
            Step::Remove(n, m) => {
                let Some(name) = name(*n) else { continue };
                let mut keys = Vec::new();
                snapshot
                    .scan(name, &mut |key, _| {
                        keys.push(key.to_vec());
                        ControlFlow::Continue(())
                    })
                    .unwrap();
                if !keys.is_empty() {
                    changes.remove(name, &keys[m % keys.len()]);
                }
            }
            Step::Create(name) => changes.create_bucket(name),
            Step::Delete(n) => {
                if let Some(name) = name(*n) {
                    changes.delete_bucket(name);
                }
            }
            Step::Transform(n, salt) => {
                if let Some(name) = name(*n) {
                    changes.bucket(name).transform = Some(Box::new(Mixed(*salt)));
                }
            }
            Step::Lost(name) => changes.put(name, b"key", b"value"),
        }
    }
    changes
}

/// A store of each engine with the same content.
fn both(model: &Model) -> Vec<(&'static str, Recorder, WritableStore)> {
    ["bolt", "redb"]
        .map(|engine| {
            let recorder = Recorder::new(Vec::new());
            let device: Arc<dyn Device> = Arc::new(recorder.clone());
            let path = Path::new(engine);
            let progress = Progress::new(&|_| {});
            if engine == "bolt" {
                bolt::create(model, 4096, &device, path, &progress).unwrap();
            } else {
                redb::create(model, &device, path, &progress).unwrap();
            }
            let store = WritableStore::on(Box::new(recorder.clone()), path).unwrap();
            (engine, recorder, store)
        })
        .into()
}

fn agree(rounds: &[Vec<Step>]) {
    let mut model = Model::default();
    for (bucket, keys) in [("one", 3), ("two", 400), ("three", 0)] {
        model.create_bucket(bucket.as_bytes());
        for n in 0..keys {
            model.put(bucket.as_bytes(), format!("{n:05}").as_bytes(), &[b'x'; 40]);
        }
    }
    let mut stores = both(&model);
    for steps in rounds {
        let before = model.clone();
        let made = changes(&model, steps);
        let expected = model.commit(&made, &[]);
        if expected.is_err() {
            model = before;
        }
        for (engine, recorder, store) in &mut stores {
            let bytes = recorder.bytes();
            let preview = Model::copy_of(&Preview::new(store, &made)).map(|(model, _)| model);
            assert!(recorder.bytes() == bytes, "{engine}: a preview writes");
            let done = store.commit(&made, &[]);
            match (&expected, done) {
                (Ok(expected), Ok(done)) => {
                    assert_eq!(done.outcome, expected.outcome, "{engine}: {steps:?}");
                    assert!(done.failure.is_none(), "{engine}: {:?}", done.failure);
                    assert!(preview.unwrap() == model, "{engine}: the preview differs");
                    if done.outcome == CommitOutcome::Unchanged {
                        assert!(recorder.bytes() == bytes, "{engine}: written for nothing");
                    }
                }
                (Err(expected), Err(error)) => {
                    assert_eq!(error.kind(), expected.kind(), "{engine}");
                    *store =
                        WritableStore::on(Box::new(recorder.clone()), Path::new(engine)).unwrap();
                }
                (expected, done) => panic!(
                    "{engine}: the model is {}, this is {} after {steps:?}",
                    expected.is_ok(),
                    done.is_ok()
                ),
            }
            let (found, findings) = Model::copy_of(store).unwrap();
            assert!(findings.is_empty(), "{engine}: {findings:?}");
            assert!(found == model, "{engine}: contents differ after {steps:?}");
            let check = Inspect::check(store).unwrap();
            let error = check
                .findings
                .iter()
                .find(|finding| finding.severity == Severity::Error);
            assert!(error.is_none(), "{engine}: {error:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, max_shrink_iters: 300, ..ProptestConfig::default() })]

    #[test]
    fn the_engines_agree(
        rounds in proptest::collection::vec(proptest::collection::vec(step(), 1..10), 1..8),
    ) {
        agree(&rounds);
        println!("cases: engines 1");
    }
}

fn sound_files() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = ["bbolt", "real"]
        .iter()
        .flat_map(|folder| fs::read_dir(fixtures().join(folder)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_str().unwrap().contains(".bolt"))
        .collect();
    files.sort();
    files
}

fn model_of(path: &Path) -> Model {
    let store = Store::open(path, &OpenOptions::default()).unwrap();
    let (model, findings) = Model::copy_of(store.snapshot()).unwrap();
    assert!(findings.is_empty(), "{}: {findings:?}", path.display());
    model
}

/// Every bucket, key, value and sequence; nested buckets are refused by name.
#[test]
fn there_and_back() {
    let (mut converted, mut refused) = (0, 0);
    for file in sound_files() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("source"), content(&file)).unwrap();
        let copy = |from: &str, to: &str, engine| {
            let store = Store::open(&at(from), &OpenOptions::default()).unwrap();
            convert(&store, &at(to), engine, &Progress::new(&|_| {}))
        };
        let before = fs::read(at("source")).unwrap();
        let source = model_of(&at("source"));
        let compacted = copy("source", "compact", Engine::Bolt);
        match copy("source", "redb", Engine::Redb) {
            Ok(_) => {
                copy("redb", "back", Engine::Bolt).unwrap();
                copy("redb", "again", Engine::Redb).unwrap();
                for name in ["redb", "back", "again"] {
                    assert!(model_of(&at(name)) == source, "{}: {name}", file.display());
                }
                converted += 1;
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Refused, "{}", file.display());
                assert!(
                    error.message().contains("a bucket inside another one"),
                    "{error}"
                );
                assert!(!at("redb").exists());
                refused += 1;
            }
        }
        if compacted.is_ok() {
            assert!(model_of(&at("compact")) == source, "{}", file.display());
        }
        assert!(fs::read(at("source")).unwrap() == before);
        let names = fs::read_dir(folder.path()).unwrap().count();
        let left = ["source", "redb", "back", "again", "compact"]
            .iter()
            .filter(|name| at(name).exists())
            .count();
        assert_eq!(names, left, "{}: something is left behind", file.display());
    }
    println!("cases: there-and-back {converted}");
    println!("cases: nested-refused {refused}");
    assert!(converted > 20 && refused > 3);
}

/// With everything to be wiped, no unused byte is left that is not zero, and the second time there
/// is nothing to do.
#[test]
fn a_scrubbed_bolt_file_shows_nothing_unused() {
    let mut scrubbed = 0;
    for file in sound_files() {
        let recorder = Recorder::new(content(&file));
        let mut store = WritableStore::on(Box::new(recorder.clone()), &file).unwrap();
        let (before, _) = Model::copy_of(&store).unwrap();
        let mut changes = ChangeSet::default();
        changes.wipe = Wipe::Everything;
        let done = match store.commit(&changes, &[]) {
            Ok(done) => done,
            Err(error) => panic!("{}: {error}", file.display()),
        };
        assert!(done.failure.is_none(), "{:?}", done.failure);
        let (after, findings) = Model::copy_of(&store).unwrap();
        assert!(findings.is_empty() && after == before, "{}", file.display());
        store
            .unused(&mut |unused| match unused {
                Unused::Run { offset, bytes, .. } => assert!(
                    bytes.iter().all(|byte| *byte == 0),
                    "{}: byte {offset} is left",
                    file.display()
                ),
                Unused::Element(element) => {
                    panic!("{}: page {} is left", file.display(), element.page)
                }
            })
            .unwrap();
        let check = Inspect::check(&store).unwrap();
        let error = check
            .findings
            .iter()
            .find(|finding| finding.severity == Severity::Error);
        assert!(error.is_none(), "{}: {error:?}", file.display());
        let bytes = recorder.bytes();
        let again = store.commit(&changes, &[]).unwrap();
        assert_eq!(
            again.outcome,
            CommitOutcome::Unchanged,
            "{}",
            file.display()
        );
        assert!(recorder.bytes() == bytes);
        scrubbed += 1;
    }
    println!("cases: scrubbed-bolt {scrubbed}");
}
