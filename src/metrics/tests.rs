use super::*;

/// Lopsided, with ties across the classes.
const SCORES: [f64; 8] = [0.1, 0.4, 0.35, 0.8, 0.4, 0.9, 0.4, 0.05];
const LABELS: [bool; 8] = [false, false, true, true, true, false, false, false];

fn close(a: Option<f64>, b: f64) {
    let a = a.expect("defined");
    assert!((a - b).abs() < 1e-12, "{a} is not {b}");
}

#[test]
fn the_area_under_the_roc_curve_is_the_share_of_pairs_in_order() {
    // 15 pairs: 0.35 beats 2 negatives; 0.8 beats 4; 0.4 beats 2 and ties with 2.
    close(auroc(&SCORES, &LABELS), (2.0 + 4.0 + 2.0 + 0.5 * 2.0) / 15.0);
    close(partial_auroc(&SCORES, &LABELS, 1.0), 9.0 / 15.0);
}

#[test]
fn average_precision_is_written_out() {
    // 0.9: 0/1; 0.8: 1/2; 0.4 (three alike): 2/5; 0.35: 3/6.
    close(auprc(&SCORES, &LABELS), (0.5 + 0.4 + 0.5) / 3.0);
}

#[test]
fn what_is_not_defined_has_no_value() {
    let alike = [0.3, 0.7];
    for labels in [[true, true], [false, false]] {
        assert_eq!(auroc(&alike, &labels), None);
        assert_eq!(sensitivity_at(&alike, &labels, 0.9), None);
        assert_eq!(partial_auroc(&alike, &labels, 0.1), None);
    }
    assert_eq!(auprc(&alike, &[false, false]), None);
    assert_eq!(pf1(&alike, &[false, false]), None);
    assert_eq!(best_f1(&alike, &[false, false]), None);
    close(auprc(&alike, &[true, true]), 1.0);
    assert_eq!(auroc(&[], &[]), None);
    assert_eq!(accuracy(&[], &[], 0.5), None);
    assert_eq!(auroc(&[f64::NAN, 0.2], &[true, false]), None);
    assert_eq!(Confusion::at(&[0.1], &[true], 0.5).unwrap().ppv(), Err(Undefined::NothingCalled));
}

#[test]
fn a_weight_of_two_is_the_item_twice_and_of_none_is_its_absence() {
    let weights = [2.0, 1.0, 0.0, 1.0, 3.0, 1.0, 0.0, 1.0];
    let (mut scores, mut labels) = (Vec::new(), Vec::new());
    for (i, weight) in weights.iter().enumerate() {
        for _ in 0..*weight as usize {
            scores.push(SCORES[i]);
            labels.push(LABELS[i]);
        }
    }
    let ranked = Ranked::new(&SCORES, &LABELS).unwrap();
    close(ranked.auroc(&weights).ok(), auroc(&scores, &labels).unwrap());
    close(ranked.auprc(&weights).ok(), auprc(&scores, &labels).unwrap());
    close(ranked.partial_auroc(&weights, 0.3).ok(), partial_auroc(&scores, &labels, 0.3).unwrap());
    close(
        ranked.sensitivity_at(&weights, 0.75).ok(),
        sensitivity_at(&scores, &labels, 0.75).unwrap(),
    );
    let grid = Grid::new(&SCORES, &LABELS).unwrap();
    assert_eq!(grid.best_f1(&weights).unwrap(), best_f1(&scores, &labels).unwrap());
    close(pf1_weighted(&SCORES, &LABELS, &weights).ok(), pf1(&scores, &labels).unwrap());
    let binned = Binned::new(&SCORES, &LABELS, Binning::SameWidth(5)).unwrap();
    close(binned.ece(&weights).ok(), ece(&scores, &labels, Binning::SameWidth(5)).unwrap());
}

#[test]
fn a_threshold_calls_the_item_that_lies_on_it() {
    let best = best_f1(&[0.0, 10.0 / 49.0, 1.0], &[false, true, true]).unwrap();
    // k = 1 to 10 are equal, the lowest is named.
    assert_eq!((best.f1, best.accuracy, best.threshold), (1.0, 1.0, 1.0 / 49.0));
    let exact = best_f1(&[9.99 / 49.0, 10.0 / 49.0], &[false, true]).unwrap();
    assert_eq!((exact.f1, exact.threshold), (1.0, 10.0 / 49.0));
}

#[test]
fn the_best_threshold_is_a_score_and_gives_the_f1_it_promises() {
    let ranked = Ranked::new(&SCORES, &LABELS).unwrap();
    let threshold = ranked.best_threshold(&[1.0; 8]).unwrap();
    let f1 = |t: f64| Confusion::at(&SCORES, &LABELS, t).unwrap().f1().unwrap();
    assert!(SCORES.iter().all(|&t| f1(t) <= f1(threshold)));
    assert_eq!(threshold, 0.35);
}

#[test]
fn calling_everything_positive_gives_the_f1_it_is_held_against() {
    let f1 = Confusion::at(&SCORES, &LABELS, 0.0).unwrap().f1().ok();
    close(f1, all_positive_f1(3.0 / 8.0));
    close(pf1(&[1.0; 8], &LABELS), all_positive_f1(3.0 / 8.0));
}

#[test]
fn probabilities_are_clipped_for_pf1_and_zero_is_its_floor() {
    close(pf1(&[1.7, -0.4], &[true, false]), 1.0);
    close(pf1(&[0.0, 0.4], &[true, false]), 0.0);
}

#[test]
fn a_reliability_curve_leaves_empty_bins_out_and_its_error_weighs_the_rest() {
    let bins = reliability(&SCORES, &LABELS, Binning::SameWidth(5)).unwrap();
    let seen: Vec<_> = bins.iter().map(|bin| (bin.n, bin.observed)).collect();
    assert_eq!(seen, [(2.0, 0.0), (4.0, 0.5), (1.0, 1.0), (1.0, 0.0)]);
    let expected = (2.0 * 0.075 + 4.0 * (0.5 - 0.3875) + 0.2 + 0.9) / 8.0;
    close(ece(&SCORES, &LABELS, Binning::SameWidth(5)).ok(), expected);
}
