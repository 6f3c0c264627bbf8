//! EfficientNet with forward and backward written by hand, over any [`Kernels`].
//!
//! In: a [`Plan`] and a device's kernels. Out: a [`Backbone`]. The forward pass
//! (`backbone/forward.rs`) leaves a `Tape`: of each block the raw outputs of its
//! convolutions and a few vectors; with [`Keep::StageInputs`] only what entered each stage, and
//! the backward pass (`backbone/backward.rs`) runs the stage's forward pass again. Both free a
//! buffer as soon as nothing will read it.

mod backward;
mod forward;
mod tape;

use std::ops::Range;

use self::backward::Backward;
use self::forward::Forward;
use self::tape::Tape;
use super::kernels::{Kernels, Result, Statistics, Step};
use super::plan::Plan;
use super::{
    Backbone, Buffer, Images, Keep, Kind, Layout, Mode, ModelError, Normalisation, Pixels, Rule,
    Tap, Update,
};

/// A network on the device of its kernels.
pub struct EfficientNet<K: Kernels> {
    kernels: K,
    plan: Plan,
    settings: Settings,
    parameters: K::Floats,
    gradient: K::Floats,
    statistics: K::Floats,
    first: Option<K::Floats>,
    second: Option<K::Floats>,
    /// Parameters and statistics.
    averaged: Option<(K::Floats, K::Floats)>,
    /// The parameters that decay.
    decayed: Vec<Range<usize>>,
    tape: Option<Tape<K>>,
    tap: Option<String>,
    tapped: Option<Tap>,
}

/// What a network does besides its arithmetic.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// How grey levels enter.
    pub normalisation: Normalisation,
    /// Probability that the last block is dropped from an image; it grows linearly from 0.
    pub drop_path: f64,
    /// What of the forward pass is kept for the way back.
    pub keep: Keep,
}

impl<K: Kernels> EfficientNet<K> {
    /// A network whose parameters are zero, its norms' scales and variances one.
    ///
    /// # Errors
    /// [`ModelError`] if the normalisation is not by the plan's channels, or from the device.
    pub fn new(mut kernels: K, plan: Plan, settings: Settings) -> Result<Self> {
        for values in [&settings.normalisation.mean, &settings.normalisation.std] {
            length("the normalisation", values.len(), plan.channels)?;
        }
        let count = |entries: &[super::Entry]| entries.last().map_or(0, |entry| entry.range.end);
        let neutral = |entries: &[super::Entry]| {
            let mut values = vec![0.0; count(entries)];
            let scales = entries.iter().filter(|entry| entry.kind == Kind::Scale);
            scales.for_each(|entry| values[entry.range.clone()].fill(1.0));
            values
        };
        let parameters = kernels.upload(&neutral(&plan.layout.parameters))?;
        let statistics = kernels.upload(&neutral(&plan.layout.statistics))?;
        let gradient = kernels.zeros(count(&plan.layout.parameters))?;
        kernels.refresh(&parameters)?;
        let weights = plan.layout.parameters.iter().filter(|entry| entry.kind == Kind::Weight);
        let decayed = weights.map(|entry| entry.range.clone()).collect();
        Ok(Self {
            kernels,
            plan,
            settings,
            parameters,
            gradient,
            statistics,
            first: None,
            second: None,
            averaged: None,
            decayed,
            tape: None,
            tap: None,
            tapped: None,
        })
    }

    fn parameter_count(&self) -> usize {
        self.plan.head.norm.shift.end
    }

    fn statistic_count(&self) -> usize {
        self.plan.head.norm.variance.end
    }

    fn pass(&mut self, mode: Mode) -> Forward<'_, K> {
        let (source, drop) = match mode {
            Mode::Train { seed } => (Statistics::Batch, Some((seed, self.settings.drop_path))),
            Mode::Evaluate | Mode::Explain => (Statistics::Running, None),
        };
        Forward {
            kernels: &mut self.kernels,
            parameters: &self.parameters,
            statistics: &mut self.statistics,
            source,
            moves_statistics: source == Statistics::Batch,
            drop,
            keep: (mode != Mode::Evaluate).then_some(self.settings.keep),
        }
    }

    /// The averages; copies of what they are averages of, if there are none yet.
    fn averages(&mut self) -> Result<&mut (K::Floats, K::Floats)> {
        if self.averaged.is_none() {
            let parameters = self.kernels.duplicate(&self.parameters)?;
            self.averaged = Some((parameters, self.kernels.duplicate(&self.statistics)?));
        }
        Ok(self.averaged.as_mut().expect("set above"))
    }

    fn check(&self, images: &Images<'_>) -> Result<()> {
        let area = images.batch * images.height * images.width;
        let (have, need) = match images.pixels {
            Pixels::U8(pixels) => (pixels.len(), area),
            Pixels::U16(pixels) => (pixels.len(), area),
            Pixels::F32(values) => (values.len(), area * self.plan.channels),
        };
        length("the image batch", have, need)?;
        length("an empty image batch", area.min(1), 1)
    }

    /// The whole name of a block, or of the last block of a stage: `blocks.1` is `blocks.1.3` in
    /// EfficientNet-B4.
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

