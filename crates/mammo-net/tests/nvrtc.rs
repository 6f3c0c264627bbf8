//! NVIDIA's run-time compiler (NVRTC) takes the kernels, for the common chips. It needs no GPU.
//!
//! This is a process of its own: NVRTC looks for a driver among the loaded libraries, and crashes on
//! the emulated one of `tests/cuda`.

use mammo_net::Precision;
use mammo_net::kernels::cuda::library::{self, Nvidia};
use mammo_net::kernels::cuda::{SOURCE, compile};
use std::collections::BTreeMap;

/// What a kernel takes, as the compiler says.
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
    let library = library::open(Nvidia::Nvrtc).unwrap();
    let compiled = compile(&library, architecture, precision).unwrap();
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
#[ignore = "needs NVRTC, in a folder of MAMMO_PIPE_CUDA_LIBS"]
fn kernels_compile_for_sm_80_in_bf16() {
    compiles_without_spilling(80, Precision::Bf16);
}

#[test]
#[ignore = "needs NVRTC, in a folder of MAMMO_PIPE_CUDA_LIBS"]
fn kernels_compile_for_sm_86_in_f32() {
    compiles_without_spilling(86, Precision::F32);
}

#[test]
#[ignore = "needs NVRTC, in a folder of MAMMO_PIPE_CUDA_LIBS"]
fn kernels_compile_for_sm_89_in_bf16() {
    compiles_without_spilling(89, Precision::Bf16);
}

#[test]
#[ignore = "needs NVRTC, in a folder of MAMMO_PIPE_CUDA_LIBS"]
fn kernels_compile_for_sm_90_in_f32() {
    compiles_without_spilling(90, Precision::F32);
}
