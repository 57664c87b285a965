//! The commit record of a checkpoint: its last file, with the hashes of all others.

use faculty_core::{Error, Result, hash_file, write_atomically};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

const COMMIT: &str = "commit.json";

/// Goes up with every change of what the files mean.
const FORMAT: u32 = 1;

/// `commit.json`.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Commit {
    format: u32,
    /// SHA-256 by file name.
    files: BTreeMap<String, String>,
}

impl Commit {
    fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut json = serde_json::to_vec_pretty(self)
            .map_err(|error| Error::internal("a commit record cannot be written").source(error))?;
        json.push(b'\n');
        Ok(json)
    }
}

/// Writes the record over the files of `dir`.
pub(super) fn write(dir: &Path, files: &[&str]) -> Result<()> {
    let hashed = files.iter().map(|&name| Ok((name.to_owned(), hash_file(&dir.join(name))?)));
    let commit = Commit { format: FORMAT, files: hashed.collect::<Result<_>>()? };
    write_atomically(&dir.join(COMMIT), &commit.to_bytes()?)
}

/// Checks that `dir` holds exactly what its record says, and that these are `files`, in the order of the alphabet.
///
/// # Errors
/// Fails if the record is missing or broken, or a file is not the one that was written.
pub(super) fn verify(dir: &Path, files: &[&str]) -> Result<()> {
    let path = dir.join(COMMIT);
    let bytes = std::fs::read(&path).map_err(|error| Error::io("read", &path, error))?;
    let commit: Commit =
        serde_json::from_slice(&bytes).map_err(|error| Error::input(format!("is broken: {error}")).file(&path))?;
    if commit.format != FORMAT || !commit.files.keys().eq(files) || commit.to_bytes()? != bytes {
        return Err(Error::input("is of another version").file(&path));
    }
    for (name, expected) in &commit.files {
        let file = dir.join(name);
        if hash_file(&file)? != *expected {
            return Err(Error::input("is not what was written").file(&file));
        }
    }
    Ok(())
}
