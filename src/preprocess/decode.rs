//! Decodes pixel data to stored values.
//!
//! In: a [`Header`] and its [`PixelData`]. Out: [`Stored`], the values as Bits Stored and Pixel
//! Representation define them: bits above High Bit (where old files keep overlays) are removed,
//! signs are extended.
//!
//! A codestream and the header around it may disagree. Size and number of components have to match;
//! precision and sign may differ in the ways that real files do, see `values.rs`.

mod deflated;
mod error;
mod jpeg2000_or_openjpeg;
mod native;
mod values;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use mammo_codecs::jpeg::{self, JpegError};
use mammo_codecs::jpeg_ls::{self, JpegLsError};
use mammo_codecs::jpeg2000::guard::Codestream;
use mammo_codecs::{Coded, HeaderError, jpeg2000, openjpeg, rle};

use super::read::{ByteOrder, Header, PixelData, TransferSyntax, bytes_of};
use super::window::Straight;
use crate::image::{Plane, Rect};
use crate::shard::notes::{Note, Notes};

use values::{Fidelity, Sample, Values};

pub use error::DecodeError;
pub use mammo_codecs::jpeg2000::display::{Assurance, Output};

/// A decoded image in stored values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Stored values, `[rows, columns]`; two's complement over all 16 bits when signed.
    pub pixels: Plane<u16>,
    /// The column and row of the first sample in the whole image at this size.
    pub origin: (usize, usize),
    /// Whether the values are two's complement.
    pub signed: bool,
    /// Whether values exceed the range of Bits Stored; they are then two's complement in any case.
    pub is_beyond: bool,
    /// Bits Stored.
    pub bits: u8,
    /// Bytes of entropy-coded data that no pixel needed. A sound stream has none, so more is a sign
    /// of damage that still decodes.
    pub surplus_bytes: usize,
    /// Whether decoded values were beyond the range of Bits Stored, so that Bits Stored or the values
    /// are wrong. Overlays in bits above are not counted.
    pub is_above: bool,
    /// What was unusual about the stream.
    pub notes: Notes,
    /// The decoder that was used.
    pub decoder: DecoderName,
}

/// The decoder that was used for an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DecoderName {
    /// Uncompressed pixels: none was needed.
    Native,
    /// Our own decoder for this format.
    Own(&'static str),
    /// The OpenJPEG library, for JPEG 2000 that our own decoder does not support.
    OpenJpeg,
}

impl DecoderName {
    /// The value in the shards' `decoder` column.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Own(name) => name,
            Self::OpenJpeg => "openjpeg",
        }
    }
}

/// Facts about the samples in the output buffer.
struct Decoded {
    is_beyond: bool,
    size: (usize, usize),
    origin: (usize, usize),
    surplus_bytes: usize,
    is_above: bool,
    notes: Notes,
    kept: Kept,
    decoder: DecoderName,
}

impl Decoded {
    /// An image of `size` with all samples in their range.
    fn whole(size: (usize, usize), decoder: DecoderName) -> Self {
        Self {
            is_beyond: false,
            size,
            origin: (0, 0),
            surplus_bytes: 0,
            is_above: false,
            notes: Notes::default(),
            kept: Kept::default(),
            decoder,
        }
    }
}

impl Stored {
    /// The number that a pixel's 16 bits represent.
    pub fn value(&self, bits: u16) -> i32 {
        if self.signed || self.is_beyond { i32::from(bits as i16) } else { i32::from(bits) }
    }

    /// The same image, clipped to `range`.
    pub fn within(&self, (low, high): (i32, i32)) -> Self {
        let pixels = self.pixels.map(|&bits| self.value(bits).clamp(low, high) as u16);
        Self { pixels, is_beyond: false, ..*self }
    }
}

/// State that the decoding of a reduced image keeps, so that the same image at a larger size need
/// not be decoded from the beginning. Empty for codecs that have nothing to keep.
#[derive(Debug, Clone, Default)]
pub struct Kept(Option<Arc<jpeg2000::LowBand>>);

/// The part of an image that is wanted. Only JPEG 2000 can give less than everything; other formats
/// give the exact whole, whatever `part` and `display` say.
#[derive(Debug, Clone, Default)]
pub struct Want {
    /// The number of wavelet levels to leave out.
    pub reduce: u8,
    /// The part to decode, in full-size pixels; everything if `None`. The result may hold more.
    pub part: Option<Rect>,
    /// What the pixels will be used for, if a bounded error is accepted; `None` for exact values.
    pub display: Option<Purpose>,
    /// The state of an earlier decoding of the same image.
    pub kept: Kept,
    /// Whether to keep the state for a later decoding of this image at a larger size.
    pub keep: bool,
}

/// What decoded pixels will be used for.
#[derive(Debug, Clone)]
pub struct Purpose {
    /// How they are averaged to output pixels.
    pub output: Output,
    /// Whether the bound of one 8-bit level is proven for every output pixel, or expected.
    pub assurance: Assurance,
    /// If the grey scale is a straight line, the pixels may come as [`Stored::is_beyond`].
    pub straight: Option<Straight>,
}

