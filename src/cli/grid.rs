//! Text in aligned columns.

use std::fmt;

/// A text table whose columns are as wide as their widest cell; `r` aligns a column to the right.
pub struct Grid {
    align: &'static str,
    rows: Vec<Vec<String>>,
}

impl Grid {
    /// `align` has one letter per column: `l` or `r`.
    pub fn new(align: &'static str) -> Self {
        Self { align, rows: Vec::new() }
    }

    /// Adds a row at the end.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        debug_assert_eq!(N, self.align.len());
        self.rows.push(cells.into());
    }

    /// Inserts a row before all others.
    pub fn head<const N: usize>(&mut self, cells: [&str; N]) {
        self.rows.insert(0, cells.map(str::to_owned).into());
    }
}

impl fmt::Display for Grid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |column: usize| {
            self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<_> = (0..self.align.len()).map(width).collect();
        for row in &self.rows {
            let cells = row.iter().zip(self.align.chars()).zip(&widths);
            let cell = |((cell, align), &width): ((&String, char), &usize)| match align {
                'r' => format!("  {cell:>width$}"),
                _ => format!("  {cell:<width$}"),
            };
            let line: String = cells.map(cell).collect();
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut grid = Grid::new("lr");
        grid.row(["a".into(), "1,000".into()]);
        grid.row(["bcd".into(), "2".into()]);
        grid.head(["x", "n"]);
        assert_eq!(grid.to_string(), "  x        n\n  a    1,000\n  bcd      2\n");
    }
}
