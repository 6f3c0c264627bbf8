//! `mammo-pipe predict`

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;

use clap::Args;
use serde_json::json;

use super::ending;
use super::progress::{Progress, print, say};
use super::signals;
use crate::config::{Config, FoldScheme, FoldsConfig, SplitChoice};
use crate::dataset::Role;
use crate::error::Fault;
use crate::flow::threads;
use crate::flow::{Meters, Stop};
use crate::model::Device;
use crate::predict::ensemble::{Ensemble, Flips, Opinion};
use crate::predict::networks::{self, Known, KnownFrom};
use crate::predict::source::{from_dicom, from_release};
use crate::predict::{PredictError, assert_same_pixels, settings, submission};
use crate::predictions;
use crate::preprocess::Control;
use crate::preprocess::plan::Plan;
use crate::shard::ReleaseFolder;
use crate::shard::manifest::Quarantined;
use crate::shard::table::Table;
use crate::store::{self, Target};
use crate::train::folder::RunFolder;
use crate::train::run::{RunFacts, read_facts};

/// What the networks of a run say of images: a submission, a row a breast.
///
/// IMAGES is a release made with the run's settings, or a dataset's folder: then its DICOM files
/// go straight through the same steps, to the same bytes, and nothing of them is kept.
/// Several folds are averaged. Patients that the run was trained on are judged by the one
/// network that never saw them.
///
///   mammo-pipe predict runs/b4 rsna --split test --output submission.csv
///   mammo-pipe predict runs/b4 release --fold 0 --flips
///   mammo-pipe predict runs/b4 hospital --csv hospital/list.csv --threshold 0.41
///   mammo-pipe score submission.csv labels.csv
///
/// Writes the submission, and beside it the predictions by image as Parquet, which evaluate
/// reads.
///
/// Exit codes: 0 done; 1 stopped by a fault; 3 done, but files were set aside or are missing, or
/// no network could speak of an image; 130 interrupted, nothing written.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct PredictArgs {
    /// Folder of the run.
    run: PathBuf,
    /// Folder of a release, or of a dataset.
    images: PathBuf,
    /// Whose networks: all, or folds by their number with commas between them.
    #[arg(long, value_name = "FOLDS", default_value = "all")]
    fold: Asked,
    /// Also look at every image mirrored, and average.
    #[arg(long)]
    flips: bool,
    /// Answer 1 for a breast whose mean probability reaches this, else 0.
    #[arg(long, value_name = "T")]
    threshold: Option<f64>,
    /// The submission.
    #[arg(long, value_name = "FILE", default_value = "submission.csv", value_parser = ending::csv)]
    output: PathBuf,
    /// Predictions by image; the submission's name with .parquet if not given.
    #[arg(long, value_name = "FILE", value_parser = ending::parquet)]
    predictions: Option<PathBuf>,
    /// Replace files that are there and were not made by mammo-pipe.
    #[arg(long)]
    force: bool,
    /// Of a dataset: which table; test if there is a test.csv, else train.
    #[arg(long, value_name = "SPLIT", value_parser = ["train", "test"])]
    split: Option<String>,
    /// Of a dataset: the table, if it is not train.csv or test.csv in its folder.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Of a dataset: where an image is, if not where the run's was (dataset.path).
    #[arg(long, value_name = "TEMPLATE")]
    path: Option<String>,
    /// Where the networks compute: cpu or cuda:N.
    #[arg(long, default_value = "cpu", value_name = "DEVICE")]
    device: Device,
    /// Images of a forward pass.
    #[arg(long, value_name = "N", default_value_t = 8)]
    batch: usize,
    /// Threads that decode; as many as there are processors if not given.
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
    /// Threads that read files.
    #[arg(long, value_name = "N", default_value_t = 4)]
    readers: usize,
    /// Show no progress.
    #[arg(long, short)]
    quiet: bool,
    /// Print what was done as JSON on standard output.
    #[arg(long)]
    json: bool,
}

/// Folds as they were asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Asked {
    All,
    Some(Vec<u16>),
}

impl FromStr for Asked {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "all" {
            return Ok(Self::All);
        }
        let folds = text.split(',').map(|fold| fold.trim().parse::<u16>());
        let folds = folds.collect::<Result<_, _>>();
        folds.map(Self::Some).map_err(|_| "needs all, or numbers with commas between them".into())
    }
}

impl PredictArgs {
    /// Runs the command.
    ///
    /// # Errors
    /// A [`Fault`].
    pub fn run(self) -> Result<ExitCode, Fault> {
        let by_image =
            self.predictions.clone().unwrap_or_else(|| self.output.with_extension("parquet"));
        let submission = Target::new(&self.output, self.force)?;
        let by_image = Target::new(by_image, self.force)?;
        let facts = read_facts(&self.run)?;
        let folds = self.folds(&facts)?;
        let members = networks::members(&self.run, &folds, self.device)?;
        let known = networks::known(&self.run, &facts)?;
        let flips = if self.flips { Flips::Mirrored } else { Flips::None };
        let mut ensemble = Ensemble::new(members, flips, self.batch, known.patients.clone());
        let stop = Stop::default();
        signals::handle(&stop).map_err(Fault::io("signal handlers"))?;
        let release = ReleaseFolder::new(&self.images);
        let asked = if release.is_begun() || release.is_complete() {
            self.ask_about_a_release(&facts, &mut ensemble, &stop).map(|()| Vec::new())
        } else {
            self.ask_about_files(&facts, &mut ensemble, &stop)
        };
        if stop.is_raised() {
            say(&PredictError::Stopped.to_string());
            return Ok(ExitCode::from(signals::INTERRUPTED));
        }
        let aside = asked?;
        let mut opinion = ensemble.finish()?;
        for prediction in &mut opinion.predictions {
            let fold = known.patients.get(prediction.record.patient_id.as_str());
            prediction.role = match (fold, prediction.role) {
                (Some(&fold), _) => Role::Fold(fold),
                // Another dataset's folds are none of this run's: never trained on.
                (None, Role::Fold(_)) => Role::Locked,
                (None, role) => role,
            };
        }
        self.write(&opinion, &aside, &known, &submission, &by_image)
    }

