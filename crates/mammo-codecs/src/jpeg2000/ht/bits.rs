//! The bit streams of a high-throughput code-block: two grow forward, two backward, and one
//! holds runs (ISO/IEC 15444-15, 7.1).
//!
//! In: a segment's bytes. Out: bits, without those that were stuffed in. Behind the end comes
//! what the standard says, for as long as it is asked for.

/// Bits that are read from the first byte on, lowest first: magnitudes and signs (MagSgn), or
/// newly significant samples (SigProp).
pub struct Forward<'a> {
    bytes: std::slice::Iter<'a, u8>,
    /// The byte that follows the last one.
    fill: u8,
    buffer: u64,
    count: u32,
    is_stuffed: bool,
}

impl<'a> Forward<'a> {
    pub fn new(bytes: &'a [u8], fill: u8) -> Self {
        Self { bytes: bytes.iter(), fill, buffer: 0, count: 0, is_stuffed: false }
    }

    /// The next `count` bits, at most 32.
    #[inline]
    pub fn take(&mut self, count: u32) -> u32 {
        while self.count < count {
            let byte = self.bytes.next().copied().unwrap_or(self.fill);
            self.buffer |= u64::from(byte) << self.count;
            self.count += 8 - u32::from(self.is_stuffed);
            self.is_stuffed = byte == 0xFF;
        }
        let bits = self.buffer & ((1 << count) - 1);
        self.buffer >>= count;
        self.count -= count;
        bits as u32
    }
}

/// Bits that are read from the last byte on, lowest first: codewords (VLC), or refinements
/// (MagRef). Zeros follow.
pub struct Backward<'a> {
    bytes: std::iter::Rev<std::slice::Iter<'a, u8>>,
    buffer: u64,
    count: u32,
    /// Whether the byte behind was so large that 0x7F in front of it holds a stuffed bit.
    is_stuffed: bool,
}

impl<'a> Backward<'a> {
    /// Codewords: the last byte and the lower half of the one before it hold a length instead.
    pub fn codewords(bytes: &'a [u8]) -> Self {
        let (half, bytes) = match bytes {
            [bytes @ .., half, _] => (*half, bytes),
            _ => (0, &[][..]),
        };
        let buffer = u64::from(half >> 4);
        let count = 4 - u32::from(buffer & 7 == 7);
        Self { bytes: bytes.iter().rev(), buffer, count, is_stuffed: half | 15 > 0x8F }
    }

    /// Refinements.
    pub fn refinements(bytes: &'a [u8]) -> Self {
        Self { bytes: bytes.iter().rev(), buffer: 0, count: 0, is_stuffed: true }
    }

    /// At least the next 32 bits.
    #[inline]
    pub fn peek(&mut self) -> u32 {
        while self.count < 32 {
            let byte = self.bytes.next().copied().unwrap_or(0);
            self.buffer |= u64::from(byte) << self.count;
            self.count += 8 - u32::from(self.is_stuffed && byte & 0x7F == 0x7F);
            self.is_stuffed = byte > 0x8F;
        }
        self.buffer as u32
    }

    /// Goes on by `count` bits that [`Backward::peek`] has shown.
    #[inline]
    pub fn skip(&mut self, count: u32) {
        self.buffer >>= count;
        self.count -= count;
    }

    /// The next `count` bits, fewer than 32.
    #[inline]
    pub fn take(&mut self, count: u32) -> u32 {
        let bits = self.peek() & ((1 << count) - 1);
        self.skip(count);
        bits
    }
}

/// Events that are mostly 0, as lengths of runs by an adaptive code (MEL).
pub struct Events<'a> {
    bytes: &'a [u8],
    position: usize,
    byte: u8,
    left: u32,
    /// Which of [`EXPONENTS`] the next run has.
    state: usize,
    zeros: u32,
    one_follows: bool,
}

/// log2 of a whole run's length, by state (7.3.3, Table 2).
const EXPONENTS: [u32; 13] = [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 4, 5];

impl<'a> Events<'a> {
    /// From a segment whose end is codewords'; its last byte is not counted, and what it shares
    /// of the one before reads as ones.
    pub fn new(bytes: &'a [u8]) -> Self {
        let bytes = &bytes[..bytes.len().saturating_sub(1)];
        Self { bytes, position: 0, byte: 0, left: 0, state: 0, zeros: 0, one_follows: false }
    }

    fn bit(&mut self) -> u32 {
        if self.left == 0 {
            self.left = 8 - u32::from(self.byte == 0xFF);
            self.byte = self.bytes.get(self.position).copied().unwrap_or(0xFF);
            self.position += 1;
            if self.position == self.bytes.len() {
                self.byte |= 15;
            }
        }
        self.left -= 1;
        u32::from(self.byte >> self.left & 1)
    }

    /// The next event: 0 or 1.
    pub fn next(&mut self) -> bool {
        loop {
            if self.zeros > 0 {
                self.zeros -= 1;
                return false;
            }
            if std::mem::take(&mut self.one_follows) {
                return true;
            }
            let exponent = EXPONENTS[self.state];
            if self.bit() == 1 {
                self.zeros = 1 << exponent;
                self.state = (self.state + 1).min(EXPONENTS.len() - 1);
            } else {
                self.zeros = (0..exponent).fold(0, |run, _| run << 1 | self.bit());
                self.one_follows = true;
                self.state = self.state.saturating_sub(1);
            }
        }
    }
}
