//! The loss of a batch, `total = (1 - w) * cancer + w * auxiliary`, with missing labels masked.
//!
//! In: the heads' logits and the rows of the table. Out: the total as a scalar of candle's graph,
//! and its parts as numbers. A missing value is in no sum, so it gives no gradient. A target that
//! is missing in the whole batch is left out of the mean over targets.

use candle_core::{DType, Device, Tensor};

use super::loss;
use crate::config::TrainConfig;
use crate::model::ModelError;
use crate::model::columns::{Code, Coded, Coding};
use crate::model::heads::Outputs;
use crate::record::ImageRecord;

/// Losses of a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Parts {
    /// The total loss.
    pub total: f64,
    /// Loss of the cancer head; `None` if no image of the batch has the label.
    pub cancer: Option<f64>,
    /// Loss of each auxiliary target, in the order of the heads; `None` if all its values are
    /// missing.
    pub auxiliary: Vec<Option<f64>>,
}

/// The total of the batch `rows`, and its parts.
///
/// # Errors
/// [`ModelError`], if the logits are those of another batch.
pub fn total(
    config: &TrainConfig,
    targets: &[Coded],
    outputs: &Outputs,
    rows: &[&ImageRecord],
) -> Result<(Tensor, Parts), ModelError> {
    graph(config, targets, outputs, rows).map_err(ModelError::candle)
}

fn graph(
    config: &TrainConfig,
    targets: &[Coded],
    outputs: &Outputs,
    rows: &[&ImageRecord],
) -> candle_core::Result<(Tensor, Parts)> {
    let weight = if targets.is_empty() { 0.0 } else { config.auxiliary.weight };
    let cancer = cancer(config, outputs, rows)?;
    let auxiliary = targets
        .iter()
        .zip(&outputs.auxiliary)
        .map(|(target, logits)| auxiliary(config, target, logits, rows))
        .collect::<candle_core::Result<Vec<_>>>()?;
    let known: Vec<&Tensor> = auxiliary.iter().flatten().collect();
    // Starts at 0 with a gradient of 0, so that a batch without labels has a graph, too.
    let mut total = outputs.cancer.affine(0.0, 0.0)?.sum_all()?;
    if let Some(cancer) = &cancer {
        total = (total + cancer.affine(1.0 - weight, 0.0)?)?;
    }
    for loss in &known {
        total = (total + loss.affine(weight / known.len() as f64, 0.0)?)?;
    }
    let value = |loss: &Tensor| loss.to_scalar::<f64>();
    let parts = Parts {
        total: value(&total)?,
        cancer: cancer.as_ref().map(value).transpose()?,
        auxiliary: auxiliary
            .iter()
            .map(|loss| loss.as_ref().map(value).transpose())
            .collect::<candle_core::Result<_>>()?,
    };
    Ok((total, parts))
}

fn cancer(
    config: &TrainConfig,
    outputs: &Outputs,
    rows: &[&ImageRecord],
) -> candle_core::Result<Option<Tensor>> {
    let soft = |positive| loss::soft_label(&config.loss, positive);
    let labels: Vec<Option<f64>> = rows.iter().map(|row| row.cancer.map(soft)).collect();
    let Some((logits, labels)) = known(&outputs.cancer, labels)? else { return Ok(None) };
    loss::cancer(&config.loss, &logits, &Tensor::new(labels, &Device::Cpu)?).map(Some)
}

fn auxiliary(
    config: &TrainConfig,
    target: &Coded,
    logits: &Tensor,
    rows: &[&ImageRecord],
) -> candle_core::Result<Option<Tensor>> {
    let codes = rows.iter().map(|row| target.code(row)).collect();
    let Some((logits, codes)) = known(logits, codes)? else { return Ok(None) };
    let values = Tensor::new(codes.iter().map(number).collect::<Vec<f64>>(), &Device::Cpu)?;
    let classes = || values.to_dtype(DType::U32);
    let loss = match target.coding {
        Coding::Binary => loss::binary(&logits.squeeze(1)?, &values),
        Coding::Regression { .. } => {
            loss::regression(config.loss.regression, &logits.squeeze(1)?, &values)
        }
        Coding::Categorical(_) => loss::categorical(&logits, &classes()?),
        Coding::Ordinal(_) => loss::ordinal(&logits, &classes()?),
    };
    loss.map(Some)
}

fn number(code: &Code) -> f64 {
    match *code {
        Code::Class(class) => class as f64,
        Code::Value(value) => value,
    }
}

