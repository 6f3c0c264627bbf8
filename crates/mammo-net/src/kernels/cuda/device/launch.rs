//! Launches: kernels of the source, and matrix products of cuBLAS.

use std::ffi::{CString, c_int, c_void};

use cudarc::cublas::{result as cublas, sys as cublas_sys};
use cudarc::driver::result as driver;

use super::context::{Context, fault};
use super::{Device, Result};
use crate::{ModelError, Precision};

/// An argument of a kernel.
#[derive(Debug, Clone, Copy)]
pub enum Argument {
    /// An address on the device; 0 for none.
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
    /// Its bits, as they are in memory.
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

/// A factor of a product: a matrix in the precision of the activations, stored by columns.
#[derive(Debug, Clone, Copy)]
pub struct Factor {
    /// Its address.
    pub address: Argument,
    /// The distance from one column to the next, in numbers.
    pub step: usize,
    /// Whether the product takes its transpose.
    pub transposed: bool,
}

/// A product `out = a * b`, all stored by columns. After transposition `a` is `[m, k]` and `b` is
/// `[k, n]`.
#[derive(Debug)]
pub struct Product {
    /// m, n and k.
    pub sizes: [usize; 3],
    /// The left factor.
    pub a: Factor,
    /// The right factor.
    pub b: Factor,
    /// The result, `[m, n]`, without gaps.
    pub out: Argument,
    /// Whether `out` is f32 whatever the precision.
    pub out_floats: bool,
    /// Whether to add to `out`.
    pub add: bool,
}

impl Device {
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

/// A cuBLAS handle on the stream of the context.
pub fn products(context: &Context) -> Result<cublas_sys::cublasHandle_t> {
    let handle = cublas::create_handle().map_err(blas_fault)?;
    // Products of bf16 are summed in f32 to the end; f32 stays f32, and does not become TF32.
    let mode = cublas_sys::cublasMath_t::CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION;
    // SAFETY: handle and stream were just made.
    unsafe {
        cublas::set_stream(handle, context.stream.cast()).map_err(blas_fault)?;
        cublas_sys::cublasSetMathMode(handle, mode).result().map_err(blas_fault)?;
    }
    Ok(handle)
}

fn blas_fault(error: cublas::CublasError) -> ModelError {
    ModelError::Device(format!("a matrix product: cuBLAS says {:?}", error.0))
}
