//! Tables and folders that nearly match: what is near is named, with the setting that helps, and
//! that setting does help.

use std::fs;

use mammo_pipe::config::{Config, DatasetConfig, Tolerance, load};
use mammo_pipe::dataset::{Joined, join};

/// A dataset of the files named in `files`, with this table.
fn dataset(table: &str, files: &[&str]) -> (tempfile::TempDir, DatasetConfig) {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("train.csv"), table).unwrap();
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

/// The hints that say `found`, and what follows when the setting of the first is made.
fn helped(table: &str, files: &[&str], remedy: &str) -> Joined {
    let (_root, config) = dataset(table, files);
    let before = joined(&config);
    assert!(before.jobs.is_empty() && !before.missing.is_empty(), "{files:?} match as they are");
    let hints: Vec<String> = before.hints.iter().map(|hint| hint.remedy.clone()).collect();
    assert_eq!(hints, [format!("set {remedy}")], "{files:?}: {:?}", before.hints);
    let settings = load(None, &[remedy.to_owned()]).unwrap().dataset;
    let after = joined(&DatasetConfig { input: config.input.clone(), ..settings });
    assert_eq!((after.missing.len(), after.strays.len()), (0, 0), "{:?}", after.missing);
    assert_eq!(after.hints, []);
    after
}

#[test]
fn ids_that_a_spreadsheet_changed_are_found_by_one_setting() {
    let after = helped(
        "patient_id,image_id,cancer\n10000.0,9001.0,0\n10000.0,9002.0,1\n",
        &["train_images/10000/9001.dcm", "train_images/10000/9002.dcm"],
        "dataset.tolerate=[decimals]",
    );
    assert_eq!(after.jobs[0].record.patient_id.as_str(), "10000");
    helped(
        "patient_id,image_id,cancer\n9.0E+03,1.23E+05,0\n",
        &["train_images/9000/123000.dcm"],
        "dataset.tolerate=[exponents]",
    );
    helped(
        "patient_id,image_id,cancer\n7,42,0\n8,100,1\n",
        &["train_images/0007/00042.dcm", "train_images/0008/00100.dcm"],
        "dataset.tolerate=[zeros]",
    );
    helped(
        "patient_id,image_id,cancer\nJos\u{e9},1,0\n",
        &["train_images/Jose\u{301}/1.dcm"],
        "dataset.tolerate=[unicode]",
    );
    helped(
        "patient_id,image_id,cancer\np1,IMG7,0\n",
        &["train_images/P1/img7.dcm"],
        "dataset.tolerate=[case]",
    );
}

#[test]
fn a_file_by_the_very_name_has_precedence() {
    let files = ["train_images/1/9.0.dcm", "train_images/1/9.dcm"];
    let (_root, mut config) = dataset("patient_id,image_id,cancer\n1,9.0,0\n", &files);
    config.tolerate = vec![Tolerance::Decimals];
    let joined = joined(&config);
    assert_eq!(joined.jobs[0].relative, "train_images/1/9.0.dcm");
    assert_eq!(joined.strays[0].relative, "train_images/1/9.dcm");
}

#[test]
fn two_files_that_fit_a_row_are_both_refused_and_named() {
    let files = ["train_images/1/009.dcm", "train_images/1/09.dcm"];
    let (_root, mut config) = dataset("patient_id,image_id,cancer\n1,9,0\n", &files);
    config.tolerate = vec![Tolerance::Zeros];
    let joined = joined(&config);
    assert_eq!((joined.jobs.len(), joined.missing.len(), joined.strays.len()), (0, 1, 2));
    assert!(
        joined.hints[0].found.starts_with("1 row cannot be given one file"),
        "{:?}",
        joined.hints
    );
}

#[test]
fn an_extension_in_upper_case_needs_no_setting() {
    let table = "patient_id,image_id,cancer\n1,2,0\n1,3,1\n";
    let (_root, config) = dataset(table, &["train_images/1/2.DCM", "train_images/1/3.dcm"]);
    let joined = joined(&config);
    assert_eq!((joined.jobs.len(), joined.missing.len(), joined.strays.len()), (2, 0, 0));
    assert_eq!(joined.jobs[0].relative, "train_images/1/2.DCM");
    assert!(joined.jobs[0].path.is_file());
}

