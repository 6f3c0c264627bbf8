//! `mammo-pipe demo`: runs the other commands on a generated dataset.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser};

use super::Cli;
use super::progress::print;
use crate::error::Fault;
use crate::train::run;

/// Run the whole pipeline in minutes on generated data: preprocess, verify, train, evaluate.
///
///   mammo-pipe demo
///   mammo-pipe demo /tmp/demo --no-train   # about a minute
///
/// Generates phantom mammograms with lesions (and three damaged files among them), makes a release
/// of them, verifies it, trains a small network until it detects the lesions of patients that it
/// was not trained on, and reports its performance. Needs no data, no internet connection and no
/// GPU. Each command is printed before it runs, so that you can use it on your own data.
///
/// If the demo is run again, it continues where it stopped, the training included.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct DemoArgs {
    /// The folder to work in.
    #[arg(default_value = "demo")]
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
        let below = |name: &str| self.folder.join(name).to_string_lossy().into_owned();
        let (data, release) = (below("data"), below("release"));
        let patients = self.patients.to_string();
        let synth = ["synth", &data, "--patients", &patients, "--prevalence", "0.2"];
        let damage = ["--damage", "truncated", "--damage", "html", "--damage", "no-row"];
        let preprocess = ["preprocess", "--input", &data, "--output", &release];
        let small = ["--set", "resize.height=128", "--set", "resize.width=64"];
        let folds = ["--set", "folds.count=3"];

        if !self.folder.join("data").exists() {
            step(&[&synth[..], &damage[..]].concat())?;
        }
        let code = step(&[&preprocess[..], &small[..], &folds[..]].concat())?;
        if code == ExitCode::from(3) {
            print("  (exit code 3: the damaged files are quarantined, all others written)");
        }
        let mut code = step(&["verify", &release])?;
        if !self.no_train {
            code = self.train(&release)?;
        }
        print(&format!("\nOpen {release}/report.html in a browser to see the prepared images."));
        if !self.no_train && code == ExitCode::SUCCESS {
            let run = below("runs/b0");
            print(&format!("Open {run}/report.html to see how well the network performs."));
        }
        Ok(code)
    }

    fn train(&self, release: &str) -> Result<ExitCode, Fault> {
        let runs = self.folder.join("runs");
        let run = runs.join("b0");
        let text = |path: &std::path::Path| path.to_string_lossy().into_owned();
        let (runs, path) = (text(&runs), text(&run));
        let code = if run::read_facts(&run).is_ok() {
            step(&["train", "--resume", &path])?
        } else {
            let epochs = format!("train.epochs={}", self.epochs);
            let settings = SMALL.iter().copied().chain([epochs.as_str()]);
            let settings: Vec<&str> = settings.flat_map(|setting| ["--set", setting]).collect();
            step(&[&["train", release, "--runs", &runs, "--name", "b0"], &settings[..]].concat())?
        };
        if code != ExitCode::SUCCESS {
            return Ok(code);
        }
        step(&["evaluate", &path])?;
        step(&["explain", &path])?;
        step(&["report", &path])
    }
}

fn step(arguments: &[&str]) -> Result<ExitCode, Fault> {
    print(&format!("\n$ mammo-pipe {}", arguments.join(" ")));
    Cli::parse_from([&["mammo-pipe"], arguments].concat()).run()
}
