//! What the fuzz targets do with their input. `tests/repo/corpora.rs` replays the corpora through the
//! same functions, so every `cargo test` tries each input that was found once.

#![allow(clippy::indexing_slicing, clippy::expect_used)] // test code

use std::collections::BTreeMap;
use std::io;
use std::io::Cursor;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use boltkey::cli::host::config_settings::{Format, settings};
use boltkey::error::Error;
use boltkey::finding::Severity;
use boltkey::metadata::authenticate::{TokenIndexes, judge};
use boltkey::metadata::residue::{Known, Scan};
use boltkey::metadata::salvage::Surroundings;
use boltkey::metadata::series_key::BucketKind;
use boltkey::metadata::shard_groups::{ShardTimes, groups, groups_beside};
use boltkey::metadata::tsm::{Highest, ShardGroup};
use boltkey::metadata::tsm_edit::with_groups;
use boltkey::metadata::{Authorization, Can, Catalog, Id, TokenHash, check, names, tsm};
use boltkey::ops::apply::{List, Secrets};
use boltkey::ops::salvage::records;
use boltkey::secret::Token;
use boltkey::store::bolt::salvage::DamagedBolt;
use boltkey::store::bolt::{self, Bolt};
use boltkey::store::engine_folder::{tsm_times, wal_times};
use boltkey::store::redb::Redb;
use boltkey::store::{
    ChangeSet, Commit, CommitOutcome, Device, Inspect, MemoryFile, Model, Progress, Snapshot,
    WritableStore, redb,
};

/// Reads a declarative list. What is wrong with it is named with a line that it has.
pub fn list(data: &[u8]) {
    struct Anything;
    impl Secrets for Anything {
        fn password(&mut self, path: &Path) -> Result<Token, Error> {
            self.token(path)
        }

        fn token(&mut self, path: &Path) -> Result<Token, Error> {
            Ok(Token::new(path.display().to_string()))
        }

        fn token_if_there(&mut self, _: &Path) -> Result<Option<Token>, Error> {
            Ok(None)
        }

        fn may_have_values(&self) -> Result<(), Error> {
            Ok(())
        }

        fn full_path(&self, path: &Path) -> PathBuf {
            path.to_owned()
        }
    }
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Err(error) = List::read(text, "list", &mut Anything) {
        let rest = error.message().strip_prefix("list, line ").expect("a line");
        let digits = rest.split(|c: char| !c.is_ascii_digit()).next();
        let line: usize = digits.expect("a number").parse().expect("a number");
        let lines = text.split('\n').count();
        assert!((1..=lines).contains(&line), "{error}");
    }
}

/// Opens, reads, checks and searches a file of these bytes: as they are, and with the checksums
/// of both meta pages made right, without which nearly no mutation gets past the first page.
pub fn bolt(data: &[u8]) {
    open_and_look(data.to_vec());
    if let Some(mended) = mend_checksums(data) {
        open_and_look(mended);
    }
}

fn open_and_look(content: Vec<u8>) {
    let Ok(bolt) = Bolt::open(Box::new(MemoryFile::new(content)), Path::new("fuzz")) else {
        return;
    };
    let _ = bolt.notices();
    let mut keys = Vec::new();
    if let Ok((buckets, _)) = bolt.buckets() {
        for bucket in buckets {
            let _ = bolt.scan(&bucket.name, &mut |key, _| {
                if keys.len() < 64 {
                    keys.push((bucket.name.clone(), key.to_vec()));
                }
                ControlFlow::Continue(())
            });
        }
    }
    for (bucket, key) in &keys {
        let _ = bolt.get(bucket, key);
        let _ = bolt.get(bucket, key.get(1..).unwrap_or_default());
    }
    let _ = Inspect::check(&bolt);
    let _ = bolt.is_compact();
    // The map of the pages has each page once, in order.
    let mut next = 0;
    let mapped = bolt.page_uses(&mut |pages, _| {
        assert!(pages.start == next && pages.end > next, "{pages:?}");
        next = pages.end;
    });
    assert_eq!(mapped.ok(), Some(true));
    let _ = check::check(&bolt);
    if let Ok((known, _)) = Known::load(&bolt) {
        let mut scan = Scan::new(&known);
        let _ = scan.feed_unused(&bolt, &bolt);
        let _ = scan.finish().tokens();
    }
}

