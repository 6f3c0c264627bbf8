//! Computes lazy operands, a few rows at a time.
//!
//! In: an [`Operand`] or a [`GradientOperand`]. Out: some of its rows and columns, computed into
//! scratch memory that stays in the cache; or the raw values themselves, if nothing is lazy.

use std::ops::Range;

use pulp::{Arch, Simd};

use super::lanes::{self, Kernel, load, store};
use super::pool::{Buffer, Pool};
use super::{Cpu, GradientOperand, Operand};

/// Rows of a matrix `[rows, channels]`, perhaps not yet computed.
pub trait Rows: Copy + Sync {
    /// Channels of a row.
    fn channels(self) -> usize;
    /// All values, if nothing has to be computed.
    fn plain<'a>(self) -> Option<&'a [f32]>
    where
        Self: 'a;
    /// Computes some columns of some rows into `out`, row after row.
    fn fill(self, arch: Arch, rows: Range<usize>, columns: Range<usize>, out: &mut [f32]);
}

/// All columns of some rows; in `scratch`, if they have to be computed.
pub fn rows<'a, R: Rows + 'a>(
    source: R,
    rows: Range<usize>,
    (arch, pool): (Arch, &Pool),
    scratch: &'a mut Option<Buffer>,
) -> &'a [f32] {
    let channels = source.channels();
    if let Some(values) = source.plain() {
        return &values[rows.start * channels..rows.end * channels];
    }
    let need = rows.len() * channels;
    let scratch = scratch.get_or_insert_with(|| pool.take(need));
    source.fill(arch, rows, 0..channels, &mut scratch[..need]);
    &scratch[..need]
}

/// An [`Operand`] on the CPU.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    raw: &'a [f32],
    channels: usize,
    area: usize,
    norm: Option<(&'a [f32], &'a [f32])>,
    gate: Option<&'a [f32]>,
}

impl<'a> Source<'a> {
    pub fn new(x: Operand<'a, Cpu>) -> Self {
        Self {
            raw: &x.raw.values,
            channels: x.raw.shape.channels,
            area: x.raw.shape.area(),
            norm: x.norm.map(|norm| (&*norm.scale, &*norm.shift)),
            gate: x.gate.map(|gate| &**gate),
        }
    }
}

impl Rows for Source<'_> {
    fn channels(self) -> usize {
        self.channels
    }

    fn plain<'a>(self) -> Option<&'a [f32]>
    where
        Self: 'a,
    {
        (self.norm.is_none() && self.gate.is_none()).then_some(self.raw)
    }

    fn fill(self, arch: Arch, rows: Range<usize>, columns: Range<usize>, out: &mut [f32]) {
        let width = columns.len();
        lanes::run(arch, width, &mut Fill { source: self, rows, first: columns.start, width, out });
    }
}

struct Fill<'a, R> {
    source: R,
    rows: Range<usize>,
    first: usize,
    width: usize,
    out: &'a mut [f32],
}

impl Kernel for Fill<'_, Source<'_>> {
    #[inline(always)]
    fn run<S: Simd>(&mut self, simd: S, channels: Range<usize>) {
        let source = self.source;
        for (i, row) in self.rows.clone().enumerate() {
            let raw = &source.raw[row * source.channels + self.first..][..self.width];
            let out = &mut self.out[i * self.width..][..self.width];
            let gate = source.gate.map(|gate| {
                &gate[row / source.area * source.channels + self.first..][..self.width]
            });
            for at in channels.clone().step_by(S::F32_LANES) {
                let mut value = load::<S>(raw, at);
                if let Some((scale, shift)) = source.norm {
                    let scale = load::<S>(scale, self.first + at);
                    let shift = load::<S>(shift, self.first + at);
                    value = lanes::silu(simd, simd.mul_add_e_f32s(value, scale, shift));
                }
                if let Some(gate) = gate {
                    value = simd.mul_f32s(value, load::<S>(gate, at));
                }
                store::<S>(out, at, value);
            }
        }
    }
}

/// A [`GradientOperand`] on the CPU.
#[derive(Clone, Copy)]
pub struct GradientSource<'a> {
    grad_output: &'a [f32],
    channels: usize,
    area: usize,
    drop_path_mask: Option<&'a [f32]>,
    norm: Option<NormSource<'a>>,
}

#[derive(Clone, Copy)]
struct NormSource<'a> {
    raw: &'a [f32],
    grad_output: &'a [f32],
    slope: &'a [f32],
    constant: &'a [f32],
}

impl<'a> GradientSource<'a> {
    pub fn new(x: GradientOperand<'a, Cpu>) -> Self {
        Self {
            grad_output: &x.grad_output.values,
            channels: x.grad_output.shape.channels,
            area: x.grad_output.shape.area(),
            drop_path_mask: x.drop_path_mask.map(|mask| &**mask),
            norm: x.norm.map(|norm| NormSource {
                raw: &norm.raw.values,
                grad_output: &norm.slopes.grad_output,
                slope: &norm.slopes.raw,
                constant: &norm.slopes.constant,
            }),
        }
    }
}

impl Rows for GradientSource<'_> {
    fn channels(self) -> usize {
        self.channels
    }

    fn plain<'a>(self) -> Option<&'a [f32]>
    where
        Self: 'a,
    {
        (self.drop_path_mask.is_none() && self.norm.is_none()).then_some(self.grad_output)
    }

    fn fill(self, arch: Arch, rows: Range<usize>, columns: Range<usize>, out: &mut [f32]) {
        let width = columns.len();
        lanes::run(arch, width, &mut Fill { source: self, rows, first: columns.start, width, out });
    }
}

impl Kernel for Fill<'_, GradientSource<'_>> {
    #[inline(always)]
    fn run<S: Simd>(&mut self, simd: S, channels: Range<usize>) {
        let source = self.source;
        for (i, row) in self.rows.clone().enumerate() {
            let base = row * source.channels + self.first;
            let grad_output = &source.grad_output[base..][..self.width];
            let out = &mut self.out[i * self.width..][..self.width];
            let factor = source.drop_path_mask.map_or(1.0, |mask| mask[row / source.area]);
            let factor = simd.splat_f32s(factor);
            for at in channels.clone().step_by(S::F32_LANES) {
                let mut value = simd.mul_f32s(load::<S>(grad_output, at), factor);
                if let Some(norm) = source.norm {
                    let slope = load::<S>(norm.slope, self.first + at);
                    let constant = load::<S>(norm.constant, self.first + at);
                    let raw = load::<S>(&norm.raw[base..], at);
                    let rest = simd.mul_add_e_f32s(raw, slope, constant);
                    value = simd.mul_add_e_f32s(
                        value,
                        load::<S>(norm.grad_output, self.first + at),
                        rest,
                    );
                }
                store::<S>(out, at, value);
            }
        }
    }
}
