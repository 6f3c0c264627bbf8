//! Errors in a JPEG-LS stream.

use crate::headers::HeaderError;

/// Why a JPEG-LS stream was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JpegLsError {
    /// An error in the markers, the frame header or the scan header.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The frame header of another process.
    #[error("frame header {marker:#04x} is of JPEG, JPEG-LS has 0xf7")]
    NotJpegLs {
        /// Second byte of the marker.
        marker: u8,
    },
    /// A sample size that JPEG-LS does not have.
    #[error("{found} bits a sample, JPEG-LS has 2 to 16")]
    Precision {
        /// Bits declared.
        found: u8,
    },
    /// An allowed error beyond half of the largest value.
    #[error("an allowed error (NEAR) of {found}, at most {max} can be")]
    Near {
        /// From the scan header.
        found: u8,
        /// The largest that the sample size allows.
        max: u16,
    },
    /// A preset parameter outside its bounds (T.87 table C.1 to C.3).
    #[error("preset parameter {name} is {found}, it can be {least} to {most}")]
    Preset {
        /// As the standard calls it.
        name: &'static str,
        /// Its value.
        found: u16,
        /// The least it can be.
        least: u16,
        /// The most it can be.
        most: u16,
    },
    /// A mapping table, as for palettes.
    #[error("the scan maps its samples by table {found}, a mammogram has none")]
    MappingTable {
        /// Tm of the scan header.
        found: u8,
    },
    /// A point transform, which DICOM does not use.
    #[error("the scan has a point transform ({found:#04x}), 0 is needed")]
    PointTransform {
        /// The last byte of the scan header.
        found: u8,
    },
    /// Bits that are not the start of a code, or the code of an error that no sample can have.
    #[error("line {line} has bits that are no code of JPEG-LS")]
    NoCode {
        /// The line.
        line: usize,
    },
    /// A run that goes past the end of its line.
    #[error("line {line} has a run past its end")]
    RunTooLong {
        /// The line.
        line: usize,
    },
    /// The entropy-coded data end too early.
    #[error("the coded data end in line {line} of {height}")]
    Truncated {
        /// The line.
        line: usize,
        /// Lines declared.
        height: usize,
    },
    /// The entropy-coded data are too few for the declared size, even with the shortest codes.
    #[error("{have} bytes of coded data for {height} lines, which take at least {need}")]
    TooFewBytes {
        /// Bytes after the scan header.
        have: usize,
        /// The smallest possible number of bytes.
        need: usize,
        /// Lines.
        height: usize,
    },
    /// A restart marker is missing.
    #[error("at line {line} {found:#04x?} is found where restart marker {needed:#04x} is due")]
    RestartMarker {
        /// The line that follows the marker.
        line: usize,
        /// Second byte of the marker found; `None` at the end of the data.
        found: Option<u8>,
        /// Second byte of the expected marker.
        needed: u8,
    },
}
