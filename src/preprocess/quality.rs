//! Flags images that decode but look broken.
//!
//! In: the look, linear and windowed, and the breast found on it. Out: [`Quality`], measurements
//! and the flags that follow from them. Nothing is rejected here: a flag is a column, so that a
//! training run can leave the row out and a person can check the image.
//!
//! A flipped bit in a compressed file rarely stops a decoder. In lossless JPEG, where each pixel is
//! predicted from its neighbours, everything after it is shifted or changes its level from one row
//! to the next. In JPEG 2000 a code-block becomes noise. `seam` looks for both.

mod seam;
mod stored;
mod wall;

use serde::{Deserialize, Serialize};

pub use stored::StoredFacts;

use super::polarity;
use super::read::Header;
use super::roi::{self, Found};
use crate::image::sampling::Reduction;
use crate::image::{Plane, Rect, Side};
use crate::record::{ImageRecord, Laterality, View as Projection};
use crate::shard::flags::{Flag, Flags};

/// The input of the quality check.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// Linear in the stored value, with the breast bright, as the region finder used it.
    pub linear: &'a Plane<u16>,
    /// The same in grey levels, full range.
    pub windowed: &'a Plane<u16>,
    /// Which pixels are padding.
    pub padding: Option<&'a Plane<bool>>,
    /// How both were reduced from the source.
    pub reduction: Reduction,
    /// The breast's box in source pixels.
    pub found: &'a Found,
    /// Bytes of entropy-coded data that no pixel needed.
    pub surplus_bytes: usize,
    /// Whether values exceed Bits Stored.
    pub is_above: bool,
    /// What the stored data show without the look.
    pub stored: StoredFacts,
    /// The flags that header and table decide.
    pub header: HeaderFacts,
}

/// What header and table say of an image, without a look at it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HeaderFacts {
    /// Presentation Intent Type is FOR PROCESSING.
    pub for_processing: bool,
    /// Burned In Annotation is YES.
    pub burned_in: bool,
    /// Both give a side, and they differ.
    pub other_side: bool,
    /// The edge that the breast should stand on.
    pub wall: Option<Side>,
    /// Both give a projection, and they differ.
    pub other_view: bool,
}

impl HeaderFacts {
    /// The facts of a file with this header and row.
    pub fn of(header: &Header, record: &ImageRecord) -> Self {
        let differ = |a: Option<&str>, b: Option<&str>| a.zip(b).is_some_and(|(a, b)| a != b);
        let side = |side: Laterality| side.as_str();
        Self {
            for_processing: header.intent.as_deref() == Some("FOR PROCESSING"),
            burned_in: header.burned_in,
            other_side: differ(header.laterality.map(side), record.laterality.map(side)),
            wall: wall::expected(header.chest_wall, record.laterality.or(header.laterality)),
            other_view: differ(header.view_code(), record.view.as_ref().map(Projection::as_str)),
        }
    }
}

/// Measurements of an image's quality.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// Share of the frame that is air; `None` if no air was found.
    pub air_share: Option<f32>,
    /// Entropy of the breast's grey levels in bits: 0 for one level, 8 for all levels equally
    /// often.
    pub entropy_bits: f32,
    /// Share of the breast that the window makes black or white.
    pub saturated_share: f32,
    /// Length of the longest seam along a row, as a share of the frame's width; 1 if a tile of air
    /// is noise.
    pub seam: f32,
    /// Bytes of entropy-coded data that no pixel needed.
    pub surplus_bytes: usize,
    /// Confidence of the breast's box, 0 to 1.
    pub box_confidence: f32,
    /// The flags that follow.
    #[serde(skip)]
    pub flags: Flags,
}

/// More air than this means a blank image. The smallest breast of the 12 real images leaves 0.90;
/// one in a tenth of the frame leaves 0.95.
const BLANK: f32 = 0.99;
/// A breast with less entropy has lost its texture. The 12 real images have 6.2 to 7.7 bits.
const FEW_BITS: f32 = 3.0;
/// If more of the breast is black or white, the window is wrong for this image. Implants and
/// pectoral muscle are partly white.
const HIDDEN: f32 = 0.6;
/// In 1404 sound phantoms with tape, lead markers and film rims, what looks like a seam is at most
/// 0.23 long, in 12 real images 0.04. 80 flipped bits in four real files made 24 seams: 23 were
/// 0.79 or longer, and one was a single row that disappears in the look.
const TEAR: f32 = 0.4;
/// An encoder may pad. A sound stream leaves a few bytes at most.
const SURPLUS: usize = 16;

