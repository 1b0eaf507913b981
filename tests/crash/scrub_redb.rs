//! Scrubbing a redb store: the file contains no old byte, the records stay, and power may fail at
//! any moment.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::support::device::{Effort, Fault, Recorder};
use crate::support::fixtures::fixture;
use crate::support::store_image::{contents, made, open, writable};
use boltkey::finding::Severity;
use boltkey::store::Engine;
use boltkey::store::{ChangeSet, Commit, CommitOutcome, Inspect, Model, Wipe, WritableStore};
use memchr::memmem::Finder;

/// What every planted value begins with.
const CANARY: &[u8] = b"canary-";

/// A value that shows a canary and its number, of a length that depends on the number.
fn planted(number: usize) -> Vec<u8> {
    let mut value = CANARY.to_vec();
    value.extend_from_slice(format!("{number:08}-").as_bytes());
    let length = match number % 61 {
        0 => 9000,
        n => 20 + n * 7,
    };
    value.resize(length, b'x');
    value.extend_from_slice(CANARY);
    value
}

fn key(number: usize) -> Vec<u8> {
    format!("key{:08}", number * 7919 % 100_003).into_bytes()
}

fn scrub_everything() -> ChangeSet {
    let mut changes = ChangeSet::default();
    changes.wipe = Wipe::Everything;
    changes
}

/// A store of redb whose file shows `count` canaries, a few of which it still holds.
fn lived(count: usize) -> (Recorder, WritableStore) {
    let source = fixture("lived-2.9.1");
    let source = open(Engine::Bolt, &source).unwrap();
    let recorder = Recorder::new(made(Engine::Redb, &*source, 4096));
    let mut store = writable(&recorder, "lived").unwrap();
    let mut changes = ChangeSet::default();
    changes.create_bucket(b"planted");
    for number in 0..count {
        changes.put(b"planted", &key(number), &planted(number));
    }
    changes.put(b"planted", b"stays", b"as it is");
    assert_eq!(
        store.commit(&changes, &[]).unwrap().outcome,
        CommitOutcome::Changed
    );
    // Some are replaced by less, some go one by one, some together, all in few transactions: so
    // pages keep old bytes behind their end.
    for round in 0..4 {
        let mut changes = ChangeSet::default();
        for number in (round..count).step_by(4) {
            if number % 3 == 0 {
                changes.put(b"planted", &key(number), b"short");
            } else {
                changes.remove(b"planted", &key(number));
            }
        }
        store.commit(&changes, &[]).unwrap();
    }
    (recorder, store)
}

fn canaries(bytes: &[u8]) -> usize {
    Finder::new(CANARY).find_iter(bytes).count()
}

#[test]
fn nothing_is_left_of_the_past() {
    let mut scrubbed = 0;
    for count in [1, 5, 50, 400, 3000] {
        let (recorder, mut store) = lived(count);
        let (old, _) = Model::copy_of(&store).unwrap();
        assert!(canaries(&recorder.bytes()) > 0, "{count}");
        let committed = store.commit(&scrub_everything(), &[]).unwrap();
        assert!(committed.failure.is_none(), "{:?}", committed.failure);
        assert!(Model::copy_of(&store).unwrap().0 == old, "{count}");
        assert_eq!(canaries(&recorder.bytes()), 0, "{count}");
        let check = Inspect::check(&store).unwrap();
        assert!(check.findings.is_empty(), "{count}: {:?}", check.findings);
        // Once more is no harm.
        let size = recorder.bytes().len();
        store.commit(&scrub_everything(), &[]).unwrap();
        assert!(Model::copy_of(&store).unwrap().0 == old);
        assert!(recorder.bytes().len() <= size);
        scrubbed += 1;
    }
    println!("cases: scrub-redb {scrubbed}");
}

#[test]
fn what_a_change_replaces_goes_with_it() {
    let (recorder, mut store) = lived(40);
    let mut changes = scrub_everything();
    changes.put(b"planted", b"stays", b"differently");
    let committed = store.commit(&changes, &[]).unwrap();
    assert_eq!(committed.outcome, CommitOutcome::Changed);
    assert!(committed.failure.is_none());
    let bytes = recorder.bytes();
    assert_eq!(canaries(&bytes), 0);
    assert!(Finder::new(b"as it is").find(&bytes).is_none());
    assert!(Finder::new(b"differently").find(&bytes).is_some());
}

