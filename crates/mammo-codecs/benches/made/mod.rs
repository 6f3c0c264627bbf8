//! Generates an image to decode: a breast on air, with tissue at all scales and detector noise.
//!
//! It is generated here, so that the benches depend on the crate alone. The properties that matter
//! to coders are those of a mammogram: flat air, a bright edge, smooth gradients under noise.
//! Nothing else is.

// Each bench uses some of it.
#![allow(dead_code)]

/// Columns and rows of a detector, and its bits.
#[derive(Debug, Clone, Copy)]
pub struct Detector {
    pub width: u32,
    pub height: u32,
    pub bits: u8,
    /// Grey levels by which a sample is noisy.
    pub grain: u32,
    /// Grey levels of the air, which has half of the grain where this is not zero.
    pub air: u32,
}

pub const SMALL: Detector = Detector { width: 1914, height: 2294, bits: 12, grain: 24, air: 80 };
pub const MIDDLE: Detector = Detector { width: 2082, height: 2776, bits: 12, grain: 24, air: 0 };
pub const LARGE: Detector = Detector { width: 3328, height: 4096, bits: 12, grain: 16, air: 0 };

/// A number for a place and a seed: SplitMix64.
fn noise(x: u32, y: u32, seed: u32) -> u32 {
    let z = u64::from(x) << 32 | u64::from(y);
    let z = (z ^ u64::from(seed) << 17).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ z >> 31) >> 32) as u32
}

/// Noise between 0 and 1 that changes over `size` samples.
fn smooth(x: u32, y: u32, size: u32) -> f32 {
    let (cx, cy) = (x / size, y / size);
    let (fx, fy) = ((x % size) as f32 / size as f32, (y % size) as f32 / size as f32);
    let at = |dx, dy| noise(cx + dx, cy + dy, size) as f32 / u32::MAX as f32;
    let across = |dy| at(0, dy) * (1.0 - fx) + at(1, dy) * fx;
    across(0) * (1.0 - fy) + across(1) * fy
}

impl Detector {
    /// The samples, row by row.
    pub fn image(self) -> Vec<u16> {
        let Self { width, height, bits, grain, air } = self;
        let most = (1_u32 << bits) - 1;
        let sample = |x: u32, y: u32| {
            let (u, v) = (x as f32 / width as f32 / 0.7, (y as f32 / height as f32 - 0.5) / 0.45);
            let inside = 1.0 - u * u - v * v;
            if inside < 0.0 {
                let grain = if air > 0 { noise(x, y, 1) % (grain / 2) } else { 0 };
                return air + grain;
            }
            let tissue: f32 = [512, 128, 32, 8].iter().map(|&s| smooth(x, y, s) * s as f32).sum();
            let level = inside.sqrt().min(0.4) * 0.8 + tissue / 680.0 * 0.5;
            let grain = noise(x, y, 2) % grain + noise(x, y, 3) % grain;
            (level * most as f32 * 0.8) as u32 + grain
        };
        let all = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        all.map(|(x, y)| sample(x, y).min(most) as u16).collect()
    }
}
