//! Codestreams and headers that disagree, reduced sizes, and what no encoder here writes.

use crate::common;

use common::dicom_file::*;
use mammo_codecs::encode::jpeg2000::{Container, Layers, Options, Wavelet, encode};
use mammo_pipe::preprocess::decode::{DecodeError, Decoder, Stored, Want, levels};
use mammo_pipe::preprocess::read::open;

fn decode(file: &DicomFile, reduce: u8) -> Result<Stored, DecodeError> {
    let (header, pixel_data) = open(file.bytes().into(), 1_000_000).unwrap();
    Decoder::default().decode(&header, &pixel_data, &Want::whole(reduce))
}

/// A 16-bit file with these stored bits and this sign around a JPEG 2000 codestream.
fn around(samples: &[i32], columns: u16, options: &Options, bits: u16, sign: u16) -> DicomFile {
    let rows = samples.len() as u16 / columns;
    let stream = encode(samples, columns.into(), rows.into(), options).unwrap();
    let mut file = DicomFile::compressed(rows, columns, JPEG_2000_LOSSLESS, vec![stream]);
    file.number(0x0028_0101, bits).number(0x0028_0102, bits - 1).number(0x0028_0103, sign);
    file
}

fn values(stored: &Stored) -> Vec<i32> {
    stored.pixels.pixels().iter().map(|&bits| stored.value(bits)).collect()
}

#[test]
fn the_headers_sign_counts_where_the_codestream_has_the_other() {
    // pydicom's own example (pydicom/pixels/decoders/base.py, _apply_sign_correction): the 13
    // bits of -2000 are those of 6192.
    for (precision, signed, samples, bits, sign, expected) in [
        (13, false, [6192, 5], 13, 1, [-2000, 5]),
        (13, true, [-2000, 5], 13, 0, [6192, 5]),
        (13, true, [-2000, 5], 13, 1, [-2000, 5]),
        // The codestream knows fewer bits than the header: its own top bit is the sign.
        (13, false, [6192, 5], 16, 1, [-2000, 5]),
        // It knows more, as in the RSNA set: those above the stored bits are no part of it.
        (16, false, [4095, 5], 12, 0, [4095, 5]),
        // More than Bits Stored can hold: as bright as it gets, in every precision.
        (16, false, [0xF001, 5], 12, 0, [4095, 5]),
        (16, true, [-2000, 5], 12, 1, [-2000, 5]),
        (16, false, [0x0830, 5], 12, 1, [-2000, 5]),
    ] {
        let options = Options { precision, signed, levels: 0, ..Options::default() };
        let file = around(&samples, 2, &options, bits, sign);
        let found = values(&decode(&file, 0).unwrap());
        assert_eq!(found, expected, "{precision} {signed} {bits} {sign}");
    }
}

#[test]
fn a_lossy_stream_that_overshoots_is_clipped_and_does_not_wrap() {
    // Black and white beside each other, in 16 bits of which 12 are stored.
    let samples: Vec<i32> = (0..64 * 64).map(|i| if i / 16 % 2 == 0 { 0 } else { 4095 }).collect();
    let wavelet = Wavelet::Irreversible;
    let layers = Layers::Ratios(vec![20.0]);
    let options = Options { wavelet, layers, levels: 3, ..Options::default() };
    let mut file = around(&samples, 64, &options, 12, 0);
    file.syntax = JPEG_2000.into();
    let found = values(&decode(&file, 0).unwrap());
    assert!(found.iter().all(|value| (0..=4095).contains(value)));
    let is_near = |(found, sample): (&i32, &i32)| (found - sample).abs() < 2048;
    let near = found.iter().zip(&samples).filter(|&pair| is_near(pair)).count();
    assert!(near > 3900, "{near} of 4096 on their own side of grey");
    assert!(found.contains(&0) && found.contains(&4095), "nothing was clipped");
}

