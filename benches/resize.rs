//! A 3328 x 4084 frame to 1024 x 512: `cargo bench --bench resize`.

use divan::{Bencher, counter::BytesCount};
use mammo_pipe::config::Fit;
use mammo_pipe::image::{Geometry, Orientation, Side};
use mammo_pipe::image::{Plane, Rect};
use mammo_pipe::preprocess::resize::Resizer;

fn main() {
    divan::main();
}

/// Bits of the output, and how the crop fills it.
const CASES: [(u8, Orientation, Fit); 3] = [
    (8, Orientation::Kept, Fit::Pad),
    (8, Orientation::Mirrored, Fit::Stretch),
    (16, Orientation::Kept, Fit::Stretch),
];

#[divan::bench(args = 0..CASES.len())]
fn frame_to_output(bencher: Bencher, case: usize) {
    let (bits, orientation, fit) = CASES[case];
    let (width, height) = (3328, 4084);
    let pixels = (0..width * height).map(|i| (i as u32).wrapping_mul(2_654_435_761) as u16);
    let image = Plane::new(width, height, pixels.collect());
    let crop = Rect::whole(width, height);
    let geometry = Geometry::new(crop, (512, 1024), fit, Some(Side::Left), orientation);
    let mut resizer = Resizer::default();
    bencher
        .counter(BytesCount::of_slice(image.pixels()))
        .bench_local(|| resizer.resize(&image, crop.into(), &geometry, bits));
}
