//! The line `Login:` of every report about a token: whose login has its permissions.
//!
//! In InfluxDB a signed-in user has the permissions of all tokens that belong to the user.

use std::io::{self, Write};

use serde::Serialize;

use crate::cli::terminal::report::{printable, told};
use crate::metadata::Kind;
use crate::ops::token_plan::PlannedToken;

/// The user whose login has the permissions of a new token while the token exists.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct LoginGains<'a> {
    /// The user whose login has the permissions of the token; null if there is none.
    #[cfg_attr(test, schemars(extend("x-null" = true)))]
    login: Option<&'a str>,
    /// Whether that login had them before.
    login_had_power: bool,
}

impl<'a> LoginGains<'a> {
    /// `None` if the token is not a new one, so that no login can gain anything.
    #[must_use]
    pub fn of(token: &PlannedToken<'a>) -> Option<Self> {
        token.login_had_power.map(|login_had_power| Self {
            login: token.entry.user,
            login_had_power,
        })
    }

    /// Writes the line of the report, if the user exists. `kind` is that of the token.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, kind: Kind, dry_run: bool, out: &mut dyn Write) -> io::Result<()> {
        let Some(user) = self.login.map(printable) else {
            return Ok(());
        };
        let power = match kind {
            Kind::Operator => "operator power",
            _ => "these permissions",
        };
        match self.login_had_power {
            true => writeln!(
                out,
                "Login:        {user} {} {power} when signed in, as before",
                told(dry_run, "would have", "has")
            ),
            false => writeln!(
                out,
                "Login:        {user} {} {power} when signed in, while the token exists",
                told(dry_run, "would gain", "gains")
            ),
        }
    }
}

/// Writes the line about a token that stays as it is. `user` is its owner, if the user exists.
///
/// # Errors
/// Those of `out`.
pub fn write_has(user: Option<&str>, out: &mut dyn Write) -> io::Result<()> {
    match user.map(printable) {
        Some(user) => writeln!(
            out,
            "Login:        {user} has these permissions when signed in, even if the token is \
             inactive"
        ),
        None => writeln!(
            out,
            "Login:        no user has these permissions through this token"
        ),
    }
}

/// Writes the line about a 1.x-compatible authorization, which gives its owner's login nothing.
///
/// # Errors
/// Those of `out`.
pub fn write_none_of_legacy(out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "Login:        no user has these permissions through a 1.x-compatible authorization"
    )
}

/// Writes the line about a token that was switched off. `user` is its owner.
///
/// # Errors
/// Those of `out`.
pub fn write_keeps(user: &str, dry_run: bool, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "Login:        {} {} these permissions when signed in;\n              \
         to remove them, delete the token: boltkey auth delete",
        printable(user),
        told(dry_run, "would keep", "keeps")
    )
}
