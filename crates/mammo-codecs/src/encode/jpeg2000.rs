//! Writes JPEG 2000 with OpenJPEG's encoder (feature `openjpeg`).
//!
//! In: samples in planes, one after the other, rows from the top. Out: a JP2 file or a
//! bare codestream. [`Options::default()`] writes a JP2 file with the reversible 5/3 wavelet, five
//! levels, one tile, one layer and 64x64 code-blocks.

mod openjpeg;

use thiserror::Error;

/// The container of the codestream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    /// ISO/IEC 15444-1 Annex I: signature, file type and header boxes, then the codestream.
    Jp2,
    /// The codestream alone, from SOC to EOC.
    Codestream,
}

/// The order of packets in a tile (ISO/IEC 15444-1, B.12): **l**ayer, **r**esolution,
/// **c**omponent, **p**osition, outermost first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Progression {
    Lrcp,
    Rlcp,
    Rpcl,
    Pcrl,
    Cprl,
}

/// A change of progression order (POC). It sends the packets of layers below `layer_end`, of
/// resolutions in `resolution_start..resolution_end` and of components in
/// `component_start..component_end` that earlier changes have not sent yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct ProgressionChange {
    pub resolution_start: u32,
    pub component_start: u32,
    pub layer_end: u32,
    pub resolution_end: u32,
    pub component_end: u32,
    pub order: Progression,
}

/// The wavelet; it decides whether the samples can be restored exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wavelet {
    /// 5/3 on integers: exact if no layer is truncated.
    Reversible,
    /// 9/7 on floats, quantised.
    Irreversible,
}

/// The size of each quality layer; the last entry of a list is the last layer.
#[derive(Clone, Debug, PartialEq)]
pub enum Layers {
    /// One layer with every bit-plane.
    Whole,
    /// Compression ratios in falling order; 1.0 or less keeps every bit-plane.
    Ratios(Vec<f32>),
    /// Peak signal-to-noise ratios in dB in rising order; 0.0 keeps every bit-plane.
    Psnr(Vec<f32>),
}

/// The code-block style: the bits of SPcod (ISO/IEC 15444-1, Table A.19).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CodeBlockStyle(pub u8);

#[allow(missing_docs)]
impl CodeBlockStyle {
    pub const SELECTIVE_BYPASS: Self = Self(1);
    pub const RESET_CONTEXTS: Self = Self(2);
    pub const TERMINATE_EACH_PASS: Self = Self(4);
    pub const VERTICALLY_CAUSAL: Self = Self(8);
    pub const PREDICTABLE_TERMINATION: Self = Self(16);
    pub const SEGMENTATION_SYMBOLS: Self = Self(32);
}

/// Where a tile is divided into tile-parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum TileParts {
    Whole,
    ByResolution,
    ByLayer,
    ByComponent,
}

/// Optional markers that help readers to seek. They do not change the image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Markers(pub u8);

#[allow(missing_docs)]
impl Markers {
    pub const START_OF_PACKET: Self = Self(1);
    pub const END_OF_PACKET_HEADER: Self = Self(2);
    pub const PACKET_LENGTHS: Self = Self(4);
    pub const TILE_PART_LENGTHS: Self = Self(8);
}

/// The options of [`encode`].
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The container of the codestream.
    pub container: Container,
    /// The bits per sample that SIZ declares, 1 to 16; the samples may use fewer.
    pub precision: u8,
    /// Whether samples are two's complement; then there is no level shift.
    pub signed: bool,
    /// The number of planes in the samples: 1 or 3.
    pub components: u8,
    /// Whether three components go through the colour transform.
    pub colour_transform: bool,
    /// Decomposition levels, 0 to 32; OpenJPEG needs a tile of at least 2^levels samples on each
    /// axis.
    pub levels: u8,
    /// The wavelet.
    pub wavelet: Wavelet,
    /// The layers and their sizes.
    pub layers: Layers,
    /// The order of packets.
    pub progression: Progression,
    /// Changes of the order of packets, in every tile; empty for none.
    pub progression_changes: Vec<ProgressionChange>,
    /// Width and height of a tile; `None` for one tile.
    pub tile: Option<(u32, u32)>,
    /// The position of the image on the reference grid.
    pub image_origin: (u32, u32),
    /// The position of the tile grid; not after that of the image.
    pub tile_origin: (u32, u32),
    /// Widths and heights of precincts, highest resolution first; the last is halved for each
    /// resolution that is not listed. Empty for precincts of 2^15.
    pub precincts: Vec<(u32, u32)>,
    /// Width and height of a code-block: powers of two, 4 to 1024, at most 4096 samples.
    pub code_block: (u32, u32),
    /// The code-block style.
    pub style: CodeBlockStyle,
    /// The division of tiles into tile-parts.
    pub tile_parts: TileParts,
    /// Optional markers.
    pub markers: Markers,
    /// Guard bits, 0 to 7.
    pub guard_bits: u8,
    /// The number of bit-planes by which component 0 is shifted up as a region of interest (RGN).
    pub region_shift: u8,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            container: Container::Jp2,
            precision: 16,
            signed: false,
            components: 1,
            colour_transform: false,
            levels: 5,
            wavelet: Wavelet::Reversible,
            layers: Layers::Whole,
            progression: Progression::Lrcp,
            progression_changes: Vec::new(),
            tile: None,
            image_origin: (0, 0),
            tile_origin: (0, 0),
            precincts: Vec::new(),
            code_block: (64, 64),
            style: CodeBlockStyle::default(),
            tile_parts: TileParts::Whole,
            markers: Markers::default(),
            guard_bits: 2,
            region_shift: 0,
        }
    }
}

