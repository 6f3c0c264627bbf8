//! The codecs from end to end: generated streams over all options, streams of other encoders,
//! damaged ones, and real files.

mod api;
#[cfg(feature = "dicom")]
mod dicom;
mod fuzzed;
#[cfg(feature = "openjpeg")]
mod jpeg2000;
mod jpeg_lossless;
mod jpeg_ls;
mod jpeg_sequential;
mod memory;
mod rle;
mod trial;

/// Generated JPEG 2000 needs OpenJPEG's encoder. Named here, so that nothing is left out in silence.
#[cfg(not(feature = "openjpeg"))]
#[test]
#[ignore = "needs the feature openjpeg"]
fn jpeg_2000_beside_openjpeg() {
    panic!("build with --features openjpeg");
}

/// The same for dicom-rs.
#[cfg(not(feature = "dicom"))]
#[test]
#[ignore = "needs the feature dicom"]
fn files_through_dicom_rs() {
    panic!("build with --features dicom");
}
