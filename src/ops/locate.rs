//! `locate`: finds the metadata stores of a host among candidate paths.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use jiff::{Timestamp, Unit};
use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::finding::{Finding, counted};
use crate::metadata::recognise::{Recognised, recognise};
use crate::metadata::{Hidden, lost_records, names};
use crate::ops::files::read_budget::ReadBudget;
use crate::ops::files::time_limit::within;
use crate::ops::known::Number;
use crate::store::{Engine, Holder, OpenOptions, Snapshot, Store, engine_of, holders_of};

/// Most files that are opened.
const MOST_FILES: usize = 10_000;
/// Most bytes that gzipped copies may unpack to.
const MOST_UNPACKED: u64 = 2 << 30;
/// The time for one file.
const LONGEST_READ: Duration = Duration::from_secs(10);
/// The time for all files.
const LONGEST_SEARCH: Duration = Duration::from_secs(120);

/// A file that may be a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its path.
    pub path: PathBuf,
    /// The source of the path, as text after "known by".
    pub why: String,
    /// Whether to report it whatever it contains, because something or somebody refers to it as a
    /// store.
    pub named: bool,
    /// The process that has it open.
    pub open_by: Option<Holder>,
}

/// What to examine.
#[derive(Debug, Default)]
pub struct Options {
    /// The files that may be stores. If a file has several names, the first is reported.
    pub places: Vec<Place>,
    /// The one that influxd would open, and why that one.
    pub would_open: Option<(PathBuf, String)>,
    /// User names by user ID of the system.
    pub owners: BTreeMap<u32, String>,
    /// What could not be searched, one sentence each.
    pub unseen: Vec<String>,
}

/// The stores of a host.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Located {
    /// First the one that influxd would open, then those in use, then the most recently modified.
    pub stores: Vec<LocatedStore>,
    /// What could not be read: files, folders, processes. One sentence each.
    pub not_read: Vec<String>,
    /// The path that influxd would open, and why, if it does not exist.
    #[serde(skip)]
    pub missing: Option<(String, String)>,
}

/// What is known of a store.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct LocatedStore {
    /// Its path, as text: a name that is not UTF-8 must not hide the other stores.
    pub path: String,
    /// Detected by content; `None` if unknown.
    pub engine: Option<Engine>,
    /// The file's length.
    pub size_bytes: u64,
    /// Time of the last modification, RFC 3339 in UTC.
    pub modified: String,
    /// The name of its owner, or the number if there is no name.
    pub owner: String,
    /// Number of users; `None` if it could not be read, null in JSON also if damage hides some.
    pub users: Option<Number>,
    /// Number of tokens, in the same way.
    pub tokens: Option<Number>,
    /// Whether influxd would open this one.
    pub would_open: bool,
    /// Why influxd would open this one, or else how it is known.
    pub because: String,
    /// Who holds its lock.
    pub in_use_by: Option<InUse>,
    /// Why influxd would open this one.
    #[serde(skip)]
    pub would_open_why: Option<String>,
    /// Its other names.
    #[serde(skip)]
    pub also: Vec<String>,
    /// The sources of its path.
    #[serde(skip)]
    pub known_by: Vec<String>,
    /// Why it could not be read.
    #[serde(skip)]
    pub unread: Option<String>,
    /// Damage that hides records.
    #[serde(skip)]
    pub damage: Option<String>,
    /// Why it looks abandoned, if it does.
    #[serde(skip)]
    pub abandoned: Option<String>,
}

/// The process that holds a store's lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct InUse {
    /// Its process ID; `None` if the system does not show it.
    pub pid: Option<u32>,
    /// Its program; `None` if the system does not show it.
    pub program: Option<String>,
}

