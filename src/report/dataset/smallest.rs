//! Keeps the few rows with the smallest keys while all rows are read once.

use super::rows::Row;

/// The rows with the smallest keys.
#[derive(Debug, Clone)]
pub struct Smallest<K> {
    most: usize,
    rows: Vec<(K, Row)>,
}

impl<K: PartialOrd> Smallest<K> {
    /// Keeps at most `most` rows.
    pub fn new(most: usize) -> Self {
        Self { most, rows: Vec::new() }
    }

    /// Keeps a copy of `row` if its key is among the smallest so far.
    pub fn offer(&mut self, key: K, row: &Row) {
        self.rows.push((key, row.clone()));
        // Sorts only when the list is long, so that the cost per row is low.
        if self.rows.len() >= 4 * self.most.max(1) {
            self.settle();
        }
    }

    fn settle(&mut self) {
        self.rows.sort_by(|(a, _), (b, _)| a.partial_cmp(b).expect("no key is NaN"));
        self.rows.truncate(self.most);
    }

    /// The rows, smallest key first.
    pub fn take(&mut self) -> Vec<Row> {
        self.settle();
        std::mem::take(&mut self.rows).into_iter().map(|(_, row)| row).collect()
    }
}
