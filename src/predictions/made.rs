//! Synthetic predictions, for tests of the evaluation.

use super::{Prediction, sigmoid};
use crate::dataset::Role;
use crate::random::Random;
use crate::record::{Density, Id, ImageRecord, Laterality, Split, View};

/// `patients` with two breasts of two images each, assigned to `folds`. A tenth of the patients
/// have cancer in the left breast, which raises the logit by `skill`.
pub(crate) fn made(seed: u64, patients: u32, folds: u16, skill: f32) -> Vec<Prediction> {
    let mut random = Random::new(seed);
    let mut predictions = Vec::new();
    for patient in 0..patients {
        let has_cancer = patient % 10 == 3;
        let common = random.normal();
        let age = random.between(35.0, 80.0);
        for (side, view) in [
            (Laterality::Left, View::Cc),
            (Laterality::Left, View::Mlo),
            (Laterality::Right, View::Cc),
            (Laterality::Right, View::Mlo),
        ] {
            let cancer = has_cancer && side == Laterality::Left;
            let shift = if cancer { skill } else { 0.0 };
            let logit = f64::from(common + random.normal() + shift - 2.0);
            let image = format!("{}", 100 + predictions.len());
            let record = ImageRecord {
                split: Split::Train,
                site_id: Some(i64::from(1 + patient % 2)),
                laterality: Some(side),
                view: Some(view),
                age: Some(age),
                cancer: Some(cancer),
                invasive: Some(cancer && patient % 20 == 3),
                implant: Some(patient % 25 == 0),
                density: (patient % 2 == 0).then_some(Density::B),
                machine_id: Some(if patient % 10 == 4 { 210 } else { 49 }),
                difficult_negative_case: Some(!cancer && patient % 7 == 0),
                ..ImageRecord::unlabelled(
                    Id::new(&patient.to_string()).unwrap(),
                    Id::new(&image).unwrap(),
                )
            };
            let role = Role::Fold((patient % u32::from(folds)) as u16);
            predictions.push(Prediction { record, role, logit, probability: sigmoid(logit) });
        }
    }
    predictions
}
