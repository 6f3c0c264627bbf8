//! Several images of the same size in one buffer.

use super::Input;
use crate::image::Pixels;
use crate::model::{Images, Pixels as Borrowed};

/// Pixels of several images, one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    pixels: Owned,
    batch: usize,
    height: usize,
    width: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Owned {
    U8(Vec<u8>),
    U16(Vec<u16>),
}

impl Batch {
    /// A batch of `inputs`, as they are or mirrored left to right.
    ///
    /// # Panics
    /// If `inputs` is empty, or they differ in size or bits.
    pub fn of(inputs: &[&Input], mirrored: bool) -> Self {
        let first = &inputs[0].pixels;
        let (width, height) = (first.width(), first.height());
        let mut pixels = match first {
            Pixels::U8(_) => Owned::U8(Vec::with_capacity(inputs.len() * width * height)),
            Pixels::U16(_) => Owned::U16(Vec::with_capacity(inputs.len() * width * height)),
        };
        for input in inputs {
            let size = (input.pixels.width(), input.pixels.height());
            assert_eq!(size, (width, height), "the images of a release have one size");
            match (&mut pixels, &input.pixels) {
                (Owned::U8(all), Pixels::U8(plane)) => append(all, plane.rows(), mirrored),
                (Owned::U16(all), Pixels::U16(plane)) => append(all, plane.rows(), mirrored),
                _ => panic!("the images of a release have one depth"),
            }
        }
        Self { pixels, batch: inputs.len(), height, width }
    }

    /// The batch as the input of a network.
    pub fn images(&self) -> Images<'_> {
        let pixels = match &self.pixels {
            Owned::U8(pixels) => Borrowed::U8(pixels),
            Owned::U16(pixels) => Borrowed::U16(pixels),
        };
        Images { pixels, batch: self.batch, height: self.height, width: self.width }
    }
}

fn append<'a, T: Copy + 'a>(all: &mut Vec<T>, rows: impl Iterator<Item = &'a [T]>, mirrored: bool) {
    for row in rows {
        if mirrored {
            all.extend(row.iter().rev());
        } else {
            all.extend(row);
        }
    }
}
