//! Checks the `train` section before any data are read.

use super::{Column, TrainConfig};
use crate::config::ConfigError;

impl TrainConfig {
    /// Checks that all values are allowed.
    ///
    /// # Errors
    /// [`ConfigError::Value`] for the first value that is not, [`ConfigError::Leak`] for an
    /// auxiliary input that leaks the label.
    pub fn check(&self) -> Result<(), ConfigError> {
        let leak = |column: &Column| column.leak().map(|reason| (column.as_str(), reason));
        if let Some((column, reason)) = self.auxiliary.inputs.iter().find_map(leak) {
            return Err(ConfigError::Leak { column, reason });
        }
        for (key, columns) in [
            ("train.auxiliary.targets", &self.auxiliary.targets),
            ("train.auxiliary.inputs", &self.auxiliary.inputs),
        ] {
            if let Some(twice) = columns.iter().enumerate().find(|(i, c)| columns[..*i].contains(c))
            {
                let found = format!("a list with {} twice", twice.1.as_str());
                return Err(ConfigError::Value { key, found, needed: "each column once" });
            }
        }
        let is_also_a_target = |column: &&Column| {
            self.auxiliary.weight > 0.0 && self.auxiliary.targets.contains(column)
        };
        if let Some(column) = self.auxiliary.inputs.iter().find(is_also_a_target) {
            return Err(ConfigError::Value {
                key: "train.auxiliary.inputs",
                found: format!("a list with {}, which is also a target", column.as_str()),
                needed: "columns that are not targets: the network would only copy them",
            });
        }
        if let Some(augment) = &self.augment {
            augment.check()?;
        }
        let Some((key, found, needed)) = self.out_of_range() else { return Ok(()) };
        Err(ConfigError::Value { key, found, needed })
    }

