//! Reads the bits of a JPEG or JPEG-LS scan: removes stuffed bits and stops at markers.
//!
//! Past the end of the data, or at a marker, the reader supplies zero bits, so that the decoding
//! loops need no check per symbol. They call [`BitReader::overrun`] once per line instead. Without
//! that call, a truncated stream would decode to an image.

/// The bits of entropy-coded data, starting with the highest bit of each byte.
///
/// `AFTER_FF` is the number of data bits in a byte that follows 0xFF; the bits above are stuffed
/// zeros. It is 0 in JPEG (T.81 F.1.2.3) and 7 in JPEG-LS (T.87 A.1). Any other byte there is a
/// marker.
pub(crate) struct BitReader<'a, const AFTER_FF: u32> {
    bytes: &'a [u8],
    position: usize,
    /// The next bits, the first on top. Below the topmost `count` there are either zeros or a
    /// copy of the bytes at `position`; a refill may therefore `or` them in once more.
    window: u64,
    count: u32,
    /// The number of zero bits supplied for lack of data, including those already taken.
    invented: u32,
}

/// Bits of a JPEG scan.
pub(crate) type JpegBits<'a> = BitReader<'a, 0>;
/// Bits of a JPEG-LS scan.
pub(crate) type JpegLsBits<'a> = BitReader<'a, 7>;

/// What follows an entropy-coded segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentEnd {
    /// The second byte of the marker found; `None` where the data end.
    pub marker: Option<u8>,
    /// Whole bytes between the last bit taken and the marker.
    pub surplus_bytes: usize,
}

impl<'a, const AFTER_FF: u32> BitReader<'a, AFTER_FF> {
    /// Starts at the first byte after a scan header.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0, window: 0, count: 0, invented: 0 }
    }

    /// Makes at least 56 bits available, in JPEG-LS 49.
    #[inline(always)]
    pub fn refill(&mut self) {
        if let Some(next) = self.bytes.get(self.position..self.position + 8) {
            let word = u64::from_be_bytes(next.try_into().expect("the slice is 8 bytes long"));
            if !has_ff(word) {
                self.window |= word >> self.count;
                let taken = (63 - self.count) >> 3;
                self.position += taken as usize;
                self.count += taken * 8;
                return;
            }
        }
        self.refill_bytewise();
    }

    /// The refill near a 0xFF or the end.
    #[cold]
    #[inline(never)]
    fn refill_bytewise(&mut self) {
        self.window &= !(u64::MAX >> self.count);
        while self.count <= 55 - AFTER_FF {
            let (data, bits) = match self.bytes.get(self.position..) {
                Some([0xFF, next, ..]) if next >> AFTER_FF == 0 => {
                    self.position += 2;
                    (0xFF << AFTER_FF | u64::from(*next), 8 + AFTER_FF)
                }
                Some([0xFF, ..] | []) | None => {
                    self.invented += 8;
                    (0, 8)
                }
                Some([byte, ..]) => {
                    self.position += 1;
                    (u64::from(*byte), 8)
                }
            };
            self.window |= data << (64 - self.count - bits);
            self.count += bits;
        }
    }

    /// The next bits, the first one on top. At most [`BitReader::available`] of them are valid.
    #[inline(always)]
    pub fn window(&self) -> u64 {
        self.window
    }

    /// How many bits the window holds.
    #[inline(always)]
    pub fn available(&self) -> u32 {
        self.count
    }

    /// The next `bits`, 1 to 32, without taking them.
    #[inline(always)]
    pub fn peek(&self, bits: u32) -> u32 {
        (self.window >> (64 - bits)) as u32
    }

    /// Takes `bits`, at most what is available.
    #[inline(always)]
    pub fn skip(&mut self, bits: u32) {
        self.window <<= bits;
        self.count -= bits;
    }

    /// Takes the next `bits`, 1 to 32.
    #[inline(always)]
    pub fn take(&mut self, bits: u32) -> u32 {
        let value = self.peek(bits);
        self.skip(bits);
        value
    }

    /// Whether bits were taken that the data do not hold.
    #[inline(always)]
    pub fn overrun(&self) -> bool {
        self.invented > self.count
    }

    /// Ends an entropy-coded segment: skips the padding and the marker that follows.
    pub fn end_segment(&mut self) -> SegmentEnd {
        let mut surplus_bytes = (self.count.saturating_sub(self.invented) / 8) as usize;
        (self.window, self.count, self.invented) = (0, 0, 0);
        loop {
            match self.bytes.get(self.position..).unwrap_or_default() {
                [] => return SegmentEnd { marker: None, surplus_bytes },
                [0xFF, next, ..] if next >> AFTER_FF == 0 => {
                    surplus_bytes += 1;
                    self.position += 2;
                }
                // Any number of 0xFF may fill the space before a marker (T.81 B.1.1.2).
                [0xFF, 0xFF, ..] | [0xFF] => self.position += 1,
                [0xFF, marker, ..] => {
                    self.position += 2;
                    return SegmentEnd { marker: Some(*marker), surplus_bytes };
                }
                [_, ..] => {
                    surplus_bytes += 1;
                    self.position += 1;
                }
            }
        }
    }
}

