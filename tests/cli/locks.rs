//! Several processes want one database at once. Each gets it alone, waits, or is told who holds it,
//! and the database matches what each was told.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Output};
use std::thread::sleep;
use std::time::{Duration, Instant};

use boltkey::store::Engine;

use crate::simultaneous_runs::{LiveStore, authenticates, made};
use crate::support::program::said;

const ENGINES: [Engine; 2] = [Engine::Bolt, Engine::Redb];

/// Schema 21 and 20: with hashed tokens and without.
const FIXTURES: [&str; 2] = ["fresh-2.9.1", "fresh-2.7.12"];

fn ended(child: Child) -> Output {
    child.wait_with_output().unwrap()
}

/// The database holds what it held and these, and each of them works.
fn holds(store: &LiveStore, before: &[String], acknowledged: &[(String, String)]) {
    let mut expected = before.to_vec();
    expected.extend(acknowledged.iter().map(|(id, _)| id.clone()));
    expected.sort();
    assert_eq!(store.authorizations(), expected);
    for (id, token) in acknowledged {
        assert!(authenticates(store, token), "{id}");
    }
    store.check();
}

#[test]
fn many_at_once() {
    let mut runs = 0;
    for engine in ENGINES {
        for fixture in FIXTURES {
            let store = LiveStore::new(engine, fixture);
            let before = store.authorizations();
            let mut acknowledged = Vec::new();
            let mut refused = 0;
            for _ in 0..3 {
                let all: Vec<Child> = (0..8)
                    .map(|_| store.recovery(&[]).spawn().unwrap())
                    .collect();
                for one in all.into_iter().map(ended) {
                    runs += 1;
                    match one.status.code() {
                        Some(0) => acknowledged.push(made(&one)),
                        Some(4) => {
                            assert!(said(&one).contains("is held by"), "{one:?}");
                            assert!(one.stdout.is_empty());
                            refused += 1;
                        }
                        _ => panic!("{one:?}"),
                    }
                }
            }
            assert!(!acknowledged.is_empty());
            println!("{engine:?}: {} done, {refused} refused", acknowledged.len());
            holds(&store, &before, &acknowledged);
            assert_eq!(store.names().len(), 1, "{:?}", store.names());
        }
    }
    println!("cases: locks {runs}");
}

#[test]
fn all_wait_and_all_succeed() {
    let mut runs = 0;
    for engine in ENGINES {
        let store = LiveStore::new(engine, FIXTURES[0]);
        let before = store.authorizations();
        let all: Vec<Child> = (0..10)
            .map(|_| store.recovery(&["--wait", "60s"]).spawn().unwrap())
            .collect();
        let acknowledged: Vec<_> = all
            .into_iter()
            .map(|child| {
                runs += 1;
                let one = ended(child);
                assert!(one.status.success(), "{one:?}");
                made(&one)
            })
            .collect();
        holds(&store, &before, &acknowledged);
    }
    println!("cases: locks {runs}");
}

#[test]
fn a_holder_is_waited_for_as_long_as_was_said() {
    for engine in ENGINES {
        let store = LiveStore::new(engine, FIXTURES[0]);
        let before = store.authorizations();
        let bytes = store.bytes();
        for exclusive in [true, false] {
            let holder = File::open(&store.database).unwrap();
            if exclusive {
                holder.lock().unwrap();
            } else {
                // A reader is a holder too.
                holder.lock_shared().unwrap();
            }
            let refused = ended(store.recovery(&[]).spawn().unwrap());
            assert_eq!(refused.status.code(), Some(4), "{refused:?}");
            let text = said(&refused);
            assert!(text.contains("nothing was changed"), "{text}");
            if cfg!(target_os = "linux") {
                let pid = format!("pid {}", std::process::id());
                assert!(text.contains(&pid), "{text}");
            }
            let started = Instant::now();
            let refused = ended(store.recovery(&["--wait", "300ms"]).spawn().unwrap());
            assert_eq!(refused.status.code(), Some(4), "{refused:?}");
            assert!(started.elapsed() >= Duration::from_millis(300));
            assert!(store.bytes() == bytes);
            // A program that was just started may share the descriptor, so unlock it.
            holder.unlock().unwrap();
        }
        let holder = File::open(&store.database).unwrap();
        holder.lock().unwrap();
        let waiting = store.recovery(&["--wait", "60s"]).spawn().unwrap();
        sleep(Duration::from_millis(200));
        assert!(store.bytes() == bytes, "written without the lock");
        // A program that was just started may share the descriptor, so unlock it.
        holder.unlock().unwrap();
        let done = ended(waiting);
        assert!(done.status.success(), "{done:?}");
        holds(&store, &before, &[made(&done)]);
    }
}

