//! The flat buffers of a network: parameters, gradient, statistics, moments, moving averages.

use std::ops::Range;

use super::check_length;
use crate::kernels::{Kernels, Result, Step};
use crate::{Buffer, Entry, Kind, Layout, Rule, Update};

/// The buffers. Those that not every network needs are made when they are first used.
pub struct State<K: Kernels> {
    pub parameters: K::Floats,
    pub gradient: K::Floats,
    pub statistics: K::Floats,
    first: Option<K::Floats>,
    second: Option<K::Floats>,
    ema: Option<Ema<K::Floats>>,
    /// The places of the parameters that decay.
    decayed: Vec<Range<usize>>,
    parameter_count: usize,
    statistic_count: usize,
}

/// Moving averages.
struct Ema<F> {
    parameters: F,
    statistics: F,
}

fn count(entries: &[Entry]) -> usize {
    entries.last().map_or(0, |entry| entry.range.end)
}

/// Scales and variances one, everything else zero.
fn neutral(entries: &[Entry]) -> Vec<f32> {
    let mut values = vec![0.0; count(entries)];
    let scales = entries.iter().filter(|entry| entry.kind == Kind::Scale);
    scales.for_each(|entry| values[entry.range.clone()].fill(1.0));
    values
}

/// The buffer at `place`, made of zeros if there is none.
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

impl<K: Kernels> State<K> {
    /// Buffers for a network laid out so; scales and variances are one, the rest is zero.
    pub fn new(kernels: &mut K, layout: &Layout) -> Result<Self> {
        let parameters = kernels.upload(&neutral(&layout.parameters))?;
        let statistics = kernels.upload(&neutral(&layout.statistics))?;
        let gradient = kernels.zeros(count(&layout.parameters))?;
        kernels.refresh(&parameters)?;
        let weights = layout.parameters.iter().filter(|entry| entry.kind == Kind::Weight);
        Ok(Self {
            parameters,
            gradient,
            statistics,
            first: None,
            second: None,
            ema: None,
            decayed: weights.map(|entry| entry.range.clone()).collect(),
            parameter_count: count(&layout.parameters),
            statistic_count: count(&layout.statistics),
        })
    }

    /// The moving averages. If there are none yet, they start as copies.
    fn ema(&mut self, kernels: &mut K) -> Result<&mut Ema<K::Floats>> {
        if self.ema.is_none() {
            let parameters = kernels.duplicate(&self.parameters)?;
            self.ema = Some(Ema { parameters, statistics: kernels.duplicate(&self.statistics)? });
        }
        Ok(self.ema.as_mut().expect("set above"))
    }

    /// See [`Backbone::update`](crate::Backbone::update).
    pub fn update(&mut self, kernels: &mut K, update: &Update) -> Result<()> {
        if update.ema_decay.is_some() {
            self.ema(kernels)?;
        }
        let first = ensure(kernels, &mut self.first, self.parameter_count)?;
        let second = match update.rule {
            Rule::AdamW { .. } => Some(ensure(kernels, &mut self.second, self.parameter_count)?),
            Rule::Sgd { .. } => None,
        };
        let (ema, ema_of_statistics) = match (update.ema_decay, &mut self.ema) {
            (Some(decay), Some(Ema { parameters, statistics })) => {
                (Some(parameters), Some((decay, statistics)))
            }
            _ => (None, None),
        };
        kernels.step(Step {
            parameters: &mut self.parameters,
            gradient: &mut self.gradient,
            first,
            second,
            ema,
            decayed: &self.decayed,
            update,
        })?;
        if let Some((decay, ema)) = ema_of_statistics {
            kernels.update_ema(ema, &self.statistics, decay)?;
        }
        kernels.refresh(&self.parameters)
    }

    /// See [`Backbone::swap_ema`](crate::Backbone::swap_ema).
    pub fn swap_ema(&mut self, kernels: &mut K) -> Result<()> {
        if let Some(Ema { parameters, statistics }) = &mut self.ema {
            std::mem::swap(&mut self.parameters, parameters);
            std::mem::swap(&mut self.statistics, statistics);
            kernels.refresh(&self.parameters)?;
        }
        Ok(())
    }

    /// See [`Backbone::read`](crate::Backbone::read).
    pub fn read(&self, kernels: &K, buffer: Buffer) -> Result<Vec<f32>> {
        let ema = self.ema.as_ref();
        let found = match buffer {
            Buffer::Parameters => Some(&self.parameters),
            Buffer::Gradient => Some(&self.gradient),
            Buffer::Statistics => Some(&self.statistics),
            Buffer::FirstMoment => self.first.as_ref(),
            Buffer::SecondMoment => self.second.as_ref(),
            Buffer::EmaParameters => Some(ema.map_or(&self.parameters, |ema| &ema.parameters)),
            Buffer::EmaStatistics => Some(ema.map_or(&self.statistics, |ema| &ema.statistics)),
        };
        match found {
            Some(floats) => kernels.download(floats),
            None => Ok(vec![0.0; self.parameter_count]),
        }
    }

    /// See [`Backbone::write`](crate::Backbone::write).
    pub fn write(&mut self, kernels: &mut K, buffer: Buffer, values: &[f32]) -> Result<()> {
        let (what, need) = match buffer {
            Buffer::Parameters => ("the parameters", self.parameter_count),
            Buffer::Gradient => ("the gradient", self.parameter_count),
            Buffer::FirstMoment => ("the first moment", self.parameter_count),
            Buffer::SecondMoment => ("the second moment", self.parameter_count),
            Buffer::EmaParameters => ("the moving average of the parameters", self.parameter_count),
            Buffer::Statistics => ("the statistics", self.statistic_count),
            Buffer::EmaStatistics => ("the moving average of the statistics", self.statistic_count),
        };
        check_length(what, values.len(), need)?;
        let target = match buffer {
            Buffer::Parameters => &mut self.parameters,
            Buffer::Gradient => &mut self.gradient,
            Buffer::Statistics => &mut self.statistics,
            Buffer::FirstMoment => ensure(kernels, &mut self.first, need)?,
            Buffer::SecondMoment => ensure(kernels, &mut self.second, need)?,
            Buffer::EmaParameters => &mut self.ema(kernels)?.parameters,
            Buffer::EmaStatistics => &mut self.ema(kernels)?.statistics,
        };
        kernels.overwrite(target, values)?;
        if buffer == Buffer::Parameters {
            kernels.refresh(&self.parameters)?;
        }
        Ok(())
    }
}
