//! Reference boxes of breasts.
//!
//! In: a folder of YOLO label files, or the `truth.csv` of a generated dataset. Out: [`Labels`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::error::{Fault, faults};

/// A reference box: left, top, right and bottom as shares of the frame's width and height (0 to 1).
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
#[allow(missing_docs)]
pub struct LabelBox {
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
}

/// Reference boxes by patient and image.
pub type Labels = BTreeMap<(String, String), LabelBox>;

/// Why a set of labels cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LabelsError {
    /// A file that is not a label file.
    #[error("{path}, line {line}: `{found}`, needs {needed}")]
    Wrong {
        /// The file.
        path: PathBuf,
        /// The number of the line, counted from 1.
        line: usize,
        /// What the line holds.
        found: String,
        /// What it should hold.
        needed: &'static str,
    },
    /// A folder without any label.
    #[error("{path}: no labels; needs a folder of PATIENT@IMAGE.txt or a truth.csv")]
    None {
        /// The file or folder.
        path: PathBuf,
    },
}
faults!(LabelsError);

/// Reads a folder of `PATIENT@IMAGE.txt`, each with lines `class centre_x centre_y width height` in
/// shares of the frame (YOLO's format), or the `truth.csv` of `mammo-pipe synth`. A file with
/// several lines gives the box around all of them.
///
/// # Errors
/// A [`Fault`] for a file that cannot be read, a line that is not a box, and a folder without
/// labels.
pub fn read(path: &Path) -> Result<Labels, Fault> {
    let labels = if path.is_dir() { read_folder(path)? } else { read_truth(path)? };
    if labels.is_empty() {
        return Err(LabelsError::None { path: path.into() }.into());
    }
    Ok(labels)
}

fn read_folder(path: &Path) -> Result<Labels, Fault> {
    let mut labels = Labels::new();
    for entry in std::fs::read_dir(path).map_err(Fault::io(path))? {
        let file = entry.map_err(Fault::io(path))?.path();
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let ids = name.strip_suffix(".txt").and_then(|stem| stem.split_once('@'));
        let Some((patient, image)) = ids else { continue };
        let text = std::fs::read_to_string(&file).map_err(Fault::io(&file))?;
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let found = parse_yolo(line).ok_or_else(|| LabelsError::Wrong {
                path: file.clone(),
                line: number + 1,
                found: line.into(),
                needed: "class, centre and size of a box, in shares of the frame",
            })?;
            labels
                .entry((patient.into(), image.into()))
                .and_modify(|so_far| *so_far = bounding_box(*so_far, found))
                .or_insert(found);
        }
    }
    Ok(labels)
}

/// Parses the lines `class x y width height` of one file; `None` if one of them is not a box.
fn parse_yolo(line: &str) -> Option<LabelBox> {
    let numbers: Vec<f64> =
        line.split_whitespace().map(str::parse).collect::<Result<_, _>>().ok()?;
    let &[_, x, y, width, height] = numbers.as_slice() else { return None };
    let inside = |v: &f64| (0.0..=1.0).contains(v);
    let is_box = [x, y, width, height].iter().all(inside) && width > 0.0 && height > 0.0;
    is_box.then_some(LabelBox {
        left: x - width / 2.0,
        top: y - height / 2.0,
        right: x + width / 2.0,
        bottom: y + height / 2.0,
    })
}

fn bounding_box(a: LabelBox, b: LabelBox) -> LabelBox {
    LabelBox {
        left: a.left.min(b.left),
        top: a.top.min(b.top),
        right: a.right.max(b.right),
        bottom: a.bottom.max(b.bottom),
    }
}

/// The columns of `truth.csv` that are used here.
#[derive(serde::Deserialize)]
struct TruthRow {
    patient_id: String,
    image_id: String,
    rows: f64,
    columns: f64,
    /// `left top width height`, in pixels.
    breast: String,
}

fn read_truth(path: &Path) -> Result<Labels, Fault> {
    let file = std::fs::File::open(path).map_err(Fault::io(path))?;
    let wrong = |line: usize, found: String| LabelsError::Wrong {
        path: path.into(),
        line,
        found,
        needed: "patient_id, image_id, rows, columns, and breast as left, top, width and height",
    };
    let mut labels = Labels::new();
    for (number, row) in csv::Reader::from_reader(file).deserialize().enumerate() {
        let line = number + 2;
        let row: TruthRow = row.map_err(|error| wrong(line, error.to_string()))?;
        let numbers: Result<Vec<f64>, _> = row.breast.split(' ').map(str::parse).collect();
        let Ok(&[left, top, width, height]) = numbers.as_deref() else {
            return Err(wrong(line, row.breast).into());
        };
        let found = LabelBox {
            left: left / row.columns,
            top: top / row.rows,
            right: (left + width) / row.columns,
            bottom: (top + height) / row.rows,
        };
        labels.insert((row.patient_id, row.image_id), found);
    }
    Ok(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_yolo_line_is_centre_and_size() {
        let found = parse_yolo("0 0.75 0.5 0.5 0.25\n").unwrap();
        assert_eq!(found, LabelBox { left: 0.5, top: 0.375, right: 1.0, bottom: 0.625 });
        for bad in ["", "0 0.5 0.5 0.5", "0 a b c d", "0 0.5 0.5 0 0.5", "0 700 500 20 30"] {
            assert_eq!(parse_yolo(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_wrong_line_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("1@2.txt"), "0 0.5 0.5 0.2 0.2\n0 0.5 x\n").unwrap();
        let error = read(folder.path()).unwrap_err().to_string();
        assert!(error.contains("1@2.txt, line 2: `0 0.5 x`"), "{error}");
    }

    #[test]
    fn an_empty_folder_is_no_labels() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read(folder.path()).unwrap_err().to_string().contains("no labels"));
    }
}
