//! The shapes of datasets: names of files and folders, tables, and what the headers hold.
//!
//! The shape of RSNA's dataset is in [`sheet`](super::sheet). The others follow the public
//! descriptions of their sets: columns, words and names are theirs, the values are generated.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::phantom::Phantom;
use super::sheet;
use super::table::{Breast, Image, Patient};
use super::workbook;
use crate::dicom::Tag;
use crate::random::Random;
use crate::record::{Density, Laterality, Split, View};

/// A dataset whose names and tables are imitated: one with a preset of its own.
pub use crate::config::DatasetPreset as Shape;

/// A file beside an image that is no mammogram.
pub(super) struct Extra {
    pub path: String,
    pub series: &'static str,
    /// Its Series Instance UID.
    pub series_uid: String,
    /// Its SOP Instance UID.
    pub uid: String,
}

impl Shape {
    /// The files and folders at the top of the dataset.
    pub(super) fn parts(self) -> Vec<&'static str> {
        let images: &[&str] = match self {
            Self::Rsna => &["train_images", "test_images"],
            Self::VindrMammo => &["images"],
            Self::Embed => &["images", "tables"],
            Self::CbisDdsm => &["CBIS-DDSM"],
            Self::Inbreast => &["AllDICOMs"],
            Self::Cmmd => &["CMMD"],
        };
        let tables = self.tables().into_iter().map(|(name, _)| name);
        images.iter().copied().chain(tables).collect()
    }

    /// The tables, each with its header.
    pub(super) fn tables(self) -> Vec<(&'static str, &'static str)> {
        match self {
            Self::Rsna => {
                vec![("train.csv", sheet::TRAIN_HEADER), ("test.csv", sheet::TEST_HEADER)]
            }
            Self::VindrMammo => vec![
                (
                    "breast-level_annotations.csv",
                    "study_id,series_id,image_id,laterality,view_position,height,width,\
                     breast_birads,breast_density,split\n",
                ),
                (
                    "finding_annotations.csv",
                    "image_id,study_id,series_id,laterality,view_position,height,width,\
                     breast_birads,breast_density,finding_categories,finding_birads,xmin,ymin,\
                     xmax,ymax,split\n",
                ),
            ],
            Self::Embed => vec![
                (
                    "tables/EMBED_OpenData_metadata.csv",
                    ",anon_dicom_path,empi_anon,acc_anon,study_date_anon,ImageLateralityFinal,\
                     ViewPosition,FinalImageType,ManufacturerModelName\n",
                ),
                (
                    "tables/EMBED_OpenData_clinical.csv",
                    ",empi_anon,acc_anon,study_date_anon,age_at_study,side,numfind,asses,\
                     tissueden,path_severity,procdate_anon\n",
                ),
            ],
            Self::CbisDdsm => vec![
                ("mass_case_description_train_set.csv", MASS),
                ("calc_case_description_train_set.csv", CALC),
                ("mass_case_description_test_set.csv", MASS),
                ("calc_case_description_test_set.csv", CALC),
            ],
            Self::Inbreast => vec![(
                "INbreast.csv",
                "Patient ID;Patient age;Laterality;View;Acquisition date;File Name;ACR;Bi-Rads\n",
            )],
            Self::Cmmd => vec![(
                "CMMD_clinicaldata_revision.xlsx",
                "ID1,LeftRight,Age,number,abnormality,classification,subtype\n",
            )],
        }
    }

    /// The bytes of the table `name` with these lines.
    pub(super) fn encode(self, name: &str, lines: &str) -> Vec<u8> {
        match name.ends_with(".xlsx") {
            true => workbook::encode(lines),
            false => lines.as_bytes().to_vec(),
        }
    }

    /// The path of an image's file.
    pub(super) fn path(self, patient: &Patient, breast: &Breast, image: &Image) -> String {
        let split = patient.split.as_str();
        match self {
            Self::Rsna => format!("{split}_images/{}/{}.dcm", patient.id, image.id),
            Self::VindrMammo => {
                format!("images/{}/{}.dicom", hex(patient.id), hex(image.id))
            }
            Self::Embed => format!("images/{}", embed_path(patient, image)),
            Self::CbisDdsm => {
                let folder = cbis_folder(patient, breast, image);
                format!(
                    "CBIS-DDSM/{folder}/07-20-2016-DDSM-NA-{}/1.000000-full mammogram images-{}/1-1.dcm",
                    image.id % 100_000,
                    image.id % 99_991
                )
            }
            Self::Inbreast => format!(
                "AllDICOMs/{}_{}_MG_{}_{}_ANON.dcm",
                image.id,
                &hex(patient.id)[..16],
                breast.laterality.as_str(),
                image.view.as_str()
            ),
            Self::Cmmd => {
                let nth = breast.images.iter().position(|other| other.id == image.id);
                let side = if breast.laterality == Laterality::Left { 0 } else { 4 };
                format!(
                    "CMMD/{}/07-18-2010-NA-NA-{}/1.000000-NA-{}/1-{}.dcm",
                    cmmd_id(patient),
                    patient.id % 100_000,
                    patient.id % 99_991,
                    1 + side + nth.unwrap_or(0)
                )
            }
        }
    }

    /// Files beside an image that are no mammograms.
    pub(super) fn extras(self, patient: &Patient, breast: &Breast, image: &Image) -> Vec<Extra> {
        if self != Self::CbisDdsm {
            return Vec::new();
        }
        let folder = cbis_folder(patient, breast, image);
        let file = |nth: usize, series: &'static str| Extra {
            path: format!(
                "CBIS-DDSM/{folder}_1/07-21-2016-DDSM-NA-{}/1.000000-{series}-{}/1-{nth}.dcm",
                image.id % 100_000,
                image.id % 99_991
            ),
            series,
            series_uid: cbis_uid(image, 34),
            uid: format!("{}.{nth}", cbis_uid(image, 34)),
        };
        vec![file(1, "cropped images"), file(2, "ROI mask images")]
    }

    /// Attributes that the set's headers have besides those of [`DicomFile`](super::DicomFile).
    pub(super) fn attributes(self, image: &Image) -> Vec<(Tag, [u8; 2], String)> {
        let view = || (Tag(0x0018, 0x5101), *b"CS", image.view.as_str().to_owned());
        let series = |text: &str| (Tag(0x0008, 0x103E), *b"LO", text.to_owned());
        match self {
            Self::Cmmd => vec![view()],
            Self::CbisDdsm => vec![
                series("full mammogram images"),
                (Tag(0x0020, 0x000D), *b"UI", cbis_uid(image, 31)),
                (Tag(0x0020, 0x000E), *b"UI", cbis_uid(image, 32)),
            ],
            _ => Vec::new(),
        }
    }

    /// The lines of an image in the tables, by the table's name.
    pub(super) fn rows(
        self,
        patient: &Patient,
        breast: &Breast,
        image: &Image,
        phantom: &Phantom,
    ) -> BTreeMap<&'static str, String> {
        let (side, view) = (breast.laterality.as_str(), image.view.as_str());
        match self {
            Self::Rsna => {
                let table = if patient.split == Split::Train { "train.csv" } else { "test.csv" };
                BTreeMap::from([(table, sheet::row(patient, breast, image))])
            }
            Self::VindrMammo => vindr_rows(patient, breast, image, phantom),
            Self::Embed => embed_rows(patient, breast, image),
            Self::CbisDdsm => cbis_rows(patient, breast, image),
            Self::Inbreast => {
                let birads = match birads(breast) {
                    4 => ["4a", "4b", "4c"][(image.id % 3) as usize].to_owned(),
                    other => other.to_string(),
                };
                let line = format!(
                    "removed;removed;{side};{view};201001;{};{};{birads}\n",
                    image.id,
                    quarter(patient.density)
                );
                BTreeMap::from([("INbreast.csv", line)])
            }
            Self::Cmmd => {
                let is_first = breast.images.first().is_some_and(|first| first.id == image.id);
                let line = format!(
                    "{},{side},{},{},mass,{},{}\n",
                    cmmd_id(patient),
                    patient.age.unwrap_or(58),
                    breast.images.len(),
                    if breast.cancer { "Malignant" } else { "Benign" },
                    if breast.cancer { "Luminal A" } else { "" }
                );
                let line = if is_first { line } else { String::new() };
                BTreeMap::from([("CMMD_clinicaldata_revision.xlsx", line)])
            }
        }
    }
}

