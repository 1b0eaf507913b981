//! Pages that were lost, zeroed or torn. The store is never called sound while records are outside
//! its trees, everything readable is offered, and no changing command destroys it.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use crate::support::bolt_image::checksum;
use crate::support::device::{Call, Recorder, Steps};
use crate::support::fixtures::{content, fixture, fixtures};
use crate::support::operations::Operation;
use crate::support::store_image::{Both, StoreImage, contents, open, stores, writable};
use boltkey::error::ErrorKind;
use boltkey::finding::{Code, Finding, Severity};
use boltkey::metadata::{self, Variant, lost_records, names};
use boltkey::ops::auth::list::Filters;
use boltkey::ops::capture::capture;
use boltkey::ops::commit::SideFiles;
use boltkey::ops::hash;
use boltkey::ops::previous::PreviousState;
use boltkey::ops::residue::scrub;
use boltkey::ops::residue::{self, recover::recover};
use boltkey::ops::timestamp::Timestamp;
use boltkey::store::{
    ChangeSet, Commit, Engine, Inspect, Model, Previous, Snapshot, Store, Wipe, WritableStore,
};
use memchr::memmem;

fn now() -> Timestamp {
    Timestamp::from(&"2026-11-01T10:00:00Z[UTC]".parse::<jiff::Zoned>().unwrap())
}

/// Everything that `check` says.
fn findings(store: &dyn Both) -> Vec<Finding> {
    let mut findings = store.check().unwrap().findings;
    findings.extend(lost_records::find(store, store).unwrap());
    findings.extend(metadata::check::check(store).unwrap());
    findings
}

fn is_ok(findings: &[Finding]) -> bool {
    findings.iter().all(|f| f.severity != Severity::Error)
}

/// The tokens that `capture` writes out.
fn captured(snapshot: &dyn Snapshot, inspect: &dyn Inspect) -> BTreeSet<String> {
    let (tokens, _) = capture(snapshot, inspect, Filters::default()).unwrap();
    tokens.iter().map(|t| t.token.reveal().to_owned()).collect()
}

/// The tokens that `capture --previous` writes out.
fn captured_before(store: &dyn Both, state: &PreviousState) -> BTreeSet<String> {
    match store.previous().unwrap() {
        Previous::Whole(before) if state.readable => captured(&*before, &*before),
        _ => BTreeSet::new(),
    }
}

fn hashing(store: &mut WritableStore) -> boltkey::Result<u64> {
    let options = hash::Options {
        variant: Variant::Sha512,
        keep_residue: false,
    };
    let plan = hash::plan(store, store, options, &now())?;
    let numbers = plan.numbers;
    plan.apply(store, &SideFiles::default(), None)?;
    Ok(numbers.to_hash + numbers.already_hashed)
}

fn scrubbing(store: &mut WritableStore) -> boltkey::Result<u64> {
    let plan = scrub::plan(store, store)?;
    plan.apply(store, &SideFiles::default())?;
    Ok(captured(store, store.inspect()).len() as u64)
}

/// The right answer to a file of `fixtures/field`.
struct Field {
    name: &'static str,
    /// The tokens of the transaction before, where that is whole.
    before: Option<u64>,
    /// What `capture` gets out of the current one, at least.
    captured: usize,
    /// A finding that has to be there.
    code: Code,
}

const FIELD: &[Field] = &[
    Field {
        name: "bolt-okbut-1-13",
        before: Some(36),
        captured: 10,
        code: Code::LostRecords,
    },
    Field {
        name: "bolt-fullok-2-113",
        before: Some(36),
        captured: 36,
        code: Code::LostRecords,
    },
    Field {
        name: "bolt-c08",
        before: Some(36),
        captured: 36,
        code: Code::PageShared,
    },
    Field {
        name: "bolt-c21",
        before: Some(36),
        captured: 36,
        code: Code::PageId,
    },
    Field {
        name: "bolt-c01",
        before: None,
        captured: 36,
        code: Code::PageType,
    },
    Field {
        name: "bolt-hotnone-25",
        before: None,
        captured: 36,
        code: Code::RootValue,
    },
    Field {
        name: "bolt-bigp-d2",
        before: None,
        captured: 2001,
        code: Code::PageId,
    },
];

