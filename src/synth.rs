//! Generates a dataset of phantom mammograms, shaped like RSNA's, from a seed.
//!
//! In: a [`SynthSpec`]. Out: a folder with `train.csv`, `test.csv`, the images, and `truth.csv`
//! with facts that only a generated dataset can have: breast boxes, lesions, layouts, damage.
//!
//! The same spec gives the same bytes for any number of threads, because every patient, breast and
//! image draws from its own random stream. Exponentials and powers are computed by the system's
//! mathematics library, so another library may change a last bit.

mod anatomy;
mod artefacts;
mod canvas;
mod coding;
mod damage;
mod file;
mod font;
mod grid;
mod lesion;
pub mod machines;
mod patient;
mod phantom;
mod shape;
pub mod sheet;
mod spec;
mod table;
mod tissue;
mod tone;
mod workbook;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::Serialize;

use crate::error::{Fault, faults};
use crate::flow::threads;
use crate::random::Random;
use crate::record::Split;
use patient::PatientOutput;
use table::Patient;

pub use coding::Coding;
pub use damage::Damage;
pub use file::DicomFile;
pub use lesion::{Finding, FindingKind};
pub use phantom::{Phantom, phantom};
pub use shape::Shape;
pub use spec::{Layout, PhantomSpec};
pub use table::NATURAL_PREVALENCE;
pub use tone::Tone;

/// The dataset to generate.
#[derive(Debug, Clone, PartialEq)]
pub struct SynthSpec {
    /// The dataset whose names and tables are imitated.
    pub shape: Shape,
    /// The seed of all random numbers.
    pub seed: u64,
    /// Patients in `train.csv`.
    pub patients: usize,
    /// Patients in `test.csv`.
    pub test_patients: usize,
    /// Share of the breasts with cancer.
    pub prevalence: f64,
    /// Size of the images.
    pub size: Size,
    /// The coding of all files; `None`: each machine uses its own.
    pub coding: Option<Coding>,
    /// The kinds of damage, each with the number of training images to damage.
    pub damage: Vec<(Damage, usize)>,
    /// The number of threads; 0: one per core. The bytes do not depend on it.
    pub workers: usize,
}

impl Default for SynthSpec {
    fn default() -> Self {
        Self {
            shape: Shape::Rsna,
            seed: 42,
            patients: 40,
            test_patients: 4,
            prevalence: NATURAL_PREVALENCE,
            size: Size::Small,
            coding: None,
            damage: Vec::new(),
            workers: 0,
        }
    }
}

/// The size of the images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// The machines' own size: 4 to 26 megapixels.
    Full,
    /// An eighth of the width and height.
    Small,
    /// A thirty-second of the width and height: 60 to 170 pixels.
    Tiny,
}

impl Size {
    /// The divisor of the machine's rows and columns.
    pub fn divisor(self) -> usize {
        match self {
            Self::Full => 1,
            Self::Small => 8,
            Self::Tiny => 32,
        }
    }
}

/// The numbers of the dataset that was generated.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Patients in both tables.
    pub patients: usize,
    /// Images, including damaged ones.
    pub images: usize,
    /// Images of breasts with cancer.
    pub cancer_images: usize,
    /// Images that are damaged, missing or without a row.
    pub damaged: usize,
    /// The size of the files in bytes.
    pub bytes: u64,
}

/// Why no dataset can be generated.
#[derive(Debug, thiserror::Error)]
pub enum SynthError {
    /// The folder holds other files.
    #[error("{path} is not empty and was not made by synth; give an empty or a new folder")]
    NotOurs {
        /// The folder.
        path: PathBuf,
    },
    /// More images to damage than there are.
    #[error("{wanted} images are to be damaged, but there are only {have}")]
    TooMuchDamage {
        /// The number of images to damage.
        wanted: usize,
        /// The number of training images.
        have: usize,
    },
    /// The prevalence is not a share.
    #[error("prevalence {found} is not between 0 and 1")]
    Prevalence {
        /// The value.
        found: f64,
    },
}
faults!(SynthError);

/// The mark of a folder made by [`generate`], which may replace it.
const MARK: &str = ".mammo-pipe-synth";

/// The table of what only a generated dataset can know.
const TRUTH: &str = "truth.csv";

