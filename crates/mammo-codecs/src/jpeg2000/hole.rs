//! Finds holes in a stream: places that a failed copy left filled with one byte, most often 0.
//!
//! In: a stream, or its first bytes. Out: the length of its longest run of one byte, for which its
//! packets give no reason. Most such streams decode without an error, and part of the image is
//! noise or a coarser picture.

use super::coding::Decomposition;
use super::error::Error;
use super::size::Size;
use super::{boxes, codestream};

/// The length in bytes of the longest run of one byte among the tiles' data, as far as `bytes` has
/// them, less one byte for each packet that a tile may have: in an area without details one packet
/// after the other is the same byte. Runs of fewer than 31 bytes may be missed. In 12 sound streams of
/// CT, X-ray and mammography the longest run is 8. 0 for high-throughput streams, whose runs nobody
/// has measured.
///
/// # Errors
/// As [`header`](super::header).
pub fn longest_hole(bytes: &[u8]) -> Result<usize, Error> {
    let stream = boxes::beginning(bytes, bytes.len())?.bytes;
    let (size, coding) = codestream::read_main(stream)?;
    let parts = || coding.components.iter().map(|component| &component.decomposition);
    if parts().any(|part| part.style.high_throughput()) {
        return Ok(0);
    }
    let packets: u64 = parts().map(|part| packets(&size, part)).sum();
    let packets = packets.saturating_mul(coding.layers.into());
    let run = longest_run(tiles(stream));
    Ok(run.saturating_sub(usize::try_from(packets).unwrap_or(usize::MAX)))
}

/// From the first tile's data to the end of the last.
fn tiles(stream: &[u8]) -> &[u8] {
    let first = |bytes: &[u8], marker: [u8; 2]| bytes.windows(2).position(|two| two == marker);
    let Some(tile) = first(stream, [0xFF, 0x90]) else { return &[] };
    let Some(data) = first(&stream[tile..], [0xFF, 0x93]) else { return &[] };
    let tiles = &stream[tile + data + 2..];
    // What follows the end of the codestream is no part of it: one byte, or as many as a program
    // likes.
    let end = tiles.windows(2).rposition(|two| two == [0xFF, 0xD9]);
    &tiles[..end.unwrap_or(tiles.len())]
}

/// The most packets that a tile of a component has in a layer.
fn packets(size: &Size, decomposition: &Decomposition) -> u64 {
    let (width, height) = size.largest_tile();
    let of = |resolution: u8| {
        let left_out = decomposition.levels - resolution;
        let (across, down) = decomposition.precinct(resolution);
        let count = |length: u32, log2: u8| {
            // A tile may begin anywhere in its first precinct.
            ((u64::from(length) >> left_out.min(31)) >> log2) + 2
        };
        count(width, across) * count(height, down)
    };
    (0..=decomposition.levels).map(of).sum()
}

/// The length of the longest run of one byte.
fn longest_run(bytes: &[u8]) -> usize {
    const CHUNK: usize = 16;
    let (mut longest, mut at) = (0, 0);
    // A run shorter than two chunks need not be seen.
    while let Some(chunk) = bytes.get(at..at + CHUNK) {
        let value = chunk[0];
        if chunk != [value; CHUNK] {
            at += CHUNK;
            continue;
        }
        let before = bytes[..at].iter().rev().take_while(|byte| **byte == value).count();
        let behind = bytes[at..].iter().take_while(|byte| **byte == value).count();
        longest = longest.max(before + behind);
        at += behind;
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_run_is_found_wherever_it_begins() {
        for start in 0..40 {
            let mut bytes: Vec<u8> = (0..400).map(|i| (i * 7 % 251) as u8).collect();
            bytes[start..start + 70].fill(255);
            bytes[200..240].fill(0);
            assert_eq!(longest_run(&bytes), 70, "{start}");
        }
        assert_eq!(longest_run(&[5; 50]), 50);
        assert_eq!(longest_run(&[]), 0);
    }
}