fn length(what: &'static str, have: usize, need: usize) -> Result<()> {
    if have == need { Ok(()) } else { Err(ModelError::Length { what, have, need }) }
}

fn ensure<'a, K: Kernels>(
    kernels: &mut K,
    place: &'a mut Option<K::Floats>,
    count: usize,
) -> Result<&'a mut K::Floats> {
    if place.is_none() {
        *place = Some(kernels.zeros(count)?);
    }
    Ok(place.as_mut().expect("set above"))
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
        // Frees what a pass without its way back left.
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
        length("the gradient of the features", gradient.len(), need)?;
        let mut back = Backward {
            kernels: &mut self.kernels,
            plan: &self.plan,
            parameters: &self.parameters,
            statistics: &mut self.statistics,
            gradient: &mut self.gradient,
            drop_path: self.settings.drop_path,
            tap: self.tap.as_deref(),
            tapped: None,
        };
        back.network(tape, gradient, ready)?;
        self.tapped = back.tapped;
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
        self.kernels.length_of(&self.gradient)
    }

    fn update(&mut self, update: &Update) -> Result<()> {
        let count = self.parameter_count();
        if update.average_decay.is_some() {
            self.averages()?;
        }
        let first = ensure(&mut self.kernels, &mut self.first, count)?;
        let second = match update.rule {
            Rule::AdamW { .. } => Some(ensure(&mut self.kernels, &mut self.second, count)?),
            Rule::Sgd { .. } => None,
        };
        let averages = match (update.average_decay, &mut self.averaged) {
            (Some(decay), Some(averages)) => Some((decay, averages)),
            _ => None,
        };
        let (average, statistics) = match averages {
            Some((decay, (parameters, statistics))) => {
                (Some(parameters), Some((decay, statistics)))
            }
            None => (None, None),
        };
        self.kernels.step(Step {
            parameters: &mut self.parameters,
            gradient: &mut self.gradient,
            first,
            second,
            average,
            decayed: &self.decayed,
            update,
        })?;
        if let Some((decay, average)) = statistics {
            self.kernels.average(average, &self.statistics, decay)?;
        }
        self.kernels.refresh(&self.parameters)
    }

    fn exchange_average(&mut self) -> Result<()> {
        if let Some((parameters, statistics)) = &mut self.averaged {
            self.kernels.exchange(&mut self.parameters, parameters)?;
            self.kernels.exchange(&mut self.statistics, statistics)?;
            self.kernels.refresh(&self.parameters)?;
        }
        Ok(())
    }

    fn read(&self, buffer: Buffer) -> Result<Vec<f32>> {
        let averaged = self.averaged.as_ref();
        let found = match buffer {
            Buffer::Parameters => Some(&self.parameters),
            Buffer::Gradient => Some(&self.gradient),
            Buffer::Statistics => Some(&self.statistics),
            Buffer::FirstMoment => self.first.as_ref(),
            Buffer::SecondMoment => self.second.as_ref(),
            // The average of no step is what it starts from.
            Buffer::AveragedParameters => {
                Some(averaged.map_or(&self.parameters, |averaged| &averaged.0))
            }
            Buffer::AveragedStatistics => {
                Some(averaged.map_or(&self.statistics, |averaged| &averaged.1))
            }
        };
        match found {
            Some(floats) => self.kernels.download(floats),
            None => Ok(vec![0.0; self.parameter_count()]),
        }
    }

    fn write(&mut self, buffer: Buffer, values: &[f32]) -> Result<()> {
        let (what, need) = match buffer {
            Buffer::Parameters => ("the parameters", self.parameter_count()),
            Buffer::Gradient => ("the gradient", self.parameter_count()),
            Buffer::FirstMoment => ("the first moment", self.parameter_count()),
            Buffer::SecondMoment => ("the second moment", self.parameter_count()),
            Buffer::AveragedParameters => ("the averaged parameters", self.parameter_count()),
            Buffer::Statistics => ("the statistics", self.statistic_count()),
            Buffer::AveragedStatistics => ("the averaged statistics", self.statistic_count()),
        };
        length(what, values.len(), need)?;
        if matches!(buffer, Buffer::AveragedParameters | Buffer::AveragedStatistics) {
            self.averages()?;
        }
        let kernels = &mut self.kernels;
        let target = match (buffer, &mut self.averaged) {
            (Buffer::Gradient, _) => &mut self.gradient,
            (Buffer::Statistics, _) => &mut self.statistics,
            (Buffer::FirstMoment, _) => ensure(kernels, &mut self.first, need)?,
            (Buffer::SecondMoment, _) => ensure(kernels, &mut self.second, need)?,
            (Buffer::AveragedParameters, Some(averaged)) => &mut averaged.0,
            (Buffer::AveragedStatistics, Some(averaged)) => &mut averaged.1,
            _ => &mut self.parameters,
        };
        kernels.overwrite(target, values)?;
        if buffer == Buffer::Parameters {
            kernels.refresh(&self.parameters)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
