//! The steps side by side, and PNG.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use png::{BitDepth, ColorType, Encoder};

use super::Steps;
use super::font;
use crate::config::Fit;
use crate::error::Fault;
use crate::plane::{Plane, Rect};
use crate::preprocess::resize::{Geometry, Orientation, Pixels, Resizer};
use crate::preprocess::roi::Found;
use crate::preprocess::window::WindowUsed;

/// Height of a panel, in pixels of the picture.
const PANEL: usize = 900;
/// Around panels.
const GAP: usize = 16;
/// Size of a letter's pixel.
const LETTER: usize = 3;

/// A pixel that PNG can hold.
pub trait PngPixel: Copy {
    /// Its bits.
    const DEPTH: BitDepth;
    /// Appends its bytes, the first on top.
    fn push(self, bytes: &mut Vec<u8>);
}

impl PngPixel for u8 {
    const DEPTH: BitDepth = BitDepth::Eight;

    fn push(self, bytes: &mut Vec<u8>) {
        bytes.push(self);
    }
}

impl PngPixel for u16 {
    const DEPTH: BitDepth = BitDepth::Sixteen;

    fn push(self, bytes: &mut Vec<u8>) {
        bytes.extend(self.to_be_bytes());
    }
}

/// Writes a grey PNG.
///
/// # Errors
/// [`Fault::Io`].
pub fn write<T: PngPixel>(path: &Path, plane: &Plane<T>) -> Result<(), Fault> {
    let file = File::create(path).map_err(Fault::io(path))?;
    let (width, height) = (plane.width() as u32, plane.height() as u32);
    let mut encoder = Encoder::new(BufWriter::new(file), width, height);
    encoder.set_color(ColorType::Grayscale);
    encoder.set_depth(T::DEPTH);
    encoder.set_compression(png::Compression::Fast);
    let mut bytes = Vec::new();
    plane.pixels().iter().for_each(|pixel| pixel.push(&mut bytes));
    encoder
        .write_header()
        .and_then(|mut writer| {
            writer.write_image_data(&bytes)?;
            writer.finish()
        })
        .map_err(|error| Fault::io(path)(std::io::Error::other(error)))
}

/// Stored values, grey levels, box and output, left to right, each under its caption.
pub fn compose(steps: &Steps) -> Plane<u8> {
    let values = || steps.stored.pixels.pixels().iter().map(|&bits| steps.stored.value(bits));
    let (low, high) = (values().min().unwrap_or(0), values().max().unwrap_or(0));
    let scale = 65535.0 / f64::from((high - low).max(1));
    let decoded =
        steps.stored.pixels.map(|&bits| (f64::from(steps.stored.value(bits) - low) * scale) as u16);
    let windowed = panel(&steps.windowed);
    let mut boxed = windowed.clone();
    let [breast, crop] = steps.boxes;
    outline(&mut boxed, scaled(crop, &steps.windowed), 12);
    outline(&mut boxed, scaled(breast, &steps.windowed), usize::MAX);
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
    beside(&panels)
}

/// For example `SIGMOID 2686/900 (window 0)`.
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

/// For example `found by air, confidence 0.93`.
pub fn breast_caption(found: &Found) -> String {
    format!("found by {}, confidence {:.2}", found.method.as_str(), found.confidence)
}

/// The plane at the height of a panel.
fn panel(plane: &Plane<u16>) -> Plane<u8> {
    let whole = Rect::whole(plane.width(), plane.height());
    let width = (plane.width() * PANEL / plane.height()).clamp(1, 2 * PANEL);
    let geometry = Geometry::new(whole, (width, PANEL), Fit::Pad, None, Orientation::Kept);
    match Resizer::default().resize(plane, whole.into(), &geometry, 8) {
        Pixels::U8(panel) => panel,
        Pixels::U16(_) => unreachable!("8 bits were asked for"),
    }
}

/// A rectangle of `plane` in its panel.
fn scaled(rect: Rect, plane: &Plane<u16>) -> Rect {
    let scale = |length: usize| length * PANEL / plane.height();
    let (left, top) = (scale(rect.left), scale(rect.top));
    Rect { left, top, width: scale(rect.right()) - left, height: scale(rect.bottom()) - top }
}

/// Draws the edge of `rect`, two pixels wide, in dashes as long as the gaps between them.
fn outline(panel: &mut Plane<u8>, rect: Rect, dash: usize) {
    let (width, height) = (panel.width(), panel.height());
    let (right, bottom) = (rect.right().min(width), rect.bottom().min(height));
    let on_edge = |at: usize, low: usize, high: usize| at < low + 2 || at + 2 >= high;
    for y in rect.top..bottom {
        for x in rect.left..right {
            let along = if on_edge(y, rect.top, bottom) { x } else { y };
            let is_edge = on_edge(y, rect.top, bottom) || on_edge(x, rect.left, right);
            if is_edge && (along / dash).is_multiple_of(2) {
                panel.row_mut(y)[x] = 255;
            }
        }
    }
}

fn beside(panels: &[(Plane<u8>, String)]) -> Plane<u8> {
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
