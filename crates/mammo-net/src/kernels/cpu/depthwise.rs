//! Depthwise convolutions, one row of an image at a time.
//!
//! A task takes a band of the rows of an image: of output rows in the forward pass
//! (`depthwise/forward.rs`), of input rows in the backward pass (`depthwise/backward.rs`).

mod backward;
mod forward;

pub use self::backward::{Input, backward};
pub use self::forward::forward;

use super::super::Shape;
use super::pool::{Buffer, Pool};

/// Rows of a task: a quarter of the image, but neither so few that the windows of neighbouring tasks
/// overlap much, nor so many that threads wait for the last one.
fn band(rows: usize) -> usize {
    rows.div_ceil(4).clamp(8, 32)
}

/// A weight `[channels, taps]` as `[taps, channels]`.
fn by_tap(weight: &[f32], channels: usize, pool: &Pool) -> Buffer {
    let taps = weight.len() / channels;
    let mut out = pool.take(weight.len());
    for (channel, window) in weight.chunks_exact(taps).enumerate() {
        for (tap, value) in window.iter().enumerate() {
            out[tap * channels + channel] = *value;
        }
    }
    out
}

/// The bands of all images: the image, the first row, and the band's part of `values`.
fn bands(values: &mut [f32], shape: Shape) -> Vec<(usize, usize, &mut [f32])> {
    let row = shape.width * shape.channels;
    let band = band(shape.height);
    let images = values.chunks_mut(shape.height * row).enumerate();
    images
        .flat_map(|(image, values)| {
            let bands = values.chunks_mut(band * row).enumerate();
            bands.map(move |(i, values)| (image, i * band, values))
        })
        .collect()
}
