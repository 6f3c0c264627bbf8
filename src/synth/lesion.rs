//! Findings: masses and calcifications, malignant and benign. Also lymph nodes, which are no
//! finding.

use super::anatomy::Anatomy;
use super::canvas::Canvas;
use super::grid::Noise;
use super::tissue::wander;
use crate::random::Random;

/// A finding. It is the same in every view of its breast.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The kind of finding.
    pub kind: FindingKind,
    /// Its position, as a share of the way from the chest wall to the nipple.
    pub depth: f32,
    /// Its position across, -1 to 1: seen from above, and seen in the oblique view, which has
    /// another direction.
    pub across: [f32; 2],
    /// Radius in millimetres.
    pub radius: f32,
    /// The seed of its shape.
    pub seed: u64,
}

/// The kind of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FindingKind {
    /// Malignant: an irregular, bright mass with spicules.
    SpiculatedMass,
    /// Malignant: a cluster of fine, uneven calcifications.
    CalcificationCluster,
    /// Benign: a round, smooth, faint mass.
    Cyst,
    /// Benign: a few large, round, bright calcifications.
    CoarseCalcifications,
}

impl FindingKind {
    /// Its name in the truth table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SpiculatedMass => "spiculated_mass",
            Self::CalcificationCluster => "calcification_cluster",
            Self::Cyst => "cyst",
            Self::CoarseCalcifications => "coarse_calcifications",
        }
    }

    /// Whether a breast with it has cancer.
    pub fn malignant(self) -> bool {
        matches!(self, Self::SpiculatedMass | Self::CalcificationCluster)
    }
}

/// The findings of a breast with the given labels.
pub(super) fn findings(cancer: bool, called_back: bool, random: &mut Random) -> Vec<Finding> {
    let mut kinds = Vec::new();
    if cancer {
        kinds.push(FindingKind::SpiculatedMass);
        if random.chance(0.35) {
            kinds.push(FindingKind::CalcificationCluster);
        }
    } else if called_back && random.chance(0.6) {
        kinds.push(FindingKind::Cyst);
    }
    if random.chance(0.12) {
        kinds.push(FindingKind::CoarseCalcifications);
    }
    let mut place = (0.0, [0.0; 2]);
    kinds
        .into_iter()
        .map(|kind| {
            // The cluster lies near the mass of its cancer.
            if kind != FindingKind::CalcificationCluster {
                place = (
                    random.between(0.35, 0.78),
                    [random.between(-0.5, 0.45), random.between(-0.5, 0.4)],
                );
            }
            let radius = match kind {
                FindingKind::SpiculatedMass => random.between(6.0, 12.0),
                FindingKind::CalcificationCluster => random.between(6.0, 10.0),
                FindingKind::Cyst => random.between(4.0, 9.0),
                FindingKind::CoarseCalcifications => random.between(4.0, 14.0),
            };
            Finding { kind, depth: place.0, across: place.1, radius, seed: random.next() }
        })
        .collect()
}

impl Finding {
    /// Draws it and returns its centre and radius in the image, in millimetres. `oblique` is the
    /// view.
    pub(super) fn draw(&self, canvas: &mut Canvas, anatomy: &Anatomy, oblique: bool) -> Placed {
        let middle = self.place(anatomy, oblique);
        let mut random = Random::new(self.seed);
        let radius = match self.kind {
            FindingKind::SpiculatedMass => spiculated(canvas, middle, self.radius, &mut random),
            FindingKind::CalcificationCluster => {
                for _ in 0..random.between(12.0, 30.0) as usize {
                    let at = scatter(middle, 0.45 * self.radius, &mut random);
                    let radius = random.between(0.15, 0.5);
                    canvas.ball(at, radius, random.between(0.45, 0.8));
                }
                self.radius
            }
            FindingKind::Cyst => {
                let noise = Noise::new(self.seed);
                mass(canvas, middle, self.radius, 0.08, 0.17, &noise);
                self.radius
            }
            FindingKind::CoarseCalcifications => {
                for _ in 0..random.between(1.0, 5.0) as usize {
                    let at = scatter(middle, 0.45 * self.radius, &mut random);
                    canvas.ball(at, random.between(0.5, 1.6), 0.6);
                }
                self.radius
            }
        };
        Placed { middle, radius }
    }