/// Examines every path. Nothing is written or created, and it does not wait for locks.
#[must_use]
pub fn locate(options: &Options) -> Located {
    let mut files: Vec<File<'_>> = Vec::new();
    let mut by_inode: BTreeMap<(u64, u64), usize> = BTreeMap::new();
    for place in &options.places {
        let Some(metadata) = metadata_of(&place.path) else {
            continue;
        };
        if !metadata.is_file() {
            continue;
        }
        let key = (metadata.dev(), metadata.ino());
        if let Some(file) = by_inode.get(&key).and_then(|at| files.get_mut(*at)) {
            file.places.push(place);
            continue;
        }
        by_inode.insert(key, files.len());
        files.push(File {
            metadata,
            places: vec![place],
        });
    }
    let wanted = options.would_open.as_ref().map(|(path, why)| {
        let inode = metadata_of(path).map(|there| (there.dev(), there.ino()));
        (inode, path, why)
    });
    let mut missing = None;
    if let Some((None, path, why)) = &wanted
        && is_missing(path)
    {
        missing = Some((shown(path), (*why).clone()));
    }
    let mut summaries = Summaries::of(&files);
    let mut stores: Vec<LocatedStore> = Vec::new();
    let mut not_read = options.unseen.clone();
    for (at, file) in files.iter().enumerate() {
        let why = wanted.as_ref().and_then(|(inode, _, why)| {
            let same = inode.as_ref()? == &(file.metadata.dev(), file.metadata.ino());
            same.then(|| (*why).clone())
        });
        let content = summaries.of_file(at);
        if let Some(store) = file.look(why, &options.owners, content) {
            not_read.extend(
                store
                    .unread
                    .iter()
                    .map(|why| format!("{}: {why}", store.path)),
            );
            stores.push(store);
        }
    }
    stores.sort_by(|one, other| {
        let rank = |store: &LocatedStore| (!store.would_open, store.in_use_by.is_none());
        let by_age = other.modified.cmp(&one.modified);
        rank(one).cmp(&rank(other)).then(by_age)
    });
    Located {
        stores,
        not_read,
        missing,
    }
}

/// A file with all paths that lead to it.
struct File<'a> {
    metadata: Metadata,
    places: Vec<&'a Place>,
}

impl File<'_> {
    /// The report about it; `None` for a file that is not a store and that nothing refers to as
    /// one.
    fn look(
        &self,
        why: Option<String>,
        owners: &BTreeMap<u32, String>,
        content: StoreSummary,
    ) -> Option<LocatedStore> {
        let (first, others) = self.places.split_first()?;
        let named = why.is_some() || self.places.iter().any(|place| place.named);
        if !named && content.is_none_of_ours() {
            return None;
        }
        let mut also: Vec<String> = Vec::new();
        let mut known_by: Vec<String> = Vec::new();
        let path = shown(&first.path);
        for place in others {
            let name = shown(&place.path);
            if name != path && !also.contains(&name) {
                also.push(name);
            }
        }
        for place in &self.places {
            if !known_by.contains(&place.why) {
                known_by.push(place.why.clone());
            }
        }
        let uid = self.metadata.uid();
        Some(LocatedStore {
            path,
            engine: content.engine,
            size_bytes: self.metadata.len(),
            modified: modified(&self.metadata),
            owner: owners.get(&uid).cloned().unwrap_or_else(|| uid.to_string()),
            users: content.counts.map(|counts| counts.users),
            tokens: content.counts.map(|counts| counts.tokens),
            would_open: why.is_some(),
            because: why.clone().unwrap_or_else(|| known_by.join("; ")),
            in_use_by: content.locked.then(|| self.in_use(&first.path)),
            would_open_why: why,
            also,
            known_by,
            abandoned: content.abandoned(self.metadata.len()),
            unread: content.unread,
            damage: content.damage,
        })
    }

    /// The holder of the lock: from the lock table, otherwise from the open files.
    fn in_use(&self, path: &Path) -> InUse {
        let open_by = self.places.iter().filter_map(|place| place.open_by.clone());
        let holder = holders_of(path).into_iter().chain(open_by).next();
        InUse {
            pid: holder.as_ref().map(|holder| holder.pid),
            program: holder.and_then(|holder| holder.program),
        }
    }
}

/// What is at a path, links followed. None if nothing is there, or it is not known in time.
fn metadata_of(path: &Path) -> Option<Metadata> {
    let path = path.to_path_buf();
    within(move || fs::metadata(path).ok())?
}

fn is_missing(path: &Path) -> bool {
    let path = path.to_path_buf();
    let found = within(move || fs::metadata(path).map(|_| ()));
    matches!(found, Some(Err(cause)) if cause.kind() == io::ErrorKind::NotFound)
}

/// Reads the files in a thread, one after the other. A file that takes too long, because its file
/// system does not answer or its owner wants it so, is left to its thread, and another thread goes on
/// with the next one.
struct Summaries {
    /// Path and length of each file.
    files: Vec<(PathBuf, u64)>,
    results: Option<Receiver<(StoreSummary, ReadBudget)>>,
    budget: ReadBudget,
    began: Instant,
    /// Reads one file.
    read: fn(&Path, u64, &mut ReadBudget) -> StoreSummary,
    /// The time for one file.
    longest: Duration,
}

