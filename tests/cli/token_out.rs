//! `--token-out`: the new token stands in the file before the database is changed, and nowhere else.
//! What is lost if it can't be printed.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{MetadataExt, symlink};
use std::process::Command;

use memchr::memmem;

use crate::fixtures;
use crate::sandbox::on;
use crate::scene::{FOR_ALICE, ONE, RECOVER, SEVERAL, Scene, arguments, mode, text};
use crate::side_files::ENGINES;
use crate::simultaneous_runs::{LiveStore, authenticates, made};
use crate::support::program::{BOLTKEY, ended, said};

#[test]
fn a_token_goes_into_a_new_private_file() {
    let scene = Scene::new();
    let database = scene.store(SEVERAL);
    let out = scene.path("token");
    let to_file = [FOR_ALICE, &["--token-out", text(&out)]].concat();
    let ran = scene.run(RECOVER, &database, &to_file).ok();
    let token = fs::read_to_string(&out).unwrap();
    assert_eq!((token.len(), mode(&out)), (89, 0o600));
    assert!(token.ends_with('\n'));
    assert!(!ran.stdout.contains(token.trim_end()), "{ran:?}");
    assert!(ran.stdout.contains(text(&out)));
    assert!(scene.is_operator(&database, &token));

    // An existing file stays the same, and so does the database.
    let (before, operators) = (fs::read(&database).unwrap(), scene.operators(&database));
    symlink(scene.path("nowhere"), scene.path("link")).unwrap();
    fs::create_dir(scene.path("folder")).unwrap();
    for (name, words) in [
        ("token", ["exists already", "name a new file"]),
        ("link", ["exists already", "name a new file"]),
        ("folder", ["exists already", "name a new file"]),
        ("influxd.bolt", ["exists already", "name a new file"]),
        ("missing/token", ["No such file", "the folder must exist"]),
    ] {
        let path = scene.path(name);
        for dry in [&[][..], &["-n"]] {
            let extra = [FOR_ALICE, &["--token-out", text(&path)], dry].concat();
            let ran = scene.run(RECOVER, &database, &extra).code(1);
            ran.tells(&[text(&path), "nothing was changed"])
                .tells(&words);
            assert!(!ran.stderr.contains("standard output"), "{ran:?}");
            assert_eq!(ran.stdout, "");
        }
    }
    let dash = [FOR_ALICE, &["--token-out", "-"]].concat();
    scene
        .run(RECOVER, &database, &dash)
        .code(2)
        .tells(&["standard output"]);
    assert_eq!(fs::read(&database).unwrap(), before);
    assert_eq!(fs::read_to_string(&out).unwrap(), token);
    assert_eq!(scene.operators(&database), operators);
    assert_eq!(scene.names(), ["folder", "influxd.bolt", "link", "token"]);

    // A change that fails takes its file away again.
    let damaged = scene.path("damaged.bolt");
    fs::write(&damaged, fixtures::damaged("page-shared")).unwrap();
    let extra = ["--token-out", text(&scene.path("another"))].map(str::to_owned);
    let ran = scene
        .sandbox
        .run([on(RECOVER, &damaged), extra.to_vec()].concat());
    ran.code(5);
    assert!(!scene.path("another").exists());
}

/// The token is in its file and on standard output, and nowhere else in the folder.
#[test]
fn a_token_is_where_it_was_asked_for_and_nowhere_else() {
    for engine in ENGINES {
        let store = LiveStore::new(engine, "fresh-2.9.1");
        let arguments = ["--token-out", "token", "--keep-copy", "copy", "-v"];
        let output = ended(&mut store.recovery(&arguments));
        assert!(output.status.success(), "{output:?}");
        let (_, token) = made(&output);
        assert!(!said(&output).contains(&token));
        for name in store.names() {
            let path = store.path(&name);
            let shown = memmem::find(&fs::read(&path).unwrap(), token.as_bytes()).is_some();
            assert_eq!(shown, name == "token", "{name}");
            if name == "token" || name == "copy" {
                assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
            }
        }
        assert!(authenticates(&store, &token));
    }
    println!("cases: files 2");
}

#[test]
fn a_closed_standard_output_is_no_obstacle_to_a_token_in_a_file() {
    let scene = Scene::new();
    let database = scene.store(ONE);
    let out = scene.path("token");
    let status = Command::new("/bin/sh")
        .args(["-c", "exec \"$0\" \"$@\" >&-", BOLTKEY])
        .args(arguments(RECOVER, &database, &["--token-out", text(&out)]))
        .env_clear()
        .current_dir(scene.folder.path())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(0));
    assert!(scene.is_operator(&database, &fs::read_to_string(&out).unwrap()));
}

/// What is printed gets lost: the token is in its file, or lost for good, and the text says which.
#[test]
fn what_is_printed_is_lost() {
    let mut runs = 0;
    for engine in ENGINES {
        for json in [true, false] {
            for token_out in [true, false] {
                for closed_pipe in [true, false] {
                    let store = LiveStore::new(engine, "fresh-2.9.1");
                    let before = store.authorizations();
                    let mut command = store.command(["recover", "operator"]);
                    if json {
                        command.arg("--json");
                    }
                    if token_out {
                        command.args(["--token-out", "token"]);
                    }
                    if closed_pipe {
                        let (reader, writer) = std::io::pipe().unwrap();
                        drop(reader);
                        command.stdout(writer);
                    } else {
                        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
                        command.stdout(full);
                    }
                    let output = command.spawn().unwrap().wait_with_output().unwrap();
                    assert_eq!(output.status.code(), Some(7), "{output:?}");
                    let text = said(&output);
                    assert!(!text.contains("nothing was changed"), "{text}");
                    assert!(text.contains("is stored"), "{text}");
                    assert_eq!(store.authorizations().len(), before.len() + 1);
                    if token_out {
                        let token = fs::read_to_string(store.path("token")).unwrap();
                        assert!(text.contains("the token is in token"), "{text}");
                        assert!(authenticates(&store, token.trim_end()));
                        assert!(!text.contains(token.trim_end()), "the token is told");
                    } else {
                        assert!(text.contains("its value is lost"), "{text}");
                    }
                    runs += 1;
                }
            }
        }
    }
    println!("cases: files {runs}");
}
