//! The end of a block, which has no activation: norm, drop-path and shortcut in one pass.

use std::ops::Range;

use pulp::{Arch, Simd};
use rayon::prelude::*;

use super::lanes::{self, Kernel, load, store};
use super::sums::{JoinSums, Sums};

const ROWS: usize = 256;

/// What is joined; `keep` are factors by image with the pixels of an image.
#[derive(Clone, Copy)]
pub struct Joined<'a> {
    /// Before the norm.
    pub raw: &'a [f32],
    /// `[channels]` of the norm.
    pub scale: &'a [f32],
    /// `[channels]` of the norm.
    pub shift: &'a [f32],
    /// Factors of the branch.
    pub keep: Option<(&'a [f32], usize)>,
    /// Added.
    pub shortcut: Option<&'a [f32]>,
}

/// `norm(raw) * keep + shortcut`.
pub fn forward(x: Joined<'_>, out: &mut [f32], arch: Arch) {
    let span = ROWS * x.scale.len();
    out.par_chunks_mut(span).enumerate().for_each(|(i, out)| {
        let here = i * span..i * span + out.len();
        let shortcut = x.shortcut.map(|shortcut| &shortcut[here.clone()]);
        let x = Joined { raw: &x.raw[here], shortcut, ..x };
        lanes::run(arch, x.scale.len(), &mut Join { x, first_row: i * ROWS, out });
    });
}

struct Join<'a> {
    x: Joined<'a>,
    first_row: usize,
    out: &'a mut [f32],
}

impl Kernel for Join<'_> {
    #[inline(always)]
    fn run<S: Simd>(&mut self, simd: S, channels: Range<usize>) {
        let width = self.x.scale.len();
        let rows = self.out.chunks_exact_mut(width).zip(self.x.raw.chunks_exact(width));
        for (i, (out, raw)) in rows.enumerate() {
            let keep = self.x.keep.map_or(1.0, |(keep, area)| keep[(self.first_row + i) / area]);
            let keep = simd.splat_f32s(keep);
            let shortcut = self.x.shortcut.map(|shortcut| &shortcut[i * width..][..width]);
            for at in channels.clone().step_by(S::F32_LANES) {
                let (scale, shift) = (load::<S>(self.x.scale, at), load::<S>(self.x.shift, at));
                let value = simd.mul_add_e_f32s(load::<S>(raw, at), scale, shift);
                let value = match shortcut {
                    Some(shortcut) => simd.mul_add_e_f32s(value, keep, load::<S>(shortcut, at)),
                    None => simd.mul_f32s(value, keep),
                };
                store::<S>(out, at, value);
            }
        }
    }
}

/// See [`super::Kernels::join_sums`].
pub fn sums(
    raw: &[f32],
    outer: &[f32],
    mean: &[f32],
    keep: Option<(&[f32], usize)>,
    arch: Arch,
) -> Sums {
    let (channels, span) = (mean.len(), ROWS * mean.len());
    let parts = raw.par_chunks(span).zip(outer.par_chunks(span)).enumerate();
    let parts = parts.map(|(i, (raw, outer))| {
        let mut sums = Sums::zeros(channels);
        let first_row = i * ROWS;
        let mut kernel = JoinSums { raw, outer, mean, keep, first_row, sums: &mut sums };
        lanes::run(arch, channels, &mut kernel);
        sums
    });
    Sums::total(channels, parts.collect::<Vec<_>>())
}
