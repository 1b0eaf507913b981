//! The times in all files of a shard.

use std::fs::{self, File, Metadata};
use std::path::{Path, PathBuf};

use super::{Flaw, KeyVisitor, ShardFolder, Times, Unusable, tsm_times, wal_times};
use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::store::open_regular;
use crate::store::sparse::is_mostly_holes;

/// Most files in a folder of a shard.
const MOST_FILES: usize = 100_000;

/// A segment up to this length may have holes. influxd begins a new one after 10 MiB.
const SPARSE_SEGMENT: u64 = 1 << 20;

/// Names that influxd gives to files and folders of a shard without points.
const WITHOUT_POINTS: [&str; 3] = ["index", "fields.idx", "fields.idxl"];

/// The times of the points in all files of a shard; `None` if it has no points that can be read.
/// `visit` is called with each key, `flaw` with each file that was not read completely.
///
/// # Errors
/// When a folder can't be read, or the system denies access to a file; [`ErrorKind::Refused`] when a
/// folder has more than 100,000 files.
pub fn shard_times(
    engine: &Path,
    shard: &ShardFolder,
    visit: &mut KeyVisitor<'_>,
    flaw: &mut dyn FnMut(Flaw),
) -> Result<Option<Times>> {
    let mut times = None;
    if shard.has_data {
        for path in files(&shard.data(engine))? {
            match name_in_data(&path) {
                Name::Points => {
                    if let Some(found) = read(&path, flaw, |file, metadata| {
                        tsm_times(file, metadata.len(), visit).map(Some)
                    })? {
                        found.add_to(&mut times);
                    }
                }
                Name::WithoutPoints => {}
                Name::Other(reason) => flaw(Flaw { path, reason }),
            }
        }
    }
    if shard.has_wal {
        for path in files(&shard.wal(engine))? {
            match name_in_wal(&path) {
                Name::Points => {
                    let mut reasons = Vec::new();
                    let found = read(&path, flaw, |file, metadata| {
                        if is_mostly_holes(metadata, SPARSE_SEGMENT) {
                            return Err(Unusable::Damaged("it consists of holes".into()));
                        }
                        let segment = wal_times(file, metadata.len(), visit)?;
                        reasons.extend(segment.too_long.map(|(at, limit)| {
                            format!("the entry at byte {at} was not read: it has {limit}")
                        }));
                        reasons.extend(segment.torn.map(|(at, why)| cut_off(at, &why)));
                        Ok(segment.times)
                    })?;
                    if let Some(found) = found {
                        found.add_to(&mut times);
                    }
                    for reason in reasons {
                        let path = path.clone();
                        flaw(Flaw { path, reason });
                    }
                }
                Name::WithoutPoints => {}
                Name::Other(reason) => flaw(Flaw { path, reason }),
            }
        }
    }
    Ok(times)
}

/// The reason for a segment with an end that can't be read. influxd cuts that end off when it starts.
/// But it has determined where it writes next before that, so it leaves a hole, and the next start
/// ends at the hole.
fn cut_off(at: u64, why: &str) -> String {
    format!(
        "read up to byte {at}: {why}; run truncate -s {at} FILE before influxd starts, or influxd \
         may lose points that it writes to the shard next"
    )
}

/// The paths in a folder, ascending.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).at("read", folder)? {
        if paths.len() == MOST_FILES {
            return Err(Error::new(
                ErrorKind::Refused,
                format!(
                    "{} contains more than {MOST_FILES} files, which is the limit",
                    folder.display()
                ),
            )
            .naming(folder));
        }
        paths.push(entry.at("read", folder)?.path());
    }
    paths.sort();
    Ok(paths)
}

/// What the name of a file says.
enum Name {
    /// It contains points.
    Points,
    /// It belongs to influxd and contains no points.
    WithoutPoints,
    /// influxd does not read it, for this reason.
    Other(String),
}

fn name_in_data(path: &Path) -> Name {
    let name = path.file_name().and_then(|name| name.to_str());
    let Some(name) = name else {
        return Name::Other("influxd uses no such name".into());
    };
    if WITHOUT_POINTS.contains(&name) || name.ends_with(".tombstone") {
        return Name::WithoutPoints;
    }
    // influxd reads numbers up to 32 bits, up to the first point.
    let numbers = name.split('.').next().and_then(|id| id.split_once('-'));
    let numbered =
        numbers.is_some_and(|(generation, sequence)| is_number(generation) && is_number(sequence));
    match name.rsplit_once('.') {
        Some((_, "tsm")) if numbered => Name::Points,
        Some((_, "tsm")) => Name::Other(
            "influxd does not open the shard while a TSM file has such a name; move it away".into(),
        ),
        Some((_, "tmp")) => Name::Other("influxd did not complete this file and deletes it".into()),
        Some((_, "bad")) => Name::Other("influxd could not read this file and renamed it".into()),
        _ => Name::Other("influxd uses no such name".into()),
    }
}

