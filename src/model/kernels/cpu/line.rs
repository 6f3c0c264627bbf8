//! One row of a correlation, the inner loop of every depthwise convolution.

use pulp::Simd;

use super::lanes::{load, store};

/// How inputs, taps and outputs of a row meet: output `o` reads by tap `i` the input
/// `first + o * step + i`, if there is one.
pub struct Line<const TAPS: usize> {
    /// Which column of the window each tap weighs with.
    pub taps: [usize; TAPS],
    /// The input that the first tap of the first output reads.
    pub first: isize,
    /// Inputs in a row.
    pub inputs: usize,
    /// Outputs to compute.
    pub outputs: usize,
    /// Pixel that the first output goes to.
    pub out_first: usize,
    /// Pixels from one output to the next.
    pub out_step: usize,
}

/// Outputs of one row at one vector of channels: the sum over the window's rows (`None` where
/// it leaves the image) and taps. `places` are the channels of a pixel and the vector's first.
#[inline(always)]
pub fn correlate<S: Simd, const KERNEL: usize, const TAPS: usize, const STEP: usize>(
    simd: S,
    rows: &[Option<&[f32]>; KERNEL],
    weights: &[f32],
    places: (usize, usize),
    line: &Line<TAPS>,
    out: &mut [f32],
) {
    // Outputs whose taps all fall on inputs.
    let inner_first = (-line.first).max(0).unsigned_abs().div_ceil(STEP);
    let room = line.inputs as isize - line.first - TAPS as isize;
    let inner_end = if room < 0 { 0 } else { (room as usize / STEP + 1).min(line.outputs) };
    let mut o = 0;
    while o < line.outputs {
        let left = if o >= inner_first { inner_end.saturating_sub(o) } else { 0 };
        macro_rules! tile {
            ($size:literal, $edge:literal) => {{
                let sums = tile::<S, KERNEL, TAPS, STEP, $size, $edge>(
                    simd, rows, weights, places, line, o,
                );
                for (i, sum) in sums.into_iter().enumerate() {
                    let pixel = line.out_first + (o + i) * line.out_step;
                    store::<S>(out, pixel * places.0 + places.1, sum);
                }
                o += $size;
            }};
        }
        match left {
            6.. => tile!(6, false),
            2.. => tile!(2, false),
            _ => tile!(1, true),
        }
    }
}

/// `SIZE` outputs from `o` on, whose sums stay in registers.
#[inline(always)]
fn tile<
    S: Simd,
    const KERNEL: usize,
    const TAPS: usize,
    const STEP: usize,
    const SIZE: usize,
    const EDGE: bool,
>(
    simd: S,
    rows: &[Option<&[f32]>; KERNEL],
    weights: &[f32],
    (width, at): (usize, usize),
    line: &Line<TAPS>,
    o: usize,
) -> [S::f32s; SIZE] {
    let mut sums = [simd.splat_f32s(0.0); SIZE];
    for (row_of_window, row) in rows.iter().enumerate() {
        let Some(row) = row else { continue };
        let weight: [S::f32s; TAPS] = std::array::from_fn(|i| {
            load::<S>(weights, (row_of_window * KERNEL + line.taps[i]) * width + at)
        });
        let first = line.first + (o * STEP) as isize;
        for (t, sum) in sums.iter_mut().enumerate() {
            for (i, weight) in weight.iter().enumerate() {
                let input = first + (t * STEP + i) as isize;
                if EDGE && !(0..line.inputs as isize).contains(&input) {
                    continue;
                }
                let x = load::<S>(row, input as usize * width + at);
                *sum = simd.mul_add_e_f32s(x, *weight, *sum);
            }
        }
    }
    sums
}
