//! Sets of pixels (masks), with morphological operations and removal of lines.

use crate::image::Plane;

/// Pixels in a word.
const WORD: usize = u64::BITS as usize;

/// A set of pixels, one bit each. A row begins with the lowest bit of a word of its own; the bits
/// behind its last pixel are 0.
#[derive(Debug, Clone, Default)]
pub struct Mask {
    width: usize,
    height: usize,
    /// Words in a row.
    stride: usize,
    words: Vec<u64>,
}

impl Mask {
    /// The pixels of `image` above `level`.
    pub fn above(&mut self, image: &Plane<u16>, level: u16) {
        (self.width, self.height) = (image.width(), image.height());
        self.stride = self.width.div_ceil(WORD);
        self.words.clear();
        for row in image.rows() {
            let start = self.words.len();
            self.words.resize(start + self.stride, 0);
            let words = &mut self.words[start..];
            let (eights, rest) = row.as_chunks::<8>();
            for (i, pixels) in eights.iter().enumerate() {
                // Eight comparisons make eight bytes of 0 or 1, and a product gathers their bits.
                let bytes = pixels.map(|v| u8::from(v > level));
                let bits = u64::from_le_bytes(bytes).wrapping_mul(0x0102_0408_1020_4080) >> 56;
                words[i / 8] |= bits << (i % 8 * 8);
            }
            for (x, &v) in (8 * eights.len()..).zip(rest) {
                words[x / WORD] |= u64::from(v > level) << (x % WORD);
            }
        }
    }

    /// Removes all pixels.
    pub fn clear(&mut self) {
        self.words.fill(0);
    }

    /// The words of row `y`.
    pub fn row(&self, y: usize) -> &[u64] {
        &self.words[y * self.stride..][..self.stride]
    }

    /// The number of rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Adds the pixels `first..end` of row `y`.
    pub fn add(&mut self, y: usize, first: usize, end: usize) {
        each_word(first, end, |at, bits| self.words[y * self.stride + at] |= bits);
    }

    /// Removes the pixels `first..end` of row `y`.
    pub fn remove(&mut self, y: usize, first: usize, end: usize) {
        each_word(first, end, |at, bits| self.words[y * self.stride + at] &= !bits);
    }

    /// The number of pixels among `first..end` of row `y`.
    pub fn count(&self, y: usize, first: usize, end: usize) -> usize {
        let mut count = 0;
        each_word(first, end, |at, bits| {
            count += (self.words[y * self.stride + at] & bits).count_ones() as usize;
        });
        count
    }

    /// Removes what is narrower than `2 * radius + 1` pixels: text, scratches, wires. The image is
    /// taken to continue beyond the frame, so the edge removes nothing.
    pub fn open(&mut self, radius: usize) {
        self.complement();
        self.dilate(radius);
        self.complement();
        self.dilate(radius);
    }

    /// Adds what is narrower than `2 * radius + 1` pixels between pixels of the set: gaps, holes.
    pub fn close(&mut self, radius: usize) {
        self.dilate(radius);
        self.complement();
        self.dilate(radius);
        self.complement();
    }

    /// Adds the pixels within `radius` (in rows and in columns) of the set.
    pub fn dilate(&mut self, radius: usize) {
        let (stride, last) = (self.stride, self.last_word());
        for row in self.words.chunks_mut(stride.max(1)) {
            // A word after the other, so that none is read after it is written.
            each_step(radius, |step| {
                for i in (0..stride).rev() {
                    row[i] |= bits_from(i, -(step as isize), row);
                }
            });
            row[stride - 1] &= last;
            each_step(radius, |step| {
                for i in 0..stride {
                    row[i] |= bits_from(i, step as isize, row);
                }
            });
        }
        let unite = |to: &mut [u64], from: &[u64]| {
            for (to, from) in to.iter_mut().zip(from) {
                *to |= from;
            }
        };
        each_step(radius, |step| {
            for y in step..self.height {
                let (upper, lower) = self.words.split_at_mut(y * stride);
                unite(&mut upper[(y - step) * stride..][..stride], &lower[..stride]);
            }
        });
        each_step(radius, |step| {
            for y in (step..self.height).rev() {
                let (upper, lower) = self.words.split_at_mut(y * stride);
                unite(&mut lower[..stride], &upper[(y - step) * stride..][..stride]);
            }
        });
    }

