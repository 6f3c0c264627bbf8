//! `mammo-pipe train`

pub(super) mod bar;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;

use clap::Args;
use serde_json::json;

use self::bar::Bar;
use super::detach::detach;
use super::progress::print;
use super::settings::SettingsArgs;
use super::signals;
use crate::config::train::Folds;
use crate::config::{Config, TrainConfig};
use crate::error::Fault;
use crate::flow::Stop;
use crate::model::Device;
use crate::number::{duration, size};
use crate::shard::table::Table;
use crate::train::estimate::estimate;
use crate::train::folder::RunFolder;
use crate::train::log::{self, EpochLine, Line};
use crate::train::run::{self, Run, RunFacts};
use crate::train::setup::Setup;
use crate::train::split::check_ratio;
use crate::train::{self, Control, End, TrainError};

/// Train an EfficientNet on a release, fold by fold.
///
/// Everything goes into runs/NAME: settings and hashes, a line a step in fold-K/metrics.jsonl
/// (and TensorBoard's events beside it), the best network in fold-K/best.safetensors, and what
/// it says of the images held out in fold-K/validation.parquet.
///
///   mammo-pipe train release --dry-run             # parameters, memory, time
///   mammo-pipe train release --fold 0
///   mammo-pipe train release --fold all --device cuda:0 --detach
///   mammo-pipe train release --set train.model.variant=efficientnet_b0 --set train.batch=8
///   mammo-pipe train --resume runs/release-b4-1    # after Ctrl-C, a crash, or a power cut
///   mammo-pipe runs                                # what is going on
///   tensorboard --logdir runs
///
/// A run that goes on after it was killed ends with the same numbers as one that was not.
/// Ctrl-C finishes the step and saves; a second one leaves at once.
///
/// Exit codes: 0 done; 1 stopped by a fault; 130 interrupted, --resume goes on.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct TrainArgs {
    /// Folder of a finished release.
    #[arg(required_unless_present = "resume")]
    release: Option<PathBuf>,
    #[command(flatten)]
    settings: SettingsArgs,
    /// Folder of all runs.
    #[arg(long, value_name = "DIR", default_value = "runs")]
    runs: PathBuf,
    /// Name of this one; made up from release and network if not given.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Fold to hold out: its number, all (one after the other), or none (train on everything).
    #[arg(long, value_name = "K|all|none", default_value = "0")]
    fold: Which,
    /// cpu, or cuda:0 for the first GPU.
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: Device,
    /// Weights to start from: a file (safetensors, pth, bin, in timm's or torchvision's names),
    /// or a name on the hub such as timm/efficientnet_b4.ra2_in1k. Random ones if not given.
    #[arg(long, value_name = "WEIGHTS")]
    init: Option<String>,
    /// Go on with a run: its folder.
    #[arg(
        long,
        value_name = "RUN",
        conflicts_with_all = ["release", "config", "overrides", "name", "fold", "init", "dry_run"]
    )]
    resume: Option<PathBuf>,
    /// Threads that compute on the CPU, and that read and augment for a GPU; one a core if not
    /// given.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Show what it would take, from a few steps.
    #[arg(long)]
    dry_run: bool,
    /// Run in the background; says how to follow it.
    #[arg(long)]
    detach: bool,
    /// Show no progress.
    #[arg(long, short)]
    quiet: bool,
    /// Print the outcome as JSON on standard output.
    #[arg(long)]
    json: bool,
}

/// Folds to hold out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    One(u16),
    All,
    None,
}

impl FromStr for Which {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(Self::All),
            "none" => Ok(Self::None),
            _ => text.parse().map(Self::One).map_err(|_| "needs a number, all or none".to_owned()),
        }
    }
}

impl TrainArgs {
    /// Runs the command.
    ///
    /// # Errors
    /// A [`Fault`].
    pub fn run(self) -> Result<ExitCode, Fault> {
        if let Some(threads) = self.threads {
            // An error means that the pool is up already, which only a test can have done.
            let _ = rayon::ThreadPoolBuilder::new().num_threads(threads.max(1)).build_global();
        }
        match &self.resume {
            Some(folder) => {
                let facts = run::read_facts(folder)?;
                if self.detach {
                    return in_background(folder, &[]);
                }
                let table = Table::read_with(&facts.release, facts.folds.as_ref())?;
                if table.plan_sha256 != facts.release_plan_sha256 {
                    return Err(TrainError::ReleaseChanged {
                        path: facts.release,
                        found: table.plan_sha256,
                        needed: facts.release_plan_sha256,
                    }
                    .into());
                }
                self.go(&Run::resume(folder)?, table)
            }
            None => self.begin(),
        }
    }

    fn begin(&self) -> Result<ExitCode, Fault> {
        let config = self.settings.load()?;
        let release = self.release.as_deref().expect("clap asks for it without --resume");
        let variant = config.train.model.variant;
        let stem =
            format!("{}-{}", stem(release), variant.as_str().trim_start_matches("efficientnet_"));
        let name = self.name.clone().unwrap_or_else(|| run::free_name(&self.runs, &stem));
        let folder = self.runs.join(&name);
        if self.detach {
            if RunFolder::new(&folder).is_begun() {
                return Err(TrainError::RunExists { path: folder }.into());
            }
            let further = ["--name", &name];
            let known = if self.name.is_some() { 2 } else { 0 };
            return in_background(&folder, &further[known..]);
        }
        let reassigned = (config.train.folds == Folds::Reassign).then_some(&config.folds);
        let table = Table::read_with(release, reassigned)?;
        check_ratio(&config, &table.plan.settings)?;
        let held_out = match self.fold {
            Which::One(fold) => vec![Some(fold)],
            Which::All => table.folds().into_iter().map(Some).collect(),
            Which::None => vec![None],
        };
        if self.dry_run {
            return self.show(&config, &Arc::new(table), &held_out);
        }
        let init = self.init.clone();
        let facts = RunFacts { init, ..RunFacts::new(&config, release, &table, held_out)? };
        self.go(&Run::create(&folder, facts)?, table)
    }