/// Salvages a file of these bytes: as they are, and without their meta pages. The new store is sound,
/// and has no record that the file does not show.
pub fn salvage(data: &[u8]) {
    salvage_it(data.to_vec());
    let mut without = data.to_vec();
    let end = without.len().min(8192);
    without[..end].fill(0);
    salvage_it(without);
}

fn salvage_it(content: Vec<u8>) {
    let file = Box::new(MemoryFile::new(content));
    let Ok(damaged) = DamagedBolt::open(file, Path::new("fuzz"), &|_| {}) else {
        return;
    };
    let (found, _) = records(&damaged, false).expect("a file in memory can be read");
    let id = || Id::new(0x7000_0000_0000_0001).expect("it is not 0");
    let surroundings = Surroundings {
        utc: "2026-01-02T03:04:05Z",
        random_id: &|_| Ok(id()),
        random: 1,
        highest: Highest::default(),
    };
    let rebuilt = found.rebuild(&surroundings).expect("IDs can be made");
    let file = Memory(Arc::new(Mutex::new(Vec::new())));
    let device: Arc<dyn Device> = Arc::new(file.clone());
    bolt::create(
        &rebuilt.content,
        bolt::USUAL_PAGE_SIZE,
        &device,
        Path::new("fuzz"),
        &Progress::new(&|_| {}),
    )
    .expect("what was salvaged can be written");
    let new = MemoryFile::new(file.content());
    let new = Bolt::open(Box::new(new), Path::new("fuzz")).expect("it can be opened");
    let report = Inspect::check(&new).expect("it can be checked");
    assert!(report.findings.is_empty(), "{:?}", report.findings);
}

/// Changes a file of these bytes. What is damaged is refused, byte for byte as it was; after
/// every other change the file is sound, and the change holds in it.
pub fn change(data: &[u8]) {
    for content in [Some(data.to_vec()), mend_checksums(data)]
        .into_iter()
        .flatten()
    {
        change_it(content);
    }
}

fn change_it(content: Vec<u8>) {
    let file = Memory(Arc::new(Mutex::new(content.clone())));
    let Ok(mut store) = WritableStore::on(Box::new(file.clone()), Path::new("fuzz")) else {
        assert!(
            file.content() == content,
            "a file that can't be opened was changed"
        );
        return;
    };
    let Ok((buckets, _)) = store.buckets() else {
        return;
    };
    let mut changes = ChangeSet::default();
    changes.create_bucket(b"fuzz-made");
    changes.put(b"fuzz-made", b"key", b"value");
    if let Some(bucket) = buckets.first() {
        changes.put(&bucket.name, b"fuzz-key", &[7; 5000]);
    }
    match store.commit(&changes, &[]) {
        Err(_) => assert!(
            file.content() == content,
            "a refused change changed the file"
        ),
        Ok(done) => {
            assert_eq!(done.outcome, CommitOutcome::Changed);
            assert!(done.failure.is_none(), "{:?}", done.failure);
            assert_eq!(
                store
                    .get(b"fuzz-made", b"key")
                    .expect("what was written can be read"),
                Some(b"value".to_vec())
            );
            let check = Inspect::check(&store).expect("what was written can be checked");
            let errors = check
                .findings
                .iter()
                .any(|finding| finding.severity == Severity::Error);
            assert!(!errors, "{:?}", check.findings);
        }
    }
}

/// A file in memory that is written to.
#[derive(Clone)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Memory {
    fn content(&self) -> Vec<u8> {
        self.0.lock().expect("nobody panics meanwhile").clone()
    }
}

impl Device for Memory {
    fn forget(&self, _: u64, _: u64) {}

