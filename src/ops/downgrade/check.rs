//! `downgrade check`: what an older release would see of a store, and the steps to get there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::Result;
use crate::finding::{Finding, counted};
use crate::metadata::migration::{HASHING, MIGRATIONS};
use crate::metadata::release::SQL_MIGRATIONS;
use crate::metadata::release_impact::{Loss, ReleaseImpact, release_impact};
use crate::metadata::residue::{Known, Scan};
use crate::metadata::{Hidden, Id, Release, Schema, lost_records, names};
use crate::ops::downgrade::sql_side::{SqlBeside, SqlSide};
use crate::ops::files::new_file::folder_of;
use crate::ops::known::{List, Number};
use crate::store::{Description, Engine, Inspect, Snapshot, Store};

/// What a release would see of a store, and the steps to get there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Outlook {
    /// The release.
    pub target: Release,
    /// Whether the downgrade is possible.
    pub supported: bool,
    /// The migrations to undo.
    pub undo: Undo,
    /// Tokens that work now and would not be accepted, ascending by ID.
    pub lost: List<Loss>,
    /// Tokens that would be accepted with fewer permissions, ascending by ID.
    pub reduced: List<Loss>,
    /// Number of tokens that would be accepted.
    pub kept: Number,
    /// The commands to run, in order.
    pub steps: Vec<String>,
    /// Warnings.
    pub warnings: Vec<String>,
    /// The fields that lack what damage hides.
    pub incomplete: Vec<&'static str>,
}

/// Migrations by name, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Undo {
    /// In the database.
    pub database: Vec<String>,
    /// In the SQLite file.
    pub sqlite: Vec<String>,
}

/// The facts about a store that a downgrade needs.
pub(crate) struct Situation<'s> {
    pub(crate) database: &'s Description,
    pub(crate) schema: Schema,
    pub(crate) sqlite_path: &'s Path,
    pub(crate) sql: &'s SqlSide,
    pub(crate) impact: ReleaseImpact,
    pub(crate) target: Release,
}

/// Checks what the release would see. Records that can't be decoded are skipped and reported in the
/// findings.
///
/// # Errors
/// When the database or the SQLite file can't be read.
pub fn check(store: &Store, target: Release, sql: &SqlBeside) -> Result<(Outlook, Vec<Finding>)> {
    sql.is_unchanged()?;
    let (snapshot, database) = (store.snapshot(), store.description());
    let (situation, findings) = Situation::of(snapshot, database, target, sql)?;
    let mut outlook = situation.outlook()?;
    situation.add_prepare(&mut outlook, snapshot, store.inspect())?;
    let mut hidden = Hidden::default();
    let lost = lost_records::find_hidden(snapshot, store.inspect(), &mut hidden)?;
    if !findings.is_empty() || hidden.hides(names::AUTHORIZATIONS) {
        outlook.lack();
    }
    Ok((outlook, findings.into_iter().chain(lost).collect()))
}

impl Outlook {
    /// Damage hides tokens, so what becomes of them is unknown.
    fn lack(&mut self) {
        self.lost.hidden = true;
        self.reduced.hidden = true;
        self.kept.hidden = true;
        self.incomplete = vec!["lost", "reduced", "kept"];
        self.supported = false;
        self.steps.clear();
        self.warnings.push(String::from(
            "damage hides tokens, so no step is possible on this file; boltkey check lists the \
             damage, boltkey capture --out FILE saves the tokens that can be read",
        ));
    }
}

impl<'s> Situation<'s> {
    pub(crate) fn of(
        snapshot: &dyn Snapshot,
        database: &'s Description,
        target: Release,
        sql: &'s SqlBeside,
    ) -> Result<(Self, Vec<Finding>)> {
        let schema = Schema::load(snapshot)?;
        let (impact, findings) = release_impact(snapshot, schema.migrations, target)?;
        let situation = Self {
            database,
            schema,
            sqlite_path: &sql.path,
            sql: &sql.side,
            impact,
            target,
        };
        Ok((situation, findings))
    }

