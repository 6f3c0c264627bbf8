//! Generates the patients: their labels, machines and images.
//!
//! Shares and correlations are those of RSNA's `train.csv` (54,706 rows), by breast: a breast with
//! cancer had a biopsy and never has BI-RADS 1 or 2; a negative breast with a recall or a biopsy is
//! a difficult negative; at site 2 density is empty, and BI-RADS mostly so.

use std::collections::HashSet;

use super::machines::{self, Machine};
use crate::random::Random;
use crate::record::{Density, Laterality, Split, View};

/// The share of breasts with cancer in RSNA's dataset: 492 of 23,826.
pub const NATURAL_PREVALENCE: f64 = 0.020_65;

/// The share of patients with cancer in both breasts: 6 of 486.
const BOTH_BREASTS: f32 = 6.0 / 486.0;

/// A patient with the images.
#[derive(Debug, Clone)]
pub(super) struct Patient {
    pub split: Split,
    pub id: u64,
    pub machine: &'static Machine,
    /// The age in years; missing for a few patients of machine 49.
    pub age: Option<u32>,
    /// The true density; the table does not have it at site 2.
    pub density: Density,
    /// Whether the table has the density.
    pub density_known: bool,
    pub implant: bool,
    /// The left and the right breast.
    pub breasts: [Breast; 2],
    /// The seed of the anatomy.
    pub seed: u64,
}

/// A breast with its labels.
#[derive(Debug, Clone)]
pub(super) struct Breast {
    pub laterality: Laterality,
    pub cancer: bool,
    pub biopsy: bool,
    pub invasive: bool,
    pub birads: Option<u8>,
    pub difficult_negative: bool,
    pub images: Vec<Image>,
}

/// One image of a breast.
#[derive(Debug, Clone)]
pub(super) struct Image {
    pub id: u64,
    pub view: View,
}

/// The patients of a dataset, in the order of RSNA's table: sorted by id as text.
///
/// `prevalence` is the share of breasts with cancer in the training table.
pub(super) fn patients(seed: u64, train: usize, test: usize, prevalence: f64) -> Vec<Patient> {
    let mut ids = Ids::new(Random::seed_of(seed, 1), train + test);
    let mut all: Vec<Patient> = (0..train + test)
        .map(|n| {
            let split = if n < train { Split::Train } else { Split::Test };
            healthy(Random::seed_of(seed, 1000 + n as u64), split, ids.patient())
        })
        .collect();
    give_cancers(&mut all[..train], Random::new(Random::seed_of(seed, 2)), prevalence);
    give_cancers(&mut all[train..], Random::new(Random::seed_of(seed, 3)), prevalence);
    for patient in &mut all {
        let mut random = Random::new(Random::seed_of(patient.seed, 4));
        for breast in &mut patient.breasts {
            label(breast, patient.machine.site, &mut random);
            let mut views = views(patient.machine.site, patient.implant, &mut random);
            if breast.laterality == Laterality::Right {
                views.reverse();
            }
            breast.images = views.into_iter().map(|view| Image { id: ids.image(), view }).collect();
        }
    }
    all.sort_by_key(|patient| (patient.split, patient.id.to_string()));
    all
}

fn healthy(seed: u64, split: Split, id: u64) -> Patient {
    let mut random = Random::new(seed);
    let choices = machines::ALL.each_ref().map(|machine| (machine, machine.patients));
    let mut machine = random.pick(&choices);
    if split == Split::Test && random.chance(0.1) {
        machine = &machines::ONLY_IN_TEST;
    }
    let breast = |laterality| Breast {
        laterality,
        cancer: false,
        biopsy: false,
        invasive: false,
        birads: None,
        difficult_negative: false,
        images: Vec::new(),
    };
    Patient {
        split,
        id,
        machine,
        age: (machine.id != 49 || !random.chance(0.0017)).then(|| age(machine.site, &mut random)),
        density: random.pick(&[
            (Density::A, 0.095),
            (Density::B, 0.432),
            (Density::C, 0.419),
            (Density::D, 0.053),
        ]),
        density_known: machine.site == 1
            && !(matches!(machine.id, 49 | 170) && random.chance(0.0018)),
        implant: random.chance(machine.implants),
        breasts: [breast(Laterality::Left), breast(Laterality::Right)],
        seed,
    }
}

/// An age drawn by the deciles of RSNA's patients.
fn age(site: i64, random: &mut Random) -> u32 {
    let deciles: [f32; 13] = match site {
        1 => [26., 40., 43., 46., 50., 53., 57., 60., 64., 68., 72., 82., 89.],
        _ => [40., 43., 50., 53., 55., 57., 60., 62., 64., 67., 70., 76., 88.],
    };
    let shares = [0.0, 0.02, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.98, 1.0];
    let share = random.unit();
    let above = shares.partition_point(|&s| s <= share).min(12);
    let within = (share - shares[above - 1]) / (shares[above] - shares[above - 1]);
    (deciles[above - 1] + within * (deciles[above] - deciles[above - 1])).round() as u32
}

