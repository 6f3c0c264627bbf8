//! Tables and folders, joined through the library's front door.
//!
//! The tests on the real table look for it in `../shared/rsna` and say so when it is absent.

use crate::common::needs::real_files;

use std::fs;
use std::path::PathBuf;

use mammo_pipe::config::{Config, DatasetConfig, FoldScheme, FoldsConfig, SplitChoice};
use mammo_pipe::dataset::folds::{Audit, Member, assign, audit};
use mammo_pipe::dataset::{Joined, Role, StrayReason, join};
use mammo_pipe::preprocess::plan::Plan;
use mammo_pipe::record::{ImageRecord, Split, View};

/// A dataset of the files named in `files`, with the given tables.
fn dataset(train: &str, test: &str, files: &[&str]) -> (tempfile::TempDir, DatasetConfig) {
    let root = tempfile::tempdir().unwrap();
    for (name, text) in [("train.csv", train), ("test.csv", test)] {
        if !text.is_empty() {
            fs::write(root.path().join(name), text).unwrap();
        }
    }
    for file in files {
        let path = root.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "DICM").unwrap();
    }
    let mut config = Config::default().dataset;
    config.input = root.path().to_owned();
    (root, config)
}

fn joined(config: &DatasetConfig) -> Joined {
    join(config, &Config::default().folds).unwrap()
}

/// The message, with the folder left out.
fn fault(config: &DatasetConfig) -> String {
    let fault = join(config, &Config::default().folds).unwrap_err().to_string();
    let fault = fault.replace(&format!("{}/", config.input.display()), "");
    // The advice that follows wrong values is the same for all.
    fault.split("\ndataset.values says").next().unwrap_or_default().to_owned()
}

const TRAIN: &str = "site_id,patient_id,image_id,laterality,view,cancer\n\
                     1,10,3,L,CC,0\n\
                     1,9,11,R,MLO,1\n\
                     1,9,2,R,CC,1\n";
const TEST: &str = "patient_id,image_id,prediction_id\n8,100,8_L\n";
const FILES: [&str; 6] = [
    "train_images/9/2.dcm",
    "train_images/9/11.dcm",
    "train_images/9/notes.txt",
    "train_images/10/3.dcm",
    "test_images/8/100.dcm",
    "test_images/8/101.dcm",
];

#[test]
fn jobs_stand_in_the_order_of_patient_and_image_by_value() {
    let (_root, config) = dataset(TRAIN, TEST, &FILES);
    let joined = joined(&config);
    let order: Vec<_> = joined.jobs.iter().map(|job| job.relative.as_str()).collect();
    assert_eq!(order, ["train_images/9/2.dcm", "train_images/9/11.dcm", "train_images/10/3.dcm"]);
    assert_eq!((joined.missing.len(), joined.strays.len()), (0, 0));
    assert_eq!(joined.jobs[0].bytes, 4);
    assert!(joined.jobs[0].path.is_file());
}

#[test]
fn both_tables_are_taken_on_request_and_keep_their_split() {
    let (_root, mut config) = dataset(TRAIN, TEST, &FILES);
    config.split = SplitChoice::Both;
    let joined = joined(&config);
    let last = joined.jobs.last().unwrap();
    assert_eq!((last.record.split, last.role), (Split::Test, Role::Test));
    assert_eq!(last.record.prediction_id.as_deref(), Some("8_L"));
    assert_eq!(joined.jobs.len(), 4);
    assert_eq!(joined.strays[0].relative, "test_images/8/101.dcm");
    let counts = joined.counts();
    assert_eq!((counts.listed, counts.rows, counts.files), (5, 4, 5));
}

#[test]
fn a_row_without_a_file_is_missing_and_a_file_without_a_row_a_stray() {
    let files = ["train_images/9/2.dcm", "train_images/10/11.dcm", "train_images/10/x/7.DCM"];
    let (_root, config) = dataset(TRAIN, "", &files);
    let joined = joined(&config);
    let missing: Vec<_> =
        joined.missing.iter().map(|m| (m.record.line, m.relative.as_str())).collect();
    assert_eq!(missing, [(3, "train_images/9/11.dcm"), (2, "train_images/10/3.dcm")]);
    let strays: Vec<_> =
        joined.strays.iter().map(|s| (s.relative.as_str(), s.reason.to_string())).collect();
    let misplaced = "its row, line 3 of the train table, expects it at train_images/9/11.dcm";
    assert_eq!(
        strays,
        [
            ("train_images/10/11.dcm", misplaced.to_owned()),
            ("train_images/10/x/7.DCM", "no row in the table".to_owned()),
        ]
    );
}

