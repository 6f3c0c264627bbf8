//! Decodes pixel data to stored values.
//!
//! In: a [`Header`] and its [`PixelData`]. Out: [`Stored`], exactly what Bits Stored and Pixel
//! Representation say a value is: bits above High Bit (where old files keep overlays) are gone,
//! signs extended.
//!
//! A codestream and the header around it may disagree. Size and number of components must
//! match; precision and sign may differ in the ways that real files do, see `values`.

mod bits;
pub mod coded;
pub mod codestream;
pub mod headers;
pub mod jpeg;
pub mod jpeg2000;
pub mod jpeg_ls;
mod native;
mod openjpeg;
pub mod rle;
mod values;
#[cfg(test)]
mod trial;

use bytes::Bytes;

use super::read::{Header, PixelData, TransferSyntax};
use crate::plane::Plane;

use coded::Coded;
use codestream::{Codestream, CodestreamError};
use headers::HeaderError;
use jpeg::JpegError;
use jpeg_ls::JpegLsError;
use rle::RleError;
use values::{Sample, Values};

/// Why this stage rejects a file.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Header and codestream disagree about the size.
    #[error("the codestream holds {width} x {height} pixels, Columns x Rows is {columns} x {rows}")]
    Size {
        /// Width of the codestream.
        width: usize,
        /// Its height.
        height: usize,
        /// Width in the header.
        columns: usize,
        /// Height in the header.
        rows: usize,
    },
    /// The codestream holds a value in more bits than a stored value can have.
    #[error("the codestream has {found} bits a sample, BitsAllocated is {bits_allocated}")]
    Precision {
        /// Bits in the codestream.
        found: u8,
        /// Bits in the header.
        bits_allocated: u16,
    },
    /// More wavelet levels are to be left out than there are.
    #[error("{wanted} wavelet levels are to be left out, there are {levels}")]
    Levels {
        /// Asked for.
        wanted: u8,
        /// In the codestream; 0 for anything but JPEG 2000.
        levels: u8,
    },
    /// JPEG 2000 whose structure cannot be.
    #[error("JPEG 2000")]
    Jpeg2000(#[from] CodestreamError),
    /// JPEG 2000 that the library refuses.
    #[error("JPEG 2000: OpenJPEG refuses the codestream ({0})")]
    OpenJpeg(String),
    /// JPEG.
    #[error("JPEG")]
    Jpeg(#[source] JpegError),
    /// JPEG-LS.
    #[error("JPEG-LS")]
    JpegLs(#[source] JpegLsError),
    /// RLE.
    #[error("RLE")]
    Rle(#[from] RleError),
    /// No decoder.
    #[error("{} is not supported", syntax.name())]
    Syntax {
        /// The transfer syntax.
        syntax: TransferSyntax,
    },
}

/// A decoded image in stored values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Stored values, `[rows, columns]`; two's complement over all 16 bits when signed.
    pub pixels: Plane<u16>,
    /// Whether they are two's complement.
    pub signed: bool,
    /// Bits Stored.
    pub bits: u8,
    /// Bytes of entropy-coded data that no pixel needed. A sound stream leaves none, so more
    /// than that is a sign of damage that still decodes.
    pub surplus_bytes: usize,
}

impl Stored {
    /// The number that a pixel's 16 bits stand for.
    pub fn value(&self, bits: u16) -> i32 {
        if self.signed { i32::from(bits as i16) } else { i32::from(bits) }
    }
}

/// Decodes one image after another, and keeps its memory in between.
#[derive(Debug, Clone, Default)]
pub struct Decoder {
    spare: Vec<u16>,
    joined: Vec<u8>,
}

impl Decoder {
    /// Decodes the frame, with `reduce` wavelet levels left out: the result then has Rows and
    /// Columns divided by `2^reduce`, rounded up, and its samples sit on every `2^reduce`-th
    /// pixel from the first.
    ///
    /// # Errors
    /// [`DecodeError`]; [`DecodeError::Levels`] for a `reduce` above [`levels`].
    pub fn decode(
        &mut self,
        header: &Header,
        pixel_data: &PixelData,
        reduce: u8,
    ) -> Result<Stored, DecodeError> {
        let mut out = std::mem::take(&mut self.spare);
        let mut joined = std::mem::take(&mut self.joined);
        let result = decode_into(header, pixel_data, reduce, &mut joined, &mut out);
        self.joined = joined;
        match result {
            Ok(surplus_bytes) => {
                let layout = &header.layout;
                let (width, height) = size(header, reduce);
                let pixels = Plane::new(width, height, out);
                let bits = layout.bits_stored as u8;
                Ok(Stored { pixels, signed: layout.signed, bits, surplus_bytes })
            }
            Err(error) => {
                self.spare = out;
                Err(error)
            }
        }
    }

    /// Takes back the memory of an image that is no longer needed.
    pub fn recycle(&mut self, stored: Stored) {
        let pixels = stored.pixels.into_pixels();
        if pixels.capacity() > self.spare.capacity() {
            self.spare = pixels;
        }
    }

    /// Gives memory beyond `keep_bytes` back to the system.
    pub fn trim(&mut self, keep_bytes: usize) {
        if 2 * self.spare.capacity() + self.joined.capacity() > keep_bytes {
            *self = Self::default();
        }
    }
}

/// Wavelet levels that [`Decoder::decode`] can leave out: 0 for anything but JPEG 2000.
///
/// # Errors
/// As decoding, where the codestream's header cannot be read.
pub fn levels(header: &Header, pixel_data: &PixelData) -> Result<u8, DecodeError> {
    match pixel_data {
        PixelData::Fragments(fragments) if header.syntax.is_jpeg_2000() => {
            // The main header may itself be cut into fragments, if hardly ever.
            Ok(Codestream::parse(join(fragments, &mut Vec::new()))?.levels)
        }
        _ => Ok(0),
    }
}

/// Bytes that decoding takes at its peak, the result included, the file's own not.
pub fn cost(header: &Header, pixel_data: &PixelData, reduce: u8) -> usize {
    let (width, height) = size(header, reduce);
    let stored = 2 * width * height;
    let compressed = pixel_data.len();
    match pixel_data {
        PixelData::Native { .. } => stored,
        PixelData::Fragments(fragments) => {
            let joined = if fragments.len() > 1 { compressed } else { 0 };
            let codec = match header.syntax {
                syntax if syntax.is_jpeg_2000() => openjpeg::cost(width * height, compressed),
                // Huffman tables and contexts.
                _ => 1 << 18,
            };
            stored + joined + codec
        }
    }
}

/// Width and height of the image with `reduce` wavelet levels left out.
fn size(header: &Header, reduce: u8) -> (usize, usize) {
    let reduced = |length: u16| usize::from(length).div_ceil(1 << reduce);
    (reduced(header.layout.columns), reduced(header.layout.rows))
}

fn decode_into(
    header: &Header,
    pixel_data: &PixelData,
    reduce: u8,
    joined: &mut Vec<u8>,
    out: &mut Vec<u16>,
) -> Result<usize, DecodeError> {
    use TransferSyntax::*;
    out.clear();
    let layout = &header.layout;
    let syntax = header.syntax;
    if reduce > 0 && !syntax.is_jpeg_2000() {
        return Err(DecodeError::Levels { wanted: reduce, levels: 0 });
    }
    let fragments = match pixel_data {
        PixelData::Native { bytes, order } => {
            native::decode(bytes, *order, layout, out);
            let sample = Sample { precision: layout.bits_allocated as u8, signed: layout.signed };
            Values::new(layout, syntax, sample)?.correct(out);
            return Ok(0);
        }
        PixelData::Fragments(fragments) => fragments,
    };
    let stream = join(fragments, joined);
    let (sample, surplus_bytes) = match syntax {
        JpegBaseline | JpegExtended | JpegLossless | JpegLosslessSv1 => {
            let coded = jpeg::decode(stream, layout.pixels(), out);
            let coded = coded.map_err(|error| match error {
                JpegError::Header(HeaderError::TooLarge { width, height, .. }) => {
                    size_error(header, width, height)
                }
                error => DecodeError::Jpeg(error),
            })?;
            of_its_size(header, coded)?
        }
        JpegLsLossless | JpegLsNearLossless => {
            let coded = jpeg_ls::decode(stream, layout.pixels(), out);
            let coded = coded.map_err(|error| match error {
                JpegLsError::Header(HeaderError::TooLarge { width, height, .. }) => {
                    size_error(header, width, height)
                }
                error => DecodeError::JpegLs(error),
            })?;
            of_its_size(header, coded)?
        }
        RleLossless => {
            let surplus = rle::decode(stream, layout.pixels(), layout.bits_allocated, out)?;
            (Sample { precision: layout.bits_allocated as u8, signed: layout.signed }, surplus)
        }
        Jpeg2000Lossless | Jpeg2000 | HtJpeg2000Lossless | HtJpeg2000LosslessRpcl | HtJpeg2000 => {
            let codestream = Codestream::parse(stream)?;
            if (codestream.width, codestream.height) != size(header, 0) {
                return Err(size_error(header, codestream.width, codestream.height));
            }
            if reduce > codestream.levels {
                let levels = codestream.levels;
                return Err(DecodeError::Levels { wanted: reduce, levels });
            }
            codestream.check_whole()?;
            let sample = Sample { precision: codestream.precision, signed: codestream.signed };
            let values = Values::new(layout, syntax, sample)?;
            openjpeg::decode(&codestream, reduce, size(header, reduce), values, out)?;
            return Ok(0);
        }
        syntax => return Err(DecodeError::Syntax { syntax }),
    };
    Values::new(layout, syntax, sample)?.correct(out);
    Ok(surplus_bytes)
}

/// What the samples of a codestream are, its size being the header's, and the surplus bytes.
fn of_its_size(header: &Header, coded: Coded) -> Result<(Sample, usize), DecodeError> {
    if (coded.width, coded.height) != size(header, 0) {
        return Err(size_error(header, coded.width, coded.height));
    }
    Ok((Sample { precision: coded.precision, signed: false }, coded.surplus_bytes))
}

fn size_error(header: &Header, width: usize, height: usize) -> DecodeError {
    let (columns, rows) = size(header, 0);
    DecodeError::Size { width, height, columns, rows }
}

/// A frame's stream; copied only if it comes in several fragments.
fn join<'a>(fragments: &'a [Bytes], joined: &'a mut Vec<u8>) -> &'a [u8] {
    match fragments {
        [one] => one,
        several => {
            joined.clear();
            several.iter().for_each(|fragment| joined.extend_from_slice(fragment));
            joined
        }
    }
}
