//! JPEG-LS from end to end: what our encoder wrote, what CharLS wrote, what is bad.

use mammo_codecs::encode::Frame as Image;
use mammo_codecs::encode::jpeg_ls::{Options, encode};
use mammo_codecs::jpeg_ls::{JpegLsError, decode};
use mammo_codecs::{Coded, HeaderError};
use proptest::prelude::*;

use crate::trial::{lopsided, real_frames, sha256_16, survive};

fn stream(
    width: usize,
    height: usize,
    precision: u8,
    samples: &[u16],
    options: Options,
) -> Vec<u8> {
    let image = Image::new(width as u16, height as u16, precision, samples).unwrap();
    encode(&image, options)
}

fn decoded(bytes: &[u8]) -> Result<(Coded, Vec<u16>), JpegLsError> {
    let mut samples = Vec::new();
    decode(bytes, 1 << 22, &mut samples).map(|coded| (coded, samples))
}

/// 61 x 37 samples of 12 bits with a restart marker every five lines.
fn restarting() -> (Vec<u8>, Vec<u16>) {
    let samples = lopsided(61, 37, 12, 5);
    let options = Options { restart_lines: 5, ..Options::default() };
    (stream(61, 37, 12, &samples, options), samples)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_encoded_is_decoded_within_near(
        (width, height) in prop_oneof![
            (1_usize..90, 1_usize..40),
            (1_usize..600, Just(1)),
            (Just(1), 1_usize..600),
        ],
        precision in 2_u8..=16,
        near in prop_oneof![2 => Just(0_u8), 1 => 1_u8..=255],
        restart_lines in 0_u16..12,
        reset in prop_oneof![Just(64_u16), 3_u16..=255],
        seed: u64,
    ) {
        let near = near.min(((1_u32 << precision) - 1).div_euclid(2).min(255) as u8);
        let samples = lopsided(width, height, precision, seed);
        let stream = stream(width, height, precision, &samples, Options { near, restart_lines, reset });
        let (coded, decoded) = decoded(&stream).unwrap();
        prop_assert_eq!(coded, Coded { width, height, precision, surplus_bytes: 0, wrapped_lines: 0 });
        for (i, (after, before)) in decoded.iter().zip(&samples).enumerate() {
            let off = after.abs_diff(*before);
            prop_assert!(off <= u16::from(near), "sample {i}: {before} became {after}");
        }
    }
}

#[test]
fn what_charls_wrote_near_losslessly_is_what_it_reads() {
    // CharLS 2.4.3 through imagecodecs 2026.3.6, level 2: 11 x 5 samples of
    // `(37 x^2 + 11 y^3) % 256`, the first four columns 9.
    let hex = "\
     ffd8ffe8002053504946460002000001000000050000000b0a0806010000012c0000012cffe8000800000001\
     ffd8fff7000b080005000b01011100ffda00080101000200003b0000005a000335c00ceb5711a8bdc0000800\
     0f8027c000b0bc0081e989c04a054a9affd9";
    let samples = [
        10, 10, 10, 10, 80, 155, 51, 21, 66, 180, 115, 10, 10, 10, 10, 90, 170, 61, 31, 76, 191,
        126, 10, 10, 10, 10, 170, 245, 141, 111, 151, 12, 202, 10, 10, 10, 10, 120, 200, 91, 61,
        107, 220, 156, 10, 10, 10, 10, 15, 92, 245, 215, 1, 115, 50,
    ];
    let bytes: Vec<u8> = (0..hex.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap())
        .collect();
    let coded = Coded { width: 11, height: 5, precision: 8, surplus_bytes: 0, wrapped_lines: 0 };
    assert_eq!(decoded(&bytes), Ok((coded, samples.to_vec())));
}

#[test]
fn air_wider_than_the_longest_run_is_air() {
    let mut samples = vec![0; 60_000 * 4];
    (samples[59_999], samples[60_003], samples[239_998]) = (77, 1, 4095);
    let stream = stream(60_000, 4, 12, &samples, Options::default());
    assert_eq!(decoded(&stream).unwrap().1, samples);
    assert!(stream.len() < 200, "{} bytes", stream.len());
}

