//! What a scan that decodes has that a sound one has not.

/// Counts that are 0 for a sound scan.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Remarks {
    /// Whole bytes of entropy-coded data that no sample needed.
    pub surplus_bytes: usize,
    /// Lines with samples beyond the precision, of which the low bits were kept.
    pub wrapped_lines: usize,
}
