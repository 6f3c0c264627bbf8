//! `mammo-pipe exit-codes`: what the exit code of a command says.

use std::process::ExitCode;

use clap::Args;

use super::grid::Grid;
use super::progress::print;
use crate::error::Fault;

/// Finished, but images were rejected or are missing, or there are findings.
pub const WITH_FINDINGS: u8 = 3;

/// Not finished; the same command goes on. It is EX_TEMPFAIL of sysexits.h.
pub const UNFINISHED: u8 = 75;

/// Stopped by Ctrl-C.
pub const INTERRUPTED: u8 = 130;

/// List the exit codes of all commands.
///
///   mammo-pipe exit-codes
///
/// - 0: finished, and nothing to tell.
/// - 1: stopped by an error. Or verify has found a problem.
/// - 2: wrong command line or setting; nothing was done.
/// - 3: finished, but images were rejected or are missing, or there are findings.
/// - 75: not finished: SIGTERM came, or files could not be read. Run the command again; train needs
///   --resume.
/// - 130: stopped by Ctrl-C. As after 75, the command can be run again.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct ExitCodesArgs {}

/// The codes, as the help above explains them.
pub const TABLE: [(u8, &str); 6] = [
    (0, "finished, and nothing to tell"),
    (1, "stopped by an error; verify: a problem was found"),
    (2, "wrong command line or setting; nothing was done"),
    (WITH_FINDINGS, "finished, but images were rejected or are missing, or there are findings"),
    (
        UNFINISHED,
        "not finished: SIGTERM came, or files could not be read; the same command goes on (train: \
         --resume)",
    ),
    (INTERRUPTED, "stopped by Ctrl-C; as after 75, the command can be run again"),
];

impl ExitCodesArgs {
    /// Runs the command.
    ///
    /// # Errors
    /// None.
    pub fn run(self) -> Result<ExitCode, Fault> {
        let mut grid = Grid::new("rl");
        for (code, meaning) in TABLE {
            grid.row([code.to_string(), meaning.into()]);
        }
        print(grid.to_string().trim_end());
        Ok(ExitCode::SUCCESS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn architecture_has_the_same_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/ARCHITECTURE.md");
        let text = std::fs::read_to_string(path).unwrap();
        let between = |begin, end| text.split_once(begin).unwrap().1.split_once(end).unwrap().0;
        let rows: Vec<String> = between("<!-- exit codes -->\n", "<!-- end of exit codes -->")
            .lines()
            .skip(2)
            .map(str::to_owned)
            .collect();
        let needed = TABLE.map(|(code, meaning)| format!("| {code} | {meaning} |"));
        assert_eq!(rows, needed);
    }
}
