//! Combines all geometric changes into one affine map, and applies it in one pass.
//!
//! Positions are continuous: the centre of pixel `i` is at `i + 0.5`. Levels between pixel centres
//! are interpolated linearly; beyond the image is air.

use super::Grey;
use crate::image::Rect;

/// Maps a position of the output to the position of the source that it shows:
/// `x = xx * X + xy * Y + x0`, `y = yx * X + yy * Y + y0`.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(missing_docs)]
pub struct Affine {
    pub xx: f64,
    pub xy: f64,
    pub x0: f64,
    pub yx: f64,
    pub yy: f64,
    pub y0: f64,
}

/// The affine change of the image content.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Motion {
    /// Clockwise rotation about the centre.
    pub rotate_degrees: f64,
    /// Scale factor about the centre; above 1 enlarges.
    pub scale: f64,
    /// Shear angle of vertical lines; their lower ends move to the right.
    pub shear_degrees: f64,
    /// Shift to the right and down, as shares of width and height.
    pub shift: (f64, f64),
}

impl Default for Motion {
    fn default() -> Self {
        Self { rotate_degrees: 0.0, scale: 1.0, shear_degrees: 0.0, shift: (0.0, 0.0) }
    }
}

/// The part of the image that is resized to the full size, in shares of width and height.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Crop {
    /// Its width and height.
    pub share: f64,
    /// Its left edge.
    pub left: f64,
    /// Its upper edge.
    pub top: f64,
}

impl Default for Crop {
    fn default() -> Self {
        Self { share: 1.0, left: 0.0, top: 0.0 }
    }
}

impl Affine {
    /// Crops and resizes, then flips (horizontally, vertically), then scales, shears, rotates and
    /// shifts by `motion`.
    pub fn new(
        motion: &Motion,
        (horizontal, vertical): (bool, bool),
        crop: Crop,
        (width, height): (f64, f64),
    ) -> Self {
        let (sin, cos) = motion.rotate_degrees.to_radians().sin_cos();
        let lean = motion.shear_degrees.to_radians().tan();
        let sign = |flipped: bool| if flipped { -1.0 } else { 1.0 };
        // The inverse, from the last change to the first, on positions relative to the centre:
        // rotate by [cos sin; -sin cos], shear by [1 -lean; 0 1], then scale, flip and crop.
        let across = sign(horizontal) * crop.share / motion.scale;
        let down = sign(vertical) * crop.share / motion.scale;
        let (xx, xy) = (across * (cos + lean * sin), across * (sin - lean * cos));
        let (yx, yy) = (down * -sin, down * cos);
        // The centre of the output, shifted back, shows the centre of the crop.
        let middle = (width * (0.5 + motion.shift.0), height * (0.5 + motion.shift.1));
        let shown =
            (width * (crop.left + crop.share / 2.0), height * (crop.top + crop.share / 2.0));
        Self {
            xx,
            xy,
            x0: shown.0 - xx * middle.0 - xy * middle.1,
            yx,
            yy,
            y0: shown.1 - yx * middle.0 - yy * middle.1,
        }
    }
}

/// Fixed-point positions have 32 fractional bits and weights have 8, so the sum over four pixels of
/// 16 bits fits into 32 bits.
const POINT: u32 = 32;
const ONE: i64 = 1 << POINT;

