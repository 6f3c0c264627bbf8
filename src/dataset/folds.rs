//! Assigns patients to folds.
//!
//! In: the rows of the table as [`Member`]s, so that training can also reassign folds from a
//! release's columns. Out: a [`Role`] per image. [`audit()`] summarises the result.
//!
//! A patient is never in two folds. With `scheme: patient`, patients with the same values in all
//! columns of `folds.stratify` form a stratum. The patients of a stratum are sorted by a hash of
//! seed and patient_id. The first part of the list is the locked split; negatives at the end may be
//! left out; the rest is cut into `count` parts of equal size. So every fold gets its share of each
//! stratum to within one patient, whatever the order of the rows, and a new patient moves at most
//! one other patient across each cut.
//!
//! With `scheme: site` or `machine` there is one fold per value, in ascending order; images without
//! a value come last. A patient with images from several sites or machines belongs to the one with
//! most of the images, or to the lowest of equals; the audit counts these patients. The same rule
//! gives a patient's stratum.

mod audit;

use std::collections::{BTreeMap, HashMap};

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::Role;
use crate::config::{FoldScheme, FoldsConfig, Stratum};
use crate::error::faults;
use crate::record::{Density, ImageRecord, Laterality, Split};

pub use audit::{Audit, Count, Group, Prevalence, Straddling, Tally, audit};

/// The columns of one image that the assignment needs.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(missing_docs)]
pub struct Member<'a> {
    pub split: Split,
    pub patient_id: &'a str,
    pub laterality: Option<Laterality>,
    pub cancer: Option<bool>,
    pub site_id: Option<i64>,
    pub machine_id: Option<i64>,
    pub density: Option<Density>,
}

impl<'a> From<&'a ImageRecord> for Member<'a> {
    fn from(record: &'a ImageRecord) -> Self {
        Self {
            split: record.split,
            patient_id: record.patient_id.as_str(),
            laterality: record.laterality,
            cancer: record.cancer,
            site_id: record.site_id,
            machine_id: record.machine_id,
            density: record.density,
        }
    }
}

/// Why the folds cannot be made as configured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FoldsError {
    /// `negatives_per_positive` is set, and no patient is positive.
    #[error("folds.negatives_per_positive needs patients with cancer, the training table has none")]
    NoPositives,
    /// One fold per site or machine is wanted, and no row has one.
    #[error("folds.scheme makes one fold per {0}, but no row of the table has a {0}")]
    NoValues(&'static str),
    /// More folds than can be numbered.
    #[error("folds.scheme makes {0} folds, at most 65535 can be numbered")]
    TooMany(usize),
    /// A patient in two groups.
    #[error("patient {patient_id} is in {first} and in {second}: a fold would leak into another")]
    Divided {
        /// The patient.
        patient_id: String,
        /// A group that holds some of the images.
        first: String,
        /// A group that holds others.
        second: String,
    },
}
faults!(FoldsError);

/// Assigns every image a role. The roles are in the order of the images, but do not depend on it.
///
/// # Errors
/// [`FoldsError`] if the table cannot satisfy the configuration.
pub fn assign<'a>(
    images: impl IntoIterator<Item = Member<'a>>,
    config: &FoldsConfig,
) -> Result<Vec<Role>, FoldsError> {
    let images: Vec<_> = images.into_iter().collect();
    let patients = patients(&images);
    let mut strata: BTreeMap<[Option<i64>; 4], Vec<&Patient>> = BTreeMap::new();
    for patient in &patients {
        strata.entry(patient.stratum(&config.stratify)).or_default().push(patient);
    }
    let mut strata: Vec<Vec<&Patient>> = strata.into_values().collect();
    for stratum in &mut strata {
        stratum.sort_by_cached_key(|patient| {
            (xxh3_64_with_seed(patient.id.as_bytes(), config.seed), patient.id)
        });
    }

    let mut roles = HashMap::with_capacity(patients.len());
    assign_locked(&mut strata, config.locked_share, &mut roles);
    if let Some(ratio) = config.negatives_per_positive {
        leave_out(&mut strata, ratio, &mut roles)?;
    }
    match config.scheme {
        FoldScheme::Patient => assign_folds(&strata, config.count, &mut roles),
        scheme => {
            let values = held_out(&patients, scheme)?;
            for patient in strata.into_iter().flatten() {
                let fold = values.iter().position(|value| *value == patient.held_out(scheme));
                let fold = fold.expect("the values are those of all patients");
                roles.insert(patient.id, Role::Fold(fold as u16));
            }
        }
    }
    let role = |image: &Member| match image.split {
        Split::Train => roles[image.patient_id],
        Split::Test => Role::Test,
    };
    Ok(images.iter().map(role).collect())
}

/// A patient of the training table.
#[derive(Debug)]
struct Patient<'a> {
    id: &'a str,
    /// Whether any image has cancer; `None` if no image has a label.
    cancer: Option<bool>,
    site_id: Option<i64>,
    machine_id: Option<i64>,
    density: Option<i64>,
}

impl Patient<'_> {
    /// Positives come first, so that the remainders of positives are spread over the folds first.
    fn stratum(&self, columns: &[Stratum]) -> [Option<i64>; 4] {
        let take =
            |column, value: Option<i64>| columns.contains(&column).then_some(value).flatten();
        [
            take(Stratum::Cancer, self.cancer.map_or(Some(2), |cancer| Some(i64::from(!cancer)))),
            take(Stratum::SiteId, self.site_id),
            take(Stratum::MachineId, self.machine_id),
            take(Stratum::Density, self.density),
        ]
    }

    fn held_out(&self, scheme: FoldScheme) -> Option<i64> {
        match scheme {
            FoldScheme::Patient => None,
            FoldScheme::Site => self.site_id,
            FoldScheme::Machine => self.machine_id,
        }
    }
}

