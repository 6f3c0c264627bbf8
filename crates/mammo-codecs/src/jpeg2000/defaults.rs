//! Reads the settings in COD, COC, QCD, QCC, RGN and POC, and decides which of them apply.
//!
//! A tile's own markers take precedence over the main header's. A component's markers (COC, QCC)
//! take precedence over those for all components (COD, QCD) of the same header (ISO/IEC 15444-1,
//! A.6).

use super::coding::{
    Coding, Decomposition, MAX_LEVELS, Order, Parameters, Progression, Quantisation,
};
use super::error::Error;
use super::reader::Reader;
use super::size::{Component, MAX_COMPONENTS};

/// The number of changes of progression order that OpenJPEG accepts, too. Each one loops over all
/// packets.
const MAX_CHANGES: usize = 32;

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
    rgn: [Option<u8>; MAX_COMPONENTS],
    progressions: Vec<Progression>,
}

impl Defaults {
    /// Reads the segment after marker `code`. Segments that do not concern pixels are skipped.
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
            0xFF5D => {
                // The component's number comes first in the segment, and so it is read first: in
                // `a[index] = value`, Rust would compute the value before the index.
                let index = component(&mut r)?;
                self.qcc[index] = Some(Quantisation::read(&mut r)?);
            }
            0xFF5E => {
                let index = component(&mut r)?;
                let [style, shift] = [r.u8()?, r.u8()?];
                if style != 0 {
                    return Err(Error::Unsupported("a region of interest other than by Max-shift"));
                }
                self.rgn[index] = Some(shift);
            }
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
                        // One byte holds at most 255, so 0 means 256.
                        component_end: if component_end == 0 { 256 } else { component_end.into() },
                    });
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The settings of a tile with the header `tile`, where `self` is the main header's.
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
                region_shift: tile.rgn[i].or(self.rgn[i]).unwrap_or(0),
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
        let blocks_with_region = |c: &&Parameters| c.region_shift > 0;
        if coding
            .components
            .iter()
            .filter(blocks_with_region)
            .any(|c| c.decomposition.style.high_throughput())
        {
            return Err(Error::Unsupported("a region of interest in high-throughput code-blocks"));
        }
        let wavelets = |c: &Parameters| c.decomposition.reversible;
        if coding.colour_transform
            && coding.components.windows(2).any(|w| wavelets(&w[0]) != wavelets(&w[1]))
        {
            return Err(Error::Unsupported("a colour transform across two wavelets"));
        }
        Ok(coding)
    }
}
