//! What a forward pass leaves for the way back.

use crate::model::kernels::{Activation, Excited, Kernels, Norm, Operand, Shape, Statistics};

/// A convolution's raw output and the norm behind it.
pub struct Normed<K: Kernels> {
    pub raw: Activation<K::Values>,
    pub norm: Norm<K::Floats>,
}

impl<K: Kernels> Normed<K> {
    /// Norm and activation applied.
    pub fn operand(&self) -> Operand<'_, K> {
        Operand { raw: &self.raw, norm: Some(&self.norm), gate: None }
    }

    /// And the gate.
    pub fn gated<'a>(&'a self, gate: &'a K::Floats) -> Operand<'a, K> {
        Operand { gate: Some(gate), ..self.operand() }
    }
}

/// What flows from block to block: values, or (from the stem) a norm and activation yet to be
/// applied to them.
pub struct Signal<K: Kernels> {
    pub raw: Activation<K::Values>,
    pub norm: Option<Norm<K::Floats>>,
}

impl<K: Kernels> Signal<K> {
    pub fn operand(&self) -> Operand<'_, K> {
        Operand { raw: &self.raw, norm: self.norm.as_ref(), gate: None }
    }
}

/// One block.
pub struct BlockTape<K: Kernels> {
    pub input: Signal<K>,
    pub expanded: Option<Normed<K>>,
    pub depthwise: Normed<K>,
    pub excited: Excited<K::Floats>,
    pub projected: Normed<K>,
    /// Factors of drop-path, `[batch]`.
    pub keep: Option<K::Floats>,
}

/// One stage.
pub enum StageTape<K: Kernels> {
    Blocks(Vec<BlockTape<K>>),
    /// What entered it; its blocks are computed again.
    Input(Signal<K>),
}

/// A whole pass.
pub struct Tape<K: Kernels> {
    pub source: Statistics,
    /// Seed of drop-path.
    pub seed: Option<u64>,
    pub image: Activation<K::Values>,
    pub stages: Vec<StageTape<K>>,
    pub head_input: Signal<K>,
    pub head: Normed<K>,
    /// The activation at the tap.
    pub tapped: Option<(Shape, Vec<f32>)>,
}

impl<K: Kernels> Tape<K> {
    pub fn batch(&self) -> usize {
        self.image.shape.batch
    }
}