#[test]
fn reported_files_get_the_right_answer() {
    for field in FIELD {
        let name = field.name;
        let bytes = content(&fixtures().join(format!("field/{name}.bolt.gz")));
        let store = open(Engine::Bolt, &bytes).unwrap();
        let found = findings(&*store);
        assert!(!is_ok(&found), "{name} is called sound");
        assert!(found.iter().any(|f| f.code == field.code), "{name}");
        let state = PreviousState::of(&*store, &*store, false).unwrap();
        assert_eq!(state.readable, field.before.is_some(), "{name}: {state:?}");
        assert_eq!(state.tokens, field.before, "{name}");
        let before = captured_before(&*store, &state);
        assert_eq!(before.len() as u64, field.before.unwrap_or(0), "{name}");
        let now = captured(&*store, &*store);
        assert_eq!(now.len(), field.captured, "{name}");

        // No writer touches it.
        let recorder = Recorder::new(bytes.clone());
        let mut store = writable(&recorder, name).unwrap();
        for error in [hashing(&mut store).err(), scrubbing(&mut store).err()] {
            let error = error.unwrap_or_else(|| panic!("{name} was changed"));
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{name}: {error}");
        }
        let operation = Operation::Recover;
        let refused = operation
            .plan(&store, &Model::default())
            .and_then(|plan| plan.apply(&mut store, &SideFiles::default()));
        assert!(refused.is_err(), "{name}");
        assert_eq!(recorder.bytes(), bytes, "{name}");
    }
    println!("cases: lost-pages-field {}", FIELD.len());
}

#[test]
fn residue_recover_writes_out_what_capture_does() {
    for (name, tokens) in [("bolt-bigp-d2", 2001), ("bolt-c21", 36)] {
        let path = fixtures().join(format!("field/{name}.bolt.gz"));
        let store = Store::open(&path, &boltkey::store::OpenOptions::default()).unwrap();
        let recovered = recover(&store, &residue::Options::default()).unwrap();
        assert_eq!(recovered.tokens.len(), tokens, "{name}");
    }
}

/// The same numbers in every run.
pub fn random() -> impl FnMut(usize) -> usize {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    move |below| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed >> 11).unwrap() % below
    }
}

/// Adds a copy of an authorization, under another ID and with another token, and a dashboard with a
/// name of `padding` bytes.
fn add_token(store: &mut WritableStore, number: u64, padding: usize) {
    let mut template = Vec::new();
    store
        .scan(names::AUTHORIZATIONS, &mut |_, value| {
            template = value.to_vec();
            ControlFlow::Break(())
        })
        .unwrap();
    let mut record: serde_json::Value = serde_json::from_slice(&template).unwrap();
    let id = format!("{:016x}", 0x1fff_0000_0000_0000 + number);
    let token = format!("{number:064}");
    record["id"] = id.clone().into();
    record["token"] = token.clone().into();
    let record = serde_json::to_vec(&record).unwrap();
    let mut changes = ChangeSet::default();
    changes.put(names::AUTHORIZATIONS, id.as_bytes(), &record);
    changes.put(names::AUTHORIZATION_INDEX, token.as_bytes(), id.as_bytes());
    // Of many sizes, so that no two transactions use pages in the same way.
    let dashboard = format!("{{\"id\":\"{id}\",\"name\":\"{}\"}}", "x".repeat(padding));
    changes.put(b"dashboardsv2", id.as_bytes(), dashboard.as_bytes());
    changes.wipe = Wipe::Nothing;
    store.commit(&changes, &[]).unwrap();
}

/// A transaction, page by page: everything that was written before its meta page, and that page.
pub struct Transaction {
    pub name: String,
    pub before: Vec<u8>,
    /// Offsets and contents.
    pages: Vec<(usize, Vec<u8>)>,
    meta: (usize, Vec<u8>),
    length: usize,
    page_size: usize,
    pub old: Model,
    pub new: Model,
}

fn place(offset: u64) -> usize {
    usize::try_from(offset).unwrap()
}

impl Transaction {
    /// What `commit` writes to a store.
    pub fn of(name: String, before: Vec<u8>, commit: impl FnOnce(&mut WritableStore)) -> Self {
        let old = contents(Engine::Bolt, &before).unwrap();
        let recorder = Recorder::new(before.clone());
        let mut store = writable(&recorder, &name).unwrap();
        let page_size = place(store.description().page_size);
        commit(&mut store);
        let new = contents(Engine::Bolt, &recorder.bytes()).unwrap();
        let log = recorder.log();
        let s5 = Steps::of(&log).s5;
        let (mut pages, mut length) = (Vec::new(), before.len());
        for call in &log[..s5] {
            match call {
                Call::Write { offset, bytes } => {
                    for (number, page) in bytes.chunks(page_size).enumerate() {
                        pages.push((place(*offset) + number * page_size, page.to_vec()));
                    }
                }
                Call::SetLength(to) => length = place(*to).max(length),
                Call::Sync => {}
            }
        }
        let Call::Write { offset, bytes } = &log[s5] else {
            panic!("{name}: no meta page is written");
        };
        Self {
            name,
            before,
            pages,
            meta: (place(*offset), bytes.clone()),
            length,
            page_size,
            old,
            new,
        }
    }

