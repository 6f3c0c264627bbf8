//! The JPEG 2000 decoder against OpenJPEG: thousands of small generated streams over all
//! options, and real files where they are at hand.

use mammo_pipe::dataset::synth::encode::jpeg2000::{
    CodeBlockStyle, Container, EncodeError, Layers, Markers, Options, Progression,
    ProgressionChange, TileParts, Wavelet, encode,
};
use mammo_pipe::preprocess::decode::jpeg2000::display::{Assurance, Output, plan};
use mammo_pipe::preprocess::decode::jpeg2000::{BitPlanes, Decoder, Error, Rect, Request, header};

/// SplitMix64: the same streams on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    }

    fn below(&mut self, n: u32) -> u32 {
        (self.next() >> 32) as u32 % n
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u32) as usize]
    }

    fn one_in(&mut self, n: u32) -> bool {
        self.below(n) == 0
    }
}

const ORDERS: [Progression; 5] =
    [Progression::Lrcp, Progression::Rlcp, Progression::Rpcl, Progression::Pcrl, Progression::Cprl];

/// An image and how it is to be coded.
#[derive(Debug)]
struct Case {
    width: u32,
    height: u32,
    samples: Vec<i32>,
    options: Options,
}

/// A case out of everything that the encoder offers.
fn case(seed: u64) -> Case {
    let mut r = Random(seed);
    let size = |r: &mut Random| match r.below(8) {
        0 => 1 + r.below(4),
        7 => 65 + r.below(140),
        _ => 1 + r.below(70),
    };
    let (width, height) = (size(&mut r), size(&mut r));
    let components = if r.one_in(5) { 3 } else { 1 };
    let precision = 1 + r.below(16) as u8;
    let signed = r.one_in(4);
    let tile = r.one_in(3).then(|| (1 + r.below(width.max(8)), 1 + r.below(height.max(8))));
    let origin = if r.one_in(3) { (r.below(50), r.below(50)) } else { (0, 0) };
    let (tw, th) = tile.unwrap_or((width, height));
    let tile_origin = match tile {
        _ if r.one_in(2) => (0, 0),
        Some((w, h)) => (origin.0 - r.below(w).min(origin.0), origin.1 - r.below(h).min(origin.1)),
        None => (origin.0 / 2, origin.1 / 2),
    };
    let tile_origin = (
        tile_origin.0.max((origin.0 + 1).saturating_sub(tw)),
        tile_origin.1.max((origin.1 + 1).saturating_sub(th)),
    );
    let deepest = tw.min(th).ilog2().min(6);
    let levels = r.below(deepest + 1) as u8;
    let wavelet = if r.one_in(3) { Wavelet::Irreversible } else { Wavelet::Reversible };
    let count = 1 + r.below(5) as usize;
    let layers = match r.below(6) {
        0 => Layers::Ratios(
            (0..count).map(|i| [60.0, 25.0, 10.0, 4.0, 1.5][5 - count + i]).collect(),
        ),
        1 => Layers::Psnr((0..count).map(|i| 20.0 + 12.0 * i as f32).collect()),
        2 => Layers::Ratios(
            (0..count).map(|i| [60.0, 25.0, 10.0, 4.0, 1.0][5 - count + i]).collect(),
        ),
        _ => Layers::Whole,
    };
    let layer_count = if layers == Layers::Whole { 1 } else { count as u32 };
    let precincts = 0..if r.one_in(3) { 1 + r.below(u32::from(levels) + 1) } else { 0 };
    let precincts = precincts.map(|_| (2 << r.below(7), 2 << r.below(7))).collect::<Vec<_>>();
    let code_block = loop {
        let (w, h) = (4 << r.below(9), 4 << r.below(9));
        if w * h <= 4096 {
            break (w, h);
        }
    };
    // Of several layers or precincts in two progressions OpenJPEG writes streams that it cannot read itself.
    let progression_changes =
        if tile.is_none() && layer_count == 1 && precincts.is_empty() && r.one_in(4) {
            // Two volumes: low resolutions first, then all of it in another order.
            let all = ProgressionChange {
                resolution_start: 0,
                component_start: 0,
                layer_end: layer_count,
                resolution_end: u32::from(levels) + 1,
                component_end: components.into(),
                order: r.pick(&ORDERS),
            };
            let first = ProgressionChange {
                resolution_end: 1 + r.below(u32::from(levels) + 1),
                order: r.pick(&ORDERS),
                ..all
            };
            vec![first, all]
        } else {
            Vec::new()
        };
    let style = if r.one_in(2) { 0 } else { r.below(64) as u8 };
    let progression = r.pick(&ORDERS);
    let by_layer_or_resolution = matches!(progression, Progression::Lrcp | Progression::Rlcp);
    // The same goes for tile-parts that would have to divide progressions by position.
    let tile_parts =
        if progression_changes.is_empty() && (by_layer_or_resolution || precincts.is_empty()) {
            r.pick(&[
                TileParts::Whole,
                TileParts::ByResolution,
                TileParts::ByLayer,
                TileParts::ByComponent,
            ])
        } else {
            TileParts::Whole
        };
    let options = Options {
        container: r.pick(&[Container::Jp2, Container::Codestream]),
        precision,
        signed,
        components,
        colour_transform: components == 3 && r.one_in(2),
        levels,
        wavelet,
        layers,
        progression,
        progression_changes,
        tile,
        image_origin: origin,
        tile_origin,
        precincts,
        code_block,
        style: CodeBlockStyle(style),
        tile_parts,
        markers: Markers(r.below(16) as u8),
        guard_bits: 1 + r.below(4) as u8,
        region_shift: 0,
    };
    let samples = texture(&mut r, width, height, &options);
    Case { width, height, samples, options }
}

