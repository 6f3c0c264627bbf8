//! `mammo-pipe bench`

mod loader;
mod roi;
mod train;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::error::Fault;

/// Hold a part of the pipeline to a reference, or measure its speed.
#[derive(Debug, Args)]
pub struct BenchArgs {
    #[command(subcommand)]
    part: Part,
}

#[derive(Debug, Subcommand)]
enum Part {
    Loader(loader::LoaderArgs),
    Roi(roi::RoiArgs),
    Train(train::TrainArgs),
}

impl BenchArgs {
    /// Runs the command.
    ///
    /// # Errors
    /// That part's [`Fault`].
    pub fn run(self) -> Result<ExitCode, Fault> {
        match self.part {
            Part::Loader(args) => args.run(),
            Part::Roi(args) => args.run(),
            Part::Train(args) => args.run(),
        }
    }
}
