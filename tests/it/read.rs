//! Files in every encoding read alike.

use crate::common;

use common::dicom_file::*;
use mammo_pipe::preprocess::decode::{Decoder, Want};
use mammo_pipe::preprocess::read::*;
use mammo_pipe::record::Laterality;

const MAX_PIXELS: usize = 1_000_000;

/// Lopsided, so that a flip or a wrong byte order shows.
fn pixels() -> Vec<u16> {
    (0..3 * 5).map(|i| (i * i * 19 + 3) % 4096).collect()
}

fn header(file: &DicomFile) -> Header {
    open(file.bytes().into(), MAX_PIXELS).unwrap().0
}

fn decoded(file: &DicomFile) -> Vec<u16> {
    let (header, pixel_data) = open(file.bytes().into(), MAX_PIXELS).unwrap();
    Decoder::default().decode(&header, &pixel_data, &Want::default()).unwrap().pixels.into_pixels()
}

fn words(numbers: &[u16]) -> Value {
    Value::Words(numbers.to_vec())
}

#[test]
fn every_encoding_gives_the_same_header_and_pixels() {
    let mut file = DicomFile::grey(3, 5, &pixels());
    file.text(0x0028_1050, "DS", "2048\\1000.5 ").text(0x0028_1051, "DS", "4096\\ 3e2");
    file.text(0x0028_1056, "CS", "SIGMOID").set(0x0028_0120, "US", words(&[4095]));
    let expected = header(&file);
    let function = VoiFunction::Sigmoid;
    let second = VoiWindow { center: 1000.5, width: 300.0, function, index: 1 };
    assert_eq!(expected.display.windows[1], second);
    for syntax in [EXPLICIT, IMPLICIT, BIG_ENDIAN, DEFLATED] {
        for (preamble, group_length) in [(true, true), (true, false), (false, false)] {
            let file = DicomFile { syntax: syntax.into(), preamble, group_length, ..file.clone() };
            let found = header(&file);
            assert_eq!(found.syntax.uid(), syntax);
            assert_eq!(Header { syntax: expected.syntax, ..found }, expected, "{syntax}");
            assert_eq!(decoded(&file), pixels(), "{syntax}");
        }
    }
}

#[test]
fn bytes_come_in_words_where_big_endian_says_so() {
    let mut file = DicomFile::grey(1, 3, &[]);
    file.syntax = BIG_ENDIAN.into();
    file.number(0x0028_0100, 8).number(0x0028_0101, 8).number(0x0028_0102, 7);
    file.set(PIXEL_DATA, "OB", Value::Bytes(vec![1, 2, 3]));
    assert_eq!(decoded(&file), [1, 2, 3]);
    file.set(PIXEL_DATA, "OW", Value::Bytes(vec![2, 1, 0, 3]));
    assert_eq!(decoded(&file), [1, 2, 3]);
}

#[test]
fn a_header_reads_the_same_without_the_rest_of_the_file() {
    let mut file = DicomFile::grey(300, 500, &[77; 300 * 500]);
    file.set(0x0029_1010, "OB", Value::Bytes(vec![9; 100_000]));
    let folder = tempfile::tempdir().unwrap();
    for syntax in [EXPLICIT, IMPLICIT, BIG_ENDIAN, DEFLATED] {
        file.syntax = syntax.into();
        let path = folder.path().join(syntax);
        std::fs::write(&path, file.bytes()).unwrap();
        let found = mammo_pipe::preprocess::read::header(&path).unwrap();
        assert_eq!(found, header(&file), "{syntax}");
    }
}

#[test]
fn overlays_in_unused_bits_are_dropped_and_signs_extended() {
    let mut file = DicomFile::grey(1, 4, &[0x8001, 0xF7FF, 0x0800, 0x7FFF]);
    assert_eq!(decoded(&file), [0x001, 0x7FF, 0x800, 0xFFF]);
    file.number(0x0028_0103, 1);
    assert_eq!(decoded(&file), [0x001, 0x7FF, 0xF800, 0xFFFF]);
    file.number(0x0028_0103, 0).number(0x0028_0102, 15);
    assert_eq!(decoded(&file), [0x800, 0xF7F, 0x080, 0x7FF]);
}

