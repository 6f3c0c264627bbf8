//! What a forward pass stores for the backward pass.

use crate::kernels::{Activation, Excited, Kernels, Norm, Operand, Shape, Statistics};

/// A convolution's output before its norm, and that norm.
pub struct Normed<K: Kernels> {
    pub raw: Activation<K::Values>,
    pub norm: Norm<K::Floats>,
}

impl<K: Kernels> Normed<K> {
    /// The output with norm and SiLU applied.
    pub fn operand(&self) -> Operand<'_, K> {
        Operand { raw: &self.raw, norm: Some(&self.norm), gate: None }
    }

    /// The output with norm, SiLU and gate applied.
    pub fn gated<'a>(&'a self, gate: &'a K::Floats) -> Operand<'a, K> {
        Operand { gate: Some(gate), ..self.operand() }
    }
}

/// What flows from block to block: values, or (from the stem) values whose norm and SiLU are still
/// to be applied.
pub struct Signal<K: Kernels> {
    pub raw: Activation<K::Values>,
    pub norm: Option<Norm<K::Floats>>,
}

impl<K: Kernels> Signal<K> {
    pub fn operand(&self) -> Operand<'_, K> {
        Operand { raw: &self.raw, norm: self.norm.as_ref(), gate: None }
    }
}

/// What a block stores.
pub struct BlockTape<K: Kernels> {
    pub input: Signal<K>,
    pub expanded: Option<Normed<K>>,
    pub depthwise: Normed<K>,
    pub excited: Excited<K::Floats>,
    pub projected: Normed<K>,
    /// Factors of the branch, `[batch]`; 0 where drop-path drops it.
    pub drop_path_mask: Option<K::Floats>,
}

/// What a stage stores.
pub enum StageTape<K: Kernels> {
    Blocks(Vec<BlockTape<K>>),
    /// Its input alone; the backward pass computes its blocks a second time.
    Input(Signal<K>),
}

/// What a whole forward pass stores.
pub struct Tape<K: Kernels> {
    pub source: Statistics,
    /// The seed of drop-path, in training.
    pub seed: Option<u64>,
    pub image: Activation<K::Values>,
    pub stages: Vec<StageTape<K>>,
    pub head_input: Signal<K>,
    pub head: Normed<K>,
    /// The activation of the block whose gradient is asked for.
    pub tapped: Option<(Shape, Vec<f32>)>,
}

impl<K: Kernels> Tape<K> {
    pub fn batch(&self) -> usize {
        self.image.shape.batch
    }
}
