//! The part of a stream to decode, and the limits.

use std::sync::Arc;

use super::codestream::Codestream;
use super::display::BitPlanes;
use super::error::Error;
use super::low::LowBand;
use super::size::{Area, Size};

/// A rectangle of full-size pixels, relative to the image's upper left corner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rect {
    /// First column.
    pub left: u32,
    /// First row.
    pub top: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

/// What to decode.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The number of wavelet levels to leave out; each one halves the image.
    pub reduce: u8,
    /// The part to decode, in full-size pixels; `None` for the whole image.
    pub region: Option<Rect>,
    /// The bit-planes to decode. A prefix is always decoded exactly and not by
    /// [`BitPlanes::Local`], which also needs the code-blocks beyond the prefix.
    pub planes: BitPlanes,
    /// The range that samples are clamped to, as 16-bit two's complement whatever
    /// [`Image::signed`](super::Image::signed) is. `None`: the range of their precision. Omitted
    /// planes may move samples beyond the range of the exact ones.
    pub range: Option<(i16, i16)>,
    /// The largest number of samples that the header may declare, over all components.
    pub max_samples: u64,
    /// The most bytes that decoding may need at once, with the result and without the stream: see
    /// [the formula](super#memory).
    pub max_memory: u64,
    /// The length of the whole stream in bytes, if only its [`prefix`](super::prefix) is given.
    pub prefix_of: Option<usize>,
    /// The state that an earlier decoding of the same stream left, to continue from. The state of
    /// another stream with the same size would give a wrong image.
    pub low: Option<Arc<LowBand>>,
}

impl Default for Request {
    /// The whole image, exact, with at most 2^28 samples and at most 4 GiB.
    fn default() -> Self {
        Self {
            reduce: 0,
            region: None,
            planes: BitPlanes::Exact,
            range: None,
            max_samples: 1 << 28,
            max_memory: 1 << 32,
            prefix_of: None,
            low: None,
        }
    }
}

impl Request {
    /// Returns an error if a stream is larger, or has fewer levels, than the request allows.
    pub(super) fn check(&self, stream: &Codestream) -> Result<(), Error> {
        let Size { image, components, .. } = &stream.size;
        let samples = image.width() as u64 * image.height() as u64 * components.len() as u64;
        if samples > self.max_samples {
            return Err(Error::TooLarge { samples, limit: self.max_samples });
        }
        let (asked, levels) = (self.reduce, stream.fewest_levels());
        if asked > levels {
            return Err(Error::Reduce { asked, levels });
        }
        Ok(())
    }

    /// The part of `image` that the region covers, in the image's own coordinates at full size.
    pub(super) fn part_of(&self, image: &Area) -> Area {
        let Some(rect) = self.region else { return *image };
        let at = |origin: u32, offset: u32| origin.saturating_add(offset);
        let (x0, y0) = (at(image.x0, rect.left), at(image.y0, rect.top));
        Area { x0, y0, x1: at(x0, rect.width), y1: at(y0, rect.height) }.intersect(image)
    }
}