#[test]
fn a_reduced_image_has_the_size_divided_and_rounded_up() {
    let samples: Vec<i32> = (0..75 * 51).map(|i| i * 7 % 4096).collect();
    for (tile, container) in [(None, Container::Jp2), (Some((32, 16)), Container::Codestream)] {
        let options = Options { levels: 3, tile, container, ..Options::default() };
        let file = around(&samples, 51, &options, 12, 0);
        let (header, pixel_data) = open(file.bytes().into(), 1_000_000).unwrap();
        assert_eq!(levels(&header, &pixel_data).unwrap(), 3);
        for (reduce, size) in [(0, (51, 75)), (1, (26, 38)), (2, (13, 19)), (3, (7, 10))] {
            let stored = decode(&file, reduce).unwrap();
            assert_eq!((stored.pixels.width(), stored.pixels.height()), size);
        }
        let error = decode(&file, 4).unwrap_err();
        assert!(matches!(error, DecodeError::Levels { wanted: 4, levels: 3 }), "{error}");
    }
    let native = DicomFile::grey(2, 2, &[1, 2, 3, 4]);
    let error = decode(&native, 1).unwrap_err();
    assert!(matches!(error, DecodeError::Levels { wanted: 1, levels: 0 }), "{error}");
}

#[test]
fn an_image_off_the_grid_is_reduced_only_as_long_as_its_corner_is_a_sample() {
    let samples: Vec<i32> = (0..40 * 40).map(|i| i * 7 % 4096).collect();
    for (image_origin, expected) in [((0, 0), 3), ((4, 8), 2), ((6, 0), 1), ((3, 0), 0)] {
        let options = Options { levels: 3, image_origin, ..Options::default() };
        let file = around(&samples, 40, &options, 12, 0);
        let (header, pixel_data) = open(file.bytes().into(), 1_000_000).unwrap();
        let found = levels(&header, &pixel_data).unwrap();
        assert_eq!(found, expected, "{image_origin:?}");
        let reduced = decode(&file, found).unwrap();
        assert_eq!(reduced.pixels.width(), 40usize.div_ceil(1 << found));
        assert_eq!(values(&decode(&file, 0).unwrap()), samples);
    }
}

#[test]
fn high_throughput_jpeg_2000_decodes() {
    // imagecodecs 2026.3.6 (OpenJPH 0.26.3): htj2k_encode(samples, reversible=True,
    // resolutions=2), samples[i] = (i * i * 19 + 3) % 4096 in 9 rows of 13.
    const STREAM: &str = "ff4fff51002940000000000d0000000900000000000000000000000d00000009000000000000\
        000000010f0101ff50000800020000000aff52000c00020001000204044001ff5c000a2088909090888888ff640017\
        00014f70656e4a50482056657220302e32362e332eff90000a00000000010e0001ff93c0002de02df3b6f86cfbde77\
        1fbeb95d5d6ea5b7db87bdbbeec5f13f73420031b700c00016a40001684000168057641ebb99f05c13ae67ad630405\
        b86400ff3800e637bb13fbe94ec6b18abd108026b5007ee1e73c96b77c82a7fc00a50179b600c0002ede000176b000\
        0ba8d8c76e09b15302ec62af4425841d25803d25829d4a04bb4a0c3b4ab4444ab044b10f7b4a08fb4aa804b0578205\
        ace1959ce30840239b00e85e5115874ee844073ad15911bae854846e451541173a2b5e31e85871e8848ee858111587\
        ee8afc149ff92b43180bf44281b33d00fef7bfff7b7fff737ffeff7ffdefff7fff7ffccfff7dff7ffb3fff777ffe00\
        31b460cca40169ba00ffd9";
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    let stream: Vec<u8> = STREAM.as_bytes().chunks(2).map(byte).collect();
    let expected: Vec<i32> = (0..9 * 13).map(|i| (i * i * 19 + 3) % 4096).collect();
    for syntax in ["201", "202", "203"] {
        let uid = format!("1.2.840.10008.1.2.4.{syntax}");
        let file = DicomFile::compressed(9, 13, &uid, vec![stream.clone()]);
        assert_eq!(values(&decode(&file, 0).unwrap()), expected, "{syntax}");
        for end in 1..stream.len() - 2 {
            let cut = DicomFile::compressed(9, 13, &uid, vec![stream[..end].to_vec()]);
            assert!(decode(&cut, 0).is_err(), "{syntax} cut at {end}");
        }
    }
}