#[test]
fn a_stream_cut_anywhere_is_an_error() {
    let (whole, samples) = restarting();
    for length in 0..whole.len() - 2 {
        assert!(decoded(&whole[..length]).is_err(), "cut to {length} of {} bytes", whole.len());
    }
    assert_eq!(decoded(&whole[..whole.len() - 2]).unwrap().1, samples, "EOI alone may be missing");
}

#[test]
fn a_missing_or_misnumbered_restart_marker_is_refused() {
    let (whole, _) = restarting();
    let second = whole.windows(2).position(|pair| pair == [0xFF, 0xD1]).unwrap();
    let mut misnumbered = whole.clone();
    misnumbered[second + 1] = 0xD2;
    let refusal = JpegLsError::RestartMarker { line: 10, found: Some(0xD2), needed: 0xD1 };
    assert_eq!(decoded(&misnumbered), Err(refusal));
    let mut missing = whole.clone();
    missing.drain(second..second + 2);
    assert!(decoded(&missing).is_err());
}

#[test]
fn bytes_that_no_sample_needed_are_counted() {
    let (mut whole, samples) = restarting();
    let end = whole.len() - 2;
    whole.splice(end..end, [1, 2, 3]);
    let (coded, decoded) = decoded(&whole).unwrap();
    assert_eq!((coded.surplus_bytes, decoded), (3, samples));
}

#[test]
fn what_dicom_does_not_use_is_named() {
    let (whole, _) = restarting();
    let with = |marker: u8, at: usize, value: u8| {
        let mut changed = whole.clone();
        let start = changed.windows(2).position(|pair| pair == [0xFF, marker]).unwrap();
        changed[start + at] = value;
        decoded(&changed).unwrap_err()
    };
    assert_eq!(with(0xF7, 1, 0xC3), JpegLsError::NotJpegLs { marker: 0xC3 });
    assert_eq!(with(0xF7, 4, 17), JpegLsError::Precision { found: 17 });
    assert_eq!(with(0xF7, 9, 3), HeaderError::Components { found: 3 }.into());
    assert_eq!(with(0xDA, 6, 1), JpegLsError::MappingTable { found: 1 });
    assert_eq!(with(0xDA, 9, 1), JpegLsError::PointTransform { found: 1 });
    let blank = stream(9, 1, 8, &[0; 9], Options::default());
    let tall = [&blank[..7], &[0xFF, 0xFF], &blank[9..]].concat();
    let refusal = JpegLsError::TooFewBytes { have: 3, need: 8192, height: 65_535 };
    assert_eq!(decoded(&tall), Err(refusal));
}

#[test]
fn no_damage_panics_or_yields_another_size() {
    let plain = lopsided(97, 41, 16, 11);
    let near = Options { near: 3, reset: 31, ..Options::default() };
    for whole in [
        restarting().0,
        stream(97, 41, 16, &plain, Options::default()),
        stream(97, 41, 16, &plain, near),
    ] {
        let decode = |bytes: &[u8], out: &mut Vec<u16>| decode(bytes, 1 << 16, out);
        survive(&whole, 10_000, decode, |result, samples| {
            if let Ok(coded) = result {
                assert_eq!(samples.len(), coded.width * coded.height);
            }
        });
    }
}

#[test]
#[ignore = "needs the real files in ../shared"]
fn real_files_decode_to_what_pylibjpeg_and_gdcm_agree_on() {
    let frames = real_frames("1.2.840.10008.1.2.4.80");
    assert!(frames.len() >= 2, "{} files", frames.len());
    for (name, bytes, hash) in frames {
        let mut samples = Vec::new();
        let coded = decode(&bytes, 1 << 26, &mut samples).unwrap();
        assert_eq!((sha256_16(&samples), coded.surplus_bytes), (hash, 0), "{name}");
    }
}
