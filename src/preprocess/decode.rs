//! (under construction)

pub mod coded;
pub mod jpeg;
pub mod rle;
#[cfg(test)]
mod trial;

/// Why this stage rejects a file.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {}
