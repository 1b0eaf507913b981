//! Disks that are full at any write.

use std::fs;

use crate::scene::{BackupScene, LIVED, ran};
use crate::support::program::{limited, said};
use crate::support::threads::{WORKERS, side_by_side};

/// Every file may be so long and no longer: the first, a middle, the last write of each fails.
#[test]
fn the_disk_is_full_at_every_write() {
    let scenes: Vec<BackupScene> = (0..WORKERS).map(|_| BackupScene::new(LIVED, 40)).collect();
    for scene in &scenes {
        ran(&mut scene.export_command("whole"));
    }
    let lengths = scenes[0].files("").into_values().map(|bytes| bytes.len());
    let longest = lengths.max().unwrap() / 512 + 2;
    let steps = (0..20).chain((20..longest).step_by(13));
    let tried = side_by_side(steps, |worker, blocks| {
        the_disk_is_full_at(&scenes[worker], blocks)
    });
    println!(
        "cases: backups-on-full-disks {}",
        tried.into_iter().sum::<usize>()
    );
}

/// No file may be longer than so many blocks of 512 bytes. How many commands were tried.
fn the_disk_is_full_at(scene: &BackupScene, blocks: usize) -> usize {
    let output = limited(blocks, &scene.export_command("out"))
        .output()
        .unwrap();
    if output.status.success() {
        fs::remove_dir_all(scene.path("out")).unwrap();
    } else {
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(said(&output).contains("nothing was changed"), "{output:?}");
        assert!(!scene.path("out").exists(), "{blocks}");
    }
    fs::create_dir_all(scene.path("target")).unwrap();
    fs::write(scene.path("target/influxd.bolt"), "what stands there").unwrap();
    fs::write(scene.path("target/influxd.sqlite"), "this too").unwrap();
    let before = scene.files("");
    let restore = scene.restore_command("whole", "target/influxd.bolt");
    let output = limited(blocks, &restore).output().unwrap();
    if output.status.success() {
        scene.is_restored("target/influxd.bolt");
        fs::remove_dir_all(scene.path("target")).unwrap();
    } else {
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(said(&output).contains("nothing was changed"), "{output:?}");
        assert!(scene.files("") == before, "{blocks}: {output:?}");
    }
    let token = scene.command(&["backup", "token", "whole", "--out", "out", "--generate"]);
    let before = scene.files("");
    let output = limited(blocks, &token).output().unwrap();
    if output.status.success() {
        fs::remove_dir_all(scene.path("out")).unwrap();
    } else {
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(scene.files("") == before, "{blocks}: {output:?}");
    }
    3
}
