//! One GPU: memory, copies, launches and products, queued on one stream.
//!
//! Whatever is launched must be given addresses of buffers that are large enough; the launches
//! in the neighbouring files see to that by shapes. A buffer may be dropped as soon as the work
//! that reads it is queued: it is freed on the stream, after that work.

// Calls into the CUDA driver and cuBLAS, through cudarc.
#![allow(unsafe_code)]

use std::collections::HashMap;
use std::ffi::{CString, c_int, c_void};
use std::sync::Arc;

use cudarc::cublas::{result as cublas, sys as cublas_sys};
use cudarc::driver::result::{self as driver, DriverError};
use cudarc::driver::sys;

use super::super::Result;
use super::compile;
use super::library::{self, Nvidia};
use crate::model::{ModelError, Precision};

/// The oldest GPUs with bf16.
const OLDEST: i32 = 80;

/// What a kernel is given.
#[derive(Debug, Clone, Copy)]
pub enum Argument {
    /// On the device; 0 for none.
    Address(u64),
    /// `u64` in the source.
    Long(u64),
    /// `int` in the source.
    Int(i32),
    /// `float` in the source.
    Float(f32),
    /// `double` in the source.
    Double(f64),
}

impl Argument {
    /// As it lies in memory.
    fn bits(self) -> u64 {
        match self {
            Self::Address(bits) | Self::Long(bits) => bits,
            Self::Int(value) => u64::from(value.cast_unsigned()),
            Self::Float(value) => u64::from(value.to_bits()),
            Self::Double(value) => value.to_bits(),
        }
    }
}

impl From<u64> for Argument {
    fn from(value: u64) -> Self {
        Self::Long(value)
    }
}

impl From<i32> for Argument {
    fn from(value: i32) -> Self {
        Self::Int(value)
    }
}

impl From<usize> for Argument {
    fn from(value: usize) -> Self {
        Self::Int(i32::try_from(value).expect("pixels and channels of a batch are below 2^31"))
    }
}

impl From<f32> for Argument {
    fn from(value: f32) -> Self {
        Self::Float(value)
    }
}

impl From<f64> for Argument {
    fn from(value: f64) -> Self {
        Self::Double(value)
    }
}

/// A matrix in the activations' precision, kept by columns that start `step` numbers apart.
#[derive(Debug, Clone, Copy)]
pub struct Factor {
    /// Where it is.
    pub address: Argument,
    /// From column to column.
    pub step: usize,
    /// Whether the product takes it transposed.
    pub transposed: bool,
}

/// `out = a * b`, all by columns; `a` is `[m, k]`, `b` is `[k, n]`, once transposed as told.
#[derive(Debug)]
pub struct Product {
    /// m, n and k.
    pub sizes: [usize; 3],
    /// Left.
    pub a: Factor,
    /// Right.
    pub b: Factor,
    /// `[m, n]`, without gaps.
    pub out: Argument,
    /// Whether `out` is f32 whatever the precision.
    pub out_floats: bool,
    /// Whether to add to `out`.
    pub add: bool,
}

fn fault(what: &str, error: DriverError) -> ModelError {
    let words = |text: std::result::Result<&std::ffi::CStr, DriverError>| {
        text.map_or_else(|_| "unknown".into(), |text| text.to_string_lossy().into_owned())
    };
    let (name, text) = (words(error.error_name()), words(error.error_string()));
    ModelError::Device(format!("{what}: the CUDA driver says {name}, {text}"))
}

fn blas_fault(error: cublas::CublasError) -> ModelError {
    ModelError::Device(format!("a matrix product: cuBLAS says {:?}", error.0))
}

/// The device's context and streams, shared by all buffers.
#[derive(Debug)]
struct Context {
    device: sys::CUdevice,
    context: sys::CUcontext,
    /// All computing.
    stream: sys::CUstream,
    /// Images on their way to the device.
    copies: sys::CUstream,
}

// SAFETY: the driver's functions may be called from any thread; each call here makes the context
// current on its thread first.
unsafe impl Send for Context {}
unsafe impl Sync for Context {}

