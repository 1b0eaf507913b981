//! `report`: everything about one or many stores, without any secret.
//!
//! | module | has |
//! | --- | --- |
//! | [`search`] | the stores: files, and what is found in folders |
//! | [`in_order`] | reading many of them in parallel |
//! | [`examination`] | the checks of `doctor` |
//! | [`next_steps`] | verdict and next steps, from these checks |
//! | [`tokens`](mod@tokens) | the tokens, as `auth list` has them |
//! | [`who_holds_what`] | users and tokens against powers and buckets |
//! | [`v1_mappings`](mod@v1_mappings) | 1.x databases |
//! | [`findings`] | findings by code, with cures |
//! | [`page_map`](mod@page_map) | the pages of the file by use |
//! | [`overview`] | one row for each store |

mod examination;
pub mod findings;
pub mod in_order;
pub mod next_steps;
pub mod overview;
pub mod page_map;
pub mod search;
pub mod tokens;
pub mod v1_mappings;
pub mod who_holds_what;

use std::fs;
use std::path::Path;

use jiff::{Timestamp, Unit};
use serde::Serialize;

use crate::error::{ErrorKind, Result};
use crate::metadata::hashing::StoredTokens;
use crate::metadata::shown_tokens::ShownTokens;
use crate::metadata::{Catalog, lost_records, mapping};
use crate::ops::backup::source::{Backup, From};
use crate::ops::bucket::list::Bucket;
use crate::ops::check::check;
use crate::ops::known::List;
use crate::ops::metadata_store::is_metadata;
use crate::ops::org::list::Org;
use crate::ops::previous;
use crate::ops::repair::EngineShards;
use crate::ops::report::examination::{Examination, shards_beside};
use crate::ops::report::findings::FindingsOfCode;
use crate::ops::report::next_steps::Head;
use crate::ops::report::overview::Row;
use crate::ops::report::page_map::{PageMap, page_map};
use crate::ops::report::search::Found;
use crate::ops::report::tokens::{ReportedToken, tokens};
use crate::ops::report::v1_mappings::{V1Mapping, v1_mappings};
use crate::ops::report::who_holds_what::{Facts, Holdings, holdings};
use crate::ops::residue::sql_tokens::SqlTokens;
use crate::ops::status::{Status, status};
use crate::ops::user::list::User;
use crate::ops::way_out::advise;
use crate::ops::{bucket, org, user};
use crate::store::{OpenOptions, Store};

/// How stores are read.
#[derive(Debug, Clone)]
pub struct Options {
    /// How to open them.
    pub open: OpenOptions,
    /// Whether their previous transaction is read.
    pub previous: bool,
    /// The number of cells that the map of a file has at most.
    pub most_cells: u64,
    /// The time of the report, for the age of files.
    pub now: Timestamp,
}

/// The report about one store. None of its texts contains a token.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct StoreReport {
    /// Verdict and next steps.
    #[serde(flatten)]
    pub head: Head,
    /// When the file was modified, RFC 3339 in UTC; empty if unknown.
    pub modified: String,
    /// The age of the file in days; none if unknown.
    pub age_days: Option<i64>,
    /// As `status` prints it.
    pub status: Status,
    /// The tokens.
    pub tokens: List<ReportedToken>,
    /// 1.x-compatible authorizations.
    pub v1: List<ReportedToken>,
    /// 1.x databases and the buckets they mean.
    pub dbrp: List<V1Mapping>,
    /// The users.
    pub users: List<User>,
    /// The organizations.
    pub orgs: List<Org>,
    /// The buckets.
    pub buckets: List<Bucket>,
    /// Who holds what.
    pub holdings: Holdings,
    /// The findings by code.
    pub findings: Vec<FindingsOfCode>,
    /// The pages by use; none if the engine can't tell.
    pub pages: Option<PageMap>,
}

impl StoreReport {
    /// Its row in an overview.
    #[must_use]
    pub fn row(&self) -> Row {
        Row::of(self)
    }
}

/// The status of a store, as `status` prints it. None for a file that was found by its content, but
/// is of another program.
///
/// # Errors
/// As [`Store::open`] and [`status`]; [`ErrorKind::Corrupt`] when damage hides all buckets.
pub fn status_of(found: &Found, options: &Options) -> Result<Option<Status>> {
    let Some(opened) = open(found, options)? else {
        return Ok(None);
    };
    let mut status = status(&opened.store, &opened.sql)?;
    // The name of a file in an archive says less.
    status.database.path.clone_from(&found.path);
    look_beside(found, opened.close(), &mut status);
    Ok(Some(status))
}

