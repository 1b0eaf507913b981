//! Backups that were made to do harm, with `backup restore` and `backup token`: an error says what
//! is wrong, and nothing is written outside private temporary files.

use std::fs;
use std::path::{Path, PathBuf};

use tar::EntryType;

use crate::backup_export::{exported, names};
use crate::fixtures::gzip;
use crate::fixtures::token_of;
use crate::scene::{Scene, text};

const LIVED: &str = "lived-2.9.1";

/// A sound backup with a manifest: names and contents.
fn sound(scene: &Scene) -> Vec<(String, Vec<u8>)> {
    let folder = exported(scene, LIVED, &["--influx-manifest"]);
    let files = names(&folder).into_iter().map(|name| {
        let content = fs::read(folder.join(&name)).unwrap();
        (name, content)
    });
    let files = files.collect();
    fs::remove_dir_all(folder).unwrap();
    files
}

fn folder(scene: &Scene, name: &str, files: &[(String, Vec<u8>)]) -> PathBuf {
    let folder = scene.sandbox.path(format!("work/{name}"));
    fs::create_dir(&folder).unwrap();
    for (name, content) in files {
        fs::write(folder.join(name), content).unwrap();
    }
    folder
}

/// Tries to restore, and to put a token into it. How often.
fn refused(scene: &Scene, from: &Path, says: &[&str]) -> usize {
    let token = token_of(LIVED, "alice's Token");
    let to = scene.path("influxd.bolt");
    let mut tried = 0;
    for stands in [false, true] {
        if stands {
            fs::write(&to, "what stands there").unwrap();
        }
        for opener in ["--operator-token-file", "--new-operator"] {
            for extra in [&[][..], &["--force", "-y"]] {
                let mut arguments =
                    vec!["backup", "restore", text(from), "--to", text(&to), opener];
                arguments.extend((opener == "--operator-token-file").then_some("-"));
                arguments.extend(extra);
                let ran = scene.sandbox.run_with(arguments, token.as_bytes()).code(5);
                ran.tells(says).tells(&["nothing was changed"]);
                assert_eq!(ran.stdout, "");
                assert_eq!(scene.names().len(), usize::from(stands));
                tried += 1;
            }
        }
    }
    assert_eq!(fs::read_to_string(&to).unwrap(), "what stands there");
    fs::remove_file(&to).unwrap();
    if from.is_dir() {
        let made = scene.path("made");
        let arguments = [
            "backup",
            "token",
            text(from),
            "--out",
            text(&made),
            "--generate",
        ];
        let ran = scene.sandbox.run(arguments).code(5);
        ran.tells(says).tells(&["nothing was changed"]);
        assert_eq!(scene.names().len(), 0);
        tried += 1;
    }
    tried
}

#[test]
fn names_that_lead_elsewhere() {
    let scene = Scene::new();
    let files = sound(&scene);
    let secret = scene.sandbox.file("work/secret.bolt.gz", "somebody's");
    let elsewhere = ["../secret.bolt.gz", text(&secret), "a/b.bolt.gz", "..", "."];
    let mut tried = 0;
    for (number, name) in elsewhere.iter().enumerate() {
        for by in [".manifest", ".boltkey.json"] {
            for part in [".bolt.gz", ".sqlite.gz"] {
                let mut files = files.clone();
                let mut edited = false;
                for (file, content) in &mut files {
                    if file.ends_with(by) {
                        let text = String::from_utf8(content.clone()).unwrap();
                        let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
                        let key = if part == ".bolt.gz" { "kv" } else { "sql" };
                        let mut entry = json["kv"].clone();
                        entry["fileName"] = (*name).into();
                        json[key] = entry;
                        *content = json.to_string().into_bytes();
                        edited = true;
                    }
                }
                assert!(edited);
                let from = folder(&scene, &format!("elsewhere-{number}{by}{part}"), &files);
                tried += refused(&scene, &from, &[name, by, "not in the backup's own folder"]);
            }
        }
    }
    println!("cases: backups-that-lead-elsewhere {tried}");
}

/// One entry of an archive.
type Entry<'e> = (&'e str, EntryType, &'e [u8]);

fn archive(entries: &[Entry<'_>], link: &Path) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, kind, content) in entries {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_entry_type(*kind);
        header.set_mode(0o600);
        // The library refuses to write such an archive.
        header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
        if kind.is_symlink() || kind.is_hard_link() {
            header.set_link_name(link).unwrap();
        }
        header.set_cksum();
        archive.append(&header, *content).unwrap();
    }
    archive.into_inner().unwrap()
}

