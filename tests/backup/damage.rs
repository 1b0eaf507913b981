//! Backups with one wrong bit or a missing end. They are refused, or restored as if they were
//! sound.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use boltkey::ErrorKind;
use boltkey::ops::backup::file_states::Role;
use boltkey::ops::backup::restore::Planned;
use boltkey::ops::backup::restored_access::OperatorSource;
use boltkey::ops::backup::source::{Backup, From, Kind};
use boltkey::secret::Token;

use crate::scene::{BackupScene, into_empty, planned, ran};

const STORE: &str = "fresh-2.9.1";

/// A backup of a small store, and where it would be restored to.
struct DamagedBackup {
    scene: BackupScene,
    files: BTreeMap<String, Vec<u8>>,
    /// What every whole backup names, the store first.
    names: [Option<String>; 2],
}

impl DamagedBackup {
    fn new(compression: &str, manifest: bool) -> Self {
        let scene = BackupScene::new(STORE, 2);
        let mut arguments = vec!["backup", "export", "--out", "whole", "--db"];
        arguments.extend(["source/influxd.bolt", "--compression", compression]);
        if manifest {
            arguments.push("--influx-manifest");
        }
        ran(&mut scene.command(&arguments));
        let files = scene.files("whole").into_iter();
        let files: BTreeMap<_, _> = files.map(|(path, bytes)| (name_of(&path), bytes)).collect();
        fs::create_dir(scene.path("target")).unwrap();
        let find = |part: &str| files.keys().find(|name| name.contains(part)).cloned();
        Self {
            names: [find(".bolt."), find(".sqlite")].map(|name| name.or_else(|| find(".bolt"))),
            scene,
            files,
        }
    }

    /// Puts these files where a backup is looked for.
    fn put(&self, files: &BTreeMap<String, Vec<u8>>) -> PathBuf {
        let folder = self.scene.path("damaged");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap();
        for (name, bytes) in files {
            fs::write(folder.join(name), bytes).unwrap();
        }
        folder
    }

    /// Works out a restore, which writes nothing under any name. Whether the backup is taken for
    /// whole, and names what a whole one does.
    fn is_whole(&self, backup: boltkey::Result<Backup>, deep: bool) -> Result<(), ErrorKind> {
        let backup = backup.map_err(|error| error.kind())?;
        // What is not seen to be an archive is looked at as a database.
        let deep = deep || backup.kind == Kind::Database;
        let named = [Some(&backup.kv), backup.sql.as_ref()];
        let named = named.map(|file| file.map(|file| file.name.clone()));
        let (_, findings) = backup
            .check(&[Role::Kv, Role::Sql], true)
            .map_err(|error| error.kind())?;
        if !findings.is_empty() && !deep {
            return Err(ErrorKind::NotAStore);
        }
        let planned = if deep || !findings.is_empty() {
            let target = self.scene.path("target");
            let options = into_empty(&target.join("influxd.bolt"));
            let opener = OperatorSource::Token(Token::new(self.scene.token.clone()));
            let planned = planned(&backup, opener, &options);
            let told = |error: &boltkey::Error| error.effect() == boltkey::error::Effect::Nothing;
            assert!(planned.as_ref().err().is_none_or(told));
            planned.map_err(|error| error.kind())?
        } else {
            return self.same(&named);
        };
        assert!(findings.is_empty(), "a damaged file was restored");
        assert!(matches!(planned, Planned::Ready(_)), "another store");
        self.same(&named)
    }

    fn same(&self, named: &[Option<String>; 2]) -> Result<(), ErrorKind> {
        assert_eq!(*named, self.names, "another backup than the whole one");
        Ok(())
    }

