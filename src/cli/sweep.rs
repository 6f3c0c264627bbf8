//! `mammo-pipe sweep`

mod dry_run;
mod progress;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use serde_json::Value;

use self::progress::SweepProgress;
use super::detach::detach;
use super::ending;
use super::progress::{Activity, print};
use super::signals;
use super::train::bar::Bar;
use super::training::{TrainingArgs, stem};
use crate::config::train::Folds;
use crate::config::{Config, FoldsConfig};
use crate::error::Fault;
use crate::evaluate::{Bootstrap, sweep};
use crate::flow::Stop;
use crate::report;
use crate::shard::ReleaseFolder;
use crate::shard::table::Table;
use crate::store::{self, quoted};
use crate::sweep::results::{AtLevel, Results};
use crate::sweep::settings::{Settings, Weight, check};
use crate::sweep::{Elsewhere, Outcome, Sweep, Watcher};
use crate::train::run::RunFacts;
use crate::train::setup::Setup;
use crate::train::{self, Control, Event};

/// Measure the effect of the auxiliary targets: train with every weight of them.
///
/// Trains eleven runs over all folds: one without auxiliary targets, and one for each weight w from
/// 0.1 to 1.0 in loss = (1 - w) * cancer + w * auxiliary. Everything else is the same. Then prints
/// a table with three kinds of F1: that of the best fold at its best of 50 thresholds, which is
/// optimistic; that of all folds, with epoch and threshold chosen on the other folds; and that of
/// calling every breast positive, the least that a network has to beat.
///
///   mammo-pipe sweep release --dry-run                       # runs, steps, time, disk space
///   mammo-pipe sweep release --device cuda:0 --detach
///   mammo-pipe sweep release --auxiliary-weights cnn,0.1,0.5 # only some weights
///   mammo-pipe sweep release --negatives-per-positive 2 --output sweeps/balanced
///   mammo-pipe sweep --show sweeps/release-b4                # the table of the runs so far
///   mammo-pipe report sweeps/release-b4                      # the page of the runs so far
///
/// The same command continues a sweep that was stopped or killed; it does not repeat finished runs,
/// and it refuses other settings. Start it on several machines that share the folder to divide the
/// runs among them; runs of a machine that died are taken over. Each run is a folder as train
/// writes it, for evaluate, explain, predict and report.
///
/// Exit codes: 0 done, or other processes train all remaining runs; 1 failed; 3 done, but the loss
/// of some runs was not finite; 75 stopped by SIGTERM, 130 by Ctrl-C (continue with
/// the same command).
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct SweepArgs {
    /// Folder of a finished release.
    #[arg(required_unless_present = "show")]
    release: Option<PathBuf>,
    #[command(flatten)]
    training: TrainingArgs,
    /// Folder of the sweep [default: sweeps/RELEASE-VARIANT].
    #[arg(long, value_name = "DIR", value_parser = ending::folder)]
    output: Option<PathBuf>,
    /// Weights of the auxiliary targets; cnn is the network without them
    /// [default: cnn,0.1,0.2,...,1.0].
    #[arg(long, value_name = "W,W,...", value_delimiter = ',')]
    auxiliary_weights: Vec<Weight>,
    /// Reassign the folds with at most N negative patients for each positive one, for training and
    /// evaluation. The F1 is then of a higher prevalence than that of screening.
    #[arg(long, value_name = "N")]
    negatives_per_positive: Option<f64>,
    /// Print the table of the runs of this sweep that are finished; train nothing.
    #[arg(long, value_name = "SWEEP", conflicts_with_all = [
        "release", "config", "overrides", "output", "auxiliary_weights", "negatives_per_positive",
        "init", "dry_run", "detach",
    ])]
    show: Option<PathBuf>,
    /// Print sweep.json on standard output instead of the table.
    #[arg(long)]
    json: bool,
}

impl SweepArgs {
    /// Runs the command.
    ///
    /// # Errors
    /// A [`Fault`].
    pub fn run(mut self) -> Result<ExitCode, Fault> {
        if let Some(folder) = &self.show {
            self.print_results(&Results::read(folder, &Bootstrap::default())?);
            return Ok(ExitCode::SUCCESS);
        }
        self.training.start_threads();
        if self.auxiliary_weights.is_empty() {
            self.auxiliary_weights = Weight::of_the_report();
        }
        self.auxiliary_weights.sort_by(|a, b| a.value().total_cmp(&b.value()));
        self.auxiliary_weights.dedup();
        let mut config = self.training.settings.load()?;
        let release = self.release.clone().expect("clap asks for it without --show");
        let variant = config.train.model.variant.as_str().trim_start_matches("efficientnet_");
        let name = format!("{}-{variant}", stem(&release));
        let folder = self.output.clone().unwrap_or_else(|| Path::new("sweeps").join(name));
        let reading = format!("reading {}", release.display());
        let reading = Activity::new(reading, self.training.quiet);
        let table = Table::read(&release)?;
        if let Some(ratio) = self.negatives_per_positive {
            config.folds.clone_from(&folds_with_ratio(&config, &table, ratio)?);
            config.train.folds = Folds::Reassign;
            config.check()?;
        }
        check(&config, &self.auxiliary_weights, &table.plan.settings)?;
        let table = match config.train.folds {
            Folds::Reassign => table.with_folds(&config.folds)?,
            Folds::Release => table,
        };
        let held_out = table.folds().into_iter().map(Some).collect();
        let run = RunFacts {
            init: self.training.init(),
            ..RunFacts::new(&config, &release, &table, held_out)?
        };
        let settings = Settings::new(run);
        let init = settings.run.init.clone();
        let setup = self.training.setup(settings.run.train.clone(), init);
        let table = Arc::new(table);
        drop(reading);
        let ours = [store::ASIDE, store::LOCK, LOG, "claims"];
        store::unless_foreign(&folder, Settings::are_in(&folder), &ours)?;
        if self.training.dry_run {
            return dry_run::show(
                &folder,
                &settings,
                &self.auxiliary_weights,
                &table,
                &setup,
                self.json,
                self.training.quiet,
            );
        }
        let shown = Activity::new("checking that the runs can start", self.training.quiet);
        train::check(&table, &setup, &settings.run.held_out)?;
        drop(shown);
        if self.training.detach {
            return run_in_background(&folder);
        }
        self.train(&Sweep::open(&folder, settings)?, &table, &setup)
    }

