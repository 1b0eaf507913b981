//! Restores over every state a target can be in.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::error::{ErrorKind, Result};
use crate::ops::backup::move_into_place::{NewTargetFile, PreparedFiles, RestoreTarget};
use crate::ops::files::disk::RealDisk;
use crate::store::{Held, OpenOptions};

fn target(folder: &Path) -> RestoreTarget {
    RestoreTarget {
        database: folder.join("influxd.bolt"),
        sqlite: Some(folder.join("influxd.sqlite")),
    }
}

fn ready(target: &RestoreTarget) -> PreparedFiles {
    let new = |path: &Path, text: &str| {
        let new = NewTargetFile::beside(path).unwrap();
        new.file().unwrap().write_all(text.as_bytes()).unwrap();
        new
    };
    PreparedFiles {
        database: new(&target.database, "new db"),
        sqlite: target.sqlite.as_ref().map(|path| new(path, "new sql")),
    }
}

fn place(target: &RestoreTarget, date: &str) -> Result<Vec<PathBuf>> {
    let ready = ready(target);
    let held = target.database.exists().then(|| {
        Held::lock(&target.database, &OpenOptions::default())
            .unwrap()
            .0
    });
    ready.place(target, date, held, &RealDisk)
}

fn listed(folder: &Path) -> Vec<(String, String)> {
    let names = crate::ops::backup::folder::names_in(folder).unwrap();
    let read = |name: String| {
        let text = fs::read_to_string(folder.join(&name)).unwrap();
        (name, text)
    };
    names.into_iter().map(read).collect()
}

const NEW: [(&str, &str); 2] = [("influxd.bolt", "new db"), ("influxd.sqlite", "new sql")];

fn owned(list: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut all: Vec<_> = list
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect();
    all.sort();
    all
}

#[test]
fn into_an_empty_place() {
    let folder = tempfile::tempdir().unwrap();
    let target = target(folder.path());
    assert!(place(&target, "D").unwrap().is_empty());
    assert_eq!(listed(folder.path()), owned(&NEW));
    let mode = fs::metadata(&target.database).unwrap().mode();
    assert_eq!(mode & 0o777, 0o600);
    target.in_the_way().unwrap().must_be_nothing().unwrap_err();
}

#[test]
fn what_stood_there_is_kept_with_its_journal() {
    let folder = tempfile::tempdir().unwrap();
    let target = target(folder.path());
    for (name, text) in [
        ("influxd.bolt", "old db"),
        ("influxd.sqlite", "old sql"),
        ("influxd.sqlite-journal", "hot"),
    ] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    fs::set_permissions(&target.database, fs::Permissions::from_mode(0o640)).unwrap();
    let kept = place(&target, "D").unwrap();
    assert_eq!(kept.len(), 3);
    let expected = [
        &NEW[..],
        &[
            ("influxd.bolt.before-restore-D", "old db"),
            ("influxd.sqlite.before-restore-D", "old sql"),
            ("influxd.sqlite-journal.before-restore-D", "hot"),
        ],
    ]
    .concat();
    assert_eq!(listed(folder.path()), owned(&expected));
    let mode = fs::metadata(&target.database).unwrap().mode();
    assert_eq!(mode & 0o777, 0o640);
}

/// After a run was killed at any step, the next run finishes, and the original files are saved.
#[test]
fn an_interrupted_run_is_finished_by_the_next() {
    let steps = ["link sqlite", "link db", "journal", "rename sqlite"];
    for killed_after in 0..=steps.len() {
        let folder = tempfile::tempdir().unwrap();
        let target = target(folder.path());
        let at = |name: &str| folder.path().join(name);
        fs::write(at("influxd.bolt"), "old db").unwrap();
        fs::write(at("influxd.sqlite"), "old sql").unwrap();
        fs::write(at("influxd.sqlite-journal"), "hot").unwrap();
        for step in &steps[..killed_after] {
            match *step {
                "link sqlite" => {
                    fs::hard_link(at("influxd.sqlite"), at("influxd.sqlite.before-restore-A"))
                }
                "link db" => fs::hard_link(at("influxd.bolt"), at("influxd.bolt.before-restore-A")),
                "journal" => fs::rename(
                    at("influxd.sqlite-journal"),
                    at("influxd.sqlite-journal.before-restore-A"),
                ),
                _ => {
                    fs::write(at("half"), "new sql").unwrap();
                    fs::rename(at("half"), at("influxd.sqlite"))
                }
            }
            .unwrap();
        }
        let way = target.in_the_way().unwrap();
        assert_eq!(way.interrupted.is_empty(), killed_after < 2);
        let kept = place(&target, "B").unwrap();
        let all = listed(folder.path());
        for expected in owned(&NEW) {
            assert!(all.contains(&expected), "{killed_after}: {all:?}");
        }
        assert!(!all.iter().any(|(name, _)| name == "influxd.sqlite-journal"));
        for old in ["old db", "old sql", "hot"] {
            let of_old = all.iter().filter(|(_, text)| text == old);
            let names: Vec<_> = of_old.map(|(name, _)| at(name)).collect();
            assert_eq!(names.len(), 1, "{killed_after} {old}: {all:?}");
            assert!(kept.contains(&names[0]), "{killed_after} {old}: {kept:?}");
        }
    }
    println!("cases: restores-interrupted {}", steps.len() + 1);
}

#[test]
fn links_and_folders_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let target = target(folder.path());
    std::os::unix::fs::symlink("elsewhere", &target.database).unwrap();
    assert_eq!(target.in_the_way().unwrap_err().kind(), ErrorKind::Refused);
    fs::remove_file(&target.database).unwrap();
    fs::create_dir(folder.path().join("influxd.sqlite-wal")).unwrap();
    assert_eq!(target.in_the_way().unwrap_err().kind(), ErrorKind::Refused);
}

#[test]
fn a_file_that_came_meanwhile_stays() {
    let folder = tempfile::tempdir().unwrap();
    let target = target(folder.path());
    let ready = ready(&target);
    fs::write(&target.database, "theirs").unwrap();
    let refused = ready.place(&target, "D", None, &RealDisk).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Refused);
    assert_eq!(listed(folder.path()), owned(&[("influxd.bolt", "theirs")]));
}
