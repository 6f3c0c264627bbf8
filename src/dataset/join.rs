//! Joins the rows of the tables with the files. Each row and each file occurs once in the result.

use std::cmp::Ordering;
use std::collections::HashMap;

use sha2::{Digest, Sha256};

use super::listing::{self, File};
use super::table::{self, Problem, Problems, Table};
use super::template::Template;
use super::{Job, Joined, Missing, Role, Stray, StrayReason, TableSummary, folds};
use crate::config::{DatasetConfig, FoldsConfig};
use crate::error::Fault;
use crate::record::{ImageRecord, Split};
use crate::store::hex;

/// Reads the tables, lists the files, joins them, and gives every record its [`Role`].
///
/// # Errors
/// A [`Fault`] for errors in the tables (all of them in one message), settings that the tables
/// cannot satisfy, and folders that cannot be read.
pub fn join(config: &DatasetConfig, folds: &FoldsConfig) -> Result<Joined, Fault> {
    table::check_mapping(config)?;
    let template = Template::parse(&config.path)?;
    let splits = config.split.splits();

    let mut problems = Problems::default();
    let mut tables = Vec::new();
    for &split in splits {
        tables.push(table::read(split, config, &mut problems)?);
    }
    check_asked(&tables, &mut problems);
    check_unique(&tables, &mut problems);
    let (rows, summaries) = in_order(tables, &template);
    check_files(&rows, &summaries, &mut problems);
    problems.check()?;

    let mut folders: Vec<_> = splits.iter().map(|&split| template.folder(split)).collect();
    folders.dedup();
    let files = listing::list(&config.input, &folders, template.extension())?;
    let listing_sha256 = digest(files.iter().map(|f| format!("{} {}\n", f.bytes, f.relative)));
    let table_sha256 =
        digest(summaries.iter().map(|t| format!("{} {}\n", t.split.as_str(), t.sha256)));

    let roles = folds::assign(rows.iter().map(|(_, record)| record.into()), folds)?;
    let (jobs, missing, unclaimed) = match_up(rows, roles, files, config);
    let unclaimed = drop_other_split(unclaimed, config, &template)?;
    let strays = with_reasons(unclaimed, &missing, &template);
    let tables = summaries;
    Ok(Joined { jobs, missing, strays, tables, table_sha256, listing_sha256 })
}

/// Checks that every column that the configuration names is in at least one table.
fn check_asked(tables: &[Table], problems: &mut Problems) {
    let Some((first, others)) = tables.split_first() else { return };
    for (name, problem) in &first.unmet {
        if others.iter().all(|table| table.unmet.iter().any(|(other, _)| other == name)) {
            problems.push(&first.path, 1, problem.clone());
        }
    }
}

/// Checks that an image occurs in one row of all tables.
fn check_unique(tables: &[Table], problems: &mut Problems) {
    let mut seen = HashMap::new();
    for table in tables {
        for record in &table.records {
            let here = (&table.path, record.line);
            let (first_path, first_line) = *seen.entry(&record.image_id).or_insert(here);
            if (first_path, first_line) != here {
                let duplicate = Problem::Duplicate {
                    image_id: record.image_id.to_string(),
                    first_path: first_path.clone(),
                    first_line,
                };
                problems.push(&table.path, record.line, duplicate);
            }
        }
    }
}

/// The rows of all tables in the release's order, each with the path of its file.
fn in_order(
    tables: Vec<Table>,
    template: &Template,
) -> (Vec<(String, ImageRecord)>, Vec<TableSummary>) {
    let mut rows = Vec::new();
    let mut summaries = Vec::new();
    for Table { split, path, sha256, absent, records, .. } in tables {
        summaries.push(TableSummary { split, path, rows: records.len(), sha256, absent });
        rows.extend(records.into_iter().map(|record| (template.file(&record), record)));
    }
    rows.sort_by(|(_, a), (_, b)| {
        a.split
            .cmp(&b.split)
            .then_with(|| by_value(a.patient_id.as_str(), b.patient_id.as_str()))
            .then_with(|| by_value(a.image_id.as_str(), b.image_id.as_str()))
    });
    (rows, summaries)
}

/// Checks that no two images have the same path. With `{patient_id}{image_id}.dcm`, patient 1,
/// image 23 and patient 12, image 3 would.
fn check_files(rows: &[(String, ImageRecord)], tables: &[TableSummary], problems: &mut Problems) {
    let path = |split| tables.iter().find(|t| t.split == split).map(|t| t.path.as_path());
    let mut seen: HashMap<&str, &ImageRecord> = HashMap::with_capacity(rows.len());
    for (file, record) in rows {
        let Some(first) = seen.insert(file, record) else { continue };
        if first.image_id == record.image_id {
            continue; // already reported as a duplicate
        }
        let same = Problem::SameFile {
            relative: file.clone(),
            first_path: path(first.split).unwrap_or("".as_ref()).to_owned(),
            first_line: first.line,
        };
        problems.push(path(record.split).unwrap_or("".as_ref()), record.line, same);
    }
}

