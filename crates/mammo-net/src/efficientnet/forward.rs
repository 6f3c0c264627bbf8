//! Images to features.

use std::ops::Range;

use super::GradientCheckpointing;
use super::tape::{BlockTape, Normed, Signal, StageTape, Tape};
use crate::ModelError;
use crate::kernels::{Activation, Kernels, Result, Shape, Statistics, Summed};
use crate::plan::{BlockPlan, NormPlan, Plan};
use crate::random::Random;

/// The tap's name for the last activation before pooling.
pub const HEAD: &str = "conv_head";

/// A forward pass of the network, or of one stage a second time.
pub struct Forward<'a, K: Kernels> {
    pub kernels: &'a mut K,
    pub parameters: &'a K::Floats,
    pub statistics: &'a mut K::Floats,
    pub source: Statistics,
    /// Whether the running statistics are updated; not when a stage is computed a second time.
    pub updates_statistics: bool,
    /// Seed and rate of drop-path, in training.
    pub drop_path: Option<(u64, f64)>,
    /// What is stored for the backward pass; `None` stores nothing.
    pub stores: Option<GradientCheckpointing>,
}

/// What a block leaves besides its output.
enum Left<K: Kernels> {
    Tape(BlockTape<K>),
    Input(Signal<K>),
}

/// The activation at the tap, with its shape.
type Tapped = Option<(Shape, Vec<f32>)>;

