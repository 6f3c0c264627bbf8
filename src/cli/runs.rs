//! `mammo-pipe runs`

use std::cmp::Reverse;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::json;

use super::progress::{print, say};
use crate::config::train::Metric;
use crate::error::{Fault, chain};
use crate::number::duration;
use crate::store::quoted;
use crate::train::folder::RunFolder;
use crate::train::log;
use crate::train::run::{self, RunFacts, State, Status};

/// List training runs with their state, progress, metric of every fold and time left; remove runs.
///
///   mammo-pipe runs
///   mammo-pipe runs --sort best
///   watch mammo-pipe runs /data/runs
///   mammo-pipe runs --rm runs/b4-1 runs/b4-2
///
/// running: the process is alive. stopped: interrupted, with its state saved. killed: the process
/// is gone. Stopped and killed runs resume with: mammo-pipe train --resume RUN
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct RunsArgs {
    /// Folder of the runs, or of one run [default: runs].
    folder: Option<PathBuf>,
    /// Order of the list: by name; best: the best metric first; updated: the latest first.
    #[arg(long, value_enum, default_value = "name")]
    sort: Sort,
    /// Remove these runs. A run that a process trains stays; one with a trained network needs
    /// --force.
    #[arg(long, value_name = "RUN", num_args = 1.., conflicts_with_all = ["folder", "sort", "json"])]
    rm: Vec<PathBuf>,
    /// With --rm: also remove runs with trained networks.
    #[arg(long, requires = "rm")]
    force: bool,
    /// Print one line of JSON per run.
    #[arg(long)]
    json: bool,
}

/// `--sort`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Sort {
    Name,
    Best,
    Updated,
}

/// One run, as far as it can be read.
struct Listed {
    path: PathBuf,
    facts: RunFacts,
    status: Option<Status>,
    folds: Vec<FoldMetric>,
}

/// The best epoch of a fold.
#[derive(Debug, Serialize)]
struct FoldMetric {
    fold: Option<u16>,
    epoch: Option<usize>,
    best: Option<f64>,
}

impl RunsArgs {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Fault::Io`] if the folder cannot be read, or if a run cannot be removed.
    pub fn run(self) -> Result<ExitCode, Fault> {
        if !self.rm.is_empty() {
            for path in &self.rm {
                run::remove_run(path, self.force)?;
                print(&format!("removed {}", path.display()));
            }
            return Ok(ExitCode::SUCCESS);
        }
        let folder = self.folder.clone().unwrap_or_else(|| "runs".into());
        let paths = match run::list(&folder) {
            // Before the first run there is no folder.
            Err(Fault::Io { source, .. })
                if source.kind() == ErrorKind::NotFound && self.folder.is_none() =>
            {
                Vec::new()
            }
            paths => paths?,
        };
        if paths.is_empty() && !self.json {
            let folder = folder.display();
            print(&format!("{folder} has no runs; start one: mammo-pipe train RELEASE"));
        }
        let mut unreadable = 0;
        let mut runs = Vec::new();
        for path in paths {
            match Listed::read(&path) {
                Ok(run) => runs.push(run),
                Err(fault) => {
                    unreadable += 1;
                    say(&format!("cannot be read: {}", chain(&fault)));
                }
            }
        }
        match self.sort {
            Sort::Name => {}
            Sort::Best => runs.sort_by(|a, b| {
                let best = |run: &Listed| run.mean().unwrap_or(f64::NEG_INFINITY);
                best(b).total_cmp(&best(a))
            }),
            Sort::Updated => {
                runs.sort_by_key(|run| Reverse(run.status.as_ref().map(|status| status.updated)));
            }
        }
        for run in runs {
            print(&if self.json { run.json() } else { run.text() });
        }
        Ok(if unreadable == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

impl Listed {
    fn read(path: &Path) -> Result<Self, Fault> {
        let (facts, status) = (run::read_facts(path)?, run::read_status(path)?);
        let mut folds = Vec::new();
        for &fold in &facts.held_out {
            let line = log::best_epoch(&RunFolder::new(path).fold(fold))?;
            let metric = facts.train.early_stopping.metric;
            let scores = line.as_ref().and_then(|line| line.validation.as_ref());
            let best = scores.and_then(|scores| scores.metric(metric));
            folds.push(FoldMetric { fold, epoch: line.map(|line| line.epoch), best });
        }
        Ok(Self { path: path.into(), facts, status, folds })
    }

    /// The mean of the folds' best metrics.
    fn mean(&self) -> Option<f64> {
        let known: Vec<f64> = self.folds.iter().filter_map(|fold| fold.best).collect();
        (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
    }

    fn json(&self) -> String {
        let Self { path, facts, status, folds } = self;
        json!({"run": path, "status": status, "folds": folds, "mean": self.mean(), "facts": facts})
            .to_string()
    }

    fn text(&self) -> String {
        let path = self.path.display().to_string();
        let mut text = format!("{path:<24} {}", describe(&self.facts, self.status.as_ref()));
        if self.folds.len() > 1 {
            let number =
                |value: Option<f64>| value.map_or("–".into(), |value| format!("{value:.4}"));
            let folds = self.folds.iter().map(|fold| {
                let name = fold.fold.map_or("none".into(), |fold| fold.to_string());
                format!("fold {name}: {}", number(fold.best))
            });
            let (folds, mean) = (folds.collect::<Vec<_>>().join(", "), number(self.mean()));
            let metric = metric_name(self.facts.train.early_stopping.metric);
            text += &format!(
                "\n{:<24} {metric} by fold: {folds}; mean {mean}\n{:<24} each at its best epoch, chosen \
                 on the fold itself, which is optimistic; cross-fitted: mammo-pipe evaluate {}",
                "",
                "",
                quoted(&self.path)
            );
        }
        text
    }
}

fn metric_name(metric: Metric) -> String {
    format!("{metric:?}").to_lowercase()
}

fn describe(facts: &RunFacts, status: Option<&Status>) -> String {
    let Some(status) = status else { return "not started, or killed before its first step".into() };
    let state = match status.state {
        State::Running => "running",
        State::Stopped => "stopped",
        State::Failed => "failed",
        State::Finished => "finished",
        State::Killed => "killed",
    };
    let mut text = format!("{state:<9} {}", facts.train.model.variant);
    let place = facts.held_out.iter().position(|fold| *fold == status.fold).unwrap_or_default();
    if facts.held_out.len() > 1 {
        text += &format!(", fold {} of {}", place + 1, facts.held_out.len());
    }
    let (epoch, epochs, (step, steps)) = (status.epoch(), status.epochs.1, status.steps);
    text += &format!(", epoch {epoch} of {epochs}, step {step} of {steps}");
    text += &status.loss.map_or(String::new(), |loss| format!(", loss {loss:.4}"));
    let metric = metric_name(facts.train.early_stopping.metric);
    text += &status.best.map_or(String::new(), |best| {
        format!(", best {metric} {best:.4} (on the images that chose the epoch)")
    });
    if status.state == State::Running {
        let left = status.seconds_left.map_or(String::new(), |s| format!(", {} left", duration(s)));
        text += &format!(" on {}, process {}{left}", status.device, status.process);
    }
    text
}
