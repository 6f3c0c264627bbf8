//! Tables right and wrong, cell by cell.

use super::*;
use crate::config::Config;
use crate::record::{Density, Laterality, View};

/// Reads `text` as `t.csv`.
fn parse_with(config: &DatasetConfig, text: &str) -> (Vec<Absent>, Vec<ImageRecord>, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    std::fs::write(&path, text).unwrap();
    let config = DatasetConfig { train_csv: Some(path), ..config.clone() };
    let template = Template::parse(&config.path).unwrap();
    let mut problems = Problems::default();
    let table =
        read(Split::Train, &config, &template, &mut Words::default(), &mut problems).unwrap();
    let told = problems.check().map_or_else(|e| e.to_string(), |()| String::new());
    let told = told.replace(&format!("{}/", folder.path().display()), "");
    // The advice that follows is the same for all.
    let told = told.split("\ndataset.values says").next().unwrap_or_default().to_owned();
    (table.absent, table.records, told)
}

fn problems(text: &str) -> String {
    parse_with(&Config::default().dataset, text).2
}

fn records(text: &str) -> Vec<ImageRecord> {
    let (_, records, problems) = parse_with(&Config::default().dataset, text);
    assert_eq!(problems, "");
    records
}

#[test]
fn every_column_is_read_in_any_order() {
    let text = "density,image_id,patient_id,cancer,BIRADS,machine_id,difficult_negative_case,\
                age,view,laterality,implant,invasive,biopsy,site_id,prediction_id\n\
                C,462822612,10006,1,0,29,True,61.5,XCCL,R,0,1,1,2,10006_R\n";
    let record = &records(text)[0];
    assert_eq!(record.line, 2);
    assert_eq!(record.patient_id.as_str(), "10006");
    assert_eq!(record.image_id.as_str(), "462822612");
    assert_eq!(record.density, Some(Density::C));
    assert_eq!(record.laterality, Some(Laterality::Right));
    assert_eq!(record.view, Some(View::Other("XCCL".into())));
    assert_eq!((record.age, record.birads), (Some(61.5), Some(0)));
    assert_eq!((record.cancer, record.implant), (Some(true), Some(false)));
    assert_eq!((record.biopsy, record.invasive), (Some(true), Some(true)));
    assert_eq!((record.site_id, record.machine_id), (Some(2), Some(29)));
    assert_eq!(record.difficult_negative_case, Some(true));
    assert_eq!(record.prediction_id.as_deref(), Some("10006_R"));
}

#[test]
fn empty_is_missing_and_never_zero() {
    let text = "patient_id,image_id,age,BIRADS,cancer\n1,10,,NaN,\n1,11,0,0,0\n";
    let records = records(text);
    assert_eq!((records[0].age, records[0].birads, records[0].cancer), (None, None, None));
    assert_eq!(
        (records[1].age, records[1].birads, records[1].cancer),
        (Some(0.0), Some(0), Some(false))
    );
}

#[test]
fn whole_numbers_that_pandas_wrote_as_floats_are_whole() {
    let record = &records("patient_id,image_id,BIRADS,cancer\n1,10,2.0,1.0\n")[0];
    assert_eq!((record.birads, record.cancer), (Some(2), Some(true)));
}

#[test]
fn marks_quotes_blank_lines_and_line_ends_of_every_system_are_read() {
    for end in ["\n", "\r\n", "\r"] {
        let text = ["\u{feff}\"patient_id\",\"image_id\" ", "", "1,\"10\"", "", "", "1,11", ""];
        let records = records(&text.join(end));
        let found: Vec<_> = records.iter().map(|r| (r.image_id.as_str(), r.line)).collect();
        assert_eq!(found, [("10", 3), ("11", 6)], "line end {end:?}");
    }
}

#[test]
fn a_quoted_line_break_counts_as_a_line() {
    let text = "patient_id,image_id,note\n1,10,\"two\nlines\"\n1,11,x\n";
    assert_eq!(records(text)[1].line, 4);
}

#[test]
fn columns_of_another_dataset_are_mapped_and_further_ones_carried() {
    let mut config = Config::default().dataset;
    config.columns.insert("patient_id".into(), "PatientID".into());
    config.columns.insert("image_id".into(), "SOPInstanceUID".into());
    config.extra_columns = vec!["vendor".into(), "note".into()];
    let text = "SOPInstanceUID,note,PatientID,vendor,image_id\n1.2.3,,P7,Acme,ignored\n";
    let (_, records, problems) = parse_with(&config, text);
    assert_eq!(problems, "");
    assert_eq!(records[0].image_id.as_str(), "1.2.3");
    assert_eq!(records[0].patient_id.as_str(), "P7");
    assert_eq!(records[0].extra, [Some("Acme".to_owned()), None]);
}

