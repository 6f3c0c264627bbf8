//! What we write, dicom-rs reads; and what both of us read of it is the same.
//!
//! Generated files lack File Meta Information Group Length (0002,0000), as the RSNA set's do, and
//! dicom-rs reads none without it (dicom-rs#189): it is put in first, and nothing else is changed.

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dicom_object::{DefaultDicomObject, from_reader};
use mammo_pipe::preprocess::read::{ByteOrder, Modality, PixelData, open};
use mammo_pipe::record::{Laterality, View};
use mammo_pipe::synth::machines::Machine;
use mammo_pipe::synth::{Coding, DicomFile, Layout, PhantomSpec, phantom};

const MAX_PIXELS: usize = 1_000_000;

/// The file with a group length: the elements of group 2 are counted, and the 12 bytes of
/// (0002,0000) go before them.
fn with_group_length(file: &[u8]) -> Vec<u8> {
    let start = 132;
    assert_eq!(&file[128..start], b"DICM");
    let mut end = start;
    while file[end..end + 2] == [2, 0] {
        let short = |at: usize| usize::from(u16::from_le_bytes([file[at], file[at + 1]]));
        // Of all in the group OB alone has 32 bits of length.
        let is_long = &file[end + 4..end + 6] == b"OB";
        end += if is_long { 12 + short(end + 8) } else { 8 + short(end + 6) };
    }
    let mut out = file[..start].to_vec();
    out.extend(b"\x02\x00\x00\x00UL\x04\x00");
    out.extend(((end - start) as u32).to_le_bytes());
    out.extend(&file[start..]);
    out
}

/// Machine 29 has MONOCHROME1, SIGMOID, four windows and padding; 21 none of that.
fn generated(machine: i64, coding: Coding) -> Vec<u8> {
    let example = PhantomSpec::example(Layout::SideMarker, View::Mlo, Laterality::Right, 3);
    let spec = PhantomSpec { machine: Machine::of(machine).unwrap(), ..example };
    DicomFile::new(&spec, &phantom(&spec), coding, 10, 20).to_bytes()
}

struct Theirs(DefaultDicomObject);

impl Theirs {
    fn number(&self, tag: Tag) -> u16 {
        self.0.element(tag).unwrap().to_int().unwrap()
    }

    fn text(&self, tag: Tag) -> Option<String> {
        self.0.get(tag).map(|element| element.to_str().unwrap().trim().to_owned())
    }

    fn decimals(&self, tag: Tag) -> Vec<f64> {
        self.0.element(tag).unwrap().to_multi_float64().unwrap()
    }
}

#[test]
fn dicom_rs_reads_of_a_generated_file_in_every_syntax_what_we_read_of_it() {
    for machine in [29, 21] {
        for coding in Coding::ALL {
            let case = format!("machine {machine}, {}", coding.as_str());
            let file = generated(machine, coding);
            let (header, pixel_data) = open(file.clone().into(), MAX_PIXELS).unwrap();
            let theirs = from_reader(&with_group_length(&file)[..]);
            let theirs = Theirs(theirs.unwrap_or_else(|error| panic!("{case}: {error:?}")));

            assert_eq!(theirs.0.meta().transfer_syntax(), header.syntax.uid(), "{case}");
            let layout = &header.layout;
            let ours = [
                (tags::ROWS, layout.rows),
                (tags::COLUMNS, layout.columns),
                (tags::BITS_ALLOCATED, layout.bits_allocated),
                (tags::BITS_STORED, layout.bits_stored),
                (tags::HIGH_BIT, layout.high_bit),
                (tags::PIXEL_REPRESENTATION, layout.signed.into()),
                (tags::SAMPLES_PER_PIXEL, layout.samples_per_pixel),
            ];
            for (tag, ours) in ours {
                assert_eq!(theirs.number(tag), ours, "{case}: {tag}");
            }
            let photometric = theirs.text(tags::PHOTOMETRIC_INTERPRETATION);
            assert_eq!(photometric.as_deref(), Some(layout.photometric.as_str()), "{case}");
            let laterality = header.laterality.map(|side| side.as_str().to_owned());
            assert_eq!(theirs.text(tags::IMAGE_LATERALITY), laterality, "{case}");

            let display = &header.display;
            let centres: Vec<f64> = display.windows.iter().map(|window| window.center).collect();
            let widths: Vec<f64> = display.windows.iter().map(|window| window.width).collect();
            assert_eq!(theirs.decimals(tags::WINDOW_CENTER), centres, "{case}");
            assert_eq!(theirs.decimals(tags::WINDOW_WIDTH), widths, "{case}");
            let function = theirs.text(tags::VOILUT_FUNCTION).unwrap_or("LINEAR".into());
            assert!(display.windows.iter().all(|w| w.function.as_str() == function), "{case}");
            let padding = display.padding.map(|padding| padding.low);
            let said = theirs.0.get(tags::PIXEL_PADDING_VALUE).map(|p| p.to_int::<i32>().unwrap());
            assert_eq!(said, padding, "{case}");
            let rescale = Modality::Rescale {
                slope: theirs.decimals(tags::RESCALE_SLOPE)[0],
                intercept: theirs.decimals(tags::RESCALE_INTERCEPT)[0],
            };
            assert_eq!(rescale, display.modality, "{case}");
            assert_eq!(centres.len(), if machine == 29 { 4 } else { 1 }, "{case}");

            assert_same_pixel_data(&theirs, &pixel_data, &case);
        }
    }
}

/// Native values are the same numbers, fragments the same bytes.
fn assert_same_pixel_data(theirs: &Theirs, ours: &PixelData, case: &str) {
    let theirs = theirs.0.element(tags::PIXEL_DATA).unwrap();
    match ours {
        PixelData::Native { bytes, order } => {
            let word = match order {
                ByteOrder::Little => u16::from_le_bytes,
                ByteOrder::Big => u16::from_be_bytes,
            };
            let ours: Vec<u16> = bytes.as_chunks().0.iter().map(|&pair| word(pair)).collect();
            assert!(theirs.to_multi_int::<u16>().unwrap() == ours, "{case}");
        }
        PixelData::Fragments(fragments) => {
            let theirs = theirs.fragments().unwrap();
            assert!(theirs.iter().eq(fragments.iter()), "{case}");
        }
        PixelData::Prefix { .. } => panic!("{case}: the file was opened whole"),
    }
}

/// The reason for the splice, and for a reader of our own: when this fails, dicom-rs has learnt it.
#[test]
fn dicom_rs_refuses_a_file_without_a_group_length() {
    let file = generated(21, Coding::ExplicitLittle);
    assert!(from_reader(&file[..]).is_err());
    assert!(from_reader(&with_group_length(&file)[..]).is_ok());
}
