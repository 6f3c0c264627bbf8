//! (under construction)

/// Why this stage rejects a file.
#[derive(Debug, thiserror::Error)]
pub enum ResizeError {}
