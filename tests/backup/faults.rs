//! Every call of an export or a restore fails, or does the wrong thing without an error. Either
//! nothing was changed, or the text says what was, and the next run finishes it.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use boltkey::ErrorKind;
use boltkey::finding::Severity;
use boltkey::ops::backup::export::Out;
use boltkey::ops::files::disk::RealDisk;
use boltkey::store::{Engine, Snapshot, Store};

use crate::double::{Done, Double};
use crate::scene::{BackupScene, RestoreCase, SMALL, Standing, standing};
use crate::support::device::Fault;
use crate::support::threads::{patient, side_by_side};

const FAULTS: [Fault; 5] = [
    Fault::Io,
    Fault::Full,
    Fault::Short,
    Fault::Lost,
    Fault::Flipped,
];

/// The last syncs may be of no more than folders and files that are complete.
fn nothing_more(double: &Double<'_>, place: &str) {
    let more = double.after_failure();
    assert!(more.is_empty(), "{place}: went on with {more:?}");
}

#[test]
fn exports() {
    let scene = BackupScene::new(SMALL, 2);
    let out = scene.path("backup");
    let counted = Double::new(&|_| {});
    scene.export(Out::Folder(&out), &counted).unwrap();
    assert!(scene.is_whole(&out));
    let earlier = standing(&out);
    what_has_a_name_is_on_disk(&counted.log(), &earlier, 4);
    let mut tried = 0;
    for stands in [true, false] {
        for number in 0..counted.calls() {
            for fault in FAULTS
                .into_iter()
                .filter(|fault| counted.could(number, *fault))
            {
                let place = format!("call {number} of {}, {fault:?}", counted.calls());
                let _ = fs::remove_dir_all(&out);
                if stands {
                    fs::create_dir(&out).unwrap();
                    for (name, (_, bytes)) in &earlier {
                        fs::write(out.join(name), bytes).unwrap();
                    }
                }
                let before = standing(&out);
                let double = Double::failing(number, fault);
                let ended = scene.export(Out::Folder(&out), &double);
                if !double.failed() {
                    continue;
                }
                tried += 1;
                match ended {
                    Ok(_) => assert!(!fault.is_told() || fault == Fault::Short, "{place}"),
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::Io, "{place}: {error}");
                        assert_eq!(
                            error.effect(),
                            boltkey::error::Effect::Nothing,
                            "{place}: {error}"
                        );
                        assert!(standing(&out) == before, "{place}: something is left");
                        assert_eq!(out.exists(), stands, "{place}");
                        nothing_more(&double, &place);
                        continue;
                    }
                }
                assert!(scene.is_whole(&out), "{place}: not told");
            }
        }
    }
    println!("cases: fault-export {tried}");
}

/// What gets its name has all of its bytes on disk by then, and none is written afterwards.
fn what_has_a_name_is_on_disk(log: &[Done], standing: &Standing, names: usize) {
    // A private copy of the store never gets one.
    let to_be_named = |inode| standing.values().any(|(named, _)| named == inode);
    let mut pending = Vec::new();
    let mut named = 0;
    for done in log {
        match done {
            Done::Write(inode) if to_be_named(inode) => pending.push(*inode),
            Done::Write(_) => {}
            Done::Sync(inode) => pending.retain(|pending| pending != inode),
            Done::Step(step) if step.starts_with("link") || step.starts_with("replace") => {
                assert!(pending.is_empty(), "{step}: not on disk: {log:?}");
                named += 1;
            }
            Done::Step(_) => {}
        }
    }
    assert_eq!(named, names, "{log:?}");
}

/// Takes so many bytes and no more.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.0);
        self.0 -= taken;
        match taken {
            0 if !bytes.is_empty() => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(taken),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn exports_to_a_stream() {
    let scene = BackupScene::new(SMALL, 2);
    let mut whole = Vec::new();
    let name = Path::new("the-stream");
    let counted = Double::new(&|_| {});
    scene
        .export(Out::Stream(&mut whole, name), &counted)
        .unwrap();
    let mut tried = 0;
    for length in (0..whole.len()).step_by(101) {
        let error = scene.export(Out::Stream(&mut Full(length), name), &RealDisk);
        let error = error.unwrap_err();
        let told = error.message().contains("the-stream");
        assert!(told && error.kind() == ErrorKind::Io, "{length}: {error}");
        tried += 1;
    }
    for number in 0..counted.calls() {
        for fault in FAULTS
            .into_iter()
            .filter(|fault| counted.could(number, *fault))
        {
            let double = Double::failing(number, fault);
            let mut stream = Vec::new();
            let ended = scene.export(Out::Stream(&mut stream, name), &double);
            if !double.failed() {
                continue;
            }
            tried += 1;
            let place = format!("call {number}: {fault:?}");
            match ended {
                Ok(_) => {
                    let kept = scene.path("kept.tar");
                    fs::write(&kept, &stream).unwrap();
                    assert!(scene.is_whole(&kept), "{place}: not told");
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Io, "{place}: {error}");
                    nothing_more(&double, &place);
                }
            }
        }
    }
    println!("cases: fault-export-stream {tried}");
}

