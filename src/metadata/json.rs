//! Edits JSON records field by field: everything else stays byte for byte, including unknown
//! fields, order, number formats and escapes. Also writes strings as influxd does.

use std::borrow::Cow;
use std::ops::Range;

/// A JSON object, split into its own fields. Nested values are skipped without recursion, at any
/// depth.
pub struct Object<'a> {
    text: &'a [u8],
    fields: Vec<Field<'a>>,
    /// Where the first field begins, or would begin.
    start: usize,
}

struct Field<'a> {
    name: Cow<'a, str>,
    /// From the quote before the name to the end of the value.
    whole: Range<usize>,
    value: Range<usize>,
}

/// A change of a field. New values are JSON.
#[derive(Clone, Copy)]
pub enum Edit<'a> {
    /// Replaces its value; adds the field at the end if it does not exist.
    Set(&'a str),
    /// Removes it if it exists.
    Remove,
    /// Replaces it by a field with this name and value, if it exists.
    Become(&'a str, &'a str),
}

impl<'a> Object<'a> {
    /// Parses `text`. `None` when it is not a JSON object. The caller must check that the values
    /// are valid JSON.
    #[must_use]
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        let mut at = expect(text, 0, b'{')?;
        let start = skip_space(text, at);
        let mut fields = Vec::new();
        if text.get(start) != Some(&b'}') {
            loop {
                let start = skip_space(text, at);
                let name_end = skip_string(text, start)?;
                let from = skip_space(text, expect(text, name_end, b':')?);
                let to = skip_value(text, from)?;
                fields.push(Field {
                    name: name(text.get(start..name_end)?)?,
                    whole: start..to,
                    value: from..to,
                });
                let next = skip_space(text, to);
                match text.get(next)? {
                    b',' => at = next + 1,
                    b'}' => {
                        at = next;
                        break;
                    }
                    _ => return None,
                }
            }
        }
        let end = expect(text, at, b'}')?;
        (skip_space(text, end) == text.len()).then_some(Self {
            text,
            fields,
            start,
        })
    }

    /// The value of a field as written. Of several fields with one name the last one counts, as in
    /// Go.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        let field = self.fields.iter().rev().find(|field| field.name == name)?;
        self.text.get(field.value.clone())
    }

    /// Names and values of all fields, in order.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &'a [u8])> {
        self.fields.iter().map(|field| {
            let value = self.text.get(field.value.clone());
            (&*field.name, value.unwrap_or_default())
        })
    }

    /// Appends the object to `out` with these edits and everything else unchanged.
    pub fn edit(&self, edits: &[(&str, Edit<'_>)], out: &mut Vec<u8>) {
        let piece = |range: Range<usize>| self.text.get(range).unwrap_or_default();
        out.extend_from_slice(piece(0..self.start));
        let mut first = true;
        let mut before = self.start;
        for field in &self.fields {
            let edit = edits.iter().find(|(name, _)| *name == field.name);
            let edit = edit.map(|(_, edit)| *edit);
            if !matches!(edit, Some(Edit::Remove)) {
                if !first {
                    // The comma and the white space around it.
                    out.extend_from_slice(piece(before..field.whole.start));
                }
                first = false;
            }
            before = field.whole.end;
            match edit {
                None => out.extend_from_slice(piece(field.whole.clone())),
                Some(Edit::Remove) => {}
                Some(Edit::Set(value)) => {
                    out.extend_from_slice(piece(field.whole.start..field.value.start));
                    out.extend_from_slice(value.as_bytes());
                }
                Some(Edit::Become(name, value)) => push_field(name, value, out),
            }
        }
        for (name, edit) in edits {
            if let Edit::Set(value) = edit
                && !self.fields.iter().any(|field| field.name == *name)
            {
                if !first {
                    out.push(b',');
                }
                first = false;
                push_field(name, value, out);
            }
        }
        out.extend_from_slice(piece(before..self.text.len()));
    }
}

/// Decodes a quoted name; a name with escapes can't be borrowed.
fn name(quoted: &[u8]) -> Option<Cow<'_, str>> {
    match serde_json::from_slice(quoted) {
        Ok(plain) => Some(Cow::Borrowed(plain)),
        Err(_) => serde_json::from_slice(quoted).ok().map(Cow::Owned),
    }
}

fn push_field(name: &str, value: &str, out: &mut Vec<u8>) {
    push_string(name, out);
    out.push(b':');
    out.extend_from_slice(value.as_bytes());
}

fn skip_space(text: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t' | b'\n' | b'\r') = text.get(at) {
        at += 1;
    }
    at
}

/// The position after `byte`, which must come next.
fn expect(text: &[u8], at: usize, byte: u8) -> Option<usize> {
    let at = skip_space(text, at);
    (text.get(at) == Some(&byte)).then_some(at + 1)
}

/// The position after the string that begins at `at`.
fn skip_string(text: &[u8], at: usize) -> Option<usize> {
    let mut at = expect(text, at, b'"')?;
    loop {
        at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        match text.get(at)? {
            b'"' => return Some(at + 1),
            _ => at += 2,
        }
    }
}

/// The position after the value that begins at `at`.
fn skip_value(text: &[u8], mut at: usize) -> Option<usize> {
    let start = at;
    let mut depth = 0_usize;
    loop {
        match text.get(at)? {
            b'"' => at = skip_string(text, at)?,
            b'{' | b'[' => {
                depth += 1;
                at += 1;
            }
            b'}' | b']' if depth > 0 => {
                depth -= 1;
                at += 1;
            }
            b',' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r' if depth == 0 => {
                return (at > start).then_some(at);
            }
            _ => {
                at += 1;
                continue;
            }
        }
        if depth == 0 {
            return Some(at);
        }
    }
}

