//! Sums per channel over many pixels.
//!
//! Pixels are added in f32 within a block of a few rows, and blocks are added in f64. The shape
//! alone decides on the blocks, and they are added in their order, so a sum is the same bits for
//! any number of threads.

use std::ops::Range;

use pulp::{Arch, Simd};

use super::lanes::{self, Kernel, add_to_sums, load};

/// Two sums per channel.
#[derive(Debug, Clone)]
pub struct Sums {
    /// The sum of values, say.
    pub first: Vec<f64>,
    /// The sum of their squares, say.
    pub second: Vec<f64>,
}

impl Sums {
    /// Sums of nothing.
    pub fn zeros(channels: usize) -> Self {
        Self { first: vec![0.0; channels], second: vec![0.0; channels] }
    }

    /// Adds the sums of another part.
    pub fn add(&mut self, other: &Self) {
        for (sum, part) in self.first.iter_mut().zip(&other.first) {
            *sum += part;
        }
        for (sum, part) in self.second.iter_mut().zip(&other.second) {
            *sum += part;
        }
    }

    /// The sums of all parts, added in their order.
    pub fn total(channels: usize, parts: impl IntoIterator<Item = Self>) -> Self {
        let mut total = Self::zeros(channels);
        for part in parts {
            total.add(&part);
        }
        total
    }
}

/// Rows that are added in f32, before their sum is added in f64.
pub const BLOCK: usize = 32;

/// The sums of the values and of their squares, over rows of `channels` values.
pub fn squares(arch: Arch, values: &[f32], channels: usize) -> Sums {
    let mut sums = Sums::zeros(channels);
    for block in values.chunks(BLOCK * channels) {
        lanes::run(arch, channels, &mut Squares { block, channels, sums: &mut sums });
    }
    sums
}

struct Squares<'a> {
    block: &'a [f32],
    channels: usize,
    sums: &'a mut Sums,
}

impl Kernel for Squares<'_> {
    #[inline(always)]
    fn run<S: Simd>(&mut self, simd: S, channels: Range<usize>) {
        for at in channels.step_by(S::F32_LANES) {
            let (mut sum, mut square) = (simd.splat_f32s(0.0), simd.splat_f32s(0.0));
            for row in self.block.chunks_exact(self.channels) {
                let value = load::<S>(row, at);
                sum = simd.add_f32s(sum, value);
                square = simd.mul_add_e_f32s(value, value, square);
            }
            add_to_sums::<S>(&mut self.sums.first, at, sum);
            add_to_sums::<S>(&mut self.sums.second, at, square);
        }
    }
}

/// The sums for the gradient of a norm without activation: of `g = grad_output * mask`, and of
/// `g * (raw - mean)`.
pub struct ResidualAddSums<'a> {
    pub raw: &'a [f32],
    pub grad_output: &'a [f32],
    pub mean: &'a [f32],
    /// Factors, one per image, and the number of pixels of an image.
    pub drop_path_mask: Option<(&'a [f32], usize)>,
    /// The place of the first row in the batch.
    pub first_row: usize,
    pub sums: &'a mut Sums,
}

impl Kernel for ResidualAddSums<'_> {
    #[inline(always)]
    fn run<S: Simd>(&mut self, simd: S, channels: Range<usize>) {
        let width = self.mean.len();
        for (block, rows) in self.grad_output.chunks(BLOCK * width).enumerate() {
            let raws = &self.raw[block * BLOCK * width..][..rows.len()];
            let first_row = self.first_row + block * BLOCK;
            for at in channels.clone().step_by(S::F32_LANES) {
                let mean = load::<S>(self.mean, at);
                let (mut first, mut second) = (simd.splat_f32s(0.0), simd.splat_f32s(0.0));
                let pairs = rows.chunks_exact(width).zip(raws.chunks_exact(width));
                for (i, (grad_output, raw)) in pairs.enumerate() {
                    let mut g = load::<S>(grad_output, at);
                    if let Some((mask, area)) = self.drop_path_mask {
                        let factor = simd.splat_f32s(mask[(first_row + i) / area]);
                        g = simd.mul_f32s(g, factor);
                    }
                    let centred = simd.sub_f32s(load::<S>(raw, at), mean);
                    first = simd.add_f32s(first, g);
                    second = simd.mul_add_e_f32s(g, centred, second);
                }
                add_to_sums::<S>(&mut self.sums.first, at, first);
                add_to_sums::<S>(&mut self.sums.second, at, second);
            }
        }
    }
}
