//! Salvages damaged files in memory, and compares the result with what the store held.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::Path;

use boltkey::metadata::salvage::{Rebuilt, Surroundings};
use boltkey::metadata::tsm::Highest;
use boltkey::metadata::{Id, names};
use boltkey::ops::salvage::{Sources, records};
use boltkey::store::bolt::salvage::DamagedBolt;
use boltkey::store::{Engine, MemoryFile, Model, Snapshot};

use super::store_image::contents;

/// The result of a salvage.
pub struct Salvaged {
    pub sources: Sources,
    pub based_on_previous: bool,
    pub rebuilt: Rebuilt,
}

/// Salvages a file of these bytes.
pub fn salvaged(bytes: &[u8]) -> Salvaged {
    let file = Box::new(MemoryFile::new(bytes.to_vec()));
    let damaged = DamagedBolt::open(file, Path::new("damaged"), &|_| {}).unwrap();
    let (found, sources) = records(&damaged, false).unwrap();
    let surroundings = Surroundings {
        utc: "2026-11-01T10:00:00Z",
        random_id: &|model| {
            let free = (1..).map(|number| Id::new(0x7000_0000_0000_0000 + number).unwrap());
            let mut free = free.filter(|id| {
                let key = id.to_string();
                model.get(names::BUCKETS, key.as_bytes()).unwrap().is_none()
            });
            Ok(free.next().unwrap())
        },
        random: 77,
        highest: Highest::default(),
    };
    Salvaged {
        sources,
        based_on_previous: found.based_on_previous,
        rebuilt: found.rebuild(&surroundings).unwrap(),
    }
}

/// All pairs of a store, by bucket.
pub type Pairs = BTreeMap<Vec<u8>, BTreeMap<Vec<u8>, Vec<u8>>>;

pub fn pairs(snapshot: &dyn Snapshot) -> Pairs {
    let mut pairs = Pairs::new();
    for bucket in snapshot.buckets().unwrap().0 {
        let into = pairs.entry(bucket.name.clone()).or_default();
        snapshot
            .scan(&bucket.name, &mut |key, value| {
                into.insert(key.to_vec(), value.to_vec());
                ControlFlow::Continue(())
            })
            .unwrap();
    }
    pairs
}

/// The content of a sound Bolt file.
pub fn truth(bytes: &[u8]) -> Model {
    contents(Engine::Bolt, bytes).unwrap()
}

/// The differences between what a store held and what was found, in numbers of pairs.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Pairs that were not found.
    pub missing: BTreeMap<String, BTreeSet<String>>,
    /// Pairs that were found with another value.
    pub other: BTreeMap<String, BTreeSet<String>>,
    /// Pairs that the store did not hold.
    pub extra: BTreeMap<String, BTreeSet<String>>,
}

impl Difference {
    pub fn of(truth: &dyn Snapshot, found: &dyn Snapshot) -> Self {
        let (truth, found) = (pairs(truth), pairs(found));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut difference = Self::default();
        let none = BTreeMap::new();
        for (bucket, pairs) in &truth {
            let here = found.get(bucket).unwrap_or(&none);
            for (key, value) in pairs {
                match here.get(key) {
                    None => &mut difference.missing,
                    Some(found) if found != value => &mut difference.other,
                    Some(_) => continue,
                }
                .entry(text(bucket))
                .or_default()
                .insert(text(key));
            }
        }
        for (bucket, pairs) in &found {
            let there = truth.get(bucket).unwrap_or(&none);
            for key in pairs.keys().filter(|key| !there.contains_key(*key)) {
                let extra = difference.extra.entry(text(bucket)).or_default();
                extra.insert(text(key));
            }
        }
        difference
    }

    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    pub fn missing_of(&self, bucket: &[u8]) -> usize {
        let bucket = std::str::from_utf8(bucket).unwrap();
        self.missing.get(bucket).map_or(0, BTreeSet::len)
    }

    pub fn extra_of(&self, bucket: &[u8]) -> usize {
        let bucket = std::str::from_utf8(bucket).unwrap();
        self.extra.get(bucket).map_or(0, BTreeSet::len)
    }

    /// The numbers, for messages.
    pub fn numbers(&self) -> String {
        let count = |of: &BTreeMap<String, BTreeSet<String>>| -> String {
            let counts = of
                .iter()
                .map(|(name, keys)| format!("{name} {}", keys.len()));
            counts.collect::<Vec<_>>().join(", ")
        };
        format!(
            "missing [{}] other [{}] extra [{}]",
            count(&self.missing),
            count(&self.other),
            count(&self.extra)
        )
    }
}
