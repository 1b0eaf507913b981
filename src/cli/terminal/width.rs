//! The width of text, and the width that reports must fit.

use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::fd::AsFd;
use rustix::termios::tcgetwinsize;

/// Lines longer than this are hard to read.
const WIDEST: usize = 200;

/// Narrower than this, words no longer fit.
const NARROWEST: usize = 40;

/// The width of a terminal that does not say its own.
const USUAL: usize = 80;

/// The width of reports. 0: they are not wrapped, because standard output is not a terminal.
static REPORTS: AtomicUsize = AtomicUsize::new(0);

/// Looks at standard output. Called once, before the first report.
pub(crate) fn look_at_stdout() {
    REPORTS.store(of_stream(&io::stdout()).unwrap_or(0), Ordering::Relaxed);
}

/// The width that reports must fit. None if standard output is not a terminal.
pub(crate) fn of_reports() -> Option<usize> {
    match REPORTS.load(Ordering::Relaxed) {
        0 => None,
        width => Some(width),
    }
}

/// The width that messages on standard error must fit. None if it is not a terminal.
pub(crate) fn of_messages() -> Option<usize> {
    of_stream(&io::stderr())
}

fn of_stream(stream: &(impl IsTerminal + AsFd)) -> Option<usize> {
    if !stream.is_terminal() {
        return None;
    }
    let columns = tcgetwinsize(stream).map_or(0, |size| usize::from(size.ws_col));
    Some(match columns {
        0 => USUAL,
        columns => columns.clamp(NARROWEST, WIDEST),
    })
}

/// The width of `text` on a terminal, in columns, without colors.
pub(crate) fn display_width(text: &str) -> usize {
    let plain = anstream::adapter::strip_str(text);
    plain.map(unicode_width::UnicodeWidthStr::width).sum()
}

/// The start of `text` that fits into `columns`, with an ellipsis if that is not all of it.
pub(crate) fn cut(text: &str, columns: usize) -> String {
    if display_width(text) <= columns {
        return text.to_owned();
    }
    let mut start = String::new();
    let mut used = 0;
    for c in text.chars() {
        used += unicode_width::UnicodeWidthChar::width(c).unwrap_or(0);
        if used >= columns {
            break;
        }
        start.push(c);
    }
    format!("{}…", start.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_text_fits() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcd", 3), "ab…");
        assert_eq!(cut("ab cd", 4), "ab…");
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(cut("日本語", 4), "日…");
        for columns in 1..9 {
            assert!(display_width(&cut("日a本b語c", columns)) <= columns.max(1));
        }
    }

    #[test]
    fn colors_have_no_width() {
        assert_eq!(display_width("\u{1b}[31mab\u{1b}[0m"), 2);
    }
}
