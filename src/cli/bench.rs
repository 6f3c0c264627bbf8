//! `mammo-pipe bench`

mod loader;
mod roi;
mod storage;
mod train;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::error::Fault;

/// Measure the speed of a part of the pipeline, or compare it with a reference.
///
///   mammo-pipe bench loader
///   mammo-pipe bench train --device cuda:0 --precision bf16
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct BenchArgs {
    #[command(subcommand)]
    part: Part,
}

#[derive(Debug, Subcommand)]
enum Part {
    Loader(loader::LoaderArgs),
    Roi(roi::RoiArgs),
    Storage(storage::StorageArgs),
    Train(train::TrainArgs),
}

impl BenchArgs {
    /// Runs the command.
    ///
    /// # Errors
    /// The [`Fault`] of that part.
    pub fn run(self) -> Result<ExitCode, Fault> {
        match self.part {
            Part::Loader(args) => args.run(),
            Part::Roi(args) => args.run(),
            Part::Storage(args) => args.run(),
            Part::Train(args) => args.run(),
        }
    }
}
