//! Plain tables, aligned with spaces, without borders. On a terminal, a row is one line that fits
//! its width, and long cells are cut. In pipes and files, cells are whole.

use std::io::{self, Write};

use crate::cli::terminal::report::printable;
use crate::cli::terminal::width::{cut, display_width, of_reports};
use crate::cli::terminal::wrap::write_wrapped;

/// Between columns.
const GAP: usize = 2;

/// A column that is cut below this says nothing.
const NARROWEST_COLUMN: usize = 8;

/// In pipes, longer cells are not padded for: one long description would fill every row.
const WIDEST_PADDING: usize = 40;

/// Rows of text under a header line.
pub struct Table {
    columns: Vec<String>,
    /// The columns that are never cut.
    whole: Vec<String>,
    has_header: bool,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table with these columns; without `header` its names are not printed. The column
    /// `ID` is never cut.
    #[must_use]
    pub fn new(columns: &[&str], header: bool) -> Self {
        Self {
            columns: columns.iter().map(ToString::to_string).collect(),
            whole: vec!["ID".into()],
            has_header: header,
            rows: Vec::new(),
        }
    }

    /// The columns that are never cut. If these are all, lines may be longer than the terminal is
    /// wide.
    #[must_use]
    pub fn whole(mut self, columns: &[&str]) -> Self {
        self.whole = columns.iter().map(ToString::to_string).collect();
        self
    }

    /// Adds a row. Control characters in the cells are escaped.
    pub fn row<const N: usize>(&mut self, cells: [&str; N]) {
        self.cells(&cells);
    }

    /// Adds a row, for tables whose number of columns varies.
    pub fn cells(&mut self, cells: &[&str]) {
        self.rows
            .push(cells.iter().copied().map(printable).collect());
    }

    /// Prints header and rows; two spaces between columns, none at the end of a line.
    ///
    /// # Errors
    /// When `out` can't be written.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        self.write_within(of_reports(), out)
    }

    fn write_within(&self, width: Option<usize>, out: &mut dyn Write) -> io::Result<()> {
        let widths = self.natural_widths();
        let is_whole = self.whole.len() == self.columns.len();
        let Some(width) = width.filter(|_| !is_whole) else {
            let widths: Vec<usize> = widths.map(|width| width.min(WIDEST_PADDING)).collect();
            let mut lines = self.header().chain(&self.rows);
            return lines.try_for_each(|line| write_line(line, &widths, out));
        };
        match self.fitting_widths(widths.collect(), width) {
            Some(widths) => self.write_cut_lines(&widths, out),
            None => self.write_blocks(out),
        }
    }

    fn header(&self) -> impl Iterator<Item = &Vec<String>> {
        self.has_header.then_some(&self.columns).into_iter()
    }

    fn natural_widths(&self) -> impl Iterator<Item = usize> {
        let mut widths: Vec<usize> = vec![0; self.columns.len()];
        for line in self.header().chain(&self.rows) {
            for (width, cell) in widths.iter_mut().zip(line) {
                *width = (*width).max(display_width(cell));
            }
        }
        widths.into_iter()
    }

    /// The widths of columns with which a line fits, the longest ones cut. None if too little would
    /// be left of them.
    fn fitting_widths(&self, widths: Vec<usize>, width: usize) -> Option<Vec<usize>> {
        let gaps = GAP * widths.len().saturating_sub(1);
        let limited = |limit: usize| -> Vec<usize> {
            let columns = widths.iter().zip(&self.columns);
            columns
                .map(|(width, name)| match self.whole.contains(name) {
                    true => *width,
                    false => (*width).min(limit),
                })
                .collect()
        };
        let limits = (NARROWEST_COLUMN..=width).rev();
        let mut fitting = limits
            .map(limited)
            .find(|widths| widths.iter().sum::<usize>() + gaps <= width)?;
        // The last column, which tells most, gets what the others leave.
        let used = fitting.iter().sum::<usize>() + gaps;
        if let (Some(last), Some(natural)) = (fitting.last_mut(), widths.last()) {
            *last = (*last + width.saturating_sub(used)).min(*natural);
        }
        Some(fitting)
    }

    fn write_cut_lines(&self, widths: &[usize], out: &mut dyn Write) -> io::Result<()> {
        for line in self.header().chain(&self.rows) {
            let cells = line.iter().zip(widths);
            let cells: Vec<String> = cells.map(|(cell, width)| cut(cell, *width)).collect();
            write_line(&cells, widths, out)?;
        }
        Ok(())
    }

    /// For terminals that are too narrow for the columns: the first two cells of a row on a line, the
    /// others below, with their names.
    fn write_blocks(&self, out: &mut dyn Write) -> io::Result<()> {
        for row in &self.rows {
            let title = row.iter().take(2).map(String::as_str);
            let title = title.collect::<Vec<_>>().join("  ");
            write_wrapped(out, "", 2, &title)?;
            let named = self.columns.iter().zip(row).skip(2);
            let named = named.filter(|(_, cell)| !cell.is_empty());
            let named: Vec<String> = named
                .map(|(name, cell)| format!("{name}: {cell}"))
                .collect();
            write_wrapped(out, "  ", 4, &named.join("; "))?;
        }
        Ok(())
    }
}

