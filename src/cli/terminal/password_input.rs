//! Reads a new password, and warns of a file that others can read. `secret_input` asks for it, twice
//! at a terminal.

use std::path::Path;

use crate::cli::session::Session;
use crate::cli::terminal::secret_input::{Secret, is_exposed, read_new_secret};
use crate::error::Result;
use crate::secret::Token;

/// Reads a new password. Warns if other users can read its file.
///
/// # Errors
/// The errors of [`read_new_secret`].
pub(crate) fn read_password(file: Option<&Path>, session: &Session) -> Result<Token> {
    if let Some(path) = file.filter(|path| is_exposed(path)) {
        session.ui().warning(&format!(
            "{} contains a password and is readable by other users; run chmod 600",
            path.display()
        ));
    }
    read_new_secret(&Secret::PASSWORD, file)
}
