//! `mammo-pipe predict`

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;

use clap::Args;
use serde_json::json;

use super::ending;
use super::failure::usage;
use super::progress::{Activity, Progress, print, say};
use super::signals;
use crate::config::{Config, FoldScheme, FoldsConfig, SplitChoice};
use crate::dataset::{Role, refuse_inside};
use crate::error::Fault;
use crate::flow::threads;
use crate::flow::{Meters, Stop};
use crate::model::Device;
use crate::predict::ensemble::{Ensemble, EnsembleOutput, Flips};
use crate::predict::networks::{self, Known, KnownFrom};
use crate::predict::source::{from_dicom, from_release};
use crate::predict::{PredictError, assert_same_pixels, settings, submission};
use crate::predictions;
use crate::preprocess::Control;
use crate::preprocess::plan::Plan;
use crate::shard::ReleaseFolder;
use crate::shard::manifest::Quarantined;
use crate::shard::table::Table;
use crate::store::{self, Target, quoted};
use crate::train::folder::RunFolder;
use crate::train::run::{RunFacts, read_facts};

/// Predict cancer with the networks of a run, and write a submission with one row per breast.
///
/// IMAGES is a release made with the run's settings, or a dataset's folder. The DICOM files of a
/// dataset go through the same preprocessing, with the same pixels as in a release, and no release
/// is written. The probabilities of several folds are averaged. For a patient of the run's folds
/// only the network that was not trained on her is used.
///
///   mammo-pipe predict runs/b4 rsna --split test --output submission.csv
///   mammo-pipe predict runs/b4 release --fold 0 --flips
///   mammo-pipe predict runs/b4 hospital --csv hospital/list.csv --threshold 0.41
///   mammo-pipe score submission.csv labels.csv
///
/// Writes the submission, and next to it the predictions by image as Parquet, which evaluate
/// reads.
///
/// Exit codes: 0 done; 1 stopped by an error; 3 done, but files were rejected or are missing, or
/// images have no prediction because every network was trained on the patient; 75 stopped by
/// SIGTERM, 130 by Ctrl-C, nothing written.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct PredictArgs {
    /// Folder of the run.
    run: PathBuf,
    /// Folder of a release, or of a dataset.
    images: PathBuf,
    /// The folds whose networks are used: all, or fold numbers separated by commas.
    #[arg(long, value_name = "FOLDS", default_value = "all")]
    fold: FoldChoice,
    /// Test-time augmentation: average the prediction for each image and its mirror image.
    #[arg(long)]
    flips: bool,
    /// Write 1 for a breast whose mean probability reaches this, else 0, instead of the probability.
    #[arg(long, value_name = "T")]
    threshold: Option<f64>,
    /// The submission file, CSV; - for standard output.
    #[arg(long, value_name = "FILE", default_value = "submission.csv", value_parser = ending::csv)]
    output: PathBuf,
    /// File for the predictions by image [default: the submission's name with .parquet; none for -].
    #[arg(long, value_name = "FILE", value_parser = ending::parquet)]
    predictions: Option<PathBuf>,
    /// Replace existing files that were not made by mammo-pipe.
    #[arg(long)]
    force: bool,
    /// For a dataset: the table [default: test if there is a test.csv, else train].
    #[arg(long, value_name = "SPLIT", value_parser = ["train", "test"])]
    split: Option<String>,
    /// For a dataset: the table's file [default: train.csv or test.csv in its folder].
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// For a dataset: path of an image, as dataset.path [default: the run's].
    #[arg(long, value_name = "TEMPLATE")]
    path: Option<String>,
    /// The device for the networks: cpu or cuda:N.
    #[arg(long, default_value = "cpu", value_name = "DEVICE")]
    device: Device,
    /// Images per forward pass.
    #[arg(long, value_name = "N", default_value_t = 8)]
    batch: usize,
    /// Threads that decode images; one per core if not given.
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
    /// Threads that read files.
    #[arg(long, value_name = "N", default_value_t = 4)]
    readers: usize,
    /// Show no progress.
    #[arg(long, short)]
    quiet: bool,
    /// Print a summary as JSON on standard output.
    #[arg(long)]
    json: bool,
}

/// The folds requested on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
enum FoldChoice {
    All,
    Some(Vec<u16>),
}

impl FromStr for FoldChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "all" {
            return Ok(Self::All);
        }
        let folds = text.split(',').map(|fold| fold.trim().parse::<u16>());
        let folds = folds.collect::<Result<_, _>>();
        folds.map(Self::Some).map_err(|_| "needs all, or fold numbers separated by commas".into())
    }
}

const HELP: &str = "mammo-pipe predict --help";

