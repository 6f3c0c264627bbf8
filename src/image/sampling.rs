//! The position of a reduced image's samples in the full image.
//!
//! Positions are continuous: pixel `i` covers `i..i + 1`, and its centre is at `i + 0.5`. Both axes
//! follow the same rule, so a position is one `f64`.

use crate::image::Rect;

/// The source pixels that a reduced sample represents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sampling {
    /// The mean of a block of `2^reduce` x `2^reduce` pixels: sample `i` covers block `i`.
    BoxMean,
    /// The low band of a wavelet (JPEG 2000 with levels left out): sample `i` is centred on
    /// source pixel `i * 2^reduce` (ISO 15444-1, Annex F: the low band keeps the even samples).
    Wavelet,
}

/// How a reduced image relates to the full one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reduction {
    /// The number of halvings; 0 for the full image.
    pub reduce: u8,
    /// How the samples were made.
    pub sampling: Sampling,
}

impl Reduction {
    /// The full image.
    pub const NONE: Self = Self { reduce: 0, sampling: Sampling::BoxMean };

    /// Source pixels between neighbouring samples.
    pub fn step(self) -> f64 {
        f64::from(1u32 << self.reduce)
    }

    /// The position in the reduced image of a source position.
    pub fn to_reduced(self, source: f64) -> f64 {
        match self.sampling {
            Sampling::BoxMean => source / self.step(),
            Sampling::Wavelet => (source - 0.5) / self.step() + 0.5,
        }
    }

    /// The source position of a position in the reduced image.
    pub fn to_source(self, reduced: f64) -> f64 {
        match self.sampling {
            Sampling::BoxMean => reduced * self.step(),
            Sampling::Wavelet => (reduced - 0.5) * self.step() + 0.5,
        }
    }

    /// The number of samples to which an axis of `source` pixels is reduced.
    pub fn samples(self, source: usize) -> usize {
        source.div_ceil(1 << self.reduce)
    }

    /// The samples of the reduced image that overlap a box of source pixels, with one more on every
    /// side for interpolation, limited to the reduced frame. `width` and `height` are those of the
    /// source frame.
    pub fn rect_to_reduced(self, part: Rect, (width, height): (usize, usize)) -> Rect {
        let axis = |first: usize, end: usize, source: usize| {
            let samples = self.samples(source);
            let low = self.to_reduced(first as f64).floor() - 1.0;
            let high = self.to_reduced(end as f64).ceil() + 1.0;
            ((low.max(0.0) as usize).min(samples - 1), (high as usize).min(samples))
        };
        let (left, right) = axis(part.left, part.right(), width);
        let (top, bottom) = axis(part.top, part.bottom(), height);
        Rect { left, top, width: right - left, height: bottom - top }
    }

    /// The source pixels that the samples of a box overlap. An edge of the reduced frame maps to
    /// the edge of the source frame (`width`, `height`).
    pub fn rect_to_source(self, samples: Rect, (width, height): (usize, usize)) -> Rect {
        let axis = |first: usize, end: usize, source: usize| {
            let low = if first == 0 { 0.0 } else { self.to_source(first as f64) };
            let high = if end >= self.samples(source) {
                source as f64
            } else {
                self.to_source(end as f64)
            };
            ((low.max(0.0).floor() as usize).min(source), (high.ceil() as usize).min(source))
        };
        let (left, right) = axis(samples.left, samples.right(), width);
        let (top, bottom) = axis(samples.top, samples.bottom(), height);
        Rect { left, top, width: right - left, height: bottom - top }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_wavelet_sample_is_centred_on_an_even_pixel() {
        let halved = Reduction { reduce: 1, sampling: Sampling::Wavelet };
        // Sample 3 has its centre at 3.5; source pixel 6 has its at 6.5.
        assert_eq!(halved.to_source(3.5), 6.5);
        let mean = Reduction { reduce: 1, sampling: Sampling::BoxMean };
        assert_eq!(mean.to_source(3.5), 7.0);
    }

    #[test]
    fn a_box_at_the_frame_s_edge_reaches_the_edge() {
        let quarter = Reduction { reduce: 2, sampling: Sampling::Wavelet };
        let whole = Rect::whole(quarter.samples(2082), quarter.samples(2777));
        assert_eq!(quarter.rect_to_source(whole, (2082, 2777)), Rect::whole(2082, 2777));
    }

    proptest! {
        #[test]
        fn positions_map_there_and_back(x in 0.0..6000.0f64, reduce in 0u8..6, wavelet: bool) {
            let sampling = if wavelet { Sampling::Wavelet } else { Sampling::BoxMean };
            let reduction = Reduction { reduce, sampling };
            prop_assert!((reduction.to_source(reduction.to_reduced(x)) - x).abs() < 1e-9);
        }

        #[test]
        fn a_source_box_holds_every_sample_it_came_from(
            left in 0usize..90, width in 1usize..10, reduce in 0u8..5, wavelet: bool,
        ) {
            let sampling = if wavelet { Sampling::Wavelet } else { Sampling::BoxMean };
            let reduction = Reduction { reduce, sampling };
            let source = 100 << reduce;
            let rect = Rect { left, top: 0, width, height: 1 };
            let found = reduction.rect_to_source(rect, (source, source));
            for sample in left..left + width {
                let centre = reduction.to_source(sample as f64 + 0.5);
                prop_assert!(found.left as f64 <= centre && centre <= found.right() as f64);
            }
        }
    }
}
