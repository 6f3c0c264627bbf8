//! Decodes pixel data to stored values.
//!
//! In: a [`Header`] and its [`PixelData`]. Out: [`Stored`], exactly what Bits Stored and Pixel
//! Representation say a value is: bits above High Bit (where old files keep overlays) are gone,
//! signs extended.
//!
//! A codestream and the header around it may disagree. Size and number of components must
//! match; precision and sign may differ in the ways that real files do, see `values.rs`.

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

use super::read::{Header, PixelData, TransferSyntax};
use super::window::Straight;
use crate::image::{Plane, Rect};

use values::{Fidelity, Sample, Values};

pub use error::DecodeError;
pub use mammo_codecs::jpeg2000::display::{Assurance, Output};

/// A decoded image in stored values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Stored values, `[rows, columns]`; two's complement over all 16 bits when signed.
    pub pixels: Plane<u16>,
    /// Column and row of the first of them in the whole image at this size.
    pub origin: (usize, usize),
    /// Whether they are two's complement.
    pub signed: bool,
    /// Whether they go beyond what Bits Stored can hold, two's complement in any case.
    pub is_beyond: bool,
    /// Bits Stored.
    pub bits: u8,
    /// Bytes of entropy-coded data that no pixel needed. A sound stream leaves none, so more
    /// than that is a sign of damage that still decodes.
    pub surplus_bytes: usize,
    /// Who decoded it.
    pub decoder: DecoderName,
}

/// Who decoded an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DecoderName {
    /// Uncompressed: nobody had to.
    Native,
    /// Ours, named after what it decodes.
    Own(&'static str),
    /// The library, for what our JPEG 2000 decoder leaves to it.
    OpenJpeg,
}

impl DecoderName {
    /// The word in the shards' `decoder` column.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Own(name) => name,
            Self::OpenJpeg => "openjpeg",
        }
    }
}

/// What was put into the output buffer.
struct Decoded {
    is_beyond: bool,
    size: (usize, usize),
    origin: (usize, usize),
    surplus_bytes: usize,
    kept: Kept,
    decoder: DecoderName,
}

impl Decoded {
    /// An image of `size`, all of it in its range.
    fn whole(size: (usize, usize), surplus_bytes: usize, decoder: DecoderName) -> Self {
        let kept = Kept::default();
        Self { is_beyond: false, size, origin: (0, 0), surplus_bytes, kept, decoder }
    }
}

impl Stored {
    /// The number that a pixel's 16 bits stand for.
    pub fn value(&self, bits: u16) -> i32 {
        if self.signed || self.is_beyond { i32::from(bits as i16) } else { i32::from(bits) }
    }

    /// The same image, what goes beyond `range` cut off.
    pub fn within(&self, (low, high): (i32, i32)) -> Self {
        let pixels = self.pixels.map(|&bits| self.value(bits).clamp(low, high) as u16);
        Self { pixels, is_beyond: false, ..*self }
    }
}

/// What the decoding of a reduced image leaves for that of the same image at a larger size,
/// which it spares decoding twice; nothing where the codec has nothing to keep.
#[derive(Debug, Clone, Default)]
pub struct Kept(Option<Arc<jpeg2000::LowBand>>);

/// What of an image is wanted. Only JPEG 2000 can give less than all; others give all,
/// exactly, whatever `part` and `display` say.
#[derive(Debug, Clone, Default)]
pub struct Want {
    /// Wavelet levels to leave out.
    pub reduce: u8,
    /// The part to decode, in full-size pixels; all if `None`. More may be given.
    pub part: Option<Rect>,
    /// What the pixels are for, where a bounded error is accepted; exact if `None`.
    pub display: Option<Purpose>,
    /// What is decoded already.
    pub kept: Kept,
    /// Whether a decoding at a larger size will follow, which is to go on from this one.
    pub keep: bool,
}

/// What pixels are for.
#[derive(Debug, Clone)]
pub struct Purpose {
    /// How they become an output's.
    pub output: Output,
    /// How sure an output pixel is to be off by no more than one level of 8 bits.
    pub assurance: Assurance,
    /// If their grey scale is a straight line, then they may come as [`Stored::is_beyond`].
    pub straight: Option<Straight>,
}

impl Want {
    /// All of the image, exactly, with `reduce` wavelet levels left out.
    pub fn whole(reduce: u8) -> Self {
        Self { reduce, ..Self::default() }
    }
}

