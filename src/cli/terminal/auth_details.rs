//! The details of one authorization, shared by all commands that print them.

use std::io::{self, Write};

use crate::cli::terminal::report::printable;
use crate::metadata::Id;
use crate::ops::auth::list::{AuthDetails, NamedPermission};

/// Writes the details. `hidden` omits the token.
pub(crate) fn write_auth_details(
    entry: &AuthDetails<'_>,
    hidden: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    let named = |id: Option<Id>, name: Option<&str>| match (id, name) {
        (None, _) => String::from("none"),
        (Some(id), Some(name)) => format!("{}  ({id})", printable(name)),
        (Some(id), None) => format!("deleted  ({id})"),
    };
    writeln!(out, "ID:           {}", entry.id)?;
    writeln!(out, "Description:  {}", printable(entry.description))?;
    match entry.token.filter(|_| !hidden) {
        Some(user) if entry.has_password.is_some() => {
            writeln!(out, "1.x user:     {}", printable(user))?;
        }
        Some(token) => {
            let storage = entry.storage.name();
            writeln!(out, "Token:        {}  ({storage})", printable(token))?;
        }
        None => writeln!(out, "Token:        (not shown)")?,
    }
    if let Some(has_password) = entry.has_password {
        let password = if has_password { "set" } else { "not set" };
        writeln!(out, "Password:     {password}")?;
    }
    writeln!(out, "Kind:         {}", entry.kind.name())?;
    writeln!(out, "Status:       {}", printable(entry.status))?;
    writeln!(
        out,
        "Usable:       {}",
        match entry.usable {
            Some(true) => "yes",
            Some(false) => "no",
            None => "unknown",
        }
    )?;
    for problem in &entry.problems {
        writeln!(out, "  - {}", printable(problem))?;
    }
    writeln!(
        out,
        "Organization: {}",
        named(Some(entry.org_id), entry.org)
    )?;
    writeln!(out, "User:         {}", named(entry.user_id, entry.user))?;
    writeln!(out, "Created:      {}", printable(entry.created_at))?;
    writeln!(out, "Updated:      {}", printable(entry.updated_at))
}

/// What stands above the details of a token that a dry run would make or change.
pub(crate) const IT_WOULD_BE: &str = "The token would then be:";

/// Writes a list of permissions with names.
pub(crate) fn write_permissions(
    permissions: &[NamedPermission<'_>],
    out: &mut dyn Write,
) -> io::Result<()> {
    writeln!(
        out,
        "Permissions:{}",
        if permissions.is_empty() { "  none" } else { "" }
    )?;
    for permission in permissions {
        writeln!(out, "  {}", printable(&permission_text(permission, true)))?;
    }
    Ok(())
}

/// One permission as text: `read:orgs/ID/buckets/ID`. `names` appends the names of the bucket and
/// organization. The text is not escaped; see [`printable`].
#[must_use]
pub fn permission_text(permission: &NamedPermission<'_>, names: bool) -> String {
    let resource = &permission.resource;
    let mut text = format!("{}:", permission.action);
    if let Some(org) = resource.org_id {
        text.push_str(&format!("orgs/{org}/"));
    }
    text.push_str(resource.kind);
    if let Some(id) = resource.id {
        text.push_str(&format!("/{id}"));
    }
    if names {
        match (resource.name, resource.org) {
            (Some(name), Some(org)) => text.push_str(&format!("  ({name} in {org})")),
            (Some(name), None) => text.push_str(&format!("  ({name})")),
            (None, Some(org)) => text.push_str(&format!("  (in {org})")),
            (None, None) => {}
        }
    }
    text
}