    /// Whether the database has migrations that the release does not know.
    pub(crate) fn database_is_newer(&self) -> bool {
        self.schema.migrations > self.target.migrations()
    }

    /// Whether the SQLite file has migrations that the release does not know.
    pub(crate) fn sqlite_is_newer(&self) -> bool {
        match self.sql {
            SqlSide::Known(_, number) => *number > self.target.sql_migrations(),
            SqlSide::Absent | SqlSide::Unknown(_) => false,
        }
    }

    /// Whether migrations must be undone that only `influxd downgrade` can undo: all except the
    /// last one of the database.
    pub(crate) fn needs_influxd(&self) -> bool {
        self.sqlite_is_newer()
            || (self.database_is_newer() && self.target.migrations() < HASHING - 1)
    }

    /// Whether the downgrade is possible.
    fn is_supported(&self) -> bool {
        self.schema.known && !matches!(self.sql, SqlSide::Unknown(_))
    }

    /// What the release would see, and the steps, without those for tokens.
    pub(crate) fn outlook(&self) -> Result<Outlook> {
        Ok(Outlook {
            target: self.target,
            supported: self.is_supported(),
            undo: self.undo(),
            lost: List::new(self.impact.lost.clone(), false),
            reduced: List::new(self.impact.reduced.clone(), false),
            kept: Number::new(self.impact.kept, false),
            incomplete: Vec::new(),
            steps: self.steps(),
            warnings: self.warnings()?,
        })
    }

