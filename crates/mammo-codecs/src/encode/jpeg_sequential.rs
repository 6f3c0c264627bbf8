//! Encodes the sequential DCT processes of JPEG (T.81 Annex F): DICOM's .50, baseline with 8 bits,
//! and .51, extended with 12 bits.
//!
//! There are two passes: the first transforms, quantises and counts, the second writes with the
//! best Huffman codes for these counts.

use super::bits::BitWriter;
use super::frame::{Frame, FrameError};
use super::huffman::HuffmanTable;

/// The options of the encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Quality from 1 (small file) to 100 (all quantisation steps 1), on libjpeg's scale.
    pub quality: u8,
    /// Blocks of 8 x 8 between restart markers; 0 for none.
    pub restart_blocks: u16,
}

impl Default for Options {
    /// Quality 90 without restart markers.
    fn default() -> Self {
        Self { quality: 90, restart_blocks: 0 }
    }
}

/// A frame with more bits than the processes support.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found} bits a sample, sequential JPEG codes up to 12")]
pub struct TooManyBits {
    /// The frame's precision.
    pub found: u8,
}

/// Encodes a frame: as baseline for a precision of up to 8 bits, else as extended with 12 bits.
pub fn encode(frame: &Frame, options: Options) -> Result<Vec<u8>, TooManyBits> {
    let (sof, precision) = match frame.precision {
        ..=8 => (0xC0, 8),
        9..=12 => (0xC1, 12),
        found => return Err(TooManyBits { found }),
    };
    let steps = steps(options.quality);
    let blocks = quantised_blocks(frame, precision, &steps);
    Ok(stream(frame, (sof, precision), &steps, &blocks, 1, options.restart_blocks))
}

/// Encodes 8-bit red, green and blue as a baseline JPEG of luminance and two colour differences
/// (ITU-T T.871), without subsampling.
///
/// # Errors
/// [`FrameError`] if there are not as many pixels as the size says.
pub fn encode_colour(
    width: u16,
    height: u16,
    pixels: &[[u8; 3]],
    quality: u8,
) -> Result<Vec<u8>, FrameError> {
    const FROM_RGB: [[f32; 4]; 3] = [
        [0.299, 0.587, 0.114, 0.0],
        [-0.168_735_9, -0.331_264_1, 0.5, 128.0],
        [0.5, -0.418_687_6, -0.081_312_4, 128.0],
    ];
    let planes = FROM_RGB.map(|[red, green, blue, offset]| -> Vec<u16> {
        let level = |&[r, g, b]: &[u8; 3]| {
            red * f32::from(r) + green * f32::from(g) + blue * f32::from(b) + offset
        };
        pixels.iter().map(|pixel| level(pixel).round().clamp(0.0, 255.0) as u16).collect()
    });
    let steps = steps(quality);
    let mut of_planes = Vec::new();
    for plane in &planes {
        let frame = Frame::new(width, height, 8, plane)?;
        of_planes.push(quantised_blocks(&frame, 8, &steps));
    }
    // One block of each plane in turn (T.81 A.2.3).
    let blocks: Vec<[i16; 64]> =
        (0..of_planes[0].len()).flat_map(|i| [0, 1, 2].map(|plane| of_planes[plane][i])).collect();
    let frame = Frame::new(width, height, 8, &planes[0])?;
    Ok(stream(&frame, (0xC0, 8), &steps, &blocks, 3, 0))
}

