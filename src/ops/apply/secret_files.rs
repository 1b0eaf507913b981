//! The files of passwords and tokens that a list refers to.

use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::secret::Token;

/// Reads the files that a list refers to; their paths are relative to the list.
pub trait Secrets {
    /// A password.
    ///
    /// # Errors
    /// When the file can't be read or its content is invalid.
    fn password(&mut self, path: &Path) -> Result<Token>;

    /// A token.
    ///
    /// # Errors
    /// When the file can't be read or its content is invalid.
    fn token(&mut self, path: &Path) -> Result<Token>;

    /// A token; `None` if there is no such file.
    ///
    /// # Errors
    /// When the file exists but can't be read or contains no token.
    fn token_if_there(&mut self, path: &Path) -> Result<Option<Token>>;

    /// Whether the list itself may contain tokens, because only its owner can read it.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Refused`] if others can read it.
    fn may_have_values(&self) -> Result<()>;

    /// This path, no longer relative to the list.
    fn full_path(&self, path: &Path) -> PathBuf;
}
