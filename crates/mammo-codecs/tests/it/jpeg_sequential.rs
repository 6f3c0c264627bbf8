//! The sequential processes from end to end: what our encoder wrote, what libjpeg-turbo wrote,
//! what is bad.

use mammo_codecs::Coded;
use mammo_codecs::encode::Frame as Image;
use mammo_codecs::encode::jpeg_sequential::{Options, encode};
use mammo_codecs::jpeg::{JpegError, decode};
use proptest::prelude::*;

use crate::trial::{Noise, lopsided, survive};

/// Written and decoded by libjpeg-turbo 3.1.3 (`jpeg8_encode` and `jpeg8_decode` of imagecodecs
/// 2026.3.6, level 75, optimised): 11 x 5 samples of `(37 x^2 + 11 y^3) s % 2^p`, here p is 8 and
/// s is 1.
const BASELINE: &str = "\
     ffd8ffe000104a46494600010100000100010000ffdb004300080606070605080707070909080a0c140d0c0b\
     0b0c1912130f141d1a1f1e1d1a1c1c20242e2720222c231c1c2837292c30313434341f27393d38323c2e3334\
     32ffc0000b080005000b01011100ffc4001500010100000000000000000000000000000305ffc40027100001\
     03010509010000000000000000000102030411050612226100141632333435417382ffda0008010100003f00\
     08d6441e24170b7467c6f7d9fedd3c5f9e6d74da4b37ca23516325761a1e2586d5897248201402139401400d\
     07ba01524d49ffd9";
const BASELINE_SAMPLES: [u16; 55] = [
    0, 40, 144, 78, 80, 152, 55, 19, 59, 179, 116, 13, 52, 158, 89, 92, 166, 68, 34, 84, 194, 129,
    87, 123, 233, 162, 164, 241, 138, 108, 150, 2, 208, 42, 72, 202, 123, 125, 209, 87, 63, 93,
    240, 140, 192, 242, 71, 12, 14, 78, 255, 213, 15, 109, 56,
];

/// The same with p = 12 and s = 16.
const EXTENDED: &str = "\
     ffd8ffe000104a46494600010100000100010000ffdb004300080606070605080707070909080a0c140d0c0b\
     0b0c1912130f141d1a1f1e1d1a1c1c20242e2720222c231c1c2837292c30313434341f27393d38323c2e3334\
     32ffc1000b0c0005000b01011100ffc4001500010100000000000000000000000000000709ffc4002a100001\
     0105040b010000000000000000000405020306070801090a6400131617181a283536395485ffda0008010100\
     003f000fa6dba3689798ec4c057c29498f5bf675b7ac8cbe8deff836d2fe377cce653494329b190d26cb0a5f\
     a73408bee438466ea99723a5d2fb988e37a895718f0815384d294824474c23258035a0248a58e90136f1c366\
     bc093456cf2d44f68a3c9fffd9";
const EXTENDED_SAMPLES: [u16; 55] = [
    3, 585, 2372, 1228, 1277, 2515, 829, 336, 1032, 2892, 1857, 177, 767, 2545, 1409, 1458, 2688,
    1011, 511, 1207, 3066, 2032, 1403, 1991, 3777, 2639, 2688, 3920, 2235, 1737, 2423, 213, 3260,
    670, 1245, 3031, 1881, 1930, 3174, 1490, 1004, 1670, 3562, 2505, 3063, 3662, 1341, 215, 264,
    1484, 3906, 3396, 12, 1873, 832,
];

fn bytes(hex: &str) -> Vec<u8> {
    let digits = |i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digits).collect()
}

fn decoded(bytes: &[u8]) -> Result<(Coded, Vec<u16>), JpegError> {
    let mut samples = Vec::new();
    decode(bytes, 1 << 22, &mut samples).map(|coded| (coded, samples))
}

/// 61 x 37 samples of 12 bits with a restart marker every five blocks.
fn restarting() -> Vec<u8> {
    let samples = lopsided(61, 37, 12, 5);
    let image = Image::new(61, 37, 12, &samples).unwrap();
    encode(&image, Options { quality: 60, restart_blocks: 5 }).unwrap()
}

