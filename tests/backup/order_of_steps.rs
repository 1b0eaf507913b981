//! The calls that change names, in order, which no recorder of file bytes sees. A run is killed
//! before each of them, including the two renames of `restore --force`, and the next run finishes
//! it.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use boltkey::ErrorKind;
use boltkey::ops::backup::export::Out;
use boltkey::ops::files::disk::RealDisk;
use boltkey::store::Engine;

use crate::double::{Done, Double};
use crate::faults::is_restored;
use crate::scene::{BackupScene, RestoreCase, SMALL, standing};
use crate::support::threads::side_by_side;

fn steps(double: &Double<'_>) -> Vec<String> {
    let names = double.log().into_iter().filter_map(|done| match done {
        Done::Step(name) => Some(name),
        _ => None,
    });
    names.collect()
}

#[test]
fn the_steps_of_an_export() {
    let scene = BackupScene::new(SMALL, 2);
    let double = Double::new(&|_| {});
    let out = scene.path("backup");
    scene.export(Out::Folder(&out), &double).unwrap();
    let of = |suffix: &str| format!("link 20270115T080000Z.{suffix}");
    let sync = || String::from("sync backup");
    let expected = [
        String::from("make backup"),
        of("bolt.gz"),
        sync(),
        of("sqlite.gz"),
        sync(),
        of("manifest"),
        sync(),
        of("boltkey.json"),
        sync(),
    ];
    assert_eq!(steps(&double), expected);
}

/// Killed before each step: there is no backup, or one that is whole.
#[test]
fn an_export_that_is_killed_at_a_step() {
    let scene = BackupScene::new(SMALL, 2);
    let out = scene.path("backup");
    let whole = Mutex::new(Vec::new());
    let look = |step: &str| {
        whole
            .lock()
            .unwrap()
            .push((step.to_owned(), scene.is_whole(&out)));
    };
    scene
        .export(Out::Folder(&out), &Double::new(&look))
        .unwrap();
    let whole = whole.into_inner().unwrap();
    // The influx CLI takes it from its manifest on.
    let first = whole.iter().position(|(_, whole)| *whole).unwrap();
    assert_eq!(whole[first - 1].0, "link 20270115T080000Z.manifest");
    assert!(whole[first..].iter().all(|(_, whole)| *whole));
    println!("cases: exports-killed-at-a-step {}", whole.len());
}

fn copy(from: &Path, to: &Path) {
    // Names of one file stay names of one file.
    let mut command = Command::new("cp");
    let copied = command.arg("-a").arg(from).arg(to).status().unwrap();
    assert!(copied.success());
}

#[test]
fn a_restore_that_is_killed_at_a_step() {
    let scene = BackupScene::new(SMALL, 2);
    scene
        .export(Out::Folder(&scene.path("backup")), &RealDisk)
        .unwrap();
    let mut tried = 0;
    for force in [true, false] {
        let how = RestoreCase {
            engine: Engine::Bolt,
            hash: force,
            force,
        };
        let target = scene.target("target", how);
        let old = standing(&target);
        let killed = scene.path(&format!("killed-{force}"));
        fs::create_dir(&killed).unwrap();
        let seen = Mutex::new(Vec::new());
        let look = |step: &str| {
            let mut seen = seen.lock().unwrap();
            copy(&target, &killed.join(seen.len().to_string()));
            seen.push(step.to_owned());
        };
        let double = Double::new(&look);
        scene.restore(&target, how, force, &double).unwrap();
        let seen = steps(&double);
        let dated = |name: &str| format!("link {name}.before-restore-20270115T080000Z");
        let expected: &[&str] = match force {
            true => &[
                &dated("influxd.bolt"),
                &dated("influxd.sqlite"),
                "sync target",
                "move away influxd.sqlite-journal",
                "sync target",
                "replace influxd.sqlite",
                "sync target",
                "replace influxd.bolt",
                "sync target",
            ],
            false => &[
                "sync target",
                "link influxd.sqlite",
                "sync target",
                "link influxd.bolt",
                "sync target",
            ],
        };
        assert_eq!(seen, expected);
        tried += side_by_side(seen.iter().enumerate(), |_, (number, step)| {
            let left = killed.join(number.to_string());
            // Replacing a file takes a name for a moment; a kill may leave it.
            if step.starts_with("replace") {
                fs::write(left.join(".boltkey-0123456789abcdef.tmp"), "left").unwrap();
            }
            let now = standing(&left);
            let is_old = |name: &str| match (now.get(name), old.get(name)) {
                (Some((_, now)), Some((_, old))) => now == old,
                (now, old) => now.is_none() && old.is_none(),
            };
            let (database, sqlite) = (is_old("influxd.bolt"), is_old("influxd.sqlite"));
            assert!(
                database || !sqlite,
                "before {step}: a new database, an old SQLite file"
            );
            let journal = now.contains_key("influxd.sqlite-journal");
            assert!(
                sqlite || !journal,
                "before {step}: an old journal, a new SQLite file"
            );
            let place = format!("killed before {step}");
            if !now.keys().all(|name| name.starts_with('.')) {
                let refused = scene.restore(&left, how, false, &RealDisk).unwrap_err();
                assert_eq!(refused.kind(), ErrorKind::Refused, "{place}: {refused}");
                let hint = refused.hint().unwrap();
                let told = hint.contains("was interrupted");
                // Otherwise the new pair is complete, or there is no trace of another run.
                let begun = force && number > 0 && database;
                assert_eq!(told, begun, "{place}: {hint}");
            }
            scene.restore(&left, how, true, &RealDisk).unwrap();
            assert!(is_restored(&scene, &left), "{place}");
            let after = standing(&left);
            assert!(!after.contains_key("influxd.sqlite-journal"), "{place}");
            for (name, (_, bytes)) in &old {
                let start = format!("{name}.before-restore-");
                let mut kept = after.iter();
                let kept =
                    kept.any(|(dated, (_, kept))| dated.starts_with(&start) && kept == bytes);
                assert!(kept, "{place}: {name} is gone: {:?}", after.keys());
            }
        })
        .len();
    }
    println!("cases: restores-killed-at-a-step {tried}");
}
