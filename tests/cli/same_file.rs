//! A changed database is the same file: inode, owner, mode and links stay.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};

use crate::scene::{ONE, RECOVER, Scene, mode};

#[test]
fn inode_owner_mode_and_links_stay() {
    let scene = Scene::new();
    let database = scene.store(ONE);
    fs::set_permissions(&database, fs::Permissions::from_mode(0o640)).unwrap();
    let (hard, soft) = (scene.path("hard"), scene.path("soft"));
    fs::hard_link(&database, &hard).unwrap();
    symlink("influxd.bolt", &soft).unwrap();
    // Only root can give it to the user of a service.
    let _ = chown(&database, Some(12345), Some(12345));
    let metadata = database.metadata().unwrap();
    let (inode, owner) = (metadata.ino(), (metadata.uid(), metadata.gid()));
    for (number, path) in [&soft, &hard, &database].into_iter().enumerate() {
        scene.run(RECOVER, path, &[]).ok();
        let metadata = database.metadata().unwrap();
        assert_eq!((metadata.uid(), metadata.gid()), owner);
        assert!(fs::symlink_metadata(&soft).unwrap().is_symlink());
        for path in [&database, &hard, &soft] {
            let metadata = path.metadata().unwrap();
            assert_eq!((metadata.ino(), metadata.nlink()), (inode, 2));
            assert_eq!(mode(path), 0o640);
            assert_eq!(scene.operators(path), number + 2);
        }
    }
}
