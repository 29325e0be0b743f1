//! Columns for a person.

use std::io::{self, Write};

/// Where a column's text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

/// Rows below a heading, each column as wide as its longest text.
pub(super) struct Table<const N: usize> {
    columns: [(&'static str, Align); N],
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    pub(super) fn new(columns: [(&'static str, Align); N]) -> Self {
        Self { columns, rows: Vec::new() }
    }

    pub(super) fn row(&mut self, row: [String; N]) {
        self.rows.push(row);
    }

    /// Writes heading and rows, each line behind `indent`.
    pub(super) fn write(&self, indent: &str, output: &mut dyn Write) -> io::Result<()> {
        let headings = self.columns.map(|(heading, _)| heading.to_owned());
        let mut widths = [0; N];
        for row in std::iter::once(&headings).chain(&self.rows) {
            for (width, text) in widths.iter_mut().zip(row) {
                *width = (*width).max(text.chars().count());
            }
        }
        for row in std::iter::once(&headings).chain(&self.rows) {
            let mut line = String::new();
            for ((text, (_, align)), width) in row.iter().zip(self.columns).zip(widths) {
                let gap = " ".repeat(width - text.chars().count());
                let (before, after) = if align == Align::Left { ("", &*gap) } else { (&*gap, "") };
                line.push_str(&format!("{before}{text}{after}  "));
            }
            writeln!(output, "{indent}{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_longest_text() {
        let mut table = Table::new([("NAME", Align::Left), ("N", Align::Right)]);
        table.row(["ä".to_owned(), "100".to_owned()]);
        table.row(["longer".to_owned(), "7".to_owned()]);
        let mut output = Vec::new();
        table.write("  ", &mut output).unwrap();
        assert_eq!(String::from_utf8(output).unwrap(), "  NAME      N\n  ä       100\n  longer    7\n");
    }
}
