//! `mammo-pipe runs`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::progress::print;
use crate::error::Fault;
use crate::number::duration;
use crate::train::run::{self, RunFacts, State, Status};

/// List training runs with their state, progress, best metric and time left.
///
///   mammo-pipe runs
///   watch mammo-pipe runs /data/runs
///
/// running: the process is alive. stopped: interrupted, with its state saved. killed: the process
/// is gone. Stopped and killed runs resume with: mammo-pipe train --resume RUN
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct RunsArgs {
    /// Folder of the runs.
    #[arg(default_value = "runs")]
    folder: PathBuf,
    /// Print one line of JSON per run.
    #[arg(long)]
    json: bool,
}

impl RunsArgs {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Fault::Io`] if the folder cannot be read, [`Fault::Json`] for a damaged run.
    pub fn run(self) -> Result<ExitCode, Fault> {
        let runs = run::list(&self.folder)?;
        if runs.is_empty() && !self.json {
            let folder = self.folder.display();
            print(&format!("{folder} has no runs; start one: mammo-pipe train RELEASE"));
        }
        for path in runs {
            let (facts, status) = (run::read_facts(&path)?, run::read_status(&path)?);
            if self.json {
                print(&json!({"run": path, "status": status, "facts": facts}).to_string());
            } else {
                print(&format!("{:<24} {}", path.display().to_string(), describe(&facts, status)));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn describe(facts: &RunFacts, status: Option<Status>) -> String {
    let Some(status) = status else { return "not started, or killed before its first step".into() };
    let state = match status.state {
        State::Running => "running",
        State::Stopped => "stopped",
        State::Failed => "failed",
        State::Finished => "finished",
        State::Killed => "killed",
    };
    let mut text = format!("{state:<9} {}", facts.train.model.variant);
    let place = facts.held_out.iter().position(|fold| *fold == status.fold).unwrap_or_default();
    if facts.held_out.len() > 1 {
        text += &format!(", fold {} of {}", place + 1, facts.held_out.len());
    }
    let (epoch, epochs, (step, steps)) = (status.epoch(), status.epochs.1, status.steps);
    text += &format!(", epoch {epoch} of {epochs}, step {step} of {steps}");
    text += &status.loss.map_or(String::new(), |loss| format!(", loss {loss:.4}"));
    let metric = format!("{:?}", facts.train.early_stopping.metric).to_lowercase();
    text += &status.best.map_or(String::new(), |best| format!(", best {metric} {best:.4}"));
    if status.state == State::Running {
        let left = status.seconds_left.map_or(String::new(), |s| format!(", {} left", duration(s)));
        text += &format!(" on {}, process {}{left}", status.device, status.process);
    }
    text
}
