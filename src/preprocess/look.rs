//! Makes the look: a reduced copy of the image, at most 1,024 samples on its longer side. The
//! breast, the grey range and the quality are found on it.
//!
//! In: a header with its pixel data. Out: [`Taken`], the look and what decoding leaves for the next
//! stages.

use super::decode::{self, Assurance, DecodeError, Decoder, Kept, Output, Purpose, Stored, Want};
use super::read::{Header, Photometric, PixelData};
use super::reduce::halvings;
use super::window::Lut;
use crate::config::{Config, Precision, WindowConfig, WindowMode};
use crate::image::Geometry;
use crate::image::Plane;
use crate::image::sampling::{Reduction, Sampling};

/// A look, and the full image if it had to be decoded for the look.
pub struct Taken {
    /// The look, in stored values.
    pub look: Stored,
    /// How the look's samples lie in the source.
    pub reduction: Reduction,
    /// The full image, if it was decoded.
    pub full: Option<Stored>,
    /// Otherwise the state with which its decoding continues.
    pub kept: Kept,
}

/// A reduction by leaving out wavelet levels.
pub fn wavelet(reduce: u8) -> Reduction {
    Reduction { reduce, sampling: Sampling::Wavelet }
}

/// The most bytes needed to make the look and then decode with `reduce` levels left out: the
/// decoder's own memory, the copies of the look, and the output's part in grey levels.
pub fn cost(header: &Header, pixel_data: &PixelData, reduce: u8) -> usize {
    let look = 20 * (header.layout.pixels() >> (2 * halvings(header.layout.size())));
    let grey = 2 * (header.layout.pixels() >> (2 * reduce));
    decode::cost(header, pixel_data, reduce) + look + grey
}

/// Makes the look. A JPEG 2000 stream with `levels` of wavelets contains it as a coarse level. For
/// everything else the whole image is decoded, and blocks of samples are averaged.
///
/// # Errors
/// [`DecodeError`].
pub fn take(
    decoder: &mut Decoder,
    header: &Header,
    pixel_data: &PixelData,
    levels: u8,
    reduce: u8,
) -> Result<Taken, DecodeError> {
    let halvings = halvings(header.layout.size());
    if levels == 0 {
        let full = decoder.decode(header, pixel_data, &Want::whole(0))?;
        let pixels = block_means(&full, halvings);
        let look = Stored { pixels, ..full };
        let reduction = Reduction { reduce: halvings, sampling: Sampling::BoxMean };
        return Ok(Taken { look, reduction, full: Some(full), kept: Kept::default() });
    }
    let left_out = halvings.min(levels);
    let keep = left_out > reduce;
    let want = Want { keep, ..Want::whole(left_out) };
    let (look, kept) = decoder.decode_and_keep(header, pixel_data, &want)?;
    let full = (left_out == reduce).then(|| look.clone());
    Ok(Taken { look, reduction: wavelet(left_out), full, kept })
}

/// The means of blocks of `2^halvings` x `2^halvings` samples. Blocks at the right and the bottom
/// edge may be smaller.
fn block_means(stored: &Stored, halvings: u8) -> Plane<u16> {
    let (from, side) = (&stored.pixels, 1 << halvings);
    let (width, height) = (from.width().div_ceil(side), from.height().div_ceil(side));
    let mut pixels = Vec::with_capacity(width * height);
    let mut columns = vec![0i32; from.width()];
    for top in (0..from.height()).step_by(side) {
        let rows = side.min(from.height() - top);
        columns.fill(0);
        for y in top..top + rows {
            // Columns are added first: neighbouring sums are independent, so the compiler
            // vectorises them.
            for (sum, &bits) in columns.iter_mut().zip(from.row(y)) {
                *sum += stored.value(bits);
            }
        }
        pixels.extend(columns.chunks(side).map(|block| {
            let count = (rows * block.len()) as i32;
            (block.iter().sum::<i32>() + count / 2).div_euclid(count) as u16
        }));
    }
    Plane::new(width, height, pixels)
}

/// Stored values mapped linearly to the full range of 16 bits, with the breast bright.
pub fn linear(stored: &Stored, header: &Header) -> Plane<u16> {
    // As `Stored::value`, with copies of what it asks: for every pixel they would be read anew, which
    // costs a fifth of the region finder's time.
    let (bits, is_signed_word) = (stored.bits, stored.signed || stored.is_beyond);
    let lowest = if stored.signed { -(1 << (bits - 1)) } else { 0 };
    let most = (1 << bits) - 1;
    let inverted = header.layout.photometric == Photometric::Monochrome1;
    stored.pixels.map(move |&word| {
        let value = if is_signed_word { i32::from(word as i16) } else { i32::from(word) };
        let above = (value - lowest).clamp(0, most);
        let bright = if inverted { most - above } else { above };
        (bright << (16 - bits)) as u16
    })
}

