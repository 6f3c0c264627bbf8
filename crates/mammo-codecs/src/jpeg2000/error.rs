//! Why a stream was not decoded.

/// Why a stream was not decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The stream may be sound, but asks for something this decoder leaves to others.
    #[error("unsupported: {0}")]
    Unsupported(&'static str),
    /// The stream ends before what it promised.
    #[error("truncated: {0}")]
    Truncated(&'static str),
    /// The stream contradicts the standard or itself.
    #[error("malformed: {0}")]
    Malformed(&'static str),
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
    /// The stream has fewer wavelet levels than are to be discarded.
    #[error("{asked} wavelet levels to discard, the stream has {levels}")]
    Reduce {
        /// Levels to discard.
        asked: u8,
        /// Levels there are, in the tile that has the fewest.
        levels: u8,
    },
    /// The requested region holds no sample of the image.
    #[error("the region holds no sample of the image")]
    EmptyRegion,
}
