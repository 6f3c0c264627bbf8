//! The description of decoded samples.

/// A decoded image. Its samples are in the output, `[component, row, column]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Image {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Column and row of the first sample in the whole image at this size.
    pub origin: (u32, u32),
    /// The number of planes of samples, stored one after the other.
    pub components: u8,
    /// Bits per sample, as the stream declares them.
    pub precision: u8,
    /// Whether samples are two's complement. Only JPEG 2000 declares that. In other codings, the
    /// samples of a signed image are its bits, cut to the precision.
    pub signed: bool,
    /// Bytes of entropy-coded data that no sample needed. A sound stream has none, so more is a
    /// sign of damage that still decodes. Always 0 for JPEG 2000.
    pub surplus_bytes: usize,
    /// The decoder that was used.
    pub decoded_by: DecodedBy,
}

/// The decoder that was used for an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DecodedBy {
    /// A decoder of this crate.
    Own,
    /// OpenJPEG, for a stream that our JPEG 2000 decoder does not support (feature `openjpeg`).
    OpenJpeg,
}
