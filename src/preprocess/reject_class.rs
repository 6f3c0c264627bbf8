//! Classes of rejected images: a plain title and what to do next.
//!
//! In: the stage and the reason of an image in `quarantine.csv`, as this version or an older one wrote
//! them. Out: a [`RejectClass`]. The reason stays beside it, for whoever has to mend the file.

/// A class of rejected images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RejectClass {
    /// A row without a file.
    Missing,
    /// A file without a row, or with one that expects it elsewhere.
    NoRow,
    /// Two files of one image, or a file without a patient.
    NoIdentity,
    /// The operating system cannot read the file.
    Unreadable,
    /// The file has no bytes.
    Empty,
    /// The file is something else.
    NotDicom,
    /// The file ends too early.
    CutOff,
    /// The header lacks an attribute, or has a value that cannot be.
    Header,
    /// Several frames, colour, or a transfer syntax of films.
    NotAGreyImage,
    /// More pixels or memory than the limits allow.
    TooLarge,
    /// The pixels are damaged.
    Pixels,
    /// No grey levels can be computed.
    Window,
    /// A setting that the file cannot satisfy.
    Setting,
    /// A bug of this program.
    Bug,
}

impl RejectClass {
    /// The class of a line of `quarantine.csv`.
    pub fn of(stage: &str, reason: &str) -> Self {
        let has = |parts: &[&str]| parts.iter().any(|part| reason.contains(part));
        match stage {
            "list" if reason.starts_with("missing") => return Self::Missing,
            "list" if has(&["no patient", "is also that of"]) => return Self::NoIdentity,
            "list" => return Self::NoRow,
            _ => {}
        }
        // The first part that fits: a file that is cut off may be damaged too.
        match () {
            () if has(&["panicked"]) => Self::Bug,
            () if has(&["cannot be read"]) => Self::Unreadable,
            () if has(&["the file is empty"]) => Self::Empty,
            () if has(&["needs DICM", "needs a DICOM file"]) => Self::NotDicom,
            () if has(&["max_pixels", "memory_mb"]) => Self::TooLarge,
            () if has(&["needs a spacing", "tells no spacing", "wavelet levels"]) => Self::Setting,
            () if has(&["the file ends inside", "codestream ends"]) => Self::CutOff,
            () if has(&[
                "NumberOfFrames",
                "SamplesPerPixel",
                "PhotometricInterpretation is",
                "TransferSyntaxUID is",
                "colour type",
            ]) =>
            {
                Self::NotAGreyImage
            }
            () if stage == "window" || has(&["no window can be", "a window needs"]) => Self::Window,
            () if stage == "read" && !has(&["PixelData", "the image file", "deflated"]) => {
                Self::Header
            }
            () => Self::Pixels,
        }
    }

    /// What it is, in plain words.
    pub fn title(self) -> &'static str {
        match self {
            Self::Missing => "Row without a file",
            Self::NoRow => "File without a row in the table",
            Self::NoIdentity => "It is not clear which image the file is",
            Self::Unreadable => "The file could not be opened",
            Self::Empty => "Empty file",
            Self::NotDicom => "Not a DICOM file",
            Self::CutOff => "File cut off before its end",
            Self::Header => "Header incomplete or contradictory",
            Self::NotAGreyImage => "Not a single grey image",
            Self::TooLarge => "Larger than the limits allow",
            Self::Pixels => "Damaged pixel data",
            Self::Window => "No grey levels: every pixel has the same value",
            Self::Setting => "A setting needs what the file does not have",
            Self::Bug => "A bug of mammo-pipe",
        }
    }

    /// What to do next.
    pub fn next_step(self) -> &'static str {
        match self {
            Self::Missing => {
                "See that every disk is mounted and the copy is complete, then run preprocess again. \
                 If these files are meant to be absent: dataset.allow_missing=true."
            }
            Self::NoRow => {
                "Nothing, if the table is a selection. Otherwise mammo-pipe inspect says how table and \
                 files differ, and which setting would join them."
            }
            Self::NoIdentity => {
                "Give each file a name of its own, or set dataset.path so that the patient is found."
            }
            Self::Unreadable => {
                "Check the disk and the permissions, then run preprocess with --retry-rejected."
            }
            Self::Empty | Self::CutOff => {
                "Copy the file again from its source, then run preprocess with --retry-rejected."
            }
            Self::NotDicom => {
                "Leave it out, or replace it by the DICOM file. A web page or a text is often the \
                 answer of a failed download."
            }
            Self::Header => {
                "Ask for the file as the machine wrote it. The reason names the attribute."
            }
            Self::NotAGreyImage => {
                "Nothing, if it is a tomosynthesis, a film or a colour capture. Use the 2D image of \
                 the same exam."
            }
            Self::TooLarge => "Raise the limit that the reason names, if the image is real.",
            Self::Pixels => {
                "Copy the file again from its source, then run preprocess with --retry-rejected. If it \
                 stays, the source is damaged."
            }
            Self::Window => "Look at the picture; leave the image out if it is blank.",
            Self::Setting => "Change the setting that the reason names.",
            Self::Bug => "Please report it with the reason; the other images are not affected.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::chain;
    use crate::preprocess::Reject;
    use crate::preprocess::decode::DecodeError;
    use crate::preprocess::read::ReadError;
    use crate::preprocess::window::WindowError;

    #[test]
    fn each_error_has_the_class_that_its_reader_would_expect() {
        use RejectClass::*;
        let attribute = || "Rows".to_owned();
        let not_a_file = std::io::Error::other("disk");
        let read: [(Reject, RejectClass); 15] = [
            (ReadError::Io(not_a_file).into(), Unreadable),
            (ReadError::Empty.into(), Empty),
            (ReadError::NotDicom { found: "a PNG image" }.into(), NotDicom),
            (ReadError::Truncated { attribute: attribute(), need: 8, have: 0 }.into(), CutOff),
            (ReadError::Missing { attribute: attribute() }.into(), Header),
            (
                ReadError::Value { attribute: attribute(), found: "2".into(), needed: "1" }.into(),
                Header,
            ),
            (
                ReadError::Unsupported {
                    attribute: "TransferSyntaxUID",
                    found: "1.2".into(),
                    needed: "x",
                }
                .into(),
                NotAGreyImage,
            ),
            (ReadError::Frames { frames: 70 }.into(), NotAGreyImage),
            (ReadError::TooManyPixels { rows: 9, columns: 9, max_pixels: 2 }.into(), TooLarge),
            (ReadError::TooManyBytes { found: "a file".into(), max: 2 }.into(), TooLarge),
            (ReadError::PixelDataLength { have: 1, need: 2, rows: 1, columns: 1 }.into(), Pixels),
            (DecodeError::Length { have: 1, need: 2 }.into(), Pixels),
            (DecodeError::Levels { wanted: 3, levels: 1 }.into(), Setting),
            (WindowError::NoRange.into(), Window),
            (Reject::Memory { need: 2, have: 1 }, TooLarge),
        ];
        for (reject, expected) in read {
            let stage = match &reject {
                Reject::Read(_) => "read",
                Reject::Window(_) => "judge",
                _ => "decode",
            };
            let reason = chain(&reject);
            assert_eq!(RejectClass::of(stage, &reason), expected, "{stage}: {reason}");
        }
        let list = |reason| RejectClass::of("list", reason);
        assert_eq!(list("missing: the row has no file at this path"), Missing);
        assert_eq!(list("no row in the table"), NoRow);
        assert_eq!(list("its image_id, 7, is also that of b.dcm"), NoIdentity);
    }
}
