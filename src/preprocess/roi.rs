//! Finds the breast and computes the crop.
//!
//! In: a [`Look`], the image at about a thousand pixels, linear in the stored value (a narrow
//! window would darken the skin), with the breast bright. Out: [`Found`], the breast's box in
//! source pixels with its method and confidence. [`crop()`] makes the crop from it.
//!
//! Assumes one breast per image, usually joined to the left or the right edge. The air need be
//! neither 0 nor even. Thin things (text, scratches), straight things (paddles) and a film's white
//! rim are not breast. Anything else that touches the breast may enlarge the box, but nothing here
//! may make it lose tissue; axilla and abdomen are tissue.
//!
//! First the frame around the picture is taken off, and its edge counts as the picture's. Then
//! methods are tried, the most reliable first, until one gives a sound box:
//! 1. the darkest frequent level is air; what is brighter and connected is the breast;
//! 2. the next darkest levels, for films whose surroundings are darker than their air;
//! 3. the first on the inverted image, if `polarity` tells by itself that the image is a negative;
//! 4. the whole frame, with confidence 0: tissue that fills the frame leaves no air to be found.
//!
//! A box that may be wrong is doubtful. Tissue outside the box, air that is as mottled as tissue, or
//! a breast that falls into shreds each make the confidence less than [`SOUND`], and what may be
//! tissue is added to the box.

mod attempt;
mod components;
mod confidence;
mod crop;
mod frame;
mod levels;
mod mask;

use crate::image::Side;
use crate::image::sampling::Reduction;
use crate::image::{Plane, Rect};

use super::polarity;
use attempt::{Attempt, Buffers};
pub use crop::{RoiError, crop};

/// The reduced image in which the breast is searched.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    /// Linear in the stored value, with the breast bright (MONOCHROME1 inverted), in any range.
    pub pixels: &'a Plane<u16>,
    /// Which samples consist of padding alone.
    pub padding: Option<&'a Plane<bool>>,
    /// How it was reduced from the source.
    pub reduction: Reduction,
    /// Columns and rows of the source.
    pub source: (usize, usize),
}

/// The method that found a box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoiMethod {
    /// Pixels that are brighter than the darkest frequent level.
    Air,
    /// Pixels that are brighter than a brighter frequent level: the darkest was not air.
    SecondAir,
    /// Pixels that are darker than bright surroundings: the header gives the wrong polarity.
    Inverted,
    /// Nothing was convincing: the whole frame.
    WholeFrame,
}

impl RoiMethod {
    /// The value in the shards' column `roi_method`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Air => "air",
            Self::SecondAir => "second_air",
            Self::Inverted => "inverted",
            Self::WholeFrame => "whole_frame",
        }
    }
}

/// The position of the breast.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
    /// The box of all tissue with a margin of one pixel of the look, in source pixels.
    pub breast: Rect,
    /// The method that found it.
    pub method: RoiMethod,
    /// 0 (a guess) to 1 (plausible in every respect). Not a probability.
    pub confidence: f32,
    /// The edge that the breast is joined to.
    pub chest_wall: Option<Side>,
    /// Pixels of the look up to this value are air; `None` if no air was found.
    pub air: Option<u16>,
    /// The part of the look inside its frame: without what a scanner, a collimator or a film's rim
    /// leaves along the sides.
    pub picture: Rect,
}

/// A look or a picture with fewer pixels on a side is kept whole.
const SMALLEST: usize = 16;
/// A box with less confidence is doubtful, which is a quality flag, and a later method may be better.
pub const SOUND: f32 = 0.5;
/// A box with less confidence than this is not used.
const PLAUSIBLE: f32 = 0.35;
/// What remains of a later method's confidence.
const LATER: f32 = 0.9;

/// Finds the breast in one image after the other and reuses its buffers.
#[derive(Debug, Clone, Default)]
pub struct Finder {
    image: Plane<u16>,
    buffers: Buffers,
}

