//! Tears: steps that run along a row, and tiles of noise where there should be air.

use crate::plane::Plane;

/// Length of the longest tear along a row, as a share of the image's width; 1 where a tile of
/// air is noise.
pub fn longest(image: &Plane<u16>, air: Option<u16>) -> f32 {
    let (width, height) = (image.width(), image.height());
    if width < 64 || height < 64 {
        return 0.0;
    }
    let mut some: Vec<u16> = image.pixels().iter().copied().step_by(17).collect();
    let last = some.len() - 1;
    let bright = *some.select_nth_unstable(last * 99 / 100).1;
    let dark = air.unwrap_or_else(|| *some.select_nth_unstable(last / 100).1);
    let range = i32::from(bright.saturating_sub(dark)).max(16);
    if has_noisy_air(image, i32::from(dark), range) {
        return 1.0;
    }
    steps(image, range) as f32 / width as f32
}

/// The longest step along a row that begins or ends at a side of the frame, in pixels.
///
/// A step is a change of 3 % of the range within two rows, with less than a third of it in
/// the two rows above and the two below: a skin line that runs along a row is softer. What is
/// sharp and straight and is no tear (text, tape, a marker) stands free in the air, whereas
/// a decoder that has lost its way has lost the rest of the row. A film's rim lies in the
/// outer 4 %, which are left out.
fn steps(image: &Plane<u16>, range: i32) -> usize {
    let (width, height) = (image.width(), image.height());
    let rim = (height / 25).max(2);
    let threshold = (range * 3 / 100).max(2);
    let mut longest = 0;
    let mut signs = Vec::with_capacity(width);
    for y in rim..height - rim - 4 {
        let [a, b, c, d] = [y - 2, y, y + 2, y + 4].map(|y| image.row(y));
        signs.clear();
        signs.extend(a.iter().zip(b).zip(c).zip(d).map(|(((a, b), c), d)| {
            let [a, b, c, d] = [a, b, c, d].map(|v| i32::from(*v));
            let step = c - b;
            let sharp = step.abs() > threshold
                && 3 * (b - a).abs() < step.abs()
                && 3 * (d - c).abs() < step.abs();
            if sharp { step.signum() as i8 } else { 0 }
        }));
        longest = longest.max(reach(signs.iter(), width)).max(reach(signs.iter().rev(), width));
    }
    longest
}

/// How far steps of one sign reach from the beginning, with gaps of 1/32 of the width.
fn reach<'a>(signs: impl Iterator<Item = &'a i8>, width: usize) -> usize {
    let (mut sign, mut end, mut count) = (0, 0, 0);
    for (x, &here) in signs.enumerate() {
        if x > end + width / 32 {
            break;
        }
        if here != 0 && (sign == 0 || here == sign) {
            (sign, end, count) = (here, x, count + 1);
        }
    }
    count
}

/// Side of a tile. The code-blocks of JPEG 2000 are 64 coefficients or fewer of a band that is
/// at least halved: 64 pixels or more of the look.
const TILE: usize = 64;
/// Side of the cells that a tile is judged by.
const CELL: usize = 8;

/// Whether a tile lies in the dark and is rough in half of its cells, as a skin line or text
/// that passes through it are not (a fifth at most), while most of the air is smooth.
fn has_noisy_air(image: &Plane<u16>, dark: i32, range: i32) -> bool {
    let (across, down) = (image.width() / CELL, image.height() / CELL);
    // Roughness of the dark cells; none for the others.
    let mut rough = vec![None; across * down];
    for cell_y in 0..down {
        for cell_x in 0..across {
            let (mut sum, mut change) = (0, 0);
            for y in cell_y * CELL..(cell_y + 1) * CELL {
                let row = &image.row(y)[cell_x * CELL..(cell_x + 1) * CELL];
                sum += row.iter().map(|v| i32::from(*v)).sum::<i32>();
                // Second differences: blind to a gradient.
                change += row
                    .windows(3)
                    .map(|w| (i32::from(w[0]) - 2 * i32::from(w[1]) + i32::from(w[2])).abs())
                    .sum::<i32>();
            }
            let mean = sum / (CELL * CELL) as i32;
            if mean < dark + range / 12 {
                rough[cell_y * across + cell_x] = Some(change / (CELL * (CELL - 2)) as i32);
            }
        }
    }
    let mut all: Vec<i32> = rough.iter().flatten().copied().collect();
    if all.is_empty() {
        return false;
    }
    let middle = all.len() / 2;
    let usual = *all.select_nth_unstable(middle).1;
    let threshold = 3 * usual + range / 1000;
    let per_tile = TILE / CELL;
    let is_noise = |tile_x: usize, tile_y: usize| {
        let cells = (0..per_tile * per_tile).map(|i| {
            let (x, y) = (tile_x * per_tile + i % per_tile, tile_y * per_tile + i / per_tile);
            rough[y * across + x]
        });
        let noisy = cells.filter(|cell| cell.is_some_and(|rough| rough > threshold)).count();
        noisy * 20 >= per_tile * per_tile * 9
    };
    (0..down / per_tile).any(|y| (0..across / per_tile).any(|x| is_noise(x, y)))
}
