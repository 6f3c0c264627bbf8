//! Computes the shortest Huffman code for given frequencies within JPEG's limits (T.81 K.2): no
//! code is longer than 16 bits, and none consists of ones alone.

/// A Huffman code for writing.
pub(super) struct HuffmanTable {
    counts: [u8; 16],
    symbols: Vec<u8>,
    /// The code of each symbol; its length is 0 if the symbol does not occur.
    codes: [Code; 256],
}

/// The bits of one symbol.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Code {
    pub bits: u32,
    pub length: u32,
}

/// Reserves the code of all ones while the code is computed.
const RESERVED: usize = 256;

impl HuffmanTable {
    /// The code for symbols with these frequencies, at least one of which is not 0.
    pub fn for_frequencies(frequencies: &[u64; 256]) -> Self {
        let lengths = unlimited_lengths(frequencies);
        let mut by_length = [0_usize; RESERVED + 1];
        lengths.iter().filter(|&&length| length > 0).for_each(|&length| by_length[length] += 1);
        // T.81 figure K.3: two codes that are too long are replaced by splitting a shorter one.
        for length in (17..=RESERVED).rev() {
            while by_length[length] > 0 {
                let shorter = (1..length - 1).rfind(|&shorter| by_length[shorter] > 0);
                let shorter = shorter.expect("257 codes do not fill 16 bits");
                by_length[length] -= 2;
                by_length[length - 1] += 1;
                by_length[shorter + 1] += 2;
                by_length[shorter] -= 1;
            }
        }
        let longest = (1..=16).rfind(|&length| by_length[length] > 0);
        by_length[longest.expect("the reserved code is there")] -= 1;

        let mut symbols: Vec<u8> = (0..=255).filter(|&s| frequencies[usize::from(s)] > 0).collect();
        symbols.sort_by_key(|&symbol| lengths[usize::from(symbol)]);
        let mut codes = [Code::default(); 256];
        let mut next = symbols.iter();
        let mut bits = 0;
        for (length, &count) in (1..).zip(&by_length[1..=16]) {
            for &symbol in next.by_ref().take(count) {
                codes[usize::from(symbol)] = Code { bits, length };
                bits += 1;
            }
            bits <<= 1;
        }
        let counts = std::array::from_fn(|i| by_length[i + 1] as u8);
        Self { counts, symbols, codes }
    }

    /// The bits for a symbol.
    #[inline(always)]
    pub fn code(&self, symbol: u8) -> Code {
        self.codes[usize::from(symbol)]
    }

    /// Appends the DHT segment that defines this table as number `number` of `class` (0: DC and
    /// lossless, 1: AC).
    pub fn define(&self, class: u8, number: u8, stream: &mut Vec<u8>) {
        let length = (2 + 1 + 16 + self.symbols.len()) as u16;
        stream.extend([0xFF, 0xC4]);
        stream.extend(length.to_be_bytes());
        stream.push(class << 4 | number);
        stream.extend(self.counts);
        stream.extend(&self.symbols);
    }
}

/// The unlimited length of each symbol's Huffman code; 0 if the symbol does not occur.
fn unlimited_lengths(frequencies: &[u64; 256]) -> [usize; RESERVED + 1] {
    let mut lengths = [0; RESERVED + 1];
    // The trees that are left: the weight and the leaves of each.
    let occurring = (0..RESERVED).filter(|&symbol| frequencies[symbol] > 0);
    let mut trees: Vec<(u64, Vec<usize>)> =
        occurring.map(|symbol| (frequencies[symbol], vec![symbol])).collect();
    // The least weight, so that the reserved code is among the longest.
    trees.push((0, vec![RESERVED]));
    while trees.len() > 1 {
        trees.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
        let [(a, mut leaves), (b, more)] =
            [trees.pop(), trees.pop()].map(Option::unwrap_or_default);
        leaves.extend(more);
        leaves.iter().for_each(|&leaf| lengths[leaf] += 1);
        trees.push((a + b, leaves));
    }
    lengths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frequent_symbol_has_the_shorter_code_and_none_is_all_ones() {
        let mut frequencies = [0; 256];
        (frequencies[3], frequencies[7], frequencies[200]) = (10, 90, 1);
        let table = HuffmanTable::for_frequencies(&frequencies);
        assert_eq!(table.code(7), Code { bits: 0b0, length: 1 });
        assert_eq!(table.code(3), Code { bits: 0b10, length: 2 });
        assert_eq!(table.code(200), Code { bits: 0b110, length: 3 });
    }

    #[test]
    fn a_single_symbol_takes_one_bit() {
        let mut frequencies = [0; 256];
        frequencies[0] = 5;
        assert_eq!(
            HuffmanTable::for_frequencies(&frequencies).code(0),
            Code { bits: 0, length: 1 }
        );
    }

    #[test]
    fn fibonacci_frequencies_stay_within_16_bits_and_prefix_free() {
        let mut frequencies = [0_u64; 256];
        (frequencies[0], frequencies[1]) = (1, 1);
        (2..60).for_each(|i| frequencies[i] = frequencies[i - 1] + frequencies[i - 2]);
        (60..256).for_each(|i| frequencies[i] = 1);
        let table = HuffmanTable::for_frequencies(&frequencies);
        let codes: Vec<Code> = (0..=255).map(|symbol| table.code(symbol)).collect();
        assert!(codes.iter().all(|code| (1..=16).contains(&code.length)));
        let taken: u32 = codes.iter().map(|code| 1 << (16 - code.length)).sum();
        assert!(taken < 1 << 16, "the code of ones alone is free");
        let mut spans: Vec<u32> =
            codes.iter().map(|code| code.bits << (16 - code.length)).collect();
        spans.sort_unstable();
        spans.dedup();
        assert_eq!(spans.len(), 256);
    }
}
