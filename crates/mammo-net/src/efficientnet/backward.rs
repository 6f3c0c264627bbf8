//! From the gradient of the features to the gradients of all parameters.

use std::ops::Range;

use super::GradientCheckpointing;
use super::forward::{Forward, HEAD};
use super::tape::{BlockTape, Normed, Signal, StageTape, Tape};
use crate::Tap;
use crate::kernels::{
    Activation, GradientOperand, Kernels, NormGradient, Operand, Result, Shape, Statistics, Summed,
};
use crate::plan::{BlockPlan, Plan};

/// A backward pass.
pub struct Backward<'a, K: Kernels> {
    pub kernels: &'a mut K,
    pub plan: &'a Plan,
    pub parameters: &'a K::Floats,
    pub statistics: &'a mut K::Floats,
    pub gradient: &'a mut K::Floats,
    /// Rate of drop-path.
    pub drop_path: f64,
    /// The block whose gradient is asked for.
    pub tap: Option<&'a str>,
    pub tapped: Option<Tap>,
}

/// The gradient of a block's input, with its sums where a norm in front is still to be passed, and
/// that input.
type Passed<K> = (Summed<K>, Signal<K>);

/// The activation at the tap, until its gradient is known.
type Tapped = Option<(Shape, Vec<f32>)>;

