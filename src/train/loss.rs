//! The losses, as scalars of candle's graph.
//!
//! In: logits, `[rows]` or `[rows, classes]`, in f64 for numerical precision. Out: a scalar, the
//! mean over the rows; candle computes its gradient.

use candle_core::{D, DType, Result, Tensor};

use crate::config::train::{LossConfig, LossKind, RegressionLoss};

/// The target value of a cancer label: `positive_label` for a positive and 0 for a negative, then
/// label smoothing.
pub fn soft_label(config: &LossConfig, positive: bool) -> f64 {
    let hard = if positive { config.positive_label } else { 0.0 };
    hard * (1.0 - config.label_smoothing) + config.label_smoothing / 2.0
}

/// Loss of the cancer head: `[rows]` logits against `[rows]` labels of 0 to 1.
///
/// # Errors
/// candle's, if the shapes differ.
pub fn cancer(config: &LossConfig, logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
    let each = binary_each(logits, labels, config.positive_weight)?;
    match config.kind {
        LossKind::Bce => each.mean_all(),
        LossKind::Focal => {
            // |label - p| is 1 - p_t of the paper for hard labels, and Li et al. (2020) take it
            // for soft ones.
            let error = (sigmoid(logits)? - labels)?.abs()?;
            (each * error.powf(config.focal_gamma)?)?.mean_all()
        }
    }
}

/// Binary cross-entropy of `[rows]` logits against labels of 0 to 1.
///
/// # Errors
/// candle's, if the shapes differ.
pub fn binary(logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
    binary_each(logits, labels, 1.0)?.mean_all()
}

/// `-w y log p - (1 - y) log (1 - p)` of each row, finite for any logit.
fn binary_each(logits: &Tensor, labels: &Tensor, positive_weight: f64) -> Result<Tensor> {
    let positive = (softplus(&logits.neg()?)? * labels)?;
    let negative = (softplus(logits)? * labels.affine(-1.0, 1.0)?)?;
    positive.affine(positive_weight, 0.0)? + negative
}

/// `log(1 + exp(x))` without overflow.
fn softplus(x: &Tensor) -> Result<Tensor> {
    x.relu()? + x.abs()?.neg()?.exp()?.affine(1.0, 1.0)?.log()?
}

fn sigmoid(x: &Tensor) -> Result<Tensor> {
    // tanh overflows on neither side.
    x.affine(0.5, 0.0)?.tanh()?.affine(0.5, 0.5)
}

/// Cross-entropy of `[rows, classes]` logits against `[rows]` classes (u32).
///
/// # Errors
/// candle's, if the shapes differ or a class is out of range.
pub fn categorical(logits: &Tensor, classes: &Tensor) -> Result<Tensor> {
    let highest = logits.max_keepdim(D::Minus1)?.detach();
    let shifted = logits.broadcast_sub(&highest)?;
    let all = shifted.exp()?.sum(D::Minus1)?.log()?;
    let own = shifted.gather(&classes.unsqueeze(1)?, 1)?.squeeze(1)?;
    (all - own)?.mean_all()
}

/// Ordinal regression: one binary cross-entropy per threshold between classes, "is the class above
/// it?" (Frank and Hall 2001). `[rows, classes - 1]` logits against `[rows]` classes (u32); the
/// mean over rows and thresholds.
///
/// # Errors
/// candle's, if the shapes differ.
pub fn ordinal(logits: &Tensor, classes: &Tensor) -> Result<Tensor> {
    let thresholds = Tensor::arange(0_u32, logits.dim(1)? as u32, logits.device())?;
    let shape = logits.shape();
    let above = classes.unsqueeze(1)?.broadcast_as(shape)?.gt(&thresholds.broadcast_as(shape)?)?;
    binary(logits, &above.to_dtype(DType::F64)?)
}

/// Loss of `[rows]` predictions against `[rows]` values, both in standard deviations.
///
/// # Errors
/// candle's, if the shapes differ.
pub fn regression(kind: RegressionLoss, predicted: &Tensor, values: &Tensor) -> Result<Tensor> {
    let error = (predicted - values)?;
    match kind {
        RegressionLoss::Mse => error.sqr()?.mean_all(),
        RegressionLoss::Huber => {
            // m^2 / 2 + (|error| - m), m = min(|error|, 1): half the square below 1, a line above.
            let size = error.abs()?;
            let beyond = size.affine(1.0, -1.0)?.relu()?;
            let within = (&size - &beyond)?;
            (within.sqr()?.affine(0.5, 0.0)? + beyond)?.mean_all()
        }
    }
}

#[cfg(test)]
mod tests;
