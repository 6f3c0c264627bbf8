//! Decodes the sequential DCT processes (T.81 Annex F): DICOM's .50 (baseline, 8 bits) and .51
//! (extended, 12 bits).
//!
//! The image is a grid of blocks of 8 x 8; those at the right and the bottom edge are cut to its
//! size.
//!
//! A sequential scan has all coefficients in full. Some encoders say 0 to 0 in its header (NEMA's
//! MG1_JPLY is one of ten such files). The process of the frame header decides, as in libjpeg, and
//! the scan header's range is not read.

use super::error::JpegError;
use super::huffman::{HuffmanCode, extend};
use super::idct::inverse_dct;
use super::remarks::Remarks;
use super::restart::{end_scan, pass_restart};
use super::tables::Tables;
use crate::bits::JpegBits;
use crate::headers::{Frame, Scan};

/// The position in a block, row by row, of the coefficients in a stream (T.81 figure A.6).
const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20,
    13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59,
    52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// Far beyond any coefficient of 12-bit samples, and small enough for [`inverse_dct`].
const LARGEST: i64 = 1 << 24;

/// Decodes the scan whose coded data begin with `bytes`.
pub(super) fn decode(
    frame: &Frame,
    scan: &Scan,
    tables: &Tables,
    bytes: &[u8],
    out: &mut Vec<u16>,
) -> Result<Remarks, JpegError> {
    let &Frame { width, height, precision, quantisation_table } = frame;
    let (block_columns, block_rows) = (width.div_ceil(8), height.div_ceil(8));
    // A block has at least one code for its mean and one for its end.
    let need = (block_columns * block_rows * 2).div_ceil(8);
    if bytes.len() < need {
        return Err(JpegError::TooFewBytes { have: bytes.len(), need, width, height });
    }
    let coding = Coding {
        dc: tables.dc(scan.tables >> 4)?,
        ac: tables.ac(scan.tables & 15)?,
        steps: tables.quantisation(quantisation_table)?,
    };

    let mut bits = JpegBits::new(bytes);
    let mut mean = 0;
    let mut surplus_bytes = 0;
    let blocks_between_restarts = match tables.restart_interval {
        0 => usize::MAX,
        interval => interval,
    };
    out.reserve_exact(width * height);
    for block_row in 0..block_rows {
        let line = block_row * 8;
        let lines = (height - line).min(8);
        out.resize((line + lines) * width, 0);
        for block_column in 0..block_columns {
            let block = block_row * block_columns + block_column;
            if block > 0 && block % blocks_between_restarts == 0 {
                let interval = block / blocks_between_restarts;
                surplus_bytes += pass_restart(&mut bits, interval, line)?;
                mean = 0;
            }
            let coefficients = coding.read_block(&mut bits, &mut mean, line)?;
            let samples = inverse_dct(&coefficients, precision);
            let left = block_column * 8;
            let columns = (width - left).min(8);
            let rows = out[line * width..].chunks_exact_mut(width);
            for (row, samples) in rows.zip(samples.chunks_exact(8)) {
                row[left..left + columns].copy_from_slice(&samples[..columns]);
            }
        }
        if bits.overrun() {
            return Err(JpegError::Truncated { line, height });
        }
    }
    Ok(Remarks { surplus_bytes: surplus_bytes + end_scan(&mut bits), wrapped_lines: 0 })
}

/// The state that converts bits to coefficients.
struct Coding<'a> {
    dc: HuffmanCode,
    ac: HuffmanCode,
    /// In zigzag order.
    steps: &'a [u16; 64],
}

impl Coding<'_> {
    /// One block's coefficients, dequantised; `mean` is the last block's, in steps.
    fn read_block(
        &self,
        bits: &mut JpegBits,
        mean: &mut i64,
        line: usize,
    ) -> Result<[i64; 64], JpegError> {
        let mut coefficients = [0; 64];
        let size = read_symbol(&self.dc, bits, line)?;
        // A table may have larger categories, as long as no block uses them.
        if size > 15 {
            return Err(JpegError::Category { line, found: size, max: 15 });
        }
        *mean += i64::from(read_extra(bits, u32::from(size)));
        coefficients[0] = self.dequantise(*mean, 0);
        let mut place = 1;
        while place < 64 {
            let symbol = read_symbol(&self.ac, bits, line)?;
            let (zeros, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
            if size == 0 && zeros < 15 {
                break;
            }
            place += zeros;
            // Sixteen zeros have a symbol of their own: fifteen and this one.
            if size > 0 {
                let value = read_extra(bits, size);
                let &at = ZIGZAG.get(place).ok_or(JpegError::BlockOverfull { line })?;
                coefficients[usize::from(at)] = self.dequantise(i64::from(value), place);
            }
            place += 1;
        }
        if place > 64 {
            return Err(JpegError::BlockOverfull { line });
        }
        Ok(coefficients)
    }

    fn dequantise(&self, value: i64, place: usize) -> i64 {
        (value * i64::from(self.steps[place])).clamp(-LARGEST, LARGEST)
    }
}

/// The next symbol. Leaves at least 40 bits available.
#[inline(always)]
fn read_symbol(code: &HuffmanCode, bits: &mut JpegBits, line: usize) -> Result<u8, JpegError> {
    bits.refill();
    let next16 = bits.peek(16);
    let found = code.find(next16).ok_or(JpegError::NoCode { line, bits: next16 as u16 })?;
    bits.skip(found.length);
    Ok(found.symbol)
}

#[inline(always)]
fn read_extra(bits: &mut JpegBits, size: u32) -> i32 {
    if size == 0 {
        return 0;
    }
    extend(bits.take(size), size)
}
