//! `mammo-pipe bench`

mod roi;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::error::Fault;

/// Hold a part of the pipeline to a reference.
#[derive(Debug, Args)]
pub struct BenchArgs {
    #[command(subcommand)]
    part: Part,
}

#[derive(Debug, Subcommand)]
enum Part {
    Roi(roi::RoiArgs),
}

impl BenchArgs {
    /// Runs the command.
    ///
    /// # Errors
    /// That part's [`Fault`].
    pub fn run(self) -> Result<ExitCode, Fault> {
        match self.part {
            Part::Roi(args) => args.run(),
        }
    }
}
