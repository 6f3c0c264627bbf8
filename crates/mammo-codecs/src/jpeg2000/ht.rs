//! Decodes high-throughput code-blocks (HTJ2K, ISO/IEC 15444-15).
//!
//! In: a [`Shape`] and codeword segments. Out: [`BlockDecoder::row`], coefficients in the form
//! of [`Lane::row`](super::tier1::Lane::row).
//!
//! A clean-up pass codes all bit-planes down to one at once, quad (2 x 2 samples) after quad. A
//! variable-length code and runs of events say which samples are significant, and bound the number
//! of magnitude bits of each sample, which are in a separate stream. Two more passes may add one
//! bit-plane below, in raw bits. At most these three passes are decoded, as in OpenJPEG, and always
//! all of them: planes cannot be left out.

mod bits;
mod vlc;

use bits::{Backward, Events, Forward};
use vlc::Quad;

use super::block::{MAX_PLANES, Segments, Shape};
use super::error::Error;
use super::geometry::Block;

/// Decodes one block after another and reuses its buffers.
#[derive(Default)]
pub struct BlockDecoder {
    width: usize,
    height: usize,
    /// The sign in bit 31, below it twice the magnitude plus a half step, `[row, column]`.
    coefficients: Vec<u32>,
    /// Exponents of the samples above a row of quads, one more on the left, three on the right;
    /// 0 for those that are not significant.
    above: Vec<u8>,
    below: Vec<u8>,
    /// `[row, column]`, with one more around them on every side.
    significant: Vec<Significance>,
    joined: [Vec<u8>; 2],
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Significance {
    #[default]
    No,
    /// Since the clean-up pass.
    Old,
    /// Since the pass after it.
    New,
}

const OUTSIDE: Error = Error::Damaged("significant samples outside their code-block");

impl BlockDecoder {
    /// Row `y` of the block that was decoded last.
    pub fn row(&self, y: usize) -> &[u32] {
        &self.coefficients[y * self.width..(y + 1) * self.width]
    }

    /// Decodes a block of `most` magnitude bit-planes, of which [`Shape::planes`] can be told
    /// apart below those that its clean-up pass has at once.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for more than three passes, [`Error::Malformed`] for codewords
    /// that cannot be.
    pub fn decode(
        &mut self,
        shape: &Shape,
        most: u8,
        block: &Block,
        source: &Segments,
    ) -> Result<(), Error> {
        if block.passes > 3 {
            return Err(Error::Unsupported(
                "high-throughput code-blocks of more than three passes",
            ));
        }
        if most > MAX_PLANES {
            return Err(Error::Unsupported("more than 30 bit-planes"));
        }
        (self.width, self.height) = (shape.width, shape.height);
        self.coefficients.clear();
        self.coefficients.resize(shape.width * shape.height, 0);
        let mut next = block.first;
        let [mut first, mut second] = std::mem::take(&mut self.joined);
        let (_, clean_up) = source.next(&mut next, &mut first);
        let refinements = match next {
            0 => &[][..],
            _ => source.next(&mut next, &mut second).1,
        };
        let result = self.passes(shape, most, block.passes, clean_up, refinements);
        self.joined = [first, second];
        result
    }

    fn passes(
        &mut self,
        shape: &Shape,
        most: u8,
        passes: u16,
        clean_up: &[u8],
        refinements: &[u8],
    ) -> Result<(), Error> {
        let plane = u32::from(shape.planes) - 1;
        self.clean_up(clean_up, plane, u32::from(most - shape.planes) + 2)?;
        // Below plane 0 there is nothing to refine.
        if passes > 1 && plane > 0 && !refinements.is_empty() {
            let causal = shape.style.vertically_causal();
            self.mark();
            if passes > 2 {
                self.refine(Backward::refinements(refinements), plane);
            }
            self.propagate(Forward::new(refinements, 0), plane, causal);
        }
        Ok(())
    }