    fn length(&self) -> io::Result<u64> {
        Ok(self.content().len() as u64)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let content = self.0.lock().expect("nobody panics meanwhile");
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let there = start
            .checked_add(buffer.len())
            .and_then(|end| content.get(start..end))
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(there);
        Ok(())
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut content = self.0.lock().expect("nobody panics meanwhile");
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let end = start + bytes.len();
        if content.len() < end {
            content.resize(end, 0);
        }
        content[start..end].copy_from_slice(bytes);
        Ok(())
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        let length = usize::try_from(length).map_err(io::Error::other)?;
        assert!(length < 1 << 30, "a small change makes a small file large");
        self.0
            .lock()
            .expect("nobody panics meanwhile")
            .resize(length, 0);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

/// Opens and reads a redb store with overwritten bytes. Each five bytes of the input are an offset
/// and its new content.
pub fn redb(data: &[u8]) {
    let mut content = sound_redb().clone();
    for patch in data.chunks_exact(5) {
        let place = u32::from_le_bytes([patch[0], patch[1], patch[2], patch[3]]) as usize;
        let place = place % content.len();
        content[place] = patch[4];
    }
    let changed = content != *sound_redb();
    let source = Arc::new(MemoryFile::new(content));
    let Ok(store) = Redb::open(source, Path::new("fuzz")) else {
        assert!(changed);
        return;
    };
    let _ = store.notices();
    let Ok((buckets, _)) = store.buckets() else {
        return;
    };
    for bucket in buckets {
        let _ = store.scan(&bucket.name, &mut |_, _| ControlFlow::Continue(()));
    }
    let _ = Inspect::check(&store);
    let _ = check::check(&store);
    if let Ok((known, _)) = Known::load(&store) {
        let mut scan = Scan::new(&known);
        let _ = scan.feed_unused(&store, &store);
        let _ = scan.finish().tokens();
    }
}

/// A small store, made once.
fn sound_redb() -> &'static Vec<u8> {
    static STORE: OnceLock<Vec<u8>> = OnceLock::new();
    STORE.get_or_init(|| {
        let mut model = Model::default();
        for (n, bucket) in names::ALL.iter().enumerate() {
            model.put(bucket, b"08371db24dcc8000", &vec![b'x'; n * 40]);
        }
        let file = Memory(Arc::new(Mutex::new(Vec::new())));
        let device: Arc<dyn Device> = Arc::new(file.clone());
        redb::create(&model, &device, Path::new("fuzz"), &Progress::new(&|_| {}))
            .expect("a store can be made");
        file.content()
    })
}

/// Reads these bytes as a TSM file and as a segment of a write-ahead log: as they are, as the index of
/// a TSM file, as one entry of a segment. Then takes them as times of shards: each shard is in its
/// group, and groups overlap only if points do.
pub fn engine(data: &[u8]) {
    let header = [0x16, 0xd1, 0x16, 0xd1, 1];
    let start = header.len() as u64 + 8;
    let index = [&header[..], &[0; 8], data, &start.to_be_bytes()].concat();
    for file in [data, &index] {
        let mut kind = BucketKind::default();
        let read = tsm_times(&mut Cursor::new(file), file.len() as u64, &mut |key| {
            kind.add(key);
        });
        let _ = kind.system();
        if let Ok(times) = read {
            assert!(times.first <= times.last);
        }
    }
    let packed = snap::raw::Encoder::new()
        .compress_vec(data)
        .expect("a block");
    let length = u32::try_from(packed.len()).expect("a small input");
    let entry = [&[1], &length.to_be_bytes()[..], &packed].concat();
    for file in [data, &entry] {
        let read = wal_times(&mut Cursor::new(file), file.len() as u64, &mut |_| ());
        let segment = read.expect("memory can be read");
        if let Some((at, _)) = segment.torn {
            assert!(at < file.len() as u64);
            // Cut off there, it is whole and has the same times.
            let whole = &file[..usize::try_from(at).expect("inside")];
            let read = wal_times(&mut Cursor::new(whole), at, &mut |_| ());
            let again = read.expect("memory can be read");
            assert_eq!((again.times, again.torn), (segment.times, None));
        }
    }
    let numbers = data.chunks_exact(16).take(64).map(|chunk| {
        let (one, other) = chunk.split_at(8);
        let one = i64::from_be_bytes(one.try_into().expect("8 bytes"));
        let other = i64::from_be_bytes(other.try_into().expect("8 bytes"));
        (one.min(i64::MAX - 1), other.min(i64::MAX - 1))
    });
    let shards: Vec<ShardTimes> = (1..)
        .zip(numbers)
        .map(|(shard, (one, other))| ShardTimes {
            shard,
            first: one.min(other),
            last: one.max(other),
        })
        .collect();
    let found = groups(&shards, None);
    for shard in &shards {
        let mut ranges = found.ranges.iter();
        let range = ranges
            .find(|range| range.shard == shard.shard)
            .expect("a group");
        assert!(range.start <= shard.first && shard.last < range.end);
    }
    let mut pairs = found.ranges.iter().zip(found.ranges.iter().skip(1));
    assert!(!found.overlapping.is_empty() || pairs.all(|(one, next)| one.end <= next.start));
    // The second half as groups that are there already.
    let (shards, others) = shards.split_at(shards.len() / 2);
    let taken: Vec<(i64, i64)> = others.iter().map(|one| (one.first, one.last)).collect();
    let hour = 3_600_000_000_000;
    let found = groups_beside(shards, hour, &taken);
    for (range, shard) in found.ranges.iter().flat_map(|range| {
        let of_range = shards.iter().filter(|shard| shard.shard == range.shard);
        of_range.map(move |shard| (range, shard))
    }) {
        assert!(range.start <= shard.first && shard.last < range.end);
        let overlaps = taken
            .iter()
            .any(|(start, end)| start < end && *start < range.end && *end > range.start);
        assert!(!overlaps || found.overlapping.contains(&range.shard));
    }
    groups_in_metadata(data, &found.numbered(&mut Highest::default()));
}

/// Adds groups to time-series metadata of these bytes. All that was there is there again.
fn groups_in_metadata(data: &[u8], groups: &[ShardGroup]) {
    let Ok(old) = tsm::decode(data) else {
        return;
    };
    let names = old.databases.iter().map(|database| database.name.clone());
    let new: BTreeMap<_, _> = names.map(|name| (name, groups.to_vec())).collect();
    let Some(value) = with_groups(data, &new) else {
        return;
    };
    let after = tsm::decode(&value).expect("what was written can be read");
    assert_eq!(after.databases.len(), old.databases.len());
    for placed in old.shards() {
        assert!(after.shards().contains(&placed));
    }
}

/// Corrects the checksums of both meta pages.
fn mend_checksums(data: &[u8]) -> Option<Vec<u8>> {
    let mut mended = data.to_vec();
    let page_size = u32::from_le_bytes(data.get(24..28)?.try_into().ok()?) as usize;
    for start in [0, page_size] {
        let meta = mended.get_mut(start..start.checked_add(80)?)?;
        let sum = meta[16..72]
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
            });
        meta[72..80].copy_from_slice(&sum.to_le_bytes());
    }
    (mended != data).then_some(mended)
}

