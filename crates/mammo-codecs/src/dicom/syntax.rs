//! The transfer syntaxes that this crate has decoders for (PS3.5 Annex A.4, PS3.6 Annex A).

/// A transfer syntax that this crate has a decoder for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Syntax {
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
    RleLossless,
}

impl Syntax {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::JpegBaseline,
        Self::JpegExtended,
        Self::JpegLossless,
        Self::JpegLosslessSv1,
        Self::JpegLsLossless,
        Self::JpegLsNearLossless,
        Self::Jpeg2000Lossless,
        Self::Jpeg2000,
        Self::HtJpeg2000Lossless,
        Self::HtJpeg2000LosslessRpcl,
        Self::HtJpeg2000,
        Self::RleLossless,
    ];

    /// Its UID.
    pub const fn uid(self) -> &'static str {
        match self {
            Self::JpegBaseline => "1.2.840.10008.1.2.4.50",
            Self::JpegExtended => "1.2.840.10008.1.2.4.51",
            Self::JpegLossless => "1.2.840.10008.1.2.4.57",
            Self::JpegLosslessSv1 => "1.2.840.10008.1.2.4.70",
            Self::JpegLsLossless => "1.2.840.10008.1.2.4.80",
            Self::JpegLsNearLossless => "1.2.840.10008.1.2.4.81",
            Self::Jpeg2000Lossless => "1.2.840.10008.1.2.4.90",
            Self::Jpeg2000 => "1.2.840.10008.1.2.4.91",
            Self::HtJpeg2000Lossless => "1.2.840.10008.1.2.4.201",
            Self::HtJpeg2000LosslessRpcl => "1.2.840.10008.1.2.4.202",
            Self::HtJpeg2000 => "1.2.840.10008.1.2.4.203",
            Self::RleLossless => "1.2.840.10008.1.2.5",
        }
    }

    /// The syntax with this UID; trailing zeros and blanks are ignored.
    pub fn of(uid: &str) -> Option<Self> {
        let uid = uid.trim_end_matches(['\0', ' ']);
        Self::ALL.into_iter().find(|syntax| syntax.uid() == uid)
    }

    /// The name of our entry in the registry: the one in PS3.6, with our name appended.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::JpegBaseline => "JPEG Baseline (Process 1) [mammo-codecs]",
            Self::JpegExtended => "JPEG Extended (Process 2 & 4) [mammo-codecs]",
            Self::JpegLossless => "JPEG Lossless, Non-Hierarchical (Process 14) [mammo-codecs]",
            Self::JpegLosslessSv1 => {
                "JPEG Lossless, Non-Hierarchical, First-Order Prediction (Process 14 [Selection Value 1]) [mammo-codecs]"
            }
            Self::JpegLsLossless => "JPEG-LS Lossless Image Compression [mammo-codecs]",
            Self::JpegLsNearLossless => {
                "JPEG-LS Lossy (Near-Lossless) Image Compression [mammo-codecs]"
            }
            Self::Jpeg2000Lossless => "JPEG 2000 Image Compression (Lossless Only) [mammo-codecs]",
            Self::Jpeg2000 => "JPEG 2000 Image Compression [mammo-codecs]",
            Self::HtJpeg2000Lossless => {
                "High-Throughput JPEG 2000 Image Compression (Lossless Only) [mammo-codecs]"
            }
            Self::HtJpeg2000LosslessRpcl => {
                "High-Throughput JPEG 2000 with RPCL Options Image Compression (Lossless Only) [mammo-codecs]"
            }
            Self::HtJpeg2000 => "High-Throughput JPEG 2000 Image Compression [mammo-codecs]",
            Self::RleLossless => "RLE Lossless [mammo-codecs]",
        }
    }
}
