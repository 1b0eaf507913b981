//! Power fails at any moment: the result is the old store or the new one. After success it is the new
//! one, and contains no plaintext token.

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::Ordering;

use boltkey::ErrorKind;
use boltkey::metadata::{Authorization, names};
use boltkey::ops::commit::SideFiles;
use boltkey::store::{CommitOutcome, Model, Snapshot, WritableStore};

use super::stores::{How, PlantedStore, Watched, folder, hash, scrub, stores};
use crate::support::device::{Effort, Recorder, Steps};
use crate::support::store_image::{Other, contents, lost, recovery, writable};
use boltkey::store::Engine;

/// A command that is interrupted everywhere.
#[derive(Clone, Copy)]
enum Command {
    Hash(How, bool),
    Scrub,
}

/// The tokens that records of a store hold in plaintext.
fn plaintext(model: &Model) -> Vec<String> {
    let mut tokens = Vec::new();
    model
        .scan(names::AUTHORIZATIONS, &mut |_, value| {
            let record: Authorization<'_> = serde_json::from_slice(value).unwrap();
            tokens.extend((!record.token.is_empty()).then(|| record.token.to_string()));
            ControlFlow::Continue(())
        })
        .unwrap();
    tokens
}

fn run(recorder: &Recorder, stored: &PlantedStore, command: Command, capture: &Path) {
    let name = &stored.name;
    match command {
        Command::Scrub => {
            let mut store = writable(recorder, name).unwrap();
            let done = scrub(&mut store).unwrap();
            assert_eq!(done.outcome, CommitOutcome::Changed, "{name}");
            assert!(done.failure.is_none(), "{name}: {:?}", done.failure);
        }
        Command::Hash(how, with_capture) => {
            let (watched, seen) = Watched::new(recorder, capture, plaintext(&stored.old));
            let path = Path::new(name);
            let mut store = match with_capture {
                true => WritableStore::on(Box::new(watched), path).unwrap(),
                false => writable(recorder, name).unwrap(),
            };
            let done = hash(&mut store, how, with_capture.then_some(capture)).unwrap();
            let failure = done.committed.failure;
            assert!(failure.is_none(), "{name}: {failure:?}");
            assert_eq!(done.committed.outcome, CommitOutcome::Changed, "{name}");
            assert!(done.recovered >= stored.lost.len(), "{name}");
            assert_eq!(done.embedded > 0, !stored.embedded.is_empty(), "{name}");
            assert_eq!(seen.load(Ordering::SeqCst), with_capture, "{name}");
            if !how.keep_residue {
                assert_eq!(done.proof.plaintext_remaining, 0, "{name}");
            }
        }
    }
}

/// Interrupts it on one store; how many different images there were.
fn interrupt(stored: &PlantedStore, command: Command, effort: Effort) -> usize {
    let (name, engine) = (&stored.name, &stored.engine);
    let folder = folder();
    let recorder = Recorder::new(stored.bytes.clone());
    run(&recorder, stored, command, &folder.path().join("capture"));
    let kept = matches!(command, Command::Hash(how, _) if how.keep_residue);
    let after = recorder.bytes();
    let new = contents(*engine, &after).unwrap();
    if kept {
        let left = lost(*engine, &after);
        let all = stored.lost.iter().all(|id| left.binary_search(id).is_ok());
        assert!(all, "{name}: the last copy of a token is gone");
    } else {
        assert_eq!(stored.shown(&after), [""; 0], "{name}");
    }
    let log = recorder.log();
    let steps = (*engine == Engine::Bolt).then(|| Steps::of(&log));
    let other = Other::of(*engine, &stored.bytes);
    let (mut seen, mut was, mut finished) = (HashSet::new(), BTreeMap::new(), 0);
    recorder.crash_images(effort, &mut |crash| {
        let mut hasher = DefaultHasher::new();
        (crash.image, crash.returned >= log.len()).hash(&mut hasher);
        if !seen.insert(hasher.finish()) {
            return;
        }
        let place = format!("{name}: power failed at call {}", crash.returned);
        let found = contents(*engine, crash.image).unwrap_or_else(|why| panic!("{place}: {why}"));
        let is_new = found == new;
        assert!(is_new || found == stored.old, "{place}: something third");
        *was.entry(is_new).or_insert(0) += 1;
        if let Some(steps) = &steps {
            let old_again = new == stored.old;
            assert!(
                crash.returned >= steps.s5 || !is_new || old_again,
                "{place}: too early"
            );
            assert!(
                crash.returned <= steps.s6 || is_new,
                "{place}: acknowledged and lost"
            );
            if let Some(other) = &other
                && crash.returned < steps.s5
                && seen.len() % 3 == 0
            {
                let whole = other.is_whole(crash.image);
                assert!(whole, "{place}: the state before is spoiled");
            }
        }
        if crash.returned >= log.len() {
            assert!(is_new, "{place}: what was acknowledged is lost");
            if !kept {
                assert_eq!(stored.shown(crash.image), [""; 0], "{place}");
            }
        }
        // Run again, it is finished.
        if seen.len() % 97 == 0 {
            let again = Recorder::new(crash.image.to_vec());
            let mut store = writable(&again, "again").unwrap();
            let committed = match command {
                Command::Scrub => scrub(&mut store).unwrap(),
                Command::Hash(how, _) => {
                    let how = How {
                        keep_residue: false,
                        ..how
                    };
                    hash(&mut store, how, None).unwrap().committed
                }
            };
            assert!(
                committed.failure.is_none(),
                "{place}: {:?}",
                committed.failure
            );
            drop(store);
            assert_eq!(stored.shown(&again.bytes()), [""; 0], "{place}, run again");
            let found = contents(*engine, &again.bytes()).unwrap();
            assert!(found == new, "{place}: run again, something third");
            finished += 1;
        }
    });
    assert!(was.len() == 2 || new == stored.old, "{name}: {was:?}");
    println!(
        "{name}: {} images, {was:?}, {finished} finished",
        seen.len()
    );
    seen.len()
}

