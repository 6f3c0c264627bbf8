//! 1x1 convolutions: products by cuBLAS of activations with everything lazy applied.
//!
//! cuBLAS keeps matrices by columns, so our `[rows, channels]` are its `[channels, rows]`, and
//! it is given the transposed product.

use std::ops::Range;

use super::super::{Activation, GradientOperand, Operand, Result};
use super::device::{Factor, Product};
use super::{Cuda, Floats, Values};

impl Cuda {
    /// `y = x * weight^T`.
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

    /// See [`super::Kernels::pointwise_back`].
    pub(super) fn pointwise_gradients(
        &mut self,
        outer: GradientOperand<'_, Self>,
        x: Operand<'_, Self>,
        parameters: &Floats,
        weight: &Range<usize>,
        gradient: &Floats,
        onto: Option<Activation<Values>>,
    ) -> Result<Activation<Values>> {
        let (rows, inputs) = (x.raw.shape.rows(), x.raw.shape.channels);
        let outputs = weight.len() / inputs;
        let outer = self.make_gradient(outer)?;
        {
            // gradient += outer^T * x
            let made = self.make(x)?;
            self.device.multiply(&Product {
                sizes: [inputs, outputs, rows],
                a: Factor { address: made.values().into(), step: inputs, transposed: false },
                b: Factor { address: outer.values().into(), step: outputs, transposed: true },
                out: gradient.from(weight.start),
                out_floats: true,
                add: true,
            })?;
        }
        // dx = outer * weight
        let weight = self.weight(parameters, weight, 1)?;
        let add = onto.is_some();
        let dx = onto.map_or_else(|| self.activation(x.raw.shape), Ok)?;
        self.device.multiply(&Product {
            sizes: [inputs, rows, outputs],
            a: Factor { address: weight, step: inputs, transposed: false },
            b: Factor { address: outer.values().into(), step: outputs, transposed: false },
            out: (&dx.values).into(),
            out_floats: false,
            add,
        })?;
        Ok(dx)
    }
}