    fn out_of_range(&self) -> Option<(&'static str, String, &'static str)> {
        let (model, loss, optimizer) = (&self.model, &self.loss, &self.optimizer);
        let (schedule, auxiliary) = (&self.schedule, &self.auxiliary);
        let share = |value: f64| (0.0..=1.0).contains(&value);
        let below_one = |value: f64| (0.0..1.0).contains(&value);
        let positive = |value: f64| value > 0.0 && value.is_finite();
        let count = |value: usize| value as f64;
        let rows: &[(bool, &'static str, f64, &'static str)] = &[
            (
                matches!(model.channels, 1 | 3),
                "train.model.channels",
                count(model.channels),
                "1 or 3",
            ),
            (
                model.dropout.is_none_or(below_one),
                "train.model.dropout",
                model.dropout.unwrap_or_default(),
                "0 up to below 1",
            ),
            (
                below_one(model.drop_path),
                "train.model.drop_path",
                model.drop_path,
                "0 up to below 1",
            ),
            (share(auxiliary.weight), "train.auxiliary.weight", auxiliary.weight, "0 to 1"),
            (
                auxiliary.weight == 0.0 || !auxiliary.targets.is_empty(),
                "train.auxiliary.weight",
                auxiliary.weight,
                "0 without auxiliary.targets",
            ),
            (
                (1..=1024).contains(&auxiliary.embedding_dim),
                "train.auxiliary.embedding_dim",
                count(auxiliary.embedding_dim),
                "1 to 1024",
            ),
            (
                (1.0..=10.0).contains(&loss.focal_gamma),
                "train.loss.focal_gamma",
                loss.focal_gamma,
                "1 to 10",
            ),
            (
                below_one(loss.label_smoothing),
                "train.loss.label_smoothing",
                loss.label_smoothing,
                "0 up to below 1",
            ),
            (
                loss.positive_label > 0.5 && loss.positive_label <= 1.0,
                "train.loss.positive_label",
                loss.positive_label,
                "above 0.5, up to 1",
            ),
            (
                positive(loss.positive_weight),
                "train.loss.positive_weight",
                loss.positive_weight,
                "more than 0",
            ),
            (
                positive(optimizer.learning_rate),
                "train.optimizer.learning_rate",
                optimizer.learning_rate,
                "more than 0",
            ),
            (
                share(optimizer.weight_decay),
                "train.optimizer.weight_decay",
                optimizer.weight_decay,
                "0 to 1",
            ),
            (below_one(optimizer.betas[0]), "train.optimizer.betas", optimizer.betas[0], "below 1"),
            (below_one(optimizer.betas[1]), "train.optimizer.betas", optimizer.betas[1], "below 1"),
            (
                positive(optimizer.epsilon),
                "train.optimizer.epsilon",
                optimizer.epsilon,
                "more than 0",
            ),
            (
                below_one(optimizer.momentum),
                "train.optimizer.momentum",
                optimizer.momentum,
                "below 1",
            ),
            (
                optimizer.max_grad_norm.is_none_or(positive),
                "train.optimizer.max_grad_norm",
                optimizer.max_grad_norm.unwrap_or_default(),
                "more than 0, or null",
            ),
            (
                below_one(schedule.warmup_ratio),
                "train.schedule.warmup_ratio",
                schedule.warmup_ratio,
                "below 1",
            ),
            (
                share(schedule.min_lr_ratio),
                "train.schedule.min_lr_ratio",
                schedule.min_lr_ratio,
                "0 to 1",
            ),
            (schedule.step_epochs > 0, "train.schedule.step_epochs", 0.0, "1 or more"),
            (
                schedule.step_factor > 0.0 && schedule.step_factor <= 1.0,
                "train.schedule.step_factor",
                schedule.step_factor,
                "above 0, up to 1",
            ),
            (self.epochs > 0, "train.epochs", 0.0, "1 or more"),
            // Batch norm needs two values to have a variance.
            (self.batch > 1, "train.batch", count(self.batch), "2 or more"),
            (self.accumulate > 0, "train.accumulate", 0.0, "1 or more"),
            (
                self.ema_decay.is_none_or(below_one),
                "train.ema_decay",
                self.ema_decay.unwrap_or_default(),
                "below 1, or null",
            ),
            (
                self.sampling.positives_per_batch < self.batch,
                "train.sampling.positives_per_batch",
                count(self.sampling.positives_per_batch),
                "less than train.batch",
            ),
            (
                (1.0..=1000.0).contains(&self.sampling.oversample_positives),
                "train.sampling.oversample_positives",
                self.sampling.oversample_positives,
                "1 to 1000",
            ),
            (self.save_minutes >= 0.0, "train.save_minutes", self.save_minutes, "0 or more"),
        ];
        let (_, key, found, needed) = rows.iter().find(|row| !row.0)?;
        Some((key, found.to_string(), needed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(change: impl FnOnce(&mut TrainConfig)) -> String {
        let mut config = TrainConfig::default();
        change(&mut config);
        config.check().unwrap_err().to_string()
    }

    #[test]
    fn an_input_that_leaks_the_label_is_refused_with_the_reason() {
        for column in Column::ALL {
            let mut config = TrainConfig::default();
            config.auxiliary.targets.clear();
            config.auxiliary.weight = 0.0;
            config.auxiliary.inputs = vec![column];
            let leaks = matches!(
                column,
                Column::Birads
                    | Column::Density
                    | Column::Invasive
                    | Column::Biopsy
                    | Column::DifficultNegative
            );
            assert_eq!(config.check().is_err(), leaks, "{column:?}");
        }
        let error = refused(|c| c.auxiliary.inputs = vec![Column::Biopsy]);
        assert!(error.contains("biopsy") && error.contains("no cancer"), "{error}");
    }

    #[test]
    fn a_column_is_not_both_input_and_target() {
        let error = refused(|c| c.auxiliary.inputs = vec![Column::Age]);
        assert!(error.contains("also a target"), "{error}");
    }

    #[test]
    fn a_value_that_is_not_allowed_names_its_key() {
        let error = refused(|c| c.batch = 1);
        assert_eq!(error, "train.batch is 1, needs 2 or more");
        let error = refused(|c| c.optimizer.max_grad_norm = Some(f64::NAN));
        assert!(error.starts_with("train.optimizer.max_grad_norm is NaN"), "{error}");
    }
}
