//! The codings, and how to recognise one from a stream's headers.

use crate::error::Error;
use crate::headers::{self, marker};
use crate::jpeg2000;

/// The coding of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// JPEG 2000 or HTJ2K, as a JP2 file or a bare codestream (ISO/IEC 15444-1 and -15).
    Jpeg2000,
    /// JPEG: baseline, extended sequential or lossless (ITU-T T.81).
    Jpeg,
    /// JPEG-LS (ITU-T T.87).
    JpegLs,
    /// DICOM's RLE (PS3.5 Annex G), whose streams do not contain the size of the image.
    Rle {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
        /// 8 or 16: Bits Allocated.
        bits: u8,
    },
}

impl Codec {
    /// The coding of a stream, recognised by its first bytes and, for JPEG and JPEG-LS, by its
    /// frame header. `None` for anything else, including RLE, which has no signature.
    pub fn detect(bytes: &[u8]) -> Option<Self> {
        const JP2: &[u8] = b"\0\0\0\x0cjP  \r\n\x87\n";
        if bytes.starts_with(&[0xFF, 0x4F, 0xFF, 0x51]) || bytes.starts_with(JP2) {
            return Some(Self::Jpeg2000);
        }
        match headers::first_frame(bytes).ok()?.marker {
            marker::SOF55 => Some(Self::JpegLs),
            _ => Some(Self::Jpeg),
        }
    }

    /// The name of the standard.
    pub fn name(self) -> &'static str {
        match self {
            Self::Jpeg2000 => "JPEG 2000",
            Self::Jpeg => "JPEG",
            Self::JpegLs => "JPEG-LS",
            Self::Rle { .. } => "RLE",
        }
    }
}

/// The facts that a stream's headers declare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Info {
    /// The coding.
    pub codec: Codec,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Samples per pixel.
    pub components: u8,
    /// Bits per sample; the samples may use fewer.
    pub precision: u8,
    /// Whether samples are two's complement. Only JPEG 2000 declares that.
    pub signed: bool,
    /// Wavelet levels; each one left out halves the image. 0 for all codings but JPEG 2000.
    pub levels: u8,
}

/// Reads only a stream's headers. Allocates nothing whose size they declare.
///
/// # Errors
/// [`Error::Unknown`] if the coding is not recognised, otherwise what is wrong with the headers.
pub fn info(bytes: &[u8]) -> Result<Info, Error> {
    let codec = Codec::detect(bytes).ok_or_else(|| Error::unknown(bytes))?;
    if codec == Codec::Jpeg2000 {
        let header = jpeg2000::header(bytes)?;
        return Ok(Info {
            codec,
            width: header.width,
            height: header.height,
            components: header.components,
            precision: header.precision,
            signed: header.signed,
            levels: header.levels,
        });
    }
    let frame = headers::first_frame(bytes).and_then(|frame| frame.array(0));
    let wrap = |error| match codec {
        Codec::JpegLs => Error::JpegLs(crate::jpeg_ls::JpegLsError::Header(error)),
        _ => Error::Jpeg(crate::jpeg::JpegError::Header(error)),
    };
    let [precision, h1, h0, w1, w0, components] = frame.map_err(wrap)?;
    Ok(Info {
        codec,
        width: u16::from_be_bytes([w1, w0]).into(),
        height: u16::from_be_bytes([h1, h0]).into(),
        components,
        precision,
        signed: false,
        levels: 0,
    })
}
