//! Writes a list for `apply`, in TOML.

use zeroize::Zeroizing;

/// The text of a list. Its memory is wiped.
#[derive(Default)]
pub(super) struct TomlList {
    text: Zeroizing<Vec<u8>>,
}

/// A value of one line, such as a string or a list of strings.
pub(super) struct Inline(Zeroizing<Vec<u8>>);

impl TomlList {
    /// Adds a comment. `text` may have several lines.
    pub(super) fn comment(&mut self, text: &str) {
        for line in text.lines() {
            let mut safe = Vec::new();
            line.chars().for_each(|c| push_visible(c, &mut safe));
            self.push(b"# ");
            self.push(&safe);
            self.push(b"\n");
        }
    }

    /// Adds an empty line.
    pub(super) fn blank(&mut self) {
        self.push(b"\n");
    }

    /// Begins an entry, such as `[[token]]`.
    pub(super) fn entry(&mut self, kind: &str) {
        self.push(b"\n[[");
        self.push(kind.as_bytes());
        self.push(b"]]\n");
    }

    /// Adds a field with a string.
    pub(super) fn text(&mut self, name: &str, value: &str) {
        self.inline(name, &Inline::text(value));
    }

    /// Adds a field that is true or false.
    pub(super) fn flag(&mut self, name: &str, value: bool) {
        self.push(name.as_bytes());
        self.push(if value { b" = true\n" } else { b" = false\n" });
    }

    /// Adds a field with a list. Long lists have a line for each value.
    pub(super) fn list(&mut self, name: &str, values: &[Inline]) {
        const FEW: usize = 3;
        self.push(name.as_bytes());
        self.push(b" = [");
        for (number, value) in values.iter().enumerate() {
            match (values.len() > FEW, number) {
                (true, _) => self.push(b"\n    "),
                (false, 0) => {}
                (false, _) => self.push(b" "),
            }
            self.push(&value.0);
            if values.len() > FEW || number + 1 < values.len() {
                self.push(b",");
            }
        }
        self.push(if values.len() > FEW { b"\n]\n" } else { b"]\n" });
    }

    /// Adds a field.
    pub(super) fn inline(&mut self, name: &str, value: &Inline) {
        self.push(name.as_bytes());
        self.push(b" = ");
        self.push(&value.0);
        self.push(b"\n");
    }

    /// The text.
    pub(super) fn finish(self) -> Zeroizing<Vec<u8>> {
        self.text
    }

    /// Appends bytes. A buffer that has to grow is wiped, because it may contain tokens.
    fn push(&mut self, bytes: &[u8]) {
        if self.text.capacity() - self.text.len() < bytes.len() {
            let room = (self.text.capacity() * 2).max(4096) + bytes.len();
            let mut larger = Zeroizing::new(Vec::with_capacity(room));
            larger.extend_from_slice(&self.text);
            self.text = larger;
        }
        self.text.extend_from_slice(bytes);
    }
}

impl Inline {
    /// A string.
    pub(super) fn text(value: &str) -> Self {
        // Enough for all escapes, so that no copy of a token is left behind.
        let mut out = Zeroizing::new(Vec::with_capacity(value.len() * 10 + 2));
        out.push(b'"');
        push_escaped(value, &mut out);
        out.push(b'"');
        Self(out)
    }

    /// A table of strings.
    pub(super) fn table(fields: &[(&str, &str)]) -> Self {
        let mut out = Zeroizing::new(Vec::new());
        for (number, (name, value)) in fields.iter().enumerate() {
            out.extend_from_slice(if number == 0 { b"{ " } else { b", " });
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b" = ");
            out.extend_from_slice(&Self::text(value).0);
        }
        out.extend_from_slice(b" }");
        Self(out)
    }
}

/// Escapes what TOML does not allow in a string, and characters that an editor does not show or that
/// change the direction of a line.
fn push_escaped(text: &str, out: &mut Vec<u8>) {
    for c in text.chars() {
        match c {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\t' => out.extend_from_slice(b"\\t"),
            '\r' => out.extend_from_slice(b"\\r"),
            c => push_visible(c, out),
        }
    }
}

fn push_visible(c: char, out: &mut Vec<u8>) {
    if is_hidden(c) {
        let number = u32::from(c);
        out.extend_from_slice(format!("\\U{number:08X}").as_bytes());
    } else {
        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}')
        || ('\u{200b}'..='\u{200f}').contains(&c)
        || ('\u{2028}'..='\u{202e}').contains(&c)
        || ('\u{2060}'..='\u{206f}').contains(&c)
        || ('\u{e0000}'..='\u{e007f}').contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let texts = [
            "",
            "plain",
            "a \"b\" \\ 'c'",
            "line\nbreak\r\n\ttab",
            "\u{0}\u{1b}[31m\u{7f}\u{85}",
            "Zähler 日本 \u{202e}\u{200b}\u{feff}\u{e0041}",
            "# [[token]]",
        ];
        for text in texts {
            let mut list = TomlList::default();
            list.comment(&format!("comment {text}\nsecond"));
            list.entry("token");
            list.text("description", text);
            let values: Vec<Inline> = texts.iter().map(|text| Inline::text(text)).collect();
            list.list("few", values.get(..2).unwrap());
            list.list("none", &[]);
            list.list("many", &values);
            let table = [("name", text), ("org", "acme")];
            list.inline("table", &Inline::table(&table));
            list.flag("yes", true);
            list.flag("no", false);
            let written = String::from_utf8(list.finish().to_vec()).unwrap();
            let read: toml::Table = written.parse().unwrap();
            let entry = &read["token"][0];
            assert_eq!(entry["description"].as_str(), Some(text), "{written}");
            assert_eq!(entry["table"]["name"].as_str(), Some(text), "{written}");
            assert_eq!(entry["yes"].as_bool(), Some(true), "{written}");
            assert_eq!(entry["no"].as_bool(), Some(false), "{written}");
            let list = |name: &str| {
                let list = entry[name].as_array().unwrap().iter();
                list.map(|one| one.as_str().unwrap().to_owned())
                    .collect::<Vec<_>>()
            };
            assert_eq!(list("few"), texts[..2]);
            assert_eq!(list("many"), texts);
            assert!(list("none").is_empty());
            let visible = |c: char| c == '\n' || !is_hidden(c);
            assert!(written.chars().all(visible), "{written:?}");
        }
    }
}
