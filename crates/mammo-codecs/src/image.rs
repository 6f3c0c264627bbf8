//! What a decoder tells of the samples that it gives.

/// What was decoded. The samples are in the output, `[component, row, column]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Image {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Column and row of the first sample in the whole image at this size.
    pub origin: (u32, u32),
    /// Planes of samples, one after the other.
    pub components: u8,
    /// Bits per sample, as the stream declares them.
    pub precision: u8,
    /// Whether samples are two's complement. Only JPEG 2000 says so: of other codings the samples
    /// of a signed image are its bits, cut to the precision.
    pub signed: bool,
    /// Bytes of entropy-coded data that no sample needed. A sound stream leaves none, so more than
    /// that means damage that still decodes. 0 for JPEG 2000.
    pub surplus_bytes: usize,
    /// Who decoded it.
    pub decoded_by: DecodedBy,
}

/// Who decoded an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DecodedBy {
    /// A decoder of this crate.
    Own,
    /// OpenJPEG, to which our JPEG 2000 decoder left it (feature `openjpeg`).
    OpenJpeg,
}