    fn setup(&self, train: TrainConfig, init: Option<String>) -> Setup {
        let loader_threads = loader_threads(self.device, self.threads);
        Setup { train, device: self.device, init, loader_threads }
    }

    fn go(&self, run: &Run, table: Table) -> Result<ExitCode, Fault> {
        let setup = self.setup(run.facts.train.clone(), run.facts.init.clone());
        let stop = Stop::default();
        signals::handle(&stop).map_err(Fault::io("signal handlers"))?;
        let bar = Bar::new(self.quiet || self.json);
        bar.say(&format!("{}: training on {}", run.folder().display(), self.device));
        let control = Control { stop, seen: &|seen| bar.seen(seen), tell: &|line| bar.say(line) };
        let end = train::train(run, &Arc::new(table), &setup, &control);
        bar.finish();
        let end = end?;
        self.tell(run, end)?;
        Ok(match end {
            End::Finished => ExitCode::SUCCESS,
            End::Stopped => ExitCode::from(signals::INTERRUPTED),
        })
    }

    fn tell(&self, run: &Run, end: End) -> Result<(), Fault> {
        let mut folds = Vec::new();
        for fold in &run.facts.held_out {
            let folder = RunFolder::new(run.folder()).fold(*fold);
            let best = log::read(&folder)?.into_iter().rev().find_map(|line| match line {
                Line::Epoch(line) if line.best => Some(line),
                _ => None,
            });
            folds.push((*fold, folder.path().to_owned(), best));
        }
        if self.json {
            let fold = |(fold, folder, best): &(Option<u16>, PathBuf, Option<EpochLine>)| json!({"fold": fold, "folder": folder, "best": best});
            let folds: Vec<_> = folds.iter().map(fold).collect();
            let finished = end == End::Finished;
            print(&json!({"run": run.folder(), "finished": finished, "folds": folds}).to_string());
            return Ok(());
        }
        for (_, folder, best) in folds {
            let told = best.as_ref().map_or("no epoch is done".to_owned(), bar::epoch);
            print(&format!("{}: {told}", folder.display()));
        }
        let folder = run.folder().display();
        print(&match end {
            End::Finished => format!("judge it: mammo-pipe evaluate {folder}"),
            End::Stopped => format!("saved; go on with: mammo-pipe train --resume {folder}"),
        });
        Ok(())
    }

    fn show(
        &self,
        config: &Config,
        table: &Arc<Table>,
        held_out: &[Option<u16>],
    ) -> Result<ExitCode, Fault> {
        let setup = self.setup(config.train.clone(), None);
        let first = *held_out.first().unwrap_or(&None);
        let found = estimate(table, &setup, first)?;
        let folds = held_out.len();
        if self.json {
            print(
                &json!({"fold": found, "folds": folds, "device": self.device.to_string()})
                    .to_string(),
            );
            return Ok(ExitCode::SUCCESS);
        }
        let shape = &table.shape;
        print(&format!(
            "{} with {} channels on {}x{} images of {} bits, on {}",
            config.train.model.variant,
            config.train.model.channels,
            shape.height,
            shape.width,
            shape.bits,
            self.device
        ));
        let (backbone, heads) = found.parameters;
        print(&format!("  parameters  {backbone} of the backbone, {heads} of the heads"));
        print(&format!(
            "  images      {} to train on, {} of them with cancer; {} held out",
            found.images, found.positives, found.held_out
        ));
        print(&format!(
            "  steps       {} an epoch, {} epochs, {folds} folds; {:.2} s a step",
            found.steps, config.train.epochs, found.step_seconds
        ));
        print(&format!(
            "  time        {} at most{}",
            duration(found.seconds * folds as f64),
            found.memory.map_or(String::new(), |m| format!(", {} of memory", size(m)))
        ));
        print("  nothing was written; run it without --dry-run to start");
        Ok(ExitCode::SUCCESS)
    }
}

/// Threads that read and augment, of `threads` that were asked for.
pub(super) fn loader_threads(device: Device, threads: Option<usize>) -> usize {
    match (device, threads) {
        // On a CPU the network needs the cores more than the loader does.
        (Device::Cpu, _) => 1,
        (_, threads) => threads.unwrap_or(0),
    }
}

/// Last part of the release's path.
pub(super) fn stem(release: &Path) -> String {
    let name = std::path::absolute(release).ok();
    let name = name.as_deref().and_then(Path::file_name);
    name.map_or("run".to_owned(), |name| name.to_string_lossy().into_owned())
}

fn in_background(folder: &Path, further: &[&str]) -> Result<ExitCode, Fault> {
    let log = RunFolder::new(folder).log();
    let process = detach(&log, further)?;
    print(&format!(
        "running in the background as process {process}\n  \
         see it      mammo-pipe runs {}\n  \
         follow it   tail -f {}\n  \
         stop it     kill -INT {process}   (--resume {} goes on)",
        folder.parent().unwrap_or(Path::new(".")).display(),
        log.display(),
        folder.display()
    ));
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fold_is_a_number_or_all_or_none() {
        let read = |text: &str| text.parse::<Which>();
        assert_eq!(read("3"), Ok(Which::One(3)));
        assert_eq!([read("all"), read("none")], [Ok(Which::All), Ok(Which::None)]);
        assert!(read("every").is_err());
    }
}