/// Decodes one image after another, and keeps its memory in between.
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
    /// A decoder of its own, with no memory yet.
    fn clone(&self) -> Self {
        Self { jpeg2000: self.jpeg2000.fresh() }
    }
}

impl Decoder {
    /// One that may use all cores for one image. Results are the same.
    pub fn parallel() -> Self {
        Self { jpeg2000: jpeg2000::Decoder::parallel() }
    }

    /// Decodes what `want` asks for. With `reduce` wavelet levels left out the whole has Rows
    /// and Columns divided by `2^reduce`, rounded up, and its samples sit on every
    /// `2^reduce`-th pixel from the first.
    ///
    /// # Errors
    /// [`DecodeError`]; [`DecodeError::Levels`] for a `reduce` above [`levels`].
    pub fn decode(
        &mut self,
        header: &Header,
        pixel_data: &PixelData,
        want: &Want,
    ) -> Result<Stored, DecodeError> {
        Ok(self.decode_and_keep(header, pixel_data, want)?.0)
    }

    /// The same, and what a later decoding of this image at a larger size goes on from, if
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
        let Decoded { is_beyond, size, origin, surplus_bytes, kept, decoder } = decoded;
        let layout = &header.layout;
        let (signed, bits) = (layout.signed, layout.bits_stored as u8);
        let pixels = Plane::new(size.0, size.1, out);
        Ok((Stored { pixels, origin, signed, is_beyond, bits, surplus_bytes, decoder }, kept))
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
            let mut joined = Vec::new();
            let stream = join(fragments, &mut joined);
            Ok(Codestream::parse(stream, stream.len())?.levels)
        }
        PixelData::Prefix { bytes, length } => Ok(Codestream::parse(bytes, *length)?.levels),
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
        PixelData::Prefix { .. } => stored + openjpeg::memory(width * height, compressed),
        PixelData::Fragments(fragments) => {
            let joined = if fragments.len() > 1 { compressed } else { 0 };
            let codec = match header.syntax {
                syntax if syntax.is_jpeg_2000() => openjpeg::memory(width * height, compressed),
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
        let whole =
            |decoder, surplus_bytes| Decoded::whole(size(header, 0), surplus_bytes, decoder);
        let fidelity = Fidelity::of(syntax);
        let fragments = match pixel_data {
            PixelData::Native { bytes, order } => {
                native::decode(bytes, *order, layout, out);
                let sample =
                    Sample { precision: layout.bits_allocated as u8, signed: layout.signed };
                Values::new(layout, fidelity, sample)?.correct(out);
                return Ok(whole(DecoderName::Native, 0));
            }
            PixelData::Prefix { bytes, length } => {
                let decoder = &mut self.jpeg2000;
                return jpeg2000_or_openjpeg::decode(decoder, header, bytes, *length, want, out);
            }
            PixelData::Fragments(fragments) => fragments,
        };
        let mut joined = Vec::new();
        let stream = join(fragments, &mut joined);
        let (sample, surplus_bytes, name) = match syntax {
            JpegBaseline | JpegExtended | JpegLossless | JpegLosslessSv1 => {
                let coded = jpeg::decode(stream, layout.pixels(), out);
                let coded = coded.map_err(|error| match error {
                    JpegError::Header(HeaderError::TooLarge { width, height, .. }) => {
                        size_error(header, width, height)
                    }
                    error => DecodeError::Jpeg(error),
                })?;
                let (sample, surplus) = of_its_size(header, coded)?;
                (sample, surplus, "jpeg")
            }
            JpegLsLossless | JpegLsNearLossless => {
                let coded = jpeg_ls::decode(stream, layout.pixels(), out);
                let coded = coded.map_err(|error| match error {
                    JpegLsError::Header(HeaderError::TooLarge { width, height, .. }) => {
                        size_error(header, width, height)
                    }
                    error => DecodeError::JpegLs(error),
                })?;
                let (sample, surplus) = of_its_size(header, coded)?;
                (sample, surplus, "jpeg_ls")
            }
            RleLossless => {
                let surplus = rle::decode(stream, layout.pixels(), layout.bits_allocated, out)?;
                let sample =
                    Sample { precision: layout.bits_allocated as u8, signed: layout.signed };
                (sample, surplus, "rle")
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
        Values::new(layout, fidelity, sample)?.correct(out);
        Ok(whole(DecoderName::Own(name), surplus_bytes))
    }
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
