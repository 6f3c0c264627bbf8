//! `mammo-pipe verify`: checks a release.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::colour::{self, Stream, paint};
use super::progress::{Progress, print};
use crate::error::{Fault, chain};
use crate::number::{of, size};
use crate::shard::release;
use crate::shard::verify::{self, VerifiedSources};

/// Check every checksum, count and column of a release against its manifest.
///
///   mammo-pipe verify release
///   mammo-pipe verify release --json
///   mammo-pipe verify release --sources DATASET
///
/// Reads the whole release. Exit code 0 if it is sound; 1 if not, with one line per problem.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct VerifyArgs {
    /// Folder of the release, as written by preprocess.
    release: PathBuf,
    /// Also read the images of the dataset in this folder, and compare each with the SHA-256 that its
    /// row has.
    #[arg(long, value_name = "DIR")]
    sources: Option<PathBuf>,
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
        let sources = self.sources.as_ref().map(|input| {
            let unread = |fault: Fault| VerifiedSources {
                problems: vec![chain(&fault)],
                ..VerifiedSources::default()
            };
            self.compare(input, images).unwrap_or_else(unread)
        });
        let of_sources = sources.iter().flat_map(|sources| &sources.problems);
        let problems: Vec<&String> = verified.problems.iter().chain(of_sources).collect();
        if self.json {
            let mut result = serde_json::to_value(&verified).expect("plain data becomes JSON");
            if let Some(sources) = &sources {
                result["sources"] = serde_json::to_value(sources).expect("plain data becomes JSON");
            }
            print(&result.to_string());
        } else {
            for problem in &problems {
                print(&format!("{}  {problem}", paint(Stream::Out, colour::ERROR, "PROBLEM")));
            }
            let verdict = match problems.len() {
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
            if let Some(VerifiedSources { same, without_hash, problems }) = &sources {
                let unknown = match without_hash {
                    0 => String::new(),
                    n => format!("; {} have no hash of their source", of(*n, "row")),
                };
                print(&format!(
                    "  sources: {} as when the images were made, {} not{unknown}",
                    of(*same, "file"),
                    problems.len()
                ));
            }
        }
        Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn compare(&self, input: &Path, images: usize) -> Result<VerifiedSources, Fault> {
        let progress = Progress::new(images, self.quiet);
        let done = |rows| (0..rows).for_each(|_| progress.image(0, false, None));
        let sources = verify::sources(&self.release, input, done)?;
        progress.finish();
        Ok(sources)
    }
}
