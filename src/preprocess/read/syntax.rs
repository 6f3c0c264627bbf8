//! Transfer syntaxes: how the elements and the pixels of a file are encoded.

use mammo_codecs::Codec;

use super::elements::Encoding;

/// A transfer syntax of DICOM PS3.5 in which mammograms are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum TransferSyntax {
    ImplicitLittleEndian,
    ExplicitLittleEndian,
    ExplicitBigEndian,
    DeflatedExplicitLittleEndian,
    EncapsulatedUncompressed,
    DeflatedImageFrame,
    RleLossless,
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
}

use TransferSyntax::*;

impl TransferSyntax {
    /// All of them.
    pub const ALL: [Self; 18] = [
        ImplicitLittleEndian,
        ExplicitLittleEndian,
        ExplicitBigEndian,
        DeflatedExplicitLittleEndian,
        EncapsulatedUncompressed,
        DeflatedImageFrame,
        RleLossless,
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
    ];

    /// The syntax of a UID such as `1.2.840.10008.1.2.4.70`.
    pub fn from_uid(uid: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|syntax| syntax.uid() == uid)
    }

    /// Its UID (PS3.6 table A-1).
    pub fn uid(self) -> &'static str {
        match self {
            ImplicitLittleEndian => "1.2.840.10008.1.2",
            ExplicitLittleEndian => "1.2.840.10008.1.2.1",
            DeflatedExplicitLittleEndian => "1.2.840.10008.1.2.1.99",
            ExplicitBigEndian => "1.2.840.10008.1.2.2",
            EncapsulatedUncompressed => "1.2.840.10008.1.2.1.98",
            DeflatedImageFrame => "1.2.840.10008.1.2.8.1",
            RleLossless => "1.2.840.10008.1.2.5",
            JpegBaseline => "1.2.840.10008.1.2.4.50",
            JpegExtended => "1.2.840.10008.1.2.4.51",
            JpegLossless => "1.2.840.10008.1.2.4.57",
            JpegLosslessSv1 => "1.2.840.10008.1.2.4.70",
            JpegLsLossless => "1.2.840.10008.1.2.4.80",
            JpegLsNearLossless => "1.2.840.10008.1.2.4.81",
            Jpeg2000Lossless => "1.2.840.10008.1.2.4.90",
            Jpeg2000 => "1.2.840.10008.1.2.4.91",
            HtJpeg2000Lossless => "1.2.840.10008.1.2.4.201",
            HtJpeg2000LosslessRpcl => "1.2.840.10008.1.2.4.202",
            HtJpeg2000 => "1.2.840.10008.1.2.4.203",
        }
    }

    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            ImplicitLittleEndian => "Implicit VR Little Endian",
            ExplicitLittleEndian => "Explicit VR Little Endian",
            DeflatedExplicitLittleEndian => "Deflated Explicit VR Little Endian",
            ExplicitBigEndian => "Explicit VR Big Endian",
            EncapsulatedUncompressed => "Encapsulated Uncompressed Explicit VR Little Endian",
            DeflatedImageFrame => "Deflated Image Frame Compression",
            RleLossless => "RLE Lossless",
            JpegBaseline => "JPEG Baseline",
            JpegExtended => "JPEG Extended",
            JpegLossless => "JPEG Lossless",
            JpegLosslessSv1 => "JPEG Lossless SV1",
            JpegLsLossless => "JPEG-LS Lossless",
            JpegLsNearLossless => "JPEG-LS Near-lossless",
            Jpeg2000Lossless => "JPEG 2000 Lossless",
            Jpeg2000 => "JPEG 2000",
            HtJpeg2000Lossless => "High-Throughput JPEG 2000 Lossless",
            HtJpeg2000LosslessRpcl => "High-Throughput JPEG 2000 Lossless RPCL",
            HtJpeg2000 => "High-Throughput JPEG 2000",
        }
    }

    /// How the elements of the data set are encoded.
    pub fn encoding(self) -> Encoding {
        match self {
            ImplicitLittleEndian => Encoding::ImplicitLittle,
            ExplicitBigEndian => Encoding::ExplicitBig,
            _ => Encoding::ExplicitLittle,
        }
    }

    /// Whether the pixels are in fragments (PS3.5 A.4).
    pub fn is_encapsulated(self) -> bool {
        !matches!(
            self,
            ImplicitLittleEndian
                | ExplicitLittleEndian
                | ExplicitBigEndian
                | DeflatedExplicitLittleEndian
        )
    }

    /// The syntax of a compressed stream that begins with `bytes`, by its own markers. Whether the
    /// encoder lost anything is not known, so it is the one that may.
    pub fn of_stream(bytes: &[u8]) -> Option<Self> {
        match Codec::detect(bytes)? {
            Codec::Jpeg if is_lossless_jpeg(bytes) => Some(JpegLossless),
            Codec::Jpeg => Some(JpegExtended),
            Codec::JpegLs => Some(JpegLsNearLossless),
            Codec::Jpeg2000 => Some(Jpeg2000),
            _ => None,
        }
    }

    /// Whether the pixels are JPEG 2000 or HTJ2K.
    pub fn is_jpeg_2000(self) -> bool {
        matches!(
            self,
            Jpeg2000Lossless | Jpeg2000 | HtJpeg2000Lossless | HtJpeg2000LosslessRpcl | HtJpeg2000
        )
    }

    /// Whether decoded values may differ from the encoded ones, and so may exceed their range.
    pub fn may_be_lossy(self) -> bool {
        matches!(self, JpegBaseline | JpegExtended | JpegLsNearLossless | Jpeg2000 | HtJpeg2000)
    }
}

/// Whether the first frame header of a JPEG stream is that of the lossless process (SOF3, T.81 B.1).
fn is_lossless_jpeg(bytes: &[u8]) -> bool {
    let mut at = 2;
    while let Some(&[0xFF, marker, high, low]) = bytes.get(at..at + 4) {
        match marker {
            // Tables and arithmetic conditioning have markers among those of frames.
            0xC4 | 0xC8 | 0xCC => {}
            0xC0..=0xCF => return marker == 0xC3,
            _ => {}
        }
        at += 2 + usize::from(u16::from_be_bytes([high, low]));
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uid_names_one_syntax() {
        for syntax in TransferSyntax::ALL {
            assert_eq!(TransferSyntax::from_uid(syntax.uid()), Some(syntax));
        }
        assert_eq!(TransferSyntax::from_uid("1.2.840.10008.1.2.4.100"), None);
    }

    #[test]
    fn a_lossless_jpeg_is_told_by_its_frame_header() {
        let tables = [0xFF, 0xD8, 0xFF, 0xC4, 0, 4, 1, 2];
        assert!(is_lossless_jpeg(&[&tables[..], &[0xFF, 0xC3, 0, 11]].concat()));
        assert!(!is_lossless_jpeg(&[&tables[..], &[0xFF, 0xC1, 0, 11]].concat()));
        assert!(!is_lossless_jpeg(&tables));
    }
}
