//! JPEG 2000 by our own decoder, and by OpenJPEG what that leaves to others.

use super::codestream::Codestream;
use super::jpeg2000::display::{self, Slopes};
use super::jpeg2000::{self, BitPlanes};
use super::values::{Fidelity, Sample, Values};
use super::{DecodeError, Decoded, DecoderName, Want, openjpeg, size, size_error};
use crate::preprocess::read::Header;

/// Decodes a stream of `length` bytes, of which `stream` are the first at least, into `out`. Its
/// size has to be the header's.
///
/// # Errors
/// [`DecodeError`].
pub fn decode(
    decoder: &mut jpeg2000::Decoder,
    header: &Header,
    stream: &[u8],
    length: usize,
    want: &Want,
    out: &mut Vec<u16>,
) -> Result<Decoded, DecodeError> {
    let codestream = Codestream::parse(stream, length)?;
    if (codestream.width, codestream.height) != size(header, 0) {
        return Err(size_error(header, codestream.width, codestream.height));
    }
    let (wanted, levels) = (want.reduce, codestream.levels);
    if wanted > levels {
        return Err(DecodeError::Levels { wanted, levels });
    }
    if stream.len() == length {
        codestream.check_whole()?;
    }
    let sample = Sample { precision: codestream.precision, signed: codestream.signed };
    let exact = want.reduce == 0 && want.display.is_none();
    let fidelity = if exact { Fidelity::of(header.syntax) } else { Fidelity::Approximate };
    let values = Values::new(&header.layout, fidelity, sample)?;
    match own(decoder, header, stream, length, want, codestream.signed) {
        Ok(image) => {
            let (width, height) = (image.width as usize, image.height as usize);
            let origin = (image.origin.0 as usize, image.origin.1 as usize);
            *out = image.samples;
            values.correct_signed(image.signed, out);
            let decoder = DecoderName::Own("jpeg2000");
            Ok(Decoded { size: (width, height), origin, surplus_bytes: 0, decoder })
        }
        Err(jpeg2000::Error::Unsupported(_)) if stream.len() == length => {
            let size = size(header, want.reduce);
            openjpeg::decode(&codestream, want.reduce, size, values, out)?;
            let decoder = DecoderName::OpenJpeg;
            Ok(Decoded { size, origin: (0, 0), surplus_bytes: 0, decoder })
        }
        Err(error) => Err(error.into()),
    }
}

fn own(
    decoder: &mut jpeg2000::Decoder,
    header: &Header,
    stream: &[u8],
    length: usize,
    want: &Want,
    signed: bool,
) -> Result<jpeg2000::Image, jpeg2000::Error> {
    let planes = match &want.display {
        Some((output, assurance)) => {
            let mut output = output.clone();
            let layout = &header.layout;
            if signed != layout.signed || layout.high_bit + 1 != layout.bits_stored {
                // Samples are not stored values, so where they lie says nothing of the slope.
                let (least, most) = output.slopes.all();
                output.slopes = Slopes::anywhere(least..=most);
            }
            display::plan(stream, &output, 1.0, *assurance)?.planes
        }
        None => BitPlanes::Exact,
    };
    let region = want.part.map(|part| jpeg2000::Rect {
        left: part.left as u32,
        top: part.top as u32,
        width: part.width as u32,
        height: part.height as u32,
    });
    let max_samples = header.layout.pixels() as u64;
    let (reduce, prefix_of) = (want.reduce, Some(length));
    let request = jpeg2000::Request { reduce, region, planes, max_samples, prefix_of };
    decoder.decode(stream, &request)
}