/// The patients of the training table, sorted by id.
fn patients<'a>(images: impl IntoIterator<Item = &'a Member<'a>>) -> Vec<Patient<'a>> {
    let mut of: BTreeMap<&str, Vec<&Member>> = BTreeMap::new();
    for image in images.into_iter().filter(|image| image.split == Split::Train) {
        of.entry(image.patient_id).or_default().push(image);
    }
    let patient = |(id, images): (_, Vec<&Member>)| Patient {
        id,
        cancer: images.iter().filter_map(|image| image.cancer).reduce(|a, b| a || b),
        site_id: most_common(images.iter().filter_map(|image| image.site_id)),
        machine_id: most_common(images.iter().filter_map(|image| image.machine_id)),
        density: most_common(images.iter().filter_map(|image| image.density.map(|d| d as i64))),
    };
    of.into_iter().map(patient).collect()
}

/// The most common value; of several, the lowest.
fn most_common(values: impl Iterator<Item = i64>) -> Option<i64> {
    let mut counts: BTreeMap<i64, usize> = BTreeMap::new();
    values.for_each(|value| *counts.entry(value).or_default() += 1);
    // max_by_key returns the last of equals, so the lowest has to come last.
    counts.into_iter().rev().max_by_key(|(_, count)| *count).map(|(value, _)| value)
}

/// The value that each fold holds out, in the order of the folds; the fold without a value is last.
fn held_out(patients: &[Patient], scheme: FoldScheme) -> Result<Vec<Option<i64>>, FoldsError> {
    let mut values: Vec<_> = patients.iter().map(|patient| patient.held_out(scheme)).collect();
    values.sort_by_key(|value| (value.is_none(), *value));
    values.dedup();
    match (scheme, values.as_slice()) {
        (FoldScheme::Site, [None]) => Err(FoldsError::NoValues("site_id")),
        (FoldScheme::Machine, [None]) => Err(FoldsError::NoValues("machine_id")),
        (_, many) if many.len() > usize::from(u16::MAX) => Err(FoldsError::TooMany(many.len())),
        _ => Ok(values),
    }
}

/// Takes the locked share from the beginning of every stratum.
fn assign_locked<'a>(
    strata: &mut [Vec<&Patient<'a>>],
    share: f64,
    roles: &mut HashMap<&'a str, Role>,
) {
    let all: usize = strata.iter().map(Vec::len).sum();
    let mut quota = Quota::new((share * all as f64).round() as usize, all);
    for stratum in strata {
        let taken = stratum.drain(..quota.of(stratum.len()));
        roles.extend(taken.map(|patient| (patient.id, Role::Locked)));
    }
}

/// Takes the negatives beyond `ratio` per positive from the end of every stratum. The locked split
/// keeps its prevalence.
fn leave_out<'a>(
    strata: &mut [Vec<&Patient<'a>>],
    ratio: f64,
    roles: &mut HashMap<&'a str, Role>,
) -> Result<(), FoldsError> {
    let count = |cancer| strata.iter().flatten().filter(|p| p.cancer == Some(cancer)).count();
    let (positives, negatives) = (count(true), count(false));
    if positives == 0 {
        return Err(FoldsError::NoPositives);
    }
    let kept = ((ratio * positives as f64) as usize).min(negatives);
    let mut quota = Quota::new(kept, negatives);
    for stratum in strata {
        let mut left = quota.of(stratum.iter().filter(|p| p.cancer == Some(false)).count());
        stratum.retain(|patient| {
            if patient.cancer != Some(false) || left > 0 {
                left -= usize::from(patient.cancer == Some(false));
                return true;
            }
            roles.insert(patient.id, Role::LeftOut);
            false
        });
    }
    Ok(())
}

/// Cuts every stratum into one part per fold. A stratum that does not divide evenly gives one more
/// patient to the folds that have the fewest so far, so the folds stay equal in size.
fn assign_folds<'a>(strata: &[Vec<&Patient<'a>>], count: u16, roles: &mut HashMap<&'a str, Role>) {
    let mut filled = vec![0; usize::from(count)];
    for stratum in strata {
        let (each, more) = (stratum.len() / filled.len(), stratum.len() % filled.len());
        let mut emptiest: Vec<_> = (0..filled.len()).collect();
        emptiest.sort_by_key(|&fold| filled[fold]);
        let mut sizes = vec![each; filled.len()];
        emptiest[..more].iter().for_each(|&fold| sizes[fold] += 1);

        let mut line = stratum.iter();
        for (fold, size) in (0..count).zip(sizes) {
            filled[usize::from(fold)] += size;
            roles.extend(line.by_ref().take(size).map(|patient| (patient.id, Role::Fold(fold))));
        }
    }
}

/// Distributes `wanted` out of `all` over consecutive parts in proportion: to within one in each
/// part, and exactly in the sum.
struct Quota {
    wanted: u128,
    all: u128,
    seen: u128,
}

impl Quota {
    fn new(wanted: usize, all: usize) -> Self {
        Self { wanted: wanted as u128, all: all.max(1) as u128, seen: 0 }
    }

    fn of(&mut self, part: usize) -> usize {
        let before = self.wanted * self.seen / self.all;
        self.seen += part as u128;
        (self.wanted * self.seen / self.all - before) as usize
    }
}

#[cfg(test)]
mod tests;
