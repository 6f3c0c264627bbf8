//! Writes the tables of a generated dataset: the columns of RSNA's tables, and the truth table.

use std::fmt::Write;

use super::damage::Damage;
use super::phantom::Phantom;
use super::spec::PhantomSpec;
use super::table::{Breast, Image, Patient};
use crate::image::Rect;
use crate::record::Split;

/// Columns of `train.csv`.
pub const TRAIN_HEADER: &str = "site_id,patient_id,image_id,laterality,view,age,cancer,biopsy,\
                                invasive,BIRADS,implant,density,machine_id,difficult_negative_case\n";

/// Columns of `test.csv`.
pub const TEST_HEADER: &str =
    "site_id,patient_id,image_id,laterality,view,age,implant,machine_id,prediction_id\n";

/// Columns of `truth.csv`. Boxes are `left top width height`, in pixels; `findings` are `kind left
/// top width height`, separated by `;`; `tissue` is a number of pixels.
pub const TRUTH_HEADER: &str = "split,patient_id,image_id,rows,columns,breast,tissue,findings,\
                                layouts,density,implant,syntax,damage\n";

/// A line of `train.csv` or `test.csv`.
pub(super) fn row(patient: &Patient, breast: &Breast, image: &Image) -> String {
    let machine = patient.machine;
    let (side, view) = (breast.laterality.as_str(), image.view.as_str());
    let age = patient.age.map(|age| age.to_string()).unwrap_or_default();
    let implant = u8::from(patient.implant);
    let start = format!("{},{},{},{side},{view},{age}", machine.site, patient.id, image.id);
    match patient.split {
        Split::Test => {
            format!("{start},{implant},{},{}_{side}\n", machine.id, patient.id)
        }
        Split::Train => {
            let [cancer, biopsy, invasive] =
                [breast.cancer, breast.biopsy, breast.invasive].map(u8::from);
            let birads = breast.birads.map(|birads| birads.to_string()).unwrap_or_default();
            let density = if patient.density_known { patient.density.as_str() } else { "" };
            let difficult = if breast.difficult_negative { "True" } else { "False" };
            format!(
                "{start},{cancer},{biopsy},{invasive},{birads},{implant},{density},{},{difficult}\n",
                machine.id
            )
        }
    }
}

/// A line of `truth.csv`.
pub(super) fn truth(
    patient: &Patient,
    image: &Image,
    spec: &PhantomSpec,
    phantom: &Phantom,
    syntax: &str,
    damage: Option<Damage>,
) -> String {
    let text = |r: &Rect| format!("{} {} {} {}", r.left, r.top, r.width, r.height);
    let findings: Vec<String> = phantom
        .findings
        .iter()
        .map(|(kind, place)| format!("{} {}", kind.as_str(), text(place)))
        .collect();
    let layouts: Vec<&str> = spec.layouts.iter().map(|layout| layout.as_str()).collect();
    let mut line = String::new();
    write!(
        line,
        "{},{},{},{},{},{},{},{},{},{},{},{syntax},{}",
        patient.split.as_str(),
        patient.id,
        image.id,
        phantom.pixels.height(),
        phantom.pixels.width(),
        text(&phantom.breast),
        phantom.tissue.pixels().iter().filter(|&&set| set).count(),
        findings.join(";"),
        layouts.join("+"),
        spec.density.as_str(),
        u8::from(patient.implant),
        damage.map(Damage::as_str).unwrap_or_default(),
    )
    .expect("writing to a string does not fail");
    line.push('\n');
    line
}
