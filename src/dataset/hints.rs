//! Near misses: what one setting would change where rows and files do not match.
//!
//! In: rows without a file and files without a row. Out: [`Hint`]s, each with what was found and
//! the setting that helps. The whole input folder is listed for them, so they are looked for only
//! if rows lack their files.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;

use super::listing::{self, File};
use super::template::Template;
use super::{Missing, TableSummary, table, tolerance};
use crate::config::{DatasetConfig, RowOf, Tolerance};
use crate::error::Fault;
use crate::number::of;
use crate::record::Split;

/// Rows that are compared to find out where the files lie. More would find the same.
const SAMPLE: usize = 2000;

/// Something that is nearly right, and the setting that makes it so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hint {
    /// What was found.
    pub found: String,
    /// What to do: a setting, or a command.
    pub remedy: String,
}

impl std::fmt::Display for Hint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.found, self.remedy)
    }
}

/// Hints about the columns of the tables.
pub fn of_tables(
    tables: &[TableSummary],
    template: &Template,
    config: &DatasetConfig,
) -> Vec<Hint> {
    let mut hints = Vec::new();
    for table in tables {
        let (name, split) = (table.path.display(), table.split);
        for (column, cells) in &table.unknown {
            hints.push(match column.strip_suffix(table::DIFFER) {
                Some(column) => Hint {
                    found: format!(
                        "rows of {} differ in {column}, which is missing there",
                        of(*cells, "image")
                    ),
                    remedy: format!(
                        "look at these rows; if their words mean the same, say so by \
                         dataset.values.{column}"
                    ),
                },
                None => Hint {
                    found: format!(
                        "{cells} cells of {column} are not understood and count as missing"
                    ),
                    remedy: format!("say what they mean by dataset.values.{column}"),
                },
            });
        }
        for absent in &table.absent {
            let column = absent.column;
            if template.fields().any(|field| field.name() == column) {
                continue; // the file's name gives it
            }
            let label = column == "cancer" && split == Split::Train && config.label.is_none();
            let hint = match &absent.nearest {
                Some(near) => Hint {
                    found: format!("{name} has no column {column}, but {near}"),
                    remedy: format!("if they mean the same, set dataset.columns.{column}={near}"),
                },
                None if label => Hint {
                    found: format!(
                        "{name} has no column cancer, so no image has a label and no network can \
                         be trained"
                    ),
                    remedy: "name the column that holds it, with 0 and 1 or True and False, by \
                             dataset.columns.cancer=NAME, or state a condition in its place, such as \
                             dataset.label='BIRADS >= 4'"
                        .to_owned(),
                },
                None => continue,
            };
            let known = hints.iter().any(|other: &Hint| other.remedy == hint.remedy);
            if !known && !config.columns.contains_key(column) {
                hints.push(hint);
            }
        }
    }
    hints
}

/// Hints about rows that have no file, of which each is given with its cells of
/// [`Template::columns`]. `claimed` are the paths of the files that have a row.
///
/// # Errors
/// A [`Fault`] if the input folder cannot be listed.
pub fn of_files(
    missing: &[(Missing, Vec<String>)],
    claimed: &HashSet<&str>,
    template: &Template,
    config: &DatasetConfig,
) -> Result<Vec<Hint>, Fault> {
    let all = listing::list(&config.input, &[String::new()], None)?.files;
    let files: Vec<&File> =
        all.iter().filter(|file| !claimed.contains(file.relative.as_str())).collect();
    let mut hints = Vec::new();
    let tolerated = Tolerance::ALL.into_iter().filter(|t| !config.tolerate.contains(t));
    let best = tolerated
        .map(|tolerance| (matched(missing, &files, template, tolerance), tolerance))
        .max_by_key(|(rows, _)| *rows);
    if let Some((rows, tolerance)) = best.filter(|(rows, _)| *rows > 0) {
        let difference = match tolerance {
            Tolerance::Decimals => "if .0 is taken off their ids",
            Tolerance::Exponents => "if their ids are written without an exponent",
            Tolerance::Zeros => "but for leading zeros of their ids",
            Tolerance::Unicode => "but for how accents are written (Unicode NFC and NFD)",
            Tolerance::Case => "but for upper and lower case",
        };
        hints.push(Hint {
            found: format!(
                "{rows} of {} rows without a file match one {difference}",
                missing.len()
            ),
            remedy: format!("set dataset.tolerate=[{}]", tolerance.as_str()),
        });
    }
    if hints.is_empty()
        && let Some((rows, path)) = elsewhere(missing, &files)
    {
        hints.push(Hint {
            found: format!(
                "{rows} of {} rows without a file match one at another place",
                missing.len().min(SAMPLE)
            ),
            remedy: format!("set dataset.path={path}"),
        });
    }
    if hints.is_empty()
        && let Some(hint) = archives(&files)
    {
        hints.push(hint);
    }
    Ok(hints)
}

