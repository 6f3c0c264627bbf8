//! The command line. Each command has one file.
//!
//! In: the arguments. Out: text on standard output and standard error, files, and an exit code.

pub mod allocator;
mod bench;
mod colour;
mod completions;
mod config;
mod demo;
mod detach;
mod dry_run;
mod ending;
mod environment;
mod evaluate;
mod exit_codes;
mod explain;
pub mod failure;
mod grid;
pub mod help;
mod inspect;
mod predict;
mod preprocess;
mod report;
pub mod progress;
mod render;
mod runs;
mod score;
mod settings;
mod signals;
mod sweep;
mod synth;
mod train;
mod training;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::Fault;

/// Screening mammograms in DICOM to verified training shards.
///
/// Makes a release of a dataset, trains a network on it, evaluates and explains it. Each command
/// says at its end what to do next.
///
///   mammo-pipe demo                                   # all of it in minutes, on generated data
///   mammo-pipe inspect DATASET                        # what is in your dataset
///   mammo-pipe preprocess --input DATASET --dry-run   # estimate time and space
///   mammo-pipe help train                             # one command, with examples
///   mammo-pipe help environment                       # environment variables
///
/// Exit codes: 0 done; 1 stopped by an error; 2 wrong command line or setting; 3 done, but files
/// were quarantined or are missing, or there are findings; 75 not finished, run it again; 130 stopped
/// by Ctrl-C (see: mammo-pipe help exit-codes).
#[derive(Debug, Parser)]
#[command(version = env!("MAMMO_PIPE_VERSION"), max_term_width = 100, verbatim_doc_comment)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    #[allow(missing_docs)]
    Demo(demo::DemoArgs),
    #[allow(missing_docs)]
    Synth(synth::SynthArgs),
    #[allow(missing_docs)]
    Inspect(inspect::InspectArgs),
    #[allow(missing_docs)]
    Preprocess(preprocess::PreprocessArgs),
    #[allow(missing_docs)]
    Render(render::RenderArgs),
    #[allow(missing_docs)]
    Verify(verify::VerifyArgs),
    #[allow(missing_docs)]
    Train(train::TrainArgs),
    #[allow(missing_docs)]
    Sweep(sweep::SweepArgs),
    #[allow(missing_docs)]
    Runs(runs::RunsArgs),
    #[allow(missing_docs)]
    Explain(explain::ExplainArgs),
    #[allow(missing_docs)]
    Predict(predict::PredictArgs),
    #[allow(missing_docs)]
    Evaluate(evaluate::EvaluateArgs),
    #[allow(missing_docs)]
    Score(score::ScoreArgs),
    #[allow(missing_docs)]
    Report(report::ReportArgs),
    #[allow(missing_docs)]
    Bench(bench::BenchArgs),
    #[allow(missing_docs)]
    Config(config::ConfigArgs),
    #[allow(missing_docs)]
    Environment(environment::EnvironmentArgs),
    #[allow(missing_docs)]
    ExitCodes(exit_codes::ExitCodesArgs),
    #[allow(missing_docs)]
    Completions(completions::CompletionsArgs),
    #[allow(missing_docs)]
    Man(completions::ManArgs),
}

impl Cli {
    /// Runs the command and returns its exit code: 0 for a clean end, 3 if files were quarantined
    /// or are missing, 75 if it is not finished, 130 after Ctrl-C.
    ///
    /// # Errors
    /// A [`Fault`], which becomes exit code 1.
    pub fn run(self) -> Result<ExitCode, Fault> {
        let code = self.command.run()?;
        progress::printed()?;
        Ok(code)
    }
}

impl Command {
    fn run(self) -> Result<ExitCode, Fault> {
        match self {
            Command::Demo(args) => args.run(),
            Command::Synth(args) => args.run(),
            Command::Inspect(args) => args.run(),
            Command::Preprocess(args) => args.run(),
            Command::Render(args) => args.run(),
            Command::Verify(args) => args.run(),
            Command::Train(args) => args.run(),
            Command::Sweep(args) => args.run(),
            Command::Runs(args) => args.run(),
            Command::Explain(args) => args.run(),
            Command::Predict(args) => args.run(),
            Command::Evaluate(args) => args.run(),
            Command::Score(args) => args.run(),
            Command::Report(args) => args.run(),
            Command::Bench(args) => args.run(),
            Command::Config(args) => args.run(),
            Command::Environment(args) => args.run(),
            Command::ExitCodes(args) => args.run(),
            Command::Completions(args) => args.run(),
            Command::Man(args) => args.run(),
        }
    }
}
