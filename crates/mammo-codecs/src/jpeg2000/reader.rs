//! A cursor over big-endian marker segments.

use super::error::Error;

const SHORT: Error = Error::Truncated("the stream ends within a header");

/// A cursor over bytes: reading past their end is an error, never a panic.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    pub fn position(&self) -> usize {
        self.position
    }

    /// Moves to `position`, which must not be beyond the end.
    pub fn seek(&mut self, position: usize) {
        self.position = position.min(self.bytes.len());
    }

    pub fn is_empty(&self) -> bool {
        self.position >= self.bytes.len()
    }

    /// The bytes that are left.
    pub fn rest(&self) -> &'a [u8] {
        &self.bytes[self.position..]
    }

    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let bytes = self.rest().get(..count).ok_or(SHORT)?;
        self.position += count;
        Ok(bytes)
    }

    pub fn u8(&mut self) -> Result<u8, Error> {
        Ok(self.bytes(1)?[0])
    }

    pub fn u16(&mut self) -> Result<u16, Error> {
        let b = self.bytes(2)?;
        Ok(u16::from_be_bytes([b[0], b[1]]))
    }

    pub fn u32(&mut self) -> Result<u32, Error> {
        let b = self.bytes(4)?;
        Ok(u32::from_be_bytes([b[0], b[1], b[2], b[3]]))
    }

    /// A marker and its segment.
    pub fn segment(&mut self) -> Result<(u16, Reader<'a>), Error> {
        let code = self.u16()?;
        Ok((code, self.body(code)?))
    }

    /// The segment after marker `code`, which has been read.
    pub fn body(&mut self, code: u16) -> Result<Reader<'a>, Error> {
        if !(0xFF40..=0xFFFE).contains(&code) {
            return Err(Error::Malformed("no marker where one must be"));
        }
        let length =
            self.u16()?.checked_sub(2).ok_or(Error::Malformed("marker segment length below 2"))?;
        Ok(Reader::new(self.bytes(length.into())?))
    }
}