    /// One of the commands, which overwrites what it frees.
    pub fn command(scene: &StoreImage, operation: Operation) -> Self {
        let name = format!("{operation:?} on {}", scene.name);
        Self::of(name, scene.bytes.clone(), |store| {
            let plan = operation.plan(store, &scene.old).unwrap();
            plan.apply(store, &SideFiles::default()).unwrap();
        })
    }

    /// The last of several that leave behind what they free, as a server's do: the pages it writes
    /// showed older versions of other nodes, or of the same.
    pub fn of_a_server(scene: &StoreImage, random: &mut impl FnMut(usize) -> usize) -> Self {
        let recorder = Recorder::new(scene.bytes.clone());
        let transactions = 3 + random(6) as u64;
        for number in 0..transactions {
            let mut store = writable(&recorder, &scene.name).unwrap();
            add_token(&mut store, number, random(9000));
        }
        let name = format!("token {transactions} on an aged {}", scene.name);
        let padding = random(9000);
        Self::of(name, recorder.bytes(), |store| {
            add_token(store, transactions, padding);
        })
    }

    /// The file after the transaction, but that some of its pages were never written (they are as
    /// before), are zero, or were written in part. Those that come out as they should don't count.
    pub fn image(
        &self,
        without_freelist: bool,
        random: &mut impl FnMut(usize) -> usize,
    ) -> Vec<u8> {
        let mut image = self.before.clone();
        image.resize(self.length, 0);
        let put = |image: &mut Vec<u8>, at: usize, bytes: &[u8]| {
            if image.len() < at + bytes.len() {
                image.resize(at + bytes.len(), 0);
            }
            image[at..at + bytes.len()].copy_from_slice(bytes);
        };
        let harmed: BTreeSet<usize> = (0..1 + random(3))
            .map(|_| random(self.pages.len()))
            .collect();
        for (number, (at, page)) in self.pages.iter().enumerate() {
            if !harmed.contains(&number) {
                put(&mut image, *at, page);
                continue;
            }
            match random(4) {
                0 => put(&mut image, *at, &vec![0; page.len()]),
                1 if page.len() > 512 => {
                    let cut = (1 + random(page.len() / 512 - 1)) * 512;
                    if random(2) == 0 {
                        put(&mut image, *at, &page[..cut]);
                    } else {
                        put(&mut image, at + cut, &page[cut..]);
                    }
                }
                _ => put(&mut image, *at, &[]),
            }
        }
        let (at, meta) = &self.meta;
        put(&mut image, *at, meta);
        if without_freelist {
            for slot in [0, self.page_size] {
                image[slot + 48..slot + 56].fill(0xff);
                let sum = checksum(&image[slot + 16..slot + 72]);
                image[slot + 72..slot + 80].copy_from_slice(&sum.to_le_bytes());
            }
        }
        image
    }
}

/// The records of a store that `other` does not have as they are, by value.
fn lacking(store: &Model, other: &dyn Snapshot) -> Vec<Vec<u8>> {
    let mut lacking = Vec::new();
    for bucket in store.buckets().unwrap().0 {
        let mut there = BTreeSet::new();
        other
            .scan(&bucket.name, &mut |key, value| {
                there.insert((key.to_vec(), value.to_vec()));
                ControlFlow::Continue(())
            })
            .unwrap();
        store
            .scan(&bucket.name, &mut |key, value| {
                let pair = (key.to_vec(), value.to_vec());
                if value.starts_with(b"{\"id\"") && !there.contains(&pair) {
                    lacking.push(value.to_vec());
                }
                ControlFlow::Continue(())
            })
            .unwrap();
    }
    lacking
}

/// What became of an image.
#[derive(Default, Debug)]
struct Seen {
    images: u64,
    sound: u64,
    hidden: u64,
    /// Those of a sound structure, of which only records tell that others were lost.
    told_by_records: u64,
    refused: u64,
}

