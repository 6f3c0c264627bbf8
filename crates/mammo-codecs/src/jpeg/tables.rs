//! The tables that a JPEG stream defines before its scan: Huffman codes, quantisation, the restart
//! interval (T.81 B.2.4).

use super::error::JpegError;
use super::huffman::HuffmanCode;
use crate::headers::Segment;

/// The tables that apply to a scan.
#[derive(Default)]
pub(super) struct Tables<'a> {
    /// Indexed by class (0: DC and lossless, 1: AC) and number. A code is built only if a scan uses
    /// it, because a stream can define far more than it uses.
    huffman: [[Option<Definition<'a>>; 4]; 2],
    /// By number; each in zigzag order.
    quantisation: [Option<[u16; 64]>; 4],
    /// Samples (lossless) or blocks between restart markers; 0: none.
    pub restart_interval: usize,
}

/// A Huffman table as DHT defines it.
#[derive(Clone, Copy)]
struct Definition<'a> {
    counts: [u8; 16],
    symbols: &'a [u8],
}

impl<'a> Tables<'a> {
    /// Reads a DHT segment, which may define several tables.
    pub fn define_huffman(&mut self, segment: &Segment<'a>) -> Result<(), JpegError> {
        let mut at = 0;
        while at < segment.body.len() {
            let [class_and_number] = segment.array(at)?;
            let counts: [u8; 16] = segment.array(at + 1)?;
            at += 17;
            let total: usize = counts.iter().map(|&count| usize::from(count)).sum();
            let symbols = segment.body.get(at..at + total);
            let symbols = symbols.ok_or(JpegError::HuffmanSymbols {
                codes: total,
                symbols: segment.body.len() - at,
            })?;
            at += total;
            let (class, number) = (class_and_number >> 4, class_and_number & 15);
            let slot = self.huffman.get_mut(usize::from(class));
            let slot = slot.and_then(|tables| tables.get_mut(usize::from(number)));
            let slot = slot.ok_or(JpegError::TableNumber { found: class_and_number })?;
            *slot = Some(Definition { counts, symbols });
        }
        Ok(())
    }

    /// Reads a DQT segment, which may define several tables.
    pub fn define_quantisation(&mut self, segment: &Segment) -> Result<(), JpegError> {
        let mut at = 0;
        while at < segment.body.len() {
            let [size_and_number] = segment.array(at)?;
            at += 1;
            let (size, number) = (size_and_number >> 4, size_and_number & 15);
            let slot = self.quantisation.get_mut(usize::from(number)).filter(|_| size < 2);
            let slot = slot.ok_or(JpegError::TableNumber { found: size_and_number })?;
            *slot = Some(if size == 0 {
                segment.array::<64>(at)?.map(u16::from)
            } else {
                let bytes: [u8; 128] = segment.array(at)?;
                std::array::from_fn(|i| u16::from_be_bytes([bytes[2 * i], bytes[2 * i + 1]]))
            });
            at += 64 << size;
        }
        Ok(())
    }

    /// Reads a DRI segment.
    pub fn define_restart_interval(&mut self, segment: &Segment) -> Result<(), JpegError> {
        self.restart_interval = usize::from(u16::from_be_bytes(segment.array(0)?));
        Ok(())
    }

    /// The code of differences or DC coefficients with this number.
    pub fn dc(&self, number: u8) -> Result<HuffmanCode, JpegError> {
        self.code(0, number)
    }

    /// The code of AC coefficients with this number.
    pub fn ac(&self, number: u8) -> Result<HuffmanCode, JpegError> {
        self.code(1, number)
    }

    fn code(&self, class: usize, table: u8) -> Result<HuffmanCode, JpegError> {
        let definition = self.huffman[class].get(usize::from(table)).copied().flatten();
        let Definition { counts, symbols } =
            definition.ok_or(JpegError::NoHuffmanTable { table })?;
        HuffmanCode::new(&counts, symbols)
    }

    /// The quantisation steps with this number, in zigzag order.
    pub fn quantisation(&self, number: u8) -> Result<&[u16; 64], JpegError> {
        let table = self.quantisation.get(usize::from(number)).and_then(Option::as_ref);
        table.ok_or(JpegError::NoQuantisationTable { table: number })
    }
}
