//! `mammo-pipe synth`: generates a dataset of phantom mammograms.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};

use super::ending;
use super::progress::{Progress, print};
use crate::error::Fault;
use crate::number::size;
use crate::store::quoted;
use crate::synth::{self, Coding, Damage, NATURAL_PREVALENCE, Shape, Size, SynthSpec};

/// Generate a dataset of phantom mammograms in the shape of RSNA's or another: images, tables and
/// the truth.
///
///   mammo-pipe synth phantoms
///   mammo-pipe synth phantoms --patients 100 --seed 7
///   mammo-pipe synth phantoms --damage truncated --damage html
///
/// The same seed gives the same bytes for any number of threads.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct SynthArgs {
    /// Folder to write: new, empty, or made by synth before, in which case it is replaced.
    #[arg(value_name = "OUTPUT", value_parser = ending::folder)]
    output: PathBuf,
    /// The dataset whose file names, folders, tables and words are imitated; each has a preset of
    /// the same name (dataset.preset).
    #[arg(long, default_value = "rsna", value_parser = shapes())]
    shape: String,
    /// Patients in train.csv, with 2 to 8 images per breast.
    #[arg(long, value_name = "N", default_value_t = 40)]
    patients: usize,
    /// Patients in test.csv; if not given, a tenth of --patients, at least one.
    #[arg(long)]
    test_patients: Option<usize>,
    /// Seed of all random numbers.
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Share of breasts with cancer; RSNA's dataset has 0.02065.
    #[arg(long, default_value_t = NATURAL_PREVALENCE)]
    prevalence: f64,
    /// full: 4 to 26 megapixels. small: an eighth of the width and height. tiny: a thirty-second.
    #[arg(long, value_enum, default_value = "small")]
    size: SizeName,
    /// Transfer syntax of all files; mix: each machine uses its own.
    #[arg(long, default_value = "mix", value_parser = syntaxes())]
    syntax: String,
    /// Damage a training image in this way: KIND, or KIND=N for N images; may be repeated. KIND:
    /// empty, html, truncated, bit-flip, wrong-rows, larger-codestream, smaller-codestream,
    /// no-pixel-data, huge-claim, huge-codestream, frames, colour, no-rows, unknown-syntax,
    /// not-dicom, no-row, missing-file, duplicate-row; all for one of each.
    #[arg(long, value_name = "KIND[=N]", value_parser = parse_damage)]
    damage: Vec<DamageArg>,
    /// Threads that generate and encode images; one per core if not given.
    #[arg(long, value_name = "N")]
    workers: Option<NonZeroUsize>,
    /// Print the summary as JSON.
    #[arg(long)]
    json: bool,
    /// Show no progress.
    #[arg(long, short)]
    quiet: bool,
}

/// [`Size`] on the command line.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum SizeName {
    Full,
    Small,
    Tiny,
}

/// One `--damage`.
#[derive(Debug, Clone)]
struct DamageArg(Vec<(Damage, usize)>);

fn shapes() -> PossibleValuesParser {
    PossibleValuesParser::new(Shape::ALL.map(Shape::as_str))
}

fn syntaxes() -> PossibleValuesParser {
    PossibleValuesParser::new(["mix"].into_iter().chain(Coding::ALL.map(Coding::as_str)))
}

fn parse_damage(text: &str) -> Result<DamageArg, String> {
    let (name, times) = text.split_once('=').unwrap_or((text, "1"));
    let times = times.parse().map_err(|_| format!("`{times}` is not a number"))?;
    if name == "all" {
        return Ok(DamageArg(Damage::ALL.map(|damage| (damage, times)).to_vec()));
    }
    let damage = Damage::ALL.into_iter().find(|damage| damage.as_str() == name);
    let known = || Damage::ALL.map(Damage::as_str).join(", ");
    damage
        .map(|damage| DamageArg(vec![(damage, times)]))
        .ok_or_else(|| format!("`{name}` is not one of {}, all", known()))
}

impl SynthArgs {
    /// Runs the command.
    ///
    /// # Errors
    /// A [`Fault`] if the folder holds other files, or cannot be written.
    pub fn run(self) -> Result<ExitCode, Fault> {
        let shape = Shape::ALL.into_iter().find(|shape| shape.as_str() == self.shape);
        let shape = shape.unwrap_or(Shape::Rsna);
        let spec = SynthSpec {
            shape,
            seed: self.seed,
            patients: self.patients,
            test_patients: self.test_patients.unwrap_or((self.patients / 10).max(1)),
            prevalence: self.prevalence,
            size: match self.size {
                SizeName::Full => Size::Full,
                SizeName::Small => Size::Small,
                SizeName::Tiny => Size::Tiny,
            },
            coding: Coding::ALL.into_iter().find(|coding| coding.as_str() == self.syntax),
            damage: self.damage.into_iter().flat_map(|damage| damage.0).collect(),
            workers: self.workers.map_or(0, NonZeroUsize::get),
        };
        let start = Instant::now();
        let progress = Progress::new(synth::count(&spec), self.quiet);
        let summary = synth::generate(&spec, &self.output, || progress.image(0, false, None))?;
        progress.finish();
        if self.json {
            print(&serde_json::to_string(&summary).expect("plain data becomes JSON"));
            return Ok(ExitCode::SUCCESS);
        }
        print(&format!(
            "{}: {} images of {} patients, {} with cancer, {} damaged, {} in {:.1} s",
            self.output.display(),
            summary.images,
            summary.patients,
            summary.cancer_images,
            summary.damaged,
            size(summary.bytes),
            start.elapsed().as_secs_f64()
        ));
        let out = quoted(&self.output);
        let preset = match shape {
            Shape::Rsna => String::new(),
            other => format!(" --set dataset.preset={}", other.as_str()),
        };
        print(&format!("next: mammo-pipe preprocess --input {out} --output RELEASE{preset}"));
        Ok(ExitCode::SUCCESS)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn the_help_names_every_kind_of_damage() {
        let mut cli = Cli::command();
        let synth = cli.find_subcommand_mut("synth").unwrap();
        let help = synth.render_long_help().to_string();
        for damage in Damage::ALL {
            assert!(help.contains(damage.as_str()), "{damage:?} is not in the help");
        }
    }

    #[test]
    fn a_damage_is_a_kind_and_a_number() {
        assert_eq!(parse_damage("html").unwrap().0, [(Damage::Html, 1)]);
        assert_eq!(parse_damage("truncated=20").unwrap().0, [(Damage::Truncated, 20)]);
        assert_eq!(parse_damage("all").unwrap().0.len(), Damage::ALL.len());
        assert!(parse_damage("truncated=many").unwrap_err().contains("many"));
        assert!(parse_damage("burned").unwrap_err().contains("bit-flip"));
    }
}
