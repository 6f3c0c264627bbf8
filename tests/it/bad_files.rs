//! Every kind of damage gets its reason, and none of them a panic or more memory than it is
//! worth.

use crate::common;

use common::dicom_file::*;
use common::sized;
use mammo_codecs::encode::{Frame, jpeg_lossless, jpeg2000, rle};
use mammo_pipe::preprocess::decode::{DecodeError, Decoder, Stored, Want};
use mammo_pipe::preprocess::read::{ReadError, open};

const MAX_PIXELS: usize = 1_000_000;
const ROWS: u16 = 40;
const COLUMNS: u16 = 24;

#[derive(Debug, thiserror::Error)]
#[error(transparent)]
enum Bad {
    Read(#[from] ReadError),
    Decode(#[from] DecodeError),
}

fn decode(bytes: Vec<u8>) -> Result<Stored, Bad> {
    let (header, pixel_data) = open(bytes.into(), MAX_PIXELS)?;
    Ok(Decoder::default().decode(&header, &pixel_data, &Want::default())?)
}

/// The variant and the whole message, causes included.
fn reason(bytes: Vec<u8>) -> String {
    let error = match decode(bytes) {
        Ok(_) => return "none".into(),
        Err(error) => error,
    };
    let mut message = format!("{error:?}").split([' ', '{']).next().unwrap().to_owned();
    message = message.trim_end_matches(')').to_owned() + ": ";
    let mut cause: Option<&dyn std::error::Error> = Some(&error);
    while let Some(error) = cause {
        message += &format!("{error}; ");
        cause = error.source();
    }
    message
}

fn pixels(count: usize) -> Vec<u16> {
    (0..count).map(|i| if i % 7 < 3 { 0 } else { (i * i * 19 + 3) as u16 % 4096 }).collect()
}

fn grey() -> DicomFile {
    DicomFile::grey(ROWS, COLUMNS, &pixels(usize::from(ROWS) * usize::from(COLUMNS)))
}

fn jpeg_2000_options(container: jpeg2000::Container) -> jpeg2000::Options {
    jpeg2000::Options { container, levels: 3, ..Default::default() }
}

/// A frame's stream of `columns` x `rows` pixels in each compressed syntax.
fn streams(rows: u16, columns: u16) -> Vec<(&'static str, Vec<u8>)> {
    let samples = pixels(usize::from(rows) * usize::from(columns));
    let frame = Frame::new(columns, rows, 12, &samples).unwrap();
    let jpeg_2000 = |container| {
        let options = jpeg_2000_options(container);
        jpeg2000::encode(&samples, columns.into(), rows.into(), &options).unwrap()
    };
    vec![
        (JPEG_LOSSLESS, jpeg_lossless::encode(&frame, Default::default())),
        (RLE, rle::encode(&Frame::new(columns, rows, 16, &samples).unwrap())),
        (JPEG_2000_LOSSLESS, jpeg_2000(jpeg2000::Container::Jp2)),
        (JPEG_2000_LOSSLESS, jpeg_2000(jpeg2000::Container::Codestream)),
    ]
}

fn sound_files() -> Vec<DicomFile> {
    let mut files = vec![grey()];
    for syntax in [IMPLICIT, BIG_ENDIAN] {
        files.push(DicomFile { syntax: syntax.into(), ..grey() });
    }
    for (syntax, stream) in streams(ROWS, COLUMNS) {
        files.push(DicomFile::compressed(ROWS, COLUMNS, syntax, vec![stream]));
    }
    files
}

#[test]
fn sound_files_decode_in_one_fragment_or_several() {
    let expected = pixels(usize::from(ROWS) * usize::from(COLUMNS));
    for mut file in sound_files() {
        assert_eq!(decode(file.bytes()).unwrap().pixels.pixels(), expected, "{}", file.syntax);
        let Value::Fragments(fragments) = &file.elements.last().unwrap().value else { continue };
        let pieces = fragments[0].chunks(100).map(<[u8]>::to_vec).collect();
        file.set(PIXEL_DATA, "OB", Value::Fragments(pieces));
        assert_eq!(decode(file.bytes()).unwrap().pixels.pixels(), expected, "{}", file.syntax);
    }
}

#[test]
fn a_file_cut_anywhere_is_rejected() {
    for file in sound_files() {
        let bytes = file.bytes();
        for end in 0..bytes.len() {
            let reason = reason(bytes[..end].to_vec());
            // Fragments may lack the delimiter behind them, 8 bytes, if their stream is whole.
            let is_compressed = matches!(file.elements.last().unwrap().value, Value::Fragments(_));
            if is_compressed && end + 8 >= bytes.len() {
                assert_eq!(reason, "none", "{} cut at {end}", file.syntax);
                continue;
            }
            assert!(reason.starts_with("Read("), "{} cut at {end}: {reason}", file.syntax);
            if end > 200 {
                let named = reason.contains("the file ends inside") || reason.contains("missing");
                assert!(named, "{} cut at {end}: {reason}", file.syntax);
            }
        }
    }
}

#[test]
fn a_codestream_cut_anywhere_is_rejected() {
    for (syntax, stream) in streams(ROWS, COLUMNS) {
        for end in 1..stream.len() {
            let file = DicomFile::compressed(ROWS, COLUMNS, syntax, vec![stream[..end].to_vec()]);
            let reason = reason(file.bytes());
            // JPEG and JPEG 2000 are whole without the two bytes of their end marker.
            let is_whole = syntax != RLE && end + 2 >= stream.len();
            let is_rejected = reason.starts_with("Decode(");
            assert!(is_rejected || is_whole, "{syntax} cut at {end} of {}: {reason}", stream.len());
        }
    }
}

#[test]
fn another_size_than_the_headers_is_named_with_both() {
    for (rows, columns) in [(ROWS + 1, COLUMNS), (ROWS, COLUMNS - 1), (2 * ROWS, 2 * COLUMNS)] {
        let mut native = grey();
        native.number(0x0028_0010, rows).number(0x0028_0011, columns);
        let reason_of_native = reason(native.bytes());
        if rows * columns > ROWS * COLUMNS {
            assert!(reason_of_native.contains("PixelData holds 1920 bytes"), "{reason_of_native}");
        }
        assert!(reason_of_native.starts_with("Read(PixelDataLength"), "{reason_of_native}");
        for (syntax, stream) in streams(rows, columns) {
            let reason = reason(DicomFile::compressed(ROWS, COLUMNS, syntax, vec![stream]).bytes());
            if syntax == RLE {
                // Its coding tells no size, only how many bytes it holds.
                let is_longer = rows > ROWS;
                assert_eq!(reason.starts_with("Decode(Rle"), !is_longer, "{reason}");
                continue;
            }
            let both = format!("{columns} x {rows} pixels, Columns x Rows is {COLUMNS} x {ROWS}");
            assert!(reason.contains(&both), "{syntax}: {reason}");
        }
    }
}

#[test]
fn each_kind_of_damage_has_its_reason() {
    let without = |tag| grey().remove(tag).bytes();
    let number = |tag, number| grey().number(tag, number).bytes();
    let text = |tag, vr, text: &str| grey().text(tag, vr, text).bytes();
    let of_syntax = |uid: &str| DicomFile { syntax: uid.into(), ..grey() }.bytes();
    let claims_4_gb = {
        let mut bytes = grey().bytes();
        let at = bytes.windows(4).rposition(|head| head == [0xE0, 0x7F, 0x10, 0x00]).unwrap();
        bytes[at + 8..at + 12].copy_from_slice(&0xFFFF_FFFE_u32.to_le_bytes());
        bytes
    };
    let table = vec![
        Element { tag: 0x0028_3002, vr: "US", value: Value::Words(vec![0, 0, 16]) },
        Element { tag: 0x0028_3006, vr: "OW", value: Value::Words(vec![1, 2]) },
    ];
    let table = Value::Items(vec![table], Lengths::Known);
    let table = grey().set(0x0028_3000, "SQ", table).bytes();
    let encapsulated = DicomFile::compressed(ROWS, COLUMNS, EXPLICIT, vec![vec![0; 8]]);
    let no_fragment = DicomFile::compressed(ROWS, COLUMNS, JPEG_2000, vec![]);
    let not_jpeg_2000 = DicomFile::compressed(ROWS, COLUMNS, JPEG_2000, vec![b"<html>".to_vec()]);
    let mut deflated = of_syntax(DEFLATED);
    let middle = deflated.len() / 2;
    deflated[middle..].fill(0xA5);
    for (kind, bytes, expected) in [
        ("empty", Vec::new(), "Read(Empty: the file is empty"),
        ("a web page", b"<!DOCTYPE html><p>404".to_vec(), "is a web page, needs"),
        ("zeros", vec![0; 4000], "Read(NotDicom"),
        ("only a preamble", [&[0; 128][..], b"DICM"].concat(), "ends inside the data set"),
        ("a film", of_syntax("1.2.840.10008.1.2.4.100"), "still grey images"),
        ("no pixel data", without(PIXEL_DATA), "PixelData is missing"),
        ("no rows", without(0x0028_0010), "Rows is missing"),
        ("4 GB claimed", claims_4_gb, "ends inside PixelData: needs 4294967294 bytes"),
        ("0 rows", number(0x0028_0010, 0), "Rows is 0, supported is 1 or more"),
        ("65535 rows", number(0x0028_0010, 65535), "65535 x 24 pixels, decode.max_pixels is"),
        ("colour", number(0x0028_0002, 3), "SamplesPerPixel is 3, supported is 1 (grey)"),
        ("RGB", text(0x0028_0004, "CS", "RGB"), "PhotometricInterpretation is RGB, supported is"),
        ("frames", text(0x0028_0008, "IS", "1000 "), "NumberOfFrames is 1000: this is no single"),
        (
            "no number of frames",
            text(0x0028_0008, "IS", "many"),
            "NumberOfFrames is no whole number, needs 1",
        ),
        ("32 bits", number(0x0028_0100, 32), "BitsAllocated is 32, supported is 8 or 16"),
        ("17 bits", number(0x0028_0101, 17), "BitsStored is 17, supported is"),
        ("a high bit below", number(0x0028_0102, 10), "HighBit is 10, supported is"),
        ("a strange sign", number(0x0028_0103, 2), "PixelRepresentation is 2, needs 0 or 1"),
        ("a modality table of 65536", table, "LUTData is 4 bytes, needs as many entries"),
        ("not encapsulated", of_syntax(JPEG_LOSSLESS), "needs fragments"),
        ("encapsulated", encapsulated.bytes(), "PixelData has fragments at byte"),
        ("no fragment", no_fragment.bytes(), "a fragment of PixelData is missing"),
        (
            "no JPEG 2000",
            not_jpeg_2000.bytes(),
            "JPEG 2000; the frame is neither a JP2 file nor a codestream",
        ),
        ("damaged deflate", deflated, "Read("),
    ] {
        let reason = reason(bytes);
        assert!(reason.contains(expected), "{kind}: {reason}");
    }
}

#[test]
fn claims_of_terabytes_in_a_codestream_are_refused_before_a_decoder_believes_them() {
    let (_, stream) = streams(ROWS, COLUMNS).pop().unwrap();
    let siz = stream.windows(2).position(|marker| marker == [0xFF, 0x51]).unwrap();
    let field = |number: usize, value: u32| {
        let mut stream = stream.clone();
        stream[siz + 6 + 4 * number..][..4].copy_from_slice(&value.to_be_bytes());
        reason(DicomFile::compressed(ROWS, COLUMNS, JPEG_2000, vec![stream]).bytes())
    };
    for (number, value, expected) in [
        (0, u32::MAX, "SIZ is 4294967295 x 40 in tiles"),
        (1, u32::MAX, "SIZ is 24 x 4294967295 in tiles"),
        (0, 60_000, "60000 x 40 pixels, Columns x Rows is 24 x 40"),
        (2, 24, "SIZ is 0 x 40"),
        (4, 0, "in tiles of 0 x"),
    ] {
        let reason = field(number, value);
        assert!(reason.contains(expected), "{number} {value}: {reason}");
    }
    let mut many_tiles = stream.clone();
    for (number, value) in [(0, 65_535u32), (1, 65_535), (4, 1), (5, 1)] {
        many_tiles[siz + 6 + 4 * number..][..4].copy_from_slice(&value.to_be_bytes());
    }
    let file = DicomFile::compressed(ROWS, COLUMNS, JPEG_2000, vec![many_tiles]);
    let reason = reason(file.bytes());
    assert!(reason.contains("the number of tiles and blocks is 4294836225"), "{reason}");
}

#[test]
fn sequences_inside_sequences_end_at_a_depth_and_not_at_the_stacks() {
    let mut bytes = DicomFile { elements: Vec::new(), ..grey() }.bytes();
    for _ in 0..200_000 {
        bytes.extend(b"\x08\x00\x15\x11SQ\0\0\xFF\xFF\xFF\xFF\xFE\xFF\x00\xE0\xFF\xFF\xFF\xFF");
    }
    let reason = reason(bytes);
    assert!(reason.contains("has another sequence inside at byte"), "{reason}");
}

#[test]
fn a_deflated_bomb_is_refused_at_what_an_image_may_need() {
    let mut file = grey();
    file.syntax = DEFLATED.into();
    file.set(0x0009_1001, "OB", Value::Bytes(vec![0; 70 << 20]));
    let reason = reason(file.bytes());
    assert!(reason.starts_with("Read(TooManyBytes: a deflated data set"), "{reason}");
}

#[test]
fn damaged_bytes_never_panic() {
    let mut seed = 0x2545_F491_4F6C_DD1D_u64;
    let mut random = |bound: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed >> 11) as usize % bound
    };
    let mut rejected = 0;
    for file in sound_files() {
        let bytes = file.bytes();
        for _ in 0..sized(2000, 50_000) {
            let mut damaged = bytes.clone();
            for _ in 0..=random(4) {
                // Heads and lengths, which lie in the front, are hit as often as the pixels.
                let reach = if random(2) == 0 { bytes.len().min(700) } else { bytes.len() };
                let value = [0, 0xFF, 0x7F, random(256) as u8][random(4)];
                damaged[random(reach)] = value;
            }
            rejected += usize::from(decode(damaged).is_err());
        }
    }
    assert!(rejected > 1000, "{rejected} rejected");
}
