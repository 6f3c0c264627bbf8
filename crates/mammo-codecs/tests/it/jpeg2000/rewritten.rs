//! What OpenJPEG's encoder does not write: packet headers packed into marker segments (PPM,
//! PPT), and changes of progression order (POC) over several layers.
//!
//! Streams are taken apart at the markers around each packet header (SOP, EPH), which no packet
//! can contain, and put together anew. Pixels have to stay as they were, and OpenJPEG's decoder
//! has to agree.

use mammo_codecs::encode::jpeg2000::{Container, Layers, Markers, Options, Progression, encode};
use mammo_codecs::jpeg2000::{Decoder, Prefix, Request, prefix};

use super::streams::{Case, ORDERS, Random, case, openjpeg, texture, values};

const SOC: [u8; 2] = [0xFF, 0x4F];
const EOC: [u8; 2] = [0xFF, 0xD9];
const SOT: [u8; 2] = [0xFF, 0x90];
const SOD: [u8; 2] = [0xFF, 0x93];
const SOP: [u8; 2] = [0xFF, 0x91];
const EPH: [u8; 2] = [0xFF, 0x92];
const COD: u8 = 0x52;
const TLM: u8 = 0x55;
const PLT: u8 = 0x58;
const POC: u8 = 0x5F;
const PPM: u8 = 0x60;
const PPT: u8 = 0x61;

/// A marker segment: the second byte of its marker, and what follows its length.
type Segment = (u8, Vec<u8>);

struct Packet {
    header: Vec<u8>,
    body: Vec<u8>,
}

struct TilePart {
    /// Tile, number of the tile-part, and of how many.
    index: [u8; 4],
    segments: Vec<Segment>,
    packets: Vec<Packet>,
}

/// A codestream in its parts, those left out that tell lengths (TLM, PLT).
struct Parts {
    main: Vec<Segment>,
    tile_parts: Vec<TilePart>,
}

/// Segments from `at` on, up to the marker `end`, behind which it leaves `at`.
fn segments(bytes: &[u8], at: &mut usize, end: [u8; 2]) -> Vec<Segment> {
    let mut found = Vec::new();
    while !bytes[*at..].starts_with(&end) {
        let length = usize::from(u16::from_be_bytes([bytes[*at + 2], bytes[*at + 3]]));
        let code = bytes[*at + 1];
        if ![TLM, PLT].contains(&code) {
            found.push((code, bytes[*at + 4..*at + 2 + length].to_vec()));
        }
        *at += 2 + length;
    }
    *at += 2;
    found
}

/// Where `marker` stands in `bytes`.
fn find(bytes: &[u8], marker: [u8; 2]) -> Option<usize> {
    bytes.windows(2).position(|pair| pair == marker)
}

impl Parts {
    /// Takes a codestream apart that has SOP and EPH around every packet header.
    fn of(bytes: &[u8]) -> Self {
        let mut at = 2;
        let main = segments(bytes, &mut at, SOT);
        let mut tile_parts = Vec::new();
        loop {
            let start = at - 2;
            let sot = &bytes[at..at + 10];
            let length = u32::from_be_bytes(sot[4..8].try_into().expect("four bytes")) as usize;
            let index = [sot[2], sot[3], sot[8], sot[9]];
            at += 10;
            let segments = segments(bytes, &mut at, SOD);
            let mut rest = &bytes[at..start + length];
            let mut packets = Vec::new();
            while !rest.is_empty() {
                assert!(rest.starts_with(&SOP), "a packet without SOP");
                let end = 6 + find(&rest[6..], SOP).unwrap_or(rest.len() - 6);
                let (packet, behind) = rest.split_at(end);
                let header = find(packet, EPH).expect("a packet header without EPH");
                let body = packet[header + 2..].to_vec();
                packets.push(Packet { header: packet[6..header].to_vec(), body });
                rest = behind;
            }
            tile_parts.push(TilePart { index, segments, packets });
            at = start + length;
            if bytes[at..].starts_with(&EOC) {
                return Self { main, tile_parts };
            }
            at += 2;
        }
    }