#[test]
fn libjpeg_turbos_pixels_are_ours_to_the_last_bit() {
    for (stream, samples, precision) in
        [(BASELINE, BASELINE_SAMPLES, 8), (EXTENDED, EXTENDED_SAMPLES, 12)]
    {
        let coded = Coded { width: 11, height: 5, precision, surplus_bytes: 0, wrapped_lines: 0 };
        assert_eq!(decoded(&bytes(stream)), Ok((coded, samples.to_vec())), "{precision} bits");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn at_the_best_quality_no_sample_is_off_by_more_than_two(
        (width, height) in prop_oneof![
            (1_usize..90, 1_usize..40),
            (1_usize..600, Just(1)),
            (Just(1), 1_usize..600),
        ],
        precision in prop::sample::select(&[8_u8, 12]),
        restart_blocks in 0_u16..12,
        seed: u64,
    ) {
        let mut noise = Noise::new(seed);
        let samples = lopsided(width, height, precision, seed);
        let image = Image::new(width as u16, height as u16, precision, &samples).unwrap();
        let stream = encode(&image, Options { quality: 100, restart_blocks }).unwrap();
        let (coded, decoded) = decoded(&stream).unwrap();
        prop_assert_eq!(coded, Coded { width, height, precision, surplus_bytes: 0, wrapped_lines: 0 });
        for (i, (after, before)) in decoded.iter().zip(&samples).enumerate() {
            prop_assert!(after.abs_diff(*before) <= 2, "sample {i}: {before} became {after}");
        }
        // A different quality yields the same size from fewer bytes.
        let quality = 5 + noise.below(60) as u8;
        let coarse = encode(&image, Options { quality, restart_blocks }).unwrap();
        prop_assert_eq!(decode(&coarse, 1 << 22, &mut vec![]), Ok(coded));
    }
}

#[test]
fn a_stream_cut_anywhere_is_an_error() {
    let whole = restarting();
    for length in 0..whole.len() - 2 {
        assert!(decoded(&whole[..length]).is_err(), "cut to {length} of {} bytes", whole.len());
    }
    assert_eq!(decoded(&whole[..whole.len() - 2]), decoded(&whole), "EOI alone may be missing");
}

#[test]
fn a_missing_restart_marker_is_refused() {
    let mut whole = restarting();
    let third = whole.windows(2).position(|pair| pair == [0xFF, 0xD2]).unwrap();
    whole.drain(third..third + 2);
    assert!(decoded(&whole).is_err());
}

#[test]
fn the_scan_headers_range_of_coefficients_decides_nothing() {
    let whole = restarting();
    let start = whole.windows(2).position(|pair| pair == [0xFF, 0xDA]).unwrap();
    // Ss, Se, Ah and Al: 0 to 0 is what ten public files say, the others what libjpeg takes too.
    for range in [[0, 0, 0], [0, 5, 0], [1, 63, 0], [0, 63, 0x11]] {
        let mut changed = whole.clone();
        changed[start + 7..start + 10].copy_from_slice(&range);
        assert_eq!(decoded(&changed), decoded(&whole), "{range:?}");
    }
}

#[test]
fn a_progressive_scan_is_refused() {
    let whole = restarting();
    let with = |marker: u8, at: usize, value: u8| {
        let mut changed = whole.clone();
        let start = changed.windows(2).position(|pair| pair == [0xFF, marker]).unwrap();
        changed[start + at] = value;
        decoded(&changed).unwrap_err()
    };
    assert_eq!(with(0xC1, 1, 0xC2), JpegError::Process { marker: 0xC2 });
    let refusal = JpegError::Precision { found: 16, marker: 0xC1, allowed: "8 or 12" };
    assert_eq!(with(0xC1, 4, 16), refusal);
    assert_eq!(with(0xC1, 12, 3), JpegError::NoQuantisationTable { table: 3 });
    assert_eq!(with(0xDA, 6, 0x10), JpegError::NoHuffmanTable { table: 1 });
}

#[test]
fn a_block_of_more_than_64_coefficients_is_refused() {
    let mut stream = vec![0xFF, 0xD8, 0xFF, 0xDB, 0, 67, 0];
    stream.extend([1; 64]);
    stream.extend([0xFF, 0xC0, 0, 11, 8, 0, 8, 0, 8, 1, 1, 0x11, 0]);
    // Of each class one code, 0: a mean without change, and a one after fourteen zeros.
    for (class, symbol) in [(0, 0), (0x10, 0xE1)] {
        stream.extend([0xFF, 0xC4, 0, 20, class, 1]);
        stream.extend([0; 15]);
        stream.push(symbol);
    }
    stream.extend([0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 63, 0, 0, 0, 0xFF, 0xD9]);
    assert_eq!(decoded(&stream), Err(JpegError::BlockOverfull { line: 0 }));
}

#[test]
fn no_damage_panics_or_yields_another_size() {
    for whole in [restarting(), bytes(BASELINE), bytes(EXTENDED)] {
        let decode = |bytes: &[u8], out: &mut Vec<u16>| decode(bytes, 1 << 20, out);
        survive(&whole, 10_000, decode, |result, samples| {
            if let Ok(coded) = result {
                assert_eq!(samples.len(), coded.width * coded.height);
            }
        });
    }
}
