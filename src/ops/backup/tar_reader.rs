//! Reading a backup from one tar stream.

use std::collections::BTreeMap;
use std::io::{Read, Seek};
use std::path::{Component, Path, PathBuf};

use tar::EntryType;

use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::ops::backup::backup_files::{ArchivedFile, FileCheck, is_kept};
use crate::ops::backup::compression::temporary;

/// The magic bytes of a tar header, and their offset.
const MARK: (usize, &[u8]) = (257, b"ustar");

/// Number of bytes needed to recognise a tar archive.
pub const START: usize = 512;

/// Maximum number of files; no backup has more.
const MOST_FILES: usize = 100_000;

/// Whether `start` is the start of a tar archive.
#[must_use]
pub fn is_tar(start: &[u8]) -> bool {
    let (at, mark) = MARK;
    start.get(at..).is_some_and(|rest| rest.starts_with(mark))
}

/// Reads the whole archive. Files needed later go to private temporary files in `scratch`, never to
/// names from the archive. `name` is the archive's name, for messages.
///
/// # Errors
/// [`ErrorKind::NotAStore`] for an archive that is truncated or damaged, or contains links, devices
/// or paths outside its folder.
pub fn read(
    stream: &mut dyn Read,
    name: &Path,
    scratch: Option<&Path>,
) -> Result<BTreeMap<String, ArchivedFile>> {
    let refused = |why: String| {
        Error::new(
            ErrorKind::NotAStore,
            format!("the archive {} {why}", name.display()),
        )
        .with_hint("an archive of a backup contains only its files, all in one folder")
    };
    let mut files = BTreeMap::new();
    let mut folder: Option<PathBuf> = None;
    let mut archive = tar::Archive::new(stream);
    // Raw mode: extended headers would be read into memory at any length, and no backup needs them.
    let entries = archive.entries().at("read", name)?.raw(true);
    for entry in entries {
        let mut entry = entry.map_err(|cause| refused(format!("is damaged: {cause}")))?;
        let path = String::from_utf8(entry.path_bytes().into_owned())
            .map_err(|_| refused(String::from("holds a name that is not UTF-8")))?;
        match entry.header().entry_type() {
            EntryType::Regular | EntryType::Continuous => {}
            EntryType::Directory | EntryType::XHeader | EntryType::XGlobalHeader => continue,
            EntryType::Link | EntryType::Symlink => {
                return Err(refused(format!("holds a link, {path:?}")));
            }
            _ => {
                return Err(refused(format!(
                    "holds something that is not a file, {path:?}"
                )));
            }
        }
        let (parent, file_name) = split(&path)
            .ok_or_else(|| refused(format!("holds a path outside its folder, {path:?}")))?;
        if *folder.get_or_insert_with(|| parent.clone()) != parent {
            return Err(refused(format!("holds files of several folders, {path:?}")));
        }
        if files.len() == MOST_FILES {
            return Err(refused(format!("holds more than {MOST_FILES} files")));
        }
        let size = entry
            .header()
            .size()
            .map_err(|cause| refused(format!("is damaged: {cause}")))?;
        let mut kept = if is_kept(&file_name) {
            Some(temporary(scratch)?)
        } else {
            None
        };
        let check =
            FileCheck::of(&mut entry, &file_name, true, kept.as_mut()).at("unpack", name)?;
        if check.size != size {
            return Err(refused(format!("ends early, in {file_name:?}")));
        }
        if let Some(file) = &mut kept {
            file.rewind().at("unpack", name)?;
        }
        let member = ArchivedFile { check, file: kept };
        if files.insert(file_name.clone(), member).is_some() {
            return Err(refused(format!("holds {file_name:?} twice")));
        }
    }
    Ok(files)
}

/// Folder and name of a relative path without `..`.
fn split(path: &str) -> Option<(PathBuf, String)> {
    let mut parts = Vec::new();
    for component in Path::new(path).components() {
        match component {
            Component::CurDir => {}
            Component::Normal(part) => parts.push(part.to_str()?.to_owned()),
            _ => return None,
        }
    }
    let name = parts.pop()?;
    let plain = !path.ends_with('/') && !path.contains('\0');
    plain.then(|| (parts.into_iter().collect(), name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(entries: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        for (path, kind, content) in entries {
            let mut header = tar::Header::new_ustar();
            header.set_size(content.len() as u64);
            header.set_entry_type(*kind);
            header.set_mode(0o600);
            // The library refuses to write such names.
            header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
            if kind.is_symlink() || kind.is_hard_link() {
                header.set_link_name("/etc/passwd").unwrap();
            }
            header.set_cksum();
            archive.append(&header, *content).unwrap();
        }
        archive.into_inner().unwrap()
    }

    fn names(archive: &[u8]) -> Result<Vec<String>> {
        assert!(archive.is_empty() || is_tar(archive));
        let files = read(&mut &*archive, Path::new("the-tar"), None)?;
        Ok(files.into_keys().collect())
    }

    const FILE: EntryType = EntryType::Regular;

    #[test]
    fn files_of_one_folder_are_read() {
        for folder in ["", "./", "backup/", "./a/b/"] {
            let (kv, shard) = (format!("{folder}b.bolt"), format!("{folder}b.1.tar.gz"));
            let tar = archive(&[
                ("backup/", EntryType::Directory, b""),
                (&kv, FILE, b"content"),
                (&shard, FILE, b"\x1f\x8b and so on"),
            ]);
            let files = read(&mut &*tar, Path::new("tar"), None).unwrap();
            let mut file = files["b.bolt"].file.as_ref().unwrap();
            let mut content = Vec::new();
            file.read_to_end(&mut content).unwrap();
            assert_eq!(content, b"content");
            let shard = &files["b.1.tar.gz"];
            assert!(shard.file.is_none() && shard.check.damage.is_some());
        }
        assert!(names(&[]).unwrap().is_empty());
    }

    #[test]
    fn what_could_do_harm_is_refused() {
        let mut tried = 0;
        let mut refuse = |tar: &[u8]| {
            let refused = names(tar).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::NotAStore, "{refused}");
            assert!(refused.message().contains("the-tar"), "{refused}");
            tried += 1;
        };
        for path in ["/b.bolt", "../b.bolt", "a/../b.bolt", "..", "/", "a/"] {
            refuse(&archive(&[(path, FILE, b"x")]));
        }
        for kind in [
            EntryType::Link,
            EntryType::Symlink,
            EntryType::Char,
            EntryType::Block,
            EntryType::Fifo,
            EntryType::GNUSparse,
            EntryType::GNULongName,
        ] {
            refuse(&archive(&[("b.bolt", kind, b"")]));
        }
        refuse(&archive(&[
            ("a/b.bolt", FILE, b""),
            ("b/b.bolt", FILE, b""),
        ]));
        refuse(&archive(&[("b.bolt", FILE, b""), ("b.bolt", FILE, b"")]));
        let whole = archive(&[("b.bolt", FILE, &[7; 2000]), ("b.sqlite", FILE, &[7; 9])]);
        for length in [600, 1024, 2559, 3073, 3500] {
            refuse(&whole[..length]);
        }
        let mut flipped = whole.clone();
        flipped[100] ^= 1;
        refuse(&flipped);
        println!("cases: tars-refused {tried}");
    }
}
