//! A survey as text: aligned columns, the most frequent values first.

use std::cmp::Reverse;
use std::fmt;

use crate::cli::grid::Grid;
use crate::inspect::{Attribute, Findings, Format, Machine, NOT_GIVEN, Survey, Value};
use crate::number::size;
use crate::shard::notes::Note;

/// The number of values of an attribute, and of findings of a kind, that are listed.
const SHOWN: usize = 8;

/// Displays a survey.
pub struct Text<'a>(pub &'a Survey);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", self.0.input.display())?;
        fmt_tables(self.0, f)?;
        fmt_attributes(self.0, f)?;
        fmt_machines(&self.0.machines, f)?;
        fmt_notes(self.0, f)?;
        fmt_findings(self.0, f)
    }
}

fn fmt_tables(survey: &Survey, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut grid = Grid::new("lrrrrl");
    for table in &survey.tables {
        let cancer = match table.labelled {
            0 => "no labels".to_owned(),
            n => format!(
                "{} ({:.2} %)",
                thousands(table.cancer),
                100.0 * table.cancer as f64 / n as f64
            ),
        };
        let absent: Vec<_> = table.absent.iter().map(|absent| absent.column).collect();
        grid.row([
            table.split.as_str().to_owned(),
            thousands(table.rows),
            thousands(table.patients),
            thousands(table.breasts),
            cancer,
            absent.join(", "),
        ]);
    }
    if !survey.tables.is_empty() {
        grid.head(["table", "rows", "patients", "breasts", "with cancer", "columns it lacks"]);
        writeln!(f, "{grid}")?;
    }
    let mut grid = Grid::new("rl");
    match &survey.counts {
        Some(counts) => {
            grid.row([thousands(counts.jobs), "rows with a file".to_owned()]);
            grid.row([thousands(counts.missing), "rows without a file".to_owned()]);
            grid.row([thousands(counts.strays), "files without a row".to_owned()]);
        }
        None => {
            grid.row([
                thousands(survey.files - survey.other_files),
                "files (there is no table)".to_owned(),
            ]);
            if survey.other_files > 0 {
                grid.row([thousands(survey.other_files), "other files, not DICOM".to_owned()]);
            }
        }
    }
    if survey.left_out > 0 {
        let what = "files left out by their series (dataset.leave_out)";
        grid.row([thousands(survey.left_out), what.to_owned()]);
    }
    if survey.ignored > 0 {
        let what = "files ignored (._*, .DS_Store, Thumbs.db, unfinished downloads and the like)";
        grid.row([thousands(survey.ignored), what.to_owned()]);
    }
    writeln!(f, "{grid}")?;
    for hint in &survey.hints {
        writeln!(f, "  {hint}\n")?;
    }
    Ok(())
}

fn fmt_attributes(survey: &Survey, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if survey.headers == 0 {
        return writeln!(f, "No header could be read.\n");
    }
    let all = survey.headers + survey.unreadable.count;
    let of = match survey.files - survey.other_files {
        files if all < files => format!(" of {}", thousands(files)),
        _ => String::new(),
    };
    let (headers, bytes) = (thousands(survey.headers), size(survey.bytes));
    writeln!(f, "Headers of {headers}{of} files, {bytes} in all\n")?;
    let mut grid = Grid::new("llrrr");
    let is_absent = |a: &&Attribute| matches!(a.values.as_slice(), [v] if v.value == NOT_GIVEN);
    for attribute in survey.attributes.iter().filter(|attribute| !is_absent(attribute)) {
        let mut name = attribute.name;
        // Instead of a line "1 more value", the value itself is shown.
        let all = attribute.values.len();
        let (shown, rest) =
            attribute.values.split_at(if all == SHOWN + 1 { all } else { all.min(SHOWN) });
        let rest = (!rest.is_empty()).then(|| Value {
            value: format!("{} more values", thousands(rest.len())),
            files: rest.iter().map(|value| value.files).sum(),
            bytes: rest.iter().map(|value| value.bytes).sum(),
        });
        for Value { value, files, bytes } in shown.iter().chain(&rest) {
            grid.row([
                std::mem::take(&mut name).to_owned(),
                value.clone(),
                thousands(*files),
                format!("{:.1} %", 100.0 * *files as f64 / survey.headers as f64),
                size(*bytes),
            ]);
        }
    }
    grid.head(["attribute", "value", "files", "share", "size"]);
    writeln!(f, "{grid}")?;
    let absent = survey.attributes.iter().filter(is_absent).map(|attribute| attribute.name);
    match join(absent) {
        none if none.is_empty() => Ok(()),
        names => writeln!(f, "Absent from all headers: {names}\n"),
    }
}

