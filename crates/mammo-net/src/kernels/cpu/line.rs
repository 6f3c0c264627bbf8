//! One row of a correlation, the inner loop of every depthwise convolution.

use pulp::Simd;

use super::lanes::{load, store};

/// Which input each output of a row reads: output `o` multiplies tap `i` with the input
/// `first + o * step + i`, if there is such an input.
pub struct Line<const TAPS: usize> {
    /// The column of the window that holds the weight of each tap.
    pub taps: [usize; TAPS],
    /// The input that the first output reads by its first tap.
    pub first: isize,
    /// Inputs in a row.
    pub inputs: usize,
    /// Outputs to compute.
    pub outputs: usize,
    /// The pixel that the first output is written to.
    pub out_first: usize,
    /// The distance in pixels from one output to the next.
    pub out_step: usize,
}

/// Computes the outputs of one row for one vector of channels: the sum over the taps of all rows of
/// the window. A row is `None` where the window leaves the image. `places` are the number of
/// channels of a pixel and the first channel of the vector.
#[inline(always)]
pub fn correlate<S: Simd, const KERNEL: usize, const TAPS: usize, const STEP: usize>(
    simd: S,
    rows: &[Option<&[f32]>; KERNEL],
    weights: &[f32],
    places: (usize, usize),
    line: &Line<TAPS>,
    out: &mut [f32],
) {
    // For outputs from `inner_first` to `inner_end`, all taps fall on inputs.
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

/// `SIZE` outputs from `o` on. Their sums stay in registers.
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
