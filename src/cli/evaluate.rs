//! `mammo-pipe evaluate`

mod text;

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use self::text::Text;
use super::progress::{Activity, Progress, print, say};
use super::{ending, signals};
use crate::dataset::Role;
use crate::error::Fault;
use crate::evaluate;
use crate::evaluate::locked::LockedNetworks;
use crate::evaluate::run::{self, Epoch, EpochRule};
use crate::evaluate::{Bootstrap, Evaluation, evaluate};
use crate::explain::maps::{self, NoMaps, RunMaps};
use crate::explain::{ExplainError, Request, measure_energy};
use crate::flow::Stop;
use crate::loader::Prior;
use crate::model::Device;
use crate::number::of;
use crate::predictions;
use crate::store::{Target, marked_json, quoted};
use crate::train::run::read_facts;

/// Evaluate a model: performance metrics with confidence intervals.
///
///   mammo-pipe evaluate runs/b4
///   mammo-pipe evaluate runs/b4 --maps        # also how much of each map is inside the breast
///   mammo-pipe evaluate predictions.csv
///
/// Reads the predictions of a run's networks for the images that they were not trained on, and
/// computes by image, breast and patient: AUROC, AUPRC, pF1, F1, sensitivity, recall rate, PPV and
/// calibration, each with an interval from resampled patients; and by subgroup: site, machine,
/// density, age, view, implant and kind of case. Epoch, threshold and temperature are chosen on
/// other folds than those they are applied to. A locked split (folds.locked_share) is evaluated
/// too, with the mean probability of all folds' networks; epochs, threshold and temperature are
/// those chosen on the folds. A metric that is not defined is shown as – and is null in the JSON.
///
/// An F1 depends on the share of positives. As a reference, each table also has the F1 that results
/// if all are predicted positive.
///
/// Writes evaluation.json and predictions.parquet (the decision for every image).
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct EvaluateArgs {
    /// The folder of a run, or a file of predictions: Parquet, or CSV with patient_id, image_id,
    /// laterality, cancer, fold and probability.
    run: PathBuf,
    /// Further predictions to evaluate together with these. If they have a locked split, it
    /// replaces the run's own predictions for the locked split.
    #[arg(long, value_name = "FILE")]
    extra_predictions: Vec<PathBuf>,
    /// Folder for evaluation.json and predictions.parquet [default: the run's; none for a file].
    #[arg(long, value_name = "DIR", value_parser = ending::folder)]
    output: Option<PathBuf>,
    /// Replace files in --output that were not made by mammo-pipe.
    #[arg(long, requires = "output")]
    force: bool,
    /// Compute the maps that are missing and measure the share of their energy inside the breast, as
    /// explain --all does with its defaults: a forward and a backward pass per held-out image.
    #[arg(long)]
    maps: bool,
    /// The device for --maps: cpu or cuda:N.
    #[arg(long, default_value = "cpu", value_name = "DEVICE")]
    device: Device,
    /// Evaluate each fold at its own best epoch, which is optimistic, even if all epochs were kept.
    #[arg(long)]
    best_epoch: bool,
    #[command(flatten)]
    options: EvaluationOptions,
    /// Share of positives during training, if a sampler changed it; not needed for a run.
    #[arg(long, value_name = "SHARE", value_parser = inner_share)]
    training_prevalence: Option<f64>,
    /// Print evaluation.json instead of the tables.
    #[arg(long)]
    json: bool,
    /// Show no progress.
    #[arg(long, short)]
    quiet: bool,
}

/// The options that `evaluate` and `score` share.
#[derive(Debug, Args)]
pub(super) struct EvaluationOptions {
    /// Predict positive from this probability on, instead of the threshold chosen on other folds.
    #[arg(long, value_name = "P", value_parser = share)]
    pub threshold: Option<f64>,
    /// Number of bootstrap resamples of the patients for the intervals; 0 makes no intervals.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    resamples: usize,
    /// Seed of the resamples.
    #[arg(long, value_name = "N", default_value_t = 42)]
    seed: u64,
}

impl EvaluationOptions {
    pub fn bootstrap(&self) -> Bootstrap {
        Bootstrap { resamples: self.resamples, seed: self.seed, ..Bootstrap::default() }
    }
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "needs a number from 0 to 1".to_owned())
}

fn inner_share(text: &str) -> Result<f64, String> {
    share(text)
        .ok()
        .filter(|share| *share > 0.0 && *share < 1.0)
        .ok_or_else(|| "needs a number above 0 and below 1".to_owned())
}

/// `evaluation.json`.
#[derive(Debug, Serialize)]
struct Written<'a> {
    /// How the epoch was selected.
    epoch: &'a Epoch,
    /// The networks evaluated on the locked split.
    locked: &'a LockedNetworks,
    #[serde(flatten)]
    evaluation: &'a Evaluation,
    /// The share of the maps' energy inside the breast.
    maps: Option<&'a RunMaps>,
    /// Why the share is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    no_maps: Option<&'a NoMaps>,
}

