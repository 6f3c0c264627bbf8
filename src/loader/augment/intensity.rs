//! Changes of brightness, contrast and gamma, as a table of 256 grey levels.

/// A change of grey levels: first gamma, then contrast about middle grey, then brightness (white is
/// 1). Black stays black, and so does air.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Intensity {
    /// Added to the level.
    pub brightness: f64,
    /// Factor of the difference from middle grey.
    pub contrast: f64,
    /// Exponent of the level.
    pub gamma: f64,
}

/// Maps each grey level to its new level.
pub struct IntensityTable {
    pub(super) eight: [u8; 256],
    /// The new level of every 257th of the 65536 levels, so that both ends are in the table.
    sixteen: [u16; 256],
}

impl Intensity {
    /// The new level of `share`, where white is 1.
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
    /// The new level of a 16-bit level, interpolated between the two nearest in the table.
    pub(super) fn sixteen(&self, level: u16) -> u16 {
        let (index, rest) = (usize::from(level / 257), u32::from(level % 257));
        let low = u32::from(self.sixteen[index]);
        let high = u32::from(self.sixteen[(index + 1).min(255)]);
        ((low * (257 - rest) + high * rest + 128) / 257) as u16
    }
}
