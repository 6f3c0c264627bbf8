//! DICOM in, a verified release of shards out.

pub mod read;
pub mod decode;
pub mod window;
pub mod sampling;
pub mod roi;
pub mod resize;
pub mod quality;
