//! Maps stored values to grey levels by the file's display attributes.
//!
//! In: [`Display`], [`PixelLayout`] and, for the modes that depend on the image, its range of
//! stored values. Out: a [`Lut`] that maps every stored value to a level from 0 (air) to 65535,
//! with the breast bright. This is the VOI's output range. With `window.mode: dicom` nothing is
//! stretched per image, so two images of one machine stay comparable.
//!
//! The order of work is that of PS3.3 C.11: modality transformation, VOI transformation, inversion
//! of MONOCHROME1. Padding is not a measurement; it becomes air after all of them.

use mammo_codecs::jpeg2000::display::Slopes;

use crate::config::{WindowConfig, WindowMode};
use crate::image::{Plane, Rect};

use super::read::{
    Display, LookupTable, Modality, Photometric, PixelLayout, PresentationShape, VoiFunction,
    VoiWindow,
};

/// Why this stage rejects a file.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum WindowError {
    /// The window depends on the image, whose values are all equal.
    #[error(
        "the stored values without padding and air are {low} to {high}; a window needs two \
         different values"
    )]
    Flat {
        /// The smallest value.
        low: f64,
        /// The largest value.
        high: f64,
    },
    /// The window depends on the image, which consists of padding and air alone.
    #[error("every pixel is padding or air, so no window can be computed")]
    NoRange,
}

/// The window with which the grey levels were computed; these are columns of the release.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WindowUsed {
    /// The origin of the window.
    pub source: WindowSource,
    /// VOI LUT Function; `None` for a table.
    pub function: Option<VoiFunction>,
    /// The centre, in output values of the modality transformation; `None` for a table.
    pub center: Option<f64>,
    /// The width, in the same unit; `None` for a table.
    pub width: Option<f64>,
    /// The index of the file's table or window, from 0; `None` for the image's own range.
    pub index: Option<usize>,
}

/// The origin of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowSource {
    /// The file's VOI LUT Sequence.
    Table,
    /// The file's Window Center and Window Width.
    Window,
    /// The smallest to the largest value of the image.
    Minmax,
    /// Percentiles of the image.
    Percentile,
    /// The full range of Bits Stored, because the file has no window.
    Full,
}

impl WindowSource {
    /// The value in the release's `window_source` column.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Window => "window",
            Self::Minmax => "minmax",
            Self::Percentile => "percentile",
            Self::Full => "full",
        }
    }
}

/// The levels that are black and white.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GreyScale {
    /// The level of black (air).
    pub black: u16,
    /// The level of white.
    pub white: u16,
}

impl GreyScale {
    /// The full range of 16 bits.
    pub const FULL: Self = Self { black: 0, white: u16::MAX };
    /// With room below black and above white, each a sixth of the range between them.
    const ROOMY: Self = Self { black: 8192, white: u16::MAX - 8192 };

    /// The level on the full scale, clipped to black and white.
    pub fn to_full(self, level: u16) -> u16 {
        let inside = f32::from(level.clamp(self.black, self.white) - self.black);
        (inside * 65535.0 / f32::from(self.white - self.black)).round() as u16
    }
}

/// A grey scale that is a straight line over all stored values, as a window over the whole range
/// gives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Straight {
    /// 8-bit levels per stored value; negative for a falling line.
    pub slope: f64,
    /// The largest deviation from the line, in 8-bit levels.
    pub off: f64,
    /// How far beyond the range of stored values [`Lut::straightened`] has levels.
    pub margin: u16,
}

/// Maps stored values to grey levels.
#[derive(Debug, Clone, PartialEq)]
pub struct Lut {
    /// Indexed by the 16 bits of the stored value, so that every value can be looked up without a
    /// check; negative ones are in the upper half.
    levels: Box<[u16; 1 << 16]>,
    /// The smallest and the largest stored value.
    range: (i32, i32),
    /// The levels that are black and white.
    pub scale: GreyScale,
    /// The window that was used.
    pub used: WindowUsed,
}

