//! Arithmetic on neighbouring channels, in the widest vectors (SIMD) that the machine has.
//!
//! All widths of the network are multiples of 8. A row of channels is therefore whole vectors of 16
//! (AVX-512) with at most one vector of 8 behind them, or whole vectors of 8, 4 or 1. A [`Kernel`]
//! is written once, for any width, and [`run`] picks the instructions. Everything that a kernel
//! calls must be inlined into it; a call would empty the vector registers.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

/// A loop over channels.
pub trait Kernel {
    /// Does its work on these channels. They are whole vectors.
    fn run<S: Simd>(&mut self, simd: S, channels: Range<usize>);
}

struct OnChannels<'a, K>(&'a mut K, Range<usize>);

impl<K: Kernel> WithSimd for OnChannels<'_, K> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        self.0.run(simd, self.1);
    }
}

/// Runs a kernel on all `channels`. They are a multiple of 8.
#[inline]
pub fn run(arch: Arch, channels: usize, kernel: &mut impl Kernel) {
    debug_assert_eq!(channels % 8, 0);
    #[cfg(target_arch = "x86_64")]
    if let Arch::V4(wide) = arch {
        let whole = channels / 16 * 16;
        if whole > 0 {
            Simd::vectorize(wide, OnChannels(kernel, 0..whole));
        }
        if whole < channels {
            let narrow: pulp::x86::V3 = *wide;
            Simd::vectorize(narrow, OnChannels(kernel, whole..channels));
        }
        return;
    }
    arch.dispatch(OnChannels(kernel, 0..channels));
}

/// The vector that starts at `at`.
#[inline(always)]
pub fn load<S: Simd>(values: &[f32], at: usize) -> S::f32s {
    S::as_simd_f32s(&values[at..at + S::F32_LANES]).0[0]
}

/// Writes the vector that starts at `at`.
#[inline(always)]
pub fn store<S: Simd>(values: &mut [f32], at: usize, lanes: S::f32s) {
    S::as_mut_simd_f32s(&mut values[at..at + S::F32_LANES]).0[0] = lanes;
}

/// Adds a vector to the f64 sums that start at `at`.
#[inline(always)]
pub fn add_to_sums<S: Simd>(sums: &mut [f64], at: usize, lanes: S::f32s) {
    let mut values = [0.0_f32; 16];
    S::as_mut_simd_f32s(&mut values[..S::F32_LANES]).0[0] = lanes;
    for (sum, value) in sums[at..at + S::F32_LANES].iter_mut().zip(values) {
        *sum += f64::from(value);
    }
}

/// 1 / (1 + exp(-x)) to within a few units in the last place.
///
/// exp by Cody and Waite: 2^n * exp(r), |r| <= ln 2 / 2, with Cephes' polynomial for exp(r).
#[inline(always)]
pub fn sigmoid<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    // Adding 1.5 * 2^23 rounds to an integer, which then stands in the lowest bits.
    let round = simd.splat_f32s(12_582_912.0);
    // Beyond +-87 the sigmoid is 0 or 1 in f32, and 2^n would leave the exponent's range.
    let negative = simd.neg_f32s(x);
    let bounded = simd.max_f32s(negative, simd.splat_f32s(-87.0));
    let bounded = simd.min_f32s(bounded, simd.splat_f32s(87.0));
    let log2_e = simd.splat_f32s(std::f32::consts::LOG2_E);
    let shifted = simd.mul_add_e_f32s(bounded, log2_e, round);
    let n = simd.sub_f32s(shifted, round);
    let r = simd.mul_add_e_f32s(n, simd.splat_f32s(-0.693_359_4), bounded);
    let r = simd.mul_add_e_f32s(n, simd.splat_f32s(2.121_944_4e-4), r);
    let mut p = simd.splat_f32s(1.987_569_1e-4);
    for coefficient in [1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        p = simd.mul_add_e_f32s(p, r, simd.splat_f32s(coefficient));
    }
    let one = simd.splat_f32s(1.0);
    let fraction = simd.mul_add_e_f32s(p, simd.mul_f32s(r, r), r);
    let fraction = simd.transmute_u32s_f32s(simd.add_f32s(fraction, one));
    let n = simd.transmute_u32s_f32s(shifted);
    let exponent = simd.wrapping_dyn_shl_u32s(n, simd.splat_u32s(23));
    let exp = simd.transmute_f32s_u32s(simd.add_u32s(fraction, exponent));
    simd.div_f32s(one, simd.add_f32s(one, exp))
}

/// `x * sigmoid(x)`.
#[inline(always)]
pub fn silu<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    simd.mul_f32s(x, sigmoid(simd, x))
}

/// `silu(x)` and its slope.
#[inline(always)]
pub fn silu_and_slope<S: Simd>(simd: S, x: S::f32s) -> (S::f32s, S::f32s) {
    let s = sigmoid(simd, x);
    let value = simd.mul_f32s(x, s);
    // s + s * x * (1 - s)
    (value, simd.mul_add_e_f32s(s, simd.sub_f32s(x, value), s))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Sigmoid<'a>(&'a [f32], &'a mut [f32]);

    impl Kernel for Sigmoid<'_> {
        #[inline(always)]
        fn run<S: Simd>(&mut self, simd: S, channels: Range<usize>) {
            for at in channels.step_by(S::F32_LANES) {
                store::<S>(self.1, at, sigmoid(simd, load::<S>(self.0, at)));
            }
        }
    }

    #[test]
    fn the_sigmoid_is_right_to_a_few_units_in_the_last_place() {
        // 24 more than whole groups of 16 leave one group of 8 at the end.
        let x: Vec<f32> = (-86_004..86_004).map(|i| i as f32 * 1e-3).collect();
        let mut found = vec![0.0; x.len()];
        run(Arch::new(), x.len(), &mut Sigmoid(&x, &mut found));
        let mut worst = 0.0_f64;
        for (x, found) in x.iter().zip(&found) {
            let exact = 1.0 / (1.0 + (-f64::from(*x)).exp());
            worst = worst.max((f64::from(*found) - exact).abs() / exact);
        }
        assert!(worst < 4e-7, "{worst}");
    }

    #[test]
    fn the_sigmoid_of_huge_numbers_is_zero_or_one() {
        let x = [f32::MAX, f32::MIN, 88.0, -88.0, 1e4, -1e4, f32::INFINITY, f32::NEG_INFINITY];
        let mut found = [0.5; 8];
        run(Arch::new(), 8, &mut Sigmoid(&x, &mut found));
        for (x, found) in x.iter().zip(found) {
            assert!((found - f32::from(*x > 0.0)).abs() < 1e-37, "{x} {found}");
        }
    }
}
