//! How plausible it is that a part of the picture is the breast.

use crate::image::{Rect, Side};

use super::attempt::LARGE;
use super::components::Component;
use super::levels::Levels;

/// What speaks for and against a box.
pub struct Evidence<'a> {
    /// What was taken for the breast.
    pub breast: &'a Component,
    /// The picture's frame.
    pub frame: Rect,
    /// The level of air, and the thresholds.
    pub levels: Levels,
    /// The sum of the breast's values.
    pub sum: f64,
    /// The sum of their squares.
    pub squares: f64,
    /// What may be tissue and was outside the box, as a share of the breast's area.
    pub outside: f32,
}

impl Evidence<'_> {
    /// 0 to 1: a product of ramps, each of which is 1 for every real image that we have. A single
    /// ramp at its low end makes a box doubtful.
    pub fn confidence(&self) -> f32 {
        let Self { breast, frame, levels, .. } = self;
        let pixels = breast.area as f64;
        let area = breast.area as f32 / frame.area() as f32;
        // Tissue is mottled. A plate, a film's margin or the air of an inverted image is not.
        let mean = self.sum / pixels;
        let deviation = (self.squares / pixels - mean * mean).max(0.0).sqrt();
        let range = f64::from(levels.bright.saturating_sub(levels.air).max(1));
        let mottled = (deviation / range) as f32;
        // Air surrounds a breast on three sides; a breast does not surround the air that way.
        let opposite = breast.contact[0].min(breast.contact[1]) + breast.ends / 2;
        let around = opposite as f32 / (frame.height + 2 * frame.width) as f32;
        // Air is even: up to 0.15 of the range on cloudy film, and usually 0.02. The texture of
        // tissue takes 0.3 and more.
        let spread = f32::from(levels.sure - levels.air) / range as f32;
        // A breast is solid, 1.0 to 1.4 runs per row. Above a level of tissue there are 1.7 to 4.
        let runs = breast.runs as f32 / breast.rect.height as f32;
        outline(breast, *frame)
            * ramp(area, 0.003, 0.02)
            * (0.3 + 0.7 * ramp(mottled, 0.0, 0.03))
            * (1.0 - 0.8 * ramp(around, 0.5, 0.7))
            * (1.0 - 0.6 * ramp(spread, 0.18, 0.28))
            * (1.0 - 0.6 * ramp(runs, 1.8, 3.0))
            * (1.0 - 0.6 * ramp(self.outside, 0.8 * LARGE, LARGE))
    }
}

/// How plausible a part's outline is: it stands on a side edge, is solid when seen from there, and
/// is not a band along the frame.
pub fn outline(part: &Component, frame: Rect) -> f32 {
    let side = usize::from(part.contact[1] > part.contact[0]);
    let contact = part.contact[side] as f32 / frame.height as f32;
    let anchored = part.anchored[side] as f32 / part.area as f32;
    let stands = 0.4 + 0.6 * ramp(contact, 0.01, 0.12) * ramp(anchored, 0.4, 0.8);
    let fill = part.area as f32 / part.rect.area() as f32;
    stands * ramp(fill, 0.15, 0.4) * if is_band(part, frame) { 0.05 } else { 1.0 }
}

/// Whether a part is narrow and runs along most of the frame: a paddle's edge, a film's margin.
pub fn is_band(part: &Component, frame: Rect) -> bool {
    let across = part.rect.width as f32 / frame.width as f32;
    let down = part.rect.height as f32 / frame.height as f32;
    (down > 0.7 && across < 0.08) || (across > 0.7 && down < 0.08)
}

/// The edge that a part stands on, if that is clear.
pub fn side(part: &Component) -> Option<Side> {
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
