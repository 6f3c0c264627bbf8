//! `mammo-pipe evaluate`

mod text;

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use self::text::Text;
use super::progress::{Progress, print, say};
use super::signals;
use crate::dataset::Role;
use crate::error::Fault;
use crate::evaluate;
use crate::evaluate::locked::Spoke;
use crate::evaluate::run::{self, Epoch, Which};
use crate::evaluate::{Bootstrap, Evaluation, judge};
use crate::explain::maps::{self, Maps, NoMaps};
use crate::explain::{ExplainError, Request, look_at_all};
use crate::flow::Stop;
use crate::loader::Prior;
use crate::model::Device;
use crate::number::of;
use crate::predictions;
use crate::store::{Target, marked_json};
use crate::train::folder::RunFolder;
use crate::train::run::read_facts;

/// Say how good a model is, and how sure one can be of it.
///
/// Reads what the networks of a run said of the images they were not trained on, and judges it by
/// image, breast and patient: AUROC, AUPRC, pF1, F1, sensitivity, recall rate, PPV, calibration,
/// each with an interval from resampled patients, and by site, machine, density, age, view,
/// implant and kind of case. Epoch, threshold and temperature are chosen on other folds than they
/// are judged on. Where patients were locked away (folds.locked_share), they are judged too: by the
/// mean probability of all folds' networks, with epochs, threshold and temperature frozen as the
/// folds chose them. What a figure is not defined for is shown as – and is null in the JSON.
///
/// An F1 says nothing without the share of positives: beside each stands the F1 of calling
/// everything positive.
///
/// Writes evaluation.json and predictions.parquet (what was decided for every image).
#[derive(Debug, Args)]
pub struct EvaluateArgs {
    /// The folder of a run, or a file of predictions: Parquet, or CSV with patient_id, image_id,
    /// laterality, cancer, fold and probability.
    run: PathBuf,
    /// Further predictions to judge with them; what they say of the locked split stands in for
    /// what the run says of it.
    #[arg(long, value_name = "FILE")]
    with: Vec<PathBuf>,
    /// Folder for evaluation.json and predictions.parquet [default: the run's; none for a file].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Replace files in --out that were not made by mammo-pipe.
    #[arg(long, requires = "out")]
    force: bool,
    /// Look at every held-out image with the networks of folds that did not yet, for the share of
    /// the maps' energy inside the breast: a forward and a backward pass an image. As explain
    /// --all does, in its own default way.
    #[arg(long)]
    maps: bool,
    /// Where --maps computes: cpu or cuda:N.
    #[arg(long, default_value = "cpu", value_name = "DEVICE")]
    device: Device,
    /// Judge each fold at its own best epoch, which flatters it, even if all epochs were kept.
    #[arg(long)]
    best_epoch: bool,
    #[command(flatten)]
    how: How,
    /// Share of positives that the loss saw, if a sampler changed it; a run tells its own.
    #[arg(long, value_name = "SHARE", value_parser = inner_share)]
    seen_positives: Option<f64>,
    /// Print evaluation.json instead of the tables.
    #[arg(long)]
    json: bool,
}

/// What `evaluate` and `score` have in common.
#[derive(Debug, Args)]
pub(super) struct How {
    /// Call positive what has at least this probability, instead of what the other folds choose.
    #[arg(long, value_name = "P", value_parser = share)]
    pub threshold: Option<f64>,
    /// How often the patients are drawn for the intervals; 0 makes none.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    resamples: usize,
    /// Decides who is drawn.
    #[arg(long, value_name = "N", default_value_t = 42)]
    seed: u64,
}

impl How {
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
    /// Who chose the epoch.
    epoch: &'a Epoch,
    /// Whose networks spoke of the locked split.
    locked: &'a Spoke,
    #[serde(flatten)]
    evaluation: &'a Evaluation,
    /// The share of the maps' energy inside the breast.
    maps: Option<&'a Maps>,
    /// Why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    no_maps: Option<&'a NoMaps>,
}

