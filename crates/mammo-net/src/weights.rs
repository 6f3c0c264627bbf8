//! Random weights, and pretrained weights from a file or the Hugging Face hub.
//!
//! In: a [`Source`]. Out: a backbone with these weights, and a [`Report`] of what the file held
//! besides. The names of timm and torchvision are known. For a network of one input channel, the
//! stem's weights of three channels are summed. A network never ends half random: if the weights do
//! not fit, the error lists everything that does not, and the network stays as it was.

mod file;
mod fit;
mod hub;
mod names;
#[cfg(feature = "pytorch")]
mod pytorch;
mod random;
mod safetensors;

use std::path::PathBuf;

use crate::{Backbone, Buffer, ModelError};

pub use file::{Tensor, Tensors, read};
pub use fit::{Misfit, Naming, Report};
pub use hub::Hub;
pub use random::randomise;

/// Where pretrained weights are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A `.safetensors` file; or PyTorch's `.pth`, `.pt` or `.bin`, with the feature `pytorch`.
    File(PathBuf),
    /// A repository of the Hugging Face hub, such as `timm/efficientnet_b4.ra2_in1k`, or
    /// `owner/name@revision`; with the feature `hub`.
    Hub(String),
}

impl Source {
    /// A file, if there is one of this path or the text ends as files of weights do; otherwise
    /// `owner/name`.
    ///
    /// # Errors
    /// [`WeightsError::NoSource`] if the text is neither.
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

/// Gives the weights of a source to a backbone, from the hub that the environment names.
///
/// # Errors
/// [`ModelError::Weights`] if the weights cannot be downloaded or read, or do not fit.
pub fn load_into(backbone: &mut dyn Backbone, source: &Source) -> Result<Report, ModelError> {
    load_from(backbone, source, &Hub::from_env())
}

/// As [`load_into`], from another hub: a mirror, or a test's.
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
    /// The text is neither a file nor a repository.
    #[error(
        "{0} is neither a file nor a repository of the hub (such as timm/efficientnet_b4.ra2_in1k)"
    )]
    NoSource(String),
    /// The file cannot be read.
    #[error("{path}: {reason}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The weights are not those of the network.
    #[error("{path} does not fit the network: {report}")]
    DoNotFit {
        /// The file.
        path: PathBuf,
        /// What is missing, or has another shape.
        report: Box<Report>,
    },
    /// The weights were trained with another padding, under the same names.
    #[error(
        "{0} holds weights that were trained with TensorFlow's padding, which this network does not \
         have: take weights without tf_ in their name"
    )]
    OtherPadding(String),
    /// The hub did not give the file.
    #[error(
        "{repository} cannot be downloaded from {endpoint}: {reason}. On a machine with a network, \
         download {endpoint}/{repository}/resolve/main/model.safetensors, and start from that \
         file instead"
    )]
    Hub {
        /// The repository.
        repository: String,
        /// The address of the hub.
        endpoint: String,
        /// What it answered.
        reason: String,
    },
}
