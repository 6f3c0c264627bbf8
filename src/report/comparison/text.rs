//! A comparison as text.

use super::{Compared, Pair, p_value, signed};
use crate::evaluate::compare::ComparedLevel;
use crate::evaluate::evaluation::EvaluatedSplit;
use crate::evaluate::metric_set::MetricName;
use crate::number::count;
use crate::predictions::Level;

/// The differences of each pair at every level, all metrics by breast (mean) and the main ones at
/// the other levels, and the settings that differ.
pub fn text(compared: &Compared) -> String {
    let mut out = String::new();
    let names: Vec<&str> = compared.runs.iter().map(|run| run.name.as_str()).collect();
    for pair in &compared.comparisons {
        for part in &pair.comparison.parts {
            let of = match part.split {
                EvaluatedSplit::HeldOutFolds => "held-out folds",
                EvaluatedSplit::LockedSplit => "the locked split",
            };
            out += &format!("{} compared with {}, on {of}\n", pair.second, pair.first);
            for at in &part.levels {
                out += &level(pair, at);
            }
        }
    }
    if compared.differing.is_empty() {
        out += "No setting differs.\n";
    } else {
        out += &format!("Settings that differ ({}):\n", names.join(", "));
        for setting in &compared.differing {
            let values: Vec<String> = setting.values.iter().map(ToString::to_string).collect();
            out += &format!("  {}: {}\n", setting.key, values.join(", "));
        }
    }
    let bootstrap = &compared.comparisons[0].comparison.bootstrap;
    out += &format!(
        "In brackets, {:.0} % intervals of the difference from {} resamples of patients, the same \
         for both runs (seed {}); p is two-sided. An interval that contains 0 \
         does not show a difference, and does not show that there is none.\n",
        100.0 * bootstrap.confidence,
        count(bootstrap.resamples),
        bootstrap.seed
    );
    out
}

fn level(pair: &Pair, at: &ComparedLevel) -> String {
    let mut out = format!(
        "  by {}: {} ({} with cancer)\n",
        at.level.as_str(),
        count(at.size.n),
        count(at.size.positives)
    );
    let names: &[MetricName] = match at.level {
        Level::BreastMean => &MetricName::ALL,
        _ => &[MetricName::Auroc, MetricName::Auprc, MetricName::Pf1, MetricName::F1],
    };
    let wide = [&pair.first, &pair.second].map(|name| name.chars().count().clamp(6, 24));
    let head = ["", pair.first.as_str(), pair.second.as_str(), "difference", "p"];
    let mut line = |[label, first, second, difference, p]: [&str; 5]| {
        out += &format!(
            "    {label:<28} {first:>a$}  {second:>b$}  {difference:<26} {p}\n",
            a = wide[0],
            b = wide[1]
        );
    };
    line(head);
    let value = |value: Option<f64>| value.map_or("–".into(), |value| format!("{value:.3}"));
    for name in names {
        let Some(difference) = at.differences.get(*name) else { continue };
        line([
            name.label(),
            &value(difference.first),
            &value(difference.second),
            &signed(&difference.difference),
            &p_value(difference.p_value),
        ]);
    }
    if let Some(delong) = at.delong {
        line([
            "AUROC, by DeLong's test",
            &value(Some(delong.auroc[0])),
            &value(Some(delong.auroc[1])),
            &format!("{:+.3} (se {:.3})", delong.difference, delong.standard_error),
            &p_value(delong.p_value),
        ]);
    }
    out
}