#[test]
fn files_at_another_place_are_found_by_the_path_that_is_named() {
    let table = "patient_id,image_id,cancer\n1,20,0\n2,30,1\n";
    let cases: [(&[&str], &str); 5] = [
        (&["20.dcm", "30.dcm"], "{image_id}.dcm"),
        (&["images/20.dcm", "images/30.dcm"], "images/{image_id}.dcm"),
        (&["train_images/1/20", "train_images/2/30"], "{split}_images/{patient_id}/{image_id}"),
        (&["rsna/1/20.dicom", "rsna/2/30.dicom"], "rsna/{patient_id}/{image_id}.dicom"),
        (&["all/20_6c61_R.dcm", "all/30_77_L.dcm"], "all/{image_id}_*.dcm"),
    ];
    for (files, path) in cases {
        helped(table, files, &format!("dataset.path={path}"));
    }
}

#[test]
fn images_still_in_an_archive_are_named() {
    let table = "patient_id,image_id,cancer\n1,20,0\n";
    let (_root, config) = dataset(table, &["rsna.zip"]);
    let hint = joined(&config).hints[0].to_string();
    assert_eq!(
        hint,
        "the input folder holds an archive, rsna.zip, and archives are not read: unpack it first, \
         for example: unzip rsna.zip"
    );
}

#[test]
fn a_column_in_other_letters_and_a_table_without_labels_are_named() {
    let (_root, config) = dataset("patient_id,image_id,Cancer\n1,2,0\n", &["train_images/1/2.dcm"]);
    let hints = joined(&config).hints;
    assert_eq!(hints.len(), 1, "{hints:?}");
    assert_eq!(hints[0].remedy, "if they mean the same, set dataset.columns.cancer=Cancer");
    let (_root, config) = dataset("patient_id,image_id\n1,2\n", &["train_images/1/2.dcm"]);
    let hints = joined(&config).hints;
    assert!(hints[0].found.contains("has no column cancer, so no image has a label"), "{hints:?}");
}

#[test]
fn what_copying_leaves_behind_is_ignored_and_counted() {
    let table = "patient_id,image_id,cancer\n1,2,0\n";
    let files = ["1/2.dcm", "1/._2.dcm", "1/.nfs000001.dcm", "__MACOSX/1/2.dcm", "1/3.dcm.part"];
    let files = files.map(|file| format!("train_images/{file}"));
    let (_root, config) = dataset(table, &files.each_ref().map(String::as_str));
    let joined = joined(&config);
    assert_eq!((joined.jobs.len(), joined.strays.len(), joined.ignored), (1, 0, 4));
    assert_eq!(joined.counts().listed, 1);
}

#[test]
fn a_table_of_another_name_is_named() {
    let (root, config) = dataset("patient_id,image_id\n1,2\n", &["labels.csv", "x.xlsx"]);
    fs::remove_file(root.path().join("train.csv")).unwrap();
    let fault = join(&config, &Config::default().folds).unwrap_err().to_string();
    assert!(fault.contains("(the folder has labels.csv, x.xlsx)"), "{fault}");
}

#[test]
fn a_path_in_a_column_is_followed_below_the_input_folder_and_never_out_of_it() {
    let table = "patient_id,image_id,cancer,where\n\
                 1,2,0,\"/mnt/nas/a/b/x.dcm\n\"\n\
                 1,3,0,a\\c\\y.dcm\n";
    let (_root, mut config) = dataset(table, &["a/b/x.dcm", "a/c/y.dcm"]);
    config.path = "{where}".into();
    config.strip_prefix = "/mnt/nas".into();
    let found = joined(&config);
    let files: Vec<_> = found.jobs.iter().map(|job| job.relative.as_str()).collect();
    assert_eq!(files, ["a/b/x.dcm", "a/c/y.dcm"]);

    let (_root, mut config) = dataset("patient_id,image_id,where\n1,2,../../x.dcm\n", &[]);
    config.path = "{where}".into();
    let fault = join(&config, &Config::default().folds).unwrap_err().to_string();
    assert!(
        fault.contains("where is \"../../x.dcm\", needs a path below dataset.input"),
        "{fault}"
    );
}

