//! Which command cures a finding of this store. `repair` is named where its plan for this very store
//! cures the finding, `compact` and `salvage` after they were tried without writing.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::finding::{Code, Finding, Severity};
use crate::metadata::Id;
use crate::ops::commit::can_be_copied;
use crate::ops::doctor::command_line::{boltkey, text};
use crate::ops::repair::{self, EngineShards, plan};
use crate::ops::salvage::records;
use crate::ops::timestamp::Timestamp;
use crate::store::{DamagedFile, Engine, LockOptions, OpenOptions, Store};

/// The commands that were found to help.
pub(super) struct Cures {
    database: PathBuf,
    /// Findings that `repair` cures.
    repaired: HashSet<(Code, String)>,
    /// What helps if pages are damaged and `repair` refuses.
    structural: Option<(String, String)>,
}

impl Cures {
    /// Tries the cures. Nothing is written.
    pub(super) fn of(
        store: &Store,
        findings: &[Finding],
        shards: &EngineShards,
        now: &Timestamp,
    ) -> Self {
        let description = store.description();
        let needs_cure = |finding: &Finding| finding.severity > Severity::Info;
        let planned = findings.iter().any(needs_cure).then(|| {
            plan(
                store.snapshot(),
                store.inspect(),
                description,
                shards,
                &repair::Options::default(),
                now,
            )
        });
        let is_damaged = findings.iter().any(|finding| {
            let is_structural = finding.code.is_structure() || finding.code == Code::LostRecords;
            finding.severity == Severity::Error && is_structural
        });
        // A store that `repair` refuses has nothing that it cures.
        let repaired = planned
            .and_then(Result::ok)
            .map_or_else(Vec::new, |plan| plan.repaired);
        let repaired = repaired.into_iter().map(|cure| (cure.code, cure.place));
        let repaired: HashSet<_> = repaired.collect();
        Self {
            structural: (is_damaged && repaired.is_empty()).then(|| structural(store)),
            database: description.path.clone(),
            repaired,
        }
    }

    /// Whether `repair` cures this finding.
    fn is_repaired(&self, finding: &Finding) -> bool {
        self.repaired
            .contains(&(finding.code, finding.place.clone()))
    }

    /// Whether pages of the trees are damaged or lost, so that only a new store helps.
    pub(super) fn is_damaged(&self) -> bool {
        self.structural.is_some()
    }

    /// What to do about this finding, in one sentence, and the command for it.
    pub(super) fn of_finding(&self, finding: &Finding) -> (String, String) {
        let database = text(&self.database);
        let first = first_sentence(finding.code.cure());
        if self.is_repaired(finding) {
            let hint = match first.starts_with("boltkey repair") {
                true => format!("{first}."),
                false => String::from("boltkey repair cures it."),
            };
            return (hint, boltkey(&["repair", "--db", &database]));
        }
        let of_record = |command: &str, hint: &str| {
            let id = record_id(finding)?.to_string();
            let command = boltkey(&["auth", command, &id, "--db", &database]);
            Some((hint.to_owned(), command))
        };
        let delete = || of_record("delete", "Delete it, unless it still has a use.");
        let own = match finding.code {
            Code::TokenUserGone | Code::TokenOrgGone | Code::TokenTemporary | Code::HashAsToken => {
                delete()
            }
            Code::TokenDisagrees | Code::HashUndecodable | Code::TokenAbsent => {
                of_record("rotate", "Give it a new token.")
            }
            Code::Undecodable if finding.place.starts_with("authorizationsv1/") => delete(),
            _ => None,
        };
        if let Some(own) = own.filter(|_| !self.is_damaged()) {
            return own;
        }
        if let Some(new) = &self.structural {
            return new.clone();
        }
        match finding.code {
            // `repair` leaves them if it does not know which shards there are.
            Code::TsmAbsent | Code::TsmUndecodable => (
                String::from("boltkey repair cures it if you name the engine folder of influxd."),
                boltkey(&[
                    "repair",
                    "--engine-path",
                    "<engine folder>",
                    "--db",
                    &database,
                ]),
            ),
            Code::Undecodable | Code::KeyMismatch | Code::TaskUnreadable | Code::RunUnreadable => {
                restoring(&database)
            }
            code => (format!("{first}."), boltkey(&["explain", code.name()])),
        }
    }
}

/// The first sentence of a text, without its full stop.
fn first_sentence(text: &str) -> &str {
    match text.split_once(". ") {
        Some((first, _)) => first,
        None => text.trim_end_matches('.'),
    }
}

/// A backup in the place of the store.
pub(super) fn restoring(database: &str) -> (String, String) {
    let command = boltkey(&[
        "backup",
        "restore",
        "<backup>",
        "--to",
        database,
        "--force",
        "--new-operator",
    ]);
    (String::from("Restore a backup."), command)
}

/// A new store out of what is left of this one.
pub(super) fn salvaging(database: &str) -> (String, String) {
    let command = boltkey(&["salvage", database, "--out", "<new file>"]);
    let hint = "Leave the file as it is, and make a new store of every record that is left in it.";
    (hint.to_owned(), command)
}

/// The ID in the place of a finding: `authorizationsv1/0123456789abcdef`.
fn record_id(finding: &Finding) -> Option<Id> {
    let (_, key) = finding.place.split_once('/')?;
    key.parse().ok()
}

/// What makes a sound store of one whose pages are damaged.
fn structural(store: &Store) -> (String, String) {
    let description = store.description();
    let database = text(&description.path);
    let could_copy = || store.could_copy_to(description.engine);
    if can_be_copied(store.snapshot(), store.inspect(), could_copy).is_ok() {
        let command = boltkey(&["compact", &database, "--out", "<new file>"]);
        return (
            String::from("Every record can be read: write them to a new file."),
            command,
        );
    }
    if description.engine == Engine::Bolt && has_records(&description.path) {
        return salvaging(&database);
    }
    restoring(&database)
}

/// Whether `salvage` finds records in the file. The caller has the lock, or there is none.
pub(super) fn has_records(path: &Path) -> bool {
    let options = OpenOptions {
        lock: LockOptions {
            no_lock: true,
            ..LockOptions::default()
        },
    };
    let Ok(damaged) = DamagedFile::open(path, &options, &|_| {}) else {
        return false;
    };
    records(damaged.pages(), false).is_ok_and(|(found, _)| found.has_any())
}
