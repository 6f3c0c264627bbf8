//! The codecs as pixel data adapters of [dicom-rs](https://docs.rs/dicom), feature `dicom`.
//!
//! If a program links this crate, `dicom-pixeldata` and everything else that uses dicom-rs's
//! registry of transfer syntaxes decodes with it. No call is needed, but the crate has to be named
//! once, or the linker leaves it out:
//!
//! ```
//! use mammo_codecs as _;
//! ```
//!
//! # Which decoder runs
//! The registry (`dicom-transfer-syntax-registry`) enters its own adapters first. A later adapter
//! replaces an entry only if it can do more: a decoder for an entry without one, or an encoder in
//! addition to the decoder. Ours therefore come with an encoder where that decides.
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
//! "dicom-rs has" means the Cargo features of `dicom-pixeldata` or of the registry, whichever crate
//! of the program enables them. If an entry cannot be replaced, use [`PixelDecoder`] directly.
//! [`runs`] says which decoder is used in the current program.
//!
//! # What it decodes
//! Images with one sample per pixel. JPEG 2000 may have three, which are returned as RGB, pixel by
//! pixel; colour in the other codings is an error. The size has to equal Rows and Columns, and the
//! precision is at most Bits Allocated, which is 8 or 16. Samples are returned as they are in the
//! codestream: bits above Bits Stored are not removed.

mod reader;
mod syntax;
mod writer;

use dicom_encoding::transfer_syntax::{NeverAdapter, TransferSyntaxIndex};
use dicom_encoding::{Codec, submit_ele_transfer_syntax};
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;

pub use reader::PixelDecoder;
pub use syntax::Syntax;
pub use writer::PixelEncoder;

/// Whether dicom-rs uses our decoder for this syntax in the current program.
pub fn runs(syntax: Syntax) -> bool {
    TransferSyntaxRegistry.get(syntax.uid()).is_some_and(|entry| entry.name() == syntax.name())
}

/// The adapters of our entry.
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
