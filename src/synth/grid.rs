//! Smooth functions of a place in millimetres, sampled on a coarse grid and interpolated.

use crate::random::Random;

/// Values on a square grid, interpolated by cubics (Catmull-Rom).
///
/// The distance field of a shape on 4 mm cells is accurate to far below a pixel, and costs four
/// multiplications per pixel when it is read along a row.
#[derive(Debug, Clone)]
pub(super) struct Grid {
    step: f32,
    columns: usize,
    rows: usize,
    values: Vec<f32>,
}

/// Grid points beyond the frame on every side, which the interpolation needs.
const BORDER: f32 = 2.0;

impl Grid {
    /// Samples `f(y)(x)` over `width` x `height` millimetres.
    pub fn sample<F: Fn(f32) -> f32>(
        width: f32,
        height: f32,
        step: f32,
        f: impl Fn(f32) -> F,
    ) -> Self {
        let cells = |length: f32| (length / step).ceil() as usize + 2 * BORDER as usize + 1;
        let (columns, rows) = (cells(width), cells(height));
        let at = |i: usize| (i as f32 - BORDER) * step;
        let mut values = Vec::with_capacity(columns * rows);
        for row in (0..rows).map(|j| f(at(j))) {
            values.extend((0..columns).map(|i| row(at(i))));
        }
        Self { step, columns, rows, values }
    }

    /// The values at height `y`, for every pixel centre of a row whose pixels are `pitch` apart.
    pub fn read_row(&self, y: f32, pitch: f32, line: &mut Vec<f32>, out: &mut [f32]) {
        let (j, weights) = Self::weights(y / self.step + BORDER, self.rows);
        line.clear();
        line.extend((0..self.columns).map(|i| {
            let column = |k: usize| weights[k] * self.values[(j + k) * self.columns + i];
            column(0) + column(1) + column(2) + column(3)
        }));
        for (x, out) in out.iter_mut().enumerate() {
            let (i, w) = Self::weights((x as f32 + 0.5) * pitch / self.step + BORDER, self.columns);
            *out = w[0] * line[i] + w[1] * line[i + 1] + w[2] * line[i + 2] + w[3] * line[i + 3];
        }
    }

    /// The value at a place.
    pub fn at(&self, x: f32, y: f32) -> f32 {
        let (i, across) = Self::weights(x / self.step + BORDER, self.columns);
        let (j, down) = Self::weights(y / self.step + BORDER, self.rows);
        let row = |k: usize| {
            let line = &self.values[(j + k) * self.columns + i..][..4];
            across.iter().zip(line).map(|(w, value)| w * value).sum::<f32>()
        };
        (0..4).map(|k| down[k] * row(k)).sum()
    }

    /// The first of the four grid points around `position`, and their weights.
    #[inline(always)]
    fn weights(position: f32, points: usize) -> (usize, [f32; 4]) {
        let position = position.clamp(1.0, points as f32 - 2.001);
        let i = position as usize;
        let t = position - i as f32;
        let (t2, t3) = (t * t, t * t * t);
        (
            i - 1,
            [
                0.5 * (2.0 * t2 - t3 - t),
                0.5 * (3.0 * t3 - 5.0 * t2 + 2.0),
                0.5 * (4.0 * t2 - 3.0 * t3 + t),
                0.5 * (t3 - t2),
            ],
        )
    }
}

/// Value noise: a random number at every point of a lattice, interpolated smoothly, in [-1, 1].
#[derive(Debug)]
pub(super) struct Noise {
    lattice: Vec<f32>,
}

/// The lattice repeats after this number of points.
const PERIOD: usize = 128;

impl Noise {
    /// The noise of a seed.
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        Self { lattice: (0..PERIOD * PERIOD).map(|_| random.between(-1.0, 1.0)).collect() }
    }

    /// The value at a place in units of the lattice.
    #[inline]
    pub fn at(&self, u: f32, v: f32) -> f32 {
        let (u, v) = (u + 1e4, v + 1e4); // makes them positive, so that truncating rounds down
        let (i, j) = (u as usize, v as usize);
        let (s, t) = (u - i as f32, v - j as f32);
        let (s, t) = (s * s * (3.0 - 2.0 * s), t * t * (3.0 - 2.0 * t));
        let (i, j) = (i % PERIOD, j % PERIOD);
        let (right, below) = ((i + 1) % PERIOD, (j + 1) % PERIOD);
        let above = self.lattice[j * PERIOD + i] * (1.0 - s) + self.lattice[j * PERIOD + right] * s;
        let under =
            self.lattice[below * PERIOD + i] * (1.0 - s) + self.lattice[below * PERIOD + right] * s;
        above * (1.0 - t) + under * t
    }

    /// The sum of `octaves` noises. Each has twice the frequency and `gain` times the strength of
    /// the one before; the first has strength 1.
    #[inline]
    pub fn octaves(&self, mut u: f32, mut v: f32, octaves: u32, gain: f32) -> f32 {
        let (mut sum, mut strength) = (0.0, 1.0);
        for _ in 0..octaves {
            sum += strength * self.at(u, v);
            // Rotated a little, so that the lattices do not align.
            (u, v) = (1.92 * u - 0.56 * v + 17.3, 0.56 * u + 1.92 * v + 5.9);
            strength *= gain;
        }
        sum
    }

    /// Fine bright lines where the noise changes its sign. Each octave is strongest where the one
    /// before has lines too, as fibres gather in bundles. In [0, 1].
    #[inline]
    pub fn lines(&self, mut u: f32, mut v: f32, octaves: u32, gain: f32) -> f32 {
        let (mut sum, mut strength, mut bundle, mut total) = (0.0, 1.0, 1.0, 0.0);
        for _ in 0..octaves {
            let line = 1.0 - (1.6 * self.at(u, v).abs()).min(1.0);
            let line = line * line * bundle;
            sum += strength * line;
            total += strength;
            bundle = (0.35 + 1.3 * line).min(1.0);
            (u, v) = (1.72 * u - 0.86 * v + 31.7, 0.86 * u + 1.72 * v + 11.3);
            strength *= gain;
        }
        sum / total
    }
}

/// 0 below `low`, 1 above `high`, smooth between them.
#[inline(always)]
pub(super) fn smoothstep(low: f32, high: f32, x: f32) -> f32 {
    let t = ((x - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_gives_a_quadratic_function_back() {
        let f = |x: f32, y: f32| 0.01 * x * x - 0.5 * x + 0.02 * x * y + y;
        let grid = Grid::sample(100.0, 60.0, 4.0, |y| move |x| f(x, y));
        let mut row = vec![0.0; 200];
        grid.read_row(33.3, 0.5, &mut Vec::new(), &mut row);
        for (i, value) in row.iter().enumerate() {
            let x = (i as f32 + 0.5) * 0.5;
            assert!((value - f(x, 33.3)).abs() < 0.02, "{value} at {x}");
            assert!((grid.at(x, 33.3) - value).abs() < 1e-4);
        }
    }
}
