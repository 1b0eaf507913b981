//! Parses TOML or JSON into one tree. Every value has its line number.

use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use zeroize::Zeroizing;

/// Maximum depth of a list: document, `token`, one token, `permissions`, one permission.
const DEEPEST: usize = 5;

/// A value and its line, from 1.
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) value: Value,
}

/// A value in a list.
pub(super) enum Value {
    /// May be a secret in the wrong place.
    Text(Zeroizing<String>),
    List(Vec<Node>),
    Table(Vec<Field>),
    Flag(bool),
    /// A value that no field accepts, such as a number or a date. Holds its description.
    Other(&'static str),
}

/// A name and its value.
pub(super) struct Field {
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) node: Node,
}

/// A syntax error and its line. Never quotes the text.
pub(super) struct Invalid {
    pub(super) line: usize,
    pub(super) why: String,
}

impl Value {
    /// Its description in messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a string",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
            Self::Flag(_) => "true or false",
            Self::Other(kind) => kind,
        }
    }
}

/// Parses a text: JSON if it begins with a brace, which TOML never does, otherwise TOML.
///
/// # Errors
/// When the text is neither.
pub(super) fn parse(text: &str) -> Result<Vec<Field>, Invalid> {
    // Windows editors write a byte order mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = Lines::of(text);
    if text.trim_start().starts_with('{') {
        return from_json(text, &lines);
    }
    from_toml(text, 0, &lines)
}

/// Parses `text` as TOML; it begins at `offset` of the text with these lines.
///
/// # Errors
/// When it is none.
pub(super) fn from_toml(text: &str, offset: usize, lines: &Lines) -> Result<Vec<Field>, Invalid> {
    let (document, errors) = DeTable::parse_recoverable(text);
    let start = |cause: &toml::de::Error| cause.span().unwrap_or_default().start;
    if let Some(cause) = errors.iter().min_by_key(|cause| start(cause)) {
        return Err(Invalid {
            line: lines.at(offset + start(cause)),
            why: format!("invalid TOML: {}", one_line(cause.message())),
        });
    }
    let at = |start: usize| lines.at(offset + start);
    Ok(table_of_toml(document.into_inner(), &at, 0))
}

/// Joins the lines of a parser message.
fn one_line(message: &str) -> String {
    message.lines().collect::<Vec<_>>().join(", ")
}

/// The offset of each line.
pub(super) struct Lines(Vec<usize>);

impl Lines {
    pub(super) fn of(text: &str) -> Self {
        let ends = memchr::memchr_iter(b'\n', text.as_bytes());
        Self(ends.collect())
    }

    /// The line of a byte, from 1.
    fn at(&self, offset: usize) -> usize {
        1 + self.0.partition_point(|end| *end < offset)
    }
}

/// `at` gives the line of an offset.
fn table_of_toml(table: DeTable<'_>, at: &dyn Fn(usize) -> usize, depth: usize) -> Vec<Field> {
    let mut fields: Vec<Field> = table
        .into_iter()
        .map(|(name, value)| Field {
            line: at(name.span().start),
            name: name.into_inner().into_owned(),
            node: node_of_toml(value, at, depth),
        })
        .collect();
    // The parser sorts by name. Restore the order of the text.
    fields.sort_by_key(|field| field.line);
    fields
}

fn node_of_toml(value: Spanned<DeValue<'_>>, at: &dyn Fn(usize) -> usize, depth: usize) -> Node {
    let line = at(value.span().start);
    let value = match value.into_inner() {
        DeValue::String(text) => Value::Text(Zeroizing::new(text.into_owned())),
        DeValue::Array(_) | DeValue::Table(_) if depth >= DEEPEST => Value::Other(TOO_DEEP),
        DeValue::Array(list) => {
            let nodes = list.into_iter();
            Value::List(
                nodes
                    .map(|node| node_of_toml(node, at, depth + 1))
                    .collect(),
            )
        }
        DeValue::Table(table) => Value::Table(table_of_toml(table, at, depth + 1)),
        DeValue::Integer(_) | DeValue::Float(_) => Value::Other("a number"),
        DeValue::Boolean(flag) => Value::Flag(flag),
        DeValue::Datetime(_) => Value::Other("a date"),
    };
    Node { line, value }
}

