//! Decoders and encoders for the codings of medical images: JPEG 2000 and HTJ2K, JPEG (lossless and
//! sequential), JPEG-LS, and DICOM's RLE.
//!
//! The crate is pure and safe Rust, performs no I/O, and does not depend on DICOM. It is made for
//! grey images of up to 16 bits, in particular mammograms; JPEG 2000 may have up to four
//! components.
//!
//! ```
//! use mammo_codecs::{Decoder, Request, encode};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Three columns, two rows, 12 bits.
//! let frame = encode::Frame::new(3, 2, 12, &[0, 7, 4095, 100, 200, 300])?;
//! let stream = encode::jpeg_ls::encode(&frame, Default::default());
//!
//! let mut samples: Vec<u16> = Vec::new();
//! let image = Decoder::new().decode_into(&stream, &Request::default(), &mut samples)?;
//! assert_eq!((image.width, image.height, image.precision), (3, 2, 12));
//! assert_eq!(samples, [0, 7, 4095, 100, 200, 300]);
//! # Ok(())
//! # }
//! ```
//!
//! - [`Decoder::decode_into`] decodes any of them. A [`Request`] can ask for a region, a reduced
//!   size, fewer bit-planes, or the beginning of a stream. [`info`] reads only the headers.
//! - The modules [`jpeg2000`], [`jpeg`], [`jpeg_ls`] and [`rle`] are the individual decoders with
//!   all their options.
//! - [`encode`] has encoders, for tests and archives.
//!
//! # What comes out
//! Samples as they are in the stream: unsigned, or signed if JPEG 2000 says so, in a type that can
//! hold them ([`Sample`]). They are not scaled, windowed or converted to colours.
//!
//! # What goes wrong
//! Any bytes give samples of the declared size, or an [`Error`] that says what was found and what
//! was needed. Nothing panics. A stream that ends early is an error, never an image with a grey
//! rest.
//!
//! # Memory
//! [`Request::max_memory`] is checked before anything is allocated. At its peak, decoding needs
//! this number of bytes, without the stream itself:
//!
//! | coding | for `n` samples |
//! |---|---|
//! | JPEG, JPEG-LS, RLE | 2 n + 1 MiB; `n` is the whole image, whatever the region |
//! | JPEG 2000 | less than 4 n + 1 MiB for one component in one tile of 64x64 code-blocks; `n` is the region at its reduced size. See [the whole formula](jpeg2000#memory) |
//! | into `u8`, `i16` or `i32` | the output besides |
//!
//! # Threads
//! One, the caller's. With the feature `parallel`, `Decoder::parallel` spreads the code-blocks of
//! one JPEG 2000 image over all cores.
//!
//! # Features
//! - `parallel`: several threads for one image, by rayon.
//! - `openjpeg`: OpenJPEG (C) decodes JPEG 2000 streams that our decoder does not support, and
//!   encodes JPEG 2000. The only `unsafe` code is in the bindings of its encoder.
//! - `dicom`: the decoders and encoders as pixel data adapters of dicom-rs.

mod bits;
mod codec;
mod coded;
mod decoder;
#[cfg(feature = "dicom")]
pub mod dicom;
pub mod encode;
mod error;
mod headers;
mod image;
pub mod jpeg;
pub mod jpeg2000;
pub mod jpeg_ls;
#[cfg(feature = "openjpeg")]
pub mod openjpeg;
pub mod rle;
mod request;
mod sample;

pub use codec::{Codec, Info, info};
pub use coded::Coded;
pub use decoder::{Decoder, prefix};
pub use error::Error;
pub use headers::HeaderError;
pub use image::{DecodedBy, Image};
pub use jpeg2000::{BitPlanes, Prefix, Rect};
pub use request::Request;
pub use sample::Sample;

/// The README's example, compiled with the documentation's.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
