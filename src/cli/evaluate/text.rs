//! An evaluation as text: metrics by level, fold and subgroup in aligned columns.

use std::collections::BTreeMap;
use std::fmt;

use crate::cli::grid::Grid;
use crate::evaluate::chance::{Standing, Worth, outside_interval};
use crate::evaluate::choice::SelectedOn;
use crate::evaluate::evaluation::{EvaluatedSplit, FEW_POSITIVES, LevelMetrics, Part, Size};
use crate::evaluate::locked::LockedNetworks;
use crate::evaluate::metric_set::{MetricName, MetricSet};
use crate::evaluate::run::Epoch;
use crate::evaluate::{Estimate, Evaluation};
use crate::explain::maps::{EnergyEstimate, NoMaps, RunMaps, Worst};
use crate::number::{count, of};
use crate::predictions::Level;

/// Displays an evaluation.
pub struct Text<'a> {
    pub epoch: &'a Epoch,
    pub locked: &'a LockedNetworks,
    pub evaluation: &'a Evaluation,
    pub maps: &'a Result<RunMaps, NoMaps>,
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.evaluation.parts {
            fmt_head(part, self.epoch, self.locked, f)?;
            fmt_levels(&part.levels, f)?;
            fmt_worth(&part.levels, f)?;
            fmt_folds(part, f)?;
            fmt_subgroups(part, f)?;
        }
        fmt_maps(self.maps, f)?;
        let bootstrap = &self.evaluation.bootstrap;
        if bootstrap.resamples > 0 {
            writeln!(
                f,
                "In brackets, {:.0} % intervals from {} resamples of the patients (seed {}).",
                100.0 * bootstrap.confidence,
                count(bootstrap.resamples),
                bootstrap.seed
            )?;
        }
        let not = self.evaluation.excluded;
        for (n, why) in [
            (not.unlabelled, "without a label"),
            (not.test, "in the test table"),
            (not.left_out, "left out by folds.negatives_per_positive"),
        ] {
            if n > 0 {
                writeln!(f, "Not evaluated: {} {why}.", of(n, "image"))?;
            }
        }
        Ok(())
    }
}

fn fmt_head(
    part: &Part,
    epoch: &Epoch,
    locked: &LockedNetworks,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    let folds = part.levels.first().map_or(0, |level| level.folds.len());
    match part.split {
        EvaluatedSplit::HeldOutFolds => writeln!(
            f,
            "{} held out, each evaluated with the model that was not trained on it.",
            of(folds, "fold")
        )?,
        EvaluatedSplit::LockedSplit => {
            writeln!(
                f,
                "The locked split: its patients are in no fold, nothing was chosen on them."
            )?;
            if locked.evaluated_networks > 0 {
                let networks = of(locked.evaluated_networks, "network");
                writeln!(f, "Prediction: the mean probability of {networks} of the run.")?;
            }
        }
    }
    match (epoch, part.split) {
        (Epoch::OtherFolds { metric, epochs }, EvaluatedSplit::HeldOutFolds) => {
            let epochs: Vec<_> = epochs.iter().map(|(fold, n)| format!("{fold}: {n}")).collect();
            writeln!(
                f,
                "Epoch: the best of the other folds by {} (fold: epoch; {}).",
                format!("{metric:?}").to_lowercase(),
                epochs.join(", ")
            )?;
        }
        (Epoch::ItsOwnFold, EvaluatedSplit::HeldOutFolds) => {
            writeln!(f, "Epoch: the best of each fold on the fold itself, which is optimistic.")?;
        }
        (Epoch::ItsOwnFold | Epoch::OtherFolds { .. }, EvaluatedSplit::LockedSplit) => {
            writeln!(f, "Epoch: the best of each held-out fold.")?;
        }
        (Epoch::Last, _) => writeln!(f, "Epoch: the last, because no fold was held out.")?,
        (Epoch::Unknown, _) => {}
    }
    let source = part.levels.first().map_or(SelectedOn::NotSelected, |level| level.selected_on);
    let by = match source {
        SelectedOn::OtherFolds => "chosen on the other folds",
        SelectedOn::AllFolds => "chosen on the held-out folds",
        SelectedOn::Given => "the threshold was given, nothing is calibrated",
        SelectedOn::NotSelected => "none, because there are no other folds to choose them on",
    };
    writeln!(f, "Threshold and temperature: {by}.\n")
}