#[test]
fn patient_side_and_view_are_found_in_the_name_where_the_table_has_none() {
    let table = "image_id,cancer\n20586908,0\n20586934,1\n";
    let files = ["A/20586908_6c61_MG_R_CC_ANON.dcm", "A/20586934_6c61_MG_L_ML_ANON.dcm"];
    let (_root, mut config) = dataset(table, &files);
    config.path = "A/{image_id}_{patient_id}_MG_{laterality}_{view}_ANON.dcm".into();
    let joined = joined(&config);
    assert_eq!((joined.missing.len(), joined.strays.len()), (0, 0));
    let about = |i: usize| {
        let record = &joined.jobs[i].record;
        let side = record.laterality.map(|side| side.as_str());
        (record.patient_id.as_str().to_owned(), side, record.view.as_ref().map(|v| v.as_str()))
    };
    assert_eq!(about(0), ("6c61".to_owned(), Some("R"), Some("CC")));
    assert_eq!(about(1), ("6c61".to_owned(), Some("L"), Some("ML")));
}

#[test]
fn without_a_table_the_patient_is_a_folder() {
    let (root, mut config) =
        dataset("", &["p1/study/1.dcm", "p1/study/2.DCM", "p2/3.dcm", "4.dcm", "p2/._3.dcm"]);
    fs::remove_file(root.path().join("train.csv")).unwrap();
    config.no_table = true;
    let joined = joined(&config);
    let found: Vec<_> = joined
        .jobs
        .iter()
        .map(|job| (job.record.patient_id.as_str(), job.record.image_id.as_str()))
        .collect();
    assert_eq!(found, [("p1", "p1_study_1"), ("p1", "p1_study_2"), ("p2", "p2_3")]);
    assert!(joined.jobs.iter().all(|job| job.record.cancer.is_none()));
    let reason = joined.strays[0].reason.to_string();
    assert_eq!(reason, "no patient: the path has not the form of dataset.path");
    assert_eq!(joined.ignored, 1);
}

#[test]
fn without_a_table_two_files_with_one_id_are_named_and_neither_is_taken() {
    let (root, mut config) = dataset("", &["p/a_b/1.dcm", "p/a/b_1.dcm", "p/2.dcm"]);
    fs::remove_file(root.path().join("train.csv")).unwrap();
    config.no_table = true;
    let joined = joined(&config);
    let jobs: Vec<_> = joined.jobs.iter().map(|job| job.relative.as_str()).collect();
    assert_eq!(jobs, ["p/2.dcm"]);
    let strays: Vec<_> = joined.strays.iter().map(|stray| stray.reason.to_string()).collect();
    assert_eq!(
        strays,
        [
            "its image_id, p_a_b_1, is also that of p/a_b/1.dcm",
            "its image_id, p_a_b_1, is also that of p/a/b_1.dcm",
        ]
    );
}

/// The path and the image of every row with a file.
fn pairs(joined: &Joined) -> Vec<(&str, &str)> {
    let mut pairs: Vec<_> = joined
        .jobs
        .iter()
        .map(|job| (job.relative.as_str(), job.record.image_id.as_str()))
        .collect();
    pairs.sort_unstable();
    pairs
}

#[test]
fn a_file_goes_to_the_row_that_names_it_exactly_whatever_the_order_of_the_rows() {
    for rows in ["1,9,0\n1,009,1\n", "1,009,1\n1,9,0\n"] {
        let table = format!("patient_id,image_id,cancer\n{rows}");
        let (_root, mut config) = dataset(&table, &["train_images/1/009.dcm"]);
        config.tolerate = vec![Tolerance::Zeros];
        let joined = joined(&config);
        assert_eq!(pairs(&joined), [("train_images/1/009.dcm", "009")]);
        assert_eq!(joined.jobs[0].record.cancer, Some(true));
        assert_eq!(joined.missing[0].record.image_id.as_str(), "9");
    }
}

#[test]
fn a_file_that_two_rows_fit_up_to_what_is_tolerated_goes_to_neither() {
    for rows in ["1,9,0\n1,09,1\n", "1,09,1\n1,9,0\n"] {
        let table = format!("patient_id,image_id,cancer\n{rows}");
        let (_root, mut config) = dataset(&table, &["train_images/1/009.dcm"]);
        config.tolerate = vec![Tolerance::Zeros];
        let joined = joined(&config);
        assert_eq!((joined.jobs.len(), joined.missing.len(), joined.strays.len()), (0, 2, 1));
        let found = "2 rows cannot be given one file: several fit, or it fits another row as well";
        assert_eq!(joined.hints[0].found, found);
    }
}

