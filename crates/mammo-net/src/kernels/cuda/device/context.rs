//! A GPU's context, its streams, its memory, and pinned memory of the host.

use std::ffi::c_void;
use std::sync::Arc;

use cudarc::driver::result::{self as driver, DriverError};
use cudarc::driver::sys;

use super::Result;
use crate::ModelError;

/// An error of the driver as ours.
pub fn fault(what: &str, error: DriverError) -> ModelError {
    let words = |text: std::result::Result<&std::ffi::CStr, DriverError>| {
        text.map_or_else(|_| "unknown".into(), |text| text.to_string_lossy().into_owned())
    };
    let (name, text) = (words(error.error_name()), words(error.error_string()));
    ModelError::Device(format!("{what}: the CUDA driver says {name}, {text}"))
}

/// The context and the streams of a device. All buffers share it.
#[derive(Debug)]
pub struct Context {
    device: sys::CUdevice,
    context: sys::CUcontext,
    /// The stream of all work.
    pub stream: sys::CUstream,
    /// The stream that copies images to the device.
    pub copies: sys::CUstream,
}

// SAFETY: the driver's functions may be called from any thread; each call here makes the context
// current on its thread first.
unsafe impl Send for Context {}
unsafe impl Sync for Context {}

impl Context {
    /// Takes the primary context of a device, makes two streams, and tells the memory pool to keep
    /// freed memory.
    pub fn take(device: sys::CUdevice) -> std::result::Result<Self, DriverError> {
        use driver::stream::{StreamKind, create};
        // SAFETY: the device is there, and its pool is given the type that the attribute has.
        unsafe {
            let context = driver::primary_ctx::retain(device)?;
            let null = std::ptr::null_mut();
            let mut context = Self { device, context, stream: null, copies: null };
            driver::ctx::set_current(context.context)?;
            context.stream = create(StreamKind::NonBlocking)?;
            context.copies = create(StreamKind::NonBlocking)?;
            // By default the pool gives all free memory back at each wait.
            let pool = driver::device::get_default_mem_pool(device)?;
            let mut keep_all = u64::MAX;
            let which = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
            driver::mem_pool::set_attribute(pool, which, (&raw mut keep_all).cast())?;
            Ok(context)
        }
    }

    /// Makes the context current on this thread.
    pub fn enter(&self) -> Result<()> {
        // SAFETY: the context lives until `self` is dropped.
        unsafe { driver::ctx::set_current(self.context) }.map_err(|e| fault("a thread", e))
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // Errors here cannot be reported to anyone, and leave nothing behind in the process.
        // SAFETY: every buffer holds the context, so none is left, and the streams are ours.
        unsafe {
            let _ = driver::ctx::set_current(self.context);
            for stream in [self.stream, self.copies].into_iter().filter(|stream| !stream.is_null())
            {
                let _ = driver::stream::synchronize(stream);
                let _ = driver::stream::destroy(stream);
            }
            let _ = driver::primary_ctx::release(self.device);
        }
    }
}

/// A buffer on the device.
#[derive(Debug)]
pub struct Memory {
    pub(super) address: sys::CUdeviceptr,
    pub(super) bytes: usize,
    pub(super) context: Arc<Context>,
}

impl Memory {
    /// Its address.
    pub fn address(&self) -> u64 {
        self.address
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: allocated once, freed once, after all work that was queued before.
        unsafe {
            let _ = driver::ctx::set_current(self.context.context);
            let _ = driver::free_async(self.address, self.context.stream);
        }
    }
}

/// Pinned memory of the host, through which a batch is copied.
pub struct Slot {
    pub(super) host: *mut c_void,
    bytes: usize,
    /// Recorded when its last copy has ended.
    pub(super) copied: sys::CUevent,
}

impl Slot {
    /// A slot without memory.
    pub fn new() -> Result<Self> {
        let copied = driver::event::create(sys::CUevent_flags::CU_EVENT_DISABLE_TIMING);
        let copied = copied.map_err(|e| fault("an event", e))?;
        Ok(Self { host: std::ptr::null_mut(), bytes: 0, copied })
    }

    /// Waits until its last copy has ended, and makes sure that it has room for `bytes`.
    pub fn take(&mut self, bytes: usize) -> Result<()> {
        // SAFETY: the event is ours; one that was never recorded has ended.
        unsafe { driver::event::synchronize(self.copied) }
            .map_err(|e| fault("a batch on its way to the GPU", e))?;
        if bytes <= self.bytes {
            return Ok(());
        }
        // SAFETY: allocated here before, if at all; `host` is forgotten before anything fails.
        unsafe {
            let old = std::mem::replace(&mut self.host, std::ptr::null_mut());
            self.bytes = 0;
            if !old.is_null() {
                driver::free_host(old).map_err(|e| fault("pinned memory", e))?;
            }
            self.host =
                driver::malloc_host(bytes, 0).map_err(|e| fault("pinned memory of the host", e))?;
        }
        self.bytes = bytes;
        Ok(())
    }
}
