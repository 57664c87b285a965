//! The cache of the Hugging Face Hub on disk, read without network and without its client:
//! `models--owner--name/refs/<revision>` holds a commit, `models--owner--name/snapshots/<commit>/` the files.

use crate::reference::HubId;
use crate::weights::{self, INDEX, Layout, SINGLE};
use faculty_core::{Error, Result};
use std::path::{Path, PathBuf};

/// What the cache holds of a model.
pub(crate) enum Cached {
    /// Configuration and weights.
    Complete(PathBuf),
    /// Some files only.
    Incomplete {
        snapshot: PathBuf,
        missing: String,
    },
    Absent,
}

/// Looks for a model in the cache directory.
///
/// # Errors
/// Fails if a reference file holds no commit.
pub(crate) fn find(cache_dir: &Path, id: &HubId) -> Result<Cached> {
    let repository = cache_dir.join(id.folder());
    let reference = repository.join("refs").join(id.revision());
    let commit = match std::fs::read_to_string(&reference) {
        Ok(text) => {
            let commit = text.trim();
            if !is_commit(commit) {
                return Err(Error::input(format!("holds {commit:?}"))
                    .file(&reference)
                    .expected("a commit of 40 hexadecimal digits")
                    .help("the cache is damaged: delete this file"));
            }
            commit.to_owned()
        }
        Err(_) if is_commit(id.revision()) => id.revision().to_owned(),
        Err(_) => return Ok(Cached::Absent),
    };
    let snapshot = repository.join("snapshots").join(commit);
    if !snapshot.is_dir() {
        return Ok(Cached::Absent);
    }
    Ok(match missing(&snapshot) {
        None => Cached::Complete(snapshot),
        Some(missing) => Cached::Incomplete { snapshot, missing },
    })
}

/// True for 40 hexadecimal digits (git) or 64 (git with SHA-256).
pub(crate) fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The first file a snapshot lacks. A snapshot that has weights in another format counts as complete: opening it says
/// how to convert them, which helps more than "missing".
fn missing(snapshot: &Path) -> Option<String> {
    if !snapshot.join("config.json").exists() {
        return Some("config.json".to_owned());
    }
    match weights::locate(snapshot) {
        Ok(Layout::Single | Layout::Sharded(_)) => None,
        Err(error) if snapshot.join(INDEX).exists() => Some(format!("a part of its weights ({})", error.message())),
        Err(_) if snapshot.join("pytorch_model.bin").exists() => None,
        Err(_) => Some(SINGLE.to_owned()),
    }
}
