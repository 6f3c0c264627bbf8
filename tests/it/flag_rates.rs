//! How often a flag is raised on sound images, and how often on images with the fault it stands for.
//!
//! `cargo test --all-features --test it flag_rates -- --nocapture` prints the table;
//! `MAMMO_PIPE_TEST_SIZE=full` takes more images.

use std::collections::BTreeMap;

use crate::common::sized;
use crate::roi::{negative, see, spec};
use mammo_pipe::shard::flags::Flag;
use mammo_pipe::synth::{Coding, DicomFile, Layout, phantom};

/// The codings in which the faults happen.
const CODINGS: [Coding; 2] = [Coding::ExplicitLittle, Coding::Jpeg2000];

/// A phantom of a layout in each coding.
fn images(layout: Layout, seed: u64) -> [Vec<u8>; 2] {
    let spec = spec(layout, seed, 4);
    let image = phantom(&spec);
    CODINGS.map(|coding| DicomFile::new(&spec, &image, coding, 1, 2).to_bytes())
}

/// The offset of the value of an explicit element of VR US.
fn value_of(file: &[u8], element: u16) -> usize {
    let [low, high] = element.to_le_bytes();
    let tag = [0x28, 0, low, high, b'U', b'S', 2, 0];
    file.windows(8).position(|bytes| bytes == tag).unwrap() + 8
}

fn number(file: &[u8], element: u16) -> usize {
    let at = value_of(file, element);
    usize::from(u16::from_le_bytes([file[at], file[at + 1]]))
}

/// The bytes of the pixel data, uncompressed or in fragments.
fn pixels(file: &mut [u8]) -> &mut [u8] {
    let tag = [0xE0, 0x7F, 0x10, 0, b'O'];
    let at = file.windows(5).position(|bytes| bytes == tag).unwrap();
    &mut file[at + 12..]
}

/// Rows and Columns exchanged.
fn sheared(mut file: Vec<u8>) -> Vec<u8> {
    let (rows, columns) = (value_of(&file, 0x10), value_of(&file, 0x11));
    file.swap(rows, columns);
    file.swap(rows + 1, columns + 1);
    file
}

/// Every row turned round.
fn mirrored(mut file: Vec<u8>) -> Vec<u8> {
    let columns = number(&file, 0x11);
    for row in pixels(&mut file).chunks_exact_mut(2 * columns) {
        row.reverse();
        row.chunks_exact_mut(2).for_each(|word| word.swap(0, 1));
    }
    file
}

/// Two bits fewer in Bits Stored and High Bit than the largest value has.
fn narrowed(mut file: Vec<u8>) -> Vec<u8> {
    let words = pixels(&mut file).chunks_exact(2);
    let magnitude = |word: &[u8]| i16::from_le_bytes([word[0], word[1]]).unsigned_abs();
    let largest = words.map(magnitude).max().unwrap();
    let bits = (16 - largest.leading_zeros() - 2) as u8;
    let (stored, high) = (value_of(&file, 0x101), value_of(&file, 0x102));
    (file[stored], file[high]) = (bits, bits - 1);
    file
}

/// An eighth of the stream, at least 400 bytes, overwritten by zeros.
fn holed(mut file: Vec<u8>) -> Vec<u8> {
    let stream = pixels(&mut file);
    let (at, length) = (stream.len() / 3, (stream.len() / 8).max(400));
    stream[at..at + length].fill(0);
    file
}

/// A fault, the coding in which it happens, and the flag for it.
type Fault = (Flag, Coding, fn(Vec<u8>) -> Vec<u8>);

const FAULTS: [Fault; 5] = [
    (Flag::Polarity, Coding::ExplicitLittle, negative),
    (Flag::Sheared, Coding::ExplicitLittle, sheared),
    (Flag::LateralityMismatch, Coding::ExplicitLittle, mirrored),
    (Flag::BitsAboveStored, Coding::ExplicitLittle, narrowed),
    (Flag::Hole, Coding::Jpeg2000, holed),
];

/// False alarms, refusals and detections of each flag.
#[derive(Default)]
struct Rates {
    sound: usize,
    false_alarms: Vec<String>,
    faulty: usize,
    found: usize,
    refused: usize,
    missed: Vec<String>,
}

#[test]
fn flags_are_silent_on_sound_images_and_find_most_faults() {
    let mut rates: BTreeMap<&str, Rates> = BTreeMap::new();
    for layout in Layout::ALL {
        for seed in 0..sized(4, 60) {
            let name = format!("{} {seed}", layout.as_str());
            for (coding, sound) in CODINGS.into_iter().zip(images(layout, seed)) {
                let flags = see(sound.clone()).unwrap().quality.flags;
                for (flag, its_coding, spoil) in FAULTS {
                    let rate = rates.entry(flag.as_str()).or_default();
                    rate.sound += 1;
                    if flags.contains(flag) {
                        rate.false_alarms.push(name.clone());
                    }
                    if its_coding != coding {
                        continue;
                    }
                    rate.faulty += 1;
                    match see(spoil(sound.clone())) {
                        Err(_) => rate.refused += 1,
                        Ok(seen) if seen.quality.flags.contains(flag) => rate.found += 1,
                        Ok(_) => rate.missed.push(name.clone()),
                    }
                }
            }
        }
    }
    println!("flag                  sound  false alarms  faulty  refused  flagged");
    for (flag, rate) in &rates {
        println!(
            "{flag:20} {:6} {:13} {:7} {:8} {:8}   {:?} {:?}",
            rate.sound,
            rate.false_alarms.len(),
            rate.faulty,
            rate.refused,
            rate.found,
            rate.false_alarms,
            rate.missed,
        );
    }
    for (flag, rate) in &rates {
        assert_eq!(rate.false_alarms, [""; 0], "{flag}");
        // What a fault hides where there is little air or breast to tell it by.
        let noticed = rate.found + rate.refused;
        assert!(noticed * 10 >= rate.faulty * 7, "{flag}: {noticed} of {}", rate.faulty);
    }
}
