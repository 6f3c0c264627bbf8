//! Sites and machines that have names instead of numbers.
//!
//! A column in which any cell is no whole number holds names. They are numbered from 1, in the order
//! of the alphabet. The plan's settings keep the numbers as `dataset.values`, so that a release says
//! which machine is which.

use std::collections::{BTreeMap, BTreeSet};

use super::cell;

/// The number of each name, by our name of the column.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Words {
    columns: BTreeMap<&'static str, BTreeMap<String, i64>>,
}

impl Words {
    /// Learns the names of a column from its cells, unless all of them are numbers. Names that are
    /// known already keep their number.
    pub(super) fn learn(&mut self, column: &'static str, cells: BTreeSet<String>) {
        let has_names = cells.iter().any(|text| cell::integer(text).is_err());
        if !has_names && !self.columns.contains_key(column) {
            return;
        }
        let numbers = self.columns.entry(column).or_default();
        for name in cells {
            let next = numbers.len() as i64 + 1;
            numbers.entry(name).or_insert(next);
        }
    }

    /// The number of a name; `None` if the column has no names.
    pub(super) fn number(&self, column: &str, name: &str) -> Option<i64> {
        self.columns.get(column)?.get(name).copied()
    }

    /// The columns that have names, each with the numbers.
    pub fn columns(&self) -> &BTreeMap<&'static str, BTreeMap<String, i64>> {
        &self.columns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_numbered_and_numbers_are_themselves() {
        let cells = |texts: &[&str]| texts.iter().map(|text| text.to_string()).collect();
        let mut words = Words::default();
        words.learn("site_id", cells(&["2", "1.0"]));
        assert_eq!(words.number("site_id", "2"), None, "numbers need no name");
        words.learn("machine_id", cells(&["SIEMENS", "49", "HOLOGIC"]));
        words.learn("machine_id", cells(&["AGFA"]));
        let number = |name| words.number("machine_id", name);
        assert_eq!(["49", "HOLOGIC", "SIEMENS", "AGFA"].map(number), [1, 2, 3, 4].map(Some));
    }
}