/// The hint about rows that fit several files, of which `paths` are the paths.
pub fn of_several(mut paths: impl Iterator<Item = String>, config: &DatasetConfig) -> Option<Hint> {
    let first = paths.next()?;
    let rows = of(1 + paths.count(), "row");
    let several = |each: &str, remedy: &str| Hint {
        found: format!("{rows} cannot be used: several are of one {each}"),
        remedy: remedy.to_owned(),
    };
    Some(match config.row_of {
        RowOf::Image if config.uid_column.is_some() => Hint {
            found: format!(
                "{rows} cannot be given one file: several have the UID, or it is of another row \
                 as well"
            ),
            remedy: "if it is of a series of several images, take the column of the image's own \
                     (SOP Instance UID) for dataset.uid_column"
                .to_owned(),
        },
        RowOf::Image => Hint {
            found: format!(
                "{rows} cannot be given one file: several fit, or it fits another row as well"
            ),
            remedy: format!("let dataset.path say more than {first}"),
        },
        RowOf::Breast => several(
            "breast",
            "leave one row per breast, or gather them by \
                                            dataset.several_rows=gather",
        ),
        RowOf::Patient => several(
            "patient",
            "leave one row per patient, or, if each is of a \
                                              breast, set dataset.row_of=breast",
        ),
    })
}

/// The number of rows that match a file of their own if `tolerance` is allowed.
fn matched(
    missing: &[(Missing, Vec<String>)],
    files: &[&File],
    template: &Template,
    tolerance: Tolerance,
) -> usize {
    let allowed = [tolerance];
    let mut keys: HashMap<String, usize> = HashMap::with_capacity(files.len());
    for file in files {
        *keys.entry(tolerance::key(&file.relative, &allowed).into_owned()).or_default() += 1;
    }
    let fits = |(row, cells): &&(Missing, Vec<String>)| {
        let repaired = tolerance::repaired(&row.record, &allowed);
        let path = template.file(repaired.as_ref().unwrap_or(&row.record), cells);
        keys.get(tolerance::key(&path, &allowed).as_ref()) == Some(&1)
    };
    missing.iter().filter(fits).count()
}

/// The template by which most rows would find a file with their `image_id` in its name.
fn elsewhere(missing: &[(Missing, Vec<String>)], files: &[&File]) -> Option<(usize, String)> {
    let mut by_stem: HashMap<&str, Vec<&str>> = HashMap::with_capacity(files.len());
    for file in files {
        let name = file.relative.rsplit('/').next().unwrap_or(&file.relative);
        let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        by_stem.entry(stem).or_default().push(&file.relative);
        // The id may be the beginning of a longer name.
        if let Some((first, _)) = stem.split_once(['_', '-']) {
            by_stem.entry(first).or_default().push(&file.relative);
        }
    }
    let mut templates: BTreeMap<String, usize> = BTreeMap::new();
    for (row, _) in missing.iter().take(SAMPLE) {
        let (patient, image) = (row.record.patient_id.as_str(), row.record.image_id.as_str());
        let found: HashSet<String> = by_stem
            .get(image)
            .into_iter()
            .flatten()
            .map(|path| general(path, patient, image, row.record.split))
            .collect();
        for path in found {
            *templates.entry(path).or_default() += 1;
        }
    }
    let (path, rows) = templates.into_iter().max_by_key(|(_, rows)| *rows)?;
    Template::parse(&path).ok().map(|_| (rows, path))
}

/// The path of a file with placeholders for what the row gives.
fn general(path: &str, patient: &str, image: &str, split: Split) -> String {
    let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
    let mut out = String::new();
    for folder in folders.split('/').filter(|folder| !folder.is_empty()) {
        let images = folder.strip_prefix(split.as_str()).filter(|rest| *rest == "_images");
        match images {
            _ if folder == patient => out.push_str("{patient_id}"),
            Some(rest) => {
                out.push_str("{split}");
                out.push_str(rest);
            }
            None => out.push_str(folder),
        }
        out.push('/');
    }
    let rest = &name[image.len().min(name.len())..];
    out.push_str("{image_id}");
    match (rest.starts_with(['_', '-']), rest.rsplit_once('.')) {
        (true, Some((_, extension))) => {
            out.push_str(&rest[..1]);
            out.push_str("*.");
            out.push_str(extension);
        }
        _ => out.push_str(rest),
    }
    out
}

/// Archives that were not unpacked.
fn archives(files: &[&File]) -> Option<Hint> {
    let ends = ["zip", "tar", "tgz", "gz", "7z", "rar", "zst"];
    let is_archive =
        |file: &&&File| ends.iter().any(|end| listing::has_extension(&file.relative, Some(end)));
    let archives: Vec<&str> =
        files.iter().filter(is_archive).map(|file| file.relative.as_str()).collect();
    let (first, others) = archives.split_first()?;
    let more = match others.len() {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    Some(Hint {
        found: format!(
            "the input folder holds an archive, {first}{more}, and archives are not read"
        ),
        remedy: format!("unpack it first, for example: unzip {first}"),
    })
}
