//! JPEG 2000 and HTJ2K through OpenJPEG, for what our own decoder leaves to others.
//!
//! In: a codestream that [`guard`](crate::jpeg2000::guard) has looked over. Out: its samples. Without
//! OpenJPEG's threads: who decodes many images decodes them side by side.

use jpeg2k::{DecodeParameters, Image};

use crate::jpeg2000::guard::{Codestream, CodestreamError};

/// Why OpenJPEG's result is not to be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The stream's structure cannot be.
    #[error(transparent)]
    Codestream(#[from] CodestreamError),
    /// In its words, or ours where it decodes to something else than the header says.
    #[error("OpenJPEG refuses the codestream ({0})")]
    Refused(String),
}

/// Bytes that OpenJPEG takes for a result of `pixels`, itself not counted: 32-bit coefficients, a
/// copy of the codestream, and some hundred bytes for each code-block of 64 x 64. Real files peak
/// at 70 to 94 % of it and the result together.
pub fn memory(pixels: usize, compressed: usize) -> usize {
    4 * pixels + 2 * compressed + pixels / 8 + (1 << 20)
}

/// Decodes with `reduce` levels left out, and appends each sample as `convert` makes it to `out`.
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
