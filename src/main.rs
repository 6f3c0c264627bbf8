//! The `mammo-pipe` program: parses the arguments, runs the command, prints an error with its
//! causes.

use std::process::ExitCode;

use mammo_pipe::cli::{failure, help};

fn main() -> ExitCode {
    help::run().unwrap_or_else(|fault| failure::report(&fault))
}
