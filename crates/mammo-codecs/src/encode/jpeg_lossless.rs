//! Encodes JPEG lossless (T.81 Annex H): DICOM's .57 with any predictor, .70 with
//! [`Predictor::Left`].
//!
//! There are two passes: the first counts the categories of the differences, the second writes them
//! with the best Huffman code for these counts.

use super::bits::BitWriter;
use super::frame::Frame;
use super::huffman::{Code, HuffmanTable};

/// The options of the encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// The predictor.
    pub predictor: Predictor,
    /// The number of low bits dropped from each sample (point transform), fewer than the precision;
    /// 0 keeps all.
    pub point_transform: u8,
    /// Lines between restart markers; 0 for none. An interval has at most 65,535 samples, so wide
    /// images have their markers earlier.
    pub restart_lines: u16,
}

impl Default for Options {
    /// The settings of DICOM's .70, without restart markers.
    fn default() -> Self {
        Self { predictor: Predictor::Left, point_transform: 0, restart_lines: 0 }
    }
}

/// The prediction of a sample from its neighbours: a on its left, b above it, c above a (T.81 table
/// H.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Predictor {
    /// a
    Left = 1,
    /// b
    Above,
    /// c
    AboveLeft,
    /// a + b - c
    Plane,
    /// a + (b - c) / 2
    LeftAndHalf,
    /// b + (a - c) / 2
    AboveAndHalf,
    /// (a + b) / 2
    Mean,
}

impl Predictor {
    /// All seven, in the standard's order.
    pub const ALL: [Self; 7] = [
        Self::Left,
        Self::Above,
        Self::AboveLeft,
        Self::Plane,
        Self::LeftAndHalf,
        Self::AboveAndHalf,
        Self::Mean,
    ];

    #[inline(always)]
    fn predict(self, a: u16, b: u16, c: u16) -> u16 {
        let (a, b, c) = (i32::from(a), i32::from(b), i32::from(c));
        (match self {
            Self::Left => a,
            Self::Above => b,
            Self::AboveLeft => c,
            Self::Plane => a + b - c,
            Self::LeftAndHalf => a + ((b - c) >> 1),
            Self::AboveAndHalf => b + ((a - c) >> 1),
            Self::Mean => (a + b) >> 1,
        }) as u16
    }
}

/// Encodes a frame. Decoding returns its samples without the bits of the point transform.
pub fn encode(frame: &Frame, options: Options) -> Vec<u8> {
    let point_transform = options.point_transform.min(frame.precision - 1);
    let restart_lines = options.restart_lines.min(u16::MAX / frame.width);
    let differences = differences(frame, Options { point_transform, restart_lines, ..options });
    let mut frequencies = [0; 256];
    differences.iter().for_each(|&difference| frequencies[category(difference) as usize] += 1);
    let table = HuffmanTable::for_frequencies(&frequencies);
    let codes: [Code; 17] = std::array::from_fn(|category| table.code(category as u8));

    let mut stream = Vec::with_capacity(frame.samples.len() + 256);
    stream.extend([0xFF, 0xD8]);
    let [h1, h0] = frame.height.to_be_bytes();
    let [w1, w0] = frame.width.to_be_bytes();
    stream.extend([0xFF, 0xC3, 0, 11, frame.precision, h1, h0, w1, w0, 1, 1, 0x11, 0]);
    table.define(0, 0, &mut stream);
    if restart_lines > 0 {
        let [i1, i0] = (restart_lines * frame.width).to_be_bytes();
        stream.extend([0xFF, 0xDD, 0, 4, i1, i0]);
    }
    stream.extend([0xFF, 0xDA, 0, 8, 1, 1, 0, options.predictor as u8, 0, point_transform]);

    let mut bits = BitWriter::new(&mut stream);
    let width = usize::from(frame.width);
    let interval =
        width * usize::from(if restart_lines == 0 { frame.height } else { restart_lines });
    let mut intervals = differences.chunks(interval).enumerate().peekable();
    while let Some((i, interval)) = intervals.next() {
        for &difference in interval {
            write_difference(difference, &codes, &mut bits);
        }
        let is_last = intervals.peek().is_none();
        bits.end_segment(if is_last { 0xD9 } else { 0xD0 + (i % 8) as u8 });
    }
    stream
}

/// The difference of every sample from its prediction, modulo 2^16.
fn differences(frame: &Frame, options: Options) -> Vec<u16> {
    let shift = options.point_transform;
    let middle = 1 << (frame.precision - shift - 1);
    let mut differences = Vec::with_capacity(frame.samples.len());
    let mut above: Option<&[u16]> = None;
    for (y, line) in frame.lines().enumerate() {
        if options.restart_lines > 0 && y % usize::from(options.restart_lines) == 0 {
            above = None;
        }
        let first = line[0] >> shift;
        differences.push(first.wrapping_sub(above.map_or(middle, |above| above[0] >> shift)));
        // The first line of an interval has nothing above it and is predicted from the left.
        let predictor = if above.is_some() { options.predictor } else { Predictor::Left };
        let above_or_any = above.unwrap_or(line);
        differences.extend(line.windows(2).zip(above_or_any.windows(2)).map(|(pair, over)| {
            let [a, x, c, b] = [pair[0], pair[1], over[0], over[1]].map(|sample| sample >> shift);
            x.wrapping_sub(predictor.predict(a, b, c))
        }));
        above = Some(line);
    }
    differences
}

/// The number of bits of a difference's magnitude; 16 for -32,768.
#[inline(always)]
fn category(difference: u16) -> u32 {
    16 - (difference as i16).unsigned_abs().leading_zeros()
}

#[inline(always)]
fn write_difference(difference: u16, codes: &[Code; 17], bits: &mut BitWriter) {
    let category = category(difference);
    let code = codes[category as usize];
    if category == 16 {
        // The only difference in its category: no bits follow its code.
        return bits.write(code.bits, code.length);
    }
    // A negative difference is written as its bits less one.
    let extra = u32::from(difference.wrapping_sub(difference >> 15)) & ((1 << category) - 1);
    bits.write(code.bits << category | extra, code.length + category);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_samples_are_written_as_the_standard_counts_them() {
        // 4 bits: the first sample is predicted as 8, so the differences are +1 and -2.
        let frame = Frame::new(2, 1, 4, &[9, 7]).unwrap();
        let stream = encode(&frame, Options::default());
        let scan = stream.iter().rposition(|&byte| byte == 0xDA).unwrap() + 9;
        // Category 1 has code 0, category 2 code 10: 0|1 10|01, then ones.
        assert_eq!(stream[scan..], [0b0110_0111, 0xFF, 0xD9]);
    }

    #[test]
    fn an_image_wider_than_half_an_interval_restarts_every_line() {
        let samples: Vec<u16> = (0..40_000 * 3).map(|i| (i % 7) as u16).collect();
        let frame = Frame::new(40_000, 3, 3, &samples).unwrap();
        let stream = encode(&frame, Options { restart_lines: 2, ..Options::default() });
        let restarts: Vec<u8> = stream
            .windows(2)
            .filter(|pair| pair[0] == 0xFF && (0xD0..0xD8).contains(&pair[1]))
            .map(|pair| pair[1])
            .collect();
        assert_eq!(restarts, [0xD0, 0xD1]);
    }
}
