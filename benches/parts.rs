//! The parts that the speed of whole commands depends on. `benches/compare` measures the commands.
//!
//! `cargo bench --bench parts` runs all of them, `cargo bench --bench parts -- records` some.

#![expect(
    clippy::expect_used,
    reason = "a bench that can't be set up has no result"
)]

use std::fs::File;
use std::hint::black_box;
use std::ops::ControlFlow;

use boltkey::metadata::authorization::Undecoded;
use boltkey::metadata::hashing::StoredTokens;
use boltkey::metadata::residue::{Known, Scan};
use boltkey::metadata::{Authorization, TokenHash, Variant, check, names};
use boltkey::store::device::on_file;
use boltkey::store::{self, Engine, Model, OpenOptions, Progress, Store};
use criterion::{Criterion, Throughput};

/// Authorizations of a store: enough for many pages and several batches.
const TOKENS: u64 = 10_000;

fn token(number: u64) -> String {
    format!(
        "{:0>86}==",
        format!("{:x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    )
}

fn record(number: u64) -> String {
    let permissions: Vec<String> = (1..=12)
        .map(|bucket| {
            format!(
                r#"{{"action":"read","resource":{{"type":"buckets","id":"{bucket:016x}","orgID":"0000000000000001"}}}}"#
            )
        })
        .collect();
    format!(
        r#"{{"id":"{number:016x}","token":"{}","status":"active","description":"edge {number}","orgID":"0000000000000001","userID":"0000000000000002","permissions":[{}],"createdAt":"2026-01-02T03:04:05.000000006Z","updatedAt":"2026-01-02T03:04:05.000000006Z"}}"#,
        token(number),
        permissions.join(","),
    )
}

/// A store in memory, and the same as a Bolt file in a folder.
fn stores() -> (Model, tempfile::TempDir, Store) {
    let mut model = Model::default();
    for number in 1..=TOKENS {
        let (key, value) = (format!("{number:016x}"), record(number));
        model.put(names::AUTHORIZATIONS, key.as_bytes(), value.as_bytes());
        let token = token(number);
        model.put(names::AUTHORIZATION_INDEX, token.as_bytes(), key.as_bytes());
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("influxd.bolt");
    let mut new = File::options();
    let file = new
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)
        .expect("a file");
    let progress = Progress::new(&|_| ());
    store::create_from(&model, Engine::Bolt, on_file(file), &path, &progress).expect("a new store");
    let store = Store::open(&path, &OpenOptions::default()).expect("a store");
    (model, folder, store)
}

fn records(c: &mut Criterion) {
    let mut group = c.benchmark_group("records");
    let (key, value) = (format!("{:016x}", 7), record(7));
    group.throughput(Throughput::Bytes(value.len() as u64));
    group.bench_function("decode one authorization", |b| {
        b.iter(|| {
            let (key, value) = (black_box(key.as_bytes()), black_box(value.as_bytes()));
            Authorization::<'_, Undecoded<'_>>::decode(names::AUTHORIZATIONS, key, value).is_ok()
        });
    });
    // The same by the JSON parser, as every record that influxd did not write itself.
    let spaced = value.replacen(':', ": ", 1);
    group.bench_function("decode one in another form", |b| {
        b.iter(|| {
            let (key, value) = (black_box(key.as_bytes()), black_box(spaced.as_bytes()));
            Authorization::<'_, Undecoded<'_>>::decode(names::AUTHORIZATIONS, key, value).is_ok()
        });
    });
    let token = token(7);
    group.throughput(Throughput::Elements(1));
    for variant in Variant::ALL {
        group.bench_function(format!("hash one token, {variant:?}"), |b| {
            b.iter(|| TokenHash::of(variant, black_box(token.as_bytes())).to_phc());
        });
    }
    group.finish();
}

fn passes(c: &mut Criterion) {
    let (model, _folder, store) = stores();
    let path = store.description().path.clone();
    let mut group = c.benchmark_group("passes");
    group.sample_size(20);
    group.throughput(Throughput::Elements(TOKENS));
    group.bench_function("scan of a bucket", |b| {
        b.iter(|| {
            let mut bytes = 0;
            let scanned = store
                .snapshot()
                .scan(names::AUTHORIZATIONS, &mut |_, value| {
                    bytes += value.len();
                    ControlFlow::Continue(())
                });
            (scanned.is_ok(), bytes)
        });
    });
    group.bench_function("records for hashing", |b| {
        b.iter(|| StoredTokens::load(store.snapshot(), Variant::Sha256).is_ok());
    });
    group.bench_function("check of records, in memory", |b| {
        b.iter(|| check::check(&model).map(|findings| findings.len()).ok());
    });
    // The result is kept by an open store, so each run opens it.
    group.bench_function("open and check of the structure", |b| {
        b.iter(|| {
            let store = Store::open(&path, &OpenOptions::default()).expect("a store");
            store.inspect().check().is_ok()
        });
    });
    group.finish();
}

fn unused_bytes(c: &mut Criterion) {
    let known = Known::default();
    let mut group = c.benchmark_group("unused bytes");
    // Old pages of records, and a run of digits that could be anything.
    let old: Vec<u8> = (1..2000)
        .flat_map(|number| record(number).into_bytes())
        .collect();
    let mut state = 1_u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state.to_be_bytes()
    })
    .take(old.len() / 8)
    .flatten()
    .collect();
    for (name, bytes) in [("old records", old), ("random bytes", noise)] {
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(name, |b| {
            b.iter(|| {
                let mut scan = Scan::new(&known);
                scan.feed(black_box(&bytes), false);
                scan.finish().tokens()
            });
        });
    }
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    records(&mut criterion);
    passes(&mut criterion);
    unused_bytes(&mut criterion);
    criterion.final_summary();
}