/// Computes the grey level of every stored value that `layout` can hold.
///
/// `range` is the image's own range of stored values without padding and air: the smallest and the
/// largest value, or the percentiles. `window.mode: dicom` does not use it.
///
/// # Errors
/// [`WindowError`] for a window that is not valid.
pub fn lut(
    display: &Display,
    layout: &PixelLayout,
    config: &WindowConfig,
    range: Option<(f64, f64)>,
) -> Result<Lut, WindowError> {
    let (voi, used) = choose(display, layout, config, range)?;
    let inverted = layout.photometric == Photometric::Monochrome1
        || display.shape == PresentationShape::Inverse;
    let (low, high) = layout.range();
    let mut levels = Box::new([0; 1 << 16]);
    for stored in low..=high {
        if display.padding.is_some_and(|padding| padding.contains(stored)) {
            continue;
        }
        let share = voi.share(modality(display, f64::from(stored)));
        let share = if inverted { 1.0 - share } else { share };
        levels[usize::from(stored as u16)] = (share * f64::from(u16::MAX)).round() as u16;
    }
    Ok(Lut { levels, range: (low, high), scale: GreyScale::FULL, used })
}

impl Lut {
    /// The grey level of a stored value; two's complement if signed.
    pub fn level(&self, stored: u16) -> u16 {
        self.levels[usize::from(stored)]
    }

    /// The slopes, in 8-bit levels per stored value. The step to padding counts too, because an
    /// approximate value may cross it.
    pub fn slopes(&self) -> Slopes {
        let (low, high) = self.range;
        let steps = (low..high).map(|stored| {
            let (here, next) = (self.level(stored as u16), self.level((stored + 1) as u16));
            (f32::from(next) - f32::from(here)) / 257.0
        });
        Slopes::new(low, &steps.collect::<Vec<_>>())
    }

    /// The line that the levels lie on, if they lie on one.
    pub fn straight(&self) -> Option<Straight> {
        let (low, high) = self.range;
        let line = self.line()?;
        let off = (low..=high)
            .map(|stored| (f64::from(self.level(stored as u16)) - line(stored)).abs())
            .fold(0.0, f64::max)
            / 257.0;
        let room = (f64::from(high - low) / 6.0) as i32;
        let margin = room.min(i32::from(i16::MAX) - high).min(low - i32::from(i16::MIN));
        (off <= MOST_OFF && margin > 0).then(|| Straight {
            slope: (line(1) - line(0)) / 257.0,
            off,
            margin: margin as u16,
        })
    }

    /// From the level of the smallest stored value to that of the largest; `None` if they are
    /// equal.
    fn line(&self) -> Option<impl Fn(i32) -> f64> {
        let (low, high) = self.range;
        let [first, last] = [low, high].map(|stored| f64::from(self.level(stored as u16)));
        let slope = (last - first) / f64::from(high - low);
        (slope != 0.0).then_some(move |stored: i32| first + slope * f64::from(stored - low))
    }

    /// The line itself, continued beyond the range on a scale with room for it.
    pub fn straightened(&self, straight: &Straight) -> Option<Self> {
        let line = self.line()?;
        let scale = GreyScale::ROOMY;
        let (black, white) = (f64::from(scale.black), f64::from(scale.white));
        let ((low, high), margin) = (self.range, i32::from(straight.margin));
        let mut levels = Box::new([0; 1 << 16]);
        for stored in low - margin..=high + margin {
            let share = line(stored) / f64::from(u16::MAX);
            levels[usize::from(stored as u16)] = (black + share * (white - black)).round() as u16;
        }
        Some(Self { levels, range: self.range, scale, used: self.used })
    }

    /// Fills `out` with the grey levels of `part` of `stored`, and reuses its memory.
    ///
    /// # Panics
    /// If `part` is not inside `stored`.
    pub fn apply(&self, stored: &Plane<u16>, part: Rect, out: &mut Plane<u16>) {
        let mut pixels = std::mem::take(out).into_pixels();
        pixels.clear();
        pixels.reserve_exact(part.area());
        for y in part.top..part.bottom() {
            let row = &stored.row(y)[part.left..part.right()];
            pixels.extend(row.iter().map(|&stored| self.level(stored)));
        }
        *out = Plane::new(part.width, part.height, pixels);
    }
}

/// How far a straight scale may deviate from its line, in 8-bit levels: as much as a window that is
/// half a stored value short at its ends.
const MOST_OFF: f64 = 0.05;

