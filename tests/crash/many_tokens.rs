//! `auth rotate`, `update` and `delete` of 200 tokens in one commit, interrupted anywhere: all old
//! values work, or all new ones, never some of each.

use std::cell::Cell;
use std::fs;

use crate::disk_errors::fail_on;
use crate::power_failures::interrupt;
use crate::support::device::{Effort, Recorder};
use crate::support::operations::{OF_MANY_TOKENS, Operation, Planned};
use crate::support::store_image::{MANY, contents, one_of_many, with_many_tokens, writable};
use boltkey::metadata::authenticate;
use boltkey::ops::capture::Format;
use boltkey::ops::capture::seal::Seal;
use boltkey::ops::commit::{SideFiles, TokensFile};
use boltkey::store::Engine;

/// The two states that an interruption can leave: the crash and fault suites below compare what
/// they find with them, record by record.
#[test]
fn before_all_old_values_work_and_after_all_new_ones() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new.json");
    for engine in [Engine::Bolt, Engine::Redb] {
        for base in with_many_tokens(engine) {
            let recorder = Recorder::new(base.bytes.clone());
            let mut store = writable(&recorder, &base.name).unwrap();
            let plan = Operation::RotateMany.plan(&store, &base.old).unwrap();
            let Planned::Rotation(rotation) = &plan else {
                panic!("a rotation");
            };
            assert_eq!(rotation.tokens.len(), MANY);
            let written = Cell::new(Vec::new());
            // The file is complete before the database changes.
            let may_commit = || {
                assert!(recorder.bytes() == base.bytes);
                written.set(fs::read(&path).unwrap());
                Ok(())
            };
            let side_files = SideFiles {
                tokens_file: Some(TokensFile {
                    path: &path,
                    format: Format::Json,
                    seal: &Seal::Open,
                    tokens: &rotation.tokens,
                }),
                may_commit: Some(&may_commit),
                ..SideFiles::default()
            };
            let committed = plan.apply(&mut store, &side_files).unwrap();
            assert!(committed.failure.is_none());
            drop(store);
            let new = contents(engine, &recorder.bytes()).unwrap();
            let file: serde_json::Value = serde_json::from_slice(&written.take()).unwrap();
            let file = file["tokens"].as_array().unwrap();
            for (number, one) in rotation.tokens.iter().enumerate() {
                let (id, old) = one_of_many(number);
                assert_eq!(one.id, id);
                assert_eq!(file[number]["token"], one.token.reveal());
                let found = |store, token| authenticate::find(store, token).unwrap();
                assert_eq!(found(&base.old, &old), Some(id));
                assert_eq!(found(&base.old, &one.token), None);
                assert_eq!(found(&new, &old), None);
                assert_eq!(found(&new, &one.token), Some(id));
            }
            fs::remove_file(&path).unwrap();
        }
    }
}

fn interrupt_all(engine: Engine, effort: Effort) -> usize {
    let stores = with_many_tokens(engine);
    let all = OF_MANY_TOKENS.iter();
    all.map(|operation| {
        let images = stores
            .iter()
            .map(|base| interrupt(base, *operation, effort));
        images.sum::<usize>()
    })
    .sum()
}

#[test]
fn power_fails_in_bolt() {
    let effort = Effort {
        mixed: 50,
        seeded: 250,
        cuts: 32,
    };
    println!(
        "cases: crash-many-bolt {}",
        interrupt_all(Engine::Bolt, effort)
    );
}

#[test]
fn power_fails_in_redb() {
    let effort = Effort {
        mixed: 20,
        seeded: 100,
        cuts: 16,
    };
    println!(
        "cases: crash-many-redb {}",
        interrupt_all(Engine::Redb, effort)
    );
}

#[test]
fn the_disk_fails_in_bolt() {
    let stores = with_many_tokens(Engine::Bolt);
    let cases = fail_on(Engine::Bolt, &stores, &OF_MANY_TOKENS, 30);
    println!("cases: fault-many-bolt {cases}");
}

#[test]
fn the_disk_fails_in_redb() {
    let stores = with_many_tokens(Engine::Redb);
    let cases = fail_on(Engine::Redb, &stores, &OF_MANY_TOKENS, 10);
    println!("cases: fault-many-redb {cases}");
}
