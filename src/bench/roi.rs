//! Compares the breast's box with a reference: how much of the reference it contains, and how close
//! the two are.
//!
//! In: a dataset and [`Labels`]. Out: [`Report`]. Two boxes are compared: the box of the breast,
//! and the crop that the configuration makes from it, which is what a release contains.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;
use serde::Serialize;

use super::labels::{LabelBox, Labels};
use crate::config::{Config, SplitChoice};
use crate::dataset::{self, Job};
use crate::error::{Fault, chain};
use crate::flow::Stage;
use crate::image::Rect;
use crate::preprocess::Reject;
use crate::preprocess::memory::Memory;
use crate::preprocess::roi::{RoiMethod, SOUND};
use crate::preprocess::stages::{FindRoi, Look, Read};
use crate::record::View;

/// The boxes of a dataset compared with their labels.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// One entry per image, in the order of a release.
    pub images: Vec<Measured>,
    /// One entry per view, then one for all images.
    pub groups: Vec<Group>,
    /// `PATIENT@IMAGE` of every label without an image in the dataset.
    pub without_image: Vec<String>,
    /// Images that the pipeline rejects, each with the reason.
    pub rejected: Vec<String>,
}

/// One image.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measured {
    /// The patient.
    pub patient_id: String,
    /// The image.
    pub image_id: String,
    /// The projection, if the table gives it.
    pub view: Option<String>,
    /// The machine's id, if the table gives it.
    pub machine_id: Option<i64>,
    /// The breast's box compared with the label.
    pub breast: Agreement,
    /// The crop compared with the label.
    pub crop: Agreement,
    /// The method that found the box.
    pub method: RoiMethod,
    /// The confidence of the box, 0 to 1.
    pub confidence: f32,
}

/// How a box agrees with its label.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Agreement {
    /// Intersection over union.
    pub iou: f64,
    /// Share of the label that lies in the box.
    pub kept: f64,
}

/// Several images taken together.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Group {
    /// A view, or `all`.
    pub name: String,
    /// The number of images.
    pub images: usize,
    /// Means for the breast's box.
    pub breast_mean: Agreement,
    /// Minima for the breast's box.
    pub breast_worst: Agreement,
    /// Means for the crop.
    pub crop_mean: Agreement,
    /// Minima for the crop.
    pub crop_worst: Agreement,
    /// Crops that lose more than 3 % of their label.
    pub cut: usize,
    /// Those of them that no flag `doubtful_box` marks: nobody is told.
    pub cut_unflagged: usize,
}

/// A crop that keeps a smaller share of its label is cut.
const WHOLE: f64 = 0.97;

/// Finds the breast in every labelled image of the dataset in the folder `dataset`, with all other
/// settings from `config`.
///
/// # Errors
/// A [`Fault`] if the dataset's tables cannot be read.
pub fn measure(dataset: &Path, labels: &Labels, mut config: Config) -> Result<Report, Fault> {
    config.dataset.input = dataset.into();
    let has = |name: &str| dataset.join(name).is_file();
    config.dataset.split = match (has("train.csv"), has("test.csv")) {
        (true, true) => SplitChoice::Both,
        (false, true) => SplitChoice::Test,
        _ => SplitChoice::Train,
    };
    let joined = dataset::join(&config.dataset, &config.folds)?;
    let key = |job: &Job| {
        let record = &job.record;
        (record.patient_id.as_str().to_owned(), record.image_id.as_str().to_owned())
    };
    let mut left: BTreeMap<_, _> = labels.clone();
    let jobs: Vec<(Job, LabelBox)> = joined
        .jobs
        .into_iter()
        .filter_map(|job| left.remove(&key(&job)).map(|label| (job, label)))
        .collect();

    let threads = rayon::current_num_threads();
    let memory = Memory::divide(&config, threads, threads)?;
    let config = Arc::new(config);
    let stages =
        || (Read::new(&config, &memory), Look::new(&config, &memory), FindRoi::new(&config));
    let outcomes: Vec<_> = jobs
        .into_par_iter()
        .map_init(stages, |stages, (job, label)| {
            let name = job.relative.clone();
            measure_image(stages, job, label)
                .map_err(|reject| format!("{name}: {}", chain(&reject)))
        })
        .collect();
    let (mut images, mut rejected) = (Vec::new(), Vec::new());
    for outcome in outcomes {
        match outcome {
            Ok(measured) => images.push(measured),
            Err(reason) => rejected.push(reason),
        }
    }
    let groups = groups(&images);
    let without_image = left.keys().map(|(patient, image)| format!("{patient}@{image}")).collect();
    Ok(Report { images, groups, without_image, rejected })
}

