//! Draws what is in an image besides the breast: implants, markers, labels, paddle edges, film.

use super::anatomy::Anatomy;
use super::canvas::Canvas;
use super::font;
use super::grid::{Noise, smoothstep};
use super::spec::{Layout, PhantomSpec};
use crate::image::Plane;
use crate::random::Random;
use crate::record::{Laterality, View};

/// An implant behind the gland, in the plane of the image.
pub(super) struct Implant {
    middle: [f32; 2],
    axes: [f32; 2],
}

impl Implant {
    /// The implant of an image that shows one.
    pub fn new(spec: &PhantomSpec, anatomy: &Anatomy) -> Option<Self> {
        let [nx, ny] = anatomy.nipple;
        let height = 0.5 * (anatomy.heights[0] + anatomy.heights[1]);
        let lift = if spec.view == View::Cc { 0.0 } else { 0.12 * height };
        if spec.layouts.contains(&Layout::Implant) {
            let axes = [0.50 * nx, 0.66 * height.min(1.1 * nx)];
            Some(Self { middle: [0.22 * nx, ny - lift], axes })
        } else if spec.layouts.contains(&Layout::ImplantDisplaced) {
            Some(Self { middle: [-0.18 * nx, ny - lift], axes: [0.34 * nx, 0.6 * height] })
        } else {
            None
        }
    }

    /// The brightness at a place whose tissue alone has the brightness `bright`.
    pub fn over(&self, x: f32, y: f32, bright: f32) -> f32 {
        let (dx, dy) = ((x - self.middle[0]) / self.axes[0], (y - self.middle[1]) / self.axes[1]);
        // The profile is a little flatter than an ellipse.
        let r = (dx.abs().powf(2.3) + dy.abs().powf(2.3)).powf(1.0 / 2.3);
        let inside = smoothstep(1.012, 0.988, r);
        let rim = (-(r - 0.985) * (r - 0.985) / 0.0004).exp();
        bright + ((0.90 + 0.06 * rim) - bright).max(0.0) * inside
    }
}

/// An object taped to the skin.
pub(super) enum Marker {
    /// A bead, in millimetres.
    Bead([f32; 2], f32),
    /// A ring, in millimetres: centre, radius.
    Ring([f32; 2], f32),
}

impl Marker {
    /// Draws it.
    pub fn draw(&self, page: &mut Canvas) {
        match *self {
            Self::Bead(middle, radius) => page.ball(middle, radius, 0.99),
            Self::Ring(middle, radius) => {
                let circle: Vec<[f32; 2]> = (0..=24)
                    .map(|i| i as f32 / 24.0 * std::f32::consts::TAU)
                    .map(|a| [middle[0] + radius * a.cos(), middle[1] + radius * a.sin()])
                    .collect();
                page.thread(&circle, [0.7, 0.7], [0.95, 0.95]);
            }
        }
    }
}

/// The markers of an image, in the plane of a left breast.
pub(super) fn on_the_skin(
    spec: &PhantomSpec,
    anatomy: &Anatomy,
    random: &mut Random,
) -> Vec<Marker> {
    if !spec.layouts.contains(&Layout::SkinMarkers) {
        return Vec::new();
    }
    let [nx, ny] = anatomy.nipple;
    let mut markers = vec![Marker::Bead([nx + 1.0, ny], random.between(0.9, 1.4))];
    for _ in 0..random.between(1.0, 4.0) as usize {
        let x = random.between(0.2, 0.95) * nx;
        let y = ny + random.between(-0.7, 0.7) * anatomy.heights[0];
        if anatomy.skin_at(x, y) > 1.0 {
            markers.push(Marker::Ring([x, y], random.between(2.0, 4.0)));
        }
    }
    markers
}

/// Draws everything that is not the patient, in the plane of the image as stored.
pub(super) fn on_the_frame(
    spec: &PhantomSpec,
    pitch: f32,
    grey: &mut Plane<f32>,
    tissue: &mut Plane<bool>,
    random: &mut Random,
) {
    let has = |layout| spec.layouts.contains(&layout);
    if spec.layouts.iter().any(|layout| layout.is_film()) {
        film(spec, grey, tissue, random);
    }
    if has(Layout::OtherSkin) {
        other_skin(spec, pitch, grey, random);
    }
    if has(Layout::PaddleLine) {
        paddle(spec, pitch, grey, random);
    }
    if has(Layout::FilmTape) {
        tape(spec, grey, random);
    }
    if has(Layout::FilmScratches) {
        scratches(grey, random);
    }
    if has(Layout::Label) || has(Layout::SideMarker) {
        text(spec, grey, random);
    }
}