    /// Puts them together, with packet headers where `headers` says.
    fn join(&self, headers: Headers, r: &mut Random) -> Vec<u8> {
        let mut main = self.main.clone();
        let marked = headers.marked;
        if !marked {
            for (_, cod) in main.iter_mut().filter(|(code, _)| *code == COD) {
                cod[0] &= 1;
            }
        }
        let end = if marked { &EPH[..] } else { &[] };
        let moved = |part: &TilePart| -> Vec<u8> {
            part.packets.iter().flat_map(|p| [&p.header[..], end].concat()).collect()
        };
        if headers.place == Place::Main {
            let all = self.tile_parts.iter().flat_map(|part| {
                let headers = moved(part);
                [&(headers.len() as u32).to_be_bytes()[..], &headers].concat()
            });
            main.extend(pieces(PPM, &all.collect::<Vec<u8>>(), r));
        }
        let mut stream = SOC.to_vec();
        write(&mut stream, &main);
        for part in &self.tile_parts {
            let mut content = Vec::new();
            let mut segments = part.segments.clone();
            if headers.place == Place::Tile {
                segments.extend(pieces(PPT, &moved(part), r));
            }
            write(&mut content, &segments);
            content.extend(SOD);
            for (number, packet) in part.packets.iter().enumerate() {
                if marked {
                    content.extend(SOP);
                    content.extend([0, 4]);
                    content.extend((number as u16).to_be_bytes());
                }
                if headers.place == Place::Packet {
                    content.extend([&packet.header[..], end].concat());
                }
                content.extend(&packet.body);
            }
            let [t0, t1, number, count] = part.index;
            stream.extend(SOT);
            stream.extend([0, 10, t0, t1]);
            stream.extend((content.len() as u32 + 12).to_be_bytes());
            stream.extend([number, count]);
            stream.extend(content);
        }
        stream.extend(EOC);
        stream
    }
}

/// Where packet headers go, and whether SOP and EPH stay.
#[derive(Clone, Copy, Debug)]
struct Headers {
    place: Place,
    marked: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Packet,
    Main,
    Tile,
}

/// Numbered segments that hold `bytes`, cut anywhere.
fn pieces(code: u8, mut bytes: &[u8], r: &mut Random) -> Vec<Segment> {
    let mut found: Vec<Segment> = Vec::new();
    while !bytes.is_empty() || found.is_empty() {
        // At most 256 of them can be numbered.
        let most = bytes.len().min(bytes.len() / 50 + 1 + r.below(300) as usize);
        let (piece, rest) = bytes.split_at(most);
        found.push((code, [&[found.len() as u8], piece].concat()));
        bytes = rest;
    }
    found
}

fn write(stream: &mut Vec<u8>, segments: &[Segment]) {
    for (code, content) in segments {
        stream.extend([0xFF, *code]);
        stream.extend((content.len() as u16 + 2).to_be_bytes());
        stream.extend(content);
    }
}

#[test]
fn packed_packet_headers_are_read_where_they_are_packed() {
    let mut decoder = Decoder::new();
    let (mut compared, mut agreed) = (0, [0; 3]);
    for seed in 40_000..40_300 {
        let Case { width, height, samples, options } = case(seed);
        let markers = Markers::START_OF_PACKET.0 | Markers::END_OF_PACKET_HEADER.0;
        let markers = Markers(options.markers.0 | markers);
        // With POC, OpenJPEG leaves some packets without the markers.
        let (container, progression_changes) = (Container::Codestream, Vec::new());
        let options = Options { markers, container, progression_changes, ..options };
        let Ok(bytes) = encode(&samples, width, height, &options) else { continue };
        let mut r = Random(seed);
        let parts = Parts::of(&bytes);
        let place = r.pick(&[Place::Packet, Place::Main, Place::Tile]);
        let headers = Headers { place, marked: r.one_in(2) };
        let moved = parts.join(headers, &mut r);
        for reduce in 0..=options.levels.min(2) {
            let request = Request { reduce, ..Request::default() };
            let Ok(want) = decoder.decode(&bytes, &request) else { continue };
            let got = decoder.decode(&moved, &request);
            assert_eq!(got.as_ref(), Ok(&want), "seed {seed} {headers:?} {options:?}");
            // OpenJPEG numbers PPT segments through all tile-parts of a tile, and refuses some PPM.
            if reduce == 0
                && let Some(peer) = openjpeg(&moved, jpeg2k::DecodeParameters::new())
            {
                assert_eq!(peer, values(&want), "seed {seed} {headers:?} {options:?}");
                agreed[place as usize] += 1;
            }
            // A prefix ends behind the last body that is needed, wherever the headers are.
            let Ok(Prefix::Needs(needs)) = prefix(&moved, moved.len(), &request) else {
                panic!("seed {seed} {headers:?}: a whole stream has all that is needed");
            };
            let request = Request { prefix_of: Some(moved.len()), ..request };
            let got = decoder.decode(&moved[..needs], &request);
            assert_eq!(got, Ok(want), "seed {seed} reduce {reduce} {headers:?} {options:?}");
            compared += 1;
        }
    }
    assert!(compared > 400, "{compared}");
    assert!(agreed.iter().all(|&count| count > 40), "as OpenJPEG has it: {agreed:?}");
}