#[test]
fn lookup_tables_are_found_in_items_of_either_length() {
    let item = |first: u16| {
        vec![
            Element { tag: 0x0028_3002, vr: "SS", value: words(&[4, first, 10]) },
            Element { tag: 0x0028_3003, vr: "LO", value: Value::Text("NORMAL".into()) },
            Element { tag: 0x0028_3006, vr: "US", value: words(&[0, 5, 900, 1023]) },
        ]
    };
    for lengths in [Lengths::Known, Lengths::Undefined] {
        let mut file = DicomFile::grey(3, 5, &pixels());
        file.number(0x0028_0103, 1);
        let items = vec![item(7), item(-7i16 as u16)];
        file.set(0x0028_3010, "SQ", Value::Items(items.clone(), lengths));
        for syntax in [EXPLICIT, IMPLICIT, BIG_ENDIAN] {
            file.syntax = syntax.into();
            let tables = header(&file).display.tables;
            let firsts: Vec<i32> = tables.iter().map(|(_, table)| table.first).collect();
            assert_eq!(firsts, [7, -7], "{syntax} {lengths:?}");
            assert_eq!(tables[0].1.entries, [0, 5, 900, 1023], "{syntax} {lengths:?}");
        }
    }
}

#[test]
fn an_unknown_sequence_is_walked_in_implicit_encoding() {
    // PS3.5 6.2.2: what a program did not know, it writes as UN of undefined length.
    let mut file = DicomFile::grey(3, 5, &pixels());
    let implicit = b"\xFE\xFF\x00\xE0\xFF\xFF\xFF\xFF\x09\x00\x04\x10\x02\x00\x00\x00ab\
        \xFE\xFF\x0D\xE0\0\0\0\0\xFE\xFF\xDD\xE0\0\0\0\0";
    file.set(0x0009_1002, "UN", Value::Bytes(implicit.to_vec()));
    let mut bytes = file.bytes();
    let at = bytes.windows(2).position(|vr| vr == b"UN").unwrap();
    bytes[at + 4..at + 8].fill(0xFF);
    let (found, _) = open(bytes.into(), MAX_PIXELS).unwrap();
    assert_eq!(found, header(&file));
}

#[test]
fn pixel_data_of_an_icon_is_not_the_images() {
    let icon = vec![
        Element { tag: 0x0028_0010, vr: "US", value: words(&[1]) },
        Element { tag: PIXEL_DATA, vr: "OB", value: Value::Fragments(vec![vec![1, 2, 3, 4]]) },
    ];
    for lengths in [Lengths::Known, Lengths::Undefined] {
        let mut file = DicomFile::grey(3, 5, &pixels());
        file.set(0x0088_0200, "SQ", Value::Items(vec![icon.clone()], lengths));
        assert_eq!(header(&file).layout.rows, 3);
        assert_eq!(decoded(&file), pixels());
    }
}

#[test]
fn what_follows_the_pixels_does_not_matter() {
    let file = DicomFile::grey(3, 5, &pixels());
    for tail in [&b"\xFC\xFF\xFC\xFFOB\0\0\x02\0\0\0\0\0"[..], b"garbage"] {
        let bytes = [&file.bytes(), tail].concat();
        let (header, pixel_data) = open(bytes.into(), MAX_PIXELS).unwrap();
        let stored = Decoder::default().decode(&header, &pixel_data, &Want::default()).unwrap();
        assert_eq!(stored.pixels.pixels(), pixels());
    }
}

