//! The coding of a tile: decomposition, quantisation and order of packets (ISO/IEC 15444-1, A.6).

use super::error::Error;
use super::reader::Reader;

/// Levels beyond this halve an image of 2^31 samples more often than it can be halved.
pub const MAX_LEVELS: u8 = 32;

/// Order of packets, outermost loop first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Lrcp,
    Rlcp,
    Rpcl,
    Pcrl,
    Cprl,
}

impl Order {
    pub fn read(code: u8) -> Result<Self, Error> {
        Ok(match code {
            0 => Self::Lrcp,
            1 => Self::Rlcp,
            2 => Self::Rpcl,
            3 => Self::Pcrl,
            4 => Self::Cprl,
            _ => return Err(Error::Malformed("unknown progression order")),
        })
    }
}

/// A progression: which packets come next, and in which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progression {
    pub order: Order,
    /// Layers below this one.
    pub layer_end: u16,
    pub resolution_start: u8,
    /// Behind the last resolution.
    pub resolution_end: u8,
    pub component_start: u16,
    /// Behind the last component.
    pub component_end: u16,
}

/// Code-block style: the bits of SPcod and SPcoc (Table A.19).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Style(pub u8);

impl Style {
    pub fn bypass(self) -> bool {
        self.0 & 1 != 0
    }

    pub fn reset(self) -> bool {
        self.0 & 2 != 0
    }

    pub fn terminate_each_pass(self) -> bool {
        self.0 & 4 != 0
    }

    pub fn vertically_causal(self) -> bool {
        self.0 & 8 != 0
    }

    pub fn segmentation_symbols(self) -> bool {
        self.0 & 32 != 0
    }

    /// Code-blocks of ISO/IEC 15444-15.
    pub fn high_throughput(self) -> bool {
        self.0 & 64 != 0
    }
}

/// The part of COD or COC for a component: decomposition and code-blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decomposition {
    pub levels: u8,
    /// log2 of a code-block's width and height.
    pub block_width: u8,
    pub block_height: u8,
    pub style: Style,
    pub reversible: bool,
    /// log2 of precinct width (low four bits) and height, by resolution; empty for 2^15.
    precincts: Vec<u8>,
}

impl Decomposition {
    pub fn read(r: &mut Reader<'_>, has_precincts: bool) -> Result<Self, Error> {
        let levels = r.u8()?;
        if levels > MAX_LEVELS {
            return Err(Error::Malformed("more than 32 wavelet levels"));
        }
        let [width, height] = [r.u8()? & 15, r.u8()? & 15].map(|log2| log2 + 2);
        if width > 10 || height > 10 || width + height > 12 {
            return Err(Error::Malformed("a code-block of more than 4096 samples"));
        }
        let style = r.u8()?;
        match style {
            0..=0x3F | 0x40 | 0x48 => {}
            0x80..=0xBF => return Err(Error::Malformed("unknown code-block style")),
            _ => return Err(Error::Unsupported("high-throughput code-blocks among others")),
        }
        let reversible = match r.u8()? {
            0 => false,
            1 => true,
            _ => return Err(Error::Unsupported("wavelets of Part 2")),
        };
        let precincts =
            if has_precincts { r.bytes(usize::from(levels) + 1)?.to_vec() } else { Vec::new() };
        // Bands of all but the lowest resolution halve their precincts.
        if precincts.iter().skip(1).any(|p| p & 15 == 0 || p >> 4 == 0) {
            return Err(Error::Malformed("a precinct of one sample above the lowest resolution"));
        }
        Ok(Self {
            levels,
            block_width: width,
            block_height: height,
            style: Style(style),
            reversible,
            precincts,
        })
    }

    /// log2 of the width and height of precincts at `resolution`.
    pub fn precinct(&self, resolution: u8) -> (u8, u8) {
        self.precincts.get(usize::from(resolution)).map_or((15, 15), |p| (p & 15, p >> 4))
    }
}

/// QCD or QCC: the quantisation of coefficients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quantisation {
    guard_bits: u8,
    /// Only the first step is sent; the others follow from it.
    derived: bool,
    /// Exponent and mantissa of each band: LL, then HL, LH and HH from the lowest level up.
    steps: Vec<(u8, u16)>,
}

impl Quantisation {
    pub fn read(r: &mut Reader<'_>) -> Result<Self, Error> {
        let style = r.u8()?;
        let guard_bits = style >> 5;
        let mut steps = Vec::new();
        while !r.is_empty() && steps.len() < 1 + 3 * usize::from(MAX_LEVELS) {
            steps.push(match style & 31 {
                0 => (r.u8()? >> 3, 0),
                1 | 2 => {
                    let step = r.u16()?;
                    ((step >> 11) as u8, step & 0x7FF)
                }
                _ => return Err(Error::Malformed("unknown quantisation style")),
            });
        }
        if steps.is_empty() {
            return Err(Error::Malformed("quantisation without a step"));
        }
        Ok(Self { guard_bits, derived: style & 31 == 1, steps })
    }

    /// Exponent and mantissa of band `index` (0 is LL, then HL, LH, HH by rising level).
    fn step(&self, index: usize) -> Result<(u8, u16), Error> {
        if self.derived {
            let (exponent, mantissa) = self.steps[0];
            let lower = (index.saturating_sub(1) / 3) as u8;
            return Ok((exponent.saturating_sub(lower), mantissa));
        }
        self.steps
            .get(index)
            .copied()
            .ok_or(Error::Malformed("fewer quantisation steps than bands"))
    }
}

/// The coding of one component of a tile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameters {
    pub decomposition: Decomposition,
    pub quantisation: Quantisation,
    /// RGN (A.6.3): by how many bit-planes the coefficients of the region of interest are shifted
    /// above all others; 0 without a region.
    pub region_shift: u8,
}

impl Parameters {
    /// Magnitude bit-planes of band `index` (Equation E-2), and those that a region of interest adds
    /// (H.1).
    pub fn planes(&self, index: usize) -> Result<u8, Error> {
        let (exponent, _) = self.quantisation.step(index)?;
        let planes = (self.quantisation.guard_bits + exponent).saturating_sub(1);
        Ok(planes.saturating_add(self.region_shift))
    }

    /// Quantisation step of band `index` (Equation E-3) for samples of `precision` bits,
    /// without the band's gain: the 9/7 kernel here leaves it out as well.
    pub fn step(&self, index: usize, precision: u8) -> Result<f32, Error> {
        let (exponent, mantissa) = self.quantisation.step(index)?;
        let scale = f64::from(i32::from(precision) - i32::from(exponent)).exp2();
        Ok(((1.0 + f64::from(mantissa) / 2048.0) * scale) as f32)
    }
}

/// The coding of a tile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coding {
    pub layers: u16,
    pub colour_transform: bool,
    pub packet_headers_end_marked: bool,
    pub progressions: Vec<Progression>,
    pub components: Vec<Parameters>,
}