/// Decodes these bytes as every record there is, and checks a store that holds them.
pub fn record(data: &[u8]) {
    if let Ok(authorization) = serde_json::from_slice::<Authorization<'_>>(data) {
        let _ = authorization.class();
        let _ = judge(
            &authorization,
            &Catalog::default(),
            &TokenIndexes::default(),
        );
        for permission in &authorization.permissions {
            let _ = permission.to_string();
        }
    }
    if let Ok(text) = std::str::from_utf8(data) {
        if let Ok(hash) = TokenHash::parse(text) {
            assert_eq!(
                hash.to_phc(),
                text,
                "a hash that decodes is written as it was"
            );
        }
        let _ = text.parse::<Can>();
    }
    let _ = tsm::decode(data);
    let mut model = Model::default();
    for bucket in names::ALL {
        model.put(bucket, b"08371db24dcc8000", data);
    }
    model.put(names::TSM_METADATA, names::TSM_METADATA_KEY, data);
    let _ = check::check(&model);
    let known = Known::load(&model).expect("a model can be read").0;
    let mut scan = Scan::new(&known);
    scan.feed(data, false);
    let _ = scan.finish().tokens();
}

/// Reads these bytes as influxd's configuration in every format.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    for format in [
        Format::Json,
        Format::Toml,
        Format::Yaml,
        Format::Properties,
        Format::Hcl,
        Format::Dotenv,
        Format::Ini,
    ] {
        match settings(text, format) {
            Ok(settings) => assert_ne!(settings.bolt_path.as_deref(), Some(Path::new(""))),
            Err(invalid) => {
                // A carriage return alone ends a line of YAML too.
                let lines = text.split(['\r', '\n']).count() + 1;
                assert!(invalid.line.is_none_or(|line| line <= lines), "{invalid}");
            }
        }
    }
}
