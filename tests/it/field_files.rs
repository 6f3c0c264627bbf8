//! Files as archives have them: what only describes an image never costs it, and what can be read
//! in one way alone is read, with a note.

use crate::common;

use common::dicom_file::*;
use mammo_codecs::encode::{Frame, jpeg_lossless};
use mammo_pipe::config::{Config, WindowMode};
use mammo_pipe::preprocess::decode::{Decoder, Stored, Want};
use mammo_pipe::preprocess::read::*;
use mammo_pipe::preprocess::window::{self, Lut, WindowSource};
use mammo_pipe::shard::notes::Note;

const MAX_PIXELS: usize = 1_000_000;
const ROWS: u16 = 14;
const COLUMNS: u16 = 20;

/// Lopsided, so that a flip or a wrong byte order shows.
fn pixels() -> Vec<u16> {
    let count = usize::from(ROWS) * usize::from(COLUMNS);
    (0..count).map(|i| (i * i * 19 + 3) as u16 % 4096).collect()
}

fn grey() -> DicomFile {
    DicomFile::grey(ROWS, COLUMNS, &pixels())
}

fn compressed() -> DicomFile {
    let samples = pixels();
    let frame = Frame::new(COLUMNS, ROWS, 12, &samples).unwrap();
    let stream = jpeg_lossless::encode(&frame, Default::default());
    DicomFile::compressed(ROWS, COLUMNS, JPEG_LOSSLESS, vec![stream])
}

fn decoded(bytes: Vec<u8>) -> (Header, Stored) {
    let (header, pixel_data) = open(bytes.into(), MAX_PIXELS).unwrap();
    let stored = Decoder::default().decode(&header, &pixel_data, &Want::default()).unwrap();
    (header, stored)
}

/// Checks that the pixels are right, and returns the notes.
fn notes(bytes: Vec<u8>) -> Vec<Note> {
    let (header, stored) = decoded(bytes);
    assert_eq!(stored.pixels.pixels(), pixels());
    header.notes.and(stored.notes).iter().collect()
}

fn refused(bytes: Vec<u8>) -> String {
    open(bytes.into(), MAX_PIXELS).unwrap_err().to_string()
}

/// The file's bytes with `new` before the first element of `tag`.
fn with_before(file: &DicomFile, tag: u32, new: &[u8]) -> Vec<u8> {
    let mut bytes = file.bytes();
    let [g, e] = [(tag >> 16) as u16, tag as u16].map(u16::to_le_bytes);
    let at = bytes.windows(4).position(|head| head == [g[0], g[1], e[0], e[1]]).unwrap();
    bytes.splice(at..at, new.iter().copied());
    bytes
}

#[test]
fn of_two_groups_of_meta_information_the_first_holds() {
    for with_preamble in [false, true] {
        let file = compressed().bytes();
        // (0002,0010) of the second group: explicit little endian.
        let mut second = if with_preamble { [&[0; 128][..], b"DICM"].concat() } else { vec![] };
        second.extend(b"\x02\0\x10\0UI\x14\x001.2.840.10008.1.2.1\0");
        let end = 132 + 8 + JPEG_LOSSLESS.len();
        let both = [&file[..end], &second, &file[end..]].concat();
        assert_eq!(notes(both), [Note::TwoMetaGroups], "{with_preamble}");
    }
}

#[test]
fn a_file_without_a_transfer_syntax_is_read_as_it_is_encoded() {
    for syntax in [EXPLICIT, IMPLICIT, BIG_ENDIAN] {
        let file = DicomFile { syntax: syntax.into(), ..grey() };
        // With an empty UID, and without meta information at all.
        let empty = [&[0; 128][..], b"DICM\x02\0\x10\0UI\0\0", &data_set(&file)].concat();
        assert_eq!(notes(empty), [Note::SyntaxAssumed], "{syntax}");
        let mut file = file.clone();
        file.text(0x0008_0060, "CS", "MG");
        assert_eq!(notes(data_set(&file)), [Note::SyntaxAssumed], "{syntax}");
    }
}

