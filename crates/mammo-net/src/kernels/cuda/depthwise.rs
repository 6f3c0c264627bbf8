//! Launches of `source/depthwise.cu` and `source/depthwise_weights.cu`.

use std::ops::Range;

use super::super::{Activation, Operand, Result, Shape};
use super::rows::Made;
use super::{Cuda, Floats, Sums, Values, arguments};
use crate::Precision;
use crate::plan::Window;

/// Channels of a block; `WIDE` in the source.
const WIDE: usize = 32;
/// Blocks that fill any GPU. This is also the largest number of partial gradients of a weight.
const BLOCKS: usize = 1024;

/// The tile of a block: `Tile` and `WeightTile` of the source, and the squares of stride 2.
struct Tile {
    height: usize,
    width: usize,
    threads: u32,
}

impl Tile {
    fn of_outputs(window: Window, precision: Precision) -> Self {
        match (window.stride, precision) {
            (1, Precision::Bf16) => Self { height: 16, width: 16, threads: 256 },
            (1, Precision::F32) => Self { height: 16, width: 8, threads: 128 },
            _ => Self { height: 8, width: 8, threads: 128 },
        }
    }

    fn of_inputs(window: Window, precision: Precision) -> Self {
        match window.stride {
            1 => Self::of_outputs(window, precision),
            _ => Self { height: 8, width: 16, threads: 128 },
        }
    }

    fn of_weights(window: Window, precision: Precision) -> Self {
        let (height, width) = match (window.stride, precision) {
            (1, Precision::Bf16) => (16, 16),
            (1, Precision::F32) => (8, 16),
            _ => (8, 8),
        };
        Self { height, width, threads: 64 * window.kernel as u32 }
    }

    fn count(&self, shape: Shape) -> usize {
        shape.height.div_ceil(self.height) * shape.width.div_ceil(self.width)
    }
}

