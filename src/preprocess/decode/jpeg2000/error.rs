//! Why a stream was not decoded.

use std::fmt;

/// Why a stream was not decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The stream may be sound, but asks for something this decoder leaves to others.
    Unsupported(&'static str),
    /// The stream ends before what it promised.
    Truncated(&'static str),
    /// The stream contradicts the standard or itself.
    Malformed(&'static str),
    /// The image is larger than the caller allows.
    TooLarge {
        /// Samples that the header declares, over all components.
        samples: u64,
        /// Samples that the request allows.
        limit: u64,
    },
    /// The stream has fewer wavelet levels than are to be discarded.
    Reduce {
        /// Levels to discard.
        asked: u8,
        /// Levels there are, in the tile that has the fewest.
        levels: u8,
    },
    /// The requested region holds no sample of the image.
    EmptyRegion,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported(what) => write!(f, "unsupported: {what}"),
            Self::Truncated(what) => write!(f, "truncated: {what}"),
            Self::Malformed(what) => write!(f, "malformed: {what}"),
            Self::TooLarge { samples, limit } => {
                write!(f, "the header declares {samples} samples, at most {limit} are allowed")
            }
            Self::Reduce { asked, levels } => {
                write!(f, "{asked} wavelet levels to discard, the stream has {levels}")
            }
            Self::EmptyRegion => write!(f, "the region holds no sample of the image"),
        }
    }
}

impl std::error::Error for Error {}