/// The bound on the error that decoding may leave in the output's pixels; `None` if decoding has to
/// be exact.
pub fn display(config: &Config, geometry: &Geometry, lut: &Lut, reduce: u8) -> Option<Purpose> {
    let assurance = match config.decode.precision {
        Precision::Exact => return None,
        Precision::Display => Assurance::Proven,
        Precision::Fast => Assurance::Expected { deviations: FAST_DEVIATIONS },
    };
    let (across, down) = geometry.scale();
    // An output pixel smaller than a source pixel averages nothing.
    if reduce > 0 || across > 1.0 || down > 1.0 {
        return None;
    }
    let slopes = lut.slopes();
    let output = Output { scale_x: 1.0 / across, scale_y: 1.0 / down, slopes, slack: ROUNDING };
    Some(Purpose { output, assurance, straight: lut.straight() })
}

/// How many standard deviations of a pixel's error have to fit in one level with `precision: fast`.
/// They are computed for the worst coefficients possible; measured errors are half of that.
const FAST_DEVIATIONS: f64 = 2.0;

/// The part of an 8-bit level by which the grey scale's 16 bits and the sums of the resize may
/// round.
const ROUNDING: f64 = 0.01;

/// Which samples are padding; `None` if the file has no padding.
pub fn padding(stored: &Stored, header: &Header) -> Option<Plane<bool>> {
    let padding = header.display.padding?;
    Some(stored.pixels.map(|&bits| padding.contains(stored.value(bits))))
}

/// The range of stored values that `window.mode: minmax` or `percentile` maps to black and white:
/// that of all samples which are neither padding nor air (values up to `air` in `linear`).
pub fn range(
    stored: &Stored,
    linear: &Plane<u16>,
    padding: Option<&Plane<bool>>,
    air: Option<u16>,
    config: &WindowConfig,
) -> Option<(f64, f64)> {
    let [low, high] = match config.mode {
        WindowMode::Dicom => return None,
        WindowMode::Minmax => [0.0, 100.0],
        WindowMode::Percentile => config.percentiles,
    };
    let samples = stored.pixels.pixels().iter().zip(linear.pixels());
    let mut values: Vec<i32> = samples
        .enumerate()
        .filter(|(i, (_, linear))| {
            air.is_none_or(|air| **linear > air) && !padding.is_some_and(|p| p.pixels()[*i])
        })
        .map(|(_, (&bits, _))| stored.value(bits))
        .collect();
    if values.is_empty() {
        return None;
    }
    let last = (values.len() - 1) as f64;
    let mut at = |percentile: f64| {
        let rank = (percentile / 100.0 * last).round() as usize;
        f64::from(*values.select_nth_unstable(rank).1)
    };
    Some((at(low), at(high)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preprocess::decode::DecoderName;
    use crate::preprocess::read::open;
    use crate::synth::{Coding, DicomFile, Layout, PhantomSpec, phantom};

    fn stored(width: usize, values: &[i16]) -> Stored {
        let pixels = values.iter().map(|&v| v as u16).collect();
        let pixels = Plane::new(width, values.len() / width, pixels);
        Stored {
            pixels,
            signed: true,
            bits: 12,
            is_beyond: false,
            surplus_bytes: 0,
            is_above: false,
            notes: crate::shard::notes::Notes::default(),
            origin: (0, 0),
            decoder: DecoderName::Native,
        }
    }

    #[test]
    fn a_block_cut_by_the_edge_is_the_mean_of_what_is_left() {
        let image = stored(3, &[-4, -2, 7, 0, -2, 9, 1, 2, 100]);
        let means = block_means(&image, 1);
        let means: Vec<i16> = means.pixels().iter().map(|&v| v as i16).collect();
        assert_eq!(means, [-2, 8, 2, 100]);
    }

    fn header() -> Header {
        let (view, side) = (crate::record::View::Cc, crate::record::Laterality::Left);
        let mut spec = PhantomSpec::example(Layout::SideMarker, view, side, 1);
        spec.divisor = 16;
        let file = DicomFile::new(&spec, &phantom(&spec), Coding::ExplicitLittle, 1, 2).to_bytes();
        let mut header = open(file.into(), 1 << 24).unwrap().0;
        header.layout.photometric = Photometric::Monochrome2;
        header
    }

    #[test]
    fn linear_values_are_those_of_the_stored_numbers() {
        for (signed, is_beyond) in [(false, false), (true, false), (false, true)] {
            let mut image = stored(4, &[-2048, -5, 0, 7, 900, 2047, 4095, 5000]);
            (image.signed, image.is_beyond) = (signed, is_beyond);
            let lowest = if signed { -2048 } else { 0 };
            let expected: Vec<u16> = image
                .pixels
                .pixels()
                .iter()
                .map(|&word| ((image.value(word) - lowest).clamp(0, 4095) << 4) as u16)
                .collect();
            assert_eq!(linear(&image, &header()).pixels(), expected);
        }
    }

    #[test]
    fn percentiles_leave_out_air_and_padding() {
        let image = stored(5, &[-2000, 5, 6, 7, 900]);
        let linear = image.pixels.map(|&v| (i32::from(v as i16) + 2048) as u16);
        let padding = image.pixels.map(|&v| v as i16 == 900);
        let config =
            WindowConfig { mode: WindowMode::Minmax, ..crate::config::Config::default().window };
        let found = range(&image, &linear, Some(&padding), Some(48), &config);
        assert_eq!(found, Some((5.0, 7.0)));
        assert_eq!(range(&image, &linear, None, Some(u16::MAX), &config), None);
    }
}
