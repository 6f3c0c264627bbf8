//! Reads images without a DICOM header: grey PNG, PGM and TIFF of 8 or 16 bits.
//!
//! In: a file whose first bytes are those of one of these formats. Out: what a DICOM file gives: a
//! [`Header`] without side, projection, spacing and window, and the pixels as they are, bright
//! values bright. The grey scale is then the range of the type, unless `window.mode` takes it from
//! the image.

use std::io::Cursor;

use tiff::decoder::{Decoder, DecodingResult};

use super::held::held;
use crate::flow::Budget;
use crate::shard::notes::Notes;

use super::{
    ByteOrder, Display, Header, Photometric, PixelData, PixelLayout, ReadError, TransferSyntax,
};

/// The formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Png,
    Pgm,
    Tiff,
}

fn format(bytes: &[u8]) -> Option<Format> {
    let begins = |magic: &[u8]| bytes.starts_with(magic);
    let space = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_whitespace);
    match () {
        () if begins(b"\x89PNG\r\n\x1a\n") => Some(Format::Png),
        () if begins(b"P5") && space(2) => Some(Format::Pgm),
        () if begins(b"II*\0") || begins(b"MM\0*") => Some(Format::Tiff),
        () => None,
    }
}

/// Whether the bytes begin like an image without a DICOM header. A DICOM file may begin like a TIFF
/// image, in its preamble (PS3.10 section 7.1).
pub fn is_picture(bytes: &[u8]) -> bool {
    format(bytes).is_some() && bytes.get(128..132) != Some(b"DICM")
}

/// Header and pixels of a file for which [`is_picture`] holds. The pixels count in `memory`.
///
/// # Errors
/// A reason why it is not one grey image of 8 or 16 bits with at most `max_pixels`.
pub fn open(
    bytes: &[u8],
    max_pixels: usize,
    memory: &Budget,
) -> Result<(Header, PixelData), ReadError> {
    match format(bytes) {
        Some(Format::Png) => png(bytes, max_pixels, memory),
        Some(Format::Pgm) => pgm(bytes, max_pixels, memory),
        _ => tiff(bytes, max_pixels, memory),
    }
}

/// Refuses a file that is none of the supported kinds.
fn unsupported(attribute: &'static str, found: impl ToString, needed: &'static str) -> ReadError {
    ReadError::Unsupported { attribute, found: found.to_string(), needed }
}

fn damaged(found: impl ToString) -> ReadError {
    unsupported("the image file", found, "an undamaged PNG, PGM or TIFF")
}

/// The header of a grey image of this size.
fn header(width: u32, height: u32, bits: u16, max_pixels: usize) -> Result<Header, ReadError> {
    let side = |side: u32| {
        u16::try_from(side).map_err(|_| unsupported("width or height", side, "at most 65535"))
    };
    let layout = PixelLayout {
        rows: side(height)?,
        columns: side(width)?,
        bits_allocated: bits,
        bits_stored: bits,
        high_bit: bits - 1,
        signed: false,
        samples_per_pixel: 1,
        photometric: Photometric::Monochrome2,
        frames: 1,
    };
    layout.check(max_pixels)?;
    Ok(Header {
        syntax: TransferSyntax::ExplicitLittleEndian,
        layout,
        display: Display::default(),
        spacing: None,
        laterality: None,
        view: None,
        manufacturer: None,
        model: None,
        intent: None,
        burned_in: false,
        chest_wall: None,
        overlay_bits: 0,
        notes: Notes::default(),
    })
}

/// The frame that `pixels` gives, if it has as many bytes as the header needs. `order` is that of
/// values of two bytes: values of one byte have none, and a big endian DICOM frame of them would have
/// its pairs swapped.
fn frame(
    header: Header,
    order: ByteOrder,
    memory: &Budget,
    pixels: impl FnOnce(usize) -> Result<Vec<u8>, ReadError>,
) -> Result<(Header, PixelData), ReadError> {
    let layout = &header.layout;
    let need = layout.pixels() * usize::from(layout.bits_allocated / 8);
    // Once as the format's library gives them, once as bytes.
    let bytes = held(memory, 2 * need, || pixels(need))?;
    if bytes.len() < need {
        let (have, rows, columns) = (bytes.len(), layout.rows, layout.columns);
        return Err(ReadError::PixelDataLength { have, need, rows, columns });
    }
    let order = if layout.bits_allocated == 8 { ByteOrder::Little } else { order };
    Ok((header, PixelData::Native { bytes: bytes.slice(..need), order }))
}

