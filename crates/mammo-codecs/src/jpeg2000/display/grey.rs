//! Computes how far errors of coefficients move an output pixel, and how they add up on a grey
//! scale.
//!
//! In: the sums along each axis, and the slopes of the grey scale. Out: output levels.

use super::axis::{Axis, Sums};

/// How far errors of one can move a pixel where the grey scale has a slope of one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    /// If the slope is the same everywhere, so that positive and negative errors cancel.
    pub signed: f64,
    /// If nothing cancels.
    pub absolute: f64,
    /// As a standard deviation.
    pub squared: f64,
}

impl Share {
    pub const NONE: Self = Self { signed: 0.0, absolute: 0.0, squared: 0.0 };
    /// All samples of a pixel, each off by one.
    pub const SAMPLE: Self = Self { signed: 1.0, absolute: 1.0, squared: 1.0 };

    pub fn of(x: &Sums, y: &Sums, step: f64) -> Self {
        Self {
            signed: step * x.signed * y.signed,
            absolute: step * x.absolute * y.absolute,
            squared: step * x.squared * y.squared,
        }
    }

    /// The roundings of one level of the reversible wavelet, which can differ between two
    /// decodings: a sum in quarters by up to 3/4, one in halves by up to 1/2. The first of a
    /// lifting's two steps acts like a low-pass coefficient, the second on its sample alone.
    pub fn rounding(x: &Axis, y: &Axis) -> Self {
        let along_x = |y: &Sums| [Self::of(&x.low, y, 0.75), Self::of(&x.odd, y, 0.5)];
        let along_y = [Self::of(&x.each, &y.low, 0.75), Self::of(&x.each, &y.odd, 0.5)];
        let all = [along_x(&y.low), along_x(&y.high), along_y];
        all.iter().flatten().fold(Self::NONE, |sum, share| sum.and(share, true))
    }

    /// Both; deviations as of independent errors, if they are.
    pub fn and(&self, other: &Self, independent: bool) -> Self {
        let squared = if independent {
            self.squared.hypot(other.squared)
        } else {
            self.squared + other.squared
        };
        Self {
            signed: self.signed + other.signed,
            absolute: self.absolute + other.absolute,
            squared,
        }
    }
}

/// The grey scale, and how errors add up on it.
pub struct Grey {
    /// The mean slope, and the largest deviation from it.
    middle: f64,
    half: f64,
    pub steepest: f64,
    /// The number of standard deviations to allow for; `None` for the worst case.
    deviations: Option<f64>,
}

impl Grey {
    /// With slopes between `least` and `most`, negative where it falls.
    pub fn new(least: f64, most: f64, deviations: Option<f64>) -> Self {
        Self {
            middle: (least + most).abs() / 2.0,
            half: (most - least) / 2.0,
            steepest: least.abs().max(most.abs()),
            deviations,
        }
    }

    /// Output levels that errors of one move a pixel by.
    pub fn gain(&self, share: &Share) -> f64 {
        match self.deviations {
            None => self.middle * share.signed + self.half * share.absolute,
            Some(_) => self.steepest * share.squared,
        }
    }

    /// The error of a coefficient without its `skip` lowest planes, in its steps. One that becomes
    /// zero is off by up to the largest value of these planes.
    pub fn coefficient(&self, skip: u8) -> f64 {
        let planes = f64::from(skip).exp2();
        match self.deviations {
            None => planes - 1.0,
            Some(_) => {
                if skip == 0 {
                    0.0
                } else {
                    planes / 3_f64.sqrt()
                }
            }
        }
    }

    /// The part of `tolerance` that rounding leaves for all other errors, as [`total`](Self::total)
    /// adds them; never below zero.
    pub fn headroom(&self, tolerance: f64, rounding: &Share) -> f64 {
        let rounding = self.gain(rounding);
        match self.deviations {
            None => (tolerance - rounding).max(0.0),
            Some(deviations) => {
                ((tolerance / deviations).powi(2) - rounding.powi(2)).max(0.0).sqrt()
            }
        }
    }

    /// All errors together: their sum, or one standard deviation.
    pub fn total(&self, errors: impl Iterator<Item = f64>) -> f64 {
        match self.deviations {
            None => errors.sum(),
            Some(_) => errors.map(|e| e * e).sum::<f64>().sqrt(),
        }
    }

    /// Output levels for errors and roundings together.
    pub fn sum(&self, errors: f64, rounding: f64) -> f64 {
        match self.deviations {
            None => errors + rounding,
            Some(deviations) => deviations * errors.hypot(rounding),
        }
    }
}
