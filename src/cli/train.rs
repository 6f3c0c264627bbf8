//! `mammo-pipe train`

pub(super) mod bar;

use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;

use clap::Args;
use serde_json::json;

use self::bar::Bar;
use super::detach::detach;
use super::ending;
use super::failure::usage;
use super::progress::{Activity, print, say};
use super::signals;
use super::training::{TrainingArgs, stem};
use crate::config::train::Folds;
use crate::config::{Config, FoldsConfig, Preset};
use crate::dataset::Role;
use crate::error::Fault;
use crate::flow::Stop;
use crate::number::{duration, size};
use crate::shard::table::Table;
use crate::store::quoted;
use crate::store::start::Start;
use crate::train::estimate::estimate;
use crate::train::folder::RunFolder;
use crate::train::log::{self, EpochLine};
use crate::train::run::{self, Run, RunFacts};
use crate::train::split::check_ratio;
use crate::train::{self, Control, End, TrainError};

/// Train an EfficientNet on a release, fold by fold.
///
/// Writes the folder runs/NAME: settings and hashes in run.json; for each fold K one log line per
/// step and epoch in fold-K/metrics.jsonl (and TensorBoard events beside it), the best network in
/// fold-K/best.safetensors, and its predictions for the held-out images in
/// fold-K/validation.parquet.
///
///   mammo-pipe train release --dry-run             # parameters, memory, time
///   mammo-pipe train release --fold 0
///   mammo-pipe train release --fold all --device cuda:0 --detach
///   mammo-pipe train release --set train.model.variant=efficientnet_b0 --set train.batch=8
///   mammo-pipe train --resume runs/release-b4-1    # after Ctrl-C, a crash, or a power cut
///   mammo-pipe train --resume runs/release-b4-1 --release /new/place/release
///   mammo-pipe runs                                # list the runs and their progress
///   tensorboard --logdir runs
///
/// A run that was killed and resumed ends with the same numbers as one that was not killed.
/// Ctrl-C finishes the step, saves the state and exits; a second Ctrl-C exits at once.
///
/// Exit codes: 0 done; 1 failed; 75 stopped by SIGTERM, 130 by Ctrl-C (continue with
/// --resume).
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct TrainArgs {
    /// Folder of a finished release.
    #[arg(required_unless_present = "resume")]
    release: Option<PathBuf>,
    #[command(flatten)]
    training: TrainingArgs,
    /// Folder that holds all runs.
    #[arg(long, value_name = "DIR", default_value = "runs", value_parser = ending::folder)]
    runs: PathBuf,
    /// Name of the run. Not given: RELEASE-VARIANT-NUMBER.
    #[arg(long, value_name = "NAME", value_parser = run_name)]
    name: Option<String>,
    /// Fold to hold out for validation: its number, all (one after the other), or none (train on
    /// all folds) [default: 0, or the preset's].
    #[arg(long, value_name = "K|all|none")]
    fold: Option<HeldOut>,
    /// Resume the run in this folder.
    #[arg(
        long,
        value_name = "RUN",
        conflicts_with_all = ["release", "config", "overrides", "preset", "name", "fold", "init", "dry_run"]
    )]
    resume: Option<PathBuf>,
    /// With --resume: the release, if it was moved since the run began.
    #[arg(long = "release", value_name = "DIR", requires = "resume")]
    moved: Option<PathBuf>,
    /// Print the result as JSON on standard output.
    #[arg(long)]
    json: bool,
}

/// Folds to hold out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HeldOut {
    One(u16),
    All,
    None,
}

impl FromStr for HeldOut {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(Self::All),
            "none" => Ok(Self::None),
            _ => text.parse().map(Self::One).map_err(|_| "needs a number, all or none".to_owned()),
        }
    }
}

/// A name for a folder in `--runs`, not a path: a run in a run would be lost with it.
fn run_name(text: &str) -> Result<String, String> {
    let mut parts = Path::new(text).components();
    match (parts.next(), parts.next()) {
        (Some(Component::Normal(name)), None) if name == text => Ok(text.to_owned()),
        _ => Err("needs a name, not a path; --runs names the folder of all runs".to_owned()),
    }
}

impl TrainArgs {
    /// Runs the command.
    ///
    /// # Errors
    /// A [`Fault`].
    pub fn run(self) -> Result<ExitCode, Fault> {
        self.training.start_threads();
        match &self.resume {
            Some(folder) => {
                let facts = run::read_facts(folder)?;
                let release = self.moved.as_ref().unwrap_or(&facts.release).clone();
                if self.moved.is_none() && !release.exists() {
                    return Err(TrainError::ReleaseMoved { run: folder.clone(), release }.into());
                }
                let table = self.reading(&release, facts.folds.as_ref())?;
                facts.check_release(&release, &table)?;
                if self.training.detach {
                    // It fails if another process trains the run.
                    drop(Run::resume(folder)?);
                    return run_in_background(folder, &[]);
                }
                self.train(&Run::resume_on(folder, &release)?, table)
            }
            None => self.begin(),
        }
    }

