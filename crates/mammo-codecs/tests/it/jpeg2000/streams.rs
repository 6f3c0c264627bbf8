//! Small images and ways to code them: the same ones on every machine.

use mammo_codecs::encode::jpeg2000::{
    CodeBlockStyle, Container, Layers, Markers, Options, Progression, ProgressionChange, TileParts,
    Wavelet,
};
use mammo_codecs::jpeg2000::Image;

/// SplitMix64: the same streams on every machine.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    }

    pub fn below(&mut self, n: u32) -> u32 {
        (self.next() >> 32) as u32 % n
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u32) as usize]
    }

    pub fn one_in(&mut self, n: u32) -> bool {
        self.below(n) == 0
    }
}

pub const ORDERS: [Progression; 5] =
    [Progression::Lrcp, Progression::Rlcp, Progression::Rpcl, Progression::Pcrl, Progression::Cprl];

/// An image and how it is to be coded.
#[derive(Debug)]
pub struct Case {
    pub width: u32,
    pub height: u32,
    pub samples: Vec<i32>,
    pub options: Options,
}

/// A case out of everything that the encoder offers.
pub fn case(seed: u64) -> Case {
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
pub fn texture(r: &mut Random, width: u32, height: u32, options: &Options) -> Vec<i32> {
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
pub fn openjpeg(bytes: &[u8], parameters: jpeg2k::DecodeParameters) -> Option<Vec<i32>> {
    let image = jpeg2k::Image::from_bytes_with(bytes, parameters).ok()?;
    Some(image.components().iter().flat_map(|c| c.data().to_vec()).collect())
}

pub fn values(image: &Image) -> Vec<i32> {
    let value = |&s: &u16| if image.signed { i32::from(s as i16) } else { i32::from(s) };
    image.samples.iter().map(value).collect()
}
