//! The stores that are hashed, the tokens planted in each, and the commands.

use std::collections::BTreeSet;
use std::io;
use std::ops::{ControlFlow, Deref};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use boltkey::metadata::{Authorization, Variant, json, names};
use boltkey::ops::capture::Format;
use boltkey::ops::capture::before_change::CaptureFirst;
use boltkey::ops::capture::seal::Seal;
use boltkey::ops::capture::unseal::Unseal;
use boltkey::ops::commit::SideFiles;
use boltkey::ops::hash::{Options, Plan, Proof, plan};
use boltkey::ops::residue::scrub;
use boltkey::ops::timestamp::Timestamp;
use boltkey::store::{ChangeSet, Commit, Committed, Device, Snapshot, Unused, Wipe, WritableStore};
use memchr::memmem;
use serde_json::Value;

use crate::support::bolt_image::Image;
use crate::support::device::Recorder;
use crate::support::fixtures::{fixture, tokens};
use crate::support::store_image::{StoreImage, made, open, writable};
use boltkey::store::Engine;

/// A store, and the tokens that its file shows.
pub struct PlantedStore {
    store: StoreImage,
    /// Every token it has or had, in the forms of records and indexes.
    pub planted: BTreeSet<Vec<u8>>,
    /// Those of them in live records that hashing does not change.
    pub embedded: BTreeSet<Vec<u8>>,
}

/// A text as JSON writes it, without the quotes.
fn escaped(text: &str) -> Vec<u8> {
    let quoted = json::string(text);
    quoted.as_bytes()[1..quoted.len() - 1].to_vec()
}

impl Deref for PlantedStore {
    type Target = StoreImage;

    fn deref(&self) -> &StoreImage {
        &self.store
    }
}

impl PlantedStore {
    pub fn new(name: &str, engine: Engine, bytes: Vec<u8>, more: &[String]) -> Self {
        let store = StoreImage::new(format!("{name} of {engine:?}"), engine, bytes);
        let mut planted = BTreeSet::new();
        let mut plant = |token: &str| {
            // A short token can be in other texts by chance.
            if token.len() >= 6 {
                planted.insert(token.as_bytes().to_vec());
                planted.insert(escaped(token));
            }
        };
        more.iter().for_each(|token| plant(token));
        let mut texts: Vec<Vec<u8>> = Vec::new();
        for bucket in store.old.buckets().unwrap().0 {
            let name = bucket.name.as_slice();
            store
                .old
                .scan(name, &mut |key, value| {
                    match name {
                        names::AUTHORIZATION_INDEX => plant(std::str::from_utf8(key).unwrap()),
                        names::AUTHORIZATION_HASHED_INDEX => {}
                        names::AUTHORIZATIONS => {
                            let record: Authorization<'_> = serde_json::from_slice(value).unwrap();
                            plant(&record.token);
                            texts.push(record.description.as_bytes().to_vec());
                        }
                        _ => texts.extend([key.to_vec(), value.to_vec()]),
                    }
                    ControlFlow::Continue(())
                })
                .unwrap();
        }
        let stands = |token: &Vec<u8>| texts.iter().any(|text| memmem::find(text, token).is_some());
        let embedded = planted.iter().filter(|token| stands(token)).cloned();
        Self {
            embedded: embedded.collect(),
            store,
            planted,
        }
    }

    /// The planted tokens that any byte of `image` shows where it should not.
    pub fn shown(&self, image: &[u8]) -> Vec<String> {
        let hidden = self.planted.difference(&self.embedded);
        let found = hidden.filter(|token| memmem::find(image, token).is_some());
        found
            .map(|token| String::from_utf8_lossy(token).into_owned())
            .collect()
    }
}

/// The values of all tokens that the server of a store made.
pub fn token_values(name: &str) -> Vec<String> {
    tokens(name).into_iter().map(|(_, value)| value).collect()
}

/// Makes changes to a store that leave what was.
pub fn changed(bytes: Vec<u8>, change: impl FnOnce(&mut ChangeSet)) -> Vec<u8> {
    let recorder = Recorder::new(bytes);
    let mut store = writable(&recorder, "changed").unwrap();
    let mut changes = ChangeSet::default();
    changes.wipe = Wipe::Nothing;
    change(&mut changes);
    let committed = store.commit(&changes, &[]).unwrap();
    assert!(committed.failure.is_none());
    drop(store);
    recorder.bytes()
}

/// A record with this token, in plaintext or hashed as `fields` say.
pub fn record(id: &str, fields: &str) -> Vec<u8> {
    format!(
        r#"{{"id":"{id}",{fields},"status":"active","description":"x","orgID":"0000000000000001","permissions":[]}}"#
    )
    .into_bytes()
}