/// Why a stream cannot be written.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum EncodeError {
    /// The samples do not fill the planes.
    #[error("{have} samples, {components} planes of {width} x {height} need {need}")]
    #[allow(missing_docs)]
    Samples { have: usize, need: usize, width: u32, height: u32, components: u8 },
    /// An option that this encoder or OpenJPEG does not support.
    #[error("{0}")]
    Option(&'static str),
    /// OpenJPEG refused; the text is its own.
    #[error("openjpeg: {0}")]
    Encoder(String),
}

/// Encodes `components` planes of `width` x `height` samples, each within `precision` bits.
///
/// # Errors
/// [`EncodeError`] if the samples do not fill the planes or OpenJPEG refuses an option.
pub fn encode<S: Copy + Into<i32>>(
    samples: &[S],
    width: u32,
    height: u32,
    options: &Options,
) -> Result<Vec<u8>, EncodeError> {
    let pixels = width as usize * height as usize;
    let need = pixels * usize::from(options.components);
    if samples.len() != need {
        return Err(EncodeError::Samples {
            have: samples.len(),
            need,
            width,
            height,
            components: options.components,
        });
    }
    if pixels == 0 || !matches!(options.components, 1 | 3) {
        return Err(EncodeError::Option("one or three planes with at least one sample"));
    }
    if !(1..=16).contains(&options.precision) {
        return Err(EncodeError::Option("precision is 1 to 16 bits"));
    }
    if options.precincts.len() > 33 || options.progression_changes.len() > 31 {
        return Err(EncodeError::Option("at most 33 precinct sizes and 31 progression changes"));
    }
    let (right, bottom) =
        (options.image_origin.0.checked_add(width), options.image_origin.1.checked_add(height));
    if right.zip(bottom).is_none_or(|(x, y)| x.max(y) > i32::MAX as u32) {
        return Err(EncodeError::Option("the image ends beyond 2^31 on the reference grid"));
    }
    if too_thin(width, height, options) {
        return Err(EncodeError::Option(
            "a tile is a single row or column at a level that the wavelet halves",
        ));
    }
    openjpeg::encode(samples, width, height, options)
}

/// Whether some tile is a single row (for 9/7: or a column) at a level where the wavelet is
/// applied. OpenJPEG 2.5.2 reads and writes beyond its buffer there (5/3,
/// `opj_dwt_encode_and_deinterleave_v`) or aborts the process (9/7, `opj_dwt_encode_1_real`).
fn too_thin(width: u32, height: u32, options: &Options) -> bool {
    let thin = |origin: u32, extent: u32, tile_origin: u32, tile: Option<u32>| {
        let (start, end) = (u64::from(origin), u64::from(origin) + u64::from(extent));
        let step = tile.map_or(end, u64::from).max(1);
        let edges = (0..).map(|i| u64::from(tile_origin) + i * step).take_while(|&edge| edge < end);
        let mut tiles = edges.map(|edge| (edge.max(start), (edge + step).min(end)));
        tiles.any(|(from, to)| {
            (0..options.levels.min(32))
                .any(|level| to.div_ceil(1 << level) - from.div_ceil(1 << level) == 1)
        })
    };
    thin(
        options.image_origin.1,
        height,
        options.tile_origin.1,
        options.tile.map(|(_, height)| height),
    ) || options.wavelet == Wavelet::Irreversible
        && thin(
            options.image_origin.0,
            width,
            options.tile_origin.0,
            options.tile.map(|(width, _)| width),
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lopsided() -> Vec<u16> {
        (0..37u16 * 21).map(|i| i.wrapping_mul(7919) >> 4).collect()
    }

    fn decode(bytes: &[u8]) -> Vec<i32> {
        jpeg2k::Image::from_bytes(bytes).expect("OpenJPEG reads what it wrote").components()[0]
            .data()
            .to_vec()
    }

    #[test]
    fn reversible_streams_come_back_exactly() {
        let samples = lopsided();
        let want: Vec<i32> = samples.iter().map(|&s| s.into()).collect();
        for container in [Container::Jp2, Container::Codestream] {
            let bytes = encode(
                &samples,
                37,
                21,
                &Options { container, precision: 12, levels: 4, ..Options::default() },
            )
            .unwrap();
            assert_eq!(
                bytes.starts_with(&[0xFF, 0x4F, 0xFF, 0x51]),
                container == Container::Codestream
            );
            assert_eq!(decode(&bytes), want);
        }
        let options = Options {
            levels: 3,
            progression: Progression::Pcrl,
            tile: Some((16, 16)),
            layers: Layers::Ratios(vec![10.0, 1.0]),
            code_block: (8, 4),
            style: CodeBlockStyle(63),
            markers: Markers(15),
            precincts: vec![(16, 8)],
            tile_parts: TileParts::ByResolution,
            ..Options::default()
        };
        assert_eq!(decode(&encode(&samples, 37, 21, &options).unwrap()), want);
    }

    #[test]
    fn a_refusal_is_told_in_openjpegs_words() {
        let refused =
            encode(&lopsided(), 37, 21, &Options { code_block: (128, 128), ..Options::default() });
        assert!(matches!(refused, Err(EncodeError::Encoder(words)) if words.contains("4096")));
        let short = encode(&lopsided()[1..], 37, 21, &Options::default());
        assert!(matches!(short, Err(EncodeError::Samples { have: 776, need: 777, .. })));
    }
}
