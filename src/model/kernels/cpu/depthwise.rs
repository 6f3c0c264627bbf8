//! Depthwise convolutions, a row of an image at a time.
//!
//! Forward: a task makes a band of output rows. The lazy input rows it needs are computed once
//! each into a ring of as many rows as the window is high. Back: a task takes a band of input
//! rows; the activation and its slope at a row are computed once and serve the weight's
//! gradient, the input's, and the sums of the norm before it.

use std::ops::Range;

use pulp::{Arch, Simd};
use rayon::prelude::*;

use super::super::{Shape, Window};
use super::lanes::{self, Kernel, add_to_sums, load, store};
use super::line::{Line, correlate};
use super::operand::Rows;
use super::pool::{Buffer, Pool};
use super::sums::Sums;

/// Rows of a task: a quarter of the image, but neither so few that windows overlap much nor so
/// many that threads wait.
fn band(rows: usize) -> usize {
    rows.div_ceil(4).clamp(8, 32)
}

/// `[channels, window]` as `[window, channels]`.
fn by_tap(weight: &[f32], channels: usize, pool: &Pool) -> Buffer {
    let taps = weight.len() / channels;
    let mut out = pool.take(weight.len());
    for (channel, window) in weight.chunks_exact(taps).enumerate() {
        for (tap, value) in window.iter().enumerate() {
            out[tap * channels + channel] = *value;
        }
    }
    out
}

/// The bands of all images: image, first row, and the band's part of `values`.
fn bands(values: &mut [f32], shape: Shape) -> Vec<(usize, usize, &mut [f32])> {
    let row = shape.width * shape.channels;
    let band = band(shape.height);
    let images = values.chunks_mut(shape.height * row).enumerate();
    images
        .flat_map(|(image, values)| {
            let bands = values.chunks_mut(band * row).enumerate();
            bands.map(move |(i, values)| (image, i * band, values))
        })
        .collect()
}

/// The output, and its sums.
pub fn forward<R: Rows>(
    x: R,
    shape: Shape,
    window: Window,
    weight: &[f32],
    with_sums: bool,
    (arch, pool): (Arch, &Pool),
) -> (Buffer, Option<Sums>) {
    let weights = by_tap(weight, shape.channels, pool);
    let out = shape.slid(window);
    let mut y = pool.take(out.len());
    let parts = bands(&mut y, out).into_par_iter().map(|(image, first, values)| {
        let task = Forward { x, shape, weights: &weights, with_sums, arch, pool };
        match (window.kernel, window.stride) {
            (3, 1) => task.band::<3, 1>(image, first, values),
            (3, 2) => task.band::<3, 2>(image, first, values),
            (5, 1) => task.band::<5, 1>(image, first, values),
            (5, 2) => task.band::<5, 2>(image, first, values),
            other => unreachable!("windows are 3 or 5 wide and move by 1 or 2, not {other:?}"),
        }
    });
    let parts: Vec<Sums> = parts.collect();
    let sums = with_sums.then(|| Sums::total(shape.channels, parts));
    (y, sums)
}

struct Forward<'a, R> {
    x: R,
    shape: Shape,
    weights: &'a [f32],
    with_sums: bool,
    arch: Arch,
    pool: &'a Pool,
}

impl<R: Rows> Forward<'_, R> {
    fn band<const KERNEL: usize, const STRIDE: usize>(
        &self,
        image: usize,
        first: usize,
        values: &mut [f32],
    ) -> Sums {
        let Shape { height, width, channels, .. } = self.shape;
        let row = width * channels;
        let mut sums = Sums::zeros(channels);
        let mut ring = self.x.plain().is_none().then(|| self.pool.take(KERNEL * row));
        // Which row is in each place of the ring.
        let mut held = [usize::MAX; KERNEL];
        for (i, out) in values.chunks_mut(width.div_ceil(STRIDE) * channels).enumerate() {
            let top = (first + i) * STRIDE;
            let wanted: [Option<usize>; KERNEL] = std::array::from_fn(|tap| {
                (top + tap).checked_sub(KERNEL / 2).filter(|row| *row < height)
            });
            let start = |at: usize| (image * height + at) * width;
            if let Some(ring) = &mut ring {
                for at in wanted.into_iter().flatten() {
                    if held[at % KERNEL] == at {
                        continue;
                    }
                    held[at % KERNEL] = at;
                    let out = &mut ring[at % KERNEL * row..][..row];
                    self.x.fill(self.arch, start(at)..start(at) + width, 0..channels, out);
                }
            }
            let rows = wanted.map(|at| {
                at.map(|at| match &ring {
                    Some(ring) => &ring[at % KERNEL * row..][..row],
                    None => &self.x.plain().expect("without a ring it is")[start(at) * channels..]
                        [..row],
                })
            });
            let mut kernel = ForwardRow::<KERNEL, STRIDE> {
                rows,
                weights: self.weights,
                width: channels,
                inputs: width,
                out,
                sums: self.with_sums.then_some(&mut sums),
            };
            lanes::run(self.arch, channels, &mut kernel);
        }
        sums
    }
}