    /// The folds to hold out: the flag's, the preset's, or the first.
    fn fold(&self) -> HeldOut {
        let preset = || self.training.settings.preset()?.fold.parse().ok();
        self.fold.or_else(preset).unwrap_or(HeldOut::One(0))
    }

    /// Says what a preset sets, so that nothing of it comes as a surprise.
    fn say_preset(&self) {
        let flags = |preset: &Preset| {
            let shown = |flag: &str, value: &str, is_given: bool| {
                if is_given { String::new() } else { format!("--{flag} {value} ") }
            };
            shown("fold", preset.fold, self.fold.is_some())
                + &shown("device", preset.device, self.training.device_is_given())
                + &shown("init", preset.init, self.training.init_is_given())
        };
        let flags = self.training.settings.preset().map(flags).unwrap_or_default();
        let line = self.training.settings.preset_line(&["train"], &flags);
        line.filter(|_| !self.training.quiet && !self.json).iter().for_each(|line| say(line));
    }

    fn begin(&self) -> Result<ExitCode, Fault> {
        // clap does not ask for --resume here, because a positional release conflicts with it.
        if self.moved.is_some() {
            let reason = "is for --resume RUN; a new run takes the release as its first argument";
            return Err(usage(format!("--release {reason}"), "mammo-pipe train --help"));
        }
        let config = self.training.settings.load()?;
        let release = self.release.as_deref().expect("clap asks for it without --resume");
        let variant = config.train.model.variant;
        let stem =
            format!("{}-{}", stem(release), variant.as_str().trim_start_matches("efficientnet_"));
        let name = self.name.clone().unwrap_or_else(|| run::free_name(&self.runs, &stem));
        let folder = self.runs.join(&name);
        let reassigned = (config.train.folds == Folds::Reassign).then_some(&config.folds);
        let table = self.reading(release, reassigned)?;
        self.say_preset();
        check_ratio(&config, &table.plan.settings)?;
        let held_out = match self.fold() {
            HeldOut::One(fold) => vec![Some(fold)],
            HeldOut::All => table.folds().into_iter().map(Some).collect(),
            HeldOut::None => vec![None],
        };
        if self.training.dry_run {
            return self.print_estimate(&config, &Arc::new(table), &held_out);
        }
        run::check_free(&folder)?;
        let init = self.training.init();
        if self.training.detach {
            let _shown = Activity::new("checking that the run can start", self.training.quiet);
            let setup = self.training.setup(config.train.clone(), init);
            train::check(&table, &setup, &held_out)?;
            // The name was chosen here, so the process in the background has to be given it.
            let more = ["--name", &name];
            let more = if self.name.is_some() { &[][..] } else { &more[..] };
            return run_in_background(&folder, more);
        }
        let facts = RunFacts { init, ..RunFacts::new(&config, release, &table, held_out)? };
        let run = Run::create(&folder, facts)?;
        let end = self.train(&run, table);
        if end.is_err() && !run::has_step(&folder)? {
            run.discard()?;
        }
        end
    }

    /// Reads the table of a release, which takes a while on a slow disk.
    fn reading(&self, release: &Path, folds: Option<&FoldsConfig>) -> Result<Table, Fault> {
        let what = format!("reading {}", release.display());
        let _shown = Activity::new(what, self.training.quiet);
        Table::read_with(release, folds)
    }

    fn train(&self, run: &Run, table: Table) -> Result<ExitCode, Fault> {
        let setup = self.training.setup(run.facts.train.clone(), run.facts.init.clone());
        let stop = Stop::default();
        let next = "finishing this step and saving the state, from which --resume continues";
        let _handled = signals::handle(&stop, next).map_err(Fault::io("signal handlers"))?;
        let bar = Bar::new(self.training.quiet);
        Start::now(env!("MAMMO_PIPE_VERSION"), self.training.device())
            .append_to(&RunFolder::new(run.folder()).starts())?;
        bar.say(&format!("{}: training on {}", run.folder().display(), self.training.device()));
        let in_folds = table.rows.iter().filter(|row| matches!(row.role, Role::Fold(_)));
        for (column, why) in setup.idle_targets(in_folds.map(|row| &row.record)) {
            bar.say(&format!(
                "auxiliary target {}: {why}, so it teaches nothing; leave it out of \
                 train.auxiliary.targets",
                column.as_str()
            ));
        }
        let control = Control {
            stop,
            on_event: &|event| bar.on_event(event),
            on_message: &|line| bar.say(line),
            on_prediction: &|done, all| bar.on_prediction(done, all),
        };
        let end = train::train(run, &Arc::new(table), &setup, &control);
        bar.finish();
        let end = end?;
        self.print_result(run, end)?;
        Ok(match end {
            End::Finished => ExitCode::SUCCESS,
            End::Stopped => signals::interrupted(),
        })
    }

