//! Errors in a JPEG stream.

use crate::headers::HeaderError;

/// Why a JPEG stream was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JpegError {
    /// An error in the markers, the frame header or the scan header.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// A frame header of a process outside DICOM's .50, .51, .57 and .70.
    #[error(
        "frame header {marker:#04x}: progressive, hierarchical or arithmetic coding, none of which DICOM uses"
    )]
    Process {
        /// Second byte of the marker.
        marker: u8,
    },
    /// A sample size that the process does not allow.
    #[error("{found} bits a sample, the process of {marker:#04x} allows {allowed}")]
    Precision {
        /// Bits declared.
        found: u8,
        /// Second byte of the frame header's marker.
        marker: u8,
        /// In words.
        allowed: &'static str,
    },
    /// A table number above 3, or an unknown class.
    #[error("table {found:#04x} is defined, there are 0 to 3 of two classes")]
    TableNumber {
        /// Class (or size) and number, four bits each.
        found: u8,
    },
    /// A scan uses a Huffman table that no DHT defines.
    #[error("the scan uses Huffman table {table}, which is not defined")]
    NoHuffmanTable {
        /// The table's number.
        table: u8,
    },
    /// A frame uses a quantisation table that no DQT defines.
    #[error("the frame uses quantisation table {table}, which is not defined")]
    NoQuantisationTable {
        /// The table's number.
        table: u8,
    },
    /// A DHT with different numbers of codes and symbols.
    #[error("a Huffman table declares {codes} codes for {symbols} symbols")]
    HuffmanSymbols {
        /// Sum of the counts.
        codes: usize,
        /// Symbols present.
        symbols: usize,
    },
    /// A DHT with more codes of a length than are possible.
    #[error("a Huffman table has more codes of {length} bits than there are")]
    HuffmanOverfull {
        /// Bits.
        length: usize,
    },
    /// A category of differences or coefficients beyond what any sample needs.
    #[error("line {line} has a difference of category {found}, at most {max} can occur")]
    Category {
        /// The line, or the first of a row of blocks.
        line: usize,
        /// The category.
        found: u8,
        /// The largest possible one.
        max: u8,
    },
    /// A predictor outside 1 to 7.
    #[error("predictor {found}, a lossless scan has one of 1 to 7")]
    Predictor {
        /// Ss of the scan header.
        found: u8,
    },
    /// A point transform that drops all bits.
    #[error("a point transform of {found} bits leaves none of {precision}")]
    PointTransform {
        /// Al of the scan header.
        found: u8,
        /// Bits per sample.
        precision: u8,
    },
    /// A restart interval that ends within a line (against T.81 H.1.1).
    #[error(
        "the restart interval of {interval} samples is not a multiple of the {width} in a line"
    )]
    RestartInterval {
        /// From DRI.
        interval: usize,
        /// Samples in a line.
        width: usize,
    },
    /// Runs of zeros past the last coefficient of a block.
    #[error("a block at line {line} has more than 64 coefficients")]
    BlockOverfull {
        /// The first line of the row of blocks.
        line: usize,
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
    /// The coded data of an interval end before its last sample.
    #[error("the restart interval ahead of line {line} has too few bits")]
    IntervalTruncated {
        /// The line, or the first of a row of blocks.
        line: usize,
    },
    /// The next bits are not the start of a code.
    #[error("in line {line} the bits {bits:016b} begin no Huffman code")]
    NoCode {
        /// The line, or the first of a row of blocks.
        line: usize,
        /// The next 16 bits.
        bits: u16,
    },
    /// The entropy-coded data end too early.
    #[error("the coded data end in line {line} of {height}")]
    Truncated {
        /// The line, or the first of a row of blocks.
        line: usize,
        /// Lines declared.
        height: usize,
    },
    /// The entropy-coded data are too few for the declared size, even with the shortest codes.
    #[error(
        "{have} bytes of coded data for {width} x {height} samples, which take at least {need}"
    )]
    TooFewBytes {
        /// Bytes after the scan header.
        have: usize,
        /// The smallest possible number of bytes.
        need: usize,
        /// Samples in a line.
        width: usize,
        /// Lines.
        height: usize,
    },
    /// Samples beyond the declared precision, and bytes that no sample needed. Encoders that compute
    /// modulo the precision leave no such bytes, so the differences are damaged.
    #[error(
        "line {line} decodes to samples beyond {bits} bits, and {surplus_bytes} bytes are left"
    )]
    SampleTooLarge {
        /// The first such line.
        line: usize,
        /// Bits per sample, without the point transform.
        bits: u8,
        /// Whole bytes of entropy-coded data that no sample needed.
        surplus_bytes: usize,
    },
}
