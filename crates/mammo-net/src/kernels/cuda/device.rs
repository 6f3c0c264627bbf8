//! One GPU: memory, copies, launches and products, queued on one stream.
//!
//! Every launch must be given addresses of buffers that are large enough. The launches in the
//! neighbouring files see to that by shapes. A buffer may be dropped as soon as the work that reads
//! it is queued, because it is freed on the stream, after that work.

// Calls into the CUDA driver and cuBLAS, through cudarc.
#![allow(unsafe_code)]

mod context;
mod launch;

use std::collections::HashMap;
use std::ffi::c_int;
use std::sync::Arc;

use cudarc::cublas::{result as cublas, sys as cublas_sys};
use cudarc::driver::result as driver;
use cudarc::driver::sys;

pub use self::context::Memory;
use self::context::{Context, Slot, fault};
pub use self::launch::{Argument, Factor, Product};

use super::super::Result;
use super::compile;
use super::library::{self, Nvidia};
use crate::{ModelError, Precision};

/// The lowest compute capability with bf16, times 10.
const OLDEST: i32 = 80;

/// The GPU.
pub struct Device {
    /// Its name.
    pub name: String,
    /// The precision of the activations.
    pub precision: Precision,
    context: Arc<Context>,
    module: sys::CUmodule,
    functions: HashMap<&'static str, sys::CUfunction>,
    products: cublas_sys::cublasHandle_t,
    /// Two, so that one can be filled while the other is still being copied.
    slots: [Slot; 2],
    turn: usize,
}

// SAFETY: as for `Context`; everything else is used through `&mut self` or by the driver alone.
unsafe impl Send for Device {}

impl Device {
    /// Loads the libraries, takes the GPU of this number and compiles the kernels for it.
    pub fn open(number: usize, precision: Precision) -> Result<Self> {
        // cudarc panics if a library is missing, so each is loaded before its first use. It stays
        // loaded, because cudarc has its own handle too.
        let _driver = library::open(Nvidia::Driver)?;
        driver::init().map_err(|e| fault("starting CUDA", e))?;
        let count = driver::device::get_count().map_err(|e| fault("counting GPUs", e))?;
        let ordinal = c_int::try_from(number).ok().filter(|ordinal| *ordinal < count);
        let Some(ordinal) = ordinal else {
            let there = match count {
                0 => "this machine has none".into(),
                1 => "this machine has one, cuda:0".into(),
                _ => format!("this machine has {count}, cuda:0 to cuda:{}", count - 1),
            };
            return Err(ModelError::Device(format!("there is no GPU cuda:{number}: {there}")));
        };
        let device = driver::device::get(ordinal).map_err(|e| fault("the GPU", e))?;
        let name = driver::device::get_name(device).map_err(|e| fault("the GPU's name", e))?;
        use sys::CUdevice_attribute as Attribute;
        let attribute = |which: Attribute| {
            // SAFETY: the device is there.
            unsafe { driver::device::get_attribute(device, which) }.map_err(|e| fault(&name, e))
        };
        let architecture = 10 * attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?
            + attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?;
        if architecture < OLDEST {
            let reason = format!(
                "{name} (cuda:{number}) has compute capability {}.{}, and 8.0 is needed (Ampere \
                 or newer)",
                architecture / 10,
                architecture % 10
            );
            return Err(ModelError::Device(reason));
        }
        if attribute(Attribute::CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED)? == 0 {
            let reason = format!("the driver of {name} has no memory pools; a newer one is needed");
            return Err(ModelError::Device(reason));
        }
        let compiler = library::open(Nvidia::Nvrtc)?;
        let _products = library::open(Nvidia::Cublas)?;
        let context = Arc::new(Context::take(device).map_err(|e| fault(&name, e))?);
        let code = compile::cached(&compiler, architecture, precision)?;
        // SAFETY: a cubin names its own length.
        let module = unsafe { driver::module::load_data(code.as_ptr().cast()) };
        let module = module.map_err(|e| fault("loading the kernels", e))?;
        let products = launch::products(&context)?;
        let slots = [Slot::new()?, Slot::new()?];
        let functions = HashMap::new();
        Ok(Self { name, precision, context, module, functions, products, slots, turn: 0 })
    }

    /// Bytes of one number of an activation.
    pub fn value_bytes(&self) -> usize {
        match self.precision {
            Precision::F32 => 4,
            Precision::Bf16 => 2,
        }
    }

    /// A buffer. It holds anything.
    pub fn allocate(&mut self, bytes: usize) -> Result<Memory> {
        self.allocate_on(self.context.stream, bytes)
    }

