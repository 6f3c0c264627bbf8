//! `mammo-pipe score`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::evaluate::EvaluationOptions;
use super::grid::Grid;
use super::progress::{print, say};
use crate::dataset::Role;
use crate::error::Fault;
use crate::evaluate::submission::{Score, score};
use crate::number::{count, of};
use crate::predictions::{self, Prediction};
use crate::store;

/// Score a competition submission against the labels: pF1 and other metrics.
///
///   mammo-pipe score submission.csv train.csv
///   mammo-pipe score submission.csv labels.csv --json
///
/// The submission has the columns prediction_id and cancer, with one probability per breast;
/// predict writes it. The labels have one row per image (as train.csv), or the columns
/// prediction_id and cancer. The submission must have every breast of the labels exactly once, and
/// no other. If the submission comes from networks whose epochs were chosen on these labels (the
/// file that predict writes beside it tells), a warning says so.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct ScoreArgs {
    /// The submission, CSV.
    submission: PathBuf,
    /// The labels, CSV.
    labels: PathBuf,
    #[command(flatten)]
    options: EvaluationOptions,
    /// Print the score as JSON.
    #[arg(long)]
    json: bool,
}

impl ScoreArgs {
    /// Runs the command.
    ///
    /// # Errors
    /// A [`Fault`] for files that cannot be read or do not fit each other.
    pub fn run(self) -> Result<ExitCode, Fault> {
        let (threshold, bootstrap) = (self.options.threshold, self.options.bootstrap());
        if let Some(warning) = warning(&self.submission) {
            say(&warning);
        }
        let score = score(&self.submission, &self.labels, threshold, &bootstrap)?;
        if self.json {
            print(&serde_json::to_string_pretty(&score).expect("plain data becomes JSON"));
        } else {
            print(text(&score).trim_end());
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// A warning if the file that predict wrote beside the submission says that the epochs of its
/// networks were chosen on some of these labels.
fn warning(submission: &Path) -> Option<String> {
    let beside = submission.with_extension("parquet");
    let hash = store::sha256(&std::fs::read(submission).ok()?);
    if predictions::note(&beside, "submission_sha256")? != hash {
        return None;
    }
    let predictions = predictions::read(&beside).ok()?;
    let is_own = |p: &&Prediction| matches!(p.role, Role::Fold(_));
    let own = predictions.iter().filter(is_own).count();
    (own > 0).then(|| {
        format!(
            "warning: {} of {} are of the run's own folds ({}): no network was trained on them, but \
             each network's epoch was chosen on its fold, so this score is optimistic. For metrics \
             with the epoch chosen on other folds: mammo-pipe evaluate RUN",
            count(own),
            of(predictions.len(), "image"),
            beside.display()
        )
    })
}

fn text(score: &Score) -> String {
    let mut grid = Grid::new("ll");
    let size = &score.size;
    let number = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.4}"));
    grid.row(["breasts".into(), format!("{}, {}", count(size.n), of(size.patients, "patient"))]);
    let prevalence = number(size.prevalence);
    grid.row(["with cancer".into(), format!("{} ({prevalence})", count(size.positives))]);
    grid.row(["F1 if all positive".into(), number(size.all_positive_f1)]);
    for (name, estimate) in &score.metrics.0 {
        let value = match estimate.undefined {
            Some(reason) => format!("– ({reason})"),
            None => format!("{estimate:.4}"),
        };
        grid.row([name.label().replace(", frozen threshold", ", given threshold"), value]);
        if *name == crate::evaluate::metric_set::MetricName::BestF1 {
            grid.row(["  its threshold, k/49".into(), number(score.best_f1_threshold)]);
        }
    }
    grid.to_string()
}
