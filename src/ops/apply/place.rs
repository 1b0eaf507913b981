//! Line and field of a list, and the errors at that place.

use std::fmt;
use std::path::Path;
use std::rc::Rc;

use crate::error::{Error, ErrorKind};

/// A place in a list: its line, from 1, and its field.
#[derive(Clone)]
pub(super) struct Place {
    /// The name of the list in messages.
    pub(super) list: Rc<str>,
    pub(super) line: usize,
    /// Empty if the place is a whole entry.
    pub(super) field: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, line {}", self.list, self.line)?;
        if self.field.is_empty() {
            return Ok(());
        }
        write!(f, ", {}", self.field)
    }
}

impl Place {
    /// An error at this place.
    pub(super) fn error(&self, kind: ErrorKind, why: impl fmt::Display) -> Error {
        Error::new(kind, format!("{self}: {why}")).naming(Path::new(&*self.list))
    }

    /// A `Refused` error at this place.
    pub(super) fn refused(&self, why: impl fmt::Display) -> Error {
        self.error(ErrorKind::Refused, why)
    }

    /// Adds this place to an error and keeps its kind.
    pub(super) fn wrap(&self, error: &Error) -> Error {
        let wrapped = self.error(error.kind(), error);
        match error.hint() {
            Some(hint) => wrapped.with_hint(hint),
            None => wrapped,
        }
    }

    /// The line number.
    pub(super) fn line(&self) -> usize {
        self.line
    }
}
