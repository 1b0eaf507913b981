//! Commands that are killed at any moment.

use std::fs;
use std::process::{Command, Output};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::{Place, ran, sqlite};

/// Runs a command again and again and kills it a little later each time.
fn killed(rounds: u32, start: &mut dyn FnMut() -> Command, look: &mut dyn FnMut(Output)) -> u32 {
    let started = Instant::now();
    ran(&mut start());
    let usual = started.elapsed().max(Duration::from_millis(1));
    for round in 0..rounds {
        let mut child = start().spawn().unwrap();
        sleep(usual * round / rounds);
        child.kill().unwrap();
        look(child.wait_with_output().unwrap());
    }
    rounds
}

#[test]
fn an_export_that_is_killed_leaves_nothing_that_looks_complete() {
    let place = Place::new();
    let mut number = 0;
    let (mut none, mut whole) = (0, 0);
    let tried = killed(
        24,
        &mut || {
            number += 1;
            place.export(&format!("out-{number}"))
        },
        &mut |output| {
            let newest = (0..100).rev().map(|n| format!("out-{n}"));
            let Some(out) = newest.into_iter().find(|out| place.path(out).exists()) else {
                return;
            };
            let inspected = place
                .command(&["backup", "inspect", &out])
                .output()
                .unwrap();
            let sheet = place.state(&out).into_keys();
            let complete = sheet
                .into_iter()
                .any(|path| path.extension().is_some_and(|e| e == "json"));
            if complete {
                assert!(inspected.status.success(), "{inspected:?}");
                whole += 1;
            } else {
                assert!(!output.status.success());
                // The manifest comes right before the last file, and what it names is whole.
                assert!(
                    [Some(0), Some(5)].contains(&inspected.status.code()),
                    "{inspected:?}"
                );
                none += 1;
            }
            fs::remove_dir_all(place.path(&out)).unwrap();
        },
    );
    println!("cases: exports-killed {tried}");
    println!("{none} left incomplete, {whole} complete");
}

#[test]
fn a_restore_that_is_killed_is_finished_by_the_next() {
    let place = Place::new();
    ran(&mut place.export("whole"));
    let target = place.path("target");
    let fresh = || {
        let _ = fs::remove_dir_all(&target);
        fs::create_dir(&target).unwrap();
        let source = place.path("source/influxd.bolt");
        fs::copy(source, target.join("influxd.bolt")).unwrap();
        sqlite(&target.join("influxd.sqlite"), 3);
    };
    let old = {
        fresh();
        place.state("target")
    };
    let tried = killed(
        24,
        &mut || {
            fresh();
            place.restore("whole", "target/influxd.bolt")
        },
        &mut |_| {
            ran(&mut place.restore("whole", "target/influxd.bolt"));
            place.is_restored("target/influxd.bolt");
            let state = place.state("target");
            let database = old.get(&target.join("influxd.bolt")).unwrap();
            assert!(
                state.values().any(|bytes| bytes == database),
                "what stood there is gone: {:?}",
                state.keys()
            );
        },
    );
    println!("cases: restores-killed {tried}");
}