/// The bytes behind the meta information.
fn data_set(file: &DicomFile) -> Vec<u8> {
    let length = file.syntax.len().next_multiple_of(2);
    file.bytes()[132 + 8 + length..].to_vec()
}

/// The data set of `file` under the transfer syntax `uid`.
fn under(uid: &str, file: &DicomFile) -> Vec<u8> {
    let head = DicomFile { syntax: uid.into(), elements: Vec::new(), ..file.clone() }.bytes();
    [head, data_set(file)].concat()
}

#[test]
fn elements_in_another_encoding_than_declared_are_read_as_they_are() {
    for declared in [EXPLICIT, IMPLICIT, BIG_ENDIAN] {
        for written in [EXPLICIT, IMPLICIT, BIG_ENDIAN] {
            let file = DicomFile { syntax: written.into(), ..grey() };
            let expected = if declared == written { vec![] } else { vec![Note::EncodingMismatch] };
            assert_eq!(notes(under(declared, &file)), expected, "{written} under {declared}");
        }
    }
    // One implicit element among explicit ones, and the reverse.
    let implicit = b"\x19\0\x01\x10\x04\0\0\0abcd";
    assert_eq!(notes(with_before(&grey(), 0x0028_0002, implicit)), [Note::EncodingMismatch]);
    let file = DicomFile { syntax: IMPLICIT.into(), ..grey() };
    let explicit = b"\x19\0\x01\x10LO\x04\0abcd";
    assert_eq!(notes(with_before(&file, 0x0028_0002, explicit)), [Note::EncodingMismatch]);
}

#[test]
fn a_value_representation_that_does_not_exist_costs_nothing() {
    for vr in [b"??", b"--", b"  ", b"\0\0", b"us", b"Q1"] {
        let element = [&b"\x19\0\x01\x10"[..], vr, b"\x04\0wxyz"].concat();
        let found = notes(with_before(&grey(), 0x0028_0002, &element));
        assert_eq!(found, [Note::VrUnusable], "{vr:?}");
        // With a length of 32 bits.
        let element = [&b"\x19\0\x01\x10"[..], vr, b"\0\0\x04\0\0\0wxyz"].concat();
        let found = notes(with_before(&grey(), 0x0028_0002, &element));
        assert_eq!(found, [Note::VrUnusable], "{vr:?}");
        // Many of them in a row.
        let many: Vec<u8> = (0..40_u8)
            .flat_map(|i| [&b"\x19\0"[..], &[i, 0x10], vr, b"\x04\0wxyz"].concat())
            .collect();
        assert_eq!(notes(with_before(&grey(), 0x0028_0002, &many)), [Note::VrUnusable], "{vr:?}");
        // On an attribute that matters.
        let padding = [&b"\x28\0\x20\x01"[..], vr, b"\x02\0\x07\0"].concat();
        let (header, _) = decoded(with_before(&grey(), PIXEL_DATA, &padding));
        assert_eq!(header.display.padding, Some(Padding { low: 7, high: 7 }), "{vr:?}");
    }
}

#[test]
fn explicit_items_in_an_unknown_sequence_are_passed_over() {
    let item = b"\x19\0\x02\x10UL\x08\0\x07\0\0\0\0\0\0\0";
    let length = (item.len() as u32).to_le_bytes();
    let sequence = [
        &b"\x19\0\x01\x10UN\0\0\xFF\xFF\xFF\xFF\xFE\xFF\x00\xE0"[..],
        &length,
        item,
        b"\xFE\xFF\xDD\xE0\0\0\0\0",
    ];
    let found = notes(with_before(&grey(), 0x0028_0002, &sequence.concat()));
    assert_eq!(found, [Note::EncodingMismatch]);
}

