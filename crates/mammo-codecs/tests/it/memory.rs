//! Decoding takes no more memory than it may, and than the stated formula says.
//!
//! An allocator counts the bytes of the thread that decodes, so that tests beside it do not matter.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use mammo_codecs::encode::{self, Frame};
use mammo_codecs::{Decoder, Error, Rect, Request, jpeg2000};

use crate::trial::lopsided;

struct Counting;

thread_local! {
    static HELD: Cell<i64> = const { Cell::new(0) };
    static PEAK: Cell<i64> = const { Cell::new(0) };
}

fn count(bytes: i64) {
    // A thread that ends may free when its counters are gone.
    let _ = HELD.try_with(|held| {
        held.set(held.get() + bytes);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(held.get())));
    });
}

// SAFETY: all calls go to the system's allocator as they come.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64);
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as i64));
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most bytes that `run` held at a time, over what was held before.
fn peak<T>(run: impl FnOnce() -> T) -> (T, u64) {
    let before = HELD.get();
    PEAK.set(before);
    let result = run();
    (result, (PEAK.get() - before) as u64)
}

#[test]
fn what_an_allocation_takes_is_counted() {
    let (kept, bytes) = peak(|| {
        drop(vec![0_u8; 3 << 20]);
        vec![1_u16; 1 << 20]
    });
    assert!((3 << 20..4 << 20).contains(&bytes), "{bytes} for {}", kept.len());
}

#[test]
fn the_other_codings_take_two_bytes_a_sample_and_a_megabyte() {
    let samples = lopsided(1200, 1000, 12, 5);
    let frame = Frame::new(1200, 1000, 12, &samples).unwrap();
    let lossless = encode::jpeg_lossless::encode(&frame, Default::default());
    let ls = encode::jpeg_ls::encode(&frame, Default::default());
    let sequential = encode::jpeg_sequential::encode(&frame, Default::default()).unwrap();
    for stream in [lossless, ls, sequential] {
        let formula = 2 * samples.len() as u64 + (1 << 20);
        let request = Request { max_memory: formula, ..Request::default() };
        let (decoded, bytes) = peak(|| {
            let mut out: Vec<u16> = Vec::new();
            Decoder::new().decode_into(&stream, &request, &mut out).map(|_| out)
        });
        assert_eq!(decoded.unwrap().len(), samples.len());
        assert!(bytes <= formula, "{bytes} of {formula}");
    }
}

#[cfg(feature = "openjpeg")]
mod jpeg_2000 {
    use super::*;
    use crate::jpeg2000::streams::{Case, case};
    use mammo_codecs::encode::jpeg2000::{Options, Wavelet, encode};

    /// What the limit has to be for a stream, found by trying, and what decoding then takes.
    fn least_limit(stream: &[u8], request: &jpeg2000::Request) -> Option<(u64, u64)> {
        let mut limit = 1 << 20;
        loop {
            let request = jpeg2000::Request { max_memory: limit, ..request.clone() };
            let (decoded, bytes) = peak(|| jpeg2000::Decoder::new().decode(stream, &request));
            assert!(bytes <= limit, "{bytes} bytes taken, {limit} allowed");
            match decoded {
                Ok(_) => return Some((limit, bytes)),
                Err(jpeg2000::Error::TooMuchMemory { bytes, limit: told }) => {
                    assert_eq!(told, limit);
                    limit = bytes;
                }
                Err(_) => return None,
            }
        }
    }

    #[test]
    fn any_stream_stays_within_the_limit_that_it_needs() {
        let mut tried = 0;
        for seed in 40_000..40_600 {
            let Case { width, height, samples, options } = case(seed);
            let Ok(stream) = encode(&samples, width, height, &options) else { continue };
            tried += usize::from(least_limit(&stream, &jpeg2000::Request::default()).is_some());
        }
        assert!(tried > 400, "{tried} streams");
    }

    #[test]
    fn a_plain_image_takes_about_four_bytes_a_sample() {
        for wavelet in [Wavelet::Reversible, Wavelet::Irreversible] {
            let samples = lopsided(1900, 2300, 12, 5);
            let options = Options { precision: 12, wavelet, ..Options::default() };
            let stream = encode(&samples, 1900, 2300, &options).unwrap();
            let (limit, bytes) = least_limit(&stream, &jpeg2000::Request::default()).unwrap();
            let n = samples.len() as u64;
            assert!(bytes <= limit && limit <= 9 * n / 2 + (1 << 20), "{bytes}, {limit}, {n}");
            assert!(bytes > 3 * n, "{bytes} of {n} samples: the allocator counts too little");
        }
    }
}

/// A header that declares code-blocks of 4 x 4 for 2^28 samples, over a stream of a few bytes.
#[test]
fn a_header_s_claims_are_refused_before_they_are_allocated() {
    let mut stream = vec![0xFF, 0x4F, 0xFF, 0x51, 0, 41, 0, 0];
    for value in [1_u32 << 14, 1 << 14, 0, 0, 1 << 14, 1 << 14, 0, 0] {
        stream.extend(value.to_be_bytes());
    }
    stream.extend([0, 1, 11, 1, 1]);
    // One layer, no levels, code-blocks of 2^(0 + 2), the reversible wavelet; one step of 12 bits.
    stream.extend([0xFF, 0x52, 0, 12, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1]);
    stream.extend([0xFF, 0x5C, 0, 4, 0x40, 12 << 3]);
    stream.extend([0xFF, 0x90, 0, 10, 0, 0, 0, 0, 0, 0, 0, 1, 0xFF, 0x93]);
    stream.extend([0; 40]);
    stream.extend([0xFF, 0xD9]);
    // 2^24 code-blocks, though no more than 64 x 64 samples are wanted.
    let region = Some(Rect { left: 0, top: 0, width: 64, height: 64 });
    let request = Request { region, max_memory: 1 << 29, ..Request::default() };
    let (refused, bytes) =
        peak(|| Decoder::new().decode_into(&stream, &request, &mut Vec::<u16>::new()));
    let Err(Error::Jpeg2000(jpeg2000::Error::TooMuchMemory { bytes: needed, limit })) = refused
    else {
        panic!("{refused:?}");
    };
    assert!(needed > 600 << 20 && limit == 1 << 29, "{needed} of {limit}");
    assert!(bytes < 1 << 20, "{bytes}");
}
