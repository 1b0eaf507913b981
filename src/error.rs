//! The one error type of the library.
//!
//! House rules:
//!
//! * The message says what happened and names the file, record or page. It never holds a
//!   secret, nor a whole value read from a file. It has no trailing full stop.
//! * The hint says what to do next and names only commands this binary has.
//! * No I/O error without the path it is about: use [`IoContext::at`].
//! * The state of the database after the failure is a field, the [`Effect`]. No message describes
//!   it, and no code reads or edits the text of a message: the terminal adds the sentence.
//! * The kind, and nothing else, decides the exit code (`cli::exit`).

use std::path::{Path, PathBuf};
use std::{fmt, io};

/// Shorthand for results of this library.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The kind of a failure. `cli::exit` maps kinds to exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An operation of the system failed: disk full, read error, unsupported call.
    Io,
    /// No such file or folder, or no database found.
    NotFound,
    /// The system denied access.
    PermissionDenied,
    /// The file or record exists, but a rule of this tool forbids the action.
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
    /// This version does not know the schema.
    UnknownSchema,
    /// A question was necessary, but there was no terminal to ask it.
    Confirmation,
    /// The change is committed, or may be, but a later step failed.
    Incomplete,
}

/// The state of the database, or of the files to write, after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Everything is as before.
    Nothing,
    /// The change is committed; a later step failed.
    Changed,
    /// It is not known whether the change is committed, or only the message says it.
    Unknown,
}

/// The file a failure is about.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Subject {
    /// The message names it.
    Named(PathBuf),
    /// The message does not name it, so [`fmt::Display`] does.
    Prefix(PathBuf),
}

/// A failure: what happened, to which file, the state of the database, and what to do next.
pub struct Error {
    kind: ErrorKind,
    // Boxed, so that a result with an error stays small.
    subject: Option<Box<Subject>>,
    message: String,
    effect: Effect,
    notes: Vec<String>,
    hint: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// A failure of `kind`; `message` says what happened, without a trailing full stop. Its
    /// effect is [`Effect::Unknown`] for [`ErrorKind::Incomplete`], else [`Effect::Nothing`].
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let effect = match kind {
            ErrorKind::Incomplete => Effect::Unknown,
            _ => Effect::Nothing,
        };
        Self {
            kind,
            subject: None,
            message: message.into(),
            effect,
            notes: Vec::new(),
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

    /// Marks the change as committed.
    #[must_use]
    pub fn committed(mut self) -> Self {
        self.effect = Effect::Changed;
        self
    }

    /// Records the file that the message names, so that no other file is added in front.
    #[must_use]
    pub fn naming(mut self, path: &Path) -> Self {
        self.subject = Some(Box::new(Subject::Named(path.to_path_buf())));
        self
    }

    /// Adds the file, unless the failure already has one.
    #[must_use]
    pub fn about(mut self, path: &Path) -> Self {
        if self.subject.is_none() {
            self.subject = Some(Box::new(Subject::Prefix(path.to_path_buf())));
        }
        self
    }

    /// Adds a note, such as a file that was left behind.
    #[must_use]
    pub fn and_note(mut self, note: &str) -> Self {
        self.notes.push(note.to_owned());
        self
    }

    /// The state of the database after the failure.
    #[must_use]
    pub fn effect(&self) -> Effect {
        self.effect
    }

    /// The notes, in the order they were added.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// What happened, with the file; without effect and notes.
    #[must_use]
    pub fn what(&self) -> String {
        match self.subject.as_deref() {
            Some(Subject::Prefix(path)) => format!("{}: {}", path.display(), self.message),
            Some(Subject::Named(_)) | None => self.message.clone(),
        }
    }

    /// The kind, which decides the exit code.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What happened, without the file.
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
        f.write_str(&self.what())?;
        self.notes.iter().try_for_each(|note| write!(f, "; {note}"))
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.kind)
            .field("subject", &self.subject)
            .field("message", &self.message)
            .field("effect", &self.effect)
            .field("notes", &self.notes)
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

/// Adds the action and the path to an I/O error.
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
                .naming(path)
                .with_source(cause)
        })
    }
}
