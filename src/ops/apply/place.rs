//! Line and field of a list, and the errors at that place.

use std::fmt;
use std::path::Path;
use std::rc::Rc;

use crate::error::{Error, ErrorKind};

/// A place in a list: its line, from 1, and its field. A long list has many, so that those of an entry
/// share its name.
#[derive(Clone)]
pub(super) struct Place {
    within: Rc<Within>,
    line: usize,
    /// Empty if the place is a whole entry.
    field: &'static str,
}

/// What the places of an entry have in common.
struct Within {
    /// The name of the list in messages.
    list: Rc<str>,
    /// Such as `token "telegraf"`; empty for the list itself.
    entry: Box<str>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, line {}", self.within.list, self.line)?;
        for part in [&*self.within.entry, self.field] {
            if !part.is_empty() {
                write!(f, ", {part}")?;
            }
        }
        Ok(())
    }
}

impl Place {
    /// A whole entry, or with an empty name the list itself.
    pub(super) fn of_entry(list: &Rc<str>, line: usize, entry: &str) -> Self {
        let within = Within {
            list: Rc::clone(list),
            entry: entry.into(),
        };
        Self {
            within: Rc::new(within),
            line,
            field: "",
        }
    }

    /// A field of the same entry.
    pub(super) fn field(&self, line: usize, field: &'static str) -> Self {
        Self {
            within: Rc::clone(&self.within),
            line,
            field,
        }
    }

    /// Another line of the same field.
    pub(super) fn at_line(&self, line: usize) -> Self {
        self.field(line, self.field)
    }

    /// An error at this place.
    pub(super) fn error(&self, kind: ErrorKind, why: impl fmt::Display) -> Error {
        Error::new(kind, format!("{self}: {why}")).naming(Path::new(&*self.within.list))
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
