//! 1x1 convolutions: lazy operands are computed first, then cuBLAS multiplies.
//!
//! cuBLAS stores matrices by columns. Our `[rows, channels]` is its `[channels, rows]`, so it is
//! given the transposed product.

use std::ops::Range;

use super::super::{Activation, GradientOperand, Operand, Result};
use super::device::{Factor, Product};
use super::{Cuda, Floats, Values};

impl Cuda {
    /// The output `x * weight^T`.
    pub(super) fn pointwise_forward(
        &mut self,
        x: Operand<'_, Self>,
        parameters: &Floats,
        weight: &Range<usize>,
    ) -> Result<Activation<Values>> {
        let (rows, inputs) = (x.raw.shape.rows(), x.raw.shape.channels);
        let outputs = weight.len() / inputs;
        let weight = self.weight(parameters, weight, 1)?;
        let made = self.make(x)?;
        let y = self.activation(x.raw.shape.with_channels(outputs))?;
        self.device.multiply(&Product {
            sizes: [outputs, rows, inputs],
            a: Factor { address: weight, step: inputs, transposed: true },
            b: Factor { address: made.values().into(), step: inputs, transposed: false },
            out: (&y.values).into(),
            out_floats: false,
            add: false,
        })?;
        Ok(y)
    }

    /// See [`super::Kernels::pointwise_backward`].
    pub(super) fn pointwise_gradients(
        &mut self,
        grad_output: GradientOperand<'_, Self>,
        x: Operand<'_, Self>,
        parameters: &Floats,
        weight: &Range<usize>,
        gradient: &Floats,
        accumulate_into: Option<Activation<Values>>,
    ) -> Result<Activation<Values>> {
        let (rows, inputs) = (x.raw.shape.rows(), x.raw.shape.channels);
        let outputs = weight.len() / inputs;
        let grad_output = self.make_gradient(grad_output)?;
        {
            // gradient += grad_output^T * x
            let made = self.make(x)?;
            self.device.multiply(&Product {
                sizes: [inputs, outputs, rows],
                a: Factor { address: made.values().into(), step: inputs, transposed: false },
                b: Factor { address: grad_output.values().into(), step: outputs, transposed: true },
                out: gradient.from(weight.start),
                out_floats: true,
                add: true,
            })?;
        }
        // dx = grad_output * weight
        let weight = self.weight(parameters, weight, 1)?;
        let add = accumulate_into.is_some();
        let dx = accumulate_into.map_or_else(|| self.activation(x.raw.shape), Ok)?;
        self.device.multiply(&Product {
            sizes: [inputs, rows, outputs],
            a: Factor { address: weight, step: inputs, transposed: false },
            b: Factor { address: grad_output.values().into(), step: outputs, transposed: false },
            out: (&dx.values).into(),
            out_floats: false,
            add,
        })?;
        Ok(dx)
    }
}
