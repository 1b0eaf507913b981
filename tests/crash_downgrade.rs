//! Power fails at any moment of `downgrade prepare` and `downgrade apply`: what is left is the old
//! store or the new one, the new one once the command has said so, and no last copy is gone before
//! its token stands in the store again.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::panic)] // test code

mod support;

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use boltkey::metadata::residue::Known;
use boltkey::ops::captures::Unseal;
use boltkey::ops::commit::Around;
use boltkey::ops::downgrade_apply::{self, Settings};
use boltkey::ops::downgrade_check::Options;
use boltkey::ops::downgrade_prepare::{self, Search};
use boltkey::store::{Committed, Outcome, WritableStore};
use support::device::{Effort, Recorder, Steps};
use support::scene::{Engine, Scene, contents, lost, made, open, writable};
use support::{content, fixtures};

type Change<'c> = &'c dyn Fn(&mut WritableStore) -> Committed;

/// Interrupts a change of one store everywhere; how many different images there were.
fn interrupt(scene: &Scene, change: Change<'_>) -> usize {
    let Scene { name, engine, .. } = scene;
    let recorder = Recorder::new(scene.bytes.clone());
    let mut store = writable(&recorder, name).unwrap();
    let done = change(&mut store);
    assert_eq!(done.outcome, Outcome::Changed, "{name}");
    assert!(done.failure.is_none(), "{name}: {:?}", done.failure);
    // Again there is nothing to do.
    drop(store);
    let after = recorder.bytes();
    let new = contents(*engine, &after).unwrap();
    assert!(new != scene.old, "{name}: nothing changed");

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
        assert!(is_new || found == scene.old, "{place}: something third");
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
        if !is_new && !scene.lost.is_empty() {
            let left = lost(*engine, crash.image);
            let all = scene.lost.iter().all(|id| left.binary_search(id).is_ok());
            assert!(all, "{place}: the last copy of a token is gone");
        }
    });
    assert!(
        was_old > 0 && was_new > 0,
        "{name}: {was_old} old, {was_new} new"
    );
    seen.len()
}

fn scene(engine: Engine, fixture: &str) -> Scene {
    let bolt = content(&fixtures().join("real").join(fixture));
    let bytes = match engine {
        Engine::Bolt => bolt,
        Engine::Redb => made(engine, &*open(Engine::Bolt, &bolt).unwrap(), 4096),
    };
    Scene {
        name: fixture.to_owned(),
        engine,
        old: contents(engine, &bytes).unwrap(),
        lost: lost(engine, &bytes),
        bytes,
    }
}

/// The tokens of a store before it was hashed, one on each line.
fn list(fixture: &str) -> String {
    let path = fixtures().join("real").join(fixture);
    let facts: serde_json::Value = serde_json::from_slice(&content(&path)).unwrap();
    let tokens = facts["tokens"].as_array().unwrap().iter();
    let tokens: Vec<&str> = tokens.map(|t| t["token"].as_str().unwrap()).collect();
    tokens.join("\n")
}

fn prepare(store: &mut WritableStore, list: &str) -> Committed {
    let (known, _) = Known::load(store).unwrap();
    let mut search = Search::new(&known);
    search
        .list(&mut list.as_bytes(), "the list", &Unseal::default())
        .unwrap();
    let found = search.finish();
    let plan = downgrade_prepare::plan(store, &found).unwrap();
    assert!(plan.prepared.restored > 5);
    let done = plan.apply(store, &Around::default()).unwrap();
    let again = downgrade_prepare::plan(store, &found).unwrap();
    assert!(again.changes.is_empty());
    assert_eq!(again.prepared.restored, 0);
    done
}

fn apply(store: &mut WritableStore, drop_hashed: bool) -> Committed {
    let settings = Settings {
        to: Options {
            target: "2.7".parse().unwrap(),
            sqlite: None,
        },
        drop_hashed,
        allow_loss: true,
    };
    let plan = |store: &WritableStore| {
        downgrade_apply::plan(store, store.inspect(), store.description(), &settings).unwrap()
    };
    let done = plan(store).apply(store, &Around::default()).unwrap();
    assert!(plan(store).changes.is_empty());
    done
}

fn interrupt_all(engine: Engine) -> usize {
    let hashed = scene(engine, "upgraded-2.9.1.bolt");
    let mixed = scene(engine, "mixed-2.9.1.bolt.gz");
    let plain = scene(engine, "lived-2.9.1-plaintext.bolt.gz");
    let list = list("upgraded-2.9.1.json");
    interrupt(&hashed, &|store| prepare(store, &list))
        + interrupt(&hashed, &|store| apply(store, false))
        + interrupt(&mixed, &|store| apply(store, true))
        + interrupt(&plain, &|store| apply(store, false))
}

#[test]
fn bolt() {
    println!(
        "cases: crash-downgrade-bolt {}",
        interrupt_all(Engine::Bolt)
    );
}

#[test]
fn redb() {
    println!(
        "cases: crash-downgrade-redb {}",
        interrupt_all(Engine::Redb)
    );
}
