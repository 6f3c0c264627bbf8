//! The path of an image: the template `dataset.path`, with placeholders in braces.
//!
//! A placeholder is one of our columns (`{image_id}`) or any column of the table, whose cell may
//! itself be a path. A placeholder for which the table has no column is found in the file's name
//! instead, as are `*` (any part of a name) and `**/` (any folders).

use crate::config::ConfigError;
use crate::record::{ImageRecord, Laterality, Split, View};

/// A checked `dataset.path`. It never leads outside the input folder, because no
/// [`Id`](crate::record::Id) contains a separator, and the cells of other columns are checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    /// `*`: any text within one name.
    Any,
    /// `**/`: any number of folders.
    AnyFolders,
    Field(Field),
}

/// A placeholder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    /// `train` or `test`.
    Split,
    /// The patient.
    PatientId,
    /// The image.
    ImageId,
    /// The side, `L` or `R`.
    Laterality,
    /// The projection.
    View,
    /// Another column of the table, by the table's name.
    Column(String),
}

impl Field {
    fn named(name: &str) -> Self {
        match name {
            "split" => Self::Split,
            "patient_id" => Self::PatientId,
            "image_id" => Self::ImageId,
            "laterality" => Self::Laterality,
            "view" => Self::View,
            other => Self::Column(other.to_owned()),
        }
    }

    /// Our name of the column.
    pub fn name(&self) -> &str {
        match self {
            Self::Split => "split",
            Self::PatientId => "patient_id",
            Self::ImageId => "image_id",
            Self::Laterality => "laterality",
            Self::View => "view",
            Self::Column(name) => name,
        }
    }

    /// The text that stands for it in the path of a record; `None` if the record has no value.
    /// `cells` are the record's cells of [`Template::columns`].
    fn text<'a>(
        &'a self,
        record: &'a ImageRecord,
        columns: &[&str],
        cells: &'a [String],
    ) -> Option<&'a str> {
        match self {
            Self::Split => Some(record.split.as_str()),
            Self::PatientId => Some(record.patient_id.as_str()),
            Self::ImageId => Some(record.image_id.as_str()),
            Self::Laterality => record.laterality.map(Laterality::as_str),
            Self::View => record.view.as_ref().map(View::as_str),
            Self::Column(name) => {
                let at = columns.iter().position(|column| column == name)?;
                cells.get(at).map(String::as_str).filter(|cell| !cell.is_empty())
            }
        }
    }
}

