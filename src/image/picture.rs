//! Writes planes as PNG files, reads PNG files, resizes planes, and draws boxes on them.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use bytemuck::Pod;
use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use png::{BitDepth, ColorType, Decoder, Encoder};

use crate::error::Fault;
use crate::image::{Plane, Rect};
use crate::store::{MAKER, Target};

/// Red, green and blue, 8 bits each.
pub type Rgb = [u8; 3];

/// A pixel type that PNG can hold.
pub trait PngPixel: Pod {
    /// Grey or colour.
    const COLOR: ColorType;
    /// Bits per sample.
    const DEPTH: BitDepth;
    /// Its name in `fast_image_resize`.
    const KIND: PixelType;
    /// Appends its bytes, the most significant first.
    fn push(self, bytes: &mut Vec<u8>);
}

impl PngPixel for u8 {
    const COLOR: ColorType = ColorType::Grayscale;
    const DEPTH: BitDepth = BitDepth::Eight;
    const KIND: PixelType = PixelType::U8;

    fn push(self, bytes: &mut Vec<u8>) {
        bytes.push(self);
    }
}

impl PngPixel for u16 {
    const COLOR: ColorType = ColorType::Grayscale;
    const DEPTH: BitDepth = BitDepth::Sixteen;
    const KIND: PixelType = PixelType::U16;

    fn push(self, bytes: &mut Vec<u8>) {
        bytes.extend(self.to_be_bytes());
    }
}

impl PngPixel for Rgb {
    const COLOR: ColorType = ColorType::Rgb;
    const DEPTH: BitDepth = BitDepth::Eight;
    const KIND: PixelType = PixelType::U8x3;

    fn push(self, bytes: &mut Vec<u8>) {
        bytes.extend(self);
    }
}

/// Writes a PNG file.
///
/// # Errors
/// Those of [`Target::put`]; [`Fault::Io`] for a plane without pixels.
pub fn write<T: PngPixel>(target: &Target, plane: &Plane<T>) -> Result<(), Fault> {
    let bytes = encode(plane).map_err(|e| Fault::io(target.path())(std::io::Error::other(e)))?;
    target.put(&bytes)
}

/// Encodes a PNG. Its text chunk says that this program made it.
///
/// # Errors
/// The encoder's error, for a plane without pixels.
pub fn encode<T: PngPixel>(plane: &Plane<T>) -> Result<Vec<u8>, png::EncodingError> {
    let mut file = Vec::new();
    let (width, height) = (plane.width() as u32, plane.height() as u32);
    let mut encoder = Encoder::new(&mut file, width, height);
    encoder.set_color(T::COLOR);
    encoder.set_depth(T::DEPTH);
    encoder.set_compression(png::Compression::Fast);
    encoder.add_text_chunk("Software".into(), MAKER.into())?;
    let mut bytes = Vec::new();
    plane.pixels().iter().for_each(|pixel| pixel.push(&mut bytes));
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&bytes)?;
    writer.finish()?;
    Ok(file)
}

/// Reads a PNG with 8-bit red, green and blue.
///
/// # Errors
/// [`Fault::Io`], also for a PNG that is damaged, has another pixel type, or needs more than 256
/// MiB.
pub fn read(path: &Path) -> Result<Plane<Rgb>, Fault> {
    let damaged = |error: String| Fault::io(path)(std::io::Error::other(error));
    let file = File::open(path).map_err(Fault::io(path))?;
    let mut reader =
        Decoder::new(BufReader::new(file)).read_info().map_err(|e| damaged(e.to_string()))?;
    let need = reader.output_buffer_size().filter(|bytes| *bytes <= 256 << 20);
    let mut bytes = vec![0; need.ok_or_else(|| damaged("is too large".into()))?];
    let info = reader.next_frame(&mut bytes).map_err(|e| damaged(e.to_string()))?;
    let (width, height) = (info.width as usize, info.height as usize);
    let pixels: Vec<Rgb> = bytes.as_chunks::<3>().0.to_vec();
    if (info.color_type, info.bit_depth) != (Rgb::COLOR, Rgb::DEPTH)
        || pixels.len() != width * height
    {
        return Err(damaged(format!("is {:?}, needs 8 bits of RGB", info.color_type)));
    }
    Ok(Plane::new(width, height, pixels))
}

/// The picture in `width` x `height` pixels, for display: the mean with the weights of a triangle,
/// so there is no ringing and every source pixel counts.
///
/// # Panics
/// If the picture or the size is empty.
pub fn resized<T: PngPixel>(picture: &Plane<T>, width: usize, height: usize) -> Plane<T> {
    let triangle = ResizeAlg::Convolution(FilterType::Bilinear);
    let options = ResizeOptions::new().resize_alg(triangle);
    filtered(&mut Resizer::new(), picture, &options, (width, height))
}

/// Resizes `from` to `width` x `height` pixels as `options` say.
///
/// # Panics
/// If `from` or the size is empty, or the crop of `options` is not within `from`.
pub fn filtered<T: PngPixel>(
    resizer: &mut Resizer,
    from: &Plane<T>,
    options: &ResizeOptions,
    (width, height): (usize, usize),
) -> Plane<T> {
    assert!(!from.pixels().is_empty() && width * height > 0, "nothing to resize");
    let mut pixels = vec![T::zeroed(); width * height];
    let bytes = bytemuck::cast_slice(from.pixels());
    let source = ImageRef::new(from.width() as u32, from.height() as u32, bytes, T::KIND)
        .expect("a plane has as many pixels as its size says");
    let bytes = bytemuck::cast_slice_mut(&mut pixels);
    let mut output = Image::from_slice_u8(width as u32, height as u32, bytes, T::KIND)
        .expect("as many pixels as the size says");
    resizer
        .resize(&source, &mut output, options)
        .expect("both have the same pixel type, and the crop lies in the image");
    Plane::new(width, height, pixels)
}

/// Draws the outline of `rect`, `thick` pixels wide; dashes are as long as the gaps between them.
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
