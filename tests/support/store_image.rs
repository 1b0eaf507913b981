//! Stores in memory: the stores that tests interrupt, and checks of the result.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use boltkey::finding::Severity;
use boltkey::metadata::residue::{Known, Scan};
use boltkey::metadata::{Id, TokenHash, Variant, names};
use boltkey::ops::commit::{SideFiles, commit};
use boltkey::ops::recover::operator::{Options, choices, plan};
use boltkey::ops::resolve::By;
use boltkey::ops::timestamp::Timestamp;
use boltkey::ops::token_plan::TokenPlan;
use boltkey::secret::Token;
use boltkey::store::bolt::{Bolt, create as create_bolt};
use boltkey::store::redb::{Redb, create as create_redb};
use boltkey::store::{
    ChangeSet, Commit, Device, Engine, Inspect, MemoryFile, Model, Progress, ReadAt, Snapshot,
    WritableStore,
};

use super::bolt_image::Image;
use super::device::Recorder;
use super::fixtures::fixture;
use super::record_changes::pair;

/// A store, and what it holds before it is changed.
pub struct StoreImage {
    pub name: String,
    pub engine: Engine,
    pub bytes: Vec<u8>,
    pub old: Model,
    /// Hashed tokens that unused bytes show.
    pub lost: Vec<Id>,
}

impl StoreImage {
    pub fn new(name: String, engine: Engine, bytes: Vec<u8>) -> Self {
        let old = contents(engine, &bytes).expect("a sound store can be read");
        let lost = lost(engine, &bytes);
        Self {
            name,
            engine,
            bytes,
            old,
            lost,
        }
    }
}

/// Stores of every schema that real servers wrote, and of every page size and freelist form.
pub fn stores(engine: Engine) -> Vec<StoreImage> {
    let mut stores = Vec::new();
    let real = [
        "downgraded-15",
        "downgraded-18",
        "downgraded-20",
        "fresh-2.7.12",
        "fresh-2.9.1",
        "upgraded-2.9.1",
    ];
    for name in real {
        let bytes = fixture(name);
        stores.push(match engine {
            Engine::Bolt => StoreImage::new(name.to_owned(), engine, bytes),
            Engine::Redb => {
                let source = open(Engine::Bolt, &bytes).unwrap();
                StoreImage::new(name.to_owned(), engine, made(engine, &*source, 4096))
            }
        });
    }
    if engine == Engine::Redb {
        // As a process leaves it that was killed: the change repairs it as well.
        let mut bytes = stores.last().unwrap().bytes.clone();
        bytes[9] |= 2;
        stores.push(StoreImage::new("unclean".to_owned(), engine, bytes));
        return stores;
    }
    let lived = fixture("upgraded-2.9.1");
    let source = open(Engine::Bolt, &lived).unwrap();
    for page_size in [1024, 16384, 65536] {
        let bytes = made(Engine::Bolt, &*source, page_size);
        stores.push(StoreImage::new(
            format!("pages of {page_size}"),
            engine,
            bytes,
        ));
    }
    // A list of free pages that is not stored at all.
    let bytes = Image::new(lived).without_freelist();
    stores.push(StoreImage::new("no freelist".to_owned(), engine, bytes));
    stores
}

pub fn made(engine: Engine, source: &dyn Both, page_size: u64) -> Vec<u8> {
    let file = Recorder::new(Vec::new());
    let device: Arc<dyn Device> = Arc::new(file.clone());
    let path = Path::new("made");
    let progress = Progress::new(&|_| {});
    match engine {
        Engine::Bolt => create_bolt(source, page_size, &device, path, &progress).unwrap(),
        Engine::Redb => create_redb(source, &device, path, &progress).unwrap(),
    }
    file.bytes()
}

