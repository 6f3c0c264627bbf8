//! Groups the predictions of images into items: images, breasts or patients.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Prediction;
use crate::record::Laterality;

/// What an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Each image by itself.
    Image,
    /// A breast, with the mean of its images' probabilities, as in the competition.
    BreastMean,
    /// A breast, with the highest of its images' probabilities.
    BreastMax,
    /// A patient, with the higher of the means of her breasts.
    Patient,
}

impl Level {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Image, Self::BreastMean, Self::BreastMax, Self::Patient];

    /// The name in tables and texts.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::BreastMean => "breast (mean)",
            Self::BreastMax => "breast (max)",
            Self::Patient => "patient",
        }
    }
}

/// The items of an evaluation. Every list has one entry per item, ordered by patient and
/// laterality.
#[derive(Debug, Clone, PartialEq)]
pub struct Items {
    /// What an item is.
    pub level: Level,
    /// Predicted probability.
    pub probabilities: Vec<f64>,
    /// Whether it has cancer, in any of its images.
    pub labels: Vec<bool>,
    /// Its patient, numbered from 0: a bootstrap draws patients.
    pub patients: Vec<u32>,
    /// Its images, as indices into the predictions.
    pub rows: Vec<Vec<u32>>,
}

impl Items {
    /// Makes items from predictions; predictions without a label are left out.
    pub fn of(predictions: &[Prediction], level: Level) -> Self {
        let known = predictions.iter().enumerate().filter_map(|(row, p)| {
            Some((p.record.patient_id.as_str(), p.record.laterality, row as u32, p.record.cancer?))
        });
        type Breasts = BTreeMap<Option<Laterality>, Vec<(u32, bool)>>;
        let mut patients: BTreeMap<&str, Breasts> = BTreeMap::new();
        for (patient, side, row, cancer) in known {
            patients.entry(patient).or_default().entry(side).or_default().push((row, cancer));
        }
        let probability = |row: &(u32, bool)| predictions[row.0 as usize].probability;
        let mean =
            |rows: &[(u32, bool)]| rows.iter().map(probability).sum::<f64>() / rows.len() as f64;
        let max = |rows: &[(u32, bool)]| rows.iter().map(probability).fold(0.0, f64::max);
        let (probabilities, labels, owners, rows) = (vec![], vec![], vec![], vec![]);
        let mut items = Self { level, probabilities, labels, patients: owners, rows };
        for (patient, breasts) in patients.into_values().enumerate() {
            let mut add = |probability: f64, rows: &[(u32, bool)]| {
                items.probabilities.push(probability);
                items.labels.push(rows.iter().any(|row| row.1));
                items.patients.push(patient as u32);
                items.rows.push(rows.iter().map(|row| row.0).collect());
            };
            match level {
                Level::Image => {
                    for row in breasts.values().flatten() {
                        add(probability(row), &[*row]);
                    }
                }
                Level::BreastMean => breasts.values().for_each(|rows| add(mean(rows), rows)),
                Level::BreastMax => breasts.values().for_each(|rows| add(max(rows), rows)),
                Level::Patient => {
                    let highest = breasts.values().map(|rows| mean(rows)).fold(0.0, f64::max);
                    let rows: Vec<_> = breasts.into_values().flatten().collect();
                    add(highest, &rows);
                }
            }
        }
        items
    }

    /// The number of items.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The items at these indices, in that order.
    pub fn select(&self, places: &[usize]) -> Self {
        Self {
            level: self.level,
            probabilities: places.iter().map(|&i| self.probabilities[i]).collect(),
            labels: places.iter().map(|&i| self.labels[i]).collect(),
            patients: places.iter().map(|&i| self.patients[i]).collect(),
            rows: places.iter().map(|&i| self.rows[i].clone()).collect(),
        }
    }
}
