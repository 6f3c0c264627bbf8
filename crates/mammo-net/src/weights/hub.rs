//! Downloads weights from the Hugging Face hub into its usual cache.

#[cfg(feature = "hub")]
mod client;

use std::path::PathBuf;

use super::WeightsError;

/// A hub, and the folder for what was downloaded from it.
#[derive(Debug, Clone)]
pub struct Hub {
    /// The address, such as `https://huggingface.co`.
    pub endpoint: String,
    /// The folder, such as `~/.cache/huggingface/hub`.
    pub cache: PathBuf,
}

impl Hub {
    /// As the hub's other clients do, by the environment variables `HF_ENDPOINT` and `HF_HOME`.
    pub fn from_env() -> Self {
        let endpoint = std::env::var("HF_ENDPOINT").ok().filter(|endpoint| !endpoint.is_empty());
        Self {
            endpoint: endpoint.unwrap_or_else(|| "https://huggingface.co".into()),
            cache: client::usual_cache(),
        }
    }

    /// The file with the weights of `owner/name`, or of `owner/name@revision`. If it is in the cache,
    /// no network is used.
    ///
    /// # Errors
    /// [`WeightsError::OtherPadding`] for weights that cannot fit, [`WeightsError::Hub`] if the
    /// download fails or the crate was built without the feature `hub`. The message says which file
    /// to download by hand.
    pub fn fetch(&self, repository: &str) -> Result<PathBuf, WeightsError> {
        let (name, revision) = repository.split_once('@').unwrap_or((repository, "main"));
        if name.rsplit('/').next().is_some_and(|name| name.starts_with("tf_")) {
            return Err(WeightsError::OtherPadding(repository.into()));
        }
        client::fetch(self, name, revision).map_err(|reason| WeightsError::Hub {
            repository: name.into(),
            endpoint: self.endpoint.clone(),
            reason,
        })
    }
}

#[cfg(not(feature = "hub"))]
mod client {
    use std::path::PathBuf;

    use super::Hub;

    pub fn usual_cache() -> PathBuf {
        PathBuf::new()
    }

    pub fn fetch(_: &Hub, _: &str, _: &str) -> Result<PathBuf, String> {
        Err("this program was built without the feature `hub` of mammo-net".into())
    }
}
