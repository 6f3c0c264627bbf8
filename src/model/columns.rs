//! Encodes a column of the table as numbers, as an auxiliary target or an auxiliary input.
//!
//! In: an [`ImageRecord`]. Out: a [`Code`], or `None` if the value is missing or is a class that
//! the training rows do not have. The classes of machine and site, and mean and standard deviation
//! of age, come from the training rows. They are part of the [`Coding`], which the checkpoint
//! stores.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::record::Column;
use crate::record::{Density, ImageRecord, Laterality, View};

/// How a column is encoded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Coding {
    /// No (0) or yes (1).
    Binary,
    /// Names of classes without an order.
    Categorical(Vec<String>),
    /// Names of ordered classes, in their order.
    Ordinal(Vec<String>),
    /// A number; encoded as `(value - mean) / deviation`.
    Regression {
        /// Mean of the training rows.
        mean: f64,
        /// Standard deviation of the training rows; 1 if all values are equal.
        deviation: f64,
    },
}

/// A column with its encoding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Coded {
    /// The column.
    pub column: Column,
    /// How it is encoded.
    pub coding: Coding,
}

/// An encoded value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Code {
    /// Index of the class; 0 or 1 for a binary column.
    Class(usize),
    /// Standardised number.
    Value(f64),
}

impl Coded {
    /// The encoding of `column`, with classes and statistics of the training rows.
    pub fn learn<'a>(column: Column, rows: impl IntoIterator<Item = &'a ImageRecord>) -> Self {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        let coding = match column {
            Column::Invasive | Column::Biopsy | Column::DifficultNegative | Column::Implant => {
                Coding::Binary
            }
            Column::Birads => Coding::Categorical(names(&["0", "1", "2"])),
            Column::Laterality => Coding::Categorical(names(&["L", "R"])),
            Column::View => Coding::Categorical(names(&["CC", "MLO", "ML", "LM", "LMO", "AT"])),
            Column::Density => Coding::Ordinal(names(&["A", "B", "C", "D"])),
            Column::Machine | Column::Site => {
                let values: BTreeSet<i64> = rows
                    .into_iter()
                    .filter_map(|row| {
                        if column == Column::Machine { row.machine_id } else { row.site_id }
                    })
                    .collect();
                Coding::Categorical(values.iter().map(ToString::to_string).collect())
            }
            Column::Age => {
                let ages: Vec<f64> =
                    rows.into_iter().filter_map(|row| row.age).map(f64::from).collect();
                let count = ages.len().max(1) as f64;
                let mean = ages.iter().sum::<f64>() / count;
                let variance = ages.iter().map(|age| (age - mean).powi(2)).sum::<f64>() / count;
                let deviation = if variance > 0.0 { variance.sqrt() } else { 1.0 };
                Coding::Regression { mean, deviation }
            }
        };
        Self { column, coding }
    }

    /// The encoded value of `row`; `None` if it is missing or has no class, as a machine that is
    /// not in the training rows.
    pub fn code(&self, row: &ImageRecord) -> Option<Code> {
        let yes = |value: Option<bool>| value.map(|yes| Code::Class(usize::from(yes)));
        match self.column {
            Column::Invasive => yes(row.invasive),
            Column::Biopsy => yes(row.biopsy),
            Column::DifficultNegative => yes(row.difficult_negative_case),
            Column::Implant => yes(row.implant),
            Column::Birads => self.class(&row.birads?.to_string()),
            Column::Laterality => self.class(row.laterality.map(Laterality::as_str)?),
            Column::View => self.class(row.view.as_ref().map(View::as_str)?),
            Column::Density => self.class(row.density.map(Density::as_str)?),
            Column::Machine => self.class(&row.machine_id?.to_string()),
            Column::Site => self.class(&row.site_id?.to_string()),
            Column::Age => match self.coding {
                Coding::Regression { mean, deviation } => {
                    Some(Code::Value((f64::from(row.age?) - mean) / deviation))
                }
                _ => None,
            },
        }
    }

    fn class(&self, name: &str) -> Option<Code> {
        match &self.coding {
            Coding::Categorical(names) | Coding::Ordinal(names) => {
                names.iter().position(|known| known == name).map(Code::Class)
            }
            _ => None,
        }
    }

    /// Number of logits of a head that predicts the column.
    pub fn outputs(&self) -> usize {
        match &self.coding {
            Coding::Binary | Coding::Regression { .. } => 1,
            Coding::Categorical(names) => names.len(),
            Coding::Ordinal(names) => names.len() - 1,
        }
    }

    /// Length of the column as an input: one number per class or the standardised value, and one
    /// that is 1 if the value is missing.
    pub fn inputs(&self) -> usize {
        self.known_inputs() + 1
    }

    fn known_inputs(&self) -> usize {
        match &self.coding {
            Coding::Binary => 2,
            Coding::Regression { .. } => 1,
            Coding::Categorical(names) | Coding::Ordinal(names) => names.len(),
        }
    }

    /// Appends the column of `row` as an input to `out`.
    pub fn encode(&self, row: &ImageRecord, out: &mut Vec<f32>) {
        let start = out.len();
        out.resize(start + self.inputs(), 0.0);
        match self.code(row) {
            Some(Code::Class(class)) => out[start + class] = 1.0,
            Some(Code::Value(value)) => out[start] = value as f32,
            None => out[start + self.known_inputs()] = 1.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Id;

    fn row() -> ImageRecord {
        ImageRecord::unlabelled(Id::new("1").unwrap(), Id::new("2").unwrap())
    }

    #[test]
    fn an_empty_cell_is_a_missing_value_in_every_column() {
        for column in Column::ALL {
            let coded = Coded::learn(column, []);
            assert_eq!(coded.code(&row()), None, "{column:?}");
            let mut encoded = Vec::new();
            coded.encode(&row(), &mut encoded);
            assert_eq!(encoded.len(), coded.inputs());
            assert_eq!(
                (encoded.last(), encoded.iter().sum::<f32>()),
                (Some(&1.0), 1.0),
                "{column:?}"
            );
        }
    }

    #[test]
    fn a_machine_that_is_not_in_the_training_rows_is_a_missing_value() {
        let rows = [49, 29, 49, 210].map(|id| ImageRecord { machine_id: Some(id), ..row() });
        let coded = Coded::learn(Column::Machine, &rows[..3]);
        assert_eq!(coded.coding, Coding::Categorical(vec!["29".into(), "49".into()]));
        let codes = [0, 1, 3].map(|i| coded.code(&rows[i]));
        assert_eq!(codes, [Some(Code::Class(1)), Some(Code::Class(0)), None]);
        assert_eq!(coded.outputs(), 2);
    }

    #[test]
    fn age_is_standardised_by_the_training_rows() {
        let rows = [40.0, 60.0].map(|age| ImageRecord { age: Some(age), ..row() });
        let coded = Coded::learn(Column::Age, &rows);
        assert_eq!(coded.code(&rows[1]), Some(Code::Value(1.0)));
        assert_eq!(Coded::learn(Column::Age, &rows[..1]).code(&rows[0]), Some(Code::Value(0.0)));
    }

    #[test]
    fn density_has_an_order_and_birads_has_none() {
        let density = Coded::learn(Column::Density, []);
        let c = ImageRecord { density: Some(Density::C), birads: Some(2), ..row() };
        assert_eq!((density.code(&c), density.outputs()), (Some(Code::Class(2)), 3));
        let birads = Coded::learn(Column::Birads, []);
        assert_eq!((birads.code(&c), birads.outputs()), (Some(Code::Class(2)), 3));
        assert!(matches!(birads.coding, Coding::Categorical(_)));
    }
}
