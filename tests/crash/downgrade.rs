//! Power or the disk fails at any moment of `downgrade prepare` and `downgrade apply`. The result
//! is the old store or the new one, as the command reports. A last copy is overwritten only when
//! its token is in the store again.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::support::device::{Effort, Fault, Recorder, Steps};
use crate::support::fixtures::{fixture, tokens};
use crate::support::store_image::{StoreImage, contents, lost, made, open, writable};
use boltkey::ErrorKind;
use boltkey::metadata::residue::Known;
use boltkey::ops::capture::unseal::Unseal;
use boltkey::ops::commit::SideFiles;
use boltkey::ops::downgrade::apply::Settings;
use boltkey::ops::downgrade::prepare::TokenSearch;
use boltkey::ops::downgrade::sql_side::{Options, SqlBeside};
use boltkey::ops::downgrade::{apply, prepare};
use boltkey::store::{CommitOutcome, Committed, Engine, WritableStore};

type Change<'c> = &'c dyn Fn(&mut WritableStore) -> boltkey::Result<Committed>;

/// Lets the disk fail at every call of a change, or at every few; how many cases there were.
fn fail_everywhere(base: &StoreImage, change: Change<'_>) -> usize {
    let StoreImage { name, engine, .. } = base;
    let run = |recorder: &Recorder| writable(recorder, name).and_then(|mut s| change(&mut s));
    let recorder = Recorder::new(base.bytes.clone());
    run(&recorder).unwrap();
    let new = contents(*engine, &recorder.bytes()).unwrap();
    let (calls, special) = (recorder.calls(), recorder.noted());
    let step = calls.div_ceil(60).max(1);
    let (mut cases, mut unchanged, mut incomplete) = (0, 0, 0);
    for number in 0..calls {
        let near = special.iter().any(|at| number.abs_diff(*at) <= 2);
        if number % step != 0 && !near && number + 4 < calls {
            continue;
        }
        let recorder = Recorder::new(base.bytes.clone());
        recorder.fail(number, Fault::Io);
        let ended = run(&recorder);
        if recorder.failed().is_none() {
            assert!(ended.is_ok());
            continue;
        }
        cases += 1;
        let place = format!("{name}: call {number} fails");
        assert!(
            !recorder.changed_after_failure(),
            "{place}: went on writing"
        );
        let (may_be_old, may_be_new) = match ended {
            Err(error) => {
                unchanged += 1;
                assert_eq!(
                    error.effect(),
                    boltkey::error::Effect::Nothing,
                    "{place}: {error}"
                );
                (true, false)
            }
            Ok(committed) => {
                if let Some(failure) = committed.failure {
                    incomplete += 1;
                    assert_eq!(failure.kind(), ErrorKind::Incomplete, "{place}");
                    assert!(failure.hint().unwrap().contains("boltkey "), "{place}");
                    assert_ne!(
                        failure.effect(),
                        boltkey::error::Effect::Nothing,
                        "{place}: {failure}"
                    );
                }
                (committed.outcome == CommitOutcome::Unknown, true)
            }
        };
        recorder.reboot_images(6, &mut |image| {
            let found = contents(*engine, image).unwrap_or_else(|why| panic!("{place}: {why}"));
            assert!(found == new || found == base.old, "{place}: a third thing");
            assert!(may_be_old || found == new, "{place}: the change is lost");
            assert!(may_be_new || found != new, "{place}: it holds all the same");
        });
    }
    assert!(unchanged > 0 && incomplete > 0, "{unchanged} {incomplete}");
    cases
}

