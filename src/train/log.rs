//! The log of a fold: one JSON line per optimizer step and per epoch, and the same as TensorBoard
//! events.

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
    /// Number of images.
    pub images: usize,
    /// The total loss, a mean over the step's batches.
    pub loss: f64,
    /// Loss of the cancer head; `None` if no image had the label.
    pub cancer: Option<f64>,
    /// Loss of each auxiliary target that at least one image had a value for.
    pub auxiliary: BTreeMap<String, f64>,
    /// Learning rate of this step.
    pub learning_rate: f64,
    /// Norm of the gradient before clipping.
    pub gradient_norm: f64,
    /// Seconds spent waiting for the loader.
    pub data_wait: f64,
    /// Seconds of the whole step.
    pub seconds: f64,
    /// Images per second.
    pub images_per_second: f64,
}

/// An epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochLine {
    /// The epoch, counted from 1.
    pub epoch: usize,
    /// Optimizer steps done over all epochs.
    pub step: u64,
    /// Mean loss of its steps.
    pub loss: f64,
    /// Metrics on the held-out fold; `None` if no fold is held out.
    pub validation: Option<Scores>,
    /// Whether it is the best epoch so far; its weights are then saved as the best.
    pub best: bool,
    /// Whether the network overfits: for two epochs the training loss has been below that of the
    /// epoch with the lowest validation loss, while the validation loss was above it.
    pub overfitting: bool,
    /// Seconds of the validation.
    pub seconds: f64,
}

/// The open log of a fold.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    file: File,
    events: Events,
}

impl Log {
    /// Opens the log in `folder` for a run that starts or resumes after `epoch` epochs and `step`
    /// steps. Lines that an earlier process wrote beyond that point are removed, because those
    /// steps will be repeated; so is an incomplete last line.
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

    /// Adds a line to the log and to the TensorBoard events.
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

    /// Flushes the TensorBoard events; log lines are written at once.
    ///
    /// # Errors
    /// [`Fault::Io`].
    pub fn flush(&mut self) -> Result<(), Fault> {
        self.events.flush()
    }
}

/// The log lines of a fold so far; none if the fold has not started. An incomplete last line, of a
/// run that is writing or was killed, is left out.
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

/// The best epoch of a fold so far; `None` before its first epoch. The lines of steps, of which there
/// are many, are skipped unread.
///
/// # Errors
/// [`Fault::Io`].
pub fn best_epoch(folder: &FoldFolder) -> Result<Option<EpochLine>, Fault> {
    let path = folder.metrics();
    let text = match std::fs::read_to_string(&path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        read => read.map_err(Fault::io(&path))?,
    };
    let epochs = text.lines().rev().filter(|line| line.starts_with(r#"{"kind":"epoch""#));
    let best = |line: &str| match serde_json::from_str(line).ok()? {
        Line::Epoch(line) if line.best => Some(line),
        _ => None,
    };
    Ok({ epochs }.find_map(best))
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
    fn a_run_that_resumes_removes_the_lines_it_will_write_again() {
        let parent = tempfile::tempdir().unwrap();
        store::make_aside(parent.path()).unwrap();
        let folder = FoldFolder::new(parent.path());
        let lines = [step(1, 0), step(1, 1), epoch(1, 2), step(2, 2), step(2, 3), epoch(2, 4)];
        let mut log = Log::open(&folder, 0, 0).unwrap();
        lines.iter().for_each(|line| log.write(line).unwrap());
        drop(log);
        assert_eq!(read(&folder).unwrap(), lines);
        assert_eq!(best_epoch(&folder).unwrap().map(|line| line.epoch), Some(2));
        // The run was killed in the middle of a line.
        let path = folder.metrics();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, &text[..text.len() - 20]).unwrap();
        assert_eq!(read(&folder).unwrap(), lines[..5]);
        let mut log = Log::open(&folder, 1, 3).unwrap();
        log.write(&lines[4]).unwrap();
        assert_eq!(read(&folder).unwrap(), lines[..5]);
    }
}
