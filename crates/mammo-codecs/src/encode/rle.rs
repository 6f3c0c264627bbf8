//! Encodes DICOM's RLE (PS3.5 Annex G): PackBits row by row, with high and low bytes in separate
//! segments.

use super::frame::Frame;

/// Encodes a frame: one segment for a precision of up to 8 bits (Bits Allocated 8), otherwise two
/// (Bits Allocated 16).
pub fn encode(frame: &Frame) -> Vec<u8> {
    let shifts: &[u32] = if frame.precision > 8 { &[8, 0] } else { &[0] };
    let mut header = [0_u32; 16];
    header[0] = shifts.len() as u32;
    let mut stream = vec![0; 64];
    for (offset, &shift) in header[1..].iter_mut().zip(shifts) {
        *offset = stream.len() as u32;
        let mut row = Vec::with_capacity(usize::from(frame.width));
        for line in frame.lines() {
            row.clear();
            row.extend(line.iter().map(|sample| (sample >> shift) as u8));
            pack(&row, &mut stream);
        }
        if !stream.len().is_multiple_of(2) {
            stream.push(0);
        }
    }
    for (place, word) in stream.chunks_exact_mut(4).zip(header) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    stream
}

/// Appends the PackBits of one row: runs of three or more as runs, the rest as literals.
fn pack(row: &[u8], stream: &mut Vec<u8>) {
    let mut literal = 0;
    let mut at = 0;
    for run in row.chunk_by(|a, b| a == b) {
        if run.len() >= 3 {
            pack_literal(&row[literal..at], stream);
            literal = at + run.len();
            for part in run.chunks(128) {
                // A remainder of one byte, after a multiple of 128, has to be a literal.
                let control = if part.len() == 1 { 0 } else { (257 - part.len()) as u8 };
                stream.extend([control, part[0]]);
            }
        }
        at += run.len();
    }
    pack_literal(&row[literal..], stream);
}

fn pack_literal(bytes: &[u8], stream: &mut Vec<u8>) {
    for part in bytes.chunks(128) {
        stream.push((part.len() - 1) as u8);
        stream.extend(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_of_twelve_bits_has_its_high_bytes_first() {
        let samples = [0x0AAA, 0x0AAA, 0x0AAA, 0x0AAA, 0x0123, 0x0345];
        let stream = encode(&Frame::new(6, 1, 12, &samples).unwrap());
        let mut expected = vec![2, 0, 0, 0, 64, 0, 0, 0, 70, 0, 0, 0];
        expected.resize(64, 0);
        expected.extend([0xFD, 0x0A, 0x01, 0x01, 0x03, 0]);
        expected.extend([0xFD, 0xAA, 0x01, 0x23, 0x45, 0]);
        assert_eq!(stream, expected);
    }

    #[test]
    fn runs_do_not_cross_rows() {
        let stream = encode(&Frame::new(130, 2, 8, &[9; 260]).unwrap());
        assert_eq!(stream[64..], [0x81, 9, 0xFF, 9, 0x81, 9, 0xFF, 9]);
    }
}
