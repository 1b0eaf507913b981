//! The report of the commands that change a user.

use std::io::{self, Write};

use serde::Serialize;

use crate::cli::terminal::report::{Human, NOTHING_CHANGED, printable, told, unchanged};
use crate::metadata::Id;
use crate::ops::user::list::User;

/// The kind of change.
#[derive(Clone, Copy)]
pub(super) enum Action {
    Create,
    Password,
    Status,
    Rename,
    Delete,
}

/// The report of a change to a user.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Report<'a> {
    /// Whether the database was changed; null if unknown.
    pub(super) changed: Option<bool>,
    /// Only in a dry run, and true there: nothing was changed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) dry_run: bool,
    /// The user after the change; before it, if it is deleted.
    pub(super) user: &'a User,
    /// The authorizations of a deleted user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tokens: Option<&'a [Id]>,
    /// Whether the missing index entry of the name is created with the password.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) index_entry_created: bool,
    /// The name before the change, if it is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) renamed_from: Option<&'a str>,
    #[serde(skip)]
    pub(super) action: Action,
}

impl Human for Report<'_> {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let name = printable(&self.user.name);
        let id = self.user.id;
        let is_active = self.user.status == "active";
        if let Some(old) = self.renamed_from {
            let is = if self.dry_run {
                "would be called"
            } else {
                "is called"
            };
            let end = match (self.action, self.dry_run) {
                (_, false) => " now",
                (Action::Rename, true) => unchanged(true),
                (_, true) => "",
            };
            writeln!(out, "user {} ({id}) {is} {name}{end}", printable(old))?;
        }
        let action = match (self.action, self.dry_run) {
            (Action::Status, _) if self.renamed_from.is_none() && self.changed == Some(false) => {
                let status = printable(&self.user.status);
                return writeln!(
                    out,
                    "user {name} ({id}) is already {status}; {NOTHING_CHANGED}"
                );
            }
            (Action::Rename, _) => {
                if self.renamed_from.is_none() {
                    return writeln!(
                        out,
                        "user {name} ({id}) already has this name; {NOTHING_CHANGED}"
                    );
                }
                return Ok(());
            }
            (Action::Status, false) if is_active => "is active now",
            (Action::Status, true) if is_active => "would become active",
            (Action::Status, false) => "is inactive now: servers refuse the login and all tokens",
            (Action::Status, true) => {
                "would become inactive: servers would refuse the login and all tokens"
            }
            (Action::Create, false) => "was created",
            (Action::Create, true) => "would be created",
            (Action::Password, false) => "has a new password",
            (Action::Password, true) => "would get a new password",
            (Action::Delete, false) => "was deleted",
            (Action::Delete, true) => "would be deleted",
        };
        let end = unchanged(self.dry_run);
        writeln!(out, "user {name} ({id}) {action}{end}")?;
        if let Action::Delete = self.action {
            let tokens = self.tokens.unwrap_or_default();
            if !tokens.is_empty() {
                let kept = told(
                    self.dry_run,
                    "would be kept, but no server would accept them",
                    "are kept, but no server accepts them",
                );
                writeln!(
                    out,
                    "these tokens of the user {kept};\nboltkey auth delete removes them:"
                )?;
                for id in tokens {
                    writeln!(out, "  {id}")?;
                }
            }
            return Ok(());
        }
        if self.index_entry_created {
            let (created, finds) = match self.dry_run {
                true => ("would be", "could find"),
                false => ("was", "finds"),
            };
            writeln!(
                out,
                "the missing index entry of the name {created} created, so that influxd {finds} \
                 the user"
            )?;
        }
        if self.user.has_password == Some(false) {
            let has_none = told(
                self.dry_run,
                "would have no password and could not sign in",
                "has no password and can't sign in",
            );
            writeln!(out, "the user {has_none}; boltkey user password sets one")?;
        } else if let Some(because) = &self.user.because {
            let sign_in = match (self.user.signs_in, self.dry_run) {
                (Some(true), false) => "the user",
                (Some(true), true) => "afterwards the user could sign in:",
                (Some(false), false) => "the user can't sign in:",
                (Some(false), true) => "afterwards the user could not sign in:",
                (None, false) => "it is unknown whether the user can sign in:",
                (None, true) => "it is unknown whether the user could sign in afterwards:",
            };
            writeln!(out, "{sign_in} {}", printable(because))?;
        }
        let orgs: Vec<&str> = self
            .user
            .owns
            .iter()
            .filter_map(|org| org.name.as_deref())
            .collect();
        if self.user.owns_instance == Some(true) {
            writeln!(out, "owner of the instance")?;
        }
        match orgs.is_empty() {
            true => writeln!(out, "owner of no organization"),
            false => writeln!(out, "owner of {}", printable(&orgs.join(", "))),
        }
    }
}
