//! The length of a training step, from the log of a run.
//!
//! In: the folder of a run, or of one of its folds. Out: the median time that a step computes, which
//! is its time without the wait for data, and its number of images.

use std::fs;
use std::path::{Path, PathBuf};

use super::verdict::TrainingStep;
use crate::error::{Fault, faults};
use crate::train::folder::FoldFolder;
use crate::train::log::{self, Line, StepLine};

/// Steps at the start of a fold that do not count: memory is allocated and kernels are compiled
/// then.
const WARM_UP: usize = 5;

/// Why a log gives no step length.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// There are too few steps.
    #[error(
        "{path} logs {found} training steps, needs more than {WARM_UP} in a fold; give the folder of \
         a run that has trained for longer, or --step-ms"
    )]
    TooFew {
        /// The folder.
        path: PathBuf,
        /// Number of steps in all folds.
        found: usize,
    },
}
faults!(StepError);

/// The training step of the run in `folder`.
///
/// # Errors
/// [`StepError::TooFew`]; [`Fault::Io`] if the folder cannot be read.
pub fn of_run(folder: &Path) -> Result<TrainingStep, Fault> {
    let mut folders = vec![folder.to_owned()];
    for entry in fs::read_dir(folder).map_err(Fault::io(folder))? {
        let entry = entry.map_err(Fault::io(folder))?;
        if entry.file_name().to_string_lossy().starts_with("fold-") {
            folders.push(entry.path());
        }
    }
    let (mut steps, mut found) = (Vec::new(), 0);
    for folder in folders {
        let lines = log::read(&FoldFolder::new(folder))?;
        let of_fold: Vec<StepLine> = lines.into_iter().filter_map(step).collect();
        found += of_fold.len();
        steps.extend(of_fold.into_iter().skip(WARM_UP));
    }
    let milliseconds = steps.iter().map(|step| 1e3 * (step.seconds - step.data_wait));
    let images = steps.iter().map(|step| step.images as f64);
    match (median(milliseconds.collect()), median(images.collect())) {
        (Some(step_ms), Some(batch)) if step_ms > 0.0 && batch >= 1.0 => {
            Ok(TrainingStep { step_ms: Some(step_ms), batch: batch as usize })
        }
        _ => Err(StepError::TooFew { path: folder.into(), found }.into()),
    }
}

fn step(line: Line) -> Option<StepLine> {
    match line {
        Line::Step(step) => Some(step),
        Line::Epoch(_) => None,
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn line(step: u64, seconds: f64, data_wait: f64) -> String {
        let line = Line::Step(StepLine {
            epoch: 1,
            step,
            images: 24,
            loss: 0.1,
            cancer: None,
            auxiliary: BTreeMap::new(),
            learning_rate: 0.1,
            gradient_norm: 1.0,
            data_wait,
            seconds,
            images_per_second: 24.0 / seconds,
        });
        serde_json::to_string(&line).unwrap() + "\n"
    }

    #[test]
    fn waiting_for_data_and_the_first_steps_are_no_part_of_a_step() {
        let folder = tempfile::tempdir().unwrap();
        let fold = folder.path().join("fold-1");
        fs::create_dir(&fold).unwrap();
        let slow = (0..5).map(|step| line(step, 9.0, 0.0));
        let rest = (5..9).map(|step| line(step, 0.25, 0.2));
        fs::write(fold.join("metrics.jsonl"), slow.chain(rest).collect::<String>()).unwrap();
        for folder in [folder.path(), &fold] {
            let step = of_run(folder).unwrap();
            assert!((step.step_ms.unwrap() - 50.0).abs() < 1e-9, "{step:?}");
            assert_eq!(step.batch, 24);
        }
    }

    #[test]
    fn a_folder_without_a_log_gives_no_step() {
        let folder = tempfile::tempdir().unwrap();
        let fault = of_run(folder.path()).unwrap_err();
        assert!(matches!(fault.cause(), Some(StepError::TooFew { found: 0, .. })), "{fault:?}");
        assert!(matches!(of_run(&folder.path().join("none")), Err(Fault::Io { .. })));
    }
}
