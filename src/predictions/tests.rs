use super::*;
use crate::record::{Density, Id, Laterality, Split, View};
use crate::shard::ReleaseError;

fn prediction(patient: &str, image: &str, side: Laterality, cancer: bool, p: f64) -> Prediction {
    let mut record = ImageRecord::unlabelled(Id::new(patient).unwrap(), Id::new(image).unwrap());
    record.laterality = Some(side);
    record.cancer = Some(cancer);
    Prediction { record, role: Role::Fold(1), logit: logit(p), probability: p }
}

/// Two breasts of `10`, one of `7`; `10` comes first in the file.
fn three_breasts() -> Vec<Prediction> {
    vec![
        prediction("10", "1", Laterality::Right, false, 0.25),
        prediction("10", "2", Laterality::Left, true, 0.5),
        prediction("7", "3", Laterality::Left, false, 0.125),
        prediction("10", "4", Laterality::Right, false, 0.75),
        prediction("10", "5", Laterality::Left, true, 0.0),
    ]
}

#[test]
fn every_column_comes_back_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join(".tmp")).unwrap();
    let mut predictions = three_breasts();
    let full = &mut predictions[1];
    full.role = Role::Locked;
    full.record.split = Split::Train;
    full.record.site_id = Some(2);
    full.record.view = Some(View::Other("XCCL".into()));
    full.record.age = Some(61.5);
    full.record.biopsy = Some(true);
    full.record.invasive = Some(false);
    full.record.birads = Some(0);
    full.record.implant = Some(false);
    full.record.density = Some(Density::C);
    full.record.machine_id = Some(29);
    full.record.difficult_negative_case = Some(true);
    full.record.prediction_id = Some("10_L".into());
    let path = folder.path().join("validation.parquet");
    write(folder.path(), &path, &predictions).unwrap();
    assert_eq!(read(&path).unwrap(), predictions);
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(encode(&predictions, vec![], &[]), bytes);
    // No flipped bit gives other predictions.
    let mut noticed = 0;
    for bit in (0..8 * bytes.len()).step_by(7) {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(&path, flipped).unwrap();
        match std::panic::catch_unwind(|| read(&path)) {
            Ok(Ok(found)) => assert_eq!(found, predictions, "bit {bit}"),
            Ok(Err(_)) => noticed += 1,
            Err(_) => panic!("bit {bit}"),
        }
    }
    assert!(noticed > bytes.len() / 2, "{noticed}");
}

#[test]
fn a_breast_is_the_mean_or_the_highest_of_its_images_and_a_patient_the_worse_breast() {
    let items = |level| Items::of(&three_breasts(), level);
    // Left before right, patients by their ids as text.
    let mean = items(Level::BreastMean);
    assert_eq!(mean.probabilities, [0.25, 0.5, 0.125]);
    assert_eq!(mean.labels, [true, false, false]);
    assert_eq!(mean.patients, [0, 0, 1]);
    assert_eq!(mean.rows, [vec![1, 4], vec![0, 3], vec![2]]);
    assert_eq!(items(Level::BreastMax).probabilities, [0.5, 0.75, 0.125]);
    let patients = items(Level::Patient);
    assert_eq!((patients.probabilities, patients.labels), (vec![0.5, 0.125], vec![true, false]));
    assert_eq!(items(Level::Image).len(), 5);
}

#[test]
fn an_image_without_a_label_is_not_judged() {
    let mut predictions = three_breasts();
    predictions[2].record.cancer = None;
    let items = Items::of(&predictions, Level::BreastMean);
    assert_eq!((items.len(), items.patients), (2, vec![0, 0]));
}

#[test]
fn a_table_of_predictions_needs_little_and_its_errors_name_the_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("predictions.csv");
    let read = |text: &str| {
        std::fs::write(&path, text).unwrap();
        read(&path)
    };
    let least = read("patient_id,image_id,cancer,probability\n10,1,1,0.5\n10,2,0,1\n").unwrap();
    assert_eq!((least[0].logit, least[0].role), (0.0, Role::Locked));
    assert!(least[1].logit > 30.0 && least[1].logit.is_finite());
    let folds = read("patient_id,image_id,fold,logit\n10,1,3.0,0\n").unwrap();
    assert_eq!((folds[0].role, folds[0].probability), (Role::Fold(3), 0.5));
    for (text, reason) in [
        ("patient_id,image_id\n10,1\n", "line 2: has neither probability nor logit"),
        ("patient_id,image_id,probability\n10,1,1.5\n", "line 2: probability is 1.5, not 0 to 1"),
        ("patient_id,image_id,probability\n10,1,NaN\n", "not a finite number"),
        ("patient_id,image_id,role,probability\n10,1,fold,1\n", "fold has a number"),
        ("patient_id,probability\n10,1\n", "image_id"),
    ] {
        let message = read(text).unwrap_err().to_string();
        assert!(message.contains(reason), "{message}");
    }
}

#[test]
fn a_file_that_holds_no_predictions_is_refused_with_what_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join(".tmp")).unwrap();
    let path = folder.path().join("x.parquet");
    let mut predictions = three_breasts();
    predictions[0].probability = f64::NAN;
    write(folder.path(), &path, &predictions).unwrap();
    let message = read(&path).unwrap_err().to_string();
    assert!(message.ends_with("image 1 has no finite probability"), "{message}");
    let batch = arrow::record_batch::RecordBatch::try_from_iter([(
        "cancer",
        std::sync::Arc::new(arrow::array::Int64Array::from(vec![1])) as arrow::array::ArrayRef,
    )]);
    let batch = batch.unwrap();
    let mut writer =
        ArrowWriter::try_new(std::fs::File::create(&path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let message = read(&path).unwrap_err().to_string();
    assert!(message.ends_with("column cancer has type Int64, needs Boolean"), "{message}");
    std::fs::write(&path, "no Parquet").unwrap();
    assert!(matches!(read(&path).unwrap_err().cause(), Some(ReleaseError::Shard { .. })));
}
