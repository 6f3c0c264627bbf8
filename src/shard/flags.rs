//! What of an image is worth a look: flags, each a column of the shards.

use serde::{Deserialize, Serialize};

/// Something that is worth a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flag {
    /// Nearly all is air: a blank exposure, or a breast that was not decoded.
    MostlyAir,
    /// The breast has hardly any grey levels.
    Flat,
    /// The window hides much of the breast in black or white.
    Saturated,
    /// A tear across the image: it decodes, and is damaged.
    Torn,
    /// The decoder was done before the data were: it lost its way.
    Surplus,
    /// The breast's box is uncertain or is the whole frame for want of a better one.
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

    /// What it means, in a line.
    pub fn about(self) -> &'static str {
        match self {
            Self::MostlyAir => "nearly all is air",
            Self::Flat => "the breast has hardly any grey levels",
            Self::Saturated => "the window hides much of the breast in black or white",
            Self::Torn => "a tear runs across the image",
            Self::Surplus => "the decoder was done before the data were",
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

    /// Whether none is set.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Sets `flag`, or clears it.
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
