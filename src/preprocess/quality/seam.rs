//! Finds seams (level steps that run along a row) and tiles of noise in the air.

use crate::image::Plane;

/// The length of the longest seam along a row, as a share of the image's width; 1 if a tile of air
/// is noise.
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

/// The longest step or line along a row that begins at a side of the frame, in pixels.
///
/// A step is a change of 3 % of the range within two rows, with less than a third of it in the two
/// rows above and the two below; a skin line along a row is softer. A line is one row that differs
/// by 1 % from its two neighbours, which are alike: with restart markers the damage ends with the
/// row. Sharp straight things that are not seams (text, tape, a marker) lie free in the air,
/// whereas a damaged stream spoils the rest of the row. The rim of a film lies in the outer 4 %,
/// which are ignored.
fn steps(image: &Plane<u16>, range: i32) -> usize {
    let (width, height) = (image.width(), image.height());
    let rim = (height / 25).max(2);
    let (step_least, line_least) = ((range * 3 / 100).max(2), (range / 100).max(2));
    let mut longest = 0;
    let (mut steps, mut lines) = (vec![0i8; width], vec![0i8; width]);
    for y in rim..height - rim - 4 {
        let row = |y| &image.row(y)[..width];
        let (a, b, c, d, e, f) =
            (row(y - 2), row(y - 1), row(y), row(y + 1), row(y + 2), row(y + 4));
        let (steps, lines) = (&mut steps[..width], &mut lines[..width]);
        // Without branches, so that the compiler vectorises it.
        for x in 0..width {
            let [a, b, c, d, e, f] = [a[x], b[x], c[x], d[x], e[x], f[x]].map(i32::from);
            let step = e - c;
            let is_step = (step.abs() > step_least)
                & (3 * (c - a).abs() < step.abs())
                & (3 * (f - e).abs() < step.abs());
            steps[x] = step.signum() as i8 * i8::from(is_step);
            let line = 2 * c - b - d;
            let is_line = (line.abs() > 2 * line_least) & (6 * (d - b).abs() < line.abs());
            lines[x] = line.signum() as i8 * i8::from(is_line);
        }
        for signs in [steps, lines] {
            longest = longest.max(reach(signs.iter(), width)).max(reach(signs.iter().rev(), width));
        }
    }
    longest
}

/// How far steps of one sign reach from the beginning, with gaps of up to 1/32 of the width.
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

/// The side of a tile. A code-block of JPEG 2000 has at most 64 coefficients a side, in a band that
/// is at least halved: 64 pixels of the look or more.
const TILE: usize = 64;
/// The side of the cells that a tile is divided into.
const CELL: usize = 8;

/// Whether half of a tile's cells are dark and disturbed, while most of the air is not. A skin line
/// or text disturbs at most a fifth of a tile's cells.
fn has_noisy_air(image: &Plane<u16>, dark: i32, range: i32) -> bool {
    let (across, down) = (image.width() / CELL, image.height() / CELL);
    let cells: Vec<Cell> =
        (0..across * down).map(|i| Cell::new(image, i % across, i / across)).collect();
    let is_dark = |cell: &&Cell| cell.mean < dark + range / 12;
    let mut rough: Vec<i32> = cells.iter().filter(is_dark).map(|cell| cell.rough).collect();
    if rough.is_empty() {
        return false;
    }
    let middle = rough.len() / 2;
    let usual = *rough.select_nth_unstable(middle).1;
    let is_even = is_of_even_cells(cells.iter().filter(is_dark));
    let threshold = 3 * usual + range / 1000;
    let is_disturbed = |cell: &Cell| {
        let off = is_even && cell.lowest != cell.highest;
        is_dark(&cell) && (cell.rough > threshold || off)
    };
    let per_tile = TILE / CELL;
    let is_noise = |tile_x: usize, tile_y: usize| {
        let cells = (0..per_tile * per_tile).map(|i| {
            let (x, y) = (tile_x * per_tile + i % per_tile, tile_y * per_tile + i / per_tile);
            &cells[y * across + x]
        });
        cells.filter(|cell| is_disturbed(cell)).count() * 20 >= per_tile * per_tile * 9
    };
    (0..down / per_tile).any(|y| (0..across / per_tile).any(|x| is_noise(x, y)))
}

/// Cells of air with one value each are at least this share of it where air is even: 0.93 or more in
/// phantoms with such air. A film that is black in places has less.
const EVEN: f32 = 0.75;

/// Whether air is even: nearly all of its cells have exactly one value, of which a paddle or a
/// collimator makes several. Many machines write such air, and no decoder changes it.
fn is_of_even_cells<'a>(dark: impl Iterator<Item = &'a Cell>) -> bool {
    let (mut even, mut all) = (0, 0);
    for cell in dark {
        all += 1;
        even += usize::from(cell.lowest == cell.highest);
    }
    even as f32 > EVEN * all as f32
}

/// Statistics of 8 x 8 pixels.
struct Cell {
    mean: i32,
    /// Mean second difference along the rows, which is 0 for a gradient.
    rough: i32,
    lowest: u16,
    highest: u16,
}

impl Cell {
    fn new(image: &Plane<u16>, x: usize, y: usize) -> Self {
        let (mut sum, mut change, mut lowest, mut highest) = (0, 0, u16::MAX, 0);
        for y in y * CELL..(y + 1) * CELL {
            let row: &[u16; CELL] =
                image.row(y)[x * CELL..].first_chunk().expect("cells lie in the image");
            for v in row {
                sum += i32::from(*v);
                (lowest, highest) = (lowest.min(*v), highest.max(*v));
            }
            let row = row.map(i32::from);
            for i in 1..CELL - 1 {
                change += (row[i - 1] - 2 * row[i] + row[i + 1]).abs();
            }
        }
        let mean = sum / (CELL * CELL) as i32;
        Self { mean, rough: change / (CELL * (CELL - 2)) as i32, lowest, highest }
    }
}