const MASS: &str = "patient_id,breast_density,left or right breast,image view,abnormality id,\
                    abnormality type,mass shape,mass margins,assessment,pathology,subtlety,\
                    image file path,cropped image file path,ROI mask file path\n";
const CALC: &str = "patient_id,breast density,left or right breast,image view,abnormality id,\
                    abnormality type,calc type,calc distribution,assessment,pathology,subtlety,\
                    image file path,cropped image file path,ROI mask file path\n";

/// BI-RADS 1 to 5, for sets that give it for every breast.
fn birads(breast: &Breast) -> u8 {
    let draw = breast.images.first().map_or(0, |image| image.id);
    match (breast.cancer, breast.difficult_negative) {
        (true, _) => 4 + (draw % 2) as u8,
        (false, true) => 3,
        (false, false) => 1 + (draw % 2) as u8,
    }
}

fn quarter(density: Density) -> u8 {
    match density {
        Density::A => 1,
        Density::B => 2,
        Density::C => 3,
        Density::D => 4,
    }
}

/// 32 hexadecimal digits, as VinDr's ids have them.
fn hex(id: u64) -> String {
    format!("{:016x}{:016x}", Random::seed_of(id, 21), Random::seed_of(id, 22))
}

fn vindr_rows(
    patient: &Patient,
    breast: &Breast,
    image: &Image,
    phantom: &Phantom,
) -> BTreeMap<&'static str, String> {
    let (study, id) = (hex(patient.id), hex(image.id));
    let series = hex(patient.id ^ 1);
    let split = if patient.split == Split::Train { "training" } else { "test" };
    let (height, width) = (phantom.pixels.height(), phantom.pixels.width());
    let middle = format!(
        "{},{},{height},{width},BI-RADS {},DENSITY {}",
        breast.laterality.as_str(),
        image.view.as_str(),
        birads(breast),
        patient.density.as_str()
    );
    let breasts = format!("{study},{series},{id},{middle},{split}\n");
    let mut findings = String::new();
    let start = format!("{id},{study},{series},{middle}");
    for (_, place) in phantom.findings.iter().filter(|_| birads(breast) > 2) {
        let (right, bottom) = (place.left + place.width, place.top + place.height);
        writeln!(
            findings,
            "{start},\"['Mass', 'Skin Retraction']\",BI-RADS {},{:.4},{:.4},{right}.0,{bottom}.0,\
             {split}",
            birads(breast),
            place.left as f32,
            place.top as f32,
        )
        .expect("writing to a string does not fail");
    }
    if findings.is_empty() {
        findings = format!("{start},['No Finding'],,,,,,{split}\n");
    }
    BTreeMap::from([
        ("breast-level_annotations.csv", breasts),
        ("finding_annotations.csv", findings),
    ])
}

