//! `mammo-pipe report`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::{Map, Value};

use super::ending;
use super::failure::usage;
use super::progress::{Activity, print, say};
use crate::error::Fault;
use crate::evaluate::Bootstrap;
use crate::report;
use crate::report::comparison::Compared;
use crate::report::run::Locations;
use crate::shard::ReleaseFolder;
use crate::store::{Target, quoted};
use crate::sweep::Settings;
use crate::train::folder::RunFolder;

/// Write the report page of a training run, a sweep or a release, or compare runs.
///
///   mammo-pipe report runs/b4             # report.html and model_card.md in the run
///   mammo-pipe report runs/b4 runs/b0     # paired comparison of two runs
///   mammo-pipe report runs/sweep          # sweep.html of a sweep
///   mammo-pipe report release             # report.html of a release
///
/// A run: metrics with intervals, ROC and precision-recall curves with bands, reliability,
/// subgroups, training curves of every fold with overfitting marked, the maps that explain made, the
/// least certain crops, the held-out patients, a reporting checklist (CLAIM), settings and
/// provenance; and a model card in Markdown. The page can be written while the run goes on.
///
/// Two runs or more, each compared with the first: the difference of every metric with an interval
/// from resampled patients, DeLong's test of the AUROC, curves, and the settings that differ. Runs
/// that were evaluated on different images, or with different labels, are refused.
///
/// A sweep: its tables and plots, for the runs that are finished.
///
/// A release: preprocess writes this page when it ends. Use report for a release that was moved, is
/// not finished, or was made by an older version. The page keeps the timing of preprocess.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct ReportArgs {
    /// The folder that train, sweep or preprocess wrote; several folders of train to compare runs.
    #[arg(required = true)]
    folders: Vec<PathBuf>,
    /// The dataset's folder, for pictures of the frames before cropping.
    #[arg(long, value_name = "DIR")]
    dataset: Option<PathBuf>,
    /// The release, if it is not where the run found it.
    #[arg(long, value_name = "DIR")]
    release: Option<PathBuf>,
    /// The page of a comparison [default: compared-with-NAME.html in the first run's folder].
    #[arg(long, value_name = "FILE", value_parser = ending::html)]
    output: Option<PathBuf>,
    /// Replace a file at --output that was not made by mammo-pipe.
    #[arg(long, requires = "output")]
    force: bool,
    /// Print the paths of the files written, or the comparison, as JSON.
    #[arg(long)]
    json: bool,
    /// Show no progress.
    #[arg(long, short)]
    quiet: bool,
}

const HELP: &str = "mammo-pipe report --help";

/// A folder of a run, a sweep or a release, so that a mistyped name is told as such.
fn check(folder: &Path) -> Result<(), Fault> {
    let is_known = RunFolder::new(folder).is_begun()
        || Settings::are_in(folder)
        || ReleaseFolder::new(folder).is_begun()
        || ReleaseFolder::new(folder).manifest().exists();
    if is_known {
        return Ok(());
    }
    let path = folder.display();
    let found = match folder {
        folder if !folder.exists() => format!("{path} does not exist"),
        folder if !folder.is_dir() => format!("{path} is a file"),
        _ => format!("{path} is not the folder of a run, a sweep or a release"),
    };
    let near = neighbours(folder);
    let near = if near.is_empty() { String::new() } else { format!("; beside it: {near}") };
    let next = "give the folder that train, sweep or preprocess wrote (mammo-pipe runs lists runs)";
    Err(usage(format!("{found}{near}; {next}"), HELP))
}

/// The folders of runs, sweeps and releases beside `folder`, at most five.
fn neighbours(folder: &Path) -> String {
    let beside = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
    let beside = beside.unwrap_or(Path::new("."));
    let entries = std::fs::read_dir(beside).into_iter().flatten().flatten();
    let is_ours = |path: &PathBuf| {
        RunFolder::new(path).is_begun()
            || Settings::are_in(path)
            || ReleaseFolder::new(path).manifest().exists()
    };
    let mut names: Vec<String> = entries
        .map(|entry| entry.path())
        .filter(is_ours)
        .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
        .collect();
    names.sort();
    names.truncate(5);
    names.join(", ")
}

impl ReportArgs {
    /// Only runs can be compared.
    fn check_runs(&self) -> Result<(), Fault> {
        let Some(other) = self.folders.iter().find(|folder| !RunFolder::new(folder).is_begun())
        else {
            return Ok(());
        };
        let what = if Settings::are_in(other) { "a sweep" } else { "a release" };
        Err(usage(
            format!(
                "{} is {what}; only runs are compared with each other. For its own page: mammo-pipe \
                 report {}",
                other.display(),
                quoted(other)
            ),
            HELP,
        ))
    }

    /// Runs the command.
    ///
    /// # Errors
    /// A [`Fault`] if a folder cannot be read, runs cannot be compared, or a page not be written.
    pub fn run(self) -> Result<ExitCode, Fault> {
        let bootstrap = Bootstrap::default();
        for folder in &self.folders {
            check(folder)?;
        }
        if self.folders.len() > 1 {
            self.check_runs()?;
            let page = self.output.unwrap_or_else(|| Compared::page_of(&self.folders));
            let page = Target::new(page, self.force)?;
            if self.json && page.is_stdout() {
                return Err(ending::two_on_stdout("--json", HELP));
            }
            let shown = Activity::new("comparing the runs", self.quiet);
            let compared = Compared::of(&self.folders, &bootstrap)?;
            compared.write(&page)?;
            drop(shown);
            if page.is_stdout() {
                return Ok(ExitCode::SUCCESS);
            }
            match self.json {
                true => print(&serde_json::to_string(&compared).expect("plain data becomes JSON")),
                false => print(compared.text().trim_end()),
            }
            say(&format!("wrote {}", page.path().display()));
            return Ok(ExitCode::SUCCESS);
        }
        if self.output.is_some() {
            let reason = "is for a comparison of runs; the page of one folder is written into it";
            return Err(usage(format!("--output {reason}"), HELP));
        }
        let folder = &self.folders[0];
        let shown =
            Activity::new(format!("writing the report of {}", folder.display()), self.quiet);
        let mut written = Vec::new();
        if RunFolder::new(folder).is_begun() {
            let beside =
                Locations { release: self.release.as_deref(), dataset: self.dataset.as_deref() };
            let run = report::run::write_with(folder, beside, &bootstrap)?;
            written.extend([("report", run.page), ("model_card", run.model_card)]);
        } else if Settings::are_in(folder) {
            report::sweep::write(folder, &bootstrap)?;
            written.push(("report", folder.join("sweep.html")));
        } else {
            written.push(("report", report::write(folder, self.dataset.as_deref(), None)?));
        }
        drop(shown);
        if self.json {
            let paths = written.iter().map(|(what, path)| {
                (what.to_string(), Value::from(path.to_string_lossy().into_owned()))
            });
            print(&Value::Object(paths.collect::<Map<_, _>>()).to_string());
        } else {
            written.iter().for_each(|(_, path)| print(&path.display().to_string()));
        }
        Ok(ExitCode::SUCCESS)
    }
}
