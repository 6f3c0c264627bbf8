//! Compiles the kernels for a GPU, by NVIDIA's run-time compiler (NVRTC).
//!
//! In: the source, an architecture such as 90 for sm_90, a precision. Out: a cubin. It takes some
//! seconds, so the result is stored in the user's cache folder, under a hash of everything that
//! decides it.

// Calls into a C library: handles and sizes come from it, buffers are ours.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::PathBuf;
use std::ptr::{null, null_mut};

use libloading::{Library, Symbol};
use sha2::{Digest, Sha256};

use super::super::Result;
use crate::{ModelError, Precision};

/// The kernels, in CUDA C++.
pub const SOURCE: &str = concat!(
    include_str!("source/prelude.cu"),
    include_str!("source/rows.cu"),
    include_str!("source/norm.cu"),
    include_str!("source/excite.cu"),
    include_str!("source/stem.cu"),
    include_str!("source/depthwise.cu"),
    include_str!("source/depthwise_weights.cu"),
    include_str!("source/optimizer.cu"),
);

/// Machine code, and the compiler's log about it (registers and spills of each kernel).
#[derive(Debug, Clone)]
pub struct Compiled {
    /// The cubin.
    pub code: Vec<u8>,
    /// The compiler's log.
    pub log: String,
}

fn options(architecture: i32, precision: Precision) -> Vec<String> {
    let bits = match precision {
        Precision::F32 => 32,
        Precision::Bf16 => 16,
    };
    vec![
        format!("--gpu-architecture=sm_{architecture}"),
        format!("-DVALUE_BITS={bits}"),
        "--std=c++17".into(),
        "--ptxas-options=-v".into(),
    ]
}

/// Compiles [`SOURCE`] by the compiler in `library`, for sm_`architecture`.
///
/// # Errors
/// [`ModelError::Device`] with the compiler's log.
pub fn compile(library: &Library, architecture: i32, precision: Precision) -> Result<Compiled> {
    let compiler = Compiler { library };
    let mut program = Program { compiler: &compiler, handle: null_mut() };
    let source = CString::new(SOURCE).expect("the source holds no zero byte");
    type Create = unsafe extern "C" fn(
        *mut *mut c_void,
        *const c_char,
        *const c_char,
        c_int,
        *const *const c_char,
        *const *const c_char,
    ) -> c_int;
    let create = compiler.function::<Create>("nvrtcCreateProgram")?;
    // SAFETY: both strings end in zero and outlive the call; there are no headers.
    let status = unsafe {
        create(&mut program.handle, source.as_ptr(), c"kernels.cu".as_ptr(), 0, null(), null())
    };
    compiler.check(status, String::new)?;
    let options: Vec<CString> = options(architecture, precision)
        .into_iter()
        .map(|option| CString::new(option).expect("options hold no zero byte"))
        .collect();
    let places: Vec<*const c_char> = options.iter().map(|option| option.as_ptr()).collect();
    type Compile = unsafe extern "C" fn(*mut c_void, c_int, *const *const c_char) -> c_int;
    let run = compiler.function::<Compile>("nvrtcCompileProgram")?;
    // SAFETY: the program was created above, and the number of options is correct.
    let status = unsafe { run(program.handle, places.len() as c_int, places.as_ptr()) };
    let log = program.read("nvrtcGetProgramLogSize", "nvrtcGetProgramLog")?;
    let log = String::from_utf8_lossy(&log).trim_end_matches('\0').to_string();
    compiler.check(status, || format!(":\n{log}"))?;
    let code = program.read("nvrtcGetCUBINSize", "nvrtcGetCUBIN")?;
    Ok(Compiled { code, log })
}

