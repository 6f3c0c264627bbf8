//! `mammo-pipe report`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::progress::print;
use crate::error::Fault;
use crate::evaluate::Bootstrap;
use crate::report;
use crate::sweep::Settings;

/// Write report.html of a training run, sweep.html of a sweep, or report.html of a release again.
///
/// Of a run: figures with intervals, ROC, precision and recall, reliability, groups, the curves of
/// every fold, settings and hashes. It may be asked for while the run goes on.
///
/// Of a sweep: its table and plots, as far as runs are finished.
///
/// Of a release: preprocess writes it when it ends; this is for one that was moved, is not
/// finished, or is of an older version. The timing of its run is kept.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The folder that train, sweep or preprocess wrote.
    folder: PathBuf,
    /// The dataset's folder, for a release's pictures from before cropping.
    #[arg(long, value_name = "DIR")]
    dataset: Option<PathBuf>,
}

impl ReportArgs {
    /// Runs the command.
    ///
    /// # Errors
    /// A [`Fault`] if the folder cannot be read or the page not be written.
    pub fn run(self) -> Result<ExitCode, Fault> {
        let path = if self.folder.join("run.json").exists() {
            report::run::write(&self.folder, &Bootstrap::default())?
        } else if Settings::are_in(&self.folder) {
            report::sweep::write(&self.folder, &Bootstrap::default())?;
            self.folder.join("sweep.html")
        } else {
            report::write(&self.folder, self.dataset.as_deref(), None)?
        };
        print(&path.display().to_string());
        Ok(ExitCode::SUCCESS)
    }
}
