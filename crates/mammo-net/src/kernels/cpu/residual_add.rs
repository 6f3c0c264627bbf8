//! The end of a block, which has no activation: norm, drop-path and shortcut in one pass.

use std::ops::Range;

use pulp::{Arch, Simd};
use rayon::prelude::*;

use super::lanes::{self, Kernel, load, store};
use super::sums::{ResidualAddSums, Sums};

/// Rows of a task.
const ROWS: usize = 256;

/// A branch and its shortcut.
#[derive(Clone, Copy)]
pub struct Branch<'a> {
    /// The branch before its norm.
    pub raw: &'a [f32],
    /// `[channels]` of the norm.
    pub scale: &'a [f32],
    /// `[channels]` of the norm.
    pub shift: &'a [f32],
    /// Factors of the branch, one per image, and the number of pixels of an image.
    pub drop_path_mask: Option<(&'a [f32], usize)>,
    /// What is added.
    pub shortcut: Option<&'a [f32]>,
}

/// `norm(raw) * drop_path_mask + shortcut`.
pub fn forward(x: Branch<'_>, out: &mut [f32], arch: Arch) {
    let span = ROWS * x.scale.len();
    out.par_chunks_mut(span).enumerate().for_each(|(i, out)| {
        let here = i * span..i * span + out.len();
        let shortcut = x.shortcut.map(|shortcut| &shortcut[here.clone()]);
        let x = Branch { raw: &x.raw[here], shortcut, ..x };
        lanes::run(arch, x.scale.len(), &mut ResidualAdd { x, first_row: i * ROWS, out });
    });
}

struct ResidualAdd<'a> {
    x: Branch<'a>,
    first_row: usize,
    out: &'a mut [f32],
}

impl Kernel for ResidualAdd<'_> {
    #[inline(always)]
    fn run<S: Simd>(&mut self, simd: S, channels: Range<usize>) {
        let width = self.x.scale.len();
        let rows = self.out.chunks_exact_mut(width).zip(self.x.raw.chunks_exact(width));
        for (i, (out, raw)) in rows.enumerate() {
            let row = self.first_row + i;
            let factor = self.x.drop_path_mask.map_or(1.0, |(mask, area)| mask[row / area]);
            let factor = simd.splat_f32s(factor);
            let shortcut = self.x.shortcut.map(|shortcut| &shortcut[i * width..][..width]);
            for at in channels.clone().step_by(S::F32_LANES) {
                let (scale, shift) = (load::<S>(self.x.scale, at), load::<S>(self.x.shift, at));
                let value = simd.mul_add_e_f32s(load::<S>(raw, at), scale, shift);
                let value = match shortcut {
                    Some(shortcut) => simd.mul_add_e_f32s(value, factor, load::<S>(shortcut, at)),
                    None => simd.mul_f32s(value, factor),
                };
                store::<S>(out, at, value);
            }
        }
    }
}

/// See [`super::Kernels::residual_add_sums`].
pub fn sums(
    raw: &[f32],
    grad_output: &[f32],
    mean: &[f32],
    drop_path_mask: Option<(&[f32], usize)>,
    arch: Arch,
) -> Sums {
    let (channels, span) = (mean.len(), ROWS * mean.len());
    let parts = raw.par_chunks(span).zip(grad_output.par_chunks(span)).enumerate();
    let parts = parts.map(|(i, (raw, grad_output))| {
        let mut sums = Sums::zeros(channels);
        let first_row = i * ROWS;
        let mut kernel =
            ResidualAddSums { raw, grad_output, mean, drop_path_mask, first_row, sums: &mut sums };
        lanes::run(arch, channels, &mut kernel);
        sums
    });
    Sums::total(channels, parts.collect::<Vec<_>>())
}
