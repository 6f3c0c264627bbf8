//! What the stored data show by themselves: holes in a compressed stream, and rows that do not follow
//! each other.

use mammo_codecs::jpeg2000;

use crate::preprocess::decode::{self, Stored};
use crate::preprocess::read::{Header, PixelData, TransferSyntax};

/// A longer run of one byte is a hole. The longest of 12 sound streams has 8 bytes; copies that
/// failed leave 4 KiB and more.
pub const HOLE: usize = 64;
/// Rows that differ by more than this do not follow each other.
pub const STEEP: f32 = 4.0;
/// So many rows tell.
const ROWS: usize = 128;

/// What the stored data of an image show.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct StoredFacts {
    /// The longest hole in a JPEG 2000 stream, in bytes; 0 for all other codings, in which long runs
    /// are sound.
    pub longest_hole: usize,
    /// How much more neighbours in a column differ than neighbours in a row: about 1 where rows
    /// follow each other. 0 where the coding itself gives the size of the image.
    pub steepness: f32,
}

impl StoredFacts {
    /// The facts of an image with these data, decoded in full to `image`.
    pub fn of(header: &Header, data: &PixelData, image: Option<&Stored>) -> Self {
        use TransferSyntax::{DeflatedImageFrame, EncapsulatedUncompressed, RleLossless};
        let bare = [EncapsulatedUncompressed, DeflatedImageFrame, RleLossless];
        let has_no_size = matches!(data, PixelData::Native { .. }) || bare.contains(&header.syntax);
        Self {
            longest_hole: if header.syntax.is_jpeg_2000() { longest_hole(data) } else { 0 },
            steepness: image.filter(|_| has_no_size).map_or(0.0, steepness),
        }
    }
}

/// 0 also for a stream whose header cannot be read: decoding says why.
fn longest_hole(data: &PixelData) -> usize {
    let mut joined = Vec::new();
    let stream = match data {
        PixelData::Native { .. } => return 0,
        PixelData::Prefix { bytes, .. } => bytes,
        PixelData::Fragments(fragments) => decode::join(fragments, &mut joined),
    };
    jpeg2000::longest_hole(stream).unwrap_or(0)
}

/// The mean difference of neighbours in a column, divided by that of neighbours in a row.
fn steepness(image: &Stored) -> f32 {
    let (width, height) = (image.pixels.width(), image.pixels.height());
    if width < 2 || height < 2 {
        return 0.0;
    }
    let differ = |a: &u16, b: &u16| u64::from(image.value(*a).abs_diff(image.value(*b)));
    let (mut down, mut across) = (0, 0);
    for y in (0..height - 1).step_by(height.div_ceil(ROWS)) {
        let (row, below) = (image.pixels.row(y), image.pixels.row(y + 1));
        down += row.iter().zip(below).map(|(a, b)| differ(a, b)).sum::<u64>();
        across += row.iter().zip(&row[1..]).map(|(a, b)| differ(a, b)).sum::<u64>();
    }
    down as f32 / across.max(1) as f32
}