#[test]
fn an_absent_column_is_told_with_the_nearest_name_of_the_header() {
    let config = Config::default().dataset;
    let (absent, ..) = parse_with(&config, "patient_id,image_id,birads,Cancer\n1,10,0,1\n");
    let nearest = |name| absent.iter().find(|a| a.column == name).unwrap().nearest.as_deref();
    assert_eq!(nearest("BIRADS"), Some("birads"));
    assert_eq!(nearest("cancer"), Some("Cancer"));
    assert_eq!(nearest("density"), None);
    assert_eq!(absent.len(), 13);
}

#[test]
fn every_bad_cell_is_named_with_its_line_and_column() {
    let text = "patient_id,image_id,age,cancer,laterality,density,view,BIRADS,machine_id\n\
                1,10,old,yes,B,E,\"a,b\",9,4.5\n\
                1,../10,-1,,,,,,\n\
                ,12,inf,2,,,,,\n";
    assert_eq!(
        problems(text),
        "11 errors in the table:\n  ".to_owned()
            + &[
                "t.csv:2: laterality is \"B\", needs L or R",
                "t.csv:2: view is \"a,b\", needs a code of at most 16 letters, digits, spaces, _ or -",
                "t.csv:2: age is \"old\", needs years from 0 to 130",
                "t.csv:2: cancer is \"yes\", needs 0, 1, True or False",
                "t.csv:2: BIRADS is \"9\", needs a category from 0 to 6",
                "t.csv:2: density is \"E\", needs A, B, C or D",
                "t.csv:3: image_id is \"../10\", needs the name of one file or folder, without / \\ : \" or ..",
                "t.csv:3: age is \"-1\", needs years from 0 to 130",
                "t.csv:4: patient_id is empty",
                "t.csv:4: age is \"inf\", needs years from 0 to 130",
                "t.csv:4: cancer is \"2\", needs 0, 1, True or False",
            ]
            .join("\n  ")
    );
}

#[test]
fn a_ragged_row_is_named_with_both_counts() {
    let ragged = problems("patient_id,image_id\n1,10\n1,11,x\n1\n");
    assert!(ragged.contains("t.csv:3: 3 fields, the header has 2"), "{ragged}");
    assert!(ragged.contains("t.csv:4: 1 field, the header has 2"), "{ragged}");
    let open = problems("patient_id,image_id\n1,\"10\n1,11\n1,12\n");
    assert!(!open.is_empty(), "an open quote swallows the rest of the file");
    let open = problems("patient_id,image_id\n\"1,10\n1,11\n1,12\n");
    assert!(open.contains("t.csv:2: 1 field, the header has 2; is a quote not closed?"), "{open}");
}

#[test]
fn a_file_that_is_no_table_says_what_it_is() {
    assert!(problems("").contains("t.csv:1: no header"));
    assert!(problems("patient_id,image_id\n").contains("t.csv:1: no rows"));
    assert_eq!(problems("patient_id;image_id\n1;10\n"), "", "any delimiter is read");
    let twice = problems("patient_id,image_id,age,age\n1,10,50,51\n");
    assert!(twice.contains("t.csv:1: column age occurs twice"), "{twice}");
    let lacking = problems("patient_id,imageid,age\n1,10,50\n");
    assert!(lacking.contains("t.csv:1: no column image_id; did you mean imageid?"), "{lacking}");
}

#[test]
fn many_problems_are_counted_and_the_first_twenty_shown() {
    let rows: String = (0..54).map(|i| format!("1,{i},old\n")).collect();
    let told = problems(&format!("patient_id,image_id,age\n{rows}"));
    assert!(told.starts_with("54 errors in the table, the first 20:\n  t.csv:2: age"), "{told}");
    assert_eq!(told.lines().count(), 21);
}

/// The settings of `overrides`.
fn with(overrides: &[&str]) -> DatasetConfig {
    let overrides: Vec<String> = overrides.iter().map(|text| text.to_string()).collect();
    crate::config::load(None, &overrides).unwrap().dataset
}

