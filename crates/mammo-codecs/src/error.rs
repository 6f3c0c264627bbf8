//! The error of all decoders.

use crate::jpeg::JpegError;
use crate::jpeg_ls::JpegLsError;
use crate::jpeg2000;
use crate::rle::RleError;

/// Why a stream was not decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The coding is not recognised. RLE has to be named in the request.
    #[error("the stream begins with {found:02x?}, as none of the codings does")]
    Unknown {
        /// The first bytes, at most four.
        found: Vec<u8>,
    },
    /// An error in a JPEG 2000 stream.
    #[error("JPEG 2000")]
    Jpeg2000(#[from] jpeg2000::Error),
    /// An error in a JPEG stream.
    #[error("JPEG")]
    Jpeg(#[from] JpegError),
    /// An error in a JPEG-LS stream.
    #[error("JPEG-LS")]
    JpegLs(#[from] JpegLsError),
    /// An error in an RLE stream.
    #[error("RLE")]
    Rle(#[from] RleError),
    /// OpenJPEG refuses a JPEG 2000 stream that our own decoder does not support.
    #[cfg(feature = "openjpeg")]
    #[error("JPEG 2000 through OpenJPEG")]
    OpenJpeg(#[from] crate::openjpeg::Error),
    /// Wavelet levels are to be left out of a coding that has none.
    #[error("{asked} wavelet levels to leave out, {codec} has none")]
    Reduction {
        /// The number of levels to leave out.
        asked: u8,
        /// The coding.
        codec: &'static str,
    },
    /// A prefix was given for a coding that needs the whole stream.
    #[error("{have} of {length} bytes are there, {codec} is decoded from all of them")]
    Prefix {
        /// The bytes that were given.
        have: usize,
        /// The length of the stream.
        length: usize,
        /// The coding.
        codec: &'static str,
    },
    /// The region contains no sample of the image.
    #[error("the region holds no sample of the image of {width} x {height}")]
    EmptyRegion {
        /// Columns of the image.
        width: u32,
        /// Rows of the image.
        height: u32,
    },
    /// The header declares more than the request allows.
    #[error("decoding takes {bytes} bytes of memory or more, at most {limit} are allowed")]
    TooMuchMemory {
        /// Bytes counted so far.
        bytes: u64,
        /// Bytes that the request allows.
        limit: u64,
    },
    /// The type of the output cannot hold the samples.
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
