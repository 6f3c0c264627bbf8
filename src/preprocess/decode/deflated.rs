//! Deflated Image Frame Compression (1.2.840.10008.1.2.8.1): the bytes of uncompressed pixels,
//! deflated (RFC 1951).

use std::io::Read as _;

use flate2::read::DeflateDecoder;

use super::DecodeError;

/// Inflates a stream to exactly `need` bytes, or to one more that makes their number even. Never
/// allocates more than one byte beyond that, whatever the stream holds.
///
/// # Errors
/// [`DecodeError::Inflate`], or [`DecodeError::Length`] for fewer or more bytes.
pub fn inflate(stream: &[u8], need: usize) -> Result<Vec<u8>, DecodeError> {
    let even = need + need % 2;
    // With the one byte that shows that there are more.
    let mut bytes = Vec::with_capacity(even + 1);
    let mut decoder = DeflateDecoder::new(stream).take(even as u64 + 1);
    decoder.read_to_end(&mut bytes).map_err(DecodeError::Inflate)?;
    let have = bytes.len();
    if have != need && have != even {
        return Err(DecodeError::Length { have, need });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::DeflateEncoder;

    use super::*;

    fn deflate(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn another_length_is_refused_before_it_is_inflated() {
        let bytes = [1, 2, 3, 4, 5];
        assert_eq!(inflate(&deflate(&bytes), 5).unwrap(), bytes);
        assert_eq!(inflate(&deflate(&[1, 2, 3, 4, 5, 0]), 5).unwrap().len(), 6);
        let of = |bytes: &[u8], need| inflate(&deflate(bytes), need).unwrap_err().to_string();
        assert_eq!(of(&bytes, 6), "5 bytes of pixels, needs 6");
        assert!(of(&vec![7; 100 << 20], 10).starts_with("11 bytes"));
        let mut cut = deflate(&[9; 3000]);
        cut.truncate(cut.len() - 3);
        assert!(matches!(inflate(&cut, 3000), Err(DecodeError::Inflate(_))));
    }
}