/// Flat air, a bright slope and noise of any strength, within the options' precision.
fn texture(r: &mut Random, width: u32, height: u32, options: &Options) -> Vec<i32> {
    let full = 1_i32 << options.precision;
    let low = if options.signed { -(full / 2) } else { 0 };
    let noise = 1 + r.below(full as u32) as i32 / r.pick(&[1, 4, 16, 256]);
    let edge = r.below(width + 1);
    (0..u32::from(options.components) * height)
        .flat_map(|y| (0..width).map(move |x| (x, y)))
        .map(|(x, y)| match x < edge {
            true => low,
            false => low + ((x * 3 + y * 2) as i32 + r.below(noise as u32) as i32) % full,
        })
        .collect()
}

/// What OpenJPEG makes of a stream: planes one after the other.
fn openjpeg(bytes: &[u8], parameters: jpeg2k::DecodeParameters) -> Option<Vec<i32>> {
    let image = jpeg2k::Image::from_bytes_with(bytes, parameters).ok()?;
    Some(image.components().iter().flat_map(|c| c.data().to_vec()).collect())
}

fn values(image: &mammo_pipe::preprocess::decode::jpeg2000::Image) -> Vec<i32> {
    let value = |&s: &u16| if image.signed { i32::from(s as i16) } else { i32::from(s) };
    image.samples.iter().map(value).collect()
}

