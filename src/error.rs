//! The one error type of the library.
//!
//! House rules:
//!
//! * The message says what happened and names the file, record or page. It never holds a
//!   secret, nor a whole value read from a file.
//! * The hint says what to do next and names only commands this binary has.
//! * No I/O error without the path it is about: use [`IoContext::at`].
//! * Whoever knows what was or was not changed says it; reading commands change nothing.
//! * The kind, and nothing else, decides the exit code (`cli::exit`).

use std::path::Path;
use std::{fmt, io};

/// Shorthand for results of this library.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What sort of failure it was. `cli::exit` has the one table from kind to exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An operation of the system failed: disk full, read error, unsupported call.
    Io,
    /// No such file or folder, or no database found.
    NotFound,
    /// The system denied access.
    PermissionDenied,
    /// The file or record is there, but a rule of this tool forbids what was asked.
    Refused,
    /// No such user, organization, bucket or authorization.
    NoSuchRecord,
    /// The arguments contradict each other or can't be parsed.
    Usage,
    /// Another process holds the database.
    Locked,
    /// Not a metadata store at all, or no valid meta page, or a damaged backup.
    NotAStore,
    /// The structure of the file is damaged.
    Corrupt,
    /// The schema is not one this version knows.
    UnknownSchema,
    /// A question had to be asked and nobody was there to answer.
    Confirmation,
    /// The change holds, or may hold, but a later step failed.
    Incomplete,
}

/// A failure: what happened, what to do next, and why.
pub struct Error {
    kind: ErrorKind,
    message: String,
    hint: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// A failure of `kind`; `message` says what happened, without a trailing full stop.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hint: None,
            source: None,
        }
    }

    /// Adds what the user can do next.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the failure that caused this one.
    #[must_use]
    pub fn with_source(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Says that nothing was changed, unless the message tells that already.
    #[must_use]
    pub fn nothing_changed(mut self) -> Self {
        let told = ["nothing was changed", "nothing else was changed"];
        if !told.iter().any(|words| self.message.contains(words)) {
            self.message.push_str("; nothing was changed");
        }
        self
    }

    /// Names the file, unless the message does so already.
    #[must_use]
    pub fn about(mut self, path: &Path) -> Self {
        let path = path.display().to_string();
        if !self.message.contains(&path) {
            self.message = format!("{path}: {}", self.message);
        }
        self
    }

    /// Adds to the message what else has to be known.
    #[must_use]
    pub fn and_note(mut self, note: &str) -> Self {
        self.message.push_str("; ");
        self.message.push_str(note);
        self
    }

    /// The kind, which decides the exit code.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What happened.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do next, if there is something.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.kind)
            .field("message", &self.message)
            .field("hint", &self.hint)
            .finish_non_exhaustive()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.source {
            Some(source) => Some(&**source),
            None => None,
        }
    }
}

/// Gives an I/O result the path and the action it is about.
pub trait IoContext<T> {
    /// `action` is a verb phrase, as in "can't `read` /path: reason".
    ///
    /// # Errors
    /// The I/O error, as an [`Error`] whose kind follows the I/O error's kind.
    fn at(self, action: &str, path: &Path) -> Result<T>;
}

impl<T> IoContext<T> for io::Result<T> {
    fn at(self, action: &str, path: &Path) -> Result<T> {
        self.map_err(|cause| {
            let kind = match cause.kind() {
                io::ErrorKind::NotFound => ErrorKind::NotFound,
                io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
                _ => ErrorKind::Io,
            };
            Error::new(kind, format!("can't {action} {}: {cause}", path.display()))
                .with_source(cause)
        })
    }
}