struct ForwardRow<'a, const KERNEL: usize, const STRIDE: usize> {
    rows: [Option<&'a [f32]>; KERNEL],
    weights: &'a [f32],
    width: usize,
    inputs: usize,
    out: &'a mut [f32],
    sums: Option<&'a mut Sums>,
}

impl<const KERNEL: usize, const STRIDE: usize> Kernel for ForwardRow<'_, KERNEL, STRIDE> {
    #[inline(always)]
    fn run<S: Simd>(&mut self, simd: S, channels: Range<usize>) {
        let line = Line {
            taps: std::array::from_fn(|tap| tap),
            first: -((KERNEL / 2) as isize),
            inputs: self.inputs,
            outputs: self.inputs.div_ceil(STRIDE),
            out_first: 0,
            out_step: 1,
        };
        for at in channels.step_by(S::F32_LANES) {
            let places = (self.width, at);
            correlate::<S, KERNEL, KERNEL, STRIDE>(
                simd,
                &self.rows,
                self.weights,
                places,
                &line,
                self.out,
            );
            if let Some(sums) = &mut self.sums {
                let (mut sum, mut square) = (simd.splat_f32s(0.0), simd.splat_f32s(0.0));
                for pixel in self.out.chunks_exact(self.width) {
                    let value = load::<S>(pixel, at);
                    sum = simd.add_f32s(sum, value);
                    square = simd.mul_add_e_f32s(value, value, square);
                }
                add_to_sums::<S>(&mut sums.first, at, sum);
                add_to_sums::<S>(&mut sums.second, at, square);
            }
        }
    }
}

/// The input of [`back`].
#[derive(Clone, Copy)]
pub struct Input<'a> {
    /// Raw values.
    pub raw: &'a [f32],
    /// Their shape.
    pub shape: Shape,
    /// Scale, shift and mean of the norm before it, if there is one.
    pub norm: Option<[&'a [f32]; 3]>,
}

/// The gradient of the input (see [`super::Kernels::depthwise_back`]) and its sums.
pub fn back(
    outer: &[f32],
    x: Input<'_>,
    window: Window,
    weight: &[f32],
    gradient: &mut [f32],
    onto: Option<Buffer>,
    (arch, pool): (Arch, &Pool),
) -> (Buffer, Option<Sums>) {
    let channels = x.shape.channels;
    let weights = by_tap(weight, channels, pool);
    let onto_given = onto.is_some();
    let mut dx = onto.unwrap_or_else(|| pool.take(x.shape.len()));
    let parts = bands(&mut dx, x.shape).into_par_iter().map(|(image, first, values)| {
        let task = Back { outer, x, weights: &weights, onto_given, arch, pool };
        match (window.kernel, window.stride) {
            (3, 1) => task.band::<3, 1>(image, first, values),
            (3, 2) => task.band::<3, 2>(image, first, values),
            (5, 1) => task.band::<5, 1>(image, first, values),
            (5, 2) => task.band::<5, 2>(image, first, values),
            other => unreachable!("windows are 3 or 5 wide and move by 1 or 2, not {other:?}"),
        }
    });
    let parts: Vec<(Buffer, Sums)> = parts.collect();
    let taps = weight.len() / channels;
    gradient.par_chunks_mut(taps).enumerate().with_min_len(16).for_each(|(channel, window)| {
        for (tap, value) in window.iter_mut().enumerate() {
            *value += parts.iter().map(|(part, _)| part[tap * channels + channel]).sum::<f32>();
        }
    });
    let sums = x.norm.map(|_| Sums::total(channels, parts.into_iter().map(|(_, sums)| sums)));
    (dx, sums)
}

