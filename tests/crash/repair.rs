//! Repairs of the structure of a file: every damage that is cured, and a power failure or a disk error
//! at any moment. All records can be read at any time, and none of them changes.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::support::damage::{CURED, with};
use crate::support::device::{Effort, Fault, Recorder};
use crate::support::store_image::{open, writable};
use boltkey::finding::{Finding, Repair, Severity};
use boltkey::ops::commit::SideFiles;
use boltkey::ops::repair::{self, EngineShards, Options, Plan};
use boltkey::ops::timestamp::Timestamp;
use boltkey::store::{CommitOutcome, Engine, Model, WritableStore};

/// All records that can be read, whatever the structure is.
fn records(bytes: &[u8], place: &str) -> Model {
    let store = open(Engine::Bolt, bytes).unwrap_or_else(|why| panic!("{place}: {why}"));
    Model::copy_of(&*store).unwrap().0
}

fn findings(bytes: &[u8]) -> Vec<Finding> {
    open(Engine::Bolt, bytes).unwrap().check().unwrap().findings
}

fn is_cured(bytes: &[u8]) -> bool {
    let cured = |finding: &Finding| finding.code.repair() == Repair::Cured;
    !findings(bytes).iter().any(cured)
}

/// The repair of the structure alone: a state one transaction older has findings of its own.
fn plan(store: &WritableStore) -> boltkey::Result<Plan> {
    let options = Options {
        only: CURED.iter().copied().collect(),
        ..Options::default()
    };
    let time: jiff::Zoned = "2026-11-01T10:00:00Z[UTC]".parse().unwrap();
    let now = Timestamp::from(&time);
    let engine = EngineShards::default();
    repair::plan(store, store, store.description(), &engine, &options, &now)
}

#[test]
fn every_damage_is_cured_whenever_the_power_fails() {
    let effort = Effort {
        mixed: 8,
        seeded: 30,
        cuts: 8,
    };
    let mut images = 0;
    for code in CURED {
        let before = with(*code).unwrap();
        assert!(findings(&before).iter().any(|f| f.code == *code), "{code}");
        let old = records(&before, code.name());
        let recorder = Recorder::new(before);
        let mut store = writable(&recorder, code.name()).unwrap();
        let planned = plan(&store).unwrap();
        assert!(planned.repaired.iter().any(|cure| cure.code == *code));
        let done = planned.apply(&mut store, &SideFiles::default()).unwrap();
        assert_eq!(done.outcome, CommitOutcome::Changed, "{code}");
        assert!(done.failure.is_none(), "{code}: {:?}", done.failure);
        let again = plan(&store).unwrap();
        assert!(again.nothing_to_do(), "{code}: {:?}", again.repaired);
        drop(store);
        let after = recorder.bytes();
        let bad = |f: &Finding| f.severity != Severity::Info;
        let found: Vec<Finding> = findings(&after).into_iter().filter(bad).collect();
        assert!(found.is_empty(), "{code}: {found:?}");
        assert!(records(&after, code.name()) == old, "{code}");
        let calls = recorder.log().len();
        let mut seen = HashSet::new();
        recorder.crash_images(effort, &mut |crash| {
            let mut hasher = DefaultHasher::new();
            crash.image.hash(&mut hasher);
            if !seen.insert(hasher.finish()) && crash.returned < calls {
                return;
            }
            let place = format!("{code}: power failed at call {}", crash.returned);
            assert!(records(crash.image, &place) == old, "{place}");
            if crash.returned >= calls {
                assert!(is_cured(crash.image), "{place}: the repair is lost");
            }
        });
        images += seen.len();
    }
    println!("cases: crash-repair-structure {images}");
}

#[test]
fn every_damage_is_cured_or_left_as_it_was_when_the_disk_fails() {
    let mut cases = 0;
    for code in CURED {
        let before = with(*code).unwrap();
        let old = records(&before, code.name());
        let counted = Recorder::new(before.clone());
        let mut store = writable(&counted, code.name()).unwrap();
        let planned = plan(&store).unwrap();
        planned.apply(&mut store, &SideFiles::default()).unwrap();
        drop(store);
        let calls = counted.calls();
        let noted = counted.noted();
        let near = |number: usize| noted.iter().any(|at| number.abs_diff(*at) <= 1);
        for number in (0..calls).filter(|number| number % 61 == 0 || near(*number)) {
            for fault in [Fault::Io, Fault::Full] {
                if !counted.could(number, fault) {
                    continue;
                }
                let recorder = Recorder::new(before.clone());
                recorder.fail(number, fault);
                let place = format!("{code}: call {number} fails with {fault:?}");
                let ended = writable(&recorder, code.name())
                    .and_then(|mut store| plan(&store)?.apply(&mut store, &SideFiles::default()));
                if recorder.failed().is_none() {
                    continue;
                }
                cases += 1;
                assert!(!recorder.changed_after_failure(), "{place}");
                let bytes = recorder.bytes();
                assert!(records(&bytes, &place) == old, "{place}");
                match ended {
                    Err(error) => {
                        assert_eq!(error.effect(), boltkey::error::Effect::Nothing, "{place}");
                    }
                    Ok(done) if done.outcome == CommitOutcome::Changed => {
                        // The other meta page may be the old one still.
                        let bad = |f: &Finding| f.severity == Severity::Error;
                        assert!(!findings(&bytes).iter().any(bad), "{place}");
                        assert!(done.failure.is_some() || is_cured(&bytes), "{place}");
                    }
                    Ok(done) => assert!(done.failure.is_some(), "{place}"),
                }
            }
        }
    }
    println!("cases: fault-repair-structure {cases}");
}