    fn train(&self, sweep: &Sweep, table: &Arc<Table>, setup: &Setup) -> Result<ExitCode, Fault> {
        let stop = Stop::default();
        let next = "finishing this step and saving the state; the same command continues";
        let _handled = signals::handle(&stop, next).map_err(Fault::io("signal handlers"))?;
        let bar = Bar::new(self.training.quiet);
        bar.say(&format!("{}: training on {}", sweep.folder().display(), self.training.device()));
        let progress = SweepProgress::new(&self.auxiliary_weights, sweep)?;
        let bootstrap = Bootstrap::default();
        let watcher = Watcher {
            begin: &|weight| progress.begin(weight),
            finished: &|weight| {
                progress.finished();
                report::run::write(&sweep.run(weight), &bootstrap)?;
                report::sweep::write(sweep.folder(), &bootstrap).map(|_| ())
            },
        };
        let on_event = |event: &Event<'_>| {
            bar.set_prefix(&progress.text(event.status));
            bar.on_event(event);
        };
        let control = Control {
            stop,
            on_event: &on_event,
            on_message: &|line| bar.say(line),
            on_prediction: &|done, all| bar.on_prediction(done, all),
        };
        let outcome = sweep.work(&self.auxiliary_weights, table, setup, &control, &watcher);
        bar.finish();
        let outcome = outcome?;
        let results = report::sweep::write(sweep.folder(), &bootstrap)?;
        self.print_results(&results);
        let folder = sweep.folder();
        let (line, code) = match &outcome {
            Outcome::Finished => {
                (format!("page: {}", folder.join("sweep.html").display()), ExitCode::SUCCESS)
            }
            Outcome::Stopped => {
                ("saved; continue with the same command".to_owned(), signals::interrupted())
            }
            Outcome::Elsewhere(runs) => {
                let lines = runs.iter().map(Elsewhere::to_string);
                let lines = lines.collect::<Vec<_>>().join("\n  ");
                (format!("other processes train all remaining runs:\n  {lines}"), ExitCode::SUCCESS)
            }
            Outcome::Failed(weights) => {
                let names = weights.iter().map(Weight::to_string).collect::<Vec<_>>().join(", ");
                (
                    format!("the loss is not finite: {names}; all other runs are finished"),
                    ExitCode::from(3),
                )
            }
        };
        if !self.json {
            print(&line);
        }
        Ok(code)
    }

    fn print_results(&self, results: &Results) {
        if self.json {
            print(&serde_json::to_string(results).expect("plain data becomes JSON"));
            return;
        }
        for AtLevel { level, rows } in results.levels.iter().filter(|at| !at.rows.is_empty()) {
            print(&format!("by {}", level.as_str()));
            print(&sweep::text(rows));
        }
        for run in results.runs.iter().filter(|run| !run.is_finished()) {
            print(&format!("{}: {}", run.weight, run.describe()));
        }
    }
}

/// The name of the file with the output of a sweep in the background.
const LOG: &str = "sweep.log";

/// The `folds` settings, or else those of the release, with `ratio` negatives per positive.
fn folds_with_ratio(config: &Config, table: &Table, ratio: f64) -> Result<FoldsConfig, Fault> {
    let folds = match config.train.folds {
        Folds::Reassign => config.folds.clone(),
        Folds::Release => {
            let released: &Value = &table.plan.settings["folds"];
            let path = ReleaseFolder::new(&table.release).manifest();
            serde_json::from_value(released.clone())
                .map_err(|source| Fault::Json { path, source })?
        }
    };
    Ok(FoldsConfig { negatives_per_positive: Some(ratio), ..folds })
}

fn run_in_background(folder: &Path) -> Result<ExitCode, Fault> {
    let log = folder.join(LOG);
    let process = detach(&log, &[])?;
    let (folder, log) = (quoted(folder), quoted(&log));
    print(&format!(
        "running in the background as process {process}\n  \
         progress    mammo-pipe runs {folder}\n  \
         output      tail -f {log}\n  \
         stop        kill -INT {process}   (continue with the same command)"
    ));
    Ok(ExitCode::SUCCESS)
}
