//! What our JPEG 2000 decoder and OpenJPEG both decode, they decode to the same samples.
//!
//! The first byte chooses the reduction, the second is not used, so that both targets share a
//! corpus. OpenJPEG sees only what we decode: its time and memory on hostile headers are its own
//! business. Streams in which it looks for headers elsewhere than the standard says, or which
//! contradict themselves so that each decoder goes another way, are left out: [`is_plain`].
#![no_main]
#![allow(missing_docs)]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use mammo_codecs::jpeg2000::{Decoder, Image, Request, header};

fuzz_target!(|data: &[u8]| {
    let Some((&[how, _], stream)) = data.split_first_chunk::<2>() else { return };
    let reduce = how & 3;
    let request = Request { reduce, max_samples: 1 << 14, ..Request::default() };
    let Ok(image) = Decoder::new().decode(stream, &request) else { return };
    if !is_plain(stream) {
        return;
    }
    let parameters = jpeg2k::DecodeParameters::new().reduce(reduce.into()).strict(true);
    let Ok(peer) = jpeg2k::Image::from_bytes_with(stream, parameters) else { return };
    let header = header(stream).expect("it was decoded");
    // With an origin, OpenJPEG sizes a reduced image by its extent, not by its corners.
    let sizes = peer.components().iter().map(|c| (c.width(), c.height()));
    if sizes.clone().any(|size| size != (image.width, image.height)) {
        assert!(
            reduce > 0,
            "{:?} and {:?}",
            (image.width, image.height),
            sizes.collect::<Vec<_>>()
        );
        return;
    }
    let peers: Vec<i32> = peer.components().iter().flat_map(|c| c.data().to_vec()).collect();
    let allowed = if header.reversible { 0 } else { 1 };
    let off = values(&image).zip(&peers).position(|(a, &b)| a.abs_diff(b) > allowed);
    assert_eq!(off, None, "{image:?}\n{peers:?}\n{header:?}");
});

/// Whether a stream that we decode gives OpenJPEG no reason to read it as another one.
fn is_plain(stream: &[u8]) -> bool {
    let segments = segments(stream);
    // Behind a marker of the main header that it does not know, OpenJPEG takes the next known
    // one at an even distance for the header's (`opj_j2k_read_unk`), though it may be bytes of
    // a comment or a packet: the segment's length tells where the next is (ISO/IEC 15444-1,
    // A.1.4).
    let mut main = segments.iter().take_while(|(code, _)| *code != SOT);
    let knows = |code| {
        matches!(code, 0x50..=0x53 | 0x55 | 0x57 | 0x59 | 0x5C..=0x60 | 0x63 | 0x64)
            || matches!(code, 0x74 | 0x75 | 0x77 | 0x78)
    };
    if !main.all(|&(code, _)| knows(code)) {
        return false;
    }
    // It leaves out tile-parts beyond as many as their tile announces (TNsot). These should not
    // be there (A.4.2), but some encoders have counted wrong.
    let mut announced = BTreeMap::new();
    for (_, sot) in segments.iter().filter(|(code, _)| *code == SOT) {
        let &&[t0, t1, _, _, _, _, number, count] = sot else { return false };
        let least = announced.entry([t0, t1]).or_insert(u8::MAX);
        *least = if count == 0 { *least } else { count.min(*least) };
        if number >= *least {
            return false;
        }
    }
    // It takes 0 for the end of a progression's components, where it stands for 256 (Table A.32).
    let pocs = segments.iter().filter(|(code, _)| *code == POC);
    if pocs.flat_map(|(_, poc)| poc.chunks_exact(7)).any(|change| change[5] == 0) {
        return false;
    }
    // It takes the marker before a packet (SOP) for the packet where the coding style has none
    // (Scod). It should not be there (A.8.1), and no packet begins so, nor holds it (B.10.1, C.3).
    let unmarked = segments.iter().any(|(code, cod)| *code == COD && cod[0] & 2 == 0);
    let marked = |data: &[u8]| data.windows(2).any(|bytes| bytes == [0xFF, 0x91]);
    !(unmarked && segments.iter().any(|(code, data)| *code == SOD && marked(data)))
}

const COD: u8 = 0x52;
const POC: u8 = 0x5F;
const SOT: u8 = 0x90;
const SOD: u8 = 0x93;
const EOC: u8 = 0xD9;

/// The marker segments of a stream that we decode, and behind SOD the packets of a tile-part.
fn segments(stream: &[u8]) -> Vec<(u8, &[u8])> {
    let mut found = Vec::new();
    let start = stream.windows(4).position(|bytes| bytes == [0xFF, 0x4F, 0xFF, 0x51]);
    let mut at = start.map_or(stream.len(), |start| start + 2);
    let mut end = stream.len();
    while let Some(&[0xFF, code, l0, l1]) = stream.get(at..at + 4)
        && code != EOC
    {
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        let body = if code == SOD { at + 2..end } else { at + 4..at + 2 + length };
        // Within the header of a tile-part, SOT may say anything; OpenJPEG refuses it.
        let Some(bytes) = stream.get(body.clone()) else { break };
        if let (SOT, &[_, _, l0, l1, l2, l3, ..]) = (code, bytes) {
            end = match u32::from_be_bytes([l0, l1, l2, l3]) as usize {
                0 => stream.len(),
                length => at + length,
            };
        }
        found.push((code, bytes));
        at = body.end;
    }
    found
}

fn values(image: &Image) -> impl Iterator<Item = i32> {
    let signed = image.signed;
    image.samples.iter().map(move |&s| if signed { i32::from(s as i16) } else { i32::from(s) })
}
