//! RLE from end to end: what our encoder wrote, what others wrote, what is bad.

use mammo_codecs::encode::{Frame, rle::encode};
use mammo_codecs::rle::{RleError, decode};
use proptest::prelude::*;

use crate::trial::{lopsided, real_frames, sha256_16, survive};

const HEADER: usize = 64;

fn decoded(bytes: &[u8], samples: usize, bits: u16) -> Result<Vec<u16>, RleError> {
    let mut out = Vec::new();
    decode(bytes, samples, bits, &mut out).map(|_| out)
}

/// A frame of one 8-bit segment.
fn frame(segment: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; HEADER];
    (bytes[0], bytes[4]) = (1, HEADER as u8);
    [&bytes, segment].concat()
}

#[test]
fn the_packbits_of_tiff_unpacks() {
    // The example of Apple's Technical Note 1023, which PackBits is known by.
    let packed =
        [0xFE, 0xAA, 0x02, 0x80, 0x00, 0x2A, 0xFD, 0xAA, 0x03, 0x80, 0x00, 0x2A, 0x22, 0xF7, 0xAA];
    let unpacked = [
        0xAA, 0xAA, 0xAA, 0x80, 0x00, 0x2A, 0xAA, 0xAA, 0xAA, 0xAA, 0x80, 0x00, 0x2A, 0x22, 0xAA,
        0xAA, 0xAA, 0xAA, 0xAA, 0xAA, 0xAA, 0xAA, 0xAA, 0xAA,
    ];
    assert_eq!(decoded(&frame(&packed), 24, 8).unwrap(), unpacked);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn what_is_encoded_is_decoded(
        width in 1_usize..300,
        height in 1_usize..20,
        precision in 2_u8..=16,
        seed: u64,
    ) {
        let samples = lopsided(width, height, precision, seed);
        let image = Frame::new(width as u16, height as u16, precision, &samples).unwrap();
        let bits = if precision > 8 { 16 } else { 8 };
        let mut out = vec![7];
        prop_assert_eq!(decode(&encode(&image), samples.len(), bits, &mut out), Ok(0));
        prop_assert_eq!(out, samples);
    }
}

#[test]
fn a_size_that_differs_from_the_header_is_an_error() {
    let samples = lopsided(40, 9, 12, 4);
    let bytes = encode(&Frame::new(40, 9, 12, &samples).unwrap());
    let more = decoded(&bytes, 400, 16);
    assert_eq!(more, Err(RleError::Truncated { segment: 1, have: 360, samples: 400 }));
    assert!(matches!(decoded(&bytes, 359, 16), Err(RleError::Overlong { segment: 1, .. })));
    let colour = RleError::Segments { found: 2, bits_allocated: 8, needed: 1 };
    assert_eq!(decoded(&bytes, 360, 8), Err(colour));
    let claimed = decoded(&bytes, 1 << 40, 16);
    assert_eq!(claimed, Err(RleError::TooFewBytes { have: bytes.len(), samples: 1 << 40 }));
}

#[test]
fn a_frame_cut_anywhere_is_an_error() {
    let samples = lopsided(40, 9, 12, 4);
    let bytes = encode(&Frame::new(40, 9, 12, &samples).unwrap());
    for length in 0..bytes.len() - 1 {
        assert!(decoded(&bytes[..length], 360, 16).is_err(), "cut to {length}");
    }
}

#[test]
fn rows_left_over_are_counted() {
    let samples = lopsided(40, 9, 8, 4);
    let bytes = encode(&Frame::new(40, 9, 8, &samples).unwrap());
    let mut out = Vec::new();
    assert!(decode(&bytes, 320, 8, &mut out).unwrap() > 0);
    assert_eq!(out, samples[..320]);
}

#[test]
fn no_damage_panics_or_yields_another_size() {
    let samples = lopsided(97, 41, 12, 11);
    let bytes = encode(&Frame::new(97, 41, 12, &samples).unwrap());
    let decode = |bytes: &[u8], out: &mut Vec<u16>| decode(bytes, 97 * 41, 16, out);
    survive(&bytes, 20_000, decode, |result, samples| {
        if result.is_ok() {
            assert_eq!(samples.len(), 97 * 41);
        }
    });
}

#[test]
#[ignore = "needs the real files in ../shared"]
fn real_files_decode_to_what_pylibjpeg_and_gdcm_agree_on() {
    let frames = real_frames("1.2.840.10008.1.2.5");
    assert!(frames.len() >= 2, "{} files", frames.len());
    for (name, bytes, hash) in frames {
        let samples = if name.contains("CT1") { 512 * 512 } else { 1760 * 1760 };
        let mut out = Vec::new();
        assert_eq!(decode(&bytes, samples, 16, &mut out), Ok(0), "{name}");
        assert_eq!(sha256_16(&out), hash, "{name}");
    }
}