#[test]
fn power_fails_while_scrubbing() {
    let (_, store) = lived(120);
    let (old, _) = Model::copy_of(&store).unwrap();
    drop(store);
    let (recorder, store) = lived(120);
    drop(store);
    let recorder = Recorder::new(recorder.bytes());
    let mut store = writable(&recorder, "lived").unwrap();
    let committed = store.commit(&scrub_everything(), &[]).unwrap();
    assert!(committed.failure.is_none());
    drop(store);
    let effort = Effort {
        mixed: 3,
        seeded: 12,
        cuts: 2,
    };
    let (mut seen, mut finished) = (HashSet::new(), 0);
    recorder.crash_images(effort, &mut |crash| {
        let mut hasher = DefaultHasher::new();
        crash.image.hash(&mut hasher);
        if !seen.insert(hasher.finish()) {
            return;
        }
        let found = contents(Engine::Redb, crash.image)
            .unwrap_or_else(|why| panic!("power failed at call {}: {why}", crash.returned));
        assert!(found == old, "power failed at call {}", crash.returned);
        // The next run finishes it.
        if seen.len() % 40 == 0 {
            let again = Recorder::new(crash.image.to_vec());
            let mut store = writable(&again, "again").unwrap();
            let committed = store.commit(&scrub_everything(), &[]).unwrap();
            assert!(committed.failure.is_none(), "{:?}", committed.failure);
            assert!(Model::copy_of(&store).unwrap().0 == old);
            assert!(Inspect::check(&store).unwrap().findings.is_empty());
            assert_eq!(canaries(&again.bytes()), 0, "after call {}", crash.returned);
            finished += 1;
        }
    });
    assert!(finished > 3);
    println!("cases: crash-scrub {}", seen.len());
}

#[test]
fn the_disk_fails_while_scrubbing() {
    let (recorder, store) = lived(60);
    let (old, _) = Model::copy_of(&store).unwrap();
    drop(store);
    let before = recorder.bytes();
    let calls = {
        let whole = Recorder::new(before.clone());
        let mut store = writable(&whole, "whole").unwrap();
        let opened = whole.calls();
        store.commit(&scrub_everything(), &[]).unwrap();
        opened..whole.calls()
    };
    let mut failures = 0;
    let step = (calls.len() / 300).max(1);
    for number in calls.step_by(step) {
        for fault in [Fault::Io, Fault::Full] {
            let recorder = Recorder::new(before.clone());
            let mut store = writable(&recorder, "failing").unwrap();
            recorder.fail(number, fault);
            let done = store.commit(&scrub_everything(), &[]);
            if recorder.failed().is_none() {
                continue;
            }
            match done {
                Err(error) => {
                    assert_eq!(error.effect(), boltkey::error::Effect::Nothing, "{error}");
                }
                // The library may read something a second time.
                Ok(committed) => {
                    if let Some(failure) = committed.failure {
                        assert_eq!(failure.kind(), boltkey::ErrorKind::Incomplete);
                        let text = failure.message();
                        assert_ne!(failure.effect(), boltkey::error::Effect::Nothing, "{text}");
                        let says = text.contains("may still show");
                        assert!(says || canaries(&recorder.bytes()) == 0, "{number}: {text}");
                    } else {
                        assert_eq!(canaries(&recorder.bytes()), 0, "{number}");
                    }
                }
            }
            drop(store);
            assert!(!recorder.changed_after_failure(), "call {number}");
            let found = contents(Engine::Redb, &recorder.bytes()).unwrap();
            assert!(found == old, "call {number}");
            failures += 1;
        }
    }
    println!("cases: fault-scrub {failures}");
}

/// A foreign table and an interrupted run cause different findings.
#[test]
fn an_interrupted_run_is_seen() {
    let (recorder, store) = lived(30);
    drop(store);
    let recorder = Recorder::new(recorder.bytes());
    let mut store = writable(&recorder, "lived").unwrap();
    store.commit(&scrub_everything(), &[]).unwrap();
    drop(store);
    let mut unfinished = 0;
    let effort = Effort {
        mixed: 0,
        seeded: 0,
        cuts: 0,
    };
    recorder.crash_images(effort, &mut |crash| {
        let store = open(Engine::Redb, crash.image).unwrap();
        let findings = store.check().unwrap().findings;
        unfinished += usize::from(findings.iter().any(|finding| {
            finding.code == "structure.unfinished-scrub" && finding.severity == Severity::Info
        }));
    });
    assert!(unfinished > 0);
}
