//! Salvaging the images of a torn last transaction: never fewer records than the better of both
//! transactions.

use std::collections::BTreeMap;

use crate::lost_pages::{Transaction, bbolt_stores, random};
use crate::support::operations::Operation;
use crate::support::salvage::{Difference, Pairs, pairs, salvaged};
use crate::support::store_image::{Both, StoreImage, open};
use boltkey::metadata::names;
use boltkey::store::Engine;

/// The records of a store, without index entries and migrations: those that must not get lost.
const RECORDS: &[&[u8]] = &[
    names::AUTHORIZATIONS,
    names::LEGACY_AUTHORIZATIONS,
    names::LEGACY_PASSWORDS,
    names::USERS,
    names::USER_PASSWORDS,
    names::ORGANIZATIONS,
    names::BUCKETS,
    names::MAPPINGS,
    names::TASKS,
];

/// How many records of a bucket `found` has as `truth` has them.
fn right(found: &Pairs, truth: &Pairs, bucket: &[u8]) -> usize {
    let none = BTreeMap::new();
    let (found, truth) = (
        found.get(bucket).unwrap_or(&none),
        truth.get(bucket).unwrap_or(&none),
    );
    let right = found
        .iter()
        .filter(|(key, value)| truth.get(*key) == Some(*value));
    right.count()
}

/// What became of all images.
#[derive(Default, Debug)]
struct Seen {
    images: u64,
    complete: u64,
    based_on_previous: u64,
    fewer: u64,
    extra: u64,
}

fn judge(transaction: &Transaction, image: &[u8], place: &str, seen: &mut Seen) {
    seen.images += 1;
    let found = salvaged(image);
    let content = pairs(&found.rebuilt.content);
    let (old, new) = (pairs(&transaction.old), pairs(&transaction.new));
    let current: Box<dyn Both> = open(Engine::Bolt, image).unwrap();
    let readable = pairs(&*current);
    seen.based_on_previous += u64::from(found.based_on_previous);
    let difference = Difference::of(&transaction.new, &found.rebuilt.content);
    seen.complete += u64::from(difference.missing.is_empty());
    for bucket in RECORDS {
        let name = String::from_utf8_lossy(bucket);
        let mut either = old.clone();
        for (key, value) in new.get(*bucket).into_iter().flatten() {
            either
                .entry(bucket.to_vec())
                .or_default()
                .insert(key.clone(), value.clone());
        }
        let in_either = |key: &Vec<u8>| {
            either
                .get(*bucket)
                .is_some_and(|known| known.contains_key(key))
        };
        let found_here = content.get(*bucket).into_iter().flatten();
        let of_old = found_here.filter(|(key, _)| in_either(key)).count();
        let none = BTreeMap::new();
        let before = old.get(*bucket).unwrap_or(&none).len();
        let now = right(&readable, &new, bucket);
        let better = before.min(new.get(*bucket).unwrap_or(&none).len()).max(now);
        if of_old < better {
            seen.fewer += 1;
            println!(
                "{place}: {of_old} of {better} in {name}; base previous {} {:?} {:?}",
                found.based_on_previous, difference, found.sources
            );
        }
        let extra = content
            .get(*bucket)
            .unwrap_or(&none)
            .keys()
            .filter(|key| {
                // Those are made again.
                let made = *bucket == names::BUCKETS && key.starts_with(b"7000");
                !made
                    && !old.get(*bucket).unwrap_or(&none).contains_key(*key)
                    && !new.get(*bucket).unwrap_or(&none).contains_key(*key)
            })
            .count();
        if extra > 0 {
            seen.extra += 1;
            println!(
                "{place}: {extra} deleted records in {name} {} {:?}",
                seen.images, difference.extra
            );
        }
    }
}

fn scenes() -> Vec<StoreImage> {
    bbolt_stores()
}

#[test]
fn an_image_never_has_fewer_records_than_the_better_transaction() {
    const IMAGES: usize = 12;
    const AGED: usize = 12;
    let mut random = random();
    let mut seen = Seen::default();
    for scene in scenes() {
        let commands = [Operation::Create, Operation::OrgCreate, Operation::Recover];
        let mut transactions = Vec::from(commands.map(|one| Transaction::command(&scene, one)));
        for _ in 0..AGED {
            transactions.push(Transaction::of_a_server(&scene, &mut random));
        }
        for transaction in transactions {
            for number in 0..IMAGES {
                let without = number % 4 == 3;
                let image = transaction.image(without, &mut random);
                let place = format!("{}, image {number}", transaction.name);
                judge(&transaction, &image, &place, &mut seen);
            }
        }
    }
    println!("{seen:?}");
    assert_eq!((seen.fewer, seen.extra), (0, 0));
    println!("cases: salvaged-images {}", seen.images);
}
