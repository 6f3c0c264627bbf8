//! Decodes rows of a band's code-blocks into a strip of coefficients.
//!
//! In: laid-out blocks whose bytes are known, and the wanted part of the band. Out: [`Strip`],
//! dequantised coefficients in the wavelet's number type, zero where no block has a value.

use std::ops::Range;

use super::block::{MAX_PLANES, Segments, Shape};
use super::coding::Style;
use super::error::Error;
use super::geometry::{Band, Block};
use super::memory::make_room;
use super::size::Area;
use super::wavelet::Kernel;
use super::{ht, tier1};

/// Decoders of both kinds of code-blocks; they reuse their buffers.
#[derive(Default)]
pub struct BlockDecoder {
    arithmetic: tier1::BlockDecoder,
    high_throughput: ht::BlockDecoder,
}

/// The code-blocks of a tile's component, and their common settings.
#[derive(Clone, Copy)]
pub struct Blocks<'a> {
    pub all: &'a [Block],
    pub segments: Segments<'a>,
    pub style: Style,
    /// By how many bit-planes the coefficients of a region of interest are shifted up; 0 for none.
    pub region_shift: u8,
}

/// The wanted part of a band.
#[derive(Clone, Copy)]
pub struct Part<'a> {
    pub band: &'a Band,
    /// In the band's own samples.
    pub area: &'a Area,
    /// How many low bit-planes of the block at an area are left out.
    pub skip: &'a dyn Fn(&Area) -> u8,
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

impl<S: Copy + Default> Strip<S> {
    /// The position in row `y` of the band where `seen` begins; `area` is the part in the strip.
    fn row(&mut self, y: u32, seen: &Area, area: &Area) -> &mut [S] {
        let line = (y - self.rows.start) as usize * area.width();
        let start = line + (seen.x0 - area.x0) as usize;
        &mut self.samples[start..start + seen.width()]
    }

    /// Decodes block rows `rows` as far as they lie in the wanted part.
    ///
    /// # Errors
    /// [`Error::Unsupported`] and what is wrong with high-throughput blocks.
    pub fn fill<K: Kernel<Sample = S>>(
        &mut self,
        part: &Part,
        rows: Range<u32>,
        blocks: &Blocks,
        decoder: &mut BlockDecoder,
    ) -> Result<(), Error> {
        let &Part { band, area, skip } = part;
        self.rows = area.y0..area.y0;
        self.samples.clear();
        if area.is_empty() || rows.is_empty() {
            return Ok(());
        }
        let (columns, _) = band.blocks_in(area);
        let top = band.block_area(columns.start, rows.start).y0.max(area.y0);
        let bottom = band.block_area(columns.start, rows.end - 1).y1.min(area.y1);
        self.rows = top..bottom;
        let count = area.width() * (bottom - top) as usize;
        make_room(&mut self.samples, count);
        self.samples.resize(count, S::default());
        let is_high_throughput = blocks.style.high_throughput();
        // Two blocks at a time; the last may be alone.
        let mut waiting = None;
        for (column, row) in rows.flat_map(|row| columns.clone().map(move |column| (column, row))) {
            let block = &blocks.all[band.block(column, row)];
            if block.passes == 0 {
                continue;
            }
            let whole = band.block_area(column, row);
            // The planes of high-throughput blocks cannot be decoded one by one.
            let skip = if is_high_throughput { 0 } else { skip(&whole) };
            if block.planes <= skip {
                continue;
            }
            if block.planes > MAX_PLANES {
                return Err(Error::Unsupported("more than 30 bit-planes"));
            }
            let shape = Shape {
                width: whole.width(),
                height: whole.height(),
                orientation: band.orientation,
                style: blocks.style,
                planes: block.planes,
                skip,
            };
            if is_high_throughput {
                let decoder = &mut decoder.high_throughput;
                decoder.decode(&shape, band.planes, block, &blocks.segments)?;
                self.put_high_throughput::<K>(decoder, &whole, part);
                continue;
            }
            match waiting.take() {
                None => waiting = Some((shape, block, whole)),
                Some((first, first_block, first_whole)) => {
                    let pair = [(first, first_block), (shape, block)];
                    let lanes = decoder.arithmetic.decode(&pair, &blocks.segments);
                    self.put::<K>(&lanes[0], &first_whole, part, blocks.region_shift);
                    self.put::<K>(&lanes[1], &whole, part, blocks.region_shift);
                }
            }
        }
        if let Some((shape, block, whole)) = waiting {
            let lanes = decoder.arithmetic.decode(&[(shape, block)], &blocks.segments);
            self.put::<K>(&lanes[0], &whole, part, blocks.region_shift);
        }
        Ok(())
    }

    /// Copies the wanted part of the block `whole`.
    fn put<K: Kernel<Sample = S>>(
        &mut self,
        lane: &tier1::Lane,
        whole: &Area,
        part: &Part,
        region_shift: u8,
    ) {
        let &Part { band, area, .. } = part;
        let seen = whole.intersect(area);
        for y in seen.y0..seen.y1 {
            let to = self.row(y, &seen, area);
            let y = (y - whole.y0) as usize;
            let from = &lane.row(y)[(seen.x0 - whole.x0) as usize..];
            if region_shift > 0 {
                for (to, from) in to.iter_mut().zip(from) {
                    *to = K::dequantise(out_of_region(from[y & 3], region_shift), band.step);
                }
                continue;
            }
            for (to, from) in to.iter_mut().zip(from) {
                *to = K::dequantise(from[y & 3], band.step);
            }
        }
    }

    /// The same for a block of the other decoder.
    fn put_high_throughput<K: Kernel<Sample = S>>(
        &mut self,
        decoder: &ht::BlockDecoder,
        whole: &Area,
        part: &Part,
    ) {
        let &Part { band, area, .. } = part;
        let seen = whole.intersect(area);
        for y in seen.y0..seen.y1 {
            let to = self.row(y, &seen, area);
            let from = &decoder.row((y - whole.y0) as usize)[(seen.x0 - whole.x0) as usize..];
            for (to, &from) in to.iter_mut().zip(from) {
                *to = K::dequantise(from, band.step);
            }
        }
    }
}

/// A coefficient without the shift of a region of interest (H.1): the encoder shifts those inside
/// above the largest one outside, so that their size tells which they are. The lowest bit of a
/// coefficient is half a step.
fn out_of_region(coefficient: u32, shift: u8) -> u32 {
    const SIGN: u32 = 1 << 31;
    let magnitude = coefficient & !SIGN;
    let is_inside = u64::from(magnitude) >> 1 >= 1 << shift.min(63);
    let shifted = if is_inside { magnitude >> shift } else { magnitude };
    coefficient & SIGN | shifted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_coefficients_of_the_region_are_shifted_back() {
        // Twice the magnitude, and the half step.
        for (coefficient, shift, expected) in [
            (2 * 7 + 1, 3, 2 * 7 + 1),
            (2 * 8 + 1, 3, 2),
            ((1 << 31) | (2 * 40), 3, (1 << 31) | (2 * 5)),
            ((1 << 31) | (2 * 40), 6, (1 << 31) | (2 * 40)),
            (u32::MAX, 200, u32::MAX),
        ] {
            assert_eq!(out_of_region(coefficient, shift), expected, "{coefficient:x} {shift}");
        }
    }
}
