//! Every figure of merit is scikit-learn's, or that of a definition written out in
//! `tests/interop/metrics.py`, which made `tests/fixtures/metrics.json` with `--frozen`
//! (scikit-learn 1.9.1, SciPy 1.17.1, numpy 2.4.6).

use crate::common;

use std::collections::BTreeMap;

use mammo_pipe::config::{Config, DatasetConfig};
use mammo_pipe::dataset::Role;
use mammo_pipe::dataset::table::{self, Problems};
use mammo_pipe::evaluate::calibration::Calibration;
use mammo_pipe::evaluate::delong::delong;
use mammo_pipe::metrics::{
    Binning, Confusion, Grid, Ranked, auprc, auroc, best_f1, brier, ece, partial_auroc, pf1,
    reliability, sensitivity_at,
};
use mammo_pipe::predictions::{Items, Level, Prediction, logit};
use mammo_pipe::record::Split;
use serde::Deserialize;
use serde_json::Value;

/// Scores, labels, and what the reference makes of them.
#[derive(Deserialize)]
struct Case {
    name: String,
    labels: Vec<u8>,
    probabilities: Vec<f64>,
    other: Vec<f64>,
    weights: Vec<f64>,
    threshold: f64,
    expected: BTreeMap<String, Value>,
}

/// What we make of a case, under the reference's keys.
fn found(case: &Case) -> BTreeMap<String, Value> {
    let labels: Vec<bool> = case.labels.iter().map(|label| *label == 1).collect();
    let (p, labels) = (&case.probabilities[..], &labels[..]);
    let ones = vec![1.0; p.len()];
    let at = Confusion::at(p, labels, case.threshold).unwrap();
    let mut found = BTreeMap::new();
    let mut put = |name: &str, value: Option<f64>| {
        found.insert(name.to_owned(), value.map_or(Value::Null, Value::from));
    };
    put("auroc", auroc(p, labels));
    put("partial_auroc", partial_auroc(p, labels, 0.1));
    put("auprc", auprc(p, labels));
    put("pf1", pf1(p, labels));
    put("f1", at.f1().ok());
    put("accuracy", at.accuracy().ok());
    put("sensitivity", at.sensitivity().ok());
    put("specificity", at.specificity().ok());
    put("ppv", at.ppv().ok());
    put("recall_rate", at.recall_rate().ok());
    put("brier", brier(p, labels, &ones).ok());
    put("ece", ece(p, labels, Binning::SameWidth(15)).ok());
    put("ece_same_count", ece(p, labels, Binning::SameCount(15)).ok());
    for percent in [90, 95, 99] {
        let share = f64::from(percent) / 100.0;
        put(&format!("sensitivity_at_{percent}"), sensitivity_at(p, labels, share));
    }
    let mut object = |name: &str, value: Value| found.insert(name.to_owned(), value);
    object("best_f1", serde_json::to_value(best_f1(p, labels)).unwrap());
    object("delong", serde_json::to_value(delong(p, &case.other, labels).ok()).unwrap());
    let both = labels.contains(&true) && labels.contains(&false);
    for (name, binning) in
        [("same_width", Binning::SameWidth(10)), ("same_count", Binning::SameCount(10))]
    {
        // scikit-learn draws no curve of a single class.
        let bins = if both { reliability(p, labels, binning).unwrap() } else { vec![] };
        let curve: Vec<_> = bins.iter().map(|bin| [bin.probability, bin.observed]).collect();
        object(&format!("reliability_{name}"), serde_json::to_value(curve).unwrap());
    }
    if case.expected.contains_key("weighted") {
        object("weighted", weighted(case, labels));
    }
    if case.expected.contains_key("temperature") {
        object("temperature", temperature(p, labels).into());
    }
    found
}

fn weighted(case: &Case, labels: &[bool]) -> Value {
    let (p, weights) = (&case.probabilities[..], &case.weights[..]);
    let ranked = Ranked::new(p, labels).unwrap();
    let called: Vec<bool> = p.iter().map(|p| *p >= case.threshold).collect();
    let at = Confusion::of(&called, labels, weights);
    serde_json::json!({
        "auroc": ranked.auroc(weights).unwrap(),
        "partial_auroc": ranked.partial_auroc(weights, 0.1).unwrap(),
        "auprc": ranked.auprc(weights).unwrap(),
        "brier": brier(p, labels, weights).unwrap(),
        "f1": at.f1().unwrap(),
        "accuracy": at.accuracy().unwrap(),
    })
}

