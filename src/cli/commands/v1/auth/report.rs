//! The report of the commands that create or change a 1.x user.

use std::io::{self, Write};

use serde::Serialize;

use crate::cli::terminal::auth_details::{write_auth_details, write_permissions};
use crate::cli::terminal::report::{Human, NOTHING_CHANGED, printable, unchanged};
use crate::ops::auth::list::AuthDetails;

/// The kind of change.
#[derive(Clone, Copy)]
pub(super) enum Action {
    Create,
    Update,
    Password,
}

/// The report of a change to a 1.x user.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Report<'a> {
    /// As `v1 auth list` shows it.
    pub(super) authorization: &'a AuthDetails<'a>,
    /// Whether the database was changed; null if unknown.
    pub(super) changed: Option<bool>,
    /// Only in a dry run, and true there: nothing was changed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) dry_run: bool,
    /// Whether the missing index entry of the name is created with the password.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) index_entry_created: bool,
    #[serde(skip)]
    pub(super) action: Action,
}

impl Human for Report<'_> {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let name = printable(self.authorization.token.unwrap_or_default());
        let id = self.authorization.id;
        let action = match (self.action, self.dry_run) {
            (Action::Update, _) if self.changed == Some(false) => {
                writeln!(
                    out,
                    "1.x user {name} ({id}) already has these values; {NOTHING_CHANGED}"
                )?;
                return self.write_details(out);
            }
            (Action::Create, false) => "was created",
            (Action::Create, true) => "would be created",
            (Action::Update, false) => "was updated",
            (Action::Update, true) => "would be updated",
            (Action::Password, false) => "has a new password",
            (Action::Password, true) => "would get a new password",
        };
        let end = unchanged(self.dry_run);
        writeln!(out, "1.x user {name} ({id}) {action}{end}")?;
        if self.index_entry_created {
            let action = if self.dry_run { "would be" } else { "was" };
            writeln!(
                out,
                "the missing index entry of the name {action} created, so that influxd finds it"
            )?;
        }
        if self.authorization.has_password == Some(false) {
            writeln!(
                out,
                "it has no password and can't be used; boltkey v1 auth password sets one"
            )?;
        }
        self.write_details(out)
    }
}

impl Report<'_> {
    fn write_details(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out)?;
        write_auth_details(self.authorization, false, out)?;
        write_permissions(&self.authorization.permissions, out)
    }
}
