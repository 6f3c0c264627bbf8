//! Why a network cannot do what it was asked to do.

use crate::weights::WeightsError;

/// Why a network cannot do what it was asked to do.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A buffer has the wrong length.
    #[error("{what} holds {have} values, the network needs {need}")]
    Length {
        /// Which buffer.
        what: &'static str,
        /// The number of values that were given.
        have: usize,
        /// The number of values that are needed.
        need: usize,
    },
    /// There is no block of this name.
    #[error("the network has no block {name}; the last is {last}")]
    NoBlock {
        /// The name that was asked for.
        name: String,
        /// The name of the last block.
        last: String,
    },
    /// A batch norm has a single pixel, and so no variance to learn from.
    #[error("the statistics at {place} would come from one pixel: take more images or larger ones")]
    SinglePixel {
        /// timm's name of the block or norm.
        place: String,
    },
    /// The number of input channels is neither 1 (grey) nor 3 (colour).
    #[error("a network takes 1 or 3 channels, not {0}")]
    Channels(usize),
    /// A backward pass without the forward pass that it needs.
    #[error("a backward pass needs a forward pass in training or explaining mode before it")]
    NothingKept,
    /// The weights cannot be read or downloaded, or do not fit.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The device is missing, or refused.
    #[error("{0}")]
    Device(String),
}

/// So that `?` works in a function that returns candle's errors.
#[cfg(feature = "candle")]
impl From<ModelError> for candle_core::Error {
    fn from(error: ModelError) -> Self {
        Self::wrap(error)
    }
}

#[cfg(feature = "candle")]
impl ModelError {
    /// A candle error as ours, for `map_err`.
    pub fn candle(error: candle_core::Error) -> Self {
        Self::Device(error.to_string())
    }
}
