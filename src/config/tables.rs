//! Settings of the `dataset` section that say how tables and files of other datasets are read.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::record::Split;

/// A difference between the table's ids and the files' names that is tolerated. A file with the
/// very name that the table gives always has precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tolerance {
    /// `.0` at the end of an id: pandas writes a column of numbers with a gap as floats.
    Decimals,
    /// An id in scientific notation, such as `9.0E+03`, as Excel shows long numbers.
    Exponents,
    /// Leading zeros, which Excel and pandas drop.
    Zeros,
    /// One character or two for a letter with an accent (Unicode NFC and NFD), as macOS writes it.
    Unicode,
    /// Upper and lower case.
    Case,
}

impl Tolerance {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Decimals, Self::Exponents, Self::Zeros, Self::Unicode, Self::Case];

    /// The word in the settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Decimals => "decimals",
            Self::Exponents => "exponents",
            Self::Zeros => "zeros",
            Self::Unicode => "unicode",
            Self::Case => "case",
        }
    }
}

/// One file of a table that consists of several, or that is not a CSV file with our columns.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TableConfig {
    /// The file, below the input folder: text with any delimiter, or XLSX.
    pub file: String,
    /// The split of its rows, if all are of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<Split>,
    /// The columns in which its rows agree with those of the tables before: `name`, or
    /// `their_name=name`. Without any, its rows are further rows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub on: Vec<String>,
    /// Values of its columns in `on` that agree with any value, such as `B` for both sides.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub any: BTreeMap<String, Vec<String>>,
}

/// What is done with a cell that is not understood. In the settings it is `error` or `null`, which
/// YAML may read as the word or as nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownValues {
    /// The run stops before it begins, with every such cell named.
    Error,
    /// The value is missing, and counted.
    Null,
}

impl Serialize for UnknownValues {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Self::Error => "error",
            Self::Null => "null",
        })
    }
}

impl<'de> Deserialize<'de> for UnknownValues {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "lowercase")]
        enum Word {
            Error,
            Null,
        }
        Ok(match Option::deserialize(deserializer)? {
            Some(Word::Error) => Self::Error,
            Some(Word::Null) | None => Self::Null,
        })
    }
}

/// What is done with several rows of one image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SeveralRows {
    /// They are refused.
    Refuse,
    /// They are gathered into one row.
    Gather,
}

/// What gives the patient where there is no table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PatientFrom {
    /// `{patient_id}` in `dataset.path`.
    Path,
    /// A keyed hash (HMAC-SHA256) of the header's Patient ID, under the key in
    /// `dataset.patient_key`.
    Header,
}

/// What one row of the table describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum RowOf {
    Image,
    /// All images of one side of a patient; the header gives an image's side.
    Breast,
    /// All images of a patient.
    Patient,
}

/// The time within which an outcome belongs to an exam.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutcomeConfig {
    /// The column of the exam's date, as `YYYY-MM-DD` or `YYYYMMDD`.
    pub exam_date: String,
    /// The column of the outcome's date.
    pub outcome_date: String,
    /// The most days from the exam to its outcome. A later outcome, or one before the exam, leaves
    /// `cancer`, `biopsy` and `invasive` of the row empty.
    pub days: u32,
}
