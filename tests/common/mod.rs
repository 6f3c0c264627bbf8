//! What integration tests share.
#![allow(dead_code)]

pub mod browser;
pub mod dicom_file;
pub mod needs;
pub mod release;
pub mod run;

use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

/// The folder of real files beside the checkout; says on stderr that a test skips without it.
pub fn shared() -> Option<PathBuf> {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    if !shared.join("decoded_sha256.csv").exists() {
        eprintln!("skipped: {} has no decoded_sha256.csv", shared.display());
        return None;
    }
    Some(shared)
}

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

/// Runs a script of `tests/interop`; `None` if there is no Python to run it with.
pub fn python(script: &str, arguments: &[&str]) -> Option<String> {
    let Some(python) = std::env::var_os("MAMMO_PIPE_PYTHON") else {
        skip("MAMMO_PIPE_PYTHON is not set");
        return None;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop").join(script);
    let output = Command::new(python).arg(script).args(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    Some(text)
}

/// Says that a test skips for want of an engine; in CI none may be wanting.
pub fn skip(reason: &str) {
    assert!(std::env::var_os("MAMMO_PIPE_REQUIRE_ENGINES").is_none(), "{reason}");
    eprintln!("skipped: {reason}");
}
