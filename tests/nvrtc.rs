//! NVIDIA's run-time compiler takes the kernels, for the chips that are about. It needs no GPU.
//!
//! In a process of its own: NVRTC looks for a driver among the libraries that are loaded, and
//! crashes on the emulated one of `tests/cuda`.

mod common;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use libloading::Library;
use mammo_pipe::model::Precision;
use mammo_pipe::model::kernels::cuda::library::{self, Nvidia};
use mammo_pipe::model::kernels::cuda::{SOURCE, compile};

/// NVIDIA's compiler, where one is found (`MAMMO_PIPE_CUDA_LIBS`).
fn nvrtc() -> Result<&'static Library, &'static str> {
    static FOUND: OnceLock<Result<Library, String>> = OnceLock::new();
    let found = FOUND.get_or_init(|| library::open(Nvidia::Nvrtc).map_err(|e| e.to_string()));
    found.as_ref().map_err(String::as_str)
}

/// What the compiler says that a kernel takes.
#[derive(Debug, Default)]
struct Taken {
    spilled: usize,
    registers: usize,
    shared: usize,
}

/// The number in front of `what` in a line such as `Used 40 registers, 2048 bytes smem`.
fn number(line: &str, what: &str) -> Option<usize> {
    let before = &line[..line.find(what)?];
    before.split_whitespace().next_back()?.parse().ok()
}

fn taken(log: &str) -> BTreeMap<String, Taken> {
    let mut kernels: BTreeMap<String, Taken> = BTreeMap::new();
    let mut name = String::new();
    for line in log.lines() {
        if let Some((_, rest)) = line.split_once("Compiling entry function '") {
            name = rest.split('\'').next().unwrap().into();
            kernels.insert(name.clone(), Taken::default());
        }
        let Some(kernel) = kernels.get_mut(&name) else { continue };
        kernel.spilled = number(line, "bytes spill stores").unwrap_or(kernel.spilled);
        kernel.registers = number(line, "registers").unwrap_or(kernel.registers);
        kernel.shared = number(line, "bytes smem").unwrap_or(kernel.shared);
    }
    kernels
}

fn compiles_without_spilling(architecture: i32, precision: Precision) {
    let library = match nvrtc() {
        Ok(library) => library,
        Err(reason) => return common::skip(reason),
    };
    let compiled = compile(library, architecture, precision).unwrap();
    assert!(compiled.code.starts_with(b"\x7fELF"));
    assert!(!compiled.log.contains("warning"), "{}", compiled.log);
    let kernels = taken(&compiled.log);
    // The macros make 4 + 2 + 2 + 4 depthwise kernels and 2 inputs of one KERNEL each.
    let written = SOURCE.matches("\nKERNEL(").count() + 14;
    assert_eq!(kernels.len(), written, "{:?}", kernels.keys());
    for (name, kernel) in &kernels {
        assert!(kernel.registers > 0, "{name}: {kernel:?}");
        assert_eq!(kernel.spilled, 0, "{name} on sm_{architecture}: {kernel:?}");
        // What every chip has without being asked for more.
        assert!(kernel.shared <= 48 << 10, "{name} on sm_{architecture}: {kernel:?}");
    }
}

#[test]
fn kernels_compile_for_sm_80_in_bf16() {
    compiles_without_spilling(80, Precision::Bf16);
}

#[test]
fn kernels_compile_for_sm_86_in_f32() {
    compiles_without_spilling(86, Precision::F32);
}

#[test]
fn kernels_compile_for_sm_89_in_bf16() {
    compiles_without_spilling(89, Precision::Bf16);
}

#[test]
fn kernels_compile_for_sm_90_in_f32() {
    compiles_without_spilling(90, Precision::F32);
}
