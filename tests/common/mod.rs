//! What integration tests share.
#![allow(dead_code)]

pub mod browser;
pub mod dicom_file;
pub mod disk;
#[cfg(target_os = "linux")]
pub mod faults;
pub mod needs;
pub mod release;
pub mod run;

use sha2::{Digest, Sha256};

/// How much a long suite does: `small` unless `MAMMO_PIPE_TEST_SIZE=full` asks for more. Either
/// is the same every time.
pub fn sized<T>(small: T, full: T) -> T {
    match std::env::var("MAMMO_PIPE_TEST_SIZE").as_deref() {
        Err(_) | Ok("small") => small,
        Ok("full") => full,
        Ok(other) => panic!("MAMMO_PIPE_TEST_SIZE is {other}, needs small or full"),
    }
}

/// The first 16 hex digits of the SHA-256 of samples as little-endian words.
pub fn sha256_16(samples: &[u16]) -> String {
    let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    Sha256::digest(&bytes)[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}