impl<K: Kernels> Backward<'_, K> {
    /// The whole network, from `[batch, features]` on the host.
    pub fn network(
        &mut self,
        tape: Tape<K>,
        features: &[f32],
        ready: &mut dyn FnMut(Range<usize>),
    ) -> Result<()> {
        let plan = self.plan;
        let Tape { source, seed, image, mut stages, head_input, head, mut tapped } = tape;
        if self.tap == Some(HEAD) {
            self.tap_pooled(features, &mut tapped);
        }
        let mut dy = self.head(features, head, head_input)?;
        ready(plan.head.weight.start..plan.head.norm.shift.end);

        let mut sums = None;
        let mut first_input = None;
        for stage in plan.stages.iter().rev() {
            let blocks = match stages.pop() {
                Some(StageTape::Blocks(blocks)) => blocks,
                Some(StageTape::Input(input)) => self.recompute(stage, (source, seed), input)?,
                None => unreachable!("a tape has as many stages as its plan"),
            };
            for (block, tape) in plan.blocks[stage.clone()].iter().zip(blocks).rev() {
                if self.tap == Some(&block.name) {
                    let plain = Operand { raw: &dy, norm: None, gate: None };
                    let gradient = self.kernels.download_operand(plain)?;
                    self.keep_tap(gradient, &mut tapped);
                }
                let passed = self.block(block, tape, dy)?;
                (dy, sums) = passed.0;
                first_input = Some(passed.1);
            }
            let blocks = &plan.blocks[stage.clone()];
            let ends = blocks.first().zip(blocks.last());
            let (first, last) = ends.expect("a stage has blocks");
            ready(first.parameters.start..last.parameters.end);
        }

        // The input of the first block is the stem's output, its norm not yet applied.
        let (Some(sums), Some(Signal { raw, norm: Some(norm) })) = (sums, first_input) else {
            unreachable!("the first block takes the stem's norm");
        };
        let rows = raw.shape.rows();
        let slopes = self.kernels.slopes(sums, rows, &norm, &plan.stem.norm, self.gradient)?;
        let through = NormGradient { raw: &raw, slopes: &slopes };
        let dy = GradientOperand { grad_output: &dy, drop_path_mask: None, norm: Some(through) };
        self.kernels.stem_backward(dy, &image, &plan.stem.weight, self.gradient)?;
        ready(plan.stem.weight.start..plan.stem.norm.shift.end);
        Ok(())
    }

    /// Pooling, norm and convolution of the head: the gradient of the last block's output.
    fn head(
        &mut self,
        features: &[f32],
        head: Normed<K>,
        input: Signal<K>,
    ) -> Result<Activation<K::Values>> {
        let plan = &self.plan.head;
        let pooled = self.kernels.upload(features)?;
        let (raw, norm) = (&head.raw, &head.norm);
        let sums = self.kernels.excite_sums(raw, norm, None)?;
        let sums = self.kernels.excited_sums(sums, raw.shape, None, &pooled)?;
        let slopes =
            self.kernels.slopes(sums, raw.shape.rows(), norm, &plan.norm, self.gradient)?;
        let dy = self.kernels.excited_gradient(raw, norm, None, &pooled, &slopes)?;
        drop(head);
        self.kernels.pointwise_backward(
            GradientOperand { grad_output: &dy, drop_path_mask: None, norm: None },
            input.operand(),
            self.parameters,
            &plan.weight,
            self.gradient,
            None,
        )
    }

    /// What a checkpointed stage would have stored.
    fn recompute(
        &mut self,
        stage: &Range<usize>,
        (source, seed): (Statistics, Option<u64>),
        input: Signal<K>,
    ) -> Result<Vec<BlockTape<K>>> {
        let mut forward = Forward {
            kernels: &mut *self.kernels,
            parameters: self.parameters,
            statistics: &mut *self.statistics,
            source,
            updates_statistics: false,
            drop_path: seed.map(|seed| (seed, self.drop_path)),
            stores: Some(GradientCheckpointing::Off),
        };
        forward.recompute(&self.plan.blocks[stage.clone()], stage.start, input)
    }

    /// One block: from the gradient of its output to that of its input.
    fn block(
        &mut self,
        plan: &BlockPlan,
        tape: BlockTape<K>,
        dy: Activation<K::Values>,
    ) -> Result<Passed<K>> {
        let BlockTape { input, expanded, depthwise, excited, projected, drop_path_mask: mask } =
            tape;
        let parameters = self.parameters;

        // Norm, drop-path, and the convolution that narrows the block.
        let (raw, norm, drop_path_mask) = (&projected.raw, &projected.norm, mask.as_ref());
        let sums = self.kernels.residual_add_sums(raw, norm, &dy, drop_path_mask)?;
        let rows = raw.shape.rows();
        let slopes = self.kernels.slopes(sums, rows, norm, &plan.project.norm, self.gradient)?;
        let through = NormGradient { raw, slopes: &slopes };
        let dh = self.kernels.pointwise_backward(
            GradientOperand { grad_output: &dy, drop_path_mask, norm: Some(through) },
            depthwise.gated(&excited.gate),
            parameters,
            &plan.project.weight,
            self.gradient,
            None,
        )?;
        drop(projected);
        let accumulate_into = plan.residual.then_some(dy);

        // Squeeze and excitation, SiLU and norm.
        let (raw, norm) = (&depthwise.raw, &depthwise.norm);
        let (shape, rows) = (raw.shape, raw.shape.rows());
        let sums = self.kernels.excite_sums(raw, norm, Some(&dh))?;
        let pooled = self.kernels.excite_backward(
            &sums,
            &excited,
            shape.batch,
            &plan.excite,
            parameters,
            self.gradient,
        )?;
        let sums = self.kernels.excited_sums(sums, shape, Some(&excited.gate), &pooled)?;
        let slopes = self.kernels.slopes(sums, rows, norm, &plan.depthwise.norm, self.gradient)?;
        let gated = Some((dh, &excited.gate));
        let dd = self.kernels.excited_gradient(raw, norm, gated, &pooled, &slopes)?;
        drop((depthwise, excited));

        // The depthwise convolution and, if there is one, the convolution that widens the block.
        let Some((expand, expanded)) = plan.expand.as_ref().zip(expanded) else {
            let (dx, sums) =
                self.depthwise_backward(plan, &dd, input.operand(), accumulate_into)?;
            return Ok(((dx, sums), input));
        };
        let (dz, sums) = self.depthwise_backward(plan, &dd, expanded.operand(), None)?;
        drop(dd);
        let sums = sums.expect("an expansion has a norm");
        let (raw, rows) = (&expanded.raw, expanded.raw.shape.rows());
        let slopes =
            self.kernels.slopes(sums, rows, &expanded.norm, &expand.norm, self.gradient)?;
        let through = NormGradient { raw, slopes: &slopes };
        let dx = self.kernels.pointwise_backward(
            GradientOperand { grad_output: &dz, drop_path_mask: None, norm: Some(through) },
            input.operand(),
            parameters,
            &expand.weight,
            self.gradient,
            accumulate_into,
        )?;
        Ok(((dx, None), input))
    }

    fn depthwise_backward(
        &mut self,
        plan: &BlockPlan,
        grad_output: &Activation<K::Values>,
        x: Operand<'_, K>,
        accumulate_into: Option<Activation<K::Values>>,
    ) -> Result<Summed<K>> {
        let weight = &plan.depthwise.weight;
        let (parameters, gradient) = (self.parameters, &mut *self.gradient);
        self.kernels.depthwise_backward(
            grad_output,
            x,
            plan.window,
            parameters,
            weight,
            gradient,
            accumulate_into,
        )
    }

    /// The gradient before pooling: every pixel has an equal share of the gradient of its mean.
    fn tap_pooled(&mut self, features: &[f32], tapped: &mut Tapped) {
        let Some((shape, _)) = tapped else { return };
        let area = shape.area();
        let images = features.chunks_exact(shape.channels);
        let pixels = images.flat_map(|image| std::iter::repeat_n(image, area).flatten());
        let gradient = pixels.map(|value| value / area as f32).collect();
        self.keep_tap(gradient, tapped);
    }

    fn keep_tap(&mut self, gradient: Vec<f32>, tapped: &mut Tapped) {
        self.tapped = tapped.take().map(|(shape, activation)| {
            let shape = [shape.batch, shape.height, shape.width, shape.channels];
            Tap { shape, activation, gradient }
        });
    }
}
