//! Summarises the folds, and checks that no patient is in two of them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::Hash;

use serde::{Deserialize, Serialize};

use super::{FoldsError, Member, most_common, patients};
use crate::config::{FoldScheme, FoldsConfig};
use crate::dataset::Role;
use crate::record::Split;

/// The summary of all groups of patients, for the manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Audit {
    /// The scheme by which the folds were made.
    pub scheme: FoldScheme,
    /// The seed of the assignment.
    pub seed: u64,
    /// The folds in order, then the locked, left-out and test groups if they are not empty.
    pub groups: Vec<Group>,
    /// Patients and breasts that occur in two groups of another kind (sites, machines, tables).
    pub straddling: Straddling,
}

/// One fold, or a group that is in no fold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// The fold or group.
    pub role: Role,
    /// The site or machine that the fold holds out; `None` with `scheme: patient`, and for the fold
    /// of images without a site or machine.
    pub held_out: Option<i64>,
    /// All patients, breasts and images.
    pub all: Tally,
    /// Those with cancer.
    pub cancer: Tally,
    /// Prevalence: the share with cancer among those with a label.
    pub prevalence: Prevalence,
    /// Counts by `site_id`; images without one come last.
    pub sites: Vec<Count>,
    /// Counts by `machine_id`; images without one come last.
    pub machines: Vec<Count>,
}

/// Numbers of patients, breasts and images. A breast is a patient and a side; an image without a
/// side counts as no breast.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Tally {
    pub patients: usize,
    pub breasts: usize,
    pub images: usize,
}

/// The share with cancer; `None` without any label.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Prevalence {
    pub patients: Option<f64>,
    pub breasts: Option<f64>,
    pub images: Option<f64>,
}

/// The images of one site or machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// The site or machine.
    pub value: Option<i64>,
    /// Its images.
    pub images: usize,
    /// The images with cancer.
    pub cancer: usize,
}

/// Patients and breasts that occur on both sides of a division. Each patient is in one fold
/// nevertheless.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Straddling {
    /// Patients of the training table with images from several sites.
    pub sites: usize,
    /// Patients of the training table with images from several machines.
    pub machines: usize,
    /// Patients in both the training and the test table.
    pub tables: usize,
    /// Breasts of the training table with cancer in one image and without in another. A label that
    /// describes the breast would be the same in all images.
    pub labels: usize,
}

/// Counts every group, after a check that no patient of the training table is in two.
///
/// # Errors
/// [`FoldsError::Divided`] for a patient in two groups.
///
/// # Panics
/// If there are not as many roles as images.
pub fn audit<'a>(
    images: impl IntoIterator<Item = Member<'a>>,
    roles: &[Role],
    config: &FoldsConfig,
) -> Result<Audit, FoldsError> {
    let images: Vec<_> = images.into_iter().collect();
    assert_eq!(images.len(), roles.len(), "every image has a role");
    check_disjoint(&images, roles)?;

    let mut members: BTreeMap<Role, Vec<&Member>> = BTreeMap::new();
    if config.scheme == FoldScheme::Patient {
        members.extend((0..config.count).map(|fold| (Role::Fold(fold), Vec::new())));
    }
    for (image, role) in images.iter().zip(roles) {
        members.entry(*role).or_default().push(image);
    }
    let groups = members.into_iter().map(|(role, images)| group(role, config.scheme, &images));
    Ok(Audit {
        scheme: config.scheme,
        seed: config.seed,
        groups: groups.collect(),
        straddling: count_straddling(&images),
    })
}

/// Patients of the training table alone, because the test table is not used for training.
fn check_disjoint(images: &[Member], roles: &[Role]) -> Result<(), FoldsError> {
    let mut seen: HashMap<&str, Role> = HashMap::new();
    let train = images.iter().zip(roles).filter(|(image, _)| image.split == Split::Train);
    for (image, role) in train {
        let first = *seen.entry(image.patient_id).or_insert(*role);
        if first != *role {
            return Err(FoldsError::Divided {
                patient_id: image.patient_id.to_owned(),
                first: first.to_string(),
                second: role.to_string(),
            });
        }
    }
    Ok(())
}

fn group(role: Role, scheme: FoldScheme, images: &[&Member]) -> Group {
    let held_out = match role {
        // All patients of such a fold have the same value; some of their images may have none.
        Role::Fold(_) => {
            most_common(patients(images.iter().copied()).iter().filter_map(|p| p.held_out(scheme)))
        }
        _ => None,
    };
    let all = tally(images.iter().copied());
    let cancer = tally(images.iter().copied().filter(|image| image.cancer == Some(true)));
    let labelled = tally(images.iter().copied().filter(|image| image.cancer.is_some()));
    let share = |some: usize, of: usize| (of > 0).then(|| some as f64 / of as f64);
    Group {
        role,
        held_out,
        all,
        cancer,
        prevalence: Prevalence {
            patients: share(cancer.patients, labelled.patients),
            breasts: share(cancer.breasts, labelled.breasts),
            images: share(cancer.images, labelled.images),
        },
        sites: counts(images, |image| image.site_id),
        machines: counts(images, |image| image.machine_id),
    }
}

fn tally<'a>(images: impl Iterator<Item = &'a Member<'a>>) -> Tally {
    let (mut patients, mut breasts, mut count) = (HashSet::new(), HashSet::new(), 0);
    for image in images {
        count += 1;
        patients.insert(image.patient_id);
        breasts.extend(image.laterality.map(|side| (image.patient_id, side)));
    }
    Tally { patients: patients.len(), breasts: breasts.len(), images: count }
}

fn counts(images: &[&Member], value: impl Fn(&Member) -> Option<i64>) -> Vec<Count> {
    let mut counts: BTreeMap<(bool, Option<i64>), Count> = BTreeMap::new();
    for image in images {
        let value = value(image);
        let empty = Count { value, images: 0, cancer: 0 };
        let count = counts.entry((value.is_none(), value)).or_insert(empty);
        count.images += 1;
        count.cancer += usize::from(image.cancer == Some(true));
    }
    counts.into_values().collect()
}

fn count_straddling(images: &[Member]) -> Straddling {
    let train = || images.iter().filter(|image| image.split == Split::Train);
    let by_patient = |value: fn(&Member) -> Option<i64>| {
        count_with_several(train().filter_map(|image| Some((image.patient_id, value(image)?))))
    };
    let labelled =
        train().filter_map(|image| Some(((image.patient_id, image.laterality?), image.cancer?)));
    let trained: HashSet<_> = train().map(|image| image.patient_id).collect();
    let tested = images.iter().filter(|image| image.split == Split::Test);
    let tested: HashSet<_> = tested.map(|image| image.patient_id).collect();
    Straddling {
        sites: by_patient(|image| image.site_id),
        machines: by_patient(|image| image.machine_id),
        tables: trained.intersection(&tested).count(),
        labels: count_with_several(labelled),
    }
}

/// The number of keys that have more than one value.
fn count_with_several<K: Eq + Hash + Copy, V: Eq + Hash>(
    pairs: impl Iterator<Item = (K, V)>,
) -> usize {
    let pairs: HashSet<(K, V)> = pairs.collect();
    let mut values: HashMap<K, usize> = HashMap::new();
    pairs.iter().for_each(|(key, _)| *values.entry(*key).or_default() += 1);
    values.values().filter(|&&values| values > 1).count()
}
