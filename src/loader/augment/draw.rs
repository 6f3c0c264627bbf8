//! Draws the changes to one image from the settings.

use super::intensity::Intensity;
use super::noise::Noise;
use super::warp::{Crop, Motion};
use crate::config::augment::{
    AffineConfig, CropConfig, CutoutConfig, IntensityConfig, NoiseConfig,
};
use crate::image::Rect;
use crate::random::Random;

/// A random number between -`max` and `max`.
fn either_way(random: &mut Random, max: f64) -> f64 {
    f64::from(random.between(-1.0, 1.0)) * max
}

fn between(random: &mut Random, [low, high]: [f64; 2]) -> f64 {
    low + f64::from(random.unit()) * (high - low)
}

fn happens(random: &mut Random, probability: f64) -> bool {
    f64::from(random.unit()) < probability
}

impl AffineConfig {
    pub(super) fn draw(&self, random: &mut Random) -> Option<Motion> {
        happens(random, self.probability).then(|| Motion {
            rotate_degrees: either_way(random, self.rotate_degrees),
            scale: between(random, self.scale),
            shear_degrees: either_way(random, self.shear_degrees),
            shift: (either_way(random, self.shift), either_way(random, self.shift)),
        })
    }
}

impl CropConfig {
    pub(super) fn draw(&self, random: &mut Random) -> Option<Crop> {
        happens(random, self.probability).then(|| {
            let share = between(random, [self.smallest, 1.0]);
            let left = between(random, [0.0, 1.0 - share]);
            Crop { share, left, top: between(random, [0.0, 1.0 - share]) }
        })
    }
}

impl IntensityConfig {
    pub(super) fn draw(&self, random: &mut Random) -> Option<Intensity> {
        happens(random, self.probability).then(|| Intensity {
            brightness: either_way(random, self.brightness),
            contrast: 1.0 + either_way(random, self.contrast),
            // Above 1 as often as below.
            gamma: (either_way(random, (1.0 + self.gamma).ln())).exp(),
        })
    }
}

impl NoiseConfig {
    pub(super) fn draw(&self, random: &mut Random) -> Option<Noise> {
        happens(random, self.probability)
            .then(|| Noise { deviation: between(random, [0.0, self.max_std]), seed: random.next() })
    }
}

impl CutoutConfig {
    pub(super) fn draw(&self, random: &mut Random, size: (usize, usize)) -> Vec<Rect> {
        if self.holes == 0 || !happens(random, self.probability) {
            return Vec::new();
        }
        let count = 1 + (random.next() % self.holes as u64) as usize;
        let mut extent = |all: usize| {
            let length = ((between(random, self.side) * all as f64).round() as usize).min(all);
            (between(random, [0.0, (all - length) as f64]).round() as usize, length)
        };
        let hole = |_| {
            let ((left, width), (top, height)) = (extent(size.0), extent(size.1));
            Rect { left, top, width, height }
        };
        (0..count).map(hole).collect()
    }
}
