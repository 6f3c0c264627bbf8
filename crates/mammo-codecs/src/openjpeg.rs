//! Decodes JPEG 2000 and HTJ2K with OpenJPEG, for streams that our own decoder does not support.
//!
//! In: a codestream that [`guard`](crate::jpeg2000::guard) has checked. Out: its samples.
//! OpenJPEG's threads are not used: callers with many images decode them in parallel.

use jpeg2k::{DecodeParameters, Image};

use crate::jpeg2000::guard::{Codestream, CodestreamError};

/// Why OpenJPEG gives no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The structure of the stream is invalid.
    #[error(transparent)]
    Codestream(#[from] CodestreamError),
    /// OpenJPEG's own message, or ours if the result differs from the header.
    #[error("OpenJPEG refuses the codestream ({0})")]
    Refused(String),
}

/// The bytes that OpenJPEG needs for a result of `pixels`, without the result: 32-bit coefficients,
/// a copy of the codestream, and some hundred bytes for each code-block of 64 x 64. Real files peak
/// at 70 to 94 % of the sum of this and the result.
pub fn memory(pixels: usize, compressed: usize) -> usize {
    4 * pixels + 2 * compressed + pixels / 8 + (1 << 20)
}

/// Decodes with `reduce` levels left out. Converts each sample by `convert` and appends it to
/// `out`.
///
/// # Errors
/// [`Error::Refused`].
pub fn decode<T>(
    codestream: &Codestream,
    reduce: u8,
    out: &mut Vec<T>,
    convert: impl Fn(i32) -> T,
) -> Result<(), Error> {
    let parameters = DecodeParameters::new().reduce(reduce.into()).strict(true);
    let image = Image::from_bytes_with(codestream.bytes, parameters)
        .map_err(|error| Error::Refused(error.to_string()))?;
    let components = image.components();
    let [component] = components else {
        return Err(Error::Refused(format!("{} components", components.len())));
    };
    let found = (component.width() as usize, component.height() as usize);
    let reduced = |length: usize| length.div_ceil(1 << reduce);
    let size = (reduced(codestream.width), reduced(codestream.height));
    if found != size {
        let (found, size) =
            (format!("{} x {}", found.0, found.1), format!("{} x {}", size.0, size.1));
        return Err(Error::Refused(format!("decoded {found}, needs {size}")));
    }
    out.extend(component.data().iter().map(|&sample| convert(sample)));
    Ok(())
}
