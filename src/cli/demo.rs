//! `mammo-pipe demo`: runs the other commands on a generated dataset.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::{Args, Parser};

use super::Cli;
use super::ending;
use super::progress::print;
use super::signals::is_interrupted;
use crate::error::Fault;
use crate::number::duration;
use crate::store::{quoted, shell_word};
use crate::train::run;

/// Run the whole pipeline in minutes on generated data: preprocess, verify, train, evaluate.
///
///   mammo-pipe demo
///   mammo-pipe demo /tmp/demo --no-train   # about a minute
///
/// Generates phantom mammograms with lesions (and three damaged files among them), makes a release
/// of them, verifies it, trains a small network per fold until it detects the lesions of patients
/// that it was not trained on, evaluates and explains all of them, and writes the pages. Needs no
/// data, no internet connection and no GPU. Each command is printed before it runs, with the time
/// that it took after it, so that you can use it on your own data.
///
/// If the demo is run again, it continues where it stopped, the training included.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct DemoArgs {
    /// The folder to work in.
    #[arg(default_value = "demo", value_parser = ending::folder)]
    folder: PathBuf,
    /// The number of patients to generate.
    #[arg(long, default_value_t = 300)]
    patients: usize,
    /// Epochs: passes over the training images.
    #[arg(long, default_value_t = 8)]
    epochs: usize,
    /// Leave out the training; the demo then takes about a minute.
    #[arg(long)]
    no_train: bool,
}

/// The number of folds, and so of networks.
const FOLDS: u16 = 3;

/// Settings of the small network: EfficientNet-B0 on small images, the target cancer alone, and at
/// least a quarter positives in each batch.
const SMALL: [&str; 7] = [
    "train.model.variant=b0",
    "train.auxiliary.weight=0",
    "train.sampling.positives_per_batch=4",
    "train.optimizer.learning_rate=0.0015",
    "train.schedule.warmup_ratio=0.1",
    "train.ema_decay=0.99",
    "train.save_minutes=1",
];

impl DemoArgs {
    /// Runs the command.
    ///
    /// # Errors
    /// The [`Fault`] of one of its steps.
    pub fn run(self) -> Result<ExitCode, Fault> {
        let start = Instant::now();
        print(
            "The demo types these commands by itself; nothing is left for you to do until it says \
             what it made.",
        );
        let code = self.steps()?;
        if code == ExitCode::SUCCESS {
            self.print_results(start);
        } else if is_interrupted(code) {
            let folder = quoted(&self.folder);
            print(&format!("\nstopped; to continue: mammo-pipe demo {folder}"));
        }
        Ok(code)
    }

    fn steps(&self) -> Result<ExitCode, Fault> {
        let below = |name: &str| self.folder.join(name).to_string_lossy().into_owned();
        let (data, release) = (below("data"), below("release"));
        let patients = self.patients.to_string();
        let synth = ["synth", &data, "--patients", &patients, "--prevalence", "0.2"];
        let damage = ["--damage", "truncated", "--damage", "html", "--damage", "no-row"];
        let preprocess = ["preprocess", "--input", &data, "--output", &release];
        let small = ["--set", "resize.height=128", "--set", "resize.width=64"];
        let count = format!("folds.count={FOLDS}");
        let folds = ["--set", count.as_str()];

        if !self.folder.join("data/train.csv").exists() {
            step(&[&synth[..], &damage[..]].concat())?;
        }
        let code = step(&[&preprocess[..], &small[..], &folds[..]].concat())?;
        if is_interrupted(code) {
            return Ok(code);
        }
        if code == ExitCode::from(3) {
            print("  (exit code 3: the damaged files are quarantined, all others written)");
        }
        let code = step(&["verify", &release])?;
        if self.no_train || code != ExitCode::SUCCESS {
            return Ok(code);
        }
        self.train(&data, &release)
    }

    fn train(&self, data: &str, release: &str) -> Result<ExitCode, Fault> {
        let runs = self.folder.join("runs");
        let run = runs.join("b0");
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let (runs, path) = (text(&runs), text(&run));
        let code = if run::read_facts(&run).is_ok() && run::has_step(&run)? {
            step(&["train", "--resume", &path])?
        } else {
            let epochs = format!("train.epochs={}", self.epochs);
            let settings = SMALL.iter().copied().chain([epochs.as_str()]);
            let settings: Vec<&str> = settings.flat_map(|setting| ["--set", setting]).collect();
            let fold = ["--fold", "all"];
            // The estimate is this machine's own, so it is honest.
            step(&[&["train", release, "--dry-run"], &fold[..], &settings[..]].concat())?;
            let begin = ["train", release, "--runs", &runs, "--name", "b0"];
            step(&[&begin[..], &fold[..], &settings[..]].concat())?
        };
        if code != ExitCode::SUCCESS {
            return Ok(code);
        }
        for fold in 0..FOLDS {
            let fold = fold.to_string();
            let code = step(&["explain", &path, "--fold", &fold, "--dataset", data])?;
            if code != ExitCode::SUCCESS {
                return Ok(code);
            }
        }
        let code = step(&["evaluate", &path, "--maps"])?;
        if code != ExitCode::SUCCESS {
            return Ok(code);
        }
        step(&["report", &path, "--dataset", data])
    }

    /// What was made, where to look, and what to type for one's own data.
    fn print_results(&self, start: Instant) {
        let shown = |name: &str| self.folder.join(name).display().to_string();
        let taken = duration(start.elapsed().as_secs_f64());
        print(&format!("\nThe demo took {taken}. It made, in {}:", self.folder.display()));
        let mut lines = vec![
            ("data", "phantom mammograms in DICOM with their table, as RSNA's dataset has them"),
            ("release", "the images for training, with every file that was left out and why"),
        ];
        if !self.no_train {
            lines.push(("runs/b0", "three networks, each with the patients that it never saw"));
        }
        for (name, what) in lines {
            print(&format!("  {:<20} {what}", shown(name)));
        }
        print("\nOpen in a browser:");
        let page = shown("release/report.html");
        print(&format!("  {page}  the prepared images, and how they were cropped"));
        if !self.no_train {
            let page = shown("runs/b0/report.html");
            print(&format!("  {page}  how well the networks perform, and where they look"));
        }
        print(
            "\nPhantoms are easier than patients: these metrics say nothing about real mammograms.\n\
             \nWith your own data (a folder with train.csv and DICOM files):\n  \
             mammo-pipe inspect DATA\n  \
             mammo-pipe preprocess --input DATA --output release --dry-run",
        );
    }
}

fn step(arguments: &[&str]) -> Result<ExitCode, Fault> {
    let words: Vec<String> = arguments.iter().map(|word| shell_word(word)).collect();
    print(&format!("\n$ mammo-pipe {}", words.join(" ")));
    let start = Instant::now();
    let code = Cli::parse_from([&["mammo-pipe"], arguments].concat()).run()?;
    print(&format!("  (took {})", duration(start.elapsed().as_secs_f64())));
    Ok(code)
}
