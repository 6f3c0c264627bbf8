//! Computes how many bit-planes each code-block can leave out, from the values around it.
//!
//! In: the part of the tolerance that [`plan`](super::plan) gives each band, and the lowest band,
//! of which nothing is left out. Out: [`Local::skip`], by code-block.
//!
//! The errors of a block matter only in its output pixels, and only as much as the grey scale is
//! steep there. The low band gives the values there, up to the contribution of the detail, which
//! the planes of the blocks bound. If all values are clipped, nothing needs to be decoded; if all
//! lie in a straight part, positive and negative errors of the detail cancel.
//!
//! Several blocks can affect one pixel. Each block considers all samples of all pixels that it can
//! affect, so its range of slopes contains those of the pixel. Each band has a fixed part of the
//! tolerance. So the parts add up to at most the tolerance, whatever slopes the other blocks use.

use super::super::geometry::{Block, TileComponent};
use super::super::size::Area;
use super::super::wavelet::Kernel;
use super::grey::{Grey, Share};
use super::slopes::Slopes;

/// The planes that can be left out, by block.
#[derive(Clone, Debug, PartialEq)]
pub struct Local {
    pub(super) slopes: Slopes,
    /// The number of standard deviations to allow for; `None` for the worst case.
    pub(super) deviations: Option<f64>,
    /// Divisions of the tolerance among the bands, all for the same levels. Each image uses the one
    /// that leaves out the most.
    pub(super) ways: Vec<Way>,
    /// The wavelet levels with an omission, finest first.
    pub(super) levels: Vec<Level>,
    /// The largest error of a pixel, in output levels.
    pub(super) tolerance: f64,
    /// Source pixels per output pixel.
    pub(super) scale: f64,
    /// The value that is added to a sample after the wavelet.
    pub(super) shift: f64,
    /// By how much a mean of the low band, weighted as the wavelet does, exceeds its range.
    pub(super) overshoot: f64,
}

/// One level's bands, HL, LH and HH.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Level {
    /// How far a band's coefficients, each off by one, move a pixel at a slope of one.
    pub shares: [Share; 3],
    /// How far they move a sample.
    pub reaches: [f64; 3],
}

/// A division of the tolerance.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Way {
    /// How far rounding moves a pixel, over all levels that have a part.
    pub rounding: Share,
    /// The part of the tolerance that is left for the bands, at the slopes of this division.
    pub headroom: f64,
    /// By level and band: its part of that.
    pub budgets: Vec<[f64; 3]>,
}

/// By how much the roundings of one level of the reversible wavelet move a sample at most: two
/// steps along each axis, each by less than one, and not more than doubled on the way.
pub(super) const ROUNDING: f64 = 8.0;

/// Samples of the low band in a cell of [`Values`], each way.
const CELL: u32 = 8;

/// The values of the lowest band that nothing is left out of.
pub struct Values {
    area: Area,
    across: u32,
    /// The smallest and the largest value of each cell.
    cells: Vec<(f32, f32)>,
}

impl Values {
    /// The values of `low`, the samples of `area`.
    pub fn new<K: Kernel>(low: &[K::Sample], area: Area) -> Self {
        let (width, across) = (area.width(), (area.width() as u32).div_ceil(CELL));
        let down = (area.height() as u32).div_ceil(CELL);
        let mut cells = vec![(f32::MAX, f32::MIN); (across * down) as usize];
        for (y, row) in low.chunks_exact(width.max(1)).enumerate() {
            let line = y / CELL as usize * across as usize;
            for (cell, row) in cells[line..].iter_mut().zip(row.chunks(CELL as usize)) {
                for &sample in row {
                    let value = K::value(sample);
                    *cell = (cell.0.min(value), cell.1.max(value));
                }
            }
        }
        Self { area, across, cells }
    }

    /// The smallest and the largest value in `area` and perhaps a little around it; none outside.
    fn within(&self, area: &Area) -> Option<(f64, f64)> {
        let seen = area.intersect(&self.area);
        if seen.is_empty() {
            return None;
        }
        let cell = |at: u32, origin: u32| (at - origin) / CELL;
        let mut found = (f32::MAX, f32::MIN);
        for y in cell(seen.y0, self.area.y0)..=cell(seen.y1 - 1, self.area.y0) {
            let line = (y * self.across) as usize;
            let columns = cell(seen.x0, self.area.x0)..=cell(seen.x1 - 1, self.area.x0);
            for &(least, most) in
                &self.cells[line..][*columns.start() as usize..=*columns.end() as usize]
            {
                found = (found.0.min(least), found.1.max(most));
            }
        }
        Some((found.0.into(), found.1.into()))
    }
}

impl Local {
    /// The number of levels with an omission.
    pub fn levels(&self) -> usize {
        self.levels.len()
    }

