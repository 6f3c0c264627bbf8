//! The shapes of a breast in a projection: skin line, nipple, pectoral muscle.
//!
//! Units are millimetres, for a left breast: x from the chest wall, y from the top of the frame. A
//! right breast is the mirror image.

use super::grid::{Grid, smoothstep};
use crate::random::Random;
use crate::record::View;

/// The outline of one breast in one image.
#[derive(Debug)]
pub(super) struct Anatomy {
    /// Signed distance to the skin, positive inside, millimetres.
    skin: Grid,
    /// The centre of the nipple, on the skin line.
    pub nipple: [f32; 2],
    /// The distance from chest wall to nipple.
    pub depth: f32,
    /// The distances from the nipple to the upper and the lower end of the breast.
    pub heights: [f32; 2],
    /// The radius of the nipple if it is seen in profile.
    pub nipple_radius: f32,
    /// The edge of the pectoral muscle: a line from the top of the frame to the chest wall.
    pub muscle: Option<Muscle>,
    /// The abdomen begins below this height; beyond the frame if it is not visible.
    pub fold: f32,
}

/// The pectoral muscle: a triangle in MLO views, a band along the chest wall in some CC views.
#[derive(Debug, Clone, Copy)]
pub(super) struct Muscle {
    /// Its width at the top of the frame, or in the middle of the band.
    pub width: f32,
    /// The height at which it ends at the chest wall, from the top.
    pub length: f32,
    /// How far its edge bulges.
    pub bulge: f32,
    /// The height of the band's middle; `None` for a triangle.
    pub middle: Option<f32>,
}

/// The parameters from which an outline is drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Build {
    /// The frame.
    pub frame: [f32; 2],
    /// The distance from chest wall to nipple.
    pub depth: f32,
    /// The ratio of the breast's height to its depth.
    pub slenderness: f32,
}

impl Anatomy {
    /// Draws the outline of one image. `patient` is the random stream of what all images of a
    /// patient share, `image` that of this image's positioning.
    pub fn new(view: &View, build: Build, patient: &mut Random, image: &mut Random) -> Self {
        let mut anatomy = match view {
            View::Cc => Self::from_above(build, patient, image),
            _ => Self::oblique(build, patient, image),
        };
        if matches!(view, View::Ml | View::Lm) {
            // A true lateral view shows less of the muscle.
            if let Some(muscle) = &mut anatomy.muscle {
                muscle.width *= 0.5;
                muscle.length *= 0.7;
            }
        }
        anatomy
    }

    fn from_above(build: Build, patient: &mut Random, image: &mut Random) -> Self {
        let Build { frame: [width, height], depth, slenderness } = build;
        let half = 0.5 * slenderness * depth;
        let heights = [half * patient.between(0.95, 1.2), half * patient.between(0.85, 1.0)];
        let middle = height * 0.5 + image.between(-0.04, 0.04) * height;
        let tilt = patient.between(-0.10, 0.10) + image.between(-0.04, 0.04);
        let (fullness, wobble) = (patient.between(1.9, 2.3), patient.between(-0.015, 0.015));
        // A superellipse that continues behind the chest wall, sheared by the tilt.
        let outline: Vec<[f32; 2]> = (0..96)
            .map(|i| {
                let angle = (i as f32 / 96.0 - 0.5) * std::f32::consts::TAU;
                let (sin, cos) = angle.sin_cos();
                let reach = 1.0 + wobble * (3.0 * angle).sin();
                let x = depth * cos.signum() * cos.abs().powf(2.0 / fullness) * reach;
                let side = heights[usize::from(sin > 0.0)];
                let y = side * sin.signum() * sin.abs().powf(2.0 / 2.15) * reach;
                [if x < 0.0 { 2.0 * x } else { x }, middle + y + tilt * x]
            })
            .collect();
        let muscle = image.chance(0.3).then(|| Muscle {
            width: image.between(4.0, 13.0),
            length: heights[0] * image.between(0.5, 0.8),
            bulge: 0.0,
            middle: Some(middle + image.between(-0.2, 0.2) * heights[0]),
        });
        Self {
            skin: distances(&outline, [width, height]),
            nipple: [depth, middle + tilt * depth],
            depth,
            heights,
            nipple_radius: nipple(patient, image),
            muscle,
            fold: f32::INFINITY,
        }
    }