#[test]
fn generated_streams_decode_as_openjpeg_decodes_them() {
    let mut decoder = Decoder::new();
    let (mut compared, mut refused, mut reduced) = (0, 0, 0);
    for seed in 0..3000 {
        let Case { width, height, samples, options } = case(seed);
        let bytes = match encode(&samples, width, height, &options) {
            Ok(bytes) => bytes,
            Err(EncodeError::Encoder(_) | EncodeError::Option(_)) => {
                refused += 1;
                continue;
            }
            Err(other) => panic!("seed {seed}: {other} {options:?}"),
        };
        // With an origin, OpenJPEG sizes a reduced image by its extent, not by its corners.
        let deepest = if options.image_origin == (0, 0) { options.levels.min(2) } else { 0 };
        for reduce in 0..=deepest {
            let Some(want) =
                openjpeg(&bytes, jpeg2k::DecodeParameters::new().reduce(reduce.into()))
            else {
                continue;
            };
            if reduce == 0 {
                let told = header(&bytes).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
                assert_eq!(
                    (told.width, told.height, told.precision),
                    (width, height, options.precision),
                    "seed {seed}"
                );
            }
            let request = Request { reduce, ..Request::default() };
            let image = match decoder.decode(&bytes, &request) {
                Err(Error::EmptyRegion) => continue,
                other => {
                    other.unwrap_or_else(|e| panic!("seed {seed} reduce {reduce}: {e} {options:?}"))
                }
            };
            let got = values(&image);
            assert_eq!(got.len(), want.len(), "seed {seed} reduce {reduce} {options:?}");
            let off = got.iter().zip(&want).map(|(a, b)| (a - b).abs()).max();
            let allowed = 0;
            assert!(
                off <= Some(allowed),
                "seed {seed} reduce {reduce}: {off:?} off, {width}x{height} {options:?}"
            );
            if reduce == 0 { compared += 1 } else { reduced += 1 }
        }
    }
    eprintln!(
        "{compared} streams and {reduced} reductions compared, {refused} refused by the encoder"
    );
    assert!(compared >= 2000);
}

#[test]
fn a_region_is_cut_from_the_whole() {
    let mut decoder = Decoder::new();
    let mut compared = 0;
    for seed in 10_000..10_400 {
        let Case { width, height, samples, options } = case(seed);
        let Ok(bytes) = encode(&samples, width, height, &options) else { continue };
        let mut r = Random(seed);
        for reduce in 0..=options.levels.min(2) {
            let Ok(whole) = decoder.decode(&bytes, &Request { reduce, ..Request::default() })
            else {
                continue;
            };
            let (left, top) = (r.below(width), r.below(height));
            let rect = Rect {
                left,
                top,
                width: 1 + r.below(width - left),
                height: 1 + r.below(height - top),
            };
            let request = Request { reduce, region: Some(rect), ..Request::default() };
            let part = match decoder.decode(&bytes, &request) {
                Err(Error::EmptyRegion) => continue,
                other => other.unwrap_or_else(|e| panic!("seed {seed} {rect:?}: {e}")),
            };
            let (x, y) = part.origin;
            for component in 0..u32::from(part.components) {
                for row in 0..part.height {
                    let from = ((component * whole.height + y + row) * whole.width + x) as usize;
                    let at = ((component * part.height + row) * part.width) as usize;
                    let (got, want) =
                        (&part.samples[at..][..part.width as usize], &whole.samples[from..]);
                    assert_eq!(
                        got,
                        &want[..part.width as usize],
                        "seed {seed} reduce {reduce} {rect:?} {options:?}"
                    );
                }
            }
            compared += 1;
        }
    }
    assert!(compared > 500, "{compared}");
}

/// The means of `scale`d areas of grey levels, from samples.
fn pixels(
    image: &mammo_pipe::preprocess::decode::jpeg2000::Image,
    scale: (f64, f64),
    grey: impl Fn(u16) -> f64,
) -> Vec<f64> {
    let (width, height) = (image.width as usize, image.height as usize);
    let shares = |size: usize, scale: f64| -> Vec<Vec<(usize, f64)>> {
        let parts = |start: f64| {
            let end = start + scale;
            let part = move |i: usize| (end.min(i as f64 + 1.0) - start.max(i as f64)) / scale;
            (start as usize..size.min(end.ceil() as usize))
                .map(|i| (i, part(i)))
                .filter(|p| p.1 > 0.0)
                .collect()
        };
        (0..(size as f64 / scale) as usize).map(|i| parts(i as f64 * scale)).collect()
    };
    let (columns, rows) = (shares(width, scale.0), shares(height, scale.1));
    let mean = |row: &[(usize, f64)], column: &[(usize, f64)]| {
        let line = |y: usize| {
            column.iter().map(|&(x, w)| w * grey(image.samples[y * width + x])).sum::<f64>()
        };
        row.iter().map(|&(y, w)| w * line(y)).sum::<f64>()
    };
    rows.iter().flat_map(|row| columns.iter().map(move |column| mean(row, column))).collect()
}

