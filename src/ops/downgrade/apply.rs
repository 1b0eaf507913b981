//! `downgrade apply`: the database's last migration undone, so that releases which don't know it
//! start.

use std::path::Path;

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::metadata::release_impact::release_impact;
use crate::metadata::{Id, Schema, names};
use crate::ops::commit::{SideFiles, all_decoded, commit, known_schema};
use crate::ops::downgrade::check::{Outlook, Situation};
use crate::ops::downgrade::sql_side::{Options, SqlBeside, SqlSide};
use crate::store::{
    ChangeSet, CommitOutcome, Committed, Description, Inspect, Snapshot, WritableStore,
};

/// How it is done.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to go.
    pub to: Options,
    /// Whether records go of which only the hash is stored.
    pub drop_hashed: bool,
    /// Whether tokens may be lost.
    pub allow_loss: bool,
}

/// A downgrade, worked out.
pub struct Plan {
    /// What is to be written; nothing if there is nothing to undo.
    pub changes: ChangeSet,
    /// What it comes to.
    pub applied: Applied,
    /// Whether it loses tokens, and that was not allowed.
    pub refused: bool,
    /// The schema afterwards.
    migrations: u64,
}

/// What was undone, or would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Applied {
    /// What the release sees then.
    #[serde(flatten)]
    pub outlook: Outlook,
    /// How many records go of which only the hash is stored.
    pub dropped: u64,
}

/// Works out what is to be undone in the store, which is the file that `database` describes.
///
/// # Errors
/// * [`ErrorKind::UnknownSchema`], [`ErrorKind::Corrupt`] for stores that are not edited
/// * [`ErrorKind::Refused`] where only `influxd downgrade` knows how, with its command
/// * when the SQLite file matters and can't be read
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
    // Its newest schema would not be changed, whatever else is wrong with the file.
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
        // They are what this does.
        outlook.steps.clear();
    }
    Ok(Plan {
        changes,
        applied: Applied { outlook, dropped },
        refused,
        migrations,
    })
}

fn unknown_sql(path: &Path, migration: &str) -> Error {
    Error::new(
        ErrorKind::UnknownSchema,
        format!(
            "{} has a migration that is not known here, {migration:?}, so it can't be told whether \
             it has to be changed too",
            path.display()
        ),
    )
    .with_hint("the influxd that wrote it knows the way back: see influxd downgrade --help")
}

/// Says which command does what this one does not.
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
            "for {target}, migrations have to be undone on both sides ({}), which only influxd \
             downgrade does",
            what.join(", ")
        ),
    )
    .with_hint(format!(
        "with the influxd that last ran on it: {}; boltkey downgrade check --to {target} tells \
         what would be lost",
        outlook.steps.join("; ")
    ))
}

impl Plan {
    /// Makes it hold, and proves on what the file then shows that the schema is the release's and
    /// every token that was to be kept is found. A proof that fails is a failure of [`Committed`]:
    /// the change holds by then.
    ///
    /// # Errors
    /// When the change was certainly not made.
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
            .with_hint("boltkey check tells what is wrong with the store")
        };
        let unreadable = |error: Error| {
            let why = error.to_string();
            incomplete(format!("it can't be read back: {why}"))
        };
        let target = self.applied.outlook.target;
        let schema = Schema::load(store).map_err(unreadable)?;
        if !schema.known || schema.migrations != self.migrations {
            return Err(incomplete(format!(
                "the file shows schema {} instead of {}",
                schema.migrations, self.migrations
            )));
        }
        let (found, _) = release_impact(store, schema.migrations, target).map_err(unreadable)?;
        if found.kept != self.applied.outlook.kept {
            return Err(incomplete(format!(
                "{target} would find {} tokens instead of {}",
                found.kept, self.applied.outlook.kept
            )));
        }
        Ok(())
    }
}
