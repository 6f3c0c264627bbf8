//! The log of a fold: one JSON line per optimizer step and per epoch, and the same as TensorBoard
//! events.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::folder::FoldFolder;
use super::tensorboard::Events;
use super::validate::Scores;
use crate::error::Fault;

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
        let is_kept = |line: &Line| match line {
            Line::Step(line) => line.step < step,
            Line::Epoch(line) => line.epoch <= epoch,
        };
        let mut kept = 0;
        for line in text(&path)?.split_inclusive(|&byte| byte == b'\n') {
            // A damaged line stays as it is: a log stops no run.
            let is_whole = line.ends_with(b"\n");
            if !is_whole || parse(line).is_some_and(|line| !is_kept(&line)) {
                break;
            }
            kept += line.len() as u64;
        }
        let file = File::options().create(true).append(true).open(&path);
        let file = file.and_then(|file| file.set_len(kept).map(|()| file));
        let file = file.map_err(Fault::io(&path))?;
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

    /// Writes the lines to the disk (`fsync`), and flushes the TensorBoard events.
    ///
    /// # Errors
    /// [`Fault::Io`].
    pub fn flush(&mut self) -> Result<(), Fault> {
        self.file.sync_data().map_err(Fault::io(&self.path))?;
        self.events.flush()
    }
}

/// The log lines of a fold so far; none if the fold has not started. Lines that cannot be read are
/// left out: an incomplete last one, of a run that is writing or was killed, and damaged ones.
///
/// # Errors
/// [`Fault::Io`].
pub fn read(folder: &FoldFolder) -> Result<Vec<Line>, Fault> {
    Ok(text(&folder.metrics())?.split(|&byte| byte == b'\n').filter_map(parse).collect())
}

/// The best epoch of a fold so far; `None` before its first epoch. The lines of steps, of which there
/// are many, are skipped unread.
///
/// # Errors
/// [`Fault::Io`].
pub fn best_epoch(folder: &FoldFolder) -> Result<Option<EpochLine>, Fault> {
    let text = text(&folder.metrics())?;
    let lines = text.rsplit(|&byte| byte == b'\n');
    let mut epochs = lines.filter(|line| line.starts_with(br#"{"kind":"epoch""#));
    Ok(epochs.find_map(|line| match parse(line)? {
        Line::Epoch(line) if line.best => Some(line),
        _ => None,
    }))
}

/// The bytes of a log; none if there is no file.
fn text(path: &Path) -> Result<Vec<u8>, Fault> {
    match std::fs::read(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        read => read.map_err(Fault::io(path)),
    }
}

fn parse(line: &[u8]) -> Option<Line> {
    serde_json::from_slice(line).ok()
}

fn json(line: &Line) -> String {
    serde_json::to_string(line).expect("plain data becomes JSON") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store;

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
        // What stays, stays to the byte, and a damaged line stops nothing.
        let mut damaged = std::fs::read(&path).unwrap();
        damaged[10] ^= 0x80;
        std::fs::write(&path, &damaged).unwrap();
        drop(Log::open(&folder, 1, 4).unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), damaged);
        assert_eq!(read(&folder).unwrap(), lines[1..5]);
    }
}
