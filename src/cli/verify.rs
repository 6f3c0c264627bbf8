//! `mammo-pipe verify`: checks a release.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::colour::{self, Stream, paint};
use super::progress::{Progress, print};
use crate::error::Fault;
use crate::number::size;
use crate::shard::{release, verify};

/// Check every checksum, count and column of a release against its manifest.
///
///   mammo-pipe verify release
///   mammo-pipe verify release --json
///
/// Reads the whole release. Exit code 0 if it is sound; 1 if not, with one line per problem.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct VerifyArgs {
    /// Folder of the release, as written by preprocess.
    release: PathBuf,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
    /// Show no progress.
    #[arg(long, short)]
    quiet: bool,
}

impl VerifyArgs {
    /// Runs the command.
    ///
    /// # Errors
    /// A [`Fault`] if the folder holds no release.
    pub fn run(self) -> Result<ExitCode, Fault> {
        let images = release::read_manifest(&self.release)?.plan.images;
        let progress = Progress::new(images, self.quiet);
        let verified = verify::verify(&self.release, |rows| {
            (0..rows).for_each(|_| progress.image(0, false, None));
        })?;
        progress.finish();
        if self.json {
            print(&serde_json::to_string(&verified).expect("plain data becomes JSON"));
        } else {
            for problem in &verified.problems {
                print(&format!("{}  {problem}", paint(Stream::Out, colour::ERROR, "PROBLEM")));
            }
            let verdict = match verified.problems.len() {
                0 => paint(Stream::Out, colour::GOOD, "sound"),
                1 => paint(Stream::Out, colour::ERROR, "1 problem"),
                n => paint(Stream::Out, colour::ERROR, &format!("{n} problems")),
            };
            print(&format!(
                "{}: {verdict} ({} shards, {} rows match their checksums, {})",
                self.release.display(),
                verified.shards,
                verified.rows,
                size(verified.bytes)
            ));
        }
        Ok(if verified.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
