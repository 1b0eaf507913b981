//! Whether Go can decode a JSON record into a struct. influxd decodes some records when it starts,
//! and does not start if one does not fit its type.
//!
//! Go ignores the case of field names, accepts `null` for every type, replaces invalid UTF-8, and
//! ignores unknown fields.

use std::borrow::Cow;

use serde::de::IgnoredAny;

use crate::metadata::Id;
use crate::metadata::json::Object;

/// The type of a field.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// A string.
    Text,
    /// An ID.
    Id,
    /// An RFC 3339 time.
    Time,
    /// A duration: a number, or a text such as `1h30m`.
    Duration,
    /// True or false.
    Flag,
    /// Any object.
    Object,
    /// A list of objects with these fields.
    Objects(&'static [Field]),
}

/// A field that Go decodes: name and type.
pub type Field = (&'static str, Kind);

/// A record that Go can decode.
pub struct Record<'a> {
    object: Option<Object<'a>>,
}

impl Record<'_> {
    /// The ID in a field; `None` if the field is missing or `null`.
    #[must_use]
    pub fn id(&self, name: &str) -> Option<Id> {
        self.values(name).filter_map(id).last()
    }

    /// The text in a field; empty if the field is missing.
    #[must_use]
    pub fn string(&self, name: &str) -> String {
        let texts = self
            .values(name)
            .filter_map(|value| serde_json::from_slice(value).ok());
        texts.last().unwrap_or_default()
    }

    /// The values of all fields of a name.
    fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let fields = self.object.iter().flat_map(Object::fields);
        fields
            .filter(move |(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

/// The text of a value, with invalid UTF-8 replaced as in Go.
#[must_use]
pub fn text(value: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(value)
}

/// Decodes a record with these fields.
///
/// # Errors
/// The reason why Go can't decode it. It does not quote the record.
pub fn read<'a>(text: &'a str, fields: &[Field]) -> Result<Record<'a>, String> {
    valid(text)?;
    object(text.as_bytes(), fields).map(|object| Record { object })
}

/// Decodes a list of records with these fields. `null` in the list is an error, because influxd
/// panics on it.
///
/// # Errors
/// The reason why Go can't decode it. It does not quote the list.
pub fn read_list(text: &str, fields: &[Field]) -> Result<(), String> {
    valid(text)?;
    for item in items(text.as_bytes())? {
        if object(item, fields)?.is_none() {
            return Err("it contains null instead of an object".into());
        }
    }
    Ok(())
}

fn valid(text: &str) -> Result<(), String> {
    match serde_json::from_str::<IgnoredAny>(text) {
        Ok(_) => Ok(()),
        Err(cause) => Err(format!("it is not JSON (at byte {})", cause.column())),
    }
}

/// An object and its fields; `None` for `null`.
fn object<'a>(text: &'a [u8], fields: &[Field]) -> Result<Option<Object<'a>>, String> {
    if is_null(text) {
        return Ok(None);
    }
    let object = Object::parse(text).ok_or("it is not an object")?;
    for (name, value) in object.fields() {
        let exact = fields.iter().find(|(field, _)| *field == name);
        let folded = || fields.iter().find(|(f, _)| f.eq_ignore_ascii_case(name));
        if let Some((field, kind)) = exact.or_else(folded)
            && !fits(value, *kind)
        {
            return Err(format!("its field {field} can't be decoded"));
        }
    }
    Ok(Some(object))
}

fn fits(value: &[u8], kind: Kind) -> bool {
    if is_null(value) {
        // Go passes null to influxd's own decoder of durations, which refuses it.
        return !matches!(kind, Kind::Duration);
    }
    let quoted = value
        .strip_prefix(b"\"")
        .and_then(|rest| rest.strip_suffix(b"\""));
    match kind {
        Kind::Text => quoted.is_some(),
        Kind::Id => id(value).is_some(),
        Kind::Time => quoted.is_some_and(is_time),
        Kind::Duration => match quoted {
            Some(text) => is_duration(text),
            None => value
                .first()
                .is_some_and(|byte| byte.is_ascii_digit() || *byte == b'-'),
        },
        Kind::Flag => matches!(value, b"true" | b"false"),
        Kind::Object => value.first() == Some(&b'{'),
        Kind::Objects(fields) => {
            let items = items(value).unwrap_or_default();
            value.first() == Some(&b'[') && items.iter().all(|item| object(item, fields).is_ok())
        }
    }
}

