//! `mammo-pipe inspect`: surveys the headers and tables of a dataset.

mod text;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use self::text::Text;
use super::progress::{Activity, Progress, print};
use super::settings::SettingsArgs;
use crate::config::SplitChoice;
use crate::error::Fault;
use crate::inspect;

/// Exit code if the survey has findings.
const FINDINGS: u8 = 3;

/// Summarise a dataset from its headers alone, and list where its table and its files disagree.
///
///   mammo-pipe inspect rsna
///   mammo-pipe inspect rsna --sample 1000   # a quick look
///   mammo-pipe inspect rsna --json > survey.json
///
/// Works on a dataset with a table (train.csv, test.csv) and on any folder of DICOM files. Exit
/// code 0 if there is no finding, 3 if there is one.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct InspectArgs {
    /// Folder of the dataset.
    dataset: PathBuf,
    /// Which tables to read [default: those that are there].
    #[arg(long, value_enum)]
    split: Option<Splits>,
    /// Read only N files: a sample, the same one each time.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    sample: Option<u64>,
    #[command(flatten)]
    settings: SettingsArgs,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
    /// Show no progress.
    #[arg(long, short)]
    quiet: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Splits {
    Train,
    Test,
    Both,
}

impl InspectArgs {
    /// Runs the command.
    ///
    /// # Errors
    /// A [`Fault`] for wrong settings and tables, and for folders that cannot be read.
    pub fn run(self) -> Result<ExitCode, Fault> {
        let mut config = self.settings.load()?;
        config.dataset.input = self.dataset;
        let asked = self.split.map(|split| match split {
            Splits::Train => SplitChoice::Train,
            Splits::Test => SplitChoice::Test,
            Splits::Both => SplitChoice::Both,
        });
        let split = asked.or_else(|| inspect::tables_present(&config));
        config.dataset.split = split.unwrap_or(config.dataset.split);
        // Whoever names a table or a dataset does not mean a folder of files alone.
        let dataset = &config.dataset;
        let needs_table =
            split.is_some() || !dataset.tables.is_empty() || dataset.train_csv.is_some();

        let quiet = self.quiet;
        let sample = self.sample.map(|n| n as usize);
        let mut progress = None;
        let listing = format!("listing {}", config.dataset.input.display());
        let mut listing = Some(Activity::new(listing, quiet));
        let survey = inspect::inspect(&config, needs_table, sample, |all, readable| {
            drop(listing.take());
            progress.get_or_insert_with(|| Progress::new(all, quiet)).image(0, !readable, None);
        })?;
        drop(listing);
        progress.iter().for_each(Progress::finish);
        if self.json {
            print(&serde_json::to_string_pretty(&survey).expect("its keys are texts"));
        } else {
            print(Text(&survey).to_string().trim_end());
        }
        let is_clean = survey.is_clean(config.dataset.allow_missing);
        Ok(if is_clean { ExitCode::SUCCESS } else { ExitCode::from(FINDINGS) })
    }
}
