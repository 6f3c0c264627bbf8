//! Encoders, for tests, fixtures and archives.
//!
//! In: a [`Frame`] of samples. Out: a codestream, as in a fragment of DICOM's Pixel Data. Encoders
//! and decoders share no code, so that each can reveal the other's mistakes; the exception is the
//! adaptive model of JPEG-LS, which both ends follow. JPEG 2000 is written by OpenJPEG (feature
//! `openjpeg`); all other encoders are our own.
//!
//! An encoder needs memory for the frame, its own coefficients or differences (two bytes per
//! sample), and the stream.

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
