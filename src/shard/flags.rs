//! Quality flags. Each is a column of the shards that marks images to check.

use serde::{Deserialize, Serialize};

/// A reason to check an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flag {
    /// Nearly everything is air: a blank exposure, or a breast that was not decoded.
    MostlyAir,
    /// The breast has hardly any grey levels.
    Flat,
    /// The window makes much of the breast black or white.
    Saturated,
    /// A seam across the image: it decodes, but is damaged.
    Torn,
    /// The decoder finished before the end of the data: it lost synchronisation.
    Surplus,
    /// The breast's box is uncertain, or is the whole frame because none was found.
    DoubtfulBox,
}

impl Flag {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::MostlyAir,
        Self::Flat,
        Self::Saturated,
        Self::Torn,
        Self::Surplus,
        Self::DoubtfulBox,
    ];

    /// The name, as in the shards' column `quality_NAME`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MostlyAir => "mostly_air",
            Self::Flat => "flat",
            Self::Saturated => "saturated",
            Self::Torn => "torn",
            Self::Surplus => "surplus",
            Self::DoubtfulBox => "doubtful_box",
        }
    }

    /// The meaning, in one line.
    pub fn about(self) -> &'static str {
        match self {
            Self::MostlyAir => "nearly the whole frame is air",
            Self::Flat => "the breast has hardly any grey levels",
            Self::Saturated => "the window makes much of the breast black or white",
            Self::Torn => "a seam runs across the image, as after damage",
            Self::Surplus => "the decoder finished before the end of the data",
            Self::DoubtfulBox => "the breast's box is uncertain, or the whole frame",
        }
    }
}

/// A set of [`Flag`]s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Flags(u8);

impl Flags {
    /// The flags set, in the order of [`Flag::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Flag> {
        Flag::ALL.into_iter().filter(move |flag| self.contains(*flag))
    }

    /// Whether `flag` is set.
    pub fn contains(self, flag: Flag) -> bool {
        self.0 & (1 << flag as u8) != 0
    }

    /// Whether no flag is set.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Sets or clears `flag`.
    pub fn set(&mut self, flag: Flag, on: bool) {
        self.0 |= u8::from(on) << flag as u8;
    }
}

impl FromIterator<Flag> for Flags {
    fn from_iter<I: IntoIterator<Item = Flag>>(flags: I) -> Self {
        let mut set = Self::default();
        flags.into_iter().for_each(|flag| set.set(flag, true));
        set
    }
}
