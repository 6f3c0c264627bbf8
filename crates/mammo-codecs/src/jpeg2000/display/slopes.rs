//! The slopes of a grey scale, by value.

use std::ops::RangeInclusive;

/// The slopes of a grey scale over the samples' values, in output levels (of 256) per value;
/// negative if it falls.
#[derive(Clone, Debug, PartialEq)]
pub struct Slopes {
    /// The first value of the first cell.
    first: i32,
    /// The smallest and the largest slope of `2^i` cells, starting at each cell; empty if every
    /// slope is possible everywhere.
    cells: Vec<Vec<(f32, f32)>>,
    /// The smallest and the largest of all slopes.
    all: (f64, f64),
}

/// Values per cell: fine enough for the ends of a window.
const CELL: usize = 16;

impl Slopes {
    /// Slopes of which only the range is known: any of them may occur anywhere.
    pub fn anywhere(range: RangeInclusive<f64>) -> Self {
        Self { first: 0, cells: Vec::new(), all: (*range.start(), *range.end()) }
    }

    /// The slopes from `first` to the next value, and so on; flat before and after.
    pub fn new(first: i32, steps: &[f32]) -> Self {
        let over = |slopes: &mut dyn Iterator<Item = (f32, f32)>| {
            slopes.fold((f32::MAX, f32::MIN), |a, b| (a.0.min(b.0), a.1.max(b.1)))
        };
        let cell = |steps: &[f32]| over(&mut steps.iter().map(|&s| (s, s)));
        let mut cells = vec![steps.chunks(CELL).map(cell).collect::<Vec<_>>()];
        let mut reach = 1;
        while let Some(last) = cells.last().filter(|last| last.len() > reach) {
            let next = last.iter().zip(&last[reach..]);
            let next = next.map(|(a, b)| over(&mut [*a, *b].into_iter())).collect();
            cells.push(next);
            reach *= 2;
        }
        let all = over(&mut cells[0].iter().copied().chain([(0.0, 0.0)]));
        Self { first, cells, all: (all.0.into(), all.1.into()) }
    }

    /// Whether the slopes are known by value.
    pub fn are_local(&self) -> bool {
        !self.cells.is_empty()
    }

    /// The smallest and the largest slope of all.
    pub fn all(&self) -> (f64, f64) {
        self.all
    }

    /// The smallest and the largest slope between the values `low` and `high`.
    pub fn within(&self, low: f64, high: f64) -> (f64, f64) {
        let Some(cells) = self.cells.first() else { return self.all };
        let at = |value: f64| (value - f64::from(self.first)) / CELL as f64;
        let (from, to) = (at(low.floor()).floor(), at(high.ceil()).floor());
        let (inside_from, inside_to) = (from.max(0.0), to.min(cells.len() as f64 - 1.0));
        let mut found = None;
        if inside_from <= inside_to {
            let (from, count) = (inside_from as usize, (inside_to - inside_from) as usize + 1);
            // Two runs of a power of two, which may overlap.
            let level = count.ilog2() as usize;
            let runs = &self.cells[level];
            let (a, b) = (runs[from], runs[from + count - (1 << level)]);
            found = Some((a.0.min(b.0), a.1.max(b.1)));
        }
        let (mut least, mut most) = found.unwrap_or_default();
        if from < 0.0 || to >= cells.len() as f64 {
            (least, most) = (least.min(0.0), most.max(0.0));
        }
        (least.into(), most.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_knows_its_slopes_and_the_ends_are_flat() {
        let steps: Vec<f32> = (0..1000).map(|i| if i < 500 { 0.5 } else { -0.25 }).collect();
        let slopes = Slopes::new(-100, &steps);
        assert_eq!(slopes.within(-80.0, 300.0), (0.5, 0.5));
        assert_eq!(slopes.within(380.0, 420.0), (-0.25, 0.5));
        assert_eq!(slopes.within(500.0, 860.0), (-0.25, -0.25));
        assert_eq!(slopes.within(860.0, 1000.0), (-0.25, 0.0));
        assert_eq!(slopes.within(-300.0, -150.0), (0.0, 0.0));
        assert_eq!(slopes.within(-300.0, 2000.0), (-0.25, 0.5));
        assert_eq!(slopes.all(), (-0.25, 0.5));
    }

    #[test]
    fn every_stretch_is_as_a_search_finds_it() {
        let steps: Vec<f32> = (0..300).map(|i| ((i * 37) % 101) as f32).collect();
        let slopes = Slopes::new(0, &steps);
        for (low, high) in (0..300).flat_map(|a| (a..300).map(move |b| (a, b))) {
            let (least, most) = slopes.within(low.into(), high.into());
            for step in &steps[low as usize..=high as usize] {
                assert!(least <= f64::from(*step) && f64::from(*step) <= most, "{low}..{high}");
            }
        }
    }
}
