//! The words of a command line that is not complete, without the quotes and backslashes of the shell.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// A command line up to the cursor.
pub(super) struct Line {
    /// Its words; the last one is completed.
    pub words: Vec<OsString>,
    /// The start of the last word that the shell keeps: bash replaces only what follows a `=`, `:`
    /// or `@`.
    kept_by_shell: String,
    /// What a candidate needs to stand for itself.
    quoting: Quoting,
}

/// Who quotes a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quoting {
    /// The shell.
    ByShell,
    /// We, for bash, which quotes names of files only, and `$` not even in those.
    Ours {
        /// The quote that is open.
        open: Option<u8>,
    },
}

impl Line {
    /// Of zsh, which has split the words and taken their quotes away.
    pub fn of_zsh(words: Vec<OsString>) -> Self {
        Self {
            words,
            kept_by_shell: String::new(),
            quoting: Quoting::ByShell,
        }
    }

    /// Of fish, where only the last word has its quotes.
    pub fn of_fish(mut words: Vec<OsString>) -> Self {
        if let Some(last) = words.last_mut() {
            *last = unquoted(last);
        }
        Self::of_zsh(words)
    }

    /// Of bash: the line up to the cursor, and the part of the last word that is replaced.
    pub fn of_bash(given: &[OsString]) -> Self {
        let line = given
            .first()
            .map(|line| line.as_bytes())
            .unwrap_or_default();
        let (words, open) = split(line);
        let last = words.last().map(|word| word.to_string_lossy().into_owned());
        let replaced = given.get(1).map(|word| unquoted(word)).unwrap_or_default();
        let kept = last.as_deref().unwrap_or_default();
        let kept = kept.strip_suffix(&*replaced.to_string_lossy());
        Self {
            kept_by_shell: kept.unwrap_or_default().to_owned(),
            quoting: Quoting::Ours { open },
            words,
        }
    }

    /// The text that the shell puts in for a candidate. None if it can't.
    pub fn text_of(&self, candidate: &str) -> Option<String> {
        let text = candidate.strip_prefix(&self.kept_by_shell)?;
        match self.quoting {
            Quoting::ByShell => Some(text.to_owned()),
            Quoting::Ours { open: None } => Some(quoted(text)),
            Quoting::Ours { open: Some(b'"') } => {
                // In double quotes, an exclamation mark can't be quoted.
                let escaped = |c| match c {
                    '"' | '\\' | '$' | '`' => format!("\\{c}"),
                    c => c.to_string(),
                };
                (!text.contains('!')).then(|| text.chars().map(escaped).collect())
            }
            Quoting::Ours { open: Some(_) } => Some(text.replace('\'', r"'\''")),
        }
    }
}

/// A word for bash with a backslash before each special character.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "_./:@%+,=-".contains(c);
    let mut quoted = String::new();
    for c in text.chars() {
        if !is_plain(c) {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted
}

/// A word without quotes and backslashes. The last quote may be open.
pub(super) fn unquoted(word: &OsStr) -> OsString {
    let mut bytes = Vec::new();
    let mut quote = None;
    let mut rest = word.as_bytes().iter().copied();
    while let Some(byte) = rest.next() {
        match (byte, quote) {
            (b'\\', None) => bytes.extend(rest.next()),
            (b'\\', Some(b'"')) => match rest.next() {
                Some(next @ (b'"' | b'\\' | b'$' | b'`')) => bytes.push(next),
                next => bytes.extend([b'\\'].into_iter().chain(next)),
            },
            (b'"' | b'\'', None) => quote = Some(byte),
            (_, Some(open)) if byte == open => quote = None,
            _ => bytes.push(byte),
        }
    }
    OsString::from_vec(bytes)
}

/// The words of a line, and the quote that is open at its end. After a space a new word begins, which
/// may be empty.
fn split(line: &[u8]) -> (Vec<OsString>, Option<u8>) {
    let mut words = Vec::new();
    let mut word = Vec::new();
    let mut begun = false;
    let mut quote = None;
    let mut rest = line.iter().copied();
    while let Some(byte) = rest.next() {
        match (byte, quote) {
            (b' ' | b'\t' | b'\n', None) => {
                if begun {
                    words.push(unquoted(OsStr::from_bytes(&word)));
                    word.clear();
                    begun = false;
                }
                continue;
            }
            (b'\\', None | Some(b'"')) => {
                word.push(byte);
                word.extend(rest.next());
            }
            (b'"' | b'\'', None) => {
                quote = Some(byte);
                word.push(byte);
            }
            (_, Some(open)) if byte == open => {
                quote = None;
                word.push(byte);
            }
            _ => word.push(byte),
        }
        begun = true;
    }
    words.push(unquoted(OsStr::from_bytes(&word)));
    (words, quote)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str, replaced: &str) -> (Vec<String>, String) {
        let line = Line::of_bash(&[line.into(), replaced.into()]);
        let words = line
            .words
            .iter()
            .map(|word| word.to_string_lossy().into_owned());
        (words.collect(), line.kept_by_shell)
    }

    #[test]
    fn a_line_of_bash_is_split_as_bash_does() {
        for (line, replaced, words, kept) in [
            ("boltkey ", "", &["boltkey", ""][..], ""),
            ("boltkey  sta", "sta", &["boltkey", "sta"], ""),
            ("boltkey --db=x", "x", &["boltkey", "--db=x"], "--db="),
            (
                "b -d 'a b' --org \"be",
                "\"be",
                &["b", "-d", "a b", "--org", "be"],
                "",
            ),
            (
                r"b -d a\ b --org be\ \&",
                r"be\ \&",
                &["b", "-d", "a b", "--org", "be &"],
                "",
            ),
            (
                "b --can read:buckets/m",
                "buckets/m",
                &["b", "--can", "read:buckets/m"],
                "read:",
            ),
            ("b --user a@b.c", "b.c", &["b", "--user", "a@b.c"], "a@"),
            ("", "", &[""], ""),
        ] {
            let (found, found_kept) = of(line, replaced);
            assert_eq!(found, words, "{line}");
            assert_eq!(found_kept, kept, "{line}");
        }
    }

    #[test]
    fn a_candidate_stands_for_itself() {
        let name = r#"a $(b) `c` "d" 'e' \f"#;
        for (line, replaced, text) in [
            ("b ", "", r#"a\ \$\(b\)\ \`c\`\ \"d\"\ \'e\'\ \\f"#),
            ("b \"", "", r#"a \$(b) \`c\` \"d\" 'e' \\f"#),
            ("b '", "", r#"a $(b) `c` "d" '\''e'\'' \f"#),
        ] {
            let line = Line::of_bash(&[line.into(), replaced.into()]);
            assert_eq!(line.text_of(name).as_deref(), Some(text));
        }
        let line = Line::of_bash(&["b --org=".into(), "".into()]);
        assert_eq!(line.text_of("--org=a b").as_deref(), Some(r"a\ b"));
        let line = Line::of_bash(&["b \"".into(), "".into()]);
        assert_eq!(line.text_of("a!b"), None);
        let line = Line::of_zsh(vec!["b".into(), "".into()]);
        assert_eq!(line.text_of(name).as_deref(), Some(name));
    }

    #[test]
    fn quotes_are_taken_away() {
        for (word, meaning) in [
            ("a'b c'd", "ab cd"),
            (r#""a\"b\c""#, r#"a"b\c"#),
            (r"a\ b\\", r"a b\"),
            ("'it is open", "it is open"),
            (r"\", ""),
        ] {
            assert_eq!(unquoted(OsStr::new(word)), OsStr::new(meaning), "{word}");
        }
    }
}