#[test]
fn images_of_the_other_table_in_the_same_folder_are_no_strays() {
    let (_root, mut config) =
        dataset(TRAIN, TEST, &["2.dcm", "3.dcm", "11.dcm", "100.dcm", "5.dcm"]);
    config.path = "{image_id}.dcm".into();
    let joined = joined(&config);
    assert_eq!(joined.jobs.len(), 3);
    assert_eq!(joined.strays.len(), 1);
    assert_eq!(joined.strays[0].relative, "5.dcm");
    assert_eq!(joined.strays[0].reason, StrayReason::NoRow);
}

#[test]
fn hashes_tell_a_changed_table_and_a_changed_file() {
    let (root, config) = dataset(TRAIN, "", &FILES);
    let before = joined(&config);
    assert_eq!(before, joined(&config));
    fs::write(root.path().join(FILES[0]), "longer").unwrap();
    let after = joined(&config);
    assert_ne!(before.listing_sha256, after.listing_sha256);
    assert_eq!(before.table_sha256, after.table_sha256);
    fs::write(root.path().join("train.csv"), TRAIN.replace("9,2,R", "9,2,L")).unwrap();
    assert_ne!(before.table_sha256, joined(&config).table_sha256);
}

#[test]
fn roles_are_a_function_of_the_table_whatever_files_are_there() {
    let (_all, with_files) = dataset(TRAIN, "", &FILES);
    let (_none, without) = dataset(TRAIN, "", &["train_images/9/2.dcm"]);
    let jobs = joined(&with_files).jobs.into_iter().map(|job| (job.relative, job.role));
    let mut fewer = joined(&without);
    let mut rest: Vec<_> = fewer.jobs.drain(..).map(|job| (job.relative, job.role)).collect();
    rest.extend(fewer.missing.into_iter().map(|missing| (missing.relative, missing.role)));
    assert_eq!(jobs.collect::<Vec<_>>(), rest);
}

/// Every kind of damage to a table, and what is said of it.
#[test]
fn a_bad_table_is_named_with_its_line() {
    let duplicate = "patient_id,image_id\n1,10\n2,11\n3,10\n";
    let cases: [(&str, &str); 14] = [
        (
            "",
            "there is no table train.csv; name it with --set dataset.train_csv=FILE (or dataset.test_csv)",
        ),
        ("\n\n", "train.csv:1: no header"),
        ("patient_id,image_id\n", "train.csv:1: no rows"),
        (
            "subject,image_id\n1,2\n",
            "train.csv:1: no column patient_id; the header has subject, image_id",
        ),
        (
            "Patient_ID,image_id\n1,2\n",
            "train.csv:1: no column patient_id; did you mean Patient_ID? \
             (dataset.columns: {patient_id: Patient_ID})",
        ),
        (
            "patient_id,image_id,image_id\n1,2,3\n",
            "train.csv:1: column image_id occurs twice in the header",
        ),
        ("patient_id,image_id\n1,2\n3\n", "train.csv:3: 1 field, the header has 2"),
        (
            "patient_id,image_id\n\n1,\"2\n3,4\n",
            "train.csv:3: image_id is \"2\\n3,4\", needs the name of one file or folder, without / \\ : \" or ..",
        ),
        (
            "patient_id,image_id\n1,../../etc\n",
            "train.csv:2: image_id is \"../../etc\", needs the name of one file or folder, without / \\ : \" or ..",
        ),
        (
            "patient_id,image_id\n..,1\n",
            "train.csv:2: patient_id is \"..\", needs the name of one file or folder, without / \\ : \" or ..",
        ),
        ("patient_id,image_id\r\n1,2\r\n,3\r\n", "train.csv:3: patient_id is empty"),
        (duplicate, "train.csv:4: image_id 10 occurs already in train.csv, line 2"),
        (
            "patient_id,image_id,age\n1,2,61Y\n",
            "train.csv:2: age is \"61Y\", needs years from 0 to 130",
        ),
        (
            "patient_id,image_id,cancer\n1,2,maybe\n",
            "train.csv:2: cancer is \"maybe\", needs 0, 1, True or False",
        ),
    ];
    for (table, expected) in cases {
        let (_root, config) = dataset(table, "", &["train_images/1/2.dcm"]);
        assert_eq!(fault(&config), expected, "{table:?}");
    }
}

