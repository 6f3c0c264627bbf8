//! Whether a network is shown to be better than chance.
//!
//! In: AUROC and AUPRC of a level with their intervals, and the prevalence. Out: [`Worth`], which
//! page, model card and terminal show beside the metrics, so that a value of 0.5 is never read as
//! half of something.

use super::evaluation::LevelMetrics;
use super::metric_set::MetricName;

/// A metric against its value at chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// The whole interval lies below chance.
    Worse,
    /// The interval holds chance.
    NotShown,
    /// There is no interval, so nothing is shown.
    NoInterval,
    /// The whole interval lies above chance.
    Better,
}

/// What AUROC and AUPRC say about a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worth {
    /// The lower of both standings.
    pub standing: Standing,
    /// One sentence for each metric.
    pub text: String,
}

impl Worth {
    /// The worth at one level; `None` without both classes.
    pub fn of(at: &LevelMetrics) -> Option<Self> {
        let prevalence = at.size.prevalence?;
        let judged = [
            (MetricName::Auroc, 0.5, "chance (0.5)".to_owned()),
            (MetricName::Auprc, prevalence, format!("chance (the prevalence, {prevalence:.3})")),
        ]
        .into_iter()
        .filter_map(|(name, chance, chance_name)| {
            let estimate = at.metrics.get(name)?;
            let standing = standing(estimate.value?, estimate.interval, chance);
            let says = match standing {
                Standing::Worse => "worse than",
                Standing::NotShown => "not shown to be better than",
                Standing::NoInterval => "without an interval not shown to be better than",
                Standing::Better => "better than",
            };
            Some((standing, format!("{} {estimate}: {says} {chance_name}.", name.label())))
        })
        .collect::<Vec<_>>();
        let standing = judged.iter().map(|(standing, _)| *standing).min()?;
        let text = judged.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(" ");
        Some(Self { standing, text })
    }
}

fn standing(value: f64, interval: Option<[f64; 2]>, chance: f64) -> Standing {
    match interval {
        None => Standing::NoInterval,
        Some([low, _]) if low > chance => Standing::Better,
        // A metric that is biased upwards has its value in question, not its interval alone.
        Some([_, high]) if high < chance && value < chance => Standing::Worse,
        Some(_) => Standing::NotShown,
    }
}

/// The metrics whose value lies outside its own interval, with the reason; `None` if there are none.
pub fn outside_interval(levels: &[LevelMetrics]) -> Option<String> {
    let mut names: Vec<&str> = Vec::new();
    for (name, estimate) in levels.iter().flat_map(|at| &at.metrics.0) {
        let outside = estimate
            .value
            .zip(estimate.interval)
            .is_some_and(|(value, [low, high])| value < low || value > high);
        if outside && !names.contains(&name.label().trim()) {
            names.push(name.label().trim());
        }
    }
    (!names.is_empty()).then(|| {
        format!(
            "A value lies outside its own interval ({}): a resample holds some patients twice and \
             others not at all, which makes the share in each bin noisier and an error of \
             calibration larger. Take such an interval as the spread, not as the place.",
            names.join("; ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_inside_the_interval_is_never_called_better() {
        assert_eq!(standing(0.476, Some([0.399, 0.555]), 0.5), Standing::NotShown);
        assert_eq!(standing(0.62, Some([0.5, 0.7]), 0.5), Standing::NotShown);
        assert_eq!(standing(0.62, Some([0.51, 0.7]), 0.5), Standing::Better);
        assert_eq!(standing(0.3, Some([0.2, 0.4]), 0.5), Standing::Worse);
        assert_eq!(standing(0.9, None, 0.5), Standing::NoInterval);
    }
}
