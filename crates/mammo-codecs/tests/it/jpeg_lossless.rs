//! The lossless process from end to end: what our encoder wrote, what others wrote, what is bad.

use mammo_codecs::encode::Frame as Image;
use mammo_codecs::encode::jpeg_lossless::{Options, Predictor, encode};
use mammo_codecs::jpeg::{JpegError, decode};
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

fn decoded(bytes: &[u8]) -> Result<(Coded, Vec<u16>), JpegError> {
    let mut samples = Vec::new();
    decode(bytes, 1 << 22, &mut samples).map(|coded| (coded, samples))
}

/// 61 x 37 samples of 12 bits with a restart marker every five lines.
fn restarting() -> (Vec<u8>, Vec<u16>) {
    let samples = lopsided(61, 37, 12, 5);
    let options = Options { predictor: Predictor::Plane, restart_lines: 5, ..Options::default() };
    (stream(61, 37, 12, &samples, options), samples)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_encoded_is_decoded(
        (width, height) in prop_oneof![
            (1_usize..90, 1_usize..40),
            (1_usize..600, Just(1)),
            (Just(1), 1_usize..600),
        ],
        precision in 2_u8..=16,
        predictor in prop::sample::select(&Predictor::ALL),
        restart_lines in 0_u16..12,
        seed: u64,
    ) {
        let samples = lopsided(width, height, precision, seed);
        let options = Options { predictor, restart_lines, point_transform: 0 };
        let stream = stream(width, height, precision, &samples, options);
        let coded = Coded { width, height, precision, surplus_bytes: 0, wrapped_lines: 0 };
        prop_assert_eq!(decoded(&stream), Ok((coded, samples)));
    }

    #[test]
    fn a_point_transform_drops_the_low_bits_and_no_others(
        precision in 2_u8..=16,
        dropped in 1_u8..16,
        predictor in prop::sample::select(&Predictor::ALL),
        seed: u64,
    ) {
        let point_transform = dropped.min(precision - 1);
        let samples = lopsided(31, 17, precision, seed);
        let options = Options { predictor, restart_lines: 3, point_transform };
        let stream = stream(31, 17, precision, &samples, options);
        let kept: Vec<u16> = samples.iter().map(|s| s >> point_transform << point_transform).collect();
        prop_assert_eq!(decoded(&stream).unwrap().1, kept);
    }
}

#[test]
fn a_difference_of_32768_has_no_extra_bits() {
    let samples = [32_768, 0, 32_768, 0, 65_535, 32_767, 0, 0, 0, 0, 0, 40_000];
    for predictor in Predictor::ALL {
        let stream = stream(6, 2, 16, &samples, Options { predictor, ..Options::default() });
        assert_eq!(decoded(&stream).unwrap().1, samples, "{predictor:?}");
    }
}

#[test]
fn air_wider_than_many_refills_is_air() {
    let mut samples = vec![0; 5000 * 3];
    (samples[4999], samples[5003], samples[14_998]) = (77, 1, 4095);
    for predictor in Predictor::ALL {
        let stream = stream(5000, 3, 12, &samples, Options { predictor, ..Options::default() });
        assert_eq!(decoded(&stream).unwrap().1, samples, "{predictor:?}");
    }
}

#[test]
fn fill_bytes_and_foreign_segments_are_passed_over() {
    let samples = lopsided(9, 4, 10, 3);
    let mut bytes = stream(9, 4, 10, &samples, Options::default());
    // Behind SOI: an APP0 and a comment, with fill bytes before each and before the frame header.
    let extra =
        [0xFF, 0xFF, 0xE0, 0, 4, 0xFF, 0xC3, 0xFF, 0xFF, 0xFF, 0xFE, 0, 3, 0xFF, 0xFF, 0xFF];
    bytes.splice(2..2, extra);
    let end = bytes.len() - 2;
    bytes.splice(end..end, [0xFF, 0xFF]);
    let (coded, decoded) = decoded(&bytes).unwrap();
    assert_eq!((decoded, coded.surplus_bytes), (samples, 0));
}

#[test]
fn the_table_that_the_scan_names_is_used() {
    let samples = lopsided(23, 11, 12, 8);
    let mut bytes = stream(23, 11, 12, &samples, Options::default());
    let dht = bytes.windows(2).position(|pair| pair == [0xFF, 0xC4]).unwrap();
    let sos = bytes.windows(2).position(|pair| pair == [0xFF, 0xDA]).unwrap();
    // The real table becomes number 2; number 0 is one that would yield other differences.
    (bytes[dht + 4], bytes[sos + 6]) = (2, 0x20);
    let mut decoy = vec![0xFF, 0xC4, 0, 22, 0, 1, 1, 1];
    decoy.resize(8 + 13, 0);
    decoy.extend([5, 6, 7]);
    bytes.splice(sos..sos, decoy);
    assert_eq!(decoded(&bytes).unwrap().1, samples);
}