/// The reference leaves out probabilities of 0 and 1, whose logits are infinite to it.
fn temperature(p: &[f64], labels: &[bool]) -> f64 {
    let inside = p.iter().zip(labels).filter(|(p, _)| **p > 0.0 && **p < 1.0);
    let (logits, labels): (Vec<f64>, Vec<bool>) = inside.map(|(p, l)| (logit(*p), *l)).unzip();
    Calibration::fit(&logits, &labels, -0.5).unwrap().temperature
}

/// Compares number by number, to 1e-9; what a minimiser found, to what it can find.
fn compare(place: &str, found: &Value, expected: &Value) {
    match (found, expected) {
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            let tolerance = if place.ends_with("temperature") { 1e-5 * b } else { 1e-9 };
            assert!((a - b).abs() <= tolerance, "{place}: {a} is not {b}");
        }
        (Value::Array(a), Value::Array(b)) => {
            assert_eq!(a.len(), b.len(), "{place}: {found} is not {expected}");
            a.iter().zip(b).for_each(|(a, b)| compare(place, a, b));
        }
        (Value::Object(a), Value::Object(b)) => {
            let keys =
                |map: &serde_json::Map<String, Value>| map.keys().cloned().collect::<Vec<_>>();
            let mut names = (keys(a), keys(b));
            names.0.sort();
            names.1.sort();
            assert_eq!(names.0, names.1, "{place}");
            a.iter().for_each(|(key, a)| compare(&format!("{place}.{key}"), a, &b[key]));
        }
        _ => assert_eq!(found, expected, "{place}"),
    }
}

fn check(cases: &str) -> usize {
    let cases: Vec<Case> = serde_json::from_str(cases).unwrap();
    for case in &cases {
        let found = found(case);
        let names = |map: &BTreeMap<String, Value>| map.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&found), names(&case.expected), "{}", case.name);
        for (key, value) in &found {
            compare(&format!("{}: {key}", case.name), value, &case.expected[key]);
        }
    }
    cases.len()
}

#[test]
fn figures_are_those_that_scikit_learn_gave() {
    assert_eq!(check(include_str!("../fixtures/metrics.json")), 8);
}

#[test]
#[ignore = "needs MAMMO_PIPE_PYTHON, and ../shared with real files"]
fn figures_are_those_of_scikit_learn_on_large_tied_and_real_cases() {
    let real = common::needs::real_files().join("rsna/train.csv");
    let text = common::needs::python("metrics.py", &[real.to_str().unwrap()]);
    let frozen = common::needs::python("metrics.py", &["--frozen"]);
    let json = |text: &str| serde_json::from_str(text).unwrap();
    let fixture = json(include_str!("../fixtures/metrics.json"));
    compare("the fixture is not the script's", &json(&frozen), &fixture);
    assert_eq!(check(&text), 28 + 2);
}

/// What constant probabilities score on the competition's table.
#[test]
#[ignore = "needs ../shared with real files"]
fn the_golden_scores_of_the_real_table_hold() {
    let shared = common::needs::real_files();
    let path = shared.join("rsna/train.csv");
    let config = DatasetConfig { train_csv: Some(path), ..Config::default().dataset };
    let mut problems = Problems::default();
    let table = table::read_alone(Split::Train, &config, &mut problems).unwrap();
    problems.check().unwrap();
    let predictions: Vec<Prediction> = table
        .records
        .into_iter()
        .map(|record| Prediction { record, role: Role::Locked, logit: 0.0, probability: 1.0 })
        .collect();
    let [images, breasts, patients] = [Level::Image, Level::BreastMean, Level::Patient]
        .map(|level| Items::of(&predictions, level));
    assert_eq!([images.len(), breasts.len(), patients.len()], [54_706, 23_826, 11_913]);
    let positives = |items: &Items| items.labels.iter().filter(|label| **label).count();
    assert_eq!([&images, &breasts, &patients].map(positives), [1158, 492, 486]);
    let score = |items: &Items, p: f64| pf1(&vec![p; items.len()], &items.labels).unwrap();
    let close = |found: f64, golden: f64| assert!((found - golden).abs() < 5e-7, "{found}");
    close(score(&breasts, 1.0), 0.040464);
    close(score(&images, 1.0), 0.041458);
    close(score(&breasts, 492.0 / 23_826.0), 0.020650);

    // A grid threshold calls everything at k = 0, so the best F1 of a constant is that of all.
    let grid = Grid::new(&breasts.probabilities, &breasts.labels).unwrap();
    close(grid.best_f1(&vec![1.0; breasts.len()]).unwrap().f1, 0.040464);
}
