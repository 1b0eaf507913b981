//! `backup inspect`: content of a backup, its completeness, and the token that opens it.

use std::path::PathBuf;

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::finding::{Code, Finding, Severity, counted};
use crate::metadata::residue::{Known, Scan};
use crate::metadata::{self, names, tsm};
use crate::ops::backup::file_states::{FileState, Role};
use crate::ops::backup::full_restore::{Answer, full_restore};
use crate::ops::backup::source::{Backup, Kind};
use crate::ops::backup::sql;
use crate::ops::backup::summary::{NamedShard, StoreFacts, Summary, look};
use crate::ops::backup::supplied_token::{Supplied, supplied};
use crate::ops::known::List;
use crate::secret::Token;
use crate::store::{OpenOptions, Snapshot, Store};

/// The report about a backup.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Inspected {
    /// Its path.
    pub path: PathBuf,
    /// The kind of backup.
    pub kind: Kind,
    /// The common start of its file names; for a folder with several backups, of the newest.
    pub base: Option<String>,
    /// Whether it is complete and no damage was found.
    pub complete: bool,
    /// Its files.
    pub files: Vec<FileState>,
    /// Whether it contains an SQLite file.
    pub sqlite: bool,
    /// Content of the metadata store; `None` when it can't be read.
    #[serde(flatten)]
    pub summary: MaybeSummary,
    /// The check of the supplied operator token.
    pub operator_token: Option<Supplied>,
    /// What `influx restore --full` would do; `None` when the store can't be read.
    pub full_restore: Option<FullRestore>,
    /// Problems and notes.
    pub findings: Vec<Finding>,
    /// Always false: this command only reads.
    pub changed: bool,
}

/// The summary's own fields, null when the store can't be read.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum MaybeSummary {
    /// The store was read.
    Read(Box<Summary>),
    /// The store can't be read.
    Unreadable {
        /// Always null.
        schema: (),
        /// Always null.
        tokens: (),
        /// Always null.
        #[serde(rename = "operatorTokens")]
        operator_tokens: (),
        /// Always null.
        users: (),
        /// Always null.
        organizations: (),
        /// Always null.
        buckets: (),
        /// The names of these fields.
        incomplete: Vec<&'static str>,
    },
}

/// What `influx restore --full` would do with a backup. Answers are null if damage hides what they
/// depend on.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FullRestore {
    /// With an influx CLI before 2.8.0.
    #[serde(rename = "cliBefore28")]
    pub cli_before_28: Option<Answer>,
    /// With influx CLI 2.8.0 or later and the supplied operator token as `--operator-token`.
    #[serde(rename = "cli28")]
    pub cli_28: Option<Answer>,
    /// Shards that the metadata names but the backup does not contain: the restore would delete
    /// them from the server the metadata comes from.
    #[serde(rename = "deletesShards")]
    pub deletes_shards: List<NamedShard>,
}

/// Inspects a whole backup.
///
/// # Errors
/// [`ErrorKind::NotAStore`] when a bare file is not a database; otherwise I/O errors.
pub fn inspect(backup: &Backup, token: Option<&Token>, options: &OpenOptions) -> Result<Inspected> {
    let (files, mut findings) = backup.check(&[Role::Kv, Role::Sql, Role::Shard], true)?;
    let store = match backup.store(options) {
        Ok(store) => Some(store),
        Err(error) if backup.kind != Kind::Database && is_damage(&error) => {
            // Damaged or missing files were already reported.
            if findings
                .iter()
                .all(|finding| !finding.place.ends_with(&backup.kv.name))
            {
                let place = backup.kv.name.clone();
                let text = error.to_string();
                findings.push(Finding::new(Code::FileDamaged, place, text));
            }
            None
        }
        Err(error) => return Err(error),
    };
    let mut summary = MaybeSummary::Unreadable {
        schema: (),
        tokens: (),
        operator_tokens: (),
        users: (),
        organizations: (),
        buckets: (),
        incomplete: vec![
            "schema",
            "tokens",
            "operatorTokens",
            "users",
            "organizations",
            "buckets",
            "fullRestore",
        ],
    };
    let (mut operator_token, mut restore) = (None, None);
    if let Some(store) = store {
        findings.extend(store.notices().iter().cloned());
        let check = store.inspect().check()?;
        let damage = check.findings.into_iter();
        findings.extend(damage.filter(|finding| finding.severity == Severity::Error));
        findings.extend(residue(backup, &store)?);
        let facts = look(store.snapshot(), store.inspect())?;
        findings.extend(facts.lost.clone());
        findings.extend(undecodable(store.snapshot())?);
        // The structure and undecodable records were reported above.
        let schema = facts.schema_findings.iter();
        findings.extend(
            schema
                .filter(|f| !f.code.is_structure() && f.code != Code::Undecodable)
                .cloned(),
        );
        operator_token = token
            .map(|token| supplied(store.snapshot(), &facts, token))
            .transpose()?;
        restore = Some(of_full_restore(
            backup,
            &store,
            &facts,
            operator_token.as_ref(),
            &mut findings,
        )?);
        summary = MaybeSummary::Read(Box::new(facts.summary));
    }
    look_at_sqlite(backup, &mut findings)?;
    Ok(Inspected {
        path: backup.path.clone(),
        kind: backup.kind,
        base: backup.base.clone(),
        complete: findings
            .iter()
            .all(|finding| finding.severity != Severity::Error),
        files,
        sqlite: backup.sql.is_some(),
        summary,
        operator_token,
        full_restore: restore,
        findings,
        changed: false,
    })
}

