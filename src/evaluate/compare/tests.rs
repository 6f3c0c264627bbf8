use super::*;
use crate::predictions::made::made;
use crate::predictions::sigmoid;
use crate::random::Random;

const BOOTSTRAP: Bootstrap = Bootstrap { resamples: 300, seed: 1, confidence: 0.95 };

fn run(predictions: &[Prediction]) -> Run<'_> {
    Run { predictions, given: Given::default() }
}

/// The same patients seen by a model with more noise.
fn noisier(predictions: &[Prediction], noise: f32) -> Vec<Prediction> {
    let mut random = Random::new(77);
    let mut noisy = predictions.to_vec();
    for p in &mut noisy {
        p.logit += f64::from(noise * random.normal());
        p.probability = sigmoid(p.logit);
    }
    noisy
}

#[test]
fn a_worse_model_is_told_from_a_better_one_and_from_itself_it_is_not() {
    let good = made(2, 400, 4, 3.0);
    let bad = noisier(&good, 4.0);
    let comparison = compare(run(&good), run(&bad), &BOOTSTRAP).unwrap();
    let breast = &comparison.parts[0].levels[1];
    let auroc = breast.differences.get(MetricName::Auroc).unwrap();
    let [low, high] = auroc.difference.interval.unwrap();
    assert!(low < high && high < 0.0, "{auroc:?}");
    assert!(auroc.p_value.unwrap() <= 2.0 / 301.0 + 1e-12);
    let delong = breast.delong.unwrap();
    assert!((delong.difference - auroc.difference.value.unwrap()).abs() < 1e-12);
    assert!(delong.p_value.unwrap() < 0.01);

    let same = compare(run(&good), run(&good), &BOOTSTRAP).unwrap();
    let auroc = same.parts[0].levels[1].differences.get(MetricName::Auroc).unwrap();
    assert_eq!((auroc.difference.interval, auroc.p_value), (Some([0.0, 0.0]), Some(1.0)));
    assert_eq!(same.parts[0].levels[1].delong.unwrap().p_value, None);
}

#[test]
fn runs_are_paired_by_image_whatever_their_order_and_folds() {
    let first = made(2, 100, 4, 2.0);
    let mut second = noisier(&first, 1.0);
    let ordered = compare(run(&first), run(&second), &BOOTSTRAP).unwrap();
    second.reverse();
    assert_eq!(compare(run(&first), run(&second), &BOOTSTRAP).unwrap(), ordered);
    second.iter_mut().for_each(|p| {
        let Role::Fold(fold) = p.role else { unreachable!() };
        p.role = Role::Fold(3 - fold);
    });
    let dealt_anew = compare(run(&first), run(&second), &BOOTSTRAP).unwrap();
    let auroc = |c: &Comparison| *c.parts[0].levels[1].differences.get(MetricName::Auroc).unwrap();
    assert_eq!(auroc(&dealt_anew), auroc(&ordered));
}

#[test]
fn runs_that_cannot_be_paired_are_refused() {
    let first = made(2, 50, 4, 2.0);
    let refused = |second: &[Prediction]| {
        compare(run(&first), run(second), &BOOTSTRAP).unwrap_err().to_string()
    };
    assert_eq!(
        refused(&first[..196]),
        "the runs have predictions of different images: 4 only in the first (296), 0 only in the second \
         (none), 196 in both; train both on the same release and folds"
    );
    let mut other = first.clone();
    other[3].record.cancer = Some(true);
    assert_eq!(
        refused(&other),
        "image 103 has cancer false in the first run and true in the second"
    );
    other.push(first[0].clone());
    assert!(refused(&other).starts_with("the second run: image 100 has two predictions"));
}