fn is_null(value: &[u8]) -> bool {
    value.trim_ascii() == b"null"
}

fn id(value: &[u8]) -> Option<Id> {
    let text: Cow<'_, str> = serde_json::from_slice(value).ok()?;
    text.parse().ok()
}

/// The items of a list; no items for `null`.
fn items(list: &[u8]) -> Result<Vec<&[u8]>, String> {
    if is_null(list) {
        return Ok(Vec::new());
    }
    let raw: Vec<&serde_json::value::RawValue> =
        serde_json::from_slice(list).map_err(|_| "it is not a list")?;
    Ok(raw.into_iter().map(|item| item.get().as_bytes()).collect())
}

/// Whether Go accepts this as a time: RFC 3339 with an existing day.
#[must_use]
pub fn is_time(text: &[u8]) -> bool {
    let number = |range: std::ops::Range<usize>| {
        let digits = text.get(range)?;
        let all = digits.iter().all(u8::is_ascii_digit);
        let value = digits.iter().fold(0_u32, |n, d| n * 10 + u32::from(d & 15));
        all.then_some(value)
    };
    let signs = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if signs.iter().any(|(at, sign)| text.get(*at) != Some(sign)) {
        return false;
    }
    let date = (number(0..4), number(5..7), number(8..10));
    let time = (number(11..13), number(14..16), number(17..19));
    let ((Some(year), Some(month @ 1..=12), Some(day)), (Some(0..=23), Some(0..=59), Some(0..=59))) =
        (date, time)
    else {
        return false;
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if !(1..=days).contains(&day) {
        return false;
    }
    let mut rest = text.get(19..).unwrap_or_default();
    if let Some(fraction) = rest.strip_prefix(b".") {
        let digits = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 {
            return false;
        }
        rest = fraction.get(digits..).unwrap_or_default();
    }
    match rest {
        b"Z" => true,
        [b'+' | b'-', h1, h2, b':', m1, m2] => {
            let two = |a: u8, b: u8| {
                (a.is_ascii_digit() && b.is_ascii_digit()).then_some((a & 15) * 10 + (b & 15))
            };
            two(*h1, *h2).is_some_and(|h| h < 24) && two(*m1, *m2).is_some_and(|m| m < 60)
        }
        _ => false,
    }
}

/// Whether Go accepts this as a duration.
fn is_duration(text: &[u8]) -> bool {
    let mut rest = match text {
        [b'+' | b'-', rest @ ..] => rest,
        rest => rest,
    };
    if rest == b"0" {
        return true;
    }
    let units: [&[u8]; 8] = [
        b"ns",
        b"us",
        "µs".as_bytes(),
        "μs".as_bytes(),
        b"ms",
        b"s",
        b"m",
        b"h",
    ];
    let mut parts = 0;
    while !rest.is_empty() {
        let number = rest
            .iter()
            .take_while(|b| b.is_ascii_digit() || **b == b'.');
        let number = number.count();
        let (digits, after) = rest.split_at(number);
        let points = digits.iter().filter(|b| **b == b'.').count();
        let unit = units.iter().find_map(|unit| after.strip_prefix(*unit));
        let (Some(next), true) = (unit, digits.len() > points && points < 2) else {
            return false;
        };
        rest = next;
        parts += 1;
    }
    parts > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: &[Field] = &[
        ("id", Kind::Id),
        ("name", Kind::Text),
        ("at", Kind::Time),
        ("offset", Kind::Duration),
        ("on", Kind::Flag),
        ("more", Kind::Object),
        ("log", Kind::Objects(&[("runID", Kind::Id)])),
    ];

    fn reads(text: &str) -> bool {
        read(text, FIELDS).is_ok()
    }

    #[test]
    fn records_that_go_decodes() {
        for text in [
            "{}",
            "null",
            " null ",
            r#"{"id":"08371DEAE98C8000","name":"a","at":"2021-09-28T12:54:57.434956Z","offset":"1h30m","on":true,"more":{"a":[1]},"log":[{"runID":"0000000000000001"},null]}"#,
            r#"{"id":null,"name":null,"at":null,"on":null,"more":null,"log":null,"other":[[[{}]]]}"#,
            r#"{"NAME":"a","offset":90}"#,
            r#"{"name":"\ud800"}"#,
        ] {
            assert!(reads(text), "{text}");
        }
        let lossy = text(b"{\"name\":\"\xff\"}");
        assert!(reads(&lossy));
    }

    #[test]
    fn records_that_go_refuses() {
        for text in [
            "",
            "{",
            "[]",
            "1",
            "{} x",
            r#"{"id":""}"#,
            r#"{"ID":"0000000000000000"}"#,
            r#"{"id":"0000000000000001","id":"x"}"#,
            r#"{"id":1}"#,
            r#"{"name":1}"#,
            r#"{"at":""}"#,
            r#"{"at":1}"#,
            r#"{"offset":null}"#,
            r#"{"offset":""}"#,
            r#"{"offset":true}"#,
            r#"{"on":"true"}"#,
            r#"{"more":[]}"#,
            r#"{"log":{}}"#,
            r#"{"log":[1]}"#,
            r#"{"log":[{"runID":""}]}"#,
        ] {
            assert!(!reads(text), "{text}");
        }
    }

    #[test]
    fn lists() {
        assert!(read_list("null", FIELDS).is_ok());
        assert!(read_list(r#"[{},{"name":"a"}]"#, FIELDS).is_ok());
        for text in ["{}", "[null]", r#"[{"name":1}]"#, "[", "[1]"] {
            assert!(read_list(text, FIELDS).is_err(), "{text}");
        }
    }

    #[test]
    fn values_of_fields() {
        let text = r#"{"ID":"0000000000000001","id":"0000000000000002"}"#;
        let record = read(text, FIELDS).unwrap();
        assert_eq!(record.id("id"), Id::new(2));
        assert_eq!(record.id("orgID"), None);
        let record = read(r#"{"name":"a","NAME":"b"}"#, FIELDS).unwrap();
        assert_eq!(record.string("name"), "b");
        assert_eq!(record.string("database"), "");
    }

    #[test]
    fn times() {
        for text in [
            "2021-09-28T12:54:57Z",
            "2021-09-28T12:54:57.434956-04:00",
            "0001-01-01T00:00:00Z",
            "2024-02-29T00:00:00+23:59",
        ] {
            assert!(is_time(text.as_bytes()), "{text}");
        }
        for text in [
            "",
            "2021-09-28",
            "2021-09-28 12:54:57Z",
            "2021-09-28T12:54:57",
            "2021-02-29T00:00:00Z",
            "2021-13-01T00:00:00Z",
            "2021-01-00T00:00:00Z",
            "2021-01-01T24:00:00Z",
            "2021-01-01T00:60:00Z",
            "2021-01-01T00:00:60Z",
            "2021-01-01T00:00:00.Z",
            "2021-01-01T00:00:00,5Z",
            "2021-01-01T00:00:00+24:00",
            "2021-01-01T00:00:00+0000",
            "2021-1-01T00:00:00Z",
            "yesterday",
        ] {
            assert!(!is_time(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn durations() {
        for text in ["0", "-0", "1s", "1h30m", "1.5h", ".5s", "-1µs", "1m1ns"] {
            assert!(is_duration(text.as_bytes()), "{text}");
        }
        for text in ["", "1", "s", "1d", "1..5s", ".s", "+", "1s2"] {
            assert!(!is_duration(text.as_bytes()), "{text}");
        }
    }
}