/// A stream whose differences are taken modulo 2 to the precision, not modulo 2^16, as some
/// encoders do. All codes have five bits; behind the 17 categories come `unused` ones.
fn written_modulo_the_precision(
    (width, height): (usize, usize),
    precision: u32,
    predictor: u8,
    samples: &[u16],
    unused: &[u8],
) -> Vec<u8> {
    let modulus = 1_i32 << precision;
    let mut bits = String::new();
    for y in 0..height {
        for x in 0..width {
            let at = |x: usize, y: usize| i32::from(samples[y * width + x]);
            let predicted = match (x, y) {
                (0, 0) => modulus / 2,
                (_, 0) => at(x - 1, 0),
                (0, _) => at(0, y - 1),
                _ => {
                    let (a, b, c) = (at(x - 1, y), at(x, y - 1), at(x - 1, y - 1));
                    let halves = [a + ((b - c) >> 1), b + ((a - c) >> 1), (a + b) >> 1];
                    match predictor {
                        1 => a,
                        2 => b,
                        3 => c,
                        4 => a + b - c,
                        n => halves[usize::from(n) - 5],
                    }
                }
            };
            let mut difference = (at(x, y) - predicted).rem_euclid(modulus);
            if difference >= modulus / 2 {
                difference -= modulus;
            }
            let category = 32 - difference.unsigned_abs().leading_zeros();
            bits += &format!("{category:05b}");
            if (1..16).contains(&category) {
                let extra = if difference < 0 { difference - 1 } else { difference };
                let extra = extra & ((1 << category) - 1);
                bits += &format!("{extra:0width$b}", width = category as usize);
            }
        }
    }
    bits += &"1".repeat((8 - bits.len() % 8) % 8);
    let [h, w] = [height as u16, width as u16].map(u16::to_be_bytes);
    let symbols: Vec<u8> = (0..17).chain(unused.iter().copied()).collect();
    let mut stream = vec![0xFF, 0xD8, 0xFF, 0xC3, 0, 11, precision as u8];
    stream.extend([h[0], h[1], w[0], w[1], 1, 1, 0x11, 0]);
    stream.extend([0xFF, 0xC4, 0, 19 + symbols.len() as u8, 0, 0, 0, 0, 0, symbols.len() as u8]);
    stream.extend([0; 11]);
    stream.extend(symbols);
    stream.extend([0xFF, 0xDA, 0, 8, 1, 1, 0, predictor, 0, 0]);
    for byte in bits.as_bytes().chunks(8) {
        let byte = byte.iter().fold(0, |byte, bit| byte << 1 | (bit - b'0'));
        stream.push(byte);
        if byte == 0xFF {
            stream.push(0);
        }
    }
    stream.extend([0xFF, 0xD9]);
    stream
}

#[test]
fn differences_modulo_the_precision_decode_with_every_predictor() {
    for precision in [8, 10, 12, 15, 16] {
        for predictor in 1..=7 {
            // Alternating extremes: most differences wrap.
            let most = u16::MAX >> (16 - precision);
            let mut samples = lopsided(23, 11, precision as u8, 8);
            samples.iter_mut().step_by(3).for_each(|sample| *sample = most - *sample);
            let stream =
                written_modulo_the_precision((23, 11), precision, predictor, &samples, &[]);
            let (coded, decoded) = decoded(&stream).unwrap();
            assert_eq!(decoded, samples, "{precision} bits, predictor {predictor}");
            assert_eq!(coded.wrapped_lines > 0, precision < 16, "{coded:?}");
        }
    }
}

#[test]
fn a_category_that_does_not_exist_matters_only_where_it_occurs() {
    let samples = lopsided(23, 11, 12, 8);
    let unused = [17, 32, 255];
    let mut stream = written_modulo_the_precision((23, 11), 12, 1, &samples, &unused);
    assert_eq!(decoded(&stream).unwrap().1, samples);
    // The first code of the scan becomes that of category 17.
    let scan = stream.windows(2).position(|pair| pair == [0xFF, 0xDA]).unwrap() + 10;
    stream[scan] = 17 << 3 | stream[scan] & 7;
    let refusal = JpegError::Category { line: 0, found: 17, max: 16 };
    assert_eq!(decoded(&stream), Err(refusal));
}

