//! Planes as PNG files, and boxes drawn on them.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use png::{BitDepth, ColorType, Encoder};

use crate::error::Fault;
use crate::plane::{Plane, Rect};

/// Red, green and blue, 8 bits each.
pub type Rgb = [u8; 3];

/// A pixel that PNG can hold.
pub trait PngPixel: Copy {
    /// Grey or colour.
    const COLOR: ColorType;
    /// Bits of a sample.
    const DEPTH: BitDepth;
    /// Appends its bytes, the first on top.
    fn push(self, bytes: &mut Vec<u8>);
}

impl PngPixel for u8 {
    const COLOR: ColorType = ColorType::Grayscale;
    const DEPTH: BitDepth = BitDepth::Eight;

    fn push(self, bytes: &mut Vec<u8>) {
        bytes.push(self);
    }
}

impl PngPixel for u16 {
    const COLOR: ColorType = ColorType::Grayscale;
    const DEPTH: BitDepth = BitDepth::Sixteen;

    fn push(self, bytes: &mut Vec<u8>) {
        bytes.extend(self.to_be_bytes());
    }
}

impl PngPixel for Rgb {
    const COLOR: ColorType = ColorType::Rgb;
    const DEPTH: BitDepth = BitDepth::Eight;

    fn push(self, bytes: &mut Vec<u8>) {
        bytes.extend(self);
    }
}

/// Writes a PNG.
///
/// # Errors
/// [`Fault::Io`].
pub fn write<T: PngPixel>(path: &Path, plane: &Plane<T>) -> Result<(), Fault> {
    let file = File::create(path).map_err(Fault::io(path))?;
    let (width, height) = (plane.width() as u32, plane.height() as u32);
    let mut encoder = Encoder::new(BufWriter::new(file), width, height);
    encoder.set_color(T::COLOR);
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

/// Draws the edge of `rect`, `thick` pixels wide, in dashes as long as the gaps between them.
pub fn outline<T: Copy>(on: &mut Plane<T>, rect: Rect, thick: usize, dash: usize, ink: T) {
    let (width, height) = (on.width(), on.height());
    let (right, bottom) = (rect.right().min(width), rect.bottom().min(height));
    let on_edge = |at: usize, low: usize, high: usize| at < low + thick || at + thick >= high;
    for y in rect.top..bottom {
        for x in rect.left..right {
            let along = if on_edge(y, rect.top, bottom) { x } else { y };
            let is_edge = on_edge(y, rect.top, bottom) || on_edge(x, rect.left, right);
            if is_edge && (along / dash).is_multiple_of(2) {
                on.row_mut(y)[x] = ink;
            }
        }
    }
}
