//! One attempt: for a given level of air, the box of the breast and its confidence.

use crate::image::Side;
use crate::image::{Plane, Rect};

use super::components::{Component, Components, union};
use super::confidence::{Evidence, is_band, outline, side};
use super::levels::{Histogram, Levels};
use super::mask::Mask;

/// The result of one attempt, in pixels of the picture.
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
    parts: Components,
    skin: Components,
}

/// The parts that are the breast.
struct Breast {
    /// All of them as one, with the gaps between them closed.
    part: Component,
    /// Whether each part belongs to it.
    belongs: Vec<bool>,
}

/// A part with at least this share of the breast's area is too large to lose: a box that keeps less
/// than 97 % of the tissue is wrong. Abdomen or arm beside the breast take up to 1.9 % in the 12
/// real images.
pub const LARGE: f32 = 0.025;
/// A skin fold or dead lines are a gap of at most this share of the picture's longer side.
const GAP: f32 = 0.02;
/// What lies within this share of the longer side of the breast may be cut off from it.
const BESIDE: f32 = 0.06;
/// With this share of the breast's area, a part may be tissue wherever it lies. Strips of tape
/// take up to 0.1.
const HUGE: f32 = 0.15;
/// Parts below this share of the breast's area do not count, not even together.
const CRUMB: f32 = 0.005;

impl Buffers {
    /// Takes the pixels brighter than air as candidates, chooses the breast among the connected
    /// parts, and extends it to its faint skin. `None` if no part stands out.
    pub fn attempt(&mut self, image: &Plane<u16>, levels: Levels) -> Option<Attempt> {
        let (width, height) = (image.width(), image.height());
        let frame = Rect::whole(width, height);
        // Strokes of burned-in text are about 0.5 % of the frame's width, paddle edges up to 2.5 %.
        let radius = share_of(width.max(height), 0.003).max(1);

        self.sure.above(image, levels.sure);
        self.sure.remove_lines((width / 40).max(3));
        self.sure.open(radius);
        self.parts.find(&self.sure, width);
        let main = self.choose(frame)?;
        let breast = self.gather(main, frame);
        let rect = self.extend_to_skin(image, levels, radius);
        let (rect, outside) = self.add_doubtful(&breast, rect, frame);

        let (sum, squares) = self.parts.moments(image, |part| breast.belongs[part]);
        let evidence = Evidence { breast: &breast.part, frame, levels, sum, squares, outside };
        Some(Attempt {
            rect,
            confidence: evidence.confidence(),
            chest_wall: side(&breast.part),
            air: levels.sure,
        })
    }

    /// The part that is most likely the breast.
    fn choose(&self, frame: Rect) -> Option<usize> {
        let parts = self.parts.found.iter().enumerate();
        let score = |part: &Component| part.area as f32 * outline(part, frame);
        parts.max_by(|(_, a), (_, b)| score(a).total_cmp(&score(b))).map(|(index, _)| index)
    }

    /// The breast: part `main`, and large parts across a thin gap or on the same chest wall. Leaves
    /// only these in `sure`.
    fn gather(&mut self, main: usize, frame: Rect) -> Breast {
        let Self { parts, sure, near, skin, .. } = self;
        let gap = share_of(frame.width.max(frame.height), GAP);
        let mut belongs = vec![false; parts.found.len()];
        let (mut breast, mut new) = (parts.found[main], vec![main]);
        sure.clear();
        while !new.is_empty() {
            new.iter().for_each(|&part| belongs[part] = true);
            parts.add_to(sure, |part| new.contains(&part));
            let is_large = |part: &usize| {
                !belongs[*part] && parts.found[*part].area as f32 >= LARGE * breast.area as f32
            };
            new = (0..parts.found.len()).filter(is_large).collect();
            if new.is_empty() {
                break;
            }
            near.clone_from(sure);
            near.dilate(gap);
            let shared = parts.overlap(near);
            new.retain(|&part| {
                let other = &parts.found[part];
                shared[part] > 0 || (on_wall_of(&breast, other) && !is_band(other, frame))
            });
            breast = new.iter().fold(breast, |breast, &part| breast.and(parts.found[part]));
        }
        if belongs.iter().filter(|belongs| **belongs).count() > 1 {
            near.clone_from(sure);
            near.close(gap.div_ceil(2));
            skin.find(near, frame.width);
            breast = skin.found.iter().copied().reduce(Component::and).unwrap_or(breast);
        }
        Breast { part: breast, belongs }
    }

    /// The box of faint pixels that are connected to the breast: the skin's edge and tips that the
    /// opening removed, within 1/40 of the frame's width; solid tissue such as a nipple or a fold,
    /// within 1/12.
    fn extend_to_skin(&mut self, image: &Plane<u16>, levels: Levels, radius: usize) -> Rect {
        let width = image.width();
        self.faint.above(image, levels.faint);
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
        self.skin.find(&self.faint, width);
        self.skin.touching(&self.sure).expect("the chosen part is not empty")
    }

    /// Adds to the box what may be tissue and does not clearly belong to the breast: parts beside
    /// it, on its chest wall, or huge. Also returns their area outside the box before, as a share
    /// of the breast's. If that is small, nothing is added.
    fn add_doubtful(&mut self, breast: &Breast, rect: Rect, frame: Rect) -> (Rect, f32) {
        let area = breast.part.area as f32;
        let outside = self.parts.outside(rect);
        let counts = |part: usize| outside[part] as f32 >= CRUMB * area && !breast.belongs[part];
        let mut parts: Vec<usize> = (0..outside.len()).filter(|&part| counts(part)).collect();
        if parts.is_empty() {
            return (rect, 0.0);
        }
        self.near.clone_from(&self.sure);
        self.near.dilate(share_of(frame.width.max(frame.height), BESIDE));
        let shared = self.parts.overlap(&self.near);
        parts.retain(|&part| {
            let other = &self.parts.found[part];
            let is_huge = outside[part] as f32 >= HUGE * area;
            let may_belong = is_huge || on_wall_of(&breast.part, other);
            shared[part] > 0 || (may_belong && !is_band(other, frame))
        });
        let share = parts.iter().map(|&part| outside[part]).sum::<usize>() as f32 / area;
        if share < LARGE {
            return (rect, share);
        }
        let all = parts.iter().fold(rect, |all, &part| union(all, self.parts.found[part].rect));
        (all, share)
    }
}

/// Whether a part touches the edge that the breast stands on.
fn on_wall_of(breast: &Component, part: &Component) -> bool {
    match side(breast) {
        Some(Side::Left) => part.contact[0] > 0,
        Some(Side::Right) => part.contact[1] > 0,
        None => false,
    }
}

/// A share of so many pixels.
fn share_of(pixels: usize, share: f32) -> usize {
    (pixels as f32 * share).round() as usize
}
