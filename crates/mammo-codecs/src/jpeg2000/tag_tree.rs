//! Reads the bits of packet headers and the tag trees in them (ISO/IEC 15444-1, B.10).

use super::error::Error;

/// The bits of a packet header; after a byte 0xFF the next has seven.
pub struct HeaderBits<'a> {
    bytes: &'a [u8],
    position: usize,
    last: u8,
    left: u8,
}

impl<'a> HeaderBits<'a> {
    pub fn new(bytes: &'a [u8], position: usize) -> Self {
        Self { bytes, position, last: 0, left: 0 }
    }

    fn next_byte(&mut self) -> Result<u8, Error> {
        let byte = self
            .bytes
            .get(self.position)
            .ok_or(Error::Truncated("the stream ends within a packet header"))?;
        self.position += 1;
        Ok(*byte)
    }

    #[inline]
    pub fn bit(&mut self) -> Result<u32, Error> {
        if self.left == 0 {
            self.left = if self.last == 0xFF { 7 } else { 8 };
            self.last = self.next_byte()?;
        }
        self.left -= 1;
        Ok(u32::from(self.last >> self.left) & 1)
    }

    /// `count` bits, at most 32, most significant first.
    pub fn bits(&mut self, count: u32) -> Result<u32, Error> {
        let mut value = 0;
        for _ in 0..count {
            value = value << 1 | self.bit()?;
        }
        Ok(value)
    }

    /// Ends the header: where the next byte lies.
    pub fn finish(mut self) -> Result<usize, Error> {
        if self.last == 0xFF {
            self.next_byte()?;
        }
        Ok(self.position)
    }
}

#[derive(Clone, Copy)]
struct Node {
    /// The value is at least this.
    low: u16,
    /// The value is exactly this.
    value: u16,
}

const UNKNOWN: u16 = u16::MAX;

/// A tree of minima over a grid of code-blocks: a parent holds the minimum of its (up to four)
/// children, and each packet sends as much of it as is needed.
#[derive(Clone)]
pub struct TagTree {
    /// Width of each level and where its nodes start, leaves first.
    levels: Vec<(usize, usize)>,
    nodes: Vec<Node>,
}

impl TagTree {
    pub fn new(width: usize, height: usize) -> Self {
        let (mut levels, mut count, mut w, mut h) = (Vec::new(), 0, width, height);
        while w * h > 0 {
            levels.push((w, count));
            count += w * h;
            if w * h == 1 {
                break;
            }
            (w, h) = (w.div_ceil(2), h.div_ceil(2));
        }
        Self { levels, nodes: vec![Node { low: 0, value: UNKNOWN }; count] }
    }

    /// Reads until it is known whether the leaf at `(x, y)` is below `threshold`; returns the
    /// leaf's value if it is.
    pub fn below(
        &mut self,
        bits: &mut HeaderBits,
        x: usize,
        y: usize,
        threshold: u16,
    ) -> Result<Option<u16>, Error> {
        let mut low = 0;
        let mut value = UNKNOWN;
        for (level, &(width, start)) in self.levels.iter().enumerate().rev() {
            let node = &mut self.nodes[start + (y >> level) * width + (x >> level)];
            low = low.max(node.low);
            while low < threshold && low < node.value {
                if bits.bit()? == 1 {
                    node.value = low;
                } else {
                    low += 1;
                }
            }
            node.low = low;
            value = node.value;
        }
        Ok(Some(value).filter(|&v| v < threshold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of ISO/IEC 15444-1, B.10.2: a 6x3 grid whose first leaves are 1, 3, 2.
    #[test]
    fn the_standards_example_reads_as_printed() {
        // 01111, 001, 101 and padding.
        let bytes = [0b0111_1001, 0b1010_0000];
        let mut bits = HeaderBits::new(&bytes, 0);
        let mut tree = TagTree::new(6, 3);
        for (x, want) in [1, 3, 2].into_iter().enumerate() {
            assert_eq!(tree.below(&mut bits, x, 0, 100), Ok(Some(want)));
        }
    }

    #[test]
    fn a_byte_of_ones_is_followed_by_a_stuffed_bit() {
        let bytes = [0xFF, 0b0100_0000, 0xFF, 0x00, 7];
        let mut bits = HeaderBits::new(&bytes, 0);
        assert_eq!(bits.bits(9), Ok(0x1FF));
        assert_eq!(bits.bits(14), Ok(0xFF));
        assert_eq!(bits.finish(), Ok(4), "a header that ends in 0xFF has one byte more");
    }
}
