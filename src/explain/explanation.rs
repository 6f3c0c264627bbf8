//! What is asked of an explanation, and what comes of it: `explain.json`.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::energy::Energy;
use super::gradcam::Method;
use super::select::Kind;
use crate::error::Fault;
use crate::image::picture::{self, Rgb};
use crate::image::{Plane, Rect};
use crate::store::Target;
use crate::train::folder::RunFolder;

/// The block that is shown unless another is asked for, with [`Method::default`]: on phantoms with
/// known lesions the coarsest whose peak mostly lies on them, unless something as bright is beside
/// (`docs/explaining.md`).
pub const DEFAULT_LAYER: &str = "blocks.1";

/// The file with what was explained, beside the pictures.
pub const INDEX: &str = "explain.json";

/// Images of each kind, unless another number is asked for.
pub const DEFAULT_COUNT: usize = 4;

/// What is to be explained.
#[derive(Debug, Clone)]
pub struct Request {
    /// The folder of the run.
    pub run: PathBuf,
    /// The fold whose network is asked, about the images that it was not trained on.
    pub fold: u16,
    /// The block whose activation is shown.
    pub layer: String,
    /// How.
    pub method: Method,
    /// Images of each kind.
    pub count: usize,
    /// At or above it an image is called cancer, instead of the threshold that the other folds
    /// choose.
    pub threshold: Option<f64>,
    /// The release, if it is not where the run found it.
    pub release: Option<PathBuf>,
    /// The dataset's folder, to reread the sources.
    pub dataset: Option<PathBuf>,
    /// Whether DICOM secondary captures are written; needs the dataset.
    pub captures: bool,
    /// Whether the energy of all held-out images is measured, not of the chosen ones alone.
    pub all: bool,
    /// Where to.
    pub output: PathBuf,
    /// Whether files are replaced there that this program did not make.
    pub force: bool,
}

impl Request {
    /// The maps of a fold of the run in `run`, in the default way and at the default place.
    pub fn new(run: &Path, fold: u16) -> Self {
        Self {
            run: run.into(),
            fold,
            layer: DEFAULT_LAYER.into(),
            method: Method::default(),
            count: DEFAULT_COUNT,
            threshold: None,
            release: None,
            dataset: None,
            captures: false,
            all: false,
            output: RunFolder::new(run).fold(Some(fold)).maps(),
            // All in a run's folder is ours.
            force: true,
        }
    }

    /// The place of the file `name` in the output folder.
    ///
    /// # Errors
    /// Those of [`Target::new`].
    pub(super) fn target(&self, name: &str) -> Result<Target, Fault> {
        Target::new(self.output.join(name), self.force)
    }

    /// Writes a picture to the output folder.
    ///
    /// # Errors
    /// Those of [`Target::put`].
    pub(super) fn draw(&self, name: &str, plane: &Plane<Rgb>) -> Result<(), Fault> {
        picture::write(&self.target(name)?, plane)
    }
}

/// `explain.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// SHA-256 of the weights' file, which also stands for the run in secondary captures.
    pub weights_sha256: String,
    /// The fold.
    pub fold: u16,
    /// The block.
    pub layer: String,
    /// The method.
    pub method: Method,
    /// At or above it an image is called cancer.
    pub threshold: f64,
    /// Who chose it.
    pub threshold_from: ThresholdFrom,
    /// The chosen images, kind by kind.
    pub images: Vec<Explained>,
    /// Of the images looked at.
    pub energy: Energy,
    /// Whether that is all that were held out, or the chosen ones alone.
    pub energy_of_all: bool,
}

/// Who chose a threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThresholdFrom {
    /// The highest F1 by image on the other folds.
    OtherFolds,
    /// The highest F1 by image on this very fold, for want of others: too favourable.
    ThisFold,
    /// Whoever asked.
    Given,
}

/// One image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explained {
    /// Why it was chosen.
    pub kind: Kind,
    /// The patient.
    pub patient_id: String,
    /// The image.
    pub image_id: String,
    /// L or R.
    pub laterality: Option<String>,
    /// Projection.
    pub view: Option<String>,
    /// What the network says of it.
    pub probability: f64,
    /// Share of the map's energy inside the breast's box; null where nothing speaks for cancer.
    pub energy_inside: Option<f64>,
    /// The hottest place, column and row of the source.
    pub peak: Option<(f64, f64)>,
    /// Box of the breast in the source.
    pub breast: Rect,
    /// Picture of the crop, beside this file.
    pub crop: String,
    /// Picture of the source.
    pub source: Option<String>,
    /// Secondary capture.
    pub capture: Option<String>,
    /// Why there is none of the two.
    pub problem: Option<String>,
}
