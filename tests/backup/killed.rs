//! The program is killed at any moment.

use std::fs;
use std::process::{Command, Output};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::scene::{BackupScene, LIVED, ran, sqlite};
use crate::support::threads::side_by_side;

/// How often a command is killed.
const ROUNDS: u32 = 24;

/// How long a command takes here.
fn usual(command: &mut Command) -> Duration {
    let started = Instant::now();
    ran(command);
    started.elapsed().max(Duration::from_millis(1))
}

/// Starts a command and kills it, a little later in each round.
fn killed(usual: Duration, round: u32, command: &mut Command) -> Output {
    let mut child = command.spawn().unwrap();
    sleep(usual * round / ROUNDS);
    child.kill().unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn an_export_that_is_killed_leaves_nothing_that_looks_complete() {
    let scene = BackupScene::new(LIVED, 40);
    let (mut none, mut whole) = (0, 0);
    let usual = usual(&mut scene.export_command("first"));
    for round in 0..ROUNDS {
        let out = format!("out-{round}");
        let output = killed(usual, round, &mut scene.export_command(&out));
        if !scene.path(&out).exists() {
            continue;
        }
        let inspected = scene
            .command(&["backup", "inspect", &out])
            .output()
            .unwrap();
        let complete = scene
            .files(&out)
            .into_keys()
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
    }
    println!("cases: exports-killed {ROUNDS}");
    println!("{none} left incomplete, {whole} complete");
}

#[test]
fn a_restore_that_is_killed_is_finished_by_the_next() {
    let scene = BackupScene::new(LIVED, 40);
    ran(&mut scene.export_command("whole"));
    fs::create_dir(scene.path("empty")).unwrap();
    // Where it replaces something it waits at its end, when all is done.
    let usual = usual(&mut scene.restore_command("whole", "empty/influxd.bolt"));
    let old = fs::read(scene.path("source/influxd.bolt")).unwrap();
    for round in 0..ROUNDS {
        let target = scene.path(&format!("target-{round}"));
        fs::create_dir(&target).unwrap();
        fs::write(target.join("influxd.bolt"), &old).unwrap();
        sqlite(&target.join("influxd.sqlite"), 3);
        let to = format!("target-{round}/influxd.bolt");
        killed(usual, round, &mut scene.restore_command("whole", &to));
    }
    side_by_side(0..ROUNDS, |_, round| {
        let to = format!("target-{round}/influxd.bolt");
        ran(&mut scene.restore_command("whole", &to));
        scene.is_restored(&to);
        let files = scene.files(&format!("target-{round}"));
        assert!(
            files.values().any(|bytes| *bytes == old),
            "what stood there is gone: {:?}",
            files.keys()
        );
    });
    println!("cases: restores-killed {ROUNDS}");
}