impl Summaries {
    fn of(files: &[File<'_>]) -> Self {
        let files = files.iter().map(|file| {
            let path = file.places.first().map(|place| place.path.clone());
            (path.unwrap_or_default(), file.metadata.len())
        });
        Self {
            files: files.collect(),
            results: None,
            budget: ReadBudget::new(MOST_FILES, MOST_UNPACKED),
            began: Instant::now(),
            read: StoreSummary::of,
            longest: LONGEST_READ,
        }
    }

    /// The summary of the file with this number. Must be called for each, in order.
    fn of_file(&mut self, at: usize) -> StoreSummary {
        let left = LONGEST_SEARCH.saturating_sub(self.began.elapsed());
        if left.is_zero() {
            return StoreSummary::unread("the time for all files is over");
        }
        let results = match self.results.take() {
            Some(results) => results,
            None => self.read_from(at),
        };
        match results.recv_timeout(self.longest.min(left)) {
            Ok((summary, budget)) => {
                self.budget = budget;
                self.results = Some(results);
                summary
            }
            Err(RecvTimeoutError::Timeout) => {
                StoreSummary::unread("it could not be read in time (10 seconds)")
            }
            Err(RecvTimeoutError::Disconnected) => StoreSummary::unread("it could not be read"),
        }
    }

    /// Starts to read the files from this number on.
    fn read_from(&self, at: usize) -> Receiver<(StoreSummary, ReadBudget)> {
        let files: Vec<(PathBuf, u64)> = self.files.iter().skip(at).cloned().collect();
        let mut budget = self.budget.clone();
        let read = self.read;
        let (send, results) = channel();
        // Without a thread nothing is sent, and the files are told as not read.
        let _ = thread::Builder::new().spawn(move || {
            for (path, length) in files {
                let summary = read(&path, length, &mut budget);
                if send.send((summary, budget.clone())).is_err() {
                    return;
                }
            }
        });
        results
    }
}

/// The result of reading a file.
#[derive(Default)]
struct StoreSummary {
    engine: Option<Engine>,
    counts: Option<Counts>,
    locked: bool,
    /// Damage that hides records.
    damage: Option<String>,
    /// It is not a metadata store.
    other: bool,
    unread: Option<String>,
}

#[derive(Clone, Copy)]
struct Counts {
    users: Number,
    orgs: Number,
    tokens: Number,
}

impl StoreSummary {
    fn unread(why: &str) -> Self {
        Self {
            unread: Some(why.into()),
            ..Self::default()
        }
    }

    fn of(path: &Path, length: u64, budget: &mut ReadBudget) -> Self {
        let mut content = Self {
            engine: engine_of(path).ok().flatten(),
            ..Self::default()
        };
        // No waiting: a server may hold the lock for years.
        let affordable = budget.spend_to_open(path, length);
        let read = affordable.and_then(|()| Store::open(path, &OpenOptions::default()));
        match read.and_then(|store| content.read(&store)) {
            Ok(()) => {}
            Err(error) => content.failed(&error),
        }
        content
    }

    fn read(&mut self, store: &Store) -> Result<()> {
        self.engine = Some(store.description().engine);
        let snapshot = store.snapshot();
        match recognise(snapshot, store.inspect())? {
            Recognised::Metadata => {}
            Recognised::Damaged(damage) => {
                self.unread = Some(damaged(&damage));
                return Ok(());
            }
            // influxd makes its buckets in an empty file.
            Recognised::Other if snapshot.buckets()?.0.is_empty() => {}
            Recognised::Other => {
                self.other = true;
                self.unread = Some("it does not contain InfluxDB's buckets".into());
                return Ok(());
            }
        }
        let mut damage = Vec::new();
        let mut hidden = Hidden::default();
        if !snapshot.buckets()?.0.is_empty() {
            damage.extend(lost_records::find_hidden(
                snapshot,
                store.inspect(),
                &mut hidden,
            )?);
        }
        let mut count = |bucket| {
            let (readable, skipped) = count(snapshot, bucket)?;
            let is_hidden = hidden.hides(bucket) || !skipped.is_empty();
            damage.extend(skipped);
            Ok::<_, Error>(Number::new(readable, is_hidden))
        };
        self.counts = Some(Counts {
            users: count(names::USERS)?,
            orgs: count(names::ORGANIZATIONS)?,
            tokens: count(names::AUTHORIZATIONS)?,
        });
        self.damage = damage.first().map(damaged);
        Ok(())
    }

    fn failed(&mut self, error: &Error) {
        self.counts = None;
        match error.kind() {
            ErrorKind::Locked => self.locked = true,
            kind => {
                self.other = kind == ErrorKind::NotAStore;
                let why = error.to_string();
                self.unread = Some(why);
            }
        }
    }

