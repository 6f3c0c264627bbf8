//! Runs that were never trained: their logs and what their networks are said to have told.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mammo_pipe::config::TrainConfig;
use mammo_pipe::dataset::Role;
use mammo_pipe::predictions::{self, Prediction, sigmoid};
use mammo_pipe::record::{Id, ImageRecord, Laterality, Split};
use mammo_pipe::shard::table::Table;
use mammo_pipe::train::log::{EpochLine, Line, Log, StepLine};
use mammo_pipe::train::run::{self, Run, RunFacts};
use mammo_pipe::train::validate::Scores;

/// What a run of two folds is, on a release that is nowhere.
pub fn facts() -> RunFacts {
    RunFacts {
        format_version: run::FORMAT_VERSION,
        tool: "mammo-pipe <test>".into(),
        program_sha256: "p".into(),
        release: "nowhere".into(),
        release_plan_sha256: "r".into(),
        manifest_sha256: "m".into(),
        preprocessing: serde_json::json!({"roi": {"margin": 0.01}}),
        train: TrainConfig::default(),
        folds: None,
        held_out: vec![Some(0), Some(1)],
        init: None,
    }
}

/// A run of two folds, of which the log has two epochs and the second is worse.
pub fn run_of_two_folds(folder: &Path) -> Run {
    run_that_said(folder, facts(), [predictions_of(0, 0), predictions_of(1, 0)])
}

/// A run whose networks said this of the fold that each held out.
pub fn run_that_said(folder: &Path, facts: RunFacts, said: [Vec<Prediction>; 2]) -> Run {
    let run = Run::create(folder, facts).unwrap();
    for (fold, said) in said.iter().enumerate() {
        let path = run.fold(Some(fold as u16)).unwrap();
        let mut log = Log::open(&path, 0, 0).unwrap();
        for epoch in 1..=2 {
            log.write(&Line::Step(StepLine {
                epoch,
                step: epoch as u64 - 1,
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
                step: epoch as u64,
                loss: 0.6 - 0.1 * epoch as f64,
                validation: Some(Scores::of(said)),
                best: epoch == 1,
                overfitting: epoch == 2,
                seconds: 1.0,
            }))
            .unwrap();
        }
        log.flush().unwrap();
        predictions::write(path.path(), &path.validation(), said).unwrap();
    }
    run
}

/// Forty breasts of a fold, one in four with cancer and mostly told; `noise` muddles it.
pub fn predictions_of(fold: u16, noise: usize) -> Vec<Prediction> {
    let prediction = |i: usize| {
        let patient = Id::new(&format!("{fold}{i:03}")).unwrap();
        let mut record = ImageRecord::unlabelled(patient, Id::new(&format!("i{fold}{i}")).unwrap());
        record.split = Split::Train;
        record.laterality = Some(Laterality::Left);
        record.cancer = Some(i.is_multiple_of(4));
        record.site_id = Some((i % 2) as i64 + 1);
        let muddle = (noise * (i * 31 % 17)) as f64 / 8.0;
        let logit =
            if i.is_multiple_of(4) { 0.5 } else { -1.0 } + (i * 7 % 13) as f64 / 6.0 + muddle;
        Prediction { record, role: Role::Fold(fold), logit, probability: sigmoid(logit) }
    };
    (0..40).map(prediction).collect()
}

/// A run on a release of two folds: each network tells cancer from none, but not always.
pub fn run_on(release: &Path, folder: &Path) -> Run {
    let table = Table::read(release).unwrap();
    let said = [0, 1].map(|fold| {
        let rows = table.rows.iter().enumerate().filter(|(_, row)| row.role == Role::Fold(fold));
        let prediction = |(i, row): (usize, &mammo_pipe::shard::table::Row)| {
            let logit =
                if row.record.cancer == Some(true) { 0.7 } else { -1.2 } + (i % 9) as f64 / 4.0;
            Prediction {
                record: row.record.clone(),
                role: row.role,
                logit,
                probability: sigmoid(logit),
            }
        };
        rows.map(prediction).collect::<Vec<_>>()
    });
    let facts = RunFacts {
        release: PathBuf::from(release),
        release_plan_sha256: table.plan_sha256.clone(),
        manifest_sha256: mammo_pipe::store::hash_file(&release.join("manifest.json")).unwrap().1,
        preprocessing: table.plan.settings.clone(),
        ..facts()
    };
    run_that_said(folder, facts, said)
}
