//! `residue`: plaintext tokens that the store no longer holds, but that are still readable in its
//! file or in other files.

pub mod holders;
pub mod missing;
pub mod recover;
pub mod scan;
pub mod scrub;
pub mod siblings;
pub mod sql_tokens;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::finding::Finding;
use crate::metadata::residue::{Known, Residue, Scan};
use crate::metadata::{Hidden, Id, lost_records, names};
use crate::ops::capture::read::{self, CaptureKind};
use crate::ops::capture::unseal::{START, Unseal};
use crate::store;
use crate::store::{Inspect, OpenOptions, Snapshot, Store, fill, open_regular};

/// Bytes of a plain file read at a time. Only a shorter file can be a configuration.
const CHUNK: usize = 256 << 10;

/// Options of a search.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Other files to search: old backups, gzipped or not, the influx CLI's `configs`, anything.
    pub files: Vec<PathBuf>,
    /// How to open databases among them.
    pub open: OpenOptions,
}

/// The tokens of a store to search for.
pub struct Wanted {
    /// The tokens.
    pub known: Known,
    /// Whether damage hides some of the store's tokens.
    pub hidden: bool,
    /// Damage that may hide tokens.
    pub findings: Vec<Finding>,
}

impl Wanted {
    /// The tokens of the records and, if damage hides records, of the indexes.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn of(snapshot: &dyn Snapshot, inspect: &dyn Inspect) -> Result<Self> {
        let (mut known, mut findings) = Known::load_beside(snapshot, inspect)?;
        let mut damage = Hidden::default();
        findings.extend(lost_records::find_hidden(snapshot, inspect, &mut damage)?);
        let hidden = known.lacks_records() || damage.hides(names::AUTHORIZATIONS);
        known.add_unreadable(snapshot, inspect, hidden)?;
        Ok(Self {
            known,
            hidden,
            findings,
        })
    }
}

/// Searches unused parts of the store's file, and `options.files`, for tokens that the store no
/// longer holds in plaintext. Damage that may hide tokens is in the findings.
///
/// # Errors
/// When the store or one of the files can't be read.
pub fn look(store: &Store, known: &Known, options: &Options) -> Result<(Residue, Vec<Finding>)> {
    let mut scan = Scan::new(known);
    let mut findings = scan.feed_unused(store.inspect(), store.snapshot())?;
    for path in &options.files {
        findings.extend(look_into(&mut scan, path, &options.open)?);
    }
    let mut residue = scan.finish();
    // If live bytes are searched too, this was done before counting.
    if !residue.matching.is_empty() && !store.inspect().shows_live_bytes() {
        let live = embedded(store.snapshot(), known)?;
        leave_out(&live, &mut residue);
    }
    Ok((residue, findings))
}

/// Removes tokens that a live record contains too, such as a telegraf configuration: they are not
/// last copies.
pub(crate) fn leave_out(live: &Residue, residue: &mut Residue) {
    let stands = |id: &Id| {
        live.matching
            .binary_search_by_key(id, |(id, _)| *id)
            .is_ok()
    };
    residue.matching.retain(|(id, _)| !stands(id));
}

/// Tokens in live records other than authorizations.
pub(crate) fn embedded(snapshot: &dyn Snapshot, known: &Known) -> Result<Residue> {
    if !known.has_hashes() {
        return Ok(Residue::default());
    }
    let mut scan = Scan::new(known);
    // These indexes are large, and all their values are IDs.
    let indexes = [
        names::AUTHORIZATION_INDEX,
        names::AUTHORIZATION_HASHED_INDEX,
    ];
    for bucket in snapshot.buckets()?.0 {
        let name = bucket.name.as_slice();
        if name != names::AUTHORIZATIONS && !indexes.contains(&name) {
            snapshot.scan(&bucket.name, &mut |_, value| {
                scan.feed_record(value);
                ControlFlow::Continue(())
            })?;
        }
    }
    Ok(scan.finish())
}

/// Feeds the file at `path`, of any kind, to `scan`.
///
/// # Errors
/// When the file can't be read, or is a database that another process holds.
pub fn look_into(scan: &mut Scan<'_>, path: &Path, open: &OpenOptions) -> Result<Vec<Finding>> {
    match Store::open(path, open) {
        Ok(store) => scan.feed_store(store.snapshot(), store.inspect()),
        Err(error) if error.kind() == ErrorKind::NotAStore => {
            look_into_plain(scan, path)?;
            Ok(Vec::new())
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Err(error.with_hint("check the path given with --files: the file must exist"))
        }
        Err(error) => Err(error),
    }
}

/// A file that is not a database, or is too damaged to be read as one.
pub(super) fn look_into_plain(scan: &mut Scan<'_>, path: &Path) -> Result<()> {
    let metadata = std::fs::metadata(path).at("read", path)?;
    if !metadata.is_file() {
        let why = format!("{} is not a regular file", path.display());
        return Err(Error::new(ErrorKind::Refused, why).with_hint("name the files to search"));
    }
    let mut file = open_regular(path).at("open", path)?;
    store::refuse_sparse(path, &file.metadata().at("read", path)?)?;
    let mut start = Zeroizing::new(vec![0; CHUNK]);
    let mut length = fill(&mut file, &mut start).at("read", path)?;
    if start.starts_with(&store::GZIP_MAGIC) {
        let content = Zeroizing::new(
            store::unpack(file)
                .at("unpack", path)
                .map_err(|error| error.with_hint("unpack it with gunzip and name the result"))?,
        );
        scan.feed(&content, false);
        feed_settings(scan, &content);
        return Ok(());
    }
    if length < CHUNK {
        feed_settings(scan, start.get(..length).unwrap_or_default());
    }
    let beginning = start.get(..length.min(START)).unwrap_or_default();
    if CaptureKind::of(beginning) == Some(CaptureKind::Csv) {
        // Tokens of any form. Other tables begin in this way too.
        let name = path.display().to_string();
        let mut file = open_regular(path).at("open", path)?;
        let _ = read::read(&mut file, &name, &Unseal::default(), &mut |texts| {
            scan.feed_entry(&texts);
        });
    }
    let mut continued = false;
    while length > 0 {
        scan.feed(start.get(..length).unwrap_or_default(), continued);
        continued = true;
        length = fill(&mut file, &mut start).at("read", path)?;
    }
    Ok(())
}

fn feed_settings(scan: &mut Scan<'_>, content: &[u8]) {
    if content.len() < CHUNK
        && let Ok(text) = std::str::from_utf8(content)
    {
        scan.feed_settings(text);
    }
}
