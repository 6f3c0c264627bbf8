//! Reads only the part of a JPEG 2000 file that a reduced image needs.
//!
//! In: a file of known size. Out: [`Prefix`], its header and the beginning of its pixel data; or
//! `None` if the whole file has to be read, because most of it is needed, or because something
//! differs from what sound files have. Reading the whole file then gives the reason.
//!
//! A truncated file is never read as a prefix: its fragment has to end before the file does, with
//! the marker that ends a codestream and the delimiter that ends fragments. That end is read as
//! well.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::ops::Range;

use bytes::Bytes;
use dicom_dictionary_std::tags;
use mammo_codecs::jpeg2000;
use mammo_codecs::jpeg2000::guard::{Codestream, CodestreamError};

use super::attributes::Attributes;
use super::elements::Elements;
use super::{Header, PixelData, ReadError, meta};
use crate::config::DecodeConfig;
use crate::preprocess::reduce;

/// The first read: header, coarse levels and most likely some more of a mammogram.
const FIRST: u64 = 128 << 10;

/// Room for the header of the next packet, so that most packets need one read each.
const AHEAD: u64 = 16 << 10;

/// The delimiter that ends fragments (PS3.5 A.4), with its length.
const DELIMITER: [u8; 8] = [0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0];

/// A file of which the beginning suffices.
pub struct Prefix {
    header: Header,
    /// The byte range of the single fragment in the file.
    fragment: Range<usize>,
    /// The number of bytes read, including those at the file's end.
    pub read: u64,
}

impl Prefix {
    /// Header and pixel data, from the `buffer` that [`read`] filled.
    pub fn take(self, buffer: Bytes) -> (Header, PixelData) {
        let Self { header, fragment, .. } = self;
        let bytes = buffer.slice(fragment.start..fragment.end.min(buffer.len()));
        (header, PixelData::Prefix { bytes, length: fragment.len() })
    }
}

/// Reads the beginning of a file of `size` bytes into `buffer`, as much as `decode` needs. Returns
/// `None` if the rest has to be read as well; `file` is then positioned after the bytes in
/// `buffer`.
///
/// # Errors
/// [`ReadError::Io`].
pub fn read(
    file: &mut File,
    size: u64,
    buffer: &mut Vec<u8>,
    decode: &DecodeConfig,
) -> Result<Option<Prefix>, ReadError> {
    let mut goal = FIRST;
    // Two reads for little more than half the bytes gain nothing.
    while goal <= size / 4 * 3 {
        file.take(goal - buffer.len() as u64).read_to_end(buffer)?;
        match survey(buffer, size, decode) {
            Survey::Whole => return Ok(None),
            Survey::AtLeast(bytes) => {
                goal = (bytes as u64 + AHEAD).max(buffer.len() as u64 * 5 / 4);
            }
            Survey::Enough { header, fragment } => {
                let behind = buffer.len() as u64;
                let end = read_end(file, fragment.end as u64)?;
                file.seek(SeekFrom::Start(behind))?;
                let read = behind + end.len() as u64;
                let ends = end.ends_with(&DELIMITER) && codestream_ends(&end);
                return Ok(ends.then_some(Prefix { header: *header, fragment, read }));
            }
        }
    }
    Ok(None)
}

enum Survey {
    /// The bytes that were read suffice.
    Enough { header: Box<Header>, fragment: Range<usize> },
    /// More must be read, at least up to this byte of the file.
    AtLeast(usize),
    /// The whole file must be read.
    Whole,
}

fn survey(buffer: &[u8], size: u64, decode: &DecodeConfig) -> Survey {
    match look_into(buffer, size, decode) {
        Ok(survey) => survey,
        Err(ReadError::Truncated { .. }) => Survey::AtLeast(buffer.len() + 1),
        Err(_) => Survey::Whole,
    }
}

fn look_into(buffer: &[u8], size: u64, decode: &DecodeConfig) -> Result<Survey, ReadError> {
    let meta = meta::read(buffer)?;
    if !meta.syntax.is_jpeg_2000() {
        return Ok(Survey::Whole);
    }
    let mut elements = Elements::of_data_set(buffer, meta.end, meta.syntax.encoding());
    let (attributes, element) = Attributes::collect(&mut elements)?;
    let header = Header::new(&meta, &attributes)?;
    header.layout.check(decode.max_pixels)?;
    // The offset table, then the fragment.
    if element.length.is_some() || elements.fragment(tags::PIXEL_DATA)?.is_none() {
        return Ok(Survey::Whole);
    }
    let Some(fragment) = elements.declared_fragment(tags::PIXEL_DATA)? else {
        return Ok(Survey::Whole);
    };
    if (fragment.end + DELIMITER.len()) as u64 > size {
        return Ok(Survey::Whole);
    }
    let (start, length) = (fragment.start, fragment.len());
    let stream = &buffer[start..fragment.end.min(buffer.len())];
    let levels = match Codestream::parse(stream, length) {
        Ok(codestream) => codestream.levels,
        Err(CodestreamError::Truncated { .. } | CodestreamError::NoCodestream) => {
            return Ok(Survey::AtLeast(buffer.len() + 1));
        }
        Err(_) => return Ok(Survey::Whole),
    };
    let reduce = reduce::least(header.layout.size(), levels, decode.reduce);
    let max_samples = header.layout.pixels() as u64;
    let request = jpeg2000::Request {
        reduce,
        max_samples,
        max_memory: u64::MAX,
        ..jpeg2000::Request::default()
    };
    Ok(match jpeg2000::prefix(stream, length, &request) {
        Ok(jpeg2000::Prefix::Needs(_)) if reduce > 0 => {
            Survey::Enough { header: Box::new(header), fragment }
        }
        Ok(jpeg2000::Prefix::NeedsAtLeast(bytes)) if reduce > 0 => Survey::AtLeast(start + bytes),
        _ => Survey::Whole,
    })
}

/// The last bytes of the fragment that ends at `end`, and the delimiter after it.
fn read_end(file: &mut File, end: u64) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(end.saturating_sub(3)))?;
    file.take(3 + DELIMITER.len() as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Whether EOC is at the end, or before a byte that makes the length even.
fn codestream_ends(end: &[u8]) -> bool {
    matches!(end, [_, 0xFF, 0xD9, ..] | [0xFF, 0xD9, 0, ..])
}
