//! `mammo-pipe explain`

use std::cell::OnceCell;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::progress::{Progress, print};
use super::{ending, signals};
use crate::error::Fault;
use crate::explain::gradcam::Method;
use crate::explain::{
    DEFAULT_COUNT, DEFAULT_LAYER, ExplainError, Explanation, Request, ThresholdFrom, explain,
};
use crate::flow::Stop;
use crate::model::Device;
use crate::train::folder::RunFolder;
use crate::train::run::read_facts;

/// Make class activation maps for images that a run's network was not trained on.
///
/// Selects true positives, false negatives, false positives and difficult negatives of a held-out
/// fold, the most extreme scores first, and writes for each the crop next to the crop under its
/// class activation map, with the breast's box. With --dataset the map is also drawn on the whole
/// source image, and with --dicom it is written as a secondary capture in the source's study.
/// explain.json describes all images, with the share of the map's energy inside the breast, the
/// worst first. On phantoms the default map finds lesions far more often than the usual Grad-CAM of
/// the last block (--layer conv_head --method gradcam), but it also marks other bright objects:
/// docs/explaining.md has the measurements.
///
///   mammo-pipe explain runs/b4
///   mammo-pipe explain runs/b4 --fold 2 --layer blocks.2 --method hirescam --count 10
///   mammo-pipe explain runs/b4 --dataset rsna --dicom --output maps
///   mammo-pipe explain runs/b4 --all        # energy inside the breast of every held-out image
///
/// A map shows which places raised the score of this network. It is not a diagnostic finding.
///
/// A secondary capture copies these attributes of patient and study from its source, and no others:
/// SpecificCharacterSet, StudyDate, StudyTime, AccessionNumber, ReferringPhysicianName,
/// StudyDescription, PatientName, PatientID, IssuerOfPatientID, PatientBirthDate, PatientSex,
/// PatientAge, PatientIdentityRemoved, DeidentificationMethod, BodyPartExamined,
/// StudyInstanceUID, StudyID, InstanceNumber, PatientOrientation, ImageLaterality,
/// BurnedInAnnotation, and LossyImageCompression with its ratio and method.
///
/// Exit codes: 0 done; 1 stopped by an error; 3 done, but a source could not be read again; 75
/// stopped by SIGTERM; 130 by Ctrl-C.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct ExplainArgs {
    /// Folder of the run.
    run: PathBuf,
    /// The fold whose network and held-out images are used [default: the run's first].
    #[arg(long, value_name = "K")]
    fold: Option<u16>,
    /// The block whose activation is shown: a stage (blocks.1) for its last block, a block of a stage
    /// (blocks.5.7), or conv_head, the last before pooling. Early blocks have a fine grid and a small
    /// receptive field, late blocks a coarse grid and a receptive field of the whole image.
    #[arg(long, value_name = "BLOCK", default_value = DEFAULT_LAYER)]
    layer: String,
    /// How channels are weighted: one weight per channel (gradcam, gradcam++), for late blocks; or
    /// one weight per channel and place (hirescam, layercam), for early blocks.
    #[arg(long, value_enum, default_value_t = Method::default())]
    method: Method,
    /// Number of images of each kind.
    #[arg(long, value_name = "N", default_value_t = DEFAULT_COUNT)]
    count: usize,
    /// Predict positive from this probability on, instead of the threshold chosen on other folds.
    #[arg(long, value_name = "T")]
    threshold: Option<f64>,
    /// The release, if it is not where the run found it.
    #[arg(long, value_name = "DIR")]
    release: Option<PathBuf>,
    /// Folder of the dataset: read the source images again and draw the maps on them.
    #[arg(long, value_name = "DIR")]
    dataset: Option<PathBuf>,
    /// Write DICOM secondary captures of the maps on the source images.
    #[arg(long, requires = "dataset")]
    dicom: bool,
    /// Measure the energy inside the breast for all held-out images.
    #[arg(long)]
    all: bool,
    /// Output folder [default: explain/ in the fold's folder of the run].
    #[arg(long, value_name = "DIR", value_parser = ending::folder)]
    output: Option<PathBuf>,
    /// Replace files in --output that were not made by mammo-pipe.
    #[arg(long, requires = "output")]
    force: bool,
    /// The device for the network: cpu or cuda:N.
    #[arg(long, default_value = "cpu", value_name = "DEVICE")]
    device: Device,
    /// Show no progress.
    #[arg(long, short)]
    quiet: bool,
    /// Print explain.json on standard output.
    #[arg(long)]
    json: bool,
}

impl ExplainArgs {
    /// Runs the command.
    ///
    /// # Errors
    /// A [`Fault`].
    pub fn run(self) -> Result<ExitCode, Fault> {
        let fold = match self.fold {
            Some(fold) => fold,
            None => {
                let facts = read_facts(&self.run)?;
                let first = facts.held_out.into_iter().flatten().next();
                first.ok_or_else(|| ExplainError::NothingHeldOut { path: self.run.clone() })?
            }
        };
        let output = self
            .output
            .clone()
            .unwrap_or_else(|| RunFolder::new(&self.run).fold(Some(fold)).maps());
        let request = Request {
            run: self.run.clone(),
            fold,
            layer: self.layer.clone(),
            method: self.method,
            count: self.count,
            threshold: self.threshold,
            release: self.release.clone(),
            dataset: self.dataset.clone(),
            captures: self.dicom,
            all: self.all,
            output,
            force: self.force || self.output.is_none(),
        };
        let stop = Stop::default();
        let next = "leaving after this image; the pictures made so far stay";
        let _handled = signals::handle(&stop, next).map_err(Fault::io("signal handlers"))?;
        let progress = OnceCell::new();
        let explanation = explain(&request, self.device, &stop, &|total| {
            let new = || Progress::new(total, self.quiet);
            progress.get_or_init(new).image(0, false, None);
        });
        if let Some(progress) = progress.get() {
            progress.finish();
        }
        if explanation.as_ref().is_err_and(ExplainError::is_stop) {
            return Ok(signals::interrupted());
        }
        let explanation = explanation?;
        if self.json {
            print(&serde_json::to_string(&explanation).expect("plain data becomes JSON"));
        } else {
            print_summary(&request, &explanation);
        }
        let sound = explanation.images.iter().all(|image| image.problem.is_none());
        Ok(if sound { ExitCode::SUCCESS } else { ExitCode::from(3) })
    }
}

fn print_summary(request: &Request, explanation: &Explanation) {
    let from = match explanation.threshold_from {
        ThresholdFrom::OtherFolds => "chosen on the other folds",
        ThresholdFrom::ThisFold => "chosen on this fold, because there are no others",
        ThresholdFrom::Given => "as given",
    };
    print(&format!(
        "{}: {} images at threshold {:.4}, {from}; see explain.json",
        request.output.display(),
        explanation.images.len(),
        explanation.threshold
    ));
    let share =
        |share: Option<f64>| share.map_or("no map".into(), |s| format!("{:.1} %", 100.0 * s));
    for image in &explanation.images {
        print(&format!(
            "  {:<15} {:<14} p {:.3}  inside the breast {}",
            image.kind.as_str(),
            image.image_id,
            image.probability,
            share(image.energy_inside)
        ));
        if let Some(problem) = &image.problem {
            print(&format!("    no picture of the source: {problem}"));
        }
    }
    let energy = &explanation.energy;
    print(&format!(
        "  energy inside the breast: mean {}, median {}, of {} maps{}",
        share(energy.mean),
        share(energy.median),
        energy.with_map,
        if explanation.energy_of_all { "" } else { "; --all covers every held-out image" }
    ));
}
