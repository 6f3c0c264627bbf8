//! Divides a tile's component into resolutions, bands, precincts and code-blocks
//! (ISO/IEC 15444-1, B.5 to B.7).
//!
//! In: an area and its [`Parameters`]. Out: [`TileComponent`]. Its code-blocks are in one raster
//! per band, so that the wavelet can request them row by row. Its precincts are rectangles of these
//! rasters, as packets need them.

use std::ops::Range;

use super::coding::Parameters;
use super::error::Error;
use super::memory::{BLOCK, Memory, PRECINCT};
use super::size::{Area, ceil_shift};
use super::tag_tree::TagTree;

/// The directions in which a band is high-pass: horizontal first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Orientation {
    Ll,
    Hl,
    Lh,
    Hh,
}

/// The state of a code-block while packets are read.
#[derive(Clone, Debug, Default)]
pub struct Block {
    /// The number of magnitude bit-planes that are not all zero; 0 until the block is first
    /// included.
    pub planes: u8,
    /// Bits by which a length field exceeds what its passes need; 0 until included.
    pub length_bits: u8,
    /// The number of coding passes so far.
    pub passes: u16,
    /// Passes that the open codeword segment can still take, and how many it could at first.
    pub room: u8,
    pub capacity: u8,
    /// First and last piece of its codeword segments in [`super::packet::Packets::pieces`].
    pub first: u32,
    pub last: u32,
}

/// A band and its code-blocks.
#[derive(Clone, Debug)]
pub struct Band {
    pub orientation: Orientation,
    pub area: Area,
    /// Magnitude bit-planes that the quantiser allows (Mb).
    pub planes: u8,
    /// Quantisation step, for the irreversible path.
    pub step: f32,
    /// log2 of a code-block's size here.
    block_width: u8,
    block_height: u8,
    /// The code-blocks' columns and rows, counted from the origin of the band's grid.
    pub columns: Range<u32>,
    pub rows: Range<u32>,
    /// Where the band's raster of code-blocks starts in [`TileComponent::blocks`].
    first_block: usize,
}

impl Band {
    /// Index of the block at `column`, `row` of the grid.
    pub fn block(&self, column: u32, row: u32) -> usize {
        let across = (self.columns.end - self.columns.start) as usize;
        self.first_block
            + (row - self.rows.start) as usize * across
            + (column - self.columns.start) as usize
    }

    /// The samples of the block at `column`, `row` of the grid.
    pub fn block_area(&self, column: u32, row: u32) -> Area {
        let whole = Area {
            x0: column << self.block_width,
            y0: row << self.block_height,
            x1: (column + 1) << self.block_width,
            y1: (row + 1) << self.block_height,
        };
        whole.intersect(&self.area)
    }

    /// The most rows that a code-block has here.
    pub fn block_height(&self) -> u64 {
        1 << self.block_height
    }

    /// Columns and rows of the blocks that meet `area`, which must lie within the band.
    pub fn blocks_in(&self, area: &Area) -> (Range<u32>, Range<u32>) {
        if area.is_empty() {
            return (0..0, 0..0);
        }
        (
            area.x0 >> self.block_width..ceil_shift(area.x1, self.block_width),
            area.y0 >> self.block_height..ceil_shift(area.y1, self.block_height),
        )
    }
}

/// A precinct's share of one band.
#[derive(Clone)]
pub struct PrecinctBand {
    pub columns: Range<u32>,
    pub rows: Range<u32>,
    pub inclusion: TagTree,
    pub zero_planes: TagTree,
}

/// A precinct: the unit that one packet per layer describes.
#[derive(Clone)]
pub struct Precinct {
    /// The layer whose packet comes next.
    pub next_layer: u16,
    /// One per band of the resolution.
    pub bands: Vec<PrecinctBand>,
}

/// A resolution: the image at 2^-n of its size, made of the one below and (up to) three bands.
#[derive(Clone, Debug)]
pub struct Resolution {
    pub area: Area,
    /// Its bands in [`TileComponent::bands`].
    pub bands: Range<usize>,
    /// log2 of a precinct's size.
    precinct_width: u8,
    precinct_height: u8,
    /// Precincts across and down; none in an empty resolution.
    pub across: u32,
    pub down: u32,
    /// Where its precincts start in [`TileComponent::precincts`].
    pub first_precinct: usize,
}

impl Resolution {
    /// The position of precinct `index` on the reference grid, `(y, x)`, for progressions by
    /// position. `levels` is the number of levels above this resolution, `tile` the tile.
    pub fn position(&self, index: u32, levels: u8, tile: &Area) -> (u64, u64) {
        let at = |first: u32, n: u32, log2: u8, edge: u32| {
            let grid = (u64::from(first >> log2) + u64::from(n)) << log2;
            (grid << levels).max(edge.into())
        };
        (
            at(self.area.y0, index / self.across, self.precinct_height, tile.y0),
            at(self.area.x0, index % self.across, self.precinct_width, tile.x0),
        )
    }
}

/// One component of a tile.
#[derive(Clone)]
pub struct TileComponent {
    pub resolutions: Vec<Resolution>,
    pub bands: Vec<Band>,
    pub blocks: Vec<Block>,
    pub precincts: Vec<Precinct>,
}

