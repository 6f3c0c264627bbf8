//! What a test needs that a checkout alone does not have.
//!
//! Such a test is `#[ignore = "needs ..."]`, so that `cargo test` names it and goes on. Asked for
//! with `-- --include-ignored`, as `.ci/run` does, it fails where the thing is absent, and says
//! what to install.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The folder of real files beside the checkout.
pub fn real_files() -> PathBuf {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let table = shared.join("decoded_sha256.csv");
    assert!(table.exists(), "needs the real files: {} is not there", table.display());
    shared
}

/// What a script of `tests/interop` prints; fails if the script does.
pub fn python(script: &str, arguments: &[&str]) -> String {
    let python = std::env::var_os("MAMMO_PIPE_PYTHON").expect(
        "MAMMO_PIPE_PYTHON has to name a Python with the packages of \
         tests/interop/requirements.txt",
    );
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop").join(script);
    let output = run(Command::new(python).arg(script).args(arguments), "a Python");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// What a program leaves; fails if it cannot be started, naming the Debian package it is in.
pub fn run(program: &mut Command, package: &str) -> Output {
    let name = program.get_program().to_string_lossy().into_owned();
    program.output().unwrap_or_else(|error| panic!("needs {name} ({package}): {error}"))
}
