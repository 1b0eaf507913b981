//! `status`: file type, who has access, exposed tokens, and risks.

use std::io;
use std::ops::Range;
use std::path::PathBuf;

use serde::Serialize;

use crate::error::Result;
use crate::finding::{Code, Finding, Severity, counted};
use crate::metadata;
use crate::metadata::embedded_tokens::{self, Embedded};
use crate::metadata::hashing::{Collected, StoredPart, StoredTokens};
use crate::metadata::residue::{Known, KnownPart};
use crate::metadata::shown_tokens::ShownTokens;
use crate::metadata::{Catalog, Schema, Variant, lost_records, names};
use crate::ops::files::one_set::OneSet;
use crate::ops::known::{List, Number, incomplete};
use crate::ops::logins::{Login, logins};
use crate::ops::previous::PreviousState;
use crate::ops::residue;
use crate::ops::residue::siblings::Sibling;
use crate::ops::residue::sql_tokens::SqlTokens;
use crate::ops::token_counts::{OperatorToken, TokenCounts, TokenNumbers};
use crate::ops::v1::access::V1Access;
use crate::store::{Engine, Snapshot, Store};

/// The report of `status`: file type, access, exposed tokens, and risks.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The file.
    pub database: Database,
    /// Its migrations.
    pub schema: SchemaSummary,
    /// Number of tokens by kind.
    pub tokens: TokenNumbers,
    /// The hash functions in use.
    pub hash_variants: Vec<Variant>,
    /// Every operator token.
    pub operator_tokens: List<OperatorToken>,
    /// Every user with a password.
    pub logins: List<Login>,
    /// Access of 1.x clients.
    pub v1: V1Access,
    /// Tokens in unused parts of the file.
    pub residue: ResidueCount,
    /// Live records, and rows of the SQLite file, that contain tokens of the store.
    pub embedded: Vec<Embedded>,
    /// Files beside the database that hold plaintext tokens.
    pub siblings: Vec<Sibling>,
    /// The previous transaction.
    pub previous: PreviousState,
    /// Problems and risks.
    pub findings: Vec<Finding>,
    /// The fields that lack what damage hides.
    pub incomplete: Vec<&'static str>,
    /// Whether there is a user.
    #[serde(skip)]
    pub has_users: bool,
    /// Whether there is a user whose tokens influxd accepts.
    #[serde(skip)]
    pub has_active_users: bool,
    /// Whether there is an organization that a token can belong to.
    #[serde(skip)]
    pub has_orgs: bool,
    /// The facts in the database about the files that belong to it.
    #[serde(skip)]
    one_set: OneSet,
    /// Where unused parts of the file show tokens: byte ranges, not sorted.
    #[serde(skip)]
    pub shown_at: Vec<Range<u64>>,
}

/// The file.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Database {
    /// The path as given.
    pub path: PathBuf,
    /// Detected by content.
    pub engine: Engine,
    /// Bytes.
    pub size_bytes: u64,
    /// Bytes.
    pub page_size: u64,
    /// Bytes of free pages, which `compact` would save. None if damage hides which pages are free.
    pub free_bytes: Option<u64>,
}

/// The schema.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SchemaSummary {
    /// The highest finished migration.
    pub migrations: Number,
    /// The releases that write it.
    pub release: &'static str,
    /// Whether this version knows it.
    pub known: bool,
}

impl SchemaSummary {
    /// Of a schema. Damage may hide migrations.
    #[must_use]
    pub fn new(schema: &Schema, hidden: bool) -> Self {
        Self {
            migrations: Number::new(schema.migrations, hidden),
            release: schema.release(),
            known: schema.known,
        }
    }
}

/// What unused parts of the file show.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ResidueCount {
    /// Distinct tokens that the store no longer holds in plaintext.
    pub plaintext_tokens: u64,
    /// Those of them that no record of the store holds in plaintext, although they are its tokens.
    pub recoverable: Number,
}