/// Gives each row its file. Files without a row are returned last.
fn match_up(
    rows: Vec<(String, ImageRecord)>,
    roles: Vec<Role>,
    files: Vec<File>,
    config: &DatasetConfig,
) -> (Vec<Job>, Vec<Missing>, Vec<File>) {
    let mut claimed = vec![false; files.len()];
    let (mut jobs, mut missing) = (Vec::new(), Vec::new());
    for ((relative, record), role) in rows.into_iter().zip(roles) {
        match files.binary_search_by(|file| file.relative.as_str().cmp(&relative)) {
            Ok(at) => {
                claimed[at] = true;
                let (path, bytes) = (config.input.join(&relative), files[at].bytes);
                jobs.push(Job { record, role, relative, path, bytes });
            }
            Err(_) => missing.push(Missing { record, role, relative }),
        }
    }
    let mut claimed = claimed.into_iter();
    let unclaimed = files.into_iter().filter(|_| claimed.next() == Some(false)).collect();
    (jobs, missing, unclaimed)
}

/// If both splits share a folder and only one is read, the other's images are not strays.
fn drop_other_split(
    unclaimed: Vec<File>,
    config: &DatasetConfig,
    template: &Template,
) -> Result<Vec<File>, Fault> {
    let &[chosen] = config.split.splits() else { return Ok(unclaimed) };
    let other = match chosen {
        Split::Train => Split::Test,
        Split::Test => Split::Train,
    };
    let shared = template.folder(chosen) == template.folder(other);
    let table = table::path_of(other, config);
    if unclaimed.is_empty() || !shared || !table.is_file() {
        return Ok(unclaimed);
    }
    let mut problems = Problems::default();
    let table = table::read(other, config, &mut problems)?;
    problems.check()?;
    let known: std::collections::HashSet<_> =
        table.records.iter().map(|record| template.file(record)).collect();
    Ok(unclaimed.into_iter().filter(|file| !known.contains(&file.relative)).collect())
}

fn with_reasons(unclaimed: Vec<File>, missing: &[Missing], template: &Template) -> Vec<Stray> {
    let sought: HashMap<_, _> = if unclaimed.is_empty() {
        HashMap::new()
    } else {
        missing.iter().map(|m| (m.record.image_id.as_str(), m)).collect()
    };
    let reason = |file: &File| match template
        .image_id(&file.relative)
        .and_then(|image_id| sought.get(image_id))
    {
        Some(Missing { record, relative, .. }) => StrayReason::Misplaced {
            split: record.split,
            line: record.line,
            expected: relative.clone(),
        },
        None => StrayReason::NoRow,
    };
    let stray = |file: File| {
        let reason = reason(&file);
        Stray { relative: file.relative, bytes: file.bytes, reason }
    };
    unclaimed.into_iter().map(stray).collect()
}

fn digest(lines: impl Iterator<Item = String>) -> String {
    let mut sha256 = Sha256::new();
    lines.for_each(|line| sha256.update(line));
    hex(&sha256.finalize())
}

/// Compares ids with their digits as numbers: 9 before 10, `p2x` before `p10`.
fn by_value(a: &str, b: &str) -> Ordering {
    let (mut x, mut y) = (a.as_bytes(), b.as_bytes());
    while let (Some(&p), Some(&q)) = (x.first(), y.first()) {
        let order = if p.is_ascii_digit() && q.is_ascii_digit() {
            let (m, n) = (number(&mut x), number(&mut y));
            m.len().cmp(&n.len()).then_with(|| m.cmp(n))
        } else {
            (x, y) = (&x[1..], &y[1..]);
            p.cmp(&q)
        };
        if order.is_ne() {
            return order;
        }
    }
    // 07 and 7 are the same number, but two ids.
    x.len().cmp(&y.len()).then_with(|| a.cmp(b))
}

/// Splits off the leading digits, without leading zeros.
fn number<'a>(text: &mut &'a [u8]) -> &'a [u8] {
    let end = text.iter().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    *text = rest;
    let zeros = digits.iter().take_while(|&&b| b == b'0').count();
    &digits[zeros..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_are_ordered_by_value() {
        let mut names = ["10", "9", "p10", "p2", "p2x", "007", "7", "", "10a", "p"];
        names.sort_by(|a, b| by_value(a, b));
        assert_eq!(names, ["", "007", "7", "9", "10", "10a", "p", "p2", "p2x", "p10"]);
    }
}
