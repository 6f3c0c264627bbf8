//! The brightness of the breast at a place: fat, glandular tissue, muscle, skin.
//!
//! Brightness is what a viewer shows, from 0 (black) to 1 (white). Processed mammograms compensate
//! for the thickness, so fat is dark grey from the skin to the chest wall.

use super::anatomy::Anatomy;
use super::canvas::Canvas;
use super::grid::{Noise, smoothstep};
use crate::random::Random;
use crate::record::Density;

/// The tissue of one breast, seen in one view.
pub(super) struct Tissue<'a> {
    anatomy: &'a Anatomy,
    noise: Noise,
    /// The amount of gland: shifts the threshold of the envelope.
    amount: f32,
    /// How solid the gland is, from strands to a plate.
    solidity: f32,
    /// Centre and half axes of the gland.
    middle: [f32; 2],
    axes: [f32; 2],
    /// The number of octaves of noise that the pixels can resolve.
    octaves: u32,
    /// The number of octaves of the finest texture.
    fine: u32,
    /// The brightness of the pectoral muscle.
    muscle: f32,
    /// A small shift of the noise from image to image, as compression causes.
    shift: f32,
}

impl<'a> Tissue<'a> {
    /// `breast` is the random stream of what all images of the breast share.
    pub fn new(
        anatomy: &'a Anatomy,
        density: Density,
        pitch: f32,
        breast: &mut Random,
        image: &mut Random,
    ) -> Self {
        let (amount, solidity, reach) = match density {
            Density::A => (-0.36, 0.25, 0.62),
            Density::B => (-0.12, 0.45, 0.78),
            Density::C => (0.16, 0.72, 0.92),
            Density::D => (0.42, 1.0, 1.08),
        };
        let [nx, ny] = anatomy.nipple;
        let up = breast.between(0.05, 0.30) * anatomy.heights[0];
        let reach = reach * breast.between(0.9, 1.08);
        Self {
            anatomy,
            noise: Noise::new(breast.next()),
            amount: amount + breast.between(-0.08, 0.08),
            solidity,
            middle: [nx * breast.between(0.50, 0.60), ny - up],
            axes: [
                0.52 * anatomy.depth * reach,
                0.5 * (anatomy.heights[0] + anatomy.heights[1]) * reach * 0.88,
            ],
            octaves: ((3.0 / pitch).log2().ceil() as i32).clamp(1, 5) as u32,
            fine: ((2.8 / (1.3 * pitch)).log2().ceil() as i32).clamp(1, 5) as u32,
            muscle: breast.between(0.46, 0.66),
            shift: image.between(-0.6, 0.6),
        }
    }

    /// The brightness `skin` millimetres below the skin, at a place.
    #[inline]
    pub fn at(&self, x: f32, y: f32, skin: f32) -> f32 {
        let noise = &self.noise;
        // Swirls: all finer noise is read at a displaced place.
        let wx = 4.0 * noise.octaves(x / 24.0, y / 24.0 + self.shift, 2, 0.5);
        let wy = 4.0 * noise.octaves(x / 24.0 + 40.0, y / 24.0 - self.shift, 2, 0.5);
        let (sx, sy) = (x + wx, y + wy);
        let cloud = noise.octaves(sx / 9.0, sy / 9.0, self.octaves.min(4), 0.6);
        let fibres = self.fibres(sx, sy);
        let web = noise.lines(sx / 7.0 + 3.0, sy / 7.0, self.octaves, 0.8);

        // Cooper's ligaments: fat has fibres too.
        let threaded = 0.055 * fibres + 0.12 * web * smoothstep(3.0, 18.0, skin);
        let stroma = noise.octaves(sx / 2.8, sy / 2.8, self.fine, 0.85);
        let fat = 0.13 + 0.15 * (1.0 - (-skin / 15.0).exp()) + 0.030 * cloud + threaded;
        let dense = 0.44 + 0.10 * cloud + 0.28 * fibres + 0.16 * web + self.solidity * 0.05;
        let share = self.gland(sx, sy, skin, fibres, cloud);
        let mut bright = fat + (dense - fat).max(0.0) * share;
        bright += stroma * (0.032 + 0.042 * share) * smoothstep(0.0, 12.0, skin);

        if let Some(muscle) = &self.anatomy.muscle {
            let share = muscle.at(x + 0.3 * wx, y + 0.3 * wy);
            if share > 0.0 {
                let grain = noise.octaves((x * 1.1 + y * 0.45) / 2.4, (y - x) / 18.0, 3, 0.6);
                let far = (y / muscle.length.max(1.0)).min(1.0);
                let level = self.muscle - 0.10 * far
                    + 0.014 * grain
                    + 0.02 * cloud
                    + 0.06 * web
                    + 0.02 * stroma;
                bright += (level - bright).max(0.0) * share * 0.95;
            }
        }
        // Skin, thicker around the nipple.
        let [nx, ny] = self.anatomy.nipple;
        let areola = (-((x - nx) * (x - nx) + (y - ny) * (y - ny)) / 120.0).exp();
        let line = (-(skin - 0.9) * (skin - 0.9) / 0.5).exp();
        let skin_line = 0.06 * line + 0.10 * areola * (-skin / 4.0).exp();
        (bright + skin_line) * (0.08 + 0.92 * smoothstep(0.0, 2.6, skin))
    }