/// The stream of a frame's blocks; those of several components alternate. `restart_blocks` is as in
/// [`Options`], and needs a single component.
fn stream(
    frame: &Frame,
    (sof, precision): (u8, u8),
    steps: &[u8; 64],
    blocks: &[[i16; 64]],
    components: usize,
    restart_blocks: u16,
) -> Vec<u8> {
    let interval = if restart_blocks == 0 { blocks.len() } else { usize::from(restart_blocks) };
    let mut frequencies = [[0; 256]; 2];
    for blocks in blocks.chunks(interval) {
        for_symbols(blocks, components, |class, symbol, _, _| {
            frequencies[class][usize::from(symbol)] += 1
        });
    }
    // An image of one value has no DC symbol but 0; it always has at least one.
    let tables = frequencies.map(|frequencies| HuffmanTable::for_frequencies(&frequencies));

    let mut stream = Vec::with_capacity(frame.samples.len() / 2 + 1024);
    stream.extend([0xFF, 0xD8, 0xFF, 0xDB, 0, 67, 0]);
    stream.extend(ZIGZAG.map(|place| steps[usize::from(place)]));
    let [h1, h0] = frame.height.to_be_bytes();
    let [w1, w0] = frame.width.to_be_bytes();
    let ids = 1..=components as u8;
    stream.extend([0xFF, sof, 0, 8 + 3 * components as u8, precision, h1, h0, w1, w0]);
    stream.push(components as u8);
    stream.extend(ids.clone().flat_map(|id| [id, 0x11, 0]));
    tables[0].define(0, 0, &mut stream);
    tables[1].define(1, 0, &mut stream);
    if restart_blocks > 0 {
        let [i1, i0] = restart_blocks.to_be_bytes();
        stream.extend([0xFF, 0xDD, 0, 4, i1, i0]);
    }
    stream.extend([0xFF, 0xDA, 0, 6 + 2 * components as u8, components as u8]);
    stream.extend(ids.flat_map(|id| [id, 0]));
    stream.extend([0, 63, 0]);
    let mut bits = BitWriter::new(&mut stream);
    let mut intervals = blocks.chunks(interval).enumerate().peekable();
    while let Some((i, blocks)) = intervals.next() {
        for_symbols(blocks, components, |class, symbol, extra, size| {
            let code = tables[class].code(symbol);
            bits.write(code.bits << size | extra, code.length + size);
        });
        let is_last = intervals.peek().is_none();
        bits.end_segment(if is_last { 0xD9 } else { 0xD0 + (i % 8) as u8 });
    }
    stream
}

/// T.81 table K.1, row by row: the quantisation steps for luminance.
const LUMINANCE: [u16; 64] = [
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56,
    14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113,
    92, 49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
];

/// The position in a block, row by row, of the coefficients in a stream (T.81 figure A.6).
const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20,
    13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59,
    52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// The quantisation steps of a quality, row by row, scaled as libjpeg does.
fn steps(quality: u8) -> [u8; 64] {
    let quality = u16::from(quality.clamp(1, 100));
    let percent = if quality < 50 { 5000 / quality } else { 200 - 2 * quality };
    LUMINANCE.map(|step| ((u32::from(step) * u32::from(percent) + 50) / 100).clamp(1, 255) as u8)
}

/// The quantised coefficients of every block, in zigzag order, blocks row by row.
fn quantised_blocks(frame: &Frame, precision: u8, steps: &[u8; 64]) -> Vec<[i16; 64]> {
    let (width, height) = (usize::from(frame.width), usize::from(frame.height));
    let middle = f32::from(1_u16 << (precision - 1));
    let mut blocks = Vec::with_capacity(width.div_ceil(8) * height.div_ceil(8));
    for top in (0..height).step_by(8) {
        for left in (0..width).step_by(8) {
            // Beyond the edge, the edge is repeated.
            let samples = std::array::from_fn(|i| {
                let (x, y) = ((left + i % 8).min(width - 1), (top + i / 8).min(height - 1));
                f32::from(frame.samples[y * width + x]) - middle
            });
            let coefficients = forward_dct(&samples);
            blocks.push(ZIGZAG.map(|place| {
                let place = usize::from(place);
                (coefficients[place] / f32::from(steps[place])).round() as i16
            }));
        }
    }
    blocks
}

/// cos(n pi / 16) for n = 0 to 8. Written as literals, so that pixels do not depend on a platform's
/// cosine.
const COSINE: [f32; 9] = [
    1.0,
    0.980_785_3,
    0.923_879_5,
    0.831_469_6,
    0.707_106_77,
    0.555_570_24,
    0.382_683_43,
    0.195_090_32,
    0.0,
];

/// The cosine basis by frequency and position, scaled so that two passes give the transform of T.81
/// A.3.3.
const BASIS: [[f32; 8]; 8] = {
    let mut basis = [[0.5 * COSINE[4]; 8]; 8];
    let mut frequency = 1;
    while frequency < 8 {
        let mut place = 0;
        while place < 8 {
            let angle = (2 * place + 1) * frequency % 32;
            let angle = if angle > 16 { 32 - angle } else { angle };
            let cosine = if angle > 8 { -COSINE[16 - angle] } else { COSINE[angle] };
            basis[frequency][place] = 0.5 * cosine;
            place += 1;
        }
        frequency += 1;
    }
    basis
};

