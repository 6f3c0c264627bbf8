//! What a run says of itself: a JSON line an optimizer step and an epoch, and TensorBoard's
//! events of the same.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::folder::FoldFolder;
use super::tensorboard::Events;
use super::validate::Scores;
use crate::error::Fault;
use crate::store;

/// A line of `metrics.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Line {
    /// An optimizer step.
    Step(StepLine),
    /// An epoch.
    Epoch(EpochLine),
}

/// An optimizer step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepLine {
    /// The epoch, counted from 1.
    pub epoch: usize,
    /// The optimizer step, counted from 0 over all epochs.
    pub step: u64,
    /// Images of the step.
    pub images: usize,
    /// What was made small, a mean over the step's batches.
    pub loss: f64,
    /// Of cancer; `None` if no image had the label.
    pub cancer: Option<f64>,
    /// Of each auxiliary target that any image had.
    pub auxiliary: BTreeMap<String, f64>,
    /// Of this step.
    pub learning_rate: f64,
    /// Length of the gradient before clipping.
    pub gradient_norm: f64,
    /// Seconds that the network waited for images.
    pub data_wait: f64,
    /// Seconds in all.
    pub seconds: f64,
    /// Images by seconds.
    pub images_per_second: f64,
}

/// An epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochLine {
    /// The epoch, counted from 1.
    pub epoch: usize,
    /// Optimizer steps done in all.
    pub step: u64,
    /// Mean loss of its steps.
    pub loss: f64,
    /// On the held-out fold; `None` if all was trained on.
    pub validation: Option<Scores>,
    /// Whether it is the best so far, and was kept.
    pub best: bool,
    /// Whether, for two epochs now, training lowers its own loss while the held-out loss is past
    /// its lowest.
    pub overfitting: bool,
    /// Seconds of the validation.
    pub seconds: f64,
}

/// Open logs of a fold.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    file: File,
    events: Events,
}

impl Log {
    /// Opens the logs in `folder` for a run that begins or goes on after `epoch` epochs and
    /// `step` steps. What an earlier start wrote beyond that, or only half, is dropped: it is
    /// about to come again.
    ///
    /// # Errors
    /// [`Fault::Io`].
    pub fn open(folder: &FoldFolder, epoch: usize, step: u64) -> Result<Self, Fault> {
        let path = folder.metrics();
        let kept = |line: &&Line| match line {
            Line::Step(line) => line.step < step,
            Line::Epoch(line) => line.epoch <= epoch,
        };
        let lines = read(folder)?;
        let text: String = lines.iter().filter(kept).map(json).collect();
        store::replace(folder.path(), &path, text.as_bytes())?;
        let file = File::options().append(true).open(&path).map_err(Fault::io(&path))?;
        Ok(Self { path, file, events: Events::create(folder.path(), step)? })
    }

    /// Adds a line to both.
    ///
    /// # Errors
    /// [`Fault::Io`].
    pub fn write(&mut self, line: &Line) -> Result<(), Fault> {
        self.file.write_all(json(line).as_bytes()).map_err(Fault::io(&self.path))?;
        match line {
            Line::Step(line) => self.step_events(line),
            Line::Epoch(line) => self.epoch_events(line),
        }
    }

    fn step_events(&mut self, line: &StepLine) -> Result<(), Fault> {
        let auxiliary: Vec<_> = line
            .auxiliary
            .iter()
            .map(|(name, loss)| (format!("auxiliary/{name}"), *loss))
            .collect();
        let mut values = vec![
            ("train/loss", line.loss),
            ("train/learning_rate", line.learning_rate),
            ("train/gradient_norm", line.gradient_norm),
            ("speed/images_per_second", line.images_per_second),
            ("speed/data_wait", line.data_wait),
        ];
        values.extend(line.cancer.map(|loss| ("train/cancer", loss)));
        values.extend(auxiliary.iter().map(|(name, loss)| (name.as_str(), *loss)));
        self.events.scalars(line.step, &values)
    }

    fn epoch_events(&mut self, line: &EpochLine) -> Result<(), Fault> {
        let mut values = vec![("epoch/loss", Some(line.loss))];
        if let Some(scores) = &line.validation {
            values.extend([
                ("validation/loss", scores.loss),
                ("validation/breast_auroc", scores.breast.auroc),
                ("validation/breast_auprc", scores.breast.auprc),
                ("validation/breast_pf1", scores.breast.pf1),
                ("validation/breast_f1", scores.breast.f1),
                ("validation/image_auroc", scores.image.auroc),
                ("validation/image_auprc", scores.image.auprc),
                ("validation/image_pf1", scores.image.pf1),
                ("validation/image_f1", scores.image.f1),
            ]);
        }
        let defined: Vec<_> =
            values.into_iter().filter_map(|(tag, value)| Some((tag, value?))).collect();
        self.events.scalars(line.step, &defined)?;
        self.events.flush()
    }

    /// Hands the events to the system; the lines are there already.
    ///
    /// # Errors
    /// [`Fault::Io`].
    pub fn flush(&mut self) -> Result<(), Fault> {
        self.events.flush()
    }
}

/// The lines of a fold so far; none if it has not begun. A last line that is only half there,
/// because a run is writing or was killed, is left out.
///
/// # Errors
/// [`Fault::Io`].
pub fn read(folder: &FoldFolder) -> Result<Vec<Line>, Fault> {
    let path = folder.metrics();
    let text = match std::fs::read_to_string(&path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        read => read.map_err(Fault::io(&path))?,
    };
    Ok(text.lines().map_while(|line| serde_json::from_str(line).ok()).collect())
}

fn json(line: &Line) -> String {
    serde_json::to_string(line).expect("plain data becomes JSON") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(epoch: usize, step: u64) -> Line {
        Line::Step(StepLine {
            epoch,
            step,
            images: 4,
            loss: 0.1 * step as f64,
            cancer: None,
            auxiliary: BTreeMap::from([("age".to_owned(), 0.5)]),
            learning_rate: 1e-3,
            gradient_norm: 2.0,
            data_wait: 0.0,
            seconds: 0.5,
            images_per_second: 8.0,
        })
    }

    fn epoch(epoch: usize, step: u64) -> Line {
        let (validation, best, overfitting) = (None, true, false);
        Line::Epoch(EpochLine {
            epoch,
            step,
            loss: 0.1,
            validation,
            best,
            overfitting,
            seconds: 1.0,
        })
    }

    #[test]
    fn a_run_that_goes_on_drops_what_will_come_again() {
        let parent = tempfile::tempdir().unwrap();
        store::make_aside(parent.path()).unwrap();
        let folder = FoldFolder::new(parent.path());
        let lines = [step(1, 0), step(1, 1), epoch(1, 2), step(2, 2), step(2, 3), epoch(2, 4)];
        let mut log = Log::open(&folder, 0, 0).unwrap();
        lines.iter().for_each(|line| log.write(line).unwrap());
        drop(log);
        assert_eq!(read(&folder).unwrap(), lines);
        // Killed in the middle of a line.
        let path = folder.metrics();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, &text[..text.len() - 20]).unwrap();
        assert_eq!(read(&folder).unwrap(), lines[..5]);
        let mut log = Log::open(&folder, 1, 3).unwrap();
        log.write(&lines[4]).unwrap();
        assert_eq!(read(&folder).unwrap(), lines[..5]);
    }
}
