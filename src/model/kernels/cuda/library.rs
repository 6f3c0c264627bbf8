//! Where NVIDIA's libraries are found at run time.
//!
//! A program with the feature `cuda` starts without them. When a GPU is asked for, each is
//! looked for in the folders that [`FOLDERS`] names, then in the toolkit's usual folder, then
//! wherever the loader of the system looks. What is loaded by its path here is found again by
//! its name in cudarc.

use std::path::{Path, PathBuf};

use libloading::Library;

use super::super::Result;
use crate::model::ModelError;

/// The environment variable that names folders, separated by `:`, to look in first.
pub const FOLDERS: &str = "MAMMO_PIPE_CUDA_LIBS";

/// One of NVIDIA's libraries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nvidia {
    /// The driver's.
    Driver,
    /// The run-time compiler.
    Nvrtc,
    /// Matrix products.
    Cublas,
}

impl Nvidia {
    /// Names of its files, the newest first, each after what it needs from the same folder.
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

    /// What to do where it is not found.
    fn advice(self) -> String {
        let package = match self {
            Self::Driver => {
                return "no NVIDIA driver was found (libcuda.so.1): install the driver of your \
                        GPU, or take --device cpu"
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

/// Loads a library; it stays loaded as long as the result lives.
///
/// # Errors
/// [`ModelError::Device`]: which is missing, and how to get it.
pub fn open(library: Nvidia) -> Result<Library> {
    let folders = std::env::var_os(FOLDERS).unwrap_or_default();
    let mut places: Vec<Option<PathBuf>> = std::env::split_paths(&folders).map(Some).collect();
    places.extend([Some("/usr/local/cuda/lib64".into()), None]);
    open_in(library, &places).ok_or_else(|| ModelError::Device(library.advice()))
}

/// The first that can be loaded; `None` is where the system looks.
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
            // The one before is let go of only now that its user holds it.
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
            (Nvidia::Driver, ["libcuda.so.1", "--device cpu"]),
            (Nvidia::Nvrtc, ["libnvrtc.so.13", "pip install nvidia-cuda-nvrtc"]),
            (Nvidia::Cublas, ["libcublas.so.13", "pip install nvidia-cublas"]),
        ] {
            assert!(open_in(library, &nowhere).is_none());
            let advice = library.advice();
            assert!(words.iter().all(|word| advice.contains(word)), "{advice}");
        }
    }
}
