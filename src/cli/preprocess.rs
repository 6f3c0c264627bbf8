//! `mammo-pipe preprocess`: turns a dataset into a release.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::detach::detach;
use super::ending;
use super::exit_codes::{UNFINISHED, WITH_FINDINGS};
use super::progress::{Activity, Progress, print, say};
use super::settings::SettingsArgs;
use super::signals;
use crate::config::{Config, SplitChoice};
use crate::dataset;
use crate::error::Fault;
use crate::flow::threads;
use crate::flow::{Meters, Stop};
use crate::number::{duration, of, size};
use crate::preprocess::plan::Plan;
use crate::preprocess::sink::Summary;
use crate::preprocess::{self, Control};
use crate::report::{self, Run};
use crate::shard::ReleaseFolder;
use crate::shard::release::Release;
use crate::store::quoted;
use crate::store::start::Start;

/// Turn a dataset into a verified release of shards.
///
/// Decodes, windows, crops and resizes every image of the table, and writes them with the
/// table's columns as Parquet (or Arrow tensors). Run the same command again to continue an
/// interrupted run: a shard that is finished is never lost.
///
///   mammo-pipe preprocess --input rsna --output release
///   mammo-pipe preprocess -c pipeline.yaml --dry-run
///   mammo-pipe preprocess -c pipeline.yaml --set window.bits=16 --detach
///
/// Exit codes: 0 done; 1 stopped by an error; 3 done, but files were quarantined or are missing
/// (see quarantine.csv); 75 not finished, because SIGTERM came or files could not be read (see
/// unreached.csv): run the same command again to continue; 130 stopped by Ctrl-C, the same.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct PreprocessArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Folder with the images and tables (dataset.input).
    #[arg(long, value_name = "DIR")]
    input: Option<PathBuf>,
    /// Folder for the release (output).
    #[arg(long, value_name = "DIR", value_parser = ending::folder)]
    output: Option<PathBuf>,
    /// The table, if it is not train.csv (or test.csv) in the input folder (dataset.csv).
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// There is no table: take every file as an image without a label (dataset.no_table). The patient
    /// is the first folder, or what dataset.path and dataset.patient_from say.
    #[arg(long, conflicts_with = "csv")]
    no_table: bool,
    /// Which tables to read: train, test or both (dataset.split).
    #[arg(long, value_name = "SPLIT")]
    split: Option<String>,
    /// Threads that decode images; one per core if not given.
    #[arg(long, value_name = "N")]
    workers: Option<NonZeroUsize>,
    /// Threads that read files; more of them hide the latency of network storage.
    #[arg(long, value_name = "N", default_value = "4")]
    readers: NonZeroUsize,
    /// Print what would be done, with time and space estimated from a few images. Write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Run in the background. Prints how to follow and stop the run.
    #[arg(long)]
    detach: bool,
    /// If the output folder holds a release of another plan, write to a new folder beside it.
    #[arg(long)]
    new_release: bool,
    /// Make those shards again that have rejected images, for example after a disk was repaired.
    #[arg(long)]
    retry_rejected: bool,
    /// Reject files that cannot be read because of a disk, a server or a permission. Without it, their
    /// shards stay open, and the next run tries again. --retry-rejected takes this back.
    #[arg(long)]
    give_up_unreached: bool,
    /// Go on although the time of modification of files has changed before an image was made of them,
    /// for example because the dataset was copied again. Files of finished shards are compared by
    /// their content all the same.
    #[arg(long)]
    accept_new_times: bool,
    /// Do not write report.html, whose gallery reads some of the source files again.
    #[arg(long)]
    no_report: bool,
    /// Show no progress.
    #[arg(long, short)]
    quiet: bool,
    /// Print the summary as JSON on standard output.
    #[arg(long)]
    json: bool,
}