    /// The division that leaves out the most of `component`, by its planes and coefficients.
    pub fn way<K: Kernel>(&self, component: &TileComponent, values: &Values) -> usize {
        let mut saved = vec![0_u64; self.ways.len()];
        for level in 0..self.levels.len() {
            let resolution = component.resolutions.len() - 1 - level;
            let bands = &component.bands[component.resolutions[resolution].bands.clone()];
            for (index, band) in bands.iter().enumerate() {
                for (row, column) in
                    band.rows.clone().flat_map(|r| band.columns.clone().map(move |c| (r, c)))
                {
                    let block = &component.blocks[band.block(column, row)];
                    if block.passes == 0 {
                        continue;
                    }
                    let area = band.block_area(column, row);
                    let Some(grey) = self.grey::<K>(component, values, level, &area) else {
                        continue;
                    };
                    for (way, saved) in saved.iter_mut().enumerate() {
                        let planes = self.planes(&grey, way, level, index).min(block.planes);
                        *saved += u64::from(planes) * (area.width() * area.height()) as u64;
                    }
                }
            }
        }
        (0..saved.len()).max_by_key(|&way| saved[way]).unwrap_or(0)
    }

    /// The number of low bit-planes that the block at `area` of band `band` (HL, LH, HH) of `level`
    /// (0 is the finest) can leave out.
    pub fn skip<K: Kernel>(
        &self,
        way: usize,
        component: &TileComponent,
        values: &Values,
        (level, band): (usize, usize),
        area: &Area,
    ) -> u8 {
        match self.grey::<K>(component, values, level, area) {
            Some(grey) => self.planes(&grey, way, level, band),
            None => u8::MAX,
        }
    }

    /// The same if the grey scale is `grey`.
    fn planes(&self, grey: &Grey, way: usize, level: usize, band: usize) -> u8 {
        let Way { rounding, headroom, budgets } = &self.ways[way];
        let share = grey.headroom(self.tolerance, rounding) / headroom;
        let budget = budgets[level][band] * share;
        let gain = grey.gain(&self.levels[level].shares[band]);
        (1..31).take_while(|&skip| gain * grey.coefficient(skip) <= budget).last().unwrap_or(0)
    }

    /// The grey scale around the block at `area`; `None` where it is flat, or nothing is wanted.
    fn grey<K: Kernel>(
        &self,
        component: &TileComponent,
        values: &Values,
        level: usize,
        area: &Area,
    ) -> Option<Grey> {
        let (low, high) = self.range::<K>(component, values, level, area)?;
        let (least, most) = self.slopes.within(low, high);
        let grey = Grey::new(least, most, self.deviations);
        (grey.steepest > 0.0).then_some(grey)
    }

    /// The values that the samples can have, exactly decoded or not, of all output pixels that
    /// the block can touch; `None` if none of them is wanted.
    fn range<K: Kernel>(
        &self,
        component: &TileComponent,
        values: &Values,
        level: usize,
        area: &Area,
    ) -> Option<(f64, f64)> {
        let deepest = self.levels.len() - 1;
        // In the coordinates of the level's low band: how far a coefficient reaches on all
        // finer levels, a pixel that it touches beyond that, and what the samples there are
        // made of; then what that is made of in the deepest level's.
        let pixel = (self.scale / f64::from(2_u32 << level)).ceil() as u32;
        let around = |area: &Area, margin: u32, down: usize| Area {
            x0: area.x0.saturating_sub(margin) >> down,
            y0: area.y0.saturating_sub(margin) >> down,
            x1: (area.x1.saturating_add(margin) >> down).saturating_add(1),
            y1: (area.y1.saturating_add(margin) >> down).saturating_add(1),
        };
        let seen = around(area, K::REACH + 3 + pixel, deepest - level);
        let seen = around(&seen, 4, 0);
        let (least, most) = values.within(&seen)?;
        let overshoot = self.overshoot * (most - least);
        let mut detail = 1.0 + overshoot;
        for (level, Level { reaches, .. }) in self.levels.iter().enumerate() {
            let up = deepest - level;
            let seen = Area {
                x0: seen.x0 << up,
                y0: seen.y0 << up,
                x1: seen.x1.saturating_mul(1 << up),
                y1: seen.y1.saturating_mul(1 << up),
            };
            let resolution = component.resolutions.len() - 1 - level;
            let stored = &component.bands[component.resolutions[resolution].bands.clone()];
            for (band, reach) in stored.iter().zip(reaches) {
                let (columns, rows) = band.blocks_in(&seen.intersect(&band.area));
                let blocks = rows.flat_map(|row| columns.clone().map(move |column| (column, row)));
                let planes =
                    |&Block { planes, passes, .. }: &Block| if passes == 0 { 0 } else { planes };
                let planes =
                    blocks.map(|(column, row)| planes(&component.blocks[band.block(column, row)]));
                if let Some(planes @ 1..) = planes.max() {
                    detail += reach * f64::from(planes).exp2();
                }
            }
            detail += ROUNDING;
        }
        Some((least - detail + self.shift, most + detail + self.shift))
    }
}