    /// The clean-up pass (7.3), whose lowest plane is `plane`; no exponent is above `limit`.
    fn clean_up(&mut self, bytes: &[u8], plane: u32, limit: u32) -> Result<(), Error> {
        let suffix = match bytes {
            [.., half, last] => usize::from(*last) << 4 | usize::from(half & 15),
            _ => return Err(Error::Damaged("a clean-up segment of less than two bytes")),
        };
        if !(2..=bytes.len().min(4079)).contains(&suffix) {
            return Err(Error::Damaged("a clean-up segment shorter than its parts"));
        }
        let (magnitudes, suffix) = bytes.split_at(bytes.len() - suffix);
        let mut magnitudes = Forward::new(magnitudes, 0xFF);
        let mut events = Events::new(suffix);
        let mut codewords = Backward::codewords(suffix);
        for exponents in [&mut self.above, &mut self.below] {
            exponents.clear();
            exponents.resize(self.width + 8, 0);
        }
        for y in (0..self.height).step_by(2) {
            let table = if y == 0 { &vlc::FIRST } else { &vlc::OTHERS };
            self.below.fill(0);
            let mut left = Quad::EMPTY;
            for x in (0..self.width).step_by(4) {
                let mut quads = [Quad::EMPTY; 2];
                for (quad, x) in quads.iter_mut().zip([x, x + 2]).filter(|(_, x)| *x < self.width) {
                    let context = if y == 0 { first_context(left) } else { self.context(left, x) };
                    if context > 0 || events.next() {
                        *quad = table[context << 7 | (codewords.peek() & 127) as usize];
                        codewords.skip(quad.length());
                    }
                    left = *quad;
                }
                let offsets = offsets(&mut codewords, &mut events, quads, y == 0);
                for ((quad, offset), x) in quads.into_iter().zip(offsets).zip([x, x + 2]) {
                    let exponent = offset + if y == 0 { 1 } else { self.least(quad, x) };
                    if exponent > limit {
                        return Err(Error::Damaged("a magnitude of more bits than there are"));
                    }
                    self.quad(&mut magnitudes, quad, exponent, plane, x, y)?;
                }
            }
            std::mem::swap(&mut self.above, &mut self.below);
        }
        Ok(())
    }

    /// The context of the quad at column `x` to the right of `left`, from the samples around it
    /// (Equation 2).
    fn context(&self, left: Quad, x: usize) -> usize {
        let [before, first, second, after] = self.exponents_above(x).map(|e| usize::from(e > 0));
        (before | first) | usize::from(left.significant() & 12 != 0) << 1 | (second | after) << 2
    }

    /// Exponents of the samples above the quad at `x` and next to those.
    fn exponents_above(&self, x: usize) -> [u8; 4] {
        std::array::from_fn(|n| self.above[x + n])
    }

    /// The least exponent of a quad at `x` below another row, kappa (Equations 5 and 6).
    fn least(&self, quad: Quad, x: usize) -> u32 {
        if quad.significant().count_ones() < 2 {
            return 1;
        }
        let greatest = self.exponents_above(x).into_iter().max().unwrap_or(0);
        u32::from(greatest).saturating_sub(1).max(1)
    }

    /// Reads the magnitudes and signs of a quad's significant samples.
    fn quad(
        &mut self,
        magnitudes: &mut Forward,
        quad: Quad,
        exponent: u32,
        plane: u32,
        x: usize,
        y: usize,
    ) -> Result<(), Error> {
        for n in (0..4).filter(|n| quad.significant() >> n & 1 == 1) {
            let (x, y) = (x + (n as usize >> 1), y + (n as usize & 1));
            if x >= self.width || y >= self.height {
                return Err(OUTSIDE);
            }
            let (is_known, top) = quad.known(n);
            let bits = exponent - is_known;
            let read = magnitudes.take(bits);
            // Twice the magnitude less 2, and the half step in place of the sign.
            let value = read | top << bits | 1;
            if y & 1 == 1 {
                self.below[x + 1] = (32 - value.leading_zeros()) as u8;
            }
            self.coefficients[y * self.width + x] = read << 31 | value.wrapping_add(2) << plane;
        }
        Ok(())
    }