/// Examines everything except the files beside the database, for which no lock is needed: see
/// [`Status::look_beside`].
///
/// # Errors
/// When the file can't be read.
pub fn status(store: &Store, sql: &SqlTokens) -> Result<Status> {
    let snapshot = store.snapshot();
    let description = store.description();
    let schema = Schema::load(snapshot)?;
    let mut catalog = Catalog::load(snapshot)?;
    let lost = lost_records::find_hidden(snapshot, store.inspect(), &mut catalog.hidden)?;
    let Pass {
        counts,
        mut known,
        stored,
        checked,
    } = Pass::of(snapshot, &catalog)?;
    let tokens_hidden = counts.are_hidden(&catalog);
    let mut operator_tokens = counts.operator_tokens(&catalog, &counts.indexes(snapshot)?);
    let mut logins = logins(snapshot, &catalog, &counts)?;

    let (mut findings, free_pages) = structure_findings(store)?;
    let free_bytes = free_pages.and_then(|pages| pages.checked_mul(description.page_size));
    findings.extend(lost);
    let current = || Ok(counts.keys);
    let previous = PreviousState::beside(store.inspect(), findings.is_empty(), &current)?;
    findings.extend(checked);
    let mut findings = one_of_each(findings);
    known.add_unreadable(snapshot, store.inspect(), tokens_hidden)?;
    let (mut found, _) = residue::look(store, &known, &residue::Options::default())?;
    let matching = found.matching.iter();
    let recoverable = matching.filter(|(id, _)| !known.is_indexed(*id)).count() as u64;
    if recoverable > 0 {
        let path = description.path.display();
        findings.push(last_copies_finding(path, recoverable, tokens_hidden));
    }
    if !operator_tokens.hidden
        && !logins.hidden
        && !operator_tokens.iter().any(may_be_usable)
        && !logins.iter().any(may_have_power)
    {
        let nobody = Finding::new(
            Code::NobodyGetsIn,
            description.path.display().to_string(),
            "no usable operator token and no login with operator power is left",
        );
        findings.push(if catalog.users.is_empty() && catalog.orgs.is_empty() {
            nobody.with_hint(
                "no users and no organizations: this store was probably created by a wrong path; \
                 boltkey locate shows every store of this host",
            )
        } else {
            nobody
        });
    }
    let mut embedded = embedded_tokens::find(snapshot, &stored)?;
    embedded.extend(sql.embedded(&|token| stored.owner(token)));
    let mut embedded: Vec<Embedded> = embedded.into_iter().collect();
    let mut shown = ShownTokens::new(&stored);
    for token in &mut operator_tokens.readable {
        shown.leave_out(&mut token.description);
        let texts = token.user.iter_mut().chain(&mut token.because);
        texts.for_each(|text| shown.leave_out(text));
    }
    for login in &mut logins.readable {
        shown.leave_out(&mut login.user);
        shown.leave_out(&mut login.because);
    }
    for place in &mut embedded {
        shown.leave_out(&mut place.bucket);
        shown.leave_out(&mut place.key);
    }
    shown.leave_out_of_findings(&mut findings);
    let mut shown_at = std::mem::take(&mut found.places);
    shown_at.append(&mut found.unmatched_places);
    let v1 = V1Access::of(snapshot, &catalog)?;
    let tokens = counts.numbers(snapshot, store.inspect(), &catalog)?;
    let hidden = |bucket| catalog.hidden.hides(bucket);
    Ok(Status {
        database: Database {
            path: description.path.clone(),
            engine: description.engine,
            size_bytes: description.size_bytes,
            page_size: description.page_size,
            free_bytes,
        },
        schema: SchemaSummary::new(&schema, hidden(names::MIGRATIONS)),
        incomplete: incomplete(&[
            ("schema", hidden(names::MIGRATIONS)),
            ("tokens", tokens.is_incomplete()),
            ("hashVariants", tokens_hidden),
            ("operatorTokens", operator_tokens.hidden),
            ("logins", logins.hidden),
            ("v1", v1.is_incomplete()),
            ("residue", tokens_hidden && found.tokens() > 0),
        ]),
        tokens,
        hash_variants: counts.variants.into_iter().collect(),
        operator_tokens,
        logins,
        v1,
        residue: ResidueCount {
            plaintext_tokens: found.tokens(),
            recoverable: Number::new(recoverable, tokens_hidden && found.tokens() > 0),
        },
        embedded,
        siblings: Vec::new(),
        previous,
        findings,
        has_users: !catalog.users.is_empty(),
        has_active_users: catalog.users.values().any(|user| user.status != "inactive"),
        has_orgs: !catalog.orgs.is_empty(),
        one_set: OneSet::of(snapshot, &schema, &catalog)?,
        shown_at,
    })
}