/// The number of images of a spec, computed without drawing any.
pub fn count(spec: &SynthSpec) -> usize {
    patients(spec).iter().flat_map(|patient| &patient.breasts).map(|b| b.images.len()).sum()
}

/// Generates the dataset in the folder `out`. It must be new, empty, or a dataset generated before,
/// which is replaced. `each` is called after every image, from any thread.
///
/// # Errors
/// A [`Fault`] if the folder holds other files, the spec is not valid, or a file cannot be written.
pub fn generate(spec: &SynthSpec, out: &Path, each: impl Fn() + Sync) -> Result<Summary, Fault> {
    if !(0.0..=1.0).contains(&spec.prevalence) {
        return Err(SynthError::Prevalence { found: spec.prevalence }.into());
    }
    let patients = patients(spec);
    let damages = choose(spec, &patients)?;
    prepare(out)?;
    let pool = threads::pool(spec.workers)?;
    let made: Vec<PatientOutput> = pool.install(|| {
        patients
            .par_iter()
            .map(|patient| PatientOutput::new(spec, patient, &damages, out, &each))
            .collect::<Result<_, _>>()
    })?;
    for (name, header) in spec.shape.tables() {
        let mut text = header.to_owned();
        made.iter().filter_map(|made| made.rows.get(name)).for_each(|rows| text.push_str(rows));
        let path = out.join(name);
        let folder = path.parent().unwrap_or(out);
        fs::create_dir_all(folder).map_err(Fault::io(folder))?;
        fs::write(&path, spec.shape.encode(name, &text)).map_err(Fault::io(path))?;
    }
    let mut truth = sheet::TRUTH_HEADER.to_owned();
    made.iter().for_each(|made| truth.push_str(&made.truth));
    let path = out.join(TRUTH);
    fs::write(&path, truth).map_err(Fault::io(path))?;
    let breasts = patients.iter().flat_map(|patient| &patient.breasts);
    Ok(Summary {
        patients: patients.len(),
        images: breasts.clone().map(|breast| breast.images.len()).sum(),
        cancer_images: breasts.filter(|b| b.cancer).map(|b| b.images.len()).sum(),
        damaged: damages.len(),
        bytes: made.iter().map(|made| made.bytes).sum(),
    })
}

fn patients(spec: &SynthSpec) -> Vec<Patient> {
    table::patients(spec.seed, spec.patients, spec.test_patients, spec.prevalence)
}

/// An empty folder with our mark.
fn prepare(out: &Path) -> Result<(), Fault> {
    fs::create_dir_all(out).map_err(Fault::io(out))?;
    let mark = out.join(MARK);
    let mut entries = fs::read_dir(out).map_err(Fault::io(out))?;
    if entries.next().is_some() && !mark.exists() {
        return Err(SynthError::NotOurs { path: out.to_owned() }.into());
    }
    fs::write(&mark, "made by mammo-pipe synth, which may replace all that it made\n")
        .map_err(Fault::io(mark))?;
    let parts = Shape::ALL.into_iter().flat_map(Shape::parts).chain([TRUTH]);
    for part in parts {
        let path = out.join(part);
        let gone = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        match gone {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Fault::io(path)(error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The images to damage, by id: the kind, and the place in the file.
fn choose(
    spec: &SynthSpec,
    patients: &[Patient],
) -> Result<HashMap<u64, (Damage, f64)>, SynthError> {
    let train = patients.iter().filter(|patient| patient.split == Split::Train);
    let mut ids: Vec<u64> = train
        .flat_map(|patient| &patient.breasts)
        .flat_map(|breast| breast.images.iter().map(|image| image.id))
        .collect();
    let wanted = spec.damage.iter().map(|(_, times)| times).sum();
    if wanted > ids.len() {
        return Err(SynthError::TooMuchDamage { wanted, have: ids.len() });
    }
    let mut random = Random::new(Random::seed_of(spec.seed, 5));
    let mut chosen = HashMap::new();
    for &(damage, times) in &spec.damage {
        for i in 0..times {
            let id = ids.swap_remove((random.next() % ids.len() as u64) as usize);
            chosen.insert(id, (damage, (i + 1) as f64 / (times + 1) as f64));
        }
    }
    Ok(chosen)
}
