//! Engine folders as influxd leaves them, with files that are made here.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// A second in nanoseconds.
pub const SECOND: i64 = 1_000_000_000;
/// An hour in nanoseconds.
pub const HOUR: i64 = 3600 * SECOND;

/// 2023-11-15T00:00:00Z, a Wednesday.
pub const WEDNESDAY: i64 = 1_700_006_400 * SECOND;

/// The folder of a shard in a part of the engine folder.
pub fn folder(engine: &Path, part: &str, bucket: &str, shard: u64) -> PathBuf {
    let folder = engine.join(format!("{part}/{bucket}/autogen/{shard}"));
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// A shard with a TSM file: one series, with points at both times. The path of the file.
pub fn shard(engine: &Path, bucket: &str, shard: u64, times: (i64, i64)) -> PathBuf {
    let path = folder(engine, "data", bucket, shard).join("000000001-000000001.tsm");
    let index = key("m,host=a#!~#v", times, 20);
    fs::write(&path, tsm(&index)).unwrap();
    path
}

/// A shard whose points are in the write-ahead log only.
pub fn wal_shard(engine: &Path, bucket: &str, shard: u64, key: &str, times: &[i64]) -> PathBuf {
    folder(engine, "data", bucket, shard);
    let path = folder(engine, "wal", bucket, shard).join("_00001.wal");
    fs::write(&path, wal_entry(key, times)).unwrap();
    path
}

/// A TSM file with 20 bytes of blocks and this index.
pub fn tsm(index: &[u8]) -> Vec<u8> {
    let mut file = vec![0x16, 0xd1, 0x16, 0xd1, 1];
    file.extend([0; 20]);
    file.extend(index);
    file.extend(25_u64.to_be_bytes());
    file
}

/// A TSM file whose blocks are a hole of this length, with 100,000 series.
pub fn sparse_tsm(path: &Path, hole: u64, times: (i64, i64)) {
    let mut index = Vec::new();
    for number in 0..100_000 {
        index.extend(key(&format!("m,host=host{number:07}#!~#v"), times, 20));
    }
    let mut file = File::create(path).unwrap();
    file.write_all(&[0x16, 0xd1, 0x16, 0xd1, 1]).unwrap();
    file.seek(SeekFrom::Start(hole)).unwrap();
    file.write_all(&index).unwrap();
    file.write_all(&hole.to_be_bytes()).unwrap();
}

/// A key of an index, with one block of this length.
pub fn key(key: &str, (first, last): (i64, i64), length: u32) -> Vec<u8> {
    let mut bytes = u16::try_from(key.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend(key.as_bytes());
    bytes.extend([0, 0, 1]);
    bytes.extend(first.to_be_bytes());
    bytes.extend(last.to_be_bytes());
    bytes.extend(5_u64.to_be_bytes());
    bytes.extend(length.to_be_bytes());
    bytes
}

/// An entry of a segment: floats of one series at these times.
pub fn wal_entry(key: &str, times: &[i64]) -> Vec<u8> {
    let mut block = vec![1];
    block.extend(u16::try_from(key.len()).unwrap().to_be_bytes());
    block.extend(key.as_bytes());
    block.extend(u32::try_from(times.len()).unwrap().to_be_bytes());
    for time in times {
        block.extend(time.to_be_bytes());
        block.extend(1.5_f64.to_bits().to_be_bytes());
    }
    let packed = snap::raw::Encoder::new().compress_vec(&block).unwrap();
    let mut entry = vec![1];
    entry.extend(u32::try_from(packed.len()).unwrap().to_be_bytes());
    entry.extend(packed);
    entry
}
