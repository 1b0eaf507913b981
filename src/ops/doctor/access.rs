//! Who can still get in.

use std::path::Path;

use crate::ops::doctor::command_line::{boltkey, text};
use crate::ops::doctor::{Check, Verdict};
use crate::ops::known::Number;
use crate::ops::status::Status;

/// The check.
pub(super) fn check(database: &Path, status: &Status) -> Check {
    let database = text(database);
    let tokens = status.operator_tokens.iter();
    let usable = tokens.filter(|token| token.usable != Some(false)).count() as u64;
    let logins = status.logins.iter();
    let powerful = logins
        .filter(|login| {
            login.active && login.operator != Some(false) && login.signs_in != Some(false)
        })
        .count() as u64;
    let hidden = status.operator_tokens.hidden || status.logins.hidden;
    let message = format!(
        "{}, {} with operator power",
        Number::new(usable, status.operator_tokens.hidden).of("usable operator token"),
        Number::new(powerful, status.logins.hidden).of("login")
    );
    if usable > 0 {
        return Check::ok("access", message);
    }
    if hidden {
        return Check::found(
            "access",
            Verdict::Warn,
            format!("{message}; damage hides records"),
            "Cure the damage first, then look again.",
            None,
        );
    }
    let (users, orgs) = (status.has_users, status.has_orgs);
    let (hint, command) = match (users, orgs) {
        (false, false) => (
            "The store has no users and no organizations: it was probably created by a wrong path.",
            boltkey(&["locate"]),
        ),
        (false, true) => (
            "Create a user who can own the token, then run boltkey recover operator.",
            boltkey(&["user", "create", "--name", "<name>", "--db", &database]),
        ),
        (true, false) => (
            "Create an organization that the token can belong to, then run boltkey recover operator.",
            boltkey(&["org", "create", "--name", "<name>", "--db", &database]),
        ),
        (true, true) if !status.has_active_users => (
            "Make a user active who can own the token, then run boltkey recover operator.",
            boltkey(&[
                "user", "update", "--name", "<name>", "--status", "active", "--db", &database,
            ]),
        ),
        (true, true) => (
            "Make a new operator token.",
            boltkey(&["recover", "operator", "--db", &database]),
        ),
    };
    let result = match powerful {
        0 => Verdict::Fail,
        _ => Verdict::Warn,
    };
    Check::found("access", result, message, hint, Some(command))
}
