//! No bytes make the JPEG 2000 decoder panic, run away or return what it did not promise.
//!
//! The first two bytes choose the request, the rest is the stream.
#![no_main]
#![allow(missing_docs)]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use mammo_codecs::jpeg2000::display::{Assurance, Output, Slopes, plan};
use mammo_codecs::jpeg2000::{BitPlanes, Decoder, Prefix, Rect, Request, header, prefix};

fuzz_target!(|data: &[u8]| {
    let Some((&[how, what], stream)) = data.split_first_chunk::<2>() else { return };
    let _ = header(stream);
    let slopes =
        if how & 32 != 0 { Slopes::new(20, &[0.06; 180]) } else { Slopes::anywhere(0.0..=0.06) };
    let output = Output { scale_x: 2.5, scale_y: 3.1, slopes, slack: 0.01 };
    let planned = plan(stream, &output, 1.0, Assurance::Proven, None).map(|plan| plan.planes);
    let request = Request {
        reduce: how & 3,
        region: (how & 4 != 0).then(|| Rect {
            left: u32::from(what & 15),
            top: u32::from(what >> 4),
            width: 20,
            height: 17,
        }),
        planes: if how & 8 != 0 { planned.unwrap_or_default() } else { BitPlanes::Exact },
        range: (how & 64 != 0).then(|| (-i16::from(what), 100 - i16::from(what))),
        max_samples: 1 << 14,
        max_memory: 1 << 26,
        prefix_of: None,
        low: None,
    };
    let mut decoder = Decoder::new();
    let first = decoder.decode(stream, &request);
    if let Ok(image) = &first {
        let samples = image.width as usize * image.height as usize * usize::from(image.components);
        assert_eq!(image.samples.len(), samples);
        assert!(samples as u64 <= request.max_samples);
    }
    // The beginning is enough, where it says so; it is exact where code-blocks behind it would
    // have told what can be left out.
    if let (Ok(image), Ok(Prefix::Needs(needs))) = (&first, prefix(stream, stream.len(), &request))
        && !matches!(request.planes, BitPlanes::Local(_))
    {
        let request = Request { prefix_of: Some(stream.len()), ..request.clone() };
        if let Ok(beginning) = decoder.decode(&stream[..needs], &request) {
            assert_eq!(&beginning, image);
        }
    }
    // Going on from a reduced image changes nothing.
    if how & 128 != 0 && request.planes == BitPlanes::Exact {
        let coarse = Request { reduce: request.reduce + 1 + (what & 1), ..Request::default() };
        let coarse = Request { max_samples: request.max_samples, ..coarse };
        if let Ok((_, Some(low))) = decoder.decode_and_keep(stream, &coarse) {
            let on = Request { low: Some(Arc::new(low)), ..request.clone() };
            assert_eq!(decoder.decode(stream, &on), first);
        }
    }
    // Buffers kept from one image leave no trace in the next.
    if how & 16 != 0 {
        assert_eq!(decoder.decode(stream, &request), first);
    }
});