#[test]
fn archives_that_reach_out() {
    const FILE: EntryType = EntryType::Regular;
    let scene = Scene::new();
    let files = sound(&scene);
    let whole: Vec<Entry<'_>> = files
        .iter()
        .map(|(n, c)| (n.as_str(), FILE, &c[..]))
        .collect();
    let outside = scene.sandbox.file("work/outside/file", "as it was");
    let target = text(&outside);
    let up = "../outside/file";
    let cases: &[(&[Entry<'_>], &str)] = &[
        (&[(target, FILE, b"x")], "path outside its folder"),
        (&[(up, FILE, b"x")], "path outside its folder"),
        (&[("link", EntryType::Symlink, b"")], "holds a link"),
        (
            &[("link", EntryType::Symlink, b""), ("link/file", FILE, b"x")],
            "holds a link",
        ),
        (&[("link", EntryType::Link, b"")], "holds a link"),
        (&[("null", EntryType::Char, b"")], "not a file"),
        (&[("disk", EntryType::Block, b"")], "not a file"),
        (&[("pipe", EntryType::Fifo, b"")], "not a file"),
        (&[("other/file", FILE, b"x")], "several folders"),
        (&[whole[0]], "twice"),
    ];
    let mut tried = 0;
    for (number, (more, says)) in cases.iter().enumerate() {
        // Before a sound backup, and after it.
        for first in [false, true] {
            let mut entries = whole.clone();
            let at = if first { 0 } else { entries.len() };
            entries.splice(at..at, more.iter().copied());
            let bytes = archive(&entries, &outside);
            let from = scene
                .sandbox
                .file(&format!("work/{number}-{first}.tar"), bytes);
            tried += refused(&scene, &from, &["the archive", says]);
        }
    }
    // Without any of this it is restored.
    let from = scene
        .sandbox
        .file("work/whole.tar", archive(&whole, &outside));
    let to = scene.path("influxd.bolt");
    let token = token_of(LIVED, "alice's Token");
    let arguments = ["backup", "restore", text(&from), "--to", text(&to)];
    let arguments = [&arguments[..], &["--operator-token-file", "-"]].concat();
    scene.sandbox.run_with(arguments, token.as_bytes()).code(0);
    println!("cases: archives-that-reach-out {tried}");
}

/// Little that unpacks to much, in the place of either file, with a sum that is right and without.
#[test]
fn bombs() {
    let scene = Scene::new();
    let files = sound(&scene);
    // Zeros, and what begins as a database does.
    let mut content = vec![0; 70 << 20];
    content[..16].copy_from_slice(b"SQLite format 3\0");
    let bomb = gzip(&content);
    assert!(bomb.len() < 100_000);
    let mut tried = 0;
    for place in ["kv", "sql"] {
        for sheet in [true, false] {
            let mut files = files.clone();
            files.retain(|(name, _)| sheet || !name.ends_with(".json"));
            let base = files[0].0.split('.').next().unwrap().to_owned();
            let name = match place {
                "kv" => format!("{base}.bolt.gz"),
                _ => format!("{base}.sqlite.gz"),
            };
            for (file, content) in &mut files {
                if file.ends_with(".gz") {
                    continue;
                }
                let mut json: serde_json::Value = serde_json::from_slice(content).unwrap();
                let mut entry = json["kv"].clone();
                entry["fileName"] = name.as_str().into();
                entry["size"] = bomb.len().into();
                if entry["sha256"].is_string() {
                    use sha2::{Digest, Sha256};
                    entry["sha256"] = hex::encode(Sha256::digest(&bomb)).into();
                }
                json[place] = entry;
                *content = json.to_string().into_bytes();
            }
            files.retain(|(file, _)| *file != name);
            files.push((name.clone(), bomb.clone()));
            let from = folder(&scene, &format!("bomb-{place}-{sheet}"), &files);
            tried += refused(&scene, &from, &[&name, "unpacks to more than"]);
            let entries: Vec<Entry<'_>> = files
                .iter()
                .map(|(name, content)| (name.as_str(), EntryType::Regular, &content[..]))
                .collect();
            let bytes = archive(&entries, Path::new("x"));
            let from = scene
                .sandbox
                .file(&format!("work/bomb-{place}-{sheet}.tar"), bytes);
            tried += refused(&scene, &from, &[&name, "unpacks to more than"]);
        }
    }
    println!("cases: bombs {tried}");
}

/// A backup whose own files are links, pipes or folders.
#[test]
fn files_that_are_none() {
    let scene = Scene::new();
    let files = sound(&scene);
    let mut tried = 0;
    for (name, _) in files.iter().filter(|(name, _)| !name.ends_with(".json")) {
        for kind in ["folder", "pipe", "device"] {
            let from = folder(&scene, &format!("{kind}-{name}"), &files);
            let path = from.join(name);
            fs::remove_file(&path).unwrap();
            match kind {
                "folder" => fs::create_dir(&path).unwrap(),
                "pipe" => rustix::fs::mknodat(
                    rustix::fs::CWD,
                    &path,
                    rustix::fs::FileType::Fifo,
                    rustix::fs::Mode::RUSR,
                    0,
                )
                .unwrap(),
                _ => std::os::unix::fs::symlink("/dev/zero", &path).unwrap(),
            }
            tried += refused(&scene, &from, &[name, "not a regular file"]);
        }
    }
    println!("cases: backup-files-that-are-none {tried}");
}
