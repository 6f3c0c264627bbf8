//! An emulated GPU: CUDA's libraries for the host, built by the C++ compiler of the machine.
//!
//! `emulator/*.cpp` hold the functions of the driver, the run-time compiler and cuBLAS that the crate
//! calls. The source of the kernels is compiled into the driver. The libraries go into a folder of
//! the target directory, and the crate itself runs unchanged.

use std::path::{Path, PathBuf};
use std::process::Command;

use mammo_net::kernels::cuda::SOURCE;
use sha2::{Digest, Sha256};

/// Builds the libraries and gives their folder.
///
/// # Panics
/// If there is no C++ compiler.
pub fn build() -> PathBuf {
    let compiler = std::env::var("CXX").unwrap_or_else(|_| "g++".into());
    let there = Command::new(&compiler).arg("--version").output().is_ok();
    assert!(
        there,
        "no GPU, and no C++ compiler ({compiler}) to build an emulated one: install g++"
    );
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cuda/emulator");
    let mut hash = Sha256::new();
    hash.update(SOURCE);
    for file in ["host.hpp", "kernels.cpp", "driver.cpp", "nvrtc.cpp", "cublas.cpp"] {
        hash.update(std::fs::read(sources.join(file)).unwrap());
    }
    let name: String = hash.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("gpu-{name}"));
    if place.exists() {
        return place;
    }
    // Under another name first, in case another process builds it too.
    let folder = place.with_extension(std::process::id().to_string());
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("kernels.cu"), SOURCE).unwrap();
    let start = |output: &str, file: &str, more: &[&str]| {
        let mut command = Command::new(&compiler);
        command.args(["-std=c++17", "-O2", "-fPIC", "-fno-strict-aliasing", "-U_FORTIFY_SOURCE"]);
        command.args(["-Wall", "-Wno-unknown-pragmas", "-Wno-unused-function"]);
        command.arg("-I").arg(&folder).args(more);
        command.arg("-o").arg(folder.join(output)).arg(sources.join(file));
        command.spawn().unwrap()
    };
    let running = [
        start("16.o", "kernels.cpp", &["-c", "-DVALUE_BITS=16", "-DLAUNCH=launch_16"]),
        start("32.o", "kernels.cpp", &["-c", "-DVALUE_BITS=32", "-DLAUNCH=launch_32"]),
        start("driver.o", "driver.cpp", &["-c"]),
        start("libnvrtc.so.13", "nvrtc.cpp", &["-shared", "-Wl,-soname,libnvrtc.so.13"]),
        start("libcublas.so.13", "cublas.cpp", &["-shared", "-Wl,-soname,libcublas.so.13"]),
        start("libcublasLt.so.13", "nvrtc.cpp", &["-shared", "-Wl,-soname,libcublasLt.so.13"]),
    ];
    for mut child in running {
        assert!(child.wait().unwrap().success(), "the emulated GPU does not compile");
    }
    let linked = Command::new(&compiler)
        .args(["-shared", "-Wl,-soname,libcuda.so.1", "-o"])
        .args(["libcuda.so.1", "driver.o", "16.o", "32.o"].map(|file| folder.join(file)))
        .status();
    assert!(linked.unwrap().success(), "the emulated driver does not link");
    if std::fs::rename(&folder, &place).is_err() {
        assert!(place.exists(), "{} cannot be put in place", folder.display());
    }
    place
}
