//! Errors of decoding pixel data.

use mammo_codecs::jpeg::JpegError;
use mammo_codecs::jpeg_ls::JpegLsError;
use mammo_codecs::jpeg2000;
use mammo_codecs::jpeg2000::guard::CodestreamError;
use mammo_codecs::openjpeg;
use mammo_codecs::rle::RleError;

use crate::preprocess::read::TransferSyntax;

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
    /// The samples of the codestream have more bits than a stored value can have.
    #[error("the codestream has {found} bits a sample, BitsAllocated is {bits_allocated}")]
    Precision {
        /// Bits in the codestream.
        found: u8,
        /// Bits in the header.
        bits_allocated: u16,
    },
    /// Overlays in the bits above the value, in a stream that does not give them exactly.
    #[error("overlays are in the bits above the value, and the codestream is not lossless")]
    Overlays,
    /// More wavelet levels are to be left out than the codestream has.
    #[error("{wanted} wavelet levels are to be left out, the codestream has {levels}")]
    Levels {
        /// The number of levels to leave out.
        wanted: u8,
        /// The number of levels in the codestream; 0 for all formats but JPEG 2000.
        levels: u8,
    },
    /// The structure of the JPEG 2000 stream is invalid.
    #[error("JPEG 2000")]
    Codestream(#[from] CodestreamError),
    /// Our JPEG 2000 decoder refuses the stream.
    #[error("JPEG 2000")]
    Jpeg2000(#[from] jpeg2000::Error),
    /// OpenJPEG refuses the stream.
    #[error("JPEG 2000: {0}")]
    OpenJpeg(openjpeg::Error),
    /// JPEG.
    #[error("JPEG")]
    Jpeg(#[source] JpegError),
    /// JPEG-LS.
    #[error("JPEG-LS")]
    JpegLs(#[source] JpegLsError),
    /// RLE.
    #[error("RLE")]
    Rle(#[from] RleError),
    /// A deflated frame is damaged.
    #[error("the deflated frame is damaged")]
    Inflate(#[source] std::io::Error),
    /// A deflated frame holds another number of bytes than the header says.
    #[error("{have} bytes of pixels, needs {need}")]
    Length {
        /// Bytes in the frame.
        have: usize,
        /// Bytes that the header needs.
        need: usize,
    },
    /// There is no decoder for this transfer syntax.
    #[error("{} is not supported", syntax.name())]
    Syntax {
        /// The transfer syntax.
        syntax: TransferSyntax,
    },
}
