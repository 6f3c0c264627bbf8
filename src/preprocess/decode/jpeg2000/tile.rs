//! Decodes one component of a tile, level by level, code-blocks as the wavelet needs them.
//!
//! In: laid-out blocks whose bytes are known, and the area wanted. Out: rows of samples.
//! Only the code-blocks under the wanted area and the wavelet's reach around it are decoded,
//! one row of blocks at a time, into strips that stay in the cache.

use std::ops::Range;

use super::BitPlanes;
use super::codestream::Area;
use super::coding::Style;
use super::display::Values;
use super::error::Error;
use super::geometry::{Band, Block, Orientation, TileComponent};
use super::ht;
use super::low::LowBand;
use super::packet::Piece;
use super::parallel;
use super::tier1::{self, MAX_PLANES, Shape};
use super::wavelet::{Kernel, Lifting, Work};

/// Decoders of both kinds of code-blocks, which keep their buffers.
#[derive(Default)]
pub struct BlockDecoder {
    arithmetic: tier1::BlockDecoder,
    high_throughput: ht::BlockDecoder,
}

/// What a tile's code-blocks are read from.
pub struct Source<'a> {
    pub bytes: &'a [u8],
    pub pieces: &'a [Piece],
    pub style: Style,
    pub planes: &'a BitPlanes,
    /// What is decoded already.
    pub low: Option<&'a LowBand>,
    /// Whether to decode on all cores.
    pub parallel: bool,
}

/// Buffers for one kind of sample, kept between tiles and images.
pub struct Buffers<K: Kernel> {
    low: Vec<K::Sample>,
    next: Vec<K::Sample>,
    strips: [Strip<K::Sample>; 3],
    work: Work<K::Sample>,
    lifting: Lifting<K>,
}

impl<K: Kernel> Default for Buffers<K> {
    fn default() -> Self {
        Self {
            low: Vec::new(),
            next: Vec::new(),
            strips: std::array::from_fn(|_| Strip::default()),
            work: Work::default(),
            lifting: Lifting::default(),
        }
    }
}

/// One or all rows of a band's code-blocks, decoded.
pub struct Strip<S> {
    pub samples: Vec<S>,
    /// The band's rows in it.
    pub rows: Range<u32>,
}

impl<S> Default for Strip<S> {
    fn default() -> Self {
        Self { samples: Vec::new(), rows: 0..0 }
    }
}

/// The samples of a level, of which `inner` are wanted and `outer` must be made for that.
struct Window {
    inner: Area,
    outer: Area,
}

