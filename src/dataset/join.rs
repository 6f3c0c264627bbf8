//! Joins the rows of the tables with the files. Each row and each file occurs once in the result.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::collections::hash_map::{Entry, HashMap};
use std::path::Path;

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::files::{Files, Match};
use super::listing::{self, File, Listing};
use super::table::{self, Problem, Problems, Table, Words};
use super::template::{Field, Template};
use super::{
    FileFacts, Job, Joined, Missing, Role, Stray, StrayReason, TableSummary, breasts, folds, hints,
    no_table, tolerance,
};
use crate::config::{ConfigError, DatasetConfig, FoldsConfig, PatientFrom, RowOf};
use crate::error::Fault;
use crate::flow::threads;
use crate::record::{Id, ImageRecord, Split};
use crate::store::hex;

/// Reads the tables, lists the files, joins them, and gives every record its [`Role`].
///
/// # Errors
/// A [`Fault`] for errors in the tables (all of them in one message), settings that the tables
/// cannot satisfy, and folders that cannot be read.
pub fn join(config: &DatasetConfig, folds: &FoldsConfig) -> Result<Joined, Fault> {
    join_with_headers(config, folds, &|_| None)
}

/// The same for datasets that need a look into headers: where a row describes several images
/// (`dataset.row_of`), where UIDs tell its file (`dataset.uid_column`), and to leave out series
/// (`dataset.leave_out`). `facts` reads a header.
///
/// # Errors
/// As [`join`].
pub fn join_with_headers(
    config: &DatasetConfig,
    folds: &FoldsConfig,
    facts: &(dyn Fn(&Path) -> Option<FileFacts> + Sync),
) -> Result<Joined, Fault> {
    table::check_mapping(config)?;
    if let Some(found) = config.uid_column.clone()
        && (config.no_table || config.row_of != RowOf::Image)
    {
        let needed = "null where there is no table, or where its rows describe several images";
        return Err(ConfigError::Value { key: "dataset.uid_column", found, needed }.into());
    }
    if config.no_table {
        return files_alone(config, folds, facts);
    }
    let template = Template::parse(&config.path)?;
    let splits = config.split.splits();

    let mut problems = Problems::default();
    let mut tables = Vec::new();
    let mut words = Words::default();
    for &split in splits {
        tables.push(table::read(split, config, &template, &mut words, &mut problems)?);
    }
    check_asked(&tables, &mut problems);
    check_unique(&tables, &mut problems);
    let captured = captured(&tables, &template);
    let (rows, summaries) = rows(tables);
    if template.is_exact(&captured) && config.uid_column.is_none() {
        check_files(&rows, &summaries, &template, &mut problems);
    }
    problems.check()?;

    let mut folders: Vec<_> = splits.iter().map(|&split| template.folder(split)).collect();
    folders.dedup();
    let Listing { files, ignored } = listing::list(&config.input, &folders, template.extension())?;
    let files = of_kinds(files, &rows, &template);
    let listing_sha256 = digest(files.iter().map(|f| format!("{} {}\n", f.bytes, f.relative)));
    let listing = files.clone();
    let table_sha256 =
        digest(summaries.iter().map(|t| format!("{} {}\n", t.split.as_str(), t.sha256)));

    let of_file = |file: &File| facts(&config.input.join(&file.relative));
    let (mut placed, reasons, files) = match config.row_of {
        RowOf::Image => {
            let files = index(files, &template, &captured, config, &of_file)?;
            (place(rows, &files), Reasons::new(), files.files)
        }
        row_of => {
            let tolerate = &config.tolerate;
            let (placed, reasons) =
                breasts::place(rows, &files, &template, row_of, tolerate, &of_file)?;
            (placed, reasons, files)
        }
    };
    let several = hints::of_several(
        placed
            .iter()
            .filter(|row| row.several)
            .map(|row| template.file_but(&row.record, &row.cells, &captured)),
        config,
    );
    tolerance::unite_patients(placed.iter_mut().map(|row| &mut row.record), &config.tolerate);
    in_order(&mut placed);
    let roles = folds::assign(placed.iter().map(|row| (&row.record).into()), folds)?;
    let (jobs, missing, unclaimed) = match_up(placed, roles, files, &template, &captured, config);
    let unclaimed = drop_other_split(unclaimed, config, &template, &of_file)?;
    let (unclaimed, left_out) = leave_out(unclaimed, &config.leave_out, &of_file)?;
    let mut hints = hints::of_tables(&summaries, &template, config);
    hints.extend(several);
    if !missing.is_empty() && (jobs.is_empty() || !config.allow_missing) {
        let claimed = jobs.iter().map(|job| job.relative.as_str()).collect();
        hints.extend(hints::of_files(&missing, &claimed, &template, config)?);
    }
    let missing: Vec<Missing> = missing.into_iter().map(|(missing, _)| missing).collect();
    let strays = with_reasons(unclaimed, reasons, &missing, &template);
    let tables = summaries;
    Ok(Joined {
        jobs,
        missing,
        strays,
        ignored,
        left_out,
        hints,
        words,
        tables,
        table_sha256,
        listing,
        listing_sha256,
    })
}