#[test]
fn sites_and_machines_with_names_are_numbered_and_the_plan_says_how() {
    let table = "patient_id,image_id,machine_id,site_id\n1,1,HOLOGIC,1\n1,2,GE,2\n2,3,HOLOGIC,1\n";
    let files = ["train_images/1/1.dcm", "train_images/1/2.dcm", "train_images/2/3.dcm"];
    let (_root, dataset) = dataset(table, "", &files);
    let plan = Plan::new(Config { dataset, ..Config::default() }).unwrap();
    let machines: Vec<_> = plan.joined.jobs.iter().map(|job| job.record.machine_id).collect();
    assert_eq!(machines, [Some(2), Some(1), Some(2)]);
    let sites: Vec<_> = plan.joined.jobs.iter().map(|job| job.record.site_id).collect();
    assert_eq!(sites, [Some(1), Some(2), Some(1)]);
    let values = &plan.facts.settings["dataset"]["values"];
    assert_eq!(*values, serde_json::json!({"machine_id": {"GE": 1, "HOLOGIC": 2}}));
}

#[test]
fn errors_of_both_tables_are_told_at_once() {
    let (_root, mut config) = dataset(
        "patient_id,image_id,age\n1,10,old\n",
        "patient_id,image_id,implant\n2,10,\n3,12,x\n",
        &[],
    );
    config.split = SplitChoice::Both;
    assert_eq!(
        fault(&config),
        "3 errors in the table:\n  \
         train.csv:2: age is \"old\", needs years from 0 to 130\n  \
         test.csv:3: implant is \"x\", needs 0, 1, True or False\n  \
         test.csv:2: image_id 10 occurs already in train.csv, line 2"
    );
}

#[test]
fn settings_that_no_table_can_meet_are_refused_with_the_nearest_name() {
    let refused = |change: fn(&mut DatasetConfig)| {
        let (_root, mut config) = dataset(TRAIN, TEST, &FILES);
        change(&mut config);
        fault(&config)
    };
    let unknown = refused(|c| drop(c.columns.insert("patientid".into(), "x".into())));
    assert_eq!(
        unknown,
        "configuration: unknown key dataset.columns.patientid; \
         did you mean dataset.columns.patient_id?"
    );
    let unmet = refused(|c| drop(c.columns.insert("age".into(), "siteid".into())));
    assert!(unmet.starts_with("train.csv:1: no column siteid; did you mean site_id?"), "{unmet}");
    let extra = refused(|c| c.extra_columns.push("vendor".into()));
    assert!(extra.starts_with("train.csv:1: no column vendor; the header has site_id"), "{extra}");
    let known = refused(|c| c.extra_columns.push("view".into()));
    assert!(known.starts_with("dataset.extra_columns is [view]"), "{known}");
    let outside = refused(|c| c.path = "../{image_id}.dcm".into());
    assert!(outside.starts_with("dataset.path is ../{image_id}.dcm, needs"), "{outside}");
}

#[test]
fn two_rows_that_lead_to_one_file_are_both_named() {
    let (_root, mut config) = dataset("patient_id,image_id\n1,23\n12,3\n", "", &[]);
    config.path = "{patient_id}{image_id}.dcm".into();
    assert_eq!(
        fault(&config),
        "train.csv:3: its file 123.dcm belongs already to train.csv, line 2"
    );
}

// The real table.

fn real() -> PathBuf {
    real_files().join("rsna")
}

fn real_records() -> Vec<ImageRecord> {
    let input = real();
    let joined = joined(&DatasetConfig { input, ..Config::default().dataset });
    let jobs = joined.jobs.into_iter().map(|job| job.record);
    jobs.chain(joined.missing.into_iter().map(|missing| missing.record)).collect()
}

