//! Decodes one component of a tile, level by level, with the code-blocks that the wavelet needs.
//!
//! In: laid-out blocks whose bytes are known, and the area wanted. Out: rows of samples.
//! Only the code-blocks under the wanted area and the wavelet's reach around it are decoded,
//! one row of blocks at a time, into strips that stay in the cache.

use std::ops::Range;

use super::display::{BitPlanes, Values};
use super::error::Error;
use super::geometry::{Band, Orientation, TileComponent};
use super::lifting::Lifting;
use super::low::LowBand;
use super::memory::{Memory, make_room};
#[cfg(feature = "parallel")]
use super::parallel;
use super::size::Area;
use super::strip::{BlockDecoder, Blocks, Part, Strip};
use super::wavelet::{self, Kernel};

/// The input from which a tile's component is decoded.
pub struct Source<'a> {
    pub component: &'a TileComponent,
    pub blocks: Blocks<'a>,
    pub planes: &'a BitPlanes,
    /// The samples that are decoded already.
    pub low: Option<&'a LowBand>,
    /// Whether to decode on all cores, and the number of cores.
    pub parallel: bool,
    pub threads: u64,
}

/// Buffers for one kind of sample, kept between tiles and images.
pub struct Buffers<K: Kernel> {
    low: Vec<K::Sample>,
    next: Vec<K::Sample>,
    bands: HighBands<K>,
}

impl<K: Kernel> Default for Buffers<K> {
    fn default() -> Self {
        Self { low: Vec::new(), next: Vec::new(), bands: HighBands::default() }
    }
}

/// The part to decode, and the decoders of the blocks.
pub struct Work<'a> {
    /// The number of levels to leave out.
    pub reduce: u8,
    /// The area, in the coordinates of the component without these levels.
    pub wanted: &'a Area,
    pub decoder: &'a mut BlockDecoder,
}

/// Decodes the wanted samples, and passes them to `emit` row by row, with the row's `y`.
pub fn decode<K: Kernel<Sample: Send>>(
    source: &Source,
    work: Work,
    buffers: &mut Buffers<K>,
    memory: &mut Memory,
    mut emit: impl FnMut(u32, &[K::Sample]),
) -> Result<(), Error> {
    let Work { reduce, wanted, decoder } = work;
    let component = source.component;
    let levels = component.resolutions.len() - 1;
    let top = levels - usize::from(reduce);
    let kept = source.low.and_then(|low| kept::<K>(low, component)).filter(|(r, ..)| *r <= top);
    let bottom = kept.map_or(0, |(r, ..)| r);
    let (windows, lowest) = windows::<K>(component, bottom..top, wanted);
    memory.share(needed::<K>(source, bottom..top, &windows, &lowest))?;
    let Buffers { low, next, bands } = buffers;
    match kept {
        Some((_, area, samples)) => cut(samples, &area, &lowest, low),
        None => decode_lowest::<K>(source, &lowest, decoder, low)?,
    }
    if top == bottom {
        for (y, row) in (lowest.y0..).zip(low.chunks_exact(lowest.width().max(1))) {
            emit(y, row);
        }
        return Ok(());
    }
    let mut below = lowest;
    let mut values = None;
    for r in bottom + 1..=top {
        let window = &windows[top - r];
        let level = levels - r;
        if let BitPlanes::Local(local) = source.planes
            && level + 1 == local.levels()
        {
            // Nothing is left out of what this level's low band is made of.
            let seen = Values::new::<K>(low, below);
            values = Some((local.way::<K>(component, &seen), seen));
        }
        let skip = |band: usize, area: &Area| match (source.planes, &values) {
            (BitPlanes::Skip(planes), _) => planes.get(level).map_or(0, |bands| bands[band]),
            (BitPlanes::Local(local), Some((way, values))) => {
                local.skip::<K>(*way, component, values, (level, band), area)
            }
            _ => 0,
        };
        let keep = r < top;
        make_room(next, if keep { window.inner.width() * window.inner.height() } else { 0 });
        let lower = Lower { samples: low, area: &below };
        bands.join(source, r, window, lower, &skip, decoder, |y, row| {
            if keep {
                next.extend_from_slice(row);
            } else {
                emit(y, row);
            }
        })?;
        std::mem::swap(low, next);
        below = window.inner;
    }
    Ok(())
}

