//! Encodes the frames of a native pixel data element, without loss if the syntax allows.

use dicom_core::ops::{AttributeAction, AttributeOp};
use dicom_core::{PrimitiveValue, Tag};
use dicom_encoding::adapters::{
    EncodeError, EncodeOptions, EncodeResult, PixelDataObject, PixelDataWriter,
};

use super::syntax::Syntax;
use crate::encode::{Frame, jpeg_lossless, jpeg_ls, jpeg_sequential, rle};

const BITS_STORED: Tag = Tag(0x0028, 0x0101);
const HIGH_BIT: Tag = Tag(0x0028, 0x0102);
const LOSSY_IMAGE_COMPRESSION: Tag = Tag(0x0028, 0x2110);
const LOSSY_IMAGE_COMPRESSION_RATIO: Tag = Tag(0x0028, 0x2112);
const LOSSY_IMAGE_COMPRESSION_METHOD: Tag = Tag(0x0028, 0x2114);

/// Encodes grey pixel data in one transfer syntax.
///
/// All syntaxes but JPEG extended are encoded without loss, whatever [`EncodeOptions::quality`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PixelEncoder(Syntax);

impl PixelEncoder {
    /// `None` for a syntax without an encoder.
    pub fn new(syntax: Syntax) -> Option<Self> {
        use Syntax::*;
        let own = matches!(
            syntax,
            JpegExtended | JpegLossless | JpegLosslessSv1 | JpegLsLossless | RleLossless
        );
        let by_openjpeg = matches!(syntax, Jpeg2000Lossless | Jpeg2000);
        let has = own || (by_openjpeg && cfg!(feature = "openjpeg"));
        has.then_some(Self(syntax))
    }
}

impl PixelDataWriter for PixelEncoder {
    fn encode_frame(
        &self,
        object: &dyn PixelDataObject,
        frame: u32,
        options: EncodeOptions,
        out: &mut Vec<u8>,
    ) -> EncodeResult<Vec<AttributeOp>> {
        let attribute =
            |value: Option<u16>, name| value.ok_or(EncodeError::MissingAttribute { name });
        let rows = attribute(object.rows(), "Rows")?;
        let columns = attribute(object.cols(), "Columns")?;
        let bits_allocated = attribute(object.bits_allocated(), "BitsAllocated")?;
        let bits_stored = attribute(object.bits_stored(), "BitsStored")?;
        let samples = attribute(object.samples_per_pixel(), "SamplesPerPixel")?;
        if samples != 1 || !matches!(bits_allocated, 8 | 16) {
            return Err(custom(format!(
                "{samples} samples per pixel of {bits_allocated} bits allocated, 1 of 8 or 16 can be encoded"
            )));
        }
        if object.number_of_fragments().is_some() {
            return Err(EncodeError::NotNative);
        }
        let bytes = object.frame_pixel_data(frame).ok_or(EncodeError::FrameRangeOutOfBounds)?;
        let samples: Vec<u16> = match bits_allocated {
            8 => bytes.iter().map(|&byte| byte.into()).collect(),
            _ => bytes.as_chunks().0.iter().map(|&word| u16::from_le_bytes(word)).collect(),
        };
        // A signed value, or one with an overlay above it, may have bits above Bits Stored.
        let all = samples.iter().fold(0, |all, &sample| all | sample);
        let fits = (2..=16).contains(&bits_stored) && u32::from(all) >> bits_stored == 0;
        let precision = if fits { bits_stored } else { bits_allocated };
        // RLE depends on Bits Allocated alone.
        let precision = if self.0 == Syntax::RleLossless { bits_allocated } else { precision };
        let image = Frame::new(columns, rows, precision as u8, &samples)
            .map_err(|error| caused("the pixels make no image", error))?;
        let stream = self.encode_image(&image, &samples, options)?;
        let ratio = bytes.len() as f64 / stream.len() as f64;
        out.extend(stream);
        Ok(match self.0 {
            Syntax::JpegExtended => lossy(if precision > 8 { 12 } else { 8 }, ratio),
            _ => Vec::new(),
        })
    }
}

impl PixelEncoder {
    fn encode_image(
        &self,
        image: &Frame,
        samples: &[u16],
        options: EncodeOptions,
    ) -> EncodeResult<Vec<u8>> {
        match self.0 {
            Syntax::RleLossless => Ok(rle::encode(image)),
            Syntax::JpegLossless | Syntax::JpegLosslessSv1 => {
                Ok(jpeg_lossless::encode(image, jpeg_lossless::Options::default()))
            }
            Syntax::JpegLsLossless => Ok(jpeg_ls::encode(image, jpeg_ls::Options::default())),
            Syntax::JpegExtended => {
                let default = jpeg_sequential::Options::default();
                let quality = options.quality.unwrap_or(default.quality);
                jpeg_sequential::encode(image, jpeg_sequential::Options { quality, ..default })
                    .map_err(|error| caused("JPEG extended", error))
            }
            _ => jpeg_2000(image, samples),
        }
    }
}

#[cfg(feature = "openjpeg")]
fn jpeg_2000(image: &Frame, samples: &[u16]) -> EncodeResult<Vec<u8>> {
    use crate::encode::jpeg2000::{Container, Options, encode};

    let (width, height) = (u32::from(image.width()), u32::from(image.height()));
    // OpenJPEG needs a tile of at least 2^levels samples on each axis.
    let levels = width.min(height).ilog2().min(5) as u8;
    let container = Container::Codestream;
    let options = Options { precision: image.precision(), levels, container, ..Options::default() };
    encode(samples, width, height, &options).map_err(|error| caused("JPEG 2000", error))
}

#[cfg(not(feature = "openjpeg"))]
fn jpeg_2000(_: &Frame, _: &[u16]) -> EncodeResult<Vec<u8>> {
    unreachable!("PixelEncoder::new makes none for JPEG 2000 without OpenJPEG")
}

/// The attributes that a lossy coding changes (PS3.3 C.7.6.1.1.5).
fn lossy(bits: u16, ratio: f64) -> Vec<AttributeOp> {
    let set =
        |tag, value: u16| AttributeOp::new(tag, AttributeAction::Set(PrimitiveValue::from(value)));
    let push = |tag, value: String| AttributeOp::new(tag, AttributeAction::PushStr(value.into()));
    vec![
        set(BITS_STORED, bits),
        set(HIGH_BIT, bits - 1),
        AttributeOp::new(LOSSY_IMAGE_COMPRESSION, AttributeAction::SetStr("01".into())),
        push(LOSSY_IMAGE_COMPRESSION_RATIO, format!("{ratio:.6}")),
        push(LOSSY_IMAGE_COMPRESSION_METHOD, "ISO_10918_1".into()),
    ]
}

fn custom(message: String) -> EncodeError {
    EncodeError::Custom { message, source: None }
}

fn caused(message: &str, error: impl std::error::Error + Send + Sync + 'static) -> EncodeError {
    EncodeError::Custom { message: message.into(), source: Some(Box::new(error)) }
}