/// Tokens that people chose.
const CHOSEN: [&str; 6] = [
    "chosen by me",
    "a<b>&\"c\\d",
    "tökén-日本",
    "2024-my-token",
    "separator\u{2028}here",
    "=formula",
];

fn with_chosen(bytes: Vec<u8>) -> Vec<u8> {
    changed(bytes, |changes| {
        for (n, token) in CHOSEN.iter().enumerate() {
            let id = format!("0a{n:014x}");
            let field = format!("\"token\":{}", json::string(token));
            changes.put(names::AUTHORIZATIONS, id.as_bytes(), &record(&id, &field));
            changes.put(names::AUTHORIZATION_INDEX, token.as_bytes(), id.as_bytes());
        }
    })
}

/// Every unused byte of a Bolt file, behind the records of live pages too, shows a token.
fn planted_everywhere(mut bytes: Vec<u8>, token: &str) -> Vec<u8> {
    let text = format!("{{\"token\":\"{token}\"}}");
    let mut runs = Vec::new();
    open(Engine::Bolt, &bytes)
        .unwrap()
        .unused(&mut |unused| {
            if let Unused::Run { offset, bytes, .. } = unused {
                let start = usize::try_from(offset).unwrap();
                runs.push(start..start + bytes.len());
            }
        })
        .unwrap();
    let (mut whole, mut live) = (0, 0);
    for run in runs {
        for piece in bytes[run].chunks_mut(1000) {
            if piece.len() > text.len() + 8 {
                // What begins a page stays something that is no page.
                piece[4..4 + text.len()].copy_from_slice(text.as_bytes());
                whole += 1;
            }
        }
    }
    // Zeros behind the last record of a page count as unused without being shown. That record may
    // be an empty bucket, whose own bytes end in zeros.
    for page in bytes.chunks_mut(4096) {
        let end = page
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |n| n + 40);
        if end > 120 && end + text.len() + 8 < page.len() {
            page[end..end + text.len()].copy_from_slice(text.as_bytes());
            live += 1;
        }
    }
    assert!(whole > 10 && live > 3, "{whole} {live}");
    bytes
}

/// Stores of schema 20 and 21, with tokens in plaintext, hashed, both, and in unused parts.
pub fn stores(engine: Engine) -> Vec<PlantedStore> {
    let real = [
        "fresh-2.7.12",
        "fresh-2.9.1-plaintext",
        "lived-2.7.12",
        "mixed-2.9.1",
        "upgraded-2.9.1",
        "downgraded-20-hashed",
    ];
    let mut stores = Vec::new();
    let as_redb = |name: &str| {
        let source = fixture(name);
        let source = open(Engine::Bolt, &source).unwrap();
        made(Engine::Redb, &*source, 4096)
    };
    if engine == Engine::Redb {
        for name in ["fresh-2.7.12", "mixed-2.9.1"] {
            stores.push(PlantedStore::new(
                name,
                engine,
                as_redb(name),
                &token_values(name),
            ));
        }
        let bytes = with_chosen(as_redb("lived-2.7.12"));
        stores.push(PlantedStore::new("chosen", engine, bytes.clone(), &[]));
        let tokens = token_values("lived-2.7.12");
        let tokens: Vec<String> = tokens
            .into_iter()
            .chain(CHOSEN.map(str::to_owned))
            .collect();
        let mut residues = hashed_but_not_wiped(bytes);
        stores.push(PlantedStore::new(
            "residues",
            engine,
            residues.clone(),
            &tokens,
        ));
        // As a process leaves it that was killed.
        residues[9] |= 2;
        stores.push(PlantedStore::new("unclean", engine, residues, &tokens));
        return stores;
    }
    for name in real {
        let tokens = token_values(name);
        stores.push(PlantedStore::new(name, engine, fixture(name), &tokens));
    }
    let lived = fixture("lived-2.7.12");
    let source = open(Engine::Bolt, &lived).unwrap();
    for page_size in [1024, 16384, 65536] {
        let bytes = made(engine, &*source, page_size);
        let name = format!("pages of {page_size}");
        stores.push(PlantedStore::new(&name, engine, bytes, &[]));
    }
    let bytes = Image::new(fixture("mixed-2.9.1")).without_freelist();
    stores.push(PlantedStore::new("no freelist", engine, bytes, &[]));
    let bytes = with_chosen(fixture("fresh-2.9.1-plaintext"));
    stores.push(PlantedStore::new("chosen", engine, bytes, &[]));
    for name in ["upgraded-2.9.1", "fresh-2.9.1-plaintext"] {
        let tokens = token_values(name);
        let bytes = planted_everywhere(fixture(name), &tokens[0]);
        let name = format!("everywhere in {name}");
        stores.push(PlantedStore::new(&name, engine, bytes, &tokens));
    }
    let bytes = hashed_but_not_wiped(with_chosen(fixture("fresh-2.9.1-plaintext")));
    let tokens = CHOSEN.map(str::to_owned);
    stores.push(PlantedStore::new("residues", engine, bytes, &tokens));
    stores
}