    fn nothing_is_left(&self) {
        assert!(self.scene.files("target").is_empty());
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

fn is_damage(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::NotAStore | ErrorKind::Corrupt)
}

/// One bit of each byte of each file. Where that goes unnoticed, it was one of which nothing
/// depends, such as the time in a summary, and the files that are restored are sound.
#[test]
fn one_bit_of_any_file() {
    let mut tried = 0;
    for (compression, manifest) in [("gzip", false), ("gzip", true), ("none", true)] {
        let backup = DamagedBackup::new(compression, manifest);
        assert_eq!(backup.files.len(), 3 + usize::from(manifest));
        let folder = backup.put(&backup.files);
        let open = || Backup::open(From::Path(&folder), None);
        backup.is_whole(open(), true).unwrap();
        for (name, bytes) in &backup.files {
            let path = folder.join(name);
            let of_text = name.ends_with(".json") || name.ends_with(".manifest");
            let mut noticed = 0;
            // Those without packing are long.
            let step = bytes.len().div_ceil(500);
            for at in (0..bytes.len()).step_by(step) {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << (at % 8);
                fs::write(&path, flipped).unwrap();
                match backup.is_whole(open(), !of_text && at % 16 == 0) {
                    Ok(()) => assert!(of_text, "byte {at} of {name} went unnoticed"),
                    Err(kind) => {
                        assert!(is_damage(kind), "byte {at} of {name}: {kind:?}");
                        noticed += 1;
                    }
                }
                tried += 1;
            }
            assert!(noticed > 20, "{name}: {noticed}");
            fs::write(&path, bytes).unwrap();
        }
        backup.nothing_is_left();
    }
    println!("cases: backups-with-a-wrong-bit {tried}");
}

/// Each file is missing, or cut anywhere.
#[test]
fn files_that_are_missing_or_cut() {
    let mut tried = 0;
    let backup = DamagedBackup::new("gzip", true);
    let folder = backup.put(&backup.files);
    let open = || Backup::open(From::Path(&folder), None);
    for (name, bytes) in &backup.files {
        let path = folder.join(name);
        let text = name.ends_with(".json") || name.ends_with(".manifest");
        for length in (0..bytes.len()).step_by(if text { 7 } else { 29 }) {
            fs::write(&path, &bytes[..length]).unwrap();
            // A text without the line's end at its end is whole.
            let ended = backup.is_whole(open(), true);
            assert!(is_damage(ended.unwrap_err()), "{length} of {name}");
            tried += 1;
        }
        fs::remove_file(&path).unwrap();
        match backup.is_whole(open(), true) {
            // Of these two one will do.
            Ok(()) => assert!(text, "{name} is not missed"),
            Err(kind) => assert!(is_damage(kind), "{name}: {kind:?}"),
        }
        fs::write(&path, bytes).unwrap();
        tried += 1;
    }
    backup.is_whole(open(), true).unwrap();
    backup.nothing_is_left();
    println!("cases: backups-cut {tried}");
}

/// An archive that ends anywhere, or in which one bit is wrong.
#[test]
fn archives_that_are_cut_or_wrong() {
    let backup = DamagedBackup::new("gzip", true);
    let mut archive = tar::Builder::new(Vec::new());
    // As an export writes them.
    let mut names: Vec<_> = backup.files.keys().collect();
    names.sort_by_key(|name| {
        let order = [".bolt.", ".sqlite.", ".manifest", ".json"];
        order.iter().position(|part| name.contains(part))
    });
    for name in names {
        let bytes = &backup.files[name];
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o600);
        archive.append_data(&mut header, name, &bytes[..]).unwrap();
    }
    let whole = archive.into_inner().unwrap();
    let name = Path::new("standard input");
    let read = |bytes: &[u8], deep| {
        let mut bytes = bytes;
        backup.is_whole(Backup::open(From::Stream(&mut bytes, name), None), deep)
    };
    read(&whole, true).unwrap();
    let (mut tried, mut complete) = (0, 0);
    let block = 512;
    let lengths = (0..whole.len()).filter(|at| at % 97 == 0 || (at + 1) % block < 3);
    for length in lengths {
        match read(&whole[..length], true) {
            // Only the summary is missing, or the zeros at the end.
            Ok(()) => complete += 1,
            Err(kind) => assert!(is_damage(kind), "{length}: {kind:?}"),
        }
        tried += 1;
    }
    let files: usize = backup.files.values().map(|bytes| block + bytes.len()).sum();
    assert!(
        complete > 0 && complete < tried / 4 && files < whole.len(),
        "{complete} of {tried}"
    );
    for at in (0..whole.len()).step_by(3) {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        if let Err(kind) = read(&flipped, at % 48 == 0) {
            assert!(is_damage(kind), "byte {at}: {kind:?}");
        }
        tried += 1;
    }
    backup.nothing_is_left();
    println!("cases: archives-damaged {tried}");
}