impl EvaluateArgs {
    /// Runs the command.
    ///
    /// # Errors
    /// A [`Fault`] if there is nothing to evaluate or a file cannot be written.
    pub fn run(self) -> Result<ExitCode, Fault> {
        std::fs::metadata(&self.run).map_err(Fault::io(&self.run))?;
        let out = self.output.clone().or_else(|| self.run.is_dir().then(|| self.run.clone()));
        // Before the work. A folder that is not there holds nothing that could be replaced.
        if let Some(out) = out.as_deref().filter(|out| out.exists()) {
            self.targets(out)?;
        }
        let shown = Activity::new("reading predictions", self.quiet);
        let which = if self.best_epoch { EpochRule::Best } else { EpochRule::CrossFitted };
        let mut loaded = run::load(&self.run, which)?;
        for path in &self.extra_predictions {
            let further = predictions::read(path)?;
            if further.iter().any(|p| p.role == Role::Locked)
                && loaded.locked_networks.evaluated_networks > 0
            {
                loaded.predictions.retain(|p| p.role != Role::Locked);
                loaded.locked_networks = LockedNetworks::default();
            }
            loaded.predictions.extend(further);
        }
        loaded.given.threshold = self.options.threshold;
        if let Some(sampled) = self.training_prevalence {
            let labels = loaded.predictions.iter().filter_map(|p| p.record.cancer);
            let [negatives, positives] = labels.fold([0.0, 0.0], |mut count, label| {
                count[usize::from(label)] += 1.0;
                count
            });
            let natural = positives / (negatives + positives);
            let shift = Prior { natural, sampled }.logit_shift();
            // Without both classes there is nothing to calibrate either.
            loaded.given.logit_shift = if shift.is_finite() { shift } else { 0.0 };
        }
        drop(shown);
        let shown = Activity::new("computing metrics and intervals", self.quiet);
        let (evaluation, decisions) =
            evaluate(&loaded.predictions, loaded.given, &self.options.bootstrap())?;

        drop(shown);
        let maps = match self.maps() {
            Err(fault) if ExplainError::is_stop(&fault) => {
                return Ok(signals::interrupted());
            }
            maps => maps?,
        };
        let (epoch, locked) = (&loaded.epoch, &loaded.locked_networks);
        let (found, no_maps) = (maps.as_ref().ok(), maps.as_ref().err());
        let written = Written { epoch, locked, evaluation: &evaluation, maps: found, no_maps };
        let json = marked_json(&written);
        if let Some(out) = &out {
            std::fs::create_dir_all(out).map_err(Fault::io(out))?;
            let [evaluation, predictions] = self.targets(out)?;
            evaluation.put(&json)?;
            predictions.put(&evaluate::evaluation::encode(&loaded.predictions, &decisions))?;
        }
        if self.json {
            print(String::from_utf8_lossy(&json).trim_end());
        } else {
            let text = Text { epoch, locked, evaluation: &evaluation, maps: &maps };
            print(text.to_string().trim_end());
            if locked.is_incomplete() {
                say(&format!(
                    "{} of this run not evaluated on the locked split yet; to do so: \
                     mammo-pipe train --resume {}",
                    of(locked.not_evaluated, "network"),
                    quoted(&self.run)
                ));
            }
            if let Some(out) = out {
                let (first, second) =
                    (out.join("evaluation.json"), out.join("predictions.parquet"));
                say(&format!("wrote {} and {}", first.display(), second.display()));
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    /// The two files to write. Files of these names in the folder of the run itself are made by this
    /// program.
    fn targets(&self, out: &Path) -> Result<[Target; 2], Fault> {
        let force = self.force || self.output.is_none();
        let target = |name: &str| Target::new(out.join(name), force);
        Ok([target("evaluation.json")?, target("predictions.parquet")?])
    }

    /// The energy of the run's maps; with `--maps`, missing maps are computed first.
    fn maps(&self) -> Result<Result<RunMaps, NoMaps>, Fault> {
        if !self.run.is_dir() {
            return Ok(Err(NoMaps::NoRun));
        }
        let facts = read_facts(&self.run)?;
        let found = maps::of_run(&self.run, &facts, &self.options.bootstrap())?;
        let folds = match &found {
            Err(
                NoMaps::NotMeasured(folds) | NoMaps::Stale(folds) | NoMaps::OtherSettings(folds),
            ) if self.maps => folds,
            _ => return Ok(found),
        };
        let stop = Stop::default();
        let next = "leaving; maps that are not finished are not kept";
        let _handled = signals::handle(&stop, next).map_err(Fault::io("signal handlers"))?;
        for &fold in folds {
            let request = Request::new(&self.run, fold);
            let progress = OnceCell::new();
            let measured = measure_energy(&request, self.device, &stop, &|total| {
                progress.get_or_init(|| Progress::new(total, self.quiet)).image(0, false, None);
            });
            if let Some(progress) = progress.get() {
                progress.finish();
            }
            measured?;
        }
        maps::of_run(&self.run, &facts, &self.options.bootstrap())
    }
}
