use super::*;
use crate::metrics::{Confusion, Ranked, auroc};
use crate::predictions::made::made;
use crate::predictions::{logit, sigmoid};

const FEW: Bootstrap = Bootstrap { resamples: 40, seed: 1, confidence: 0.95 };

fn judged(predictions: &[Prediction]) -> Evaluation {
    evaluate(predictions, Given::default(), &FEW).unwrap().0
}

fn level(part: &Part, level: Level) -> &LevelMetrics {
    part.levels.iter().find(|found| found.level == level).unwrap()
}

fn value(at: &LevelMetrics, name: MetricName) -> f64 {
    at.metrics.get(name).unwrap().value.unwrap()
}

#[test]
fn a_fold_is_judged_by_the_threshold_that_the_others_choose() {
    let predictions = made(3, 300, 3, 2.0);
    let evaluation = judged(&predictions);
    let image = level(&evaluation.parts[0], Level::Image);
    assert_eq!((image.selected_on, image.selected.len()), (SelectedOn::OtherFolds, 3));
    let mut called = Confusion::default();
    for chosen in &image.selected {
        let fold = |own: bool| -> (Vec<f64>, Vec<bool>) {
            let of = |p: &&Prediction| (p.role == Role::Fold(chosen.fold.unwrap())) == own;
            let of = predictions.iter().filter(of);
            of.map(|p| (p.probability, p.record.cancer.unwrap())).unzip()
        };
        let (others, labels) = fold(false);
        assert_eq!(chosen.n, others.len());
        let ranked = Ranked::new(&others, &labels).unwrap();
        let threshold = ranked.best_threshold(&vec![1.0; others.len()]).unwrap();
        assert_eq!(chosen.threshold, Some(threshold));
        let (own, labels) = fold(true);
        let own = Confusion::at(&own, &labels, threshold).unwrap();
        called.true_positives += own.true_positives;
        called.false_positives += own.false_positives;
        called.false_negatives += own.false_negatives;
        called.true_negatives += own.true_negatives;
    }
    assert_eq!(value(image, MetricName::F1), called.f1().unwrap());
    assert_eq!(value(image, MetricName::RecallRate), called.recall_rate().unwrap());
}

#[test]
fn a_fold_has_no_say_in_its_own_threshold_and_temperature() {
    let mut predictions = made(3, 300, 3, 2.0);
    let chosen = |predictions: &[Prediction]| {
        let evaluation = judged(predictions);
        level(&evaluation.parts[0], Level::Image).selected.clone()
    };
    let before = chosen(&predictions);
    for p in predictions.iter_mut().filter(|p| p.role == Role::Fold(1)) {
        p.logit *= -5.0;
        p.probability = sigmoid(p.logit);
    }
    let after = chosen(&predictions);
    assert_eq!(after[1], before[1]);
    assert_ne!(after[0], before[0]);
    assert_ne!(after[2].calibration, before[2].calibration);
}

#[test]
fn a_locked_split_is_judged_by_what_the_folds_choose() {
    let mut predictions = made(5, 400, 4, 2.0);
    predictions.iter_mut().filter(|p| p.role == Role::Fold(3)).for_each(|p| p.role = Role::Locked);
    let evaluation = judged(&predictions);
    let [folds, locked] = evaluation.parts.as_slice() else { panic!("{evaluation:?}") };
    assert_eq!(
        (folds.split, locked.split),
        (EvaluatedSplit::HeldOutFolds, EvaluatedSplit::LockedSplit)
    );
    let locked = level(locked, Level::BreastMean);
    assert_eq!((locked.selected_on, locked.size.n), (SelectedOn::AllFolds, 200));
    assert_eq!(locked.selected[0].n, 600);
    assert!(locked.folds.is_empty());
}

#[test]
fn one_fold_alone_has_nothing_frozen_and_says_so() {
    let evaluation = judged(&made(5, 100, 1, 2.0));
    let image = level(&evaluation.parts[0], Level::Image);
    assert_eq!(image.selected_on, SelectedOn::NotSelected);
    let f1 = image.metrics.get(MetricName::F1).unwrap();
    assert_eq!((f1.value, f1.interval), (None, None));
    let json = serde_json::to_value(image).unwrap();
    assert!(json["metrics"]["f1"]["value"].is_null());
    let reason = "no threshold: there is no other fold to choose it on";
    assert_eq!(json["metrics"]["f1"]["undefined"], reason);
    let given = Given { threshold: Some(0.2), logit_shift: 0.0 };
    let (given, _) = evaluate(&made(5, 100, 1, 2.0), given, &FEW).unwrap();
    let image = level(&given.parts[0], Level::Image);
    assert_eq!(image.selected_on, SelectedOn::Given);
    assert!(value(image, MetricName::F1) > 0.0);
}

#[test]
fn a_model_too_sure_of_itself_is_calibrated() {
    let mut predictions = made(9, 600, 3, 2.5);
    for p in &mut predictions {
        // Two normal classes of variance 2, 2.5 apart, one of them 39 times as frequent: this
        // is what the logit should be.
        let right = 2.5 * (p.logit + 2.0) / 2.0 - 2.5 * 2.5 / 4.0 - 39_f64.ln();
        p.logit = 4.0 * right;
        p.probability = sigmoid(p.logit);
    }
    let evaluation = judged(&predictions);
    let image = level(&evaluation.parts[0], Level::Image);
    for chosen in &image.selected {
        let temperature = chosen.calibration.unwrap().temperature;
        assert!((3.0..5.5).contains(&temperature), "{temperature}");
    }
    assert!(value(image, MetricName::CalibratedBrier) < value(image, MetricName::Brier));
    assert!(value(image, MetricName::CalibratedEce) < value(image, MetricName::Ece));
}