    fn place(&self, anatomy: &Anatomy, oblique: bool) -> [f32; 2] {
        let [nx, ny] = anatomy.nipple;
        let across = self.across[usize::from(oblique)];
        let side = anatomy.heights[usize::from(across > 0.0)];
        let wanted = [nx * self.depth, ny + across * side];
        // Moves towards the centre of the breast until it is far enough below the skin.
        let middle = [0.55 * nx, ny];
        (0..=10)
            .map(|i| i as f32 / 10.0)
            .map(|t| [0, 1].map(|k| wanted[k] + t * (middle[k] - wanted[k])))
            .find(|[x, y]| anatomy.skin_at(*x, *y) > self.radius + 6.0)
            .unwrap_or(middle)
    }
}

/// The position of a finding in the image, in millimetres.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placed {
    pub middle: [f32; 2],
    pub radius: f32,
}

fn scatter([x, y]: [f32; 2], deviation: f32, random: &mut Random) -> [f32; 2] {
    [x + deviation * random.normal(), y + deviation * random.normal()]
}

/// Draws a mass with spicules; returns its radius including them.
fn spiculated(canvas: &mut Canvas, middle: [f32; 2], radius: f32, random: &mut Random) -> f32 {
    let noise = Noise::new(random.next());
    mass(canvas, middle, radius, 0.42, 0.38, &noise);
    let spicules = random.between(14.0, 24.0) as usize;
    for i in 0..spicules {
        let angle = (i as f32 + random.between(-0.35, 0.35)) / spicules as f32;
        let angle = angle * std::f32::consts::TAU;
        let from =
            [middle[0] + 0.55 * radius * angle.cos(), middle[1] + 0.55 * radius * angle.sin()];
        let path = wander(from, angle, radius * random.between(0.6, 1.9), 0.08, random);
        let strength = random.between(0.14, 0.28);
        canvas.thread(&path, [0.9, 0.3], [strength, 0.03]);
    }
    1.9 * radius
}

/// A filled shape whose radius varies by `roughness` along its edge.
fn mass(
    canvas: &mut Canvas,
    [cx, cy]: [f32; 2],
    radius: f32,
    roughness: f32,
    strength: f32,
    noise: &Noise,
) {
    canvas.brighten([cx, cy], [cx, cy], 1.6 * radius, |x, y| {
        let (dx, dy) = ((x - cx) / radius, (y - cy) / radius);
        let distance = (dx * dx + dy * dy).sqrt();
        let (ex, ey) = (dx / (distance + 0.05), dy / (distance + 0.05));
        let edge = 1.0 + roughness * noise.octaves(1.6 * ex, 1.6 * ey, 2, 0.6);
        let inside = ((edge - distance) / 0.28).clamp(0.0, 1.0);
        let grain = 0.9 + 0.1 * noise.at(x / 1.7, y / 1.7);
        strength * inside * (0.75 + 0.25 * (1.0 - distance).max(0.0)) * grain
    });
}

/// Lymph nodes in the axilla: small ovals, brighter at the rim.
pub(super) fn lymph_nodes(canvas: &mut Canvas, anatomy: &Anatomy, random: &mut Random) {
    let Some(muscle) = anatomy.muscle else { return };
    for _ in 0..random.between(0.0, 3.0) as usize {
        let y = random.between(0.05, 0.45) * muscle.length;
        let x = random.between(0.3, 1.2) * muscle.width * (1.0 - y / muscle.length);
        let (long, short) = (random.between(4.0, 8.0), random.between(2.5, 4.0));
        if anatomy.skin_at(x, y) > long + 3.0 {
            canvas.brighten([x, y], [x, y], long, |px, py| {
                let (dx, dy) = ((px - x) / short, (py - y) / long);
                let r = (dx * dx + dy * dy).sqrt();
                0.13 * ((1.0 - r) / 0.5).clamp(0.0, 1.0) * (0.6 + 0.4 * r)
            });
        }
    }
}
