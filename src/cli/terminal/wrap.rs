//! Line wrapping: on a terminal, lines fit its width. In pipes and files, lines are never wrapped.

use std::borrow::Cow;
use std::io::{self, Write};

use crate::cli::terminal::width::{display_width, of_reports};

/// Writes `text` as lines that fit the terminal. The first line begins with `first`, the others
/// with `indent` spaces. Long words are not broken, so that paths can be copied. Without a terminal
/// it is one line.
///
/// # Errors
/// When `out` can't be written.
pub fn write_wrapped(
    out: &mut dyn Write,
    first: &str,
    indent: usize,
    text: &str,
) -> io::Result<()> {
    match of_reports() {
        Some(width) => wrap(out, first, indent, text, width),
        None => writeln!(out, "{}", format!("{first}{text}").trim_end()),
    }
}

/// Wraps the lines of a report that are longer than the terminal is wide. Commands are not broken,
/// so that they can be copied.
///
/// # Errors
/// When `out` can't be written.
pub(crate) fn write_fitting(out: &mut dyn Write, report: &str, width: usize) -> io::Result<()> {
    for line in report.split_inclusive('\n') {
        let bare = line.strip_suffix('\n').unwrap_or(line);
        if display_width(bare) <= width || is_command(bare) {
            out.write_all(line.as_bytes())?;
        } else {
            wrap(out, "", hanging_indent(bare), bare, width)?;
        }
    }
    Ok(())
}

/// A message on standard error, wrapped with a hanging indent if that is a terminal.
pub(crate) fn fitting_message(text: &str, width: Option<usize>) -> Cow<'_, str> {
    match width {
        Some(width) if display_width(text) > width => {
            let mut lines = Vec::new();
            // Writing to memory can't fail.
            let _ = wrap(&mut lines, "", hanging_indent(text), text, width);
            let lines = String::from_utf8_lossy(&lines);
            Cow::Owned(lines.trim_end().to_owned())
        }
        _ => Cow::Borrowed(text),
    }
}

/// How a line begins that is a command.
const COMMANDS: [&str; 8] = [
    "boltkey ", "influx ", "influxd ", "mv ", "rm ", "chmod ", "chown ", "kill ",
];

/// Whether the line is a command, ready to copy.
fn is_command(line: &str) -> bool {
    let line = line.trim_start();
    COMMANDS.iter().any(|program| line.starts_with(program))
}

/// The indent of the lines after the first one: under the value of `Label:   value`, else two more
/// than the line itself.
fn hanging_indent(line: &str) -> usize {
    let start = line.len() - line.trim_start().len();
    let label = line.split_once(":  ").map(|(label, rest)| {
        let spaces = rest.len() - rest.trim_start().len();
        display_width(label) + ":  ".len() + spaces
    });
    match label {
        Some(indent) if indent <= 20 => indent,
        _ => start + 2,
    }
}

fn wrap(
    out: &mut dyn Write,
    first: &str,
    indent: usize,
    text: &str,
    width: usize,
) -> io::Result<()> {
    let mut line = first.to_owned();
    let mut used = display_width(first);
    let mut fresh = true;
    // Keeps double spaces between columns.
    for word in text.split_inclusive(' ') {
        let bare = word.trim_end();
        if !fresh && used + display_width(bare) > width {
            writeln!(out, "{}", line.trim_end())?;
            line = " ".repeat(indent);
            used = indent;
            if bare.is_empty() {
                continue;
            }
        }
        line.push_str(word);
        used += display_width(word);
        fresh = fresh && bare.is_empty();
    }
    writeln!(out, "{}", line.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrapped(first: &str, indent: usize, text: &str, width: usize) -> String {
        let mut out = Vec::new();
        wrap(&mut out, first, indent, text, width).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn lines_fit_every_width() {
        let text = "word ".repeat(60);
        for width in [60, 80, 120, 200] {
            let lines = wrapped("  ", 4, &text, width);
            assert!(lines.lines().all(|line| line.len() <= width), "{lines}");
            assert!(lines.lines().skip(1).all(|line| line.starts_with("    w")));
            assert_eq!(lines.split_whitespace().count(), 60);
        }
        assert_eq!(wrapped("a", 2, "b  c", 80), "ab  c\n");
    }

    #[test]
    fn a_long_word_stays_whole() {
        let long = "x".repeat(100);
        assert_eq!(wrapped("", 2, &long, 80), format!("{long}\n"));
        assert_eq!(
            wrapped("", 2, &format!("a {long} b"), 80),
            format!("a\n  {long}\n  b\n")
        );
    }

    #[test]
    fn without_a_terminal_nothing_is_wrapped() {
        let text = "word ".repeat(60);
        let mut out = Vec::new();
        write_wrapped(&mut out, "  ", 4, &text).unwrap();
        let line = format!("  {}\n", text.trim_end());
        assert_eq!(String::from_utf8(out).unwrap(), line);
    }

    #[test]
    fn other_lines_hang_under_their_value_and_commands_stay_whole() {
        let value = "value ".repeat(8);
        let command = format!("  influx restore --bucket {}", "x ".repeat(30));
        let report = format!("Label:   {value}\n  {value}{value}\n{command}\nshort\n");
        let mut out = Vec::new();
        write_fitting(&mut out, &report, 40).unwrap();
        let text = String::from_utf8(out).unwrap();
        let mut lines = text.lines();
        assert!(lines.next().unwrap().starts_with("Label:   value"));
        assert_eq!(lines.next(), Some("         value value value"));
        assert!(lines.next().unwrap().starts_with("  value"));
        assert!(lines.next().unwrap().starts_with("    value"));
        assert!(text.contains(&format!("\n{command}\nshort\n")));
    }

    #[test]
    fn messages_hang_by_two() {
        let text = format!("error: {}", "word ".repeat(20));
        assert_eq!(fitting_message(&text, None), text);
        let lines = fitting_message(&text, Some(60)).into_owned();
        assert!(lines.lines().all(|line| line.len() <= 60), "{lines}");
        assert!(lines.lines().skip(1).all(|line| line.starts_with("  w")));
    }
}
