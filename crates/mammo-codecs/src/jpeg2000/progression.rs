//! The order of a tile's packets (ISO/IEC 15444-1, B.12).
//!
//! In: the progressions of COD and POC, and the laid-out components. Out: the place of every
//! packet, each once, in the order of the stream.

use super::coding::{Coding, Order, Progression};
use super::error::Error;
use super::geometry::TileComponent;
use super::size::Area;

/// One packet's place in the loops of its progression.
#[derive(Clone, Copy)]
pub struct Place {
    key: (u64, u64, u64, u64),
    pub component: u8,
    pub resolution: u8,
    precinct: u32,
}

impl Place {
    /// Its precinct among all those of `component`.
    pub fn precinct(&self, component: &TileComponent) -> usize {
        let resolution = &component.resolutions[usize::from(self.resolution)];
        resolution.first_precinct + self.precinct as usize
    }

    /// Whether it is still needed when `reduce` levels are left out.
    pub fn is_needed(&self, component: &TileComponent, reduce: u8) -> bool {
        usize::from(self.resolution) + usize::from(reduce) < component.resolutions.len()
    }
}

/// The number of a tile's first packets that are needed when `reduce` levels are left out.
pub fn needed(
    coding: &Coding,
    tile: &Area,
    reduce: u8,
    components: &mut [TileComponent],
) -> Result<usize, Error> {
    let (mut count, mut needed) = (0, 0);
    in_order(coding, tile, components, |component, place, _| {
        count += 1;
        if place.is_needed(component, reduce) {
            needed = count;
        }
        Ok(())
    })?;
    Ok(needed)
}

/// Visits every packet of a tile once, in the order of its progressions.
pub fn in_order(
    coding: &Coding,
    tile: &Area,
    components: &mut [TileComponent],
    mut packet: impl FnMut(&mut TileComponent, &Place, u16) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut layer_by_layer = |components: &mut [TileComponent], places: &[Place], layers: u16| {
        for layer in 0..layers {
            for place in places {
                let component = &mut components[usize::from(place.component)];
                let precinct = place.precinct(component);
                // An earlier progression may have sent this one (B.12.2).
                if component.precincts[precinct].next_layer == layer {
                    packet(component, place, layer)?;
                    component.precincts[precinct].next_layer += 1;
                }
            }
        }
        Ok::<(), Error>(())
    };
    for progression in &coding.progressions {
        let places = places(progression, tile, components);
        let layers = progression.layer_end.min(coding.layers);
        match progression.order {
            Order::Lrcp => layer_by_layer(components, &places, layers)?,
            Order::Rlcp => {
                for places in places.chunk_by(|a, b| a.resolution == b.resolution) {
                    layer_by_layer(components, places, layers)?;
                }
            }
            Order::Rpcl | Order::Pcrl | Order::Cprl => {
                for place in places.chunks(1) {
                    layer_by_layer(components, place, layers)?;
                }
            }
        }
    }
    Ok(())
}

/// The packets that `progression` names, one layer of them, in its order.
fn places(progression: &Progression, tile: &Area, components: &[TileComponent]) -> Vec<Place> {
    let mut places = Vec::new();
    for (c, component) in components.iter().enumerate() {
        if !(progression.component_start..progression.component_end).contains(&(c as u16)) {
            continue;
        }
        let levels = component.resolutions.len() as u8 - 1;
        for r in progression.resolution_start..progression.resolution_end.min(levels + 1) {
            let resolution = &component.resolutions[usize::from(r)];
            for precinct in 0..resolution.across * resolution.down {
                let (y, x) = resolution.position(precinct, levels - r, tile);
                let (c, r, p) = (c as u64, u64::from(r), u64::from(precinct));
                let key = match progression.order {
                    Order::Lrcp | Order::Rlcp => (r, c, p, 0),
                    Order::Rpcl => (r, y, x, c),
                    Order::Pcrl => (y, x, c, r),
                    Order::Cprl => (c, y, x, r),
                };
                places.push(Place { key, component: c as u8, resolution: r as u8, precinct });
            }
        }
    }
    places.sort_unstable_by_key(|place| (place.key, place.precinct));
    places
}
