//! Finds NVIDIA's libraries at run time.
//!
//! A program with the feature `cuda` starts without them. When a GPU is asked for, each library is
//! searched for in the folders that the variable [`FOLDERS`] names, then in the usual folder of the
//! CUDA toolkit, then where the system's loader looks. A library that is loaded here by its path is
//! found again by its name in cudarc.

use std::path::{Path, PathBuf};

use libloading::Library;

use super::super::Result;
use crate::ModelError;

/// The environment variable with the folders to search first, separated by `:`.
pub const FOLDERS: &str = "MAMMO_PIPE_CUDA_LIBS";

/// One of NVIDIA's libraries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nvidia {
    /// The driver, libcuda.
    Driver,
    /// The run-time compiler, NVRTC.
    Nvrtc,
    /// Matrix products, cuBLAS.
    Cublas,
}

impl Nvidia {
    /// Its files, the newest version first. Each file comes after what it needs from the same folder.
    fn files(self) -> &'static [&'static [&'static str]] {
        match self {
            Self::Driver => &[&["libcuda.so.1"], &["nvcuda.dll"]],
            Self::Nvrtc => &[
                &["libnvrtc.so.13"],
                &["libnvrtc.so.12"],
                &["nvrtc64_130_0.dll"],
                &["nvrtc64_120_0.dll"],
            ],
            Self::Cublas => &[
                &["libcublasLt.so.13", "libcublas.so.13"],
                &["libcublasLt.so.12", "libcublas.so.12"],
                &["cublasLt64_13.dll", "cublas64_13.dll"],
                &["cublasLt64_12.dll", "cublas64_12.dll"],
            ],
        }
    }

    /// What to do if it is not found.
    fn advice(self) -> String {
        let package = match self {
            Self::Driver => {
                return "no NVIDIA driver was found (libcuda.so.1): install the driver of your \
                        GPU, or compute on the device cpu"
                    .into();
            }
            Self::Nvrtc => "nvidia-cuda-nvrtc",
            Self::Cublas => "nvidia-cublas",
        };
        let what = match self {
            Self::Nvrtc => "NVIDIA's run-time compiler was not found (libnvrtc.so.13 or .12)",
            _ => "cuBLAS was not found (libcublas.so.13 or .12)",
        };
        format!(
            "{what}: install the CUDA toolkit, or `pip install {package}` and set {FOLDERS} to \
             the folder that it fills, `python -c \"import nvidia; \
             print(list(nvidia.__path__)[0] + '/cu13/lib')\"`"
        )
    }
}

/// Loads a library. It stays loaded as long as the result lives.
///
/// # Errors
/// [`ModelError::Device`], which says how to get the library.
pub fn open(library: Nvidia) -> Result<Library> {
    let folders = std::env::var_os(FOLDERS).unwrap_or_default();
    let mut places: Vec<Option<PathBuf>> = std::env::split_paths(&folders).map(Some).collect();
    places.extend([Some("/usr/local/cuda/lib64".into()), None]);
    open_in(library, &places).ok_or_else(|| ModelError::Device(library.advice()))
}

/// The first file that can be loaded. The place `None` is where the system's loader looks.
fn open_in(library: Nvidia, places: &[Option<PathBuf>]) -> Option<Library> {
    let all =
        places.iter().flat_map(|place| library.files().iter().map(move |files| (place, files)));
    all.into_iter().find_map(|(place, files)| {
        let paths = files.iter().map(|file| place.as_deref().unwrap_or(Path::new("")).join(file));
        let mut last = None;
        for path in paths {
            // SAFETY: these are NVIDIA's libraries, made to be loaded by any program; their
            // initialisers ask for nothing.
            #[allow(unsafe_code)]
            let loaded = unsafe { Library::new(path) };
            // The file before is released only now, when its user holds it.
            last = Some(loaded.ok()?);
        }
        last
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_the_way_to_get_it() {
        let nowhere = [Some(PathBuf::from("/nonexistent"))];
        for (library, words) in [
            (Nvidia::Driver, ["libcuda.so.1", "the device cpu"]),
            (Nvidia::Nvrtc, ["libnvrtc.so.13", "pip install nvidia-cuda-nvrtc"]),
            (Nvidia::Cublas, ["libcublas.so.13", "pip install nvidia-cublas"]),
        ] {
            assert!(open_in(library, &nowhere).is_none());
            let advice = library.advice();
            assert!(words.iter().all(|word| advice.contains(word)), "{advice}");
        }
    }
}