#[test]
fn a_missing_or_misnumbered_restart_marker_is_refused() {
    let (whole, _) = restarting();
    let second = whole.windows(2).position(|pair| pair == [0xFF, 0xD1]).unwrap();
    let mut misnumbered = whole.clone();
    misnumbered[second + 1] = 0xD2;
    let refusal = JpegError::RestartMarker { line: 10, found: Some(0xD2), needed: 0xD1 };
    assert_eq!(decoded(&misnumbered), Err(refusal));
    let mut missing = whole.clone();
    missing.drain(second..second + 2);
    assert!(decoded(&missing).is_err());
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
    let sof = whole.windows(2).position(|pair| pair == [0xFF, 0xC3]).unwrap();
    let with = |at: usize, value: u8| {
        let mut changed = whole.clone();
        changed[sof + at] = value;
        decoded(&changed).unwrap_err()
    };
    assert_eq!(with(1, 0xC2), JpegError::Process { marker: 0xC2 });
    assert_eq!(with(4, 17), JpegError::Precision { found: 17, marker: 0xC3, allowed: "2 to 16" });
    assert_eq!(with(6, 0), HeaderError::Empty { width: 61, height: 0 }.into());
    assert_eq!(with(9, 3), HeaderError::Components { found: 3 }.into());
    let refusal = HeaderError::TooLarge { width: 61, height: 65_317, max_samples: 100_000 }.into();
    let mut tall = whole.clone();
    tall[sof + 5] = 0xFF;
    assert_eq!(decode(&tall, 100_000, &mut Vec::new()), Err(refusal));
    assert!(matches!(decode(&tall, 1 << 30, &mut Vec::new()), Err(JpegError::TooFewBytes { .. })));
    assert_eq!(decoded(b"<html>"), Err(HeaderError::NoStart { found: b"<h".to_vec() }.into()));
    assert_eq!(decoded(&[]), Err(HeaderError::NoStart { found: vec![] }.into()));
}

#[test]
fn a_zero_difference_with_two_codes_decodes() {
    // Codes 0 and 10 both stand for the difference zero: legal enough, and a trap for run search.
    let mut bytes = vec![0xFF, 0xD8, 0xFF, 0xC3, 0, 11, 8, 0, 1, 0, 20, 1, 1, 0x11, 0];
    bytes.extend([0xFF, 0xC4, 0, 21, 0, 1, 1]);
    bytes.extend([0; 14]);
    bytes.extend([0, 0, 0xFF, 0xDA, 0, 8, 1, 1, 0, 1, 0, 0]);
    bytes.extend([0b0000_1010, 0b1010_1010, 0b0000_0000, 0b1010_1111, 0xFF, 0xD9]);
    assert_eq!(decoded(&bytes).unwrap().1, [128; 20]);
}

#[test]
fn a_stream_of_tables_alone_is_refused_soon() {
    let mut bytes = vec![0xFF, 0xD8];
    let mut table = vec![0xFF, 0xC4, 0, 20, 0, 1];
    table.resize(4 + 18, 0);
    (0..1_000_000).for_each(|_| bytes.extend(&table));
    let start = std::time::Instant::now();
    assert_eq!(decoded(&bytes), Err(HeaderError::Truncated { at: bytes.len() }.into()));
    assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
}

#[test]
fn no_damage_panics_or_yields_another_size() {
    let plain = lopsided(97, 41, 16, 11);
    let plain = stream(97, 41, 16, &plain, Options::default());
    for whole in [restarting().0, plain] {
        let decode = |bytes: &[u8], out: &mut Vec<u16>| decode(bytes, 1 << 20, out);
        survive(&whole, 20_000, decode, |result, samples| {
            if let Ok(coded) = result {
                assert_eq!(samples.len(), coded.width * coded.height);
            }
        });
    }
}

#[test]
#[ignore = "needs the real files in ../shared"]
fn real_files_decode_to_what_pylibjpeg_and_gdcm_agree_on() {
    let frames = real_frames("1.2.840.10008.1.2.4.70");
    assert!(frames.len() >= 7, "{} files", frames.len());
    for (name, bytes, hash) in frames {
        let mut samples = Vec::new();
        let coded = decode(&bytes, 1 << 26, &mut samples).unwrap();
        assert_eq!((sha256_16(&samples), coded.surplus_bytes), (hash, 0), "{name}");
    }
}
