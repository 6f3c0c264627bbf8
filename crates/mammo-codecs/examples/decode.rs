//! Decodes a file to a PGM: `cargo run --release --example decode -- INPUT OUTPUT.pgm [REDUCE]`.
//!
//! The file is a JP2 file, a JPEG 2000 codestream, a JPEG or a JPEG-LS stream. REDUCE is the number
//! of JPEG 2000's wavelet levels to leave out; each one halves the image.

use std::error::Error;

use mammo_codecs::{Decoder, Request, info};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [input, output, rest @ ..] = arguments.as_slice() else {
        return Err("usage: decode INPUT OUTPUT.pgm [REDUCE]".into());
    };
    let reduce = rest.first().map_or(Ok(0), |levels| levels.parse())?;
    let stream = std::fs::read(input)?;
    println!("{:?}", info(&stream)?);

    let request = Request { reduce, ..Request::default() };
    let mut samples: Vec<i32> = Vec::new();
    let image = Decoder::new().decode_into(&stream, &request, &mut samples)?;
    println!("{image:?}");

    // PGM knows no sign: the least value becomes 0. Of several components, the first is written.
    let lift = if image.signed { 1 << (image.precision - 1) } else { 0 };
    let most = (1_u32 << image.precision) - 1;
    let mut pgm = format!("P5 {} {} {most}\n", image.width, image.height).into_bytes();
    let pixels = image.width as usize * image.height as usize;
    for &sample in &samples[..pixels] {
        let bytes = ((sample + lift) as u16).to_be_bytes();
        pgm.extend(if most > 255 { &bytes[..] } else { &bytes[1..] });
    }
    Ok(std::fs::write(output, pgm)?)
}
