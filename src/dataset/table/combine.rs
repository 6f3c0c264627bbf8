//! Puts the tables of `dataset.tables` together: one below the other, or joined on columns.

use std::collections::HashMap;

use csv::ByteRecord;

use super::sheet::Sheet;
use super::{Problem, cell};
use crate::config::TableConfig;

/// Several tables as one.
#[derive(Debug, Default)]
pub struct Combined {
    /// The names of the columns.
    pub header: Vec<String>,
    /// The rows, each as long as the header.
    pub rows: Vec<CombinedRow>,
}

/// A row of [`Combined`].
#[derive(Debug, Clone)]
pub struct CombinedRow {
    /// The index of its table; of the first one, if several are joined.
    pub table: usize,
    /// Its line there.
    pub line: u64,
    /// Its cells.
    pub cells: ByteRecord,
}

impl Combined {
    /// Adds table `index`: below the others, or to the rows that agree with it in the columns of
    /// `table.on`. A row that agrees with several rows occurs once for each of them, and a row that
    /// agrees with none keeps empty cells there. An empty cell agrees with nothing, unless
    /// `table.any` names it. A column that is there already is not added again.
    ///
    /// # Errors
    /// The problem of the table, with its line.
    pub fn add(
        &mut self,
        index: usize,
        sheet: Sheet,
        table: &TableConfig,
    ) -> Result<(), (u64, Problem)> {
        let (header_line, header) = sheet.header;
        let names: Vec<String> =
            header.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
        for (line, row) in &sheet.rows {
            if row.len() != names.len() {
                let breaks = row.iter().any(|field| field.contains(&b'\n'));
                let (have, need) = (row.len(), names.len());
                return Err((*line, Problem::Ragged { have, need, breaks }));
            }
        }
        let added = match table.on.is_empty() {
            true => self.below(index, &names, sheet.rows, table),
            false => self.join(&names, sheet.rows, table),
        };
        added.map_err(|problem| (header_line, problem))
    }

    fn below(
        &mut self,
        index: usize,
        names: &[String],
        rows: Vec<(u64, ByteRecord)>,
        table: &TableConfig,
    ) -> Result<(), Problem> {
        check_any(table, &[])?;
        let twice = |(at, name): (usize, &String)| !name.is_empty() && names[..at].contains(name);
        if let Some((_, name)) = names.iter().enumerate().find(|column| twice(*column)) {
            return Err(Problem::ColumnTwice(name.clone()));
        }
        let places: Vec<usize> = names.iter().map(|name| self.column(name)).collect();
        let width = self.header.len();
        for row in &mut self.rows {
            (row.cells.len()..width).for_each(|_| row.cells.push_field(b""));
        }
        for (line, fields) in rows {
            let mut cells = vec![&b""[..]; width];
            for (place, field) in places.iter().zip(fields.iter()) {
                cells[*place] = field;
            }
            self.rows.push(CombinedRow { table: index, line, cells: ByteRecord::from(cells) });
        }
        Ok(())
    }

    /// The place of a column, which is added if it is new.
    fn column(&mut self, name: &str) -> usize {
        self.header.iter().position(|known| known == name).unwrap_or_else(|| {
            self.header.push(name.to_owned());
            self.header.len() - 1
        })
    }

    fn join(
        &mut self,
        names: &[String],
        rows: Vec<(u64, ByteRecord)>,
        table: &TableConfig,
    ) -> Result<(), Problem> {
        let mut ours = Vec::new();
        let mut theirs = Vec::new();
        for on in &table.on {
            let (left, right) = on.split_once('=').unwrap_or((on, on));
            ours.push(place(&self.header, left.trim())?);
            theirs.push(place(names, right.trim())?);
        }
        check_any(table, &theirs.iter().map(|&at| names[at].as_str()).collect::<Vec<_>>())?;
        let any: Vec<Option<&Vec<String>>> =
            theirs.iter().map(|&at| table.any.get(&names[at])).collect();
        // Rows whose cell stands for any value are looked up without that cell.
        let mut by_key: HashMap<Vec<Option<Vec<u8>>>, Vec<usize>> = HashMap::new();
        for (i, (_, row)) in rows.iter().enumerate() {
            let key = theirs.iter().zip(&any).map(|(&at, any)| {
                let text = normal(&row[at]);
                let is_any = any.is_some_and(|any| any.iter().any(|w| w.as_bytes() == text));
                (!is_any).then_some(text)
            });
            let key: Vec<_> = key.collect();
            // Two empty cells say nothing of each other: the rows may be of two patients.
            if key.iter().flatten().all(|text| !text.is_empty()) {
                by_key.entry(key).or_default().push(i);
            }
        }
        let new: Vec<usize> =
            (0..names.len()).filter(|&at| !self.header.contains(&names[at])).collect();
        let with_any: Vec<usize> = (0..any.len()).filter(|&i| any[i].is_some()).collect();
        self.header.extend(new.iter().map(|&at| names[at].clone()));
        for row in std::mem::take(&mut self.rows) {
            let key: Vec<Option<Vec<u8>>> =
                ours.iter().map(|&at| Some(normal(&row.cells[at]))).collect();
            let mut found: Vec<usize> = Vec::new();
            for subset in 0..1_usize << with_any.len() {
                let mut key = key.clone();
                for (bit, &i) in with_any.iter().enumerate() {
                    if subset >> bit & 1 == 1 {
                        key[i] = None;
                    }
                }
                found.extend(by_key.get(&key).into_iter().flatten());
            }
            found.sort_unstable();
            let matches: Vec<Option<usize>> = match found.is_empty() {
                true => vec![None],
                false => found.into_iter().map(Some).collect(),
            };
            for other in matches {
                let mut cells = row.cells.clone();
                for &at in &new {
                    cells.push_field(other.map_or(b"", |i| &rows[i].1[at]));
                }
                self.rows.push(CombinedRow { cells, ..row.clone() });
            }
        }
        Ok(())
    }
}