/// The far end of the frame, seen from the chest wall: converts a share of the width to a column.
fn column(spec: &PhantomSpec, width: usize, share: f32) -> f32 {
    let from_wall = share * width as f32;
    match spec.laterality {
        Laterality::Left => from_wall,
        Laterality::Right => width as f32 - from_wall,
    }
}

/// Writes `R-MLO` in the upper corner away from the chest wall: burned in, or as lead letters on a
/// strip.
fn text(spec: &PhantomSpec, grey: &mut Plane<f32>, random: &mut Random) {
    let (width, height) = (grey.width() as f32, grey.height() as f32);
    let burned_in = spec.layouts.contains(&Layout::Label);
    let dash = if burned_in { "-" } else { "" };
    let words = format!("{}{dash}{}", spec.laterality.as_str(), spec.view.as_str());
    let size = height * random.between(0.020, 0.028) * if burned_in { 1.0 } else { 1.4 };
    let length = font::width(&words, size);
    let middle = column(spec, grey.width(), random.between(0.80, 0.86));
    let left = (middle - 0.5 * length).clamp(2.0, (width - length - 2.0).max(2.0));
    let top = height * random.between(0.04, 0.10);
    if !burned_in {
        let low = [left - 0.5 * size, top - 0.4 * size];
        let high = [left + length + 0.5 * size, top + 1.4 * size];
        each(grey, low, high, |_, _, old| f32::max(old, 0.16));
    }
    let strength = if burned_in { 0.72 } else { 0.97 };
    let mut page = Canvas { plane: std::mem::take(grey), pitch: 1.0 };
    for stroke in font::strokes(&words, [left, top], size) {
        let radius = size * if burned_in { 0.065 } else { 0.10 };
        page.thread(&stroke, [radius * 1.5; 2], [strength * 1.2; 2]);
    }
    *grey = page.plane;
    grey.pixels_mut().iter_mut().for_each(|bright| *bright = bright.min(1.0));
}

/// A fold of skin in a corner at the chest wall, bright because it is thick.
fn other_skin(spec: &PhantomSpec, pitch: f32, grey: &mut Plane<f32>, random: &mut Random) {
    let height = grey.height() as f32;
    let corner = if random.chance(0.5) { 0.0 } else { height };
    let size = [random.between(6.0, 18.0) / pitch, random.between(10.0, 28.0) / pitch];
    let wall = column(spec, grey.width(), 0.0);
    let strength = random.between(0.3, 0.9);
    let (low, high) = ([wall - size[0], corner - size[1]], [wall + size[0], corner + size[1]]);
    each(grey, low, high, |x, y, old| {
        let (dx, dy) = ((x - wall) / size[0], (y - corner) / size[1]);
        let inside = smoothstep(0.0, 0.7, 1.0 - (dx * dx + dy * dy).sqrt());
        if inside > 0.0 { f32::max(old, strength * inside) } else { old }
    });
}

/// The edge of a small paddle on a large detector: a faint line down the whole frame.
fn paddle(spec: &PhantomSpec, pitch: f32, grey: &mut Plane<f32>, random: &mut Random) {
    let share = random.between(0.34, 0.80);
    let middle = column(spec, grey.width(), share);
    let half = random.between(0.9, 1.7) / pitch;
    let (strength, tilt) = (random.between(0.04, 0.12), random.between(-0.004, 0.004));
    let height = grey.height() as f32;
    each(
        grey,
        [middle - 3.0 * half - 4.0, 0.0],
        [middle + 3.0 * half + 4.0, height],
        |x, y, old| {
            let distance = (x - middle - tilt * (y - 0.5 * height)).abs();
            let line = smoothstep(half + 1.0, half - 1.0, distance);
            if line > 0.0 { f32::max(old, strength * line) } else { old }
        },
    );
}