fn embed_path(patient: &Patient, image: &Image) -> String {
    let exam = patient.id * 7 + 3;
    format!("cohort_1/{}/1.2.842.{exam}/1.2.843.{exam}/1.2.844.{}.dcm", patient.id, image.id)
}

fn embed_rows(patient: &Patient, breast: &Breast, image: &Image) -> BTreeMap<&'static str, String> {
    let exam = patient.id * 7 + 3;
    let side = breast.laterality.as_str();
    let metadata = format!(
        "{},/mnt/NAS2/mammo/anon_dicom/{},{},{exam}.0,2015-03-02,{side},{},2D,Machine {}\n",
        image.id % 1000,
        embed_path(patient, image),
        patient.id,
        image.view.as_str(),
        patient.machine.id
    );
    let mut clinical = String::new();
    let is_first = breast.images.first().is_some_and(|first| first.id == image.id);
    if is_first {
        let letter = ["", "N", "B", "P", "S", "M"][usize::from(birads(breast))];
        let (severity, date) = match (breast.cancer, breast.invasive, breast.biopsy) {
            (true, true, _) => ("0.0", "2015-04-01"),
            (true, false, _) => ("1.0", "2015-04-01"),
            (false, _, true) => ("4.0", "2015-03-20"),
            _ => ("", ""),
        };
        let age = patient.age.unwrap_or(58);
        let density = quarter(patient.density);
        let mut line = |side: &str, find: u8, asses: &str, severity: &str, date: &str| {
            writeln!(
                clinical,
                "{find},{},{exam},2015-03-02,{age}.0,{side},{find},{asses},{density}.0,{severity},{date}",
                patient.id
            )
            .expect("writing to a string does not fail");
        };
        line(side, 1, letter, severity, date);
        if breast.cancer {
            // A second finding of the same breast, benign, and one that was cancer years later.
            line(side, 2, "B", "4.0", "2015-04-01");
        } else if breast.difficult_negative {
            line(side, 2, "B", "0.0", "2019-04-01");
        }
    }
    BTreeMap::from([
        ("tables/EMBED_OpenData_metadata.csv", metadata),
        ("tables/EMBED_OpenData_clinical.csv", clinical),
    ])
}

