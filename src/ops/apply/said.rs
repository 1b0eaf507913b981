//! A value of a list, and where it is.

use crate::error::Result;
use crate::ops::apply::parser::{Node, Value};
use crate::ops::apply::place::Place;

/// A value and its place in the list.
pub(super) struct Said<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

impl<T> Said<T> {
    /// Another value at the same place.
    pub(super) fn map<U>(self, with: impl FnOnce(T) -> U) -> Said<U> {
        Said {
            value: with(self.value),
            place: self.place,
        }
    }
}

/// A string, at this place.
pub(super) fn text(node: Node, at: impl FnOnce(usize) -> Place) -> Result<Said<String>> {
    let place = at(node.line);
    match node.value {
        Value::Text(text) => Ok(Said {
            value: text.to_string(),
            place,
        }),
        other => Err(place.refused(format!("expected a string, found {}", other.kind()))),
    }
}