/// Turns the image into a scanned film: air is grey and uneven, and the borders are white.
fn film(spec: &PhantomSpec, grey: &mut Plane<f32>, tissue: &mut Plane<bool>, random: &mut Random) {
    let (width, height) = (grey.width() as f32, grey.height() as f32);
    let noise = Noise::new(random.next());
    let base = random.between(0.03, 0.09);
    // The three sides that are not the chest wall.
    let [top, bottom, far] = [(); 3].map(|()| random.between(0.004, 0.022) * width);
    let tilt = random.between(-0.006, 0.006);
    let left = spec.laterality == Laterality::Left;
    for y in 0..grey.height() {
        let row = grey.row_mut(y).iter_mut().zip(tissue.row_mut(y)).enumerate();
        for (x, (bright, tissue)) in row {
            let (x, y) = (x as f32, y as f32);
            let cloud = noise.octaves(6.0 * x / width, 6.0 * y / width, 3, 0.5);
            let air = base * (1.0 + 0.35 * cloud) + 0.03 * x / width;
            // The film's curve: soft blacks, slightly flatter whites.
            *bright = air.max(0.006) + (0.94 - air) * *bright;
            let from_far = if left { width - x } else { x };
            let inset =
                [y - top - tilt * x, height - y - bottom + tilt * x, from_far - far - tilt * y];
            let inset = inset.into_iter().fold(f32::INFINITY, f32::min);
            if inset < 0.0 {
                *bright = 0.93 + 0.04 * cloud;
                *tissue = false;
            }
        }
    }
}

/// Strips of tape, mostly over air, and a sticker with pencil marks.
fn tape(spec: &PhantomSpec, grey: &mut Plane<f32>, random: &mut Random) {
    let (width, height) = (grey.width() as f32, grey.height() as f32);
    for _ in 0..random.between(1.0, 3.99) as usize {
        let middle = column(spec, grey.width(), random.between(0.72, 0.95));
        let top = random.between(0.02, 0.85) * height;
        let size = [random.between(0.08, 0.22) * width, random.between(0.03, 0.07) * height];
        let (strength, slant) = (random.between(0.35, 0.85), random.between(-0.08, 0.08));
        let low = [middle - 0.5 * size[0], top - 0.1 * size[0]];
        let high = [middle + 0.5 * size[0], top + size[1] + 0.1 * size[0]];
        each(grey, low, high, |x, y, old| {
            let down = y - top - slant * (x - middle);
            if (0.0..size[1]).contains(&down) { old.max(strength + 0.12 * old) } else { old }
        });
    }
}

/// Long thin scratches and specks of dust, light and dark.
fn scratches(grey: &mut Plane<f32>, random: &mut Random) {
    let (width, height) = (grey.width() as f32, grey.height() as f32);
    let mut page = Canvas { plane: std::mem::take(grey), pitch: 1.0 };
    for _ in 0..random.between(3.0, 9.0) as usize {
        let from = [random.unit() * width, random.unit() * height];
        let angle = random.between(-0.3, 0.3) + std::f32::consts::FRAC_PI_2;
        let length = random.between(0.1, 0.9) * height;
        let to = [from[0] + length * angle.cos(), from[1] + length * angle.sin()];
        let radius = f32::max(0.8, width * 0.0006);
        page.thread(&[from, to], [radius; 2], [random.between(0.3, 0.8); 2]);
    }
    for _ in 0..40 {
        let at = [random.unit() * width, random.unit() * height];
        page.ball(at, width * random.between(0.0004, 0.0014), random.between(0.2, 0.9));
    }
    *grey = page.plane;
}

/// Changes every pixel of a box by a function of its column, row and old value.
fn each(grey: &mut Plane<f32>, low: [f32; 2], high: [f32; 2], f: impl Fn(f32, f32, f32) -> f32) {
    let range = |low: f32, high: f32, limit: usize| {
        (low.max(0.0) as usize).min(limit)..(high.max(0.0).ceil() as usize).min(limit)
    };
    let columns = range(low[0], high[0], grey.width());
    for y in range(low[1], high[1], grey.height()) {
        for x in columns.clone() {
            let pixel = &mut grey.row_mut(y)[x];
            *pixel = f(x as f32 + 0.5, y as f32 + 0.5, *pixel).min(1.0);
        }
    }
}