    fn undo(&self) -> Undo {
        let names = |all: &[&str], applied: u64, known: u64| -> Vec<String> {
            let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).min(all.len());
            let names = all.get(number(known)..number(applied)).unwrap_or_default();
            names.iter().map(ToString::to_string).collect()
        };
        // influxd goes further back than needed if it has no target for the release.
        let by = if self.needs_influxd() {
            self.target.downgrade_target()
        } else {
            self.target
        };
        let sql = match self.sql {
            SqlSide::Known(_, number) if self.needs_influxd() => *number,
            _ => 0,
        };
        Undo {
            database: if self.schema.known {
                names(&MIGRATIONS, self.schema.migrations, by.migrations())
            } else {
                Vec::new()
            },
            sqlite: names(&SQL_MIGRATIONS, sql, by.sql_migrations()),
        }
    }

    fn steps(&self) -> Vec<String> {
        if !self.is_supported() {
            return Vec::new();
        }
        let database = shell_word(&self.database.path);
        if self.needs_influxd() {
            let mut steps = Vec::new();
            let mut bolt = database.clone();
            if self.database.engine == Engine::Redb {
                bolt = shell_word(&self.database.path.with_extension("bolt"));
                steps.push(format!(
                    "boltkey convert --engine bolt --out {bolt} --db {database}"
                ));
            }
            let sqlite = shell_word(self.sqlite_path);
            let target = self.target.downgrade_target();
            steps.push(format!(
                "influxd downgrade --bolt-path {bolt} --sqlite-path {sqlite} {target}"
            ));
            steps
        } else if self.database_is_newer() {
            vec![format!(
                "boltkey downgrade apply --to {} --db {database}",
                self.target
            )]
        } else {
            Vec::new()
        }
    }

    /// Adds, as the first step, the command that saves tokens, if it is needed.
    ///
    /// # Errors
    /// When the file can't be read.
    pub(crate) fn add_prepare(
        &self,
        outlook: &mut Outlook,
        snapshot: &dyn Snapshot,
        inspect: &dyn Inspect,
    ) -> Result<()> {
        if outlook.lost.is_empty() || outlook.steps.is_empty() {
            return Ok(());
        }
        let mut step = String::from("boltkey downgrade prepare ");
        let sources = self.sources(snapshot, inspect)?;
        step.push_str(&if sources.is_empty() {
            String::from("--tokens FILE")
        } else {
            sources.join(" ")
        });
        step.push_str(&format!(" --db {}", shell_word(&self.database.path)));
        outlook.steps.insert(0, step);
        Ok(())
    }

    /// The options of `downgrade prepare` that can save some of the lost tokens.
    fn sources(&self, snapshot: &dyn Snapshot, inspect: &dyn Inspect) -> Result<Vec<String>> {
        let backups = upgrade_backups(&self.database.path);
        let from_db = |path: &PathBuf| format!("--from-db {}", shell_word(path));
        let mut sources: Vec<String> = backups.iter().map(from_db).collect();
        let (known, _) = Known::load_beside(snapshot, inspect)?;
        let mut scan = Scan::new(&known);
        scan.feed_unused(inspect, snapshot)?;
        let lost: BTreeSet<Id> = self.impact.lost.iter().map(|loss| loss.id).collect();
        if scan
            .finish()
            .matching
            .iter()
            .any(|(id, _)| lost.contains(id))
        {
            sources.push(String::from("--from-residue"));
        }
        Ok(sources)
    }

    fn warnings(&self) -> Result<Vec<String>> {
        let (target, mut warnings) = (self.target, Vec::new());
        if !self.schema.known {
            warnings.push(format!(
                "this version does not know the schema of {}, so it does not change the file; \
                 see boltkey check",
                self.database.path.display()
            ));
        }
        if target < Release::RECOMMENDED {
            warnings.push(format!(
                "InfluxData: \"Downgrading directly to a version earlier than {} is not \
                 recommended.\"",
                Release::RECOMMENDED
            ));
        }
        self.warn_of_tokens(&mut warnings);
        self.warn_of_sqlite(&mut warnings);
        if self.needs_influxd() {
            warnings.push(String::from(
                "run influxd downgrade with the newer release and with both paths: without \
                 --sqlite-path it uses the file in its default folder",
            ));
            if target.downgrade_target() != target {
                warnings.push(format!(
                    "influxd downgrade has no target {target}: it goes back to {}, and {target} \
                     migrates the store again when it starts",
                    target.downgrade_target()
                ));
            }
        }
        if self.schema.known && self.schema.migrations < target.migrations() {
            warnings.push(format!(
                "the store is older than {target}: {target} migrates it when it starts"
            ));
        }
        if target >= Release::HASHING_BY_DEFAULT && self.impact.plaintext > 0 {
            warnings.push(format!(
                "{target} hashes {} when it starts, unless use-hashed-tokens is set to false",
                counted(self.impact.plaintext, "plaintext token")
            ));
        }
        Ok(warnings)
    }

    fn warn_of_tokens(&self, warnings: &mut Vec<String>) {
        let (target, impact) = (self.target, &self.impact);
        if !impact.dead.is_empty() {
            warnings.push(format!(
                "{} not accepted by a server now, and would not be accepted by {target} either, \
                 so this is no loss: {}; boltkey check shows why",
                are(impact.dead.len(), "token is", "tokens are"),
                listed(&impact.dead)
            ));
        }
        let hashed = |id: &Id| impact.hashed.binary_search(id).is_ok();
        if impact.dead.iter().any(hashed) {
            warnings.push(String::from(
                "boltkey downgrade prepare restores those whose plaintext it finds",
            ));
        }
        if impact.operator_now && !impact.operator_then {
            warnings.push(format!(
                "no operator token would work on {target}; create a new one afterwards with \
                 boltkey recover operator"
            ));
        }
    }

    fn warn_of_sqlite(&self, warnings: &mut Vec<String>) {
        let (target, path) = (self.target, self.sqlite_path.display());
        let rows = match self.sql {
            SqlSide::Known(rows, _) if self.needs_influxd() => rows,
            SqlSide::Known(..) => return,
            SqlSide::Absent => {
                if self.needs_influxd() {
                    warnings.push(format!(
                        "there is no {path}, and influxd downgrade needs it; name the file with \
                         --sqlite-path"
                    ));
                } else if target.has_older_sql() {
                    let text = format!("there is no {path}, so only the database was checked");
                    warnings.push(text);
                }
                return;
            }
            SqlSide::Unknown(name) => {
                warnings.push(format!(
                    "{path} has the unknown migration {name:?}: {target} does not start on it"
                ));
                return;
            }
        };
        let left = target.downgrade_target().sql_migrations();
        let undone = |migration: u64| left < migration;
        let mut lose = |number: u64, one: &str, many: &str| {
            if number > 0 {
                let what = if number == 1 { one } else { many };
                warnings.push(format!("{number} {what} in {path} would be deleted"));
            }
        };
        if undone(5) {
            lose(rows.remotes, "remote", "remotes");
            let number = rows.replications;
            lose(number, "replication", "replications");
        } else {
            if undone(8) {
                let (one, many) = (
                    "remote without an organization",
                    "remotes without an organization",
                );
                lose(rows.remotes_without_org, one, many);
            }
            if undone(7) {
                let number = rows.replications_by_name;
                let (one, many) = (
                    "replication that names its bucket",
                    "replications that name their bucket",
                );
                lose(number, one, many);
            }
        }
        if undone(2) {
            lose(rows.notebooks, "notebook", "notebooks");
            let (one, many) = ("annotation stream", "annotation streams");
            lose(rows.streams, one, many);
            lose(rows.annotations, "annotation", "annotations");
        }
    }
}