/// The measurements and flags of one image.
pub fn judge(view: &View) -> Quality {
    let breast = samples(view);
    let width = view.linear.width();
    // A frame is no part of the picture: its edges are no seams, and its level is not the air's.
    let picture = view.linear.part(view.found.picture);
    let padding = view.padding.map(|padding| padding.part(view.found.picture));
    let is_air = |i: usize, value: u16| {
        view.found.air.is_some_and(|air| value <= air)
            || view.padding.is_some_and(|padding| padding.pixels()[i])
    };
    let mut counts = [0u32; 256];
    let mut hidden = 0usize;
    for y in breast.top..breast.bottom() {
        let (grey, value) = (view.windowed.row(y), view.linear.row(y));
        for x in breast.left..breast.right() {
            if !is_air(y * width + x, value[x]) {
                counts[usize::from(grey[x] >> 8)] += 1;
                hidden += usize::from(grey[x] < 128 || grey[x] > u16::MAX - 128);
            }
        }
    }
    let tissue = counts.iter().sum::<u32>().max(1) as f32;
    let share = |n: &u32| *n as f32 / tissue;
    let entropy_bits =
        counts.iter().filter(|n| **n > 0).map(|n| -share(n) * share(n).log2()).sum::<f32>();
    let air_share = view.found.air.map(|_| {
        let pixels = view.linear.pixels();
        let dark = pixels.iter().enumerate().filter(|(i, v)| is_air(*i, **v)).count();
        dark as f32 / pixels.len() as f32
    });
    let mut quality = Quality {
        air_share,
        entropy_bits: entropy_bits.max(0.0),
        saturated_share: hidden as f32 / tissue,
        seam: seam::longest(&picture, view.found.air),
        surplus_bytes: view.surplus_bytes,
        box_confidence: view.found.confidence,
        flags: Flags::default(),
    };
    let q = quality;
    quality.flags.set(Flag::MostlyAir, q.air_share.is_some_and(|share| share > BLANK));
    quality.flags.set(Flag::Flat, q.entropy_bits < FEW_BITS);
    quality.flags.set(Flag::Saturated, q.saturated_share > HIDDEN);
    quality.flags.set(Flag::Torn, q.seam > TEAR);
    quality.flags.set(Flag::Surplus, q.surplus_bytes > SURPLUS);
    quality.flags.set(Flag::DoubtfulBox, q.box_confidence < roi::SOUND);
    quality.flags.set(Flag::BitsAboveStored, view.is_above);
    quality.flags.set(Flag::Polarity, polarity::is_inverted(&picture, padding.as_ref()));
    quality.flags.set(Flag::ForProcessing, view.header.for_processing);
    quality.flags.set(Flag::BurnedIn, view.header.burned_in);
    let other_side = view.header.other_side || wall::is_other(view.found, view.header.wall);
    quality.flags.set(Flag::LateralityMismatch, other_side);
    quality.flags.set(Flag::ViewMismatch, view.header.other_view);
    quality.flags.set(Flag::Hole, view.stored.longest_hole > stored::HOLE);
    quality.flags.set(Flag::Sheared, view.stored.steepness > stored::STEEP);
    quality
}

/// The breast's box on the look.
fn samples(view: &View) -> Rect {
    let axis = |low: usize, high: usize, samples: usize| {
        let low = (view.reduction.to_reduced(low as f64).max(0.0) as usize).min(samples - 1);
        let high = view.reduction.to_reduced(high as f64).ceil() as usize;
        (low, high.clamp(low + 1, samples))
    };
    let box_ = view.found.breast;
    let (left, right) = axis(box_.left, box_.right(), view.linear.width());
    let (top, bottom) = axis(box_.top, box_.bottom(), view.linear.height());
    Rect { left, top, width: right - left, height: bottom - top }
}

#[cfg(test)]
mod tests;