/// A key as it is compared: a whole number that pandas wrote as a float is that number.
fn normal(field: &[u8]) -> Vec<u8> {
    let field = if cell::is_missing(field) { b"" } else { field };
    let digits = field.strip_suffix(b".0").filter(|digits| digits.iter().all(u8::is_ascii_digit));
    digits.filter(|digits| !digits.is_empty()).unwrap_or(field).to_vec()
}

/// Checks that every column of `table.any` is one of the columns `on` that the table is joined on.
fn check_any(table: &TableConfig, on: &[&str]) -> Result<(), Problem> {
    match table.any.keys().find(|name| !on.contains(&name.as_str())) {
        Some(name) => Err(Problem::NoColumn {
            name: name.clone(),
            hint: "dataset.tables has it in any, where only columns of on can stand".to_owned(),
        }),
        None => Ok(()),
    }
}

fn place(header: &[String], name: &str) -> Result<usize, Problem> {
    if header.iter().filter(|known| *known == name).count() > 1 {
        return Err(Problem::ColumnTwice(name.to_owned()));
    }
    header.iter().position(|known| known == name).ok_or_else(|| Problem::NoColumn {
        name: name.to_owned(),
        hint: format!("dataset.tables joins on it; the header has {}", header.join(", ")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::table::sheet;

    fn sheet(text: &str) -> Sheet {
        sheet::read(text.as_bytes(), encoding_rs::UTF_8).unwrap()
    }

    fn text(combined: &Combined) -> Vec<String> {
        let row = |row: &CombinedRow| {
            let cells = row.cells.iter().map(|cell| String::from_utf8_lossy(cell).into_owned());
            cells.collect::<Vec<_>>().join(",")
        };
        combined.rows.iter().map(row).collect()
    }

    #[test]
    fn tables_below_each_other_have_all_columns() {
        let mut all = Combined::default();
        all.add(0, sheet("id,a\n1,x\n"), &TableConfig::default()).unwrap();
        all.add(1, sheet("b,id\ny,2\n"), &TableConfig::default()).unwrap();
        assert_eq!(all.header, ["id", "a", "b"]);
        assert_eq!(text(&all), ["1,x,", "2,,y"]);
        assert_eq!((all.rows[1].table, all.rows[1].line), (1, 2));
    }

    #[test]
    fn joined_rows_agree_in_the_columns_named_and_none_is_lost() {
        let mut all = Combined::default();
        all.add(0, sheet("exam,side\n1.0,L\n1.0,R\n2,L\n"), &TableConfig::default()).unwrap();
        let on = TableConfig {
            on: vec!["exam=acc".into(), "side=where".into()],
            any: [("where".to_owned(), vec!["B".to_owned(), String::new()])].into(),
            ..TableConfig::default()
        };
        all.add(1, sheet("acc,where,found\n1,L,x\n1,B,y\n1,,z\n"), &on).unwrap();
        assert_eq!(all.header, ["exam", "side", "acc", "where", "found"]);
        assert_eq!(
            text(&all),
            ["1.0,L,1,L,x", "1.0,L,1,B,y", "1.0,L,1,,z", "1.0,R,1,B,y", "1.0,R,1,,z", "2,L,,,"]
        );
    }

    #[test]
    fn an_empty_key_takes_no_label_from_a_stranger_s_row() {
        let mut all = Combined::default();
        all.add(0, sheet("patient,exam\n,7\nNA,7\n1,7\n"), &TableConfig::default()).unwrap();
        let on = TableConfig { on: vec!["patient".into(), "exam".into()], ..Default::default() };
        all.add(1, sheet("patient,exam,cancer\n,7,1\n1,7,0\n"), &on).unwrap();
        assert_eq!(text(&all), [",7,", "NA,7,", "1,7,0"]);
    }

    #[test]
    fn any_is_for_columns_that_are_joined_on() {
        let any = || [("where".to_owned(), vec!["B".to_owned()])].into();
        for on in [vec!["exam".to_owned()], Vec::new()] {
            let mut all = Combined::default();
            all.add(0, sheet("exam,side\n1,L\n"), &TableConfig::default()).unwrap();
            let table = TableConfig { on, any: any(), ..TableConfig::default() };
            let (line, problem) = all.add(1, sheet("exam,where\n1,B\n"), &table).unwrap_err();
            assert_eq!(line, 1);
            let told = problem.to_string();
            assert!(told.starts_with("no column where; dataset.tables has it in any"), "{told}");
        }
    }

    #[test]
    fn a_column_that_a_stacked_table_has_twice_is_refused() {
        let mut all = Combined::default();
        all.add(0, sheet("id,a\n1,x\n"), &TableConfig::default()).unwrap();
        let twice = all.add(1, sheet("a,id,a\nx,2,y\n"), &TableConfig::default());
        assert_eq!(twice, Err((1, Problem::ColumnTwice("a".to_owned()))));
        let unnamed = all.add(1, sheet("id,,\n2,,\n"), &TableConfig::default());
        assert_eq!(unnamed, Ok(()), "columns without a name cannot be asked for");
    }
}
