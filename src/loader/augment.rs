//! Augments an image with changes that keep its label, on pixels of 8 or 16 bits.
//!
//! In: pixels of the release and a seed. Out: the same number of pixels of the same type. The
//! changes ([`Drawn`]) depend on the seed alone. Each kind of change has its own random stream, so
//! switching one kind off does not affect the others.
//!
//! All geometric changes (flips, rotation, scale, shear, shift, crop) are one map, applied in one
//! pass over the pixels; grey levels change in the same pass. Air is 0 and stays 0: pixels from
//! beyond the image are air, intensity changes keep it black, and noise is not added to it.

mod draw;
mod noise;
mod intensity;
mod warp;

pub use intensity::Intensity;
pub use noise::Noise;
pub use warp::Affine;

use crate::config::AugmentConfig;
use crate::image::Rect;
use crate::random::Random;
use intensity::IntensityTable;

/// A grey level of 8 or 16 bits.
pub trait Grey: Copy + Default + PartialEq + Send + Sync + 'static {
    /// The level of white.
    const WHITE: u32;
    /// The level as a number.
    fn widen(self) -> u32;
    /// The level of a number up to [`Grey::WHITE`].
    fn narrow(level: u32) -> Self;
    #[doc(hidden)]
    fn intensity(self, table: &IntensityTable) -> Self;
}

impl Grey for u8 {
    const WHITE: u32 = 255;

    fn widen(self) -> u32 {
        self.into()
    }

    fn narrow(level: u32) -> Self {
        level as u8
    }

    fn intensity(self, table: &IntensityTable) -> Self {
        table.eight[usize::from(self)]
    }
}

impl Grey for u16 {
    const WHITE: u32 = 65_535;

    fn widen(self) -> u32 {
        self.into()
    }

    fn narrow(level: u32) -> Self {
        level as u16
    }

    fn intensity(self, table: &IntensityTable) -> Self {
        table.sixteen(self)
    }
}

/// Where an output pixel comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Place {
    /// The source, possibly flipped; no interpolation.
    Flip {
        /// Left-right flip.
        horizontal: bool,
        /// Top-bottom flip.
        vertical: bool,
    },
    /// An affine map with bilinear interpolation.
    Affine(Affine),
}

/// The changes to one image.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawn {
    /// Where each pixel comes from.
    pub place: Place,
    /// Change of grey levels.
    pub intensity: Option<Intensity>,
    /// Noise.
    pub noise: Option<Noise>,
    /// Blackened rectangles, in pixels of the output.
    pub holes: Vec<Rect>,
}

/// The random streams.
mod stream {
    pub const FLIP: u64 = 1;
    pub const AFFINE: u64 = 2;
    pub const CROP: u64 = 3;
    pub const INTENSITY: u64 = 4;
    pub const NOISE: u64 = 5;
    pub const CUTOUT: u64 = 6;
}

impl Drawn {
    /// No change.
    pub fn nothing() -> Self {
        let place = Place::Flip { horizontal: false, vertical: false };
        Self { place, intensity: None, noise: None, holes: Vec::new() }
    }

    /// Draws the changes to an image of `width` x `height` from `seed`.
    pub fn new(config: &AugmentConfig, seed: u64, (width, height): (usize, usize)) -> Self {
        let stream = |name| Random::new(Random::seed_of(seed, name));
        Self {
            place: place(config, &stream, (width as f64, height as f64)),
            intensity: config.intensity.draw(&mut stream(stream::INTENSITY)),
            noise: config.noise.draw(&mut stream(stream::NOISE)),
            holes: config.cutout.draw(&mut stream(stream::CUTOUT), (width, height)),
        }
    }

    /// Applies the changes to `source` and writes `out`, both row-major with rows of `width`. The
    /// source must be 0 outside of `content`, where it is not read; see
    /// [`Geometry::content`](crate::image::Geometry::content).
    ///
    /// # Panics
    /// If the lengths differ or are not whole rows, or if `content` is not within the image.
    pub fn apply<T: Grey>(&self, source: &[T], out: &mut [T], width: usize, content: Rect) {
        assert_eq!(source.len(), out.len());
        assert_eq!(source.len() % width, 0);
        assert!(content.right() <= width && content.bottom() * width <= source.len());
        match &self.intensity {
            None => self.move_pixels(source, out, width, content, |level| level),
            Some(intensity) => {
                let table = intensity.table();
                self.move_pixels(source, out, width, content, |level| level.intensity(&table));
            }
        }
        if let Some(noise) = &self.noise {
            noise.add(out);
        }
        for hole in &self.holes {
            let rows = out.chunks_exact_mut(width).skip(hole.top).take(hole.height);
            rows.for_each(|row| row[hole.left..hole.right()].fill(T::default()));
        }
    }

    fn move_pixels<T: Grey>(
        &self,
        source: &[T],
        out: &mut [T],
        width: usize,
        content: Rect,
        level: impl Fn(T) -> T,
    ) {
        match self.place {
            Place::Affine(affine) => warp::warp(&affine, (source, content), out, width, level),
            Place::Flip { horizontal, vertical } => {
                let height = source.len() / width;
                for (y, out) in out.chunks_exact_mut(width).enumerate() {
                    let y = if vertical { height - 1 - y } else { y };
                    let row = &source[y * width..][..width];
                    let set = |(out, from): (&mut T, &T)| *out = level(*from);
                    match horizontal {
                        true => out.iter_mut().zip(row.iter().rev()).for_each(set),
                        false => out.iter_mut().zip(row).for_each(set),
                    }
                }
            }
        }
    }
}

fn place(config: &AugmentConfig, stream: &dyn Fn(u64) -> Random, size: (f64, f64)) -> Place {
    let mut flip = stream(stream::FLIP);
    let horizontal = f64::from(flip.unit()) < config.flip_horizontal;
    let vertical = f64::from(flip.unit()) < config.flip_vertical;
    let affine = config.affine.draw(&mut stream(stream::AFFINE));
    let crop = config.crop.draw(&mut stream(stream::CROP));
    if affine.is_none() && crop.is_none() {
        return Place::Flip { horizontal, vertical };
    }
    let motion = affine.unwrap_or_default();
    Place::Affine(Affine::new(&motion, (horizontal, vertical), crop.unwrap_or_default(), size))
}

#[cfg(test)]
mod tests;
