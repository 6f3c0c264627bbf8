//! `mammo-pipe report`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::progress::print;
use crate::error::Fault;
use crate::report;

/// Write report.html of a release again.
///
/// preprocess writes it when it ends; this is for a release that was moved, is not finished, or
/// is of an older version. The timing of the run is kept.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The folder that preprocess wrote.
    release: PathBuf,
    /// The dataset's folder, for pictures from before cropping.
    #[arg(long, value_name = "DIR")]
    dataset: Option<PathBuf>,
}

impl ReportArgs {
    /// Runs the command.
    ///
    /// # Errors
    /// A [`Fault`] if the release cannot be read or the page not be written.
    pub fn run(self) -> Result<ExitCode, Fault> {
        let path = report::write(&self.release, self.dataset.as_deref(), None)?;
        print(&path.display().to_string());
        Ok(ExitCode::SUCCESS)
    }
}