impl PredictArgs {
    /// Runs the command.
    ///
    /// # Errors
    /// A [`Fault`].
    pub fn run(self) -> Result<ExitCode, Fault> {
        let submission = Target::new(&self.output, self.force)?;
        if self.json && submission.is_stdout() {
            return Err(ending::two_on_stdout("--json", HELP));
        }
        let beside = || (!submission.is_stdout()).then(|| self.output.with_extension("parquet"));
        let by_image = self.predictions.clone().or_else(beside);
        let by_image = by_image.map(|path| Target::new(path, self.force)).transpose()?;
        if by_image.as_ref().is_some_and(Target::is_stdout) {
            return Err(usage("--predictions -: Parquet is no text; give a file's name", HELP));
        }
        let facts = read_facts(&self.run)?;
        let release = ReleaseFolder::new(&self.images);
        let is_release = release.is_begun() || release.is_complete();
        if !is_release {
            let config = self.config(settings(&facts)?);
            for target in [Some(&submission), by_image.as_ref()].into_iter().flatten() {
                refuse_inside(target.path(), &config.dataset)?;
            }
        }
        let folds = self.folds(&facts)?;
        let shown = Activity::new("loading the networks", self.quiet);
        let members = networks::members(&self.run, &folds, self.device)?;
        let known = networks::known(&self.run, &facts)?;
        drop(shown);
        let flips = if self.flips { Flips::Mirrored } else { Flips::None };
        let mut ensemble = Ensemble::new(members, flips, self.batch, known.patients.clone());
        let stop = Stop::default();
        let next = "leaving after the images in work; nothing is written";
        let _handled = signals::handle(&stop, next).map_err(Fault::io("signal handlers"))?;
        let quarantined = if is_release {
            self.predict_release(&facts, &mut ensemble, &stop).map(|()| Vec::new())
        } else {
            self.predict_files(&facts, &mut ensemble, &stop)
        };
        if stop.is_raised() {
            say(&PredictError::Stopped.to_string());
            return Ok(signals::interrupted());
        }
        let quarantined = quarantined?;
        let mut output = ensemble.finish()?;
        for prediction in &mut output.predictions {
            let fold = known.patients.get(prediction.record.patient_id.as_str());
            prediction.role = match (fold, prediction.role) {
                (Some(&fold), _) => Role::Fold(fold),
                // The folds of another dataset are not the run's: no network was trained on them.
                (None, Role::Fold(_)) => Role::Locked,
                (None, role) => role,
            };
        }
        self.write(&output, &quarantined, &known, &submission, by_image.as_ref())
    }

    /// The folds requested; each must have a finished network.
    fn folds(&self, facts: &RunFacts) -> Result<Vec<Option<u16>>, Fault> {
        let there = |fold: &Option<u16>| RunFolder::new(&self.run).fold(*fold).best().exists();
        let has: Vec<Option<u16>> = facts.held_out.iter().copied().filter(there).collect();
        let asked: Vec<Option<u16>> = match &self.fold {
            FoldChoice::All => has.clone(),
            FoldChoice::Some(folds) => folds.iter().copied().map(Some).collect(),
        };
        let name = |fold: &Option<u16>| fold.map_or("none".into(), |fold| fold.to_string());
        let list = |folds: &[Option<u16>]| folds.iter().map(name).collect::<Vec<_>>().join(", ");
        let lacking: Vec<_> = asked.iter().copied().filter(|fold| !has.contains(fold)).collect();
        if !lacking.is_empty() || asked.is_empty() {
            let has = if has.is_empty() { "no finished network".into() } else { list(&has) };
            let found = if asked.is_empty() { "with a network".into() } else { list(&lacking) };
            return Err(PredictError::NoFold { path: self.run.clone(), found, has }.into());
        }
        Ok(asked)
    }

    fn predict_release(
        &self,
        facts: &RunFacts,
        ensemble: &mut Ensemble,
        stop: &Stop,
    ) -> Result<(), Fault> {
        let table = Table::read(&self.images)?;
        assert_same_pixels(&table, facts)?;
        let progress = Progress::new(table.rows.len(), self.quiet);
        let done = from_release(
            &table,
            |_| true,
            |_, input| {
                if stop.is_raised() {
                    return Err(PredictError::Stopped.into());
                }
                ensemble.push(input)?;
                progress.image(0, false, None);
                Ok(())
            },
        );
        progress.finish();
        done
    }

    fn predict_files(
        &self,
        facts: &RunFacts,
        ensemble: &mut Ensemble,
        stop: &Stop,
    ) -> Result<Vec<Quarantined>, Fault> {
        let shown = Activity::new(format!("listing {}", self.images.display()), self.quiet);
        let plan = Plan::new(self.config(settings(facts)?))?;
        drop(shown);
        let progress = Progress::new(plan.joined.jobs.len(), self.quiet);
        let meters = Arc::new(Meters::default());
        let control = Control {
            workers: threads::count(self.workers),
            readers: self.readers.max(1),
            retry_rejected: false,
            give_up_unreached: false,
            accept_new_times: false,
            stop: stop.clone(),
            meters: Arc::clone(&meters),
            seen: &|bytes, rejected| progress.image(bytes, rejected, Some(&meters)),
        };
        let quarantined = from_dicom(&plan, &control, |input| ensemble.push(input));
        progress.finish();
        quarantined
    }

