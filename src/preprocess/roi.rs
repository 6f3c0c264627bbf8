//! Finds the breast and says what to cut out.
//!
//! In: a [`Look`], the image at about a thousand pixels, linear in the stored value (a narrow
//! window would darken the skin), breast bright. Out: [`Found`], the breast's box in source
//! pixels with its method and confidence, and from it the crop.
//!
//! Assumes one breast an image, mostly joined to the left or the right edge. The air need not
//! be 0, nor even. What is thin (text, scratches), straight (paddles) or a film's white rim is
//! no breast; whatever else touches the breast may enlarge the box, and nothing here may make
//! it lose tissue: axilla and abdomen are tissue.
//!
//! Several ways are tried, surest first, until one is convincing:
//! 1. the darkest level that is frequent is air; what is brighter and joined is the breast;
//! 2. the next darkest levels, for films whose surroundings are darker than their air;
//! 3. Otsu's threshold;
//! 4. the same on the inverted image, for files whose header tells the wrong polarity;
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

/// A reduced image to find the breast on.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    /// Linear in the stored value, breast bright (MONOCHROME1 inverted), in any range.
    pub pixels: &'a Plane<u16>,
    /// Which of them are padding throughout.
    pub padding: Option<&'a Plane<bool>>,
    /// How it was reduced from the source.
    pub reduction: Reduction,
    /// Columns and rows of the source.
    pub source: (usize, usize),
}

/// How a box was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoiMethod {
    /// What stands out from the darkest frequent level.
    Air,
    /// What stands out from a brighter frequent level: the darkest was not air.
    SecondAir,
    /// What lies above Otsu's threshold.
    Otsu,
    /// What is darker than a bright surrounding: the header tells the wrong polarity.
    Inverted,
    /// Nothing convincing: the whole frame.
    WholeFrame,
}

impl RoiMethod {
    /// The name in the shards' column.
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

/// Where the breast is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
    /// Box of all tissue and a pixel of the look around it, in source pixels.
    pub breast: Rect,
    /// How it was found.
    pub method: RoiMethod,
    /// 0 (a guess) to 1 (looks as a breast should in every respect); no probability.
    pub confidence: f32,
    /// The edge that the breast is joined to.
    pub chest_wall: Option<Side>,
    /// Pixels of the look up to this value are air. Absent where no air was made out.
    pub air: Option<u16>,
}

/// A first way with at least this confidence ends the search.
const CONVINCING: f32 = 0.7;
/// With less than this no way is believed.
const PLAUSIBLE: f32 = 0.35;

/// Finds breasts in one image after the other; its buffers stay with it.
#[derive(Debug, Clone, Default)]
pub struct Finder {
    image: Plane<u16>,
    buffers: Buffers,
}

impl Finder {
    /// Finds the breast. It always answers, at worst with the whole frame.
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

    /// Copies the look so that its darkest pixel and its padding are 0: padding is no tissue,
    /// wherever in the range its value lies. Returns the darkest value.
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

    /// The first convincing way, or else the most plausible one.
    fn attempt(&mut self) -> Option<(Attempt, RoiMethod)> {
        let Self { image, buffers } = self;
        let mut best: Option<(Attempt, RoiMethod)> = None;
        // True when the search is over. A later way must be better, not just as good.
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
