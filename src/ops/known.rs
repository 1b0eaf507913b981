//! Numbers and lists that damage may make incomplete. What is not known is null in JSON; a report
//! names such fields in `incomplete`.

use std::fmt;
use std::ops::Deref;

use serde::{Serialize, Serializer};

/// A number of things, of which damage may hide some.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Number {
    /// How many can be read.
    pub readable: u64,
    /// Whether damage may hide more. Then the number is null in JSON.
    pub hidden: bool,
}

impl Number {
    /// `readable` things, and possibly more that damage hides.
    #[must_use]
    pub fn new(readable: u64, hidden: bool) -> Self {
        Self { readable, hidden }
    }

    /// The number, if it is known.
    #[must_use]
    pub fn known(self) -> Option<u64> {
        (!self.hidden).then_some(self.readable)
    }

    /// The number with the noun for what is counted: `3 users`, `at least 1 user`, `unknown users`.
    #[must_use]
    pub fn of(self, noun: &str) -> String {
        let plural = if self.readable == 1 { "" } else { "s" };
        format!("{self} {noun}{plural}")
    }
}

/// `3`, `at least 3`, or `unknown`.
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.hidden, self.readable) {
            (false, number) => write!(f, "{number}"),
            (true, 0) => f.write_str("unknown"),
            (true, number) => write!(f, "at least {number}"),
        }
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.known().serialize(serializer)
    }
}

#[cfg(test)]
impl schemars::JsonSchema for Number {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Number".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Option::<u64>::json_schema(generator)
    }
}

/// A list of things, of which damage may hide some. It is null in JSON if nothing can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List<T> {
    /// Those that can be read.
    pub readable: Vec<T>,
    /// Whether damage may hide more.
    pub hidden: bool,
}

impl<T> List<T> {
    /// `readable` things, and possibly more that damage hides.
    #[must_use]
    pub fn new(readable: Vec<T>, hidden: bool) -> Self {
        Self { readable, hidden }
    }

    /// Whether it is certain that there are none.
    #[must_use]
    pub fn has_none(&self) -> bool {
        !self.hidden && self.readable.is_empty()
    }
}

impl<T> Deref for List<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.readable
    }
}

impl<'a, T> IntoIterator for &'a List<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.readable.iter()
    }
}

impl<T: Serialize> Serialize for List<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self.hidden, self.readable.as_slice()) {
            (true, []) => serializer.serialize_none(),
            (_, readable) => readable.serialize(serializer),
        }
    }
}

#[cfg(test)]
impl<T: schemars::JsonSchema> schemars::JsonSchema for List<T> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("List_of_{}", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Option::<Vec<T>>::json_schema(generator)
    }
}

/// The names of the fields that are incomplete.
#[must_use]
pub fn incomplete(fields: &[(&'static str, bool)]) -> Vec<&'static str> {
    let hidden = fields.iter().filter(|(_, hidden)| *hidden);
    hidden.map(|(name, _)| *name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_neither_zero_nor_empty() {
        for (number, text, json) in [
            (Number::new(0, false), "0 users", "0"),
            (Number::new(1, false), "1 user", "1"),
            (Number::new(0, true), "unknown users", "null"),
            (Number::new(1, true), "at least 1 user", "null"),
            (Number::new(2, true), "at least 2 users", "null"),
        ] {
            assert_eq!(number.of("user"), text);
            assert_eq!(serde_json::to_string(&number).unwrap(), json);
        }
        for (list, json) in [
            (List::new(vec![], false), "[]"),
            (List::new(vec![], true), "null"),
            (List::new(vec![7], true), "[7]"),
        ] {
            assert_eq!(serde_json::to_string(&list).unwrap(), json);
        }
        assert_eq!(incomplete(&[("a", true), ("b", false)]), ["a"]);
    }
}
