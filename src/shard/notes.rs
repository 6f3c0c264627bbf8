//! Notes: what was unusual about a file that was read all the same. They are the shards' column
//! `notes`.
//!
//! What decides a pixel's value is right or the file is rejected. What only describes the image
//! never costs it: it becomes null, or the next best source is taken, and a note says so. A note is
//! about the file and no reason to doubt the image; that is a [flag](super::flags).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Something unusual. The codes of [`Note::as_str`] are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Note {
    /// The file meta information is there twice; the first Transfer Syntax UID holds.
    TwoMetaGroups,
    /// No Transfer Syntax UID; the encoding was found by looking at the elements.
    SyntaxAssumed,
    /// The pixels are a compressed stream, though the transfer syntax says that they are not.
    StreamInNative,
    /// Elements in another encoding than the transfer syntax says.
    EncodingMismatch,
    /// A value representation that does not exist.
    VrUnusable,
    /// A sequence or an item without its delimiter.
    SequenceWithoutEnd,
    /// Fragments without the delimiter that ends them.
    FragmentsWithoutEnd,
    /// More bytes in Pixel Data than the pixels take.
    ExcessPadding,
    /// No High Bit: Bits Stored - 1.
    HighBitAssumed,
    /// No Bits Stored: High Bit + 1.
    BitsStoredAssumed,
    /// No Bits Allocated: 16, because Bits Stored is above 8.
    BitsAllocatedAssumed,
    /// No Samples per Pixel: 1, because the photometric interpretation is monochrome.
    SamplesAssumed,
    /// No Photometric Interpretation: the one that Presentation LUT Shape allows.
    PhotometricAssumed,
    /// No Pixel Representation: unsigned, as the SOP class requires.
    SignAssumed,
    /// Number of Frames is 0: taken as 1.
    FramesAssumed,
    /// A window that cannot be used: the next source of grey levels was taken.
    WindowUnusable,
    /// Window Center and Window Width differ in number: the pairs were taken.
    WindowCountsDiffer,
    /// LINEAR with a width below 1: taken as LINEAR_EXACT.
    WindowBelowOne,
    /// A VOI LUT that cannot be used: the next source of grey levels was taken.
    VoiLutUnusable,
    /// A LUT whose entries have other bits than its descriptor says: those of the entries hold.
    LutBits,
    /// A Modality LUT without content: taken as absent.
    ModalityLutUnusable,
    /// Rescale Slope or Intercept that cannot be used: taken as absent.
    RescaleUnusable,
    /// Functional groups that cannot be read.
    GroupsUnusable,
    /// A spacing or a magnification factor that cannot be used: taken as absent.
    SpacingUnusable,
    /// A Pixel Padding Value that cannot be used: taken as absent.
    PaddingUnusable,
    /// Lossless JPEG whose sums exceed the precision: their low bits hold.
    SamplesWrapped,
    /// OpenJPEG decoded a stream that our own decoder does not.
    OpenJpeg,
}

impl Note {
    /// All of them.
    pub const ALL: [Self; 27] = [
        Self::TwoMetaGroups,
        Self::SyntaxAssumed,
        Self::StreamInNative,
        Self::EncodingMismatch,
        Self::VrUnusable,
        Self::SequenceWithoutEnd,
        Self::FragmentsWithoutEnd,
        Self::ExcessPadding,
        Self::HighBitAssumed,
        Self::BitsStoredAssumed,
        Self::BitsAllocatedAssumed,
        Self::SamplesAssumed,
        Self::PhotometricAssumed,
        Self::SignAssumed,
        Self::FramesAssumed,
        Self::WindowUnusable,
        Self::WindowCountsDiffer,
        Self::WindowBelowOne,
        Self::VoiLutUnusable,
        Self::LutBits,
        Self::ModalityLutUnusable,
        Self::RescaleUnusable,
        Self::GroupsUnusable,
        Self::SpacingUnusable,
        Self::PaddingUnusable,
        Self::SamplesWrapped,
        Self::OpenJpeg,
    ];

