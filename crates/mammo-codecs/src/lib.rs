//! Decoders and encoders for the codings that medical images come in: JPEG 2000 and HTJ2K, JPEG
//! (lossless and sequential), JPEG-LS and DICOM's RLE.
//!
//! Pure and safe Rust, without I/O, and without a dependency on DICOM. Made for grey images of up
//! to 16 bits, mammograms above all; JPEG 2000 may have up to four components.
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
//! - [`Decoder::decode_into`] decodes any of them, as [`Request`] says: a region, a reduced size,
//!   fewer bit-planes, the beginning of a stream. [`info`] reads the headers alone.
//! - The modules [`jpeg2000`], [`jpeg`], [`jpeg_ls`] and [`rle`] are the decoders one by one, with all
//!   that each can do.
//! - [`encode`] has encoders, for tests and archives.
//!
//! # What comes out
//! Samples as the stream has them: unsigned, or signed where JPEG 2000 says so, in a type that can
//! hold them ([`Sample`]). Nothing is scaled, windowed, or turned into colours.
//!
//! # What goes wrong
//! Any bytes give samples of the declared size or an [`Error`] that says what was found and what was
//! needed. Nothing panics, and a stream that ends early is an error, never a grey rest.
//!
//! # Memory
//! [`Request::max_memory`] is enforced before anything is allocated. Decoding takes, at its peak and
//! in bytes, the stream itself not counted:
//!
//! | coding | for `n` samples |
//! |---|---|
//! | JPEG, JPEG-LS, RLE | 2 n + 1 MiB; `n` is the whole image, whatever the region |
//! | JPEG 2000 | less than 4 n + 1 MiB for one component in one tile of 64x64 code-blocks; `n` is the region at its reduced size. See [the whole formula](jpeg2000#memory) |
//! | into `u8`, `i16` or `i32` | the output besides |
//!
//! # Threads
//! One, the caller's. With the feature `parallel`, `Decoder::parallel` spreads the code-blocks of a
//! JPEG 2000 image over all cores.
//!
//! # Features
//! - `parallel`: rayon, see above.
//! - `openjpeg`: OpenJPEG (C) decodes what our JPEG 2000 decoder leaves to others, and encodes JPEG
//!   2000. The only `unsafe` code is in its encoder's bindings.
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
