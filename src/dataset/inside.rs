//! Keeps outputs out of the folders that hold the dataset's images.
//!
//! Files of ours between the images would be listed with them, and a dataset that others share would
//! no longer be the one that was published.

use std::path::{Path, PathBuf};

use super::template::Template;
use crate::config::DatasetConfig;
use crate::error::{Fault, faults};
use crate::record::Split;
use crate::store::quoted;

/// An output that would lie between the images.
#[derive(Debug, thiserror::Error)]
#[error(
    "{output} is in {images}, a folder of the dataset's images; write to a folder elsewhere, for \
     example {}",
    quoted(output.file_name().map_or(Path::new("output"), Path::new))
)]
pub struct InsideImages {
    /// The output.
    pub output: PathBuf,
    /// The folder of images that it would be in.
    pub images: PathBuf,
}
faults!(InsideImages);

/// Refuses an `output` inside a folder of the dataset's images, whatever links lead there.
///
/// # Errors
/// [`InsideImages`]; [`ConfigError`](crate::config::ConfigError) for a wrong `dataset.path`.
pub fn refuse_inside(output: &Path, dataset: &DatasetConfig) -> Result<(), Fault> {
    let template = Template::parse(&dataset.path)?;
    for split in [Split::Train, Split::Test] {
        let images = dataset.input.join(template.folder(split));
        if images.is_dir() && real(output).starts_with(real(&images)) {
            return Err(InsideImages { output: output.into(), images }.into());
        }
    }
    Ok(())
}

/// The path without links, as far as it exists.
pub(crate) fn real(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.into());
    let known = path.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)));
    match known {
        Some((above, real)) => real.join(path.strip_prefix(above).unwrap_or(Path::new(""))),
        None => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn an_output_between_the_images_is_refused_and_one_beside_the_tables_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let input = folder.path().join("rsna");
        std::fs::create_dir_all(input.join("train_images/1")).unwrap();
        let dataset = DatasetConfig { input: input.clone(), ..Config::default().dataset };
        let refused = |output: &Path| refuse_inside(output, &dataset).is_err();
        assert!(refused(&input.join("train_images")));
        assert!(refused(&input.join("train_images/release")));
        assert!(refused(&input.join("train_images/1/2/3")));
        assert!(!refused(&input.join("release")));
        assert!(!refused(&input.join("train_images_small")));
        assert!(!refused(&folder.path().join("release")));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_the_images_is_seen_through() {
        let folder = tempfile::tempdir().unwrap();
        let input = folder.path().join("rsna");
        std::fs::create_dir_all(input.join("train_images")).unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(input.join("train_images"), &link).unwrap();
        let dataset = DatasetConfig { input, ..Config::default().dataset };
        let fault = refuse_inside(&link.join("release"), &dataset).unwrap_err();
        assert!(fault.cause::<InsideImages>().is_some(), "{fault}");
    }
}
