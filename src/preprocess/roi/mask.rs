//! Sets of pixels (masks), with morphological operations and removal of lines and film rims.

use crate::image::{Plane, Rect};

use super::levels::Levels;

/// A set of pixels with one byte each: 1 in the set, 0 outside.
#[derive(Debug, Clone, Default)]
pub struct Mask {
    pub plane: Plane<u8>,
    spare: Vec<u8>,
}

impl Mask {
    /// The pixels of `image` above `level` that lie `inside`.
    pub fn above(&mut self, image: &Plane<u16>, level: u16, inside: Rect) {
        let mut pixels = std::mem::take(&mut self.plane).into_pixels();
        pixels.clear();
        pixels.extend(image.pixels().iter().map(|&v| u8::from(v > level)));
        self.plane = Plane::new(image.width(), image.height(), pixels);
        self.keep(inside);
    }

    /// Clears everything outside `inside`.
    pub fn keep(&mut self, inside: Rect) {
        for y in 0..self.plane.height() {
            let row = self.plane.row_mut(y);
            if y < inside.top || y >= inside.bottom() {
                row.fill(0);
            } else {
                row[..inside.left].fill(0);
                row[inside.right()..].fill(0);
            }
        }
    }

    /// Removes what is narrower than `2 * radius + 1` pixels: text, scratches, wires. The image is
    /// taken to continue beyond the frame, so the edge removes nothing.
    pub fn open(&mut self, radius: usize) {
        self.slide(radius, |a, b| a & b);
        self.slide(radius, |a, b| a | b);
    }

    /// Adds the pixels within `radius` (in rows and in columns) of the set.
    pub fn dilate(&mut self, radius: usize) {
        self.slide(radius, |a, b| a | b);
    }

    /// Keeps the pixels that `other` has as well.
    pub fn intersect(&mut self, other: &Self) {
        for (a, b) in self.plane.pixels_mut().iter_mut().zip(other.plane.pixels()) {
            *a &= b;
        }
    }

    /// Adds the pixels of `other`.
    pub fn unite(&mut self, other: &Self) {
        for (a, b) in self.plane.pixels_mut().iter_mut().zip(other.plane.pixels()) {
            *a |= b;
        }
    }

    /// Combines every pixel with those in a square of `2 * radius + 1` around it: along the rows,
    /// then along the columns, each in steps that double the window.
    fn slide(&mut self, radius: usize, join: impl Fn(u8, u8) -> u8 + Copy) {
        let (width, height) = (self.plane.width(), self.plane.height());
        let window = 2 * radius + 1;
        let mut line = vec![0; width + 2 * radius];
        let mut joined = line.clone();
        for y in 0..height {
            let row = self.plane.row_mut(y);
            line[radius..radius + width].copy_from_slice(row);
            line[..radius].fill(row[0]);
            line[radius + width..].fill(row[width - 1]);
            each_step(window, |step| {
                for ((out, a), b) in joined.iter_mut().zip(&line).zip(&line[step..]) {
                    *out = join(*a, *b);
                }
                std::mem::swap(&mut line, &mut joined);
            });
            row.copy_from_slice(&line[..width]);
        }
        let tall = height + 2 * radius;
        self.spare.clear();
        for y in 0..tall {
            let row = y.saturating_sub(radius).min(height - 1);
            self.spare.extend_from_slice(self.plane.row(row));
        }
        each_step(window, |step| {
            for y in 0..tall - step {
                let (upper, lower) = self.spare.split_at_mut((y + step) * width);
                for (a, b) in upper[y * width..][..width].iter_mut().zip(&lower[..width]) {
                    *a = join(*a, *b);
                }
            }
        });
        self.plane.pixels_mut().copy_from_slice(&self.spare[..width * height]);
    }

