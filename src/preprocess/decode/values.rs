//! Converts decoded samples to the stored values that the header describes.
//!
//! Real files differ from the header in five ways. Each is handled in one way:
//!
//! - The codestream has more bits than Bits Stored (JPEG 2000 in RSNA's dataset: 16 for 12). Samples
//!   beyond the range are clipped to it: exact ones, where the header is wrong ([`Values::correct`]
//!   says so), and others that have overshot the range (a lossy stream, a reduced image, omitted
//!   planes). So an image has the same grey levels whatever its precision.
//! - Bits above High Bit are not part of a value in words without compression (PS3.5 8.1.1), nor in a
//!   codestream with overlays in these bits. They are dropped; approximate samples with overlays are
//!   refused, because an error in a sample may change any of its bits.
//! - High Bit is above Bits Stored - 1: the value is shifted down.
//! - The codestream says unsigned and Pixel Representation says signed, or the reverse: the low
//!   bits of the codestream's precision are read with the header's sign, as pydicom does.
//! - JPEG and JPEG-LS have no sign: the same.

use super::DecodeError;
use crate::preprocess::read::{Header, PixelLayout, TransferSyntax};

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

/// Whether samples of a codestream hold overlays in the bits above the value. Only exact samples can
/// then be told from them.
pub fn mixes_overlays(header: &Header, precision: u8) -> bool {
    header.overlay_bits != 0 && u16::from(precision) > header.layout.high_bit + 1
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
    /// How far samples may be beyond the range without being wrong.
    tolerance: i32,
    /// Whether 16-bit samples are stored values already.
    is_identity: bool,
}

impl Values {
    /// A converter for a codestream's samples of the type `sample` under `header`.
    ///
    /// # Errors
    /// [`DecodeError::Precision`] for more bits than Bits Allocated; [`DecodeError::Overlays`] if the
    /// samples are approximate and hold overlays.
    pub fn new(header: &Header, fidelity: Fidelity, sample: Sample) -> Result<Self, DecodeError> {
        let is_mixed = mixes_overlays(header, sample.precision);
        if is_mixed && fidelity == Fidelity::Approximate {
            return Err(DecodeError::Overlays);
        }
        Self::with(&header.layout, fidelity, sample, !is_mixed)
    }

    /// A converter for the words of uncompressed pixels.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn of_words(header: &Header, sample: Sample) -> Result<Self, DecodeError> {
        Self::with(&header.layout, Fidelity::Exact, sample, false)
    }

    fn with(
        layout: &PixelLayout,
        fidelity: Fidelity,
        sample: Sample,
        keeps_above: bool,
    ) -> Result<Self, DecodeError> {
        let (precision, bits_stored) = (u32::from(sample.precision), u32::from(layout.bits_stored));
        if precision > u32::from(layout.bits_allocated) {
            let (found, bits_allocated) = (sample.precision, layout.bits_allocated);
            return Err(DecodeError::Precision { found, bits_allocated });
        }
        let top = u32::from(layout.high_bit) + 1;
        let shift = if precision >= top { top - bits_stored } else { 0 };
        let bits = match (sample.signed == layout.signed, keeps_above) {
            (true, false) => bits_stored,
            (true, true) => 32,
            (false, _) if fidelity == Fidelity::Exact => bits_stored.min(precision - shift),
            (false, _) => precision - shift,
        };
        let is_identity = shift == 0
            && sample.signed == layout.signed
            && precision <= bits_stored
            && (!layout.signed || precision == 16);
        let (signed, clip) = (layout.signed, layout.range());
        // Sharp edges overshoot in a reduced image and with loss.
        let tolerance = match fidelity {
            Fidelity::Exact => 0,
            Fidelity::Approximate => (clip.1 - clip.0) / 2,
        };
        Ok(Self { shift, above: 32 - bits, signed, clip, tolerance, is_identity })
    }

    /// Whether a sample is so far beyond the range that header or stream must be wrong.
    #[inline(always)]
    pub fn is_above(self, sample: i32) -> bool {
        let (low, high) = self.clip;
        let value = self.value(sample);
        value > high + self.tolerance || value < low - self.tolerance
    }

    #[inline(always)]
    fn value(self, sample: i32) -> i32 {
        let up = (sample >> self.shift) << self.above;
        if self.signed { up >> self.above } else { ((up as u32) >> self.above) as i32 }
    }

    /// The stored value of one sample; two's complement in 16 bits if signed.
    #[inline(always)]
    pub fn stored(self, sample: i32) -> u16 {
        self.value(sample).clamp(self.clip.0, self.clip.1) as u16
    }

    /// Converts all samples in place, for codestreams that may be signed. Returns whether one
    /// [is above](Self::is_above).
    pub fn correct_signed(self, signed: bool, samples: &mut [u16]) -> bool {
        if !signed {
            return self.correct(samples);
        }
        let mut is_above = false;
        for sample in samples {
            let value = i32::from(*sample as i16);
            is_above |= self.is_above(value);
            *sample = self.stored(value);
        }
        is_above
    }

    /// Converts all samples in place. Returns whether one [is above](Self::is_above).
    pub fn correct(self, samples: &mut [u16]) -> bool {
        if self.is_identity {
            return false;
        }
        // The usual cases, written so that the compiler vectorises them.
        if !self.signed && self.shift == 0 {
            let (mask, most) = (u32::MAX >> self.above, self.clip.1 as u16);
            if mask == u32::from(most) {
                samples.iter_mut().for_each(|sample| *sample &= most);
                return false;
            }
            if self.above == 0 {
                let mut highest = 0;
                for sample in samples {
                    highest = highest.max(*sample);
                    *sample = most.min(*sample);
                }
                return i32::from(highest) > self.clip.1 + self.tolerance;
            }
        }
        let mut is_above = false;
        for sample in samples {
            let value = i32::from(*sample);
            is_above |= self.is_above(value);
            *sample = self.stored(value);
        }
        is_above
    }
}

/// Whether words of uncompressed pixels have bits set above the value that no overlay occupies.
/// Copies of a negative value's sign are no such bits.
pub fn has_bits_above(header: &Header, words: &[u16]) -> bool {
    let layout = &header.layout;
    let top = u32::from(layout.high_bit) + 1;
    if top >= 16 {
        return false;
    }
    let above = (u16::MAX << top) & !header.overlay_bits;
    if !layout.signed {
        return words.iter().fold(0, |all, word| all | word) & above != 0;
    }
    let is_sign = |word: u16| word & above == above && word >> (top - 1) & 1 == 1;
    words.iter().any(|&word| word & above != 0 && !is_sign(word))
}
