//! Connected components of a mask.

use crate::image::{Plane, Rect};

use super::mask::{Mask, each_run};

/// One component, or several that belong together.
#[derive(Debug, Clone, Copy)]
pub struct Component {
    /// Its bounding box.
    pub rect: Rect,
    /// The number of its pixels.
    pub area: usize,
    /// The number of rows in which it touches the left edge of the frame, and the right one.
    pub contact: [usize; 2],
    /// Its pixels in the two outermost rows at the top and at the bottom of the frame.
    pub ends: usize,
    /// Its pixels that can be reached from that edge along a row without leaving the component.
    pub anchored: [usize; 2],
    /// The number of its runs along rows: one per row if it is solid.
    pub runs: usize,
}

impl Component {
    /// Both together.
    pub fn and(self, other: Self) -> Self {
        let both = |a: [usize; 2], b: [usize; 2]| [a[0] + b[0], a[1] + b[1]];
        Self {
            rect: union(self.rect, other.rect),
            area: self.area + other.area,
            contact: both(self.contact, other.contact),
            ends: self.ends + other.ends,
            anchored: both(self.anchored, other.anchored),
            runs: self.runs + other.runs,
        }
    }
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
    /// Finds the parts whose pixels share a side or a corner, in a mask of `width` columns.
    pub fn find(&mut self, mask: &Mask, width: usize) {
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
        self.measure(width, mask.height());
    }

    /// Adds the parts that `is_wanted` names by their index to `mask`.
    pub fn add_to(&self, mask: &mut Mask, is_wanted: impl Fn(usize) -> bool) {
        for run in self.runs.iter().filter(|run| is_wanted(run.component)) {
            mask.add(run.y, run.first, run.end);
        }
    }

    /// The number of pixels that each part has in common with `mask`.
    pub fn overlap(&self, mask: &Mask) -> Vec<usize> {
        let mut overlap = vec![0; self.found.len()];
        for run in &self.runs {
            overlap[run.component] += mask.count(run.y, run.first, run.end);
        }
        overlap
    }

    /// The number of pixels that each part has outside `rect`.
    pub fn outside(&self, rect: Rect) -> Vec<usize> {
        let mut outside = vec![0; self.found.len()];
        for run in &self.runs {
            let inside = run.end.min(rect.right()).saturating_sub(run.first.max(rect.left));
            let is_beside = run.y < rect.top || run.y >= rect.bottom();
            outside[run.component] += run.end - run.first - if is_beside { 0 } else { inside };
        }
        outside
    }

    /// The sum and the sum of squares of `image` over the parts that `is_wanted` names.
    pub fn moments(&self, image: &Plane<u16>, is_wanted: impl Fn(usize) -> bool) -> (f64, f64) {
        let (mut sum, mut squares) = (0, 0);
        for run in self.runs.iter().filter(|run| is_wanted(run.component)) {
            for &v in &image.row(run.y)[run.first..run.end] {
                sum += u64::from(v);
                squares += u64::from(v) * u64::from(v);
            }
        }
        (sum as f64, squares as f64)
    }

    /// The box of all parts that share a pixel with `seed`.
    pub fn touching(&self, seed: &Mask) -> Option<Rect> {
        let parts = self.found.iter().zip(self.overlap(seed)).filter(|(_, shared)| *shared > 0);
        parts.map(|(part, _)| part.rect).reduce(union)
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (root(&mut self.parent, a), root(&mut self.parent, b));
        let (low, high) = (a.min(b), a.max(b));
        self.parent[high] = low;
    }

    fn measure(&mut self, width: usize, height: usize) {
        // A film's edge may be slightly tilted.
        let slack = (width / 100).max(1);
        self.found.clear();
        let mut index = vec![usize::MAX; self.parent.len()];
        for run in &mut self.runs {
            let root = root(&mut self.parent, run.component);
            let touches = [run.first <= slack, run.end + slack >= width];
            let length = run.end - run.first;
            let of_run = Component {
                rect: Rect { left: run.first, top: run.y, width: length, height: 1 },
                area: length,
                contact: touches.map(usize::from),
                ends: if run.y <= 1 || run.y + 2 >= height { length } else { 0 },
                anchored: touches.map(|touches| if touches { length } else { 0 }),
                runs: 1,
            };
            if index[root] == usize::MAX {
                index[root] = self.found.len();
                self.found.push(of_run);
            } else {
                let part = &mut self.found[index[root]];
                *part = part.and(of_run);
            }
            run.component = index[root];
        }
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
