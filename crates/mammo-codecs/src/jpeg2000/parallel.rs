//! Decodes a band's code-blocks on all cores, for callers with a single image.
//!
//! In: as for [`Strip::fill`]. Out: the same samples, for all rows of the band at once instead of
//! one row of blocks after the other. To decode many images, decode them in parallel instead: that
//! needs less memory and keeps all cores busy.

use rayon::prelude::*;

use super::error::Error;
use super::geometry::Band;
use super::size::Area;
use super::strip::{BlockDecoder, Blocks, Part, Strip};
use super::wavelet::Kernel;

/// The number of threads.
pub fn threads() -> u64 {
    rayon::current_num_threads() as u64
}

/// Fills each strip with the part of a band in its `area`. `skip` gives the number of planes to
/// leave out by band and block.
pub fn fill<K: Kernel<Sample: Send>>(
    strips: &mut [Strip<K::Sample>; 3],
    bands: &[Band],
    areas: &[Area; 3],
    skip: &(dyn Fn(usize, &Area) -> u8 + Sync),
    blocks: &Blocks,
) -> Result<(), Error> {
    let mut rows = Vec::new();
    for (index, ((strip, band), area)) in strips.iter_mut().zip(bands).zip(areas).enumerate() {
        let width = area.width();
        strip.rows = area.y0..area.y1.max(area.y0);
        strip.samples.clear();
        strip.samples.resize(width * area.height(), K::Sample::default());
        let mut rest = &mut strip.samples[..];
        let (columns, block_rows) = band.blocks_in(area);
        for row in block_rows {
            let part = band.block_area(columns.start, row).intersect(area);
            let (samples, below) = rest.split_at_mut(width * part.height());
            rows.push((band, area, index, row, samples));
            rest = below;
        }
    }
    let buffers = <(BlockDecoder, Strip<K::Sample>)>::default;
    rows.into_par_iter().try_for_each_init(buffers, |(decoder, strip), row| {
        let (band, area, index, row, samples) = row;
        let part = Part { band, area, skip: &|area| skip(index, area) };
        strip.fill::<K>(&part, row..row + 1, blocks, decoder)?;
        samples.copy_from_slice(&strip.samples);
        Ok(())
    })
}