fn write_line(cells: &[String], widths: &[usize], out: &mut dyn Write) -> io::Result<()> {
    let mut text = String::new();
    let mut pending = 0;
    for (cell, width) in cells.iter().zip(widths) {
        text.extend(std::iter::repeat_n(' ', pending));
        text.push_str(cell);
        pending = width.saturating_sub(display_width(cell)) + GAP;
    }
    writeln!(out, "{}", text.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(table: &Table, width: Option<usize>) -> String {
        let mut out = Vec::new();
        table.write_within(width, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn columns_align_by_display_width() {
        let mut table = Table::new(&["ID", "Name"], true);
        table.row(["1", "日本"]);
        table.row(["日本", "x"]);
        table.row(["3", ""]);
        for width in [None, Some(80)] {
            assert_eq!(text(&table, width), "ID    Name\n1     日本\n日本  x\n3\n");
        }
    }

    #[test]
    fn on_a_terminal_a_row_is_one_line_and_ids_are_whole() {
        let long = "x".repeat(100_000);
        let mut table = Table::new(&["ID", "Description", "Kind"], true);
        table.row(["0123456789abcdef", "short", "operator"]);
        table.row(["0123456789abcdef", &long, "operator"]);
        for width in [60, 80, 120, 200] {
            let text = text(&table, Some(width));
            assert_eq!(text.lines().count(), 3, "{text}");
            for line in text.lines() {
                assert!(display_width(line) <= width, "{text}");
            }
            assert!(
                text.lines()
                    .skip(1)
                    .all(|line| line.starts_with("0123456789abcdef  "))
            );
            assert!(text.lines().nth(2).unwrap().contains("…  operator"));
        }
    }

    #[test]
    fn in_a_pipe_cells_are_whole_and_one_long_cell_pads_no_other_row() {
        let long = "x".repeat(100_000);
        let mut table = Table::new(&["ID", "Description", "Kind"], true);
        table.row(["0123456789abcdef", "short", "operator"]);
        table.row(["0123456789abcdef", &long, "operator"]);
        let text = text(&table, None);
        assert!(text.lines().nth(1).unwrap().len() < 80);
        assert!(text.contains(&format!("{long}  operator")));
    }

    #[test]
    fn where_columns_do_not_fit_rows_are_blocks() {
        let mut table = Table::new(&["ID", "A", "B", "C", "D", "E", "F"], true);
        table.row([
            "0123456789abcdef",
            "a",
            "bbbbbbbbb",
            "ccccccccc",
            "ddddddddd",
            "eeeeeeeee",
            "",
        ]);
        assert_eq!(
            text(&table, Some(50)),
            "0123456789abcdef  a\n  B: bbbbbbbbb; C: ccccccccc; D: ddddddddd; E: eeeeeeeee\n"
        );
    }
}
