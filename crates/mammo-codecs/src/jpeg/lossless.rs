//! Decodes the lossless process (T.81 Annex H), DICOM's .57 and .70.
//!
//! A line is processed twice while it is in the cache: first a table look-up gives up to two
//! differences at a time, then the predictor turns differences into samples in place. All
//! arithmetic is modulo 2^16, by H.1.2.1.
//!
//! Some encoders (of Philips and Samsung, pylibjpeg-libjpeg#90) write differences modulo 2 to the
//! precision instead. Then the low bits of a sum are the sample, and the bits above mean nothing.

use super::error::JpegError;
use super::huffman::{HuffmanCode, extend};
use super::remarks::Remarks;
use super::restart::{end_scan, pass_restart};
use super::tables::Tables;
use crate::bits::JpegBits;
use crate::headers::{Frame, Scan};

/// Decodes the scan whose coded data begin with `bytes`.
pub(super) fn decode(
    frame: &Frame,
    scan: &Scan,
    tables: &Tables,
    bytes: &[u8],
    out: &mut Vec<u16>,
) -> Result<Remarks, JpegError> {
    let &Frame { width, height, precision, .. } = frame;
    let predictor = scan.first;
    let point_transform = scan.approximation & 15;
    if !(1..=7).contains(&predictor) {
        return Err(JpegError::Predictor { found: predictor });
    }
    if point_transform >= precision {
        return Err(JpegError::PointTransform { found: point_transform, precision });
    }
    // No code is shorter than one bit.
    let need = (width * height).div_ceil(8);
    if bytes.len() < need {
        return Err(JpegError::TooFewBytes { have: bytes.len(), need, width, height });
    }
    let interval = tables.restart_interval;
    if !interval.is_multiple_of(width) {
        return Err(JpegError::RestartInterval { interval, width });
    }
    let lines_between_restarts = if interval == 0 { height } else { interval / width };

    let code = tables.dc(scan.tables >> 4)?;
    let differences = Differences::new(&code);
    let bits_kept = precision - point_transform;
    let mask = u16::MAX >> (16 - bits_kept);
    let mut bits = JpegBits::new(bytes);
    let (mut surplus_bytes, mut wrapped_lines, mut first_wrapped) = (0, 0, None);
    out.reserve_exact(width * height);
    for y in 0..height {
        let restarted = y % lines_between_restarts == 0;
        if restarted && y > 0 {
            surplus_bytes += pass_restart(&mut bits, y / lines_between_restarts, y)?;
        }
        out.resize((y + 1) * width, 0);
        let (before, line) = out.split_at_mut(y * width);
        differences.read(&mut bits, line).map_err(|error| match error {
            BadCode::None(next16) => JpegError::NoCode { line: y, bits: next16 },
            BadCode::Category(found) => JpegError::Category { line: y, found, max: 16 },
        })?;
        if bits.overrun() {
            return Err(JpegError::Truncated { line: y, height });
        }
        let above = (!restarted).then(|| &before[(y - 1) * width..]);
        match above {
            None => sum(1 << (bits_kept - 1), line),
            Some(above) => add_prediction(predictor, above, line),
        }
        let highest = line.iter().fold(0, |all, &sample| all | sample);
        if highest & !mask != 0 {
            wrapped_lines += 1;
            first_wrapped = first_wrapped.or(Some(y));
            keep_low_bits(mask, predictor, above, line);
        }
    }
    if point_transform > 0 {
        out.iter_mut().for_each(|sample| *sample <<= point_transform);
    }
    surplus_bytes += end_scan(&mut bits);
    match first_wrapped {
        Some(line) if surplus_bytes > 0 => {
            Err(JpegError::SampleTooLarge { line, bits: bits_kept, surplus_bytes })
        }
        _ => Ok(Remarks { surplus_bytes, wrapped_lines }),
    }
}

/// Bits that give no difference.
enum BadCode {
    /// They begin no code.
    None(u16),
    /// A category that no difference has.
    Category(u8),
}

/// The number of bits of one look-up. 4096 entries of 4 bytes fit the first-level cache.
const LOOK: u32 = 12;

