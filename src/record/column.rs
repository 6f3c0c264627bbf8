//! The columns that a network may predict (auxiliary targets) or get as inputs beside the image.

use serde::{Deserialize, Serialize};

/// A column of the table that may be a target or an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Column {
    Birads,
    Density,
    Invasive,
    Biopsy,
    DifficultNegative,
    View,
    Laterality,
    Age,
    Implant,
    Machine,
    Site,
}

impl Column {
    /// All columns.
    pub const ALL: [Self; 11] = [
        Self::Birads,
        Self::Density,
        Self::Invasive,
        Self::Biopsy,
        Self::DifficultNegative,
        Self::View,
        Self::Laterality,
        Self::Age,
        Self::Implant,
        Self::Machine,
        Self::Site,
    ];

    /// The name in the configuration, in checkpoints and in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Birads => "birads",
            Self::Density => "density",
            Self::Invasive => "invasive",
            Self::Biopsy => "biopsy",
            Self::DifficultNegative => "difficult_negative",
            Self::View => "view",
            Self::Laterality => "laterality",
            Self::Age => "age",
            Self::Implant => "implant",
            Self::Machine => "machine",
            Self::Site => "site",
        }
    }

    /// Why the column must not be an input; `None` if it may be one.
    pub fn leak(self) -> Option<&'static str> {
        match self {
            Self::Birads => Some("it is the assessment of this image: 1 and 2 never have cancer"),
            Self::Biopsy => {
                Some("it follows from the assessment: without a biopsy there is no cancer")
            }
            Self::Invasive => Some("it follows from the biopsy: invasive means cancer"),
            Self::DifficultNegative => Some("only negative cases have it"),
            Self::Density => Some("the test table does not have it"),
            _ => None,
        }
    }
}
