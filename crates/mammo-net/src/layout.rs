//! Where each parameter and each running statistic lies in its flat buffer.

use std::ops::Range;

/// What kind of parameter a tensor is. It decides weight decay and the initial values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The weight of a convolution or a linear layer. It decays.
    Weight,
    /// The scale of a batch norm (PyTorch's `weight`), or a running variance. It starts at 1.
    Scale,
    /// The shift of a batch norm, the bias of a convolution or a linear layer, or a running mean.
    /// It starts at 0.
    Bias,
}

/// One parameter or running statistic in its flat buffer.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// timm's name, such as `blocks.1.0.conv_pw.weight`.
    pub name: String,
    /// PyTorch's shape, such as `[out, in, height, width]`.
    pub shape: Vec<usize>,
    /// The place of its values in the buffer. They are in PyTorch's order.
    pub range: Range<usize>,
    /// What kind of parameter it is.
    pub kind: Kind,
}

/// Where everything lies.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Layout {
    /// What is trained, in the order of the network.
    pub parameters: Vec<Entry>,
    /// Running means and variances, in the order of the network. They have a buffer of their own.
    pub statistics: Vec<Entry>,
}

/// One of the flat buffers of a backbone. [`Backbone::read`](crate::Backbone::read) and
/// [`Backbone::write`](crate::Backbone::write) copy them for checkpoints and tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Buffer {
    /// The parameters, f32, placed as [`Layout::parameters`].
    Parameters,
    /// The gradient that was added up since the last update.
    Gradient,
    /// The running statistics, placed as [`Layout::statistics`].
    Statistics,
    /// AdamW's first moment, or the velocity of SGD.
    FirstMoment,
    /// AdamW's second moment.
    SecondMoment,
    /// The exponential moving average (EMA) of the parameters.
    EmaParameters,
    /// The exponential moving average (EMA) of the running statistics.
    EmaStatistics,
}
