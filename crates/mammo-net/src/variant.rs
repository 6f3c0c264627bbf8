//! EfficientNet-B0 to B7 by the widths and depths of timm's `efficientnet_b0` to `_b7`.
//!
//! In: a name. Out: [`Stage`]s, the width of the stem and the number of features. Each variant scales
//! width and depth of one base network (Tan and Le 2019, table 1). Widths are rounded to multiples
//! of 8, as `timm.layers.make_divisible` does.

use std::fmt;
use std::str::FromStr;

/// A network of the family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[allow(missing_docs)]
pub enum Variant {
    #[serde(rename = "efficientnet_b0", alias = "b0")]
    B0,
    #[serde(rename = "efficientnet_b1", alias = "b1")]
    B1,
    #[serde(rename = "efficientnet_b2", alias = "b2")]
    B2,
    #[serde(rename = "efficientnet_b3", alias = "b3")]
    B3,
    /// The default.
    #[default]
    #[serde(rename = "efficientnet_b4", alias = "b4")]
    B4,
    #[serde(rename = "efficientnet_b5", alias = "b5")]
    B5,
    #[serde(rename = "efficientnet_b6", alias = "b6")]
    B6,
    #[serde(rename = "efficientnet_b7", alias = "b7")]
    B7,
}

/// A stage: blocks of one resolution and width, timm's `blocks.<index>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stage {
    /// The side of the depthwise window: 3 or 5.
    pub kernel: usize,
    /// The stride of the first block: 1 or 2. The other blocks have a stride of 1.
    pub stride: usize,
    /// How many times wider the depthwise convolution is than the input of its block.
    pub expansion: usize,
    /// Output channels.
    pub width: usize,
    /// The number of blocks.
    pub repeats: usize,
}

/// kernel, stride, expansion, width, repeats of B0.
const BASE: [[usize; 5]; 7] = [
    [3, 1, 1, 16, 1],
    [3, 2, 6, 24, 2],
    [5, 2, 6, 40, 2],
    [3, 2, 6, 80, 3],
    [5, 1, 6, 112, 3],
    [5, 2, 6, 192, 4],
    [3, 1, 6, 320, 1],
];

impl Variant {
    /// All variants, the smallest first.
    pub const ALL: [Self; 8] =
        [Self::B0, Self::B1, Self::B2, Self::B3, Self::B4, Self::B5, Self::B6, Self::B7];

    /// timm's name, such as `efficientnet_b4`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::B0 => "efficientnet_b0",
            Self::B1 => "efficientnet_b1",
            Self::B2 => "efficientnet_b2",
            Self::B3 => "efficientnet_b3",
            Self::B4 => "efficientnet_b4",
            Self::B5 => "efficientnet_b5",
            Self::B6 => "efficientnet_b6",
            Self::B7 => "efficientnet_b7",
        }
    }

    /// The dropout rate before the classifier, as in the paper.
    pub fn dropout(self) -> f64 {
        match self {
            Self::B0 | Self::B1 => 0.2,
            Self::B2 | Self::B3 => 0.3,
            Self::B4 | Self::B5 => 0.4,
            Self::B6 | Self::B7 => 0.5,
        }
    }

    /// The factors of width and depth.
    fn scaling(self) -> (f64, f64) {
        match self {
            Self::B0 => (1.0, 1.0),
            Self::B1 => (1.0, 1.1),
            Self::B2 => (1.1, 1.2),
            Self::B3 => (1.2, 1.4),
            Self::B4 => (1.4, 1.8),
            Self::B5 => (1.6, 2.2),
            Self::B6 => (1.8, 2.6),
            Self::B7 => (2.0, 3.1),
        }
    }

    /// Output channels of the stem.
    pub fn stem_width(self) -> usize {
        scaled_width(32, self.scaling().0)
    }

    /// Pooled features per image.
    pub fn features(self) -> usize {
        scaled_width(1280, self.scaling().0)
    }

    /// The seven stages.
    pub fn stages(self) -> [Stage; 7] {
        let (width_scale, depth_scale) = self.scaling();
        BASE.map(|[kernel, stride, expansion, width, repeats]| Stage {
            kernel,
            stride,
            expansion,
            width: scaled_width(width, width_scale),
            repeats: (repeats as f64 * depth_scale).ceil() as usize,
        })
    }
}

/// The nearest multiple of 8, but never less than nine tenths of the wanted width.
fn scaled_width(width: usize, scale: f64) -> usize {
    let wanted = width as f64 * scale;
    let rounded = ((wanted + 4.0) as usize / 8 * 8).max(8);
    if (rounded as f64) < 0.9 * wanted { rounded + 8 } else { rounded }
}

impl fmt::Display for Variant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// No variant has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no model is named {0}; there are efficientnet_b0 to efficientnet_b7")]
pub struct UnknownVariant(String);

impl FromStr for Variant {
    type Err = UnknownVariant;

    /// Takes `efficientnet_b4`, or `b4` for short.
    fn from_str(name: &str) -> Result<Self, UnknownVariant> {
        let short = name.strip_prefix("efficientnet_").unwrap_or(name);
        let is = |variant: &Self| variant.as_str().ends_with(&short.to_ascii_lowercase());
        let found = Self::ALL.into_iter().find(is).filter(|_| short.len() == 2);
        found.ok_or_else(|| UnknownVariant(name.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Read off `timm.create_model(name)` 1.0.31: stem, widths and repeats of the stages, features.
    #[test]
    fn widths_and_depths_are_those_of_timm() {
        let table = [
            (Variant::B0, 32, [16, 24, 40, 80, 112, 192, 320], [1, 2, 2, 3, 3, 4, 1], 1280),
            (Variant::B3, 40, [24, 32, 48, 96, 136, 232, 384], [2, 3, 3, 5, 5, 6, 2], 1536),
            (Variant::B4, 48, [24, 32, 56, 112, 160, 272, 448], [2, 4, 4, 6, 6, 8, 2], 1792),
            (Variant::B7, 64, [32, 48, 80, 160, 224, 384, 640], [4, 7, 7, 10, 10, 13, 4], 2560),
        ];
        for (variant, stem, widths, repeats, features) in table {
            assert_eq!(variant.stem_width(), stem, "{variant}");
            assert_eq!(variant.stages().map(|stage| stage.width), widths, "{variant}");
            assert_eq!(variant.stages().map(|stage| stage.repeats), repeats, "{variant}");
            assert_eq!(variant.features(), features, "{variant}");
        }
    }

    #[test]
    fn a_name_is_taken_long_or_short_and_no_other() {
        assert_eq!("efficientnet_b4".parse(), Ok(Variant::B4));
        assert_eq!("B0".parse(), Ok(Variant::B0));
        for wrong in ["b8", "4", "", "efficientnet_", "net_b4"] {
            assert!(wrong.parse::<Variant>().is_err(), "{wrong}");
        }
    }
}