fn name_in_wal(path: &Path) -> Name {
    let name = path.file_name().and_then(|name| name.to_str());
    let number = name.and_then(|name| name.strip_prefix('_')?.strip_suffix(".wal"));
    match number {
        Some(number) if is_number(number) => Name::Points,
        Some(_) => Name::Other(
            "influxd does not open the shard while a segment has such a name; move it away".into(),
        ),
        None => Name::Other("influxd uses no such name".into()),
    }
}

/// Whether influxd reads this as a number.
fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u32>().is_ok()
}

/// Reads one file, and reports it to `flaw` if that is not possible.
fn read(
    path: &Path,
    flaw: &mut dyn FnMut(Flaw),
    read: impl FnOnce(&mut File, &Metadata) -> Result<Option<Times>, Unusable>,
) -> Result<Option<Times>> {
    let opened = open_regular(path).and_then(|file| Ok((file.metadata()?, file)));
    let found = match opened {
        Ok((metadata, mut file)) => read(&mut file, &metadata),
        Err(cause) => Err(Unusable::Io(cause)),
    };
    let reason = match found {
        Ok(times) => return Ok(times),
        Err(Unusable::Damaged(why)) => why,
        // Somebody else can read it.
        Err(Unusable::Io(cause)) if cause.kind() == std::io::ErrorKind::PermissionDenied => {
            return Err(cause).at("read", path);
        }
        Err(Unusable::Io(cause)) => cause.to_string(),
    };
    flaw(Flaw {
        path: path.to_owned(),
        reason: format!("not read: {reason}"),
    });
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const SHARD: &str = "data/b/autogen/7";

    fn shard() -> ShardFolder {
        ShardFolder {
            bucket: "b".into(),
            shard: 7,
            policy: "autogen".into(),
            has_data: true,
            has_wal: false,
            flaw: None,
        }
    }

    /// A TSM file with one point at this time.
    fn tsm(time: i64) -> Vec<u8> {
        let mut file = vec![0x16, 0xd1, 0x16, 0xd1, 1, 0, 0, 0, 0];
        file.extend([0, 1, b'm', 0, 0, 1]);
        file.extend(time.to_be_bytes());
        file.extend(time.to_be_bytes());
        file.extend(5_u64.to_be_bytes());
        file.extend(4_u32.to_be_bytes());
        file.extend(9_u64.to_be_bytes());
        file
    }

    #[test]
    fn foreign_files_are_named_and_the_others_are_read() {
        let engine = tempfile::tempdir().unwrap();
        let folder = engine.path().join(SHARD);
        fs::create_dir_all(folder.join("index/0")).unwrap();
        let elsewhere = engine.path().join("elsewhere");
        fs::write(&elsewhere, tsm(90)).unwrap();
        symlink(&elsewhere, folder.join("000000002-000000001.tsm")).unwrap();
        symlink("nowhere", folder.join("000000003-000000001.tsm")).unwrap();
        symlink("/dev/zero", folder.join("000000004-000000001.tsm")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            folder.join("000000005-000000001.tsm"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        for (name, content) in [
            ("000000001-000000002.tsm", &tsm(50)[..]),
            ("000000001-000000002.tombstone", b"any"),
            ("fields.idx", b""),
            ("000000006-000000001.tsm", &tsm(60)[..20]),
            ("000000007-000000001.tsm.tmp", &tsm(9999)),
            ("000000008-000000001.tsm.bad", &tsm(9999)),
            ("copy.tsm", &tsm(9999)),
            ("notes.txt", b"mine"),
        ] {
            fs::write(folder.join(name), content).unwrap();
        }
        // A hole that says it is a TSM file of a terabyte.
        let hole = File::create(folder.join("000000009-000000001.tsm")).unwrap();
        hole.set_len(1 << 40).unwrap();
        let mut flaws = Vec::new();
        let mut keys = 0;
        let times = shard_times(engine.path(), &shard(), &mut |_| keys += 1, &mut |flaw| {
            let name = flaw.path.file_name().unwrap().to_str().unwrap();
            flaws.push(format!("{name}: {}", flaw.reason));
        });
        let times = times.unwrap();
        assert_eq!(
            times,
            Some(Times {
                first: 50,
                last: 90
            })
        );
        assert_eq!(keys, 2);
        let expected = [
            ("000000003-000000001.tsm", "No such file"),
            ("000000004-000000001.tsm", "not a regular file"),
            ("000000005-000000001.tsm", "not a regular file"),
            ("000000006-000000001.tsm", "footer"),
            ("000000007-000000001.tsm.tmp", "did not complete"),
            ("000000008-000000001.tsm.bad", "could not read"),
            ("000000009-000000001.tsm", "header"),
            ("copy.tsm", "such a name; move it away"),
            ("notes.txt", "no such name"),
        ];
        assert_eq!(flaws.len(), expected.len(), "{flaws:?}");
        for ((name, part), flaw) in expected.iter().zip(&flaws) {
            assert!(flaw.starts_with(name) && flaw.contains(part), "{flaw}");
        }
    }
}