/// Stores that `repair` changes: entries of indexes are missing, lead elsewhere or to nothing, and a
/// system bucket is missing.
pub fn broken(engine: Engine) -> Vec<StoreImage> {
    let id = b"0000000000000a01";
    let mut stores = stores(engine);
    stores.retain(|base| ["fresh-2.7.12", "upgraded-2.9.1"].contains(&base.name.as_str()));
    for base in &mut stores {
        let recorder = Recorder::new(base.bytes.clone());
        let mut store = writable(&recorder, &base.name).unwrap();
        let mut changes = ChangeSet::default();
        changes.remove(names::USER_INDEX, b"alice");
        changes.put(names::ORGANIZATION_INDEX, b"was here", id);
        for index in [
            names::AUTHORIZATION_INDEX,
            names::AUTHORIZATION_HASHED_INDEX,
        ] {
            let mut keys = Vec::new();
            base.old
                .scan(index, &mut |key, _| {
                    keys.push(key.to_vec());
                    ControlFlow::Continue(())
                })
                .unwrap();
            for (number, key) in keys.into_iter().enumerate() {
                match number {
                    0 => changes.remove(index, &key),
                    1 => changes.put(index, &key, id),
                    _ => {}
                }
            }
        }
        let (key, _) = pair(&base.old, names::BUCKETS, "_monitoring");
        changes.remove(names::BUCKETS, &key);
        let committed = commit(&mut store, &changes, &SideFiles::default()).unwrap();
        assert!(committed.failure.is_none());
        drop(store);
        let name = format!("broken {}", base.name);
        *base = StoreImage::new(name, engine, recorder.bytes());
    }
    stores
}

/// How many custom tokens a store of [`with_many_tokens`] has.
pub const MANY: usize = 200;

/// The ID and the value of one of them.
pub fn one_of_many(number: usize) -> (Id, Token) {
    let id = Id::new(0xa0_0000 + number as u64).unwrap();
    (id, Token::new(format!("old value of token {number:03}")))
}

/// Stores with one operator token and many custom ones: all in plaintext, of schema 20, and hashed
/// ones of both variants beside some in plaintext.
pub fn with_many_tokens(engine: Engine) -> Vec<StoreImage> {
    let mut stores = stores(engine);
    stores.retain(|base| ["fresh-2.7.12", "fresh-2.9.1"].contains(&base.name.as_str()));
    for base in &mut stores {
        let recorder = Recorder::new(base.bytes.clone());
        let mut store = writable(&recorder, &base.name).unwrap();
        let (user, org) = {
            let choices = choices(&store).unwrap();
            (choices.users[0].id, choices.orgs[0].id)
        };
        let mut changes = ChangeSet::default();
        for number in 0..MANY {
            let (id, token) = one_of_many(number);
            let token = token.reveal();
            let variant = match (base.name.as_str(), number % 8) {
                ("fresh-2.7.12", _) | (_, 0) => None,
                (_, 1) => Some(Variant::Sha512),
                _ => Some(Variant::Sha256),
            };
            let hash = variant.map(|variant| TokenHash::of(variant, token.as_bytes()).to_phc());
            let (field, index, key) = match &hash {
                None => ("token", names::AUTHORIZATION_INDEX, token),
                Some(hash) => ("hashedToken", names::AUTHORIZATION_HASHED_INDEX, &**hash),
            };
            let record = format!(
                r#"{{"id":"{id}","{field}":"{key}","status":"active","description":"device {number}","orgID":"{org}","userID":"{user}","permissions":[{{"action":"write","resource":{{"type":"buckets","orgID":"{org}"}}}}],"createdAt":"2021-09-28T12:55:25Z","updatedAt":"2021-09-28T12:55:25Z"}}"#
            );
            let id = id.to_string();
            changes.put(names::AUTHORIZATIONS, id.as_bytes(), record.as_bytes());
            changes.put(index, key.as_bytes(), id.as_bytes());
        }
        let committed = commit(&mut store, &changes, &SideFiles::default()).unwrap();
        assert!(committed.failure.is_none());
        drop(store);
        let name = format!("{MANY} tokens in {}", base.name);
        *base = StoreImage::new(name, engine, recorder.bytes());
    }
    stores
}

/// A file with these records.
pub fn made_of(engine: Engine, model: &Model) -> Vec<u8> {
    let file = Recorder::new(Vec::new());
    let device: Arc<dyn Device> = Arc::new(file.clone());
    let path = Path::new("made");
    let progress = Progress::new(&|_| {});
    match engine {
        Engine::Bolt => create_bolt(model, 4096, &device, path, &progress).unwrap(),
        Engine::Redb => create_redb(model, &device, path, &progress).unwrap(),
    }
    file.bytes()
}

/// Everything there is to a store that is read.
pub trait Both: Snapshot + Inspect {}
impl<T: Snapshot + Inspect> Both for T {}