    fn oblique(build: Build, patient: &mut Random, image: &mut Random) -> Self {
        let Build { frame: [width, height], depth, slenderness } = build;
        let below = depth * slenderness * patient.between(0.36, 0.46);
        // The nipple is low enough that the fold below the breast fits into the frame.
        let level = (height * image.between(0.54, 0.62)).min(height * 0.94 - below);
        let level = level.max(height * 0.42);
        let axilla = depth * patient.between(0.38, 0.60);
        let dip = axilla * image.between(0.86, 1.0);
        let wall = image.between(2.0, 9.0);
        let fold = level + below * 1.07;
        // Below the axilla the skin runs straight to the nipple, or in a full round curve.
        let fullness = (patient.between(0.35, 1.0) + image.between(-0.1, 0.1)).min(1.0);
        let start = level * image.between(0.16, 0.26);
        let upper = |share: f32| {
            let straight = share.powf(1.15);
            let round = (share * std::f32::consts::FRAC_PI_2).sin();
            let x = dip + (depth - dip) * (straight + (round - straight) * fullness);
            [x, start + (level - start) * share]
        };
        let outline = smooth(&[
            [-60.0, -60.0],
            [axilla * 1.30, -60.0],
            [axilla * 1.08, -14.0],
            [axilla, start * 0.35],
            [dip, start],
            upper(0.2),
            upper(0.4),
            upper(0.6),
            upper(0.8),
            upper(0.92),
            [depth, level],
            [depth * 0.975, level + 0.25 * below],
            [depth * 0.88, level + 0.52 * below],
            [depth * 0.66, level + 0.79 * below],
            [depth * 0.36, level + 0.95 * below],
            [depth * 0.12 + wall, level + 1.03 * below],
            [wall + 1.0, fold],
            [wall + 1.0, fold + 7.0],
            [wall + 6.0, fold + 26.0],
            [wall + 12.0, fold + 80.0],
            [wall + 14.0, fold + 300.0],
            [-60.0, fold + 320.0],
        ]);
        let muscle = Muscle {
            width: axilla * image.between(0.72, 1.0),
            length: level * image.between(0.75, 1.12),
            bulge: image.between(-0.10, 0.12),
            middle: None,
        };
        Self {
            skin: distances(&outline, [width, height]),
            nipple: [depth, level],
            depth,
            heights: [level * 0.75, below],
            nipple_radius: nipple(patient, image),
            muscle: Some(muscle),
            fold: fold + 3.0,
        }
    }

    /// The signed distances to the skin along a row of pixels.
    pub fn skin_row(&self, y: f32, pitch: f32, line: &mut Vec<f32>, out: &mut [f32]) {
        self.skin.read_row(y, pitch, line, out);
    }

    /// The signed distance to the skin at a place.
    pub fn skin_at(&self, x: f32, y: f32) -> f32 {
        self.skin.at(x, y)
    }

    /// The distance to the skin, which includes the nipple: a smooth union of the breast and a
    /// ball.
    #[inline]
    pub fn with_nipple(&self, x: f32, y: f32, skin: f32) -> f32 {
        if self.nipple_radius <= 0.0 {
            return skin;
        }
        let [nx, ny] = self.nipple;
        let (dx, dy) = (x - nx + 1.5, y - ny);
        let ball = self.nipple_radius - (0.8 * dx * dx + dy * dy).sqrt();
        let rounding = 2.0;
        let h = (0.5 + 0.5 * (ball - skin) / rounding).clamp(0.0, 1.0);
        skin + (ball - skin) * h + rounding * h * (1.0 - h) * 0.5
    }
}

