//! `mammo-pipe report`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::{Map, Value};

use super::ending;
use super::progress::{print, say};
use crate::error::Fault;
use crate::evaluate::Bootstrap;
use crate::report;
use crate::report::comparison::Compared;
use crate::report::run::Beside;
use crate::store::Target;
use crate::sweep::Settings;
use crate::train::folder::RunFolder;

/// Write the page of a training run, of a sweep or of a release, or compare runs.
///
///   mammo-pipe report runs/b4             # report.html and model_card.md in the run
///   mammo-pipe report runs/b4 runs/b0     # is one better, or lucky?
///   mammo-pipe report runs/sweep          # sweep.html of a sweep
///   mammo-pipe report release             # report.html of a release
///
/// Of a run: figures with intervals, ROC and precision-recall with bands, reliability, groups, the
/// curves of every fold with overfitting marked, the maps that explain made, the worst crops, who
/// was held out, a checklist for a paper (CLAIM), settings and hashes; and a model card in
/// Markdown. It may be asked for while the run goes on.
///
/// Of two runs or more, each held to the first: the difference of every figure with an interval
/// from resampled patients and DeLong's test of the AUROC, curves, and the settings that differ.
/// Runs that judged other images, or by other labels, are refused.
///
/// Of a sweep: its table and plots, as far as runs are finished.
///
/// Of a release: preprocess writes it when it ends; this is for one that was moved, is not
/// finished, or is of an older version. The timing of its run is kept.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct ReportArgs {
    /// The folder that train, sweep or preprocess wrote; several of train to compare them.
    #[arg(required = true)]
    folders: Vec<PathBuf>,
    /// The dataset's folder, for pictures from before cropping.
    #[arg(long, value_name = "DIR")]
    dataset: Option<PathBuf>,
    /// The release, if it is not where the run found it.
    #[arg(long, value_name = "DIR")]
    release: Option<PathBuf>,
    /// Where the page of a comparison goes [default: compared-with-NAME.html in the first run].
    #[arg(long, value_name = "FILE", value_parser = ending::html)]
    output: Option<PathBuf>,
    /// Replace a file at --output that was not made by mammo-pipe.
    #[arg(long, requires = "output")]
    force: bool,
    /// Print what was written, or the comparison, as JSON.
    #[arg(long)]
    json: bool,
}

impl ReportArgs {
    /// Runs the command.
    ///
    /// # Errors
    /// A [`Fault`] if a folder cannot be read, runs cannot be compared, or a page not be written.
    pub fn run(self) -> Result<ExitCode, Fault> {
        let bootstrap = Bootstrap::default();
        if self.folders.len() > 1 {
            let page = self.output.unwrap_or_else(|| Compared::page_of(&self.folders));
            let page = Target::new(page, self.force)?;
            let compared = Compared::of(&self.folders, &bootstrap)?;
            compared.write(&page)?;
            match self.json {
                true => print(&serde_json::to_string(&compared).expect("plain data becomes JSON")),
                false => print(compared.text().trim_end()),
            }
            say(&format!("wrote {}", page.path().display()));
            return Ok(ExitCode::SUCCESS);
        }
        let folder = &self.folders[0];
        let mut written = Vec::new();
        if RunFolder::new(folder).is_begun() {
            let beside =
                Beside { release: self.release.as_deref(), dataset: self.dataset.as_deref() };
            let run = report::run::write_with(folder, beside, &bootstrap)?;
            written.extend([("report", run.page), ("model_card", run.model_card)]);
        } else if Settings::are_in(folder) {
            report::sweep::write(folder, &bootstrap)?;
            written.push(("report", folder.join("sweep.html")));
        } else {
            written.push(("report", report::write(folder, self.dataset.as_deref(), None)?));
        }
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
