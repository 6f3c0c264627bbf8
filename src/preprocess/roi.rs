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
//! Several methods are tried, the most reliable first, until one is convincing:
//! 1. the darkest frequent level is air; what is brighter and connected is the breast;
//! 2. the next darkest levels, for films whose surroundings are darker than their air;
//! 3. Otsu's threshold;
//! 4. the same on the inverted image, for files whose header gives the wrong polarity;
//! 5. the whole frame, with confidence 0.

mod attempt;
mod components;
mod crop;
mod levels;
mod mask;

use crate::image::Side;
use crate::image::sampling::Reduction;
use crate::image::{Plane, Rect};

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
    /// Pixels above Otsu's threshold.
    Otsu,
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
            Self::Otsu => "otsu",
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
}

/// An early method with at least this confidence ends the search.
const CONVINCING: f32 = 0.7;
/// A method with less confidence than this is not used.
const PLAUSIBLE: f32 = 0.35;

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
        };
        if look.pixels.width() < 16 || look.pixels.height() < 16 {
            return whole;
        }
        let darkest = self.prepare(look);
        match self.attempt() {
            Some((attempt, method)) if attempt.confidence >= PLAUSIBLE => Found {
                breast: look.reduction.rect_to_source(attempt.rect, look.source),
                method,
                confidence: attempt.confidence,
                chest_wall: attempt.chest_wall,
                air: (method != RoiMethod::Inverted).then_some(darkest + attempt.air),
            },
            _ => whole,
        }
    }

    /// Copies the look so that its darkest pixel and its padding become 0: padding is never tissue,
    /// whatever its value. Returns the darkest value.
    fn prepare(&mut self, look: &Look) -> u16 {
        let darkest = look.pixels.pixels().iter().copied().fold(u16::MAX, u16::min);
        self.image.clone_from(look.pixels);
        for v in self.image.pixels_mut() {
            *v -= darkest;
        }
        if let Some(padding) = look.padding {
            for (v, &is_padding) in self.image.pixels_mut().iter_mut().zip(padding.pixels()) {
                if is_padding {
                    *v = 0;
                }
            }
        }
        darkest
    }

    /// The first convincing result, or else the most plausible one.
    fn attempt(&mut self) -> Option<(Attempt, RoiMethod)> {
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
            best.is_some_and(|(b, _)| b.confidence >= CONVINCING)
        };
        buffers.histogram.count(image);
        for (i, levels) in buffers.histogram.air().into_iter().enumerate() {
            let method = if i == 0 { RoiMethod::Air } else { RoiMethod::SecondAir };
            if weigh(buffers.attempt(image, levels), method, 1.0) {
                return best;
            }
        }
        let levels = buffers.histogram.otsu();
        if weigh(buffers.attempt(image, levels), RoiMethod::Otsu, 0.8) {
            return best;
        }
        let most = image.pixels().iter().fold(0, |a, &b| a.max(b));
        for v in image.pixels_mut() {
            *v = most - *v;
        }
        buffers.histogram.count(image);
        for levels in buffers.histogram.air().into_iter().take(1) {
            weigh(buffers.attempt(image, levels), RoiMethod::Inverted, 0.8);
        }
        best
    }
}

#[cfg(test)]
mod tests;