/// As power leaves a store that fails between the commit and the wiping.
fn hashed_but_not_wiped(bytes: Vec<u8>) -> Vec<u8> {
    let recorder = Recorder::new(bytes);
    let mut store = writable(&recorder, "hashed").unwrap();
    let how = How {
        keep_residue: true,
        ..How::default()
    };
    hash(&mut store, how, None).unwrap();
    drop(store);
    recorder.bytes()
}

/// How `hash` is run.
#[derive(Clone, Copy, Debug, Default)]
pub struct How {
    pub sha512: bool,
    pub keep_residue: bool,
}

/// How it ended.
pub struct Ended {
    pub committed: Committed,
    pub proof: Proof,
    pub recovered: usize,
    pub embedded: usize,
}

fn hash_plan(store: &WritableStore, how: How) -> boltkey::Result<Plan> {
    let time: jiff::Zoned = "2026-11-01T10:00:00Z[UTC]".parse().unwrap();
    let options = Options {
        variant: match how.sha512 {
            true => Variant::Sha512,
            false => Variant::Sha256,
        },
        keep_residue: how.keep_residue,
    };
    plan(store, store, options, &Timestamp::from(&time))
}

/// The whole command, with a capture at this path.
pub fn hash(store: &mut WritableStore, how: How, capture: Option<&Path>) -> boltkey::Result<Ended> {
    let plan = hash_plan(store, how)?;
    let capture = capture.map(|path| CaptureFirst {
        path: path.to_path_buf(),
        format: Format::Json,
        seal: Seal::Open,
        unseal: Unseal::default(),
    });
    let hashed = plan.apply(store, &SideFiles::default(), capture.as_ref())?;
    Ok(Ended {
        committed: hashed.committed,
        proof: hashed.proof.unwrap_or_default(),
        recovered: plan.recovered.len(),
        embedded: plan.embedded.len(),
    })
}

/// `residue scrub`.
pub fn scrub(store: &mut WritableStore) -> boltkey::Result<Committed> {
    scrub::plan(store, store)?.apply(store, &SideFiles::default())
}

/// A device that looks, before anything is changed, whether a capture is complete.
pub struct Watched {
    device: Recorder,
    capture: PathBuf,
    tokens: Vec<String>,
    seen: Arc<AtomicBool>,
}

impl Watched {
    /// The second value says afterwards whether it has looked.
    pub fn new(device: &Recorder, capture: &Path, tokens: Vec<String>) -> (Self, Arc<AtomicBool>) {
        let seen = Arc::new(AtomicBool::new(false));
        let watched = Self {
            device: device.clone(),
            capture: capture.to_path_buf(),
            tokens,
            seen: Arc::clone(&seen),
        };
        (watched, seen)
    }

    fn look(&self) {
        if self.seen.swap(true, Ordering::SeqCst) {
            return;
        }
        let capture = std::fs::read(&self.capture).unwrap_or_default();
        let capture: Value = serde_json::from_slice(&capture)
            .unwrap_or_else(|_| panic!("something is written before the capture is there"));
        let held = capture["tokens"].as_array().unwrap();
        for token in &self.tokens {
            let holds = held.iter().any(|one| one["token"] == token.as_str());
            assert!(holds, "a token is not in the capture");
        }
    }
}

impl Device for Watched {
    fn length(&self) -> io::Result<u64> {
        self.device.length()
    }
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.device.read_exact_at(buffer, offset)
    }
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.look();
        self.device.write_all_at(bytes, offset)
    }
    fn set_length(&self, length: u64) -> io::Result<()> {
        self.look();
        self.device.set_length(length)
    }
    fn sync(&self) -> io::Result<()> {
        self.device.sync()
    }
    fn forget(&self, offset: u64, length: u64) {
        self.device.forget(offset, length);
    }
}

/// A folder where to wait for the disk costs nothing, if there is one.
pub fn folder() -> tempfile::TempDir {
    let fast = Path::new("/dev/shm");
    match fast.is_dir() {
        true => tempfile::tempdir_in(fast).unwrap(),
        false => tempfile::tempdir().unwrap(),
    }
}
