//! Plain tables, aligned with spaces, without borders.

use std::io::{self, Write};

use crate::cli::terminal::report::printable;

/// Rows of text under a header line.
pub struct Table {
    header: Option<Vec<String>>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table with these columns; without `header` its names are not printed.
    #[must_use]
    pub fn new(columns: &[&str], header: bool) -> Self {
        Self {
            header: header.then(|| columns.iter().map(ToString::to_string).collect()),
            rows: Vec::new(),
        }
    }

    /// Adds a row. Control characters in the cells are escaped.
    pub fn row<const N: usize>(&mut self, cells: [&str; N]) {
        self.rows.push(cells.map(printable).to_vec());
    }

    /// Prints header and rows; two spaces between columns, none at the end of a line.
    ///
    /// # Errors
    /// When `out` can't be written.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let lines = || self.header.iter().chain(&self.rows);
        let mut widths: Vec<usize> = Vec::new();
        for line in lines() {
            widths.resize(widths.len().max(line.len()), 0);
            for (width, cell) in widths.iter_mut().zip(line) {
                *width = (*width).max(display_width(cell));
            }
        }
        for line in lines() {
            let mut text = String::new();
            let mut pending = 0;
            for (cell, width) in line.iter().zip(&widths) {
                text.extend(std::iter::repeat_n(' ', pending));
                text.push_str(cell);
                pending = width - display_width(cell) + 2;
            }
            writeln!(out, "{}", text.trim_end())?;
        }
        Ok(())
    }
}

/// The width of `text` on a terminal, in columns.
fn display_width(text: &str) -> usize {
    unicode_width::UnicodeWidthStr::width(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_by_display_width() {
        let mut table = Table::new(&["ID", "Name"], true);
        table.row(["1", "日本"]);
        table.row(["日本", "x"]);
        table.row(["3", ""]);
        let mut out = Vec::new();
        table.write(&mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "ID    Name\n1     日本\n日本  x\n3\n"
        );
    }
}
