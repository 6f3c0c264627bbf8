//! Converts brightness to the stored values of a machine: inverts the window, sets the level of
//! air, adds quantum noise.

use super::grid::Noise;
use super::machines::{Air, Grey, Machine};
use super::spec::PhantomSpec;
use crate::image::Plane;
use crate::random::Random;

/// The grey scale of one file.
#[derive(Debug, Clone, PartialEq)]
pub struct Tone {
    /// Whether the file is MONOCHROME1; otherwise MONOCHROME2.
    pub inverted: bool,
    /// Whether VOI LUT Function is SIGMOID; otherwise it is absent, which means LINEAR.
    pub sigmoid: bool,
    /// Window Center and Window Width; the first window is the one that the image is made for.
    pub windows: Vec<(f32, f32)>,
    /// Pixel Padding Value.
    pub padding: Option<u16>,
    /// The level of air.
    air: f32,
    /// The standard deviation of air's noise.
    air_noise: f32,
    /// The largest stored value.
    highest: f32,
}

impl Tone {
    /// The grey scale of an image of this machine.
    pub(super) fn new(machine: &Machine, image: &mut Random) -> Self {
        let (inverted, sigmoid, windows) = match machine.grey {
            Grey::Linear { centre, width } => (false, false, vec![(centre, width)]),
            Grey::Sigmoid { centre: (low, high) } => {
                let centre = image.between(low, high).round();
                // Normal, harder, softer.
                (
                    false,
                    true,
                    vec![(centre, 900.0), (centre + 40.0, 750.0), (centre - 65.0, 1050.0)],
                )
            }
            Grey::InvertedSigmoid { centre, width } => {
                let (brighter, darker) = (centre + 218.394, centre - 218.394);
                let windows =
                    vec![(centre, width), (centre, width), (brighter, width), (darker, width)];
                (true, true, windows)
            }
        };
        let (air, air_noise, padding) = match machine.air {
            Air::Zero => (0.0, 0.0, Some(0)),
            Air::Maximum { value: (low, high) } => {
                let value = image.between(low, high).round();
                (value, 0.0, Some(value as u16))
            }
            Air::Noise { level, deviation } => (level, deviation, None),
        };
        let highest = if inverted { air } else { ((1_u32 << machine.bits) - 1) as f32 };
        Self { inverted, sigmoid, windows, padding, air, air_noise, highest }
    }

    /// The stored value that the first window shows as `bright`.
    fn stored(&self, bright: f32) -> f32 {
        let (centre, width) = self.windows[0];
        let shown = bright.clamp(0.004, 0.996);
        let value = if self.sigmoid {
            let reach = 0.25 * width * (shown / (1.0 - shown)).ln();
            if self.inverted { centre - reach } else { centre + reach }
        } else {
            centre + (shown - 0.5) * width
        };
        // The outermost skin fades into the air.
        self.air + (value - self.air) * (bright / 0.04).min(1.0)
    }

    /// Stored values of a whole image, with noise; `grey` is 0 in air.
    pub(super) fn store(
        &self,
        spec: &PhantomSpec,
        grey: &Plane<f32>,
        image: &mut Random,
    ) -> Plane<u16> {
        const STEPS: f32 = 4096.0;
        let table: Vec<f32> = (0..=4097).map(|i| self.stored(i as f32 / STEPS)).collect();
        // A pixel that averages many elements has less noise, but the processing keeps some.
        let calm = (1.0 / spec.divisor as f32).max(0.4);
        let (noise, air_noise) = (spec.machine.noise * calm, self.air_noise);
        let drift = Noise::new(image.next());
        let cloud = 24.0 / grey.width() as f32;
        let mut pixels = Vec::with_capacity(grey.pixels().len());
        for (y, row) in grey.rows().enumerate() {
            for (x, &bright) in row.iter().enumerate() {
                let value = if bright > 0.0 {
                    let (i, t) = ((bright * STEPS) as usize, (bright * STEPS).fract());
                    let value = table[i] * (1.0 - t) + table[i + 1] * t;
                    value + noise * (bright / 0.08).min(1.0) * image.normal()
                } else if air_noise > 0.0 {
                    let cloud = drift.at(x as f32 * cloud, y as f32 * cloud);
                    self.air + 14.0 * cloud + air_noise * image.normal()
                } else {
                    self.air
                };
                pixels.push(value.clamp(0.0, self.highest).round() as u16);
            }
        }
        Plane::new(grey.width(), grey.height(), pixels)
    }
}
