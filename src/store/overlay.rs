//! Locks through overlay file systems. The files of a container are an overlay, whose upper folder
//! has what was written. To a process in the container a file there is another inode. So its `flock`
//! is not seen on the file in the upper folder, though both have the same bytes.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::store::holder::Holder;

/// Maximum number of processes, and of open files of one process.
const MOST: usize = 100_000;
/// Maximum length of a table of mounts or locks, in bytes.
const LONGEST: u64 = 16 << 20;

/// A process that has the file open through an overlay.
#[derive(Debug)]
pub(super) struct Through {
    pub(super) holder: Holder,
    /// The path by which it has it open.
    pub(super) path: PathBuf,
    /// Whether it holds an exclusive lock there.
    pub(super) locks: bool,
}

/// An overlay in whose upper folder the file is.
struct Overlay {
    /// "major:minor", decimal.
    device: String,
    /// The file's path below the upper folder.
    below: PathBuf,
}

/// The processes that have the file at `path` open through an overlay file system. Empty if the
/// system does not say, or does not say it to this user.
pub(super) fn holders(path: &Path, metadata: &Metadata) -> Vec<Through> {
    let Ok(path) = fs::canonicalize(path) else {
        return Vec::new();
    };
    let processes = processes();
    let overlays = overlays(&path, &processes);
    if overlays.is_empty() {
        return Vec::new();
    }
    let locks = read_table(Path::new("/proc/locks"));
    let mut found: Vec<Through> = Vec::new();
    for pid in processes {
        let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else {
            continue;
        };
        for file in files.flatten().take(MOST) {
            if let Some((overlay, path, inode)) = opened(&file.path(), metadata, &overlays) {
                found.push(Through {
                    holder: Holder::of(pid),
                    path,
                    locks: has_lock(&locks, pid, &overlay.device, inode),
                });
                break;
            }
        }
    }
    found
}

/// The overlay through which this open file is the one that `metadata` describes, its path and its
/// inode there.
fn opened<'o>(
    file: &Path,
    metadata: &Metadata,
    overlays: &'o [Overlay],
) -> Option<(&'o Overlay, PathBuf, u64)> {
    let path = fs::read_link(file).ok()?;
    let there = fs::metadata(file).ok()?;
    if !there.is_file() || there.dev() == metadata.dev() {
        return None;
    }
    let device = format!(
        "{}:{}",
        rustix::fs::major(there.dev()),
        rustix::fs::minor(there.dev())
    );
    let same = |overlay: &&Overlay| {
        path.ends_with(&overlay.below)
            && (overlay.device == device || there.ino() == metadata.ino())
    };
    overlays
        .iter()
        .find(same)
        .map(|overlay| (overlay, path.clone(), there.ino()))
}

/// Whether `/proc/locks` has an exclusive lock on a file of the device ("major:minor", decimal): on
/// this inode, whoever took it, because that process may have ended and left the lock to a child; or
/// taken by this process, because an overlay may give the file another inode.
fn has_lock(locks: &str, pid: u32, device: &str, inode: u64) -> bool {
    let Some((major, minor)) = device.split_once(':') else {
        return false;
    };
    let (Ok(major), Ok(minor)) = (major.parse::<u32>(), minor.parse::<u32>()) else {
        return false;
    };
    let place = format!("{major:02x}:{minor:02x}:");
    locks.lines().any(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        matches!(
            fields.as_slice(),
            [_, "FLOCK", _, "WRITE", by, at, ..]
                if at.strip_prefix(&place).is_some_and(|at| {
                    by.parse() == Ok(pid) || at.parse() == Ok(inode)
                })
        )
    })
}