impl Want {
    /// The whole image, exact, with `reduce` wavelet levels left out.
    pub fn whole(reduce: u8) -> Self {
        Self { reduce, ..Self::default() }
    }
}

/// Decodes one image after another and reuses its memory.
#[derive(Default)]
pub struct Decoder {
    jpeg2000: jpeg2000::Decoder,
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder").finish_non_exhaustive()
    }
}

impl Clone for Decoder {
    /// A new decoder without memory.
    fn clone(&self) -> Self {
        Self { jpeg2000: self.jpeg2000.fresh() }
    }
}

impl Decoder {
    /// A decoder that may use all cores for one image. The results are the same.
    pub fn parallel() -> Self {
        Self { jpeg2000: jpeg2000::Decoder::parallel() }
    }

    /// Decodes what `want` asks for. With `reduce` wavelet levels left out, the whole image has
    /// Rows and Columns divided by `2^reduce`, rounded up. Sample `i` of an axis is centred on
    /// pixel `i * 2^reduce`.
    ///
    /// # Errors
    /// [`DecodeError`]; [`DecodeError::Levels`] if `reduce` exceeds [`levels`].
    pub fn decode(
        &mut self,
        header: &Header,
        pixel_data: &PixelData,
        want: &Want,
    ) -> Result<Stored, DecodeError> {
        Ok(self.decode_and_keep(header, pixel_data, want)?.0)
    }

    /// The same, and also returns the state for a later decoding of this image at a larger size, if
    /// [`Want::keep`] asks for it.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    pub fn decode_and_keep(
        &mut self,
        header: &Header,
        pixel_data: &PixelData,
        want: &Want,
    ) -> Result<(Stored, Kept), DecodeError> {
        let mut out = Vec::new();
        let decoded = self.decode_into(header, pixel_data, want, &mut out)?;
        let layout = &header.layout;
        let stored = Stored {
            pixels: Plane::new(decoded.size.0, decoded.size.1, out),
            origin: decoded.origin,
            signed: layout.signed,
            is_beyond: decoded.is_beyond,
            bits: layout.bits_stored as u8,
            surplus_bytes: decoded.surplus_bytes,
            is_above: decoded.is_above,
            notes: decoded.notes,
            decoder: decoded.decoder,
        };
        Ok((stored, decoded.kept))
    }
}

/// The number of wavelet levels that [`Decoder::decode`] can leave out; 0 for all formats but JPEG
/// 2000.
///
/// # Errors
/// The same as for decoding, if the codestream's header cannot be read.
pub fn levels(header: &Header, pixel_data: &PixelData) -> Result<u8, DecodeError> {
    match pixel_data {
        // A reduced image mixes neighbours, and so the overlays in their upper bits with the values.
        _ if header.overlay_bits != 0 => Ok(0),
        PixelData::Fragments(fragments) if header.syntax.is_jpeg_2000() => {
            // The main header may itself be split over fragments, though that is rare.
            let mut joined = Vec::new();
            let stream = join(fragments, &mut joined);
            levels_of(stream, stream.len())
        }
        PixelData::Prefix { bytes, length } => levels_of(bytes, *length),
        _ => Ok(0),
    }
}

/// The levels of the main header, or those of the tile that has the fewest. Where tiles cannot be
/// read, decoding says why.
fn levels_of(stream: &[u8], length: usize) -> Result<u8, DecodeError> {
    let levels = Codestream::parse(stream, length)?.levels;
    Ok(jpeg2000::fewest_levels(stream, length).map_or(levels, |fewest| fewest.min(levels)))
}

