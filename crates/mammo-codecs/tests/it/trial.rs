//! What the decoders' tests share: lopsided images, damaged streams, the real files' fragments.

use std::path::{Path, PathBuf};

/// A small generator of repeatable noise (xorshift64*).
pub struct Noise(u64);

impl Noise {
    /// Noise that the same seed repeats.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize) % bound
    }
}

/// An image that no flip maps to itself and no category of difference misses: air with a few
/// specks on the left, rising tissue with noise on the right, any value at all further down.
pub fn lopsided(width: usize, height: usize, precision: u8, seed: u64) -> Vec<u16> {
    let mut noise = Noise::new(seed);
    let max = (1_usize << precision) - 1;
    let edge = noise.below(width + 1);
    let wild_from = noise.below(height + 1).max(height / 2);
    let grain = 1 + max / 64;
    let mut samples = Vec::with_capacity(width * height);
    for y in 0..height {
        for x in 0..width {
            let sample = match () {
                () if y >= wild_from && noise.below(3) == 0 => noise.below(max + 1),
                () if x < edge => noise.below(50) / 49 * max,
                () => max / 4 + (x * 3 + y) * grain / 5 + noise.below(grain),
            };
            samples.push(sample.min(max) as u16);
        }
    }
    samples
}

/// Decodes `count` damaged copies of a stream: bytes changed, bits flipped, tails cut off, pieces
/// removed or doubled. Passes if every call returns, and `check` finds its result acceptable.
pub fn survive<T>(
    stream: &[u8],
    count: u64,
    decode: impl Fn(&[u8], &mut Vec<u16>) -> T,
    check: impl Fn(&T, &[u16]),
) {
    let mut samples = Vec::new();
    for seed in 0..count {
        let mut noise = Noise::new(seed);
        let mut damaged = stream.to_vec();
        for _ in 0..=noise.below(3) {
            // Half of the damage goes to the headers, where little does much.
            let reach = if noise.below(2) == 0 { damaged.len().min(80) } else { damaged.len() };
            let at = noise.below(reach.max(1));
            let piece = at..(at + 1 + noise.below(40)).min(damaged.len());
            match noise.below(6) {
                _ if damaged.is_empty() => {}
                0 => damaged[at] = noise.below(256) as u8,
                1 => damaged[at] = [0x00, 0xFF, 0x7F, 0x80][noise.below(4)],
                2 => damaged[at] ^= 1 << noise.below(8),
                3 => damaged.truncate(at),
                4 => drop(damaged.drain(piece)),
                _ => {
                    let again = damaged[piece].to_vec();
                    damaged.splice(at..at, again);
                }
            }
        }
        let result = decode(&damaged, &mut samples);
        check(&result, &samples);
    }
}

/// The folder of real files beside the checkout.
pub fn shared() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared")
}

/// The real files of one transfer syntax: name, the frame's fragments joined, and the first 16
/// hex digits of the SHA-256 of its samples as little-endian u16, on which other decoders agree.
pub fn real_frames(transfer_syntax: &str) -> Vec<(String, Vec<u8>, String)> {
    let shared = shared();
    let truth = std::fs::read_to_string(shared.join("decoded_sha256.csv"));
    let truth = truth.expect("a folder ../shared with real files lies beside the checkout");
    let rows = truth.lines().filter(|row| row.split(',').nth(1) == Some(transfer_syntax));
    rows.map(|row| {
        let (name, hash) = (row.split(',').next().unwrap(), row.rsplit(',').next().unwrap());
        let file = std::fs::read(shared.join(name)).expect(name);
        (name.to_owned(), fragments(&file).concat(), hash.to_owned())
    })
    .collect()
}

/// The fragments of a file's only frame.
fn fragments(file: &[u8]) -> Vec<&[u8]> {
    try_fragments(file).expect("the pixel data are encapsulated")
}

/// The fragments of a file's only frame, found from PixelData (7FE0,0010) of undefined length; the
/// first item, the offset table, is left out. `None` for a file without.
pub fn try_fragments(file: &[u8]) -> Option<Vec<&[u8]>> {
    // Tag, VR, two bytes reserved, undefined length.
    let is_start = |window: &[u8]| {
        window.starts_with(&[0xE0, 0x7F, 0x10, 0])
            && window.ends_with(&[0, 0, 0xFF, 0xFF, 0xFF, 0xFF])
    };
    let start = file.windows(12).position(is_start)?;
    let mut rest = &file[start + 12..];
    let mut items = Vec::new();
    while let [0xFE, 0xFF, 0x00, 0xE0, l0, l1, l2, l3, tail @ ..] = rest {
        let length = u32::from_le_bytes([*l0, *l1, *l2, *l3]) as usize;
        let (item, tail) = tail.split_at_checked(length)?;
        items.push(item);
        rest = tail;
    }
    Some(items.split_off(1))
}

/// The first 16 hex digits of the SHA-256 of samples as little-endian u16.
pub fn sha256_16(samples: &[u16]) -> String {
    use sha2::Digest;
    let mut hasher = sha2::Sha256::new();
    samples.iter().for_each(|sample| hasher.update(sample.to_le_bytes()));
    hasher.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}
