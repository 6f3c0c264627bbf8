//! The `mammo-pipe` program: parses the arguments, runs the command, prints an error with its
//! causes.

use std::process::ExitCode;

use clap::Parser;
use mammo_pipe::cli::Cli;
use mammo_pipe::cli::progress::say;
use mammo_pipe::error::{Fault, chain};
use mammo_pipe::store::arguments_at_home;

fn main() -> ExitCode {
    let cli = match Cli::try_parse_from(arguments_at_home(std::env::args_os())) {
        Ok(cli) => cli,
        Err(usage) => {
            // A help or a version that cannot be printed is an error; a closed pipe is not.
            let printed = usage.print();
            return match printed {
                Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                    fail(&Fault::io("standard output")(error))
                }
                _ => ExitCode::from(u8::try_from(usage.exit_code()).unwrap_or(2)),
            };
        }
    };
    cli.run().unwrap_or_else(|fault| fail(&fault))
}

fn fail(fault: &Fault) -> ExitCode {
    say(&format!("error: {}", chain(fault)));
    ExitCode::FAILURE
}