struct Back<'a> {
    outer: &'a [f32],
    x: Input<'a>,
    weights: &'a [f32],
    onto_given: bool,
    arch: Arch,
    pool: &'a Pool,
}

impl Back<'_> {
    fn band<const KERNEL: usize, const STRIDE: usize>(
        &self,
        image: usize,
        first: usize,
        values: &mut [f32],
    ) -> (Buffer, Sums) {
        let Shape { height, width, channels, .. } = self.x.shape;
        let window = Window { kernel: KERNEL, stride: STRIDE };
        let out = self.x.shape.slid(window);
        let row = width * channels;
        let mut sums = Sums::zeros(channels);
        let mut weights_gradient = self.pool.zeros(self.weights.len());
        let mut activated = self.x.norm.map(|_| (self.pool.take(row), self.pool.take(row)));
        let mut result = (self.onto_given).then(|| self.pool.take(row));
        for (i, dx) in values.chunks_mut(row).enumerate() {
            let at = first + i;
            let raw = &self.x.raw[(image * height + at) * row..][..row];
            if let (Some((value, slope)), Some([scale, shift, _])) = (&mut activated, self.x.norm) {
                let mut kernel = Activate { raw, scale, shift, value, slope };
                lanes::run(self.arch, channels, &mut kernel);
            }
            // Output row o reads this row by tap t where o * stride + t - padding = at.
            let rows: [Option<&[f32]>; KERNEL] = std::array::from_fn(|tap| {
                let shifted = (at + KERNEL / 2).checked_sub(tap)?;
                let o = shifted / STRIDE;
                let reads = shifted % STRIDE == 0 && o < out.height;
                let length = out.width * channels;
                reads.then(|| &self.outer[(image * out.height + o) * length..][..length])
            });
            let after = match (&activated, self.x.norm) {
                (Some((_, slope)), Some([_, _, mean])) => Some((&**slope, mean)),
                _ => None,
            };
            let value = activated.as_ref().map_or(raw, |(value, _)| &**value);
            let mut kernel = BackRow::<KERNEL, STRIDE> {
                rows,
                weights: self.weights,
                weights_gradient: &mut weights_gradient,
                width: channels,
                inputs: width,
                value,
                raw,
                after,
                dx: result.as_deref_mut().unwrap_or(&mut *dx),
                sums: &mut sums,
            };
            lanes::run(self.arch, channels, &mut kernel);
            if let Some(result) = &result {
                dx.iter_mut().zip(&**result).for_each(|(sum, value)| *sum += value);
            }
        }
        (weights_gradient, sums)
    }
}

/// Value and slope of SiLU at the norm of a row.
struct Activate<'a> {
    raw: &'a [f32],
    scale: &'a [f32],
    shift: &'a [f32],
    value: &'a mut [f32],
    slope: &'a mut [f32],
}

impl Kernel for Activate<'_> {
    #[inline(always)]
    fn run<S: Simd>(&mut self, simd: S, channels: Range<usize>) {
        let width = self.scale.len();
        let out = self.value.chunks_exact_mut(width).zip(self.slope.chunks_exact_mut(width));
        for (raw, (values, slopes)) in self.raw.chunks_exact(width).zip(out) {
            for at in channels.clone().step_by(S::F32_LANES) {
                let scale = load::<S>(self.scale, at);
                let x = simd.mul_add_e_f32s(load::<S>(raw, at), scale, load::<S>(self.shift, at));
                let (value, slope) = lanes::silu_and_slope(simd, x);
                store::<S>(values, at, value);
                store::<S>(slopes, at, slope);
            }
        }
    }
}

struct BackRow<'a, const KERNEL: usize, const STRIDE: usize> {
    rows: [Option<&'a [f32]>; KERNEL],
    weights: &'a [f32],
    weights_gradient: &'a mut [f32],
    width: usize,
    inputs: usize,
    value: &'a [f32],
    raw: &'a [f32],
    /// Slope of the activation, and the mean of the norm.
    after: Option<(&'a [f32], &'a [f32])>,
    dx: &'a mut [f32],
    sums: &'a mut Sums,
}

