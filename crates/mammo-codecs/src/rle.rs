//! Decodes DICOM's RLE (PS3.5 Annex G): PackBits, with the high and the low bytes of the samples in
//! separate segments.
//!
//! In: one frame's fragment and, from the header, the number of samples of 8 or 16 bits, because
//! the coding does not contain the size. Out: the samples, row by row.
//!
//! A run may cross the end of a row: the standard forbids that, but some writers do it.

/// Why an RLE frame was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RleError {
    /// Bits Allocated is neither 8 nor 16.
    #[error("{found} bits allocated a sample, RLE is read with 8 or 16")]
    BitsAllocated {
        /// From the DICOM header.
        found: u16,
    },
    /// The frame is shorter than the header.
    #[error("{have} bytes, the RLE header alone has 64")]
    NoHeader {
        /// Length of the frame.
        have: usize,
    },
    /// The frame needs one segment per byte of a sample. More segments mean colour.
    #[error("{found} segments, one component of {bits_allocated} bits has {needed}")]
    Segments {
        /// Segments declared.
        found: u32,
        /// Bits per sample.
        bits_allocated: u16,
        /// The number of segments for such samples.
        needed: usize,
    },
    /// The frame has fewer bytes than the shortest coding of its samples.
    #[error("{have} bytes cannot hold {samples} samples, 2 bytes make 128 at most")]
    TooFewBytes {
        /// Length of the frame.
        have: usize,
        /// Samples expected.
        samples: usize,
    },
    /// A segment begins before the previous one, in the header, or after the end.
    #[error("segment {segment} is at {start}..{end} of {have} bytes")]
    Offsets {
        /// Counted from 1.
        segment: usize,
        /// Its offset.
        start: usize,
        /// The next segment's offset, or the end.
        end: usize,
        /// Length of the frame.
        have: usize,
    },
    /// A segment ends before its last sample.
    #[error("segment {segment} ends after {have} of {samples} samples")]
    Truncated {
        /// Counted from 1.
        segment: usize,
        /// Samples that it yields.
        have: usize,
        /// Samples expected.
        samples: usize,
    },
    /// The last run of a segment goes past the last sample.
    #[error("segment {segment} has a run of {run} where {left} of {samples} samples are left")]
    Overlong {
        /// Counted from 1.
        segment: usize,
        /// Samples in the run.
        run: usize,
        /// Samples still missing.
        left: usize,
        /// Samples expected.
        samples: usize,
    },
}

const HEADER: usize = 64;

/// Decodes `samples` samples into `out`, which is cleared first. Returns how many bytes, apart from
/// padding, the segments hold after the last sample: a sound frame has none.
///
/// After an error the content of `out` is unspecified.
pub fn decode(
    bytes: &[u8],
    samples: usize,
    bits_allocated: u16,
    out: &mut Vec<u16>,
) -> Result<usize, RleError> {
    out.clear();
    let needed = match bits_allocated {
        8 => 1,
        16 => 2,
        found => return Err(RleError::BitsAllocated { found }),
    };
    let header = bytes.get(..HEADER).ok_or(RleError::NoHeader { have: bytes.len() })?;
    let word = |i: usize| {
        let word = header[i * 4..].first_chunk().expect("the header has 16 words");
        u32::from_le_bytes(*word)
    };
    let found = word(0);
    if usize::try_from(found) != Ok(needed) {
        return Err(RleError::Segments { found, bits_allocated, needed });
    }
    if samples.div_ceil(64) * needed > bytes.len() - HEADER {
        return Err(RleError::TooFewBytes { have: bytes.len(), samples });
    }
    out.resize(samples, 0);
    let mut surplus_bytes = 0;
    for segment in 1..=needed {
        let have = bytes.len();
        let start = word(segment) as usize;
        let end = if segment < needed { word(segment + 1) as usize } else { have };
        let coded = bytes.get(start..end).filter(|_| start >= HEADER);
        let coded = coded.ok_or(RleError::Offsets { segment, start, end, have })?;
        // The first segment has the most significant bytes.
        let shift = 8 * (needed - segment);
        let left = unpack(segment, coded, shift as u32, out)?;
        // One byte may pad the segment to an even length.
        surplus_bytes += left.saturating_sub(1);
    }
    Ok(surplus_bytes)
}

/// Adds one byte to every sample. Returns how many coded bytes are left over.
fn unpack(segment: usize, coded: &[u8], shift: u32, out: &mut [u16]) -> Result<usize, RleError> {
    let samples = out.len();
    let mut coded = coded;
    let mut out = out;
    while !out.is_empty() {
        let truncated = RleError::Truncated { segment, have: samples - out.len(), samples };
        let Some((&control, rest)) = coded.split_first() else { return Err(truncated) };
        // 0 to 127: this number plus one bytes follow; 129 to 255: the next byte is repeated 257 -
        // n times.
        let (run, taken) = match control {
            0..=127 => (usize::from(control) + 1, usize::from(control) + 1),
            128 => (0, 0),
            129..=255 => (257 - usize::from(control), 1),
        };
        let left = out.len();
        let Some((these, others)) = out.split_at_mut_checked(run) else {
            return Err(RleError::Overlong { segment, run, left, samples });
        };
        let Some((values, rest)) = rest.split_at_checked(taken) else { return Err(truncated) };
        if control > 128 {
            let value = u16::from(values[0]) << shift;
            these.iter_mut().for_each(|sample| *sample |= value);
        } else {
            let values = values.iter().map(|&value| u16::from(value) << shift);
            these.iter_mut().zip(values).for_each(|(sample, value)| *sample |= value);
        }
        (coded, out) = (rest, others);
    }
    Ok(coded.len())
}
