//! Compares runs: paired differences of their metrics, and the settings that differ.
//!
//! In: the folders of two runs or more. Out: [`Compared`], each run compared with the first, as a
//! page, as text and as JSON. Runs are paired by image. Runs that were evaluated on different
//! images, or with different labels, are refused with a message that says what differs.

mod page;
mod settings;
mod text;

use std::fs;
use std::path::PathBuf;

use serde::Serialize;

use crate::error::Fault;
use crate::evaluate::compare::NotComparable;
use crate::evaluate::compare::Run;
use crate::evaluate::run::{Epoch, EpochRule, Loaded, load};
use crate::evaluate::{Bootstrap, Comparison, Estimate, Evaluation, compare, evaluate};
use crate::predictions::Prediction;
use crate::store::Target;
use crate::train::run::{RunFacts, read_facts};

pub use settings::Setting;

/// Runs, and the comparison of the first with each other one.
#[derive(Debug, Serialize)]
pub struct Compared {
    /// The runs, in the order given.
    pub runs: Vec<RunOf>,
    /// Settings that differ, and the value of each run.
    pub differing: Vec<Setting>,
    /// The first run and each other one; the difference is the other's metric minus the first's.
    pub comparisons: Vec<Pair>,
    /// Settings that all runs share.
    #[serde(skip)]
    same: Vec<Setting>,
}

/// One of the runs.
#[derive(Debug, Serialize)]
pub struct RunOf {
    /// Its name.
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
    /// How its epoch was selected.
    pub epoch: Epoch,
    /// Its metrics.
    pub evaluation: Evaluation,
    #[serde(skip)]
    predictions: Vec<Prediction>,
}

/// Two of the runs.
#[derive(Debug, Serialize)]
pub struct Pair {
    /// Name of the first.
    pub first: String,
    /// Name of the second.
    pub second: String,
    /// Their differences.
    #[serde(flatten)]
    pub comparison: Comparison,
}

impl Compared {
    /// Compares runs.
    ///
    /// # Errors
    /// [`TrainError`](crate::train::TrainError) for a folder without a run; [`NotComparable`] for runs that cannot be
    /// paired; those of reading and evaluating.
    ///
    /// # Panics
    /// With fewer than two folders.
    pub fn of(folders: &[PathBuf], bootstrap: &Bootstrap) -> Result<Self, Fault> {
        assert!(folders.len() >= 2, "one run is compared with another");
        let facts: Vec<RunFacts> =
            folders.iter().map(|folder| read_facts(folder)).collect::<Result<_, Fault>>()?;
        let loaded: Vec<Loaded> = folders
            .iter()
            .map(|folder| load(folder, EpochRule::CrossFitted))
            .collect::<Result<_, Fault>>()?;
        let names = names(folders);
        fn of(loaded: &Loaded) -> Run<'_> {
            Run { predictions: &loaded.predictions, given: loaded.given }
        }
        let mut comparisons = Vec::new();
        for ((folder, other), second) in folders.iter().zip(&loaded).zip(&names).skip(1) {
            let comparison = compare(of(&loaded[0]), of(other), bootstrap).map_err(|source| {
                NotComparable { first: folders[0].clone(), second: folder.clone(), source }
            })?;
            comparisons.push(Pair { first: names[0].clone(), second: second.clone(), comparison });
        }
        let mut runs = Vec::new();
        for ((folder, name), loaded) in folders.iter().zip(names).zip(loaded) {
            let (evaluation, _) = evaluate(&loaded.predictions, loaded.given, bootstrap)?;
            let Loaded { predictions, epoch, .. } = loaded;
            runs.push(RunOf { name, folder: folder.clone(), epoch, evaluation, predictions });
        }
        let (differing, same) = settings::sorted(&facts);
        Ok(Self { runs, differing, comparisons, same })
    }

    /// The default path of the page of these runs: `compared-with-<others>.html` in the folder of
    /// the first.
    pub fn page_of(folders: &[PathBuf]) -> PathBuf {
        let others = &names(folders)[1..];
        folders[0].join(format!("compared-with-{}.html", others.join("-and-")))
    }

    /// Writes the page.
    ///
    /// # Errors
    /// Those of [`Target::put`].
    pub fn write(&self, page: &Target) -> Result<(), Fault> {
        page.put(page::page(self).to_string().as_bytes())
    }

    /// The comparison as text in columns.
    pub fn text(&self) -> String {
        text::text(self)
    }
}

/// The names of the runs: the names of their folders, numbered if two are equal.
fn names(folders: &[PathBuf]) -> Vec<String> {
    let name = |folder: &PathBuf| -> String {
        let whole = fs::canonicalize(folder).unwrap_or_else(|_| folder.clone());
        whole.file_name().unwrap_or(whole.as_os_str()).to_string_lossy().into_owned()
    };
    let names: Vec<String> = folders.iter().map(name).collect();
    let numbered = |(i, name): (usize, &String)| match names.iter().filter(|n| *n == name).count() {
        1 => name.clone(),
        _ => format!("{name} ({})", i + 1),
    };
    names.iter().enumerate().map(numbered).collect()
}

/// A p-value in the usual notation.
fn p_value(p: Option<f64>) -> String {
    match p {
        None => "–".into(),
        Some(p) if p < 0.001 => "< 0.001".into(),
        Some(p) => format!("{p:.3}"),
    }
}

/// A difference with its sign and its interval.
fn signed(estimate: &Estimate) -> String {
    match (estimate.value, estimate.interval) {
        (None, _) => "–".into(),
        (Some(value), None) => format!("{value:+.3}"),
        (Some(value), Some([low, high])) => format!("{value:+.3} [{low:+.3}, {high:+.3}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_one_name_are_told_apart() {
        let folders = ["a/b4", "b/b4", "b/b0"].map(PathBuf::from);
        assert_eq!(names(&folders), ["b4 (1)", "b4 (2)", "b0"]);
    }

    #[test]
    fn no_p_value_is_nothing() {
        assert_eq!(
            [p_value(None), p_value(Some(0.0004)), p_value(Some(0.0449))],
            ["–", "< 0.001", "0.045"]
        );
    }
}
