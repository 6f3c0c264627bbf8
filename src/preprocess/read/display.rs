//! What a header says about how stored values become grey levels.
//!
//! Only read here; `window` computes with it.

/// Everything that PS3.3 C.11.1, C.11.2 and C.7.5.1.1.2 need.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Display {
    /// Stored values to the manufacturer-independent ones that windows are given in.
    pub modality: Modality,
    /// Tables of the VOI LUT Sequence.
    pub tables: Vec<LookupTable>,
    /// Windows, the file's preferred one first.
    pub windows: Vec<VoiWindow>,
    /// What a window means.
    pub function: VoiFunction,
    /// Stored values, ends included, that stand for no measurement.
    pub padding: Option<Padding>,
    /// What Presentation LUT Shape asks for.
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

/// A table of PS3.3 C.11.1.1.1: inputs below `first` take the first entry, those beyond the
/// end the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookupTable {
    /// Input that the first entry is for.
    pub first: i32,
    /// Bits of an entry, 8 to 16; the output's range is 0 to `2^bits - 1`.
    pub bits: u8,
    /// Outputs; at least one.
    pub entries: Vec<u16>,
}

impl LookupTable {
    /// The output for `input`.
    pub fn at(&self, input: f64) -> u16 {
        let index = (input - f64::from(self.first)).max(0.0) as usize;
        self.entries[index.min(self.entries.len() - 1)]
    }

    /// Largest output that the bits allow.
    pub fn max(&self) -> u16 {
        u16::MAX >> (16 - self.bits)
    }
}

/// One pair of Window Center and Window Width.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VoiWindow {
    /// Middle of the window, in output values of the modality transformation.
    pub center: f64,
    /// Its width, in the same.
    pub width: f64,
}

/// VOI LUT Function, PS3.3 C.11.2.1.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VoiFunction {
    /// C.11.2.1.2.1; also what an absent or empty attribute means.
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
