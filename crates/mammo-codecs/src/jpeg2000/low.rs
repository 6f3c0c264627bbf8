//! The state that one decoding of a stream leaves for the next: the image at a reduced size, as
//! wavelet coefficients.
//!
//! A caller that decodes a reduced image before the interesting part has its coarse levels decoded
//! already. They are exact, so the second decoding continues from them.

use super::size::Area;

/// The low band below the wavelet levels that a decoding left out: its samples before rounding,
/// level shift and clamping. Four bytes per sample.
#[derive(Clone, Debug, PartialEq)]
pub struct LowBand {
    pub(super) reduce: u8,
    pub(super) area: Area,
    /// `[row, column]` of the reversible wavelet's samples, or of the irreversible one's.
    pub(super) integers: Vec<i32>,
    pub(super) floats: Vec<f32>,
}

impl LowBand {
    /// The low band of `area` below `reduce` levels, without samples yet.
    pub(super) fn new(reduce: u8, area: Area) -> Self {
        Self { reduce, area, integers: Vec::new(), floats: Vec::new() }
    }

    /// The number of wavelet levels that are still to be decoded.
    pub fn levels(&self) -> u8 {
        self.reduce
    }
}
