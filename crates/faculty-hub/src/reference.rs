//! How a user names a model: a local directory, or `owner/name[@revision]` on the Hugging Face Hub.

use crate::cache::{self, Cached};
use crate::environment::Environment;
use faculty_core::{Error, Observer, Result, Silent};
use std::fmt;
use std::path::{Path, PathBuf};

/// The revision used when a reference names none.
const MAIN: &str = "main";

/// A parsed model reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelRef {
    /// An existing local directory.
    Local(PathBuf),
    /// A repository of the Hugging Face Hub.
    Hub(HubId),
}

/// A model repository of the Hugging Face Hub at a revision. Its parts are checked: they are safe as path components.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubId {
    owner: String,
    name: String,
    revision: String,
}

impl ModelRef {
    /// Parses a reference. An existing local directory wins; otherwise it must read `owner/name` or
    /// `owner/name@revision`, where the revision is a branch, a tag or a commit.
    ///
    /// # Errors
    /// Fails if the text is a file, names no existing directory though it looks like a path, or is no valid id.
    pub fn parse(text: &str) -> Result<Self> {
        if text.is_empty() {
            return Err(Error::input("the model reference is empty").expected("a directory or owner/name[@revision]"));
        }
        let path = Path::new(text);
        if path.is_dir() {
            return Ok(Self::Local(path.to_path_buf()));
        }
        if path.exists() {
            return Err(Error::input("is a file").file(path).expected("a model directory, or owner/name[@revision]"));
        }
        let (id, revision) = text.split_once('@').unwrap_or((text, MAIN));
        if looks_like_path(id) {
            return Err(Error::input("no such directory").file(path).expected("a model directory"));
        }
        match id.split_once('/') {
            Some((owner, name)) => Ok(Self::Hub(HubId::new(owner, name, revision)?)),
            None => Err(Error::input("no such directory")
                .file(path)
                .expected("a model directory, or owner/name[@revision] on the Hugging Face Hub")
                .help(
                    "models with one-word names moved to an owner: bert-base-uncased is google-bert/bert-base-uncased",
                )),
        }
    }
}

/// True for what only a path can be: `./x`, `/x`, `~/x`, `a/b/c`, `a\b`, or a name in a directory that exists.
fn looks_like_path(text: &str) -> bool {
    let parent_exists =
        Path::new(text).parent().is_some_and(|parent| !parent.as_os_str().is_empty() && parent.is_dir());
    text.starts_with(['.', '/', '~'])
        || text.contains('\\')
        || text.matches('/').count() > 1
        || text.ends_with('/')
        || parent_exists
}

impl fmt::Display for ModelRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(path) => write!(f, "{}", path.display()),
            Self::Hub(id) => id.fmt(f),
        }
    }
}

impl HubId {
    /// An id from its parts.
    ///
    /// # Errors
    /// Fails if a part holds characters that the Hub does not allow, or could leave the cache directory (`..`).
    pub fn new(owner: &str, name: &str, revision: &str) -> Result<Self> {
        for part in [owner, name] {
            let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            let valid = (1..=96).contains(&part.len())
                && part.chars().all(allowed)
                && !part.starts_with(['-', '.'])
                && !part.ends_with(['-', '.'])
                && !part.contains("..")
                && !part.contains("--");
            if !valid {
                return Err(Error::input(format!("`{owner}/{name}` is neither a directory nor a Hugging Face id"))
                    .expected("owner/name of letters, digits, `-`, `_` and `.`"));
            }
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | '+');
        let valid = (1..=200).contains(&revision.len())
            && revision.chars().all(allowed)
            && revision.split('/').all(|part| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock"))
            && !revision.contains("..");
        if !valid {
            return Err(Error::input(format!("`{revision}` is no revision")).expected("a branch, a tag or a commit"));
        }
        Ok(Self { owner: owner.to_owned(), name: name.to_owned(), revision: revision.to_owned() })
    }

    /// `owner/name`.
    pub fn repository(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }

    /// The branch, tag or commit.
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// The folder of the repository in the cache of the Hub.
    pub(crate) fn folder(&self) -> String {
        format!("models--{}--{}", self.owner, self.name)
    }
}

impl fmt::Display for HubId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)?;
        if self.revision == MAIN { Ok(()) } else { write!(f, "@{}", self.revision) }
    }
}

/// [`resolve_with`] in the environment of this process, without progress.
///
/// # Errors
/// As [`resolve_with`].
pub fn resolve(reference: &ModelRef) -> Result<PathBuf> {
    resolve_with(reference, &Environment::from_process(), &Silent)
}

/// The directory a reference stands for: a local one as it is, a Hub id from the Hugging Face cache, and if it is not
/// there and the feature `hub` is on, by a download into that cache.
///
/// What the cache holds is used without asking the network whether a branch has moved, so that a run can be repeated.
///
/// # Errors
/// Fails if the model is not in the cache and must not or cannot be downloaded; the message says where it was looked for.
pub fn resolve_with(reference: &ModelRef, environment: &Environment, observer: &dyn Observer) -> Result<PathBuf> {
    let id = match reference {
        ModelRef::Local(path) => return Ok(path.clone()),
        ModelRef::Hub(id) => id,
    };
    let cache_dir = environment.hub_cache()?;
    let (looked, what) = match cache::find(&cache_dir, id)? {
        Cached::Complete(snapshot) => return Ok(snapshot),
        Cached::Incomplete { snapshot, missing } => (snapshot, format!("the cached copy of `{id}` lacks {missing}")),
        Cached::Absent => {
            (cache_dir.join(id.folder()), format!("`{id}` is neither a local directory nor in the Hugging Face cache"))
        }
    };
    let absent = Error::input(what);
    if environment.hf_hub_offline {
        return Err(absent.help(format!(
            "looked in {}; HF_HUB_OFFLINE is set, so the network was not asked: pass a local directory, or unset it",
            looked.display()
        )));
    }
    fetch(id, environment, observer, absent, &looked)
}

/// The last part of a directory or file, any other reference as it is: what a result or a card may say without telling the layout of a
/// disk.
pub fn public_name(reference: &str) -> String {
    let path = Path::new(reference);
    let real = match (path.is_dir(), path.is_file()) {
        // A directory may be named by `.` or `..`.
        (true, _) => path.canonicalize().unwrap_or_else(|_| path.to_path_buf()),
        (_, true) => path.to_path_buf(),
        _ => return reference.to_owned(),
    };
    real.file_name().map_or_else(|| reference.to_owned(), |name| name.to_string_lossy().into_owned())
}

#[cfg(feature = "hub")]
fn fetch(id: &HubId, environment: &Environment, observer: &dyn Observer, _: Error, _: &Path) -> Result<PathBuf> {
    crate::download::download(id, environment, observer)
}

#[cfg(not(feature = "hub"))]
fn fetch(_: &HubId, _: &Environment, _: &dyn Observer, absent: Error, looked: &Path) -> Result<PathBuf> {
    Err(absent.help(format!(
        "looked in {}; pass a local directory, or build with `--features hub` to download it",
        looked.display()
    )))
}
