//! The kernels on a GPU compute what the kernels on the CPU do.
//!
//! On a machine with an NVIDIA driver the tests run on its first GPU. Elsewhere, or with
//! `MAMMO_PIPE_CUDA_EMULATED=1`, they run on an emulated one (`emulator.rs`), which a C++ compiler
//! builds: the same source and the same launches, on the host. So the arithmetic, the arguments and
//! the shapes are compared with the CPU's everywhere. What the chip itself does, and how fast it is,
//! only a GPU can show.

mod emulator;
mod network;
mod ops;

use std::sync::Once;

use mammo_net::Precision;
use mammo_net::kernels::cuda::Cuda;
use mammo_net::kernels::cuda::library::{self, FOLDERS, Nvidia};

/// Makes sure that there is a GPU, emulated or not. Every test calls it first.
///
/// # Panics
/// If there is neither a GPU nor a C++ compiler for an emulated one.
#[allow(unsafe_code)]
fn gpu() {
    static THERE: Once = Once::new();
    THERE.call_once(|| {
        let emulated = std::env::var_os("MAMMO_PIPE_CUDA_EMULATED").is_some();
        if !emulated && library::open(Nvidia::Driver).is_ok() {
            return;
        }
        let folder = emulator::build();
        // SAFETY: no other thread reads the environment by C's getenv meanwhile, because every test
        // waits here first.
        unsafe {
            std::env::set_var(FOLDERS, &folder);
            std::env::set_var("XDG_CACHE_HOME", &folder);
        }
    });
}

fn cuda(precision: Precision) -> Cuda {
    Cuda::new(0, precision).unwrap()
}

#[test]
fn a_gpu_that_is_not_there_is_refused_with_those_that_are() {
    gpu();
    let refused = Cuda::new(77, Precision::F32).err().unwrap().to_string();
    assert!(refused.starts_with("there is no GPU cuda:77: this machine has"), "{refused}");
}
