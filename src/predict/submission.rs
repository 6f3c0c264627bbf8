//! `submission.csv`: `prediction_id,cancer`, one row per breast.
//!
//! In: predictions by image. Out: the mean of each breast's images, or 1 and 0 by a threshold.
//! Rows are in the order in which their breasts first appear.

use std::collections::HashMap;

use super::Prediction;

/// One row.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// `<patient>_<laterality>`.
    pub prediction_id: String,
    /// Mean probability of the breast's images.
    pub probability: f64,
    /// The number of its images.
    pub images: usize,
}

/// One row per breast; images whose breast is not known are left out.
pub fn rows(predictions: &[Prediction]) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let mut places = HashMap::new();
    for Prediction { record, probability, .. } in predictions {
        let Some(prediction_id) = record.breast_id() else { continue };
        let place = *places.entry(prediction_id.clone()).or_insert(rows.len());
        if place == rows.len() {
            rows.push(Row { prediction_id, probability: 0.0, images: 0 });
        }
        rows[place].probability += probability;
        rows[place].images += 1;
    }
    rows.iter_mut().for_each(|row| row.probability /= row.images as f64);
    rows
}

/// The file. With a threshold, the value is 1 if the probability reaches it, else 0.
pub fn csv(rows: &[Row], threshold: Option<f64>) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut write = |a: &str, b: &str| {
        writer.write_record([a, b]).expect("memory takes what is written");
    };
    write("prediction_id", "cancer");
    for Row { prediction_id, probability, .. } in rows {
        match threshold {
            None => write(prediction_id, &probability.to_string()),
            Some(threshold) if *probability >= threshold => write(prediction_id, "1"),
            Some(_) => write(prediction_id, "0"),
        }
    }
    writer.into_inner().expect("memory takes what is written")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Role;
    use crate::record::{Id, ImageRecord, Laterality};

    fn prediction(patient: &str, side: Laterality, id: Option<&str>, p: f64) -> Prediction {
        let record = ImageRecord {
            laterality: Some(side),
            prediction_id: id.map(str::to_owned),
            ..ImageRecord::unlabelled(Id::new(patient).unwrap(), Id::new("x").unwrap())
        };
        Prediction { record, role: Role::Test, logit: 0.0, probability: p }
    }

    #[test]
    fn a_breast_s_images_are_averaged_and_the_table_s_name_goes_before_the_made_one() {
        use Laterality::{Left, Right};
        let predictions = [
            prediction("10", Right, None, 0.25),
            prediction("10", Left, Some("ten-left"), 0.5),
            prediction("10", Right, None, 0.75),
            prediction("9", Left, None, 0.125),
        ];
        let text = |threshold| String::from_utf8(csv(&rows(&predictions), threshold)).unwrap();
        assert_eq!(text(None), "prediction_id,cancer\n10_R,0.5\nten-left,0.5\n9_L,0.125\n");
        assert_eq!(text(Some(0.5)), "prediction_id,cancer\n10_R,1\nten-left,1\n9_L,0\n");
    }
}
