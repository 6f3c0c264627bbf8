//! What of a stream is wanted, and what it may cost.

use std::sync::Arc;

use super::codestream::Codestream;
use super::display::BitPlanes;
use super::error::Error;
use super::low::LowBand;
use super::size::{Area, Size};

/// A rectangle of full-size pixels, from the image's upper left corner.
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
    /// Wavelet levels to discard: each halves the image.
    pub reduce: u8,
    /// The part to decode, in full-size pixels; `None` for all.
    pub region: Option<Rect>,
    /// How precisely. A prefix is decoded exactly instead of as [`BitPlanes::Local`] says: the
    /// code-blocks behind it are part of what that looks at.
    pub planes: BitPlanes,
    /// The range that samples are clamped to, two's complement of 16 bits whatever
    /// [`Image::signed`](super::Image::signed) says; that of their precision if `None`. What is
    /// left out may take samples beyond the range that exact ones have.
    pub range: Option<(i16, i16)>,
    /// Samples that the header may declare, over all components.
    pub max_samples: u64,
    /// Bytes that decoding may take at its peak, the result included and the stream not: see
    /// [the formula](super#memory).
    pub max_memory: u64,
    /// Bytes of the whole stream, where only its [`prefix`](super::prefix) is given.
    pub prefix_of: Option<usize>,
    /// What an earlier decoding of the same stream kept, to go on from. Another stream's that
    /// happens to have the same size would give a wrong image.
    pub low: Option<Arc<LowBand>>,
}

impl Default for Request {
    /// All of the image, exactly, of at most 2^28 samples and in at most 4 GiB.
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
    /// Refuses it where a stream is larger, or has fewer levels, than it says.
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

    /// What of `image`, in its own coordinates at full size, the region is.
    pub(super) fn part_of(&self, image: &Area) -> Area {
        let Some(rect) = self.region else { return *image };
        let at = |origin: u32, offset: u32| origin.saturating_add(offset);
        let (x0, y0) = (at(image.x0, rect.left), at(image.y0, rect.top));
        Area { x0, y0, x1: at(x0, rect.width), y1: at(y0, rect.height) }.intersect(image)
    }
}
