//! What to decode, and the limits.

use crate::codec::Codec;
use crate::jpeg2000::{self, BitPlanes, Rect};

/// The part of an image to decode, and the limits.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The coding. `None`: it is recognised from the stream, which is not possible for RLE.
    pub codec: Option<Codec>,
    /// The part to decode, in full-size pixels; `None` for the whole image. JPEG 2000 decodes only
    /// what is needed for it; other codings decode everything and drop the rest.
    pub region: Option<Rect>,
    /// The number of JPEG 2000's wavelet levels to leave out; each one halves the image, rounded
    /// up. Must be 0 for other codings.
    pub reduce: u8,
    /// The bit-planes of JPEG 2000 to decode. Other codings are always decoded exactly.
    pub planes: BitPlanes,
    /// The length of the whole stream in bytes, if only the beginning that
    /// [`prefix`](crate::prefix) asks for is given.
    pub prefix_of: Option<usize>,
    /// The largest number of samples that the header may declare, over all components.
    pub max_samples: u64,
    /// The most bytes that decoding may need at once, with the output and without the stream: see
    /// [the formula](crate#memory).
    pub max_memory: u64,
}

impl Default for Request {
    /// The whole image, exact, with at most 2^28 samples and at most 4 GiB.
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