/// `text` as a JSON string, escaped as by influxd (Go's `encoding/json`): also `<`, `>`, `&` and
/// two line separators, so that records are byte for byte what influxd would write.
#[must_use]
pub fn string(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len() + 2);
    push_string(text, &mut out);
    String::from_utf8(out).unwrap_or_default()
}

/// Appends [`string`] to `out`.
pub fn push_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut buffer = [0; 4];
    for c in text.chars() {
        let escape: &str = match c {
            '"' => "\\\"",
            '\\' => "\\\\",
            '\n' => "\\n",
            '\r' => "\\r",
            '\t' => "\\t",
            '\u{8}' => "\\b",
            '\u{c}' => "\\f",
            '<' => "\\u003c",
            '>' => "\\u003e",
            '&' => "\\u0026",
            '\u{2028}' => "\\u2028",
            '\u{2029}' => "\\u2029",
            c if c < ' ' => {
                out.extend_from_slice(b"\\u00");
                out.extend(hex::encode(c.encode_utf8(&mut buffer)).bytes());
                continue;
            }
            c => c.encode_utf8(&mut buffer),
        };
        out.extend_from_slice(escape.as_bytes());
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn edited(text: &str, edits: &[(&str, Edit<'_>)]) -> String {
        let mut out = Vec::new();
        Object::parse(text.as_bytes())
            .unwrap()
            .edit(edits, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn only_what_is_meant_changes() {
        let text = r#" { "id":"a" , "n":1.50e+2,"\u0074oken" : "x\"y,}","deep":[{"token":1},[]],"t":null } "#;
        for (edits, expected) in [
            (vec![], text.to_owned()),
            (vec![("n", Edit::Set("2"))], text.replace("1.50e+2", "2")),
            (
                vec![("token", Edit::Set("\"z\""))],
                text.replace(r#""x\"y,}""#, "\"z\""),
            ),
            (
                vec![("token", Edit::Become("hashedToken", "\"h\""))],
                text.replace(r#""\u0074oken" : "x\"y,}""#, r#""hashedToken":"h""#),
            ),
            (
                vec![("token", Edit::Remove)],
                text.replace(r#","\u0074oken" : "x\"y,}""#, ""),
            ),
            (
                vec![("id", Edit::Remove)],
                text.replace(r#""id":"a" , "#, ""),
            ),
            (
                vec![("t", Edit::Remove), ("new", Edit::Set("[]"))],
                text.replace(r#""t":null"#, r#""new":[]"#),
            ),
            (vec![("missing", Edit::Remove)], text.to_owned()),
            (vec![("missing", Edit::Become("x", "1"))], text.to_owned()),
        ] {
            assert_eq!(edited(text, &edits), expected);
        }
        assert_eq!(edited("{}", &[("a", Edit::Set("1"))]), r#"{"a":1}"#);
        assert_eq!(edited(r#"{"a":1}"#, &[("a", Edit::Remove)]), "{}");
        let both = [("a", Edit::Remove), ("b", Edit::Remove)];
        assert_eq!(edited(r#"{"a":1, "b":2 }"#, &both), "{ }");
    }

    #[test]
    fn what_is_no_object() {
        for text in [
            "",
            "{",
            "[]",
            "1",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1",
            "{\"a\":1,}",
            "{\"a\":1}x",
            "{a:1}",
            "{\"a\":\"}",
            "{\"a\":[1}",
        ] {
            assert!(Object::parse(text.as_bytes()).is_none(), "{text}");
        }
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(Object::parse(deep.as_bytes()).is_some());
    }

    #[test]
    fn strings_as_go_writes_them() {
        assert_eq!(
            string("a<b>&\"\\\u{2028}\n\u{1}é"),
            r#""a\u003cb\u003e\u0026\"\\\u2028\n\u0001é""#
        );
    }

    /// Some JSON value, as text of many forms.
    fn value() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            any::<Option<bool>>().prop_map(|b| b.map_or(serde_json::Value::Null, Into::into)),
            any::<i64>().prop_map(Into::into),
            ".*".prop_map(serde_json::Value::from),
        ];
        leaf.prop_recursive(3, 24, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
                proptest::collection::vec((".*", inner), 0..5)
                    .prop_map(|pairs| { serde_json::Value::Object(pairs.into_iter().collect()) }),
            ]
        })
    }

    proptest! {
        #[test]
        fn an_edit_is_what_it_says(
            pairs in proptest::collection::vec(("[a-e]|.*", value()), 0..6),
            changed in "[a-e]",
            new in value(),
            pretty in any::<bool>(),
        ) {
            let object: serde_json::Map<_, _> = pairs.into_iter().collect();
            let text = if pretty {
                serde_json::to_string_pretty(&object).unwrap()
            } else {
                serde_json::to_string(&object).unwrap()
            };
            let back = |text: String| -> serde_json::Map<String, serde_json::Value> {
                serde_json::from_str(&text).unwrap()
            };
            let raw = new.to_string();
            let mut expected = object.clone();
            expected.insert(changed.clone(), new);
            prop_assert_eq!(back(edited(&text, &[(&changed, Edit::Set(&raw))])), expected);
            let mut expected = object.clone();
            expected.shift_remove(&changed);
            prop_assert_eq!(back(edited(&text, &[(&changed, Edit::Remove)])), expected);
            prop_assert_eq!(edited(&text, &[]), text);
        }

        #[test]
        fn any_bytes_are_taken(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Some(object) = Object::parse(&bytes) {
                let mut out = Vec::new();
                object.edit(&[], &mut out);
                prop_assert_eq!(out, bytes);
            }
        }

        #[test]
        fn strings_read_back(text in ".*") {
            prop_assert_eq!(serde_json::from_str::<String>(&string(&text)).unwrap(), text);
        }
    }
}