/// The rows of `logits` whose value is not missing, and those values; `None` if all are missing.
fn known<T>(
    logits: &Tensor,
    values: Vec<Option<T>>,
) -> candle_core::Result<Option<(Tensor, Vec<T>)>> {
    let (at, values): (Vec<u32>, Vec<T>) = values
        .into_iter()
        .enumerate()
        .filter_map(|(row, value)| value.map(|value| (row as u32, value)))
        .unzip();
    if at.is_empty() {
        return Ok(None);
    }
    let at = Tensor::new(at, &Device::Cpu)?;
    Ok(Some((logits.index_select(&at, 0)?, values)))
}

#[cfg(test)]
mod tests {
    use candle_core::Var;

    use super::*;
    use crate::model::Buffer;
    use crate::model::heads::{Heads, HeadsSpec};
    use crate::record::Column;
    use crate::record::{Density, Id};

    const FEATURES: [f32; 6] = [0.5, -1.0, 2.0, 1.0, 0.25, -0.5];

    fn row(cancer: Option<bool>) -> ImageRecord {
        let row = ImageRecord::unlabelled(Id::new("1").unwrap(), Id::new("2").unwrap());
        ImageRecord { cancer, ..row }
    }

    fn heads(targets: &[Column], rows: &[ImageRecord]) -> Heads {
        let targets = targets.iter().map(|c| Coded::learn(*c, rows)).collect();
        let spec =
            HeadsSpec { features: 3, dropout: 0.0, targets, inputs: Vec::new(), embedding: 1 };
        Heads::new(spec, 11)
    }

    fn run(config: &TrainConfig, heads: &mut Heads, rows: &[ImageRecord]) -> (Parts, Vec<f32>) {
        let rows: Vec<_> = rows.iter().collect();
        let features = &FEATURES[..3 * rows.len()];
        let features = Var::from_slice(features, (rows.len(), 3), &Device::Cpu).unwrap();
        let outputs = heads.forward(&features, &rows, None).unwrap();
        let targets = heads.spec().targets.clone();
        let (total, parts) = total(config, &targets, &outputs, &rows).unwrap();
        let store = heads.backward(&outputs, &total).unwrap();
        // Without a loss nothing depends on the features.
        let zeros = features.zeros_like().unwrap();
        let gradient = store.get(&features).unwrap_or(&zeros).flatten_all().unwrap();
        let gradient = gradient.to_vec1().unwrap();
        (parts, gradient)
    }

    #[test]
    fn a_missing_value_gives_no_loss_and_no_gradient() {
        let config = TrainConfig::default();
        let a = ImageRecord { density: Some(Density::B), age: Some(50.0), ..row(Some(true)) };
        let b = row(None);
        let columns = [Column::Density, Column::Age, Column::Birads];
        let mut both = heads(&columns, std::slice::from_ref(&a));
        let (parts, gradient) = run(&config, &mut both, &[a.clone(), b.clone()]);
        assert!(parts.auxiliary[0].is_some() && parts.auxiliary[1].is_some());
        assert_eq!(parts.auxiliary[2], None, "no row has BIRADS");
        assert_eq!(gradient[3..], [0.0; 3], "the second image has no labels");
        assert!(gradient[..3].iter().all(|g| *g != 0.0));
        let birads = &both.layout()[6];
        assert_eq!(birads.name, "heads.birads.weight");
        assert!(both.read(Buffer::Gradient)[birads.range.clone()].iter().all(|g| *g == 0.0));
        // The labelled image alone gives the same.
        let mut alone = heads(&columns, std::slice::from_ref(&a));
        let (parts_alone, gradient_alone) = run(&config, &mut alone, &[a]);
        assert_eq!(parts, parts_alone);
        assert_eq!(gradient[..3], gradient_alone[..]);
        // A batch without any label has no gradient.
        let (parts, gradient) = run(&config, &mut heads(&columns, &[]), &[b]);
        assert_eq!((parts.total, parts.cancer), (0.0, None));
        assert_eq!(gradient, [0.0; 3]);
    }

    #[test]
    fn the_total_is_the_weighted_sum_of_cancer_and_the_mean_of_the_targets() {
        let mut config = TrainConfig::default();
        config.auxiliary.weight = 0.3;
        let rows = [
            ImageRecord { implant: Some(true), birads: Some(0), ..row(Some(true)) },
            ImageRecord { implant: Some(false), birads: Some(2), ..row(Some(false)) },
        ];
        let columns = [Column::Implant, Column::Birads];
        let (parts, _) = run(&config, &mut heads(&columns, &rows), &rows);
        let mean = parts.auxiliary.iter().map(|loss| loss.unwrap()).sum::<f64>() / 2.0;
        let expected = 0.7 * parts.cancer.unwrap() + 0.3 * mean;
        assert!((parts.total - expected).abs() < 1e-12);
        let (parts, _) = run(&config, &mut heads(&[], &rows), &rows);
        assert_eq!(
            Some(parts.total),
            parts.cancer,
            "without targets, the total is the cancer loss"
        );
    }
}