/// The modality transformation, PS3.3 C.11.1.
fn modality(display: &Display, stored: f64) -> f64 {
    match &display.modality {
        Modality::Rescale { slope, intercept } => slope * stored + intercept,
        Modality::Table(table) => f64::from(table.at(stored)),
    }
}

/// The VOI transformation, PS3.3 C.11.2.
enum Voi<'a> {
    Table(&'a LookupTable),
    Window(VoiWindow),
}

impl Voi<'_> {
    /// The output for `x`, as a share of the output range.
    fn share(&self, x: f64) -> f64 {
        match *self {
            Self::Table(table) => (f64::from(table.at(x)) / f64::from(table.max())).min(1.0),
            // C.11.2.1.2.1: of the two values in a LINEAR window of width 2, the lower is black.
            Self::Window(VoiWindow { center, width, function, .. }) => match function {
                VoiFunction::Linear => ramp(x, center - 0.5, width - 1.0),
                VoiFunction::LinearExact => ramp(x, center, width),
                VoiFunction::Sigmoid => 1.0 / (1.0 + (-4.0 * (x - center) / width).exp()),
            },
        }
    }
}

/// A width of 0, which LINEAR has for a width of 1, is a threshold.
fn ramp(x: f64, center: f64, width: f64) -> f64 {
    if x <= center - width / 2.0 {
        0.0
    } else if x > center + width / 2.0 {
        1.0
    } else {
        (x - center) / width + 0.5
    }
}

fn choose<'a>(
    display: &'a Display,
    layout: &PixelLayout,
    config: &WindowConfig,
    range: Option<(f64, f64)>,
) -> Result<(Voi<'a>, WindowUsed), WindowError> {
    let source = match config.mode {
        WindowMode::Minmax => WindowSource::Minmax,
        WindowMode::Percentile => WindowSource::Percentile,
        WindowMode::Dicom => return from_file(display, layout, config.index),
    };
    let (low, high) = range.ok_or(WindowError::NoRange)?;
    if low.partial_cmp(&high) != Some(std::cmp::Ordering::Less) {
        return Err(WindowError::Flat { low, high });
    }
    between(source, modality(display, low), modality(display, high))
        .ok_or(WindowError::Flat { low, high })
}

/// A table takes precedence over a window, as in pydicom and in viewers. PS3.3 leaves the choice to
/// the user, and the table is the more exact description. The reader has left out what cannot be
/// used.
fn from_file<'a>(
    display: &'a Display,
    layout: &PixelLayout,
    index: usize,
) -> Result<(Voi<'a>, WindowUsed), WindowError> {
    if let Some((index, table)) = nearest(&display.tables, index, |(index, _)| *index) {
        let (source, index) = (WindowSource::Table, Some(*index));
        let used = WindowUsed { source, function: None, center: None, width: None, index };
        return Ok((Voi::Table(table), used));
    }
    if let Some(window) = nearest(&display.windows, index, |window| window.index) {
        let used = WindowUsed {
            source: WindowSource::Window,
            function: Some(window.function),
            center: Some(window.center),
            width: Some(window.width),
            index: Some(window.index),
        };
        return Ok((Voi::Window(*window), used));
    }
    let (low, high) = match &display.modality {
        Modality::Rescale { .. } => {
            let (low, high) = layout.range();
            (modality(display, f64::from(low)), modality(display, f64::from(high)))
        }
        Modality::Table(table) => (0.0, f64::from(table.max())),
    };
    between(WindowSource::Full, low, high).ok_or(WindowError::Flat { low, high })
}

/// The one with this index in the file; else the next one, or the last if there is none behind it.
fn nearest<T>(all: &[T], index: usize, of: impl Fn(&T) -> usize) -> Option<&T> {
    all.iter().find(|one| of(one) >= index).or(all.last())
}

/// Linear from one value to the other, whichever is smaller; `None` if they are equal.
fn between<'a>(source: WindowSource, a: f64, b: f64) -> Option<(Voi<'a>, WindowUsed)> {
    let function = VoiFunction::LinearExact;
    let window = VoiWindow { center: a.midpoint(b), width: (a - b).abs(), function, index: 0 };
    let used = WindowUsed {
        source,
        function: Some(function),
        center: Some(window.center),
        width: Some(window.width),
        index: None,
    };
    (window.width > 0.0).then_some((Voi::Window(window), used))
}

#[cfg(test)]
mod tests;
