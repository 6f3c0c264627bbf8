//! Where a network's numbers come from: drawn at random, or read from a file or the hub.
//!
//! In: a [`Source`], as typed after `--init`. Out: a backbone with its weights, and a [`Report`]
//! of what the file had besides. timm's and torchvision's names are known; weights of three
//! channels are summed for a network of one. A network is never left half random: what does not
//! fit is an error that lists everything.

mod file;
mod fit;
mod hub;
mod names;
mod random;

use std::path::PathBuf;

use super::{Backbone, Buffer, ModelError};

pub use fit::{Misfit, Naming, Report};
pub use hub::Hub;
pub use random::randomise;

/// Weights as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A `.safetensors` file, or a `.pth`, `.pt` or `.bin` of PyTorch.
    File(PathBuf),
    /// A repository of the Hugging Face hub, such as `timm/efficientnet_b4.ra2_in1k`.
    Hub(String),
}

impl Source {
    /// A path where there is such a file or the text ends like one, otherwise `owner/name`.
    ///
    /// # Errors
    /// [`WeightsError::NoSource`] if it is neither.
    pub fn parse(text: &str) -> Result<Self, WeightsError> {
        let path = PathBuf::from(text);
        let extension = path.extension().and_then(|extension| extension.to_str());
        let is_weights = extension.is_some_and(|extension| file::EXTENSIONS.contains(&extension));
        if is_weights || path.exists() {
            return Ok(Self::File(path));
        }
        let parts: Vec<&str> = text.split('/').collect();
        let named = |part: &&str| !part.is_empty() && !part.starts_with('.');
        if parts.len() == 2 && parts.iter().all(named) {
            return Ok(Self::Hub(text.into()));
        }
        Err(WeightsError::NoSource(text.into()))
    }
}

/// Gives the weights of a source to a backbone.
///
/// # Errors
/// [`WeightsError`] (as [`ModelError::Weights`]) if they cannot be had, read, or do not fit.
pub fn load_into(backbone: &mut dyn Backbone, source: &Source) -> Result<Report, ModelError> {
    load_from(backbone, source, &Hub::from_env())
}

/// The same with a hub of its own, for tests and mirrors.
///
/// # Errors
/// As [`load_into`].
pub fn load_from(
    backbone: &mut dyn Backbone,
    source: &Source,
    hub: &Hub,
) -> Result<Report, ModelError> {
    let path = match source {
        Source::File(path) => path.clone(),
        Source::Hub(repository) => hub.fetch(repository)?,
    };
    let fitted = fit::fit(backbone.layout(), file::read(&path)?);
    if !fitted.report.fits() {
        let report = Box::new(fitted.report);
        return Err(WeightsError::DoNotFit { path, report }.into());
    }
    backbone.write(Buffer::Parameters, &fitted.parameters)?;
    backbone.write(Buffer::Statistics, &fitted.statistics)?;
    Ok(fitted.report)
}

/// Why weights cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// Neither a file nor a repository.
    #[error(
        "{0} is no file, and no repository of the hub either (such as \
         timm/efficientnet_b4.ra2_in1k)"
    )]
    NoSource(String),
    /// The file cannot be read as weights.
    #[error("{path}: {reason}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Not the network's.
    #[error("{path} does not fit the network: {report}")]
    DoNotFit {
        /// The file.
        path: PathBuf,
        /// What is missing or of another shape.
        report: Box<Report>,
    },
    /// Another kind of network under the same names.
    #[error(
        "{0} holds weights made with TensorFlow's padding, which this network does not have: \
         take those without tf_ in their name"
    )]
    OtherPadding(String),
    /// The hub did not give the file.
    #[error(
        "{repository} cannot be had from {endpoint}: {reason}. On a machine with a network, \
         download {endpoint}/{repository}/resolve/main/model.safetensors, and give that file \
         instead: --init model.safetensors"
    )]
    Hub {
        /// What was asked for.
        repository: String,
        /// Whom.
        endpoint: String,
        /// What it said.
        reason: String,
    },
}
