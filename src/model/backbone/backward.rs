//! Gradient of the features to gradients of all parameters.

use std::ops::Range;

use super::forward::{Forward, HEAD};
use super::tape::{BlockTape, Signal, StageTape, Tape};
use crate::model::kernels::{
    Activation, GradientOperand, Kernels, NormGradient, Operand, Result, Shape, Summed,
};
use crate::model::plan::{BlockPlan, Plan};
use crate::model::{Keep, Tap};

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

/// Gradient of a block's input, with its sums where a norm in front is still to be passed, and
/// that input.
type Passed<K> = (Summed<K>, Signal<K>);

impl<K: Kernels> Backward<'_, K> {
    /// All of it, from `[batch, features]` on the host.
    pub fn network(
        &mut self,
        mut tape: Tape<K>,
        features: &[f32],
        ready: &mut dyn FnMut(Range<usize>),
    ) -> Result<()> {
        let plan = self.plan;
        let mut tapped = tape.tapped.take();
        if self.tap == Some(HEAD) {
            self.tap_pooled(features, &mut tapped);
        }
        let pooled = self.kernels.upload(features)?;
        let (raw, norm) = (&tape.head.raw, &tape.head.norm);
        let sums = self.kernels.excite_sums(raw, norm, None)?;
        let sums = self.kernels.excited_sums(sums, raw.shape, None, &pooled)?;
        let rows = raw.shape.rows();
        let slopes = self.kernels.slopes(sums, rows, norm, &plan.head.norm, self.gradient)?;
        let outer = self.kernels.excited_gradient(raw, norm, None, &pooled, &slopes)?;
        drop(tape.head);
        let mut dy = self.kernels.pointwise_back(
            GradientOperand { outer: &outer, keep: None, norm: None },
            tape.head_input.operand(),
            self.parameters,
            &plan.head.weight,
            self.gradient,
            None,
        )?;
        drop((outer, tape.head_input));
        ready(plan.head.weight.start..plan.head.norm.shift.end);

        let mut sums = None;
        let mut first_input = None;
        for stage in plan.stages.iter().rev() {
            let blocks = match tape.stages.pop() {
                Some(StageTape::Blocks(blocks)) => blocks,
                Some(StageTape::Input(input)) => {
                    let mut again = Forward {
                        kernels: &mut *self.kernels,
                        parameters: self.parameters,
                        statistics: &mut *self.statistics,
                        source: tape.source,
                        moves_statistics: false,
                        drop: tape.seed.map(|seed| (seed, self.drop_path)),
                        keep: Some(Keep::Everything),
                    };
                    again.again(&plan.blocks[stage.clone()], stage.start, input)?
                }
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

        // What entered the first block is the stem's output, its norm not yet applied.
        let (Some(sums), Some(Signal { raw, norm: Some(norm) })) = (sums, first_input) else {
            unreachable!("the first block takes the stem's norm");
        };
        let rows = raw.shape.rows();
        let slopes = self.kernels.slopes(sums, rows, &norm, &plan.stem.norm, self.gradient)?;
        let through = NormGradient { raw: &raw, slopes: &slopes };
        let outer = GradientOperand { outer: &dy, keep: None, norm: Some(through) };
        self.kernels.stem_back(outer, &tape.image, &plan.stem.weight, self.gradient)?;
        ready(plan.stem.weight.start..plan.stem.norm.shift.end);
        Ok(())
    }

    /// One block: the gradient of its output to that of its input.
    fn block(
        &mut self,
        plan: &BlockPlan,
        tape: BlockTape<K>,
        dy: Activation<K::Values>,
    ) -> Result<Passed<K>> {
        let BlockTape { input, expanded, depthwise, excited, projected, keep } = tape;
        let parameters = self.parameters;

        // norm, drop-path and the convolution back to the narrow width
        let (raw, norm, keep) = (&projected.raw, &projected.norm, keep.as_ref());
        let sums = self.kernels.join_sums(raw, norm, &dy, keep)?;
        let rows = raw.shape.rows();
        let slopes = self.kernels.slopes(sums, rows, norm, &plan.project.norm, self.gradient)?;
        let through = NormGradient { raw, slopes: &slopes };
        let dh = self.kernels.pointwise_back(
            GradientOperand { outer: &dy, keep, norm: Some(through) },
            depthwise.gated(&excited.gate),
            parameters,
            &plan.project.weight,
            self.gradient,
            None,
        )?;
        drop(projected);
        let onto = plan.residual.then_some(dy);

        // squeeze and excitation, activation and norm
        let (raw, norm) = (&depthwise.raw, &depthwise.norm);
        let (shape, rows) = (raw.shape, raw.shape.rows());
        let sums = self.kernels.excite_sums(raw, norm, Some(&dh))?;
        let pooled = self.kernels.excite_back(
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

        // the depthwise convolution and, where there is one, the expansion before it
        let Some((expand, expanded)) = plan.expand.as_ref().zip(expanded) else {
            let (dx, sums) = self.depthwise_back(plan, &dd, input.operand(), onto)?;
            return Ok(((dx, sums), input));
        };
        let (dz, sums) = self.depthwise_back(plan, &dd, expanded.operand(), None)?;
        drop(dd);
        let sums = sums.expect("an expansion has a norm");
        let (raw, rows) = (&expanded.raw, expanded.raw.shape.rows());
        let slopes =
            self.kernels.slopes(sums, rows, &expanded.norm, &expand.norm, self.gradient)?;
        let through = NormGradient { raw, slopes: &slopes };
        let dx = self.kernels.pointwise_back(
            GradientOperand { outer: &dz, keep: None, norm: Some(through) },
            input.operand(),
            parameters,
            &expand.weight,
            self.gradient,
            onto,
        )?;
        Ok(((dx, None), input))
    }

    fn depthwise_back(
        &mut self,
        plan: &BlockPlan,
        outer: &Activation<K::Values>,
        x: Operand<'_, K>,
        onto: Option<Activation<K::Values>>,
    ) -> Result<Summed<K>> {
        let weight = &plan.depthwise.weight;
        let (parameters, gradient) = (self.parameters, &mut *self.gradient);
        self.kernels.depthwise_back(outer, x, plan.window, parameters, weight, gradient, onto)
    }

    /// The gradient before pooling: that of the means, shared out to all pixels.
    fn tap_pooled(&mut self, features: &[f32], tapped: &mut Option<(Shape, Vec<f32>)>) {
        let Some((shape, _)) = tapped else { return };
        let area = shape.area();
        let images = features.chunks_exact(shape.channels);
        let pixels = images.flat_map(|image| std::iter::repeat_n(image, area).flatten());
        let gradient = pixels.map(|value| value / area as f32).collect();
        self.keep_tap(gradient, tapped);
    }

    fn keep_tap(&mut self, gradient: Vec<f32>, tapped: &mut Option<(Shape, Vec<f32>)>) {
        self.tapped = tapped.take().map(|(shape, activation)| {
            let shape = [shape.batch, shape.height, shape.width, shape.channels];
            Tap { shape, activation, gradient }
        });
    }
}