fn png(bytes: &[u8], max_pixels: usize, memory: &Budget) -> Result<(Header, PixelData), ReadError> {
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    // Grey values of fewer than 8 bits are not stretched to 8 without saying so.
    decoder.set_transformations(png::Transformations::IDENTITY);
    let mut reader = decoder.read_info().map_err(damaged)?;
    let info = reader.info();
    if info.color_type != png::ColorType::Grayscale {
        return Err(unsupported("the PNG's colour type", format!("{:?}", info.color_type), "grey"));
    }
    let bits = match info.bit_depth {
        png::BitDepth::Eight => 8,
        png::BitDepth::Sixteen => 16,
        other => return Err(unsupported("the PNG's depth", format!("{other:?}"), "8 or 16 bits")),
    };
    let header = header(info.width, info.height, bits, max_pixels)?;
    frame(header, ByteOrder::Big, memory, |need| {
        let mut pixels = vec![0; need];
        reader.next_frame(&mut pixels).map_err(damaged)?;
        Ok(pixels)
    })
}

/// Binary PGM (netpbm's P5): width, height and the largest value as text, then the pixels. Values of
/// two bytes have the high one first.
fn pgm(bytes: &[u8], max_pixels: usize, memory: &Budget) -> Result<(Header, PixelData), ReadError> {
    let mut at = 2;
    let mut numbers = [0_u32; 3];
    for number in &mut numbers {
        loop {
            match bytes.get(at) {
                Some(b'#') => {
                    let end = bytes[at..].iter().position(|b| *b == b'\n');
                    at = end.map_or(bytes.len(), |end| at + end);
                }
                Some(byte) if byte.is_ascii_whitespace() => at += 1,
                _ => break,
            }
        }
        let digits = bytes[at.min(bytes.len())..].iter().take_while(|b| b.is_ascii_digit()).count();
        let text = bytes.get(at..at + digits.min(10)).unwrap_or_default();
        let text = String::from_utf8_lossy(text);
        *number = text.parse().map_err(|_| damaged("a PGM header without three numbers"))?;
        at += digits;
    }
    let [width, height, max] = numbers;
    let bits = match max {
        1..=255 => 8,
        256..=65_535 => 16,
        _ => return Err(unsupported("the PGM's largest value", max, "1 to 65535")),
    };
    // It is white, and the grey scale of a file without a header ends at a power of two.
    if !(max + 1).is_power_of_two() {
        return Err(unsupported("the PGM's largest value", max, "255, 4095 or another 2^n - 1"));
    }
    let mut header = header(width, height, bits, max_pixels)?;
    // Values of 12 bits in two bytes say so by the largest value.
    header.layout.bits_stored = (32 - max.leading_zeros()) as u16;
    header.layout.high_bit = header.layout.bits_stored - 1;
    // One white space ends the header.
    frame(header, ByteOrder::Big, memory, |need| {
        let pixels = bytes.get(at + 1..).unwrap_or_default();
        Ok(pixels[..pixels.len().min(need)].to_vec())
    })
}

