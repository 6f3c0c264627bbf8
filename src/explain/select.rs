//! Selects the images to explain: correct and wrong predictions.
//!
//! In: images with a score and a label. Out: a few of each [`Kind`], the most extreme scores first,
//! each breast at most once per kind. Ties are broken by the order of the input, so the selection
//! depends on the predictions alone.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::record::ImageRecord;
use crate::train::folder::MAPS_KINDS;

/// Why an image was selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Cancer, predicted positive: the highest scores.
    TruePositive,
    /// Cancer, predicted negative: the lowest scores.
    FalseNegative,
    /// No cancer, not a difficult case, but predicted positive: the highest scores.
    FalsePositive,
    /// No cancer, but a difficult case (`difficult_negative_case`): the highest scores, predicted
    /// positive or negative.
    HardNegative,
}

impl Kind {
    /// In the order in which they are shown.
    pub const ALL: [Self; 4] =
        [Self::TruePositive, Self::FalseNegative, Self::FalsePositive, Self::HardNegative];

    /// As in `explain.json` and in the names of files, which are the run's folder's to know.
    pub fn as_str(self) -> &'static str {
        MAPS_KINDS[self as usize]
    }

    /// The kind of an image; `None` for a true negative that is not a difficult case, and if the
    /// label is not known.
    pub fn of(record: &ImageRecord, score: f64, threshold: f64) -> Option<Self> {
        match (record.cancer?, score >= threshold) {
            (true, true) => Some(Self::TruePositive),
            (true, false) => Some(Self::FalseNegative),
            (false, _) if record.difficult_negative_case == Some(true) => Some(Self::HardNegative),
            (false, true) => Some(Self::FalsePositive),
            (false, false) => None,
        }
    }
}

/// At most `count` of each kind, as positions in `images`.
pub fn select(images: &[(&ImageRecord, f64)], threshold: f64, count: usize) -> Vec<(Kind, usize)> {
    let mut chosen = Vec::new();
    for kind in Kind::ALL {
        let mut of_kind: Vec<usize> = (0..images.len())
            .filter(|&i| Kind::of(images[i].0, images[i].1, threshold) == Some(kind))
            .collect();
        let score = |i: usize| images[i].1;
        match kind {
            Kind::FalseNegative => of_kind.sort_by(|&a, &b| score(a).total_cmp(&score(b))),
            _ => of_kind.sort_by(|&a, &b| score(b).total_cmp(&score(a))),
        }
        let mut breasts = HashSet::new();
        of_kind.retain(|&i| breasts.insert((&images[i].0.patient_id, images[i].0.laterality)));
        chosen.extend(of_kind.into_iter().take(count).map(|i| (kind, i)));
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Id, Laterality};

    fn image(patient: &str, side: Laterality, cancer: bool, difficult: bool) -> ImageRecord {
        ImageRecord {
            laterality: Some(side),
            cancer: Some(cancer),
            difficult_negative_case: Some(difficult),
            ..ImageRecord::unlabelled(Id::new(patient).unwrap(), Id::new("x").unwrap())
        }
    }

    #[test]
    fn each_kind_has_its_most_telling_images_first_and_no_breast_twice() {
        use Laterality::{Left, Right};
        let rows = [
            (image("1", Left, true, false), 0.9),
            (image("1", Left, true, false), 0.95),
            (image("2", Left, true, false), 0.6),
            (image("2", Right, true, false), 0.3),
            (image("3", Left, true, false), 0.1),
            (image("4", Left, false, false), 0.8),
            (image("4", Right, false, false), 0.7),
            (image("5", Left, false, true), 0.2),
            (image("6", Left, false, true), 0.99),
            (image("7", Left, false, false), 0.4),
        ];
        let images: Vec<_> = rows.iter().map(|(record, score)| (record, *score)).collect();
        use Kind::{FalseNegative, FalsePositive, HardNegative, TruePositive};
        let expected = [
            (TruePositive, 1),
            (TruePositive, 2),
            (FalseNegative, 4),
            (FalseNegative, 3),
            (FalsePositive, 5),
            (FalsePositive, 6),
            (HardNegative, 8),
            (HardNegative, 7),
        ];
        assert_eq!(select(&images, 0.5, 9), expected);
        let firsts = select(&images, 0.5, 1);
        assert_eq!(firsts.iter().map(|(_, i)| *i).collect::<Vec<_>>(), [1, 4, 5, 8]);
    }

    #[test]
    fn an_image_at_the_threshold_is_called_and_one_without_a_label_is_nothing() {
        let mut record = image("1", Laterality::Left, true, false);
        assert_eq!(Kind::of(&record, 0.5, 0.5), Some(Kind::TruePositive));
        record.cancer = None;
        assert_eq!(Kind::of(&record, 0.5, 0.5), None);
    }

    #[test]
    fn the_names_of_files_are_those_of_explain_json() {
        for kind in Kind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }
}
