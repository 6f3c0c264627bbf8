//! The page of a training run: the figures of `evaluate`, and nothing from the network.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use common::browser::{Seen, open_in_browser};
use mammo_pipe::config::TrainConfig;
use mammo_pipe::dataset::Role;
use mammo_pipe::evaluate::Bootstrap;
use mammo_pipe::evaluate::figures::Name;
use mammo_pipe::evaluate::judge::judge;
use mammo_pipe::evaluate::predictions::{self, Level, Prediction, sigmoid};
use mammo_pipe::evaluate::run::{Which, load};
use mammo_pipe::record::{Id, ImageRecord, Laterality, Split};
use mammo_pipe::report;
use mammo_pipe::train::log::{EpochLine, Line, Log, StepLine};
use mammo_pipe::train::run::{self, Run, RunFacts};
use mammo_pipe::train::validate::Scores;

const FEW: Bootstrap = Bootstrap { resamples: 50, seed: 1, confidence: 0.95 };

/// A run of two folds, of which the log has two epochs and the second is worse.
fn run_of_two_folds(folder: &Path) -> Run {
    let facts = RunFacts {
        format_version: run::FORMAT_VERSION,
        tool: "mammo-pipe <test>".into(),
        program_sha256: "p".into(),
        release: "release".into(),
        release_plan_sha256: "r".into(),
        manifest_sha256: "m".into(),
        preprocessing: serde_json::json!({"roi": {"margin": 0.01}}),
        train: TrainConfig::default(),
        folds: None,
        held_out: vec![Some(0), Some(1)],
        init: None,
    };
    let run = Run::create(folder, facts).unwrap();
    for fold in 0..2 {
        let said = predictions_of(fold);
        let path = run.fold(Some(fold)).unwrap();
        let mut log = Log::open(&path, 0, 0).unwrap();
        for epoch in 0..2 {
            log.write(&Line::Step(StepLine {
                epoch,
                step: epoch as u64,
                images: 8,
                loss: 0.5,
                cancer: Some(0.4),
                auxiliary: BTreeMap::new(),
                learning_rate: 1e-3,
                gradient_norm: 1.0,
                data_wait: 0.1,
                seconds: 0.4,
                images_per_second: 20.0,
            }))
            .unwrap();
            log.write(&Line::Epoch(EpochLine {
                epoch,
                step: epoch as u64 + 1,
                loss: 0.5 - 0.1 * epoch as f64,
                validation: Some(Scores::of(&said)),
                best: epoch == 0,
                overfitting: epoch == 1,
                seconds: 1.0,
            }))
            .unwrap();
        }
        log.flush().unwrap();
        predictions::write(&path, &path.join("validation.parquet"), &said).unwrap();
    }
    run
}

/// Forty breasts of a fold, one in four with cancer and mostly told.
fn predictions_of(fold: u16) -> Vec<Prediction> {
    let prediction = |i: usize| {
        let patient = Id::new(&format!("{fold}{i:03}")).unwrap();
        let mut record = ImageRecord::unlabelled(patient, Id::new(&format!("i{fold}{i}")).unwrap());
        record.split = Split::Train;
        record.laterality = Some(Laterality::Left);
        record.cancer = Some(i.is_multiple_of(4));
        record.site_id = Some((i % 2) as i64 + 1);
        let logit = if i.is_multiple_of(4) { 0.5 } else { -1.0 } + (i * 7 % 13) as f64 / 6.0;
        Prediction { record, role: Role::Fold(fold), logit, probability: sigmoid(logit) }
    };
    (0..40).map(prediction).collect()
}

#[test]
fn the_page_tells_what_evaluate_tells() {
    let folder = tempfile::tempdir().unwrap();
    let run = run_of_two_folds(&folder.path().join("first"));
    let path = report::run::write(run.folder(), &FEW).unwrap();
    let page = fs::read_to_string(path).unwrap();

    let loaded = load(run.folder(), Which::CrossFitted).unwrap();
    let (evaluation, _) = judge(&loaded.predictions, loaded.given, &FEW).unwrap();
    let levels = &evaluation.parts[0].levels;
    for level in levels {
        for name in [Name::Auroc, Name::Pf1, Name::F1, Name::Ece] {
            let figure = level.figures.get(name).unwrap().to_string();
            assert!(page.contains(&figure), "{name:?} by {:?}: {figure}", level.level);
        }
    }
    let breast = levels.iter().find(|at| at.level == Level::BreastMean).unwrap();
    assert_eq!((breast.size.n, breast.size.positives), (80, 20));
    assert!(page.contains("20 of 80"));
    for title in ["ROC", "Precision and recall", "Reliability", "Loss", "Waiting for data"] {
        assert!(page.contains(&format!("<h3>{title}</h3>")), "{title}");
    }
    // Text is text, also where it looks like a tag.
    assert!(page.contains("mammo-pipe &lt;test&gt;") && !page.contains("<test>"));
}

#[test]
fn a_run_without_a_judged_fold_has_its_curves_and_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let run = run_of_two_folds(&folder.path().join("young"));
    for fold in 0..2 {
        fs::remove_file(run.fold(Some(fold)).unwrap().join("validation.parquet")).unwrap();
    }
    let page = fs::read_to_string(report::run::write(run.folder(), &FEW).unwrap()).unwrap();
    assert!(page.contains("No fold was judged yet") && page.contains("<h3>Loss</h3>"));
}

#[test]
fn a_browser_shows_the_page_without_a_request_or_a_console_message() {
    let folder = tempfile::tempdir().unwrap();
    let run = run_of_two_folds(&folder.path().join("first"));
    let path = report::run::write(run.folder(), &FEW).unwrap();
    let Some(seen) = open_in_browser(&path) else { return };
    let title = "Run first".to_owned();
    assert_eq!(seen, Seen { console: Vec::new(), requests: BTreeSet::new(), title });
}