#[test]
fn words_of_another_dataset_are_mapped_to_what_they_mean() {
    let config = with(&[
        "dataset.values={BIRADS: {BI-RADS 4: 4, none: null}, density: {DENSITY C: C}}",
        "dataset.extra_columns=[note]",
    ]);
    let text = "patient_id,image_id,BIRADS,density,note\n1,10,bi-rads 4,DENSITY C,x\n\
                1,11,None,D,\n";
    let (_, records, problems) = parse_with(&config, text);
    assert_eq!(problems, "");
    assert_eq!((records[0].birads, records[0].density), (Some(4), Some(Density::C)));
    assert_eq!((records[1].birads, records[1].density), (None, Some(Density::D)));
    let config = with(&["dataset.values={BIRAD: {a: 4}}"]);
    let told = check_mapping(&config).unwrap_err().to_string();
    assert!(told.contains("did you mean dataset.values.BIRADS?"), "{told}");
}

#[test]
fn a_cell_that_is_not_understood_is_missing_and_counted_on_request() {
    let text = "patient_id,image_id,implant,age\n1,10,YES,50\n1,11,0,old\n1,12,NO,51\n";
    let config = with(&["dataset.unknown_values=null"]);
    // YAML's null is no word, so the setting is given as text.
    assert_eq!(config.unknown_values, crate::config::UnknownValues::Null);
    let (_, records, problems) = parse_with(&config, text);
    assert_eq!(problems, "");
    let found: Vec<_> = records.iter().map(|r| (r.implant, r.age)).collect();
    assert_eq!(found, [(None, Some(50.0)), (Some(false), None), (None, Some(51.0))]);
}

#[test]
fn a_condition_stands_for_the_label_and_never_beside_one() {
    let config = with(&["dataset.label=BIRADS >= 4", "dataset.values={BIRADS: {4a: 4}}"]);
    let text = "patient_id,image_id,BIRADS\n1,10,4a\n1,11,3\n1,12,\n";
    let (_, records, problems) = parse_with(&config, text);
    assert_eq!(problems, "");
    let labels: Vec<_> = records.iter().map(|record| record.cancer).collect();
    assert_eq!(labels, [Some(true), Some(false), None]);
    let (.., told) = parse_with(&config, "patient_id,image_id,BIRADS,cancer\n1,10,4,0\n");
    assert!(told.contains("the table has the column cancer, so dataset.label must be"), "{told}");
}

#[test]
fn several_rows_of_an_image_are_gathered_on_request() {
    let config = with(&[
        "dataset.several_rows=gather",
        "dataset.extra_columns=[kind]",
        // Without quotes, YAML reads y as true.
        "dataset.boxes=[x, 'y', r, b]",
    ]);
    let text = "patient_id,image_id,cancer,BIRADS,view,kind,x,y,r,b\n\
                1,10,0,2,CC,mass,1,2,3,4\n1,10,1,4,CC,calc,5,6,7,8\n1,10,,,MLO,mass,,,,\n\
                1,11,,1,CC,,,,,\n";
    let (_, records, problems) = parse_with(&config, text);
    assert_eq!(problems, "");
    assert_eq!(records.len(), 2);
    let first = &records[0];
    assert_eq!((first.cancer, first.birads, first.view.clone()), (Some(true), Some(4), None));
    assert_eq!(first.extra, [Some("mass; calc".to_owned())]);
    assert_eq!(first.boxes, [[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]);
    assert_eq!((records[1].cancer, records[1].boxes.len()), (None, 0));
}

/// The number of images or cells that are counted as unknown, by column.
fn unknown(config: &DatasetConfig, text: &str) -> Vec<(String, usize)> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    std::fs::write(&path, text).unwrap();
    let config = DatasetConfig { train_csv: Some(path), ..config.clone() };
    let mut problems = Problems::default();
    let table = read_alone(Split::Train, &config, &mut problems).unwrap();
    problems.check().unwrap();
    table.unknown.into_iter().collect()
}

#[test]
fn rows_of_two_patients_or_of_two_files_are_never_gathered() {
    let config = with(&["dataset.several_rows=gather", "dataset.path='{where}'"]);
    let text = "patient_id,image_id,cancer,where\n1,10,0,a/10.dcm\n2,10,1,a/10.dcm\n\
                1,10,1,b/10.dcm\n1,10,,a/10.dcm\n";
    let (_, records, told) = parse_with(&config, text);
    assert_eq!((records.len(), records[0].cancer), (1, Some(false)));
    let line = |line| {
        format!("t.csv:{line}: image_id 10 is also in line 2, for another patient or another file")
    };
    assert_eq!(told, format!("2 errors in the table:\n  {}\n  {}", line(3), line(4)));
}

