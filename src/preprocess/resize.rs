//! Resizes the crop to the output's size.
//!
//! In: windowed pixels, full range, of the crop or of the frame that contains it. Out: [`Pixels`]
//! of the output's size in 8 or 16 bits. The [`Geometry`] maps each of them back to the source.
//!
//! An axis that shrinks is averaged over the area that each output pixel covers (OpenCV's
//! `INTER_AREA`), so a calcification of a few pixels becomes fainter but never vanishes. An axis
//! that grows is interpolated linearly between pixel centres. Sums are always computed in the same
//! order, so the result is the same on every machine. The other filters of `resize.filter` are in
//! `kernel.rs`.

mod kernel;
mod taps;

use super::window::GreyScale;
use crate::config::{ResizeConfig, ResizeFilter};
use crate::image::{Geometry, Orientation, Pixels, Plane, Region};
use kernel::Kernel;
use taps::{Tap, taps};

/// The most bytes that resizing needs in addition to source and output, for a source of (columns,
/// rows) decoded without its `reduce` finest levels.
pub fn cost(config: &ResizeConfig, (columns, rows): (usize, usize), reduce: u8) -> usize {
    match config.filter {
        // Weights and one row.
        ResizeFilter::Area => 0,
        ResizeFilter::Lanczos3 | ResizeFilter::Bilinear => {
            kernel::cost((columns >> reduce, rows >> reduce), (config.width, config.height))
        }
    }
}

/// A pixel type, and the conversion of grey values to its range.
trait Grey: Copy + Default {
    const MOST: f32;
    fn nearest(value: f32) -> Self;
}

impl Grey for u8 {
    const MOST: f32 = 255.0;

    fn nearest(value: f32) -> Self {
        // The cast saturates.
        (value + 0.5) as u8
    }
}

impl Grey for u16 {
    const MOST: f32 = 65535.0;

    fn nearest(value: f32) -> Self {
        (value + 0.5) as u16
    }
}

/// Resizes one image after the other and reuses its buffers. The default computes area means.
#[derive(Debug, Clone, Default)]
pub struct Resizer {
    /// `None`: the mean over the area.
    kernel: Option<Kernel>,
    columns: Vec<Tap>,
    rows: Vec<Tap>,
    /// One row of sums over the columns of the region.
    sums: Vec<f32>,
}

impl Resizer {
    /// With this filter.
    pub fn new(filter: ResizeFilter) -> Self {
        Self { kernel: Kernel::of(filter), ..Self::default() }
    }

    /// The output image of `geometry`.
    ///
    /// `region` is the position of the crop in `windowed`: [`Geometry::region`] for a reduced
    /// image, `Rect::whole(..).into()` for the crop itself. Pixels outside `windowed` repeat its
    /// edge. `bits` 8 gives [`Pixels::U8`], any other value [`Pixels::U16`].
    ///
    /// # Panics
    /// If `windowed` or `region` is empty.
    pub fn resize(
        &mut self,
        windowed: &Plane<u16>,
        region: Region,
        geometry: &Geometry,
        bits: u8,
    ) -> Pixels {
        self.resize_on(GreyScale::FULL, windowed, region, geometry, bits)
    }

    /// The same for pixels on `scale`. Values beyond black and white are clipped after the filter.
    ///
    /// # Panics
    /// If `windowed` or `region` is empty.
    pub fn resize_on(
        &mut self,
        scale: GreyScale,
        windowed: &Plane<u16>,
        region: Region,
        geometry: &Geometry,
        bits: u8,
    ) -> Pixels {
        if bits == 8 {
            Pixels::U8(self.fill(scale, windowed, region, geometry))
        } else {
            Pixels::U16(self.fill(scale, windowed, region, geometry))
        }
    }