#[test]
fn subgroups_hold_their_items_and_what_they_are_held_against() {
    let predictions = made(3, 300, 3, 2.0);
    let evaluation = judged(&predictions);
    let of = |attribute: Attribute| -> Vec<&Subgroup> {
        evaluation.parts[0].subgroups.iter().filter(|s| s.attribute == attribute).collect()
    };
    let named = |attribute: Attribute| -> Vec<(&str, usize, usize)> {
        of(attribute).iter().map(|s| (s.value.as_str(), s.size.n, s.size.positives)).collect()
    };
    assert_eq!(named(Attribute::Site), [("1", 300, 0), ("2", 300, 30)]);
    assert_eq!(named(Attribute::Machine), [("49", 540, 30), ("210", 60, 0)]);
    assert_eq!(named(Attribute::Density), [("B", 300, 0), ("not known", 300, 30)]);
    assert_eq!(named(Attribute::View), [("CC", 600, 30), ("MLO", 600, 30)]);
    assert_eq!(named(Attribute::Implant), [("yes", 24, 0), ("no", 576, 30)]);
    let all = [("invasive", 585, 15), ("not invasive", 585, 15)];
    assert_eq!(named(Attribute::Invasive), all);
    let difficult = named(Attribute::DifficultNegative);
    assert!(difficult.iter().all(|(_, _, positives)| *positives == 30), "{difficult:?}");
    assert_eq!(difficult.iter().map(|(_, n, _)| n - 30).sum::<usize>(), 570);

    let none = of(Attribute::Site)[0].metrics.get(MetricName::Auroc).unwrap();
    assert_eq!(none.undefined.unwrap().to_string(), "no positives");
    let items = Items::of(&predictions, Level::BreastMean);
    let ages = named(Attribute::Age);
    assert_eq!(ages.iter().map(|(_, n, _)| n).sum::<usize>(), items.len());
    assert_eq!(ages[0].0, "under 40");
}

#[test]
fn what_was_decided_for_an_image_is_what_was_counted() {
    let predictions = made(3, 90, 3, 2.0);
    let (evaluation, decisions) = evaluate(&predictions, Given::default(), &FEW).unwrap();
    let image = level(&evaluation.parts[0], Level::Image);
    let of = |p: &Prediction| {
        let Role::Fold(fold) = p.role else { unreachable!() };
        image.selected.iter().find(|chosen| chosen.fold == Some(fold)).unwrap()
    };
    for (p, decision) in predictions.iter().zip(&decisions) {
        assert_eq!(decision.called, Some(p.probability >= of(p).threshold.unwrap()));
        let calibrated = of(p).calibration.unwrap().apply(logit(p.probability));
        assert_eq!(decision.calibrated, Some(calibrated));
    }
    let mean = (predictions[0].probability + predictions[1].probability) / 2.0;
    assert_eq!(decisions[0].breast_probability, Some(mean));
    assert_eq!(decisions[1].breast_called, decisions[0].breast_called);
}

#[test]
fn the_area_is_that_of_all_folds_together() {
    let predictions = made(8, 200, 4, 1.5);
    let items = Items::of(&predictions, Level::Patient);
    let evaluation = judged(&predictions);
    let patient = level(&evaluation.parts[0], Level::Patient);
    assert_eq!(Some(value(patient, MetricName::Auroc)), auroc(&items.probabilities, &items.labels));
    let [low, high] = patient.metrics.get(MetricName::Auroc).unwrap().interval.unwrap();
    assert!(low < value(patient, MetricName::Auroc) && value(patient, MetricName::Auroc) < high);
}

#[test]
fn what_cannot_be_judged_together_is_refused_and_the_rest_counted() {
    let mut predictions = made(3, 30, 3, 2.0);
    let refused = |predictions: &[Prediction]| {
        evaluate(predictions, Given::default(), &FEW).unwrap_err().to_string()
    };
    let mut twice = predictions.clone();
    twice.push(predictions[5].clone());
    assert_eq!(refused(&twice), "image 105 has two predictions; evaluate one model at a time");
    let mut divided = predictions.clone();
    divided[2].role = Role::Locked;
    let reason = "patient 0 is in fold 0 and in locked, so a model was trained on a patient that it is evaluated on";
    assert_eq!(refused(&divided), reason);
    for p in &mut predictions[..4] {
        p.role = Role::LeftOut;
    }
    for p in &mut predictions[4..8] {
        p.record.cancer = None;
    }
    let counted = judged(&predictions);
    assert_eq!(counted.excluded, Excluded { unlabelled: 4, test: 0, left_out: 4 },);
    assert_eq!(level(&counted.parts[0], Level::Image).size.n, 112);
    predictions.iter_mut().for_each(|p| p.role = Role::Test);
    assert!(refused(&predictions).starts_with("none of 120 predictions"));
}