/// The most bytes that decoding takes at once, with the result and without the file's own bytes.
pub fn cost(header: &Header, pixel_data: &PixelData, reduce: u8) -> usize {
    let (width, height) = size(header, reduce);
    let stored = 2 * width * height;
    let compressed = pixel_data.len();
    match pixel_data {
        PixelData::Native { .. } => stored,
        PixelData::Prefix { .. } => stored + openjpeg::memory(width * height, compressed),
        PixelData::Fragments(fragments) => {
            let joined = if fragments.len() > 1 { compressed } else { 0 };
            let codec = match header.syntax {
                syntax if syntax.is_jpeg_2000() => openjpeg::memory(width * height, compressed),
                // The uncompressed bytes.
                TransferSyntax::DeflatedImageFrame => stored + (1 << 16),
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

impl Decoder {
    fn decode_into(
        &mut self,
        header: &Header,
        pixel_data: &PixelData,
        want: &Want,
        out: &mut Vec<u16>,
    ) -> Result<Decoded, DecodeError> {
        use TransferSyntax::*;
        let layout = &header.layout;
        let syntax = header.syntax;
        if want.reduce > 0 && !syntax.is_jpeg_2000() {
            return Err(DecodeError::Levels { wanted: want.reduce, levels: 0 });
        }
        let whole = |decoder| Decoded::whole(size(header, 0), decoder);
        let fidelity = Fidelity::of(syntax);
        let fragments = match pixel_data {
            PixelData::Native { bytes, order } => {
                let is_above = uncompressed(header, bytes, *order, out)?;
                return Ok(Decoded { is_above, ..whole(DecoderName::Native) });
            }
            PixelData::Prefix { bytes, length } => {
                let decoder = &mut self.jpeg2000;
                return jpeg2000_or_openjpeg::decode(decoder, header, bytes, *length, want, out);
            }
            PixelData::Fragments(fragments) => fragments,
        };
        let mut joined = Vec::new();
        let stream = join(fragments, &mut joined);
        let (coded, name) = match syntax {
            EncapsulatedUncompressed => {
                let is_above = uncompressed(header, stream, ByteOrder::Little, out)?;
                return Ok(Decoded { is_above, ..whole(DecoderName::Native) });
            }
            DeflatedImageFrame => {
                let bytes = deflated::inflate(stream, bytes_of(layout))?;
                let is_above = uncompressed(header, &bytes, ByteOrder::Little, out)?;
                return Ok(Decoded { is_above, ..whole(DecoderName::Own("deflate")) });
            }
            JpegBaseline | JpegExtended | JpegLossless | JpegLosslessSv1 => {
                let coded = jpeg::decode(stream, layout.pixels(), out);
                let coded = coded.map_err(|error| match error {
                    JpegError::Header(HeaderError::TooLarge { width, height, .. }) => {
                        size_error(header, width, height)
                    }
                    error => DecodeError::Jpeg(error),
                })?;
                (coded, "jpeg")
            }
            JpegLsLossless | JpegLsNearLossless => {
                let coded = jpeg_ls::decode(stream, layout.pixels(), out);
                let coded = coded.map_err(|error| match error {
                    JpegLsError::Header(HeaderError::TooLarge { width, height, .. }) => {
                        size_error(header, width, height)
                    }
                    error => DecodeError::JpegLs(error),
                })?;
                (coded, "jpeg_ls")
            }
            RleLossless => {
                let surplus_bytes =
                    rle::decode(stream, layout.pixels(), layout.bits_allocated, out)?;
                let is_above = words(header, out)?;
                let decoder = DecoderName::Own("rle");
                return Ok(Decoded { surplus_bytes, is_above, ..whole(decoder) });
            }
            Jpeg2000Lossless
            | Jpeg2000
            | HtJpeg2000Lossless
            | HtJpeg2000LosslessRpcl
            | HtJpeg2000 => {
                let (decoder, length) = (&mut self.jpeg2000, stream.len());
                return jpeg2000_or_openjpeg::decode(decoder, header, stream, length, want, out);
            }
            syntax => return Err(DecodeError::Syntax { syntax }),
        };
        let sample = check_size(header, coded)?;
        // Beyond the declared precision: some encoders compute so, and damage looks the same.
        let wrapped = (coded.wrapped_lines > 0).then_some(Note::SamplesWrapped);
        let is_above = Values::new(header, fidelity, sample)?.correct(out) | wrapped.is_some();
        Ok(Decoded {
            surplus_bytes: coded.surplus_bytes,
            is_above,
            notes: wrapped.into_iter().collect(),
            ..whole(DecoderName::Own(name))
        })
    }
}

/// Uncompressed pixels to stored values. Returns whether bits above the values are set.
fn uncompressed(
    header: &Header,
    bytes: &[u8],
    order: ByteOrder,
    out: &mut Vec<u16>,
) -> Result<bool, DecodeError> {
    native::decode(bytes, order, &header.layout, out);
    words(header, out)
}

/// The words of uncompressed pixels to stored values: bits above High Bit are not part of a value
/// (PS3.5 8.1.1). Returns whether any is set that no overlay occupies.
fn words(header: &Header, out: &mut [u16]) -> Result<bool, DecodeError> {
    let layout = &header.layout;
    let is_above = values::has_bits_above(header, out);
    let sample = Sample { precision: layout.bits_allocated as u8, signed: layout.signed };
    Values::of_words(header, sample)?.correct(out);
    Ok(is_above)
}

/// The type of a codestream's samples, after a check of its size.
fn check_size(header: &Header, coded: Coded) -> Result<Sample, DecodeError> {
    if (coded.width, coded.height) != size(header, 0) {
        return Err(size_error(header, coded.width, coded.height));
    }
    Ok(Sample { precision: coded.precision, signed: false })
}

fn size_error(header: &Header, width: usize, height: usize) -> DecodeError {
    let (columns, rows) = size(header, 0);
    DecodeError::Size { width, height, columns, rows }
}

/// A frame's stream. It is copied only if it has several fragments.
pub fn join<'a>(fragments: &'a [Bytes], joined: &'a mut Vec<u8>) -> &'a [u8] {
    match fragments {
        [one] => one,
        several => {
            joined.clear();
            several.iter().for_each(|fragment| joined.extend_from_slice(fragment));
            joined
        }
    }
}
