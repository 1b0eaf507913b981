//! Reads the plain values at the top of a configuration in HCL, version 1, as influxd's library reads
//! them. The crates for HCL read version 2, which differs: keys in quotes, and `${` in a text.
//!
//! Nothing is nested here: what a value contains is passed over. So any text costs one pass.

/// A plain value, as text. None for lists, objects and blocks.
pub(super) type Value = Option<String>;

/// The keys and values at the top, in their order.
///
/// # Errors
/// The line of a text that is not HCL, or that this reader does not know.
pub(super) fn pairs(text: &str) -> Result<Vec<(String, Value)>, usize> {
    let mut reader = Reader { rest: text };
    let mut pairs = Vec::new();
    let end = |reader: &Reader<'_>| line_of(text, text.len() - reader.rest.len());
    loop {
        reader.skip_space();
        if !pairs.is_empty() && reader.skip(',') {
            reader.skip_space();
        }
        if reader.rest.is_empty() {
            return Ok(pairs);
        }
        let pair = reader.pair().ok_or_else(|| end(&reader))?;
        pairs.push(pair);
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or_default();
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}

struct Reader<'t> {
    rest: &'t str,
}

impl Reader<'_> {
    fn first(&self) -> Option<char> {
        self.rest.chars().next()
    }

    /// Passes the first character.
    fn next(&mut self) -> Option<char> {
        let mut rest = self.rest.chars();
        let first = rest.next();
        self.rest = rest.as_str();
        first
    }

    /// Passes this character, if it is the first.
    fn skip(&mut self, wanted: char) -> bool {
        let is_there = self.first() == Some(wanted);
        if is_there {
            self.next();
        }
        is_there
    }

    /// Passes everything before one of these.
    fn skip_to(&mut self, end: &str) {
        let at = self.rest.find(end).unwrap_or(self.rest.len());
        self.rest = self.rest.get(at..).unwrap_or_default();
    }

    /// Passes white space and comments. An open comment stays, and is no value.
    fn skip_space(&mut self) {
        loop {
            self.rest = self.rest.trim_start();
            if self.rest.starts_with('#') || self.rest.starts_with("//") {
                self.skip_to("\n");
            } else if self.rest.starts_with("/*") && self.rest.contains("*/") {
                self.skip_to("*/");
                self.rest = self.rest.get(2..).unwrap_or_default();
            } else {
                return;
            }
        }
    }

    fn pair(&mut self) -> Option<(String, Value)> {
        let key = self.key()?;
        self.skip_space();
        if self.skip('=') {
            self.skip_space();
            // An empty value at the end is none.
            let value = match self.first() {
                None => None,
                Some(_) => self.value()?,
            };
            return Some((key, value));
        }
        // A block, with any number of labels.
        while self.first()? != '{' {
            self.key()?;
            self.skip_space();
        }
        self.container()?;
        Some((key, None))
    }

    fn key(&mut self) -> Option<String> {
        match self.first()? {
            '"' => self.text(),
            first if first.is_alphabetic() || first == '_' => {
                let goes_on = |c: char| c.is_alphanumeric() || "_-.".contains(c);
                Some(self.word(goes_on))
            }
            _ => None,
        }
    }

    fn word(&mut self, goes_on: impl Fn(char) -> bool) -> String {
        let end = self.rest.find(|c| !goes_on(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word.to_owned()
    }

    fn value(&mut self) -> Option<Value> {
        match self.first()? {
            '"' => self.text().map(Some),
            '[' | '{' => self.container().map(|()| None),
            '<' => self.heredoc().map(Some),
            first if first == '-' || first.is_ascii_digit() => {
                let number = self.word(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
                // Other forms are written otherwise as text.
                let digits = number.strip_prefix('-').unwrap_or(&number);
                let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit())
                    && (digits == "0" || !digits.starts_with('0'));
                is_plain.then_some(Some(number))
            }
            _ => {
                let word = self.word(|c| c.is_alphanumeric());
                ["true", "false"]
                    .contains(&word.as_str())
                    .then_some(Some(word))
            }
        }
    }

    /// A text in quotes. `${` and what follows up to its `}` is a part of it as it stands.
    fn text(&mut self) -> Option<String> {
        self.next();
        let mut text = String::new();
        let mut depth = 0_usize;
        loop {
            let c = self.next()?;
            match c {
                '"' if depth == 0 => return Some(text),
                '\n' if depth == 0 => return None,
                '\\' if depth == 0 => {
                    text.push(match self.next()? {
                        'n' => '\n',
                        't' => '\t',
                        'r' => '\r',
                        plain @ ('"' | '\\') => plain,
                        _ => return None,
                    });
                    continue;
                }
                '$' if depth == 0 && self.first() == Some('{') => {
                    text.push(c);
                    depth = 1;
                    text.extend(self.next());
                    continue;
                }
                '{' if depth > 0 => depth += 1,
                '}' if depth > 0 => depth -= 1,
                _ => {}
            }
            text.push(c);
        }
    }

    /// Passes a list or an object.
    fn container(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            self.skip_space();
            match self.first()? {
                '"' => drop(self.text()?),
                '<' => drop(self.heredoc()?),
                '[' | '{' => {
                    depth += 1;
                    self.next();
                }
                ']' | '}' => {
                    depth = depth.checked_sub(1)?;
                    self.next();
                    if depth == 0 {
                        return Some(());
                    }
                }
                _ => drop(self.next()),
            }
        }
    }

    /// A text of several lines, up to the line that repeats its first word.
    fn heredoc(&mut self) -> Option<String> {
        self.rest = self.rest.strip_prefix("<<")?;
        self.skip('-');
        let (mark, rest) = self.rest.split_once('\n')?;
        let mark = mark.trim_end();
        if mark.is_empty() {
            return None;
        }
        let mut text = String::new();
        self.rest = rest;
        while !self.rest.is_empty() {
            let (line, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
            self.rest = rest;
            if line.trim() == mark {
                return Some(text);
            }
            text.push_str(line);
            text.push('\n');
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::host::processor_time::processor_time;

    /// The value of `a`, as influxd 2.7.12 and 2.9.1 print it.
    fn a(text: &str) -> Option<String> {
        let pairs = pairs(text).unwrap_or_else(|line| panic!("line {line}: {text}"));
        pairs
            .into_iter()
            .rev()
            .find_map(|(key, value)| (key == "a").then_some(value))
            .flatten()
    }

    #[test]
    fn plain_values_are_read() {
        for (text, value) in [
            ("a = \"/x\"\n", "/x"),
            ("a=\"/x\"", "/x"),
            ("a\n=\n\"/x\"\n", "/x"),
            ("\"a\" = \"/x\"", "/x"),
            ("b = 1 a = \"/x\"", "/x"),
            ("b=1,a=\"/x\"", "/x"),
            ("a = \"/x\" # c\n", "/x"),
            ("// c\n/* d\n */ a = /* e */ \"/x\" // f", "/x"),
            (r#"a = "/\"\\\t""#, "/\"\\\t"),
            ("a = \"/${b}/$x\"", "/${b}/$x"),
            ("a = \"/${ {\"} \n }\"", "/${ {\"} \n }"),
            ("a = true", "true"),
            ("a = 5", "5"),
            ("a = -5", "-5"),
            ("a = \"/one\"\na = \"/two\"\r\n", "/two"),
            ("b = [1, \"]\", [2], {c = \"}\"}]\na = \"/x\"", "/x"),
            ("b { a = \"/no\" }\nb \"c\" d { }\na = \"/x\"", "/x"),
            ("b = <<EOF\n}\na = \"/no\"\nEOF\na = \"/x\"", "/x"),
            ("b = <<-EOF\n  x\n  EOF\na = \"/x\"", "/x"),
            ("b.c = 1\n_d = 2\né = 3\na = \"/é\"", "/é"),
        ] {
            assert_eq!(a(text).as_deref(), Some(value), "{text}");
        }
        for text in [
            "",
            "# a = 1",
            "a = []",
            "a = {}",
            "a {\n}",
            "a =",
            "b = \"x\"",
        ] {
            assert_eq!(a(text), None, "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused_with_their_line() {
        for (text, line) in [
            ("b = 1\na = /x\n", 2),
            ("a = '/x'", 1),
            ("a = \"/x\n\"", 2),
            ("a = \"x", 1),
            ("a\n", 2),
            ("= 3", 1),
            (", a = 1", 1),
            ("1a = 1", 1),
            ("a = \"x\" }", 1),
            ("a = [1", 1),
            ("a = b", 1),
            ("a b = 1", 1),
            ("{\"a\": 1}", 1),
            ("\u{feff}a = 1", 1),
            ("a = 0x10", 1),
            ("a = 1.5", 1),
            ("a = \"\\q\"", 1),
            ("/* open", 1),
            ("a = <<EOF\nx\n", 3),
        ] {
            assert_eq!(pairs(text), Err(line), "{text}");
        }
    }

    #[test]
    fn deep_texts_end_quickly() {
        for part in ["[", "{", "a {", "\"${", "/*", "<<", "a \"b\" ", "<<A\n"] {
            let text = format!("a = {}", part.repeat(300_000));
            let (_, took) = processor_time(|| pairs(&text));
            assert!(took.as_secs() < 10, "{part}: {took:?}");
        }
    }
}
