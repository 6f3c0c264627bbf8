//! What a whole network promises, from outside the crate.
//!
//! Tests of CUDA are apart, in processes of their own: `tests/cuda` loads an emulated driver, and
//! NVRTC (`tests/nvrtc.rs`) would crash on it.

#[cfg(feature = "candle")]
mod candle;
mod hub;
mod parity;
mod python;
mod weights;
