//! A batch of images as it enters a network.

/// A batch of images of one size.
#[derive(Debug, Clone, Copy)]
pub struct Images<'a> {
    /// The pixels, row by row, one image after the other.
    pub pixels: Pixels<'a>,
    /// The number of images.
    pub batch: usize,
    /// Rows of an image.
    pub height: usize,
    /// Columns of an image.
    pub width: usize,
}

/// The pixels of a batch.
#[derive(Debug, Clone, Copy)]
pub enum Pixels<'a> {
    /// Grey levels from 0 to 255, `[batch, height, width]`. They are normalised, and every input
    /// channel gets the same level.
    U8(&'a [u8]),
    /// Grey levels from 0 to 65,535, `[batch, height, width]`; otherwise as [`Pixels::U8`].
    U16(&'a [u16]),
    /// Values that enter the network as they are, `[batch, channel, height, width]`: colour images,
    /// or images that the caller has normalised.
    F32(&'a [f32]),
}

/// How grey levels become input values: `(level / highest level - mean) / std`, channel by channel.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Normalisation {
    /// One mean per input channel, as a share of the highest level.
    pub mean: Vec<f32>,
    /// One standard deviation per input channel, as a share of the highest level.
    pub std: Vec<f32>,
}

impl Normalisation {
    /// The normalisation of timm's pretrained weights: mean and standard deviation of ImageNet's
    /// three colours. A network of one channel takes the mean of the three.
    pub fn of_pretrained(channels: usize) -> Self {
        let (mean, std) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
        if channels == 1 {
            let mid = |values: [f32; 3]| vec![values.iter().sum::<f32>() / 3.0];
            return Self { mean: mid(mean), std: mid(std) };
        }
        Self { mean: mean.into(), std: std.into() }
    }
}
