//! No bytes make any decoder panic, run away or return what it did not promise.
//!
//! The first two bytes choose the request, the rest is the stream, in whatever coding it says.
#![no_main]
#![allow(missing_docs)]

use libfuzzer_sys::fuzz_target;
use mammo_codecs::{Codec, Decoder, Prefix, Rect, Request, info, prefix};

fuzz_target!(|data: &[u8]| {
    let Some((&[how, what], stream)) = data.split_first_chunk::<2>() else { return };
    let (width, height) = (1 + u32::from(what & 15), 1 + u32::from(what >> 4));
    let rle = Codec::Rle { width, height, bits: if how & 8 != 0 { 16 } else { 8 } };
    let request = Request {
        codec: (how & 4 != 0).then_some(rle),
        region: (how & 16 != 0).then_some(Rect { left: width, top: height, width: 20, height: 17 }),
        reduce: how & 3,
        max_samples: 1 << 14,
        max_memory: 1 << 26,
        ..Request::default()
    };
    let declared = info(stream);
    let mut decoder = Decoder::new();
    let mut samples: Vec<i32> = Vec::new();
    let decoded = decoder.decode_into(stream, &request, &mut samples);
    let Ok(image) = decoded else { return };
    let count = image.width as usize * image.height as usize * usize::from(image.components);
    assert_eq!(samples.len(), count);
    let (low, high) = match image.signed {
        true => (-(1 << (image.precision - 1)), (1 << (image.precision - 1)) - 1),
        false => (0, (1 << image.precision) - 1),
    };
    assert!(samples.iter().all(|sample| (low..=high).contains(sample)), "beyond {low} to {high}");
    if let (Ok(declared), None) = (declared, request.codec) {
        assert_eq!((declared.precision, declared.signed), (image.precision, image.signed));
        assert!(image.width <= declared.width && image.height <= declared.height);
    }
    assert!(matches!(prefix(stream, stream.len(), &request), Ok(Prefix::Needs(_)) | Err(_)));
    // Buffers kept from one image leave no trace in the next, and types differ in nothing else.
    let mut again: Vec<i16> = Vec::new();
    if decoder.decode_into(stream, &request, &mut again).is_ok() {
        assert!(again.iter().zip(&samples).all(|(&a, &b)| i32::from(a) == b));
    }
});
