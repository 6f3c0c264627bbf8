//! JPEG 2000 and HTJ2K through OpenJPEG, without its threads: files are decoded side by side.

use jpeg2k::{DecodeParameters, Image};

use super::DecodeError;
use super::codestream::Codestream;
use super::values::Values;

/// Bytes that OpenJPEG takes for a result of `pixels`: 32-bit coefficients, a copy of the
/// codestream, and some hundred bytes for each code-block of 64 x 64. Real files peak at 70 to
/// 94 % of it and the result together.
pub fn cost(pixels: usize, compressed: usize) -> usize {
    4 * pixels + 2 * compressed + pixels / 8 + (1 << 20)
}

/// Decodes to `size` (width, height) with `reduce` levels left out, into `out`, which is empty.
pub fn decode(
    codestream: &Codestream,
    reduce: u8,
    size: (usize, usize),
    values: Values,
    out: &mut Vec<u16>,
) -> Result<(), DecodeError> {
    let parameters = DecodeParameters::new().reduce(reduce.into()).strict(true);
    let image = Image::from_bytes_with(codestream.bytes, parameters)
        .map_err(|error| DecodeError::OpenJpeg(error.to_string()))?;
    let components = image.components();
    let [component] = components else {
        return Err(DecodeError::OpenJpeg(format!("{} components", components.len())));
    };
    let found = (component.width() as usize, component.height() as usize);
    if found != size {
        let message = format!("decoded {} x {}, needs {} x {}", found.0, found.1, size.0, size.1);
        return Err(DecodeError::OpenJpeg(message));
    }
    out.extend(component.data().iter().map(|&sample| values.stored(sample)));
    Ok(())
}