#[test]
fn left_out_planes_move_no_pixel_further_than_their_bound() {
    let mut decoder = Decoder::new();
    let mut r = Random(11);
    for round in 0..40 {
        let wavelet = if round % 4 == 3 { Wavelet::Irreversible } else { Wavelet::Reversible };
        let options = Options { precision: 12, levels: 4, wavelet, ..Options::default() };
        let samples = texture(&mut r, 190, 170, &options);
        let bytes = encode(&samples, 190, 170, &options).expect("a plain stream");
        let scale = (1.0 + f64::from(r.below(500)) / 100.0, 1.0 + f64::from(r.below(500)) / 100.0);
        let exact = decoder.decode(&bytes, &Request::default()).expect("it decodes");
        let steepest = 255.0 / f64::from(400 + r.below(3696));
        // A window that clips on both sides, so any slope from 0 up to the steepest.
        let grey = |v: u16| ((f64::from(v) - 500.0) * steepest).clamp(0.0, 255.0);
        let output =
            Output { scale_x: scale.0, scale_y: scale.1, slope: 0.0..=steepest, slack: 0.0 };
        let expected = Assurance::Expected { deviations: 4.0 };
        for (assurance, tolerance) in
            [(Assurance::Proven, 1.0), (Assurance::Proven, 4.0), (expected, 1.0)]
        {
            let plan = plan(&bytes, &output, tolerance, assurance).expect("a sound header");
            assert!(plan.bound <= tolerance);
            let request = Request { planes: plan.planes.clone(), ..Request::default() };
            let skipped = decoder.decode(&bytes, &request).expect("it decodes");
            let pairs = pixels(&exact, scale, grey).into_iter().zip(pixels(&skipped, scale, grey));
            let off = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(off <= plan.bound, "{off} off, {plan:?}, scale {scale:?}, slope {steepest}");
        }
    }
}

#[test]
fn the_lowest_band_is_never_cut() {
    let options = Options { precision: 12, levels: 0, ..Options::default() };
    let samples = texture(&mut Random(7), 90, 70, &options);
    let bytes = encode(&samples, 90, 70, &options).expect("a plain stream");
    let request = Request { planes: BitPlanes::Skip(vec![[5; 3]]), ..Request::default() };
    let whole = Decoder::new().decode(&bytes, &request).expect("it decodes");
    assert_eq!(values(&whole), samples);
}

#[test]
fn damaged_streams_are_refused_or_decode_to_what_the_header_says() {
    let mut decoder = Decoder::new();
    let (mut decoded, mut refused) = (0, 0);
    for seed in 20_000..20_150 {
        let Case { width, height, samples, options } = case(seed);
        let Ok(bytes) = encode(&samples, width, height, &options) else { continue };
        let mut r = Random(seed);
        for _ in 0..60 {
            let mut damaged = bytes.clone();
            for _ in 0..1 + r.below(4) {
                let at = r.below(damaged.len() as u32) as usize;
                match r.below(5) {
                    0 => damaged.truncate(at.max(1)),
                    1 => damaged[at] = 0xFF,
                    2 => damaged[at] ^= 1 << r.below(8),
                    3 => damaged.insert(at, r.below(256) as u8),
                    _ => damaged[at] = r.below(256) as u8,
                }
            }
            let request =
                Request { max_samples: 1 << 18, reduce: r.below(3) as u8, ..Request::default() };
            match decoder.decode(&damaged, &request) {
                Ok(image) => {
                    let samples = u64::from(image.width)
                        * u64::from(image.height)
                        * u64::from(image.components);
                    assert_eq!(image.samples.len() as u64, samples);
                    decoded += 1;
                }
                Err(_) => refused += 1,
            }
        }
    }
    assert!(decoded > 500 && refused > 500, "{decoded} decoded, {refused} refused");
}

