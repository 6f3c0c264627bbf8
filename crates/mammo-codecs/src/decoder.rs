//! One entry point for all codings.

use crate::codec::Codec;
use crate::coded::Coded;
use crate::error::Error;
use crate::image::{DecodedBy, Image};
use crate::jpeg2000;
use crate::request::Request;
use crate::sample::Sample;
use crate::{jpeg, jpeg_ls, rle};

/// Decodes one image after the other and reuses its buffers.
#[derive(Debug, Default)]
pub struct Decoder {
    jpeg2000: jpeg2000::Decoder,
    scratch: Vec<u16>,
}

/// Bytes for parts whose size does not depend on the image: tables, contexts, the current line.
const FIXED: u64 = 1 << 20;

impl Decoder {
    /// A decoder that uses only the calling thread.
    pub fn new() -> Self {
        Self::default()
    }

    /// A decoder that may use all cores for one image (JPEG 2000). The samples are the same.
    #[cfg(feature = "parallel")]
    pub fn parallel() -> Self {
        Self { jpeg2000: jpeg2000::Decoder::parallel(), scratch: Vec::new() }
    }

    /// Decodes the part of a stream that `request` asks for into `out`, which is cleared first.
    ///
    /// The decoder writes directly into a `Vec<u16>`. For other types it decodes into a buffer that
    /// it keeps, and converts.
    ///
    /// # Errors
    /// [`Error`]. After an error the content of `out` is unspecified.
    pub fn decode_into<S: Sample>(
        &mut self,
        bytes: &[u8],
        request: &Request,
        out: &mut Vec<S>,
    ) -> Result<Image, Error> {
        let codec = match request.codec {
            Some(codec) => codec,
            None => Codec::detect(bytes).ok_or_else(|| Error::unknown(bytes))?,
        };
        let mut samples = S::buffer(out, &mut self.scratch);
        let decoded = match codec {
            Codec::Jpeg2000 => self.jpeg2000(bytes, request, &mut samples),
            _ => whole(codec, bytes, request, &mut samples),
        };
        let image = decoded.and_then(|image| {
            let Image { precision, signed, .. } = image;
            let error = Error::SampleType { precision, signed, output: S::NAME };
            S::holds(precision, signed).then_some(image).ok_or(error)
        });
        let signed = image.as_ref().is_ok_and(|image| image.signed);
        if image.is_err() {
            samples.clear();
        }
        S::put(samples, signed, out, &mut self.scratch);
        image
    }

    fn jpeg2000(
        &mut self,
        bytes: &[u8],
        request: &Request,
        samples: &mut Vec<u16>,
    ) -> Result<Image, Error> {
        let ours = jpeg2000::Request {
            reduce: request.reduce,
            region: request.region,
            planes: request.planes.clone(),
            max_samples: request.max_samples,
            max_memory: request.max_memory,
            prefix_of: request.prefix_of,
            ..jpeg2000::Request::default()
        };
        let image = match self.jpeg2000.decode_reusing(bytes, &ours, std::mem::take(samples)) {
            #[cfg(feature = "openjpeg")]
            Err(jpeg2000::Error::Unsupported(why)) if request.prefix_of.is_none() => {
                return by_openjpeg(bytes, request, why, samples);
            }
            other => other?,
        };
        *samples = image.samples;
        Ok(Image {
            width: image.width,
            height: image.height,
            origin: image.origin,
            components: image.components,
            precision: image.precision,
            signed: image.signed,
            surplus_bytes: 0,
            decoded_by: DecodedBy::Own,
        })
    }
}

/// Decodes a coding that can only be decoded as a whole.
fn whole(
    codec: Codec,
    bytes: &[u8],
    request: &Request,
    samples: &mut Vec<u16>,
) -> Result<Image, Error> {
    let name = codec.name();
    if request.reduce > 0 {
        return Err(Error::Reduction { asked: request.reduce, codec: name });
    }
    if let Some(length) = request.prefix_of.filter(|&length| length > bytes.len()) {
        return Err(Error::Prefix { have: bytes.len(), length, codec: name });
    }
    // Two bytes per sample, which is nearly all the memory that these decoders need.
    let limit = request.max_memory;
    let affordable = limit.saturating_sub(FIXED) / 2;
    let most = request.max_samples.min(affordable).try_into().unwrap_or(usize::MAX);
    let coded = match codec {
        Codec::Rle { width, height, bits } => {
            let count = u64::from(width) * u64::from(height);
            if count > most as u64 {
                return Err(Error::TooMuchMemory { bytes: 2 * count + FIXED, limit });
            }
            let surplus_bytes = rle::decode(bytes, count as usize, bits.into(), samples)?;
            let (width, height) = (width as usize, height as usize);
            Coded { width, height, precision: bits, surplus_bytes, wrapped_lines: 0 }
        }
        Codec::JpegLs => jpeg_ls::decode(bytes, most, samples)?,
        _ => jpeg::decode(bytes, most, samples)?,
    };
    let image = Image {
        width: coded.width as u32,
        height: coded.height as u32,
        origin: (0, 0),
        components: 1,
        precision: coded.precision,
        signed: false,
        surplus_bytes: coded.surplus_bytes,
        decoded_by: DecodedBy::Own,
    };
    cut(image, request, samples)
}

