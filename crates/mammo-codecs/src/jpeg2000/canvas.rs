//! Converts the rows of tiles to samples: colour transform, level shift and clamping (ISO/IEC
//! 15444-1 Annex G).

use super::size::{Area, Component};

/// Rounds to the nearest integer, halves to the even one, for values that fit 16 bits. Other values
/// give a result beyond 16 bits.
#[inline(always)]
pub fn round(value: f32) -> i32 {
    // Adding 1.5 * 2^23 leaves no bits for a fraction: the sum's mantissa is the integer.
    (value.clamp(-4e6, 4e6) + 12_582_912.0).to_bits() as i32 - 0x4B40_0000
}

/// The samples of all tiles, level-shifted and clamped.
pub struct Canvas {
    area: Area,
    low: i32,
    high: i32,
    shift: i32,
    /// `[component, row, column]`.
    pub samples: Vec<u16>,
    /// Not zero if any sample was clamped.
    clamped: i32,
}

impl Canvas {
    /// An empty canvas for a plane of `area` per component, reusing the memory of `samples` if it
    /// suffices. Samples are clamped to `range`, or to the range of their precision.
    pub fn new(
        area: Area,
        components: &[Component],
        range: Option<(i16, i16)>,
        mut samples: Vec<u16>,
    ) -> Self {
        let Component { precision, signed } = components[0];
        let half = 1 << (precision - 1);
        let (low, high, shift) =
            if signed { (-half, half - 1, 0) } else { (0, 2 * half - 1, half) };
        let (low, high) = range.map_or((low, high), |(a, b)| (a.into(), i32::from(b.max(a))));
        let count = area.width() * area.height() * components.len();
        if samples.capacity() < count {
            drop(samples);
            // Fresh pages are zero already.
            samples = vec![0; count];
        } else {
            samples.clear();
            samples.resize(count, 0);
        }
        Self { area, low, high, shift, samples, clamped: 0 }
    }

    /// Whether any sample exceeded the range.
    pub fn has_clamped(&self) -> bool {
        self.clamped != 0
    }

    /// Undoes the reversible colour transform (Equations G-6 to G-8) of planes of `target`.
    pub fn put_integers(&mut self, planes: [&[i32]; 3], target: &Area) {
        self.put_colours(planes, target, |[y, u, v]| {
            let g = y.wrapping_sub(u.wrapping_add(v) >> 2);
            [v.wrapping_add(g), g, u.wrapping_add(g)]
        });
    }

    /// Undoes the irreversible colour transform (Equations G-12 to G-14) of planes of `target`.
    pub fn put_floats(&mut self, planes: [&[f32]; 3], target: &Area) {
        self.put_colours(planes, target, |[y, u, v]| {
            [y + v * 1.402, y - u * 0.34413 - v * 0.71414, y + u * 1.772].map(round)
        });
    }

    fn put_colours<T: Copy>(
        &mut self,
        planes: [&[T]; 3],
        target: &Area,
        colour: impl Fn([T; 3]) -> [i32; 3],
    ) {
        let width = target.width();
        for (row, y) in (target.y0..target.y1).enumerate() {
            let [a, b, c] = planes.map(|plane| &plane[row * width..(row + 1) * width]);
            for component in 0..3 {
                let values =
                    a.iter().zip(b).zip(c).map(|((&a, &b), &c)| colour([a, b, c])[component]);
                self.put(component, target.x0, y, values);
            }
        }
    }

    /// Puts part of row `y`, from column `x` on.
    pub fn put(&mut self, component: usize, x: u32, y: u32, row: impl Iterator<Item = i32>) {
        let width = self.area.width();
        let line = component * self.area.height() + (y - self.area.y0) as usize;
        let to = &mut self.samples[line * width..(line + 1) * width][(x - self.area.x0) as usize..];
        let (low, high, shift) = (self.low, self.high, self.shift);
        let mut clamped = 0;
        for (to, value) in to.iter_mut().zip(row) {
            let value = value.saturating_add(shift);
            let sample = value.clamp(low, high);
            clamped |= value ^ sample;
            *to = sample as u16;
        }
        self.clamped |= clamped;
    }
}
