//! Reads the lines of a JPEG-LS scan (T.87 A.3 to A.8).

use super::error::JpegLsError;
use super::model::{Model, Parameters, RUN_LENGTH_BITS};
use crate::bits::JpegLsBits;
use crate::headers::{Frame, marker};

/// Decodes the scan whose coded data begin with `bytes`. Returns the number of surplus bytes.
pub(super) fn decode(
    frame: &Frame,
    parameters: &Parameters,
    restart_lines: usize,
    bytes: &[u8],
    out: &mut Vec<u16>,
) -> Result<usize, JpegLsError> {
    let &Frame { width, height, .. } = frame;
    // A line has at least the one bit of a run that fills it.
    let need = height.div_ceil(8);
    if bytes.len() < need {
        return Err(JpegLsError::TooFewBytes { have: bytes.len(), need, height });
    }
    let mut model = Model::new(*parameters);
    let mut bits = JpegLsBits::new(bytes);
    let mut surplus_bytes = 0;
    // One sample more at each end, so that every sample has its four neighbours.
    let (mut above, mut line) = (vec![0; width + 2], vec![0; width + 2]);
    out.reserve_exact(width * height);
    for y in 0..height {
        if y > 0 && restart_lines > 0 && y % restart_lines == 0 {
            let end = bits.end_segment();
            let needed = marker::RST0 + ((y / restart_lines - 1) % 8) as u8;
            if end.marker != Some(needed) {
                return Err(JpegLsError::RestartMarker { line: y, found: end.marker, needed });
            }
            surplus_bytes += end.surplus_bytes;
            model.reset();
            above.fill(0);
            line.fill(0);
        }
        line[0] = above[1];
        above[width + 1] = above[width];
        read_line(&mut model, &mut bits, &above, &mut line).map_err(|damage| match damage {
            Damage::NoCode => JpegLsError::NoCode { line: y },
            Damage::RunTooLong => JpegLsError::RunTooLong { line: y },
        })?;
        if bits.overrun() {
            return Err(JpegLsError::Truncated { line: y, height });
        }
        out.extend_from_slice(&line[1..=width]);
        std::mem::swap(&mut above, &mut line);
    }
    let end = bits.end_segment();
    // A stream without EOI may carry DICOM's padding to an even length.
    let padding = usize::from(end.marker.is_none());
    Ok(surplus_bytes + end.surplus_bytes.saturating_sub(padding))
}

/// The errors within a line.
enum Damage {
    NoCode,
    RunTooLong,
}

fn read_line(
    model: &mut Model,
    bits: &mut JpegLsBits,
    above: &[u16],
    line: &mut [u16],
) -> Result<(), Damage> {
    let above = &above[..line.len()];
    let mut x = 1;
    while x + 1 < line.len() {
        let around = [line[x - 1], above[x], above[x - 1], above[x + 1]];
        let context = model.context(around);
        if context != 0 {
            line[x] = read_regular(model, bits, context, around)?;
            x += 1;
        } else {
            x = read_run(model, bits, above, line, x)?;
        }
    }
    Ok(())
}

#[inline(always)]
fn read_regular(
    model: &mut Model,
    bits: &mut JpegLsBits,
    context: i32,
    around: [u16; 4],
) -> Result<u16, Damage> {
    let predicted = model.predict(context, around);
    let (near, reset, step) = (model.parameters.near, model.parameters.reset, model.step);
    let (limit, range_bits, range) = (model.limit, model.range_bits, model.range);
    let learnt = model.regular(context);
    let low_bits = learnt.low_bits();
    let mapped = read_error(bits, low_bits, limit, range_bits)?;
    if mapped > range as u32 {
        return Err(Damage::NoCode);
    }
    // Even numbers stand for 0, 1, 2, ..., odd ones for -1, -2, ...
    let error = (mapped >> 1) as i32 ^ -((mapped & 1) as i32);
    let error = if learnt.mapped_inversely(low_bits, near) { !error } else { error };
    learnt.learn(error, step, reset);
    Ok(model.reconstruct(predicted, context.signum() * error))
}

/// Decodes a run of samples equal to the one on the left, and the sample that ends it, unless the
/// line ends first. Returns the position after them.
fn read_run(
    model: &mut Model,
    bits: &mut JpegLsBits,
    above: &[u16],
    line: &mut [u16],
    start: usize,
) -> Result<usize, Damage> {
    let end = line.len() - 1;
    let value = line[start - 1];
    let mut x = start;
    loop {
        bits.refill();
        let length_bits = RUN_LENGTH_BITS[model.run_index];
        if bits.take(1) == 0 {
            let rest = if length_bits > 0 { bits.take(length_bits) as usize } else { 0 };
            if x + rest >= end {
                return Err(Damage::RunTooLong);
            }
            line[x..x + rest].fill(value);
            x += rest;
            break;
        }
        let whole = 1 << length_bits;
        let length = whole.min(end - x);
        line[x..x + length].fill(value);
        x += length;
        if length == whole {
            model.lengthen_runs();
        }
        if x == end {
            return Ok(x);
        }
    }
    line[x] = read_interruption(model, bits, value, above[x])?;
    model.shorten_runs();
    Ok(x + 1)
}

/// The sample that ends a run of `left`, with `above` above it.
fn read_interruption(
    model: &mut Model,
    bits: &mut JpegLsBits,
    left: u16,
    above: u16,
) -> Result<u16, Damage> {
    let alike = model.alike(left, above);
    let limit = model.limit - RUN_LENGTH_BITS[model.run_index] - 1;
    let (range_bits, range, reset) = (model.range_bits, model.range, model.parameters.reset);
    let learnt = model.interruption(alike);
    let low_bits = learnt.low_bits(alike);
    let mapped = read_error(bits, low_bits, limit, range_bits)?;
    if mapped > range as u32 {
        return Err(Damage::NoCode);
    }
    let doubled = mapped + u32::from(alike);
    let magnitude = doubled.div_ceil(2) as i32;
    let negative = learnt.is_odd(true, low_bits) == (doubled % 2 == 1);
    let error = if negative { -magnitude } else { magnitude };
    learnt.learn(error, mapped, alike, reset);
    let (predicted, sign) = match () {
        () if alike => (left, 1),
        () if left > above => (above, -1),
        () => (above, 1),
    };
    Ok(model.reconstruct(i32::from(predicted), sign * error))
}

/// A number in the limited-length Golomb code (A.5.3): zeros for the high bits, a one, the low
/// bits; after `limit - range_bits - 1` zeros the whole number less one instead.
#[inline(always)]
fn read_error(
    bits: &mut JpegLsBits,
    low_bits: u32,
    limit: u32,
    range_bits: u32,
) -> Result<u32, Damage> {
    let escape = limit - range_bits - 1;
    let mut high = 0;
    loop {
        bits.refill();
        let zeros = bits.window().leading_zeros();
        if zeros < bits.available() {
            high += zeros;
            bits.skip(zeros + 1);
            break;
        }
        high += bits.available();
        bits.skip(bits.available());
        if high > escape {
            return Err(Damage::NoCode);
        }
    }
    if high > escape {
        return Err(Damage::NoCode);
    }
    if bits.available() < 32 {
        bits.refill();
    }
    if high == escape {
        return Ok(bits.take(range_bits) + 1);
    }
    let low = if low_bits > 0 { bits.take(low_bits) } else { 0 };
    Ok(high << low_bits | low)
}
