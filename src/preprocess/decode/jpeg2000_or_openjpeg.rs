//! Decodes JPEG 2000: with our own decoder, or with OpenJPEG if that does not support the stream.

use std::cell::Cell;
use std::sync::Arc;

use mammo_codecs::jpeg2000::display::{self, Slopes};
use mammo_codecs::jpeg2000::guard::Codestream;
use mammo_codecs::jpeg2000::{self, BitPlanes};
use mammo_codecs::openjpeg;

use super::values::{Fidelity, Sample, Values, mixes_overlays};
use super::{DecodeError, Decoded, DecoderName, Kept, Purpose, Want, size, size_error};
use crate::preprocess::read::Header;
use crate::shard::notes::{Note, Notes};

/// Decodes a stream of `length` bytes into `out`. `stream` holds the whole or at least its first
/// bytes. The size has to equal the header's.
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
    let is_mixed = mixes_overlays(header, sample.precision);
    let want = &if is_mixed { Want { display: None, ..want.clone() } } else { want.clone() };
    let exact = want.reduce == 0 && want.display.is_none();
    let fidelity = match exact {
        // The syntax may allow loss where the stream has none.
        true if is_mixed && jpeg2000::header(stream)?.reversible => Fidelity::Exact,
        true => Fidelity::of(header.syntax),
        false => Fidelity::Approximate,
    };
    let values = Values::new(header, fidelity, sample)?;
    match decode_with_own(decoder, header, stream, length, want, codestream.signed) {
        Ok((image, is_beyond, kept)) => {
            let (width, height) = (image.width as usize, image.height as usize);
            let origin = (image.origin.0 as usize, image.origin.1 as usize);
            *out = image.samples;
            let is_above = !is_beyond && values.correct_signed(image.signed, out);
            let whole = Decoded::whole((width, height), DecoderName::Own("jpeg2000"));
            Ok(Decoded { is_beyond, origin, is_above, kept, ..whole })
        }
        Err(error) if error.is_for_another_decoder() && stream.len() == length => {
            let is_above = Cell::new(false);
            let convert = |sample| {
                is_above.set(is_above.get() | values.is_above(sample));
                values.stored(sample)
            };
            // If OpenJPEG cannot decode it either, what our decoder says is the better reason.
            openjpeg::decode(&codestream, want.reduce, out, convert).map_err(
                |theirs| match error {
                    jpeg2000::Error::Malformed(_) => error.into(),
                    _ => DecodeError::OpenJpeg(theirs),
                },
            )?;
            let whole = Decoded::whole(size(header, want.reduce), DecoderName::OpenJpeg);
            let notes = Notes::from_iter([Note::OpenJpeg]);
            Ok(Decoded { is_above: is_above.get(), notes, ..whole })
        }
        Err(error) => Err(error.into()),
    }
}

/// Decodes the wanted part, says whether samples exceed their range, and keeps the state if asked.
fn decode_with_own(
    decoder: &mut jpeg2000::Decoder,
    header: &Header,
    stream: &[u8],
    length: usize,
    want: &Want,
    signed: bool,
) -> Result<(jpeg2000::Image, bool, Kept), jpeg2000::Error> {
    let region = want.part.map(|part| jpeg2000::Rect {
        left: part.left as u32,
        top: part.top as u32,
        width: part.width as u32,
        height: part.height as u32,
    });
    let layout = &header.layout;
    let mut request = jpeg2000::Request {
        reduce: want.reduce,
        region,
        planes: BitPlanes::Exact,
        range: None,
        max_samples: layout.pixels() as u64,
        // The memory of `limits.memory_mb` was divided before any image is decoded.
        max_memory: u64::MAX,
        prefix_of: Some(length),
        low: want.kept.0.clone(),
    };
    if let Some(purpose) = &want.display {
        let are_stored = signed == layout.signed && layout.high_bit + 1 == layout.bits_stored;
        if are_stored && let Some(straight) = straight(header, stream, purpose, &request)? {
            let image = decoder.decode(stream, &straight)?;
            if image.is_within {
                return Ok((image, true, Kept::default()));
            }
        }
        let mut output = purpose.output.clone();
        if !are_stored {
            // Samples are not stored values here, so their position says nothing about the slope.
            let (least, most) = output.slopes.all();
            output.slopes = Slopes::anywhere(least..=most);
        }
        let low = request.low.as_deref();
        request.planes = display::plan(stream, &output, 1.0, purpose.assurance, low)?.planes;
    }
    if !want.keep {
        return Ok((decoder.decode(stream, &request)?, false, Kept::default()));
    }
    let (image, low) = decoder.decode_and_keep(stream, &request)?;
    Ok((image, false, Kept(low.map(Arc::new))))
}

/// Like `exact`, but without the bit-planes that can be left out, and with the range of samples
/// that this allows. It applies if the grey scale is a straight line that continues beyond the
/// stored values: the effect of the omitted planes then cancels in full.
///
/// This needs a stream that was coded without loss, whose exact samples never exceed the range. If
/// lossy coding clipped them, the difference would be visible.
fn straight(
    header: &Header,
    stream: &[u8],
    purpose: &Purpose,
    exact: &jpeg2000::Request,
) -> Result<Option<jpeg2000::Request>, jpeg2000::Error> {
    let Some(line) = purpose.straight else { return Ok(None) };
    let is_lossless = Fidelity::of(header.syntax) == Fidelity::Exact;
    if !is_lossless || !jpeg2000::header(stream)?.reversible {
        return Ok(None);
    }
    let mut output = purpose.output.clone();
    output.slopes = Slopes::anywhere(line.slope..=line.slope);
    output.slack += line.off;
    let low = exact.low.as_deref();
    let plan = display::plan(stream, &output, 1.0, purpose.assurance, low)?;
    let fits = plan.planes != BitPlanes::Exact && plan.reach.ceil() <= f64::from(line.margin);
    // The line's margin fits into 16 bits of two's complement.
    let (low, high) = header.layout.range();
    let reach = plan.reach.ceil() as i32;
    let range = Some(((low - reach) as i16, (high + reach) as i16));
    let request = || jpeg2000::Request { planes: plan.planes, range, ..exact.clone() };
    Ok(fits.then(request))
}
