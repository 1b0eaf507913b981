//! The stores to report on: files as given, and those that are found in folders by their content.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::fs::{self, DirEntry};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::read::GzDecoder;

use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::ops::backup::tar_reader;
use crate::ops::files::new_file::{folder_of, is_temporary};
use crate::ops::residue::siblings;
use crate::store::{GZIP_MAGIC, engine_by_magic, fill, open_regular};

/// How deep folders are searched.
const DEEPEST: usize = 32;
/// The number of folder entries that are looked at in one search.
const MOST_ENTRIES: u64 = 2_000_000;
/// The name that influxd gives a store. Such a file is reported whatever it contains.
const USUAL_NAME: &str = "influxd.bolt";
/// What the names of the first files in an archive of a backup end in.
const IN_BACKUPS: [&str; 6] = [
    ".manifest",
    ".boltkey.json",
    ".bolt",
    ".bolt.gz",
    ".sqlite",
    ".sqlite.gz",
];

/// A file to report on.
#[derive(Debug, Clone)]
pub struct Found {
    /// Its path: as given, or the given folder and the path in it.
    pub path: PathBuf,
    /// Whether it was given, or has the name of a store. It is reported whatever it contains.
    pub named: bool,
    /// The files in its folder that are not reported themselves. None if it is not known: the store
    /// is the only one.
    pub beside: Option<Arc<[PathBuf]>>,
}

/// One item of a search.
#[derive(Debug)]
pub enum Item {
    /// A file.
    File(Found),
    /// A path that can't be searched, or has no store in it.
    Nothing(PathBuf, Error),
}

/// The paths to report on, in the order given; the content of folders by name, the files of a folder
/// before its folders. Links inside folders are not followed.
pub struct Search {
    operands: std::vec::IntoIter<PathBuf>,
    /// The names of the files that were given, by folder.
    given: HashMap<PathBuf, HashSet<OsString>>,
    /// The folder of the last file that was given, and what else is in it.
    last: Option<(PathBuf, Arc<[PathBuf]>)>,
    walk: Option<Walk>,
}

impl Search {
    /// A search in files and folders.
    #[must_use]
    pub fn new(operands: Vec<PathBuf>) -> Self {
        let mut given: HashMap<PathBuf, HashSet<OsString>> = HashMap::new();
        for path in &operands {
            if let (Some(name), false) = (path.file_name(), path.is_dir()) {
                let folder = folder_of(path).to_path_buf();
                given.entry(folder).or_default().insert(name.to_owned());
            }
        }
        Self {
            operands: operands.into_iter(),
            given,
            last: None,
            walk: None,
        }
    }

    /// A file that was given.
    fn file(&mut self, path: PathBuf) -> Found {
        let folder = folder_of(&path).to_path_buf();
        let given = self.given.get(&folder);
        let beside = match &self.last {
            Some((last, beside)) if *last == folder => Some(Arc::clone(beside)),
            // Alone in its folder: it is looked at as `status` does.
            _ if given.is_none_or(|names| names.len() < 2) => None,
            _ => {
                let others = siblings::files_beside(&path).unwrap_or_default();
                let is_given = |path: &PathBuf| {
                    let names = given.zip(path.file_name());
                    names.is_some_and(|(names, name)| names.contains(name))
                };
                let others: Vec<PathBuf> = others.into_iter().filter(|p| !is_given(p)).collect();
                let others: Arc<[PathBuf]> = others.into();
                self.last = Some((folder, Arc::clone(&others)));
                Some(others)
            }
        };
        Found {
            path,
            named: true,
            beside,
        }
    }
}

impl Iterator for Search {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        loop {
            if let Some(walk) = &mut self.walk {
                match walk.next() {
                    Some(item) => return Some(item),
                    None => self.walk = None,
                }
            }
            let path = self.operands.next()?;
            match fs::metadata(&path) {
                Ok(there) if there.is_dir() => self.walk = Some(Walk::new(path)),
                // A path that is not there is told by opening it.
                _ => return Some(Item::File(self.file(path))),
            }
        }
    }
}

