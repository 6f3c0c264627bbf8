//! The `mammo-pipe` program: parses the arguments, runs the command, prints an error with its
//! causes.

use std::process::ExitCode;

use mammo_pipe::cli::{allocator, failure, help};

fn main() -> ExitCode {
    allocator::share_arenas();
    help::run().unwrap_or_else(|fault| failure::report(&fault))
}