/// Fills `out` with `source` mapped by `affine`, and applies `level` to each pixel. Both have rows
/// of `width`. The source is 0 outside of `content`, and `level` must keep 0.
pub(super) fn warp<T: Grey>(
    affine: &Affine,
    (source, content): (&[T], Rect),
    out: &mut [T],
    width: usize,
    level: impl Fn(T) -> T,
) {
    let position = |pixel: usize| pixel as i64 * ONE;
    let (left, right) = (position(content.left), position(content.right()));
    let (top, bottom) = (position(content.top), position(content.bottom()));
    let fixed = |value: f64| (value * ONE as f64).round() as i64;
    let step = (fixed(affine.xx), fixed(affine.yx));
    for (y, row) in out.chunks_exact_mut(width).enumerate() {
        let (x, y) = (0.5, y as f64 + 0.5);
        // The position of the upper left of the four pixels, relative to its centre.
        let start = (
            fixed(affine.xx * x + affine.xy * y + affine.x0 - 0.5),
            fixed(affine.yx * x + affine.yy * y + affine.y0 - 0.5),
        );
        // The columns where any of the four pixels is content, and those where all four are.
        let near = columns(start.0, step.0, left - ONE, right, width);
        let near = both(columns(start.1, step.1, top - ONE, bottom, width), near);
        let inside = columns(start.0, step.0, left, right - ONE, width);
        let inside = both(columns(start.1, step.1, top, bottom - ONE, width), inside);
        let inside = both(inside, near);
        let at =
            |column: usize| (start.0 + step.0 * column as i64, start.1 + step.1 * column as i64);
        row[..near.0].fill(T::default());
        row[near.1..].fill(T::default());
        for column in (near.0..inside.0).chain(inside.1..near.1) {
            row[column] = level(at_edge((source, content), width, at(column)));
        }
        let (mut u, mut v) = at(inside.0);
        for pixel in &mut row[inside.0..inside.1] {
            let first = (v >> POINT) as usize * width + (u >> POINT) as usize;
            let four = &source[first..first + width + 2];
            let mix = mix([four[0], four[1], four[width], four[width + 1]], weight(u), weight(v));
            *pixel = level(T::narrow(mix));
            u += step.0;
            v += step.1;
        }
    }
}

/// The columns at which `start + step * column` is at least `low` and below `high`: from the
/// first to behind the last, or an empty range.
fn columns(start: i64, step: i64, low: i64, high: i64, width: usize) -> (usize, usize) {
    let width = width as i64;
    // The first column at or above a limit, where positions ascend.
    let reach = |limit: i64, start: i64, step: i64| {
        (limit - start).div_euclid(step) + i64::from((limit - start).rem_euclid(step) != 0)
    };
    let (from, to) = match step {
        0 if (low..high).contains(&start) => (0, width),
        0 => (0, 0),
        1.. => (reach(low, start, step), reach(high, start, step)),
        // Turned round, `high` is the limit that is not reached itself.
        _ => (reach(1 - high, -start, -step), reach(1 - low, -start, -step)),
    };
    let from = from.clamp(0, width);
    (from as usize, to.clamp(from, width) as usize)
}

/// What both ranges have in common; where that is nothing, an empty range within `b`.
fn both(a: (usize, usize), b: (usize, usize)) -> (usize, usize) {
    let (from, to) = (a.0.max(b.0), a.1.min(b.1));
    if from < to {
        return (from, to);
    }
    let nowhere = from.clamp(b.0, b.1);
    (nowhere, nowhere)
}

fn weight(position: i64) -> u32 {
    (position >> (POINT - 8)) as u32 & 255
}

fn mix<T: Grey>([a, b, c, d]: [T; 4], x: u32, y: u32) -> u32 {
    let upper = a.widen() * (256 - x) + b.widen() * x;
    let lower = c.widen() * (256 - x) + d.widen() * x;
    (upper * (256 - y) + lower * y + (1 << 15)) >> 16
}

/// The interpolated level where some of the four pixels are outside the content, and so are air.
fn at_edge<T: Grey>((source, content): (&[T], Rect), width: usize, (u, v): (i64, i64)) -> T {
    let within = |place: i64, from: usize, to: usize| {
        usize::try_from(place).ok().filter(|place| (from..to).contains(place))
    };
    let pixel = |x: i64, y: i64| {
        let x = within(x, content.left, content.right());
        let place = x.zip(within(y, content.top, content.bottom()));
        place.map_or(T::default(), |(x, y)| source[y * width + x])
    };
    let (x, y) = (u >> POINT, v >> POINT);
    let four = [pixel(x, y), pixel(x + 1, y), pixel(x, y + 1), pixel(x + 1, y + 1)];
    T::narrow(mix(four, weight(u), weight(v)))
}
