//! The kernels on a GPU compute what those on the CPU do.
//!
//! On a machine with an NVIDIA driver the tests run on its first GPU. Elsewhere, or with
//! `MAMMO_PIPE_CUDA_EMULATED=1`, they run on an emulated one (`emulator.rs`): the same source
//! and the same launches, on the host, which a C++ compiler builds. So the arithmetic, the
//! arguments and the shapes are held to the CPU's everywhere; what the chip itself does, and
//! how fast, only a GPU can show.

#[path = "../common/mod.rs"]
mod common;
mod emulator;
mod network;
mod ops;

use std::sync::OnceLock;

use mammo_pipe::model::Precision;
use mammo_pipe::model::kernels::cuda::Cuda;
use mammo_pipe::model::kernels::cuda::library::{self, FOLDERS, Nvidia};

/// Whether there is a GPU, emulated or not; says why not.
#[allow(unsafe_code)]
fn gpu() -> bool {
    static THERE: OnceLock<Result<(), String>> = OnceLock::new();
    let there = THERE.get_or_init(|| {
        let emulated = std::env::var_os("MAMMO_PIPE_CUDA_EMULATED").is_some();
        if !emulated && library::open(Nvidia::Driver).is_ok() {
            return Ok(());
        }
        let folder = emulator::build()?;
        // SAFETY: no other thread reads the environment by C's getenv meanwhile: every test comes
        // through here first.
        unsafe {
            std::env::set_var(FOLDERS, &folder);
            std::env::set_var("XDG_CACHE_HOME", &folder);
        }
        Ok(())
    });
    if let Err(reason) = there {
        common::skip(reason);
    }
    there.is_ok()
}

fn cuda(precision: Precision) -> Cuda {
    Cuda::new(0, precision).unwrap()
}

#[test]
fn a_gpu_that_is_not_there_is_refused_with_those_that_are() {
    if !gpu() {
        return;
    }
    let refused = Cuda::new(77, Precision::F32).err().unwrap().to_string();
    assert!(refused.starts_with("there is no GPU cuda:77: this machine has"), "{refused}");
}