    /// Prints the best epoch of each fold.
    fn print_result(&self, run: &Run, end: End) -> Result<(), Fault> {
        let mut folds = Vec::new();
        for fold in &run.facts.held_out {
            let folder = RunFolder::new(run.folder()).fold(*fold);
            let best = log::best_epoch(&folder)?;
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
            let best = best.as_ref().map_or("no epoch is done".to_owned(), bar::epoch);
            print(&format!("{}: {best}", folder.display()));
        }
        if let (End::Finished, [Some(fold)]) = (end, &run.facts.held_out[..]) {
            print(&one_fold(*fold));
        }
        let folder = quoted(run.folder());
        print(&match end {
            End::Finished => format!("next: mammo-pipe evaluate {folder}"),
            End::Stopped => format!("saved; continue with: mammo-pipe train --resume {folder}"),
        });
        Ok(())
    }

    /// Prints the estimate of a dry run.
    fn print_estimate(
        &self,
        config: &Config,
        table: &Arc<Table>,
        held_out: &[Option<u16>],
    ) -> Result<ExitCode, Fault> {
        let setup = self.training.setup(config.train.clone(), None);
        let first = *held_out.first().unwrap_or(&None);
        let shown = Activity::new("timing a few steps", self.training.quiet);
        let found = estimate(table, &setup, first)?;
        drop(shown);
        let folds = held_out.len();
        if self.json {
            print(
                &json!({"fold": found, "folds": folds, "device": self.training.device().to_string()})
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
            self.training.device()
        ));
        let (backbone, heads) = found.parameters;
        print(&format!("  parameters  {backbone} in the backbone, {heads} in the heads"));
        print(&format!(
            "  images      {} for training, {} of them with cancer; {} held out",
            found.images, found.positives, found.held_out
        ));
        print(&format!(
            "  steps       {} per epoch, {} epochs, {folds} folds; {:.2} s per step",
            found.steps, config.train.epochs, found.step_seconds
        ));
        print(&format!(
            "  time        {} at most{}",
            duration(found.seconds * folds as f64),
            found.memory.map_or(String::new(), |m| format!(", {} of memory", size(m)))
        ));
        print("  nothing was written; to start, run the command without --dry-run");
        Ok(ExitCode::SUCCESS)
    }
}

/// What one fold alone cannot tell, and how to train the others.
fn one_fold(fold: u16) -> String {
    format!(
        "only fold {fold} was held out, so these stay unknown: metrics for the patients of the \
         other folds,\n  a threshold and a temperature (they are chosen on other folds), and how \
         much the result depends on\n  the fold. All folds: the same command with --fold all and \
         another --name"
    )
}

fn run_in_background(folder: &Path, more: &[&str]) -> Result<ExitCode, Fault> {
    let log = RunFolder::new(folder).log();
    let process = detach(&log, more)?;
    print(&format!(
        "running in the background as process {process}\n  \
         progress    mammo-pipe runs {}\n  \
         output      tail -f {}\n  \
         stop        kill -INT {process}   (continue with: mammo-pipe train --resume {})",
        quoted(folder.parent().unwrap_or(Path::new("."))),
        quoted(log),
        quoted(folder)
    ));
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fold_is_a_number_or_all_or_none() {
        let read = |text: &str| text.parse::<HeldOut>();
        assert_eq!(read("3"), Ok(HeldOut::One(3)));
        assert_eq!([read("all"), read("none")], [Ok(HeldOut::All), Ok(HeldOut::None)]);
        assert!(read("every").is_err());
    }

    #[test]
    fn the_name_of_a_run_is_one_part_of_a_path() {
        for name in ["b4", "b4-fold 1", "v1.2", "Brüste"] {
            assert_eq!(run_name(name).as_deref(), Ok(name));
        }
        for path in ["", ".", "..", "/", "/b4", "b4/", "./b4", "outer/inner", "../b4", "b4/.."] {
            assert!(run_name(path).is_err(), "{path}");
        }
    }

    #[test]
    fn how_to_train_all_folds_holds_for_every_command() {
        assert!(one_fold(1).ends_with("the same command with --fold all and another --name"));
    }
}