#[test]
fn sequences_and_items_may_lack_their_delimiter() {
    let item = b"\xFE\xFF\x00\xE0\xFF\xFF\xFF\xFF\x08\0\x00\x01SH\x02\0ab";
    let start = b"\x08\0\x15\x11SQ\0\0\xFF\xFF\xFF\xFF";
    for sequence in [
        // Neither ends; the item alone does not; the sequence alone does not.
        [&start[..], item, item].concat(),
        [&start[..], item, b"\xFE\xFF\xDD\xE0\0\0\0\0"].concat(),
        [&start[..], item, b"\xFE\xFF\x0D\xE0\0\0\0\0"].concat(),
    ] {
        let bytes = with_before(&grey(), 0x0010_0010, &sequence);
        // What follows an item without an end is taken for its elements, up to the pixels.
        match open(bytes.into(), MAX_PIXELS) {
            Ok((header, _)) => assert!(header.notes.contains(Note::SequenceWithoutEnd)),
            Err(error) => assert!(error.to_string().contains("ends inside"), "{error}"),
        }
    }
}

#[test]
fn fragments_may_lack_the_delimiter_behind_them() {
    let whole = compressed().bytes();
    let stream_end = whole.len() - 8;
    for tail in [
        &b""[..],
        b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        b"\0",
        b"\xFE\xFF\xDD\xE0",
        b"\xFE\xFF\xDD\xE0\0\0\0",
        b"\xFC\xFF\xFC\xFFOB\0\0\x02\0\0\0\0\0",
    ] {
        let found = notes([&whole[..stream_end], tail].concat());
        assert_eq!(found, [Note::FragmentsWithoutEnd], "{tail:02x?}");
    }
    let refusal = refused([&whole[..stream_end], b"\x28\0\x10\0US\x02\0\x07\0"].concat());
    assert!(refusal.contains("PixelData has Rows"), "{refusal}");
}

#[test]
fn excess_bytes_are_padding_only_where_they_cannot_be_pixels() {
    let with = |tail: &[u8]| {
        let mut file = grey();
        let bytes: Vec<u8> = pixels().iter().flat_map(|word| word.to_le_bytes()).collect();
        file.set(PIXEL_DATA, "OW", Value::Bytes([&bytes, tail].concat()));
        file.bytes()
    };
    let row = 2 * usize::from(COLUMNS);
    for tail in [vec![0; 2], vec![9; 8], vec![7; 26], vec![0; 502], vec![0; 3 * row + 2]] {
        assert_eq!(notes(with(&tail)), [Note::ExcessPadding], "{} bytes", tail.len());
    }
    // A row, a column of zeros, several rows, and bytes that are not zeros.
    for tail in [vec![0; row], vec![0; 28], vec![0; 8 * row], vec![1; row + 2], vec![0; 70_002]] {
        let refusal = refused(with(&tail));
        assert!(refusal.contains("PixelData holds"), "{} bytes: {refusal}", tail.len());
    }
}

