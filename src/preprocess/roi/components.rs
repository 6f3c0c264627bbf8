//! Connected components of a mask.

use crate::image::{Plane, Rect};

use super::mask::each_run;

/// One component.
#[derive(Debug, Clone, Copy)]
pub struct Component {
    /// Its bounding box.
    pub rect: Rect,
    /// The number of its pixels.
    pub area: usize,
    /// The number of rows in which it touches the left edge of the inner frame, and the right one.
    pub contact: [usize; 2],
    /// Its pixels in the two outermost rows at the top and at the bottom of the inner frame.
    pub ends: usize,
    /// Its pixels that can be reached from that edge along a row without leaving the component.
    pub anchored: [usize; 2],
}

/// A run of pixels in a row, and the component that it belongs to.
#[derive(Debug, Clone, Copy)]
struct Run {
    y: usize,
    first: usize,
    end: usize,
    component: usize,
}

/// Finds the components of one mask after the other and reuses its buffers.
#[derive(Debug, Clone, Default)]
pub struct Components {
    runs: Vec<Run>,
    parent: Vec<usize>,
    /// The components, in the order of their first pixel.
    pub found: Vec<Component>,
}

impl Components {
    /// Finds the parts whose pixels share a side or a corner. `inner` is the frame without its rim.
    pub fn find(&mut self, mask: &Plane<u8>, inner: Rect) {
        self.runs.clear();
        self.parent.clear();
        let (mut above, mut above_end) = (0, 0);
        for y in 0..mask.height() {
            let start = self.runs.len();
            each_run(mask.row(y), |first, end| {
                self.runs.push(Run { y, first, end, component: self.parent.len() });
                self.parent.push(self.parent.len());
            });
            let mut a = above;
            for b in start..self.runs.len() {
                let run = self.runs[b];
                // Both rows are sorted: skip runs that end before, join runs that touch.
                while a < above_end && self.runs[a].end < run.first {
                    a += 1;
                }
                let mut touching = a;
                while touching < above_end && self.runs[touching].first <= run.end {
                    self.join(self.runs[touching].component, run.component);
                    touching += 1;
                }
            }
            (above, above_end) = (start, self.runs.len());
        }
        self.measure(inner);
    }

    /// Leaves only part `index` in `mask`.
    pub fn keep(&self, index: usize, mask: &mut Plane<u8>) {
        mask.pixels_mut().fill(0);
        for run in self.runs.iter().filter(|r| r.component == index) {
            mask.row_mut(run.y)[run.first..run.end].fill(1);
        }
    }

    /// The sum and the sum of squares of `image` over part `index`.
    pub fn moments(&self, index: usize, image: &Plane<u16>) -> (f64, f64) {
        let mut moments = (0.0, 0.0);
        for run in self.runs.iter().filter(|r| r.component == index) {
            for &v in &image.row(run.y)[run.first..run.end] {
                moments.0 += f64::from(v);
                moments.1 += f64::from(v) * f64::from(v);
            }
        }
        moments
    }

    /// The box of all parts that share a pixel with `seed`.
    pub fn touching(&self, seed: &Plane<u8>) -> Option<Rect> {
        let mut touches = vec![false; self.found.len()];
        for run in &self.runs {
            touches[run.component] |= seed.row(run.y)[run.first..run.end].contains(&1);
        }
        let parts = self.found.iter().zip(touches).filter(|(_, touches)| *touches);
        parts.map(|(part, _)| part.rect).reduce(union)
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (root(&mut self.parent, a), root(&mut self.parent, b));
        let (low, high) = (a.min(b), a.max(b));
        self.parent[high] = low;
    }

    fn measure(&mut self, inner: Rect) {
        self.found.clear();
        let mut index = vec![usize::MAX; self.parent.len()];
        for run in &mut self.runs {
            let root = root(&mut self.parent, run.component);
            let (width, rect) = (run.end - run.first, run.rect());
            if index[root] == usize::MAX {
                index[root] = self.found.len();
                self.found.push(Component {
                    rect,
                    area: 0,
                    contact: [0; 2],
                    ends: 0,
                    anchored: [0; 2],
                });
            }
            run.component = index[root];
            let part = &mut self.found[run.component];
            part.rect = union(part.rect, rect);
            part.area += width;
            if run.y <= inner.top + 1 || run.y + 2 >= inner.bottom() {
                part.ends += width;
            }
            for (side, touches) in
                [run.first <= inner.left + 1, run.end + 1 >= inner.right()].into_iter().enumerate()
            {
                part.contact[side] += usize::from(touches);
                part.anchored[side] += if touches { width } else { 0 };
            }
        }
    }
}

impl Run {
    fn rect(&self) -> Rect {
        Rect { left: self.first, top: self.y, width: self.end - self.first, height: 1 }
    }
}

fn root(parent: &mut [usize], mut at: usize) -> usize {
    while parent[at] != at {
        parent[at] = parent[parent[at]];
        at = parent[at];
    }
    at
}

/// The smallest box that contains both.
pub fn union(a: Rect, b: Rect) -> Rect {
    let (left, top) = (a.left.min(b.left), a.top.min(b.top));
    Rect {
        left,
        top,
        width: a.right().max(b.right()) - left,
        height: a.bottom().max(b.bottom()) - top,
    }
}
