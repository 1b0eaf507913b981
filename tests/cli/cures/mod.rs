//! For every code a state that has this finding, and what its cure names, tried on it.
//!
//! The list of codes is the table's, so that none can be forgotten, and what a cure names is read
//! from its text, so that nothing is named that was not tried.

mod backups;
pub mod ground;
mod pages;
mod records;
mod surroundings;

use boltkey::finding::Code;

use self::ground::Ground;
use crate::explain::commands_in;

/// Makes the state, sees the finding, and tries the cure; false for a code of another family.
type Family = fn(&mut Ground, Code) -> bool;

const FAMILIES: &[Family] = &[
    pages::tried,
    records::tried,
    surroundings::tried,
    backups::tried,
];

/// Tries the cures of all codes with this beginning.
fn every_cure_of(prefix: &str) {
    let mut tried = 0;
    for code in Code::ALL.iter().copied() {
        if !code.name().starts_with(prefix) {
            continue;
        }
        let mut ground = Ground::new(code);
        let known = FAMILIES.iter().any(|family| family(&mut ground, code));
        assert!(known, "no test produces {code}");
        for (words, options) in commands_in(code.cure()) {
            assert!(
                ground.has_run(&words, &options),
                "{code}: its cure names {words:?} {options:?}, which was not tried: {:?}",
                ground.ran
            );
        }
        tried += 1;
    }
    println!("cases: cures {tried}");
}

#[test]
fn of_metas_and_files() {
    every_cure_of("structure.m");
    every_cure_of("structure.o");
    every_cure_of("structure.s");
    every_cure_of("structure.u");
}

#[test]
fn of_pages_and_trees() {
    every_cure_of("structure.t");
    every_cure_of("structure.p");
    every_cure_of("structure.e");
    every_cure_of("structure.l");
}

#[test]
fn of_keys_buckets_and_freelists() {
    every_cure_of("structure.b");
    every_cure_of("structure.f");
    every_cure_of("structure.i");
    every_cure_of("structure.k");
    every_cure_of("structure.n");
    every_cure_of("structure.r");
}

#[test]
fn of_tokens() {
    every_cure_of("metadata.a");
    every_cure_of("metadata.t");
    every_cure_of("metadata.h");
    every_cure_of("metadata.o");
    every_cure_of("metadata.n");
}

#[test]
fn of_other_records() {
    for letter in "bdeikmlrsuv".chars() {
        every_cure_of(&format!("metadata.{letter}"));
    }
}

#[test]
fn of_backups() {
    every_cure_of("backup.");
}

/// The tests above leave no code out.
#[test]
fn all_codes_are_tried() {
    let letters = |prefix: &str| match prefix {
        "structure" => "mosutpelbfiknr",
        "metadata" => "athonbdeikmlrsuv",
        _ => "",
    };
    for code in Code::ALL {
        let (prefix, name) = code.name().split_once('.').unwrap();
        let is_tried = prefix == "backup" || name.starts_with(|c| letters(prefix).contains(c));
        assert!(is_tried, "{code}");
    }
}
