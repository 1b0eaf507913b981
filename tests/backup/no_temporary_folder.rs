//! Where there is no folder for temporary files, as in a container image from scratch.

use std::fs;

use crate::scene::{BackupScene, SMALL, ran};

/// Runs the program with a folder for temporary files that is not there.
fn ran_without(scene: &BackupScene, arguments: &[&str]) -> Vec<u8> {
    let mut command = scene.command(arguments);
    command.env("TMPDIR", scene.path("nowhere"));
    ran(&mut command).stdout
}

#[test]
fn backups_need_no_temporary_folder() {
    let scene = BackupScene::new(SMALL, 40);
    let source = ["--db", "source/influxd.bolt"];
    ran_without(
        &scene,
        &[&["backup", "export", "--out", "backup"], &source[..]].concat(),
    );
    // The same rows as with a folder, byte for byte.
    ran(&mut scene.export_command("usual"));
    let exported = scene.sqlite();
    fs::rename(scene.path("backup"), scene.path("without")).unwrap();
    fs::rename(scene.path("usual"), scene.path("backup")).unwrap();
    assert_eq!(exported.len(), scene.sqlite().len());
    let token = ["--operator-token-file", "token"];
    ran_without(
        &scene,
        &[&["backup", "inspect", "without"], &token[..]].concat(),
    );
    let restore = ["backup", "restore", "without", "--to", "to/influxd.bolt"];
    fs::create_dir(scene.path("to")).unwrap();
    ran_without(&scene, &[&restore[..], &token].concat());
    scene.is_restored("to/influxd.bolt");
    assert_eq!(fs::read(scene.path("to/influxd.sqlite")).unwrap(), exported);
    ran_without(
        &scene,
        &[
            "downgrade",
            "check",
            "--to",
            "2.7",
            "--db",
            "to/influxd.bolt",
        ],
    );
    assert!(!scene.path("nowhere").exists());
}

#[test]
fn a_journal_says_that_it_needs_a_temporary_folder() {
    let scene = BackupScene::new(SMALL, 1);
    fs::write(scene.path("source/influxd.sqlite-journal"), [1; 600]).unwrap();
    let mut command = scene.export_command("backup");
    command.env("TMPDIR", scene.path("nowhere"));
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("TMPDIR"), "{said}");
    assert!(!scene.path("backup").exists());
}