/// Converts bits to differences, two at a time if both fit into one look-up.
///
/// An entry holds, from the lowest bit: 5 bits with the total length, one bit that says whether
/// there is a second difference, one that says whether all differences are zero, one unused bit;
/// then two signed differences of 12 bits. A length of 0 means that the slow path is needed.
struct Differences<'a> {
    entries: Vec<u32>,
    code: &'a HuffmanCode,
    zero: ZeroCode,
}

/// The code of the difference zero, which is frequent in air.
#[derive(Debug, Clone, Copy)]
struct ZeroCode {
    /// Its length in bits; 64 if the table has no such code.
    length: u32,
    /// The code repeated, from the top bit down.
    pattern: u64,
}

const LENGTH: u32 = 31;
const SECOND: u32 = 5;
const ZEROS: u32 = 1 << 6;

impl<'a> Differences<'a> {
    fn new(code: &'a HuffmanCode) -> Self {
        let looks = 0..1_u32 << LOOK;
        let zero = looks.clone().find_map(|look| match Self::whole(code, look, LOOK)? {
            (length, 0) => Some(ZeroCode::new(length, look >> (LOOK - length))),
            _ => None,
        });
        let zero = zero.unwrap_or(ZeroCode { length: 64, pattern: 0 });
        // For fewer than three, leaving the fast path does not pay.
        let worth = if zero.length * 3 <= LOOK { LOOK / zero.length } else { u32::MAX };
        let entries = looks
            .map(|look| {
                let Some((length, first)) = Self::whole(code, look, LOOK) else { return 0 };
                if zero.repeats_in(u64::from(look) << (64 - LOOK)) >= worth {
                    return ZEROS;
                }
                let rest = look << length & ((1 << LOOK) - 1);
                let second = Self::whole(code, rest, LOOK - length);
                let (more, value) = second.unwrap_or((0, 0));
                (length + more)
                    | u32::from(second.is_some()) << SECOND
                    | (first as u32 & 0xFFF) << 8
                    | (value as u32 & 0xFFF) << 20
            })
            .collect();
        Self { entries, code, zero }
    }

    /// The first difference of a look-up and its length including the extra bits, if that is at
    /// most `valid` bits.
    fn whole(code: &HuffmanCode, look: u32, valid: u32) -> Option<(u32, i32)> {
        let found = code.find(look << (16 - LOOK))?;
        let size = u32::from(found.symbol);
        let length = found.length + size;
        // Category 16 has no extra bits, but its difference of 32768 does not fit an entry. There are
        // no further categories, though a table may have codes for them.
        if length > valid || size >= 16 {
            return None;
        }
        let extra = look >> (LOOK - length) & ((1 << size) - 1);
        Some((length, extend(extra, size)))
    }

    /// Fills a line that holds zeros with its differences.
    #[inline]
    fn read(&self, bits: &mut JpegBits, line: &mut [u16]) -> Result<(), BadCode> {
        let entries: &[u32; 1 << LOOK] =
            self.entries.as_slice().try_into().expect("the table has an entry for every look");
        let mut x = 0;
        'refill: while x + 8 <= line.len() {
            bits.refill();
            // One refill covers four look-ups of 12 bits; x + 8 covers up to two samples of each.
            for _ in 0..4 {
                let entry = entries[bits.peek(LOOK) as usize];
                let length = entry & LENGTH;
                if length == 0 {
                    x += self.read_rare(entry, bits, &mut line[x..])?;
                    continue 'refill;
                }
                line[x] = ((entry << 12) as i32 >> 20) as u16;
                line[x + 1] = (entry as i32 >> 20) as u16;
                x += 1 + (entry >> SECOND & 1) as usize;
                bits.skip(length);
            }
        }
        while x < line.len() {
            self.read_one(bits, &mut line[x])?;
            x += 1;
        }
        Ok(())
    }

    /// Reads a run of zeros, or a difference too long for a look-up. Returns how many were read.
    #[inline(never)]
    fn read_rare(
        &self,
        entry: u32,
        bits: &mut JpegBits,
        line: &mut [u16],
    ) -> Result<usize, BadCode> {
        if entry & ZEROS == 0 {
            self.read_one(bits, &mut line[0])?;
            return Ok(1);
        }
        let mut run = 0;
        loop {
            bits.refill();
            let whole = bits.available() / self.zero.length;
            let zeros = self.zero.repeats_in(bits.window()).min(whole);
            let taken = (zeros as usize).min(line.len() - run);
            bits.skip(taken as u32 * self.zero.length);
            run += taken;
            if zeros < whole || run == line.len() {
                return Ok(run);
            }
        }
    }

    /// Reads one difference of any length.
    fn read_one(&self, bits: &mut JpegBits, difference: &mut u16) -> Result<(), BadCode> {
        bits.refill();
        let next16 = bits.peek(16);
        let found = self.code.find(next16).ok_or(BadCode::None(next16 as u16))?;
        bits.skip(found.length);
        let size = u32::from(found.symbol);
        *difference = match size {
            0 => 0,
            16 => 1 << 15,
            17.. => return Err(BadCode::Category(found.symbol)),
            _ => extend(bits.take(size), size) as u16,
        };
        Ok(())
    }
}