impl EvaluateArgs {
    /// Runs the command.
    ///
    /// # Errors
    /// A [`Fault`] if there is nothing to judge or it cannot be written.
    pub fn run(self) -> Result<ExitCode, Fault> {
        let out = self.out.clone().or_else(|| self.run.is_dir().then(|| self.run.clone()));
        let targets = out.as_deref().map(|out| self.targets(out)).transpose()?;
        let which = if self.best_epoch { Which::Best } else { Which::CrossFitted };
        let mut loaded = run::load(&self.run, which)?;
        for path in &self.with {
            let further = predictions::read(path)?;
            if further.iter().any(|p| p.role == Role::Locked) && loaded.spoke.networks > 0 {
                loaded.predictions.retain(|p| p.role != Role::Locked);
                loaded.spoke = Spoke::default();
            }
            loaded.predictions.extend(further);
        }
        loaded.given.threshold = self.how.threshold;
        if let Some(sampled) = self.seen_positives {
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
        let (evaluation, verdicts) =
            judge(&loaded.predictions, loaded.given, &self.how.bootstrap())?;

        let maps = match self.maps() {
            Err(fault) if ExplainError::is_stop(&fault) => {
                return Ok(ExitCode::from(signals::INTERRUPTED));
            }
            maps => maps?,
        };
        let (epoch, locked) = (&loaded.epoch, &loaded.spoke);
        let (found, no_maps) = (maps.as_ref().ok(), maps.as_ref().err());
        let written = Written { epoch, locked, evaluation: &evaluation, maps: found, no_maps };
        let json = marked_json(&written);
        if let Some([evaluation, predictions]) = &targets {
            evaluation.put(&json)?;
            predictions.put(&evaluate::judge::encode(&loaded.predictions, &verdicts))?;
        }
        if self.json {
            print(String::from_utf8_lossy(&json).trim_end());
        } else {
            let text = Text { epoch, locked, evaluation: &evaluation, maps: &maps };
            print(text.to_string().trim_end());
            if locked.is_incomplete() {
                say(&format!(
                    "{} of this run said nothing of the locked split yet; let them with: \
                     mammo-pipe train --resume {}",
                    of(locked.silent, "network"),
                    self.run.display()
                ));
            }
            if let Some(out) = out {
                say(&format!(
                    "wrote {0}/evaluation.json and {0}/predictions.parquet",
                    out.display()
                ));
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Where the two files go. A run's folder is ours, and so is all of these names in it.
    fn targets(&self, out: &Path) -> Result<[Target; 2], Fault> {
        std::fs::create_dir_all(out).map_err(Fault::io(out))?;
        let force = self.force || RunFolder::new(out).is_begun();
        let target = |name: &str| Target::new(out.join(name), force);
        Ok([target("evaluation.json")?, target("predictions.parquet")?])
    }

    /// The energy of the run's maps, made now if that is asked for.
    fn maps(&self) -> Result<Result<Maps, NoMaps>, Fault> {
        if !self.run.is_dir() {
            return Ok(Err(NoMaps::NoRun));
        }
        let facts = read_facts(&self.run)?;
        let found = maps::of_run(&self.run, &facts, &self.how.bootstrap())?;
        let folds = match &found {
            Err(NoMaps::NotLooked(folds) | NoMaps::Stale(folds) | NoMaps::Otherwise(folds))
                if self.maps =>
            {
                folds
            }
            _ => return Ok(found),
        };
        let stop = Stop::default();
        signals::handle(&stop).map_err(Fault::io("signal handlers"))?;
        for &fold in folds {
            let request = Request::new(&self.run, fold);
            let progress = OnceCell::new();
            let looked = look_at_all(&request, self.device, &stop, &|total| {
                progress.get_or_init(|| Progress::new(total, self.json)).image(0, false, None);
            });
            if let Some(progress) = progress.get() {
                progress.finish();
            }
            looked?;
        }
        maps::of_run(&self.run, &facts, &self.how.bootstrap())
    }
}