const FEW: Effort = Effort {
    mixed: 40,
    seeded: 200,
    cuts: 12,
};

/// What would take too long on every store.
const FEWER: Effort = Effort {
    mixed: 2,
    seeded: 10,
    cuts: 1,
};

#[test]
fn hash_on_bolt() {
    let mut images = 0;
    for (n, stored) in stores(Engine::Bolt).iter().enumerate() {
        let how = How {
            sha512: n % 3 == 1,
            keep_residue: false,
        };
        images += interrupt(stored, Command::Hash(how, true), FEW);
        images += interrupt(stored, Command::Hash(how, false), FEWER);
        let has_plaintext = !plaintext(&stored.old).is_empty();
        if has_plaintext {
            let how = How {
                keep_residue: true,
                ..how
            };
            images += interrupt(stored, Command::Hash(how, n % 2 == 0), FEWER);
        }
    }
    println!("cases: crash-hash-bolt {images}");
}

#[test]
fn hash_on_redb() {
    let mut images = 0;
    for stored in stores(Engine::Redb) {
        let how = How::default();
        images += interrupt(&stored, Command::Hash(how, true), FEWER);
        if stored.lost.is_empty() {
            let how = How {
                keep_residue: true,
                ..how
            };
            images += interrupt(&stored, Command::Hash(how, false), FEWER);
        }
    }
    println!("cases: crash-hash-redb {images}");
}

#[test]
fn scrub_on_either() {
    let mut images = 0;
    for engine in [Engine::Bolt, Engine::Redb] {
        for mut stored in stores(engine) {
            // What the store holds in plaintext is no residue.
            let live = plaintext(&stored.old);
            if stored.lost.is_empty() {
                continue;
            }
            for token in live {
                stored.planted.remove(token.as_bytes());
            }
            let effort = match engine {
                Engine::Bolt => FEW,
                Engine::Redb => FEWER,
            };
            images += interrupt(&stored, Command::Scrub, effort);
        }
    }
    println!("cases: crash-scrub-command {images}");
}

/// A change that is not asked to destroy last copies leaves them alone, or is not made.
#[test]
fn last_copies_stay_readable() {
    let (mut made, mut refused) = (0, 0);
    for engine in [Engine::Bolt, Engine::Redb] {
        for stored in stores(engine) {
            if stored.lost.is_empty() {
                continue;
            }
            let name = &stored.name;
            let recorder = Recorder::new(stored.bytes.clone());
            let mut store = writable(&recorder, name).unwrap();
            let plan = recovery(&store).unwrap();
            match plan.apply(&mut store, &SideFiles::default()) {
                Ok(done) => {
                    assert!(done.failure.is_none(), "{name}: {:?}", done.failure);
                    made += 1;
                }
                Err(error) => {
                    assert_eq!(engine, Engine::Redb, "{name}: {error}");
                    assert_eq!(error.kind(), ErrorKind::Refused, "{name}: {error}");
                    assert_eq!(
                        error.effect(),
                        boltkey::error::Effect::Nothing,
                        "{name}: {error}"
                    );
                    let hint = error.hint().unwrap();
                    assert!(hint.contains("boltkey residue recover --out"), "{hint}");
                    let found = contents(engine, &recorder.bytes()).unwrap();
                    assert!(found == stored.old, "{name}");
                    refused += 1;
                }
            }
            drop(store);
            let left = lost(engine, &recorder.bytes());
            let all = stored.lost.iter().all(|id| left.binary_search(id).is_ok());
            assert!(all, "{name}: the last copy of a token is gone");
        }
    }
    assert!(made > 3 && refused > 0, "{made} made, {refused} refused");
    println!("cases: last-copies {}", made + refused);
}
