//! EfficientNet with forward and backward passes written by hand, over any [`Kernels`].
//!
//! In: a [`Plan`] and a device's kernels. Out: a [`Backbone`]. The forward pass
//! (`efficientnet/forward.rs`) leaves a `Tape`: of each block the raw outputs of its convolutions
//! and a few vectors, or with [`GradientCheckpointing::Stages`] only the input of each stage. The
//! backward pass (`efficientnet/backward.rs`) walks over the tape from its end. Both free a buffer
//! as soon as nothing will read it.

mod backward;
mod forward;
mod state;
mod tape;

use std::ops::Range;

use self::backward::Backward;
use self::forward::Forward;
use self::state::State;
use self::tape::Tape;
use crate::kernels::{Kernels, Result, Statistics};
use crate::plan::Plan;
use crate::{
    Backbone, Buffer, Images, Layout, Mode, ModelError, Normalisation, Pixels, Tap, Update,
};

/// Which activations of a forward pass are stored for the backward pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GradientCheckpointing {
    /// All that every block needs.
    #[default]
    Off,
    /// The input of each stage; the rest of the stage is computed a second time. It takes less
    /// memory and about a third more time, and gives the same bits.
    Stages,
}

/// What a network does besides its arithmetic.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// How grey levels become input values.
    pub normalisation: Normalisation,
    /// The probability that the branch of the last block is dropped for an image in training. It
    /// grows linearly from 0 at the first block.
    pub drop_path: f64,
    /// Whether activations are stored or computed again.
    pub gradient_checkpointing: GradientCheckpointing,
}

/// A network on the device of its kernels.
pub struct EfficientNet<K: Kernels> {
    kernels: K,
    plan: Plan,
    settings: Settings,
    state: State<K>,
    tape: Option<Tape<K>>,
    /// The whole name of the block whose activation and gradient are asked for.
    tap: Option<String>,
    tapped: Option<Tap>,
}

impl<K: Kernels> EfficientNet<K> {
    /// A network whose parameters are zero, but the scales of its norms and its running variances,
    /// which are one.
    ///
    /// # Errors
    /// [`ModelError::Length`] if the normalisation does not have one value per input channel of
    /// the plan, [`ModelError::Device`] if the device fails.
    pub fn new(mut kernels: K, plan: Plan, settings: Settings) -> Result<Self> {
        for values in [&settings.normalisation.mean, &settings.normalisation.std] {
            check_length("the normalisation", values.len(), plan.channels)?;
        }
        let state = State::new(&mut kernels, &plan.layout)?;
        Ok(Self { kernels, plan, settings, state, tape: None, tap: None, tapped: None })
    }

    fn pass(&mut self, mode: Mode) -> Forward<'_, K> {
        let (source, drop_path) = match mode {
            Mode::Train { seed } => (Statistics::Batch, Some((seed, self.settings.drop_path))),
            Mode::Evaluate | Mode::Explain => (Statistics::Running, None),
        };
        Forward {
            kernels: &mut self.kernels,
            parameters: &self.state.parameters,
            statistics: &mut self.state.statistics,
            source,
            updates_statistics: source == Statistics::Batch,
            drop_path,
            stores: (mode != Mode::Evaluate).then_some(self.settings.gradient_checkpointing),
        }
    }

    fn check(&self, images: &Images<'_>) -> Result<()> {
        let area = images.batch * images.height * images.width;
        let (have, need) = match images.pixels {
            Pixels::U8(pixels) => (pixels.len(), area),
            Pixels::U16(pixels) => (pixels.len(), area),
            Pixels::F32(values) => (values.len(), area * self.plan.channels),
        };
        check_length("the image batch", have, need)?;
        check_length("an empty image batch", area.min(1), 1)
    }

    /// The whole name of a block. The name of a stage stands for its last block: `blocks.1` is
    /// `blocks.1.3` in EfficientNet-B4.
    fn block(&self, name: &str) -> Result<String> {
        let in_stage = |block: &str| {
            let number = block.strip_prefix(name).and_then(|rest| rest.strip_prefix('.'));
            number.is_some_and(|number| !number.contains('.'))
        };
        let names = || self.plan.blocks.iter().map(|block| &block.name).rev();
        let found = names().find(|block| *block == name || in_stage(block));
        match found {
            _ if name == forward::HEAD => Ok(name.into()),
            Some(found) => Ok(found.clone()),
            None => {
                let last = names().next().map_or("", |name| name);
                Err(ModelError::NoBlock { name: name.into(), last: last.into() })
            }
        }
    }
}

fn check_length(what: &'static str, have: usize, need: usize) -> Result<()> {
    if have == need { Ok(()) } else { Err(ModelError::Length { what, have, need }) }
}

impl<K: Kernels> Backbone for EfficientNet<K> {
    fn layout(&self) -> &Layout {
        &self.plan.layout
    }

    fn features(&self) -> usize {
        self.plan.features()
    }

    fn forward(&mut self, images: &Images<'_>, mode: Mode) -> Result<Vec<f32>> {
        self.check(images)?;
        // Without a backward pass the last tape is still there. Its memory is freed first.
        self.tape = None;
        self.tapped = None;
        let normalisation = self.settings.normalisation.clone();
        let plan = self.plan.clone();
        let tap = self.tap.clone();
        let mut pass = self.pass(mode);
        let input = pass.kernels.input(images, &normalisation, plan.channels)?;
        let (features, tape) = pass.network(&plan, input, tap.as_deref())?;
        self.tape = tape;
        Ok(features)
    }

    fn backward(&mut self, gradient: &[f32], ready: &mut dyn FnMut(Range<usize>)) -> Result<()> {
        let tape = self.tape.take().ok_or(ModelError::NothingKept)?;
        let need = tape.batch() * self.features();
        check_length("the gradient of the features", gradient.len(), need)?;
        let mut backward = Backward {
            kernels: &mut self.kernels,
            plan: &self.plan,
            parameters: &self.state.parameters,
            statistics: &mut self.state.statistics,
            gradient: &mut self.state.gradient,
            drop_path: self.settings.drop_path,
            tap: self.tap.as_deref(),
            tapped: None,
        };
        backward.network(tape, gradient, ready)?;
        self.tapped = backward.tapped;
        Ok(())
    }

    fn tap(&mut self, block: Option<&str>) -> Result<()> {
        self.tap = block.map(|name| self.block(name)).transpose()?;
        self.tapped = None;
        Ok(())
    }

    fn tapped(&mut self) -> Option<Tap> {
        self.tapped.take()
    }

    fn gradient_norm(&mut self) -> Result<f64> {
        self.kernels.l2_norm(&self.state.gradient)
    }

    fn update(&mut self, update: &Update) -> Result<()> {
        self.state.update(&mut self.kernels, update)
    }

    fn swap_ema(&mut self) -> Result<()> {
        self.state.swap_ema(&mut self.kernels)
    }

    fn read(&self, buffer: Buffer) -> Result<Vec<f32>> {
        self.state.read(&self.kernels, buffer)
    }

    fn write(&mut self, buffer: Buffer, values: &[f32]) -> Result<()> {
        self.state.write(&mut self.kernels, buffer, values)
    }
}

#[cfg(test)]
mod tests;