/// Decodes the samples of `wanted`, in the coordinates of the component with `reduce` levels
/// discarded, and gives them to `emit` row by row, with the row's `y`.
pub fn decode<K: Kernel<Sample: Send>>(
    component: &TileComponent,
    source: &Source,
    reduce: u8,
    wanted: &Area,
    blocks: &mut BlockDecoder,
    buffers: &mut Buffers<K>,
    mut emit: impl FnMut(u32, &[K::Sample]),
) -> Result<(), Error> {
    let levels = component.resolutions.len() as u8 - 1;
    let top = usize::from(levels - reduce);
    let kept = source.low.and_then(|low| low.of::<K>(component)).filter(|(r, ..)| *r <= top);
    let bottom = kept.map_or(0, |(r, ..)| r);
    // From the wanted samples down: what each level must make for the one above.
    let mut windows = Vec::with_capacity(top - bottom);
    let mut inner = *wanted;
    for r in (bottom + 1..=top).rev() {
        let whole = component.resolutions[r].area;
        // Nothing of this level is wanted where all of the next is high-pass.
        let grown = Area {
            x0: inner.x0.saturating_sub(K::REACH),
            y0: inner.y0.saturating_sub(K::REACH),
            x1: inner.x1 + K::REACH,
            y1: inner.y1 + K::REACH,
        };
        let outer = if inner.is_empty() { inner } else { grown.intersect(&whole) };
        windows.push(Window { inner, outer });
        inner = half(&outer, Orientation::Ll);
    }
    let Buffers { low, next, strips, work, lifting } = buffers;
    if let Some((_, area, samples)) = kept {
        low.clear();
        for row in inner.y0..inner.y1 {
            let start = (row - area.y0) as usize * area.width() + (inner.x0 - area.x0) as usize;
            low.extend_from_slice(&samples[start..start + inner.width()]);
        }
    } else {
        let lowest = &component.bands[0];
        let mut strip = Strip { samples: std::mem::take(low), rows: 0..0 };
        fill::<K>(
            &mut strip,
            lowest,
            &component.blocks,
            lowest.rows.clone(),
            &inner,
            &|_| 0,
            source,
            blocks,
        )?;
        *low = strip.samples;
    }
    let mut below = inner;
    if top == bottom {
        for (y, row) in (inner.y0..).zip(low.chunks_exact(inner.width().max(1))) {
            emit(y, row);
        }
        return Ok(());
    }
    let mut values = None;
    for r in bottom + 1..=top {
        let Window { inner, outer } = windows[top - r];
        let resolution = &component.resolutions[r];
        let level = usize::from(levels) - r;
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
        let bands = &component.bands[resolution.bands.clone()];
        let parts: [Area; 3] =
            [Orientation::Hl, Orientation::Lh, Orientation::Hh].map(|o| half(&outer, o));
        for strip in strips.iter_mut() {
            strip.rows = 0..0;
        }
        if source.parallel {
            parallel::fill::<K>(strips, bands, &component.blocks, &parts, &skip, source)?;
        }
        let (left, odd) = ((inner.x0 - outer.x0) as usize, outer.x0 & 1 == 1);
        next.clear();
        let keep = r < top;
        let rows = if outer.is_empty() { 0..0 } else { outer.y0..outer.y1 };
        if keep {
            next.reserve(inner.width() * inner.height());
        }
        lifting.run(
            rows,
            outer.width(),
            |y, row| {
                let y_band = y / 2;
                let mut strip_row = |i: usize| -> Result<Range<usize>, Error> {
                    if !strips[i].rows.contains(&y_band) {
                        let (_, rows) =
                            bands[i].blocks_in(&Area { y0: y_band, y1: y_band + 1, ..parts[i] });
                        fill::<K>(
                            &mut strips[i],
                            &bands[i],
                            &component.blocks,
                            rows,
                            &parts[i],
                            &|area| skip(i, area),
                            source,
                            blocks,
                        )?;
                    }
                    let start = (y_band - strips[i].rows.start) as usize * parts[i].width();
                    Ok(start..start + parts[i].width())
                };
                if y & 1 == 0 {
                    let high = strip_row(0)?;
                    let start = (y_band - below.y0) as usize * below.width();
                    K::join(
                        &low[start..start + below.width()],
                        &strips[0].samples[high],
                        odd,
                        work,
                        row,
                    );
                } else {
                    let (lower, high) = (strip_row(1)?, strip_row(2)?);
                    K::join(&strips[1].samples[lower], &strips[2].samples[high], odd, work, row);
                }
                Ok::<(), Error>(())
            },
            |y, row| {
                if (inner.y0..inner.y1).contains(&y) {
                    let row = &row[left..left + inner.width()];
                    if keep {
                        next.extend_from_slice(row);
                    } else {
                        emit(y, row);
                    }
                }
            },
        )?;
        std::mem::swap(low, next);
        below = inner;
    }
    Ok(())
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

/// Decodes block rows `rows` of a band into `strip`, as far as they lie in `area`; `skip` tells
/// how many low bit-planes of a block are left out.
#[allow(clippy::too_many_arguments)]
pub fn fill<K: Kernel>(
    strip: &mut Strip<K::Sample>,
    band: &Band,
    blocks: &[Block],
    rows: Range<u32>,
    area: &Area,
    skip: &dyn Fn(&Area) -> u8,
    source: &Source,
    decoder: &mut BlockDecoder,
) -> Result<(), Error> {
    let width = area.width();
    let is_high_throughput = source.style.high_throughput();
    strip.rows = area.y0..area.y0;
    strip.samples.clear();
    if area.is_empty() || rows.is_empty() {
        return Ok(());
    }
    let (columns, _) = band.blocks_in(area);
    let top = band.block_area(columns.start, rows.start).y0.max(area.y0);
    let bottom = band.block_area(columns.start, rows.end - 1).y1.min(area.y1);
    strip.rows = top..bottom;
    strip.samples.resize(width * (bottom - top) as usize, K::Sample::default());
    // Two blocks at a time, the last perhaps alone.
    let mut waiting: [Option<(Shape, &Block, Area)>; 2] = [None; 2];
    let mut cells = rows.flat_map(|row| columns.clone().map(move |column| (column, row)));
    loop {
        let cell = cells.next();
        if let Some((column, row)) = cell {
            let block = &blocks[band.block(column, row)];
            if block.passes == 0 {
                continue;
            }
            let block_area = band.block_area(column, row);
            // The planes of high-throughput blocks cannot be had one by one.
            let skip = if is_high_throughput { 0 } else { skip(&block_area) };
            if block.planes <= skip {
                continue;
            }
            if block.planes > MAX_PLANES {
                return Err(Error::Unsupported("more than 30 bit-planes"));
            }
            let shape = Shape {
                width: block_area.width(),
                height: block_area.height(),
                orientation: band.orientation,
                style: source.style,
                planes: block.planes,
                skip,
            };
            if is_high_throughput {
                let decoder = &mut decoder.high_throughput;
                decoder.decode(&shape, band.planes, block, source)?;
                let seen = block_area.intersect(area);
                for y in seen.y0..seen.y1 {
                    let start = (y - top) as usize * width + (seen.x0 - area.x0) as usize;
                    let to = &mut strip.samples[start..start + seen.width()];
                    let row = decoder.row((y - block_area.y0) as usize);
                    let from = &row[(seen.x0 - block_area.x0) as usize..];
                    for (to, &from) in to.iter_mut().zip(from) {
                        *to = K::dequantise(from, band.step);
                    }
                }
                continue;
            }
            let place = usize::from(waiting[0].is_some());
            waiting[place] = Some((shape, block, block_area));
            if place == 0 {
                continue;
            }
        }
        let lanes = match waiting {
            [Some((a, block_a, _)), Some((b, block_b, _))] => {
                decoder.arithmetic.decode(&[(a, block_a), (b, block_b)], source)
            }
            [Some((a, block_a, _)), None] => decoder.arithmetic.decode(&[(a, block_a)], source),
            _ => &[],
        };
        for (lane, (_, _, whole)) in lanes.iter().zip(waiting.iter().flatten()) {
            let seen = whole.intersect(area);
            for y in seen.y0..seen.y1 {
                let start = (y - top) as usize * width + (seen.x0 - area.x0) as usize;
                let to = &mut strip.samples[start..start + seen.width()];
                let from = &lane.row((y - whole.y0) as usize)[(seen.x0 - whole.x0) as usize..];
                for (to, from) in to.iter_mut().zip(from) {
                    *to = K::dequantise(from[(y - whole.y0) as usize & 3], band.step);
                }
            }
        }
        waiting = [None; 2];
        if cell.is_none() {
            return Ok(());
        }
    }
}
