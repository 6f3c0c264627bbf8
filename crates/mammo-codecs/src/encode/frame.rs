//! The input of all encoders: an image that can be encoded.

/// One image to encode. Every coding here needs at least one sample, as many samples as the size
/// says, and no sample beyond the precision.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    pub(super) width: u16,
    pub(super) height: u16,
    pub(super) precision: u8,
    pub(super) samples: &'a [u16],
}

/// Why samples do not make a [`Frame`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The size and the number of samples disagree, or there are no samples.
    #[error("{have} samples do not fill {width} x {height}")]
    Size {
        /// Samples given.
        have: usize,
        /// Samples in a line.
        width: u16,
        /// Lines.
        height: u16,
    },
    /// A precision that none of the codings supports.
    #[error("{found} bits a sample, 2 to 16 can be coded")]
    Precision {
        /// Bits per sample.
        found: u8,
    },
    /// A sample beyond the precision.
    #[error("sample {found} does not fit {precision} bits")]
    Sample {
        /// The first such sample.
        found: u16,
        /// Bits per sample.
        precision: u8,
    },
}

impl<'a> Frame<'a> {
    /// An image with `height` lines of `width` samples of `precision` bits, 2 to 16. Signed samples
    /// are passed as two's complement, cut to the precision.
    ///
    /// # Errors
    /// [`FrameError`] if the samples are not such an image.
    pub fn new(
        width: u16,
        height: u16,
        precision: u8,
        samples: &'a [u16],
    ) -> Result<Self, FrameError> {
        let need = usize::from(width) * usize::from(height);
        if need == 0 || samples.len() != need {
            return Err(FrameError::Size { have: samples.len(), width, height });
        }
        if !(2..=16).contains(&precision) {
            return Err(FrameError::Precision { found: precision });
        }
        if let Some(&found) = samples.iter().find(|&&sample| u32::from(sample) >> precision != 0) {
            return Err(FrameError::Sample { found, precision });
        }
        Ok(Self { width, height, precision, samples })
    }

    /// Samples in a line.
    pub fn width(&self) -> u16 {
        self.width
    }

    /// Lines.
    pub fn height(&self) -> u16 {
        self.height
    }

    /// Bits per sample.
    pub fn precision(&self) -> u8 {
        self.precision
    }

    /// The lines from the top.
    pub(super) fn lines(&self) -> std::slice::ChunksExact<'a, u16> {
        self.samples.chunks_exact(usize::from(self.width))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_holds_what_its_size_and_precision_say() {
        assert!(Frame::new(3, 2, 4, &[0, 15, 7, 1, 2, 3]).is_ok());
        let short = Frame::new(3, 2, 4, &[0, 15, 7]).err();
        assert_eq!(short, Some(FrameError::Size { have: 3, width: 3, height: 2 }));
        let empty = Frame::new(0, 2, 4, &[]).err();
        assert_eq!(empty, Some(FrameError::Size { have: 0, width: 0, height: 2 }));
        let high = Frame::new(1, 2, 4, &[15, 16]).err();
        assert_eq!(high, Some(FrameError::Sample { found: 16, precision: 4 }));
        assert_eq!(Frame::new(1, 1, 17, &[0]).err(), Some(FrameError::Precision { found: 17 }));
    }
}
