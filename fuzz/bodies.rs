//! What the fuzz targets do with their bytes. `tests/corpora.rs` replays the corpora through the
//! same functions, so that what was found once is tried by every `cargo test`.

#![allow(clippy::indexing_slicing, clippy::expect_used)] // test code

use std::ops::ControlFlow;
use std::path::Path;

use boltkey::cli::config::{Format, settings};
use boltkey::metadata::authenticate::{TokenIndexes, judge};
use boltkey::metadata::residue::{Known, Scan};
use boltkey::metadata::{Authorization, Can, Catalog, TokenHash, check, names, tsm};
use boltkey::store::bolt::Bolt;
use boltkey::store::{Inspect, MemoryFile, Model, Snapshot};

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
    let _ = check::check(&bolt);
    if let Ok((known, _)) = Known::load(&bolt) {
        let mut scan = Scan::new(&known);
        let _ = scan.feed_unused(&bolt, &bolt);
        let _ = scan.finish().tokens();
    }
}

/// Writes the checksum that belongs there into both places a meta page may stand.
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
    for format in [Format::Json, Format::Toml, Format::Yaml] {
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
