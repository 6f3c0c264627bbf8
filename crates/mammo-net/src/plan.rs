//! The network as data: its blocks, and where each keeps its numbers in the flat buffers.
//!
//! In: a [`Variant`] and the number of input channels. Out: a [`Plan`], with the blocks in their
//! order, the ranges of their weights, and the [`Layout`] that names the weights as timm does. The
//! forward and the backward pass walk over it. Nothing else knows the shape of the network.

use std::ops::Range;

use crate::{Entry, Kind, Layout, Variant};

/// A batch norm: places in the parameters (`scale`, `shift`) and in the running statistics (`mean`,
/// `variance`).
#[derive(Debug, Clone)]
pub struct NormPlan {
    /// The number of channels.
    pub channels: usize,
    /// The learnt scale, gamma.
    pub scale: Range<usize>,
    /// The learnt shift, beta.
    pub shift: Range<usize>,
    /// The running mean.
    pub mean: Range<usize>,
    /// The running variance (unbiased, as PyTorch keeps it).
    pub variance: Range<usize>,
}

/// Squeeze and excitation (Hu et al. 2018): two linear layers on the channel means of each image.
#[derive(Debug, Clone)]
pub struct ExcitePlan {
    /// Values between the two layers: a quarter of the block's input channels.
    pub hidden: usize,
    /// `[hidden, channels]`.
    pub reduce_weight: Range<usize>,
    /// `[hidden]`.
    pub reduce_bias: Range<usize>,
    /// `[channels, hidden]`.
    pub expand_weight: Range<usize>,
    /// `[channels]`.
    pub expand_bias: Range<usize>,
}

/// The window of a convolution. The image is padded by half its side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The side: 3 or 5.
    pub kernel: usize,
    /// The stride: 1 or 2.
    pub stride: usize,
}

impl Window {
    /// The number of outputs along an axis of `length` inputs.
    pub fn outputs(self, length: usize) -> usize {
        (length + 2 * (self.kernel / 2) - self.kernel) / self.stride + 1
    }
}

/// The weight of a convolution, and the norm after it.
#[derive(Debug, Clone)]
pub struct ConvolutionPlan {
    /// Place of the weight.
    pub weight: Range<usize>,
    /// Output channels.
    pub outputs: usize,
    /// The norm after it.
    pub norm: NormPlan,
}

/// An inverted residual block (MBConv), or without `expand` a depthwise separable block.
#[derive(Debug, Clone)]
pub struct BlockPlan {
    /// timm's name, such as `blocks.1.0`.
    pub name: String,
    /// The 1x1 convolution that widens the block.
    pub expand: Option<ConvolutionPlan>,
    /// The depthwise convolution in the wide middle.
    pub depthwise: ConvolutionPlan,
    /// Its window.
    pub window: Window,
    /// Squeeze and excitation of the wide middle.
    pub excite: ExcitePlan,
    /// The 1x1 convolution that narrows the block. No activation follows.
    pub project: ConvolutionPlan,
    /// Whether the input is added to the output (a residual connection).
    pub residual: bool,
    /// How deep in the network it is: its number / the number of blocks. Drop-path grows with it.
    pub depth: f64,
    /// The places of all its parameters.
    pub parameters: Range<usize>,
}

/// A network as data.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Input channels: 1 or 3.
    pub channels: usize,
    /// The stem: 3x3, stride 2.
    pub stem: ConvolutionPlan,
    /// All blocks, in their order.
    pub blocks: Vec<BlockPlan>,
    /// The blocks of each stage, as ranges of `blocks`.
    pub stages: Vec<Range<usize>>,
    /// The head: the 1x1 convolution to the features.
    pub head: ConvolutionPlan,
    /// Names, shapes and places of all parameters and running statistics.
    pub layout: Layout,
}

/// The window of the stem.
pub const STEM_WINDOW: Window = Window { kernel: 3, stride: 2 };

impl Plan {
    /// Lays out a network of `channels` input channels.
    pub fn new(variant: Variant, channels: usize) -> Self {
        let mut places = Places::default();
        let width = variant.stem_width();
        let stem = places.convolution("conv_stem", "bn1", [width, channels, 3, 3]);
        let count = variant.stages().iter().map(|stage| stage.repeats).sum::<usize>();
        let (mut blocks, mut stages, mut input) = (Vec::new(), Vec::new(), width);
        for (i, stage) in variant.stages().into_iter().enumerate() {
            let first = blocks.len();
            for j in 0..stage.repeats {
                let window =
                    Window { kernel: stage.kernel, stride: if j == 0 { stage.stride } else { 1 } };
                let depth = blocks.len() as f64 / count as f64;
                let shape = (input, stage.expansion, stage.width);
                blocks.push(places.block(format!("blocks.{i}.{j}"), shape, window, depth));
                input = stage.width;
            }
            stages.push(first..blocks.len());
        }
        let head = places.convolution("conv_head", "bn2", [variant.features(), input, 1, 1]);
        Self { channels, stem, blocks, stages, head, layout: places.layout }
    }