    fn allocate_on(&self, stream: sys::CUstream, bytes: usize) -> Result<Memory> {
        self.context.enter()?;
        // SAFETY: the stream is the context's.
        let address = unsafe { driver::malloc_async(stream, bytes.max(16)) }.map_err(|e| {
            if e.0 == sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY {
                let reason = format!(
                    "{} has no memory left for another {} MiB: take smaller batches or images, \
                     bf16, or gradient checkpointing",
                    self.name,
                    bytes.div_ceil(1 << 20)
                );
                return ModelError::Device(reason);
            }
            fault("memory", e)
        })?;
        Ok(Memory { address, bytes, context: self.context.clone() })
    }

    /// Sets a buffer to zero.
    pub fn clear(&mut self, memory: &Memory) -> Result<()> {
        self.context.enter()?;
        // SAFETY: the buffer has as many bytes.
        let done = unsafe {
            driver::memset_d8_async(memory.address, 0, memory.bytes, self.context.stream)
        };
        done.map_err(|e| fault("clearing memory", e))
    }

    /// Copies from the host. The driver has read pageable memory such as `bytes` when it returns.
    pub fn write(&mut self, memory: &Memory, bytes: &[u8]) -> Result<()> {
        assert!(bytes.len() <= memory.bytes, "{} bytes into {}", bytes.len(), memory.bytes);
        self.context.enter()?;
        // SAFETY: the buffer is large enough.
        let done = unsafe { driver::memcpy_htod_async(memory.address, bytes, self.context.stream) };
        done.map_err(|e| fault("a copy to the GPU", e))
    }

    /// Copies to the host, after all that was queued. Errors of kernels show here.
    pub fn read(&self, memory: &Memory, bytes: &mut [u8]) -> Result<()> {
        assert!(bytes.len() <= memory.bytes, "{} bytes from {}", bytes.len(), memory.bytes);
        self.context.enter()?;
        let stream = self.context.stream;
        // SAFETY: the buffer is large enough, and the copy has ended before `bytes` is read.
        unsafe {
            driver::memcpy_dtoh_async(bytes, memory.address, stream)
                .and_then(|()| driver::stream::synchronize(stream))
        }
        .map_err(|e| fault("a copy from the GPU", e))
    }

    /// Copies on the device, between buffers of one size.
    pub fn copy(&mut self, from: &Memory, to: &Memory) -> Result<()> {
        assert_eq!(from.bytes, to.bytes);
        self.context.enter()?;
        let stream = self.context.stream;
        // SAFETY: both buffers have as many bytes.
        unsafe { driver::memcpy_dtod_async(to.address, from.address, from.bytes, stream) }
            .map_err(|e| fault("a copy on the GPU", e))
    }

    /// Copies from the host through pinned memory, on a stream of its own. The copy overlaps with the
    /// work that is queued already; work that is queued later waits for it.
    pub fn stage(&mut self, bytes: &[u8]) -> Result<Memory> {
        let memory = self.allocate_on(self.context.copies, bytes.len())?;
        self.turn = 1 - self.turn;
        let slot = &mut self.slots[self.turn];
        slot.take(bytes.len())?;
        // SAFETY: the slot is large enough, and no copy reads it any more (`take` waits). The
        // device's buffer comes from the copying stream, so nothing queued still uses it.
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), slot.host.cast(), bytes.len());
            let pinned = std::slice::from_raw_parts(slot.host.cast::<u8>(), bytes.len());
            driver::memcpy_htod_async(memory.address, pinned, self.context.copies)
                .and_then(|()| driver::event::record(slot.copied, self.context.copies))
                .and_then(|()| {
                    let flags = sys::CUevent_wait_flags::CU_EVENT_WAIT_DEFAULT;
                    driver::stream::wait_event(self.context.stream, slot.copied, flags)
                })
        }
        .map_err(|e| fault("a batch on its way to the GPU", e))?;
        Ok(memory)
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        // SAFETY: all of it is ours, and nothing is queued any more after the wait.
        unsafe {
            let _ = self.context.enter();
            let _ = driver::stream::synchronize(self.context.stream);
            let _ = driver::stream::synchronize(self.context.copies);
            let _ = cublas::destroy_handle(self.products);
            let _ = driver::module::unload(self.module);
            for slot in &self.slots {
                let _ = driver::event::destroy(slot.copied);
                if !slot.host.is_null() {
                    let _ = driver::free_host(slot.host);
                }
            }
        }
    }
}