impl Muscle {
    /// The share of the ray at a place that goes through muscle, 0 to 1.
    #[inline]
    pub fn at(&self, x: f32, y: f32) -> f32 {
        let edge = match self.middle {
            Some(middle) => {
                let t = (y - middle) / self.length;
                self.width * (1.0 - t * t)
            }
            None => {
                let t = 1.0 - y / self.length;
                self.width * (t + self.bulge * t * (1.0 - t) * 4.0)
            }
        };
        smoothstep(-2.0, 3.5, edge - x)
    }
}

fn nipple(patient: &mut Random, image: &mut Random) -> f32 {
    let radius = patient.between(3.5, 6.5);
    // In a fifth of the views the nipple is not in profile.
    if image.chance(0.2) { 0.0 } else { radius }
}

/// The closed curve through the points (Catmull-Rom).
fn smooth(points: &[[f32; 2]]) -> Vec<[f32; 2]> {
    const STEPS: usize = 6;
    let n = points.len();
    let mut curve = Vec::with_capacity(n * STEPS);
    for i in 0..n {
        let p = [(i + n - 1) % n, i, (i + 1) % n, (i + 2) % n].map(|k| points[k]);
        for step in 0..STEPS {
            let t = step as f32 / STEPS as f32;
            let axis = |k: usize| {
                let [a, b, c, d] = p.map(|point| point[k]);
                b + 0.5
                    * t
                    * ((c - a)
                        + t * ((2.0 * a - 5.0 * b + 4.0 * c - d) + t * (3.0 * (b - c) + d - a)))
            };
            curve.push([axis(0), axis(1)]);
        }
    }
    curve
}

/// Signed distances to a closed polygon over the frame, positive inside.
fn distances(outline: &[[f32; 2]], [width, height]: [f32; 2]) -> Grid {
    let sides: Vec<Side> = outline
        .iter()
        .zip(outline.iter().cycle().skip(1))
        .map(|(a, b)| Side::new(*a, *b))
        .collect();
    let sides = &sides;
    Grid::sample(width, height, 4.0, |y| {
        let crossings: Vec<f32> = sides.iter().filter_map(|side| side.crosses(y)).collect();
        move |x| {
            let distance = nearest(sides, x, y).sqrt();
            let crossed = crossings.iter().filter(|&&crossing| x < crossing).count();
            if crossed % 2 == 1 { distance } else { -distance }
        }
    })
}

/// One side of a polygon: its start, its direction, and one over its squared length.
struct Side {
    from: [f32; 2],
    to: [f32; 2],
    inverse: f32,
}

impl Side {
    fn new(a: [f32; 2], b: [f32; 2]) -> Self {
        let to = [b[0] - a[0], b[1] - a[1]];
        Self { from: a, to, inverse: 1.0 / (to[0] * to[0] + to[1] * to[1]).max(1e-9) }
    }

    /// The x at which it crosses the height `y`.
    fn crosses(&self, y: f32) -> Option<f32> {
        let ([x, start], [across, down]) = (self.from, self.to);
        ((start > y) != (start + down > y)).then(|| x + across * (y - start) / down)
    }

    #[inline(always)]
    fn distance_squared(&self, x: f32, y: f32) -> f32 {
        let ([ux, uy], [vx, vy]) = (self.to, [x - self.from[0], y - self.from[1]]);
        let t = ((ux * vx + uy * vy) * self.inverse).clamp(0.0, 1.0);
        let (dx, dy) = (vx - t * ux, vy - t * uy);
        dx * dx + dy * dy
    }
}

/// The squared distance to the nearest side. Four minima are computed side by side, because each
/// step of one minimum has to wait for the step before.
fn nearest(sides: &[Side], x: f32, y: f32) -> f32 {
    let mut least = [f32::INFINITY; 4];
    let (fours, rest) = sides.as_chunks::<4>();
    for four in fours {
        for (least, side) in least.iter_mut().zip(four) {
            let distance = side.distance_squared(x, y);
            *least = if distance < *least { distance } else { *least };
        }
    }
    let rest = rest.iter().map(|side| side.distance_squared(x, y));
    least.into_iter().chain(rest).fold(f32::INFINITY, f32::min)
}
