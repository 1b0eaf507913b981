//! Several processes want one database at once: each gets it for itself, waits, or is told who
//! holds it; and what each was told is what the database holds in the end.

use std::fs::{self, File};
use std::process::{Child, Output};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::support::program::{Place, authenticates, made, said};
use crate::support::store_image::Engine;

const ENGINES: [Engine; 2] = [Engine::Bolt, Engine::Redb];

/// Schema 21 and 20: with hashed tokens and without.
const FIXTURES: [&str; 2] = ["fresh-2.9.1.bolt", "fresh-2.7.12.bolt.gz"];

fn ended(child: Child) -> Output {
    child.wait_with_output().unwrap()
}

/// The database holds what it held and these, and each of them works.
fn holds(place: &Place, before: &[String], acknowledged: &[(String, String)]) {
    let mut expected = before.to_vec();
    expected.extend(acknowledged.iter().map(|(id, _)| id.clone()));
    expected.sort();
    assert_eq!(place.authorizations(), expected);
    for (id, token) in acknowledged {
        assert!(authenticates(place, token), "{id}");
    }
    place.check();
}

#[test]
fn many_at_once() {
    let mut runs = 0;
    for engine in ENGINES {
        for fixture in FIXTURES {
            let place = Place::new(engine, fixture);
            let before = place.authorizations();
            let mut acknowledged = Vec::new();
            let mut refused = 0;
            for _ in 0..3 {
                let all: Vec<Child> = (0..8)
                    .map(|_| place.recovery(&[]).spawn().unwrap())
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
            holds(&place, &before, &acknowledged);
            assert_eq!(place.names().len(), 1, "{:?}", place.names());
        }
    }
    println!("cases: locks {runs}");
}

#[test]
fn all_wait_and_all_succeed() {
    let mut runs = 0;
    for engine in ENGINES {
        let place = Place::new(engine, FIXTURES[0]);
        let before = place.authorizations();
        let all: Vec<Child> = (0..10)
            .map(|_| place.recovery(&["--wait", "60s"]).spawn().unwrap())
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
        holds(&place, &before, &acknowledged);
    }
    println!("cases: locks {runs}");
}

#[test]
fn a_holder_is_waited_for_as_long_as_was_said() {
    for engine in ENGINES {
        let place = Place::new(engine, FIXTURES[0]);
        let before = place.authorizations();
        let bytes = place.bytes();
        for exclusive in [true, false] {
            let holder = File::open(&place.database).unwrap();
            if exclusive {
                holder.lock().unwrap();
            } else {
                // A reader is a holder too.
                holder.lock_shared().unwrap();
            }
            let refused = ended(place.recovery(&[]).spawn().unwrap());
            assert_eq!(refused.status.code(), Some(4), "{refused:?}");
            let text = said(&refused);
            assert!(text.contains("nothing was changed"), "{text}");
            if cfg!(target_os = "linux") {
                let pid = format!("pid {}", std::process::id());
                assert!(text.contains(&pid), "{text}");
            }
            let started = Instant::now();
            let refused = ended(place.recovery(&["--wait", "300ms"]).spawn().unwrap());
            assert_eq!(refused.status.code(), Some(4), "{refused:?}");
            assert!(started.elapsed() >= Duration::from_millis(300));
            assert!(place.bytes() == bytes);
            drop(holder);
        }
        let holder = File::open(&place.database).unwrap();
        holder.lock().unwrap();
        let waiting = place.recovery(&["--wait", "60s"]).spawn().unwrap();
        sleep(Duration::from_millis(200));
        assert!(place.bytes() == bytes, "written without the lock");
        drop(holder);
        let done = ended(waiting);
        assert!(done.status.success(), "{done:?}");
        holds(&place, &before, &[made(&done)]);
    }
}

/// A waiting process must not go on with a file that is no longer the database.
#[test]
fn a_database_that_is_replaced_meanwhile_is_noticed() {
    for engine in ENGINES {
        let place = Place::new(engine, FIXTURES[0]);
        let old = place.bytes();
        let (user, org) = (place.first("user"), place.first("org"));
        let holder = File::open(&place.database).unwrap();
        holder.lock().unwrap();
        // With names given nothing is read before the lock for writing is taken.
        let mut waiting = place.recovery(&["--wait", "60s", "--user", &user, "--org", &org]);
        let waiting = waiting.spawn().unwrap();
        sleep(Duration::from_millis(300));
        let aside = place.path("aside");
        fs::rename(&place.database, &aside).unwrap();
        fs::write(&place.database, &old).unwrap();
        drop(holder);
        let refused = ended(waiting);
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        let text = said(&refused);
        assert!(text.contains("was replaced by another file"), "{text}");
        assert!(text.contains("nothing was changed"), "{text}");
        assert!(place.bytes() == old && fs::read(&aside).unwrap() == old);
    }
}

/// Killed at any moment: the lock is free, the store is sound, and what was acknowledged holds.
#[test]
fn killed_at_any_moment() {
    let mut tried = 0;
    for engine in ENGINES {
        let place = Place::new(engine, FIXTURES[0]);
        let before = place.authorizations();
        let mut acknowledged: Vec<(String, String)> = Vec::new();
        // How long it takes here.
        let started = Instant::now();
        let whole = ended(place.recovery(&[]).spawn().unwrap());
        let usual = started.elapsed();
        acknowledged.push(made(&whole));
        let rounds = 24;
        for round in 0..rounds {
            let mut child = place.recovery(&[]).spawn().unwrap();
            sleep(usual * round / rounds);
            child.kill().unwrap();
            let one = ended(child);
            if one.status.success() || !one.stdout.is_empty() {
                acknowledged.push(made(&one));
            }
            tried += 1;
            place.check();
        }
        let now = place.authorizations();
        assert!(now.len() >= before.len() + acknowledged.len());
        assert!(now.len() <= before.len() + 1 + rounds as usize);
        for (id, token) in &acknowledged {
            assert!(now.contains(id) && authenticates(&place, token), "{id}");
        }
        let more = ended(place.recovery(&[]).spawn().unwrap());
        assert!(more.status.success(), "{more:?}");
        assert_eq!(place.names().len(), 1, "{:?}", place.names());
    }
    println!("cases: killed {tried}");
}
