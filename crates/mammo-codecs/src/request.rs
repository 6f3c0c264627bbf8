//! What is asked of a decoder.

use crate::codec::Codec;
use crate::jpeg2000::{self, BitPlanes, Rect};

/// What of an image is wanted, and what it may cost.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The coding; told from the stream if `None`, which cannot tell RLE.
    pub codec: Option<Codec>,
    /// The part to decode, in full-size pixels; `None` for all. JPEG 2000 decodes no more than is
    /// needed for it; of other codings the rest is decoded and dropped.
    pub region: Option<Rect>,
    /// Wavelet levels of JPEG 2000 to leave out: each halves the image, rounded up. 0 for others.
    pub reduce: u8,
    /// Bit-planes of JPEG 2000 to decode. Others are decoded exactly.
    pub planes: BitPlanes,
    /// Bytes of the whole stream, where only the beginning that [`prefix`](crate::prefix) asks for is given.
    pub prefix_of: Option<usize>,
    /// Samples that the header may declare, over all components.
    pub max_samples: u64,
    /// Bytes that decoding may take at its peak, the output included and the stream not: see
    /// [the formula](crate#memory).
    pub max_memory: u64,
}

impl Default for Request {
    /// All of the image, exactly, of at most 2^28 samples and in at most 4 GiB.
    fn default() -> Self {
        let jpeg2000::Request { max_samples, max_memory, .. } = jpeg2000::Request::default();
        Self {
            codec: None,
            region: None,
            reduce: 0,
            planes: BitPlanes::Exact,
            prefix_of: None,
            max_samples,
            max_memory,
        }
    }
}