/// What one pass over the authorizations shows.
struct Pass {
    counts: TokenCounts,
    known: Known,
    stored: StoredTokens,
    /// The findings of the records and indexes.
    checked: Vec<Finding>,
}

/// The same for a part of the records.
#[derive(Default)]
struct Part {
    counts: TokenCounts,
    known: KnownPart,
    stored: StoredPart,
}

impl Pass {
    fn of(snapshot: &dyn Snapshot, catalog: &Catalog) -> Result<Self> {
        let mut counts = TokenCounts::default();
        let (mut known, mut stored) = (Known::default(), Collected::default());
        let checked = metadata::check::check_beside(
            snapshot,
            &|part: &mut Part, record| {
                part.counts.add(record, catalog);
                part.known.add(record);
                part.stored.add(Variant::Sha256, record);
            },
            &mut |part| {
                counts.append(part.counts);
                known.append(part.known);
                stored.append(part.stored);
            },
        )?;
        counts.finish(snapshot, checked.is_damaged)?;
        known.add_user_names(snapshot)?;
        Ok(Self {
            counts,
            known,
            stored: stored.readable(),
            checked: checked.findings,
        })
    }
}

fn may_be_usable(token: &OperatorToken) -> bool {
    token.usable != Some(false)
}

fn may_have_power(login: &Login) -> bool {
    login.active && login.operator != Some(false)
}

impl Status {
    /// Searches the files beside the database; needs no lock.
    pub fn look_beside(&mut self, sql: &SqlTokens) {
        self.look_at_files(sql, residue::siblings::files_beside(&self.database.path));
    }

    /// As [`Self::look_beside`], with the files in the database's folder.
    pub fn look_at_files(&mut self, sql: &SqlTokens, files: io::Result<Vec<PathBuf>>) {
        let (siblings, findings) =
            residue::siblings::look_at(&self.database.path, files, None, sql);
        self.siblings = siblings;
        self.findings.extend(findings);
        self.findings
            .extend(self.one_set.look_beside(&self.database.path));
    }
}

/// Damage of the structure; `check` shows it in full.
fn structure_findings(store: &Store) -> Result<(Vec<Finding>, Option<u64>)> {
    let check = store.inspect().check()?;
    let errors = check.findings.into_iter();
    let errors: Vec<Finding> = errors.filter(|f| f.severity == Severity::Error).collect();
    let free = errors.is_empty().then_some(check.pages.free);
    Ok((errors, free))
}

/// The first finding of each code with the number of the others, because a status fits one screen.
fn one_of_each(findings: Vec<Finding>) -> Vec<Finding> {
    let mut first: Vec<(Finding, u64)> = Vec::new();
    for finding in findings {
        match first.iter_mut().find(|(seen, _)| seen.code == finding.code) {
            Some((_, more)) => *more += 1,
            None => first.push((finding, 0)),
        }
    }
    let counted = first.into_iter().map(|(mut finding, more)| {
        if more > 0 {
            let text = format!(" (and {more} more of this kind; boltkey check lists them)");
            finding.message.push_str(&text);
        }
        finding
    });
    counted.collect()
}

fn last_copies_finding(path: impl std::fmt::Display, count: u64, hidden: bool) -> Finding {
    let held = match hidden {
        true => "of which the store has no readable record with the plaintext",
        false => "that the store holds only as a hash",
    };
    Finding::new(
        Code::LastCopies,
        path.to_string(),
        format!(
            "unused parts of this file contain the plaintext of {} {held}; a running influxd \
             gradually overwrites it",
            counted(count, "token")
        ),
    )
    .with_hint("run boltkey residue recover --out FILE before influxd starts again")
}