    /// Pooled features per image.
    pub fn features(&self) -> usize {
        self.head.outputs
    }
}

/// Hands out places in the order of the network.
#[derive(Default)]
struct Places {
    layout: Layout,
}

impl Places {
    fn parameter(&mut self, name: String, shape: &[usize], kind: Kind) -> Range<usize> {
        place(&mut self.layout.parameters, name, shape, kind)
    }

    fn norm(&mut self, name: &str, channels: usize) -> NormPlan {
        let shape = [channels];
        let scale = self.parameter(format!("{name}.weight"), &shape, Kind::Scale);
        let shift = self.parameter(format!("{name}.bias"), &shape, Kind::Bias);
        let statistics = &mut self.layout.statistics;
        let mean = place(statistics, format!("{name}.running_mean"), &shape, Kind::Bias);
        let variance = place(statistics, format!("{name}.running_var"), &shape, Kind::Scale);
        NormPlan { channels, scale, shift, mean, variance }
    }

    fn convolution(&mut self, name: &str, norm: &str, shape: [usize; 4]) -> ConvolutionPlan {
        let weight = self.parameter(format!("{name}.weight"), &shape, Kind::Weight);
        ConvolutionPlan { weight, outputs: shape[0], norm: self.norm(norm, shape[0]) }
    }

    fn excite(&mut self, name: &str, channels: usize, hidden: usize) -> ExcitePlan {
        let of = |part: &str| format!("{name}.se.{part}");
        let (reduce, expand) = ([hidden, channels, 1, 1], [channels, hidden, 1, 1]);
        ExcitePlan {
            hidden,
            reduce_weight: self.parameter(of("conv_reduce.weight"), &reduce, Kind::Weight),
            reduce_bias: self.parameter(of("conv_reduce.bias"), &[hidden], Kind::Bias),
            expand_weight: self.parameter(of("conv_expand.weight"), &expand, Kind::Weight),
            expand_bias: self.parameter(of("conv_expand.bias"), &[channels], Kind::Bias),
        }
    }

    fn block(
        &mut self,
        name: String,
        (input, expansion, output): (usize, usize, usize),
        window: Window,
        depth: f64,
    ) -> BlockPlan {
        let of = |part: &str| format!("{name}.{part}");
        let first = self.layout.parameters.len();
        let middle = input * expansion;
        // timm numbers the norms by their order, so they are one lower without an expansion.
        let wide = expansion > 1;
        let (second, third, last) =
            if wide { ("bn2", "bn3", "conv_pwl") } else { ("bn1", "bn2", "conv_pw") };
        let expand =
            wide.then(|| self.convolution(&of("conv_pw"), &of("bn1"), [middle, input, 1, 1]));
        let square = [middle, 1, window.kernel, window.kernel];
        let depthwise = self.convolution(&of("conv_dw"), &of(second), square);
        let excite = self.excite(&name, middle, input / 4);
        let project = self.convolution(&of(last), &of(third), [output, middle, 1, 1]);
        let entries = &self.layout.parameters;
        let parameters = entries[first].range.start..end(entries);
        let residual = window.stride == 1 && input == output;
        BlockPlan { name, expand, depthwise, window, excite, project, residual, depth, parameters }
    }
}

fn end(entries: &[Entry]) -> usize {
    entries.last().map_or(0, |entry| entry.range.end)
}

fn place(entries: &mut Vec<Entry>, name: String, shape: &[usize], kind: Kind) -> Range<usize> {
    let start = end(entries);
    let range = start..start + shape.iter().product::<usize>();
    entries.push(Entry { name, shape: shape.into(), range: range.clone(), kind });
    range
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b4_has_as_many_parameters_as_in_timm() {
        // sum(p.numel() for p in timm.create_model('efficientnet_b4', num_classes=0).parameters())
        let plan = Plan::new(Variant::B4, 3);
        assert_eq!(end(&plan.layout.parameters), 17_548_616);
        assert_eq!(plan.blocks.len(), 32);
    }

    #[test]
    fn the_ranges_of_stem_blocks_and_head_follow_each_other() {
        let plan = Plan::new(Variant::B0, 1);
        let mut at = plan.stem.norm.shift.end;
        for block in &plan.blocks {
            assert_eq!(block.parameters.start, at, "{}", block.name);
            at = block.parameters.end;
        }
        assert_eq!(plan.head.weight.start, at);
    }

    #[test]
    fn a_window_of_stride_two_halves_and_rounds_up() {
        let window = Window { kernel: 5, stride: 2 };
        assert_eq!([1, 2, 7, 8].map(|length| window.outputs(length)), [1, 1, 4, 4]);
    }
}
