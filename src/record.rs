//! One image as the dataset's table describes it.
//!
//! Every field that may be empty in the table is an `Option`, because empty is not zero.

mod column;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use column::Column;

/// The table that a row came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// `train.csv`: the labels are known.
    Train,
    /// `test.csv`: the labels are not given.
    Test,
}

impl Split {
    /// `train` or `test`, as in the shards' `split` column and the folders' names.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Test => "test",
        }
    }
}

/// Side of the breast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Laterality {
    /// The patient's left breast.
    #[serde(rename = "L")]
    Left,
    /// The patient's right breast.
    #[serde(rename = "R")]
    Right,
}

impl Laterality {
    /// `L` or `R`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Left => "L",
            Self::Right => "R",
        }
    }
}

/// The projection. Codes that the enum does not have are kept as text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum View {
    /// Cranio-caudal, from above.
    Cc,
    /// Mediolateral oblique, with the pectoral muscle.
    Mlo,
    /// Mediolateral.
    Ml,
    /// Lateromedial.
    Lm,
    /// Lateromedial oblique.
    Lmo,
    /// Axillary tail.
    At,
    /// Any other code.
    Other(String),
}

impl View {
    /// The view for a code such as `MLO`, in upper or lower case.
    pub fn parse(code: &str) -> Self {
        match code.to_ascii_uppercase().as_str() {
            "CC" => Self::Cc,
            "MLO" => Self::Mlo,
            "ML" => Self::Ml,
            "LM" => Self::Lm,
            "LMO" => Self::Lmo,
            "AT" => Self::At,
            other => Self::Other(other.to_owned()),
        }
    }

    /// The code as the dataset writes it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Cc => "CC",
            Self::Mlo => "MLO",
            Self::Ml => "ML",
            Self::Lm => "LM",
            Self::Lmo => "LMO",
            Self::At => "AT",
            Self::Other(code) => code,
        }
    }
}

/// Breast density in the letters of the American College of Radiology (ACR), from almost entirely
/// fatty (A) to extremely dense (D).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Density {
    A,
    B,
    C,
    D,
}

impl Density {
    /// The letter.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
            Self::C => "C",
            Self::D => "D",
        }
    }
}

/// An identifier from the table that becomes one component of a path, so never `..`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Id(String);

impl Id {
    /// Checks that `text` can be the name of a file or folder inside the dataset.
    ///
    /// # Errors
    /// The text itself, when it is empty, `.` or `..`, or holds a separator, a colon, or a
    /// control character.
    pub fn new(text: &str) -> Result<Self, String> {
        let bad = |c: char| matches!(c, '/' | '\\' | ':') || c.is_control();
        if text.is_empty() || text == "." || text == ".." || text.contains(bad) {
            return Err(text.to_owned());
        }
        Ok(Self(text.to_owned()))
    }

    /// The identifier as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One row of the table.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageRecord {
    /// The table that the row is in.
    pub split: Split,
    /// The line number in the table; the header is line 1.
    pub line: u64,
    /// The patient. A patient is never in two folds.
    pub patient_id: Id,
    /// The image. Unique in the dataset.
    pub image_id: Id,
    /// The site where it was taken.
    pub site_id: Option<i64>,
    /// Left or right breast.
    pub laterality: Option<Laterality>,
    /// The projection.
    pub view: Option<View>,
    /// The patient's age in years.
    pub age: Option<f32>,
    /// The label: cancer in this breast.
    pub cancer: Option<bool>,
    /// Whether the patient had a biopsy after this exam.
    pub biopsy: Option<bool>,
    /// Whether the cancer was found to be invasive.
    pub invasive: Option<bool>,
    /// BI-RADS: 0 needs follow-up, 1 negative, 2 normal. These are categories without an order.
    pub birads: Option<i64>,
    /// Whether there is an implant.
    pub implant: Option<bool>,
    /// Breast density.
    pub density: Option<Density>,
    /// The id of the machine that took the image.
    pub machine_id: Option<i64>,
    /// A negative case that was difficult to read.
    pub difficult_negative_case: Option<bool>,
    /// The row of the submission that this image belongs to.
    pub prediction_id: Option<String>,
    /// The further columns of `dataset.extra_columns`, in that order, as text.
    pub extra: Vec<Option<String>>,
    /// Boxes around lesions, where the dataset has them: left, top, right and bottom in source
    /// pixels. They are written into a release and not read back.
    pub boxes: Vec<[f32; 4]>,
}

impl ImageRecord {
    /// The competition's id of the image's breast: the table's `prediction_id`, or
    /// `<patient>_<laterality>`, which is how it is composed. `None` without a laterality.
    pub fn breast_id(&self) -> Option<String> {
        let made = || Some(format!("{}_{}", self.patient_id, self.laterality?.as_str()));
        self.prediction_id.clone().or_else(made)
    }

    /// A row of the test table for an image of which only the ids are known.
    pub fn unlabelled(patient_id: Id, image_id: Id) -> Self {
        Self {
            split: Split::Test,
            line: 0,
            patient_id,
            image_id,
            site_id: None,
            laterality: None,
            view: None,
            age: None,
            cancer: None,
            biopsy: None,
            invasive: None,
            birads: None,
            implant: None,
            density: None,
            machine_id: None,
            difficult_negative_case: None,
            prediction_id: None,
            extra: Vec::new(),
            boxes: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_cannot_leave_the_dataset() {
        for bad in ["", ".", "..", "../x", "a/b", "a\\b", "c:", "a\0"] {
            assert_eq!(Id::new(bad), Err(bad.to_owned()));
        }
        assert_eq!(Id::new("10006").unwrap().as_str(), "10006");
    }

    #[test]
    fn a_view_keeps_a_code_it_does_not_know() {
        assert_eq!(View::parse("mlo"), View::Mlo);
        assert_eq!(View::parse("XCCL").as_str(), "XCCL");
    }
}
