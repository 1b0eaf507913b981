//! Power fails at any moment of a command that changes tokens, users or organizations. The result
//! is the old store or the new one, and the new one if the command has reported success.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::ControlFlow;

use crate::support::device::{Effort, Recorder, Steps};
use crate::support::operations::{OF_PEOPLE, OF_TOKENS, Operation};
use crate::support::store_image::{Other, StoreImage, broken, contents, lost, stores, writable};
use boltkey::ops::commit::SideFiles;
use boltkey::store::{CommitOutcome, Engine, Model, Snapshot};
use memchr::memmem;

/// The tokens that a store holds in plaintext.
fn tokens(store: &Model) -> Vec<String> {
    let mut tokens = Vec::new();
    store
        .scan(b"authorizationindexv1", &mut |key, _| {
            tokens.push(String::from_utf8(key.to_vec()).unwrap());
            ControlFlow::Continue(())
        })
        .unwrap();
    tokens
}

/// The hash of alice's password.
fn old_password(base: &StoreImage) -> Vec<u8> {
    let id = base.old.get(b"userindexv1", b"alice").unwrap().unwrap();
    base.old.get(b"userspasswordv1", &id).unwrap().unwrap()
}

/// Interrupts the command on one store everywhere; how many different images there were.
pub fn interrupt(base: &StoreImage, operation: Operation, effort: Effort) -> usize {
    let StoreImage { engine, .. } = base;
    let name = &format!("{operation:?} on {}", base.name);
    let lost_after = operation.lost_after(base);
    let recorder = Recorder::new(base.bytes.clone());
    let mut store = writable(&recorder, name).unwrap();
    let plan = operation.plan(&store, &base.old).unwrap();
    let done = plan.apply(&mut store, &SideFiles::default()).unwrap();
    assert_eq!(done.outcome, CommitOutcome::Changed, "{name}");
    assert!(done.failure.is_none(), "{name}: {:?}", done.failure);
    drop(store);
    let after = recorder.bytes();
    let new = contents(*engine, &after).unwrap();
    assert!(new != base.old, "{name}: nothing changed");
    assert_eq!(lost(*engine, &after), lost_after, "{name}");

    // Of what was replaced, nothing is left behind.
    if *engine == Engine::Bolt
        && matches!(operation, Operation::UserPassword | Operation::UserDelete)
    {
        let hash = old_password(base);
        assert!(memmem::find(&base.bytes, &hash).is_some(), "{name}");
        assert!(
            memmem::find(&after, &hash).is_none(),
            "{name}: shows the old hash"
        );
    }
    for token in tokens(&base.old) {
        let count = |bytes: &[u8]| memmem::find_iter(bytes, token.as_bytes()).count();
        let (before, after) = (count(&base.bytes), count(&after));
        let allowed = *engine == Engine::Redb || after <= before;
        assert!(
            allowed,
            "{name}: {before} times before, {after} times after"
        );
    }

    let log = recorder.log();
    let other = Other::of(*engine, &base.bytes);
    // Bolt's commit point is known call by call; of redb's, what holds at the end.
    let steps = (*engine == Engine::Bolt).then(|| Steps::of(&log));
    let token = plan.token().map(|token| token.reveal().as_bytes());
    let hashed = token.filter(|token| memmem::find(&after, token).is_none());
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
                    let sample = other.as_ref().filter(|_| seen.len() % 3 == 0);
                    let whole = sample.is_none_or(|other| other.is_whole(crash.image));
                    assert!(whole, "{place}: the state before is spoiled");
                }
                crash.returned > steps.s6
            }
            None => crash.returned >= log.len(),
        };
        assert!(
            !must_be_new || is_new,
            "{place}: what was acknowledged is lost"
        );
        if let Some(token) = hashed {
            assert!(
                memmem::find(crash.image, token).is_none(),
                "{place}: the file shows the new token"
            );
        }
        if !base.lost.is_empty() {
            let left = lost(*engine, crash.image);
            let of = if is_new { &lost_after } else { &base.lost };
            let all = of.iter().all(|id| left.binary_search(id).is_ok());
            assert!(all, "{place}: the last copy of a token is gone");
        }
    });
    assert!(
        was_old > 0 && was_new > 0,
        "{name}: {was_old} old, {was_new} new"
    );
    seen.len()
}

fn interrupt_all(engine: Engine, effort: Effort) -> usize {
    stores(engine)
        .iter()
        .map(|base| interrupt(base, Operation::Recover, effort))
        .sum()
}

/// A store in plaintext and one that was hashed.
const SOME: [&str; 2] = ["fresh-2.7.12", "upgraded-2.9.1"];

fn interrupt_some(engine: Engine, operations: &[Operation], effort: Effort) -> usize {
    let mut images = 0;
    for base in stores(engine) {
        if !SOME.contains(&base.name.as_str()) {
            continue;
        }
        for operation in operations {
            images += interrupt(&base, *operation, effort);
        }
    }
    images
}

#[test]
fn bolt() {
    let images = interrupt_all(
        Engine::Bolt,
        Effort {
            mixed: 400,
            seeded: 2000,
            cuts: 256,
        },
    );
    println!("cases: crash-bolt {images}");
}

#[test]
fn redb() {
    let images = interrupt_all(
        Engine::Redb,
        Effort {
            mixed: 400,
            seeded: 2000,
            cuts: 256,
        },
    );
    println!("cases: crash-redb {images}");
}

#[test]
fn tokens_in_bolt() {
    let images = interrupt_some(
        Engine::Bolt,
        &OF_TOKENS,
        Effort {
            mixed: 50,
            seeded: 250,
            cuts: 32,
        },
    );
    println!("cases: crash-tokens-bolt {images}");
}

#[test]
fn tokens_in_redb() {
    let images = interrupt_some(
        Engine::Redb,
        &OF_TOKENS,
        Effort {
            mixed: 20,
            seeded: 100,
            cuts: 16,
        },
    );
    println!("cases: crash-tokens-redb {images}");
}

fn interrupt_repair(engine: Engine, effort: Effort) -> usize {
    broken(engine)
        .iter()
        .map(|base| interrupt(base, Operation::Repair, effort))
        .sum()
}

#[test]
fn repair_in_bolt() {
    let images = interrupt_repair(
        Engine::Bolt,
        Effort {
            mixed: 100,
            seeded: 500,
            cuts: 64,
        },
    );
    println!("cases: crash-repair-bolt {images}");
}

#[test]
fn repair_in_redb() {
    let images = interrupt_repair(
        Engine::Redb,
        Effort {
            mixed: 50,
            seeded: 250,
            cuts: 32,
        },
    );
    println!("cases: crash-repair-redb {images}");
}

#[test]
fn people_in_bolt() {
    let images = interrupt_some(
        Engine::Bolt,
        &OF_PEOPLE,
        Effort {
            mixed: 50,
            seeded: 250,
            cuts: 32,
        },
    );
    println!("cases: crash-people-bolt {images}");
}

#[test]
fn people_in_redb() {
    let images = interrupt_some(
        Engine::Redb,
        &OF_PEOPLE,
        Effort {
            mixed: 20,
            seeded: 100,
            cuts: 16,
        },
    );
    println!("cases: crash-people-redb {images}");
}
