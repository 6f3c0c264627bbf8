//! Encoders, for tests, fixtures and archives.
//!
//! In: a [`Frame`] of samples. Out: a codestream, as it stands in a fragment of DICOM's Pixel Data.
//! The encoders share no code with the decoders, so that each can catch the other's mistakes, but
//! for the model that both ends of JPEG-LS follow. All but JPEG 2000, which OpenJPEG writes
//! (feature `openjpeg`), are our own.
//!
//! An encoder takes the frame, its own copy of what it writes (coefficients or differences: two
//! bytes per sample), and the stream.

mod bits;
mod frame;
mod huffman;
#[cfg(feature = "openjpeg")]
pub mod jpeg2000;
pub mod jpeg_lossless;
pub mod jpeg_ls;
pub mod jpeg_sequential;
pub mod rle;

pub use frame::{Frame, FrameError};