#[test]
fn what_other_attributes_tell_need_not_be_there() {
    const MAMMOGRAPHY: &str = "1.2.840.10008.5.1.4.1.1.1.2";
    let without = |tag: u32, set: &[(u32, &'static str, &str)]| {
        let mut file = grey();
        file.remove(tag);
        for (tag, vr, text) in set {
            file.text(*tag, vr, text);
        }
        file.bytes()
    };
    assert_eq!(notes(without(0x0028_0102, &[])), [Note::HighBitAssumed]);
    assert_eq!(notes(without(0x0028_0101, &[])), [Note::BitsStoredAssumed]);
    assert_eq!(notes(without(0x0028_0002, &[])), [Note::SamplesAssumed]);
    assert_eq!(notes(without(0x0028_0100, &[])), [Note::BitsAllocatedAssumed]);
    let class = [(0x0008_0016, "UI", MAMMOGRAPHY)];
    assert_eq!(notes(without(0x0028_0103, &class)), [Note::SignAssumed]);
    for (shape, expected) in
        [("IDENTITY", Photometric::Monochrome2), ("INVERSE", Photometric::Monochrome1)]
    {
        let (header, _) = decoded(without(0x0028_0004, &[(0x2050_0020, "CS", shape)]));
        assert_eq!(header.layout.photometric, expected);
        assert!(header.notes.contains(Note::PhotometricAssumed));
    }
    // Where two values are possible, none is taken.
    for tag in [0x0028_0004, 0x0028_0103, 0x0028_0010] {
        let refusal = refused(without(tag, &[]));
        assert!(refusal.ends_with("is missing"), "{tag:08x}: {refusal}");
    }
}

#[test]
fn numbers_are_read_by_their_own_value_representation() {
    let mut file = grey();
    file.set(0x0028_0010, "UL", Value::Words(vec![ROWS, 0]));
    file.text(0x0028_0011, "IS", "20");
    let double = |value: f64| Value::Bytes(value.to_le_bytes().to_vec());
    file.set(0x0028_1050, "FD", double(2000.5)).set(0x0028_1051, "FD", double(900.0));
    file.set(0x0028_1052, "FL", Value::Bytes((-5.0f32).to_le_bytes().to_vec()));
    let (header, stored) = decoded(file.bytes());
    assert_eq!(stored.pixels.pixels(), pixels());
    let window = header.display.windows[0];
    assert_eq!((window.center, window.width), (2000.5, 900.0));
    assert_eq!(header.display.modality, Modality::Rescale { slope: 1.0, intercept: -5.0 });
}

fn lut(header: &Header) -> Lut {
    let config = Config::default().window;
    window::lut(&header.display, &header.layout, &config, None).unwrap()
}

#[test]
fn a_window_that_cannot_be_used_gives_way_to_the_next_source() {
    use Note::{WindowBelowOne, WindowCountsDiffer, WindowUnusable};
    let full = (WindowSource::Full, 2047.5, 4095.0, None);
    let window = |center, width, index| (WindowSource::Window, center, width, Some(index));
    for (center, width, function, expected, note) in [
        ("0", "0", "", full, Some(WindowUnusable)),
        ("0\\0", "0\\0", "", full, Some(WindowUnusable)),
        ("AUTO", "AUTO", "", full, Some(WindowUnusable)),
        ("40", "", "", full, Some(WindowUnusable)),
        ("2048", "-1", "", full, Some(WindowUnusable)),
        ("2048", "nan", "", full, Some(WindowUnusable)),
        ("2048", "4096", "CUBIC", full, Some(WindowUnusable)),
        ("0\\60", "0\\30", "", window(60.0, 30.0, 1), Some(WindowUnusable)),
        ("2048\\1024", "4096", "", window(2048.0, 4096.0, 0), Some(WindowCountsDiffer)),
        ("2048", "4096\\10\\20", "", window(2048.0, 4096.0, 0), Some(WindowCountsDiffer)),
        ("2048\\", "4096\\", "", window(2048.0, 4096.0, 0), None),
        ("2048", "4096\\", "", window(2048.0, 4096.0, 0), None),
        ("1500\\1000", "1200\\900", "SIGMOID\\SIGMOID", window(1500.0, 1200.0, 0), None),
        ("1500", "1200", "sigmoid", window(1500.0, 1200.0, 0), None),
        ("1500", "0.5", "LINEAR", window(1500.0, 0.5, 0), Some(WindowBelowOne)),
        ("1500", "0.5", "SIGMOID", window(1500.0, 0.5, 0), None),
    ] {
        let mut file = grey();
        file.text(0x0028_1050, "DS", center).text(0x0028_1051, "DS", width);
        file.text(0x0028_1056, "CS", function);
        let found = notes(file.bytes());
        assert_eq!(found, note.into_iter().collect::<Vec<_>>(), "{center} / {width}");
        let used = lut(&decoded(file.bytes()).0).used;
        let found = (used.source, used.center.unwrap(), used.width.unwrap(), used.index);
        assert_eq!(found, expected, "{center} / {width} {function}");
        let exact = function.eq_ignore_ascii_case("linear") || expected == full;
        let name = if exact { "LINEAR_EXACT" } else { used.function.unwrap().as_str() };
        assert_eq!(used.function.unwrap().as_str(), name);
    }
}

#[test]
fn each_window_has_its_own_function_and_no_mode_but_dicom_needs_one() {
    let mut file = grey();
    file.text(0x0028_1050, "DS", "1500\\1000").text(0x0028_1051, "DS", "1200\\900");
    file.text(0x0028_1056, "CS", "LINEAR\\SIGMOID");
    let (header, _) = decoded(file.bytes());
    let functions: Vec<_> = header.display.windows.iter().map(|w| w.function.as_str()).collect();
    assert_eq!(functions, ["LINEAR", "SIGMOID"]);
    file.text(0x0028_1051, "DS", "wide");
    let (header, _) = decoded(file.bytes());
    let config =
        mammo_pipe::config::WindowConfig { mode: WindowMode::Minmax, ..Config::default().window };
    let used = window::lut(&header.display, &header.layout, &config, Some((5.0, 900.0)));
    assert_eq!(used.unwrap().used.source, WindowSource::Minmax);
}

/// A VOI LUT Sequence with one item.
fn voi(descriptor: Option<(&'static str, Vec<u16>)>, data: Option<Vec<u16>>) -> Value {
    let mut item = vec![];
    if let Some((vr, words)) = descriptor {
        item.push(Element { tag: 0x0028_3002, vr, value: Value::Words(words) });
    }
    item.push(Element { tag: 0x0028_3003, vr: "LO", value: Value::Text("NORMAL".into()) });
    if let Some(words) = data {
        item.push(Element { tag: 0x0028_3006, vr: "OW", value: Value::Words(words) });
    }
    Value::Items(vec![item], Lengths::Undefined)
}

#[test]
fn a_lookup_table_that_cannot_be_used_gives_way_to_the_window() {
    for (descriptor, data) in [
        (None, None),
        (Some(("US", vec![])), Some(vec![])),
        (Some(("US", vec![4, 0, 16])), None),
        (Some(("US", vec![4, 0])), Some(vec![1, 2, 3, 4])),
        (Some(("US", vec![0, 0, 16])), Some(vec![1, 2])),
        (Some(("US", vec![4, 0, 16])), Some(vec![7, 7, 7, 7])),
    ] {
        let mut file = grey();
        file.set(0x0028_3010, "SQ", voi(descriptor.clone(), data));
        file.text(0x0028_1050, "DS", "2048").text(0x0028_1051, "DS", "4096");
        let found = notes(file.bytes());
        assert!(found.contains(&Note::VoiLutUnusable), "{descriptor:?}: {found:?}");
        assert_eq!(lut(&decoded(file.bytes()).0).used.source, WindowSource::Window);
    }
}

#[test]
fn a_tables_white_is_what_its_entries_reach() {
    for (bits, entries, expected) in [
        (16, vec![0, 1000, 4095], 65535),
        (16, vec![0, 1000, 16383], 65535),
        (10, vec![0, 300, 4095], 65535),
        (0, vec![0, 300, 1023], 65535),
        (12, vec![0, 300, 4000], (4000.0f64 / 4095.0 * 65535.0).round() as u16),
        // A table need not use the upper half of its range.
        (12, vec![0, 300, 2000], (2000.0f64 / 4095.0 * 65535.0).round() as u16),
    ] {
        let mut file = grey();
        let descriptor = Some(("US", vec![3, 100, bits]));
        file.set(0x0028_3010, "SQ", voi(descriptor, Some(entries.clone())));
        let (header, _) = decoded(file.bytes());
        assert_eq!(lut(&header).level(102), expected, "{bits} bits, {entries:?}");
        let has_note = header.notes.contains(Note::LutBits);
        assert_eq!(has_note, bits != 12, "{bits} bits, {entries:?}");
    }
}

#[test]
fn a_tables_first_input_has_the_sign_of_the_rescaled_values() {
    let word = -1024i16 as u16;
    for (syntax, vr, intercept, expected) in [
        (IMPLICIT, "SS", "-1024", -1024),
        (IMPLICIT, "US", "0", 64512),
        (EXPLICIT, "SS", "0", -1024),
        (EXPLICIT, "US", "-1024", -1024),
        (EXPLICIT, "US", "0", 64512),
    ] {
        let mut file = DicomFile { syntax: syntax.into(), ..grey() };
        file.text(0x0028_1052, "DS", intercept).text(0x0028_1053, "DS", "1");
        let descriptor = Some((vr, vec![3, word, 12]));
        file.set(0x0028_3010, "SQ", voi(descriptor, Some(vec![0, 5, 4095])));
        let (header, _) = decoded(file.bytes());
        assert_eq!(header.display.tables[0].1.first, expected, "{syntax} {vr} {intercept}");
    }
}

#[test]
fn functional_groups_give_window_rescale_and_spacing() {
    let text = |tag, vr, text: &str| Element { tag, vr, value: Value::Text(text.into()) };
    let group = |window: &str, lengths| {
        let item = |elements| Value::Items(vec![elements], lengths);
        let voi = vec![text(0x0028_1050, "DS", window), text(0x0028_1051, "DS", "1200")];
        let values = vec![text(0x0028_1052, "DS", "-5"), text(0x0028_1053, "DS", "2")];
        let measures = vec![text(0x0028_0030, "DS", "0.07\\0.08")];
        vec![
            Element { tag: 0x0028_9110, vr: "SQ", value: item(measures) },
            Element { tag: 0x0028_9132, vr: "SQ", value: item(voi) },
            Element { tag: 0x0028_9145, vr: "SQ", value: item(values) },
        ]
    };
    for syntax in [EXPLICIT, IMPLICIT, BIG_ENDIAN] {
        for lengths in [Lengths::Known, Lengths::Undefined] {
            let mut file = DicomFile { syntax: syntax.into(), ..grey() };
            file.text(0x0028_0008, "IS", "1");
            file.set(0x5200_9229, "SQ", Value::Items(vec![group("1500", lengths)], lengths));
            let (header, _) = decoded(file.bytes());
            let window = header.display.windows[0];
            assert_eq!((window.center, window.width), (1500.0, 1200.0), "{syntax} {lengths:?}");
            let rescale = Modality::Rescale { slope: 2.0, intercept: -5.0 };
            assert_eq!(header.display.modality, rescale);
            assert_eq!(header.spacing.unwrap().column.0, 0.08);
            // The frame's own groups go before the shared ones.
            file.set(0x5200_9230, "SQ", Value::Items(vec![group("1600", lengths)], lengths));
            assert_eq!(decoded(file.bytes()).0.display.windows[0].center, 1600.0);
        }
    }
}

#[test]
fn a_spacing_that_cannot_be_used_is_null() {
    for (tag, text) in [
        (0x0028_0030, "0.0\\0.0"),
        (0x0028_0030, "0.2\\0\\0.20000"),
        (0x0028_0030, "0.07"),
        (0x0028_0030, "0,07\\0,07"),
        (0x0028_0030, "-0.1\\0.1"),
        (0x0018_1164, "0.07"),
    ] {
        let mut file = grey();
        file.text(tag, "DS", text);
        assert_eq!(notes(file.bytes()), [Note::SpacingUnusable], "{text}");
        assert_eq!(decoded(file.bytes()).0.spacing, None, "{text}");
    }
    // The next best source: the detector's spacing and the magnification.
    let mut file = grey();
    file.text(0x0028_0030, "DS", "0\\0").text(0x0018_1164, "DS", "0.1\\0.1");
    file.text(0x0018_1114, "DS", "2");
    assert_eq!(decoded(file.bytes()).0.spacing.unwrap().row.0, 0.05);
}

#[test]
fn a_rescale_that_cannot_be_used_is_none_and_its_window_neither() {
    for (slope, source) in [("0", WindowSource::Window), ("steep", WindowSource::Full)] {
        let mut file = grey();
        file.text(0x0028_1052, "DS", "0").text(0x0028_1053, "DS", slope);
        file.text(0x0028_1050, "DS", "2048").text(0x0028_1051, "DS", "4096");
        assert_eq!(notes(file.bytes()), [Note::RescaleUnusable], "{slope}");
        assert_eq!(lut(&decoded(file.bytes()).0).used.source, source, "{slope}");
    }
}

#[test]
fn uncompressed_and_deflated_pixels_in_fragments_decode() {
    use std::io::Write as _;
    let bytes: Vec<u8> = pixels().iter().flat_map(|word| word.to_le_bytes()).collect();
    let mut deflate = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    deflate.write_all(&bytes).unwrap();
    let deflated = deflate.finish().unwrap();
    let in_fragments = |uid: &str, fragments| DicomFile::compressed(ROWS, COLUMNS, uid, fragments);
    for size in [bytes.len(), 100] {
        let fragments = bytes.chunks(size).map(<[u8]>::to_vec).collect();
        let file = in_fragments("1.2.840.10008.1.2.1.98", fragments);
        assert!(notes(file.bytes()).is_empty());
        let fragments = deflated.chunks(size).map(<[u8]>::to_vec).collect();
        let file = in_fragments("1.2.840.10008.1.2.8.1", fragments);
        assert!(notes(file.bytes()).is_empty());
    }
    let short = in_fragments("1.2.840.10008.1.2.1.98", vec![bytes[2..].to_vec()]);
    assert!(refused(short.bytes()).contains("PixelData holds 558 bytes"));
}

#[test]
fn a_compressed_stream_under_an_uncompressed_syntax_is_decoded_by_what_it_is() {
    let file = DicomFile { syntax: EXPLICIT.into(), ..compressed() };
    assert_eq!(notes(file.bytes()), [Note::StreamInNative]);
}

#[test]
fn values_above_bits_stored_are_seen_and_overlays_and_signs_are_none() {
    let is_above = |words: &[u16], set: &[(u32, u16)]| {
        let mut file = DicomFile::grey(1, 4, words);
        for (tag, number) in set {
            file.number(*tag, *number);
        }
        decoded(file.bytes()).1.is_above
    };
    assert!(!is_above(&[0, 4095, 7, 8], &[]));
    assert!(is_above(&[0, 4096, 7, 8], &[]));
    // An overlay in bit 12, and a value in bit 13 beside it.
    let overlay = [(0x6000_0100, 16), (0x6000_0102, 12)];
    assert!(!is_above(&[0, 0x1FFF, 7, 8], &overlay));
    assert!(is_above(&[0, 0x2FFF, 7, 8], &overlay));
    let signed = [(0x0028_0103, 1)];
    assert!(!is_above(&[0, 0xFFFE, 0x0801, 8], &signed));
    assert!(is_above(&[0, 0x1801, 7, 8], &signed));
}

#[test]
fn columns_of_the_header_are_codes_and_never_free_text() {
    let mut file = grey();
    file.text(0x0008_0068, "CS", "for processing").text(0x0018_5101, "CS", "XCCL");
    file.text(0x0028_0301, "CS", "YES").text(0x0020_0062, "CS", "l");
    let (header, _) = decoded(file.bytes());
    assert_eq!(header.intent.as_deref(), Some("FOR PROCESSING"));
    assert_eq!((header.view_code(), header.burned_in), (Some("XCCL"), true));
    assert_eq!(header.laterality.map(|side| side.as_str()), Some("L"));
    file.text(0x0008_0068, "CS", "ask Dr X").text(0x0018_5101, "CS", "SMITH^ANNA");
    let (header, _) = decoded(file.bytes());
    assert_eq!((header.intent.as_deref(), header.view_code()), (None, None));
}