/// A walk through one folder.
struct Walk {
    top: PathBuf,
    /// The folders that are not read yet, with their depth, the next one last.
    folders: Vec<(PathBuf, usize)>,
    /// What was found in the folder that was read last, the next one last.
    found: Vec<Item>,
    /// How many more entries may be looked at.
    left: u64,
    empty: bool,
}

impl Walk {
    fn new(top: PathBuf) -> Self {
        Self {
            folders: vec![(top.clone(), 0)],
            top,
            found: Vec::new(),
            left: MOST_ENTRIES,
            empty: true,
        }
    }

    /// Reads one folder.
    fn read(&mut self, folder: &Path, depth: usize) -> Result<()> {
        let mut entries: Vec<DirEntry> = Vec::new();
        for entry in fs::read_dir(folder).at("read", folder)? {
            entries.push(entry.at("read", folder)?);
            self.left = self.left.checked_sub(1).ok_or_else(|| {
                Error::new(
                    ErrorKind::Refused,
                    format!(
                        "{} has more than {MOST_ENTRIES} files; the search ends here",
                        self.top.display()
                    ),
                )
                .with_hint("name the folders with stores, or the stores")
            })?;
        }
        entries.sort_by_key(DirEntry::file_name);
        let (mut stores, mut others, mut folders) = (Vec::new(), Vec::new(), Vec::new());
        for entry in entries {
            let path = entry.path();
            // Not of what a link leads to.
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            let name = entry.file_name();
            if kind.is_dir() && depth < DEEPEST {
                folders.push((path, depth + 1));
            } else if kind.is_file() {
                let named = name == USUAL_NAME;
                let is_store = !is_temporary(&name.to_string_lossy()) && is_store(&path);
                match named || is_store {
                    true => stores.push((path, named)),
                    false => others.push(path),
                }
            }
        }
        let beside: Option<Arc<[PathBuf]>> = (stores.len() > 1).then(|| others.into());
        let found = stores.into_iter().map(|(path, named)| {
            let beside = beside.clone();
            Item::File(Found {
                path,
                named,
                beside,
            })
        });
        self.found = found.rev().collect();
        self.folders.extend(folders.into_iter().rev());
        Ok(())
    }

    fn next(&mut self) -> Option<Item> {
        loop {
            if let Some(item) = self.found.pop() {
                self.empty = false;
                return Some(item);
            }
            let Some((folder, depth)) = self.folders.pop() else {
                let empty = std::mem::replace(&mut self.empty, false);
                return empty.then(|| {
                    let why = format!("no store and no backup found in {}", self.top.display());
                    let error = Error::new(ErrorKind::NotFound, why).naming(&self.top);
                    let error = error.with_hint("boltkey locate lists the stores of this host");
                    Item::Nothing(self.top.clone(), error)
                });
            };
            if let Err(error) = self.read(&folder, depth) {
                if error.kind() == ErrorKind::Refused {
                    self.folders.clear();
                }
                self.empty = false;
                return Some(Item::Nothing(folder, error));
            }
        }
    }
}

/// Whether a file is a store, a gzipped copy of one, or the archive of a backup, by its first bytes.
/// False if it can't be read.
fn is_store(path: &Path) -> bool {
    let has_magic = |start: &[u8]| engine_by_magic(start).is_some();
    start_of(path).is_ok_and(|start| {
        has_magic(&start)
            || start.get(USUAL_PAGE..).is_some_and(has_magic)
            || unpacked_start(&start).is_some_and(|start| has_magic(&start))
            || is_backup_archive(&start)
    })
}

/// The usual size of a page in bytes. A Bolt file whose first meta page is lost still has the second.
const USUAL_PAGE: usize = 4096;
/// Enough bytes for every magic, also of a gzipped copy.
const START: usize = USUAL_PAGE + 64;

fn start_of(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = open_regular(path)?;
    let mut start = vec![0; START];
    let length = fill(&mut file, &mut start)?;
    start.truncate(length);
    Ok(start)
}

/// The first bytes of what a gzip stream has.
fn unpacked_start(start: &[u8]) -> Option<Vec<u8>> {
    if !start.starts_with(&GZIP_MAGIC) {
        return None;
    }
    let mut content = vec![0; 64];
    GzDecoder::new(start).read_exact(&mut content).ok()?;
    Some(content)
}