#[test]
fn an_id_that_is_the_beginning_of_another_does_not_take_its_image() {
    for rows in ["7,20,0\n7,20_1,1\n", "7,20_1,1\n7,20,0\n"] {
        let table = format!("patient_id,image_id,cancer\n{rows}");
        let path = "images/{image_id}_*.dcm";
        // Both rows fit the only file.
        let (_root, mut config) = dataset(&table, &["images/20_1_x.dcm"]);
        config.path = path.into();
        let found = joined(&config);
        assert_eq!((found.jobs.len(), found.missing.len(), found.strays.len()), (0, 2, 1));
        // Row 20 fits both files, row 20_1 one of them.
        let (_root, mut config) = dataset(&table, &["images/20_1_x.dcm", "images/20_x.dcm"]);
        config.path = path.into();
        let found = joined(&config);
        assert_eq!(pairs(&found), [("images/20_1_x.dcm", "20_1")]);
        assert_eq!(found.jobs[0].record.cancer, Some(true));
    }
    let (_root, mut config) =
        dataset("patient_id,image_id,cancer\n7,20_1,1\n", &["images/20_1_x.dcm"]);
    config.path = "images/{image_id}_*.dcm".into();
    assert_eq!(pairs(&joined(&config)), [("images/20_1_x.dcm", "20_1")]);
}

#[test]
fn what_stands_behind_an_id_with_a_separator_is_taken_from_behind_it() {
    let (_root, mut config) =
        dataset("image_id,cancer\n20_1,1\n", &["A/20_1_p6c61_MG_L_CC_ANON.dcm"]);
    config.path = "A/{image_id}_{patient_id}_MG_{laterality}_{view}_ANON.dcm".into();
    let joined = joined(&config);
    assert_eq!(joined.jobs[0].record.patient_id.as_str(), "p6c61");
    assert_eq!(joined.jobs[0].record.image_id.as_str(), "20_1");
}

#[test]
fn a_patient_in_two_spellings_is_in_one_fold() {
    let rows: String =
        (1..=20).map(|p| format!("00{p},{p}1,0\n{p},{p}2,1\n{p}.0,{p}3,0\n")).collect();
    let table = format!("patient_id,image_id,cancer\n{rows}");
    let files: Vec<String> = (1..=20)
        .flat_map(|p| (1..=3).map(move |i| format!("train_images/00{p}/{p}{i}.dcm")))
        .collect();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let (_root, mut config) = dataset(&table, &files);
    config.tolerate = vec![Tolerance::Decimals, Tolerance::Zeros];
    let joined = joined(&config);
    assert_eq!((joined.jobs.len(), joined.missing.len(), joined.strays.len()), (60, 0, 0));
    let mut roles = std::collections::BTreeMap::new();
    for job in &joined.jobs {
        let patient = job.record.patient_id.as_str();
        assert!(patient.starts_with("00"), "{patient} is not the first spelling");
        let role = *roles.entry(patient).or_insert(job.role);
        assert_eq!(job.role, role, "patient {patient} is in two folds");
    }
    assert_eq!(roles.len(), 20);
    let folds: std::collections::BTreeSet<_> = roles.values().collect();
    assert!(folds.len() > 1, "a single fold shows nothing");
}

#[test]
fn rows_of_an_image_that_differ_are_named_with_their_column() {
    let table = "patient_id,image_id,cancer,view\n1,2,0,CC\n1,2,1,MLO\n1,2,0,CC\n1,3,0,CC\n";
    let (_root, mut config) = dataset(table, &["train_images/1/2.dcm", "train_images/1/3.dcm"]);
    config.several_rows = mammo_pipe::config::SeveralRows::Gather;
    let joined = joined(&config);
    let found: Vec<_> = joined.hints.iter().map(|hint| hint.found.as_str()).collect();
    assert_eq!(found, ["rows of 1 image differ in view, which is missing there"]);
}