/// The dataset of files without a table.
fn files_alone(
    config: &DatasetConfig,
    folds: &FoldsConfig,
    facts: &(dyn Fn(&Path) -> Option<FileFacts> + Sync),
) -> Result<Joined, Fault> {
    let is_default = config.path == crate::config::Config::default().dataset.path;
    let template = Template::parse(match (is_default, config.patient_from) {
        (false, _) => &config.path,
        (true, PatientFrom::Path) => "{patient_id}/**/*.dcm",
        (true, PatientFrom::Header) => "**/*.dcm",
    })?;
    if config.patient_from == PatientFrom::Path
        && !template.fields().any(|field| *field == Field::PatientId)
    {
        let found = config.path.clone();
        let needed = "{patient_id}, because there is no table (or dataset.patient_from: header)";
        return Err(ConfigError::Value { key: "dataset.path", found, needed }.into());
    }
    let folder = template.folder(Split::Train);
    let Listing { files, ignored } = listing::list(&config.input, &[folder], template.extension())?;
    let listing_sha256 = digest(files.iter().map(|f| format!("{} {}\n", f.bytes, f.relative)));
    let listing = files.clone();
    let of_file = |file: &File| facts(&config.input.join(&file.relative));
    let (mut placed, mut reasons) = no_table::place(&files, &template, config, &of_file)?;
    in_order(&mut placed);
    // Under another key the same files have other ids, which is another table.
    let ids = |row: &Placed| format!("{} {}\n", row.record.patient_id, row.record.image_id);
    let table_sha256 = digest(placed.iter().map(ids));
    let roles = folds::assign(placed.iter().map(|row| (&row.record).into()), folds)?;
    let (jobs, _, unclaimed) = match_up(placed, roles, files, &template, &[], config);
    let (unclaimed, left_out) = leave_out(unclaimed, &config.leave_out, &of_file)?;
    let in_header = config.patient_from == PatientFrom::Header;
    let stray = |File { relative, bytes, .. }| {
        let same_id = reasons.remove(&relative);
        let reason = same_id.unwrap_or(StrayReason::NoPatient { in_header });
        Stray { relative, bytes, reason }
    };
    Ok(Joined {
        jobs,
        missing: Vec::new(),
        strays: unclaimed.into_iter().map(stray).collect(),
        ignored,
        left_out,
        hints: Vec::new(),
        words: Words::default(),
        tables: Vec::new(),
        table_sha256,
        listing,
        listing_sha256,
    })
}