/// The numbers of all processes.
fn processes() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let numbers = entries.flatten().take(MOST);
    numbers
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// The overlays that have `path` in their upper folder, in any namespace of mounts.
fn overlays(path: &Path, processes: &[u32]) -> Vec<Overlay> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    let tables = processes.iter().map(|pid| format!("/proc/{pid}"));
    for process in std::iter::once(String::from("/proc/self")).chain(tables) {
        let process = Path::new(&process);
        let Ok(namespace) = fs::read_link(process.join("ns/mnt")) else {
            continue;
        };
        if !seen.insert(namespace) {
            continue;
        }
        for (device, upper) in uppers(&read_table(&process.join("mountinfo"))) {
            // The path is the one that the mounting process saw.
            let inside = upper.strip_prefix("/").unwrap_or(&upper);
            let below =
                below(path, &upper).or_else(|| below(path, &process.join("root").join(inside)));
            if let Some(below) = below {
                found.push(Overlay { device, below });
            }
        }
    }
    found
}

/// The path below a folder, by whatever names.
fn below(path: &Path, folder: &Path) -> Option<PathBuf> {
    let folder = fs::metadata(folder).ok()?;
    let above = path.ancestors().skip(1).find(|above| {
        fs::metadata(above)
            .is_ok_and(|above| (above.dev(), above.ino()) == (folder.dev(), folder.ino()))
    })?;
    path.strip_prefix(above).ok().map(Path::to_path_buf)
}

/// The device and the upper folder of each overlay in the text of a `mountinfo`. Its lines are like
/// `36 35 0:47 / /merged rw - overlay overlay rw,lowerdir=/l,upperdir=/u,workdir=/w`.
fn uppers(table: &str) -> Vec<(String, PathBuf)> {
    let upper = |line: &str| {
        let (mount, system) = line.split_once(" - ")?;
        let device = mount.split(' ').nth(2)?;
        let mut system = system.split(' ');
        if system.next()? != "overlay" {
            return None;
        }
        let options = system.nth(1)?;
        let upper = options
            .split(',')
            .find_map(|option| option.strip_prefix("upperdir="))?;
        Some((device.to_owned(), unescaped(upper)))
    };
    table.lines().filter_map(upper).collect()
}

/// A path of which the kernel wrote some bytes as a backslash and three octal digits.
fn unescaped(text: &str) -> PathBuf {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..3).filter(|_| *first == b'\\');
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(3..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    OsString::from_vec(bytes).into()
}

/// A table of the system, as text.
fn read_table(path: &Path) -> String {
    let mut bytes = Vec::new();
    if let Ok(file) = fs::File::open(path) {
        let _ = file.take(LONGEST).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upper_folders_are_read_from_the_table_of_mounts() {
        let table = "36 35 0:47 / /merged rw - overlay overlay rw,lowerdir=/l,upperdir=/a\\040b/d\n\
                     37 35 0:48 / /ro rw shared:1 - overlay none ro,lowerdir=/l:/m\n\
                     38 35 8:1 / /x rw - ext4 /dev/sda rw,upperdir=/no\ngarbage\n";
        assert_eq!(
            uppers(table),
            [(String::from("0:47"), PathBuf::from("/a b/d"))]
        );
    }

    #[test]
    fn exclusive_locks_of_a_device_are_told_from_others() {
        let table = "1: FLOCK  ADVISORY  WRITE 4242 00:2f:567 0 EOF\n\
                     2: FLOCK  ADVISORY  READ 17 00:2f:567 0 EOF\n\
                     3: -> FLOCK  ADVISORY  WRITE 18 00:2f:567 0 EOF\n";
        assert!(has_lock(table, 4242, "0:47", 1));
        assert!(!has_lock(table, 4242, "0:46", 567));
        assert!(has_lock(table, 17, "0:47", 567));
        assert!(!has_lock(table, 17, "0:47", 568));
        assert!(!has_lock(table, 18, "0:47", 568));
    }

    #[test]
    fn a_path_below_a_folder_is_found_by_any_name() {
        let folder = tempfile::TempDir::new().unwrap();
        let real = fs::canonicalize(folder.path()).unwrap();
        fs::create_dir_all(real.join("upper/var")).unwrap();
        std::os::unix::fs::symlink(real.join("upper"), real.join("link")).unwrap();
        let file = real.join("upper/var/influxd.bolt");
        fs::write(&file, "").unwrap();
        let found = below(&file, &real.join("link"));
        assert_eq!(found, Some(PathBuf::from("var/influxd.bolt")));
        assert_eq!(below(&file, &real.join("nowhere")), None);
    }
}
