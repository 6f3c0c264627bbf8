//! Writes the bits of a scan. JPEG inserts a zero byte after every 0xFF (T.81 F.1.2.3), JPEG-LS a
//! zero bit (T.87 A.1).

/// Appends the bits of a JPEG scan to a stream.
pub(super) struct BitWriter<'a> {
    stream: &'a mut Vec<u8>,
    /// Bits not yet written, the oldest on top; at most 31 of them between calls.
    window: u64,
    count: u32,
}

impl<'a> BitWriter<'a> {
    pub fn new(stream: &'a mut Vec<u8>) -> Self {
        Self { stream, window: 0, count: 0 }
    }

    /// Writes the low `length` bits, 1 to 32, of `bits`; the bits above have to be zero.
    #[inline(always)]
    pub fn write(&mut self, bits: u32, length: u32) {
        self.window |= u64::from(bits) << (64 - self.count - length);
        self.count += length;
        if self.count >= 32 {
            self.write_word();
        }
    }

    #[inline(always)]
    fn write_word(&mut self) {
        let word = (self.window >> 32) as u32;
        self.window <<= 32;
        self.count -= 32;
        let bytes = word.to_be_bytes();
        if bytes.contains(&0xFF) {
            bytes.into_iter().for_each(|byte| self.write_byte(byte));
        } else {
            self.stream.extend_from_slice(&bytes);
        }
    }

    fn write_byte(&mut self, byte: u8) {
        self.stream.push(byte);
        if byte == 0xFF {
            self.stream.push(0);
        }
    }

    /// Fills the last byte with ones and appends a marker.
    pub fn end_segment(&mut self, marker: u8) {
        let padding = (8 - self.count % 8) % 8;
        if padding > 0 {
            self.write((1 << padding) - 1, padding);
        }
        while self.count > 0 {
            self.write_byte((self.window >> 56) as u8);
            self.window <<= 8;
            self.count -= 8;
        }
        self.stream.extend([0xFF, marker]);
    }
}

/// Appends the bits of a JPEG-LS scan to a stream.
pub(super) struct JpegLsBitWriter<'a> {
    stream: &'a mut Vec<u8>,
    /// Bits not yet written, the oldest on top; fewer than a byte of them between calls.
    window: u64,
    count: u32,
    /// The number of bits that the next byte takes: 7 after 0xFF, else 8.
    room: u32,
}

impl<'a> JpegLsBitWriter<'a> {
    pub fn new(stream: &'a mut Vec<u8>) -> Self {
        Self { stream, window: 0, count: 0, room: 8 }
    }

    /// Writes the low `length` bits, 1 to 32, of `bits`; the bits above have to be zero.
    #[inline(always)]
    pub fn write(&mut self, bits: u32, length: u32) {
        self.window |= u64::from(bits) << (64 - self.count - length);
        self.count += length;
        while self.count >= self.room {
            self.write_byte();
        }
    }

    #[inline(always)]
    fn write_byte(&mut self) {
        let byte = (self.window >> (64 - self.room)) as u8;
        self.stream.push(byte);
        self.window <<= self.room;
        self.count = self.count.saturating_sub(self.room);
        self.room = if byte == 0xFF { 7 } else { 8 };
    }

    /// Fills the last byte with zeros and appends a marker. If the last byte is 0xFF, a byte of
    /// zeros is added, or it would be taken for the start of the marker.
    pub fn end_segment(&mut self, marker: u8) {
        if self.count > 0 || self.room == 7 {
            self.write_byte();
        }
        self.stream.extend([0xFF, marker]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_padded_with_ones_and_ff_is_stuffed() {
        let mut stream = vec![];
        let mut bits = BitWriter::new(&mut stream);
        bits.write(0b101, 3);
        bits.write(0xFFFF_FFFF, 32);
        bits.write(0, 2);
        bits.end_segment(0xD9);
        let expected = [0b1011_1111, 0xFF, 0, 0xFF, 0, 0xFF, 0, 0b1110_0111, 0xFF, 0xD9];
        assert_eq!(stream, expected);
    }

    #[test]
    fn behind_ff_a_byte_has_seven_bits() {
        let mut stream = vec![];
        let mut bits = JpegLsBitWriter::new(&mut stream);
        bits.write(0xFFFF_FFFF, 32);
        bits.write(0b1_1111_1111, 9);
        bits.end_segment(0xD9);
        assert_eq!(stream, [0xFF, 0x7F, 0xFF, 0x7F, 0xFF, 0b0111_0000, 0xFF, 0xD9]);
        stream.clear();
        let mut bits = JpegLsBitWriter::new(&mut stream);
        bits.write(0xFF, 8);
        bits.end_segment(0xD9);
        assert_eq!(stream, [0xFF, 0, 0xFF, 0xD9]);
    }
}