    /// The run's settings, with the paths of this dataset.
    fn config(&self, mut config: Config) -> Config {
        config.dataset.input.clone_from(&self.images);
        config.dataset.split = match self.split.as_deref() {
            Some("train") => SplitChoice::Train,
            Some(_) => SplitChoice::Test,
            None if self.images.join("test.csv").exists() => SplitChoice::Test,
            None => SplitChoice::Train,
        };
        match config.dataset.split {
            SplitChoice::Test => config.dataset.test_csv.clone_from(&self.csv),
            _ => config.dataset.train_csv.clone_from(&self.csv),
        }
        if let Some(path) = &self.path {
            config.dataset.path.clone_from(path);
        }
        // No network uses them, and another table may not have them.
        config.dataset.extra_columns.clear();
        // Folds are not needed here, and a small dataset must not fail because of them.
        config.folds = FoldsConfig {
            scheme: FoldScheme::Patient,
            stratify: Vec::new(),
            locked_share: 0.0,
            negatives_per_positive: None,
            ..config.folds
        };
        config
    }

    fn write(
        &self,
        output: &EnsembleOutput,
        quarantined: &[Quarantined],
        known: &Known,
        submission: &Target,
        by_image: Option<&Target>,
    ) -> Result<ExitCode, Fault> {
        let EnsembleOutput { predictions, trained_on } = output;
        if predictions.is_empty() {
            let (files, images) = (quarantined.len(), trained_on.len());
            let why = format!(
                "{files} files were rejected or missing, and for {images} images every network \
                 was trained on the patient"
            );
            return Err(PredictError::Nothing(why).into());
        }
        let rows = submission::rows(predictions);
        let csv = submission::csv(&rows, self.threshold);
        let hash = store::sha256(&csv);
        let notes = [("submission_sha256", hash.as_str())];
        submission.put(&csv)?;
        if let Some(by_image) = by_image {
            by_image.put(&predictions::encode(predictions, Vec::new(), &notes))?;
        }
        let without_breast = predictions.iter().filter(|p| p.record.breast_id().is_none()).count();
        let clean = quarantined.is_empty() && trained_on.is_empty() && without_breast == 0;
        if self.json {
            print(
                &json!({
                    "submission": self.output,
                    "predictions": by_image.map(Target::path),
                    "breasts": rows.len(),
                    "images": predictions.len(),
                    "without_breast": without_breast,
                    "trained_on": trained_on.iter().map(|r| r.image_id.as_str()).collect::<Vec<_>>(),
                    "quarantined": quarantined,
                })
                .to_string(),
            );
        } else {
            let path = by_image.map(Target::path);
            self.print_summary(output, quarantined, known, rows.len(), without_breast, path);
        }
        Ok(if clean { ExitCode::SUCCESS } else { ExitCode::from(3) })
    }

    fn print_summary(
        &self,
        output: &EnsembleOutput,
        quarantined: &[Quarantined],
        known: &Known,
        breasts: usize,
        without_breast: usize,
        by_image: Option<&Path>,
    ) {
        let EnsembleOutput { predictions, trained_on } = output;
        let is_stdout = self.output.as_os_str() == "-";
        let print = if is_stdout { say } else { print };
        print(&format!(
            "{}: {breasts} breasts of {} images{}",
            if is_stdout { "standard output".into() } else { self.output.display().to_string() },
            predictions.len(),
            by_image.map_or(String::new(), |path| format!("; by image in {}", path.display()))
        ));
        for file in quarantined.iter().take(20) {
            print(&format!("  quarantined  {}: {}: {}", file.path, file.stage, file.reason));
        }
        if quarantined.len() > 20 {
            print(&format!("  and {} more; --json lists all", quarantined.len() - 20));
        }
        if !trained_on.is_empty() {
            print(&format!(
                "  left out     {} images of patients that every network used was trained on",
                trained_on.len()
            ));
        }
        let own = predictions.iter().filter(|p| matches!(p.role, Role::Fold(_))).count();
        if own > 0 {
            print(&format!(
                "  own folds    {own} images are of the run's own folds: predicted by networks that \
                 were not trained on them, but whose epoch was chosen on them, so a score is optimistic"
            ));
        }
        if without_breast > 0 {
            print(&format!(
                "  no breast    {without_breast} images have neither prediction_id nor laterality"
            ));
        }
        if known.from == KnownFrom::Validation {
            print(
                "  the run's release is not there: only for patients of its held-out folds is it \
                 known which networks were trained on them",
            );
        }
        if !is_stdout {
            let submission = quoted(&self.output);
            print(&format!("  to score it: mammo-pipe score {submission} LABELS.csv"));
        }
    }
}