    /// Keeps the pixels that `other` has as well.
    pub fn intersect(&mut self, other: &Self) {
        for (a, b) in self.words.iter_mut().zip(&other.words) {
            *a &= b;
        }
    }

    /// Adds the pixels of `other`.
    pub fn unite(&mut self, other: &Self) {
        for (a, b) in self.words.iter_mut().zip(&other.words) {
            *a |= b;
        }
    }

    fn complement(&mut self) {
        let (stride, last) = (self.stride, self.last_word());
        for row in self.words.chunks_mut(stride.max(1)) {
            row.iter_mut().for_each(|word| *word = !*word);
            row[stride - 1] &= last;
        }
    }

    /// The bits that the last word of a row may have.
    fn last_word(&self) -> u64 {
        u64::MAX >> (self.stride * WORD - self.width)
    }

    /// Removes straight lines that cross the whole frame from top to bottom or from side to side:
    /// the edges of paddles and collimators. They may be up to `thick` pixels wide. Where they
    /// cross the breast they stay. A part that touches the frame beside them is not a line.
    pub fn remove_lines(&mut self, thick: usize) {
        let (width, height) = (self.width, self.height);
        let mut thin = Vec::new();
        for y in 0..height {
            each_run(self.row(y), |first, end| {
                if first > 0 && end < width && end - first <= thick {
                    thin.push((y, first, end));
                }
            });
        }
        for &(y, first, end) in on_lines(&mut thin, width, height) {
            self.remove(y, first, end);
        }
        thin.clear();
        // All columns at once, row by row: the row where the open run of each column began.
        let mut began = vec![0; width];
        for y in 1..height {
            for (i, (above, here)) in self.row(y - 1).iter().zip(self.row(y)).enumerate() {
                let mut changed = above ^ here;
                while changed != 0 {
                    let bit = changed.trailing_zeros() as usize;
                    changed &= changed - 1;
                    let x = i * WORD + bit;
                    if here >> bit & 1 == 1 {
                        began[x] = y;
                    } else if began[x] > 0 && y - began[x] <= thick {
                        thin.push((x, began[x], y));
                    }
                }
            }
        }
        for &(x, first, end) in on_lines(&mut thin, height, width) {
            for y in first..end {
                self.remove(y, x, x + 1);
            }
        }
    }
}

/// Word `i` of a row whose pixels are moved by `step`: to the left if it is positive.
fn bits_from(i: usize, step: isize, row: &[u64]) -> u64 {
    let (words, bits) = (step.div_euclid(WORD as isize), step.rem_euclid(WORD as isize));
    let at = |i: isize| usize::try_from(i).ok().and_then(|i| row.get(i)).copied().unwrap_or(0);
    let low = at(i as isize + words) >> bits;
    if bits == 0 { low } else { low | at(i as isize + words + 1) << (WORD as isize - bits) }
}

/// Steps that, one after the other, reach everything within `radius`: 1, 2, 4... and the rest.
fn each_step(radius: usize, mut step: impl FnMut(usize)) {
    let mut reached = 0;
    while reached < radius {
        let next = (reached + 1).min(radius - reached);
        step(next);
        reached += next;
    }
}

/// Calls `word` with the number of each word that `first..end` overlaps, and the bits in it.
fn each_word(first: usize, end: usize, mut word: impl FnMut(usize, u64)) {
    let mut at = first;
    while at < end {
        let next = (at / WORD + 1) * WORD;
        let upper = u64::MAX >> (next - next.min(end));
        word(at / WORD, (u64::MAX << (at % WORD)) & upper);
        at = next;
    }
}

/// Calls `run` with the start and the end of every run of pixels in a row.
pub fn each_run(row: &[u64], mut run: impl FnMut(usize, usize)) {
    let (mut first, mut inside) = (0, false);
    for (i, &word) in row.iter().enumerate() {
        // Bits that differ from the pixel before them.
        let mut edges = word ^ (word << 1 | u64::from(inside));
        while edges != 0 {
            let x = i * WORD + edges.trailing_zeros() as usize;
            edges &= edges - 1;
            if inside {
                run(first, x);
            } else {
                first = x;
            }
            inside = !inside;
        }
    }
    if inside {
        run(first, row.len() * WORD);
    }
}