impl Template {
    /// Checks a template such as `{split}_images/{patient_id}/{image_id}.dcm`.
    ///
    /// # Errors
    /// [`ConfigError::Value`] for `dataset.path`.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let bad = |needed| {
            Err(ConfigError::Value { key: "dataset.path", found: text.to_owned(), needed })
        };
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let Some((name, after)) = after.split_once('}') else {
                return bad("one } for every {");
            };
            with_wildcards(before, &mut parts);
            parts.push(Part::Field(Field::named(name)));
            rest = after;
        }
        with_wildcards(rest, &mut parts);
        let own = |part: &Part| match part {
            Part::Text(_) | Part::AnyFolders => false,
            Part::Any => true,
            Part::Field(field) => matches!(field, Field::ImageId | Field::Column(_)),
        };
        if !parts.iter().any(own) {
            return bad("{image_id}, because each image has its own file");
        }
        let component = |c: &str| c.is_empty() || c == "." || c == ".." || c.contains('\\');
        if text.split('/').any(component) || text.contains(':') {
            return bad("a path below dataset.input, with / between its parts");
        }
        Ok(Self { parts })
    }

    /// The placeholders, in order.
    pub fn fields(&self) -> impl Iterator<Item = &Field> {
        self.parts.iter().filter_map(|part| match part {
            Part::Field(field) => Some(field),
            _ => None,
        })
    }

    /// The table's columns, other than ours, whose cells stand in the path.
    pub fn columns(&self) -> Vec<&str> {
        self.fields()
            .filter_map(|field| match field {
                Field::Column(name) => Some(name.as_str()),
                _ => None,
            })
            .collect()
    }

    /// Whether a file's own name gives the patient, so that the table may lack the patient. A folder
    /// of the patient is no such name, because a table without patients is more likely wrong.
    pub fn gives_patient(&self) -> bool {
        let patient = Part::Field(Field::PatientId);
        let Some(at) = self.parts.iter().position(|part| *part == patient) else { return false };
        let in_folder = |part: &Part| matches!(part, Part::Text(text) if text.contains('/'));
        !self.parts[at..].iter().any(in_folder) && !self.parts[at..].contains(&Part::AnyFolders)
    }

    /// Whether a record alone gives the path, without a look at the files. `captured` are the
    /// placeholders for which the table has no column.
    pub fn is_exact(&self, captured: &[Field]) -> bool {
        captured.is_empty()
            && !self.parts.iter().any(|part| matches!(part, Part::Any | Part::AnyFolders))
    }

    /// The path of a record's file, below the input folder. `cells` are its cells of
    /// [`Template::columns`]. What the record does not give stands there as in the template.
    pub fn file(&self, record: &ImageRecord, cells: &[String]) -> String {
        self.file_but(record, cells, &[])
    }

    /// The same, with the placeholders of `captured` as they stand in the template.
    pub fn file_but(&self, record: &ImageRecord, cells: &[String], captured: &[Field]) -> String {
        let columns = self.columns();
        let mut file = String::with_capacity(64);
        for part in &self.parts {
            match part {
                Part::Text(text) => file.push_str(text),
                Part::Any => file.push('*'),
                Part::AnyFolders => file.push_str("**/"),
                Part::Field(field) => match field.text(record, &columns, cells) {
                    Some(text) if !captured.contains(field) => file.push_str(text),
                    _ => {
                        file.push('{');
                        file.push_str(field.name());
                        file.push('}');
                    }
                },
            }
        }
        file
    }

    /// What the record gives of the path: equal for a record and its file. `None` if a cell that
    /// is needed is empty.
    pub fn key(
        &self,
        record: &ImageRecord,
        cells: &[String],
        captured: &[Field],
    ) -> Option<String> {
        let columns = self.columns();
        let mut key = String::new();
        for field in self.fields().filter(|field| !captured.contains(field)) {
            key.push_str(field.text(record, &columns, cells)?);
            key.push('\n');
        }
        Some(key)
    }

    /// The text at each placeholder in the path of a file, in order; `None` if the path does not
    /// have the form of the template. A name's extension may be in upper or lower case.
    pub fn matches<'a>(&self, relative: &'a str) -> Option<Vec<&'a str>> {
        let mut found = Vec::new();
        matches(&self.parts, relative, &mut found).then_some(found)
    }

    /// The same for every way in which the path has the form of the template, the shortest texts
    /// first: `{image_id}_*.dcm` finds `1` and `1_2` in `1_2_3.dcm`.
    pub fn all_matches<'a>(&self, relative: &'a str) -> Vec<Vec<&'a str>> {
        let mut all = Vec::new();
        all_matches(&self.parts, relative, &mut Vec::new(), &mut all);
        all
    }

    /// The folder below the input folder that holds every file of `split`; empty for the
    /// input folder itself.
    pub fn folder(&self, split: Split) -> String {
        let mut fixed = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => fixed.push_str(text),
                Part::Field(Field::Split) => fixed.push_str(split.as_str()),
                _ => break,
            }
        }
        fixed.rsplit_once('/').map_or(String::new(), |(folder, _)| folder.to_owned())
    }

    /// The extension of the files' names, if the template has one.
    pub fn extension(&self) -> Option<&str> {
        match self.parts.last() {
            Some(Part::Text(text)) => text.rsplit_once('.').map(|(_, extension)| extension),
            _ => None,
        }
    }

    /// The `image_id` in a file's name, if the name consists of the id alone.
    pub fn image_id<'a>(&self, relative: &'a str) -> Option<&'a str> {
        let name = relative.rsplit('/').next()?;
        let id = Part::Field(Field::ImageId);
        match self.parts.as_slice() {
            [.., Part::Text(before), field] if *field == id && before.ends_with('/') => Some(name),
            [.., Part::Text(before), field, Part::Text(after)]
                if *field == id && before.ends_with('/') && !after.contains('/') =>
            {
                name.strip_suffix(after.as_str())
            }
            [field, Part::Text(after)] if *field == id => name.strip_suffix(after.as_str()),
            [field] if *field == id => Some(name),
            _ => None,
        }
    }
}

