//! Encodes JPEG-LS (T.87): DICOM's .80, lossless, and .81, near-lossless.

use super::bits::JpegLsBitWriter;
use super::frame::Frame;
use crate::jpeg_ls::model::{Model, Parameters, RUN_LENGTH_BITS};

/// The options of the encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// The largest error of a decoded sample, at most half of the largest sample; 0 is lossless.
    pub near: u8,
    /// Lines between restart markers; 0 for none.
    pub restart_lines: u16,
    /// The number of samples of a context after which older ones count half, 3 to 255.
    pub reset: u16,
}

impl Default for Options {
    /// Lossless, without restart markers, with the standard's default parameters.
    fn default() -> Self {
        Self { near: 0, restart_lines: 0, reset: 64 }
    }
}

/// Encodes a frame. Decoding returns its samples, each with an error of at most `near`.
pub fn encode(frame: &Frame, options: Options) -> Vec<u8> {
    let max = ((1_u32 << frame.precision) - 1) as u16;
    let near = u16::from(options.near).min(max / 2) as u8;
    let defaults = Parameters::with_defaults(max, near);
    let reset = options.reset.clamp(3, 255);
    let parameters = Parameters { reset: u32::from(reset), ..defaults };

    let mut stream = Vec::with_capacity(frame.samples.len() + 256);
    stream.extend([0xFF, 0xD8]);
    let [h1, h0] = frame.height.to_be_bytes();
    let [w1, w0] = frame.width.to_be_bytes();
    stream.extend([0xFF, 0xF7, 0, 11, frame.precision, h1, h0, w1, w0, 1, 1, 0x11, 0]);
    if parameters != defaults {
        let [t1, t2, t3] = parameters.thresholds.map(|threshold| threshold as u16);
        stream.extend([0xFF, 0xF8, 0, 13, 1]);
        stream.extend([max, t1, t2, t3, reset].map(u16::to_be_bytes).concat());
    }
    if options.restart_lines > 0 {
        let [r1, r0] = options.restart_lines.to_be_bytes();
        stream.extend([0xFF, 0xDD, 0, 4, r1, r0]);
    }
    stream.extend([0xFF, 0xDA, 0, 8, 1, 1, 0, near, 0, 0]);

    let width = usize::from(frame.width);
    let mut model = Model::new(parameters);
    let mut bits = JpegLsBitWriter::new(&mut stream);
    // The samples that the decoder will have, with one more at each end as in the decoder.
    let (mut above, mut line) = (vec![0; width + 2], vec![0; width + 2]);
    for (y, samples) in frame.lines().enumerate() {
        if options.restart_lines > 0 && y > 0 && y % usize::from(options.restart_lines) == 0 {
            let interval = y / usize::from(options.restart_lines) - 1;
            bits.end_segment(0xD0 + (interval % 8) as u8);
            bits = JpegLsBitWriter::new(&mut stream);
            model.reset();
            above.fill(0);
            line.fill(0);
        }
        line[0] = above[1];
        above[width + 1] = above[width];
        write_line(&mut model, &mut bits, samples, &above, &mut line);
        std::mem::swap(&mut above, &mut line);
    }
    bits.end_segment(0xD9);
    stream
}

/// Writes a line of samples, and replaces `line` by the samples that the decoder will have.
fn write_line(
    model: &mut Model,
    bits: &mut JpegLsBitWriter,
    samples: &[u16],
    above: &[u16],
    line: &mut [u16],
) {
    let mut x = 1;
    while x <= samples.len() {
        let around = [line[x - 1], above[x], above[x - 1], above[x + 1]];
        let context = model.context(around);
        if context != 0 {
            line[x] = write_regular(model, bits, context, around, samples[x - 1]);
            x += 1;
            continue;
        }
        let value = line[x - 1];
        let rest = &samples[x - 1..];
        let run = rest.iter().take_while(|&&sample| model.alike(sample, value)).count();
        line[x..x + run].fill(value);
        x += run;
        write_run(model, bits, run, run == rest.len());
        if run < rest.len() {
            line[x] = write_interruption(model, bits, value, above[x], rest[run]);
            model.shorten_runs();
            x += 1;
        }
    }
}

