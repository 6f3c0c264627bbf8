//! Converts decoded samples to the stored values that the header describes.
//!
//! Real files differ from the header in four ways. Each is handled in one way:
//!
//! - The codestream has more bits than Bits Stored (JPEG 2000 in RSNA's dataset: 16 for 12).
//!   Bits above High Bit are not part of a value (PS3.5 8.1.1), so exact samples are cut to the bits
//!   stored. Samples that are not exact (a lossy stream, a reduced image, omitted planes) may have
//!   overshot the range, so they are clipped to it.
//! - High Bit is above Bits Stored - 1: the value is shifted down.
//! - The codestream says unsigned and Pixel Representation says signed, or the reverse: the low
//!   bits of the codestream's precision are read with the header's sign, as pydicom does.
//! - JPEG and JPEG-LS have no sign: the same.

use super::DecodeError;
use crate::preprocess::read::{PixelLayout, TransferSyntax};

/// The sample type that a codestream declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Bits.
    pub precision: u8,
    /// Whether samples are two's complement.
    pub signed: bool,
}

/// Whether decoded samples equal those that were encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fidelity {
    /// They are equal.
    Exact,
    /// They are approximate, and may exceed the range of stored values.
    Approximate,
}

impl Fidelity {
    /// The kind for a codestream in `syntax`, decoded in full.
    pub fn of(syntax: TransferSyntax) -> Self {
        if syntax.may_be_lossy() { Self::Approximate } else { Self::Exact }
    }
}

/// Converts decoded samples to stored values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Values {
    /// The number of unused bits below the value.
    shift: u32,
    /// The number of bits, of 32, above the value: shifting up and down again drops them.
    above: u32,
    signed: bool,
    clip: (i32, i32),
    /// Whether 16-bit samples are stored values already.
    is_identity: bool,
}

impl Values {
    /// A converter for samples of the type `sample` under the header's `layout`.
    ///
    /// # Errors
    /// [`DecodeError::Precision`] for more bits than Bits Allocated.
    pub fn new(
        layout: &PixelLayout,
        fidelity: Fidelity,
        sample: Sample,
    ) -> Result<Self, DecodeError> {
        let (precision, bits_stored) = (u32::from(sample.precision), u32::from(layout.bits_stored));
        if precision > u32::from(layout.bits_allocated) {
            let (found, bits_allocated) = (sample.precision, layout.bits_allocated);
            return Err(DecodeError::Precision { found, bits_allocated });
        }
        let top = u32::from(layout.high_bit) + 1;
        let shift = if precision >= top { top - bits_stored } else { 0 };
        let bits = match (sample.signed == layout.signed, fidelity == Fidelity::Approximate) {
            (true, false) => bits_stored,
            (true, true) => 32,
            (false, false) => bits_stored.min(precision - shift),
            (false, true) => precision - shift,
        };
        let is_identity = shift == 0
            && sample.signed == layout.signed
            && precision <= bits_stored
            && (!layout.signed || precision == 16);
        let (signed, clip) = (layout.signed, layout.range());
        Ok(Self { shift, above: 32 - bits, signed, clip, is_identity })
    }

    /// The stored value of one sample; two's complement in 16 bits if signed.
    #[inline(always)]
    pub fn stored(self, sample: i32) -> u16 {
        let up = (sample >> self.shift) << self.above;
        let value = if self.signed { up >> self.above } else { ((up as u32) >> self.above) as i32 };
        value.clamp(self.clip.0, self.clip.1) as u16
    }

    /// Converts all samples in place, for codestreams that may be signed.
    pub fn correct_signed(self, signed: bool, samples: &mut [u16]) {
        if !signed {
            return self.correct(samples);
        }
        for sample in samples {
            *sample = self.stored(i32::from(*sample as i16));
        }
    }

    /// Converts all samples in place.
    pub fn correct(self, samples: &mut [u16]) {
        if self.is_identity {
            return;
        }
        let mask = u32::MAX >> self.above;
        if !self.signed && self.shift == 0 && i64::from(mask) <= i64::from(self.clip.1) {
            // The usual case, written so that the compiler vectorises it: what the mask leaves
            // needs no clipping.
            samples.iter_mut().for_each(|sample| *sample &= mask as u16);
            return;
        }
        for sample in samples {
            *sample = self.stored(i32::from(*sample));
        }
    }
}
