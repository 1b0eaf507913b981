//! Files beside the database can't be written, the disk is full, or nobody reads the output. Either
//! the change is not made, or it is made and no new token is lost.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output};

use boltkey::store::Engine;

use crate::simultaneous_runs::LiveStore;
use crate::support::program::{BOLTKEY, ended, limited, said};

pub const ENGINES: [Engine; 2] = [Engine::Bolt, Engine::Redb];

/// The command changed nothing, said so, and left only files of these names.
#[track_caller]
pub fn unchanged(store: &LiveStore, before: &[u8], output: &Output, names: &[&str]) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    let text = said(output);
    assert!(text.contains("nothing was changed"), "{text}");
    assert!(store.bytes() == before, "{text}");
    let mut names = names.to_vec();
    names.sort_unstable();
    assert_eq!(store.names(), names);
    text
}

pub fn name(store: &LiveStore) -> String {
    let name = store.database.file_name().unwrap();
    name.to_str().unwrap().to_owned()
}

#[test]
fn what_stands_there_already_stays() {
    let mut runs = 0;
    for engine in ENGINES {
        for option in ["--token-out", "--keep-copy"] {
            let store = LiveStore::new(engine, "fresh-2.9.1");
            let database = name(&store);
            let before = store.bytes();
            fs::write(store.path("there"), "mine").unwrap();
            std::os::unix::fs::symlink("nowhere", store.path("link")).unwrap();
            let names = [database.as_str(), "link", "there"];
            for file in ["there", "link", "/dev/full", "/dev/null", &database] {
                let output = ended(&mut store.recovery(&[option, file]));
                let text = unchanged(&store, &before, &output, &names);
                assert!(text.contains("exists already"), "{text}");
                runs += 1;
            }
            assert_eq!(fs::read(store.path("there")).unwrap(), b"mine");
            for file in ["missing/file", "there/file", ".", "new/"] {
                let output = ended(&mut store.recovery(&[option, file]));
                unchanged(&store, &before, &output, &names);
                runs += 1;
            }
        }
    }
    println!("cases: files {runs}");
}

/// Files can't grow, so neither a copy nor a token can be written; later the database can't grow.
#[test]
fn the_disk_is_full() {
    let mut runs = 0;
    for engine in ENGINES {
        let store = LiveStore::new(engine, "fresh-2.9.1");
        let database = name(&store);
        let before = store.bytes();
        for (blocks, option) in [(0, "--token-out"), (0, "--keep-copy"), (9, "--keep-copy")] {
            let command = store.recovery(&[option, "out"]);
            let output = limited(blocks, &command).output().unwrap();
            let text = unchanged(&store, &before, &output, &[&database]);
            assert!(text.contains("out"), "{text}");
            runs += 1;
        }
        // One without a free page, so that it has to grow.
        let out = store.path("small");
        let ran = store.run(["compact", "--out", out.to_str().unwrap()]);
        assert!(ran.status.success(), "{ran:?}");
        fs::rename(out, &store.database).unwrap();
        let before = store.authorizations();
        let blocks = store.bytes().len() / 512;
        let command = store.recovery(&["--token-out", "token", "--keep-copy", "copy"]);
        let output = limited(blocks, &command).output().unwrap();
        let text = said(&output);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(text.contains("nothing was changed"), "{text}");
        assert!(
            text.contains("copy") && text.contains("complete and is kept"),
            "{text}"
        );
        assert_eq!(store.authorizations(), before);
        assert_eq!(store.names(), ["copy", &database]);
        store.check();
        // With room it works.
        let output = ended(&mut store.recovery(&["--token-out", "token"]));
        assert!(output.status.success(), "{output:?}");
        runs += 2;
    }
    println!("cases: files {runs}");
}

/// The folder takes no new file, but the database itself can be written.
#[test]
fn a_folder_that_takes_no_files() {
    let mut runs = 0;
    for engine in ENGINES {
        for option in ["--token-out", "--keep-copy"] {
            let store = LiveStore::new(engine, "fresh-2.9.1");
            let before = store.bytes();
            let database = name(&store);
            let folder = store.database.parent().unwrap();
            let bin = tempfile::tempdir().unwrap();
            let mut command = store.recovery(&[option, "out"]);
            if rustix::process::geteuid().is_root() {
                // Root may write any file, so another user runs a copy.
                // By another process: one that is forked meanwhile would keep the file busy.
                let copy = Command::new("cp").arg(BOLTKEY).arg(bin.path()).status();
                assert!(copy.unwrap().success());
                fs::set_permissions(bin.path(), Permissions::from_mode(0o755)).unwrap();
                fs::set_permissions(&store.database, Permissions::from_mode(0o666)).unwrap();
                let mut other = Command::new(bin.path().join("boltkey"));
                other
                    .args(command.get_args())
                    .env_clear()
                    .current_dir(folder)
                    .uid(65534)
                    .gid(65534);
                command = other;
            }
            fs::set_permissions(folder, Permissions::from_mode(0o555)).unwrap();
            let output = ended(&mut command);
            fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
            let text = unchanged(&store, &before, &output, &[&database]);
            assert!(text.contains("ermission denied"), "{text}");
            runs += 1;
        }
    }
    println!("cases: files {runs}");
}
