//! `--keep-copy`: the database as it was before the change.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::scene::{ONE, RECOVER, Scene, mode, text};
use crate::side_files::{ENGINES, name, unchanged};
use crate::simultaneous_runs::LiveStore;
use crate::support::program::ended;

#[test]
fn a_copy_is_kept_of_the_database_as_it_was() {
    for redb in [false, true] {
        let scene = Scene::new();
        let database = if redb {
            scene.redb(ONE)
        } else {
            scene.store(ONE)
        };
        let before = fs::read(&database).unwrap();
        let copy = scene.path("copy");
        scene
            .run(RECOVER, &database, &["--keep-copy", text(&copy)])
            .ok();
        assert_eq!(fs::read(&copy).unwrap(), before);
        assert_eq!(mode(&copy), 0o600);
        assert_ne!(fs::read(&database).unwrap(), before);

        let before = fs::read(&database).unwrap();
        let ran = scene
            .run(RECOVER, &database, &["--keep-copy", text(&copy)])
            .code(1);
        ran.tells(&[text(&copy), "exists already", "nothing was changed"]);
        assert_eq!(fs::read(&database).unwrap(), before);

        // If the token's file can't be made, the complete copy stays and is named.
        let (second, token) = (scene.path("second"), scene.path("missing/token"));
        let extra = ["--keep-copy", text(&second), "--token-out", text(&token)];
        let ran = scene.run(RECOVER, &database, &extra).code(1);
        ran.tells(&["nothing was changed", "the copy", text(&second), "is kept"]);
        assert_eq!(fs::read(&second).unwrap(), before);
        assert_eq!(fs::read(&database).unwrap(), before);
    }
}

/// The copy is complete before the token is looked at, so it stays, and is named.
#[test]
fn a_copy_that_was_kept_is_named() {
    for engine in ENGINES {
        let store = LiveStore::new(engine, "fresh-2.9.1");
        let database = name(&store);
        let before = store.bytes();
        for (copy, token) in [("copy", "missing/token"), ("same", "same")] {
            let mut command = store.recovery(&["--keep-copy", copy, "--token-out", token]);
            let output = ended(&mut command);
            let text = unchanged(&store, &before, &output, &[copy, &database]);
            assert!(
                text.contains(copy) && text.contains("complete and is kept"),
                "{text}"
            );
            let metadata = fs::metadata(store.path(copy)).unwrap();
            assert_eq!(metadata.mode() & 0o7777, 0o600);
            assert!(fs::read(store.path(copy)).unwrap() == before);
            fs::remove_file(store.path(copy)).unwrap();
        }
    }
    println!("cases: files 4");
}
