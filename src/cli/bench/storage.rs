//! `mammo-pipe bench storage`

mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use crate::bench::storage::measurement::Effort;
use crate::bench::storage::verdict::{DatasetSize, TrainingStep, paragraphs};
use crate::bench::storage::{Kept, Options, StorageError, Verdict, measure, step};
use crate::cli::ending;
use crate::cli::progress::{print, say};
use crate::cli::settings::SettingsArgs;
use crate::cli::signals;
use crate::error::{Fault, chain};
use crate::flow::Stop;
use crate::report;
use crate::store::Target;

/// Measure what storage delivers, and whether it or the CPU limits preprocessing and training.
///
///   mammo-pipe bench storage /mnt/rsna --quick
///   mammo-pipe bench storage /mnt/rsna --scratch /mnt/tmp --page storage.html
///   mammo-pipe bench storage /mnt/fast --step-ms 90 --batch 32
///
/// PATH is a dataset, whose own files are then read and in which nothing is written, or any other
/// folder, in which files are made for the measurement and removed at the end. Measured are
/// operations on names, whole files, the beginnings of files, and shards, each with several numbers
/// of threads; and the decoding of images. The verdict says which is the bottleneck, which flags
/// to use, how long the dataset takes, and whether training would wait.
///
/// Takes about two minutes; with --quick about half a minute. --full makes data of five times the
/// memory; of a dataset it reads for 15 s with each number of threads, and the head of the table
/// says whether that was more than the memory. docs/storage.md explains the result. preprocess
/// --dry-run uses it for 30 days, unless --threads was given.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct StorageArgs {
    /// The folder to measure.
    path: PathBuf,
    /// Measure for about half a minute only.
    #[arg(long, conflicts_with = "full")]
    quick: bool,
    /// Make data of five times the memory; of a dataset, read for 15 s with each number of threads.
    #[arg(long)]
    full: bool,
    /// Folder for the files that are made. Needed to measure writing and shards of a dataset's
    /// storage: name a folder on the same mount, outside the dataset. If PATH looks like a dataset
    /// but has no table, this folder is measured instead.
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// Numbers of threads, such as 1,4,16. Not given: 1, 2, 4 and so on, until more give no more.
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    threads: Option<Vec<usize>>,
    /// Length of a training step in milliseconds. Not given: 25, 50, 100 and 200.
    #[arg(long, value_name = "MS", conflicts_with = "run", value_parser = positive)]
    step_ms: Option<f64>,
    /// Images per training step. Not given: that of --run, else 16.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    batch: Option<u32>,
    /// Take the length of a training step from the log of this run.
    #[arg(long, value_name = "DIR")]
    run: Option<PathBuf>,
    #[command(flatten)]
    settings: SettingsArgs,
    /// Also write the result as one HTML page with plots.
    #[arg(long, value_name = "FILE.html", value_parser = ending::html)]
    page: Option<PathBuf>,
    /// Replace a file at --page that was not made by mammo-pipe.
    #[arg(long, requires = "page")]
    force: bool,
    /// Show no progress.
    #[arg(long, short)]
    quiet: bool,
    /// Print the measurement and the verdict as JSON.
    #[arg(long)]
    json: bool,
}

/// Images per step if neither --batch nor --run says it.
const BATCH: usize = 16;

fn positive(text: &str) -> Result<f64, String> {
    let value = text.parse::<f64>().ok().filter(|value| value.is_finite() && *value > 0.0);
    value.ok_or_else(|| format!("found {text}, needs a number of milliseconds above 0"))
}

impl StorageArgs {
    /// Runs the command.
    ///
    /// # Errors
    /// A [`Fault`] if the folder cannot be measured, or a page of somebody else's is in the way.
    pub fn run(self) -> Result<ExitCode, Fault> {
        let step = self.step()?;
        let page = self.page.as_ref().map(|page| Target::new(page, self.force)).transpose()?;
        let config = self.settings.load()?;
        let stop = Stop::default();
        let next = "removing the files that were made";
        let _handled = signals::handle(&stop, next).map_err(Fault::io("signal handlers"))?;
        let progress = |line: &str| {
            if !self.quiet {
                say(line);
            }
        };
        let measurement = match measure(&self.options(), &config, &progress, &stop) {
            Err(fault) if is_interruption(&fault) => {
                say(&chain(&fault));
                return Ok(signals::interrupted());
            }
            measured => measured?,
        };
        // A few numbers of threads do not say what storage delivers at best.
        let kept = Kept::of_user().filter(|_| self.threads.is_none());
        if let Some(Err(fault)) = kept.map(|kept| kept.put(&measurement)) {
            // The measurement is good all the same; only `preprocess --dry-run` will not know it.
            progress(&format!("the measurement is not kept: {}", chain(&fault)));
        }
        let verdict = Verdict::new(&measurement, DatasetSize::of(&measurement), step);
        if let Some(page) = &page {
            let html = report::storage::page(&measurement, &verdict).to_string();
            page.put(html.as_bytes())?;
        }
        if self.json {
            let both = json!({ "measurement": measurement, "verdict": verdict });
            print(&both.to_string());
            return Ok(ExitCode::SUCCESS);
        }
        print(&table::of(&measurement, &verdict));
        for paragraph in paragraphs(&measurement, &verdict) {
            print(&format!("\n{}", table::wrapped(&paragraph)));
        }
        if let Some(page) = &page {
            print(&format!("\nPlots by number of threads: {}", page.path().display()));
        }
        Ok(ExitCode::SUCCESS)
    }

    fn options(&self) -> Options {
        let effort = match (self.quick, self.full) {
            (true, _) => Effort::Quick,
            (_, true) => Effort::Full,
            _ => Effort::Default,
        };
        Options {
            path: self.path.clone(),
            scratch: self.scratch.clone(),
            effort,
            threads: self.threads.clone(),
            ..Options::default()
        }
    }

    fn step(&self) -> Result<TrainingStep, Fault> {
        let of_run = self.run.as_deref().map(step::of_run).transpose()?;
        let batch = self.batch.map(|batch| batch as usize);
        Ok(match of_run {
            // The step of a run is as long as it is for the run's number of images.
            Some(step) => TrainingStep {
                step_ms: step.step_ms.map(|ms| match batch {
                    Some(batch) => ms * batch as f64 / step.batch as f64,
                    None => ms,
                }),
                batch: batch.unwrap_or(step.batch),
            },
            None => TrainingStep { step_ms: self.step_ms, batch: batch.unwrap_or(BATCH) },
        })
    }
}

fn is_interruption(fault: &Fault) -> bool {
    matches!(fault.cause(), Some(StorageError::Interrupted))
}
