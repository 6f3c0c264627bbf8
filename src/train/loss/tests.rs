//! Compares every loss with its formula, and its gradient with finite differences.

use candle_core::{Device, Tensor, Var};

use super::*;
use crate::config::TrainConfig;

const LOGITS: [f64; 6] = [-2.5, -0.4, 0.0, 0.3, 1.9, 4.0];
const LABELS: [f64; 6] = [0.0, 1.0, 0.9, 0.05, 0.95, 0.0];

fn row(values: &[f64]) -> Tensor {
    Tensor::new(values, &Device::Cpu).unwrap()
}

fn value(loss: &Tensor) -> f64 {
    loss.to_scalar().unwrap()
}

/// candle's gradient of `loss` at `logits`, after a comparison with central differences.
fn gradient(logits: &Tensor, loss: impl Fn(&Tensor) -> Result<Tensor>) -> Vec<f64> {
    let var = Var::from_tensor(logits).unwrap();
    let store = loss(var.as_tensor()).unwrap().backward().unwrap();
    let gradient: Vec<f64> = store.get(&var).unwrap().flatten_all().unwrap().to_vec1().unwrap();
    let flat: Vec<f64> = logits.flatten_all().unwrap().to_vec1().unwrap();
    for (i, &found) in gradient.iter().enumerate() {
        let at = |step: f64| {
            let mut moved = flat.clone();
            moved[i] += step;
            let moved = Tensor::from_vec(moved, logits.shape(), &Device::Cpu).unwrap();
            value(&loss(&moved).unwrap())
        };
        let difference = (at(1e-5) - at(-1e-5)) / 2e-5;
        assert!((found - difference).abs() < 1e-8, "{i}: {found}, differences give {difference}");
    }
    gradient
}

fn assert_near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-12 * expected.abs().max(1.0), "{found} {expected}");
}

fn p(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

#[test]
fn binary_cross_entropy_is_its_definition_and_weighs_positives() {
    let mut config = TrainConfig::default().loss;
    config.positive_weight = 3.0;
    let expected = LOGITS.iter().zip(LABELS);
    let expected: f64 =
        expected.map(|(&x, y)| -3.0 * y * p(x).ln() - (1.0 - y) * (1.0 - p(x)).ln()).sum();
    let loss = |logits: &Tensor| cancer(&config, logits, &row(&LABELS));
    assert_near(value(&loss(&row(&LOGITS)).unwrap()), expected / 6.0);
    let found = gradient(&row(&LOGITS), loss);
    let by_hand = |x: f64, y: f64| (-3.0 * y * (1.0 - p(x)) + (1.0 - y) * p(x)) / 6.0;
    for (i, found) in found.into_iter().enumerate() {
        assert_near(found, by_hand(LOGITS[i], LABELS[i]));
    }
}

#[test]
fn a_huge_logit_costs_what_it_is_wrong_by_and_no_infinity() {
    let logits = row(&[1e4, -1e4, 1e4]);
    let loss = binary(&logits, &row(&[0.0, 1.0, 1.0])).unwrap();
    assert_near(value(&loss), 2e4 / 3.0);
    let var = Var::from_tensor(&logits).unwrap();
    let store = binary(var.as_tensor(), &row(&[0.0, 1.0, 1.0])).unwrap().backward().unwrap();
    let gradient: Vec<f64> = store.get(&var).unwrap().to_vec1().unwrap();
    assert_eq!(gradient, [1.0 / 3.0, -1.0 / 3.0, 0.0]);
}

#[test]
fn focal_loss_is_lin_et_als_on_hard_labels() {
    let mut config = TrainConfig::default().loss;
    (config.kind, config.focal_gamma) = (LossKind::Focal, 2.5);
    let labels = [0.0, 1.0, 1.0, 0.0, 1.0, 0.0];
    let each = |(&x, y): (&f64, f64)| {
        let right = if y == 1.0 { p(x) } else { 1.0 - p(x) };
        -(1.0 - right).powf(2.5) * right.ln()
    };
    let expected: f64 = LOGITS.iter().zip(labels).map(each).sum();
    let loss = |logits: &Tensor| cancer(&config, logits, &row(&labels));
    assert_near(value(&loss(&row(&LOGITS)).unwrap()), expected / 6.0);
    gradient(&row(&LOGITS), loss);
    gradient(&row(&LOGITS), |logits| cancer(&config, logits, &row(&LABELS)));
}

#[test]
fn categorical_cross_entropy_is_its_definition_at_any_height() {
    let logits = Tensor::new(&[[1.0, -0.5, 2.0], [0.0, 0.0, 3.0]], &Device::Cpu).unwrap();
    let classes = Tensor::new(&[2_u32, 0], &Device::Cpu).unwrap();
    let (e, one) = (f64::exp, 1.0_f64);
    let first = (e(one) + e(-0.5) + e(2.0)).ln() - 2.0;
    let second = (1.0 + 1.0 + e(3.0)).ln();
    let loss = |logits: &Tensor| categorical(logits, &classes);
    assert_near(value(&loss(&logits).unwrap()), (first + second) / 2.0);
    gradient(&logits, loss);
    let high = categorical(&(&logits + 1e4).unwrap(), &classes).unwrap();
    assert!((value(&high) - (first + second) / 2.0).abs() < 1e-8);
}

#[test]
fn an_ordinal_loss_is_a_binary_loss_at_each_threshold() {
    let logits = Tensor::new(&[[0.5, -1.0, -2.0], [2.0, 0.1, -0.3]], &Device::Cpu).unwrap();
    let classes = Tensor::new(&[1_u32, 3], &Device::Cpu).unwrap();
    // Class 1 is above threshold 0 only; class 3 is above all of them.
    let yes = |x: f64| -p(x).ln();
    let no = |x: f64| -(1.0 - p(x)).ln();
    let expected = yes(0.5) + no(-1.0) + no(-2.0) + yes(2.0) + yes(0.1) + yes(-0.3);
    let loss = |logits: &Tensor| ordinal(logits, &classes);
    assert_near(value(&loss(&logits).unwrap()), expected / 6.0);
    gradient(&logits, loss);
}

#[test]
fn huber_is_half_the_square_near_and_a_line_far() {
    let (predicted, values) = ([0.3, -2.0, 1.0, 5.0], [0.0, 0.5, 0.25, 1.0]);
    let expected = [0.5 * 0.09, 2.5 - 0.5, 0.5 * 0.75 * 0.75, 4.0 - 0.5].iter().sum::<f64>() / 4.0;
    let loss = |x: &Tensor| regression(RegressionLoss::Huber, x, &row(&values));
    assert_near(value(&loss(&row(&predicted)).unwrap()), expected);
    gradient(&row(&predicted), loss);
    let loss = |x: &Tensor| regression(RegressionLoss::Mse, x, &row(&values));
    let expected = (0.09 + 6.25 + 0.5625 + 16.0) / 4.0;
    assert_near(value(&loss(&row(&predicted)).unwrap()), expected);
    gradient(&row(&predicted), loss);
}

#[test]
fn a_soft_positive_and_smoothing_move_labels_towards_the_middle() {
    let mut config = TrainConfig::default().loss;
    (config.positive_label, config.label_smoothing) = (0.9, 0.0);
    assert_eq!([true, false].map(|y| soft_label(&config, y)), [0.9, 0.0]);
    (config.positive_label, config.label_smoothing) = (1.0, 0.1);
    assert_near(soft_label(&config, true), 0.95);
    assert_near(soft_label(&config, false), 0.05);
}
