//! The disk fails at every call: the file matches what the command reports, the capture stays if it
//! may be the only copy, and nothing is written after the failure.

use std::fs;

use boltkey::ErrorKind;
use boltkey::cli::exit::code_of;
use boltkey::store::{CommitOutcome, Unused};
use serde_json::Value;

use super::stores::{How, PlantedStore, folder, hash, scrub, stores};
use crate::support::device::{Fault, Recorder, Stage};
use crate::support::store_image::{contents, lost, open, writable};
use boltkey::store::Engine;

/// Calls that are made to fail: those around each sync and commit point, and every `step`th.
fn numbers(stored: &PlantedStore, scrubs: bool, most: usize) -> Vec<usize> {
    let recorder = Recorder::new(stored.bytes.clone());
    let mut store = writable(&recorder, &stored.name).unwrap();
    if scrubs {
        scrub(&mut store).unwrap();
    } else {
        hash(&mut store, How::default(), None).unwrap();
    }
    let (special, calls) = (recorder.noted(), recorder.calls());
    let step = calls.div_ceil(most).max(1);
    let near = |number: usize| special.iter().take(12).any(|at| number.abs_diff(*at) <= 1);
    (0..calls)
        .filter(|number| number % step == 0 || number + 3 >= calls || near(*number))
        .collect()
}

#[derive(Default, Debug)]
struct Tally {
    cases: usize,
    unchanged: usize,
    unknown: usize,
    incomplete: usize,
    kept: usize,
}

fn hash_fails_everywhere(stored: &PlantedStore, most: usize, tally: &mut Tally) {
    let folder = folder();
    let capture = folder.path().join("capture");
    let new = {
        let recorder = Recorder::new(stored.bytes.clone());
        let mut store = writable(&recorder, &stored.name).unwrap();
        hash(&mut store, How::default(), None).unwrap();
        drop(store);
        contents(stored.engine, &recorder.bytes()).unwrap()
    };
    for number in numbers(stored, false, most) {
        for fault in [Fault::Io, Fault::Full, Fault::Short] {
            let recorder = Recorder::new(stored.bytes.clone());
            recorder.fail(number, fault);
            let ended = writable(&recorder, &stored.name)
                .and_then(|mut store| hash(&mut store, How::default(), Some(&capture)));
            let Some(stage) = recorder.failed() else {
                let _ = fs::remove_file(&capture);
                continue;
            };
            tally.cases += 1;
            let place = format!("{}: call {number} fails with {fault:?}", stored.name);
            assert!(
                !recorder.changed_after_failure(),
                "{place}: went on writing"
            );
            let exact = stored.engine == Engine::Bolt;
            let (may_be_old, may_be_new, text) = match &ended {
                Err(error) => {
                    tally.unchanged += 1;
                    assert!(!exact || stage == Stage::Before, "{place}: {stage:?}");
                    let text = error.to_string();
                    assert_eq!(
                        error.effect(),
                        boltkey::error::Effect::Nothing,
                        "{place}: {text}"
                    );
                    let (code, _) = code_of(error.kind());
                    assert!(
                        code == 1 || (fault == Fault::Short && code == 5),
                        "{place}: {text}"
                    );
                    if capture.exists() {
                        tally.kept += 1;
                        assert!(text.contains("is kept"), "{place}: not told: {text}");
                    }
                    (true, false, text)
                }
                Ok(ended) => {
                    let failure = ended.committed.failure.as_ref();
                    if let Some(failure) = failure {
                        assert_eq!(failure.kind(), ErrorKind::Incomplete, "{place}");
                        assert_ne!(failure.effect(), boltkey::error::Effect::Nothing, "{place}");
                        tally.incomplete += 1;
                    }
                    let unknown = ended.committed.outcome == CommitOutcome::Unknown;
                    tally.unknown += usize::from(unknown);
                    assert!(
                        !exact || unknown == (stage == Stage::During),
                        "{place}: {stage:?}"
                    );
                    assert!(capture.exists(), "{place}: the capture is gone");
                    if failure.is_none() {
                        assert_eq!(stored.shown(&recorder.bytes()), [""; 0], "{place}");
                    }
                    let text = failure.map(|failure| failure.message().to_owned());
                    (unknown, true, text.unwrap_or_default())
                }
            };
            recorder.reboot_images(4, &mut |image| {
                let found =
                    contents(stored.engine, image).unwrap_or_else(|why| panic!("{place}: {why}"));
                let is_new = found == new;
                assert!(is_new || found == stored.old, "{place}: something third");
                assert!(
                    !is_new || may_be_new || new == stored.old,
                    "{place}: holds all the same"
                );
                assert!(is_new || may_be_old, "{place}: the change is lost");
                // Of each token that was readable there is a copy still.
                let left = lost(stored.engine, image);
                if stored.lost.iter().any(|id| left.binary_search(id).is_err()) {
                    let capture = fs::read(&capture)
                        .unwrap_or_else(|_| panic!("{place}: the last copy of a token is gone"));
                    let capture: Value = serde_json::from_slice(&capture).unwrap();
                    let held = capture["tokens"].as_array().unwrap();
                    for id in &stored.lost {
                        assert!(held.iter().any(|one| one["id"] == id.to_string().as_str()));
                    }
                }
            });
            for token in &stored.planted {
                let shown = memchr::memmem::find(text.as_bytes(), token).is_some();
                assert!(!shown, "{place}: a token is told");
            }
            let _ = fs::remove_file(&capture);
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{place}");
        }
    }
}