const TOO_DEEP: &str = "a value nested too deeply";

fn from_json(text: &str, lines: &Lines) -> Result<Vec<Field>, Invalid> {
    let json = Json::of(text)?;
    match json.node(json.document, 0, lines)?.value {
        Value::Table(fields) => Ok(fields),
        _ => Ok(Vec::new()),
    }
}

/// The parser's message without its place, which is relative to the parsed part.
fn without_place(cause: &serde_json::Error) -> String {
    let text = cause.to_string();
    match text.rsplit_once(" at line ") {
        Some((message, _)) => message.to_owned(),
        None => text,
    }
}

/// A JSON document, parsed level by level.
pub(super) struct Json<'t> {
    pub(super) document: &'t RawValue,
    /// Its offset in the text.
    start: usize,
}

impl<'t> Json<'t> {
    /// The depth of an entry: it is in a list of the document.
    pub(super) const ENTRY: usize = 2;

    /// Checks the syntax of the whole text.
    ///
    /// # Errors
    /// When it is no JSON.
    pub(super) fn of(text: &'t str) -> Result<Self, Invalid> {
        let invalid = |cause: serde_json::Error| Invalid {
            line: cause.line().max(1),
            why: match cause.is_data() {
                true => without_place(&cause),
                false => format!("invalid JSON: {}", without_place(&cause)),
            },
        };
        let document: &RawValue = serde_json::from_str(text).map_err(invalid)?;
        let start = document.get().as_ptr() as usize;
        let start = start.saturating_sub(text.as_ptr() as usize);
        Ok(Self { document, start })
    }

    /// The line of a part. Parts are slices of the document, so their addresses give their offset.
    pub(super) fn line(&self, part: &RawValue, lines: &Lines) -> usize {
        let document = self.document.get();
        let within = (part.get().as_ptr() as usize).wrapping_sub(document.as_ptr() as usize);
        lines.at(self.start + within.min(document.len()))
    }

    /// A part and everything in it.
    ///
    /// # Errors
    /// When an object has a name twice, or a text is no Unicode.
    pub(super) fn node(
        &self,
        part: &RawValue,
        depth: usize,
        lines: &Lines,
    ) -> Result<Node, Invalid> {
        let line = self.line(part, lines);
        let text = part.get();
        let invalid = |cause: serde_json::Error| Invalid {
            line: line + cause.line().saturating_sub(1),
            why: without_place(&cause),
        };
        let value = match text.as_bytes().first() {
            Some(b'"') => {
                let text: String = serde_json::from_str(text).map_err(invalid)?;
                Value::Text(Zeroizing::new(text))
            }
            Some(b'[' | b'{') if depth > DEEPEST => Value::Other(TOO_DEEP),
            Some(b'[') => {
                let parts: Vec<&RawValue> = serde_json::from_str(text).map_err(invalid)?;
                let nodes = parts
                    .into_iter()
                    .map(|part| self.node(part, depth + 1, lines));
                Value::List(nodes.collect::<Result<_, _>>()?)
            }
            Some(b'{') => {
                let Parts(parts) = serde_json::from_str(text).map_err(invalid)?;
                let fields = parts.into_iter().map(|(name, part)| {
                    Ok(Field {
                        name,
                        line: self.line(part, lines),
                        node: self.node(part, depth + 1, lines)?,
                    })
                });
                Value::Table(fields.collect::<Result<_, _>>()?)
            }
            Some(first @ (b't' | b'f')) => Value::Flag(*first == b't'),
            Some(b'n') => Value::Other("null"),
            _ => Value::Other("a number"),
        };
        Ok(Node { line, value })
    }
}

/// The members of an object in order, without duplicate names.
pub(super) struct Parts<'t>(pub(super) Vec<(String, &'t RawValue)>);

impl<'de> Deserialize<'de> for Parts<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PartsVisitor)
    }
}

struct PartsVisitor;

