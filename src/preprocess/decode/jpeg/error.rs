//! What can be wrong with a JPEG stream: what was found, and what was needed.

/// Why a JPEG stream was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JpegError {
    /// The first two bytes are not SOI.
    #[error("a JPEG stream starts with ff d8, this one with {found:02x?}")]
    NoStart {
        /// Up to two bytes.
        found: Vec<u8>,
    },
    /// A marker was due.
    #[error("byte {at} is {found:#04x} where a marker begins with 0xff")]
    NoMarker {
        /// Offset in the stream.
        at: usize,
        /// The byte there.
        found: u8,
    },
    /// The stream ends before its scan.
    #[error("the stream ends at byte {at}, within its headers")]
    HeaderTruncated {
        /// Length of the stream.
        at: usize,
    },
    /// A marker segment is too short for what it holds.
    #[error("segment {marker:#04x} holds {have} bytes and needs {need}")]
    ShortSegment {
        /// Second byte of the marker.
        marker: u8,
        /// Bytes after the length field.
        have: usize,
        /// Bytes that its content takes.
        need: usize,
    },
    /// A frame header of a process outside DICOM's .50, .51, .57 and .70.
    #[error(
        "frame header {marker:#04x}: progressive, hierarchical or arithmetic coding, none of which DICOM uses"
    )]
    Process {
        /// Second byte of the marker.
        marker: u8,
    },
    /// More than one component in the frame or the scan.
    #[error("{found} components, a mammogram has 1")]
    Components {
        /// The count declared.
        found: u8,
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
    /// A width or height of zero (a height left to DNL included).
    #[error("the frame is {width} x {height} samples")]
    Empty {
        /// Samples in a line.
        width: usize,
        /// Lines.
        height: usize,
    },
    /// More samples than the caller allows.
    #[error("the frame is {width} x {height} samples, at most {max_samples} are expected")]
    TooLarge {
        /// Samples in a line.
        width: usize,
        /// Lines.
        height: usize,
        /// The caller's bound.
        max_samples: usize,
    },
    /// A scan header before any frame header.
    #[error("a scan begins before the frame header")]
    ScanBeforeFrame,
    /// The end of the image before any scan.
    #[error("the image ends before its scan")]
    NoScan,
    /// A table number above 3.
    #[error("table {found} is named, there are 0 to 3")]
    TableNumber {
        /// The number.
        found: u8,
    },
    /// A scan uses a Huffman table that no DHT defines.
    #[error("the scan uses Huffman table {table}, which is not defined")]
    NoHuffmanTable {
        /// The table's number.
        table: u8,
    },
    /// A DHT whose counts and symbols disagree.
    #[error("a Huffman table declares {codes} codes for {symbols} symbols")]
    HuffmanSymbols {
        /// Sum of the counts.
        codes: usize,
        /// Symbols present.
        symbols: usize,
    },
    /// A DHT with more codes of a length than that length has room for.
    #[error("a Huffman table has more codes of {length} bits than there are")]
    HuffmanOverfull {
        /// Bits.
        length: usize,
    },
    /// A difference or coefficient category beyond what the sample size can need.
    #[error("a Huffman table has category {found}, at most {max} can occur")]
    Category {
        /// The category.
        found: u8,
        /// The largest that is meaningful.
        max: u8,
    },
    /// A predictor outside 1 to 7.
    #[error("predictor {found}, a lossless scan has one of 1 to 7")]
    Predictor {
        /// Ss of the scan header.
        found: u8,
    },
    /// A point transform that leaves no bit.
    #[error("a point transform of {found} bits leaves none of {precision}")]
    PointTransform {
        /// Al of the scan header.
        found: u8,
        /// Bits a sample.
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
    /// Something else where a restart marker was due.
    #[error("at line {line} {found:#04x?} is found where restart marker {needed:#04x} is due")]
    RestartMarker {
        /// The line that follows the marker.
        line: usize,
        /// Second byte of the marker found; `None` at the end of the data.
        found: Option<u8>,
        /// Second byte of the marker due.
        needed: u8,
    },
    /// Bits that begin no code.
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
    /// The entropy-coded data are too few for the declared size, at the fewest bits possible.
    #[error(
        "{have} bytes of coded data for {width} x {height} samples, which take at least {need}"
    )]
    TooFewBytes {
        /// Bytes after the scan header.
        have: usize,
        /// Bytes at the very least.
        need: usize,
        /// Samples in a line.
        width: usize,
        /// Lines.
        height: usize,
    },
    /// A decoded sample beyond the declared precision: the differences do not add up.
    #[error("line {line} decodes to samples beyond {bits} bits")]
    SampleTooLarge {
        /// The line.
        line: usize,
        /// Bits a sample, the point transform taken off.
        bits: u8,
    },
}