/// Whether the images of a patient are in the tables of masses; calcifications otherwise.
fn is_mass(patient: &Patient) -> bool {
    patient.id.is_multiple_of(2)
}

fn cbis_folder(patient: &Patient, breast: &Breast, image: &Image) -> String {
    let kind = if is_mass(patient) { "Mass" } else { "Calc" };
    let split = if patient.split == Split::Train { "Training" } else { "Test" };
    let side = if breast.laterality == Laterality::Left { "LEFT" } else { "RIGHT" };
    // The sets have each view once; further images of it are told apart by their number.
    let earlier = breast.images.iter().take_while(|other| other.id != image.id);
    let nth = earlier.filter(|other| other.view == image.view).count();
    let nth = if nth == 0 { String::new() } else { format!("x{nth}") };
    format!("{kind}-{split}_P_{:05}_{side}_{}{nth}", patient.id, image.view.as_str())
}

/// The UID of the image's study (31) or series (32), and of those of its crop and mask (33, 34).
fn cbis_uid(image: &Image, nth: u64) -> String {
    format!("1.3.6.1.4.1.9590.100.1.2.{}", Random::seed_of(image.id, nth))
}

fn cbis_rows(patient: &Patient, breast: &Breast, image: &Image) -> BTreeMap<&'static str, String> {
    let folder = cbis_folder(patient, breast, image);
    let uid = |n| cbis_uid(image, n);
    let path = format!("{folder}/{}/{}/000000.dcm", uid(31), uid(32));
    let crop = format!("{folder}_1/{}/{}", uid(33), uid(34));
    let (table, kind, about) = match (is_mass(patient), patient.split) {
        (true, Split::Train) => ("mass_case_description_train_set.csv", "mass", "OVAL,ILL_DEFINED"),
        (true, Split::Test) => ("mass_case_description_test_set.csv", "mass", "OVAL,ILL_DEFINED"),
        (false, Split::Train) => {
            ("calc_case_description_train_set.csv", "calcification", "PLEOMORPHIC,CLUSTERED")
        }
        (false, Split::Test) => {
            ("calc_case_description_test_set.csv", "calcification", "PLEOMORPHIC,CLUSTERED")
        }
    };
    let side = if breast.laterality == Laterality::Left { "LEFT" } else { "RIGHT" };
    let view = image.view.as_str();
    let density = quarter(patient.density);
    let line = |nth: u8, pathology: &str| {
        format!(
            "P_{:05},{density},{side},{view},{nth},{kind},{about},{},{pathology},4,{path},\
             \"{crop}/000000.dcm\n\",\"{crop}/000001.dcm\n\"\n",
            patient.id,
            birads(breast)
        )
    };
    let first = match (breast.cancer, breast.difficult_negative) {
        (true, _) => "MALIGNANT",
        (false, true) => "BENIGN",
        (false, false) => "BENIGN_WITHOUT_CALLBACK",
    };
    let mut lines = line(1, first);
    if breast.cancer && image.view == View::Cc {
        lines.push_str(&line(2, "BENIGN"));
    }
    BTreeMap::from([(table, lines)])
}

fn cmmd_id(patient: &Patient) -> String {
    format!("D1-{:04}", patient.id)
}
