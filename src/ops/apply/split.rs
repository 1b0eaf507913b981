//! A long list entry by entry. The tree of a whole list takes twenty times the memory of its text.
//!
//! Only a list of plain form is split: in TOML every entry begins with a line such as `[[token]]`, and
//! nothing is wrong with its syntax. For any other list, [`parse`](super::parser::parse) says what it
//! means or what is wrong with it.

use std::ops::Range;

use serde_json::value::RawValue;

use crate::ops::apply::parser::{Field, Invalid, Json, Lines, Node, Parts, Value, from_toml};

/// Bytes of a part, if no single entry is longer.
const PART: usize = 64 << 10;

/// The most kinds of entries; a list has fewer.
const MOST_KINDS: usize = 64;

/// A list of plain form.
pub(super) struct Split<'t> {
    text: &'t str,
    lines: Lines,
    kinds: Vec<Kind>,
    form: Form<'t>,
    /// Whether the test that was given to [`Split::of`] holds for all entries.
    pub(super) all_pass: bool,
}

/// A kind of entries, such as `token`.
pub(super) struct Kind {
    pub(super) name: String,
    /// The line of the first one, or of the list of them.
    pub(super) line: usize,
}

enum Form<'t> {
    Toml(Vec<Part>),
    /// The entries of each kind.
    Json(Json<'t>, Vec<Vec<&'t RawValue>>),
}

/// A part of a list in TOML, with whole entries.
struct Part {
    range: Range<usize>,
    /// The numbers of the kinds in it, as bits.
    kinds: u64,
}

impl<'t> Split<'t> {
    /// Splits a list, and tries `test` with each entry and its kind; none if the list has another
    /// form.
    pub(super) fn of(text: &'t str, test: &dyn Fn(&str, &Node) -> bool) -> Option<Self> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut split = Self {
            text,
            lines: Lines::of(text),
            kinds: Vec::new(),
            form: Form::Toml(Vec::new()),
            all_pass: true,
        };
        match text.trim_start().starts_with('{') {
            true => split.split_json(test)?,
            false => split.split_toml(test)?,
        }
        Some(split)
    }

    fn split_toml(&mut self, test: &dyn Fn(&str, &Node) -> bool) -> Option<()> {
        let mut parts = Vec::new();
        let mut headers = headers(self.text);
        let mut start = headers.next()?;
        // Only comments are before the first entry.
        if !self.toml(0..start).ok()?.is_empty() {
            return None;
        }
        loop {
            let next = headers.find(|next| *next - start >= PART);
            let end = next.unwrap_or(self.text.len());
            let mut part = Part {
                range: start..end,
                kinds: 0,
            };
            for field in self.toml(part.range.clone()).ok()? {
                let Value::List(nodes) = &field.node.value else {
                    return None;
                };
                self.all_pass &= nodes.iter().all(|node| test(&field.name, node));
                part.kinds |= 1 << self.kind(field.name, field.line)?;
            }
            parts.push(part);
            let Some(next) = next else { break };
            start = next;
        }
        self.form = Form::Toml(parts);
        Some(())
    }

    /// The number of a kind; none if there are too many.
    fn kind(&mut self, name: String, line: usize) -> Option<usize> {
        let known = self.kinds.iter().position(|kind| kind.name == name);
        let number = known.unwrap_or(self.kinds.len());
        if known.is_none() {
            self.kinds.push(Kind { name, line });
        }
        (number < MOST_KINDS).then_some(number)
    }

    fn toml(&self, range: Range<usize>) -> Result<Vec<Field>, Invalid> {
        let text = self.text.get(range.clone()).unwrap_or_default();
        from_toml(text, range.start, &self.lines)
    }

    fn split_json(&mut self, test: &dyn Fn(&str, &Node) -> bool) -> Option<()> {
        let json = Json::of(self.text).ok()?;
        let mut entries = Vec::new();
        let Parts(fields) = serde_json::from_str(json.document.get()).ok()?;
        for (name, part) in fields {
            let nodes: Vec<&RawValue> = serde_json::from_str(part.get()).ok()?;
            for node in &nodes {
                let node = json.node(node, Json::ENTRY, &self.lines).ok()?;
                self.all_pass &= test(&name, &node);
            }
            entries.push(nodes);
            let line = json.line(part, &self.lines);
            self.kinds.push(Kind { name, line });
        }
        self.form = Form::Json(json, entries);
        Some(())
    }

    /// The kinds of entries, in the order of the list.
    pub(super) fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    /// The entries of a kind, by its number. They are parsed again; [`Split::of`] found no error in
    /// them.
    pub(super) fn entries(
        &self,
        number: usize,
    ) -> Box<dyn Iterator<Item = Result<Node, Invalid>> + '_> {
        match &self.form {
            Form::Toml(parts) => {
                let parts = parts.iter();
                let parts = parts.filter(move |part| part.kinds & (1 << number) != 0);
                Box::new(parts.flat_map(move |part| self.of_part(part, number)))
            }
            Form::Json(json, entries) => {
                let nodes = entries.get(number).map(Vec::as_slice).unwrap_or_default();
                let nodes = nodes.iter();
                Box::new(nodes.map(|node| json.node(node, Json::ENTRY, &self.lines)))
            }
        }
    }

    /// The entries of a kind in a part.
    fn of_part(&self, part: &Part, number: usize) -> Vec<Result<Node, Invalid>> {
        let fields = match self.toml(part.range.clone()) {
            Ok(fields) => fields,
            Err(invalid) => return vec![Err(invalid)],
        };
        let kind = self.kinds.get(number).map(|kind| kind.name.as_str());
        let of_kind = fields
            .into_iter()
            .filter(|field| Some(field.name.as_str()) == kind);
        of_kind
            .flat_map(|field| match field.node.value {
                Value::List(nodes) => nodes,
                _ => Vec::new(),
            })
            .map(Ok)
            .collect()
    }
}

