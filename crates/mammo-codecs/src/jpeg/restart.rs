//! The ends of entropy-coded segments: restart markers, and the end of the scan (T.81 B.2.1).

use super::error::JpegError;
use crate::bits::JpegBits;
use crate::headers::marker;

/// Reads the restart marker before interval `interval`, which begins in line `line`. Returns the
/// number of surplus bytes before it.
pub fn pass_restart(bits: &mut JpegBits, interval: usize, line: usize) -> Result<usize, JpegError> {
    if bits.overrun() {
        return Err(JpegError::IntervalTruncated { line });
    }
    let end = bits.end_segment();
    let needed = marker::RST0 + ((interval - 1) % 8) as u8;
    if end.marker != Some(needed) {
        return Err(JpegError::RestartMarker { line, found: end.marker, needed });
    }
    Ok(end.surplus_bytes)
}

/// Ends the scan. Returns the number of surplus bytes.
pub fn end_scan(bits: &mut JpegBits) -> usize {
    let end = bits.end_segment();
    // A stream without EOI may end with DICOM's padding to an even length.
    let padding = usize::from(end.marker.is_none());
    end.surplus_bytes.saturating_sub(padding)
}
