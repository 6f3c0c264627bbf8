//! Damages files in the ways in which files of real datasets are damaged.

use super::file::{self, DicomFile};
use crate::dicom::Value;

/// A kind of damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Damage {
    /// An empty file.
    Empty,
    /// A server's error page, saved under the file's name.
    Html,
    /// A truncated file.
    Truncated,
    /// One flipped bit in the pixel data.
    BitFlip,
    /// Eight rows fewer in the header than in the pixel data.
    WrongRows,
    /// Pixel data twice as wide and as high as the header says.
    LargerCodestream,
    /// Pixel data half as wide and as high as the header says.
    SmallerCodestream,
    /// Pixel Data is absent.
    NoPixelData,
    /// A header that claims 4 TB of pixels.
    HugeClaim,
    /// A codestream that claims 4 TB, or as much as it can, below a correct header.
    HugeCodestream,
    /// Three frames.
    Frames,
    /// Three samples per pixel.
    Colour,
    /// Rows is absent.
    NoRows,
    /// A transfer syntax that does not exist.
    UnknownSyntax,
    /// Random bytes without `DICM`.
    NotDicom,
    /// A file without a row in the table.
    NoRow,
    /// A row without a file.
    MissingFile,
    /// A row that occurs twice.
    DuplicateRow,
}

impl Damage {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::Empty,
        Self::Html,
        Self::Truncated,
        Self::BitFlip,
        Self::WrongRows,
        Self::LargerCodestream,
        Self::SmallerCodestream,
        Self::NoPixelData,
        Self::HugeClaim,
        Self::HugeCodestream,
        Self::Frames,
        Self::Colour,
        Self::NoRows,
        Self::UnknownSyntax,
        Self::NotDicom,
        Self::NoRow,
        Self::MissingFile,
        Self::DuplicateRow,
    ];

    /// The name on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Html => "html",
            Self::Truncated => "truncated",
            Self::BitFlip => "bit-flip",
            Self::WrongRows => "wrong-rows",
            Self::LargerCodestream => "larger-codestream",
            Self::SmallerCodestream => "smaller-codestream",
            Self::NoPixelData => "no-pixel-data",
            Self::HugeClaim => "huge-claim",
            Self::HugeCodestream => "huge-codestream",
            Self::Frames => "frames",
            Self::Colour => "colour",
            Self::NoRows => "no-rows",
            Self::UnknownSyntax => "unknown-syntax",
            Self::NotDicom => "not-dicom",
            Self::NoRow => "no-row",
            Self::MissingFile => "missing-file",
            Self::DuplicateRow => "duplicate-row",
        }
    }

    /// Whether the file itself is damaged, and not its row in the table.
    pub fn of_the_file(self) -> bool {
        !matches!(self, Self::NoRow | Self::MissingFile | Self::DuplicateRow)
    }

    /// The bytes of the damaged file. `place`, in (0, 1), says where the file is cut or which bit
    /// is flipped, as a share of the file or of its pixel data.
    pub fn apply(self, mut file: DicomFile, place: f64) -> Vec<u8> {
        let size = |file: &DicomFile, tag| file.get(tag).unwrap_or(1);
        match self {
            Self::Empty => return Vec::new(),
            Self::Html => return b"<!DOCTYPE html>\n<title>503</title>\nTry later.\n".to_vec(),
            Self::Truncated => {
                let mut bytes = file.to_bytes();
                bytes.truncate((bytes.len() as f64 * place) as usize);
                return bytes;
            }
            Self::NotDicom => {
                let mut bytes = file.to_bytes();
                bytes.iter_mut().take(400).enumerate().for_each(|(i, byte)| {
                    *byte = (i * 151 % 241) as u8 ^ 0x5A;
                });
                return bytes;
            }
            Self::BitFlip => flip(&mut file, place),
            Self::WrongRows => file.number(file::ROWS, size(&file, file::ROWS) - 8),
            Self::LargerCodestream => scale(&mut file, |n| n / 2),
            Self::SmallerCodestream => scale(&mut file, |n| n * 2),
            Self::NoPixelData => file.remove(file::PIXEL_DATA),
            Self::HugeClaim => {
                scale(&mut file, |_| u16::MAX);
                file.text(file::NUMBER_OF_FRAMES, b"IS", "512");
            }
            Self::HugeCodestream => claim(&mut file),
            Self::Frames => {
                file.text(file::NUMBER_OF_FRAMES, b"IS", "3");
                repeat(&mut file);
            }
            Self::Colour => {
                file.number(file::SAMPLES_PER_PIXEL, 3);
                file.text(file::PHOTOMETRIC_INTERPRETATION, b"CS", "RGB");
                file.number((0x0028, 0x0006), 0);
                repeat(&mut file);
            }
            Self::NoRows => file.remove(file::ROWS),
            Self::UnknownSyntax => file.syntax = "1.2.840.10008.1.2.4.999".to_owned(),
            Self::NoRow | Self::MissingFile | Self::DuplicateRow => {}
        }
        file.to_bytes()
    }
}

/// Flips the bit at `place` of the pixel data, after the part that a codestream's header takes.
fn flip(file: &mut DicomFile, place: f64) {
    match file.pixels_mut() {
        Some(Value::Words(samples)) => {
            let at = (samples.len() as f64 * place) as usize;
            samples[at] ^= 1 << (at % 12);
        }
        Some(Value::Fragments(fragments)) => {
            let last = fragments.len() - 1;
            let fragment = &mut fragments[last];
            let start = fragment.len().min(if last == 0 { 400 } else { 0 }) as f64;
            let at = start + (fragment.len() as f64 - start) * place;
            if let Some(byte) = fragment.get_mut(at as usize) {
                *byte ^= 1 << (at as usize % 8);
            }
        }
        _ => {}
    }
}

fn scale(file: &mut DicomFile, f: impl Fn(u16) -> u16) {
    for tag in [file::ROWS, file::COLUMNS] {
        file.number(tag, f(file.get(tag).unwrap_or(1)));
    }
}

/// The pixel data, repeated three times.
fn repeat(file: &mut DicomFile) {
    match file.pixels_mut() {
        Some(Value::Words(samples)) => *samples = samples.repeat(3),
        Some(Value::Fragments(fragments)) => *fragments = [&fragments[..]; 3].concat(),
        _ => {}
    }
}

/// Increases the size in a JPEG 2000 SIZ or a JPEG start of frame. Native data and RLE declare no
/// size; they lose half of their bytes instead.
fn claim(file: &mut DicomFile) {
    match file.pixels_mut() {
        Some(Value::Words(samples)) => samples.truncate(samples.len() / 2),
        Some(Value::Fragments(fragments)) => {
            let stream = &mut fragments[0];
            let siz = stream.windows(4).position(|w| w == [0xFF, 0x4F, 0xFF, 0x51]);
            let sof = stream.windows(2).position(|w| w[0] == 0xFF && matches!(w[1], 0xC0..=0xC3));
            if let Some(at) = siz {
                // Xsiz, Ysiz and the tile's size (ISO/IEC 15444-1 A.5.1): 2^21 on each axis.
                for field in [at + 8, at + 12, at + 24, at + 28] {
                    stream[field..field + 4].copy_from_slice(&(1_u32 << 21).to_be_bytes());
                }
            } else if let Some(at) = sof {
                stream[at + 5..at + 9].fill(0xFF);
            } else {
                stream.truncate(stream.len() / 2);
            }
        }
        _ => {}
    }
}