fn tiff(
    bytes: &[u8],
    max_pixels: usize,
    memory: &Budget,
) -> Result<(Header, PixelData), ReadError> {
    let mut decoder = Decoder::new(Cursor::new(bytes)).map_err(damaged)?;
    let (width, height) = decoder.dimensions().map_err(damaged)?;
    let bits = match decoder.colortype().map_err(damaged)? {
        tiff::ColorType::Gray(8) => 8,
        tiff::ColorType::Gray(16) => 16,
        other => {
            let needed = "grey of 8 or 16 bits";
            return Err(unsupported("the TIFF's colour type", format!("{other:?}"), needed));
        }
    };
    let orientation = decoder.find_tag(tiff::tags::Tag::Orientation).map_err(damaged)?;
    if orientation.is_some_and(|value| value.into_u16().ok() != Some(1)) {
        return Err(unsupported("the TIFF's Orientation", "another", "1, rows from the top left"));
    }
    if decoder.more_images() {
        return Err(unsupported("the TIFF's images", "several", "1"));
    }
    let header = header(width, height, bits, max_pixels)?;
    frame(header, ByteOrder::Little, memory, |_| match decoder.read_image().map_err(damaged)? {
        DecodingResult::U8(pixels) => Ok(pixels),
        DecodingResult::U16(pixels) => Ok(pixels.into_iter().flat_map(u16::to_le_bytes).collect()),
        _ => Err(unsupported("the TIFF's values", "signed or real", "unsigned integers")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(bytes: &[u8], max_pixels: usize) -> Result<(Header, PixelData), ReadError> {
        super::open(bytes, max_pixels, &Budget::unlimited())
    }

    /// The stored values of a file.
    fn values(file: &[u8]) -> (u16, u16, u16, Vec<u16>) {
        let (header, pixels) = open(file, 1000).unwrap();
        let PixelData::Native { bytes, order } = pixels else { panic!("native pixels") };
        let word = |pair: &[u8]| match order {
            ByteOrder::Little => u16::from_le_bytes([pair[0], pair[1]]),
            ByteOrder::Big => u16::from_be_bytes([pair[0], pair[1]]),
        };
        let values = match (header.layout.bits_allocated, order) {
            (8, ByteOrder::Little) => bytes.iter().map(|&byte| byte.into()).collect(),
            (8, ByteOrder::Big) => panic!("the decoder would swap pairs of pixels"),
            _ => bytes.chunks_exact(2).map(word).collect(),
        };
        (header.layout.columns, header.layout.rows, header.layout.bits_stored, values)
    }

    fn png_file(depth: png::BitDepth, bytes: &[u8]) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, 3, 2);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(depth);
        encoder.write_header().unwrap().write_image_data(bytes).unwrap();
        file
    }

    #[test]
    fn grey_values_are_as_the_file_has_them() {
        let bytes = [1, 2, 3, 4, 5, 250];
        let png8 = png_file(png::BitDepth::Eight, &bytes);
        assert_eq!(values(&png8), (3, 2, 8, vec![1, 2, 3, 4, 5, 250]));
        let words: Vec<u8> =
            [1_u16, 2, 3, 4, 5, 60_000].iter().flat_map(|w| w.to_be_bytes()).collect();
        let png16 = png_file(png::BitDepth::Sixteen, &words);
        assert_eq!(values(&png16), (3, 2, 16, vec![1, 2, 3, 4, 5, 60_000]));
        let pgm =
            [b"P5\n# made by hand\n3 2\n4095\n".as_slice(), &words[..10], &[15, 255]].concat();
        assert_eq!(values(&pgm), (3, 2, 12, vec![1, 2, 3, 4, 5, 4095]));
        let pgm8 = [b"P5 3 1 255\n".as_slice(), &bytes[..3]].concat();
        assert_eq!(values(&pgm8), (3, 1, 8, vec![1, 2, 3]));
        let mut file = Cursor::new(Vec::new());
        let mut encoder = tiff::encoder::TiffEncoder::new(&mut file).unwrap();
        encoder
            .write_image::<tiff::encoder::colortype::Gray16>(3, 2, &[1, 2, 3, 4, 5, 60_000])
            .unwrap();
        assert_eq!(values(file.get_ref()), (3, 2, 16, vec![1, 2, 3, 4, 5, 60_000]));
    }

    #[test]
    fn what_is_no_grey_image_of_a_sound_file_is_refused_with_a_reason() {
        let png = png_file(png::BitDepth::Eight, &[1, 2, 3, 4, 5, 6]);
        assert!(open(&png, 5).is_err(), "more pixels than allowed");
        assert!(open(&png[..png.len() - 20], 1000).is_err(), "cut off");
        let told = open(b"P5 3 2 255 abc", 1000).unwrap_err().to_string();
        assert_eq!(told, "PixelData holds 3 bytes, 2 x 3 needs 6");
        let white = open(b"P5 1 1 200 a", 1000).unwrap_err().to_string();
        assert!(white.contains("largest value is 200"), "{white}");
        assert!(open(b"P5 x", 1000).is_err() && open(b"II*\0", 1000).is_err());
        assert!(!is_picture(b"P6 3 2 255 ") && !is_picture(b"DICM"));
        let mut with_preamble = b"II*\0".to_vec();
        with_preamble.resize(128, 0);
        assert!(is_picture(&with_preamble));
        with_preamble.extend(b"DICM");
        assert!(!is_picture(&with_preamble), "a DICOM file whose preamble is a TIFF header");
    }
}
