//! What somebody may put where a file or a folder is expected: files that claim terabytes, that unpack
//! to much or hold code, and what is no file at all.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, symlink};
use std::path::Path;
use std::sync::LazyLock;

use super::fixtures::{fixture, gzip};
use super::program::make_pipe;
use super::scene::Scene;

/// The name of a thing, and what makes it at a path.
pub type Thing = (&'static str, fn(&Path));

/// All of them.
pub const THINGS: [Thing; 12] = [
    ("sparse.bolt", sparse),
    ("long.bolt", long_bolt),
    ("long.redb", long_redb),
    ("bomb.bolt.gz", |path| fs::write(path, &*BOLT_BOMB).unwrap()),
    ("bomb.gz", |path| fs::write(path, &*BOMB).unwrap()),
    ("bomb.sqlite", sqlite_bomb),
    ("huge.sqlite", huge_sqlite),
    ("huge.txt", |path| {
        fs::write(path, "token = \"").unwrap();
        lengthen(path, 8 << 40);
    }),
    ("zero", |path| symlink("/dev/zero", path).unwrap()),
    ("folder", |path| fs::create_dir(path).unwrap()),
    ("loop", |path| symlink(path, path).unwrap()),
    ("pipe", make_pipe),
];

/// Zeros.
static BOMB: LazyLock<Vec<u8>> = LazyLock::new(|| gzip(&vec![0; 70 << 20]));

/// A store, and zeros.
static BOLT_BOMB: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut content = fixture("lived-2.9.1");
    content.resize(70 << 20, 0);
    gzip(&content)
});

static REDB: LazyLock<Vec<u8>> =
    LazyLock::new(|| fs::read(Scene::new().redb("lived-2.9.1")).unwrap());

/// Makes a file longer, with nothing on disk.
pub fn lengthen(path: &Path, length: u64) {
    let file = File::options().write(true).open(path).unwrap();
    file.set_len(length).unwrap();
}

fn long_bolt(path: &Path) {
    fs::write(path, fixture("lived-2.9.1")).unwrap();
    lengthen(path, 200 << 30);
}

fn long_redb(path: &Path) {
    fs::write(path, &*REDB).unwrap();
    lengthen(path, 15 << 40);
}

fn huge_sqlite(path: &Path) {
    sqlite_bomb(path);
    lengthen(path, 8 << 40);
}

/// A table whose CHECK runs for days.
fn sqlite_bomb(path: &Path) {
    let long = "instr(printf('%.*c', 60000000, 'a'), printf('%.*c', 30000000, 'a') || 'b')";
    let connection = rusqlite::Connection::open(path).unwrap();
    connection
        .execute_batch(&format!(
            "PRAGMA ignore_check_constraints = 1;
             CREATE TABLE migrations(id INTEGER PRIMARY KEY AUTOINCREMENT, \
             name TEXT UNIQUE NOT NULL);
             CREATE TABLE t(x, CHECK(x = 0 OR {long} = 0)); INSERT INTO t VALUES (1);"
        ))
        .unwrap();
    connection.close().unwrap();
}

/// A sound Bolt file of 16 TiB in pages of 512 bytes, of which it has six.
fn sparse(path: &Path) {
    const PAGE: u64 = 512;
    const LENGTH: u64 = (1 << 44) - 4096;
    let file = File::create_new(path).unwrap();
    let put = |page: u64, bytes: &[u8]| file.write_all_at(bytes, page * PAGE).unwrap();
    for slot in 0..2_u64 {
        let mut meta = Vec::new();
        for field in [0xed0c_daed, 2, 512, 0_u32] {
            meta.extend(field.to_le_bytes());
        }
        for field in [3, 0, 2, LENGTH / PAGE, 10 + slot] {
            meta.extend(field.to_le_bytes());
        }
        let sum = meta.iter().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
            (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
        });
        meta.extend(sum.to_le_bytes());
        put(slot, &[header(slot, 4, 0), meta].concat());
    }
    put(2, &header(2, 0x10, 0));
    let root = |page: u64| [page.to_le_bytes(), [0; 8]].concat();
    let buckets = [
        (1, &b"authorizationsv1"[..], root(4)),
        (1, b"usersv1", root(5)),
    ];
    put(3, &leaf(3, &buckets));
    for page in [4, 5] {
        put(page, &leaf(page, &[(0, b"k", b"v".to_vec())]));
    }
    file.set_len(LENGTH).unwrap();
}

fn header(page: u64, flags: u16, count: u16) -> Vec<u8> {
    [
        &page.to_le_bytes()[..],
        &flags.to_le_bytes(),
        &count.to_le_bytes(),
        &[0; 4],
    ]
    .concat()
}

fn leaf(page: u64, entries: &[(u32, &[u8], Vec<u8>)]) -> Vec<u8> {
    let (mut elements, mut data) = (Vec::new(), Vec::new());
    for (number, (flags, key, value)) in entries.iter().enumerate() {
        let at = 16 * (entries.len() - number) + data.len();
        let [at, key_length, value_length] =
            [at, key.len(), value.len()].map(|n| u32::try_from(n).unwrap());
        for field in [*flags, at, key_length, value_length] {
            elements.extend(field.to_le_bytes());
        }
        data.extend_from_slice(key);
        data.extend_from_slice(value);
    }
    let count = u16::try_from(entries.len()).unwrap();
    [header(page, 2, count), elements, data].concat()
}