impl TileComponent {
    /// Whether all code-blocks that are needed when `reduce` levels are discarded have the passes
    /// of all their bit-planes, as far as they tell.
    pub fn is_whole(&self, reduce: u8) -> bool {
        let of = |block: &Block| (3 * u16::from(block.planes)).saturating_sub(2);
        let needed = self.resolutions.len() - usize::from(reduce);
        let bands = self.resolutions[needed - 1].bands.end;
        // Blocks lie in the order of the bands.
        let end = self.bands.get(bands).map_or(self.blocks.len(), |band| band.first_block);
        self.blocks[..end].iter().all(|block| block.passes == of(block))
    }

    /// Lays out `area`. Every precinct needs a packet and every packet a byte, so more precincts
    /// than `bytes` are refused before they are allocated. The same holds for more than `memory`
    /// allows.
    pub fn new(
        area: Area,
        precision: u8,
        parameters: &Parameters,
        bytes: usize,
        memory: &mut Memory,
    ) -> Result<Self, Error> {
        let decomposition = &parameters.decomposition;
        let levels = decomposition.levels;
        let mut this = Self {
            resolutions: Vec::new(),
            bands: Vec::new(),
            blocks: Vec::new(),
            precincts: Vec::new(),
        };
        let mut block_count = 0;
        let mut precinct_count = 0_u64;
        for r in 0..=levels {
            let above = levels - r;
            let resolution = area.reduced(above);
            let (pw, ph) = decomposition.precinct(r);
            let (mut across, mut down) = (0, 0);
            if !resolution.is_empty() {
                across = ceil_shift(resolution.x1, pw) - (resolution.x0 >> pw);
                down = ceil_shift(resolution.y1, ph) - (resolution.y0 >> ph);
            }
            let first_precinct = precinct_count;
            precinct_count += u64::from(across) * u64::from(down);
            if precinct_count > bytes as u64 {
                return Err(Error::Truncated("fewer bytes than packets"));
            }
            let first_band = this.bands.len();
            let orientations: &[_] = match r {
                0 => &[Orientation::Ll],
                _ => &[Orientation::Hl, Orientation::Lh, Orientation::Hh],
            };
            for &orientation in orientations {
                let index = this.bands.len();
                let halved = u8::from(r > 0);
                let (block_width, block_height) = (
                    decomposition.block_width.min(pw - halved),
                    decomposition.block_height.min(ph - halved),
                );
                let band_area = band_area(&area, orientation, above + halved);
                let mut band = Band {
                    orientation,
                    area: band_area,
                    planes: parameters.planes(index)?,
                    step: parameters.step(index, precision)?,
                    block_width,
                    block_height,
                    columns: 0..0,
                    rows: 0..0,
                    first_block: block_count,
                };
                (band.columns, band.rows) = band.blocks_in(&band_area);
                block_count += band.columns.len() * band.rows.len();
                this.bands.push(band);
            }
            let bands = first_band..this.bands.len();
            this.resolutions.push(Resolution {
                area: resolution,
                bands,
                precinct_width: pw,
                precinct_height: ph,
                across,
                down,
                first_precinct: first_precinct as usize,
            });
        }
        memory.take_for_tile(block_count as u64 * BLOCK + precinct_count * PRECINCT)?;
        this.blocks = vec![Block::default(); block_count];
        this.precincts.reserve_exact(precinct_count as usize);
        for (r, resolution) in this.resolutions.iter().enumerate() {
            let halved = u8::from(r > 0);
            for index in 0..resolution.across * resolution.down {
                let bands = &this.bands[resolution.bands.clone()];
                let bands = bands
                    .iter()
                    .map(|band| precinct_band(resolution, band, index, halved))
                    .collect();
                this.precincts.push(Precinct { next_layer: 0, bands });
            }
        }
        Ok(this)
    }
}

/// Equation B-15: the samples of a band `level` levels down.
fn band_area(area: &Area, orientation: Orientation, level: u8) -> Area {
    let edge = |v: u32, high: bool| -> u32 {
        if !high {
            return ceil_shift(v, level);
        }
        // ceil((v - 2^(level-1)) / 2^level), where a negative numerator gives 0.
        let half = 1_u64 << (level - 1);
        (u64::from(v).saturating_sub(half).div_ceil(half * 2)) as u32
    };
    let high_x = matches!(orientation, Orientation::Hl | Orientation::Hh);
    let high_y = matches!(orientation, Orientation::Lh | Orientation::Hh);
    Area {
        x0: edge(area.x0, high_x),
        y0: edge(area.y0, high_y),
        x1: edge(area.x1, high_x),
        y1: edge(area.y1, high_y),
    }
}

/// The blocks of `band` in precinct `index` of `resolution`.
fn precinct_band(resolution: &Resolution, band: &Band, index: u32, halved: u8) -> PrecinctBand {
    let (w, h) = (resolution.precinct_width - halved, resolution.precinct_height - halved);
    let column = (resolution.area.x0 >> resolution.precinct_width) + index % resolution.across;
    let row = (resolution.area.y0 >> resolution.precinct_height) + index / resolution.across;
    let edge = |n: u32, log2: u8| ((u64::from(n)) << log2).min(u64::from(u32::MAX)) as u32;
    let whole = Area {
        x0: edge(column, w),
        y0: edge(row, h),
        x1: edge(column + 1, w),
        y1: edge(row + 1, h),
    };
    let (columns, rows) = band.blocks_in(&whole.intersect(&band.area));
    let tree = TagTree::new(columns.len(), rows.len());
    PrecinctBand { columns, rows, inclusion: tree.clone(), zero_planes: tree }
}
