//! Generates everything of one patient: the files, the rows of the tables, the truth.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

use super::damage::Damage;
use super::file::DicomFile;
use super::phantom::phantom;
use super::spec::{Layout, PhantomSpec};
use super::table::{Breast, Image, Patient};
use super::{Size, SynthSpec, lesion, sheet};
use crate::error::Fault;
use crate::random::Random;

/// The output for one patient.
pub(super) struct PatientOutput {
    /// Lines of the tables, by the table's name.
    pub rows: BTreeMap<&'static str, String>,
    /// Lines of `truth.csv`.
    pub truth: String,
    /// The size of the files in bytes.
    pub bytes: u64,
}

impl PatientOutput {
    /// Draws and writes all images of a patient.
    pub fn new(
        spec: &SynthSpec,
        patient: &Patient,
        damages: &HashMap<u64, (Damage, f64)>,
        out: &Path,
        each: &(impl Fn() + Sync),
    ) -> Result<Self, Fault> {
        let shape = spec.shape;
        let mut made = Self { rows: BTreeMap::new(), truth: String::new(), bytes: 0 };
        for breast in &patient.breasts {
            for (nth, image) in breast.images.iter().enumerate() {
                let phantom_spec = phantom_spec(patient, breast, image, nth, spec.size);
                let phantom = phantom(&phantom_spec);
                let coding = spec.coding.unwrap_or(patient.machine.coding);
                let mut file =
                    DicomFile::new(&phantom_spec, &phantom, coding, patient.id, image.id);
                for (tag, vr, text) in shape.attributes(image) {
                    file.text(tag, &vr, text);
                }
                for extra in shape.extras(patient, breast, image) {
                    let mut file = file.clone();
                    file.text((0x0008, 0x103E), b"LO", extra.series);
                    file.text((0x0020, 0x000E), b"UI", extra.series_uid);
                    file.text((0x0008, 0x0018), b"UI", extra.uid);
                    made.bytes += write(&out.join(extra.path), &file.to_bytes())?;
                }
                let damage = damages.get(&image.id).copied();
                let bytes = match damage {
                    None => file.to_bytes(),
                    Some((damage, place)) => damage.apply(file, place),
                };
                let damage = damage.map(|(damage, _)| damage);
                if damage != Some(Damage::MissingFile) {
                    let path = out.join(shape.path(patient, breast, image));
                    made.bytes += write(&path, &bytes)?;
                }
                let times = match damage {
                    Some(Damage::NoRow) => 0,
                    Some(Damage::DuplicateRow) => 2,
                    _ => 1,
                };
                for (table, rows) in shape.rows(patient, breast, image, &phantom) {
                    made.rows.entry(table).or_default().push_str(&rows.repeat(times));
                }
                made.truth.push_str(&sheet::truth(
                    patient,
                    image,
                    &phantom_spec,
                    &phantom,
                    coding.as_str(),
                    damage,
                ));
                each();
            }
        }
        Ok(made)
    }
}

/// Writes a file, and the folders that it needs. Returns its size.
fn write(path: &Path, bytes: &[u8]) -> Result<u64, Fault> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(Fault::io(folder))?;
    }
    fs::write(path, bytes).map_err(Fault::io(path))?;
    Ok(bytes.len() as u64)
}

/// The layout of the `nth` image of a breast.
fn phantom_spec(
    patient: &Patient,
    breast: &Breast,
    image: &Image,
    nth: usize,
    size: Size,
) -> PhantomSpec {
    let breast_seed = Random::seed_of(patient.seed, 10 + breast.laterality as u64);
    let image_seed = Random::seed_of(breast_seed, image.id);
    let mut findings = Random::new(Random::seed_of(breast_seed, 1));
    let called_back = breast.difficult_negative;
    // A breast with an implant is imaged with it in place and pushed back, in turn for each view.
    let implant = patient.implant.then(|| {
        let earlier = breast.images[..nth].iter().filter(|other| other.view == image.view).count();
        if earlier % 2 == 0 { Layout::Implant } else { Layout::ImplantDisplaced }
    });
    PhantomSpec {
        patient: Random::seed_of(patient.seed, 9),
        breast: breast_seed,
        image: image_seed,
        machine: patient.machine,
        divisor: size.divisor(),
        laterality: breast.laterality,
        view: image.view.clone(),
        density: patient.density,
        age: patient.age.unwrap_or(58),
        findings: lesion::findings(breast.cancer, called_back, &mut findings),
        layouts: Layout::draw(
            patient.machine,
            implant,
            &mut Random::new(Random::seed_of(image_seed, 2)),
        ),
    }
}