fn forward_dct(samples: &[f32; 64]) -> [f32; 64] {
    let mut rows = [0.0; 64];
    for (line, row) in samples.chunks_exact(8).zip(rows.chunks_exact_mut(8)) {
        for (value, basis) in row.iter_mut().zip(&BASIS) {
            *value = line.iter().zip(basis).map(|(sample, basis)| sample * basis).sum();
        }
    }
    let mut coefficients = [0.0; 64];
    for (values, basis) in coefficients.chunks_exact_mut(8).zip(&BASIS) {
        for (row, basis) in rows.chunks_exact(8).zip(basis) {
            values.iter_mut().zip(row).for_each(|(value, row)| *value += row * basis);
        }
    }
    coefficients
}

/// Calls `each` with the class (0: DC, 1: AC), the symbol, the extra bits and their number, for
/// everything that the blocks of an interval are written as.
fn for_symbols(blocks: &[[i16; 64]], components: usize, mut each: impl FnMut(usize, u8, u32, u32)) {
    let mut means = vec![0; components];
    for (i, block) in blocks.iter().enumerate() {
        let mean = std::mem::replace(&mut means[i % components], i32::from(block[0]));
        let (size, extra) = magnitude(i32::from(block[0]) - mean);
        each(0, size as u8, extra, size);
        let mut zeros = 0;
        for &value in &block[1..] {
            if value == 0 {
                zeros += 1;
                continue;
            }
            while zeros > 15 {
                each(1, 0xF0, 0, 0);
                zeros -= 16;
            }
            let (size, extra) = magnitude(i32::from(value));
            each(1, zeros << 4 | size as u8, extra, size);
            zeros = 0;
        }
        if zeros > 0 {
            each(1, 0, 0, 0);
        }
    }
}

/// The number of extra bits of a value, and these bits (T.81 F.1.2.1).
fn magnitude(value: i32) -> (u32, u32) {
    let size = 32 - value.unsigned_abs().leading_zeros();
    let extra = if value < 0 { value - 1 } else { value };
    (size, extra as u32 & ((1 << size) - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cosine_of_the_block_is_one_coefficient() {
        let samples = std::array::from_fn(|i| 80.0 * BASIS[3][i % 8] * BASIS[5][i / 8]);
        for (i, value) in forward_dct(&samples).into_iter().enumerate() {
            let expected = if i == 5 * 8 + 3 { 80.0 } else { 0.0 };
            assert!((value - expected).abs() < 1e-4, "coefficient {i} is {value}");
        }
    }

    #[test]
    fn magnitudes_are_those_of_table_f_1() {
        assert_eq!(magnitude(0), (0, 0));
        assert_eq!(
            [magnitude(-3), magnitude(-2), magnitude(2), magnitude(3)],
            [(2, 0), (2, 1), (2, 2), (2, 3)]
        );
        assert_eq!(magnitude(-2048), (12, 2047));
    }

    #[test]
    fn colours_come_back_by_another_decoder_s_hand() {
        // Not square, and not a multiple of a block: red falls to the right, blue rises to the bottom.
        let (width, height) = (45_u16, 21_u16);
        let pixel = |i: usize| {
            let (x, y) = (i % usize::from(width), i / usize::from(width));
            [250 - 5 * x as u8, 90, 10 * y as u8]
        };
        let pixels: Vec<[u8; 3]> = (0..45 * 21).map(pixel).collect();
        let jpeg = encode_colour(width, height, &pixels, 95).unwrap();
        let mut decoder = jpeg_decoder::Decoder::new(&jpeg[..]);
        let decoded = decoder.decode().unwrap();
        let info = decoder.info().unwrap();
        assert_eq!((info.width, info.height, decoded.len()), (width, height, 45 * 21 * 3));
        let errors = decoded.iter().zip(pixels.as_flattened()).map(|(a, b)| a.abs_diff(*b));
        assert!(errors.clone().max() <= Some(12), "{:?}", errors.max());
        assert!(encode_colour(width, height, &pixels[1..], 95).is_err());
    }

    #[test]
    fn sixteen_bits_are_refused() {
        let frame = Frame::new(1, 1, 16, &[9]).unwrap();
        assert_eq!(encode(&frame, Options::default()), Err(TooManyBits { found: 16 }));
    }
}