/// The samples of a level, of which `inner` are wanted and `outer` must be made for that.
struct Window {
    inner: Area,
    outer: Area,
}

/// From the `wanted` samples down: what each level of `levels` must make for the one above, the
/// highest first; then what the one below them all must.
fn windows<K: Kernel>(
    component: &TileComponent,
    levels: Range<usize>,
    wanted: &Area,
) -> (Vec<Window>, Area) {
    let mut inner = *wanted;
    let mut windows = Vec::with_capacity(levels.len());
    for resolution in component.resolutions[levels.start + 1..levels.end + 1].iter().rev() {
        // Nothing of this level is wanted where all of the next is high-pass.
        let grown = Area {
            x0: inner.x0.saturating_sub(K::REACH),
            y0: inner.y0.saturating_sub(K::REACH),
            x1: inner.x1 + K::REACH,
            y1: inner.y1 + K::REACH,
        };
        let outer = if inner.is_empty() { inner } else { grown.intersect(&resolution.area) };
        windows.push(Window { inner, outer });
        inner = half(&outer, Orientation::Ll);
    }
    (windows, inner)
}

/// The bytes of the buffers: the low bands of two levels and, for the level that needs the most,
/// three strips of code-blocks and the rows in the wavelet.
fn needed<K: Kernel>(
    source: &Source,
    levels: Range<usize>,
    windows: &[Window],
    lowest: &Area,
) -> u64 {
    let component = source.component;
    let samples = |area: &Area| area.width() as u64 * area.height() as u64;
    // On all cores, each has a strip of its own besides.
    let strips = |(r, window): (usize, &Window)| {
        let bands = component.bands[component.resolutions[r].bands.clone()].iter();
        let orientations = [Orientation::Hl, Orientation::Lh, Orientation::Hh];
        let strip = |(band, orientation): (&Band, Orientation)| {
            let part = half(&window.outer, orientation);
            let all = part.height() as u64;
            let one = all.min(band.block_height());
            let rows = if source.parallel { all + source.threads * one } else { one };
            rows * part.width() as u64
        };
        let rows = (K::STEPS as u64 + 4) * (window.outer.width() as u64 + 4);
        bands.zip(orientations).map(strip).sum::<u64>() + rows
    };
    let strips = (levels.start + 1..).zip(windows.iter().rev()).map(strips).max().unwrap_or(0);
    // The highest level's rows are passed on as they are finished.
    let mut low: Vec<u64> = windows.iter().skip(1).map(|window| samples(&window.inner)).collect();
    low.push(samples(lowest));
    low.sort_unstable();
    4 * (strips + low.iter().rev().take(2).sum::<u64>())
}

/// The resolution of `component` that `low` is, with its area and samples; `None` if it is of
/// another component.
fn kept<'a, K: Kernel>(
    low: &'a LowBand,
    component: &TileComponent,
) -> Option<(usize, Area, &'a [K::Sample])> {
    let resolution = (component.resolutions.len() - 1).checked_sub(usize::from(low.reduce))?;
    let samples = K::kept(low);
    let fits = component.resolutions[resolution].area == low.area
        && samples.len() == low.area.width() * low.area.height();
    fits.then_some((resolution, low.area, samples))
}

/// Copies the part `wanted` of the `samples` of `area`.
fn cut<S: Copy>(samples: &[S], area: &Area, wanted: &Area, low: &mut Vec<S>) {
    make_room(low, wanted.width() * wanted.height());
    for row in wanted.y0..wanted.y1 {
        let start = (row - area.y0) as usize * area.width() + (wanted.x0 - area.x0) as usize;
        low.extend_from_slice(&samples[start..start + wanted.width()]);
    }
}

/// Decodes the part `wanted` of the lowest band, exactly.
fn decode_lowest<K: Kernel>(
    source: &Source,
    wanted: &Area,
    decoder: &mut BlockDecoder,
    low: &mut Vec<K::Sample>,
) -> Result<(), Error> {
    let band = &source.component.bands[0];
    let mut strip = Strip { samples: std::mem::take(low), rows: 0..0 };
    let part = Part { band, area: wanted, skip: &|_| 0 };
    let result = strip.fill::<K>(&part, band.rows.clone(), &source.blocks, decoder);
    *low = strip.samples;
    result
}

