//! `mammo-pipe score`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::evaluate::How;
use super::grid::Grid;
use super::progress::print;
use crate::error::Fault;
use crate::evaluate::submission::{Score, score};
use crate::number::{count, of};

/// Score a submission of the competition against the labels: pF1 and what goes with it.
///
/// The submission has the columns prediction_id and cancer, a probability a breast; predict
/// writes it. The labels have one row an image (as train.csv) or prediction_id and cancer. Every
/// breast of the labels has to be in the submission once, and no other.
#[derive(Debug, Args)]
pub struct ScoreArgs {
    /// The submission, CSV.
    submission: PathBuf,
    /// The labels, CSV.
    labels: PathBuf,
    #[command(flatten)]
    how: How,
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
        let (threshold, bootstrap) = (self.how.threshold, self.how.bootstrap());
        let score = score(&self.submission, &self.labels, threshold, &bootstrap)?;
        if self.json {
            print(&serde_json::to_string_pretty(&score).expect("plain data becomes JSON"));
        } else {
            print(text(&score).trim_end());
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn text(score: &Score) -> String {
    let mut grid = Grid::new("ll");
    let size = &score.size;
    let number = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.4}"));
    grid.row(["breasts".into(), format!("{}, {}", count(size.n), of(size.patients, "patient"))]);
    let prevalence = number(size.prevalence);
    grid.row(["with cancer".into(), format!("{} ({prevalence})", count(size.positives))]);
    grid.row(["F1 of calling all positive".into(), number(size.all_positive_f1)]);
    for (name, estimate) in &score.figures.0 {
        let value = match estimate.undefined {
            Some(reason) => format!("– ({reason})"),
            None => format!("{estimate:.4}"),
        };
        grid.row([name.label().replace(", frozen threshold", ", threshold given"), value]);
        if *name == crate::evaluate::figures::Name::BestF1 {
            grid.row(["  threshold there, k/49".into(), number(score.best_f1_threshold)]);
        }
    }
    grid.to_string()
}
