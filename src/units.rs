//! Quantities whose type names their unit.

use serde::{Deserialize, Serialize};

/// A length in millimetres.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millimetres(pub f64);

/// Distance between the centres of neighbouring pixels, at the breast.
///
/// DICOM PS3.3 10.7.1.3 gives the row spacing (between rows, so vertical) first.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PixelSpacing {
    /// Vertical distance between two rows.
    pub row: Millimetres,
    /// Horizontal distance between two columns.
    pub column: Millimetres,
}

impl PixelSpacing {
    /// Whether a mammogram can have it: 0.001 to 10 mm, whatever the detector, the film or a later
    /// reduction. Another number is an error of writing, or made to do harm.
    pub fn is_plausible(&self) -> bool {
        [self.row, self.column].iter().all(|side| (0.001..=10.0).contains(&side.0))
    }
}