/// `1 token is`, `2 tokens are`.
fn are(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// A list of the first IDs and the number of the others.
fn listed(ids: &[Id]) -> String {
    const MOST: usize = 10;
    let mut text: Vec<String> = ids.iter().take(MOST).map(ToString::to_string).collect();
    if ids.len() > MOST {
        text.push(format!("and {} more", ids.len() - MOST));
    }
    text.join(", ")
}

/// Copies of the database that influxd made before upgrades, ascending by name.
fn upgrade_backups(database: &Path) -> Vec<PathBuf> {
    let Some(own) = database.file_name().map(|name| name.to_string_lossy()) else {
        return Vec::new();
    };
    let start = format!("{own}.pre-");
    let Ok(entries) = fs::read_dir(folder_of(database)) else {
        return Vec::new();
    };
    let is_backup = |path: &PathBuf| {
        path.file_name().is_some_and(|name| {
            let name = name.to_string_lossy();
            name.starts_with(&start) && name.ends_with("-upgrade.backup")
        }) && path.is_file()
    };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut paths: Vec<PathBuf> = paths.filter(is_backup).collect();
    paths.sort();
    paths
}

/// A path quoted for a shell.
fn shell_word(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@%:,".contains(c);
    if !text.is_empty() && !text.starts_with('-') && text.chars().all(plain) {
        return text.into_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_shell() {
        for (path, word) in [
            (
                "/var/lib/influxdb/influxd.bolt",
                "/var/lib/influxdb/influxd.bolt",
            ),
            ("my files/it's.bolt", "'my files/it'\\''s.bolt'"),
            ("$(id)", "'$(id)'"),
        ] {
            assert_eq!(shell_word(Path::new(path)), word);
        }
    }

    #[test]
    fn backups_are_known_by_their_names() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "influxd.bolt",
            "influxd.bolt.pre-v2.9.1-upgrade.backup",
            "influxd.bolt.pre-2.8.0-upgrade.backup",
            "influxd.bolt.2.9.1-pre-2.4-downgrade.backup",
            "other.bolt.pre-2.9.1-upgrade.backup",
        ] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let found = upgrade_backups(&folder.path().join("influxd.bolt"));
        let names: Vec<_> = found.iter().filter_map(|path| path.file_name()).collect();
        assert_eq!(
            names,
            [
                "influxd.bolt.pre-2.8.0-upgrade.backup",
                "influxd.bolt.pre-v2.9.1-upgrade.backup"
            ]
        );
    }
}
