//! Cut off at every byte, with every bit flipped, and pickles of random opcodes.

use std::collections::HashMap;

use mammo_net::weights::Tensors;
use safetensors::tensor::{Dtype, TensorView, serialize};

use crate::archive::{Member, Pickle, saved, zip};
use crate::load;

/// A checkpoint of two tensors, the second one transposed.
fn checkpoint() -> (Pickle, Vec<u8>) {
    let weights = Pickle::new().dict_of("state_dict").raw(b"}(").text("conv.weight");
    let weights = weights.tensor("0", 8, 2, &[2, 3], &[3, 1]).text("bn.bias");
    let pickle = weights.tensor("0", 8, 0, &[3, 2], &[1, 3]).raw(b"us.");
    let storage = (0..8).flat_map(|value| (value as f32).to_le_bytes()).collect();
    (pickle, storage)
}

fn expected() -> [(&'static str, Vec<usize>, Vec<f32>); 2] {
    [
        ("bn.bias", vec![3, 2], vec![0.0, 3.0, 1.0, 4.0, 2.0, 5.0]),
        ("conv.weight", vec![2, 3], vec![2.0, 3.0, 4.0, 5.0, 6.0, 7.0]),
    ]
}

fn is_right(tensors: &Tensors) -> bool {
    let found = tensors
        .iter()
        .map(|(name, tensor)| (name.as_str(), tensor.shape.clone(), tensor.values.clone()));
    found.eq(expected())
}

/// The checkpoint with its members stored, and deflated.
fn both() -> [Vec<u8>; 2] {
    let (pickle, storage) = checkpoint();
    let stored = saved(&pickle, &[&storage]);
    let deflated: Vec<Member> =
        stored.iter().map(|member| Member { deflated: true, ..member.clone() }).collect();
    [zip(&stored), zip(&deflated)]
}

/// A random number, xorshift.
fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// A bit of each byte, drawn at random.
fn one_bit_per_byte(bytes: &[u8]) -> Vec<usize> {
    let mut state = 5;
    (0..bytes.len()).map(|byte| byte * 8 + random(&mut state) as usize % 8).collect()
}

#[test]
fn a_checkpoint_that_is_cut_off_anywhere_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for bytes in both() {
        assert!(is_right(&load(folder.path(), "w.pth", &bytes).unwrap()));
        for length in 0..bytes.len() {
            let said = load(folder.path(), "w.pth", &bytes[..length]);
            assert!(said.is_err(), "{length} of {}", bytes.len());
        }
    }
}

#[test]
fn a_flipped_bit_of_a_checkpoint_ends_in_an_error_or_in_the_right_tensors() {
    let folder = tempfile::tempdir().unwrap();
    for mut bytes in both() {
        let mut refused = 0;
        for bit in one_bit_per_byte(&bytes) {
            bytes[bit / 8] ^= 1 << (bit % 8);
            match load(folder.path(), "w.pth", &bytes) {
                Ok(tensors) => assert!(is_right(&tensors), "bit {bit}: {tensors:?}"),
                Err(_) => refused += 1,
            }
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        assert!(refused > bytes.len() / 2, "{refused} of {} refused", bytes.len());
    }
}

/// With a checksum that fits, so that the pickle itself is read.
#[test]
fn a_flipped_bit_of_a_pickle_gives_no_more_values_than_the_storage_has() {
    let folder = tempfile::tempdir().unwrap();
    let (mut pickle, storage) = checkpoint();
    for bit in one_bit_per_byte(&pickle.0) {
        pickle.0[bit / 8] ^= 1 << (bit % 8);
        if let Ok(tensors) = load(folder.path(), "w.pth", &zip(&saved(&pickle, &[&storage]))) {
            assert!(tensors.values().all(|tensor| tensor.values.len() <= 64), "bit {bit}");
        }
        pickle.0[bit / 8] ^= 1 << (bit % 8);
    }
    for length in 0..pickle.0.len() {
        let cut = Pickle(pickle.0[..length].to_vec());
        assert!(load(folder.path(), "w.pth", &zip(&saved(&cut, &[&storage]))).is_err(), "{length}");
    }
}

#[test]
fn pickles_of_random_opcodes_never_crash() {
    let folder = tempfile::tempdir().unwrap();
    let (pickle, storage) = checkpoint();
    // The values of a checkpoint, put together in another order with opcodes of every kind between.
    let opcodes = b"\x85\x86\x87()}tRQbaseu01NK\x94hqjr\x81\x88]\x8f\x90\x91\x92\x93.cXGM";
    let mut state = 11;
    for _ in 0..4000 {
        let mut mixed = Pickle::new();
        while !random(&mut state).is_multiple_of(60) {
            let from = random(&mut state) as usize % pickle.0.len();
            let length = random(&mut state) as usize % 60;
            mixed = match random(&mut state) % 4 {
                0 => mixed.text("storage").global("torch", "FloatStorage"),
                1 => mixed.raw(&pickle.0[from..pickle.0.len().min(from + length)]),
                _ => mixed.raw(&[opcodes[random(&mut state) as usize % opcodes.len()]]),
            };
        }
        let bytes = zip(&saved(&mixed.raw(b"."), &[&storage]));
        if let Ok(tensors) = load(folder.path(), "w.pth", &bytes) {
            assert!(!tensors.is_empty());
        }
    }
}

#[test]
fn safetensors_that_are_damaged_end_in_an_error_or_in_as_many_values() {
    let folder = tempfile::tempdir().unwrap();
    let data: Vec<u8> = (0..48).collect();
    let views = [("a", 0..24, vec![2, 3]), ("b", 24..48, vec![6])].map(|(name, range, shape)| {
        (name, TensorView::new(Dtype::F32, shape, &data[range]).unwrap())
    });
    let mut bytes = serialize(views, None::<HashMap<String, String>>).unwrap();
    assert_eq!(load(folder.path(), "w.safetensors", &bytes).unwrap().len(), 2);
    for length in 0..bytes.len() {
        assert!(load(folder.path(), "w.safetensors", &bytes[..length]).is_err(), "{length}");
    }
    for bit in one_bit_per_byte(&bytes) {
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(tensors) = load(folder.path(), "w.safetensors", &bytes) {
            let values: usize = tensors.values().map(|tensor| tensor.values.len()).sum();
            assert!(values <= 24, "bit {bit}: {values}");
        }
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
}