/// An index of the files, with the UIDs of their headers if these tell a row's file.
fn index<'a>(
    files: Vec<File>,
    template: &'a Template,
    captured: &'a [Field],
    config: &'a DatasetConfig,
    facts: &(dyn Fn(&File) -> Option<FileFacts> + Sync),
) -> Result<Files<'a>, Fault> {
    let uids = match config.uid_column {
        None => None,
        Some(_) => {
            let uids = |file: &File| facts(file).map(|facts| facts.uids).unwrap_or_default();
            Some(threads::pool(16)?.install(|| files.par_iter().map(uids).collect()))
        }
    };
    let files = Files::new(files, template, captured, &config.tolerate);
    Ok(match uids {
        Some(uids) => files.with_uids(uids),
        None => files,
    })
}

/// Takes out the files whose series has one of the descriptions. Returns the others, and how many
/// were taken out.
fn leave_out(
    files: Vec<File>,
    descriptions: &[String],
    facts: &(dyn Fn(&File) -> Option<FileFacts> + Sync),
) -> Result<(Vec<File>, usize), Fault> {
    if descriptions.is_empty() || files.is_empty() {
        return Ok((files, 0));
    }
    let is_named = |file: &File| {
        let described = facts(file).and_then(|facts| facts.series_description);
        described.is_some_and(|text| descriptions.iter().any(|d| d.eq_ignore_ascii_case(&text)))
    };
    let pool = threads::pool(16)?;
    let named: Vec<bool> = pool.install(|| files.par_iter().map(is_named).collect());
    let before = files.len();
    let others = files.into_iter().zip(named).filter(|(_, named)| !named);
    let others: Vec<File> = others.map(|(file, _)| file).collect();
    let left_out = before - others.len();
    Ok((others, left_out))
}

/// The files with an extension that the rows' paths have, where the template does not say it: a
/// table among the images is no image.
fn of_kinds(mut files: Vec<File>, rows: &[Row], template: &Template) -> Vec<File> {
    if template.extension().is_some() || template.columns().is_empty() {
        return files;
    }
    let kind = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or(path);
        name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase())
    };
    let kinds: HashSet<_> =
        rows.iter().map(|row| kind(&template.file(&row.record, &row.cells))).collect();
    files.retain(|file| kinds.contains(&kind(&file.relative)));
    files
}

/// The placeholders of the path for which no table has a column.
fn captured(tables: &[Table], template: &Template) -> Vec<Field> {
    let lacks = |field: &Field| {
        let ours = !matches!(field, Field::Split | Field::Column(_));
        ours && tables.iter().all(|t| t.absent.iter().any(|a| a.column == field.name()))
    };
    template.fields().filter(|field| lacks(field)).cloned().collect()
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
            let first = match seen.entry(&record.image_id) {
                Entry::Vacant(entry) => {
                    entry.insert((&table.path, record.line));
                    continue;
                }
                Entry::Occupied(first) => first,
            };
            let (first_path, first_line) = *first.get();
            let duplicate = Problem::Duplicate {
                image_id: record.image_id.to_string(),
                first_path: first_path.clone(),
                first_line,
            };
            problems.push(&table.path, record.line, duplicate);
        }
    }
}

/// A row, with its cells of [`Template::columns`].
pub(super) struct Row {
    pub record: ImageRecord,
    pub cells: Vec<String>,
}

/// The reasons of files that have no row although one fits, by path.
pub(super) type Reasons = HashMap<String, StrayReason>;

/// Takes out the rows of files of which another has the same `image_id`. Such files would be one
/// image in a release, and which of them is the image cannot be told.
pub(super) fn take_out_same_ids(placed: &mut Vec<Placed>, files: &[File]) -> Reasons {
    let mut by_id: HashMap<Id, Vec<usize>> = HashMap::with_capacity(placed.len());
    for row in placed.iter() {
        if let Some(at) = row.file {
            by_id.entry(row.record.image_id.clone()).or_default().push(at);
        }
    }
    by_id.retain(|_, places| places.len() > 1);
    placed.retain(|row| row.file.is_none() || !by_id.contains_key(&row.record.image_id));
    let mut reasons = Reasons::new();
    for (image_id, places) in by_id {
        for &at in &places {
            let other = if at == places[0] { places[1] } else { places[0] };
            let other = files[other].relative.clone();
            let same = StrayReason::SameId { image_id: image_id.clone(), other };
            reasons.insert(files[at].relative.clone(), same);
        }
    }
    reasons
}

