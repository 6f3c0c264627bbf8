//! The path of an image: the template `dataset.path`, with placeholders in braces.

use crate::config::ConfigError;
use crate::record::{ImageRecord, Split};

/// A checked `dataset.path`. It gives a different path for every image, and never one outside
/// the input folder, because no [`Id`](crate::record::Id) contains a separator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Split,
    PatientId,
    ImageId,
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
            parts.push(Part::Text(before.to_owned()));
            parts.push(match name {
                "split" => Part::Split,
                "patient_id" => Part::PatientId,
                "image_id" => Part::ImageId,
                _ => return bad("only {split}, {patient_id} and {image_id} in braces"),
            });
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        parts.retain(|part| *part != Part::Text(String::new()));
        if !parts.contains(&Part::ImageId) {
            return bad("{image_id}, because each image has its own file");
        }
        let component = |c: &str| c.is_empty() || c == "." || c == ".." || c.contains('\\');
        if text.split('/').any(component) || text.contains(':') {
            return bad("a path below dataset.input, with / between its parts");
        }
        Ok(Self { parts })
    }

    /// The path of a record's file, below the input folder.
    pub fn file(&self, record: &ImageRecord) -> String {
        let mut file = String::with_capacity(64);
        for part in &self.parts {
            file.push_str(match part {
                Part::Text(text) => text,
                Part::Split => record.split.as_str(),
                Part::PatientId => record.patient_id.as_str(),
                Part::ImageId => record.image_id.as_str(),
            });
        }
        file
    }

    /// The folder below the input folder that holds every file of `split`; empty for the
    /// input folder itself.
    pub fn folder(&self, split: Split) -> String {
        let mut fixed = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => fixed.push_str(text),
                Part::Split => fixed.push_str(split.as_str()),
                Part::PatientId | Part::ImageId => break,
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
        match self.parts.as_slice() {
            [.., Part::Text(before), Part::ImageId] if before.ends_with('/') => Some(name),
            [.., Part::Text(before), Part::ImageId, Part::Text(after)]
                if before.ends_with('/') && !after.contains('/') =>
            {
                name.strip_suffix(after.as_str())
            }
            [Part::ImageId, Part::Text(after)] => name.strip_suffix(after.as_str()),
            [Part::ImageId] => Some(name),
            _ => None,
        }
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
            "{image}.dcm",
            "{image_id.dcm",
            "",
        ] {
            assert!(Template::parse(bad).is_err(), "{bad}");
        }
    }
}