/// Removes the samples outside the region, in place.
fn cut(image: Image, request: &Request, samples: &mut Vec<u16>) -> Result<Image, Error> {
    let Some(rect) = request.region else { return Ok(image) };
    let (whole, height) = (image.width, image.height);
    // The region is in full-size pixels; a reduced image keeps those pixels that its samples are
    // centred on.
    let reduced = |at: u32| at.div_ceil(1 << request.reduce);
    let right = reduced(rect.left.saturating_add(rect.width)).min(whole);
    let bottom = reduced(rect.top.saturating_add(rect.height)).min(height);
    let (left, top) = (reduced(rect.left), reduced(rect.top));
    if left >= right || top >= bottom {
        return Err(Error::EmptyRegion { width: whole, height });
    }
    let mut to = 0;
    for y in top as usize..bottom as usize {
        let line = y * whole as usize;
        samples.copy_within(line + left as usize..line + right as usize, to);
        to += (right - left) as usize;
    }
    samples.truncate(to);
    Ok(Image { width: right - left, height: bottom - top, origin: (left, top), ..image })
}

/// Passes streams that our decoder does not support to OpenJPEG, if the image has one component.
#[cfg(feature = "openjpeg")]
fn by_openjpeg(
    bytes: &[u8],
    request: &Request,
    why: &'static str,
    samples: &mut Vec<u16>,
) -> Result<Image, Error> {
    use crate::jpeg2000::guard::Codestream;
    use crate::openjpeg;

    let unsupported = || Error::Jpeg2000(jpeg2000::Error::Unsupported(why));
    let stream = Codestream::parse(bytes, bytes.len()).map_err(|_| unsupported())?;
    stream.check_whole().map_err(openjpeg::Error::Codestream)?;
    if request.reduce > stream.levels {
        let (asked, levels) = (request.reduce, stream.levels);
        return Err(jpeg2000::Error::Reduce { asked, levels }.into());
    }
    let pixels = (stream.width as u64) * (stream.height as u64);
    if pixels > request.max_samples {
        let (samples, limit) = (pixels, request.max_samples);
        return Err(jpeg2000::Error::TooLarge { samples, limit }.into());
    }
    let reduced = |length: usize| length.div_ceil(1 << request.reduce);
    let (width, height) = (reduced(stream.width), reduced(stream.height));
    let taken = (2 * width * height + openjpeg::memory(width * height, bytes.len())) as u64;
    if taken > request.max_memory {
        return Err(Error::TooMuchMemory { bytes: taken, limit: request.max_memory });
    }
    samples.clear();
    openjpeg::decode(&stream, request.reduce, samples, |sample| sample as u16)?;
    let image = Image {
        width: width as u32,
        height: height as u32,
        origin: (0, 0),
        components: 1,
        precision: stream.precision,
        signed: stream.signed,
        surplus_bytes: 0,
        decoded_by: DecodedBy::OpenJpeg,
    };
    cut(image, request, samples)
}

/// The number of bytes of a stream of `length`, which begins with `bytes`, that are needed for
/// `request`, for any region and planes. It is nearly the whole stream, except for JPEG 2000 with
/// levels left out: most files store the coarse levels first.
///
/// # Errors
/// As for [`Decoder::decode_into`], except that the stream may be cut off.
pub fn prefix(bytes: &[u8], length: usize, request: &Request) -> Result<jpeg2000::Prefix, Error> {
    let codec = match request.codec.or_else(|| Codec::detect(bytes)) {
        Some(codec) => codec,
        // The frame header may lie beyond the bytes that are available.
        None if bytes.len() < length && bytes.starts_with(&[0xFF, 0xD8]) => Codec::Jpeg,
        None => return Err(Error::unknown(bytes)),
    };
    if codec != Codec::Jpeg2000 {
        return Ok(match bytes.len() < length {
            true => jpeg2000::Prefix::NeedsAtLeast(length),
            false => jpeg2000::Prefix::Needs(length),
        });
    }
    let request = jpeg2000::Request {
        reduce: request.reduce,
        max_samples: request.max_samples,
        max_memory: request.max_memory,
        ..jpeg2000::Request::default()
    };
    Ok(jpeg2000::prefix(bytes, length, &request)?)
}