/// The energy of the maps inside the breast, and the images with the lowest shares.
fn fmt_maps(maps: &Result<RunMaps, NoMaps>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let maps = match maps {
        Ok(maps) => maps,
        Err(NoMaps::NoRun | NoMaps::NoNetwork) => return Ok(()),
        Err(reason) => {
            return writeln!(
                f,
                "Energy of the maps inside the breast: not known, {reason};\n\
                 evaluate --maps makes the maps.\n"
            );
        }
    };
    writeln!(
        f,
        "Energy of the maps inside the breast ({} at {}), {} of {} with a map:",
        maps.method.as_str(),
        maps.layer,
        count(maps.energy.with_map),
        of(maps.energy.images, "held-out image")
    )?;
    let mut grid = Grid::new("lll");
    grid.row(["", "mean share inside", "maps mostly outside"].map(str::to_owned));
    let mut row = |name: String, energy: &EnergyEstimate| {
        grid.row([name, energy.inside.to_string(), energy.mostly_outside.to_string()]);
    };
    row("all".into(), &maps.energy);
    if maps.folds.len() > 1 {
        maps.folds.iter().for_each(|at| row(format!("fold {}", at.fold), &at.energy));
    }
    writeln!(f, "{grid}")?;
    if let Some(reason) = maps.energy.inside.undefined {
        writeln!(f, "  – {reason}\n")?;
    }
    if !maps.worst.is_empty() {
        writeln!(f, "The lowest shares:")?;
        let mut grid = Grid::new("llrr");
        for worst in maps.worst.iter().take(5) {
            let Worst { image_id, fold, probability, inside, .. } = worst;
            let share = format!("{:.1} % inside", 100.0 * inside);
            grid.row([
                image_id.clone(),
                format!("fold {fold}"),
                share,
                format!("p {probability:.3}"),
            ]);
        }
        writeln!(f, "{grid}")?;
    }
    Ok(())
}

fn fmt_levels(levels: &[LevelMetrics], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut grid = Grid::new("lllll");
    let mut row = |label: &str, cell: &dyn Fn(&LevelMetrics) -> String| {
        let cells = levels.iter().map(cell);
        let mut row = std::iter::once(label.to_owned()).chain(cells);
        grid.row::<5>(std::array::from_fn(|_| row.next().unwrap_or_default()));
    };
    row("", &|at| at.level.as_str().to_owned());
    row("items", &|at| count(at.size.n));
    row("with cancer", &|at| count(at.size.positives));
    row("prevalence", &|at| number(at.size.prevalence, 4));
    row("F1 if all positive", &|at| number(at.size.all_positive_f1, 4));
    for name in MetricName::ALL {
        row(name.label(), &|at| estimate(&at.metrics, name));
        if name == MetricName::BestF1 {
            row("  its threshold, k/49", &|at| number(at.best_f1_threshold, 4));
        }
    }
    writeln!(f, "{grid}")?;
    let mut reasons: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (name, estimate) in levels.iter().flat_map(|level| &level.metrics.0) {
        if let Some(reason) = estimate.undefined {
            let names = reasons.entry(reason.to_string()).or_default();
            if !names.contains(&name.label().trim()) {
                names.push(name.label().trim());
            }
        }
    }
    for (reason, names) in &reasons {
        writeln!(f, "  – {reason}: {}", names.join(", "))?;
    }
    if !reasons.is_empty() {
        writeln!(f)?;
    }
    Ok(())
}