/// The cubin for a GPU, from the cache; if it is not there, it is compiled and stored.
pub fn cached(library: &Library, architecture: i32, precision: Precision) -> Result<Vec<u8>> {
    let place = cache_folder().zip(Compiler { library }.version());
    let place = place.map(|(folder, (major, minor))| {
        let mut hash = Sha256::new();
        hash.update(SOURCE);
        hash.update(options(architecture, precision).join(" "));
        hash.update(format!("nvrtc {major}.{minor}"));
        let name: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        folder.join(format!("{name}.cubin"))
    });
    if let Some(code) = place.as_ref().and_then(|place| std::fs::read(place).ok()) {
        return Ok(code);
    }
    let code = compile(library, architecture, precision)?.code;
    if let Some(place) = place {
        // If the cache cannot be written, the next start takes some seconds longer, and that is all.
        let _ = store(&place, &code);
    }
    Ok(code)
}

/// Writes to another name first, so that no process reads an incomplete file.
fn store(place: &std::path::Path, code: &[u8]) -> std::io::Result<()> {
    std::fs::create_dir_all(place.parent().expect("the cache folder"))?;
    let aside = place.with_extension(format!("{}.tmp", std::process::id()));
    std::fs::write(&aside, code)?;
    std::fs::rename(aside, place)
}

fn cache_folder() -> Option<PathBuf> {
    let given = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = given("XDG_CACHE_HOME").or_else(|| Some(given("HOME")?.join(".cache")))?;
    Some(cache.join("mammo-net").join("kernels"))
}

struct Compiler<'a> {
    library: &'a Library,
}

impl Compiler<'_> {
    /// The function of this name. `F` is its type in nvrtc.h.
    fn function<F>(&self, name: &str) -> Result<Symbol<'_, F>> {
        // SAFETY: every caller gives the type of the function in nvrtc.h, which has not changed
        // since these functions came in.
        unsafe { self.library.get(name.as_bytes()) }.map_err(|_| {
            let reason = format!("NVIDIA's run-time compiler lacks {name}; it is too old");
            ModelError::Device(reason)
        })
    }

    fn version(&self) -> Option<(c_int, c_int)> {
        type Version = unsafe extern "C" fn(*mut c_int, *mut c_int) -> c_int;
        let (mut major, mut minor) = (0, 0);
        // SAFETY: both are places for a number.
        let status =
            unsafe { self.function::<Version>("nvrtcVersion").ok()?(&mut major, &mut minor) };
        (status == 0).then_some((major, minor))
    }

    fn check(&self, status: c_int, more: impl FnOnce() -> String) -> Result<()> {
        if status == 0 {
            return Ok(());
        }
        type Name = unsafe extern "C" fn(c_int) -> *const c_char;
        let name = self.function::<Name>("nvrtcGetErrorString")?;
        // SAFETY: it gives a constant string for any number.
        let name = unsafe { CStr::from_ptr(name(status)) }.to_string_lossy();
        Err(ModelError::Device(format!("NVIDIA's run-time compiler says {name}{}", more())))
    }
}

struct Program<'a> {
    compiler: &'a Compiler<'a>,
    handle: *mut c_void,
}

impl Program<'_> {
    /// The output of the function `content`, whose size comes from the function `size`.
    fn read(&self, size: &str, content: &str) -> Result<Vec<u8>> {
        type Size = unsafe extern "C" fn(*mut c_void, *mut usize) -> c_int;
        type Content = unsafe extern "C" fn(*mut c_void, *mut c_char) -> c_int;
        let mut bytes = 0;
        // SAFETY: the program exists.
        let status = unsafe { self.compiler.function::<Size>(size)?(self.handle, &mut bytes) };
        self.compiler.check(status, String::new)?;
        let mut out = vec![0_u8; bytes];
        let place = out.as_mut_ptr().cast();
        // SAFETY: the buffer is as large as was asked for.
        let status = unsafe { self.compiler.function::<Content>(content)?(self.handle, place) };
        self.compiler.check(status, String::new)?;
        Ok(out)
    }
}

impl Drop for Program<'_> {
    fn drop(&mut self) {
        type Destroy = unsafe extern "C" fn(*mut *mut c_void) -> c_int;
        if self.handle.is_null() {
            return;
        }
        if let Ok(destroy) = self.compiler.function::<Destroy>("nvrtcDestroyProgram") {
            // SAFETY: created, and not destroyed before.
            unsafe { destroy(&mut self.handle) };
        }
    }
}
