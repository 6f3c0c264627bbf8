//! Draws the steps of the pipeline side by side.

use super::font;
use crate::config::Fit;
use crate::image::picture::outline;
use crate::image::{Geometry, Orientation, Pixels};
use crate::image::{Plane, Rect};
use crate::preprocess::resize::Resizer;
use crate::preprocess::roi::Found;
use crate::preprocess::steps::Steps;
use crate::preprocess::window::WindowUsed;

/// The height of a panel, in pixels.
const PANEL: usize = 900;
/// The margin around panels, in pixels.
const GAP: usize = 16;
/// The size of one pixel of a letter, in pixels.
const LETTER: usize = 3;

/// Panels with stored values, grey levels, box and output, from left to right, each with its
/// caption.
pub fn compose(steps: &Steps) -> Plane<u8> {
    let values = || steps.stored.pixels.pixels().iter().map(|&bits| steps.stored.value(bits));
    let (low, high) = (values().min().unwrap_or(0), values().max().unwrap_or(0));
    let scale = 65535.0 / f64::from((high - low).max(1));
    let decoded =
        steps.stored.pixels.map(|&bits| (f64::from(steps.stored.value(bits) - low) * scale) as u16);
    let windowed = panel(&steps.windowed);
    let mut boxed = windowed.clone();
    let [breast, crop] = steps.boxes;
    outline(&mut boxed, scaled(crop, &steps.windowed), 2, 12, 255);
    outline(&mut boxed, scaled(breast, &steps.windowed), 2, usize::MAX, 255);
    let output = match &steps.sample.pixels {
        Pixels::U8(plane) => panel(&plane.map(|&level| u16::from(level) * 257)),
        Pixels::U16(plane) => panel(plane),
    };
    let geometry = &steps.sample.geometry;
    let panels = [
        (panel(&decoded), format!("stored {low} to {high}")),
        (windowed, window_caption(&steps.sample.window)),
        (boxed, breast_caption(&steps.sample.found)),
        (output, format!("output {} x {}", geometry.width, geometry.height)),
    ];
    side_by_side(&panels)
}

/// The caption for a window, for example `SIGMOID 2686/900 (window 0)`.
pub fn window_caption(used: &WindowUsed) -> String {
    let index = used.index.map_or(String::new(), |index| format!(" {index}"));
    let source = format!("({}{index})", used.source.as_str());
    match (used.function, used.center, used.width) {
        (Some(function), Some(center), Some(width)) => {
            format!("{} {center}/{width} {source}", function.as_str())
        }
        _ => source,
    }
}

/// The caption for a box, for example `found by air, confidence 0.93`.
pub fn breast_caption(found: &Found) -> String {
    format!("found by {}, confidence {:.2}", found.method.as_str(), found.confidence)
}

/// The plane, scaled to the height of a panel.
fn panel(plane: &Plane<u16>) -> Plane<u8> {
    let whole = Rect::whole(plane.width(), plane.height());
    let width = (plane.width() * PANEL / plane.height()).clamp(1, 2 * PANEL);
    let geometry = Geometry::new(whole, (width, PANEL), Fit::Pad, None, Orientation::Kept);
    match Resizer::default().resize(plane, whole.into(), &geometry, 8) {
        Pixels::U8(panel) => panel,
        Pixels::U16(_) => unreachable!("8 bits were asked for"),
    }
}

/// A rectangle of `plane`, scaled to its panel.
fn scaled(rect: Rect, plane: &Plane<u16>) -> Rect {
    let scale = |length: usize| length * PANEL / plane.height();
    let (left, top) = (scale(rect.left), scale(rect.top));
    Rect { left, top, width: scale(rect.right()) - left, height: scale(rect.bottom()) - top }
}

fn side_by_side(panels: &[(Plane<u8>, String)]) -> Plane<u8> {
    let top = GAP + font::HEIGHT * LETTER + GAP / 2;
    let width = GAP + panels.iter().map(|(panel, _)| panel.width() + GAP).sum::<usize>();
    let height = top + PANEL + GAP;
    let mut page = Plane::new(width, height, vec![48; width * height]);
    let mut left = GAP;
    for (panel, caption) in panels {
        font::write(caption, left, GAP, LETTER, &mut page);
        for (y, row) in panel.rows().enumerate() {
            page.row_mut(top + y)[left..][..row.len()].copy_from_slice(row);
        }
        left += panel.width() + GAP;
    }
    page
}
