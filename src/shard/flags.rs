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
    /// Values exceed Bits Stored, and no overlay explains it.
    BitsAboveStored,
    /// Air is brighter than tissue: the polarity of the header is wrong, or the image is raw.
    Polarity,
    /// An image for processing, not for presentation.
    ForProcessing,
    /// Text in the pixels may identify the patient, as Burned In Annotation says.
    BurnedIn,
    /// Table and header differ in the side, or the breast stands on the edge of the other one.
    LateralityMismatch,
    /// Table and header differ in the projection.
    ViewMismatch,
    /// Part of a JPEG 2000 stream was overwritten by one value.
    Hole,
    /// Rows do not follow each other: Rows and Columns are not those of the pixels.
    Sheared,
}

impl Flag {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::MostlyAir,
        Self::Flat,
        Self::Saturated,
        Self::Torn,
        Self::Surplus,
        Self::DoubtfulBox,
        Self::BitsAboveStored,
        Self::Polarity,
        Self::ForProcessing,
        Self::BurnedIn,
        Self::LateralityMismatch,
        Self::ViewMismatch,
        Self::Hole,
        Self::Sheared,
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
            Self::BitsAboveStored => "bits_above_stored",
            Self::Polarity => "polarity",
            Self::ForProcessing => "for_processing",
            Self::BurnedIn => "burned_in",
            Self::LateralityMismatch => "laterality_mismatch",
            Self::ViewMismatch => "view_mismatch",
            Self::Hole => "hole",
            Self::Sheared => "sheared",
        }
    }

    /// The flag with this name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|flag| flag.as_str() == name)
    }

    /// The likely cause where a flag touches many images of a dataset.
    pub fn likely_cause(self) -> &'static str {
        match self {
            Self::MostlyAir => "blank exposures, or files whose pixels are not mammograms",
            Self::Flat | Self::Saturated => {
                "the files' own window does not fit their values, as after a conversion"
            }
            Self::Torn | Self::Surplus | Self::Hole => {
                "files damaged when they were copied or converted"
            }
            Self::DoubtfulBox => {
                "a background that is not plain air, as in scanned films or tightly cut images"
            }
            Self::BitsAboveStored => "files converted with a wrong Bits Stored",
            Self::Sheared => "files converted with wrong Rows and Columns",
            Self::Polarity => "a wrong Photometric Interpretation in the headers, or raw data",
            Self::ForProcessing => "raw images (FOR PROCESSING) among those for presentation",
            Self::BurnedIn => "exports or secondary captures with patient data in the picture",
            Self::LateralityMismatch => {
                "a wrong column of the table, images that were mirrored, or an archive that shows \
                 left breasts on the right edge"
            }
            Self::ViewMismatch => "a wrong column of the table, or headers that were not kept up",
        }
    }

    /// The setting or the step to try then.
    pub fn to_try(self) -> &'static str {
        match self {
            Self::Flat | Self::Saturated => "--set window.mode=percentile",
            Self::DoubtfulBox => "--set roi.margin=0.05, or roi.extent=whole to keep the frames",
            Self::Torn | Self::Surplus | Self::Hole => "copy the files again from their source",
            Self::BitsAboveStored | Self::Polarity | Self::Sheared => {
                "ask for the files as the machine wrote them; mammo-pipe render FILE shows each step"
            }
            Self::MostlyAir => "mammo-pipe render FILE shows each step; dataset.leave_out",
            Self::ForProcessing => {
                "dataset.leave_out with the Series Description of the raw images"
            }
            Self::BurnedIn => "dataset.leave_out; do not share the release before they are checked",
            Self::LateralityMismatch | Self::ViewMismatch => {
                "dataset.columns and dataset.values, if the table is the one that is wrong"
            }
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
            Self::BitsAboveStored => "values exceed Bits Stored, and no overlay explains it",
            Self::Polarity => "air is brighter than tissue: the polarity is wrong, or raw data",
            Self::ForProcessing => "an image for processing, not for presentation",
            Self::BurnedIn => "the header says that text in the pixels may identify the patient",
            Self::LateralityMismatch => "table, header and picture differ in the side",
            Self::ViewMismatch => "table and header differ in the projection",
            Self::Hole => "part of the compressed data was overwritten by one value",
            Self::Sheared => "rows do not follow each other: wrong Rows and Columns",
        }
    }
}

/// A set of [`Flag`]s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Flags(u16);

impl Flags {
    /// The flags set, in the order of [`Flag::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Flag> {
        Flag::ALL.into_iter().filter(move |flag| self.contains(*flag))
    }

    /// Whether `flag` is set.
    pub fn contains(self, flag: Flag) -> bool {
        self.0 & (1 << flag as u16) != 0
    }

    /// Whether no flag is set.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Sets or clears `flag`.
    pub fn set(&mut self, flag: Flag, on: bool) {
        self.0 |= u16::from(on) << flag as u16;
    }
}

impl FromIterator<Flag> for Flags {
    fn from_iter<I: IntoIterator<Item = Flag>>(flags: I) -> Self {
        let mut set = Self::default();
        flags.into_iter().for_each(|flag| set.set(flag, true));
        set
    }
}