/// A row with the place of its file among the files.
pub(super) struct Placed {
    pub record: ImageRecord,
    pub cells: Vec<String>,
    pub file: Option<usize>,
    /// Whether there would be several.
    pub several: bool,
}

/// The rows of all tables.
fn rows(tables: Vec<Table>) -> (Vec<Row>, Vec<TableSummary>) {
    let mut rows = Vec::new();
    let mut summaries = Vec::new();
    for Table { split, path, sha256, absent, unknown, records, cells, .. } in tables {
        summaries.push(TableSummary { split, path, rows: records.len(), sha256, absent, unknown });
        let mut cells = cells.into_iter();
        let row = |record| Row { record, cells: cells.next().unwrap_or_default() };
        rows.extend(records.into_iter().map(row));
    }
    (rows, summaries)
}

/// Checks that no two images have the same path. With `{patient_id}{image_id}.dcm`, patient 1,
/// image 23 and patient 12, image 3 would.
fn check_files(
    rows: &[Row],
    tables: &[TableSummary],
    template: &Template,
    problems: &mut Problems,
) {
    let path = |split| tables.iter().find(|t| t.split == split).map(|t| t.path.as_path());
    let mut seen: HashMap<String, &ImageRecord> = HashMap::with_capacity(rows.len());
    for Row { record, cells } in rows {
        let file = template.file(record, cells);
        let Some(first) = seen.get(&file) else {
            seen.insert(file, record);
            continue;
        };
        if first.image_id == record.image_id {
            continue; // already reported as a duplicate
        }
        let same = Problem::SameFile {
            relative: file,
            first_path: path(first.split).unwrap_or("".as_ref()).to_owned(),
            first_line: first.line,
        };
        problems.push(path(record.split).unwrap_or("".as_ref()), record.line, same);
    }
}

/// Finds the file of each row, whatever the order of the rows. A file goes to the one row that names
/// it exactly, or else to the one row that it fits; if there are several such rows, none has it.
fn place(rows: Vec<Row>, files: &Files) -> Vec<Placed> {
    let mut exact_claims = vec![0_usize; files.files.len()];
    let mut other_claims = vec![0_usize; files.files.len()];
    let mut found = Vec::with_capacity(rows.len());
    for Row { record, cells } in rows {
        let claim = files.find(record, &cells);
        match claim {
            Match::One { at, is_exact: true, .. } => exact_claims[at] += 1,
            Match::One { at, is_exact: false, .. } => other_claims[at] += 1,
            Match::Several(_) | Match::None(_) => {}
        }
        found.push((claim, cells));
    }
    let place = |(claim, cells): (Match, Vec<String>)| {
        let (record, file, several) = match claim {
            Match::One { at, record, is_exact } => {
                let is_its_own = match (exact_claims[at], is_exact) {
                    (1, true) => true,
                    (0, false) => other_claims[at] == 1,
                    _ => false,
                };
                (record, is_its_own.then_some(at), !is_its_own)
            }
            Match::Several(record) => (record, None, true),
            Match::None(record) => (record, None, false),
        };
        Placed { record, cells, file, several }
    };
    found.into_iter().map(place).collect()
}

/// Puts the rows into the release's order.
fn in_order(rows: &mut [Placed]) {
    rows.sort_by(|Placed { record: a, .. }, Placed { record: b, .. }| {
        a.split
            .cmp(&b.split)
            .then_with(|| by_value(a.patient_id.as_str(), b.patient_id.as_str()))
            .then_with(|| by_value(a.image_id.as_str(), b.image_id.as_str()))
    });
}

