//! How a tile is coded: what COD, COC, QCD, QCC and POC say, and which of them wins.
//!
//! A tile's own markers win over the main header's, and a component's (COC, QCC) over those
//! for all components (COD, QCD) of the same header (ISO/IEC 15444-1, A.6).

use super::codestream::{Component, MAX_COMPONENTS};
use super::error::Error;
use super::reader::Reader;

/// Levels beyond this halve an image of 2^31 samples more often than it can be halved.
const MAX_LEVELS: u8 = 32;

/// As many changes of progression order as OpenJPEG takes: each goes over all packets.
const MAX_CHANGES: usize = 32;

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
    fn read(code: u8) -> Result<Self, Error> {
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

/// Which packets come next, and in which order.
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

/// COD's or COC's part on a component: decomposition and code-blocks.
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
    fn read(r: &mut Reader<'_>, has_precincts: bool) -> Result<Self, Error> {
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

/// QCD or QCC: how coefficients are quantised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quantisation {
    guard_bits: u8,
    /// Only the first step is sent, the others follow from it.
    derived: bool,
    /// Exponent and mantissa a band: LL, then HL, LH and HH from the lowest level up.
    steps: Vec<(u8, u16)>,
}

impl Quantisation {
    fn read(r: &mut Reader<'_>) -> Result<Self, Error> {
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

/// How one component of a tile is coded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameters {
    pub decomposition: Decomposition,
    quantisation: Quantisation,
}

impl Parameters {
    /// Magnitude bit-planes of band `index` (Equation E-2).
    pub fn planes(&self, index: usize) -> Result<u8, Error> {
        let (exponent, _) = self.quantisation.step(index)?;
        Ok((self.quantisation.guard_bits + exponent).saturating_sub(1))
    }

    /// Quantisation step of band `index` (Equation E-3) for samples of `precision` bits,
    /// without the band's gain: the 9/7 kernel here leaves it out as well.
    pub fn step(&self, index: usize, precision: u8) -> Result<f32, Error> {
        let (exponent, mantissa) = self.quantisation.step(index)?;
        let scale = f64::from(i32::from(precision) - i32::from(exponent)).exp2();
        Ok(((1.0 + f64::from(mantissa) / 2048.0) * scale) as f32)
    }
}

/// How a tile is coded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coding {
    pub layers: u16,
    pub colour_transform: bool,
    pub packet_headers_end_marked: bool,
    pub progressions: Vec<Progression>,
    pub components: Vec<Parameters>,
}

#[derive(Clone, Debug)]
struct CodDefaults {
    order: Order,
    layers: u16,
    colour_transform: bool,
    packet_headers_end_marked: bool,
    decomposition: Decomposition,
}

/// The marker segments of one header, main or tile, as read.
#[derive(Clone, Debug, Default)]
pub struct Defaults {
    cod: Option<CodDefaults>,
    coc: [Option<Decomposition>; MAX_COMPONENTS],
    qcd: Option<Quantisation>,
    qcc: [Option<Quantisation>; MAX_COMPONENTS],
    progressions: Vec<Progression>,
}

impl Defaults {
    /// Takes in the segment behind marker `code`; those that say nothing of pixels are skipped.
    pub fn read(&mut self, code: u16, mut r: Reader<'_>, components: usize) -> Result<(), Error> {
        let component = |r: &mut Reader<'_>| match usize::from(r.u8()?) {
            index if index < components => Ok(index),
            _ => Err(Error::Malformed("a marker names a component that the image has not")),
        };
        match code {
            0xFF52 => {
                let coding = r.u8()?;
                let (order, layers, transform) = (Order::read(r.u8()?)?, r.u16()?, r.u8()?);
                if layers == 0 {
                    return Err(Error::Malformed("no quality layer"));
                }
                self.cod = Some(CodDefaults {
                    order,
                    layers,
                    colour_transform: transform & 1 != 0,
                    packet_headers_end_marked: coding & 4 != 0,
                    decomposition: Decomposition::read(&mut r, coding & 1 != 0)?,
                });
            }
            0xFF53 => {
                let index = component(&mut r)?;
                let has_precincts = r.u8()? & 1 != 0;
                self.coc[index] = Some(Decomposition::read(&mut r, has_precincts)?);
            }
            0xFF5C => self.qcd = Some(Quantisation::read(&mut r)?),
            0xFF5D => self.qcc[component(&mut r)?] = Some(Quantisation::read(&mut r)?),
            0xFF5E => return Err(Error::Unsupported("region of interest (RGN)")),
            0xFF5F => {
                while !r.is_empty() {
                    let [resolution_start, component_start] = [r.u8()?, r.u8()?];
                    let layer_end = r.u16()?;
                    let [resolution_end, component_end, order] = [r.u8()?, r.u8()?, r.u8()?];
                    let order = Order::read(order)?;
                    if self.progressions.len() == MAX_CHANGES {
                        return Err(Error::Unsupported(
                            "more than 32 changes of progression order",
                        ));
                    }
                    self.progressions.push(Progression {
                        order,
                        layer_end,
                        resolution_start,
                        resolution_end,
                        component_start: component_start.into(),
                        // One byte holds up to 255, so 0 stands for 256.
                        component_end: if component_end == 0 { 256 } else { component_end.into() },
                    });
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// What holds for a tile whose own header said `tile`, where `self` is the main header's.
    pub fn resolve(&self, tile: &Self, components: &[Component]) -> Result<Coding, Error> {
        let cod =
            tile.cod.as_ref().or(self.cod.as_ref()).ok_or(Error::Malformed("no COD marker"))?;
        let component = |i: usize| -> Result<Parameters, Error> {
            let from_tile = || tile.coc[i].as_ref().or(tile.cod.as_ref().map(|c| &c.decomposition));
            let from_main = || self.coc[i].as_ref().or(self.cod.as_ref().map(|c| &c.decomposition));
            let steps = || {
                tile.qcc[i]
                    .as_ref()
                    .or(tile.qcd.as_ref())
                    .or(self.qcc[i].as_ref())
                    .or(self.qcd.as_ref())
            };
            Ok(Parameters {
                decomposition: from_tile()
                    .or_else(from_main)
                    .ok_or(Error::Malformed("no COD marker"))?
                    .clone(),
                quantisation: steps().ok_or(Error::Malformed("no QCD marker"))?.clone(),
            })
        };
        let changes =
            if tile.progressions.is_empty() { &self.progressions } else { &tile.progressions };
        let whole = Progression {
            order: cod.order,
            layer_end: cod.layers,
            resolution_start: 0,
            resolution_end: MAX_LEVELS + 1,
            component_start: 0,
            component_end: 256,
        };
        let coding = Coding {
            layers: cod.layers,
            colour_transform: cod.colour_transform,
            packet_headers_end_marked: cod.packet_headers_end_marked,
            progressions: if changes.is_empty() { vec![whole] } else { changes.clone() },
            components: (0..components.len()).map(component).collect::<Result<_, _>>()?,
        };
        let wavelets = |c: &Parameters| c.decomposition.reversible;
        if coding.colour_transform
            && coding.components.windows(2).any(|w| wavelets(&w[0]) != wavelets(&w[1]))
        {
            return Err(Error::Unsupported("a colour transform across two wavelets"));
        }
        Ok(coding)
    }
}
