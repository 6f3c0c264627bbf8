//! Chooses a region on a reduced image, and decodes only that region at full size: `cargo run
//! --release --example region -- INPUT.jp2`.
//!
//! A JPEG 2000 stream contains the reduced image. Decoding it at an eighth of the size costs a few
//! percent of decoding the whole image, and needs only that part of the file.

use std::error::Error;
use std::time::Instant;

use mammo_codecs::{Decoder, Prefix, Rect, Request, info, prefix};

fn main() -> Result<(), Box<dyn Error>> {
    let input = std::env::args().nth(1).ok_or("usage: region INPUT.jp2")?;
    let stream = std::fs::read(input)?;
    let reduce = info(&stream)?.levels.min(3);
    let (mut decoder, mut samples) = (Decoder::new(), Vec::<i32>::new());

    let look = Request { reduce, ..Request::default() };
    let needed = match prefix(&stream, stream.len(), &look)? {
        Prefix::Needs(bytes) | Prefix::NeedsAtLeast(bytes) => bytes,
    };
    let start = Instant::now();
    let request = Request { prefix_of: Some(stream.len()), ..look };
    let small = decoder.decode_into(&stream[..needed], &request, &mut samples)?;
    println!("look: {small:?}, from {needed} of {} bytes, {:?}", stream.len(), start.elapsed());

    // The box around all that is brighter than the mean, in full-size pixels.
    let pixels = small.width as usize * small.height as usize;
    let mean = samples[..pixels].iter().map(|&s| i64::from(s)).sum::<i64>() / pixels as i64;
    let bright = (0..pixels).filter(|&i| i64::from(samples[i]) > mean);
    let places = bright.map(|i| (i as u32 % small.width, i as u32 / small.width));
    let (mut left, mut top, mut right, mut bottom) = (u32::MAX, u32::MAX, 0, 0);
    for (x, y) in places {
        (left, top) = (left.min(x), top.min(y));
        (right, bottom) = (right.max(x + 1), bottom.max(y + 1));
    }
    if left >= right {
        return Err("nothing is brighter than the mean".into());
    }
    let region = Rect {
        left: left << reduce,
        top: top << reduce,
        width: (right - left) << reduce,
        height: (bottom - top) << reduce,
    };
    let start = Instant::now();
    let request = Request { region: Some(region), ..Request::default() };
    let part = decoder.decode_into(&stream, &request, &mut samples)?;
    println!("part: {part:?}, {:?}", start.elapsed());
    Ok(())
}
