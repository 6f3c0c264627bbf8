//! Lifts a wavelet level along y, rows streaming through (ISO/IEC 15444-1, F.3).
//!
//! In: rows from the top, joined along x. Out: finished rows, in order. Only the rows that a
//! lifting step still needs are kept.

use super::wavelet::Kernel;

/// The rows in the vertical lifting of one level.
pub struct Lifting<K: Kernel> {
    ring: Vec<Vec<K::Sample>>,
}

impl<K: Kernel> Default for Lifting<K> {
    fn default() -> Self {
        Self { ring: Vec::new() }
    }
}

impl<K: Kernel> Lifting<K> {
    /// Lifts rows `rows` of `width` samples. `fill` makes each joined row, from the top; `emit`
    /// receives each finished one, in the same order. An error of `fill` ends it.
    pub fn run<E>(
        &mut self,
        rows: std::ops::Range<u32>,
        width: usize,
        mut fill: impl FnMut(u32, &mut [K::Sample]) -> Result<(), E>,
        mut emit: impl FnMut(u32, &[K::Sample]),
    ) -> Result<(), E> {
        let steps = K::STEPS as i64;
        let slots = K::STEPS + 2;
        self.ring.resize_with(slots, Vec::new);
        for row in &mut self.ring {
            row.clear();
            row.resize(width, K::Sample::default());
        }
        if rows.is_empty() {
            return Ok(());
        }
        let (first, last) = (i64::from(rows.start), i64::from(rows.end) - 1);
        let slot = |y: i64| y as usize % slots;
        if first == last {
            let row = &mut self.ring[slot(first)];
            fill(rows.start, row)?;
            if first & 1 == 1 {
                K::alone(row);
            }
            emit(rows.start, row);
            return Ok(());
        }
        let mut next = first;
        let mut y = first;
        while next <= last {
            if y <= last {
                let row = &mut self.ring[slot(y)];
                fill(y as u32, row)?;
                K::scale(row, y & 1 == 1);
            }
            if y & 1 == 1 {
                for step in 1..=steps {
                    let at = y - step;
                    if at < first || at > last {
                        continue;
                    }
                    let mut row = std::mem::take(&mut self.ring[slot(at)]);
                    let above = if at == first { at + 1 } else { at - 1 };
                    let below = if at == last { at - 1 } else { at + 1 };
                    K::lift(
                        step as usize,
                        &mut row,
                        &self.ring[slot(above)],
                        &self.ring[slot(below)],
                    );
                    self.ring[slot(at)] = row;
                }
                while next <= last.min(y - steps) {
                    emit(next as u32, &self.ring[slot(next)]);
                    next += 1;
                }
            }
            y += 1;
        }
        Ok(())
    }
}
