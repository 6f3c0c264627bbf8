//! The standard's two wavelets, along x and as lifting steps along y (ISO/IEC 15444-1 Annex F).
//!
//! In: rows of an interleaved level, each as its low-pass and high-pass half. Out: rows joined along
//! x, which [`Lifting`](super::lifting::Lifting) lifts along y together with the few rows before it.

use super::low::LowBand;

/// One of the standard's two wavelets.
pub trait Kernel {
    /// The type of a coefficient, or of an intermediate sample.
    type Sample: Copy + Default;
    /// The number of lifting steps: odd-numbered ones change even rows, even-numbered ones odd
    /// rows.
    const STEPS: usize;
    /// The number of samples next to an edge that differ if the signal is cut there.
    const REACH: u32;

    /// The value of a block decoder's coefficient, in a band quantised by `step`.
    fn dequantise(coefficient: u32, step: f32) -> Self::Sample;
    /// A sample as a number.
    fn value(sample: Self::Sample) -> f32;
    /// The samples of a low band; `None` if they belong to the other wavelet.
    fn kept(low: &LowBand) -> &[Self::Sample];
    /// Joins the halves of a row; `odd` says that the first sample is a high-pass one.
    fn join(
        low: &[Self::Sample],
        high: &[Self::Sample],
        odd: bool,
        work: &mut Work<Self::Sample>,
        row: &mut [Self::Sample],
    );
    /// Scales a row before it is lifted.
    fn scale(row: &mut [Self::Sample], high: bool);
    /// Lifting step `step` (from 1) on a row between two others.
    fn lift(step: usize, row: &mut [Self::Sample], above: &[Self::Sample], below: &[Self::Sample]);
    /// The value of a high-pass row that is the only row.
    fn alone(row: &mut [Self::Sample]);
}

/// Scratch for [`Kernel::join`].
#[derive(Default)]
pub struct Work<S> {
    low: Vec<S>,
    high: Vec<S>,
}

/// The reversible 5/3 wavelet on integers.
pub struct Reversible;

impl Kernel for Reversible {
    type Sample = i32;
    const STEPS: usize = 2;
    const REACH: u32 = 2;

    #[inline(always)]
    fn dequantise(coefficient: u32, _: f32) -> i32 {
        let magnitude = (coefficient & 0x7FFF_FFFF) >> 1;
        // Two's complement where the sign is set.
        let sign = (coefficient as i32) >> 31;
        (magnitude as i32 ^ sign) - sign
    }

    fn value(sample: i32) -> f32 {
        sample as f32
    }

    fn kept(low: &LowBand) -> &[i32] {
        &low.integers
    }

    fn join(low: &[i32], high: &[i32], odd: bool, work: &mut Work<i32>, row: &mut [i32]) {
        if row.len() == 1 {
            row[0] = if odd { high[0] / 2 } else { low[0] };
            return;
        }
        let Work { low: even, high: padded } = work;
        // high[-1], high[0], ... high[n]: mirrored about the row's ends.
        pad(high, odd, low.len(), padded);
        even.clear();
        even.extend(
            low.iter()
                .zip(padded.windows(2))
                .map(|(&l, h)| l.wrapping_sub(h[0].wrapping_add(h[1]).wrapping_add(2) >> 2)),
        );
        let between = |h: i32, a: i32, b: i32| h.wrapping_add(a.wrapping_add(b) >> 1);
        interleave(even, high, odd, row, between);
    }

    fn scale(_: &mut [i32], _: bool) {}

    fn lift(step: usize, row: &mut [i32], above: &[i32], below: &[i32]) {
        let neighbours = above.iter().zip(below);
        match step {
            1 => {
                for (x, (&a, &b)) in row.iter_mut().zip(neighbours) {
                    *x = x.wrapping_sub(a.wrapping_add(b).wrapping_add(2) >> 2);
                }
            }
            _ => {
                for (x, (&a, &b)) in row.iter_mut().zip(neighbours) {
                    *x = x.wrapping_add(a.wrapping_add(b) >> 1);
                }
            }
        }
    }

    fn alone(row: &mut [i32]) {
        row.iter_mut().for_each(|x| *x /= 2);
    }
}

/// The irreversible 9/7 wavelet, with the factors and the order of operations of OpenJPEG,
/// so that results agree to the last bit.
pub struct Irreversible;

#[allow(clippy::excessive_precision)]
const LIFTING: [f32; 4] = [-0.443_506_852, -0.882_911_075, 0.052_980_118, 1.586_134_342];
#[allow(clippy::excessive_precision)]
const LOW_GAIN: f32 = 1.230_174_105;
/// Twice the standard's 1/K: the bands' gain, which the quantisation step leaves out.
#[allow(clippy::excessive_precision)]
const HIGH_GAIN: f32 = 1.625_732_422;

