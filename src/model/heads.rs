//! The heads: linear layers on the pooled features, for cancer and the auxiliary targets.
//!
//! In: the features of the backbone, `[batch, features]`, and the rows of the table, for the
//! auxiliary inputs. Out: logits as candle tensors. The features are part of the same graph, so a
//! backward pass continues into the backbone.
//!
//! ```text
//! features -- dropout --+
//!                       +-- heads.cancer, heads.birads, ... (linear)
//! columns -- heads.inputs (linear, tanh) --+
//! ```
//!
//! The parameters are in one flat buffer, as the backbone's are. Their names are `heads.*`.

use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Tensor, Var};
use serde::{Deserialize, Serialize};

use super::columns::Coded;
use super::{Buffer, Entry, Kind, ModelError, Update};
use crate::random::Random;
use crate::record::ImageRecord;

/// The structure of the heads, which the checkpoint stores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeadsSpec {
    /// The number of pooled features of the backbone.
    pub features: usize,
    /// The share of the features that is dropped in training.
    pub dropout: f64,
    /// The auxiliary targets.
    pub targets: Vec<Coded>,
    /// The columns that the heads get as inputs.
    pub inputs: Vec<Coded>,
    /// The number of values that the inputs are embedded into.
    pub embedding: usize,
}

impl HeadsSpec {
    /// The number of inputs of every head.
    fn joined(&self) -> usize {
        self.features + if self.inputs.is_empty() { 0 } else { self.embedding }
    }

    /// The length of the auxiliary inputs of an image.
    fn input_width(&self) -> usize {
        self.inputs.iter().map(Coded::inputs).sum()
    }

    /// Name, shape and kind of each parameter, in order.
    fn entries(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        let mut linear = |name: &str, outputs: usize, inputs: usize| {
            for (part, shape, kind) in [
                ("weight", vec![outputs, inputs], Kind::Weight),
                ("bias", vec![outputs], Kind::Bias),
            ] {
                let start = entries.last().map_or(0, |last: &Entry| last.range.end);
                let range = start..start + shape.iter().product::<usize>();
                entries.push(Entry { name: format!("heads.{name}.{part}"), shape, range, kind });
            }
        };
        if !self.inputs.is_empty() {
            linear("inputs", self.embedding, self.input_width());
        }
        linear("cancer", 1, self.joined());
        for target in &self.targets {
            linear(target.column.as_str(), target.outputs(), self.joined());
        }
        entries
    }
}

/// The heads with their parameters and the optimizer's state.
#[derive(Debug, Clone)]
pub struct Heads {
    spec: HeadsSpec,
    entries: Vec<Entry>,
    buffers: Buffers,
}

/// The same buffers as the backbone has. The moving average is created at the first update that has
/// a decay for it, as a copy of the parameters.
#[derive(Debug, Clone)]
struct Buffers {
    parameters: Vec<f32>,
    gradient: Vec<f32>,
    first: Vec<f32>,
    second: Vec<f32>,
    ema: Option<Vec<f32>>,
}

/// Logits of a batch, with the graph that leads to them.
#[derive(Debug)]
pub struct Outputs {
    /// `[batch]`, f64.
    pub cancer: Tensor,
    /// `[batch, outputs]` of each auxiliary target, f64.
    pub auxiliary: Vec<Tensor>,
    parameters: Vec<Var>,
}

impl Heads {
    /// Heads with random weights, uniform within the root of 1 / inputs, as PyTorch's linear layer
    /// starts. Biases are 0, so that no class is favoured at first. `seed` decides the weights.
    pub fn new(spec: HeadsSpec, seed: u64) -> Self {
        let entries = spec.entries();
        let length = entries.last().map_or(0, |last| last.range.end);
        let mut parameters = vec![0.0; length];
        for (number, entry) in entries.iter().enumerate().filter(|(_, e)| e.kind == Kind::Weight) {
            let mut random = Random::new(Random::seed_of(seed, number as u64));
            let bound = 1.0 / (entry.shape[1].max(1) as f32).sqrt();
            parameters[entry.range.clone()].fill_with(|| random.between(-bound, bound));
        }
        let zeros = || vec![0.0; length];
        let buffers =
            Buffers { ema: None, gradient: zeros(), first: zeros(), second: zeros(), parameters };
        Self { spec, entries, buffers }
    }

    /// The structure of the heads.
    pub fn spec(&self) -> &HeadsSpec {
        &self.spec
    }

    /// Names, shapes and places of the parameters.
    pub fn layout(&self) -> &[Entry] {
        &self.entries
    }

    /// Logits from the features `[batch, features]` of the images in `rows`. `dropout` is the seed
    /// of dropout; `None` drops nothing.
    ///
    /// # Errors
    /// [`ModelError::Length`] if the features are of another batch.
    pub fn forward(
        &self,
        features: &Tensor,
        rows: &[&ImageRecord],
        dropout: Option<u64>,
    ) -> Result<Outputs, ModelError> {
        let (have, need) = (features.elem_count(), rows.len() * self.spec.features);
        if have != need {
            return Err(ModelError::Length { what: "the features", have, need });
        }
        self.graph(features, rows, dropout).map_err(ModelError::candle)
    }

