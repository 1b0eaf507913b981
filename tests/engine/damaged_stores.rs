//! The structural damage that `repair` cures, in stores of real servers. The tests on real servers make
//! it from `fixtures/damaged-stores/changes`, because the changes are written in Rust.
//!
//! With `BOLTKEY_WRITE_DAMAGED` set, that file and its entry in the MANIFEST are written instead of
//! compared.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use boltkey::finding::{Code, Repair};
use boltkey::store::bolt::Bolt;
use boltkey::store::{Inspect, MemoryFile};

use crate::damaged_files::note;
use crate::support::damage::{CURED, made_of};
use crate::support::fixtures::{fixture, fixtures};

/// A store of each schema that a real server of the suite opens.
const STORES: [&str; 2] = ["lived-2.7.12", "lived-2.9.1-plaintext"];

const HEAD: &str = "\
# Damage of each kind that `boltkey repair` cures, as changes of stores in fixtures/real:
#   damage CODE STORE   begins a changed copy of the store
#   length BYTES        it is cut, or extended with zeros, to this length; comes first
#   fill AT BYTES HEX   so many bytes have this value
#   put AT HEX          these bytes are there
";

/// What makes `new` of `old`.
fn changes(old: &[u8], new: &[u8]) -> String {
    let mut text = format!("length {}\n", new.len());
    let mut old = old.to_vec();
    old.resize(new.len(), 0);
    let mut at = 0;
    while at < new.len() {
        if old[at] == new[at] {
            at += 1;
            continue;
        }
        // A run that may hold a few equal bytes.
        let mut end = at + 1;
        let mut equal = 0;
        while end + equal < new.len() && equal < 16 {
            if old[end + equal] == new[end + equal] {
                equal += 1;
            } else {
                end += equal + 1;
                equal = 0;
            }
        }
        let run = &new[at..end];
        if run.iter().all(|byte| *byte == run[0]) {
            writeln!(text, "fill {at} {} {:02x}", run.len(), run[0]).unwrap();
        } else {
            writeln!(text, "put {at} {}", hex::encode(run)).unwrap();
        }
        at = end;
    }
    text
}

fn applied(store: &[u8], changes: &str) -> Vec<u8> {
    let mut bytes = store.to_vec();
    for line in changes.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |text: &str| text.parse::<usize>().unwrap();
        match words[..] {
            ["length", length] => bytes.resize(number(length), 0),
            ["fill", at, length, byte] => {
                let at = number(at);
                bytes[at..at + number(length)].fill(u8::from_str_radix(byte, 16).unwrap());
            }
            ["put", at, digits] => {
                let run = hex::decode(digits).unwrap();
                let at = number(at);
                bytes[at..at + run.len()].copy_from_slice(&run);
            }
            _ => panic!("{line}"),
        }
    }
    bytes
}

#[test]
fn every_damage_that_is_cured_is_made_in_stores_of_both_schemas() {
    let cured: Vec<Code> = Code::ALL
        .iter()
        .copied()
        // A store of the other engine.
        .filter(|code| *code != Code::Unclean)
        .filter(|code| code.is_structure() && code.repair() == Repair::Cured)
        .collect();
    let mut made = CURED.to_vec();
    made.sort_unstable();
    assert_eq!(made, cured);
    let mut page = String::from(HEAD);
    for store in STORES {
        let sound = fixture(store);
        for code in &cured {
            let damaged = made_of(store, *code).unwrap();
            let bolt = Bolt::open(
                Box::new(MemoryFile::new(damaged.clone())),
                Path::new("image"),
            )
            .unwrap();
            let found = bolt.check().unwrap().findings;
            assert!(found.iter().any(|f| f.code == *code), "{store}: {code}");
            let changes = changes(&sound, &damaged);
            assert!(applied(&sound, &changes) == damaged, "{store}: {code}");
            writeln!(page, "\ndamage {code} {store}\n{}", changes.trim_end()).unwrap();
        }
    }
    let path = fixtures().join("damaged-stores/changes");
    if std::env::var_os("BOLTKEY_WRITE_DAMAGED").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &page).unwrap();
        note(
            "damaged-stores",
            "changes\tproducer\ttests/engine/damaged_stores.rs, of stores of InfluxDB 2.7.12 and 2.9.1\t\
             command\tBOLTKEY_WRITE_DAMAGED=1 cargo test --test engine every_damage\tcontent\tchanges that \
             make each kind of damage that repair cures\n",
        );
    }
    assert!(fs::read_to_string(path).unwrap() == page);
    println!("cases: damaged-stores {}", 2 * cured.len());
}
