//! Downloads a model, or a file of a data set, into the Hugging Face cache (feature `hub`).

use crate::cache::{self, Cached};
use crate::dataset::DatasetId;
use crate::environment::Environment;
use crate::reference::HubId;
use crate::weights::{INDEX, Index, SINGLE};
use faculty_core::{Error, ErrorKind, Event, Observer, Result, hash_file, write_atomically};
use hf_hub::api::Progress;
use hf_hub::api::sync::{Api, ApiBuilder, ApiError, ApiRepo};
use hf_hub::{Cache, Repo, RepoType};
use std::path::{Path, PathBuf};

const ENDPOINT: &str = "https://huggingface.co";

/// Files fetched where the repository has them, besides the weights.
const SMALL_FILES: [&str; 9] = [
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "LICENSE",
];

/// Downloads configuration, tokenizer and safetensors of `id`, all of one commit, and returns the snapshot directory.
///
/// The revision becomes known to the cache only when every file is there, so that a broken download is never used.
pub(crate) fn download(id: &HubId, environment: &Environment, observer: &dyn Observer) -> Result<PathBuf> {
    let (api, endpoint, cache_dir) = connect(id, environment)?;
    let repo = |revision: &str| api.repo(Repo::with_revision(id.repository(), RepoType::Model, revision.to_owned()));
    let info = repo(id.revision()).info().map_err(|e| explain(e, id, &endpoint))?;
    if !cache::is_commit(&info.sha) {
        return Err(Error::input(format!("{endpoint} names {:?} as the commit of `{id}`", info.sha))
            .expected("40 hexadecimal digits"));
    }
    let offered: Vec<&str> = info.siblings.iter().map(|sibling| sibling.rfilename.as_str()).collect();
    let source = Source { repo: repo(&info.sha), id, endpoint: &endpoint, observer };
    if !offered.contains(&"config.json") {
        return Err(Error::input(format!("`{id}` has no config.json")).help("is it a transformers model?"));
    }
    for name in SMALL_FILES.into_iter().filter(|name| offered.contains(name)) {
        source.fetch(name)?;
    }
    if offered.contains(&SINGLE) {
        source.fetch(SINGLE)?;
    } else if offered.contains(&INDEX) {
        let index = Index::read(&source.fetch(INDEX)?)?;
        for shard in index.shards() {
            source.fetch(shard)?;
        }
    } else {
        return Err(Error::input(format!("`{id}` has no safetensors weights"))
            .expected(format!("{SINGLE} or {INDEX}"))
            .help("pickle is refused; look for a revision with safetensors (often `@refs/pr/1`), or convert it"));
    }
    let repository = cache_dir.join(id.folder());
    if !cache::is_commit(id.revision()) {
        write_atomically(&repository.join("refs").join(id.revision()), info.sha.as_bytes())?;
    }
    match cache::find(&cache_dir, id)? {
        Cached::Complete(snapshot) => Ok(snapshot),
        Cached::Incomplete { missing, .. } => Err(Error::input(format!("the download of `{id}` lacks {missing}"))),
        Cached::Absent => Err(Error::internal(format!("the download of `{id}` is not in its cache"))),
    }
}

/// Downloads one file of a data set at its commit.
pub(crate) fn download_dataset_file(
    id: &DatasetId,
    file: &str,
    environment: &Environment,
    observer: &dyn Observer,
) -> Result<PathBuf> {
    let hub_id = id.hub_id();
    let (api, endpoint, _) = connect(hub_id, environment)?;
    let repo = api.repo(Repo::with_revision(id.repository(), RepoType::Dataset, id.commit().to_owned()));
    Source { repo, id: hub_id, endpoint: &endpoint, observer }.fetch(file)
}