impl<K: Kernels> Forward<'_, K> {
    /// The whole network: pooled features on the host, and the tape.
    pub fn network(
        &mut self,
        plan: &Plan,
        image: Activation<K::Values>,
        tap: Option<&str>,
    ) -> Result<(Vec<f32>, Option<Tape<K>>)> {
        let sums = self.source == Statistics::Batch;
        let stem = self.kernels.stem(&image, self.parameters, &plan.stem.weight, sums)?;
        let Normed { raw, norm } = self.normed(stem, &plan.stem.norm, "bn1")?;
        let mut signal = Signal { raw, norm: Some(norm) };
        let (mut stages, mut tapped) = (Vec::new(), None);
        for stage in &plan.stages {
            let (output, tape) = self.stage(plan, stage.clone(), signal, tap, &mut tapped)?;
            signal = output;
            stages.push(tape);
        }
        let head =
            self.kernels.pointwise(signal.operand(), self.parameters, &plan.head.weight, sums)?;
        let head = self.normed(head, &plan.head.norm, "bn2")?;
        let pooled = self.kernels.pool(head.operand())?;
        let features = self.kernels.download(&pooled)?;
        if self.stores.is_none() {
            return Ok((features, None));
        }
        if tap == Some(HEAD) {
            tapped = Some((head.raw.shape, self.kernels.download_operand(head.operand())?));
        }
        let (source, seed) = (self.source, self.drop_path.map(|(seed, _)| seed));
        let tape = Tape { source, seed, image, stages, head_input: signal, head, tapped };
        Ok((features, Some(tape)))
    }

    /// The blocks of one stage, given as their places in the plan.
    fn stage(
        &mut self,
        plan: &Plan,
        stage: Range<usize>,
        input: Signal<K>,
        tap: Option<&str>,
        tapped: &mut Tapped,
    ) -> Result<(Signal<K>, StageTape<K>)> {
        let (mut signal, mut blocks, mut stored) = (input, Vec::new(), None);
        for number in stage.clone() {
            let block = &plan.blocks[number];
            let (output, left) = self.block(block, number, signal)?;
            signal = output;
            match left {
                Left::Tape(tape) => blocks.push(tape),
                Left::Input(input) if self.stores.is_some() && number == stage.start => {
                    stored = Some(input);
                }
                Left::Input(_) => {}
            }
            if self.stores.is_some() && tap == Some(&block.name) {
                let values = self.kernels.download_operand(signal.operand())?;
                *tapped = Some((signal.raw.shape, values));
            }
        }
        Ok((signal, stored.map_or(StageTape::Blocks(blocks), StageTape::Input)))
    }

    /// The blocks of a stage a second time, with everything stored; `first` is the number of the
    /// first.
    pub fn recompute(
        &mut self,
        blocks: &[BlockPlan],
        first: usize,
        input: Signal<K>,
    ) -> Result<Vec<BlockTape<K>>> {
        let (mut tapes, mut signal) = (Vec::new(), input);
        for (i, block) in blocks.iter().enumerate() {
            let (output, left) = self.block(block, first + i, signal)?;
            signal = output;
            if let Left::Tape(tape) = left {
                tapes.push(tape);
            }
        }
        Ok(tapes)
    }

    fn block(
        &mut self,
        plan: &BlockPlan,
        number: usize,
        input: Signal<K>,
    ) -> Result<(Signal<K>, Left<K>)> {
        let stores_all = self.stores == Some(GradientCheckpointing::Off);
        let sums = self.source == Statistics::Batch;
        let parameters = self.parameters;
        let expanded = match &plan.expand {
            Some(expand) => {
                let x = input.operand();
                let raw = self.kernels.pointwise(x, parameters, &expand.weight, sums)?;
                Some(self.normed(raw, &expand.norm, &plan.name)?)
            }
            None => None,
        };
        let x = expanded.as_ref().map_or_else(|| input.operand(), Normed::operand);
        let weight = &plan.depthwise.weight;
        let raw = self.kernels.depthwise(x, plan.window, parameters, weight, sums)?;
        let expanded = expanded.filter(|_| stores_all);
        let depthwise = self.normed(raw, &plan.depthwise.norm, &plan.name)?;
        let batch = input.raw.shape.batch;
        let pooled = self.kernels.pool(depthwise.operand())?;
        let excited = self.kernels.excite(pooled, batch, &plan.excite, parameters)?;
        let x = depthwise.gated(&excited.gate);
        let raw = self.kernels.pointwise(x, parameters, &plan.project.weight, sums)?;
        let projected = self.normed(raw, &plan.project.norm, &plan.name)?;
        let mask = self.drop_path_mask(plan, number, batch);
        let mask = mask.map(|factors| self.kernels.upload(&factors)).transpose()?;
        let shortcut = plan.residual.then_some(&input.raw);
        let (raw, norm) = (&projected.raw, &projected.norm);
        let raw = self.kernels.residual_add(raw, norm, mask.as_ref(), shortcut)?;
        let left = if stores_all {
            Left::Tape(BlockTape {
                input,
                expanded,
                depthwise,
                excited,
                projected,
                drop_path_mask: mask,
            })
        } else {
            Left::Input(input)
        };
        Ok((Signal { raw, norm: None }, left))
    }

    /// Drop-path (stochastic depth; Huang et al. 2016): the branch of an image is dropped with a
    /// probability that grows with the depth, and is scaled up otherwise, so that its mean stays.
    /// `None` where nothing can be dropped.
    fn drop_path_mask(&self, plan: &BlockPlan, number: usize, batch: usize) -> Option<Vec<f32>> {
        let (seed, rate) = self.drop_path?;
        let probability = rate * plan.depth;
        if !plan.residual || probability <= 0.0 {
            return None;
        }
        let mut random = Random::new(Random::seed_of(seed, number as u64));
        let kept = (1.0 / (1.0 - probability)) as f32;
        let factor = |_| if random.chance(probability as f32) { 0.0 } else { kept };
        Some((0..batch).map(factor).collect())
    }

    /// A convolution's output with its norm.
    fn normed(
        &mut self,
        (raw, sums): Summed<K>,
        plan: &NormPlan,
        place: &str,
    ) -> Result<Normed<K>> {
        let rows = raw.shape.rows();
        let norm = match sums {
            Some(_) if rows < 2 => return Err(ModelError::SinglePixel { place: place.into() }),
            Some(sums) => {
                let statistics = self.updates_statistics.then_some(&mut *self.statistics);
                self.kernels.batch_norm(sums, rows, plan, self.parameters, statistics)?
            }
            None => self.kernels.running_norm(plan, self.parameters, self.statistics)?,
        };
        Ok(Normed { raw, norm })
    }
}
