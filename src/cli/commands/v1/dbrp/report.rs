//! The report of the commands that change a mapping.

use std::io::{self, Write};

use serde::Serialize;

use crate::cli::terminal::report::{Human, NOTHING_CHANGED, printable, unchanged};
use crate::cli::terminal::wrap::write_wrapped;
use crate::ops::v1::dbrp::mapping::Mapping;

/// The kind of change.
#[derive(Clone, Copy)]
pub(super) enum Action {
    Create,
    Update,
    Delete,
}

/// The report of a change to a mapping.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Report<'a> {
    /// Whether the database was changed; null if unknown.
    pub(super) changed: Option<bool>,
    /// Only in a dry run, and true there: nothing was changed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) dry_run: bool,
    /// After the change; before it, if it is deleted.
    pub(super) dbrp: &'a Mapping,
    /// What else changes for clients.
    pub(super) effects: &'a [String],
    #[serde(skip)]
    pub(super) action: Action,
}

/// A mapping in a question or report, escaped.
pub(super) fn named(mapping: &Mapping) -> String {
    let bucket = match (&mapping.bucket, mapping.bucket_id) {
        (Some(name), _) => format!("bucket {name:?}"),
        (None, Some(id)) => format!("deleted bucket {id}"),
        (None, None) => "no bucket".into(),
    };
    printable(&format!(
        "database {:?} with retention policy {:?} to {bucket}",
        mapping.database, mapping.retention_policy
    ))
}

impl Human for Report<'_> {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let id = self.dbrp.id;
        let what = named(self.dbrp);
        let action = match (self.action, self.dry_run) {
            (Action::Update, _) if self.changed == Some(false) => {
                let text =
                    format!("mapping {id} of {what} already has these values; {NOTHING_CHANGED}");
                return write_wrapped(out, "", 2, &text);
            }
            (Action::Create, false) => "created",
            (Action::Create, true) => "would create",
            (Action::Update, false) => "updated",
            (Action::Update, true) => "would update",
            (Action::Delete, false) => "deleted",
            (Action::Delete, true) => "would delete",
        };
        let end = unchanged(self.dry_run);
        write_wrapped(out, "", 2, &format!("{action} mapping {id} of {what}{end}"))?;
        if !matches!(self.action, Action::Delete) {
            let default = match self.dbrp.default {
                true => "it is the default mapping of its database",
                false => "it is not the default mapping of its database",
            };
            writeln!(out, "{default}")?;
        }
        for effect in self.effects {
            write_wrapped(out, "", 2, &printable(effect))?;
        }
        for problem in &self.dbrp.problems {
            write_wrapped(out, "  - ", 4, &printable(problem))?;
        }
        Ok(())
    }
}