impl PreprocessArgs {
    /// Runs the command.
    ///
    /// # Errors
    /// A [`Fault`], which becomes exit code 1.
    pub fn run(self) -> Result<ExitCode, Fault> {
        let mut config = self.config()?;
        let start = Start::now(env!("MAMMO_PIPE_VERSION"), "cpu");
        let workers = threads::count(self.workers.map(NonZeroUsize::get));
        let readers = self.readers.get();
        dataset::refuse_inside(&config.output, &config.dataset)?;
        if !self.quiet {
            let sections = ["roi", "resize", "window", "decode", "folds", "shard", "limits"];
            let preset = self.settings.preset_line(&sections, "");
            preset.iter().for_each(|line| say(line));
        }
        let listing = format!("listing {}", config.dataset.input.display());
        let listing = Activity::new(listing, self.quiet);
        let mut plan = Plan::new(config.clone())?;
        drop(listing);
        if self.new_release && plan.differs_from_release()? {
            let name = format!("{}-{}", config.output.display(), &plan.facts.sha256()[..8]);
            config.output = name.into();
            plan.config.output.clone_from(&config.output);
        }
        if self.dry_run {
            return super::dry_run::show(&plan, workers, readers, self.json, self.quiet);
        }
        for hint in &plan.joined.hints {
            say(&format!("hint: {hint}"));
        }
        if self.detach {
            Release::check(&config.output, &plan.facts, plan.listed())?;
            return self.in_background(&config);
        }
        let progress = Progress::new(plan.joined.jobs.len(), self.quiet);
        let stop = Stop::default();
        let next = "finishing the images in work and closing; the same command continues";
        let _handled = signals::handle(&stop, next).map_err(Fault::io("signal handlers"))?;
        let meters = Arc::new(Meters::default());
        let control = Control {
            workers,
            readers,
            retry_rejected: self.retry_rejected,
            give_up_unreached: self.give_up_unreached,
            accept_new_times: self.accept_new_times,
            stop: stop.clone(),
            meters: Arc::clone(&meters),
            seen: &|bytes, rejected| progress.image(bytes, rejected, Some(&meters)),
        };
        let summary = preprocess::run(&plan, &control);
        progress.finish();
        let summary = summary?;
        if summary.complete() && !self.no_report {
            let _shown = Activity::new("writing report.html", self.quiet);
            let run = Run::of(&summary).map(|run| run.started(start));
            report::write(&config.output, Some(&config.dataset.input), run)?;
        }
        if self.json {
            print(&serde_json::to_string(&summary).expect("plain data becomes JSON"));
        } else {
            print_summary(&plan, &summary);
        }
        Ok(exit_code(&plan, &summary, &stop))
    }

    fn config(&self) -> Result<Config, Fault> {
        let split = self.split.as_ref().map(|split| format!("dataset.split={split}"));
        let mut config = self.settings.load_with(split)?;
        if let Some(input) = &self.input {
            config.dataset.input.clone_from(input);
        }
        if let Some(output) = &self.output {
            config.output.clone_from(output);
        }
        config.dataset.no_table |= self.no_table;
        if self.csv.is_some() {
            match config.dataset.split {
                SplitChoice::Test => config.dataset.test_csv.clone_from(&self.csv),
                SplitChoice::Train | SplitChoice::Both => {
                    config.dataset.train_csv.clone_from(&self.csv);
                }
            }
        }
        Ok(config)
    }

    fn in_background(&self, config: &Config) -> Result<ExitCode, Fault> {
        let log = ReleaseFolder::new(&config.output).log();
        let process = detach(&log, &[])?;
        print(&format!(
            "running in the background as process {process}\n  \
             output      tail -f {log}\n  \
             stop        kill -INT {process}   (finished shards stay; run it again to continue)",
            log = quoted(&log)
        ));
        Ok(ExitCode::SUCCESS)
    }
}