/// Whether the network is shown to be better than chance, and values outside their interval.
fn fmt_worth(levels: &[LevelMetrics], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let breast = levels.iter().find(|at| at.level == Level::BreastMean);
    if let Some(Worth { standing, text }) = breast.and_then(Worth::of) {
        let title = match standing {
            Standing::Better => "",
            Standing::Worse => "WORSE THAN CHANCE. ",
            _ => "NOT SHOWN TO BE BETTER THAN CHANCE. ",
        };
        writeln!(f, "{title}By breast (mean): {text}\n")?;
    }
    match outside_interval(levels) {
        Some(text) => writeln!(f, "{text}\n"),
        None => Ok(()),
    }
}

fn fmt_folds(part: &Part, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let breast = part.levels.iter().find(|at| at.level == Level::BreastMean);
    let Some(at) = breast.filter(|at| at.folds.len() > 1) else { return Ok(()) };
    let mut grid = Grid::new("rrrrrrrrrrrr");
    for fold in &at.folds {
        let value = |name: MetricName| number(fold.metrics.get(name).and_then(|e| e.value), 4);
        let chosen = at.selected.iter().find(|chosen| chosen.fold == Some(fold.fold));
        let [n, positives] = sizes(&fold.size);
        grid.row([
            fold.fold.to_string(),
            n,
            positives,
            value(MetricName::Auroc),
            value(MetricName::Auprc),
            value(MetricName::Pf1),
            number(fold.size.all_positive_f1, 4),
            value(MetricName::BestF1),
            number(fold.best_f1_threshold, 4),
            value(MetricName::F1),
            number(chosen.and_then(|chosen| chosen.threshold), 4),
            number(chosen.and_then(|c| c.calibration).map(|c| c.temperature), 2),
        ]);
    }
    grid.head([
        "fold",
        "breasts",
        "cancer",
        "AUROC",
        "AUPRC",
        "pF1",
        "all pos.",
        "best F1",
        "at",
        "F1",
        "frozen at",
        "temperature",
    ]);
    writeln!(f, "{grid}")
}

fn fmt_subgroups(part: &Part, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut grid = Grid::new("lrrrlllll");
    for group in &part.subgroups {
        let [n, positives] = sizes(&group.size);
        let metric = |name| estimate(&group.metrics, name);
        grid.row([
            format!("{} {}{}", group.attribute.label(), group.value, few(&group.size)),
            n,
            positives,
            number(group.size.all_positive_f1, 3),
            metric(MetricName::Auroc),
            metric(MetricName::Auprc),
            metric(MetricName::F1),
            metric(MetricName::Sensitivity),
            metric(MetricName::Specificity),
        ]);
    }
    grid.head([
        "subgroup",
        "n",
        "cancer",
        "all pos.",
        "AUROC",
        "AUPRC",
        "F1, frozen",
        "sensitivity",
        "specificity",
    ]);
    writeln!(f, "{grid}")?;
    writeln!(
        f,
        "Subgroups by breast (mean), views by image. Subgroups of cancers include all negatives, \
         subgroups of\nnegatives include all cancers. all pos.: F1 if all are predicted positive."
    )?;
    if part.subgroups.iter().any(|group| !few(&group.size).is_empty()) {
        writeln!(
            f,
            "* Fewer than {FEW_POSITIVES} with cancer: the interval is too narrow to be reliable."
        )?;
    }
    Ok(())
}

/// The mark of a subgroup with few positives.
fn few(size: &Size) -> &'static str {
    if size.has_few_positives() { " *" } else { "" }
}

fn sizes(size: &Size) -> [String; 2] {
    [count(size.n), count(size.positives)]
}

fn estimate(metrics: &MetricSet, name: MetricName) -> String {
    metrics.get(name).map_or_else(String::new, Estimate::to_string)
}

fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or("–".to_owned(), |value| format!("{value:.digits$}"))
}
