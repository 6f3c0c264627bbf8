//! A dataset's table: CSV text to typed, checked records.
//!
//! In: `train.csv` or `test.csv`, with our column names or those that `dataset.columns` maps
//! to them. Out: a [`Table`] of [`ImageRecord`]s in the file's order. Everything that is wrong
//! with the tables is gathered in [`Problems`], each with its file, line and column, so that
//! one run shows all of it.
//!
//! Only `patient_id` and `image_id` are required; another column may be absent and is then
//! `None` in every row, which [`Table::absent`] tells. A byte order mark, CRLF, quoted fields
//! and blank lines are fine. Empty, `NA`, `NaN`, `null` and `None` mean missing.

mod cell;
mod columns;
mod problem;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use csv::{ByteRecord, ReaderBuilder, Trim};

use self::columns::{Column, Columns};
use crate::config::{ConfigError, DatasetConfig};
use crate::dataset::sha256;
use crate::error::Fault;
use crate::record::{ImageRecord, Split};

pub use columns::{Absent, check_mapping};
pub use problem::{Problem, Problems, TableErrors};

/// A table as read.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// Which one it is.
    pub split: Split,
    /// Where it was read from.
    pub path: PathBuf,
    /// SHA-256 of the file, in hex.
    pub sha256: String,
    /// Known columns that it lacks.
    pub absent: Vec<Absent>,
    /// Columns that the configuration asks for and it lacks: wrong if every table does.
    pub unmet: Vec<(String, Problem)>,
    /// Its rows, in its order.
    pub records: Vec<ImageRecord>,
}

/// Where the table of `split` is, by the configuration or by default.
pub fn path_of(split: Split, config: &DatasetConfig) -> PathBuf {
    let typed = match split {
        Split::Train => &config.train_csv,
        Split::Test => &config.test_csv,
    };
    typed.clone().unwrap_or_else(|| config.input.join(format!("{}.csv", split.as_str())))
}

/// Reads the table of `split`. Rows and columns that cannot be used are left out and told in
/// `problems`.
///
/// # Errors
/// [`Fault::Config`] if there is no such file, [`Fault::Io`] if it cannot be read.
pub fn read(split: Split, config: &DatasetConfig, problems: &mut Problems) -> Result<Table, Fault> {
    let path = path_of(split, config);
    let text = match std::fs::read(&path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Err(no_table(split, &path).into()),
        other => other.map_err(Fault::io(&path))?,
    };
    let sha256 = sha256(&text);
    let mut table = Table { split, path, sha256, absent: vec![], unmet: vec![], records: vec![] };
    parse(&text, config, &mut table, problems);
    Ok(table)
}

fn no_table(split: Split, path: &Path) -> ConfigError {
    let key = match split {
        Split::Train => "dataset.train_csv",
        Split::Test => "dataset.test_csv",
    };
    ConfigError::Value {
        key,
        found: path.display().to_string(),
        needed: "a CSV file with patient_id and image_id; there is none in this place",
    }
}

/// Fills `table` from its text.
fn parse(text: &[u8], config: &DatasetConfig, table: &mut Table, problems: &mut Problems) {
    let Table { split, path, absent, unmet, records, .. } = table;
    if text.starts_with(b"\xff\xfe") || text.starts_with(b"\xfe\xff") {
        return problems.push(path, 1, Problem::Utf16);
    }
    let mut reader =
        ReaderBuilder::new().has_headers(false).flexible(true).trim(Trim::All).from_reader(text);
    let mut lines = Lines { text, offset: 0, line: 1 };
    let mut fields = ByteRecord::new();
    let mut next = |fields: &mut ByteRecord| {
        let more = reader.read_byte_record(fields);
        let more = more.expect("bytes in memory can be read, and rows may differ in length");
        more.then(|| lines.at(fields.position().map_or(0, |p| p.byte() as usize)))
    };

    let Some(line) = next(&mut fields) else {
        return problems.push(path, 1, Problem::Empty);
    };
    let Some(header) = columns::locate(&fields, config, path, line, problems) else { return };
    (*absent, *unmet) = (header.absent, header.unmet);
    let mut rows = 0;
    while let Some(line) = next(&mut fields) {
        rows += 1;
        let mut cells = Cells { fields: &fields, columns: &header.columns, path, line, problems };
        records.extend(cells.record(*split));
    }
    if rows == 0 {
        problems.push(path, line, Problem::NoRows);
    }
}

/// The fields of one row, by column.
struct Cells<'a> {
    fields: &'a ByteRecord,
    columns: &'a Columns,
    path: &'a Path,
    line: u64,
    problems: &'a mut Problems,
}

