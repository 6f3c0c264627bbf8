//! `mammo-pipe demo`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser};

use super::Cli;
use super::progress::print;
use crate::error::Fault;

/// See the whole of it in a minute: generate, preprocess, verify, look.
///
/// Makes a small dataset of phantom mammograms (with three damaged files among them), turns
/// it into a release, and checks it. Needs no data and no network. Each command is shown
/// before it runs, so that you can go on with your own data.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Folder to work in.
    #[arg(default_value = "demo")]
    folder: PathBuf,
    /// Patients to make up.
    #[arg(long, default_value_t = 40)]
    patients: usize,
}

impl DemoArgs {
    /// Runs the command.
    ///
    /// # Errors
    /// A [`Fault`] of one of its steps.
    pub fn run(self) -> Result<ExitCode, Fault> {
        let below = |name: &str| self.folder.join(name).to_string_lossy().into_owned();
        let (data, release) = (below("data"), below("release"));
        let patients = self.patients.to_string();
        let synth = ["synth", &data, "--patients", &patients, "--prevalence", "0.2"];
        let damage = ["--damage", "truncated", "--damage", "html", "--damage", "no-row"];
        let preprocess = ["preprocess", "--input", &data, "--output", &release];
        let small = ["--set", "resize.height=512", "--set", "resize.width=256"];

        step(&[&synth[..], &damage[..]].concat())?;
        let code = step(&[&preprocess[..], &small[..]].concat())?;
        if code == ExitCode::from(3) {
            print("  (exit code 3: the damaged files are quarantined, all others written)");
        }
        let code = step(&["verify", &release])?;
        print(&format!("\nOpen {release}/report.html in a browser."));
        Ok(code)
    }
}

fn step(arguments: &[&str]) -> Result<ExitCode, Fault> {
    print(&format!("\n$ mammo-pipe {}", arguments.join(" ")));
    Cli::parse_from([&["mammo-pipe"], arguments].concat()).run()
}
