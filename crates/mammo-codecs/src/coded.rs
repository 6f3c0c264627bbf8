//! The properties that a compressed image declares.
//!
//! The decoders return a [`Coded`] beside the samples, so that the caller can compare it with Rows,
//! Columns and Bits Stored. A codestream and its DICOM header may differ, and the decoders do not
//! know the header.

/// The size and depth that a codestream declares, and how many of its bytes were not needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Coded {
    /// Samples in a line.
    pub width: usize,
    /// Lines.
    pub height: usize,
    /// Bits per sample, 2 to 16.
    pub precision: u8,
    /// Whole bytes of entropy-coded data that no sample needed. A sound stream has none, so more is
    /// a sign of damage that still decodes.
    pub surplus_bytes: usize,
    /// Lines of a lossless JPEG whose sums exceed the precision, so that only their low bits were
    /// kept. Some encoders write such streams; in others it is a sign of damage.
    pub wrapped_lines: usize,
}
