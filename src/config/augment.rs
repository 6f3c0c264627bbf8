//! The `train.augment` section: what may be done to an image, and how often.
//!
//! The defaults are for mammograms. Any breast may be seen from either side, so flips are
//! free; breasts are turned and squeezed a little differently by every technologist; grey
//! scales differ between machines. What a lesion is made of is fine and faint, so noise and
//! blackened patches are rare and small, and nothing blurs.

use serde::{Deserialize, Serialize};

/// The `augment` settings. A probability of 0 switches a change off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AugmentConfig {
    /// Probability that left and right are exchanged.
    pub flip_horizontal: f64,
    /// Probability that top and bottom are exchanged.
    pub flip_vertical: f64,
    /// Rotation, scale, shear and shift.
    pub affine: AffineConfig,
    /// A part of the image, enlarged to all of it.
    pub crop: CropConfig,
    /// Brightness, contrast and gamma.
    pub intensity: IntensityConfig,
    /// Noise.
    pub noise: NoiseConfig,
    /// Blackened rectangles.
    pub cutout: CutoutConfig,
}

/// Rotation, scale, shear and shift, all at once; each uniform in its range.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AffineConfig {
    /// How often.
    pub probability: f64,
    /// At most so many degrees, either way, about the middle of the image.
    pub rotate_degrees: f64,
    /// Smallest and largest factor; above 1 enlarges.
    pub scale: [f64; 2],
    /// At most so many degrees that vertical lines lean, either way.
    pub shear_degrees: f64,
    /// At most this share of width and height, either way.
    pub shift: f64,
}

/// A part of the image, enlarged to all of it; the aspect is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CropConfig {
    /// How often.
    pub probability: f64,
    /// Smallest share of width and height that is kept.
    pub smallest: f64,
}

/// Grey levels, white being 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IntensityConfig {
    /// How often.
    pub probability: f64,
    /// At most so much is added or taken away.
    pub brightness: f64,
    /// The distance from middle grey is multiplied with 1 and at most so much more or less.
    pub contrast: f64,
    /// Gamma is at most 1 and this, or 1 divided by that.
    pub gamma: f64,
}

/// Normal noise on all that is not air.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NoiseConfig {
    /// How often.
    pub probability: f64,
    /// Largest standard deviation, white being 1; at most 0.1.
    pub max_std: f64,
}

/// Rectangles that become air.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CutoutConfig {
    /// How often.
    pub probability: f64,
    /// At most so many.
    pub holes: usize,
    /// Smallest and largest share of width and of height.
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

/// A setting that means nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("augment.{key} is {found}, needs {needed}")]
pub struct AugmentError {
    /// Which.
    pub key: &'static str,
    /// Its value.
    pub found: String,
    /// What it may be.
    pub needed: &'static str,
}

impl AugmentConfig {
    /// Everything, always: what it costs at most.
    pub fn all() -> Self {
        let mut config = Self { flip_horizontal: 1.0, flip_vertical: 1.0, ..Self::default() };
        config.affine.probability = 1.0;
        config.crop.probability = 1.0;
        config.intensity.probability = 1.0;
        config.noise.probability = 1.0;
        config.cutout.probability = 1.0;
        config
    }

    /// Whether every setting means something.
    ///
    /// # Errors
    /// The first that does not.
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