/// The kernel for a window.
fn name(names: [&'static str; 4], window: Window) -> &'static str {
    match (window.kernel, window.stride) {
        (3, 1) => names[0],
        (3, 2) => names[1],
        (5, 1) => names[2],
        (5, 2) => names[3],
        other => unreachable!("windows are 3 or 5 wide and move by 1 or 2, not {other:?}"),
    }
}

const FORWARD: [&str; 4] = ["depthwise_3_1", "depthwise_3_2", "depthwise_5_1", "depthwise_5_2"];
const BACK: [&str; 4] = [
    "depthwise_backward_3_1",
    "depthwise_backward_3_2",
    "depthwise_backward_5_1",
    "depthwise_backward_5_2",
];
const WEIGHTS: [&str; 4] = [
    "depthwise_weights_3_1",
    "depthwise_weights_3_2",
    "depthwise_weights_5_1",
    "depthwise_weights_5_2",
];

impl Cuda {
    /// The operand as these kernels take it. They apply norm and activation themselves. A gate, which
    /// no depthwise convolution of the network has, is applied before.
    fn ungated<'a>(&mut self, x: Operand<'a, Self>) -> Result<(Made<'a>, Operand<'a, Self>)> {
        let made = if x.gate.is_some() { self.make(x)? } else { Made::Raw(&x.raw.values) };
        let norm = x.norm.filter(|_| x.gate.is_none());
        Ok((made, Operand { norm, gate: None, ..x }))
    }

    /// See [`super::Kernels::depthwise`].
    pub(super) fn depthwise_forward(
        &mut self,
        x: Operand<'_, Self>,
        window: Window,
        parameters: &Floats,
        weight: &Range<usize>,
        with_sums: bool,
    ) -> Result<(Activation<Values>, Option<Sums>)> {
        let shape = x.raw.shape;
        let weight = self.weight(parameters, weight, window.kernel * window.kernel)?;
        let (made, x) = self.ungated(x)?;
        let y = self.activation(shape.convolved(window))?;
        let tile = Tile::of_outputs(window, self.device.precision);
        let (tiles, channels) = (tile.count(y.shape), shape.channels);
        let slabs = shape.batch * tiles;
        let sums = with_sums.then(|| self.floats(slabs * 2 * channels)).transpose()?;
        let arguments = arguments![
            made.values(),
            x.norm.map(|norm| &norm.scale),
            x.norm.map(|norm| &norm.shift),
            weight,
            &y.values,
            sums.as_ref(),
            shape.height,
            shape.width,
            channels,
            y.shape.height,
            y.shape.width,
        ];
        let grid = [tiles, channels.div_ceil(WIDE), shape.batch];
        self.device.launch(name(FORWARD, window), grid, tile.threads, arguments)?;
        let sums = sums.map(|sums| self.sums(sums, slabs, channels)).transpose()?;
        Ok((y, sums))
    }

    /// The gradient of the input; see [`super::Kernels::depthwise_backward`].
    pub(super) fn depthwise_input(
        &mut self,
        grad_output: &Activation<Values>,
        x: Operand<'_, Self>,
        window: Window,
        parameters: &Floats,
        weight: &Range<usize>,
        accumulate_into: Option<Activation<Values>>,
    ) -> Result<(Activation<Values>, Option<Sums>)> {
        let shape = x.raw.shape;
        let weight = self.weight(parameters, weight, window.kernel * window.kernel)?;
        let given = accumulate_into.is_some();
        // If there is something to add to, it is done in place: one thread reads and writes a value.
        let out = accumulate_into.map_or_else(|| self.activation(shape), Ok)?;
        let tile = Tile::of_inputs(window, self.device.precision);
        let (tiles, channels) = (tile.count(shape), shape.channels);
        let slabs = shape.batch * tiles;
        let sums = x.norm.map(|_| self.floats(slabs * 2 * channels)).transpose()?;
        let mut arguments = arguments![
            &grad_output.values,
            weight,
            &x.raw.values,
            x.norm.map(|norm| &norm.mean),
            x.norm.map(|norm| &norm.scale),
            x.norm.map(|norm| &norm.shift),
            given.then_some(&out.values),
            &out.values,
            sums.as_ref(),
            shape.height,
            shape.width,
            channels,
        ]
        .to_vec();
        if window.stride == 2 {
            arguments
                .extend_from_slice(arguments![grad_output.shape.height, grad_output.shape.width]);
        }
        let grid = [tiles, channels.div_ceil(WIDE), shape.batch];
        self.device.launch(name(BACK, window), grid, tile.threads, &arguments)?;
        let sums = sums.map(|sums| self.sums(sums, slabs, channels)).transpose()?;
        Ok((out, sums))
    }

    /// Adds the gradient of the weight.
    pub(super) fn depthwise_weights(
        &mut self,
        grad_output: &Activation<Values>,
        x: Operand<'_, Self>,
        window: Window,
        weight: &Range<usize>,
        gradient: &Floats,
    ) -> Result<()> {
        let shape = x.raw.shape;
        let (made, x) = self.ungated(x)?;
        let tile = Tile::of_weights(window, self.device.precision);
        let (channels, taps) = (shape.channels, window.kernel * window.kernel);
        let across = channels.div_ceil(WIDE);
        let tiles = shape.batch * tile.count(grad_output.shape);
        let slabs = tiles.min((BLOCKS / across).max(1));
        let sums = self.floats(slabs * taps * channels)?;
        let arguments = arguments![
            made.values(),
            x.norm.map(|norm| &norm.scale),
            x.norm.map(|norm| &norm.shift),
            &grad_output.values,
            &sums,
            shape.batch,
            shape.height,
            shape.width,
            channels,
            grad_output.shape.height,
            grad_output.shape.width,
        ];
        let grid = [across, slabs, 1];
        self.device.launch(name(WEIGHTS, window), grid, tile.threads, arguments)?;
        self.accumulate_taps(sums, slabs, (taps, channels), gradient, weight.start)
    }
}