/// Gives `prevalence` of the breasts a cancer, with the machines, ages and densities weighted as in
/// RSNA's dataset.
///
/// The count is exact to within one: the patients' probabilities are laid end to end, and equally
/// spaced marks select the patients with cancer.
fn give_cancers(patients: &mut [Patient], mut random: Random, prevalence: f64) {
    let wanted = prevalence * 2.0 * patients.len() as f64 / f64::from(1.0 + BOTH_BREASTS);
    let likelihoods = likelihoods(patients, wanted);
    let mut mark = f64::from(random.unit());
    let mut reached = 0.0;
    for (patient, likelihood) in patients.iter_mut().zip(likelihoods) {
        reached += likelihood;
        let side = usize::from(random.chance(0.5));
        let both = random.chance(BOTH_BREASTS);
        if reached > mark {
            mark += 1.0;
            patient.breasts[side].cancer = true;
            patient.breasts[1 - side].cancer = both;
        }
    }
}

/// A number in [0, 1] for each patient; their sum is `wanted`, if that is possible.
fn likelihoods(patients: &[Patient], wanted: f64) -> Vec<f64> {
    let risks: Vec<f64> = patients.iter().map(|patient| f64::from(risk(patient))).collect();
    let at = |scale: f64| risks.iter().map(move |risk| (risk * scale).min(1.0));
    // The sum grows with the scale, but not in proportion because of the ceiling, so bisect.
    let (mut low, mut high) = (0.0, 1e6);
    for _ in 0..80 {
        let middle = (low + high) / 2.0;
        if at(middle).sum::<f64>() < wanted { low = middle } else { high = middle }
    }
    at(high).collect()
}

fn risk(patient: &Patient) -> f32 {
    let by_age = match patient.age.unwrap_or(58) {
        ..50 => 0.50,
        50..60 => 0.74,
        60..70 => 1.17,
        _ => 2.27,
    };
    let by_density = match patient.density {
        Density::A => 0.69,
        Density::B => 1.10,
        Density::C => 1.02,
        Density::D => 0.75,
    };
    patient.machine.cancer * by_age * by_density
}

/// Draws biopsy, invasiveness, BI-RADS and difficulty with the correlations of RSNA's table.
fn label(breast: &mut Breast, site: i64, random: &mut Random) {
    #[derive(Clone, Copy)]
    enum Reading {
        Unread,
        Negative,
        Normal,
        CalledBack,
        Biopsied,
    }
    let called_back = if site == 1 { Some(0) } else { None };
    if breast.cancer {
        breast.biopsy = true;
        breast.invasive = random.chance(if site == 1 { 0.673 } else { 0.748 });
        breast.birads = called_back;
        return;
    }
    let reading = random.pick(&match site {
        1 => [
            (Reading::Unread, 2288.0),
            (Reading::CalledBack, 1302.0),
            (Reading::Biopsied, 662.0),
            (Reading::Negative, 6280.0),
            (Reading::Normal, 850.0),
        ],
        _ => [
            (Reading::Unread, 10_635.0),
            (Reading::CalledBack, 1257.0),
            (Reading::Biopsied, 60.0),
            (Reading::Negative, 0.0),
            (Reading::Normal, 0.0),
        ],
    });
    breast.biopsy = matches!(reading, Reading::Biopsied);
    breast.difficult_negative = matches!(reading, Reading::Biopsied | Reading::CalledBack);
    breast.birads = match reading {
        Reading::Unread => None,
        Reading::Negative => Some(1),
        Reading::Normal => Some(2),
        Reading::CalledBack => Some(0),
        Reading::Biopsied => called_back,
    };
}

/// The views of one breast: always CC and MLO, 2 to 7 in all.
fn views(site: i64, implant: bool, random: &mut Random) -> Vec<View> {
    let (cc, mlo) = match (site, implant) {
        (1, false) => random.pick(&[
            ((1, 1), 0.620),
            ((1, 2), 0.183),
            ((2, 1), 0.120),
            ((2, 2), 0.049),
            ((2, 3), 0.0075),
            ((1, 3), 0.005),
            ((3, 2), 0.0047),
            ((3, 1), 0.0037),
            ((3, 3), 0.0037),
            ((3, 4), 0.0004),
        ]),
        (1, true) => {
            random.pick(&[((2, 2), 0.70), ((2, 3), 0.22), ((3, 2), 0.053), ((3, 3), 0.027)])
        }
        _ => random.pick(&[((1, 1), 0.9355), ((1, 2), 0.0437), ((2, 1), 0.0203), ((2, 2), 0.0005)]),
    };
    let mut views = vec![View::Cc; cc];
    views.extend(vec![View::Mlo; mlo]);
    // 19 axillary tails, 10 LM, 8 ML and 1 LMO among 23,826 breasts.
    if random.chance(38.0 / 23_826.0) {
        let rare = [(&View::At, 19.0), (&View::Lm, 10.0), (&View::Ml, 8.0), (&View::Lmo, 1.0)];
        views.push(random.pick(&rare).clone());
    }
    views
}

/// Unique ids, scattered like the real ones.
struct Ids {
    random: Random,
    highest_patient: u64,
    used: HashSet<u64>,
}

impl Ids {
    fn new(seed: u64, patients: usize) -> Self {
        let highest_patient = 65_534.max(4 * patients as u64);
        Self { random: Random::new(seed), highest_patient, used: HashSet::new() }
    }

    fn patient(&mut self) -> u64 {
        self.below(1, self.highest_patient)
    }

    /// Above every patient's id, so that both kinds can share one set.
    fn image(&mut self) -> u64 {
        self.below(self.highest_patient + 1, 2_147_483_647)
    }

    fn below(&mut self, lowest: u64, highest: u64) -> u64 {
        loop {
            let id = lowest + self.random.next() % (highest - lowest + 1);
            if self.used.insert(id) {
                return id;
            }
        }
    }
}
