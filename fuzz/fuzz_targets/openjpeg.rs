//! What our JPEG 2000 decoder and OpenJPEG both decode, they decode to the same samples.
//!
//! The first byte chooses the reduction, the second is not used, so that both targets share a
//! corpus. OpenJPEG sees only what we decode: its time and memory on hostile headers are its own
//! business.
#![no_main]
#![allow(missing_docs, dead_code)]

use libfuzzer_sys::fuzz_target;

#[path = "../../src/preprocess/decode"]
mod decode {
    pub mod jpeg2000;
}

use decode::jpeg2000::{Decoder, Image, Request, header};

fuzz_target!(|data: &[u8]| {
    let Some((&[how, _], stream)) = data.split_first_chunk::<2>() else { return };
    let reduce = how & 3;
    let request = Request { reduce, max_samples: 1 << 14, ..Request::default() };
    let Ok(image) = Decoder::new().decode(stream, &request) else { return };
    let parameters = jpeg2k::DecodeParameters::new().reduce(reduce.into()).strict(true);
    let Ok(peer) = jpeg2k::Image::from_bytes_with(stream, parameters) else { return };
    let header = header(stream).expect("it was decoded");
    // With an origin, OpenJPEG sizes a reduced image by its extent, not by its corners.
    let sizes = peer.components().iter().map(|c| (c.width(), c.height()));
    if sizes.clone().any(|size| size != (image.width, image.height)) {
        assert!(reduce > 0, "{:?} and {:?}", (image.width, image.height), sizes.collect::<Vec<_>>());
        return;
    }
    let peers: Vec<i32> = peer.components().iter().flat_map(|c| c.data().to_vec()).collect();
    let allowed = if header.reversible { 0 } else { 1 };
    let off = values(&image).zip(&peers).position(|(a, &b)| a.abs_diff(b) > allowed);
    assert_eq!(off, None, "{image:?}\n{peers:?}\n{header:?}");
});

fn values(image: &Image) -> impl Iterator<Item = i32> {
    let signed = image.signed;
    image.samples.iter().map(move |&s| if signed { i32::from(s as i16) } else { i32::from(s) })
}