impl<const KERNEL: usize, const STRIDE: usize> BackRow<'_, KERNEL, STRIDE> {
    #[inline(always)]
    fn input<S: Simd>(&mut self, simd: S, at: usize) {
        let places = (self.width, at);
        let outputs = self.inputs.div_ceil(STRIDE);
        if STRIDE == 1 {
            let line = Line {
                taps: std::array::from_fn(|i| KERNEL - 1 - i),
                first: -((KERNEL / 2) as isize),
                inputs: outputs,
                outputs: self.inputs,
                out_first: 0,
                out_step: 1,
            };
            correlate::<S, KERNEL, KERNEL, 1>(
                simd,
                &self.rows,
                self.weights,
                places,
                &line,
                self.dx,
            );
            return;
        }
        // Of stride 2, even and odd inputs are each a correlation with every second tap.
        macro_rules! of_parity {
            ($parity:expr, $first_tap:expr, $taps:literal) => {{
                let line = Line {
                    taps: std::array::from_fn::<_, $taps, _>(|i| $first_tap + 2 * ($taps - 1 - i)),
                    first: (($parity + KERNEL / 2 - $first_tap) / 2) as isize + 1 - $taps,
                    inputs: outputs,
                    outputs: (self.inputs + 1 - $parity) / 2,
                    out_first: $parity,
                    out_step: 2,
                };
                correlate::<S, KERNEL, $taps, 1>(
                    simd,
                    &self.rows,
                    self.weights,
                    places,
                    &line,
                    self.dx,
                );
            }};
        }
        if KERNEL == 3 {
            of_parity!(0, 1, 1);
            of_parity!(1, 0, 2);
        } else {
            of_parity!(0, 0, 3);
            of_parity!(1, 1, 2);
        }
    }

    #[inline(always)]
    fn weights<S: Simd>(&mut self, simd: S, at: usize) {
        let (width, inputs, padding) = (self.width, self.inputs, KERNEL / 2);
        let outputs = inputs.div_ceil(STRIDE);
        for tap in 0..KERNEL {
            let Some(outer) = self.rows[tap] else { continue };
            let place = |i: usize| (tap * KERNEL + i) * width + at;
            let mut sums: [S::f32s; KERNEL] =
                std::array::from_fn(|i| load::<S>(self.weights_gradient, place(i)));
            for o in 0..outputs {
                let outer = load::<S>(outer, o * width + at);
                let left = o * STRIDE;
                if left >= padding && left - padding + KERNEL <= inputs {
                    for (i, sum) in sums.iter_mut().enumerate() {
                        let x = load::<S>(self.value, (left - padding + i) * width + at);
                        *sum = simd.mul_add_e_f32s(outer, x, *sum);
                    }
                } else {
                    for (i, sum) in sums.iter_mut().enumerate() {
                        if left + i >= padding && left + i - padding < inputs {
                            let x = load::<S>(self.value, (left + i - padding) * width + at);
                            *sum = simd.mul_add_e_f32s(outer, x, *sum);
                        }
                    }
                }
            }
            for (i, sum) in sums.into_iter().enumerate() {
                store::<S>(self.weights_gradient, place(i), sum);
            }
        }
    }

    #[inline(always)]
    fn norm<S: Simd>(&mut self, simd: S, at: usize) {
        let Some((slope, mean)) = self.after else { return };
        let mean = load::<S>(mean, at);
        let (mut first, mut second) = (simd.splat_f32s(0.0), simd.splat_f32s(0.0));
        let rows = self.raw.chunks_exact(self.width).zip(slope.chunks_exact(self.width));
        for (dx, (raw, slope)) in self.dx.chunks_exact_mut(self.width).zip(rows) {
            let value = simd.mul_f32s(load::<S>(dx, at), load::<S>(slope, at));
            store::<S>(dx, at, value);
            first = simd.add_f32s(first, value);
            let centred = simd.sub_f32s(load::<S>(raw, at), mean);
            second = simd.mul_add_e_f32s(value, centred, second);
        }
        add_to_sums::<S>(&mut self.sums.first, at, first);
        add_to_sums::<S>(&mut self.sums.second, at, second);
    }
}

impl<const KERNEL: usize, const STRIDE: usize> Kernel for BackRow<'_, KERNEL, STRIDE> {
    #[inline(always)]
    fn run<S: Simd>(&mut self, simd: S, channels: Range<usize>) {
        for at in channels.step_by(S::F32_LANES) {
            self.input(simd, at);
            self.weights(simd, at);
            self.norm(simd, at);
        }
    }
}