fn exit_code(plan: &Plan, summary: &Summary, stop: &Stop) -> ExitCode {
    let counts = summary.counts;
    let missing = counts.missing > 0 && !plan.config.dataset.allow_missing;
    match () {
        () if stop.is_raised() && !summary.complete() => signals::interrupted(),
        () if !summary.complete() => ExitCode::from(UNFINISHED),
        () if counts.rejected > 0 || missing => ExitCode::from(WITH_FINDINGS),
        () => ExitCode::SUCCESS,
    }
}

fn print_summary(plan: &Plan, summary: &Summary) {
    let (counts, output) = (summary.counts, &plan.config.output);
    print(&format!(
        "{}: {} written, {} rejected, {} missing, {} unreached of {} listed",
        output.display(),
        counts.written,
        counts.rejected,
        counts.missing,
        counts.unreached,
        counts.listed
    ));
    let memory =
        summary.peak_memory_bytes.map_or(String::new(), |m| format!(", {} of memory", size(m)));
    print(&format!(
        "  {} images in {} ({:.1} images/s), {} read, {} in {} shards{memory}",
        summary.processed,
        duration(summary.seconds),
        summary.processed as f64 / summary.seconds.max(1e-9),
        size(summary.bytes_read),
        size(summary.bytes_written),
        summary.shards
    ));
    for line in &summary.made_again {
        print(&format!("  {line}"));
    }
    if !summary.unreached.is_empty() {
        let files = of(summary.unreached.len(), "file");
        print(&format!(
            "  {files} could not be read (unreached.csv names each), so their shards are not made:"
        ));
    }
    for row in summary.unreached.iter().take(10) {
        print(&format!("           {}: {}", row.path, row.reason));
    }
    let mut classes: Vec<_> = summary.classes.iter().collect();
    classes.sort_by_key(|(class, count)| (std::cmp::Reverse(**count), **class));
    for (class, count) in &classes {
        print(&format!("  {count:>7}  {}. {}", class.title(), class.next_step()));
    }
    let mut reasons: Vec<_> = summary.quarantine.iter().collect();
    reasons.sort_by_key(|(reason, count)| (std::cmp::Reverse(**count), *reason));
    if !reasons.is_empty() {
        print("  exact reasons (quarantine.csv has each file):");
    }
    for (reason, count) in reasons.iter().take(10) {
        print(&format!("  {count:>7}  {reason}"));
    }
    if !summary.notes.is_empty() {
        let all = summary.notes.iter().map(|(code, count)| format!("{code} {count}"));
        print(&format!("  notes: {}", all.collect::<Vec<_>>().join(", ")));
    }
    let quality = &summary.quality;
    if quality.flagged > 0 {
        let images = of(quality.flagged, "image");
        print(&format!("  quality flags: {images} ({})", quality.by_flag()));
    }
    if plan.joined.left_out > 0 {
        print(&format!(
            "  {:>7}  files left out by their series (dataset.leave_out)",
            plan.joined.left_out
        ));
    }
    if plan.joined.ignored > 0 {
        print(&format!(
            "  {:>7}  files ignored (._*, .DS_Store, unfinished downloads and the like)",
            plan.joined.ignored
        ));
    }
    let next = if !summary.unreached.is_empty() {
        format!(
            "{} of {} shards are finished. Once the files can be read, run the same command again; \
             files that never will be can be rejected: --give-up-unreached",
            summary.shards, summary.shards_planned
        )
    } else if !summary.complete() {
        format!(
            "{} of {} shards are finished; run the same command again to continue",
            summary.shards, summary.shards_planned
        )
    } else if counts.missing > 0 && !plan.config.dataset.allow_missing {
        "some rows have no file: is everything mounted? If these files are meant to be absent, \
         set dataset.allow_missing=true"
            .to_owned()
    } else {
        let (page, output) = (output.join("report.html"), quoted(output));
        format!(
            "open {} (mammo-pipe report {output} writes it again); check the release with: \
             mammo-pipe verify {output}",
            page.display()
        )
    };
    print(&format!("  {next}"));
    if let Some(warning) = quality.warning() {
        print(&format!("  warning: {warning} (docs/flags.md has each flag)"));
    }
}