    fn graph(
        &self,
        features: &Tensor,
        rows: &[&ImageRecord],
        dropout: Option<u64>,
    ) -> candle_core::Result<Outputs> {
        let (batch, device) = (rows.len(), &Device::Cpu);
        let parameters = self
            .entries
            .iter()
            .map(|entry| {
                let values = &self.buffers.parameters[entry.range.clone()];
                Var::from_slice(values, entry.shape.as_slice(), device)
            })
            .collect::<candle_core::Result<Vec<Var>>>()?;
        let mut linears = parameters.chunks_exact(2);
        let mut linear = |input: &Tensor| {
            let pair = linears.next().expect("one weight and bias per head");
            input.matmul(&pair[0].t()?)?.broadcast_add(&pair[1])
        };
        let mut joined = features.clone();
        if let Some(seed) = dropout {
            joined = (joined * self.mask(batch, seed)?)?;
        }
        if !self.spec.inputs.is_empty() {
            let mut encoded = Vec::with_capacity(batch * self.spec.input_width());
            for row in rows {
                self.spec.inputs.iter().for_each(|input| input.encode(row, &mut encoded));
            }
            let encoded = Tensor::from_vec(encoded, (batch, self.spec.input_width()), device)?;
            joined = Tensor::cat(&[&joined, &linear(&encoded)?.tanh()?], 1)?;
        }
        // What follows is exponentiated: f64 has the digits to spare.
        let cancer = linear(&joined)?.squeeze(1)?.to_dtype(DType::F64)?;
        let auxiliary = self
            .spec
            .targets
            .iter()
            .map(|_| linear(&joined)?.to_dtype(DType::F64))
            .collect::<candle_core::Result<Vec<_>>>()?;
        Ok(Outputs { cancer, auxiliary, parameters })
    }

    /// 0 where a feature is dropped; otherwise the factor that keeps its mean.
    fn mask(&self, batch: usize, seed: u64) -> candle_core::Result<Tensor> {
        let mut random = Random::new(seed);
        let kept = 1.0 / (1.0 - self.spec.dropout);
        let mask: Vec<f32> = (0..batch * self.spec.features)
            .map(|_| if f64::from(random.unit()) < self.spec.dropout { 0.0 } else { kept as f32 })
            .collect();
        Tensor::from_vec(mask, (batch, self.spec.features), &Device::Cpu)
    }

    /// The backward pass from `loss`: adds to the gradient of the heads' parameters, and gives the
    /// gradients of all other variables of the graph.
    ///
    /// # Errors
    /// [`ModelError::Device`] if candle fails.
    pub fn backward(&mut self, outputs: &Outputs, loss: &Tensor) -> Result<GradStore, ModelError> {
        let store = loss.backward().map_err(ModelError::candle)?;
        for (entry, var) in self.entries.iter().zip(&outputs.parameters) {
            // A target that is missing in the whole batch gives no gradient.
            let Some(gradient) = store.get(var) else { continue };
            let values = gradient.flatten_all().and_then(|gradient| gradient.to_vec1::<f32>());
            let values = values.map_err(ModelError::candle)?;
            let sum = &mut self.buffers.gradient[entry.range.clone()];
            sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
        }
        Ok(store)
    }

    /// The Euclidean norm of the gradient.
    pub fn gradient_norm(&self) -> f64 {
        self.buffers.gradient.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt()
    }

    /// One optimizer step on all parameters, as the backbone makes it. Sets the gradient to zero.
    pub fn update(&mut self, update: &Update) {
        let Buffers { parameters, gradient, first, second, ema } = &mut self.buffers;
        if update.ema_decay.is_some() && ema.is_none() {
            *ema = Some(parameters.clone());
        }
        let mut none = Vec::new();
        let ema = ema.as_mut().unwrap_or(&mut none);
        for entry in &self.entries {
            let at = entry.range.clone();
            mammo_net::update::step(
                update,
                entry.kind,
                &mut parameters[at.clone()],
                &gradient[at.clone()],
                &mut first[at.clone()],
                &mut second[at.clone()],
                ema.get_mut(at).unwrap_or_default(),
            );
        }
        gradient.fill(0.0);
    }

    /// Swaps the parameters with their moving average; a second call swaps them back.
    pub fn swap_ema(&mut self) {
        if let Some(ema) = &mut self.buffers.ema {
            std::mem::swap(&mut self.buffers.parameters, ema);
        }
    }

    /// A buffer. Heads have no running statistics; those buffers are empty.
    pub fn read(&self, buffer: Buffer) -> &[f32] {
        match buffer {
            Buffer::Parameters => &self.buffers.parameters,
            Buffer::Gradient => &self.buffers.gradient,
            Buffer::FirstMoment => &self.buffers.first,
            Buffer::SecondMoment => &self.buffers.second,
            Buffer::EmaParameters => self.buffers.ema.as_ref().unwrap_or(&self.buffers.parameters),
            Buffer::Statistics | Buffer::EmaStatistics => &[],
        }
    }

    /// Overwrites a buffer.
    ///
    /// # Errors
    /// [`ModelError::Length`].
    pub fn write(&mut self, buffer: Buffer, values: &[f32]) -> Result<(), ModelError> {
        let need = self.read(buffer).len();
        if values.len() != need {
            return Err(ModelError::Length { what: "the heads' buffer", have: values.len(), need });
        }
        match buffer {
            Buffer::Parameters => self.buffers.parameters.copy_from_slice(values),
            Buffer::Gradient => self.buffers.gradient.copy_from_slice(values),
            Buffer::FirstMoment => self.buffers.first.copy_from_slice(values),
            Buffer::SecondMoment => self.buffers.second.copy_from_slice(values),
            Buffer::EmaParameters => self.buffers.ema = Some(values.to_vec()),
            Buffer::Statistics | Buffer::EmaStatistics => {}
        }
        Ok(())
    }
}

impl Outputs {
    /// Logits of cancer, one per image.
    ///
    /// # Errors
    /// [`ModelError`].
    pub fn logits(&self) -> Result<Vec<f64>, ModelError> {
        self.cancer.to_vec1().map_err(ModelError::candle)
    }
}

#[cfg(test)]
mod tests;
