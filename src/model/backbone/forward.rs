//! Images to features.

use super::tape::{BlockTape, Normed, Signal, StageTape, Tape};
use crate::model::kernels::{Activation, Kernels, Result, Statistics, Summed};
use crate::model::plan::{BlockPlan, NormPlan, Plan};
use crate::model::{Keep, ModelError};
use crate::random::Random;

/// The tap's name for what the head leaves before pooling.
pub const HEAD: &str = "conv_head";

/// A forward pass, of the network or of one stage again.
pub struct Forward<'a, K: Kernels> {
    pub kernels: &'a mut K,
    pub parameters: &'a K::Floats,
    pub statistics: &'a mut K::Floats,
    pub source: Statistics,
    /// Whether running statistics move; not when a stage is computed again.
    pub moves_statistics: bool,
    /// Seed and rate of drop-path.
    pub drop: Option<(u64, f64)>,
    /// What is kept for the way back, if anything.
    pub keep: Option<Keep>,
}

/// What a block leaves besides its output.
enum Left<K: Kernels> {
    Tape(BlockTape<K>),
    Input(Signal<K>),
}

impl<K: Kernels> Forward<'_, K> {
    /// All of it: pooled features on the host, and the tape.
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
            let (mut blocks, mut input) = (Vec::new(), None);
            for number in stage.clone() {
                let block = &plan.blocks[number];
                let (output, left) = self.block(block, number, signal)?;
                signal = output;
                match left {
                    Left::Tape(tape) => blocks.push(tape),
                    Left::Input(signal) => {
                        let kept = self.keep.is_some() && number == stage.start;
                        input = if kept { Some(signal) } else { input };
                    }
                }
                if self.keep.is_some() && tap == Some(&block.name) {
                    let values = self.kernels.download_operand(signal.operand())?;
                    tapped = Some((signal.raw.shape, values));
                }
            }
            stages.push(input.map_or(StageTape::Blocks(blocks), StageTape::Input));
        }
        let head =
            self.kernels.pointwise(signal.operand(), self.parameters, &plan.head.weight, sums)?;
        let head = self.normed(head, &plan.head.norm, "bn2")?;
        let pooled = self.kernels.pool(head.operand())?;
        let features = self.kernels.download(&pooled)?;
        if self.keep.is_none() {
            return Ok((features, None));
        }
        if tap == Some(HEAD) {
            tapped = Some((head.raw.shape, self.kernels.download_operand(head.operand())?));
        }
        let (source, seed) = (self.source, self.drop.map(|(seed, _)| seed));
        let tape = Tape { source, seed, image, stages, head_input: signal, head, tapped };
        Ok((features, Some(tape)))
    }

    /// The blocks of a stage again, of which the first is number `first`, with everything kept.
    pub fn again(
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
        let keeps = self.keep == Some(Keep::Everything);
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
        let expanded = expanded.filter(|_| keeps);
        let depthwise = self.normed(raw, &plan.depthwise.norm, &plan.name)?;
        let batch = input.raw.shape.batch;
        let pooled = self.kernels.pool(depthwise.operand())?;
        let excited = self.kernels.excite(pooled, batch, &plan.excite, parameters)?;
        let x = depthwise.gated(&excited.gate);
        let raw = self.kernels.pointwise(x, parameters, &plan.project.weight, sums)?;
        let projected = self.normed(raw, &plan.project.norm, &plan.name)?;
        let factors = self.keep_factors(plan, number, batch);
        let keep = factors.map(|factors| self.kernels.upload(&factors)).transpose()?;
        let shortcut = plan.residual.then_some(&input.raw);
        let raw = self.kernels.join(&projected.raw, &projected.norm, keep.as_ref(), shortcut)?;
        let left = if keeps {
            Left::Tape(BlockTape { input, expanded, depthwise, excited, projected, keep })
        } else {
            Left::Input(input)
        };
        Ok((Signal { raw, norm: None }, left))
    }

    /// Drop-path: each image's branch is dropped with a probability that grows with the depth,
    /// and enlarged where it stays, so that the mean stays.
    fn keep_factors(&self, plan: &BlockPlan, number: usize, batch: usize) -> Option<Vec<f32>> {
        let (seed, rate) = self.drop?;
        let probability = rate * plan.depth;
        if !plan.residual || probability <= 0.0 {
            return None;
        }
        let mut random = Random::new(Random::seed_of(seed, number as u64));
        let kept = (1.0 / (1.0 - probability)) as f32;
        let factor = |_| if random.chance(probability as f32) { 0.0 } else { kept };
        Some((0..batch).map(factor).collect())
    }

    /// A convolution's output with the norm behind it.
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
                let statistics = self.moves_statistics.then_some(&mut *self.statistics);
                self.kernels.batch_norm(sums, rows, plan, self.parameters, statistics)?
            }
            None => self.kernels.running_norm(plan, self.parameters, self.statistics)?,
        };
        Ok(Normed { raw, norm })
    }
}