#[test]
fn spacing_is_at_the_breast_or_not_there() {
    const PIXEL: u32 = 0x0028_0030;
    const IMAGER: u32 = 0x0018_1164;
    const FACTOR: u32 = 0x0018_1114;
    for (set, expected) in [
        (&[][..], None),
        // At the detector, and nothing says how far the breast is from it.
        (&[(IMAGER, "0.1\\0.2")][..], None),
        (&[(IMAGER, "0.1\\0.1"), (PIXEL, "0.1\\0.1")][..], None),
        (&[(IMAGER, "0.1\\0.2"), (FACTOR, "2")][..], Some((0.05, 0.1))),
        (&[(IMAGER, "0.1\\0.1"), (PIXEL, "0.1\\0.1"), (FACTOR, "1.25")][..], Some((0.08, 0.08))),
        // Calibrated to the patient.
        (&[(IMAGER, "0.1\\0.1"), (PIXEL, "0.09\\0.08"), (FACTOR, "2")][..], Some((0.09, 0.08))),
        (&[(PIXEL, "0.07\\0.06")][..], Some((0.07, 0.06))),
        // No mammogram has it.
        (&[(PIXEL, "1e-310\\1e-310")][..], None),
        (&[(PIXEL, "70\\70")][..], None),
        (&[(PIXEL, "-0.07\\-0.07"), (IMAGER, "0.1\\0.1"), (FACTOR, "2")][..], Some((0.05, 0.05))),
        (&[(IMAGER, "0.1\\0.1"), (FACTOR, "1e-300")][..], None),
        (&[(IMAGER, "0.1\\0.1"), (FACTOR, "1e300")][..], None),
    ] {
        let mut file = DicomFile::grey(3, 5, &pixels());
        for (tag, text) in set {
            file.text(*tag, "DS", text);
        }
        let found = header(&file).spacing.map(|s| (s.row.0, s.column.0));
        assert_eq!(found, expected, "{set:?}");
    }
}

#[test]
fn numbers_that_are_no_grey_levels_are_left_out_with_a_note() {
    const CENTER: (u32, &str) = (0x0028_1050, "window_unusable");
    const WIDTH: (u32, &str) = (0x0028_1051, "window_unusable");
    const INTERCEPT: (u32, &str) = (0x0028_1052, "rescale_unusable");
    const SLOPE: (u32, &str) = (0x0028_1053, "rescale_unusable");
    for (tag, note) in [CENTER, WIDTH, INTERCEPT, SLOPE] {
        for text in ["1e300", "-1e300", "2e9", "1e5"] {
            let mut file = DicomFile::grey(3, 5, &pixels());
            for (tag, usual) in
                [(CENTER.0, "40"), (WIDTH.0, "80"), (INTERCEPT.0, "0"), (SLOPE.0, "1")]
            {
                file.text(tag, "DS", usual);
            }
            let header = header(file.text(tag, "DS", text));
            let notes: Vec<_> = header.notes.iter().map(|note| note.as_str()).collect();
            let expected = if text == "1e5" { vec![] } else { vec![note] };
            assert_eq!(notes, expected, "{tag:08X} {text}");
        }
    }
}

#[test]
fn absent_and_empty_mean_the_same() {
    let mut file = DicomFile::grey(3, 5, &pixels());
    let absent = header(&file);
    for (tag, vr) in [
        (0x0028_1050, "DS"),
        (0x0028_1051, "DS"),
        (0x0028_1052, "DS"),
        (0x0028_1053, "DS"),
        (0x0028_1056, "CS"),
        (0x0028_0120, "US"),
        (0x0028_0008, "IS"),
        (0x0018_1164, "DS"),
        (0x0020_0062, "CS"),
    ] {
        file.text(tag, vr, "");
    }
    assert_eq!(header(&file), absent);
    file.text(0x0020_0062, "CS", "R");
    assert_eq!(header(&file).laterality, Some(Laterality::Right));
}

#[test]
fn padding_has_the_sign_of_the_pixels_whatever_its_element_says() {
    let mut file = DicomFile::grey(3, 5, &pixels());
    file.number(0x0028_0103, 1).set(0x0028_0120, "US", words(&[-2000i16 as u16]));
    file.set(0x0028_0121, "SS", words(&[-2040i16 as u16]));
    assert_eq!(header(&file).display.padding, Some(Padding { low: -2040, high: -2000 }));
}

#[test]
fn no_message_holds_what_identifies_a_patient() {
    let mut file = DicomFile::grey(3, 5, &pixels());
    file.text(0x0010_0030, "DA", "19620228");
    let bytes = file.bytes();
    for end in 0..bytes.len() {
        let Err(error) = open(bytes[..end].to_vec().into(), MAX_PIXELS) else { continue };
        let message = format!("{error} {error:?}");
        assert!(!message.contains("SECRET") && !message.contains("19620228"), "{message}");
    }
}
