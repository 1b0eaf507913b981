//! A large file is searched on several processors. Together they are passed the same bytes as one
//! alone, and find the same tokens.

use std::path::Path;
use std::sync::Arc;

use crate::support::device::Recorder;
use crate::support::store_image::writable;
use boltkey::finding::Finding;
use boltkey::metadata::residue::{Known, Residue, Scan};
use boltkey::metadata::{TokenHash, Variant};
use boltkey::store::bolt::{Bolt, create};
use boltkey::store::{
    ChangeSet, Commit, Device, Inspect, MemoryFile, Model, Progress, StructureCheck, Unused,
    UnusedVisitor, Wipe,
};

/// As many records of this size as make a file of several parts.
const RECORDS: u64 = 20_000;
const LENGTH: usize = 2_000;

/// A token of generated form.
fn token(number: u64) -> String {
    format!("{number:0>86}==")
}

/// A file in which most pages are free and show tokens, every third of which the store knows by
/// its hash, between pages that are in use.
fn file() -> Vec<u8> {
    let mut model = Model::default();
    for number in 0..RECORDS {
        let padding = "x".repeat(LENGTH);
        let value = format!(
            r#"{{"n":{number},"token":"{}","x":"{padding}"}}"#,
            token(number)
        );
        model.put(
            b"records",
            format!("{number:08}").as_bytes(),
            value.as_bytes(),
        );
        if number % 3 == 0 {
            let hash = TokenHash::of(Variant::Sha256, token(number).as_bytes()).to_phc();
            let id = format!("{:016x}", number + 1);
            let record = format!(
                r#"{{"id":"{id}","hashedToken":"{hash}","status":"active","orgID":"{id}"}}"#
            );
            model.put(b"authorizationsv1", id.as_bytes(), record.as_bytes());
        }
    }
    let recorder = Recorder::new(Vec::new());
    let device: Arc<dyn Device> = Arc::new(recorder.clone());
    let silent = Progress::new(&|_| {});
    create(&model, 4096, &device, Path::new("large"), &silent).unwrap();
    let mut store = writable(&recorder, "large").unwrap();
    let mut changes = ChangeSet::default();
    changes.wipe = Wipe::Nothing;
    for number in (0..RECORDS).filter(|number| number % 40 != 0) {
        changes.remove(b"records", format!("{number:08}").as_bytes());
    }
    let done = store.commit(&changes, &[]).unwrap();
    assert!(done.failure.is_none());
    drop(store);
    recorder.bytes()
}

/// Shows everything to one visitor.
struct Alone<'a>(&'a Bolt);

impl Inspect for Alone<'_> {
    fn check(&self) -> boltkey::Result<StructureCheck> {
        self.0.check()
    }

    fn unused(&self, visit: &mut dyn FnMut(Unused<'_>)) -> boltkey::Result<Vec<Finding>> {
        self.0.unused(visit)
    }
}

fn found(bolt: &Bolt, inspect: &dyn Inspect) -> Residue {
    let (known, _) = Known::load(bolt).unwrap();
    let mut scan = Scan::new(&known);
    scan.feed_unused(inspect, bolt).unwrap();
    let mut residue = scan.finish();
    residue.places.sort_by_key(|place| place.start);
    residue
}

#[test]
fn parts_show_what_the_whole_shows() {
    let bytes = file();
    let bolt = Bolt::open(Box::new(MemoryFile::new(bytes)), Path::new("large")).unwrap();
    let (parts, alone) = (found(&bolt, &bolt), found(&bolt, &Alone(&bolt)));
    assert!(parts.matching.len() > 5_000, "{}", parts.matching.len());
    assert!(parts.unmatched > 10_000, "{}", parts.unmatched);
    assert_eq!(parts.unmatched, alone.unmatched);
    assert_eq!(parts.places, alone.places);
    let ids = |residue: &Residue| {
        let matching = residue.matching.iter();
        matching
            .map(|(id, token)| (*id, token.reveal().to_owned()))
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(&parts), ids(&alone));

    let mut whole = Vec::new();
    bolt.unused(&mut |unused| note(&mut whole, &unused))
        .unwrap();
    for number in [1, 2, 3, 8] {
        let mut shown = vec![Vec::new(); number];
        let mut visits: Vec<_> = shown
            .iter_mut()
            .map(|shown| |unused: Unused<'_>| note(shown, &unused))
            .collect();
        let mut visits: Vec<&mut UnusedVisitor<'_>> = visits
            .iter_mut()
            .map(|visit| visit as &mut UnusedVisitor<'_>)
            .collect();
        bolt.unused_in_parts(&mut visits).unwrap();
        let busy = shown.iter().filter(|shown| !shown.is_empty()).count();
        assert!(
            busy > number.min(3) / 2,
            "{busy} of {number} were shown something"
        );
        assert_eq!(shown.concat(), whole, "{number} parts");
    }
    println!("cases: parts {}", parts.places.len());
}

/// Where runs are, and where elements; the bytes by their sum.
type Shown = (u64, usize, u64);

fn note(shown: &mut Vec<Shown>, unused: &Unused<'_>) {
    let sum = |bytes: &[u8]| bytes.iter().map(|byte| u64::from(*byte)).sum();
    shown.push(match unused {
        Unused::Run { offset, bytes, .. } => (*offset, bytes.len(), sum(bytes)),
        Unused::Element(element) => (element.place.end, element.key.len(), sum(element.key)),
    });
}
