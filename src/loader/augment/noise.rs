//! Gaussian noise from a table that is drawn once.
//!
//! Each stretch of pixels starts at a random place in the table, with a random sign. So two
//! stretches of an image may share some noise at different positions. No convolution of a few
//! pixels can see that, and a pixel costs a multiplication instead of a random draw.

use std::sync::OnceLock;

use super::Grey;
use crate::random::Random;

/// Noise on one image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Noise {
    /// Standard deviation (white is 1); at most 0.1.
    pub deviation: f64,
    /// Random seed.
    pub seed: u64,
}

const TABLE: usize = 1 << 16;
/// Pixels per stretch.
const STRETCH: usize = 512;
/// The standard deviation of the table.
const ONE: f32 = 4096.0;

fn table() -> &'static [i16] {
    static NORMAL: OnceLock<Vec<i16>> = OnceLock::new();
    NORMAL.get_or_init(|| {
        let mut random = Random::new(0x6E_6F69_7365);
        (0..TABLE).map(|_| (random.normal() * ONE).round() as i16).collect()
    })
}

impl Noise {
    /// Adds the noise to every pixel that is not 0.
    pub(super) fn add<T: Grey>(&self, pixels: &mut [T]) {
        // In sixteenths of a level, which needs 31 bits at 0.1 of 65535 and 3.5 deviations.
        let one = (self.deviation.min(0.1) * f64::from(T::WHITE) * 16.0).round() as i32;
        let mut random = Random::new(self.seed);
        for pixels in pixels.chunks_mut(STRETCH) {
            let bits = random.next();
            let start = (bits >> 1) as usize % (TABLE - STRETCH);
            let one = if bits & 1 == 0 { one } else { -one };
            for (pixel, noise) in pixels.iter_mut().zip(&table()[start..]) {
                let noise = (i32::from(*noise) * one + (1 << 15)) >> 16;
                let level = (pixel.widen() as i32 + noise).clamp(0, T::WHITE as i32);
                let air = *pixel == T::default();
                *pixel = if air { *pixel } else { T::narrow(level as u32) };
            }
        }
    }
}