/// Whether the database holds the token, and the SQLite file is the backup's.
pub fn is_restored(scene: &BackupScene, target: &Path) -> bool {
    let path = target.join("influxd.bolt");
    let store = Store::open(&path, &patient()).unwrap();
    // That a disk has lied about the page which is not current is a warning.
    let findings = store.inspect().check().unwrap().findings;
    let sound = findings
        .iter()
        .all(|finding| finding.severity != Severity::Error);
    assert!(sound, "{findings:?}");
    let token = boltkey::secret::Token::new(scene.token.clone());
    let snapshot: &dyn Snapshot = store.snapshot();
    let found = boltkey::metadata::authenticate::find(snapshot, &token).unwrap();
    let sqlite = fs::read(target.join("influxd.sqlite")).unwrap();
    found.is_some() && sqlite == scene.sqlite()
}

/// How a restore ended that failed.
enum Ended {
    Done,
    Unchanged,
    Unfinished,
}

#[test]
fn restores() {
    let scene = BackupScene::new(SMALL, 2);
    scene
        .export(Out::Folder(&scene.path("backup")), &RealDisk)
        .unwrap();
    let mut cases = Vec::new();
    for (engine, hash, force) in [
        (Engine::Bolt, false, false),
        (Engine::Bolt, true, true),
        (Engine::Redb, true, false),
    ] {
        let how = RestoreCase {
            engine,
            hash,
            force,
        };
        let counted = Double::new(&|_| {});
        let target = scene.target("target", how);
        scene.restore(&target, how, force, &counted).unwrap();
        assert!(is_restored(&scene, &target));
        let names = if force { 4 } else { 2 };
        what_has_a_name_is_on_disk(&counted.log(), &standing(&target), names);
        let calls = counted.calls();
        // Of many as many as take some seconds, and the last ones, which change names.
        let step = calls.div_ceil(90);
        for number in (0..calls).filter(|number| number % step == 0 || number + 20 > calls) {
            let faults = FAULTS.into_iter();
            let faults = faults.filter(|fault| counted.could(number, *fault));
            cases.extend(faults.map(|fault| (how, number, fault)));
        }
    }
    let ended = side_by_side(cases, |worker, (how, number, fault)| {
        let target = scene.target(&format!("target-{worker}"), how);
        restore_fails(&scene, how, &target, number, fault)
    });
    let ended: Vec<Ended> = ended.into_iter().flatten().collect();
    let count = |wanted: fn(&Ended) -> bool| ended.iter().filter(|ended| wanted(ended)).count();
    let unchanged = count(|ended| matches!(ended, Ended::Unchanged));
    let unfinished = count(|ended| matches!(ended, Ended::Unfinished));
    println!("{unchanged} unchanged, {unfinished} finished by the next run");
    assert!(unchanged > 0 && unfinished > 0);
    println!("cases: fault-restore {}", ended.len());
}

/// Call `number` of a restore fails. None if there was no such call.
fn restore_fails(
    scene: &BackupScene,
    how: RestoreCase,
    target: &Path,
    number: usize,
    fault: Fault,
) -> Option<Ended> {
    let RestoreCase { engine, force, .. } = how;
    let place = format!("{how:?}: call {number}, {fault:?}");
    let before = standing(target);
    let double = Double::failing(number, fault);
    let ended = scene.restore(target, how, force, &double);
    if !double.failed() {
        return None;
    }
    let Err(error) = ended else {
        // The redb library closes a store by itself, and repairs it when it is opened.
        let by_itself = engine == Engine::Redb || fault == Fault::Short;
        assert!(!fault.is_told() || by_itself, "{place}");
        assert!(is_restored(scene, target), "{place}: not told");
        return Some(Ended::Done);
    };
    let text = format!("{error} {error:?} {:?}", error.hint());
    assert!(!text.contains(&scene.token), "{place}: a secret is told");
    nothing_more(&double, &place);
    let message = error.to_string();
    if error.kind() != ErrorKind::Incomplete {
        assert_eq!(
            error.effect(),
            boltkey::error::Effect::Nothing,
            "{place}: {message}"
        );
        assert!(standing(target) == before, "{place}: {message}");
        return Some(Ended::Unchanged);
    }
    assert_ne!(
        error.effect(),
        boltkey::error::Effect::Nothing,
        "{place}: {message}"
    );
    assert!(force, "{place}: {message}");
    // As the hint says.
    scene.restore(target, how, true, &RealDisk).unwrap();
    assert!(is_restored(scene, target), "{place}");
    let after = standing(target);
    assert!(!after.contains_key("influxd.sqlite-journal"), "{place}");
    for (name, (_, bytes)) in &before {
        let kept = after.iter().any(|(dated, (_, kept))| {
            dated.starts_with(&format!("{name}.before-restore-")) && kept == bytes
        });
        assert!(kept, "{place}: {name} is gone: {:?}", after.keys());
    }
    Some(Ended::Unfinished)
}
