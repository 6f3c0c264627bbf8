//! The beginning of a stream is enough for a reduced image, and is told from a truncated one.

use mammo_pipe::dataset::synth::encode::jpeg2000::{Markers, Options, Progression, encode};
use mammo_pipe::preprocess::decode::jpeg2000::{Decoder, Error, Prefix, Request, prefix};

use crate::streams::{Case, Random, case, texture};

/// What [`prefix`] asks for, given ever more bytes as it does, and how often it asked.
fn asked_for(bytes: &[u8], reduce: u8) -> Result<(usize, usize), Error> {
    let (mut at_hand, mut times) = (0, 0);
    loop {
        times += 1;
        match prefix(&bytes[..at_hand], bytes.len(), reduce)? {
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
fn a_truncated_stream_is_no_beginning() {
    let options = Options { precision: 12, ..Options::default() };
    let samples = texture(&mut Random(3), 200, 150, &options);
    let bytes = encode(&samples, 200, 150, &options).expect("a plain stream");
    let (needs, _) = asked_for(&bytes, 2).expect("a sound stream");
    for length in (needs + 1..bytes.len() - 2).step_by(97) {
        let found = prefix(&bytes[..length], length, 2);
        assert!(matches!(found, Err(Error::Truncated(_))), "{length}: {found:?}");
        // Nor is a file that ends before its stream does.
        let found = prefix(&bytes[..needs], length, 2);
        assert!(matches!(found, Ok(Prefix::NeedsAtLeast(_))), "{length}: {found:?}");
    }
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
                .find(|_| match prefix(&bytes[..at_hand], bytes.len(), 1).expect("it is sound") {
                    Prefix::Needs(_) => true,
                    Prefix::NeedsAtLeast(more) => {
                        at_hand = more;
                        false
                    }
                })
                .expect("it ends with the stream")
        });
        assert!(times[0] > 5 && times[1] == 2, "{progression:?}: {times:?}");
    }
}
