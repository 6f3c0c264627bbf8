//! The learning rate as a function of the step.

use std::f64::consts::PI;

use crate::config::train::{ScheduleConfig, ScheduleKind};

/// First rate of one_cycle, as a share of the highest rate (1 / PyTorch's `div_factor`).
const ONE_CYCLE_FIRST: f64 = 1.0 / 25.0;
/// Last rate of one_cycle, as a share of the first rate (1 / PyTorch's `final_div_factor`).
const ONE_CYCLE_LAST: f64 = 1e-4;

/// The learning rates of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    config: ScheduleConfig,
    highest: f64,
    epoch_steps: u64,
    all_steps: u64,
}

impl Schedule {
    /// The schedule for `epochs` epochs of `epoch_steps` optimizer steps each, up to the rate
    /// `highest`.
    ///
    /// # Panics
    /// If there are no steps.
    pub fn new(config: &ScheduleConfig, highest: f64, epoch_steps: u64, epochs: u64) -> Self {
        assert!(epoch_steps > 0 && epochs > 0, "a schedule has steps");
        Self { config: config.clone(), highest, epoch_steps, all_steps: epoch_steps * epochs }
    }

    /// The rate of optimizer step `step`, counted from 0.
    pub fn rate(&self, step: u64) -> f64 {
        let share = match self.config.kind {
            ScheduleKind::OneCycle => self.one_cycle(step),
            _ if step < self.warmup_steps() => (step + 1) as f64 / self.warmup_steps() as f64,
            ScheduleKind::Cosine => {
                let min = self.config.min_lr_ratio;
                let decay_steps = (self.all_steps - self.warmup_steps()).max(1) as f64;
                let progress = ((step - self.warmup_steps()) as f64 / decay_steps).min(1.0);
                min + (1.0 - min) * 0.5 * (1.0 + (PI * progress).cos())
            }
            ScheduleKind::Step => {
                let falls = step / self.epoch_steps / self.config.step_epochs as u64;
                self.config.step_factor.powi(falls as i32)
            }
            ScheduleKind::Constant => 1.0,
        };
        self.highest * share
    }

    /// Number of warm-up steps, in which the rate rises.
    fn warmup_steps(&self) -> u64 {
        (self.config.warmup_ratio * self.all_steps as f64).round() as u64
    }

    /// `torch.optim.lr_scheduler.OneCycleLR` with `anneal_strategy="cos"` and two phases.
    fn one_cycle(&self, step: u64) -> f64 {
        let top = (self.config.warmup_ratio * self.all_steps as f64 - 1.0).max(0.0);
        let end = (self.all_steps - 1).max(1) as f64;
        let step = (step as f64).min(end);
        let between =
            |from: f64, to: f64, share: f64| to + (from - to) / 2.0 * (1.0 + (PI * share).cos());
        if step <= top && top > 0.0 {
            between(ONE_CYCLE_FIRST, 1.0, step / top)
        } else {
            let share = (step - top) / (end - top).max(1.0);
            between(1.0, ONE_CYCLE_FIRST * ONE_CYCLE_LAST, share)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TrainConfig;

    fn schedule(kind: ScheduleKind, warmup_ratio: f64) -> Schedule {
        let mut config = TrainConfig::default().schedule;
        (config.kind, config.warmup_ratio) = (kind, warmup_ratio);
        Schedule::new(&config, 2.0, 10, 6)
    }

    #[test]
    fn the_rate_rises_in_a_line_and_falls_by_half_a_cosine() {
        let schedule = schedule(ScheduleKind::Cosine, 0.1);
        assert!((schedule.rate(0) - 2.0 / 6.0).abs() < 1e-12, "not zero: a step would be lost");
        assert_eq!(schedule.rate(5), 2.0);
        assert_eq!(schedule.rate(6), 2.0);
        let middle = 2.0 * (0.01 + 0.99 / 2.0);
        assert!((schedule.rate(33) - middle).abs() < 1e-12);
        assert!((schedule.rate(60) - 0.02).abs() < 1e-12);
        assert!((6..60).all(|step| schedule.rate(step + 1) < schedule.rate(step)));
    }

    #[test]
    fn a_step_schedule_falls_when_its_epochs_are_over() {
        let schedule = schedule(ScheduleKind::Step, 0.0);
        assert_eq!([0, 29, 30, 59].map(|s| schedule.rate(s)), [2.0, 2.0, 0.2, 0.2]);
    }

    /// ```python
    /// o = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1)
    /// s = torch.optim.lr_scheduler.OneCycleLR(o, max_lr=2.0, total_steps=60, pct_start=0.3,
    ///                                         cycle_momentum=False)
    /// for i in range(60):
    ///     if i in (0, 1, 8, 17, 18, 40, 59): print(i, o.param_groups[0]["lr"])
    ///     o.step(); s.step() if i < 59 else None
    /// ```
    #[test]
    fn one_cycle_is_pytorchs() {
        let schedule = schedule(ScheduleKind::OneCycle, 0.3);
        let expected = ONE_CYCLE_BY_PYTORCH;
        for (step, rate) in expected {
            let found = schedule.rate(step);
            assert!((found - rate).abs() < 1e-9, "step {step}: {found}, PyTorch has {rate}");
        }
    }

    const ONE_CYCLE_BY_PYTORCH: [(u64, f64); 7] = [
        (0, 0.08000000000000007),
        (1, 0.09634582430345429),
        (8, 0.9514223749152302),
        (17, 2.0),
        (18, 1.9972038083659913),
        (40, 0.8509623299928901),
        (59, 8e-06),
    ];
}