impl ZeroCode {
    fn new(length: u32, code: u32) -> Self {
        let pattern = (1..=64 / length)
            .fold(0, |pattern, place| pattern | u64::from(code) << (64 - length * place));
        Self { length, pattern }
    }

    /// How often the code is repeated at the beginning of the window.
    #[inline(always)]
    fn repeats_in(&self, window: u64) -> u32 {
        (window ^ self.pattern).leading_zeros() / self.length
    }
}

/// Converts the differences of a line to samples with predictor `predictor` and the line above. The
/// first sample is predicted from the one above it (T.81 table H.1).
fn add_prediction(predictor: u8, above: &[u16], line: &mut [u16]) {
    // Every pass over `rest` sees a sample's difference, Rb above it and Rc above to the left.
    let (first, rest) = line.split_first_mut().expect("a line has at least one sample");
    let (corner, _) = above.split_first().expect("the line above is as long");
    let above = above[..rest.len() + 1].windows(2).map(|pair| [pair[0], pair[1]]);
    let each = rest.iter_mut().zip(above);
    *first = first.wrapping_add(*corner);
    let mut left = *first;
    match predictor {
        1 => sum(left, rest),
        2 => each.for_each(|(sample, [_, b])| *sample = sample.wrapping_add(b)),
        3 => each.for_each(|(sample, [c, _])| *sample = sample.wrapping_add(c)),
        4 => {
            each.for_each(|(sample, [c, b])| *sample = sample.wrapping_add(b).wrapping_sub(c));
            sum(left, rest);
        }
        5 => {
            each.for_each(|(sample, [c, b])| {
                let half = (i32::from(b) - i32::from(c)) >> 1;
                *sample = sample.wrapping_add(half as u16);
            });
            sum(left, rest);
        }
        6 => each.for_each(|(sample, [c, b])| {
            let half = (i32::from(left) - i32::from(c)) >> 1;
            left = sample.wrapping_add(b).wrapping_add(half as u16);
            *sample = left;
        }),
        _ => each.for_each(|(sample, [_, b])| {
            let mean = (u32::from(left) + u32::from(b)) >> 1;
            left = sample.wrapping_add(mean as u16);
            *sample = left;
        }),
    }
}

/// Predictor 1: each sample is predicted from the one on its left, the first from `left`.
fn sum(mut left: u16, line: &mut [u16]) {
    for sample in line {
        left = left.wrapping_add(*sample);
        *sample = left;
    }
}

/// Reduces a line whose sums exceed the precision to the bits of `mask`. The sums are linear in the
/// sample on the left, so that their low bits are right already, but with predictors 6 and 7,
/// which halve it: these lines are summed again.
fn keep_low_bits(mask: u16, predictor: u8, above: Option<&[u16]>, line: &mut [u16]) {
    let (Some(above), 6 | 7) = (above, predictor) else {
        return line.iter_mut().for_each(|sample| *sample &= mask);
    };
    let prediction = |left: u16, b: u16, c: u16| {
        let (left, b, c) = (i32::from(left), i32::from(b), i32::from(c));
        (if predictor == 6 { b + ((left - c) >> 1) } else { (left + b) >> 1 }) as u16
    };
    let mut left_as_summed = line[0];
    line[0] &= mask;
    for x in 1..line.len() {
        let (b, c) = (above[x], above[x - 1]);
        let difference = line[x].wrapping_sub(prediction(left_as_summed, b, c));
        left_as_summed = line[x];
        line[x] = prediction(line[x - 1], b, c).wrapping_add(difference) & mask;
    }
}
