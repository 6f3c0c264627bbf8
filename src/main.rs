//! The `mammo-pipe` program: parses the arguments, runs the command, prints an error with its
//! causes.

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;
use mammo_pipe::cli::Cli;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(code) => code,
        Err(fault) => {
            eprint!("error: {fault}");
            let mut cause = fault.source();
            while let Some(below) = cause {
                eprint!(": {below}");
                cause = below.source();
            }
            eprintln!();
            ExitCode::FAILURE
        }
    }
}
