//! A 3328 x 4084 frame of 16 bits to 1024 x 512: `cargo bench --bench resize`.
//!
//! One thread; bytes are those of the frame. The peer is `fast_image_resize`, from 16 bits to 16
//! bits, stretched, with its box filter and with Lanczos. Its box is not the area mean: it weighs
//! whole pixels, ours and OpenCV's `INTER_AREA` weigh the part of a pixel that an output covers.

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::pixels::U16;
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions};
use mammo_pipe::config::Fit;
use mammo_pipe::image::{Geometry, Orientation, Side};
use mammo_pipe::image::{Plane, Rect};
use mammo_pipe::preprocess::resize::Resizer;

fn main() {
    divan::main();
}

const FRAME: (usize, usize) = (3328, 4084);
const OUTPUT: (usize, usize) = (512, 1024);

/// Bits of the output, and how the crop fills it.
const CASES: [(u8, Orientation, Fit); 3] = [
    (8, Orientation::Kept, Fit::Pad),
    (8, Orientation::Mirrored, Fit::Stretch),
    (16, Orientation::Kept, Fit::Stretch),
];

fn frame() -> Vec<u16> {
    let (width, height) = FRAME;
    (0..width * height).map(|i| (i as u32).wrapping_mul(2_654_435_761) as u16).collect()
}

fn count<'a, 'b>(bencher: Bencher<'a, 'b>) -> Bencher<'a, 'b> {
    let bytes = 2 * FRAME.0 * FRAME.1;
    bencher.counter(BytesCount::new(bytes)).counter(ItemsCount::new(1_usize))
}

#[divan::bench(args = CASES)]
fn frame_to_output(bencher: Bencher, (bits, orientation, fit): (u8, Orientation, Fit)) {
    let image = Plane::new(FRAME.0, FRAME.1, frame());
    let crop = Rect::whole(FRAME.0, FRAME.1);
    let geometry = Geometry::new(crop, OUTPUT, fit, Some(Side::Left), orientation);
    let mut resizer = Resizer::default();
    count(bencher).bench_local(|| resizer.resize(&image, crop.into(), &geometry, bits));
}

#[divan::bench(args = [FilterType::Box, FilterType::Lanczos3])]
fn frame_to_output_by_fast_image_resize(bencher: Bencher, filter: FilterType) {
    let pixels: Vec<U16> = frame().into_iter().map(U16::new).collect();
    let (width, height) = (FRAME.0 as u32, FRAME.1 as u32);
    let image = ImageRef::from_pixels(width, height, &pixels).expect("as many pixels as it says");
    let mut output = Image::new(OUTPUT.0 as u32, OUTPUT.1 as u32, PixelType::U16);
    let mut resizer = fast_image_resize::Resizer::new();
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter));
    count(bencher).bench_local(|| {
        resizer.resize(&image, &mut output, &options).expect("both have one channel of 16 bits");
    });
}