/// Adds the text between two placeholders.
fn with_wildcards(text: &str, parts: &mut Vec<Part>) {
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('*') {
        if !before.is_empty() {
            parts.push(Part::Text(before.to_owned()));
        }
        let folders = after.strip_prefix("*/");
        parts.push(if folders.is_some() { Part::AnyFolders } else { Part::Any });
        rest = folders.unwrap_or(after);
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest.to_owned()));
    }
}

/// Whether all of `text` has the form of `parts`. The shortest texts are tried first.
fn matches<'a>(parts: &[Part], text: &'a str, found: &mut Vec<&'a str>) -> bool {
    let Some((part, parts)) = parts.split_first() else { return text.is_empty() };
    match part {
        Part::Text(fixed) if parts.is_empty() => ends_alike(text, fixed),
        Part::Text(fixed) => {
            text.strip_prefix(fixed.as_str()).is_some_and(|rest| matches(parts, rest, found))
        }
        Part::AnyFolders => {
            let after = text.match_indices('/').map(|(at, _)| at + 1);
            std::iter::once(0).chain(after).any(|at| matches(parts, &text[at..], found))
        }
        Part::Any => {
            let end = text.find('/').unwrap_or(text.len());
            let ends = text[..end].char_indices().map(|(at, _)| at).chain([end]);
            ends.into_iter().any(|at| matches(parts, &text[at..], found))
        }
        Part::Field(field) => {
            for at in field_ends(field, text) {
                found.push(&text[..at]);
                if matches(parts, &text[at..], found) {
                    return true;
                }
                found.pop();
            }
            false
        }
    }
}

/// Adds to `all` what [`matches`] finds, for every way in which `text` has the form of `parts`.
fn all_matches<'a>(
    parts: &[Part],
    text: &'a str,
    found: &mut Vec<&'a str>,
    all: &mut Vec<Vec<&'a str>>,
) {
    // Further ways of the parts behind the last placeholder find nothing else.
    if !parts.iter().any(|part| matches!(part, Part::Field(_))) {
        if matches(parts, text, &mut Vec::new()) && !all.contains(found) {
            all.push(found.clone());
        }
        return;
    }
    let Some((part, parts)) = parts.split_first() else { return };
    match part {
        Part::Text(fixed) => {
            if let Some(rest) = text.strip_prefix(fixed.as_str()) {
                all_matches(parts, rest, found, all);
            }
        }
        Part::AnyFolders => {
            let after = text.match_indices('/').map(|(at, _)| at + 1);
            std::iter::once(0).chain(after).for_each(|at| {
                all_matches(parts, &text[at..], found, all);
            });
        }
        Part::Any => {
            let end = text.find('/').unwrap_or(text.len());
            let ends = text[..end].char_indices().map(|(at, _)| at).chain([end]);
            ends.for_each(|at| all_matches(parts, &text[at..], found, all));
        }
        Part::Field(field) => field_ends(field, text).for_each(|at| {
            found.push(&text[..at]);
            all_matches(parts, &text[at..], found, all);
            found.pop();
        }),
    }
}