fn scrub_fails_everywhere(stored: &PlantedStore, most: usize, tally: &mut Tally) {
    for number in numbers(stored, true, most) {
        for fault in [Fault::Io, Fault::Full, Fault::Short] {
            let recorder = Recorder::new(stored.bytes.clone());
            recorder.fail(number, fault);
            let ended = writable(&recorder, &stored.name).and_then(|mut store| scrub(&mut store));
            if recorder.failed().is_none() {
                continue;
            }
            tally.cases += 1;
            let place = format!("{}: call {number} fails with {fault:?}", stored.name);
            assert!(
                !recorder.changed_after_failure(),
                "{place}: went on writing"
            );
            match &ended {
                Err(error) => {
                    tally.unchanged += 1;
                    let text = error.to_string();
                    assert_eq!(
                        error.effect(),
                        boltkey::error::Effect::Nothing,
                        "{place}: {text}"
                    );
                }
                Ok(committed) => match &committed.failure {
                    Some(failure) => {
                        tally.incomplete += 1;
                        tally.unknown += usize::from(committed.outcome == CommitOutcome::Unknown);
                        assert_eq!(failure.kind(), ErrorKind::Incomplete, "{place}");
                    }
                    None => assert_eq!(stored.shown(&recorder.bytes()), [""; 0], "{place}"),
                },
            }
            recorder.reboot_images(4, &mut |image| {
                let found = contents(stored.engine, image);
                assert!(found.unwrap() == stored.old, "{place}: something else");
            });
        }
    }
}

#[test]
fn hash_on_bolt() {
    let mut tally = Tally::default();
    let few = [
        "fresh-2.7.12",
        "mixed",
        "upgraded",
        "downgraded-20",
        "pages of 1024",
    ];
    for stored in stores(Engine::Bolt) {
        if few.iter().any(|name| stored.name.starts_with(name)) {
            hash_fails_everywhere(&stored, 40, &mut tally);
        }
    }
    println!("{tally:?}");
    assert!(tally.unchanged > 0 && tally.unknown > 0 && tally.incomplete > 0);
    println!("cases: fault-hash-bolt {}", tally.cases);
}

#[test]
fn hash_on_redb() {
    let mut tally = Tally::default();
    for stored in stores(Engine::Redb) {
        if !stored.name.starts_with("chosen") {
            hash_fails_everywhere(&stored, 12, &mut tally);
        }
    }
    println!("{tally:?}");
    assert!(tally.unchanged > 0 && tally.incomplete > 0);
    println!("cases: fault-hash-redb {}", tally.cases);
}

#[test]
fn scrub_on_either() {
    let mut tally = Tally::default();
    for engine in [Engine::Bolt, Engine::Redb] {
        for stored in stores(engine) {
            if !stored.lost.is_empty() && stored.name.contains("residues") {
                scrub_fails_everywhere(&stored, 24, &mut tally);
            }
        }
    }
    println!("{tally:?}");
    println!("cases: fault-scrub-command {}", tally.cases);
}

/// Skips a write, or writes wrong bytes, without an error. The command reports success only if
/// everything is hashed and no plaintext is left.
fn lie_everywhere(stored: &PlantedStore, most: usize) -> usize {
    let mut cases = 0;
    let recorder = Recorder::new(stored.bytes.clone());
    let mut store = writable(&recorder, &stored.name).unwrap();
    hash(&mut store, How::default(), None).unwrap();
    drop(store);
    let mut numbers = numbers(stored, false, most);
    // The last sync is that of the wiping.
    let last = recorder.noted().pop().unwrap();
    numbers.extend(last.saturating_sub(16)..last);
    for number in numbers {
        for fault in [Fault::Lost, Fault::Flipped] {
            let recorder = Recorder::new(stored.bytes.clone());
            recorder.fail(number, fault);
            let ended = writable(&recorder, &stored.name)
                .and_then(|mut store| hash(&mut store, How::default(), None));
            if recorder.failed().is_none() {
                continue;
            }
            cases += 1;
            let place = format!("{}: call {number} is {fault:?}", stored.name);
            let found = contents(stored.engine, &recorder.bytes());
            match ended {
                Err(error) => {
                    let text = error.to_string();
                    assert_eq!(
                        error.effect(),
                        boltkey::error::Effect::Nothing,
                        "{place}: {text}"
                    );
                    assert!(found.unwrap() == stored.old, "{place}: {text}");
                }
                Ok(ended) if ended.committed.failure.is_none() => {
                    assert!(found.is_ok(), "{place}: told to be done");
                    let store = open(stored.engine, &recorder.bytes()).unwrap();
                    let visit = &mut |unused: Unused<'_>| {
                        // A wrong bit behind a meta page's own bytes is no trace of anything.
                        if let Unused::Run { bytes, offset, .. } = unused
                            && offset >= 2 * 4096
                        {
                            let wiped = bytes.iter().all(|byte| *byte == 0);
                            assert!(wiped, "{place}: not wiped, and told to be");
                        }
                    };
                    store.unused(visit).unwrap();
                    assert_eq!(stored.shown(&recorder.bytes()), [""; 0], "{place}");
                }
                Ok(_) => {}
            }
        }
    }
    cases
}

#[test]
fn a_disk_that_lies_to_bolt() {
    let mut cases = 0;
    for stored in stores(Engine::Bolt) {
        if ["mixed", "chosen"]
            .iter()
            .any(|name| stored.name.starts_with(name))
        {
            cases += lie_everywhere(&stored, 70);
        }
    }
    println!("cases: lies-hash {cases}");
}