/// The low band of the current level.
struct Lower<'a, S> {
    samples: &'a [S],
    area: &'a Area,
}

/// The three other bands of the level at hand, as far as they are decoded, and the wavelet's
/// buffers.
struct HighBands<K: Kernel> {
    strips: [Strip<K::Sample>; 3],
    work: wavelet::Work<K::Sample>,
    lifting: Lifting<K>,
}

impl<K: Kernel> Default for HighBands<K> {
    fn default() -> Self {
        Self {
            strips: std::array::from_fn(|_| Strip::default()),
            work: wavelet::Work::default(),
            lifting: Lifting::default(),
        }
    }
}

impl<K: Kernel<Sample: Send>> HighBands<K> {
    /// Joins `lower` with the bands of resolution `r`, which are decoded as the wavelet needs them,
    /// and passes the wanted rows to `emit`. `skip` gives the number of low bit-planes to leave out
    /// by band and block.
    #[allow(clippy::too_many_arguments)]
    fn join(
        &mut self,
        source: &Source,
        r: usize,
        window: &Window,
        lower: Lower<K::Sample>,
        skip: &(dyn Fn(usize, &Area) -> u8 + Sync),
        decoder: &mut BlockDecoder,
        mut emit: impl FnMut(u32, &[K::Sample]),
    ) -> Result<(), Error> {
        let Self { strips, work, lifting } = self;
        let Window { inner, outer } = window;
        let component = source.component;
        let bands = &component.bands[component.resolutions[r].bands.clone()];
        let parts: [Area; 3] =
            [Orientation::Hl, Orientation::Lh, Orientation::Hh].map(|o| half(outer, o));
        for strip in strips.iter_mut() {
            strip.rows = 0..0;
        }
        #[cfg(feature = "parallel")]
        if source.parallel {
            parallel::fill::<K>(strips, bands, &parts, skip, &source.blocks)?;
        }
        let (left, odd) = ((inner.x0 - outer.x0) as usize, outer.x0 & 1 == 1);
        let rows = if outer.is_empty() { 0..0 } else { outer.y0..outer.y1 };
        lifting.run(
            rows,
            outer.width(),
            |y, row| {
                let y_band = y / 2;
                let mut strip_row = |i: usize| -> Result<Range<usize>, Error> {
                    if !strips[i].rows.contains(&y_band) {
                        let line = Area { y0: y_band, y1: y_band + 1, ..parts[i] };
                        let (_, rows) = bands[i].blocks_in(&line);
                        let skip = |area: &Area| skip(i, area);
                        let part = Part { band: &bands[i], area: &parts[i], skip: &skip };
                        strips[i].fill::<K>(&part, rows, &source.blocks, decoder)?;
                    }
                    let start = (y_band - strips[i].rows.start) as usize * parts[i].width();
                    Ok(start..start + parts[i].width())
                };
                if y & 1 == 0 {
                    let high = strip_row(0)?;
                    let width = lower.area.width();
                    let low = &lower.samples[(y_band - lower.area.y0) as usize * width..][..width];
                    K::join(low, &strips[0].samples[high], odd, work, row);
                } else {
                    let (low, high) = (strip_row(1)?, strip_row(2)?);
                    K::join(&strips[1].samples[low], &strips[2].samples[high], odd, work, row);
                }
                Ok::<(), Error>(())
            },
            |y, row| {
                if (inner.y0..inner.y1).contains(&y) {
                    emit(y, &row[left..left + inner.width()]);
                }
            },
        )
    }
}

/// The samples of a band that `area` of the level above is made of.
fn half(area: &Area, orientation: Orientation) -> Area {
    let edge = |v: u32, high: bool| if high { v / 2 } else { v.div_ceil(2) };
    let high_x = matches!(orientation, Orientation::Hl | Orientation::Hh);
    let high_y = matches!(orientation, Orientation::Lh | Orientation::Hh);
    Area {
        x0: edge(area.x0, high_x),
        y0: edge(area.y0, high_y),
        x1: edge(area.x1, high_x),
        y1: edge(area.y1, high_y),
    }
}
