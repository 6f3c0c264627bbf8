//! The request for an explanation, and its result: `explain.json`.

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

/// The default layer, used with [`Method::default`]. On phantoms with known lesions it is the
/// coarsest layer whose maximum is mostly on the lesion, unless the image has another object as
/// bright (`docs/explaining.md`).
pub const DEFAULT_LAYER: &str = "blocks.1";

/// The file that describes the explained images, in the folder of the pictures.
pub const INDEX: &str = crate::train::folder::MAPS_INDEX;

/// The default number of images of each kind.
pub const DEFAULT_COUNT: usize = 4;

/// A request for an explanation.
#[derive(Debug, Clone)]
pub struct Request {
    /// The folder of the run.
    pub run: PathBuf,
    /// The fold whose network is explained, on the images of the fold.
    pub fold: u16,
    /// The block whose activation is shown.
    pub layer: String,
    /// The method of the maps.
    pub method: Method,
    /// Number of images of each kind.
    pub count: usize,
    /// An image is predicted positive if its probability reaches this, instead of the threshold
    /// chosen on the other folds.
    pub threshold: Option<f64>,
    /// The release, if it is not where the run found it.
    pub release: Option<PathBuf>,
    /// The dataset's folder, to read the source images again.
    pub dataset: Option<PathBuf>,
    /// Whether DICOM secondary captures are written; needs the dataset.
    pub captures: bool,
    /// Whether the energy of all held-out images is measured, not only of the selected ones.
    pub all: bool,
    /// The output folder.
    pub output: PathBuf,
    /// Whether to replace files there that this program did not make.
    pub force: bool,
}

impl Request {
    /// The maps of a fold of the run in `run`, with the default layer, method and output folder.
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
            // All files in a run's folder are made by this program.
            force: true,
        }
    }

    /// The file `name` in the output folder.
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
    /// SHA-256 of the weights' file; it also identifies the run in secondary captures.
    pub weights_sha256: String,
    /// The fold.
    pub fold: u16,
    /// The block.
    pub layer: String,
    /// The method.
    pub method: Method,
    /// An image is predicted positive if its probability reaches this.
    pub threshold: f64,
    /// The data that the threshold was chosen on.
    pub threshold_from: ThresholdFrom,
    /// The selected images, kind by kind.
    pub images: Vec<Explained>,
    /// The energy inside the breast.
    pub energy: Energy,
    /// Whether `energy` covers all held-out images, or only the selected ones.
    pub energy_of_all: bool,
}

/// The data that a threshold was chosen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThresholdFrom {
    /// The other folds: the highest F1 by image.
    OtherFolds,
    /// This fold, because there are no others: the highest F1 by image, which is optimistic.
    ThisFold,
    /// The caller gave it.
    Given,
}

/// One explained image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explained {
    /// Why it was selected.
    pub kind: Kind,
    /// The patient.
    pub patient_id: String,
    /// The image.
    pub image_id: String,
    /// L or R.
    pub laterality: Option<String>,
    /// Projection.
    pub view: Option<String>,
    /// The predicted probability.
    pub probability: f64,
    /// Share of the map's energy inside the breast's box; null if the map is empty.
    pub energy_inside: Option<f64>,
    /// The maximum of the map: column and row in the source.
    pub peak: Option<(f64, f64)>,
    /// Box of the breast in the source.
    pub breast: Rect,
    /// File name of the picture of the crop.
    pub crop: String,
    /// File name of the picture of the source.
    pub source: Option<String>,
    /// File name of the DICOM secondary capture.
    pub secondary_capture: Option<String>,
    /// Why picture and secondary capture of the source are missing.
    pub problem: Option<String>,
}