/// Keeps the runs `(line, first, end)` whose middle, within 3 pixels, is shared by runs in three
/// tenths of all `lines`: a line may be slightly tilted.
fn on_lines(
    thin: &mut Vec<(usize, usize, usize)>,
    pixels: usize,
    lines: usize,
) -> &[(usize, usize, usize)] {
    const LEAN: usize = 3;
    let mut middles = vec![0usize; pixels + 2 * LEAN + 1];
    for (_, first, end) in &*thin {
        middles[(first + end) / 2 + LEAN] += 1;
    }
    let near: Vec<usize> = middles.windows(2 * LEAN + 1).map(|w| w.iter().sum()).collect();
    let is_line = |middle: usize| {
        let around = &near[middle.saturating_sub(LEAN)..(middle + LEAN + 1).min(pixels)];
        around.iter().any(|&n| n * 10 >= lines * 3)
    };
    thin.retain(|(_, first, end)| is_line((first + end) / 2));
    thin
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDTH: usize = 150;
    const HEIGHT: usize = 40;

    /// A few blots that cross the borders of words.
    fn blots() -> Plane<u16> {
        let value = |i: usize| {
            let (x, y) = (i % WIDTH, i / WIDTH);
            let h = (x / 7 * 31 + y / 5 * 17 + x * y) as u32;
            (h.wrapping_mul(2_654_435_761) >> 16) as u16
        };
        Plane::new(WIDTH, HEIGHT, (0..WIDTH * HEIGHT).map(value).collect())
    }

    fn mask(image: &Plane<u16>, level: u16) -> Mask {
        let mut mask = Mask::default();
        mask.above(image, level);
        mask
    }

    fn is_set(mask: &Mask, x: usize, y: usize) -> bool {
        mask.count(y, x, x + 1) == 1
    }

    #[test]
    fn a_bit_is_set_for_every_pixel_above_the_level_and_runs_find_it() {
        let image = blots();
        for level in [0, 9000, 40_000, 65_000, u16::MAX] {
            let mask = mask(&image, level);
            for y in 0..HEIGHT {
                let mut inside = [false; WIDTH];
                each_run(mask.row(y), |first, end| inside[first..end].fill(true));
                for (x, (inside, value)) in inside.iter().zip(image.row(y)).enumerate() {
                    let bright = *value > level;
                    assert_eq!((is_set(&mask, x, y), *inside), (bright, bright), "{x} {y}");
                }
                assert_eq!(mask.count(y, 0, WIDTH), inside.iter().filter(|b| **b).count());
            }
        }
    }

    #[test]
    fn dilating_adds_what_is_near_and_opening_keeps_what_a_square_fits_in() {
        let image = blots();
        for (radius, level) in [(1, 64_000), (3, 65_300), (30, 65_500), (70, 65_530)] {
            let (before, mut after) = (mask(&image, level), mask(&image, level));
            after.dilate(radius);
            for y in 0..HEIGHT {
                for x in 0..WIDTH {
                    let near =
                        |at: usize, limit| at.saturating_sub(radius)..(at + radius + 1).min(limit);
                    let columns = near(x, WIDTH);
                    let any =
                        near(y, HEIGHT).any(|y| before.count(y, columns.start, columns.end) > 0);
                    assert_eq!(is_set(&after, x, y), any, "{radius} {x} {y}");
                }
            }
        }
        // Squares of 5 and of 3 pixels, in the middle and in a corner: at the edge half is enough.
        let mut squares = mask(&image, u16::MAX);
        for (left, top, side) in [(62, 10, 5), (100, 10, 3), (0, 0, 3), (147, 20, 2)] {
            (top..top + side).for_each(|y| squares.add(y, left, left + side));
        }
        squares.open(2);
        for (x, y, stays) in [(62, 10, true), (66, 14, true), (101, 11, false), (1, 1, true)] {
            assert_eq!(is_set(&squares, x, y), stays, "{x} {y}");
        }
        assert!(!is_set(&squares, 148, 21));
    }
}
