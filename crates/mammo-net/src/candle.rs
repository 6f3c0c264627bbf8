//! The backbone in a candle graph, so that any candle model can stand on its features.
//!
//! [`CandleBackbone::forward_images`] gives the pooled features as a candle tensor, `[batch, features]`, on
//! the CPU (whatever device the backbone computes on). A classifier and a loss of plain candle ops
//! follow. `loss.backward()` then goes through them, reaches the features, and continues through the
//! whole backbone.
//!
//! What is differentiable: every parameter of the backbone, in [`Mode::Train`] and
//! [`Mode::Explain`], once per forward pass. The gradients do not go into candle's `GradStore`. They
//! are added to the backbone's own flat buffer ([`Buffer::Gradient`]), and
//! [`Backbone::update`] makes the optimizer step there. So the parameters are never copied, and they
//! may be on a GPU. Images have no gradient, and second derivatives do not exist.
//!
//! How it works: candle asks a custom op for its gradient only if a variable is among its inputs.
//! The op's input is therefore a variable of one unused number, which represents the
//! parameters.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::{
    CpuStorage, CustomOp1, DType, Device, Layout as CandleLayout, ModuleT, Shape, Tensor, Var,
};

use crate::{Backbone, Buffer, Images, Layout, Mode, ModelError, Pixels, Tap, Update};

/// A backbone whose features are tensors of a candle graph.
///
/// It is a [`Backbone`] too, for everything but the forward pass into a graph: updates, norms,
/// checkpoints. A clone shares the backbone, as clones of a candle module share their variables.
#[derive(Clone)]
pub struct CandleBackbone {
    shared: Arc<Mutex<Shared>>,
    layout: Layout,
    features: usize,
    parameters: Var,
}

struct Shared {
    backbone: Box<dyn Backbone>,
    /// Forward passes so far.
    passes: u64,
}

impl Shared {
    fn forward(&mut self, images: &Images<'_>, mode: Mode) -> Result<Vec<f32>, ModelError> {
        // Counted first: a pass that fails has already discarded what the pass before it stored.
        self.passes += 1;
        self.backbone.forward(images, mode)
    }
}

impl CandleBackbone {
    /// Puts a backbone into candle graphs.
    ///
    /// # Errors
    /// [`ModelError::Device`] if candle cannot make a tensor of one number.
    pub fn new(backbone: Box<dyn Backbone>) -> Result<Self, ModelError> {
        Ok(Self {
            layout: backbone.layout().clone(),
            features: backbone.features(),
            shared: Arc::new(Mutex::new(Shared { backbone, passes: 0 })),
            parameters: Var::zeros(1, DType::F32, &Device::Cpu).map_err(ModelError::candle)?,
        })
    }

    /// Pooled features, `[batch, features]`, f32. In [`Mode::Evaluate`] they are a plain tensor;
    /// otherwise their backward pass is the backbone's.
    ///
    /// # Errors
    /// As [`Backbone::forward`].
    pub fn forward_images(&self, images: &Images<'_>, mode: Mode) -> Result<Tensor, ModelError> {
        let mut shared = self.lock();
        let values = shared.forward(images, mode)?;
        let pass = shared.passes;
        drop(shared);
        let shape = (images.batch, self.features);
        let features = if mode == Mode::Evaluate {
            Tensor::from_vec(values, shape, &Device::Cpu)
        } else {
            let shared = Arc::clone(&self.shared);
            self.parameters.apply_op1(BackboneOp { shared, pass, values, shape })
        };
        features.map_err(ModelError::candle)
    }

    /// As [`CandleBackbone::forward_images`], from a tensor `[batch, channel, height, width]` of input
    /// values (see [`Pixels::F32`]).
    ///
    /// # Errors
    /// A wrapped [`ModelError`]; and an error if `images` depends on a variable, because it would get
    /// no gradient. `images.detach()` says that it needs none.
    pub fn forward_tensor(&self, images: &Tensor, mode: Mode) -> candle_core::Result<Tensor> {
        let (batch, _, height, width) = images.dims4()?;
        if images.track_op() && mode != Mode::Evaluate {
            candle_core::bail!("the images of a backbone get no gradient: detach them first");
        }
        let values = images.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
        let images = Images { pixels: Pixels::F32(&values), batch, height, width };
        Ok(self.forward_images(&images, mode)?)
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        lock(&self.shared)
    }
}

/// A panic under the lock leaves the backbone no worse than a failed pass does, so it is used on.
fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Training passes take their seed of drop-path from the number of passes so far.
impl ModuleT for CandleBackbone {
    fn forward_t(&self, images: &Tensor, train: bool) -> candle_core::Result<Tensor> {
        let seed = self.lock().passes;
        self.forward_tensor(images, if train { Mode::Train { seed } } else { Mode::Evaluate })
    }
}

/// The features of one forward pass. Their backward pass is the backbone's.
struct BackboneOp {
    shared: Arc<Mutex<Shared>>,
    /// The number of the pass.
    pass: u64,
    values: Vec<f32>,
    shape: (usize, usize),
}

impl CustomOp1 for BackboneOp {
    fn name(&self) -> &'static str {
        "mammo-net backbone"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &CandleLayout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        Ok((CpuStorage::F32(self.values.clone()), self.shape.into()))
    }

    fn bwd(
        &self,
        _: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> candle_core::Result<Option<Tensor>> {
        let gradient = gradient.flatten_all()?.to_vec1::<f32>()?;
        let mut shared = lock(&self.shared);
        if shared.passes != self.pass {
            candle_core::bail!(
                "the backbone has made another forward pass since: call backward before the next one"
            );
        }
        shared.backbone.backward(&gradient, &mut |_| {})?;
        // The parameters' gradient is in the backbone.
        Ok(None)
    }
}

impl Backbone for CandleBackbone {
    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn features(&self) -> usize {
        self.features
    }

    fn forward(&mut self, images: &Images<'_>, mode: Mode) -> Result<Vec<f32>, ModelError> {
        self.lock().forward(images, mode)
    }

    fn backward(
        &mut self,
        gradient: &[f32],
        ready: &mut dyn FnMut(Range<usize>),
    ) -> Result<(), ModelError> {
        self.lock().backbone.backward(gradient, ready)
    }

    fn tap(&mut self, block: Option<&str>) -> Result<(), ModelError> {
        self.lock().backbone.tap(block)
    }

    fn tapped(&mut self) -> Option<Tap> {
        self.lock().backbone.tapped()
    }

    fn gradient_norm(&mut self) -> Result<f64, ModelError> {
        self.lock().backbone.gradient_norm()
    }

    fn update(&mut self, update: &Update) -> Result<(), ModelError> {
        self.lock().backbone.update(update)
    }

    fn swap_ema(&mut self) -> Result<(), ModelError> {
        self.lock().backbone.swap_ema()
    }

    fn read(&self, buffer: Buffer) -> Result<Vec<f32>, ModelError> {
        self.lock().backbone.read(buffer)
    }

    fn write(&mut self, buffer: Buffer, values: &[f32]) -> Result<(), ModelError> {
        self.lock().backbone.write(buffer, values)
    }
}