/// Whether one of the eight bytes is 0xFF: the zero-byte test of "Hacker's Delight" 6-1, inverted.
#[inline(always)]
fn has_ff(word: u64) -> bool {
    let inverted = !word;
    inverted.wrapping_sub(0x0101_0101_0101_0101) & word & 0x8080_8080_8080_8080 != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stuffed_zero_is_not_data() {
        let mut bits = JpegBits::new(&[0x12, 0xFF, 0x00, 0x34, 0xFF, 0xD9]);
        bits.refill();
        assert_eq!(bits.peek(24), 0x12_FF34);
    }

    #[test]
    fn a_stuffed_bit_is_not_data() {
        let mut bits = JpegLsBits::new(&[0x12, 0xFF, 0x7F, 0x80, 0xFF, 0x80]);
        bits.refill();
        assert_eq!(bits.peek(31), 0x12 << 23 | 0x7FFF << 8 | 0x80);
        bits.skip(31);
        assert!(!bits.overrun());
        assert_eq!(bits.end_segment(), SegmentEnd { marker: Some(0x80), surplus_bytes: 0 });
    }

    #[test]
    fn bits_past_a_marker_are_an_overrun() {
        let mut bits = JpegBits::new(&[0xA5, 0xFF, 0xD9, 0x77]);
        bits.refill();
        bits.skip(8);
        assert!(!bits.overrun());
        bits.skip(1);
        assert!(bits.overrun());
    }

    #[test]
    fn every_position_of_ff_in_a_word_is_seen() {
        for shift in (0..64).step_by(8) {
            assert!(has_ff(0xFF << shift));
            assert!(!has_ff(!(1 << shift) & !(0x8040_2010_0804_0201)));
        }
        assert!(!has_ff(0x7F80_FE01_0080_7FFE));
    }

    #[test]
    fn a_segment_ends_behind_its_marker_and_counts_what_was_not_read() {
        let mut bits = JpegBits::new(&[0x12, 0x34, 0xFF, 0x00, 0xFF, 0xFF, 0xD3, 0xAB]);
        bits.refill();
        bits.skip(3);
        assert_eq!(bits.end_segment(), SegmentEnd { marker: Some(0xD3), surplus_bytes: 2 });
        bits.refill();
        assert_eq!(bits.peek(8), 0xAB);
    }

    #[test]
    fn eight_byte_refills_yield_what_single_bytes_yield() {
        let bytes: Vec<u8> = (0..200_u32).map(|i| (i * i % 251) as u8).collect();
        let mut bits = JpegBits::new(&bytes);
        let mut at = 0;
        let mut step = 1;
        while at + 32 <= bytes.len() * 8 {
            bits.refill();
            let expected = (0..step).fold(0, |value, i| {
                let bit = at + i;
                value << 1 | u32::from(bytes[bit / 8] >> (7 - bit % 8) & 1)
            });
            assert_eq!(bits.peek(step as u32), expected, "{step} bits at {at}");
            bits.skip(step as u32);
            at += step;
            step = step % 32 + 1;
        }
    }
}
