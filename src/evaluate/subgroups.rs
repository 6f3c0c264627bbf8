//! Subgroups: divides the items by attributes of the records.
//!
//! In: items with their records. Out: [`Group`]s of items by site, machine, density, age, implant
//! and view. Invasive and non-invasive cancers are each combined with all negatives, and difficult
//! and other negatives with all cancers, because a metric needs both classes.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::predictions::{Items, Prediction};
use crate::record::ImageRecord;

/// A subgroup of the items.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// The attribute that defines it.
    pub attribute: Attribute,
    /// Its value; `not known` if the table has none.
    pub value: String,
    /// Indices of its items.
    pub places: Vec<usize>,
}

/// The attributes that define subgroups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Attribute {
    Site,
    Machine,
    Density,
    Age,
    View,
    Implant,
    Invasive,
    DifficultNegative,
}

impl Attribute {
    /// All of them, in the order of a table.
    pub const ALL: [Self; 8] = [
        Self::Site,
        Self::Machine,
        Self::Density,
        Self::Age,
        Self::View,
        Self::Implant,
        Self::Invasive,
        Self::DifficultNegative,
    ];

    /// The label in tables and charts.
    pub fn label(self) -> &'static str {
        match self {
            Self::Site => "site",
            Self::Machine => "machine",
            Self::Density => "density",
            Self::Age => "age",
            Self::View => "view",
            Self::Implant => "implant",
            Self::Invasive => "cancers that are",
            Self::DifficultNegative => "negatives that are",
        }
    }

    /// The items of the other class that are added, if the group has one class only.
    pub fn against(self) -> Option<&'static str> {
        match self {
            Self::Invasive => Some("all negatives"),
            Self::DifficultNegative => Some("all positives"),
            _ => None,
        }
    }

    /// The value of one image, with a number to sort the values by. `None` for an image that
    /// belongs to every group.
    fn of(self, record: &ImageRecord) -> Option<(i64, String)> {
        let unknown = || (i64::MAX, "not known".to_owned());
        let number = |value: Option<i64>| value.map_or_else(unknown, |n| (n, n.to_string()));
        let either = |value: Option<bool>, yes: &str, no: &str| {
            value.map_or_else(unknown, |v| (i64::from(!v), if v { yes } else { no }.to_owned()))
        };
        Some(match self {
            Self::Site => number(record.site_id),
            Self::Machine => number(record.machine_id),
            Self::Density => {
                record.density.map_or_else(unknown, |d| (d as i64, d.as_str().to_owned()))
            }
            Self::Age => record.age.map_or_else(unknown, age_band),
            Self::View => {
                record.view.as_ref().map_or_else(unknown, |view| (0, view.as_str().to_owned()))
            }
            Self::Implant => either(record.implant, "yes", "no"),
            Self::Invasive if record.cancer == Some(true) => {
                either(record.invasive, "invasive", "not invasive")
            }
            Self::DifficultNegative if record.cancer == Some(false) => {
                either(record.difficult_negative_case, "difficult", "not difficult")
            }
            Self::Invasive | Self::DifficultNegative => return None,
        })
    }
}

/// Age in decades, as screening programmes report it.
fn age_band(age: f32) -> (i64, String) {
    match age {
        a if a < 40.0 => (0, "under 40".into()),
        a if a < 50.0 => (1, "40 to 49".into()),
        a if a < 60.0 => (2, "50 to 59".into()),
        a if a < 70.0 => (3, "60 to 69".into()),
        _ => (4, "70 and over".into()),
    }
}

/// The groups of one attribute, in order. The value of an item is that of its first image with the
/// item's label.
pub fn groups(predictions: &[Prediction], items: &Items, attribute: Attribute) -> Vec<Group> {
    let mut groups: BTreeMap<(i64, String), Vec<usize>> = BTreeMap::new();
    let mut everywhere = Vec::new();
    for (place, (rows, label)) in items.rows.iter().zip(&items.labels).enumerate() {
        let mut records = rows.iter().map(|row| &predictions[*row as usize].record);
        let record = records.find(|record| record.cancer == Some(*label));
        let record = record.expect("an item's label is that of one of its images");
        match attribute.of(record) {
            Some(value) => groups.entry(value).or_default().push(place),
            None => everywhere.push(place),
        }
    }
    groups
        .into_iter()
        .map(|((_, value), mut places)| {
            places.extend(&everywhere);
            places.sort_unstable();
            Group { attribute, value, places }
        })
        .collect()
}
