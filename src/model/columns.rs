//! A column of the table as numbers: what a head learns to tell, or is told.
//!
//! In: an [`ImageRecord`]. Out: a [`Code`], or `None` where the table has nothing, or nothing
//! that the training rows had too. What was learnt from the training rows (the classes of
//! machine and site, mean and deviation of age) is part of the [`Coding`], and with it of the
//! checkpoint.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::record::Column;
use crate::record::{Density, ImageRecord, Laterality, View};

/// How a column's values are told apart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Coding {
    /// No (0) or yes (1).
    Binary,
    /// Classes without an order, by name.
    Categorical(Vec<String>),
    /// Classes in their order, by name.
    Ordinal(Vec<String>),
    /// A number; coded as `(value - mean) / deviation`.
    Regression {
        /// Of the training rows.
        mean: f64,
        /// Of the training rows; 1 where they are all alike.
        deviation: f64,
    },
}

/// A column with its coding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Coded {
    /// Which column.
    pub column: Column,
    /// How its values are told apart.
    pub coding: Coding,
}

/// A value as a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Code {
    /// Number of the class; of a binary column 0 or 1.
    Class(usize),
    /// Standardised.
    Value(f64),
}

impl Coded {
    /// The coding of `column` in the light of the training rows.
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

    /// The value of `row`; `None` where it is missing or, as a machine new to the network, of
    /// no class.
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

    /// Logits that a head needs to tell the column.
    pub fn outputs(&self) -> usize {
        match &self.coding {
            Coding::Binary | Coding::Regression { .. } => 1,
            Coding::Categorical(names) => names.len(),
            Coding::Ordinal(names) => names.len() - 1,
        }
    }

    /// Numbers that tell the column to a head: one for each class or the standardised value,
    /// and one that says that it is missing.
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

    /// Adds those numbers to `out`.
    pub fn tell(&self, row: &ImageRecord, out: &mut Vec<f32>) {
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
    fn an_empty_cell_is_no_value_in_any_column() {
        for column in Column::ALL {
            let coded = Coded::learn(column, []);
            assert_eq!(coded.code(&row()), None, "{column:?}");
            let mut told = Vec::new();
            coded.tell(&row(), &mut told);
            assert_eq!(told.len(), coded.inputs());
            assert_eq!((told.last(), told.iter().sum::<f32>()), (Some(&1.0), 1.0), "{column:?}");
        }
    }

    #[test]
    fn machines_are_those_of_the_training_rows_and_a_new_one_is_none_of_them() {
        let rows = [49, 29, 49, 210].map(|id| ImageRecord { machine_id: Some(id), ..row() });
        let coded = Coded::learn(Column::Machine, &rows[..3]);
        assert_eq!(coded.coding, Coding::Categorical(vec!["29".into(), "49".into()]));
        let codes = [0, 1, 3].map(|i| coded.code(&rows[i]));
        assert_eq!(codes, [Some(Code::Class(1)), Some(Code::Class(0)), None]);
        assert_eq!(coded.outputs(), 2);
    }

    #[test]
    fn age_is_in_deviations_of_the_training_rows() {
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