impl Kernel for Irreversible {
    type Sample = f32;
    const STEPS: usize = 4;
    const REACH: u32 = 4;

    #[inline(always)]
    fn dequantise(coefficient: u32, step: f32) -> f32 {
        Reversible::dequantise_twice(coefficient) as f32 * (0.5 * step)
    }

    fn value(sample: f32) -> f32 {
        sample
    }

    fn kept(low: &LowBand) -> &[f32] {
        &low.floats
    }

    fn join(low: &[f32], high: &[f32], odd: bool, work: &mut Work<f32>, row: &mut [f32]) {
        if row.len() == 1 {
            row[0] = if odd { high[0] } else { low[0] };
            return;
        }
        let Work { low: even, high: detail } = work;
        even.clear();
        even.extend(low.iter().map(|x| x * LOW_GAIN));
        detail.clear();
        detail.extend(high.iter().map(|x| x * HIGH_GAIN));
        let (first, second) = if odd { (1, 0) } else { (0, 1) };
        lift_halves(even, detail, first, LIFTING[0]);
        lift_halves(detail, even, second, LIFTING[1]);
        lift_halves(even, detail, first, LIFTING[2]);
        lift_halves(detail, even, second, LIFTING[3]);
        let (front, back) = if odd { (&*detail, &*even) } else { (&*even, &*detail) };
        let pairs = row.chunks_exact_mut(2).zip(front.iter().zip(back));
        for (pair, (&a, &b)) in pairs {
            (pair[0], pair[1]) = (a, b);
        }
        if row.len() % 2 == 1 {
            row[row.len() - 1] = front[front.len() - 1];
        }
    }

    fn scale(row: &mut [f32], high: bool) {
        let gain = if high { HIGH_GAIN } else { LOW_GAIN };
        row.iter_mut().for_each(|x| *x *= gain);
    }

    fn lift(step: usize, row: &mut [f32], above: &[f32], below: &[f32]) {
        let factor = LIFTING[step - 1];
        for (x, (&a, &b)) in row.iter_mut().zip(above.iter().zip(below)) {
            *x += (a + b) * factor;
        }
    }

    fn alone(_: &mut [f32]) {}
}

impl Reversible {
    /// The signed coefficient with its fractional bit.
    #[inline(always)]
    fn dequantise_twice(coefficient: u32) -> i32 {
        let sign = (coefficient as i32) >> 31;
        ((coefficient & 0x7FFF_FFFF) as i32 ^ sign) - sign
    }
}

/// `row[i] += (other[i - 1 + shift] + other[i + shift]) * factor`, mirrored at the ends.
fn lift_halves(row: &mut [f32], other: &[f32], shift: usize, factor: f32) {
    let (n, last) = (row.len(), other.len() - 1);
    for i in if n == 1 { 0..1 } else { 0..n }.step_by((n - 1).max(1)) {
        let (before, after) = ((i + shift).saturating_sub(1), (i + shift).min(last));
        row[i] += (other[before] + other[after]) * factor;
    }
    if n > 2 {
        for (x, pair) in row[1..n - 1].iter_mut().zip(other[shift..].windows(2)) {
            *x += (pair[0] + pair[1]) * factor;
        }
    }
}

/// `high` with one more value each side, so that value `i` of the low half lies between
/// `padded[i]` and `padded[i + 1]`.
fn pad(high: &[i32], odd: bool, low: usize, padded: &mut Vec<i32>) {
    padded.clear();
    if !odd {
        padded.push(high[0]);
    }
    padded.extend_from_slice(high);
    while padded.len() < low + 1 {
        padded.push(high[high.len() - 1]);
    }
}

/// Writes `even` and, between them, `detail` as `between` makes it of the two beside it.
fn interleave<S: Copy>(
    even: &[S],
    detail: &[S],
    odd: bool,
    row: &mut [S],
    between: impl Fn(S, S, S) -> S,
) {
    let (first, last) = (even[0], even[even.len() - 1]);
    let mut row = row;
    let mut detail = detail;
    if odd {
        row[0] = between(detail[0], first, first);
        (row, detail) = (&mut row[1..], &detail[1..]);
    }
    for ((pair, e), &d) in row.chunks_exact_mut(2).zip(even.windows(2)).zip(detail) {
        pair[0] = e[0];
        pair[1] = between(d, e[0], e[1]);
    }
    let written = 2 * (even.len() - 1);
    row[written] = last;
    if let Some(end) = row.get_mut(written + 1) {
        *end = between(detail[even.len() - 1], last, last);
    }
}