fn fmt_machines(machines: &[Machine], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut grid = Grid::new("llrrrllllr");
    for machine in machines {
        let mut formats: Vec<_> = machine.formats.iter().collect();
        formats.sort_by_key(|(_, files)| Reverse(**files));
        let mut about = [
            name(machine),
            join(machine.sites.iter()),
            if machine.rows > 0 { thousands(machine.rows) } else { String::new() },
            match machine.labelled {
                0 => String::new(),
                labelled => format!("{:.2} %", 100.0 * machine.cancer as f64 / labelled as f64),
            },
        ];
        let mut sizes = most_common_size(machine);
        let shown = formats.iter().take(SHOWN).map(|(format, files)| {
            let Format { syntax, photometric, bits, voi } = format;
            [thousands(**files), syntax.to_string(), photometric.clone(), bits.clone(), voi.clone()]
        });
        let no_file = (formats.is_empty()).then(|| ["0", "", "", "", ""].map(str::to_owned));
        for format in shown.chain(no_file) {
            let [machine, site, rows, cancer] = std::mem::take(&mut about);
            let [files, syntax, photometric, bits, voi] = format;
            let sizes = std::mem::take(&mut sizes);
            grid.row([machine, site, rows, cancer, files, syntax, photometric, bits, voi, sizes]);
        }
    }
    if machines.is_empty() {
        return Ok(());
    }
    grid.head([
        "machine",
        "site",
        "rows",
        "cancer",
        "files",
        "transfer syntax",
        "photometric",
        "bits",
        "VOI",
        "rows x columns",
    ]);
    writeln!(f, "{grid}")
}

fn fmt_notes(survey: &Survey, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut grid = Grid::new("lrl");
    for (code, files) in &survey.notes {
        let about = Note::of(code).map_or("", Note::about);
        grid.row([code.clone(), thousands(*files), about.to_owned()]);
    }
    if survey.notes.is_empty() {
        return Ok(());
    }
    grid.head(["note", "files", "meaning"]);
    writeln!(f, "{grid}")
}

fn fmt_findings(survey: &Survey, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (title, findings) in [
        ("Rows without a file", &survey.missing),
        ("Files without a row", &survey.strays),
        ("Files whose header cannot be read", &survey.unreadable),
        ("Files that preprocess would quarantine", &survey.unsupported),
        (
            "Files of several frames (tomosynthesis), of which none is one image",
            &survey.multi_frame,
        ),
        ("Table and file disagree", &survey.disagreements),
    ] {
        fmt_kind(f, title, findings)?;
    }
    if survey.is_clean(false) {
        writeln!(f, "No problems found in the table or the files.")?;
    }
    Ok(())
}

fn fmt_kind(f: &mut fmt::Formatter<'_>, title: &str, findings: &Findings) -> fmt::Result {
    if findings.count == 0 {
        return Ok(());
    }
    writeln!(f, "{title}: {}", thousands(findings.count))?;
    let mut grid = Grid::new("ll");
    for finding in findings.first.iter().take(SHOWN) {
        grid.row([finding.file.clone(), finding.what.clone()]);
    }
    if findings.count > SHOWN {
        grid.row([format!("and {} more", thousands(findings.count - SHOWN)), String::new()]);
    }
    writeln!(f, "{grid}")
}

fn name(machine: &Machine) -> String {
    match (machine.machine_id, machine.model.as_str()) {
        (Some(id), "") => id.to_string(),
        (Some(id), model) => format!("{id} ({model})"),
        (None, "") => NOT_GIVEN.to_owned(),
        (None, model) => model.to_owned(),
    }
}

fn most_common_size(machine: &Machine) -> String {
    let most = machine.sizes.iter().max_by_key(|(_, files)| **files);
    let most = most.map_or("", |(size, _)| size);
    match machine.sizes.len() {
        0 | 1 => most.to_owned(),
        n => format!("{most} and {} more", n - 1),
    }
}

fn join(values: impl Iterator<Item = impl ToString>) -> String {
    values.map(|value| value.to_string()).collect::<Vec<_>>().join(", ")
}

fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_parted() {
        assert_eq!(
            [0, 999, 1000, 54_706, 1_234_567].map(thousands).join(" "),
            "0 999 1,000 54,706 1,234,567"
        );
    }
}
