//! Huffman codes as a JPEG stream defines them (T.81 Annex C).
//!
//! In: the code counts and symbols of a DHT segment. Out: [`HuffmanCode`], which finds the symbol
//! at the beginning of 16 bits: codes of up to ten bits by one table look-up, longer ones by a
//! short search.

use super::error::JpegError;

const SHORT_BITS: u32 = 10;

/// One Huffman table, ready to decode.
pub(super) struct HuffmanCode {
    /// Indexed by the next ten bits: length << 8 | symbol, or 0 if the code is longer or does not
    /// exist.
    short: Vec<u16>,
    /// For each length: the first 16-bit value above all codes of this length and of shorter ones.
    limits: [u32; 17],
    /// For each length: the offset from a code of this length to its place in `symbols`.
    offsets: [i32; 17],
    symbols: Vec<u8>,
}

/// A code: its length in bits, and its symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    pub length: u32,
    pub symbol: u8,
}

impl HuffmanCode {
    /// Builds the code that has `counts[n - 1]` codes of n bits for `symbols` in order.
    pub fn new(counts: &[u8; 16], symbols: &[u8]) -> Result<Self, JpegError> {
        let total = counts.iter().map(|&count| usize::from(count)).sum();
        if symbols.len() != total || total > 256 {
            return Err(JpegError::HuffmanSymbols { codes: total, symbols: symbols.len() });
        }
        let mut limits = [0; 17];
        let mut offsets = [0; 17];
        let mut code = 0_u32;
        let mut index = 0;
        for length in 1..=16 {
            code <<= 1;
            offsets[length] = index - code as i32;
            code += u32::from(counts[length - 1]);
            index += i32::from(counts[length - 1]);
            if code > 1 << length {
                return Err(JpegError::HuffmanOverfull { length });
            }
            limits[length] = code << (16 - length);
        }
        let mut this = Self { short: Vec::new(), limits, offsets, symbols: symbols.to_vec() };
        this.short = (0..1 << SHORT_BITS)
            .map(|next| match this.search(next << (16 - SHORT_BITS), 1) {
                Some(found) if found.length <= SHORT_BITS => {
                    (found.length as u16) << 8 | u16::from(found.symbol)
                }
                _ => 0,
            })
            .collect();
        Ok(this)
    }

    /// The code at the beginning of the next 16 bits; `None` if there is none.
    #[inline(always)]
    pub fn find(&self, next16: u32) -> Option<Found> {
        let entry = self.short[(next16 >> (16 - SHORT_BITS)) as usize];
        if entry != 0 {
            return Some(Found { length: u32::from(entry >> 8), symbol: entry as u8 });
        }
        self.search(next16, SHORT_BITS + 1)
    }

    /// The same among codes of `from` bits or more; canonical codes rise with their length.
    fn search(&self, next16: u32, from: u32) -> Option<Found> {
        let length = (from..=16).find(|&length| next16 < self.limits[length as usize])?;
        let code = (next16 >> (16 - length)) as i32;
        let symbol = self.symbols.get((code + self.offsets[length as usize]) as usize)?;
        Some(Found { length, symbol: *symbol })
    }
}

/// The value of `size` extra bits: the upper half of the values is positive, the lower half
/// negative (T.81 F.2.2.1, EXTEND).
#[inline(always)]
pub(super) fn extend(extra: u32, size: u32) -> i32 {
    if size == 0 {
        0
    } else if extra < 1 << (size - 1) {
        extra as i32 - ((1 << size) - 1)
    } else {
        extra as i32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// T.81 table K.3: luminance DC differences.
    const COUNTS: [u8; 16] = [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0];
    const SYMBOLS: [u8; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];

    #[test]
    fn the_codes_of_annex_k_are_found() {
        let code = HuffmanCode::new(&COUNTS, &SYMBOLS).unwrap();
        for (bits, length, symbol) in
            [(0b00, 2, 0), (0b010, 3, 1), (0b110, 3, 5), (0b1110, 4, 6), (0b1_1111_1110, 9, 11)]
        {
            let next16 = bits << (16 - length);
            assert_eq!(code.find(next16), Some(Found { length, symbol }));
            assert_eq!(
                code.find(next16 | ((1 << (16 - length)) - 1)),
                Some(Found { length, symbol })
            );
        }
        assert_eq!(code.find(0xFFFF), None);
    }

    #[test]
    fn codes_longer_than_the_short_table_are_found() {
        let mut counts = [1; 16];
        counts[15] = 2;
        let symbols: Vec<u8> = (100..117).collect();
        let code = HuffmanCode::new(&counts, &symbols).unwrap();
        for length in 1..=16_u32 {
            let next16 = (0xFFFF << (17 - length)) & 0xFFFF;
            let symbol = 99 + length as u8;
            assert_eq!(code.find(next16), Some(Found { length, symbol }), "{length} bits");
        }
        assert_eq!(code.find(0xFFFF), Some(Found { length: 16, symbol: 116 }));
    }

    #[test]
    fn more_codes_than_fit_are_refused() {
        let mut counts = [0; 16];
        counts[0] = 3;
        let refusal = HuffmanCode::new(&counts, &[0, 1, 2]).err();
        assert_eq!(refusal, Some(JpegError::HuffmanOverfull { length: 1 }));
    }

    #[test]
    fn extra_bits_stand_for_both_signs() {
        assert_eq!([extra_of(1, 0), extra_of(1, 1)], [-1, 1]);
        assert_eq!(
            [extra_of(3, 0), extra_of(3, 3), extra_of(3, 4), extra_of(3, 7)],
            [-7, -4, 4, 7]
        );
        assert_eq!(extra_of(0, 0), 0);
    }

    fn extra_of(size: u32, extra: u32) -> i32 {
        extend(extra, size)
    }
}