fn measure_image(
    (read, look, find): &mut (Read, Look, FindRoi),
    job: Job,
    label: LabelBox,
) -> Result<Measured, Reject> {
    let record = job.record.clone();
    let frame = read.apply(job)?;
    let layout = &frame.header.layout;
    let size = (f64::from(layout.columns), f64::from(layout.rows));
    let located = find.apply(look.apply(frame)?)?;
    Ok(Measured {
        patient_id: record.patient_id.as_str().into(),
        image_id: record.image_id.as_str().into(),
        view: record.view.as_ref().map(|view| View::as_str(view).to_owned()),
        machine_id: record.machine_id,
        breast: agreement(located.found.breast, label, size),
        crop: agreement(located.geometry.crop, label, size),
        method: located.found.method,
        confidence: located.found.confidence,
    })
}

/// Compares `found`, in pixels of a frame of `width` x `height`, with `label`.
pub fn agreement(found: Rect, label: LabelBox, (width, height): (f64, f64)) -> Agreement {
    let (left, right) = (found.left as f64 / width, found.right() as f64 / width);
    let (top, bottom) = (found.top as f64 / height, found.bottom() as f64 / height);
    let across = (right.min(label.right) - left.max(label.left)).max(0.0);
    let down = (bottom.min(label.bottom) - top.max(label.top)).max(0.0);
    let both = across * down;
    let label_area = (label.right - label.left) * (label.bottom - label.top);
    let found_area = (right - left) * (bottom - top);
    Agreement { iou: both / (found_area + label_area - both), kept: both / label_area }
}

/// One group per view in alphabetical order, then one for all images.
fn groups(images: &[Measured]) -> Vec<Group> {
    let mut by_view: BTreeMap<&str, Vec<&Measured>> = BTreeMap::new();
    for image in images {
        by_view.entry(image.view.as_deref().unwrap_or("unknown")).or_default().push(image);
    }
    let all = (!images.is_empty()).then(|| ("all", images.iter().collect()));
    by_view.into_iter().chain(all).map(|(name, images)| group(name, &images)).collect()
}

fn group(name: &str, images: &[&Measured]) -> Group {
    let n = images.len() as f64;
    let of = |get: fn(&Measured) -> Agreement| {
        let all = || images.iter().map(|image| get(image));
        let mean = Agreement {
            iou: all().map(|a| a.iou).sum::<f64>() / n,
            kept: all().map(|a| a.kept).sum::<f64>() / n,
        };
        let worst = Agreement {
            iou: all().map(|a| a.iou).fold(f64::INFINITY, f64::min),
            kept: all().map(|a| a.kept).fold(f64::INFINITY, f64::min),
        };
        (mean, worst)
    };
    let (breast_mean, breast_worst) = of(|image| image.breast);
    let (crop_mean, crop_worst) = of(|image| image.crop);
    let cut = || images.iter().filter(|image| image.crop.kept < WHOLE);
    Group {
        name: name.into(),
        images: images.len(),
        breast_mean,
        breast_worst,
        crop_mean,
        crop_worst,
        cut: cut().count(),
        cut_unflagged: cut().filter(|image| image.confidence >= SOUND).count(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agreement_is_by_area() {
        let label = LabelBox { left: 0.0, top: 0.0, right: 0.5, bottom: 1.0 };
        let found = Rect { left: 50, top: 0, width: 100, height: 100 };
        let found = agreement(found, label, (200.0, 100.0));
        assert_eq!(found, Agreement { iou: 50.0 / 150.0, kept: 0.5 });
    }

    #[test]
    fn views_are_judged_apart_and_together() {
        let image = |view: &str, iou| {
            let agreement = Agreement { iou, kept: 1.0 };
            Measured {
                patient_id: "1".into(),
                image_id: "2".into(),
                view: Some(view.into()),
                machine_id: None,
                breast: agreement,
                crop: agreement,
                method: RoiMethod::Air,
                confidence: 1.0,
            }
        };
        let groups = groups(&[image("MLO", 0.5), image("CC", 1.0), image("MLO", 0.75)]);
        let names: Vec<_> = groups.iter().map(|g| (g.name.as_str(), g.images)).collect();
        assert_eq!(names, [("CC", 1), ("MLO", 2), ("all", 3)]);
        assert_eq!((groups[1].breast_mean.iou, groups[1].breast_worst.iou), (0.625, 0.5));
        assert_eq!((groups[2].breast_mean.iou, groups[2].crop_worst.iou), (0.75, 0.5));
        assert_eq!((groups[2].cut, groups[2].cut_unflagged), (0, 0));
    }

    #[test]
    fn a_cut_crop_is_counted_and_apart_where_no_flag_tells() {
        let image = |kept, confidence| {
            let agreement = Agreement { iou: kept, kept };
            Measured {
                patient_id: "1".into(),
                image_id: "2".into(),
                view: None,
                machine_id: None,
                breast: agreement,
                crop: agreement,
                method: RoiMethod::Air,
                confidence,
            }
        };
        let groups = groups(&[image(0.98, 0.9), image(0.96, 0.9), image(0.5, 0.4)]);
        assert_eq!((groups[0].cut, groups[0].cut_unflagged), (2, 1));
    }
}