impl Finder {
    /// Finds the breast. There is always a result, at worst the whole frame.
    pub fn find(&mut self, look: &Look) -> Found {
        let whole = Found {
            breast: Rect::whole(look.source.0, look.source.1),
            method: RoiMethod::WholeFrame,
            confidence: 0.0,
            chest_wall: None,
            air: None,
            picture: Rect::whole(look.pixels.width(), look.pixels.height()),
        };
        if look.pixels.width().min(look.pixels.height()) < SMALLEST {
            return whole;
        }
        let (darkest, picture) = self.prepare(look);
        let padding = look.padding.map(|padding| padding.part(picture));
        let is_negative = || polarity::is_inverted(&look.pixels.part(picture), padding.as_ref());
        match self.attempt(padding.as_ref(), is_negative) {
            Some((attempt, method)) if attempt.confidence >= PLAUSIBLE => {
                let rect = Rect {
                    left: picture.left + attempt.rect.left,
                    top: picture.top + attempt.rect.top,
                    ..attempt.rect
                };
                let rect = rect.grown(1, look.pixels.width(), look.pixels.height());
                Found {
                    breast: look.reduction.rect_to_source(rect, look.source),
                    method,
                    confidence: attempt.confidence,
                    chest_wall: attempt.chest_wall,
                    air: (method != RoiMethod::Inverted).then_some(darkest + attempt.air),
                    picture,
                }
            }
            _ => Found { picture, ..whole },
        }
    }

    /// Copies the picture inside the look's frame so that its darkest pixel and its padding become
    /// 0: padding is never tissue, whatever its value. Returns the darkest value, and the place of
    /// the picture in the look.
    fn prepare(&mut self, look: &Look) -> (u16, Rect) {
        let Self { image, buffers, .. } = self;
        let darkest = look.pixels.pixels().iter().copied().fold(u16::MAX, u16::min);
        image.clone_from(look.pixels);
        for v in image.pixels_mut() {
            *v -= darkest;
        }
        blank(image, look.padding);
        buffers.histogram.count(image);
        let whole = Rect::whole(image.width(), image.height());
        let picture = frame::without_frame(image, &buffers.histogram);
        if picture == whole || picture.width.min(picture.height) < SMALLEST {
            return (darkest, whole);
        }
        *image = image.part(picture);
        buffers.histogram.count(image);
        (darkest, picture)
    }

    /// The first sound result, or else the most plausible one.
    fn attempt(
        &mut self,
        padding: Option<&Plane<bool>>,
        is_negative: impl Fn() -> bool,
    ) -> Option<(Attempt, RoiMethod)> {
        let Self { image, buffers } = self;
        let mut best: Option<(Attempt, RoiMethod)> = None;
        // Returns true when the search is over. A later method must be better, not just as good.
        let mut weigh = |attempt: Option<Attempt>, method, share: f32| {
            if let Some(mut attempt) = attempt {
                attempt.confidence *= share;
                if best.is_none_or(|(b, _)| attempt.confidence > b.confidence) {
                    best = Some((attempt, method));
                }
            }
            best.is_some_and(|(b, _)| b.confidence >= SOUND)
        };
        for (i, levels) in buffers.histogram.air().into_iter().enumerate() {
            let (method, share) =
                if i == 0 { (RoiMethod::Air, 1.0) } else { (RoiMethod::SecondAir, LATER) };
            if weigh(buffers.attempt(image, levels), method, share) {
                return best;
            }
        }
        if is_negative() {
            let most = image.pixels().iter().fold(0, |a, &b| a.max(b));
            image.pixels_mut().iter_mut().for_each(|v| *v = most - *v);
            blank(image, padding);
            buffers.histogram.count(image);
            if let Some(&levels) = buffers.histogram.air().first() {
                weigh(buffers.attempt(image, levels), RoiMethod::Inverted, LATER);
            }
        }
        best
    }
}

/// Makes padding 0, which is air.
fn blank(image: &mut Plane<u16>, padding: Option<&Plane<bool>>) {
    let Some(padding) = padding else { return };
    for (v, &is_padding) in image.pixels_mut().iter_mut().zip(padding.pixels()) {
        if is_padding {
            *v = 0;
        }
    }
}

#[cfg(test)]
mod tests;
