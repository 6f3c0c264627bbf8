//! Brightness, contrast and gamma as a table of 256 grey levels.

/// A change of the grey scale: first gamma, then contrast about middle grey, then brightness;
/// white is 1. Black stays black, so that air does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Intensity {
    /// Added.
    pub brightness: f64,
    /// Factor of the distance from middle grey.
    pub contrast: f64,
    /// Exponent.
    pub gamma: f64,
}

/// What every grey level becomes.
pub struct IntensityTable {
    pub(super) eight: [u8; 256],
    /// At every 257th of 65536 levels, so that both ends are among them.
    sixteen: [u16; 256],
}

impl Intensity {
    /// What the level `share` of white becomes.
    fn level(&self, share: f64) -> f64 {
        if share == 0.0 {
            return 0.0;
        }
        ((share.powf(self.gamma) - 0.5) * self.contrast + 0.5 + self.brightness).clamp(0.0, 1.0)
    }

    /// The table.
    pub(super) fn table(&self) -> IntensityTable {
        let level = |i: usize| self.level(i as f64 / 255.0);
        IntensityTable {
            eight: std::array::from_fn(|i| (level(i) * 255.0).round() as u8),
            sixteen: std::array::from_fn(|i| (level(i) * 65_535.0).round() as u16),
        }
    }
}

impl IntensityTable {
    /// A level of 16 bits, interpolated between the two nearest of the table.
    pub(super) fn sixteen(&self, level: u16) -> u16 {
        let (index, rest) = (usize::from(level / 257), u32::from(level % 257));
        let low = u32::from(self.sixteen[index]);
        let high = u32::from(self.sixteen[(index + 1).min(255)]);
        ((low * (257 - rest) + high * rest + 128) / 257) as u16
    }
}