/// One volume of a POC segment; layers, resolutions and components end before the last number.
#[derive(Clone, Copy, Debug)]
struct Volume {
    layers: u16,
    resolutions: (u8, u8),
    components: (u8, u8),
    order: Progression,
}

/// Layer, resolution, component of every packet in the order of `volumes`, each once, where a
/// resolution is one precinct: Annex B.12 in loops.
fn packets(volumes: &[Volume]) -> Vec<(u16, u8, u8)> {
    let mut sent = Vec::new();
    for &Volume { layers, resolutions, components, order } in volumes {
        let mut cells = Vec::new();
        for layer in 0..layers {
            for resolution in resolutions.0..resolutions.1 {
                for component in components.0..components.1 {
                    cells.push((layer, resolution, component));
                }
            }
        }
        cells.sort_by_key(|&(l, r, c)| {
            let (l, r, c) = (u32::from(l), u32::from(r), u32::from(c));
            match order {
                Progression::Lrcp => [l, r, c],
                Progression::Rlcp => [r, l, c],
                Progression::Rpcl => [r, c, l],
                // Every precinct begins where the tile does, so position tells nothing apart.
                Progression::Pcrl | Progression::Cprl => [c, r, l],
            }
        });
        cells.retain(|cell| !sent.contains(cell));
        sent.extend(cells);
    }
    sent
}

#[test]
fn packets_follow_every_change_of_progression_order() {
    let (layers, levels, components) = (3_u16, 3_u8, 3_u8);
    let mut decoder = Decoder::new();
    for seed in 0..60 {
        let mut r = Random(seed);
        let options = Options {
            container: Container::Codestream,
            precision: 8,
            components,
            levels,
            layers: Layers::Ratios(vec![20.0, 6.0, 1.0]),
            markers: Markers(Markers::START_OF_PACKET.0 | Markers::END_OF_PACKET_HEADER.0),
            ..Options::default()
        };
        let samples = texture(&mut r, 60, 50, &options);
        let bytes = encode(&samples, 60, 50, &options).expect("a plain stream");
        let want = decoder.decode(&bytes, &Request::default()).expect("it decodes");
        let mut volumes: Vec<Volume> = (0..1 + r.below(3))
            .map(|_| {
                let (first, component) = (r.below(4) as u8, r.below(3) as u8);
                Volume {
                    layers: 1 + r.below(layers.into()) as u16,
                    resolutions: (first, first + 1 + r.below(4) as u8),
                    components: (component, component + 1 + r.below(3) as u8),
                    order: r.pick(&ORDERS),
                }
            })
            .map(|volume| Volume {
                resolutions: (volume.resolutions.0, volume.resolutions.1.min(levels + 1)),
                components: (volume.components.0, volume.components.1.min(components)),
                ..volume
            })
            .collect();
        volumes.push(Volume {
            layers,
            resolutions: (0, levels + 1),
            components: (0, components),
            order: r.pick(&ORDERS),
        });
        let mut parts = Parts::of(&bytes);
        let whole = Volume { order: Progression::Lrcp, ..volumes[volumes.len() - 1] };
        let was = packets(&[whole]);
        let part = &mut parts.tile_parts[0];
        assert_eq!(part.packets.len(), was.len());
        let mut old: Vec<_> = was.into_iter().zip(part.packets.drain(..)).collect();
        for cell in packets(&volumes) {
            let at = old.iter().position(|(was, _)| *was == cell).expect("each packet once");
            part.packets.push(old.remove(at).1);
        }
        let poc = volumes.iter().flat_map(|volume| {
            let [l0, l1] = volume.layers.to_be_bytes();
            let order = ORDERS.iter().position(|order| *order == volume.order);
            let (resolutions, components) = (volume.resolutions, volume.components);
            let order = order.expect("there are five") as u8;
            [resolutions.0, components.0, l0, l1, resolutions.1, components.1, order]
        });
        let poc = (POC, poc.collect());
        if r.one_in(2) {
            parts.main.push(poc)
        } else {
            parts.tile_parts[0].segments.push(poc)
        }
        let place = r.pick(&[Place::Packet, Place::Main, Place::Tile]);
        let moved = parts.join(Headers { place, marked: r.one_in(2) }, &mut r);
        let got = decoder.decode(&moved, &Request::default());
        assert_eq!(got.as_ref(), Ok(&want), "seed {seed} {place:?} {volumes:?}");
        let peer = openjpeg(&moved, jpeg2k::DecodeParameters::new());
        assert_eq!(peer, Some(values(&want)), "seed {seed} {place:?} {volumes:?}");
    }
}