/// Where lines such as `[[token]]` begin. Those inside of a text or of a list are among them: what is
/// before such a line is no valid TOML by itself.
fn headers(text: &str) -> impl Iterator<Item = usize> + '_ {
    let ends = memchr::memchr_iter(b'\n', text.as_bytes());
    let starts = std::iter::once(0).chain(ends.map(|end| end + 1));
    starts.filter(|start| {
        let line = text.get(*start..).and_then(|rest| rest.lines().next());
        line.is_some_and(is_header)
    })
}

fn is_header(line: &str) -> bool {
    let inside = line.strip_prefix("[[");
    let Some((name, rest)) = inside.and_then(|inside| inside.split_once("]]")) else {
        return false;
    };
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let rest = rest.trim();
    !name.is_empty() && name.chars().all(is_bare) && (rest.is_empty() || rest.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::apply::parser::parse;

    fn shown(node: &Node) -> String {
        let value = match &node.value {
            Value::Text(text) => format!("{:?}", **text),
            Value::List(nodes) => format!("{:?}", nodes.iter().map(shown).collect::<Vec<_>>()),
            Value::Table(fields) => {
                let fields = fields.iter();
                let fields = fields.map(|f| format!("{}@{}={}", f.name, f.line, shown(&f.node)));
                format!("{:?}", fields.collect::<Vec<_>>())
            }
            other => other.kind().to_owned(),
        };
        format!("{}:{value}", node.line)
    }

    /// The entries of each kind, one by one; none if the list is not split.
    fn one_by_one(text: &str) -> Option<Vec<String>> {
        let split = Split::of(text, &|_, _| true)?;
        let mut all = Vec::new();
        for (number, kind) in split.kinds().iter().enumerate() {
            all.push(format!("{}@{}", kind.name, kind.line));
            for node in split.entries(number) {
                all.push(shown(&node.ok().unwrap()));
            }
        }
        Some(all)
    }

    /// The same of the whole tree; none if the list is invalid, or has something else.
    fn at_once(text: &str) -> Option<Vec<String>> {
        let mut all = Vec::new();
        for field in parse(text).ok()? {
            all.push(format!("{}@{}", field.name, field.line));
            let Value::List(nodes) = &field.node.value else {
                return None;
            };
            all.extend(nodes.iter().map(shown));
        }
        Some(all)
    }

    /// More bytes than a part.
    fn long(entry: &str) -> String {
        entry.repeat(PART / entry.len() + 2)
    }

    #[test]
    fn a_plain_list_is_the_same_one_by_one_and_at_once() {
        let entry = "[[token]]\nname = \"a\"\npermissions = [\n \"x\",\n 1]\n";
        let user = "[[user]] # a person\nname = 'u'\n";
        let sub = "[token.sub]\na = 1\n[[token.list]]\nb = 2\n";
        for text in [
            String::from("# only\n[[org]]\nname = \"\u{fc}\"\n"),
            format!("\u{feff}{entry}{user}{entry}"),
            format!("{}{user}{}{entry}{user}", long(entry), long(user)),
            format!("{}{}{entry}{sub}{}", long(user), long(entry), long(entry)),
            format!("{}{user}", long(entry)).replace('\n', "\r\n"),
            format!("[[token]]\na = \"\"\"\n{user}\"\"\"\n{}", long(user)),
            String::from("{\"b\": [\n{\"x\": 1}, 7], \"a\":\n [{\"y\": [true]}]}"),
            String::from("{}"),
        ] {
            let plain = one_by_one(&text);
            assert!(plain.is_some() && plain == at_once(&text), "{text:.200}");
        }
    }

    #[test]
    fn what_is_not_plain_is_left_to_the_parser() {
        let entry = "[[token]]\nname = \"a\"\n";
        let all = long(entry);
        for text in [
            String::new(),
            String::from("org = []\n"),
            format!("org = []\n{all}"),
            format!("{all}[token]\na = 1\n"),
            format!("{all}[org]\na = 1\n"),
            format!("{all}[[org]]\na = 1\n[token.sub]\nb = 1\n"),
            format!("{all}a = \"\"\"\n{all}\"\"\"\n"),
            format!("{all}a = [\n[[1]]\n]\n"),
            format!("{all}a = [\n{all}]\n"),
            format!("{all}a = 1\na = 2\n{all}"),
            format!("{all}[[a.b]]\nc = 1\n"),
            String::from("{\"a\": 1}"),
            String::from("{\"a\": [], \"a\": []}"),
            String::from("{\"a\": [{\"b\": 1, \"b\": 1}]}"),
            String::from("{\"a\": []"),
        ] {
            let plain = one_by_one(&text);
            // Either it is not split, or it means the same.
            assert!(plain.is_none() || plain == at_once(&text), "{text:.200}");
        }
        let cut_in_a_text = format!("{all}[[b]]\na = \"\"\"\n{all}{all}\"\"\"\n");
        assert!(one_by_one(&cut_in_a_text).is_none());
        assert!(at_once(&cut_in_a_text).is_some());
    }
}