impl Context {
    fn enter(&self) -> Result<()> {
        // SAFETY: the context lives until `self` is dropped.
        unsafe { driver::ctx::set_current(self.context) }.map_err(|e| fault("a thread", e))
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // What the driver says here can be told to no one; the process keeps nothing of it.
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
    address: sys::CUdeviceptr,
    bytes: usize,
    context: Arc<Context>,
}

impl Memory {
    /// Where it starts.
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

/// Pinned memory of the host that a batch passes through.
struct Slot {
    host: *mut c_void,
    bytes: usize,
    /// When its last copy has ended.
    copied: sys::CUevent,
}

/// The GPU.
pub struct Device {
    /// What it calls itself.
    pub name: String,
    /// Of the activations.
    pub precision: Precision,
    context: Arc<Context>,
    module: sys::CUmodule,
    functions: HashMap<&'static str, sys::CUfunction>,
    products: cublas_sys::cublasHandle_t,
    /// Two, so that one is filled while the other is still being copied.
    slots: [Slot; 2],
    turn: usize,
}

// SAFETY: as for `Context`; everything else is used through `&mut self` or by the driver alone.
unsafe impl Send for Device {}

impl Device {
    /// Finds the libraries, takes the GPU of this number and compiles the kernels for it.
    pub fn open(number: usize, precision: Precision) -> Result<Self> {
        // cudarc panics where a library is missing, so each is found before its first use; and
        // it stays loaded, as cudarc keeps its own handle as well.
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
        let context = Arc::new(Self::enter(device).map_err(|e| fault(&name, e))?);
        let code = compile::cached(&compiler, architecture, precision)?;
        // SAFETY: a cubin names its own length.
        let module = unsafe { driver::module::load_data(code.as_ptr().cast()) };
        let module = module.map_err(|e| fault("loading the kernels", e))?;
        let products = Self::products(&context)?;
        let slots = [Slot::new()?, Slot::new()?];
        let functions = HashMap::new();
        Ok(Self { name, precision, context, module, functions, products, slots, turn: 0 })
    }

    fn enter(device: sys::CUdevice) -> std::result::Result<Context, DriverError> {
        use driver::stream::{StreamKind, create};
        // SAFETY: the device is there, and its pool is given the type that the attribute has.
        unsafe {
            let context = driver::primary_ctx::retain(device)?;
            let null = std::ptr::null_mut();
            let mut context = Context { device, context, stream: null, copies: null };
            driver::ctx::set_current(context.context)?;
            context.stream = create(StreamKind::NonBlocking)?;
            context.copies = create(StreamKind::NonBlocking)?;
            // Left alone, the pool gives everything back at each wait.
            let pool = driver::device::get_default_mem_pool(device)?;
            let mut keep_all = u64::MAX;
            let which = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
            driver::mem_pool::set_attribute(pool, which, (&raw mut keep_all).cast())?;
            Ok(context)
        }
    }

    fn products(context: &Context) -> Result<cublas_sys::cublasHandle_t> {
        let handle = cublas::create_handle().map_err(blas_fault)?;
        // Sums of bf16 products stay f32 to their end; f32 stays f32, not TF32.
        let mode = cublas_sys::cublasMath_t::CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION;
        // SAFETY: handle and stream were just made.
        unsafe {
            cublas::set_stream(handle, context.stream.cast()).map_err(blas_fault)?;
            cublas_sys::cublasSetMathMode(handle, mode).result().map_err(blas_fault)?;
        }
        Ok(handle)
    }

    /// Bytes of a number of an activation.
    pub fn value_bytes(&self) -> usize {
        match self.precision {
            Precision::F32 => 4,
            Precision::Bf16 => 2,
        }
    }

    /// A buffer that holds anything.
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

    /// Zeros.
    pub fn clear(&mut self, memory: &Memory) -> Result<()> {
        self.context.enter()?;
        // SAFETY: the buffer has as many bytes.
        let done = unsafe {
            driver::memset_d8_async(memory.address, 0, memory.bytes, self.context.stream)
        };
        done.map_err(|e| fault("clearing memory", e))
    }

    /// From the host. The driver has taken pageable memory like this when it returns.
    pub fn write(&mut self, memory: &Memory, bytes: &[u8]) -> Result<()> {
        assert!(bytes.len() <= memory.bytes, "{} bytes into {}", bytes.len(), memory.bytes);
        self.context.enter()?;
        // SAFETY: the buffer is large enough.
        let done = unsafe { driver::memcpy_htod_async(memory.address, bytes, self.context.stream) };
        done.map_err(|e| fault("a copy to the GPU", e))
    }

    /// To the host, after all that was queued; here faults of kernels come to light.
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

