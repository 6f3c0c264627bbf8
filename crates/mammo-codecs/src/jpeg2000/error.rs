//! The error of the JPEG 2000 decoder.

/// Why a stream was not decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The stream may be sound, but this decoder does not support it.
    #[error("unsupported: {0}")]
    Unsupported(&'static str),
    /// The stream ends too early.
    #[error("truncated: {0}")]
    Truncated(&'static str),
    /// A header contradicts the standard or itself.
    #[error("malformed: {0}")]
    Malformed(&'static str),
    /// The coded data contradict themselves. Another decoder that goes on all the same makes up
    /// pixels.
    #[error("damaged: {0}")]
    Damaged(&'static str),
    /// The image is larger than the caller allows.
    #[error("the header declares {samples} samples, at most {limit} are allowed")]
    TooLarge {
        /// Samples that the header declares, over all components.
        samples: u64,
        /// Samples that the request allows.
        limit: u64,
    },
    /// Decoding would take more memory than the caller allows.
    #[error("decoding takes {bytes} bytes of memory or more, at most {limit} are allowed")]
    TooMuchMemory {
        /// Bytes counted so far.
        bytes: u64,
        /// Bytes that the request allows.
        limit: u64,
    },
    /// More wavelet levels are to be left out than the stream has.
    #[error("{asked} wavelet levels to discard, the stream has {levels}")]
    Reduce {
        /// The number of levels to leave out.
        asked: u8,
        /// The number of levels in the tile that has the fewest.
        levels: u8,
    },
    /// The requested region holds no sample of the image.
    #[error("the region holds no sample of the image")]
    EmptyRegion,
}

impl Error {
    /// Whether another decoder may decode the stream rightly: this one does not support it, or
    /// takes one of its headers for wrong. Not so where coded data are damaged or missing.
    pub fn is_for_another_decoder(&self) -> bool {
        matches!(self, Self::Unsupported(_) | Self::Malformed(_))
    }
}
