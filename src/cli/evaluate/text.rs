//! An evaluation for people: figures by level, fold and subgroup in aligned columns.

use std::collections::BTreeMap;
use std::fmt;

use crate::cli::grid::Grid;
use crate::evaluate::choice::Source;
use crate::evaluate::figures::{Figures, Name};
use crate::evaluate::judge::{AtLevel, Judged, Part, Size};
use crate::evaluate::locked::Spoke;
use crate::evaluate::run::Epoch;
use crate::evaluate::{Estimate, Evaluation};
use crate::explain::maps::{Energy, Maps, NoMaps, Worst};
use crate::number::{count, of};
use crate::predictions::Level;

/// Displays an evaluation.
pub struct Text<'a> {
    pub epoch: &'a Epoch,
    pub locked: &'a Spoke,
    pub evaluation: &'a Evaluation,
    pub maps: &'a Result<Maps, NoMaps>,
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.evaluation.parts {
            fmt_head(part, self.epoch, self.locked, f)?;
            fmt_levels(&part.levels, f)?;
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
        let not = self.evaluation.not_judged;
        for (n, why) in [
            (not.unlabelled, "without a label"),
            (not.test, "of the test table"),
            (not.left_out, "left out by folds.negatives_per_positive"),
        ] {
            if n > 0 {
                writeln!(f, "Not judged: {} {why}.", of(n, "image"))?;
            }
        }
        Ok(())
    }
}

fn fmt_head(part: &Part, epoch: &Epoch, locked: &Spoke, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let folds = part.levels.first().map_or(0, |level| level.folds.len());
    match part.judged {
        Judged::HeldOutFolds => writeln!(
            f,
            "{} held out, each judged by the model that was not trained on it.",
            of(folds, "fold")
        )?,
        Judged::LockedSplit => {
            writeln!(f, "The locked split, which no fold holds and nothing was chosen on.")?;
            if locked.networks > 0 {
                let networks = of(locked.networks, "network");
                writeln!(f, "Judged: the mean probability of {networks} of the run.")?;
            }
        }
    }
    match (epoch, part.judged) {
        (Epoch::OtherFolds { metric, epochs }, Judged::HeldOutFolds) => {
            let epochs: Vec<_> = epochs.iter().map(|(fold, n)| format!("{fold}: {n}")).collect();
            writeln!(
                f,
                "Epoch: the best of the other folds by {} (fold: epoch; {}).",
                format!("{metric:?}").to_lowercase(),
                epochs.join(", ")
            )?;
        }
        (Epoch::ItsOwnFold, Judged::HeldOutFolds) => {
            writeln!(f, "Epoch: the best of each fold itself, which flatters it.")?;
        }
        (Epoch::ItsOwnFold | Epoch::OtherFolds { .. }, Judged::LockedSplit) => {
            writeln!(f, "Epoch: the best of each held-out fold.")?;
        }
        (Epoch::Last, _) => writeln!(f, "Epoch: the last, for nothing was held out.")?,
        (Epoch::NotTold, _) => {}
    }
    let source = part.levels.first().map_or(Source::Nowhere, |level| level.chosen_by);
    let by = match source {
        Source::OtherFolds => "chosen on the other folds",
        Source::AllFolds => "chosen on the held-out folds",
        Source::Given => "the threshold was given, nothing is calibrated",
        Source::Nowhere => "none, for there are no other folds to choose them on",
    };
    writeln!(f, "Threshold and temperature: {by}.\n")
}

/// Where the networks look, and the images where they look beside the breast.
fn fmt_maps(maps: &Result<Maps, NoMaps>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let maps = match maps {
        Ok(maps) => maps,
        Err(NoMaps::NoRun | NoMaps::NoNetwork) => return Ok(()),
        Err(reason) => {
            return writeln!(
                f,
                "Energy of the maps inside the breast: –, for {reason};\nevaluate --maps looks.\n"
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
    let mut row = |name: String, energy: &Energy| {
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

fn fmt_levels(levels: &[AtLevel], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut grid = Grid::new("lllll");
    let mut row = |label: &str, cell: &dyn Fn(&AtLevel) -> String| {
        let cells = levels.iter().map(cell);
        let mut row = std::iter::once(label.to_owned()).chain(cells);
        grid.row::<5>(std::array::from_fn(|_| row.next().unwrap_or_default()));
    };
    row("", &|at| at.level.as_str().to_owned());
    row("items", &|at| count(at.size.n));
    row("with cancer", &|at| count(at.size.positives));
    row("prevalence", &|at| number(at.size.prevalence, 4));
    row("F1 of calling all positive", &|at| number(at.size.all_positive_f1, 4));
    for name in Name::ALL {
        row(name.label(), &|at| estimate(&at.figures, name));
        if name == Name::BestF1 {
            row("  threshold there, k/49", &|at| number(at.best_f1_threshold, 4));
        }
    }
    writeln!(f, "{grid}")?;
    let mut reasons: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (name, figure) in levels.iter().flat_map(|level| &level.figures.0) {
        if let Some(reason) = figure.undefined {
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

fn fmt_folds(part: &Part, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let breast = part.levels.iter().find(|at| at.level == Level::BreastMean);
    let Some(at) = breast.filter(|at| at.folds.len() > 1) else { return Ok(()) };
    let mut grid = Grid::new("rrrrrrrrrrrr");
    for fold in &at.folds {
        let value = |name: Name| number(fold.figures.get(name).and_then(|e| e.value), 4);
        let chosen = at.chosen.iter().find(|chosen| chosen.fold == Some(fold.fold));
        let [n, positives] = sizes(&fold.size);
        grid.row([
            fold.fold.to_string(),
            n,
            positives,
            value(Name::Auroc),
            value(Name::Auprc),
            value(Name::Pf1),
            number(fold.size.all_positive_f1, 4),
            value(Name::BestF1),
            number(fold.best_f1_threshold, 4),
            value(Name::F1),
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
        let figure = |name| estimate(&group.figures, name);
        grid.row([
            format!("{} {}{}", group.attribute.label(), group.value, few(&group.size)),
            n,
            positives,
            number(group.size.all_positive_f1, 3),
            figure(Name::Auroc),
            figure(Name::Auprc),
            figure(Name::F1),
            figure(Name::Sensitivity),
            figure(Name::Specificity),
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
        "Subgroups by breast (mean), views by image; cancers of a kind against all negatives, \
         negatives of a kind\nagainst all cancers. all pos.: F1 of calling all positive."
    )?;
    if part.subgroups.iter().any(|group| !few(&group.size).is_empty()) {
        writeln!(f, "* Fewer than {FEW} with cancer: the interval is too narrow to be believed.")?;
    }
    Ok(())
}

/// Positives below which resampling says little: they are drawn or not, and nothing between.
const FEW: usize = 10;

/// A mark for a group with few positives.
fn few(size: &Size) -> &'static str {
    if (1..FEW).contains(&size.positives) { " *" } else { "" }
}

fn sizes(size: &Size) -> [String; 2] {
    [count(size.n), count(size.positives)]
}

fn estimate(figures: &Figures, name: Name) -> String {
    figures.get(name).map_or_else(String::new, Estimate::to_string)
}

fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or("–".to_owned(), |value| format!("{value:.digits$}"))
}
