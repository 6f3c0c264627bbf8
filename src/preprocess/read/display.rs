//! The attributes of a header that define how stored values become grey levels.
//!
//! They are only read here; `window` computes with them.

/// Everything that PS3.3 C.11.1, C.11.2 and C.7.5.1.1.2 need.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Display {
    /// From stored values to the manufacturer-independent values in which windows are given.
    pub modality: Modality,
    /// The tables of the VOI LUT Sequence that can be used, each with its index in the file.
    pub tables: Vec<(usize, LookupTable)>,
    /// The windows that can be used; the file's preferred one is first.
    pub windows: Vec<VoiWindow>,
    /// The stored values that are padding.
    pub padding: Option<Padding>,
    /// The polarity that Presentation LUT Shape asks for.
    pub shape: PresentationShape,
}

/// The modality transformation, PS3.3 C.11.1.
#[derive(Debug, Clone, PartialEq)]
pub enum Modality {
    /// `slope * stored + intercept`.
    Rescale {
        /// Rescale Slope.
        slope: f64,
        /// Rescale Intercept.
        intercept: f64,
    },
    /// The Modality LUT Sequence.
    Table(LookupTable),
}

impl Default for Modality {
    fn default() -> Self {
        Self::Rescale { slope: 1.0, intercept: 0.0 }
    }
}

/// A table of PS3.3 C.11.1.1.1. Inputs below `first` take the first entry, inputs beyond the end
/// the last one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookupTable {
    /// The input of the first entry.
    pub first: i32,
    /// Bits of an entry, 8 to 16; outputs are from 0 to `2^bits - 1`.
    pub bits: u8,
    /// The outputs; at least one.
    pub entries: Vec<u16>,
}

impl LookupTable {
    /// The output for `input`.
    pub fn at(&self, input: f64) -> u16 {
        let index = (input - f64::from(self.first)).max(0.0) as usize;
        self.entries[index.min(self.entries.len() - 1)]
    }

    /// The largest output that the bits allow.
    pub fn max(&self) -> u16 {
        u16::MAX >> (16 - self.bits)
    }
}

/// One pair of Window Center and Window Width.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VoiWindow {
    /// The middle of the window, in output values of the modality transformation.
    pub center: f64,
    /// The width of the window, in the same unit: at least 1 for LINEAR, above 0 for the others.
    pub width: f64,
    /// Its function.
    pub function: VoiFunction,
    /// Its index in the file, from 0.
    pub index: usize,
}

/// VOI LUT Function, PS3.3 C.11.2.1.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VoiFunction {
    /// C.11.2.1.2.1; also the meaning of an absent or empty attribute.
    #[default]
    Linear,
    /// C.11.2.1.3.2.
    LinearExact,
    /// C.11.2.1.3.1.
    Sigmoid,
}

impl VoiFunction {
    /// The defined term.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Linear => "LINEAR",
            Self::LinearExact => "LINEAR_EXACT",
            Self::Sigmoid => "SIGMOID",
        }
    }
}

/// Pixel Padding Value and Pixel Padding Range Limit, PS3.3 C.7.5.1.1.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Padding {
    /// Smallest stored value that is padding.
    pub low: i32,
    /// Largest stored value that is padding.
    pub high: i32,
}

impl Padding {
    /// Whether a stored value is padding.
    pub fn contains(self, stored: i32) -> bool {
        (self.low..=self.high).contains(&stored)
    }
}

/// Presentation LUT Shape, PS3.3 C.11.6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs)]
pub enum PresentationShape {
    #[default]
    Identity,
    Inverse,
}
