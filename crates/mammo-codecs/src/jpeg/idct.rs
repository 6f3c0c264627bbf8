//! The inverse DCT, equal bit for bit to libjpeg's accurate integer version (jidctint.c, "islow").
//!
//! JPEG leaves the rounding of the transform to the decoder. Pillow, libjpeg-turbo and GDCM all use
//! this version; with any other, pixels of lossy images would differ from theirs by a few values.
//! The algorithm is that of Loeffler, Ligtenberg and Moschytz (1989): columns, then rows, in fixed
//! point.

/// Fraction bits of the constants.
const CONST_BITS: u32 = 13;

const FIX_0_298: i64 = 2446;
const FIX_0_390: i64 = 3196;
const FIX_0_541: i64 = 4433;
const FIX_0_765: i64 = 6270;
const FIX_0_899: i64 = 7373;
const FIX_1_175: i64 = 9633;
const FIX_1_501: i64 = 12299;
const FIX_1_847: i64 = 15137;
const FIX_1_961: i64 = 16069;
const FIX_2_053: i64 = 16819;
const FIX_2_562: i64 = 20995;
const FIX_3_072: i64 = 25172;

/// Converts 64 dequantised coefficients, in rows of frequencies, to samples of `precision` bits, 8
/// or 12. Exact for coefficients of up to 25 bits; samples beyond the precision are clamped to it.
pub(super) fn inverse_dct(coefficients: &[i64; 64], precision: u8) -> [u16; 64] {
    // Fraction bits kept between the passes. libjpeg has fewer for 12 bits, because its integers
    // are smaller.
    let kept = if precision > 8 { 1 } else { 2 };
    let mut columns = [0; 64];
    for x in 0..8 {
        let column = std::array::from_fn(|y| coefficients[y * 8 + x]);
        let values = transform(column, CONST_BITS - kept);
        (0..8).for_each(|y| columns[y * 8 + x] = values[y]);
    }
    let middle = 1 << (precision - 1);
    let max = (1 << precision) - 1;
    let mut samples = [0; 64];
    for (row, samples) in columns.chunks_exact(8).zip(samples.chunks_exact_mut(8)) {
        let row = row.try_into().expect("the chunks have eight values");
        // The last three bits are the factor 8 of two passes of this transform.
        let values = transform(row, CONST_BITS + kept + 3);
        for (sample, value) in samples.iter_mut().zip(values) {
            *sample = (value + middle).clamp(0, max) as u16;
        }
    }
    samples
}

/// One dimension. The result, times the square root of 8, is rounded by `descale` bits.
#[inline(always)]
fn transform([c0, c1, c2, c3, c4, c5, c6, c7]: [i64; 8], descale: u32) -> [i64; 8] {
    let common = (c2 + c6) * FIX_0_541;
    let even2 = common - c6 * FIX_1_847;
    let even3 = common + c2 * FIX_0_765;
    let even0 = (c0 + c4) << CONST_BITS;
    let even1 = (c0 - c4) << CONST_BITS;
    let even = [even0 + even3, even1 + even2, even1 - even2, even0 - even3];

    let common = (c7 + c3 + c5 + c1) * FIX_1_175;
    let z1 = (c7 + c1) * -FIX_0_899;
    let z2 = (c5 + c3) * -FIX_2_562;
    let z3 = (c7 + c3) * -FIX_1_961 + common;
    let z4 = (c5 + c1) * -FIX_0_390 + common;
    let odd = [
        c1 * FIX_1_501 + z1 + z4,
        c3 * FIX_3_072 + z2 + z3,
        c5 * FIX_2_053 + z2 + z4,
        c7 * FIX_0_298 + z1 + z3,
    ];

    std::array::from_fn(|i| {
        let value = if i < 4 { even[i] + odd[i] } else { even[7 - i] - odd[7 - i] };
        (value + (1 << (descale - 1))) >> descale
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_alone_is_flat_and_rounded_to_nearest() {
        let mut coefficients = [0; 64];
        for (dc, sample) in [(0, 128), (3, 128), (4, 129), (-4, 128), (-5, 127), (9000, 255)] {
            coefficients[0] = dc;
            assert_eq!(inverse_dct(&coefficients, 8), [sample; 64], "DC {dc}");
        }
        coefficients[0] = -9;
        assert_eq!(inverse_dct(&coefficients, 12), [2047; 64]);
    }

    #[test]
    fn it_stays_within_one_of_the_real_cosine_transform() {
        // SplitMix64, the same numbers everywhere.
        let mut state = 3_u64;
        let mut below = |bound: usize| {
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let z = (state ^ state >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            (z ^ z >> 27) as usize % bound
        };
        for precision in [8, 12] {
            for _ in 0..300 {
                let mut coefficients = [0; 64];
                for _ in 0..1 + below(20) {
                    let reach = 40 << (precision - 8);
                    coefficients[below(64)] = below(2 * reach) as i64 - reach as i64;
                }
                let middle = f64::from(1 << (precision - 1));
                let samples = inverse_dct(&coefficients, precision);
                for (i, &sample) in samples.iter().enumerate() {
                    let exact = middle + exact(&coefficients, i % 8, i / 8);
                    let exact = exact.clamp(0.0, middle * 2.0 - 1.0);
                    assert!((f64::from(sample) - exact).abs() < 1.0, "{sample} is not {exact}");
                }
            }
        }
    }

    /// T.81 A.3.3 as it is written.
    fn exact(coefficients: &[i64; 64], x: usize, y: usize) -> f64 {
        let basis = |frequency: usize, place: usize| {
            let scale = if frequency == 0 { 0.5_f64.sqrt() } else { 1.0 };
            let angle = (2 * place + 1) as f64 * frequency as f64 * std::f64::consts::PI / 16.0;
            scale * angle.cos()
        };
        let terms = coefficients.iter().enumerate();
        terms.map(|(i, &c)| c as f64 * basis(i % 8, x) * basis(i / 8, y)).sum::<f64>() / 4.0
    }
}