/// A row without a file, with its cells of [`Template::columns`].
type Lacking = (Missing, Vec<String>);

/// Splits the rows into those with and those without a file. Files without a row are returned last.
fn match_up(
    rows: Vec<Placed>,
    roles: Vec<Role>,
    files: Vec<File>,
    template: &Template,
    captured: &[Field],
    config: &DatasetConfig,
) -> (Vec<Job>, Vec<Lacking>, Vec<File>) {
    let mut claimed = vec![false; files.len()];
    let (mut jobs, mut missing) = (Vec::new(), Vec::new());
    for (Placed { record, cells, file, .. }, role) in rows.into_iter().zip(roles) {
        match file {
            Some(at) => {
                claimed[at] = true;
                let File { relative, bytes, .. } = files[at].clone();
                let path = config.input.join(&relative);
                let name = relative.clone();
                jobs.push(Job { record, role, relative, name, path, bytes });
            }
            None => {
                let mut relative = template.file_but(&record, &cells, captured);
                if config.uid_column.is_some() {
                    let uid = cells.last().filter(|uid| !uid.is_empty());
                    let uid = uid.map_or("no UID in its row", String::as_str);
                    relative.push_str(&format!(" ({uid})"));
                }
                missing.push((Missing { record, role, relative }, cells));
            }
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
    facts: &(dyn Fn(&File) -> Option<FileFacts> + Sync),
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
    let table = table::read(other, config, template, &mut Words::default(), &mut problems)?;
    problems.check()?;
    let captured = captured(std::slice::from_ref(&table), template);
    let files = index(unclaimed, template, &captured, config, facts)?;
    let placed = place(rows(vec![table]).0, &files);
    let known: std::collections::HashSet<usize> =
        placed.iter().filter_map(|row| row.file).collect();
    let files = files.files.into_iter().enumerate();
    Ok(files.filter(|(at, _)| !known.contains(at)).map(|(_, file)| file).collect())
}

fn with_reasons(
    unclaimed: Vec<File>,
    mut known: Reasons,
    missing: &[Missing],
    template: &Template,
) -> Vec<Stray> {
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
        let reason = known.remove(&file.relative).unwrap_or_else(|| reason(&file));
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

    fn table(split: Split, lines: &[(u64, &str)]) -> Table {
        let record = |&(line, image): &(u64, &str)| ImageRecord {
            split,
            line,
            ..ImageRecord::unlabelled(Id::new("p").unwrap(), Id::new(image).unwrap())
        };
        Table {
            split,
            path: "t.csv".into(),
            sha256: String::new(),
            absent: Vec::new(),
            unmet: Vec::new(),
            unknown: Default::default(),
            records: lines.iter().map(record).collect(),
            cells: Vec::new(),
        }
    }

    #[test]
    fn an_image_that_occurs_again_is_refused_even_at_the_same_line_of_another_table() {
        // Of stacked and of joined tables, two rows can have the same line number.
        let tables = [table(Split::Train, &[(2, "1"), (3, "2"), (2, "1")])];
        let mut problems = Problems::default();
        check_unique(&tables, &mut problems);
        let told = problems.check().unwrap_err().to_string();
        assert_eq!(told, "t.csv:2: image_id 1 occurs already in t.csv, line 2");
        let tables = [table(Split::Train, &[(2, "1")]), table(Split::Test, &[(2, "1"), (3, "1")])];
        let mut problems = Problems::default();
        check_unique(&tables, &mut problems);
        assert_eq!(problems.check().unwrap_err().count, 2);
    }

    #[test]
    fn numbers_in_names_are_ordered_by_value() {
        let mut names = ["10", "9", "p10", "p2", "p2x", "007", "7", "", "10a", "p"];
        names.sort_by(|a, b| by_value(a, b));
        assert_eq!(names, ["", "007", "7", "9", "10", "10a", "p", "p2", "p2x", "p10"]);
    }
}