/// The report about a store; none as [`status_of`].
///
/// # Errors
/// As [`status_of`].
pub fn report(found: &Found, options: &Options) -> Result<Option<StoreReport>> {
    let Some(opened) = open(found, options)? else {
        return Ok(None);
    };
    let store = &opened.store;
    let (snapshot, inspect) = (store.snapshot(), store.inspect());
    let mut status = status(store, &opened.sql)?;
    status.database.path.clone_from(&found.path);
    let stored = StoredTokens::load_readable(snapshot)?;
    let mut shown = ShownTokens::new(&stored);
    let ([tokens, v1], _) = tokens(store, &mut shown)?;
    let mut users = user::list::list(snapshot, inspect)?.users;
    for user in &mut users.readable {
        shown.leave_out(&mut user.name);
        shown.leave_out(&mut user.status);
        user.because
            .iter_mut()
            .for_each(|text| shown.leave_out(text));
        let owned = user.owns.readable.iter_mut();
        owned
            .filter_map(|org| org.name.as_mut())
            .for_each(|name| shown.leave_out(name));
    }
    let mut orgs = org::list::list(snapshot, inspect)?.orgs;
    for org in &mut orgs.readable {
        shown.leave_out(&mut org.name);
        shown.leave_out(&mut org.description);
    }
    let mut buckets = bucket::list::list(snapshot, inspect)?.buckets;
    for bucket in &mut buckets.readable {
        shown.leave_out(&mut bucket.name);
        shown.leave_out(&mut bucket.description);
        let names = bucket.org.iter_mut().chain(&mut bucket.rp);
        names.for_each(|name| shown.leave_out(name));
    }
    let mut catalog = Catalog::load(snapshot)?;
    lost_records::find_hidden(snapshot, inspect, &mut catalog.hidden)?;
    shown.leave_out_of_catalog(&mut catalog);
    let dbrp = v1_mappings(snapshot, &catalog, &mut shown)?;
    let (mappings, _) = mapping::load(snapshot)?;
    let holdings = holdings(&Facts {
        tokens: &tokens,
        v1: &v1,
        users: &users,
        buckets: &buckets,
        mappings: &mappings,
    });
    let mut checked = check(store, false)?;
    let pages = page_map(
        inspect,
        store.description().page_size,
        &status.shown_at,
        options.most_cells,
        &mut shown,
    )?;
    let examination = match opened.is_plain {
        true => Examination::of_store(found, store, &checked, &opened.shards, options)?,
        false => Examination::of_backup(found, options)?,
    };
    look_beside(found, opened.close(), &mut status);
    let (modified, age_days) = age(&found.path, options.now);
    shown.leave_out_of_findings(&mut checked.findings);
    Ok(Some(StoreReport {
        head: examination.head(&status, &mut shown),
        modified,
        age_days,
        findings: findings::by_code(checked.findings, &status),
        status,
        tokens,
        v1,
        dbrp,
        users,
        orgs,
        buckets,
        holdings,
        pages,
    }))
}

/// An open store.
struct Opened {
    store: Store,
    /// The texts of the SQLite file beside it that may be tokens.
    sql: SqlTokens,
    /// What the engine folder beside it tells.
    shards: EngineShards,
    /// Whether it is a file of its own, so that others belong to it.
    is_plain: bool,
}

fn open(found: &Found, options: &Options) -> Result<Option<Opened>> {
    match open_any(found, options) {
        Ok(opened) => Ok(Some(opened)),
        // Another program's file in a folder that is searched.
        Err(error) if error.kind() == ErrorKind::NotAStore && !found.named => Ok(None),
        Err(error) if options.previous => Err(error),
        Err(error) => Err(advise(error, &found.path, &options.open)),
    }
}

fn open_any(found: &Found, options: &Options) -> Result<Opened> {
    let backup = Backup::open(From::Path(&found.path), None)?;
    let is_plain = backup.base.is_none();
    // Before the lock is taken.
    let (sql, shards) = match is_plain {
        true => (
            SqlTokens::beside(&found.path).0,
            shards_beside(found, options),
        ),
        false => (SqlTokens::default(), EngineShards::default()),
    };
    let mut store = backup.store(&options.open)?;
    if options.previous {
        store = previous::open(&store)?;
    }
    let path = &store.description().path;
    is_metadata(store.snapshot(), store.inspect(), path)?.or_unreadable()?;
    Ok(Opened {
        store,
        sql,
        shards,
        is_plain,
    })
}

impl Opened {
    /// Releases the lock. The result is none if no other files belong to the store.
    fn close(self) -> Option<SqlTokens> {
        self.is_plain.then_some(self.sql)
    }
}

/// Looks at the files that belong to a store.
fn look_beside(found: &Found, sql: Option<SqlTokens>, status: &mut Status) {
    match (sql, &found.beside) {
        (None, _) => {}
        (Some(sql), None) => status.look_beside(&sql),
        (Some(sql), Some(files)) => status.look_at_files(&sql, Ok(files.to_vec())),
    }
}

/// When a file was modified, and its age in days.
fn age(path: &Path, now: Timestamp) -> (String, Option<i64>) {
    const DAY: i64 = 24 * 3600;
    let modified = fs::metadata(path).and_then(|there| there.modified()).ok();
    let modified = modified.and_then(|time| Timestamp::try_from(time).ok());
    let Some(modified) = modified else {
        return (String::new(), None);
    };
    let days = (now.as_second() - modified.as_second()).div_euclid(DAY);
    let shown = modified.round(Unit::Second).unwrap_or(modified);
    (shown.to_string(), Some(days.max(0)))
}