    /// The folds asked for that the run has.
    fn folds(&self, facts: &RunFacts) -> Result<Vec<Option<u16>>, Fault> {
        let there = |fold: &Option<u16>| RunFolder::new(&self.run).fold(*fold).best().exists();
        let has: Vec<Option<u16>> = facts.held_out.iter().copied().filter(there).collect();
        let asked: Vec<Option<u16>> = match &self.fold {
            Asked::All => has.clone(),
            Asked::Some(folds) => folds.iter().copied().map(Some).collect(),
        };
        let name = |fold: &Option<u16>| fold.map_or("none".into(), |fold| fold.to_string());
        let list = |folds: &[Option<u16>]| folds.iter().map(name).collect::<Vec<_>>().join(", ");
        let lacking: Vec<_> = asked.iter().copied().filter(|fold| !has.contains(fold)).collect();
        if !lacking.is_empty() || asked.is_empty() {
            let has = if has.is_empty() { "no finished network".into() } else { list(&has) };
            let found = if asked.is_empty() { "to ask".into() } else { list(&lacking) };
            return Err(PredictError::NoFold { path: self.run.clone(), found, has }.into());
        }
        Ok(asked)
    }

    fn ask_about_a_release(
        &self,
        facts: &RunFacts,
        ensemble: &mut Ensemble,
        stop: &Stop,
    ) -> Result<(), Fault> {
        let table = Table::read(&self.images)?;
        assert_same_pixels(&table, facts)?;
        let progress = Progress::new(table.rows.len(), self.quiet || self.json);
        let asked = from_release(
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
        asked
    }

    fn ask_about_files(
        &self,
        facts: &RunFacts,
        ensemble: &mut Ensemble,
        stop: &Stop,
    ) -> Result<Vec<Quarantined>, Fault> {
        let plan = Plan::new(self.config(settings(facts)?))?;
        let progress = Progress::new(plan.joined.jobs.len(), self.quiet || self.json);
        let meters = Arc::new(Meters::default());
        let control = Control {
            workers: threads::count(self.workers),
            readers: self.readers.max(1),
            retry_rejected: false,
            stop: stop.clone(),
            meters: Arc::clone(&meters),
            seen: &|bytes, rejected| progress.image(bytes, rejected, Some(&meters)),
        };
        let aside = from_dicom(&plan, &control, |input| ensemble.push(input));
        progress.finish();
        aside
    }

    /// The run's settings at the place of this dataset.
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
        // No network is told of them, and another table need not have them.
        config.dataset.extra_columns.clear();
        // Nobody is divided here, and no dataset is too small for that.
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
        opinion: &Opinion,
        aside: &[Quarantined],
        known: &Known,
        submission: &Target,
        by_image: &Target,
    ) -> Result<ExitCode, Fault> {
        let Opinion { predictions, unheard } = opinion;
        if predictions.is_empty() {
            let (files, images) = (aside.len(), unheard.len());
            let why = format!(
                "{files} files were set aside or missing, and of {images} images every network \
                 was trained on the patient"
            );
            return Err(PredictError::Nothing(why).into());
        }
        let rows = submission::rows(predictions);
        let csv = submission::csv(&rows, self.threshold);
        let hash = store::sha256(&csv);
        let notes = [("submission_sha256", hash.as_str())];
        submission.put(&csv)?;
        by_image.put(&predictions::encode(predictions, Vec::new(), &notes))?;
        let nameless = predictions.iter().filter(|p| p.record.breast_id().is_none()).count();
        let clean = aside.is_empty() && unheard.is_empty() && nameless == 0;
        if self.json {
            print(
                &json!({
                    "submission": self.output,
                    "predictions": by_image.path(),
                    "breasts": rows.len(),
                    "images": predictions.len(),
                    "without_breast": nameless,
                    "trained_on": unheard.iter().map(|r| r.image_id.as_str()).collect::<Vec<_>>(),
                    "set_aside": aside,
                })
                .to_string(),
            );
        } else {
            self.tell(opinion, aside, known, rows.len(), nameless, by_image.path());
        }
        Ok(if clean { ExitCode::SUCCESS } else { ExitCode::from(3) })
    }

    fn tell(
        &self,
        opinion: &Opinion,
        aside: &[Quarantined],
        known: &Known,
        breasts: usize,
        nameless: usize,
        by_image: &Path,
    ) {
        let Opinion { predictions, unheard } = opinion;
        print(&format!(
            "{}: {breasts} breasts of {} images; by image in {}",
            self.output.display(),
            predictions.len(),
            by_image.display()
        ));
        for file in aside.iter().take(20) {
            print(&format!("  set aside  {}: {}: {}", file.path, file.stage, file.reason));
        }
        if aside.len() > 20 {
            print(&format!("  and {} more; --json lists all", aside.len() - 20));
        }
        if !unheard.is_empty() {
            print(&format!(
                "  left out   {} images of patients that every network asked was trained on",
                unheard.len()
            ));
        }
        if nameless > 0 {
            print(&format!("  no breast  {nameless} images have neither prediction_id nor side"));
        }
        if known.from == KnownFrom::Validation {
            print(
                "  the run's release is gone: only patients of its validation are kept from \
                 networks that were trained on them",
            );
        }
        print(&format!("  check it with: mammo-pipe score {} LABELS.csv", self.output.display()));
    }
}