    /// Whether it is the file of another program.
    fn is_none_of_ours(&self) -> bool {
        self.other || (self.engine.is_none() && self.counts.is_none())
    }

    /// Why it looks abandoned.
    fn abandoned(&self, length: u64) -> Option<String> {
        if length == 0 {
            return Some("it is empty, probably created by a wrong path".into());
        }
        let counts = self.counts?;
        match (
            counts.users.known()?,
            counts.orgs.known()?,
            counts.tokens.known()?,
        ) {
            (0, 0, 0) => Some(
                "no users and no organizations: influxd was never set up here, or was started \
                 with a wrong path"
                    .into(),
            ),
            (0, 0, tokens) => Some(format!(
                "no users and no organizations, though {}",
                counted(tokens, "token")
            )),
            _ => None,
        }
    }
}

fn damaged(finding: &Finding) -> String {
    format!("damaged at {}: {}", finding.place, finding.message)
}

/// Counts the records of a bucket.
fn count(snapshot: &dyn Snapshot, bucket: &[u8]) -> Result<(u64, Vec<Finding>)> {
    let mut number = 0;
    let damage = snapshot.scan(bucket, &mut |_, _| {
        number += 1;
        ControlFlow::Continue(())
    })?;
    Ok((number, damage))
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// Time of the last modification; empty if unknown.
fn modified(metadata: &Metadata) -> String {
    let time = metadata.modified().ok();
    let time = time.and_then(|time| Timestamp::try_from(time).ok());
    let time = time.and_then(|time| time.round(Unit::Second).ok());
    time.map(|time| time.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;
    use crate::store::{Model, Progress, create_from};

    fn known(number: u64) -> Option<Number> {
        Some(Number::new(number, false))
    }

    fn place(path: PathBuf, why: &str) -> Place {
        Place {
            path,
            why: why.into(),
            named: false,
            open_by: None,
        }
    }

    /// A store with these numbers of users, organizations and tokens.
    fn store(path: &Path, engine: Engine, users: u8, orgs: u8, tokens: u8) {
        let mut model = Model::default();
        for bucket in names::ALL {
            model.create_bucket(bucket);
        }
        for (bucket, number) in [
            (names::USERS, users),
            (names::ORGANIZATIONS, orgs),
            (names::AUTHORIZATIONS, tokens),
        ] {
            for n in 0..number {
                model.put(bucket, &[n], b"{}");
            }
        }
        write(path, engine, &model);
    }

    fn write(path: &Path, engine: Engine, model: &Model) {
        let file = fs::File::options();
        let file = file
            .clone()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path);
        let device = crate::store::device::on_file(file.unwrap());
        create_from(model, engine, device, path, &Progress::new(&|_| {})).unwrap();
    }

    fn found(places: Vec<Place>, would_open: Option<PathBuf>) -> Located {
        locate(&Options {
            places,
            would_open: would_open.map(|path| (path, String::from("because"))),
            owners: BTreeMap::new(),
            unseen: vec!["a folder".into()],
        })
    }

    #[test]
    fn a_file_is_told_once_by_its_first_name() {
        let folder = TempDir::new().unwrap();
        let at = |name: &str| folder.path().join(name);
        store(&at("a.bolt"), Engine::Bolt, 2, 1, 3);
        store(&at("b.redb"), Engine::Redb, 1, 1, 0);
        symlink("a.bolt", at("link.bolt")).unwrap();
        symlink("nowhere", at("dangling.bolt")).unwrap();
        fs::hard_link(at("a.bolt"), at("hard.bolt")).unwrap();
        let names = [
            "link.bolt",
            "a.bolt",
            "hard.bolt",
            "dangling.bolt",
            "b.redb",
            "missing",
        ];
        let places = names.map(|name| place(at(name), name)).to_vec();
        let located = found(places, Some(at("b.redb")));
        let [first, second] = &located.stores[..] else {
            panic!("{located:?}");
        };
        assert_eq!(first.path, shown(&at("b.redb")));
        assert_eq!(
            (first.engine, first.users, first.tokens),
            (Some(Engine::Redb), known(1), known(0))
        );
        assert!(first.would_open && first.abandoned.is_none());
        assert_eq!(second.path, shown(&at("link.bolt")));
        assert_eq!(
            (second.engine, second.users, second.tokens),
            (Some(Engine::Bolt), known(2), known(3))
        );
        assert_eq!(second.also, [shown(&at("a.bolt")), shown(&at("hard.bolt"))]);
        assert!(!second.would_open);
        assert_eq!(first.because, "because");
        assert_eq!(second.because, "link.bolt; a.bolt; hard.bolt");
        assert_eq!(located.not_read, ["a folder"]);
        assert!(located.missing.is_none());
        assert!(!at("missing").exists() && !at("nowhere").exists());
    }

    #[test]
    fn what_is_no_store_is_told_only_if_somebody_takes_it_for_one() {
        let folder = TempDir::new().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("empty.bolt"), "").unwrap();
        fs::write(at("text.bolt"), "hello").unwrap();
        let mut other = Model::default();
        other.put(b"somebody else's", b"k", b"v");
        write(&at("other.bolt"), Engine::Bolt, &other);
        write(&at("bare.bolt"), Engine::Bolt, &Model::default());
        fs::create_dir(at("folder.bolt")).unwrap();
        let names = [
            "empty.bolt",
            "text.bolt",
            "other.bolt",
            "bare.bolt",
            "folder.bolt",
        ];
        let mut places = names.map(|name| place(at(name), name)).to_vec();
        // A Bolt file without any bucket is what a wrong path leaves.
        let located = found(places.clone(), None);
        let [bare] = &located.stores[..] else {
            panic!("{located:?}");
        };
        assert_eq!((bare.users, bare.tokens), (known(0), known(0)));
        assert!(bare.abandoned.as_ref().unwrap().contains("wrong path"));

        for place in &mut places {
            place.named = true;
        }
        let located = found(places, None);
        assert_eq!(located.stores.len(), 4);
        for store in &located.stores {
            let bare = store.path.ends_with("bare.bolt");
            assert_eq!(store.users.is_some(), bare, "{store:?}");
            assert_eq!(store.unread.is_none(), bare, "{store:?}");
            let told = located
                .not_read
                .iter()
                .filter(|why| why.contains(&store.path));
            assert_eq!(told.count() == 0, bare, "{:?}", located.not_read);
        }
        let missing = found(Vec::new(), Some(at("missing"))).missing.unwrap();
        assert_eq!(missing, (shown(&at("missing")), "because".into()));
    }

    #[test]
    fn a_file_that_does_not_answer_does_not_stop_the_others() {
        let folder = TempDir::new().unwrap();
        let places: Vec<Place> = ["1", "hangs", "3", "panics", "5"]
            .iter()
            .map(|name| {
                fs::write(folder.path().join(name), "").unwrap();
                place(folder.path().join(name), name)
            })
            .collect();
        let files = places.iter().map(|place| File {
            metadata: fs::metadata(&place.path).unwrap(),
            places: vec![place],
        });
        let files: Vec<File<'_>> = files.collect();
        let mut summaries = Summaries::of(&files);
        summaries.read = |path, _, _| {
            if path.ends_with("hangs") {
                thread::sleep(Duration::from_secs(600));
            }
            assert!(!path.ends_with("panics"));
            StoreSummary::default()
        };
        // The others answer, but on a busy machine not at once.
        let unread = files.iter().enumerate().map(|(at, file)| {
            summaries.longest = match file.places[0].path.ends_with("hangs") {
                true => Duration::from_millis(200),
                false => Duration::from_secs(100),
            };
            summaries.of_file(at).unread
        });
        let unread: Vec<Option<String>> = unread.collect();
        let wanted = [None, Some("in time"), None, Some("not be read"), None];
        for (unread, wanted) in unread.iter().zip(wanted) {
            let told = unread
                .as_deref()
                .map(|text| wanted.is_some_and(|w| text.contains(w)));
            assert_eq!(told, wanted.map(|_| true), "{unread:?}");
        }
        summaries.began = Instant::now()
            .checked_sub(LONGEST_SEARCH)
            .unwrap_or_else(Instant::now);
        assert!(summaries.of_file(0).unread.is_some());
    }

    #[test]
    fn one_that_is_in_use_is_not_waited_for() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("influxd.bolt");
        store(&path, Engine::Bolt, 1, 1, 1);
        let holder = fs::File::open(&path).unwrap();
        holder.lock().unwrap();
        let located = found(vec![place(path, "here")], None);
        let [store] = &located.stores[..] else {
            panic!("{located:?}");
        };
        assert_eq!((store.users, store.tokens), (None, None));
        assert_eq!(store.engine, Some(Engine::Bolt));
        let in_use = store.in_use_by.clone().unwrap();
        if cfg!(target_os = "linux") {
            assert_eq!(in_use.pid, Some(std::process::id()));
        }
        assert!(store.unread.is_none() && store.abandoned.is_none());
    }
}