    /// Removes straight lines that cross the whole frame from top to bottom or from side to side:
    /// the edges of paddles and collimators. They may be up to `thick` pixels wide. Where they
    /// cross the breast they stay. A part that touches the frame beside them is not a line.
    pub fn remove_lines(&mut self, thick: usize) {
        let (width, height) = (self.plane.width(), self.plane.height());
        let mut thin = Vec::new();
        for y in 0..height {
            each_run(self.plane.row(y), |first, end| {
                if first > 0 && end < width && end - first <= thick {
                    thin.push((y, first, end));
                }
            });
        }
        for &(y, first, end) in on_lines(&mut thin, width, height) {
            self.plane.row_mut(y)[first..end].fill(0);
        }
        thin.clear();
        // All columns at once, row by row: the row where the open run of each column began.
        let mut began = vec![0; width];
        for y in 1..height {
            let (above, row) = (self.plane.row(y - 1), self.plane.row(y));
            for (i, (above, row)) in above.chunks(16).zip(row.chunks(16)).enumerate() {
                if above == row {
                    continue;
                }
                for (x, (above, here)) in (i * 16..).zip(above.iter().zip(row)) {
                    match (above, here) {
                        (0, 1) => began[x] = y,
                        (1, 0) if began[x] > 0 && y - began[x] <= thick => {
                            thin.push((x, began[x], y));
                        }
                        _ => {}
                    }
                }
            }
        }
        for &(x, first, end) in on_lines(&mut thin, height, width) {
            for y in first..end {
                self.plane.row_mut(y)[x] = 0;
            }
        }
    }
}

/// The shifts that combine to a window of `window`: 1, 2, 4... and the rest.
fn each_step(window: usize, mut join: impl FnMut(usize)) {
    let mut have = 1;
    while have < window {
        let step = have.min(window - have);
        join(step);
        have += step;
    }
}

/// Calls `run` with the start and the end of every run of ones.
pub fn each_run(line: &[u8], mut run: impl FnMut(usize, usize)) {
    const CHUNK: usize = 16;
    let (mut first, mut before) = (0, 0);
    for (i, chunk) in line.chunks(CHUNK).enumerate() {
        // Most of an image is far from any edge.
        if chunk == [before; CHUNK] {
            continue;
        }
        for (x, &value) in (i * CHUNK..).zip(chunk) {
            if value != before {
                if value == 1 {
                    first = x;
                } else {
                    run(first, x);
                }
                before = value;
            }
        }
    }
    if before == 1 {
        run(first, line.len());
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

/// The frame without the white rim that scanned films have: whole rows or columns from the edge
/// inwards that are white and uniform, and then a clear end. At most 8 % of the frame on each side;
/// what is wider is not a rim.
pub fn without_rim(image: &Plane<u16>, levels: Levels) -> Rect {
    let (width, height) = (image.width(), image.height());
    let range = f64::from(levels.bright) - f64::from(levels.air);
    let level = f64::from(levels.air) + 0.85 * range;
    // The share of white pixels in a line, and their standard deviation.
    let white = |line: &mut dyn Iterator<Item = u16>, length: usize| {
        let (mut count, mut sum, mut squares) = (0usize, 0.0, 0.0);
        for v in line.map(f64::from).filter(|&v| v >= level) {
            count += 1;
            sum += v;
            squares += v * v;
        }
        let mean = sum / count.max(1) as f64;
        let deviation = (squares / count.max(1) as f64 - mean * mean).max(0.0).sqrt();
        (count as f64 / length as f64, deviation)
    };
    let column = |x: usize| white(&mut image.pixels()[x..].iter().step_by(width).copied(), height);
    let row = |y: usize| white(&mut image.row(y).iter().copied(), width);
    let depth = |length: usize, line: &dyn Fn(usize) -> (f64, f64)| {
        let limit = length * 8 / 100;
        let is_rim = |&i: &usize| {
            let (share, deviation) = line(i);
            share > 0.95 && deviation < 0.05 * range
        };
        let rim = (0..=limit).take_while(is_rim).count();
        // One pixel more is a mixture. A rim ends abruptly; bright tissue continues behind it.
        let ends = rim > 0 && rim <= limit && line(rim + 2).0 < 0.5;
        if ends { rim + 1 } else { 0 }
    };
    let left = depth(width, &column);
    let right = depth(width, &|i| column(width - 1 - i));
    let top = depth(height, &row);
    let bottom = depth(height, &|i| row(height - 1 - i));
    Rect { left, top, width: width - left - right, height: height - top - bottom }
}