impl Cells<'_> {
    fn record(&mut self, split: Split) -> Option<ImageRecord> {
        if self.fields.len() != self.columns.width {
            self.problem(Problem::Ragged {
                have: self.fields.len(),
                need: self.columns.width,
                breaks: self.fields.iter().any(|field| field.contains(&b'\n')),
            });
            return None;
        }
        let patient_id = self.required(Column::PatientId, cell::id);
        let image_id = self.required(Column::ImageId, cell::id);
        // The two that may end it come last, so that every cell has been looked at by then.
        Some(ImageRecord {
            split,
            line: self.line,
            site_id: self.get(Column::SiteId, cell::integer),
            laterality: self.get(Column::Laterality, cell::laterality),
            view: self.get(Column::View, cell::view),
            age: self.get(Column::Age, cell::age),
            cancer: self.get(Column::Cancer, cell::boolean),
            biopsy: self.get(Column::Biopsy, cell::boolean),
            invasive: self.get(Column::Invasive, cell::boolean),
            birads: self.get(Column::Birads, cell::birads),
            implant: self.get(Column::Implant, cell::boolean),
            density: self.get(Column::Density, cell::density),
            machine_id: self.get(Column::MachineId, cell::integer),
            difficult_negative_case: self.get(Column::DifficultNegativeCase, cell::boolean),
            prediction_id: self.get(Column::PredictionId, cell::text),
            extra: self.extra(),
            patient_id: patient_id?,
            image_id: image_id?,
        })
    }

    fn required<T>(&mut self, column: Column, parse: cell::Parse<T>) -> Option<T> {
        let index = self.columns.of(column)?;
        if cell::is_missing(&self.fields[index]) {
            self.problem(Problem::EmptyCell { column: self.columns.name(index) });
            return None;
        }
        self.get(column, parse)
    }

    fn get<T>(&mut self, column: Column, parse: cell::Parse<T>) -> Option<T> {
        let index = self.columns.of(column)?;
        let field = &self.fields[index];
        if cell::is_missing(field) {
            return None;
        }
        let parsed = std::str::from_utf8(field).map_err(|_| "UTF-8").and_then(parse);
        parsed
            .map_err(|needs| {
                let column = self.columns.name(index);
                self.problem(Problem::cell(column, field, needs));
            })
            .ok()
    }

    fn extra(&mut self) -> Vec<Option<String>> {
        let columns = self.columns;
        let text = |index: &Option<usize>| {
            let field = &self.fields[(*index)?];
            (!field.is_empty()).then(|| String::from_utf8_lossy(field).into_owned())
        };
        columns.extra.iter().map(text).collect()
    }

    fn problem(&mut self, problem: Problem) {
        self.problems.push(self.path, self.line, problem);
    }
}

/// Line numbers of ascending offsets. The CSV reader's own count is of no use here: it gives
/// the blank line before a record instead of the record's.
struct Lines<'a> {
    text: &'a [u8],
    offset: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line of the first field at or after `offset`.
    fn at(&mut self, offset: usize) -> u64 {
        while let Some(&byte) = self.text.get(self.offset) {
            let ends_line = match byte {
                b'\n' => true,
                b'\r' => self.text.get(self.offset + 1) != Some(&b'\n'),
                _ if self.offset >= offset => break,
                _ => false,
            };
            self.line += u64::from(ends_line);
            self.offset += 1;
        }
        self.line
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::record::{Density, Laterality, View};

    fn parse_with(config: &DatasetConfig, text: &str) -> (Vec<Absent>, Vec<ImageRecord>, String) {
        let mut problems = Problems::default();
        let mut table = Table {
            split: Split::Train,
            path: "t.csv".into(),
            sha256: String::new(),
            absent: vec![],
            unmet: vec![],
            records: vec![],
        };
        parse(text.as_bytes(), config, &mut table, &mut problems);
        let told = problems.check().map_or_else(|e| e.to_string(), |()| String::new());
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
            "12 errors in the table:\n  ".to_owned()
                + &[
                    "t.csv:2: laterality is \"B\", needs L or R",
                    "t.csv:2: view is \"a,b\", needs a code of at most 16 letters, digits, spaces, _ or -",
                    "t.csv:2: age is \"old\", needs years from 0 to 130",
                    "t.csv:2: cancer is \"yes\", needs 0, 1, True or False",
                    "t.csv:2: BIRADS is \"9\", needs a category from 0 to 6",
                    "t.csv:2: density is \"E\", needs A, B, C or D",
                    "t.csv:2: machine_id is \"4.5\", needs a whole number",
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
        assert!(
            open.contains("t.csv:2: 1 field, the header has 2; is a quote left open?"),
            "{open}"
        );
    }

    #[test]
    fn a_file_that_is_no_table_says_what_it_is() {
        assert!(problems("").contains("t.csv:1: no header"));
        assert!(problems("patient_id,image_id\n").contains("t.csv:1: no rows"));
        let semicolons = problems("patient_id;image_id\n1;10\n");
        assert!(semicolons.contains("t.csv:1: separated by semicolons"), "{semicolons}");
        let twice = problems("patient_id,image_id,age,age\n1,10,50,51\n");
        assert!(twice.contains("t.csv:1: column age stands twice"), "{twice}");
        let lacking = problems("patient_id,imageid,age\n1,10,50\n");
        assert!(
            lacking.contains("t.csv:1: no column image_id; did you mean imageid?"),
            "{lacking}"
        );
    }

    #[test]
    fn many_problems_are_counted_and_the_first_twenty_shown() {
        let rows: String = (0..54).map(|i| format!("1,{i},old\n")).collect();
        let told = problems(&format!("patient_id,image_id,age\n{rows}"));
        assert!(
            told.starts_with("54 errors in the table, the first 20:\n  t.csv:2: age"),
            "{told}"
        );
        assert_eq!(told.lines().count(), 21);
    }
}