    /// On the device; the buffers are of one size.
    pub fn copy(&mut self, from: &Memory, to: &Memory) -> Result<()> {
        assert_eq!(from.bytes, to.bytes);
        self.context.enter()?;
        let stream = self.context.stream;
        // SAFETY: both buffers have as many bytes.
        unsafe { driver::memcpy_dtod_async(to.address, from.address, from.bytes, stream) }
            .map_err(|e| fault("a copy on the GPU", e))
    }

    /// From the host through pinned memory, on a stream of its own: it overlaps with what is
    /// queued already, and what is queued later waits for it.
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

    /// Queues a kernel of the source.
    pub fn launch(
        &mut self,
        name: &'static str,
        grid: [usize; 3],
        threads: u32,
        arguments: &[Argument],
    ) -> Result<()> {
        self.context.enter()?;
        let function = match self.functions.get(name) {
            Some(function) => *function,
            None => {
                let c_name = CString::new(name).expect("names hold no zero byte");
                // SAFETY: the module is loaded.
                let function = unsafe { driver::module::get_function(self.module, c_name) };
                *self.functions.entry(name).or_insert(function.map_err(|e| fault(name, e))?)
            }
        };
        let [x, y, z] = grid.map(|blocks| u32::try_from(blocks).expect("blocks are below 2^32"));
        let mut bits: Vec<u64> = arguments.iter().map(|argument| argument.bits()).collect();
        let mut places: Vec<*mut c_void> =
            bits.iter_mut().map(|b| (b as *mut u64).cast()).collect();
        let (blocks, stream) = ((x, y, z), self.context.stream);
        // SAFETY: the arguments are those that the source names, in its order (the tests launch
        // every kernel, and compare what it writes); values are read from the low bytes, as on
        // every machine that CUDA runs on.
        unsafe { driver::launch_kernel(function, blocks, (threads, 1, 1), 0, stream, &mut places) }
            .map_err(|e| fault(name, e))
    }

    /// Queues a product.
    pub fn multiply(&mut self, product: &Product) -> Result<()> {
        use cublas_sys::cublasComputeType_t::CUBLAS_COMPUTE_32F;
        use cublas_sys::cublasGemmAlgo_t::CUBLAS_GEMM_DFALT;
        use cublas_sys::cublasOperation_t::{CUBLAS_OP_N, CUBLAS_OP_T};
        use cublas_sys::cudaDataType_t::{CUDA_R_16BF, CUDA_R_32F};
        self.context.enter()?;
        let size = |size: usize| c_int::try_from(size).expect("sizes of products are below 2^31");
        let [m, n, k] = product.sizes.map(size);
        let kind = match self.precision {
            Precision::F32 => CUDA_R_32F,
            Precision::Bf16 => CUDA_R_16BF,
        };
        let out_kind = if product.out_floats { CUDA_R_32F } else { kind };
        let (one, kept) = (1.0_f32, if product.add { 1.0_f32 } else { 0.0 });
        let turn = |factor: &Factor| if factor.transposed { CUBLAS_OP_T } else { CUBLAS_OP_N };
        let place = |address: Argument| address.bits() as usize as *mut c_void;
        // SAFETY: the factors and the result lie at their addresses with these sizes, and the two
        // numbers are read before the call returns.
        unsafe {
            cublas::gemm_ex(
                self.products,
                turn(&product.a),
                turn(&product.b),
                m,
                n,
                k,
                (&raw const one).cast(),
                place(product.a.address),
                kind,
                size(product.a.step),
                place(product.b.address),
                kind,
                size(product.b.step),
                (&raw const kept).cast(),
                place(product.out),
                out_kind,
                m,
                CUBLAS_COMPUTE_32F,
                CUBLAS_GEMM_DFALT,
            )
        }
        .map_err(blas_fault)
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        // SAFETY: all of it is ours, and nothing is queued any more after the wait.
        unsafe {
            let _ = driver::ctx::set_current(self.context.context);
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

impl Slot {
    fn new() -> Result<Self> {
        let copied = driver::event::create(sys::CUevent_flags::CU_EVENT_DISABLE_TIMING);
        let copied = copied.map_err(|e| fault("an event", e))?;
        Ok(Self { host: std::ptr::null_mut(), bytes: 0, copied })
    }

    /// Waits until its last copy has ended, and sees that it holds `bytes`.
    fn take(&mut self, bytes: usize) -> Result<()> {
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
