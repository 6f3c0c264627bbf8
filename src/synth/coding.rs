//! Encodes the pixel data of a generated file.

use flate2::Compression;
use flate2::write::DeflateEncoder;
use mammo_codecs::encode::{Frame, jpeg_lossless, jpeg_ls, jpeg_sequential, jpeg2000, rle};
use std::io::Write;

use crate::dicom::{Encoding, Value};
use crate::image::Plane;

/// A transfer syntax, with the options that it leaves open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Coding {
    /// Native values, explicit VR.
    ExplicitLittle,
    /// Native values, implicit VR.
    ImplicitLittle,
    /// Native values, big endian (retired).
    ExplicitBig,
    /// Native values, the whole dataset deflated.
    Deflated,
    /// RLE.
    Rle,
    /// JPEG baseline .50, whose stored values have 8 bits.
    JpegBaseline,
    /// JPEG extended .51, whose stored values have at most 12 bits.
    JpegExtended,
    /// JPEG lossless .57 with predictor 4.
    JpegLossless,
    /// JPEG lossless .70.
    JpegLosslessSv1,
    /// JPEG lossless .70 with a restart marker every row.
    JpegLosslessSv1Restart,
    /// JPEG-LS .80.
    JpegLs,
    /// JPEG-LS .81, every value within 3.
    JpegLsNear,
    /// JPEG 2000 .90 as in the real files: a JP2 file as the only fragment, with 16 bits in SIZ
    /// whatever Bits Stored is.
    Jpeg2000,
    /// JPEG 2000 .90, a bare codestream in several fragments.
    Jpeg2000Fragments,
    /// JPEG 2000 .91, irreversible.
    Jpeg2000Lossy,
}

