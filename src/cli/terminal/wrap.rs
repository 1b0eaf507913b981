//! Line wrapping.

use std::io::{self, Write};

/// Maximum line width.
const WIDTH: usize = 80;

/// Writes `text` as lines of at most 80 columns. The first line begins with `first`, the others
/// with `indent` spaces. Long words are not broken, so that paths can be copied.
///
/// # Errors
/// When `out` can't be written.
pub fn write_wrapped(
    out: &mut dyn Write,
    first: &str,
    indent: usize,
    text: &str,
) -> io::Result<()> {
    let width = unicode_width::UnicodeWidthStr::width;
    let mut line = first.to_owned();
    let mut used = width(first);
    let mut fresh = true;
    // Keeps double spaces between columns.
    for word in text.split_inclusive(' ') {
        let bare = word.trim_end();
        if !fresh && used + width(bare) > WIDTH {
            writeln!(out, "{}", line.trim_end())?;
            line = " ".repeat(indent);
            used = indent;
        }
        line.push_str(word);
        used += width(word);
        fresh = fresh && bare.is_empty();
    }
    writeln!(out, "{}", line.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrapped(first: &str, indent: usize, text: &str) -> String {
        let mut out = Vec::new();
        write_wrapped(&mut out, first, indent, text).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn lines_end_before_the_eightieth_column() {
        let text = "word ".repeat(40);
        let lines = wrapped("  ", 4, &text);
        assert!(lines.lines().all(|line| line.len() <= 80), "{lines}");
        assert!(lines.lines().skip(1).all(|line| line.starts_with("    w")));
        assert_eq!(lines.split_whitespace().count(), 40);
        assert_eq!(wrapped("a", 2, "b  c"), "ab  c\n");
    }

    #[test]
    fn a_long_word_stays_whole() {
        let long = "x".repeat(100);
        assert_eq!(wrapped("", 2, &long), format!("{long}\n"));
        assert_eq!(
            wrapped("", 2, &format!("a {long} b")),
            format!("a\n  {long}\n  b\n")
        );
    }
}