#[test]
fn a_value_in_which_rows_differ_stays_missing_and_its_image_is_counted_once() {
    let config = with(&["dataset.several_rows=gather"]);
    // A, B, A; the view of image 11 is missing in one row and the same in the others.
    let text = "patient_id,image_id,view,density\n1,10,CC,A\n1,10,MLO,A\n1,10,CC,B\n1,10,MLO,A\n\
                1,11,,C\n1,11,ML,C\n1,11,ML,\n";
    let (_, records, problems) = parse_with(&config, text);
    assert_eq!(problems, "");
    let found: Vec<_> = records.iter().map(|r| (r.view.clone(), r.density)).collect();
    assert_eq!(found, [(None, None), (Some(View::Ml), Some(Density::C))]);
    let counts = [("density (rows differ)".to_owned(), 1), ("view (rows differ)".to_owned(), 1)];
    assert_eq!(unknown(&config, text), counts);
}

#[test]
fn an_assessment_that_is_needed_is_not_below_the_others() {
    let config = with(&["dataset.several_rows=gather"]);
    let birads = |cells: &[&str]| {
        let rows: String = cells.iter().map(|cell| format!("1,10,{cell}\n")).collect();
        let text = format!("patient_id,image_id,BIRADS\n{rows}");
        (parse_with(&config, &text).1[0].birads, unknown(&config, &text).first().map(|(_, n)| *n))
    };
    assert_eq!(birads(&["2", "5", "4"]), (Some(5), None));
    assert_eq!(birads(&["0", "", "0"]), (Some(0), None));
    for differing in [["0", "2", "4"], ["2", "0", "4"], ["2", "4", "0"], ["0", "2", "0"]] {
        assert_eq!(birads(&differing), (None, Some(1)), "{differing:?}");
    }
}

#[test]
fn a_date_that_cannot_be_read_is_named_or_counted_and_never_passed_over() {
    let outcome = "dataset.outcome={exam_date: exam, outcome_date: result, days: 365}";
    let text = "patient_id,image_id,cancer,exam,result\n1,10,1,2019-03-01,2019-04-01\n\
                1,11,1,2019-03-01,1.4.2019\n1,12,0,2019-03-01,\n1,13,1,soon,2019-04-01\n";
    let (.., told) = parse_with(&with(&[outcome]), text);
    let needs = "needs a date such as 2019-03-31 or 20190331";
    let lines = [
        format!("t.csv:3: result is \"1.4.2019\", {needs}"),
        format!("t.csv:5: exam is \"soon\", {needs}"),
    ];
    assert_eq!(told, format!("2 errors in the table:\n  {}", lines.join("\n  ")));
    let config = with(&[outcome, "dataset.unknown_values=null"]);
    let (_, records, told) = parse_with(&config, text);
    assert_eq!(told, "");
    let labels: Vec<_> = records.iter().map(|record| record.cancer).collect();
    assert_eq!(labels, [Some(true), None, None, None]);
    assert_eq!(unknown(&config, text), [("exam".to_owned(), 1), ("result".to_owned(), 1)]);
    let config = with(&[
        outcome,
        "dataset.values={exam: {soon: 2019-03-31}, result: {1.4.2019: 2020-04-01}}",
    ]);
    assert!(check_mapping(&config).is_ok());
    let (_, records, told) = parse_with(&config, text);
    assert_eq!(told, "");
    let labels: Vec<_> = records.iter().map(|record| record.cancer).collect();
    assert_eq!(labels, [Some(true), None, None, Some(true)], "image 11 is a year too late");
}

#[test]
fn a_cell_that_a_condition_cannot_be_told_of_is_named_or_counted_once() {
    let label = "dataset.label=assessment >= 4";
    let text = "patient_id,image_id,assessment\n1,10,5\n1,11,4a\n1,12,\n1,13,2\n";
    let (.., told) = parse_with(&with(&[label]), text);
    assert_eq!(told, "t.csv:3: assessment is \"4a\", needs a number, for dataset.label");
    let config = with(&[label, "dataset.unknown_values=null"]);
    let (_, records, _) = parse_with(&config, text);
    let labels: Vec<_> = records.iter().map(|record| record.cancer).collect();
    assert_eq!(labels, [Some(true), None, None, Some(false)]);
    assert_eq!(unknown(&config, text), [("assessment".to_owned(), 1)]);
    // The same cell as BIRADS and as the condition's.
    let column = "dataset.columns={BIRADS: assessment}";
    let (.., told) = parse_with(&with(&[label, column]), text);
    assert_eq!(told, "t.csv:3: assessment is \"4a\", needs a category from 0 to 6");
    let config = with(&["dataset.label=BIRADS >= 4", column, "dataset.unknown_values=null"]);
    assert_eq!(unknown(&config, text), [("BIRADS".to_owned(), 1)]);
}