impl Coding {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::ExplicitLittle,
        Self::ImplicitLittle,
        Self::ExplicitBig,
        Self::Deflated,
        Self::Rle,
        Self::JpegBaseline,
        Self::JpegExtended,
        Self::JpegLossless,
        Self::JpegLosslessSv1,
        Self::JpegLosslessSv1Restart,
        Self::JpegLs,
        Self::JpegLsNear,
        Self::Jpeg2000,
        Self::Jpeg2000Fragments,
        Self::Jpeg2000Lossy,
    ];

    /// The name on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ExplicitLittle => "explicit-le",
            Self::ImplicitLittle => "implicit-le",
            Self::ExplicitBig => "big-endian",
            Self::Deflated => "deflated",
            Self::Rle => "rle",
            Self::JpegBaseline => "jpeg-baseline",
            Self::JpegExtended => "jpeg-extended",
            Self::JpegLossless => "jpeg-lossless",
            Self::JpegLosslessSv1 => "jpeg-lossless-sv1",
            Self::JpegLosslessSv1Restart => "jpeg-lossless-sv1-restart",
            Self::JpegLs => "jpeg-ls",
            Self::JpegLsNear => "jpeg-ls-near",
            Self::Jpeg2000 => "jpeg2000",
            Self::Jpeg2000Fragments => "jpeg2000-fragments",
            Self::Jpeg2000Lossy => "jpeg2000-lossy",
        }
    }

    /// The Transfer Syntax UID.
    pub fn uid(self) -> &'static str {
        match self {
            Self::ExplicitLittle => "1.2.840.10008.1.2.1",
            Self::ImplicitLittle => "1.2.840.10008.1.2",
            Self::ExplicitBig => "1.2.840.10008.1.2.2",
            Self::Deflated => "1.2.840.10008.1.2.1.99",
            Self::Rle => "1.2.840.10008.1.2.5",
            Self::JpegBaseline => "1.2.840.10008.1.2.4.50",
            Self::JpegExtended => "1.2.840.10008.1.2.4.51",
            Self::JpegLossless => "1.2.840.10008.1.2.4.57",
            Self::JpegLosslessSv1 | Self::JpegLosslessSv1Restart => "1.2.840.10008.1.2.4.70",
            Self::JpegLs => "1.2.840.10008.1.2.4.80",
            Self::JpegLsNear => "1.2.840.10008.1.2.4.81",
            Self::Jpeg2000 | Self::Jpeg2000Fragments => "1.2.840.10008.1.2.4.90",
            Self::Jpeg2000Lossy => "1.2.840.10008.1.2.4.91",
        }
    }

    /// Whether decoding returns every stored value exactly.
    pub fn lossless(self) -> bool {
        !matches!(
            self,
            Self::JpegBaseline | Self::JpegExtended | Self::JpegLsNear | Self::Jpeg2000Lossy
        )
    }

    /// Bits Stored of a file of a machine with `bits`, and the number of bits by which its values
    /// are shifted down. The values of all machines fit 12 bits, whatever they declare.
    pub(super) fn depth(self, bits: u32) -> (u32, u32) {
        match self {
            Self::JpegBaseline => (8, 4),
            Self::JpegExtended => (12, 0),
            _ => (bits, 0),
        }
    }

    /// Encodes stored values with `bits` Bits Stored, as the value of Pixel Data.
    pub(super) fn encode(self, pixels: &Plane<u16>, bits: u32) -> Value {
        let size = |n: usize| u16::try_from(n).expect("no machine has 65,536 rows or columns");
        let (width, height) = (size(pixels.width()), size(pixels.height()));
        let frame = || {
            Frame::new(width, height, bits as u8, pixels.pixels())
                .expect("the tone keeps stored values within the bits stored")
        };
        let wavelet = |options: jpeg2000::Options| {
            jpeg2000::encode(pixels.pixels(), width.into(), height.into(), &options)
                .expect("the options are ones that OpenJPEG takes")
        };
        match self {
            Self::ExplicitLittle | Self::ImplicitLittle | Self::ExplicitBig | Self::Deflated => {
                Value::Words(pixels.pixels().to_vec())
            }
            Self::Rle => Value::Fragments(vec![rle::encode(&frame())]),
            Self::JpegBaseline | Self::JpegExtended => {
                let options = jpeg_sequential::Options::default();
                let stream = jpeg_sequential::encode(&frame(), options)
                    .expect("the depth is one that the process has");
                Value::Fragments(vec![stream])
            }
            Self::JpegLs | Self::JpegLsNear => {
                let near = if self == Self::JpegLs { 0 } else { 3 };
                let options = jpeg_ls::Options { near, ..jpeg_ls::Options::default() };
                Value::Fragments(vec![jpeg_ls::encode(&frame(), options)])
            }
            Self::JpegLossless | Self::JpegLosslessSv1 | Self::JpegLosslessSv1Restart => {
                let options = jpeg_lossless::Options {
                    predictor: match self {
                        Self::JpegLossless => jpeg_lossless::Predictor::Plane,
                        _ => jpeg_lossless::Predictor::Left,
                    },
                    restart_lines: u16::from(self == Self::JpegLosslessSv1Restart),
                    ..jpeg_lossless::Options::default()
                };
                Value::Fragments(vec![jpeg_lossless::encode(&frame(), options)])
            }
            Self::Jpeg2000 => Value::Fragments(vec![wavelet(jpeg2000::Options::default())]),
            Self::Jpeg2000Fragments => {
                let stream = wavelet(jpeg2000::Options {
                    container: jpeg2000::Container::Codestream,
                    precision: bits as u8,
                    ..jpeg2000::Options::default()
                });
                // Fragments have even lengths, as PS3.5 A.4 demands.
                let length = (stream.len() / 3).next_multiple_of(2).max(2);
                Value::Fragments(stream.chunks(length).map(<[u8]>::to_vec).collect())
            }
            Self::Jpeg2000Lossy => Value::Fragments(vec![wavelet(jpeg2000::Options {
                wavelet: jpeg2000::Wavelet::Irreversible,
                layers: jpeg2000::Layers::Ratios(vec![10.0]),
                precision: bits as u8,
                ..jpeg2000::Options::default()
            })]),
        }
    }

    /// The encoding of its elements.
    pub(super) fn encoding(self) -> Encoding {
        match self {
            Self::ImplicitLittle => Encoding::ImplicitLittle,
            Self::ExplicitBig => Encoding::ExplicitBig,
            _ => Encoding::ExplicitLittle,
        }
    }

    /// The data set that follows the File Meta Information.
    pub(super) fn wrap(self, dataset: Vec<u8>) -> Vec<u8> {
        if self != Self::Deflated {
            return dataset;
        }
        let mut deflate = DeflateEncoder::new(Vec::new(), Compression::fast());
        let deflated = deflate.write_all(&dataset).and_then(|()| deflate.finish());
        let mut deflated = deflated.expect("writing to memory does not fail");
        if deflated.len() % 2 == 1 {
            deflated.push(0);
        }
        deflated
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_coding_has_a_name_of_its_own() {
        let mut names = Coding::ALL.map(Coding::as_str);
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
    }
}