/// Waits until a process has a file open, or for a moment where the system does not tell.
fn wait_until_it_has(process: &Child, path: &Path) {
    let open = PathBuf::from(format!("/proc/{}/fd", process.id()));
    if !open.is_dir() {
        sleep(Duration::from_millis(300));
        return;
    }
    let has = || {
        let files = fs::read_dir(&open).unwrap().flatten();
        files
            .filter_map(|file| fs::read_link(file.path()).ok())
            .any(|file| file == path)
    };
    let started = Instant::now();
    while !has() && started.elapsed() < Duration::from_secs(60) {
        sleep(Duration::from_millis(10));
    }
}

/// A waiting process must not go on with a file that is no longer the database.
#[test]
fn a_database_that_is_replaced_meanwhile_is_noticed() {
    for engine in ENGINES {
        let store = LiveStore::new(engine, FIXTURES[0]);
        let old = store.bytes();
        let (user, org) = (store.first("user"), store.first("org"));
        let holder = File::open(&store.database).unwrap();
        holder.lock().unwrap();
        // With names given nothing is read before the lock for writing is taken.
        let mut waiting = store.recovery(&["--wait", "60s", "--user", &user, "--org", &org]);
        let waiting = waiting.spawn().unwrap();
        wait_until_it_has(&waiting, &store.database);
        let aside = store.path("aside");
        fs::rename(&store.database, &aside).unwrap();
        fs::write(&store.database, &old).unwrap();
        // A program that was just started may share the descriptor, so unlock it.
        holder.unlock().unwrap();
        let refused = ended(waiting);
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        let text = said(&refused);
        assert!(text.contains("was replaced by another file"), "{text}");
        assert!(text.contains("nothing was changed"), "{text}");
        assert!(store.bytes() == old && fs::read(&aside).unwrap() == old);
    }
}

/// Killed at any moment: the lock is free, the store is sound, and what was acknowledged holds.
#[test]
fn killed_at_any_moment() {
    let mut tried = 0;
    for engine in ENGINES {
        let store = LiveStore::new(engine, FIXTURES[0]);
        let before = store.authorizations();
        let mut acknowledged: Vec<(String, String)> = Vec::new();
        // How long it takes here.
        let started = Instant::now();
        let whole = ended(store.recovery(&[]).spawn().unwrap());
        let usual = started.elapsed();
        acknowledged.push(made(&whole));
        let rounds = 24;
        for round in 0..rounds {
            let mut child = store.recovery(&[]).spawn().unwrap();
            sleep(usual * round / rounds);
            child.kill().unwrap();
            let one = ended(child);
            if one.status.success() || !one.stdout.is_empty() {
                acknowledged.push(made(&one));
            }
            tried += 1;
            store.check();
        }
        let now = store.authorizations();
        assert!(now.len() >= before.len() + acknowledged.len());
        assert!(now.len() <= before.len() + 1 + rounds as usize);
        for (id, token) in &acknowledged {
            assert!(now.contains(id) && authenticates(&store, token), "{id}");
        }
        let more = ended(store.recovery(&[]).spawn().unwrap());
        assert!(more.status.success(), "{more:?}");
        assert_eq!(store.names().len(), 1, "{:?}", store.names());
    }
    println!("cases: killed {tried}");
}
