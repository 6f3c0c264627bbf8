//! The codecs as pixel data adapters of [dicom-rs](https://docs.rs/dicom), feature `dicom`.
//!
//! With this crate linked in, `dicom-pixeldata` and whatever else asks dicom-rs's registry of
//! transfer syntaxes decode through it. Nothing has to be called, but the crate has to be named
//! once, or the linker leaves it out:
//!
//! ```
//! use mammo_codecs as _;
//! ```
//!
//! # Which decoder runs
//! The registry (`dicom-transfer-syntax-registry`) takes its own entries first, and lets a later one
//! take an entry's place only where that can do more: a decoder for a stub, an encoder beside the
//! decoder. Ours come with an encoder where that decides it.
//!
//! | transfer syntax | UID 1.2.840.10008.1.2... | encoder | ours runs |
//! |---|---|---|---|
//! | JPEG lossless | .4.57, .4.70 | lossless | always |
//! | JPEG extended | .4.51 | up to 12 bits, by quality | always |
//! | RLE | .5 | lossless | always |
//! | JPEG 2000 | .4.90, .4.91 | lossless, with `openjpeg` | unless dicom-rs has `openjpeg-sys` or `openjp2` and this crate has not `openjpeg` |
//! | HTJ2K | .4.201, .4.202, .4.203 | none | unless dicom-rs has `openjpeg-sys` or `openjp2` |
//! | JPEG-LS | .4.80, .4.81 | lossless, for .80 | unless dicom-rs has `charls` |
//! | JPEG baseline | .4.50 | none | unless dicom-rs has `jpeg` (in `native`, its default) |
//!
//! "dicom-rs has" means the Cargo features of `dicom-pixeldata` or of the registry, by whichever
//! crate of a program they are switched on. Where an entry is taken, no later one can have it: then
//! ask for [`PixelDecoder`] itself. [`runs`] tells what is so in the program at hand.
//!
//! # What it decodes
//! One sample per pixel, and three of JPEG 2000, which come out as RGB, pixel by pixel. Colour in the
//! other codings is an error. The size has to be Rows and Columns, and the precision at most Bits
//! Allocated, which is 8 or 16. Samples come out as the codestream has them: bits above Bits Stored
//! are not cut off.

mod reader;
mod syntax;
mod writer;

use dicom_encoding::transfer_syntax::{NeverAdapter, TransferSyntaxIndex};
use dicom_encoding::{Codec, submit_ele_transfer_syntax};
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;

pub use reader::PixelDecoder;
pub use syntax::Syntax;
pub use writer::PixelEncoder;

/// Whether dicom-rs decodes this syntax through us in the program at hand.
pub fn runs(syntax: Syntax) -> bool {
    TransferSyntaxRegistry.get(syntax.uid()).is_some_and(|entry| entry.name() == syntax.name())
}

/// Our entry's adapters.
fn codec(syntax: Syntax) -> Codec<NeverAdapter, PixelDecoder, PixelEncoder> {
    Codec::EncapsulatedPixelData(Some(PixelDecoder(syntax)), PixelEncoder::new(syntax))
}

macro_rules! submit {
    ($($syntax:ident),*) => {
        $(submit_ele_transfer_syntax!(
            Syntax::$syntax.uid(),
            Syntax::$syntax.name(),
            codec(Syntax::$syntax)
        );)*
    };
}

submit!(
    JpegBaseline,
    JpegExtended,
    JpegLossless,
    JpegLosslessSv1,
    JpegLsLossless,
    JpegLsNearLossless,
    Jpeg2000Lossless,
    Jpeg2000,
    HtJpeg2000Lossless,
    HtJpeg2000LosslessRpcl,
    HtJpeg2000,
    RleLossless
);