/// Tokens left in free pages of the store: `influx backup` copies these pages too.
fn residue(backup: &Backup, store: &Store) -> Result<Option<Finding>> {
    let (known, _) = Known::load(store.snapshot())?;
    let mut scan = Scan::new(&known);
    scan.feed_unused(store.inspect(), store.snapshot())?;
    let tokens = scan.finish().tokens();
    if tokens == 0 {
        return Ok(None);
    }
    let shown = if tokens == 1 { "is" } else { "are" };
    let message = format!(
        "{} that the store does not hold in plaintext {shown} still readable in unused parts of it",
        counted(tokens, "token")
    );
    let place = backup.kv.name.as_str();
    Ok(Some(
        Finding::new(Code::BackupResidue, place, message).with_hint(
            "boltkey backup restore does not copy them, but influx restore does; boltkey residue \
             recover writes out those of hashed tokens",
        ),
    ))
}

/// Records that can't be decoded.
fn undecodable(snapshot: &dyn Snapshot) -> Result<Vec<Finding>> {
    let is_of_these = |finding: &Finding| {
        matches!(
            finding.code,
            Code::Undecodable | Code::OtherUndecodable | Code::HashUndecodable
        )
    };
    let findings = metadata::check::check(snapshot)?.into_iter();
    Ok(findings.filter(is_of_these).collect())
}

/// Whether an error is about the backup and not about this host.
fn is_damage(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::NotAStore | ErrorKind::Corrupt | ErrorKind::UnknownSchema
    )
}

fn of_full_restore(
    backup: &Backup,
    store: &Store,
    facts: &StoreFacts,
    supplied: Option<&Supplied>,
    findings: &mut Vec<Finding>,
) -> Result<FullRestore> {
    let answers = full_restore(store.snapshot(), facts, supplied)?;
    // A token that damage hides may be the one that decides.
    let known = !facts.summary.tokens.total.hidden;
    let mut hidden = facts.catalog.hidden.hides(names::TSM_METADATA);
    let mut shards = match tsm::load(store.snapshot()) {
        Ok(data) => data.unwrap_or_default().shards(),
        Err(error) if is_damage(&error) => {
            findings.push(Finding::new(
                Code::TsmUndecodable,
                "v1_tsm1_metadata/meta.db",
                error.message(),
            ));
            hidden = true;
            Vec::new()
        }
        Err(error) => return Err(error),
    };
    shards.retain(|placed| backup.shards.iter().all(|held| held.shard != placed.shard));
    if !backup.kind.has_manifest() {
        findings.push(
            Finding::new(
                Code::NoManifest,
                backup.path.display().to_string(),
                "it has no .manifest file, so influx restore does not accept it",
            )
            .with_hint("boltkey backup export --influx-manifest writes one"),
        );
    }
    Ok(FullRestore {
        cli_before_28: known.then_some(answers.cli_before_28),
        cli_28: known.then_some(answers.cli_28),
        deletes_shards: List::new(NamedShard::all(&shards, &facts.catalog), hidden),
    })
}

/// Checks that the SQLite file is valid and complete.
fn look_at_sqlite(backup: &Backup, findings: &mut Vec<Finding>) -> Result<()> {
    if backup.sql.is_none() {
        findings.push(Finding::new(
            Code::NoSqlite,
            backup.path.display().to_string(),
            "it has no SQLite file, so it contains no notebooks, annotations, remotes or \
             replications",
        ));
        return Ok(());
    }
    let checked = backup.sqlite().and_then(|found| match found {
        Some((file, path)) => sql::unpacked(file, &path, None).map(drop),
        None => Ok(()),
    });
    match (checked, &backup.sql) {
        (Err(error), Some(sql)) if is_damage(&error) => {
            // Damaged or missing files were already reported.
            if findings
                .iter()
                .all(|finding| !finding.place.ends_with(&sql.name))
            {
                let (code, place) = (Code::FileDamaged, sql.name.as_str());
                findings.push(Finding::new(code, place, error.message()));
            }
            Ok(())
        }
        (checked, _) => checked,
    }
}