/// The client, the endpoint it asks, and the cache it fills.
fn connect(id: &HubId, environment: &Environment) -> Result<(Api, String, PathBuf)> {
    let cache_dir = std::path::absolute(environment.hub_cache()?).map_err(|e| Error::io("find", "the cache", e))?;
    let endpoint = environment.hf_endpoint.clone().unwrap_or_else(|| ENDPOINT.to_owned());
    let api = ApiBuilder::from_cache(Cache::new(cache_dir.clone()))
        .with_progress(false)
        .with_retries(2)
        .with_endpoint(endpoint.trim_end_matches('/').to_owned())
        .with_token(environment.token())
        .build()
        .map_err(|e| explain(e, id, &endpoint))?;
    Ok((api, endpoint, cache_dir))
}

struct Source<'a> {
    repo: ApiRepo,
    id: &'a HubId,
    endpoint: &'a str,
    observer: &'a dyn Observer,
}

impl Source<'_> {
    /// Fetches one file unless it is in the cache, and checks its content where the Hub says what it should be.
    fn fetch(&self, name: &str) -> Result<PathBuf> {
        self.observer.check()?;
        let stage = format!("download {}: {name}", self.id);
        let mut started = false;
        let report = Report { stage: &stage, observer: self.observer, started: &mut started };
        tracing::debug!(model = %self.id, file = name, "downloading");
        let path = self
            .repo
            .download_with_progress(name, report)
            .map_err(|e| explain(e, self.id, self.endpoint).file(name))?;
        if started {
            self.observer.on(Event::End { summary: "" });
        }
        check_content(&path)?;
        Ok(path)
    }
}

/// Large files are stored under the SHA-256 of their content: what came must have it.
fn check_content(path: &Path) -> Result<()> {
    let blob = path.canonicalize().map_err(|e| Error::io("open", path, e))?;
    let Some(promised) = blob.file_name().and_then(|name| name.to_str()).filter(|name| name.len() == 64) else {
        return Ok(());
    };
    let found = hash_file(&blob)?;
    if found == promised {
        return Ok(());
    }
    // Left in place it would be taken for good next time.
    std::fs::remove_file(&blob).map_err(|e| Error::io("delete", &blob, e))?;
    std::fs::remove_file(path)
        .or_else(|e| if path.exists() { Err(e) } else { Ok(()) })
        .map_err(|e| Error::io("delete", path, e))?;
    Err(Error::input(format!("has SHA-256 {found}, the Hub promised {promised}"))
        .file(path)
        .help("the download was damaged and has been deleted: try again"))
}

/// Progress of a download as events.
struct Report<'a> {
    stage: &'a str,
    observer: &'a dyn Observer,
    started: &'a mut bool,
}

impl Progress for Report<'_> {
    fn init(&mut self, size: usize, _: &str) {
        // The client announces a file again for every attempt.
        if !*self.started {
            *self.started = true;
            self.observer.on(Event::Start { stage: self.stage, total: size as u64, unit: "bytes" });
        }
    }

    fn update(&mut self, size: usize) {
        self.observer.on(Event::Advance { units: size as u64, note: "" });
    }

    fn finish(&mut self) {}
}

fn explain(error: ApiError, id: &HubId, endpoint: &str) -> Error {
    let message = error.to_string();
    let status = match error {
        ApiError::RequestError(request) => (*request).into_response().map(|response| response.status()),
        ApiError::LockAcquisition(path) => {
            return Error::new(ErrorKind::Io, format!("another program is downloading `{id}`"))
                .file(path)
                .help("wait for it, then try again");
        }
        _ => None,
    };
    let failed = Error::new(ErrorKind::Io, format!("cannot download `{id}` from {endpoint}: {message}"));
    match status {
        Some(401 | 403) => failed
            .help("it is private, gated or does not exist: set HF_TOKEN to a token with access, and accept its terms"),
        Some(404) => failed.help("check the name and the revision"),
        _ => failed.help("check the network, HF_ENDPOINT and the proxy settings; or pass a local directory or file"),
    }
}
