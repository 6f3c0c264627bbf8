//! `quarantine.csv`: every listed image that was not written, with the reason.
//!
//! Spreadsheet programs run a cell that begins like a formula. An id or a path is somebody else's
//! text, so such a cell is written with an apostrophe before it, and read without it.

use std::path::Path;

use super::manifest::Quarantined;
use crate::error::Fault;

/// The table as bytes, with a header line.
pub fn to_csv(rows: &[Quarantined]) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    let header = ["split", "line", "patient_id", "image_id", "path", "stage", "reason"];
    writer.write_record(header).expect("memory takes all that is written to it");
    for row in rows {
        writer.serialize(each_text(row.clone(), quoted)).expect("memory takes all that is written");
    }
    writer.into_inner().expect("memory takes all that is written to it")
}

/// The rows of the file at `path`, one at a time.
///
/// # Errors
/// [`Fault::Io`] if it cannot be read, and for the first line that is not one of ours.
pub fn read(path: &Path) -> Result<impl Iterator<Item = Result<Quarantined, Fault>>, Fault> {
    let rows = csv::Reader::from_path(path).map_err(|error| Fault::io(path)(error.into()))?;
    Ok(rows.into_deserialize().map(move |row| {
        let row = row.map_err(|error: csv::Error| Fault::io(path)(error.into()))?;
        Ok(each_text(row, unquoted))
    }))
}

fn each_text(row: Quarantined, change: impl Fn(String) -> String) -> Quarantined {
    Quarantined {
        patient_id: row.patient_id.map(&change),
        image_id: row.image_id.map(&change),
        path: change(row.path),
        reason: change(row.reason),
        ..row
    }
}

/// A text that no spreadsheet takes for a formula. One that begins with an apostrophe gets another,
/// so that [`unquoted`] gives back every text.
fn quoted(text: String) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\'']) { format!("'{text}") } else { text }
}

fn unquoted(text: String) -> String {
    text.strip_prefix('\'').map_or(text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Split;

    fn row(patient: &str, reason: &str) -> Quarantined {
        Quarantined {
            split: Some(Split::Train),
            line: Some(7),
            patient_id: Some(patient.into()),
            image_id: None,
            path: "train_images/1/2.dcm".into(),
            stage: "decode".into(),
            reason: reason.into(),
        }
    }

    #[test]
    fn a_reason_with_a_comma_stays_one_field() {
        let text = String::from_utf8(to_csv(&[row("1", "holds 3 bytes, needs 4")])).unwrap();
        let (header, line) = text.trim_end().split_once('\n').unwrap();
        assert_eq!(header, "split,line,patient_id,image_id,path,stage,reason");
        assert_eq!(line, "train,7,1,,train_images/1/2.dcm,decode,\"holds 3 bytes, needs 4\"");
    }

    #[test]
    fn no_cell_begins_like_a_formula_and_every_text_is_read_back() {
        let texts = ["=1+1", "+1", "-5", "@SUM(A1)", "\tx", "\rx", "'x", "''", "x", "x=1", "é"];
        let rows: Vec<_> = texts.iter().map(|text| row(text, text)).collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("quarantine.csv");
        std::fs::write(&path, to_csv(&rows)).unwrap();
        for cells in csv::Reader::from_path(&path).unwrap().records() {
            let cells = cells.unwrap();
            let begins = |cell: &str| cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
            assert!(!cells.iter().any(begins), "{cells:?}");
        }
        let read: Vec<_> = read(&path).unwrap().map(Result::unwrap).collect();
        assert_eq!(read, rows);
    }
}
