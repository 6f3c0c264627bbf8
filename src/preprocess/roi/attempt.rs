//! One attempt: for a given level of air, the box of the breast and its plausibility.

use crate::image::Side;
use crate::image::{Plane, Rect};

use super::components::{Component, Components};
use super::levels::{Histogram, Levels};
use super::mask::{Mask, without_rim};

/// The result of one attempt, in pixels of the look.
#[derive(Debug, Clone, Copy)]
pub struct Attempt {
    pub rect: Rect,
    pub confidence: f32,
    pub chest_wall: Option<Side>,
    /// Pixels up to this value are air.
    pub air: u16,
}

/// The buffers of the attempts.
#[derive(Debug, Clone, Default)]
pub struct Buffers {
    pub histogram: Histogram,
    sure: Mask,
    faint: Mask,
    solid: Mask,
    near: Mask,
    components: Components,
}

impl Buffers {
    /// Takes the pixels brighter than air as candidates, chooses the breast among the connected
    /// parts, and extends it to its faint skin. `None` if no part stands out.
    pub fn attempt(&mut self, image: &Plane<u16>, levels: Levels) -> Option<Attempt> {
        let (width, height) = (image.width(), image.height());
        let inner = without_rim(image, levels);
        // Strokes of burned-in text are about 0.5 % of the frame's width, paddle edges up to 2.5 %.
        let radius = (width.max(height) as f32 * 0.003).round().max(1.0) as usize;
        let thick = (width / 40).max(3);

        self.sure.above(image, levels.sure, inner);
        self.sure.remove_lines(thick);
        self.sure.open(radius);
        self.components.find(&self.sure.plane, inner);
        let (index, part) = self.choose(inner)?;
        let confidence = self.confidence(image, levels, inner, index);
        self.components.keep(index, &mut self.sure.plane);
        let breast = self.extend_to_skin(image, levels, inner, radius);

        let chest_wall = side(&part);
        Some(Attempt {
            rect: grown(breast, Rect::whole(width, height)),
            confidence,
            chest_wall,
            air: levels.sure,
        })
    }

    /// The part that is most likely the breast.
    fn choose(&self, inner: Rect) -> Option<(usize, Component)> {
        let parts = self.components.found.iter().copied().enumerate();
        let score = |part: &Component| part.area as f32 * outline_plausibility(part, inner);
        parts.max_by(|(_, a), (_, b)| score(a).total_cmp(&score(b)))
    }

    /// The box of faint pixels that are connected to the chosen part: the skin's edge and tips that
    /// the opening removed, within 1/40 of the frame's width; solid tissue such as a nipple or a
    /// fold, within 1/12.
    fn extend_to_skin(
        &mut self,
        image: &Plane<u16>,
        levels: Levels,
        inner: Rect,
        radius: usize,
    ) -> Rect {
        let width = image.width();
        self.faint.above(image, levels.faint, inner);
        self.faint.remove_lines((width / 40).max(3));
        self.solid.clone_from(&self.faint);
        self.solid.open(radius);
        self.near.clone_from(&self.sure);
        self.near.dilate(width / 40 + radius);
        self.faint.intersect(&self.near);
        self.near.dilate(width / 12 - width / 40);
        self.solid.intersect(&self.near);
        self.faint.unite(&self.solid);
        self.faint.unite(&self.sure);
        self.components.find(&self.faint.plane, inner);
        self.components.touching(&self.sure.plane).expect("the chosen part is not empty")
    }

    /// How plausible part `index` is as a breast, 0 to 1: a product of ramps, each of which is 1
    /// for every real image that we have.
    fn confidence(&self, image: &Plane<u16>, levels: Levels, inner: Rect, index: usize) -> f32 {
        let part = &self.components.found[index];
        let area = part.area as f32 / inner.area() as f32;
        // Tissue is mottled. A plate, a film's margin or the air of an inverted image is not.
        let (sum, squares) = self.components.moments(index, image);
        let mean = sum / part.area as f64;
        let deviation = (squares / part.area as f64 - mean * mean).max(0.0).sqrt();
        let range = f64::from(levels.bright.saturating_sub(levels.air).max(1));
        let mottled = ramp((deviation / range) as f32, 0.0, 0.03);
        // If the level is one of tissue and not of air, the frame falls into many parts.
        let parts = self.components.found.iter().filter(|p| !is_band(p, inner));
        let whole: usize = parts.map(|p| p.area).sum();
        let dominant = part.area as f32 / whole.max(part.area) as f32;
        // Air surrounds a breast on three sides; a breast does not surround the air that way.
        let opposite = part.contact[0].min(part.contact[1]) + part.ends / 2;
        let around = opposite as f32 / (inner.height + 2 * inner.width) as f32;
        outline_plausibility(part, inner)
            * ramp(area, 0.003, 0.02)
            * (0.3 + 0.7 * mottled)
            * ramp(dominant, 0.3, 0.7)
            * (1.0 - 0.8 * ramp(around, 0.5, 0.7))
    }
}

/// How plausible a part's outline is: it stands on a side edge, is solid when seen from there, and
/// is not a band along the frame.
fn outline_plausibility(part: &Component, inner: Rect) -> f32 {
    let side = usize::from(part.contact[1] > part.contact[0]);
    let contact = part.contact[side] as f32 / inner.height as f32;
    let anchored = part.anchored[side] as f32 / part.area as f32;
    let stands = 0.4 + 0.6 * ramp(contact, 0.01, 0.12) * ramp(anchored, 0.4, 0.8);
    let fill = part.area as f32 / part.rect.area() as f32;
    stands * ramp(fill, 0.15, 0.4) * if is_band(part, inner) { 0.05 } else { 1.0 }
}

/// Whether a part is narrow and runs along most of the frame: a paddle's edge, a film's margin.
fn is_band(part: &Component, inner: Rect) -> bool {
    let across = part.rect.width as f32 / inner.width as f32;
    let down = part.rect.height as f32 / inner.height as f32;
    (down > 0.7 && across < 0.08) || (across > 0.7 && down < 0.08)
}

/// The edge that a part stands on, if that is clear.
fn side(part: &Component) -> Option<Side> {
    let [left, right] = part.contact;
    match left.cmp(&right) {
        std::cmp::Ordering::Greater => Some(Side::Left),
        std::cmp::Ordering::Less => Some(Side::Right),
        std::cmp::Ordering::Equal => None,
    }
}

/// 0 up to `low`, 1 from `high` on, linear between them.
fn ramp(x: f32, low: f32, high: f32) -> f32 {
    ((x - low) / (high - low)).clamp(0.0, 1.0)
}

/// One pixel more on every side, within `frame`.
fn grown(rect: Rect, frame: Rect) -> Rect {
    let (left, top) = (rect.left.saturating_sub(1), rect.top.saturating_sub(1));
    Rect {
        left,
        top,
        width: (rect.right() + 1).min(frame.right()) - left,
        height: (rect.bottom() + 1).min(frame.bottom()) - top,
    }
}