fn judge(transaction: &Transaction, image: Vec<u8>, place: &str, seen: &mut Seen) {
    let Ok(store) = open(Engine::Bolt, &image) else {
        panic!("{place}: can't be opened");
    };
    seen.images += 1;
    let found = findings(&*store);
    let ok = is_ok(&found);
    seen.sound += u64::from(ok);
    let lacking = lacking(&transaction.new, &*store);
    let whole = lacking.is_empty();
    // What the previous transaction shows can be reached.
    let before = store.previous().unwrap();
    let lost = match &before {
        Previous::Whole(before) => self::lacking(&transaction.new, &**before),
        Previous::Unreadable(_) => lacking.clone(),
    };
    let unreachable = lacking
        .iter()
        .filter(|value| lost.contains(value) && memmem::find(&image, value).is_some())
        .count();
    assert!(
        !ok || unreachable == 0,
        "{place}: ok, and {unreachable} records can't be reached"
    );
    seen.hidden += u64::from(unreachable > 0);
    let mut errors = found.iter().filter(|f| f.severity == Severity::Error);
    let structure = errors.any(|f| f.code.name().starts_with("structure."));
    let lost = found.iter().any(|f| f.code == Code::LostRecords);
    seen.told_by_records += u64::from(lost && !structure);

    let state = PreviousState::of(&*store, &*store, ok).unwrap();
    assert!(state.readable, "{place}: {state:?}");
    let before = captured_before(&*store, &state);
    let now = captured(&*store, &*store);
    let tokens = |model: &Model| captured(model, &NoPages).len();
    let old = tokens(&transaction.old);
    let better = if whole && ok {
        tokens(&transaction.new)
    } else {
        old
    };
    let offered = now.len().max(before.len());
    assert!(
        offered >= better,
        "{place}: {} and {} tokens of {better}",
        now.len(),
        before.len()
    );
    assert_eq!(before.len(), old, "{place}");

    for (what, writing) in [
        ("hash", hashing as fn(&mut WritableStore) -> _),
        ("scrub", scrubbing),
    ] {
        let recorder = Recorder::new(image.clone());
        let mut store = writable(&recorder, place).unwrap();
        match writing(&mut store) {
            // Some say more than one thing against it; none changes a byte.
            Err(_) => {
                assert!(recorder.bytes() == image, "{place}: {what} changed it");
                seen.refused += 1;
            }
            Ok(left) => assert!(
                left >= offered as u64,
                "{place}: {what} leaves {left} tokens of {offered}"
            ),
        }
    }
}

/// A store in memory has no pages to look at.
struct NoPages;

impl Inspect for NoPages {
    fn check(&self) -> boltkey::Result<boltkey::store::StructureCheck> {
        Ok(boltkey::store::StructureCheck::default())
    }

    fn unused(
        &self,
        _: &mut dyn FnMut(boltkey::store::Unused<'_>),
    ) -> boltkey::Result<Vec<Finding>> {
        Ok(Vec::new())
    }
}

/// Stores that bbolt wrote, with old records in free pages.
pub fn bbolt_stores() -> Vec<StoreImage> {
    let mut scenes = stores(Engine::Bolt);
    scenes.retain(|scene| ["fresh-2.7.12", "downgraded-20"].contains(&scene.name.as_str()));
    let lived = fixture("lived-2.7.12");
    scenes.push(StoreImage::new(
        "lived-2.7.12".to_owned(),
        Engine::Bolt,
        lived,
    ));
    scenes
}

#[test]
fn no_image_of_a_last_transaction_is_called_sound_or_made_worse() {
    const IMAGES: usize = 30;
    /// Transactions of each store that follow others.
    const AGED: usize = 10;
    let mut random = random();
    let mut seen = Seen::default();
    for scene in bbolt_stores() {
        let commands = [Operation::Create, Operation::OrgCreate];
        let mut transactions = Vec::from(commands.map(|one| Transaction::command(&scene, one)));
        for _ in 0..AGED {
            transactions.push(Transaction::of_a_server(&scene, &mut random));
        }
        for transaction in transactions {
            for number in 0..IMAGES {
                let without = number % 4 == 3;
                let image = transaction.image(without, &mut random);
                let place = format!("{}, image {number}", transaction.name);
                judge(&transaction, image, &place, &mut seen);
            }
        }
    }
    assert!(seen.told_by_records > 0 && seen.refused > 0, "{seen:?}");
    println!("{seen:?}");
    println!("cases: lost-pages {}", seen.images);
}

#[test]
fn a_sound_store_has_lost_nothing() {
    for scene in stores(Engine::Bolt) {
        let store = open(Engine::Bolt, &scene.bytes).unwrap();
        let lost = lost_records::find(&*store, &*store).unwrap();
        assert_eq!(lost, None, "{}", scene.name);
    }
}