/// Where the text of a placeholder at the beginning of `text` may end, the shortest first.
fn field_ends<'a>(field: &Field, text: &'a str) -> impl Iterator<Item = usize> + use<'a> {
    let may_be_path = matches!(field, Field::Column(_));
    let end = if may_be_path { None } else { text.find('/') }.unwrap_or(text.len());
    let ends = text[..end].char_indices().map(|(at, _)| at).skip(1).chain([end]);
    ends.filter(|&at| at > 0)
}

/// Whether the texts are equal, but for upper and lower case in the extension.
fn ends_alike(text: &str, fixed: &str) -> bool {
    match (text.rsplit_once('.'), fixed.rsplit_once('.')) {
        (Some((a, x)), Some((b, y))) => a == b && x.eq_ignore_ascii_case(y),
        _ => text == fixed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str) -> Template {
        Template::parse(text).unwrap()
    }

    #[test]
    fn the_default_leads_to_the_folders_of_the_dataset() {
        let default = template("{split}_images/{patient_id}/{image_id}.dcm");
        assert_eq!(default.folder(Split::Train), "train_images");
        assert_eq!(default.folder(Split::Test), "test_images");
        assert_eq!(default.extension(), Some("dcm"));
        assert_eq!(default.image_id("train_images/10006/462822612.dcm"), Some("462822612"));
        assert_eq!(default.image_id("train_images/10006/462822612.txt"), None);
    }

    #[test]
    fn other_layouts_have_their_folder_and_extension() {
        let flat = template("{image_id}.dicom");
        assert_eq!((flat.folder(Split::Train), flat.extension()), (String::new(), Some("dicom")));
        assert_eq!(flat.image_id("7.dicom"), Some("7"));
        let deep = template("a/b/p{patient_id}/{image_id}");
        assert_eq!((deep.folder(Split::Test), deep.extension()), ("a/b".into(), None));
        assert_eq!(template("a/{patient_id}_{image_id}.dcm").image_id("a/1_2.dcm"), None);
    }

    #[test]
    fn a_template_that_leaves_the_folder_or_shares_a_file_is_refused() {
        for bad in [
            "../{image_id}.dcm",
            "/data/{image_id}.dcm",
            "a//{image_id}",
            "c:{image_id}",
            "{patient_id}.dcm",
            "{laterality}.dcm",
            "{image_id.dcm",
            "",
        ] {
            assert!(Template::parse(bad).is_err(), "{bad}");
        }
    }
    #[test]
    fn what_the_table_lacks_is_found_in_the_name() {
        let inbreast = template("A/{image_id}_{patient_id}_MG_{laterality}_{view}_ANON.dcm");
        let found = inbreast.matches("A/20586908_6c613a14b80a8591_MG_R_CC_ANON.dcm");
        assert_eq!(found.unwrap(), ["20586908", "6c613a14b80a8591", "R", "CC"]);
        assert_eq!(inbreast.matches("A/20586908_MG_R_CC_ANON.dcm"), None);
        let deep = template("{image_id}/**/*.dcm");
        assert_eq!(deep.matches("P_1_LEFT_CC/2016/1.000/1-1.DCM").unwrap(), ["P_1_LEFT_CC"]);
        assert_eq!(deep.matches("P_1_LEFT_CC/1-1.dcm").unwrap(), ["P_1_LEFT_CC"]);
        assert_eq!(deep.matches("1-1.dcm"), None);
        let open = template("{image_id}_*.dcm");
        assert_eq!(open.all_matches("1_2_3.dcm"), [["1"], ["1_2"]]);
        let exact = template("{patient_id}/**/{image_id}_*_*.DCM");
        assert_eq!(exact.all_matches("p/a/b/1_2_3_4.dcm"), [["p", "1"], ["p", "1_2"]]);
        assert_eq!(exact.all_matches("p/a/b/1_2.dcm"), [[""; 0]; 0]);
        let path = template("{image file path}");
        assert_eq!((path.columns(), path.is_exact(&[])), (vec!["image file path"], true));
    }
}