    /// Share of gland, 0 to 1.
    #[inline]
    fn gland(&self, x: f32, y: f32, skin: f32, fibres: f32, cloud: f32) -> f32 {
        let (dx, dy) = ((x - self.middle[0]) / self.axes[0], (y - self.middle[1]) / self.axes[1]);
        let envelope = 1.0 - (dx * dx + dy * dy).sqrt();
        // The ducts converge at the nipple, so the gland narrows towards it.
        let [nx, ny] = self.anatomy.nipple;
        let cone = smoothstep(-4.0, 12.0, 0.95 * (nx - x) + 8.0 - (y - ny).abs());
        // Fat lies below the skin and in front of the muscle.
        let room = smoothstep(3.5, 13.0, skin) * smoothstep(3.0, 24.0, x) * cone;
        if room <= 0.0 {
            return 0.0;
        }
        let lobes = self.noise.octaves(x / 16.0 + 7.0, y / 16.0, self.octaves.min(3), 0.6);
        let uneven = 1.2 - 0.65 * self.solidity;
        let share = 1.2 * envelope + uneven * (0.75 * lobes + 0.2 * cloud) + self.amount;
        let strands = (fibres - 0.25) * 1.3 * (1.15 - self.solidity);
        smoothstep(-0.05, 0.95, share + strands) * room * (0.55 + 0.45 * self.solidity)
    }

    /// Fibres that run towards the nipple, 0 to 1.
    #[inline]
    fn fibres(&self, x: f32, y: f32) -> f32 {
        let [nx, ny] = self.anatomy.nipple;
        let (dx, dy) = (nx + 25.0 - x, y - ny);
        let radius = (dx * dx + dy * dy).sqrt();
        let angle = dy / (dx.abs() + 0.4 * radius + 1.0);
        self.noise.lines(radius / 16.0, angle * 15.0, self.octaves, 0.85)
    }
}

/// Draws vessels and ligaments: threads that the noise cannot produce.
pub(super) fn threads(canvas: &mut Canvas, anatomy: &Anatomy, age: u32, breast: &mut Random) {
    let [nx, ny] = anatomy.nipple;
    for _ in 0..60 {
        // Ligaments: fine, outwards from the gland or along it.
        let x = breast.between(0.05, 0.95) * nx;
        let y = ny + breast.between(-1.0, 0.9) * anatomy.heights[0] * (1.0 - 0.6 * x / nx);
        let towards = (ny - y).atan2(nx + 20.0 - x) + breast.between(-0.5, 0.5);
        let length = breast.between(8.0, 30.0);
        let path = wander([x, y], towards, length, 0.05, breast);
        let (first, second) = path.split_at(path.len() / 2);
        let (radius, strength) = (breast.between(0.22, 0.45), breast.between(0.04, 0.13));
        // They fade at both ends.
        draw(canvas, anatomy, first, [0.7 * radius, radius], [0.0, strength]);
        draw(canvas, anatomy, second, [radius, 0.7 * radius], [strength, 0.0]);
    }
    for _ in 0..5 {
        // Vessels: from the chest wall into the breast.
        let y = ny + breast.between(-0.8, 0.6) * anatomy.heights[0];
        let length = anatomy.depth * breast.between(0.5, 0.85);
        let path = wander([-2.0, y], breast.between(-0.35, 0.35), length, 0.08, breast);
        let (radius, strength) = (breast.between(0.6, 1.2), breast.between(0.07, 0.14));
        draw(canvas, anatomy, &path, [radius, 0.6 * radius], [strength, 0.6 * strength]);
        if age > 60 && breast.chance(0.15) {
            // A calcified artery: two lines of specks.
            for &[x, y] in &path {
                let side = if breast.chance(0.5) { radius } else { -radius };
                if anatomy.skin_at(x, y) > 6.0 && breast.chance(0.6) {
                    canvas.ball([x, y + side], breast.between(0.2, 0.45), 0.45);
                }
            }
        }
    }
}

/// A thread ends where it leaves the breast.
fn draw(
    canvas: &mut Canvas,
    anatomy: &Anatomy,
    path: &[[f32; 2]],
    radius: [f32; 2],
    strength: [f32; 2],
) {
    let inside = path.iter().take_while(|[x, y]| anatomy.skin_at(*x, *y) > 3.0).count();
    canvas.thread(&path[..inside], radius, strength);
}

/// A path of points 1.5 mm apart whose direction changes slowly.
pub(super) fn wander(
    from: [f32; 2],
    direction: f32,
    length: f32,
    drift: f32,
    random: &mut Random,
) -> Vec<[f32; 2]> {
    let ([mut x, mut y], mut direction, mut bend) = (from, direction, 0.0);
    let mut path = vec![from];
    for _ in 0..(length / 1.5) as usize {
        bend = 0.8 * bend + drift * random.normal() * 0.6;
        direction += bend;
        x += 1.5 * direction.cos();
        y += 1.5 * direction.sin();
        path.push([x, y]);
    }
    path
}