    fn fill<T: Grey>(
        &mut self,
        scale: GreyScale,
        from: &Plane<u16>,
        region: Region,
        g: &Geometry,
    ) -> Plane<T> {
        let black = f32::from(scale.black);
        let factor = T::MOST / (f32::from(scale.white) - black);
        let nearest = |grey: f32| T::nearest((grey - black) * factor);
        let mut out = vec![T::default(); g.width * g.height];
        if let Some(kernel) = &mut self.kernel {
            let content = kernel.resize(from, region, (g.content.width, g.content.height));
            for (y, row) in content.rows().enumerate() {
                let levels = row.iter().map(|&level| nearest(level.into()));
                let out = content_row(&mut out, g, y);
                match g.orientation {
                    Orientation::Kept => out.iter_mut().zip(levels).for_each(|(o, v)| *o = v),
                    Orientation::Mirrored => {
                        out.iter_mut().rev().zip(levels).for_each(|(o, v)| *o = v);
                    }
                }
            }
            return Plane::new(g.width, g.height, out);
        }
        taps(&mut self.columns, region.left, region.right, from.width(), g.content.width);
        taps(&mut self.rows, region.top, region.bottom, from.height(), g.content.height);
        // Only these columns are read.
        let first = self.columns.iter().map(|t| t.first).min().unwrap_or(0);
        let end = self.columns.iter().map(Tap::end).max().unwrap_or(0);
        for tap in &mut self.columns {
            tap.first -= first;
        }
        for (y, tap) in self.rows.iter().enumerate() {
            sum_rows(&mut self.sums, from, *tap, first..end);
            let row = content_row(&mut out, g, y);
            match g.orientation {
                Orientation::Kept => {
                    sum_columns(row.iter_mut(), &self.columns, &self.sums, nearest)
                }
                Orientation::Mirrored => {
                    sum_columns(row.iter_mut().rev(), &self.columns, &self.sums, nearest)
                }
            }
        }
        Plane::new(g.width, g.height, out)
    }
}

/// The output's pixels that row `y` of the content fills.
fn content_row<'a, T>(out: &'a mut [T], g: &Geometry, y: usize) -> &'a mut [T] {
    &mut out[(g.content.top + y) * g.width + g.content.left..][..g.content.width]
}

/// Adds the rows of `tap`, weighted, column by column.
fn sum_rows(sums: &mut Vec<f32>, from: &Plane<u16>, tap: Tap, x: std::ops::Range<usize>) {
    let row = |k: usize| &from.row(tap.first + k)[x.clone()];
    let (head, tail) = (tap.head * tap.scale, tap.tail * tap.scale);
    sums.clear();
    sums.extend(row(0).iter().map(|&v| f32::from(v) * head));
    if tap.count == 1 {
        return;
    }
    // Rows that are covered fully have equal weights: four of them are first added as integers.
    let mut k = 1;
    while k + 4 < tap.count {
        let (a, b, c, d) = (row(k), row(k + 1), row(k + 2), row(k + 3));
        for ((((s, a), b), c), d) in sums.iter_mut().zip(a).zip(b).zip(c).zip(d) {
            let four = i32::from(*a) + i32::from(*b) + i32::from(*c) + i32::from(*d);
            *s += four as f32 * tap.scale;
        }
        k += 4;
    }
    for k in k..tap.count - 1 {
        for (s, v) in sums.iter_mut().zip(row(k)) {
            *s += f32::from(*v) * tap.scale;
        }
    }
    for (s, v) in sums.iter_mut().zip(row(tap.count - 1)) {
        *s += f32::from(*v) * tail;
    }
}

/// Adds the column sums of every tap, weighted, and rounds.
fn sum_columns<'a, T: 'a>(
    out: impl Iterator<Item = &'a mut T>,
    taps: &[Tap],
    sums: &[f32],
    nearest: impl Fn(f32) -> T,
) {
    for (out, tap) in out.zip(taps) {
        let covered = &sums[tap.first..tap.end()];
        let mut sum = covered[0] * tap.head;
        if let [_, whole @ .., last] = covered {
            sum += whole.iter().sum::<f32>() + last * tap.tail;
        }
        *out = nearest(sum * tap.scale);
    }
}

#[cfg(test)]
mod tests;