fn audited(records: &[ImageRecord], config: &FoldsConfig) -> Audit {
    let roles = assign(records.iter().map(Member::from), config).unwrap();
    audit(records.iter().map(Member::from), &roles, config).unwrap()
}

#[test]
#[ignore = "needs ../shared with real files"]
fn the_real_table_joins_a_folder_that_holds_some_of_its_files() {
    let input = real();
    let joined = joined(&DatasetConfig { input, ..Config::default().dataset });
    let counts = joined.counts();
    assert_eq!((counts.rows, counts.jobs, counts.missing, counts.strays), (54_706, 8, 54_698, 0));
    assert_eq!(joined.jobs[0].relative, "train_images/10006/462822612.dcm");
    let absent: Vec<_> = joined.tables[0].absent.iter().map(|absent| absent.column).collect();
    assert_eq!(absent, ["prediction_id"]);
}

/// Counted with Python's csv module on train.csv.
#[test]
#[ignore = "needs ../shared with real files"]
fn the_real_table_has_the_counts_that_are_known_of_it() {
    let records = real_records();
    let audit = audited(&records, &Config::default().folds);
    let sum = |count: fn(&mammo_pipe::dataset::folds::Group) -> usize| -> usize {
        audit.groups.iter().map(count).sum()
    };
    assert_eq!(sum(|g| g.all.images), 54_706);
    assert_eq!(sum(|g| g.all.breasts), 23_826);
    assert_eq!(sum(|g| g.all.patients), 11_913);
    assert_eq!(sum(|g| g.cancer.images), 1_158);
    assert_eq!(sum(|g| g.cancer.breasts), 492);
    assert_eq!(sum(|g| g.cancer.patients), 486);
    assert_eq!(audit.straddling.machines, 1);
    let straddling = audit.straddling;
    assert_eq!((straddling.sites, straddling.tables, straddling.labels), (0, 0, 0));
    let views = |view: View| records.iter().filter(|r| r.view.as_ref() == Some(&view)).count();
    let counted = [View::Mlo, View::Cc, View::At, View::Lm, View::Ml, View::Lmo].map(views);
    assert_eq!(counted, [27_903, 26_765, 19, 10, 8, 1]);
    let missing = |empty: fn(&ImageRecord) -> bool| records.iter().filter(|r| empty(r)).count();
    assert_eq!(missing(|r| r.age.is_none()), 37);
    assert_eq!(missing(|r| r.birads.is_none()), 28_420);
    assert_eq!(missing(|r| r.density.is_none()), 25_236);
    assert_eq!(missing(|r| r.difficult_negative_case == Some(true)), 7_705);
}

#[test]
#[ignore = "needs ../shared with real files"]
fn real_folds_have_equal_patients_and_the_prevalence_of_the_whole() {
    let records = real_records();
    for seed in [42, 1, 2, 3] {
        let config = FoldsConfig { seed, ..Config::default().folds };
        let audit = audited(&records, &config);
        for group in &audit.groups {
            let shares = group.prevalence;

            assert!(group.all.patients.abs_diff(11_913 / 5) <= 1);
            assert!(group.cancer.patients.abs_diff(486 / 5) <= 1);
            assert!((shares.patients.unwrap() - 486.0 / 11_913.0).abs() < 0.0005);
            assert!((shares.images.unwrap() - 1_158.0 / 54_706.0).abs() < 0.0012);
            assert_eq!(group.sites.len(), 2);
        }
    }
}

#[test]
#[ignore = "needs ../shared with real files"]
fn real_machines_are_held_out_one_at_a_time() {
    let records = real_records();
    let config = FoldsConfig { scheme: FoldScheme::Machine, ..Config::default().folds };
    let audit = audited(&records, &config);
    let machines: Vec<_> = audit.groups.iter().filter_map(|group| group.held_out).collect();
    assert_eq!(machines, [21, 29, 48, 49, 93, 170, 190, 197, 210, 216]);
    let without_cancer = audit.groups.iter().filter(|group| group.cancer.images == 0);
    let without_cancer: Vec<_> = without_cancer.filter_map(|group| group.held_out).collect();
    assert_eq!(without_cancer, [197, 210]);
}
