//! Files of data sets on the Hugging Face Hub: one file at one commit, from the cache or by a download into it.

use crate::cache;
use crate::environment::Environment;
use crate::reference::HubId;
use faculty_core::{Error, Observer, Result};
use std::fmt;
use std::path::{Path, PathBuf};

/// A data set repository of the Hugging Face Hub at a commit. A branch is refused: it may hold other rows tomorrow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatasetId(HubId);

impl DatasetId {
    /// The data set `owner/name` at a commit.
    ///
    /// # Errors
    /// Fails if `repository` is no `owner/name`, or `commit` no commit in full.
    pub fn parse(repository: &str, commit: &str) -> Result<Self> {
        let Some((owner, name)) = repository.split_once('/') else {
            return Err(Error::input(format!("`{repository}` is no data set of the Hub")).expected("owner/name"));
        };
        if !cache::is_commit(commit) {
            return Err(Error::input(format!("`{commit}` is no commit"))
                .expected("40 hexadecimal digits: a branch or a tag may move"));
        }
        Ok(Self(HubId::new(owner, name, commit)?))
    }

    /// `owner/name`.
    pub fn repository(&self) -> String {
        self.0.repository()
    }

    /// The commit.
    pub fn commit(&self) -> &str {
        self.0.revision()
    }

    /// What messages and the client call it.
    #[cfg(feature = "hub")]
    pub(crate) const fn hub_id(&self) -> &HubId {
        &self.0
    }

    /// Where the cache holds the files of the commit.
    fn snapshot(&self, cache_dir: &Path) -> PathBuf {
        let folder = format!("datasets--{}", self.repository().replace('/', "--"));
        cache_dir.join(folder).join("snapshots").join(self.commit())
    }
}

impl fmt::Display for DatasetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Checks that `file` names a file inside a repository: relative, without a step upwards.
///
/// # Errors
/// Fails otherwise.
pub fn check_file_in_repository(file: &str) -> Result<()> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | '+' | '=');
    let plain = !file.is_empty()
        && file.len() <= 400
        && file.chars().all(allowed)
        && file.split('/').all(|part| !part.is_empty() && !part.starts_with('.') && !part.ends_with('.'));
    if plain {
        return Ok(());
    }
    Err(Error::input(format!("`{file}` is no file of a repository"))
        .expected("a relative path such as data/train.parquet"))
}

/// The file of a data set: from the Hugging Face cache, and if it is not there and the feature `hub` is on, by a download
/// into that cache. The commit is fixed, so what the cache holds needs no question to the network.
///
/// # Errors
/// Fails if the path could leave the repository, or the file is not in the cache and must not or cannot be downloaded.
pub fn resolve_dataset_file(
    id: &DatasetId,
    file: &str,
    environment: &Environment,
    observer: &dyn Observer,
) -> Result<PathBuf> {
    check_file_in_repository(file)?;
    let cache_dir = environment.hub_cache()?;
    let cached = id.snapshot(&cache_dir).join(file);
    if cached.is_file() {
        return Ok(cached);
    }
    let absent = Error::input(format!("the data set `{id}` is not in the Hugging Face cache")).file(&cached);
    if environment.hf_hub_offline {
        return Err(absent.help("HF_HUB_OFFLINE is set, so the network was not asked: unset it, or put the file there"));
    }
    fetch(id, file, environment, observer, absent)
}

#[cfg(feature = "hub")]
fn fetch(id: &DatasetId, file: &str, environment: &Environment, observer: &dyn Observer, _: Error) -> Result<PathBuf> {
    crate::download::download_dataset_file(id, file, environment, observer)
}

#[cfg(not(feature = "hub"))]
fn fetch(_: &DatasetId, _: &str, _: &Environment, _: &dyn Observer, absent: Error) -> Result<PathBuf> {
    Err(absent.help("build with `--features hub` to download it, or put the file there"))
}