    /// The code in the column `notes`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TwoMetaGroups => "two_meta_groups",
            Self::SyntaxAssumed => "syntax_assumed",
            Self::StreamInNative => "stream_in_native",
            Self::EncodingMismatch => "encoding_mismatch",
            Self::VrUnusable => "vr_unusable",
            Self::SequenceWithoutEnd => "sequence_without_end",
            Self::FragmentsWithoutEnd => "fragments_without_end",
            Self::ExcessPadding => "excess_padding",
            Self::HighBitAssumed => "high_bit_assumed",
            Self::BitsStoredAssumed => "bits_stored_assumed",
            Self::BitsAllocatedAssumed => "bits_allocated_assumed",
            Self::SamplesAssumed => "samples_assumed",
            Self::PhotometricAssumed => "photometric_assumed",
            Self::SignAssumed => "sign_assumed",
            Self::FramesAssumed => "frames_assumed",
            Self::WindowUnusable => "window_unusable",
            Self::WindowCountsDiffer => "window_counts_differ",
            Self::WindowBelowOne => "window_below_one",
            Self::VoiLutUnusable => "voi_lut_unusable",
            Self::LutBits => "lut_bits",
            Self::ModalityLutUnusable => "modality_lut_unusable",
            Self::RescaleUnusable => "rescale_unusable",
            Self::GroupsUnusable => "groups_unusable",
            Self::SpacingUnusable => "spacing_unusable",
            Self::PaddingUnusable => "padding_unusable",
            Self::SamplesWrapped => "samples_wrapped",
            Self::OpenJpeg => "openjpeg",
        }
    }

    /// What was unusual and what was done, in one line.
    pub fn about(self) -> &'static str {
        match self {
            Self::TwoMetaGroups => {
                "file meta information is there twice; the first transfer syntax was used"
            }
            Self::SyntaxAssumed => "no transfer syntax; found by looking at the elements",
            Self::StreamInNative => {
                "compressed pixels under an uncompressed transfer syntax; decoded by what they are"
            }
            Self::EncodingMismatch => "elements in another encoding than the transfer syntax says",
            Self::VrUnusable => "a value representation that does not exist",
            Self::SequenceWithoutEnd => "a sequence or an item without its delimiter",
            Self::FragmentsWithoutEnd => "pixel fragments without the delimiter that ends them",
            Self::ExcessPadding => "more bytes of pixel data than the pixels take; left out",
            Self::HighBitAssumed => "no High Bit; taken as Bits Stored - 1",
            Self::BitsStoredAssumed => "no Bits Stored; taken as High Bit + 1",
            Self::BitsAllocatedAssumed => "no Bits Allocated; taken as 16",
            Self::SamplesAssumed => "no Samples per Pixel; taken as 1",
            Self::PhotometricAssumed => {
                "no Photometric Interpretation; taken from Presentation LUT Shape"
            }
            Self::SignAssumed => "no Pixel Representation; taken as unsigned, by the SOP class",
            Self::FramesAssumed => "Number of Frames is 0; taken as 1",
            Self::WindowUnusable => "a window that cannot be used; the next source was taken",
            Self::WindowCountsDiffer => {
                "Window Center and Width differ in number; the pairs were used"
            }
            Self::WindowBelowOne => "a LINEAR window narrower than 1; taken as LINEAR_EXACT",
            Self::VoiLutUnusable => "a VOI LUT that cannot be used; the next source was taken",
            Self::LutBits => "a LUT with other bits than its descriptor says; its entries decide",
            Self::ModalityLutUnusable => "a Modality LUT without content; taken as absent",
            Self::RescaleUnusable => {
                "a Rescale Slope or Intercept that cannot be used; taken as absent"
            }
            Self::GroupsUnusable => "functional groups that cannot be read; left out",
            Self::SpacingUnusable => "a spacing or magnification that cannot be used; left out",
            Self::PaddingUnusable => "a Pixel Padding Value that cannot be used; left out",
            Self::SamplesWrapped => "lossless JPEG beyond its precision; the low bits were kept",
            Self::OpenJpeg => "decoded by OpenJPEG, because our own decoder does not",
        }
    }

    /// The note with this code.
    pub fn of(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|note| note.as_str() == code)
    }
}

/// A set of [`Note`]s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Notes(u32);

impl Notes {
    /// The notes of the set, in the order of [`Note::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Note> {
        Note::ALL.into_iter().filter(move |note| self.contains(*note))
    }

    /// Whether `note` is in the set.
    pub fn contains(self, note: Note) -> bool {
        self.0 & (1 << note as u32) != 0
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Adds `note`.
    pub fn add(&mut self, note: Note) {
        self.0 |= 1 << note as u32;
    }

    /// The notes of both sets.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Adds one to the count of each note of the set.
    pub fn count_into(self, counts: &mut BTreeMap<String, usize>) {
        for note in self.iter() {
            *counts.entry(note.as_str().to_owned()).or_default() += 1;
        }
    }
}

impl FromIterator<Note> for Notes {
    fn from_iter<I: IntoIterator<Item = Note>>(notes: I) -> Self {
        let mut set = Self::default();
        notes.into_iter().for_each(|note| set.add(note));
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_note_has_a_code_and_a_place_of_its_own() {
        let all: Notes = Note::ALL.into_iter().collect();
        assert_eq!(all.iter().count(), Note::ALL.len());
        for note in Note::ALL {
            assert_eq!(Note::of(note.as_str()), Some(note));
            assert!(!Notes::default().contains(note));
        }
    }
}