pub fn open(engine: Engine, bytes: &[u8]) -> boltkey::Result<Box<dyn Both>> {
    let file = MemoryFile::new(bytes.to_vec());
    let path = Path::new("image");
    Ok(match engine {
        Engine::Bolt => Box::new(Bolt::open(Box::new(file), path)?),
        Engine::Redb => {
            let file: Arc<dyn ReadAt> = Arc::new(file);
            Box::new(Redb::open(file, path)?)
        }
    })
}

/// All that a file holds, if its structure is sound.
pub fn contents(engine: Engine, bytes: &[u8]) -> Result<Model, String> {
    let store = open(engine, bytes).map_err(|error| error.to_string())?;
    let check = store.check().map_err(|error| error.to_string())?;
    if let Some(finding) = check
        .findings
        .iter()
        .find(|finding| finding.severity == Severity::Error)
    {
        return Err(format!("{}: {}", finding.place, finding.message));
    }
    let (model, findings) = Model::copy_of(&*store).map_err(|error| error.to_string())?;
    match findings.first() {
        Some(finding) => Err(finding.message.clone()),
        None => Ok(model),
    }
}

/// The hashed tokens that unused bytes of a file show, ascending.
pub fn lost(engine: Engine, bytes: &[u8]) -> Vec<Id> {
    let store = open(engine, bytes).unwrap();
    let (known, _) = Known::load(&*store).unwrap();
    let mut scan = Scan::new(&known);
    scan.feed_unused(&*store, &*store).unwrap();
    scan.finish().matching.iter().map(|(id, _)| *id).collect()
}

/// What the other meta page of a Bolt file leads to, as long as nothing is committed: the state
/// before, which is all there is should the current meta page fail.
pub struct Other {
    /// The slot of the current meta page.
    current: usize,
    page_size: usize,
    contents: Model,
}

impl Other {
    /// None where there is no such state.
    pub fn of(engine: Engine, bytes: &[u8]) -> Option<Self> {
        if engine == Engine::Redb {
            return None;
        }
        let at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
        let size = u32::from_le_bytes(bytes[24..28].try_into().unwrap());
        let page_size = usize::try_from(size).unwrap();
        let mut other = Self {
            current: usize::from(at(page_size + 64) > at(64)),
            page_size,
            contents: Model::default(),
        };
        other.contents = other.found(bytes).ok()?;
        Some(other)
    }

    /// Whether it is all there still.
    pub fn is_whole(&self, image: &[u8]) -> bool {
        self.found(image).is_ok_and(|found| found == self.contents)
    }

    fn found(&self, image: &[u8]) -> Result<Model, String> {
        let mut image = image.to_vec();
        let at = self.current * self.page_size;
        image[at..at + 80].fill(0);
        contents(Engine::Bolt, &image)
    }
}

/// `recover operator` for the first user and organization.
pub fn recovery(store: &dyn Snapshot) -> boltkey::Result<TokenPlan> {
    let choices = choices(store)?;
    let options = Options {
        user: choices.users.first().map(|user| By::Id(user.id)),
        org: choices.orgs.first().map(|org| By::Id(org.id)),
        use_hashed_tokens: None,
    };
    let time: jiff::Zoned = "2026-11-01T10:00:00Z[UTC]".parse().unwrap();
    plan(store, &options, &Timestamp::from(&time))
}

/// A store as its file is now, to be read. In memory: while another test starts a program, that
/// shares the lock of every file that is open here.
pub fn as_it_is(database: &Path) -> WritableStore {
    let file = Recorder::new(fs::read(database).unwrap());
    WritableStore::on(Box::new(file), database).unwrap()
}

/// Changes a store as its server might have. In memory, as [`as_it_is`].
pub fn edit(database: &Path, change: impl FnOnce(&WritableStore, &mut ChangeSet)) {
    let file = Recorder::new(fs::read(database).unwrap());
    let mut store = WritableStore::on(Box::new(file.clone()), database).unwrap();
    let mut changes = ChangeSet::default();
    change(&store, &mut changes);
    assert!(store.commit(&changes, &[]).unwrap().failure.is_none());
    fs::write(database, file.bytes()).unwrap();
}

/// A store on a device that can be made to fail.
pub fn writable(recorder: &Recorder, name: &str) -> boltkey::Result<WritableStore> {
    WritableStore::on(Box::new(recorder.clone()), Path::new(name))
}
