//! Stores with a schema that this version does not know.

use crate::fixtures::fixture;
use crate::scene::{ONE, RECOVER, Scene, text};

#[test]
fn it_is_not_edited_and_can_be_copied() {
    let scene = Scene::new();
    let mut store = fixture(ONE);
    let name = b"create authorizationhashedindexv1 bucket";
    for at in 0..store.len() - name.len() {
        if store[at..].starts_with(name) {
            store[at + b"create authorizationhashedindexv".len()] = b'9';
        }
    }
    let database = scene.sandbox.file("work/future.bolt", store);
    for extra in [
        &[][..],
        &["-n"],
        &["--keep-copy", "copy", "--token-out", "token"],
    ] {
        let ran = scene.run(RECOVER, &database, extra).code(5);
        ran.tells(&[
            "this version does not know the schema",
            "nothing was changed",
        ]);
        ran.tells(&["boltkey check"]);
        let json = [extra, &["--json"]].concat();
        let failure = scene.run(RECOVER, &database, &json).code(5).failure();
        assert_eq!(failure["code"], "unreadable");
    }
    // To copy it is reading.
    let out = scene.path("copy.bolt");
    let ran = scene
        .run(&["compact"], &database, &["--out", text(&out)])
        .code(0);
    ran.tells(&["has a schema that this version does not know"]);
    assert!(out.exists());
}
