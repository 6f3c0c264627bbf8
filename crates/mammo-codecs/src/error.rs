//! Why a stream was not decoded, whatever its coding.

use crate::jpeg::JpegError;
use crate::jpeg_ls::JpegLsError;
use crate::jpeg2000;
use crate::rle::RleError;

/// Why a stream was not decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No coding that can be told from the stream. RLE has to be named in the request.
    #[error("the stream begins with {found:02x?}, as none of the codings does")]
    Unknown {
        /// Up to four bytes.
        found: Vec<u8>,
    },
    /// What is wrong with JPEG 2000.
    #[error("JPEG 2000")]
    Jpeg2000(#[from] jpeg2000::Error),
    /// What is wrong with JPEG.
    #[error("JPEG")]
    Jpeg(#[from] JpegError),
    /// What is wrong with JPEG-LS.
    #[error("JPEG-LS")]
    JpegLs(#[from] JpegLsError),
    /// What is wrong with RLE.
    #[error("RLE")]
    Rle(#[from] RleError),
    /// JPEG 2000 that OpenJPEG refuses, which our own decoder left to it.
    #[cfg(feature = "openjpeg")]
    #[error("JPEG 2000 through OpenJPEG")]
    OpenJpeg(#[from] crate::openjpeg::Error),
    /// Wavelet levels to leave out of a coding that has none.
    #[error("{asked} wavelet levels to leave out, {codec} has none")]
    Reduction {
        /// Levels asked for.
        asked: u8,
        /// The coding.
        codec: &'static str,
    },
    /// A prefix of a coding whose streams are needed whole.
    #[error("{have} of {length} bytes are there, {codec} is decoded from all of them")]
    Prefix {
        /// Bytes given.
        have: usize,
        /// Bytes of the stream.
        length: usize,
        /// The coding.
        codec: &'static str,
    },
    /// A region that holds no sample of the image.
    #[error("the region holds no sample of the image of {width} x {height}")]
    EmptyRegion {
        /// Columns of the image.
        width: u32,
        /// Rows of the image.
        height: u32,
    },
    /// A header that declares more than the request allows.
    #[error("decoding takes {bytes} bytes of memory or more, at most {limit} are allowed")]
    TooMuchMemory {
        /// Bytes counted so far.
        bytes: u64,
        /// Bytes that the request allows.
        limit: u64,
    },
    /// Samples that the output's type cannot hold.
    #[error(
        "the samples have {precision} bits{}, which {output} does not hold",
        if *signed { " and a sign" } else { "" }
    )]
    SampleType {
        /// Bits per sample.
        precision: u8,
        /// Whether they are two's complement.
        signed: bool,
        /// The output's type.
        output: &'static str,
    },
}

impl Error {
    pub(crate) fn unknown(bytes: &[u8]) -> Self {
        Self::Unknown { found: bytes[..bytes.len().min(4)].to_vec() }
    }
}