fn write_regular(
    model: &mut Model,
    bits: &mut JpegLsBitWriter,
    context: i32,
    around: [u16; 4],
    sample: u16,
) -> u16 {
    let Parameters { near, reset, .. } = model.parameters;
    let (step, limit, range_bits) = (model.step, model.limit, model.range_bits);
    let predicted = model.predict(context, around);
    let error = reduced_error(model, context.signum() * (i32::from(sample) - predicted));
    let learnt = model.regular(context);
    let low_bits = learnt.low_bits();
    let inverse = learnt.mapped_inversely(low_bits, near);
    let mapped = if inverse { !error } else { error };
    // 0, -1, 1, -2, 2 become 0, 1, 2, 3, 4.
    let mapped = (mapped << 1 ^ mapped >> 31) as u32;
    write_error(bits, mapped, low_bits, limit, range_bits);
    learnt.learn(error, step, reset);
    model.reconstruct(predicted, context.signum() * error)
}

/// A run that ends with its line or with another sample (A.7.1.2).
fn write_run(model: &mut Model, bits: &mut JpegLsBitWriter, run: usize, fills_line: bool) {
    let mut left = run;
    while left >= 1 << RUN_LENGTH_BITS[model.run_index] {
        bits.write(1, 1);
        left -= 1 << RUN_LENGTH_BITS[model.run_index];
        model.lengthen_runs();
    }
    if !fills_line {
        // A zero, then the rest of the run.
        bits.write(left as u32, 1 + RUN_LENGTH_BITS[model.run_index]);
    } else if left > 0 {
        bits.write(1, 1);
    }
}

/// The sample that ends a run of `left`, with `above` above it (A.7.2).
fn write_interruption(
    model: &mut Model,
    bits: &mut JpegLsBitWriter,
    left: u16,
    above: u16,
    sample: u16,
) -> u16 {
    let alike = model.alike(left, above);
    let (predicted, sign) = match () {
        () if alike => (i32::from(left), 1),
        () if left > above => (i32::from(above), -1),
        () => (i32::from(above), 1),
    };
    let error = reduced_error(model, sign * (i32::from(sample) - predicted));
    let limit = model.limit - RUN_LENGTH_BITS[model.run_index] - 1;
    let (range_bits, reset) = (model.range_bits, model.parameters.reset);
    let learnt = model.interruption(alike);
    let low_bits = learnt.low_bits(alike);
    let odd = error != 0 && learnt.is_odd(error < 0, low_bits);
    let mapped = 2 * error.unsigned_abs() - u32::from(alike) - u32::from(odd);
    write_error(bits, mapped, low_bits, limit, range_bits);
    learnt.learn(error, mapped, alike, reset);
    model.reconstruct(predicted, sign * error)
}

/// An error in steps of `2 NEAR + 1`, modulo RANGE (A.4.4 and A.4.5).
fn reduced_error(model: &Model, error: i32) -> i32 {
    let near = model.parameters.near;
    let error = error.signum() * ((error.abs() + near) / model.step);
    let error = if error < 0 { error + model.range } else { error };
    if error >= (model.range + 1) / 2 { error - model.range } else { error }
}

/// A number in the limited-length Golomb code (A.5.3).
fn write_error(
    bits: &mut JpegLsBitWriter,
    mapped: u32,
    low_bits: u32,
    limit: u32,
    range_bits: u32,
) {
    let high = mapped >> low_bits;
    let escape = limit - range_bits - 1;
    let zeros = high.min(escape);
    if zeros > 16 {
        bits.write(0, zeros - 16);
    }
    bits.write(1, zeros.min(16) + 1);
    if high >= escape {
        bits.write(mapped - 1, range_bits);
    } else if low_bits > 0 {
        bits.write(mapped & ((1 << low_bits) - 1), low_bits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standards_example_is_written_byte_for_byte() {
        // T.87 Annex H.3.
        let samples = [0, 0, 90, 74, 68, 50, 43, 205, 64, 145, 145, 145, 100, 145, 145, 145];
        let stream = encode(&Frame::new(4, 4, 8, &samples).unwrap(), Options::default());
        let expected = [
            0xFF, 0xD8, 0xFF, 0xF7, 0x00, 0x0B, 0x08, 0x00, 0x04, 0x00, 0x04, 0x01, 0x01, 0x11,
            0x00, 0xFF, 0xDA, 0x00, 0x08, 0x01, 0x01, 0x00, 0x00, 0x00, 0x00, 0xC0, 0x00, 0x00,
            0x6C, 0x80, 0x20, 0x8E, 0x01, 0xC0, 0x00, 0x00, 0x57, 0x40, 0x00, 0x00, 0x6E, 0xE6,
            0x00, 0x00, 0x01, 0xBC, 0x18, 0x00, 0x00, 0x05, 0xD8, 0x00, 0x00, 0x91, 0x60, 0xFF,
            0xD9,
        ];
        assert_eq!(stream, expected);
    }
}
