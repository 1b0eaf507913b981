//! Whose login gains the permissions of a new token, and whether it had them before: `auth create`,
//! `auth clone` and `recover operator` say it.
//!
//! In InfluxDB a signed-in user has the permissions of all tokens that belong to the user.

use std::io::{self, Write};

use serde::Serialize;

use crate::cli::terminal::report::printable;
use crate::metadata::Kind;
use crate::ops::token_plan::PlannedToken;

/// The user whose login has the permissions of a new token while the token exists.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoginGains<'a> {
    login: Option<&'a str>,
    /// Whether it had them before.
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
    pub fn write(&self, kind: Kind, out: &mut dyn Write) -> io::Result<()> {
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
                "Login:        {user} has {power} when signed in, as before"
            ),
            false => writeln!(
                out,
                "Login:        {user} gains {power} when signed in, while the token exists"
            ),
        }
    }
}