    fn margin(&self) -> usize {
        self.width + 2
    }

    /// Notes which samples the clean-up pass has made significant.
    fn mark(&mut self) {
        let margin = self.margin();
        self.significant.clear();
        self.significant.resize(margin * (self.height + 2), Significance::No);
        for (y, row) in self.coefficients.chunks_exact(self.width).enumerate() {
            let to = &mut self.significant[(y + 1) * margin + 1..][..self.width];
            for (to, _) in to.iter_mut().zip(row).filter(|(_, c)| **c != 0) {
                *to = Significance::Old;
            }
        }
    }

    /// Columns of a stripe, and the rows of each: the order of all passes.
    fn stripes(&self) -> impl Iterator<Item = (std::ops::Range<usize>, usize)> + use<> {
        let (width, height) = (self.width, self.height);
        (0..height)
            .step_by(4)
            .flat_map(move |top| (0..width).map(move |x| (top..(top + 4).min(height), x)))
    }

    /// The magnitude refinement pass (7.5): a bit of the plane below for what is significant.
    fn refine(&mut self, mut bits: Backward, plane: u32) {
        for (rows, x) in self.stripes() {
            for y in rows {
                if self.significant[(y + 1) * self.margin() + x + 1] == Significance::Old {
                    let coefficient = &mut self.coefficients[y * self.width + x];
                    *coefficient ^= (1 - bits.take(1)) << plane;
                    *coefficient |= 1 << (plane - 1);
                }
            }
        }
    }

    /// The significance propagation pass (7.4): neighbours of significant samples, of which
    /// those that become significant have their signs behind each four columns.
    fn propagate(&mut self, mut bits: Forward, plane: u32, causal: bool) {
        let margin = self.margin();
        let mut found: Vec<usize> = Vec::with_capacity(16);
        for (rows, x) in self.stripes() {
            let bottom = rows.start + 3;
            for y in rows {
                let at = (y + 1) * margin + x + 1;
                let any = |from: usize| {
                    self.significant[from - 1..=from + 1].iter().any(|s| *s != Significance::No)
                };
                let near =
                    any(at - margin) || any(at) || (!(causal && y == bottom) && any(at + margin));
                if self.significant[at] == Significance::No && near && bits.take(1) == 1 {
                    self.significant[at] = Significance::New;
                    found.push(y * self.width + x);
                }
            }
            if x & 3 == 3 || x + 1 == self.width {
                for at in found.drain(..) {
                    self.coefficients[at] = bits.take(1) << 31 | 3 << (plane - 1);
                }
            }
        }
    }
}

/// The context of a quad of the first row (Equation 1).
fn first_context(left: Quad) -> usize {
    let significant = left.significant() as usize;
    significant >> 1 | significant & 1
}

/// How far the exponents of a pair of quads exceed the least ones, u (7.3.6).
fn offsets(words: &mut Backward, events: &mut Events, quads: [Quad; 2], first: bool) -> [u32; 2] {
    let both = quads[0].has_offset() && quads[1].has_offset();
    let extra = if first && both && events.next() { 2 } else { 0 };
    let mut offsets = [0; 2];
    let mut suffixes = [0; 2];
    for n in (0..2).filter(|&n| quads[n].has_offset()) {
        // After a long prefix in the first row, one bit is left for the other quad.
        if n == 1 && first && both && extra == 0 && suffixes[0] > 0 {
            offsets[n] = 1 + words.take(1);
            continue;
        }
        let (length, suffix, value) = match words.peek() & 7 {
            0b000 => (3, 5, 5),
            0b100 => (3, 1, 3),
            0b010 | 0b110 => (2, 0, 2),
            _ => (1, 0, 1),
        };
        words.skip(length);
        (offsets[n], suffixes[n]) = (value + extra, suffix);
    }
    for (offset, suffix) in offsets.iter_mut().zip(suffixes) {
        *offset += words.take(suffix);
    }
    offsets
}