#[test]
fn what_fuzzing_has_found_stays_harmless() {
    let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/jpeg2000");
    let mut decoder = Decoder::new();
    let mut tried = 0;
    for entry in std::fs::read_dir(&corpus).into_iter().flatten().flatten() {
        let data = std::fs::read(entry.path()).expect("a listed file can be read");
        let Some((&[how, _], stream)) = data.split_first_chunk::<2>() else { continue };
        let request = Request { reduce: how & 3, max_samples: 1 << 16, ..Request::default() };
        if let Ok(image) = decoder.decode(stream, &request) {
            assert!(image.samples.len() <= 1 << 16, "{}", entry.path().display());
        }
        tried += 1;
    }
    assert!(tried > 0 || !corpus.is_dir(), "an empty corpus");
}

#[test]
fn a_shortened_stream_is_told_from_a_whole_one() {
    let options = Options { precision: 12, ..Options::default() };
    let mut r = Random(3);
    let samples = texture(&mut r, 200, 150, &options);
    let bytes = encode(&samples, 200, 150, &options).expect("a plain stream");
    let mut decoder = Decoder::new();
    for length in (0..bytes.len() - 2).step_by(97) {
        let refused = decoder.decode(&bytes[..length], &Request::default());
        assert!(
            matches!(refused, Err(Error::Truncated(_) | Error::Malformed(_))),
            "{length}: {refused:?}"
        );
    }
}

#[test]
fn a_declared_size_is_bounded_before_it_is_allocated() {
    let options = Options { container: Container::Codestream, ..Options::default() };
    let samples = vec![0; 64 * 64];
    let mut bytes = encode(&samples, 64, 64, &options).expect("a plain stream");
    bytes[8..16].copy_from_slice(&[0x7F, 0xFF, 0xFF, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF]);
    bytes[24..32].copy_from_slice(&[0x7F, 0xFF, 0xFF, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF]);
    let refused = Decoder::new().decode(&bytes, &Request::default());
    assert!(
        matches!(refused, Err(Error::TooLarge { samples: 0x3FFF_FFFF_0000_0001, .. })),
        "{refused:?}"
    );
}

/// JPEG 2000 files under `../shared`, where that is at hand.
fn real_files() -> Vec<(String, Vec<u8>)> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let mut folders = vec![root.join("rsna"), root.join("conformance")];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "dcm") {
                let bytes = std::fs::read(&path).expect("a listed file can be read");
                if let Some(stream) = fragment(&bytes).filter(|s| header(s).is_ok()) {
                    found.push((path.display().to_string(), stream));
                }
            }
        }
    }
    found.sort();
    found
}

/// What the fragments of encapsulated Pixel Data hold, the offset table left out.
fn fragment(bytes: &[u8]) -> Option<Vec<u8>> {
    let tag = [0xE0, 0x7F, 0x10, 0x00];
    let start =
        bytes.windows(12).position(|w| w.starts_with(&tag) && w.ends_with(&[0xFF; 4]))? + 12;
    let (mut rest, mut stream, mut table) = (&bytes[start..], Vec::new(), true);
    while let [0xFE, 0xFF, 0x00, 0xE0, a, b, c, d, tail @ ..] = rest {
        let item = tail.get(..u32::from_le_bytes([*a, *b, *c, *d]) as usize)?;
        if !std::mem::replace(&mut table, false) {
            stream.extend_from_slice(item);
        }
        rest = &tail[item.len()..];
    }
    Some(stream)
}

#[test]
fn real_files_decode_as_openjpeg_decodes_them() {
    let files = real_files();
    if files.is_empty() {
        eprintln!("skipped: real files, ../shared is absent");
        return;
    }
    let mut decoder = Decoder::new();
    for (name, stream) in files {
        for reduce in [0, 1, 3] {
            let want = openjpeg(&stream, jpeg2k::DecodeParameters::new().reduce(reduce.into()))
                .expect("OpenJPEG reads it");
            let image = decoder.decode(&stream, &Request { reduce, ..Request::default() });
            let image = image.unwrap_or_else(|e| panic!("{name}: {e}"));
            assert!(values(&image) == want, "{name} differs at reduce {reduce}");
        }
        eprintln!("{name}: as OpenJPEG");
    }
}