impl<'de> Visitor<'de> for PartsVisitor {
    type Value = Parts<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut parts: Vec<(String, &'de RawValue)> = Vec::new();
        let mut known = BTreeSet::new();
        while let Some((name, part)) = map.next_entry::<String, _>()? {
            if !known.insert(name.clone()) {
                return Err(A::Error::custom("duplicate name in an object"));
            }
            parts.push((name, part));
        }
        Ok(Parts(parts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tree in one line: names and lines of fields, texts, kinds.
    fn shown(value: &Value) -> String {
        match value {
            Value::Text(text) => format!("{:?}", **text),
            Value::Flag(_) => value.kind().to_owned(),
            Value::Other(kind) => (*kind).to_owned(),
            Value::List(nodes) => {
                let nodes = nodes
                    .iter()
                    .map(|n| format!("{}:{}", n.line, shown(&n.value)));
                format!("[{}]", nodes.collect::<Vec<_>>().join(" "))
            }
            Value::Table(fields) => {
                let fields = fields
                    .iter()
                    .map(|f| format!("{}@{}={}", f.name, f.line, shown(&f.node.value)));
                format!("{{{}}}", fields.collect::<Vec<_>>().join(" "))
            }
        }
    }

    fn tree(text: &str) -> String {
        match parse(text) {
            Ok(fields) => shown(&Value::Table(fields)),
            Err(invalid) => format!("line {}: {}", invalid.line, invalid.why),
        }
    }

    #[test]
    fn both_formats_say_the_same() {
        let toml = "\u{feff}# a list\n[[org]]\nname = \"acme\"\n\n[[org]]\nname = 'b'\nids = [\n \
                    1,\n \"x\",\n]\non = true\n";
        assert_eq!(
            tree(toml),
            "{org@2=[2:{name@3=\"acme\"} 5:{name@6=\"b\" ids@7=[8:a number 9:\"x\"] on@11=true or \
             false}]}"
        );
        let json = "\n{\n \"org\": [\n  {\"name\": \"acme\"},\n  {\"name\": \"b\", \"ids\": [\n  1,\n \
                    \"x\\u0041\"], \"on\": false, \"no\": null}\n]}\n";
        assert_eq!(
            tree(json),
            "{org@3=[4:{name@4=\"acme\"} 5:{name@5=\"b\" ids@5=[6:a number 7:\"xA\"] on@7=true or \
             false no@7=null}]}"
        );
        assert_eq!(tree(""), "{}");
        assert_eq!(tree("{}"), "{}");
    }

    #[test]
    fn what_is_neither_is_told_with_its_line_and_without_its_text() {
        for (text, line) in [
            ("a = \"b\"\nsecret secret\n", 2),
            ("a = \"b\"\na = \"secret\"\n", 2),
            ("a = secret", 1),
            ("a = \"secret\n\"", 1),
            ("a = \"\\secret\"", 1),
            ("\n[[secret]\n", 2),
            ("[a]\nb = 1\n[a]\nc = \"secret\"", 3),
            ("{\n\"a\": \"secret\",\n}", 3),
            ("{\"a\":\n secret}", 2),
            ("{} secret", 1),
            ("{\"a\": \"secret\", \"b\": 1,\n \"a\": 2}", 2),
            ("{\"a\": \"\\ud800 secret\"}", 1),
            ("{\"secret", 1),
        ] {
            let Err(invalid) = parse(text) else {
                panic!("{text:?} was taken");
            };
            assert_eq!(invalid.line, line, "{text:?}: {}", invalid.why);
            assert!(!invalid.why.contains("secret"), "{text:?}: {}", invalid.why);
            assert!(!invalid.why.contains('\n'), "{text:?}: {}", invalid.why);
        }
    }

    #[test]
    fn depth_has_an_end() {
        let deep = 50_000;
        let json = format!("{{\"a\":{}{}}}", "[".repeat(deep), "]".repeat(deep));
        let _ = tree(&json);
        let toml = format!("a = {}{}", "[".repeat(deep), "]".repeat(deep));
        let _ = tree(&toml);
        assert!(tree("{\"a\":[[[[[[[[1]]]]]]]]}").contains(TOO_DEEP));
    }
}
