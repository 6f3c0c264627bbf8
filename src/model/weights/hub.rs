//! Weights from the Hugging Face hub, kept in its usual cache.

use std::path::PathBuf;

use hf_hub::api::sync::ApiBuilder;
use hf_hub::{Cache, Repo, RepoType};

use super::WeightsError;

/// What timm's repositories call their weights; the second is PyTorch's own format.
const FILES: [&str; 2] = ["model.safetensors", "pytorch_model.bin"];

/// A hub and the folder that keeps what came from it.
#[derive(Debug, Clone)]
pub struct Hub {
    /// Such as `https://huggingface.co`.
    pub endpoint: String,
    /// Such as `~/.cache/huggingface/hub`.
    pub cache: PathBuf,
}

impl Hub {
    /// As the hub's other clients: `HF_ENDPOINT` and `HF_HOME`.
    pub fn from_env() -> Self {
        let endpoint = std::env::var("HF_ENDPOINT").ok().filter(|endpoint| !endpoint.is_empty());
        Self {
            endpoint: endpoint.unwrap_or_else(|| "https://huggingface.co".into()),
            cache: Cache::from_env().path().clone(),
        }
    }

    /// The file with the weights of `owner/name`, or of `owner/name@revision`; from the cache
    /// where it is there, without any network.
    ///
    /// # Errors
    /// [`WeightsError::OtherPadding`]; [`WeightsError::Hub`], which says which file to get
    /// otherwise.
    pub fn fetch(&self, repository: &str) -> Result<PathBuf, WeightsError> {
        let (name, revision) = repository.split_once('@').unwrap_or((repository, "main"));
        if name.rsplit('/').next().is_some_and(|name| name.starts_with("tf_")) {
            return Err(WeightsError::OtherPadding(repository.into()));
        }
        let repo = || Repo::with_revision(name.into(), RepoType::Model, revision.into());
        let cached = Cache::new(self.cache.clone()).repo(repo());
        if let Some(path) = FILES.iter().find_map(|file| cached.get(file)) {
            return Ok(path);
        }
        let failed = |reason: String| WeightsError::Hub {
            repository: name.into(),
            endpoint: self.endpoint.clone(),
            reason,
        };
        let api = ApiBuilder::from_cache(Cache::new(self.cache.clone()))
            .with_endpoint(self.endpoint.clone())
            .with_progress(false)
            .with_retries(2)
            .build()
            .map_err(|error| failed(error.to_string()))?;
        let remote = api.repo(repo());
        let mut reason = String::new();
        for file in FILES {
            match remote.download(file) {
                Ok(path) => return Ok(path),
                Err(error) if reason.is_empty() => reason = error.to_string(),
                Err(_) => {}
            }
        }
        Err(failed(reason))
    }
}
