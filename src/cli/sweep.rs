//! `mammo-pipe sweep`

mod dry_run;
mod progress;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use serde_json::Value;

use self::progress::Whole;
use super::detach::detach;
use super::progress::print;
use super::settings::SettingsArgs;
use super::signals;
use super::train::{bar::Bar, loader_threads, stem};
use crate::config::train::Folds;
use crate::config::{Config, FoldsConfig};
use crate::error::Fault;
use crate::evaluate::{Bootstrap, sweep};
use crate::flow::Stop;
use crate::model::Device;
use crate::report;
use crate::shard::ReleaseFolder;
use crate::shard::table::Table;
use crate::sweep::results::{AtLevel, Results};
use crate::sweep::settings::{Settings, Weight, check};
use crate::sweep::{Elsewhere, Outcome, Sweep, Watcher};
use crate::train::Control;
use crate::train::run::RunFacts;
use crate::train::setup::Setup;

/// Train with every weight of the auxiliary targets, and say what they are good for.
///
/// Eleven runs over all folds: one without auxiliary targets, and one for each w from 0.1 to 1.0 in
/// total = (1 - w) * cancer + w * auxiliary, all else the same. Then the table: F1 at the best of
/// 50 thresholds in the best fold, as such tables have it, and beside it what flatters nobody: F1
/// of all folds at epochs and thresholds that other folds chose, and the F1 of calling everything
/// positive, without which no F1 says anything.
///
///   mammo-pipe sweep release --dry-run                       # runs, steps, time, space
///   mammo-pipe sweep release --device cuda:0 --detach
///   mammo-pipe sweep release --weights cnn,0.1,0.5           # some of them; others may follow
///   mammo-pipe sweep release --negatives-per-positive 2 --out sweeps/balanced
///   mammo-pipe sweep --show sweeps/release-b4                # the table, as far as it is
///   mammo-pipe report sweeps/release-b4                      # the page, as far as it is
///
/// The same command goes on with a sweep that was stopped or killed, and repeats no run that is
/// finished; other settings are refused. Started on several machines that share the folder, each
/// takes runs that no other has, and takes over those of one that died. Every run is a folder as
/// train leaves it: evaluate, explain, predict and report take it.
///
/// Exit codes: 0 done, or all that is left is done elsewhere; 1 stopped by a fault; 3 done, but
/// the loss of some runs became no number; 130 interrupted, the same command goes on.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct SweepArgs {
    /// Folder of a finished release.
    #[arg(required_unless_present = "show")]
    release: Option<PathBuf>,
    #[command(flatten)]
    settings: SettingsArgs,
    /// Folder of the sweep [default: sweeps/RELEASE-VARIANT].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Weights to train with, cnn being the network without auxiliary targets
    /// [default: cnn,0.1,0.2,...,1.0].
    #[arg(long, value_name = "W,W,...", value_delimiter = ',')]
    weights: Vec<Weight>,
    /// Deal the release's folds anew with at most N negative patients for each positive one, to
    /// train on and to judge by: an F1 of a share of positives that screening does not have.
    #[arg(long, value_name = "N")]
    negatives_per_positive: Option<f64>,
    /// cpu, or cuda:0 for the first GPU.
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: Device,
    /// Weights that every run starts from: a file, or a name on the hub such as
    /// timm/efficientnet_b4.ra2_in1k. Random ones, the same for all runs, if not given.
    #[arg(long, value_name = "WEIGHTS")]
    init: Option<String>,
    /// Threads that compute on the CPU, and that read and augment for a GPU; one a core if not
    /// given.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Print the table of a sweep, as far as it is, and train nothing.
    #[arg(long, value_name = "SWEEP", conflicts_with_all = [
        "release", "config", "overrides", "out", "weights", "negatives_per_positive", "init",
        "dry_run", "detach",
    ])]
    show: Option<PathBuf>,
    /// Show what it would take, from a few steps.
    #[arg(long)]
    dry_run: bool,
    /// Run in the background; says how to follow it.
    #[arg(long)]
    detach: bool,
    /// Show no progress.
    #[arg(long, short)]
    quiet: bool,
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
            self.tell(&Results::read(folder, &Bootstrap::default())?);
            return Ok(ExitCode::SUCCESS);
        }
        if let Some(threads) = self.threads {
            // An error means that the pool is up already, which only a test can have done.
            let _ = rayon::ThreadPoolBuilder::new().num_threads(threads.max(1)).build_global();
        }
        if self.weights.is_empty() {
            self.weights = Weight::of_the_report();
        }
        self.weights.sort_by(|a, b| a.value().total_cmp(&b.value()));
        self.weights.dedup();
        let mut config = self.settings.load()?;
        let release = self.release.clone().expect("clap asks for it without --show");
        let variant = config.train.model.variant.as_str().trim_start_matches("efficientnet_");
        let name = format!("{}-{variant}", stem(&release));
        let folder = self.out.clone().unwrap_or_else(|| Path::new("sweeps").join(name));
        if self.detach {
            return in_background(&folder);
        }
        let table = Table::read(&release)?;
        if let Some(ratio) = self.negatives_per_positive {
            config.folds.clone_from(&dealt(&config, &table, ratio)?);
            config.train.folds = Folds::Reassign;
            config.check()?;
        }
        check(&config, &self.weights, &table.plan.settings)?;
        let table = match config.train.folds {
            Folds::Reassign => table.with_folds(&config.folds)?,
            Folds::Release => table,
        };
        let held_out = table.folds().into_iter().map(Some).collect();
        let run = RunFacts {
            init: self.init.clone(),
            ..RunFacts::new(&config, &release, &table, held_out)?
        };
        let settings = Settings::new(run);
        let setup = Setup {
            train: settings.run.train.clone(),
            device: self.device,
            init: self.init.clone(),
            loader_threads: loader_threads(self.device, self.threads),
        };
        let table = Arc::new(table);
        if self.dry_run {
            return dry_run::show(&folder, &settings, &self.weights, &table, &setup, self.json);
        }
        self.go(&Sweep::open(&folder, settings)?, &table, &setup)
    }

    fn go(&self, sweep: &Sweep, table: &Arc<Table>, setup: &Setup) -> Result<ExitCode, Fault> {
        let stop = Stop::default();
        signals::handle(&stop).map_err(Fault::io("signal handlers"))?;
        let bar = Bar::new(self.quiet || self.json);
        bar.say(&format!("{}: training on {}", sweep.folder().display(), self.device));
        let whole = Whole::new(&self.weights, sweep)?;
        let bootstrap = Bootstrap::default();
        let watcher = Watcher {
            begin: &|weight| whole.begin(weight),
            finished: &|weight| {
                whole.finished();
                report::run::write(&sweep.run(weight), &bootstrap)?;
                report::sweep::write(sweep.folder(), &bootstrap).map(|_| ())
            },
        };
        let seen = |seen: &crate::train::Seen<'_>| {
            bar.within(&whole.text(seen.status));
            bar.seen(seen);
        };
        let control = Control { stop, seen: &seen, tell: &|line| bar.say(line) };
        let outcome = sweep.work(&self.weights, table, setup, &control, &watcher);
        bar.finish();
        let outcome = outcome?;
        let results = report::sweep::write(sweep.folder(), &bootstrap)?;
        self.tell(&results);
        let folder = sweep.folder().display();
        let (line, code) = match &outcome {
            Outcome::Finished => (format!("look at {folder}/sweep.html"), ExitCode::SUCCESS),
            Outcome::Stopped => {
                ("saved; the same command goes on".to_owned(), ExitCode::from(signals::INTERRUPTED))
            }
            Outcome::Elsewhere(runs) => {
                let who = runs.iter().map(Elsewhere::to_string);
                let who = who.collect::<Vec<_>>().join("\n  ");
                (
                    format!("nothing is left to begin here; trained elsewhere:\n  {who}"),
                    ExitCode::SUCCESS,
                )
            }
            Outcome::Failed(weights) => {
                let names = weights.iter().map(Weight::to_string).collect::<Vec<_>>().join(", ");
                (
                    format!("the loss became no number: {names}; all others are finished"),
                    ExitCode::from(3),
                )
            }
        };
        if !self.json {
            print(&line);
        }
        Ok(code)
    }

    fn tell(&self, results: &Results) {
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

/// The folds that the settings deal, or else those of the release, with `ratio` negatives.
fn dealt(config: &Config, table: &Table, ratio: f64) -> Result<FoldsConfig, Fault> {
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

fn in_background(folder: &Path) -> Result<ExitCode, Fault> {
    let log = folder.join("sweep.log");
    let process = detach(&log, &[])?;
    let (folder, log) = (folder.display(), log.display());
    print(&format!(
        "running in the background as process {process}\n  \
         see it      mammo-pipe runs {folder}\n  \
         follow it   tail -f {log}\n  \
         stop it     kill -INT {process}   (the same command goes on)"
    ));
    Ok(ExitCode::SUCCESS)
}