/// Interrupts a change of one store everywhere; how many different images there were.
fn interrupt(base: &StoreImage, change: Change<'_>) -> usize {
    let StoreImage { name, engine, .. } = base;
    let recorder = Recorder::new(base.bytes.clone());
    let mut store = writable(&recorder, name).unwrap();
    let done = change(&mut store).unwrap();
    assert_eq!(done.outcome, CommitOutcome::Changed, "{name}");
    assert!(done.failure.is_none(), "{name}: {:?}", done.failure);
    drop(store);
    let after = recorder.bytes();
    let new = contents(*engine, &after).unwrap();
    assert!(new != base.old, "{name}: nothing changed");

    let log = recorder.log();
    let steps = (*engine == Engine::Bolt).then(|| Steps::of(&log));
    let effort = Effort {
        mixed: 200,
        seeded: 1000,
        cuts: 128,
    };
    let (mut seen, mut was_old, mut was_new) = (HashSet::new(), 0, 0);
    recorder.crash_images(effort, &mut |crash| {
        let mut hasher = DefaultHasher::new();
        (crash.image, crash.returned).hash(&mut hasher);
        if !seen.insert(hasher.finish()) {
            return;
        }
        let place = format!("{name}: power failed at call {}", crash.returned);
        let found = contents(*engine, crash.image).unwrap_or_else(|why| panic!("{place}: {why}"));
        let is_new = found == new;
        assert!(is_new || found == base.old, "{place}: something third");
        if is_new {
            was_new += 1;
        } else {
            was_old += 1;
        }
        let must_be_new = match &steps {
            Some(steps) => {
                if crash.returned < steps.s5 {
                    assert!(!is_new, "{place}: new before the meta was written");
                }
                crash.returned > steps.s6
            }
            None => crash.returned >= log.len(),
        };
        assert!(
            !must_be_new || is_new,
            "{place}: what was acknowledged is lost"
        );
        if !is_new && !base.lost.is_empty() {
            let left = lost(*engine, crash.image);
            let all = base.lost.iter().all(|id| left.binary_search(id).is_ok());
            assert!(all, "{place}: the last copy of a token is gone");
        }
    });
    assert!(
        was_old > 0 && was_new > 0,
        "{name}: {was_old} old, {was_new} new"
    );
    seen.len()
}

fn base(engine: Engine, name: &str) -> StoreImage {
    let bolt = fixture(name);
    let bytes = match engine {
        Engine::Bolt => bolt,
        Engine::Redb => made(engine, &*open(Engine::Bolt, &bolt).unwrap(), 4096),
    };
    StoreImage::new(name.to_owned(), engine, bytes)
}

/// The tokens of a store before it was hashed, one on each line.
fn list(name: &str) -> String {
    let values = tokens(name).into_iter().map(|(_, value)| value);
    values.collect::<Vec<_>>().join("\n")
}

fn prepare(store: &mut WritableStore, list: &str) -> boltkey::Result<Committed> {
    let (known, _) = Known::load(store)?;
    let mut search = TokenSearch::new(&known);
    search.list(&mut list.as_bytes(), "the list", &Unseal::default())?;
    let found = search.finish();
    let plan = prepare::plan(store, &found)?;
    assert!(plan.prepared.restored > 5);
    let done = plan.apply(store, &SideFiles::default())?;
    // Where the disk has failed by now, nothing can be asked any more.
    if done.failure.is_none()
        && let Ok(again) = prepare::plan(store, &found)
    {
        assert!(again.changes.is_empty());
        assert_eq!(again.prepared.restored, 0);
    }
    Ok(done)
}

fn apply(store: &mut WritableStore, drop_hashed: bool) -> boltkey::Result<Committed> {
    let settings = Settings {
        to: Options {
            target: "2.7".parse().unwrap(),
            sqlite: None,
        },
        drop_hashed,
        allow_loss: true,
    };
    let none = SqlBeside::none(&store.description().path);
    let plan = |store: &WritableStore| {
        apply::plan(
            store,
            store.inspect(),
            store.description(),
            &settings,
            &none,
        )
    };
    let done = plan(store)?.apply(store, &SideFiles::default())?;
    if done.failure.is_none()
        && let Ok(again) = plan(store)
    {
        assert!(again.changes.is_empty());
    }
    Ok(done)
}

/// Tries each change on each store that it fits.
fn each(engine: Engine, test: &dyn Fn(&StoreImage, Change<'_>) -> usize) -> usize {
    let hashed = base(engine, "upgraded-2.9.1");
    let mixed = base(engine, "mixed-2.9.1");
    let plain = base(engine, "lived-2.9.1-plaintext");
    let list = list("upgraded-2.9.1");
    test(&hashed, &|store| prepare(store, &list))
        + test(&hashed, &|store| apply(store, false))
        + test(&mixed, &|store| apply(store, true))
        + test(&plain, &|store| apply(store, false))
}

#[test]
fn power_fails_on_bolt() {
    let images = each(Engine::Bolt, &interrupt);
    println!("cases: crash-downgrade-bolt {images}");
}

#[test]
fn power_fails_on_redb() {
    let images = each(Engine::Redb, &interrupt);
    println!("cases: crash-downgrade-redb {images}");
}

#[test]
fn the_disk_fails_on_bolt() {
    let cases = each(Engine::Bolt, &fail_everywhere);
    println!("cases: fault-downgrade-bolt {cases}");
}

#[test]
fn the_disk_fails_on_redb() {
    let cases = each(Engine::Redb, &fail_everywhere);
    println!("cases: fault-downgrade-redb {cases}");
}
