//! `downgrade apply`: undoes the last migration of the database, so that older releases start on
//! it.

use std::path::Path;

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::metadata::release_impact::release_impact;
use crate::metadata::{Fingerprint, Id, Schema, names};
use crate::ops::commit::{SideFiles, all_decoded, commit, known_schema};
use crate::ops::downgrade::check::{Outlook, Situation};
use crate::ops::downgrade::sql_side::{Options, SqlBeside, SqlSide};
use crate::store::{
    ChangeSet, CommitOutcome, Committed, Description, Inspect, Snapshot, WritableStore,
};

/// Options of a downgrade.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The target release.
    pub to: Options,
    /// Whether to delete records with only a hash.
    pub drop_hashed: bool,
    /// Whether tokens may be lost.
    pub allow_loss: bool,
}

/// A planned downgrade.
pub struct Plan {
    /// What is to be written; nothing if there is nothing to undo.
    pub changes: ChangeSet,
    /// The report.
    pub applied: Applied,
    /// Whether it would lose tokens without permission to do so.
    pub refused: bool,
    /// The fingerprint of the tokens that are lost, and of those whose records are deleted on request.
    pub tokens: Fingerprint,
    /// The schema after the change.
    migrations: u64,
}

/// The report of a downgrade, or of its dry run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Applied {
    /// What the target release will see.
    #[serde(flatten)]
    pub outlook: Outlook,
    /// Number of records with only a hash that are deleted.
    pub dropped: u64,
}

/// Plans the downgrade of the store in the file that `database` describes.
///
/// # Errors
/// * [`ErrorKind::UnknownSchema`], [`ErrorKind::Corrupt`] for stores that can't be edited
/// * [`ErrorKind::Refused`] where only `influxd downgrade` can do it; the hint has its command
/// * when the SQLite file is needed and can't be read
pub fn plan(
    snapshot: &dyn Snapshot,
    inspect: &dyn Inspect,
    database: &Description,
    settings: &Settings,
    sql: &SqlBeside,
) -> Result<Plan> {
    let target = settings.to.target;
    known_schema(snapshot)?;
    sql.is_unchanged()?;
    // Otherwise this release uses the newest SQLite schema, so the file is not changed.
    if let SqlSide::Unknown(name) = &sql.side
        && target.has_older_sql()
    {
        return Err(unknown_sql(&sql.path, name));
    }
    let (situation, findings) = Situation::of(snapshot, database, target, sql)?;
    all_decoded(&findings)?;
    let mut outlook = situation.outlook()?;
    if situation.needs_influxd() {
        return Err(only_influxd(&outlook));
    }
    if let Some(why) = &sql.unread {
        let text = format!("{why}; {target} may not start on it");
        outlook.warnings.push(text);
    }

    let mut changes = ChangeSet::default();
    let mut migrations = situation.schema.migrations;
    if situation.database_is_newer() {
        changes.delete_bucket(names::AUTHORIZATION_HASHED_INDEX);
        if let Some(number) = Id::new(migrations) {
            changes.remove(names::MIGRATIONS, number.to_string().as_bytes());
        }
        migrations = target.migrations();
    }
    let mut dropped = 0;
    if settings.drop_hashed && !target.knows_hashes() {
        for id in &situation.impact.hashed {
            changes.remove(names::AUTHORIZATIONS, id.to_string().as_bytes());
        }
        dropped = situation.impact.hashed.len() as u64;
    }
    let refused = !settings.allow_loss && (dropped > 0 || !outlook.lost.is_empty());
    if refused {
        situation.add_prepare(&mut outlook, snapshot, inspect)?;
    } else {
        // The steps are what this command does.
        outlook.steps.clear();
    }
    Ok(Plan {
        changes,
        applied: Applied { outlook, dropped },
        refused,
        tokens: situation.impact.values,
        migrations,
    })
}

fn unknown_sql(path: &Path, migration: &str) -> Error {
    Error::new(
        ErrorKind::UnknownSchema,
        format!(
            "{} has the unknown migration {migration:?}, so this version can't tell whether the \
             file must be changed too",
            path.display()
        ),
    )
    .with_hint("use the influxd that wrote it: see influxd downgrade --help")
}

/// The error that names the influxd command.
fn only_influxd(outlook: &Outlook) -> Error {
    let Outlook { target, undo, .. } = outlook;
    let mut what = Vec::new();
    if !undo.database.is_empty() {
        what.push(format!("{} of the database", undo.database.len()));
    }
    if !undo.sqlite.is_empty() {
        what.push(format!("{} of the SQLite file", undo.sqlite.len()));
    }
    Error::new(
        ErrorKind::Refused,
        format!(
            "for {target}, migrations of both files must be undone ({}), and only influxd \
             downgrade can do that",
            what.join(", ")
        ),
    )
    .with_hint(format!(
        "with the influxd that last ran on it: {}; boltkey downgrade check --to {target} shows \
         what would be lost",
        outlook.steps.join("; ")
    ))
}

impl Plan {
    /// Commits the change and verifies in the file that the schema is the release's and every kept
    /// token is found. A failed verification is a failure in [`Committed`]: the change is committed
    /// by then.
    ///
    /// # Errors
    /// When the change was certainly not committed.
    pub fn apply(
        &self,
        store: &mut WritableStore,
        side_files: &SideFiles<'_>,
    ) -> Result<Committed> {
        let mut committed = commit(store, &self.changes, side_files)?;
        if committed.outcome == CommitOutcome::Changed && committed.failure.is_none() {
            committed.failure = self.prove(store).err();
        }
        Ok(committed)
    }

    fn prove(&self, store: &WritableStore) -> Result<()> {
        let incomplete = |why: String| {
            Error::new(
                ErrorKind::Incomplete,
                format!("the change is committed, but {why}"),
            )
            .committed()
            .with_hint("boltkey check shows what is wrong with the store")
        };
        let unreadable = |error: Error| {
            let why = error.to_string();
            incomplete(format!("it can't be read back: {why}"))
        };
        let target = self.applied.outlook.target;
        let schema = Schema::load(store).map_err(unreadable)?;
        if !schema.known || schema.migrations != self.migrations {
            return Err(incomplete(format!(
                "the file has schema {} instead of {}",
                schema.migrations, self.migrations
            )));
        }
        let (found, _) = release_impact(store, schema.migrations, target).map_err(unreadable)?;
        if found.kept != self.applied.outlook.kept.readable {
            return Err(incomplete(format!(
                "{target} would find {} tokens instead of {}",
                found.kept, self.applied.outlook.kept
            )));
        }
        Ok(())
    }
}
