//! What a compressed image says about itself.
//!
//! Every decoder of this folder returns a [`Coded`] beside the samples, so that the caller can
//! hold it against Rows, Columns and Bits Stored: a codestream and its DICOM header may differ,
//! and no decoder here knows the header.

/// The size and depth that a codestream declares, and how much of it was left over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Coded {
    /// Samples in a line.
    pub width: usize,
    /// Lines.
    pub height: usize,
    /// Bits a sample, 2 to 16.
    pub precision: u8,
    /// Whole bytes of entropy-coded data that no sample needed. A sound stream leaves none, so
    /// more than that means damage that still decodes.
    pub surplus_bytes: usize,
}
