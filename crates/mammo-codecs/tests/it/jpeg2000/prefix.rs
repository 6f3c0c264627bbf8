//! The beginning of a stream is enough for a reduced image, and is told from a truncated one.

use mammo_codecs::encode::jpeg2000::{Container, Markers, Options, Progression, encode};
use mammo_codecs::jpeg2000::display::{Assurance, Output, Slopes, plan};
use mammo_codecs::jpeg2000::{BitPlanes, Decoder, Error, Prefix, Request, prefix};

use super::streams::{Case, Random, case, texture};

/// All of an image with `reduce` levels discarded.
fn reduced(reduce: u8) -> Request {
    Request { reduce, ..Request::default() }
}

/// What [`prefix`] asks for, given ever more bytes as it does, and how often it asked.
fn asked_for(bytes: &[u8], reduce: u8) -> Result<(usize, usize), Error> {
    let (mut at_hand, mut times) = (0, 0);
    loop {
        times += 1;
        match prefix(&bytes[..at_hand], bytes.len(), &reduced(reduce))? {
            Prefix::Needs(needs) => return Ok((needs, times)),
            Prefix::NeedsAtLeast(more) => {
                assert!(more > at_hand && more <= bytes.len(), "{more} of {}", bytes.len());
                at_hand = more.max(at_hand + at_hand / 8).min(bytes.len());
            }
        }
    }
}

#[test]
fn the_beginning_decodes_as_the_whole_does_and_a_byte_less_is_truncated() {
    let mut decoder = Decoder::new();
    let (mut shorter, mut compared, mut refused) = (0, 0, 0);
    for seed in 30_000..30_250 {
        let Case { width, height, samples, options } = case(seed);
        let Ok(bytes) = encode(&samples, width, height, &options) else { continue };
        for reduce in 0..=options.levels {
            let request = Request { reduce, ..Request::default() };
            let Ok(whole) = decoder.decode(&bytes, &request) else { continue };
            let (needs, _) = asked_for(&bytes, reduce)
                .unwrap_or_else(|e| panic!("seed {seed} reduce {reduce}: {e} {options:?}"));
            let request = Request { prefix_of: Some(bytes.len()), ..request };
            let beginning = decoder.decode(&bytes[..needs], &request);
            assert_eq!(beginning.as_ref(), Ok(&whole), "seed {seed} reduce {reduce} {options:?}");
            let less = decoder.decode(&bytes[..needs - 1], &request);
            match less {
                Err(Error::Truncated(_)) => refused += 1,
                // Half of a marker behind a packet's header, which nothing depends on.
                less => assert_eq!(less, Ok(whole), "seed {seed} reduce {reduce} {options:?}"),
            }
            compared += 1;
            shorter += usize::from(needs < bytes.len() / 2);
        }
    }
    assert!(compared > 400 && shorter > 100, "{compared} compared, {shorter} of half or less");
    assert!(refused > compared / 10 * 9, "{refused} of {compared} refused with a byte less");
}

#[test]
fn planes_are_not_spared_by_code_blocks_that_are_not_at_hand() {
    let options = Options { precision: 12, levels: 3, ..Options::default() };
    let samples = texture(&mut Random(5), 200, 150, &options);
    let bytes = encode(&samples, 200, 150, &options).expect("a plain stream");
    let slopes = Slopes::new(20, &[0.06; 180]);
    let output = Output { scale_x: 9.0, scale_y: 9.0, slopes, slack: 0.01 };
    let plan = plan(&bytes, &output, 1.0, Assurance::Proven, None).expect("a sound header");
    assert!(matches!(plan.planes, BitPlanes::Local(_)));
    let mut decoder = Decoder::new();
    let exact = Request { reduce: 1, ..Request::default() };
    let local = Request { planes: plan.planes, ..exact.clone() };
    let image = decoder.decode(&bytes, &exact).expect("it decodes");
    assert_ne!(decoder.decode(&bytes, &local).as_ref(), Ok(&image), "nothing was spared");
    let (needs, _) = asked_for(&bytes, 1).expect("a sound stream");
    let beginning = Request { prefix_of: Some(bytes.len()), ..local };
    assert_eq!(decoder.decode(&bytes[..needs], &beginning), Ok(image));
}

#[test]
fn a_truncated_stream_is_no_beginning() {
    let options = Options { precision: 12, ..Options::default() };
    let samples = texture(&mut Random(3), 200, 150, &options);
    let bytes = encode(&samples, 200, 150, &options).expect("a plain stream");
    let (needs, _) = asked_for(&bytes, 2).expect("a sound stream");
    for length in (needs + 1..bytes.len() - 2).step_by(97) {
        let found = prefix(&bytes[..length], length, &reduced(2));
        assert!(matches!(found, Err(Error::Truncated(_))), "{length}: {found:?}");
        // Nor is a file that ends before its stream does.
        let found = prefix(&bytes[..needs], length, &reduced(2));
        assert!(matches!(found, Ok(Prefix::NeedsAtLeast(_))), "{length}: {found:?}");
    }
}

#[test]
fn a_declared_size_is_bounded_before_it_is_laid_out() {
    let options = Options { container: Container::Codestream, ..Options::default() };
    let mut bytes = encode(&vec![0; 64 * 64], 64, 64, &options).expect("a plain stream");
    for size in [8, 24] {
        bytes[size..size + 8].copy_from_slice(&[0x7F, 0xFF, 0xFF, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF]);
    }
    let found = prefix(&bytes, bytes.len(), &reduced(1));
    assert!(matches!(found, Err(Error::TooLarge { .. })), "{found:?}");
}

#[test]
fn listed_packet_lengths_tell_at_once_how_much_is_needed() {
    for progression in [Progression::Lrcp, Progression::Rlcp, Progression::Rpcl] {
        let times = [Markers::default(), Markers::PACKET_LENGTHS].map(|markers| {
            let precincts = vec![(64, 64)];
            let options =
                Options { precision: 12, progression, markers, precincts, ..Options::default() };
            let samples = texture(&mut Random(5), 400, 300, &options);
            let bytes = encode(&samples, 400, 300, &options).expect("a plain stream");
            let headers = bytes.windows(2).position(|w| w == [0xFF, 0x93]).expect("an SOD") + 2;
            let mut at_hand = headers;
            (1..)
                .find(|_| {
                    match prefix(&bytes[..at_hand], bytes.len(), &reduced(1)).expect("it is sound")
                    {
                        Prefix::Needs(_) => true,
                        Prefix::NeedsAtLeast(more) => {
                            at_hand = more;
                            false
                        }
                    }
                })
                .expect("it ends with the stream")
        });
        assert!(times[0] > 5 && times[1] == 2, "{progression:?}: {times:?}");
    }
}