/// Whether a tar archive begins with a file of a backup.
fn is_backup_archive(start: &[u8]) -> bool {
    const NAME: usize = 100;
    let name = start.get(..NAME).unwrap_or_default();
    let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
    tar_reader::is_tar(start)
        && IN_BACKUPS
            .iter()
            .any(|ending| name.ends_with(ending.as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;
    use crate::store::{Engine, Model, Progress, create_from};

    fn store(path: &Path, engine: Engine) {
        let mut options = fs::File::options();
        let file = options.read(true).write(true).create_new(true).open(path);
        let device = crate::store::device::on_file(file.unwrap());
        let model = Model::default();
        create_from(&model, engine, device, path, &Progress::new(&|_| {})).unwrap();
    }

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        io::Write::write_all(&mut packer, content).unwrap();
        packer.finish().unwrap()
    }

    /// The found paths below `top`, with `!` before those of errors.
    fn found(top: &Path, operands: &[&str]) -> Vec<String> {
        let operands = operands.iter().map(|name| top.join(name)).collect();
        let items = Search::new(operands).map(|item| {
            let (mark, path) = match item {
                Item::File(found) => ("", found.path),
                Item::Nothing(path, _) => ("!", path),
            };
            let path = path.strip_prefix(top).unwrap().display().to_string();
            format!("{mark}{path}")
        });
        items.collect()
    }

    #[test]
    fn stores_are_found_by_content_in_order_and_links_are_not_followed() {
        let folder = TempDir::new().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["b/deep/er", "empty", "a"] {
            fs::create_dir_all(at(name)).unwrap();
        }
        store(&at("b/2.data"), Engine::Bolt);
        store(&at("b/1.redb"), Engine::Redb);
        let content = fs::read(at("b/2.data")).unwrap();
        fs::write(at("b/deep/er/packed"), gzip(&content)).unwrap();
        fs::write(at("b/deep/influxd.bolt"), "").unwrap();
        fs::write(at("b/text"), "hello").unwrap();
        fs::write(at("b/text.gz"), gzip(b"hello")).unwrap();
        fs::write(at("b/.boltkey-0123456789abcdef.tmp"), &content).unwrap();
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(2);
        tar.append_data(&mut header, "x.boltkey.json", &b"{}"[..])
            .unwrap();
        fs::write(at("b/backup"), tar.into_inner().unwrap()).unwrap();
        symlink(folder.path(), at("b/round")).unwrap();
        symlink(at("b/2.data"), at("a/link")).unwrap();
        let of_b = [
            "b/1.redb",
            "b/2.data",
            "b/backup",
            "b/deep/influxd.bolt",
            "b/deep/er/packed",
        ];
        assert_eq!(found(folder.path(), &["b"]), of_b);
        assert_eq!(found(folder.path(), &["."]), of_b);
        let wanted = ["a/link", "!empty", "missing", "b/text"];
        let operands = ["a/link", "empty", "missing", "b/text"];
        assert_eq!(found(folder.path(), &operands), wanted);
        assert_eq!(found(folder.path(), &["a"]), ["!a"]);
    }

    #[test]
    fn the_files_beside_are_those_that_are_not_reported() {
        let folder = TempDir::new().unwrap();
        let at = |name: &str| folder.path().join(name);
        store(&at("1.bolt"), Engine::Bolt);
        store(&at("2.bolt"), Engine::Bolt);
        fs::write(at("configs"), "").unwrap();
        let beside = |operands: Vec<PathBuf>| -> Vec<Option<usize>> {
            let items = Search::new(operands).map(|item| match item {
                Item::File(found) => found.beside.map(|paths| paths.len()),
                Item::Nothing(..) => panic!(),
            });
            items.collect()
        };
        assert_eq!(beside(vec![at("")]), [Some(1), Some(1)]);
        assert_eq!(beside(vec![at("1.bolt")]), [None]);
        assert_eq!(beside(vec![at("1.bolt"), at("2.bolt")]), [Some(1), Some(1)]);
    }
}
