//! Runs the reference: scripts of `tests/python`, by the Python that `MAMMO_PIPE_PYTHON` names.

use std::path::Path;
use std::process::Command;

/// The output of a script.
///
/// # Panics
/// If there is no such Python, or the script fails.
pub fn run(script: &str, arguments: &[&str]) -> String {
    let python = std::env::var_os("MAMMO_PIPE_PYTHON");
    let python = python.expect("MAMMO_PIPE_PYTHON names a Python with timm, torch and torchvision");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python").join(script);
    let output = Command::new(python).arg(script).args(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}
