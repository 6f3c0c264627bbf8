//! The `train.augment` section: the kinds of augmentation and their probabilities.
//!
//! The defaults are for mammograms. A flipped breast is as plausible as the original, so flips are
//! frequent. Position and compression differ a little between technologists, and grey scales differ
//! between machines. Lesions are fine and faint, so noise and blackened rectangles are rare and
//! small, and there is no blur.

use serde::{Deserialize, Serialize};

/// The `augment` settings. A probability of 0 switches one kind off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AugmentConfig {
    /// Probability of a left-right flip.
    pub flip_horizontal: f64,
    /// Probability of a top-bottom flip.
    pub flip_vertical: f64,
    /// Rotation, scale, shear and shift.
    pub affine: AffineConfig,
    /// Random crop, resized to the full size.
    pub crop: CropConfig,
    /// Brightness, contrast and gamma.
    pub intensity: IntensityConfig,
    /// Gaussian noise.
    pub noise: NoiseConfig,
    /// Blackened rectangles.
    pub cutout: CutoutConfig,
}

/// Rotation, scale, shear and shift together; each is drawn uniformly from its range.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AffineConfig {
    /// The probability.
    pub probability: f64,
    /// Largest rotation in degrees, either way, about the centre of the image.
    pub rotate_degrees: f64,
    /// Smallest and largest scale factor; a factor above 1 enlarges.
    pub scale: [f64; 2],
    /// Largest shear angle of vertical lines in degrees, either way.
    pub shear_degrees: f64,
    /// Largest shift as a share of width and height, either way.
    pub shift: f64,
}

/// Random crop, resized to the full size; the aspect ratio is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CropConfig {
    /// The probability.
    pub probability: f64,
    /// Smallest share of width and height that is kept.
    pub smallest: f64,
}

/// Random change of grey levels (white is 1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IntensityConfig {
    /// The probability.
    pub probability: f64,
    /// Largest brightness that is added or subtracted.
    pub brightness: f64,
    /// Largest change of the contrast factor, which is 1 plus or minus up to this value.
    pub contrast: f64,
    /// Gamma is between 1 / (1 + this value) and 1 + this value.
    pub gamma: f64,
}

/// Gaussian noise on all pixels that are not air.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NoiseConfig {
    /// The probability.
    pub probability: f64,
    /// Largest standard deviation (white is 1); at most 0.1.
    pub max_std: f64,
}

/// Blackened rectangles.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CutoutConfig {
    /// The probability.
    pub probability: f64,
    /// Largest number of rectangles.
    pub holes: usize,
    /// Smallest and largest side, as a share of the image's side.
    pub side: [f64; 2],
}

impl Default for AugmentConfig {
    fn default() -> Self {
        Self {
            flip_horizontal: 0.5,
            flip_vertical: 0.5,
            affine: AffineConfig::default(),
            crop: CropConfig::default(),
            intensity: IntensityConfig::default(),
            noise: NoiseConfig::default(),
            cutout: CutoutConfig::default(),
        }
    }
}

impl Default for AffineConfig {
    fn default() -> Self {
        Self {
            probability: 0.8,
            rotate_degrees: 15.0,
            scale: [0.85, 1.15],
            shear_degrees: 5.0,
            shift: 0.05,
        }
    }
}

impl Default for CropConfig {
    fn default() -> Self {
        Self { probability: 0.3, smallest: 0.85 }
    }
}

impl Default for IntensityConfig {
    fn default() -> Self {
        Self { probability: 0.5, brightness: 0.1, contrast: 0.2, gamma: 0.25 }
    }
}

impl Default for NoiseConfig {
    fn default() -> Self {
        Self { probability: 0.2, max_std: 0.02 }
    }
}

impl Default for CutoutConfig {
    fn default() -> Self {
        Self { probability: 0.2, holes: 2, side: [0.05, 0.15] }
    }
}

/// An augmentation setting that is not allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("augment.{key} is {found}, needs {needed}")]
pub struct AugmentError {
    /// Its key.
    pub key: &'static str,
    /// Its value.
    pub found: String,
    /// The allowed values.
    pub needed: &'static str,
}

impl AugmentConfig {
    /// Every kind with probability 1: the most expensive settings.
    pub fn all() -> Self {
        let mut config = Self { flip_horizontal: 1.0, flip_vertical: 1.0, ..Self::default() };
        config.affine.probability = 1.0;
        config.crop.probability = 1.0;
        config.intensity.probability = 1.0;
        config.noise.probability = 1.0;
        config.cutout.probability = 1.0;
        config
    }

    /// Checks that all settings are allowed.
    ///
    /// # Errors
    /// The first setting that is not.
    pub fn check(&self) -> Result<(), AugmentError> {
        const SHARE: &str = "a number from 0 to 1";
        let within = |key, value: f64, low: f64, high: f64, needed| {
            let fits = (low..=high).contains(&value);
            fits.then_some(()).ok_or(AugmentError { key, found: value.to_string(), needed })
        };
        let range = |key, [from, to]: [f64; 2], low: f64, high: f64, needed| {
            let fits = low <= from && from <= to && to <= high;
            fits.then_some(()).ok_or(AugmentError { key, found: format!("[{from}, {to}]"), needed })
        };
        within("flip_horizontal", self.flip_horizontal, 0.0, 1.0, SHARE)?;
        within("flip_vertical", self.flip_vertical, 0.0, 1.0, SHARE)?;
        let affine = &self.affine;
        within("affine.probability", affine.probability, 0.0, 1.0, SHARE)?;
        let half = "degrees from 0 to 180";
        within("affine.rotate_degrees", affine.rotate_degrees, 0.0, 180.0, half)?;
        range("affine.scale", affine.scale, 0.1, 10.0, "two ascending factors from 0.1 to 10")?;
        within("affine.shear_degrees", affine.shear_degrees, 0.0, 45.0, "degrees from 0 to 45")?;
        within("affine.shift", affine.shift, 0.0, 1.0, SHARE)?;
        within("crop.probability", self.crop.probability, 0.0, 1.0, SHARE)?;
        within("crop.smallest", self.crop.smallest, 0.1, 1.0, "a number from 0.1 to 1")?;
        within("intensity.probability", self.intensity.probability, 0.0, 1.0, SHARE)?;
        within("intensity.brightness", self.intensity.brightness, 0.0, 1.0, SHARE)?;
        within("intensity.contrast", self.intensity.contrast, 0.0, 1.0, SHARE)?;
        within("intensity.gamma", self.intensity.gamma, 0.0, 4.0, "a number from 0 to 4")?;
        within("noise.probability", self.noise.probability, 0.0, 1.0, SHARE)?;
        within("noise.max_std", self.noise.max_std, 0.0, 0.1, "a number from 0 to 0.1")?;
        within("cutout.probability", self.cutout.probability, 0.0, 1.0, SHARE)?;
        range("cutout.side", self.cutout.side, 0.0, 1.0, "two ascending shares from 0 to 1")
    }
}
