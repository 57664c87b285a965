//! Opening files that a stranger named.

use faculty_core::{Error, Result};
use std::fs::File;
use std::path::Path;

/// Opens a regular file for reading; also returns its size in bytes. `expected` names what it should be ("a GGUF file").
pub(crate) fn open(path: &Path, expected: &str) -> Result<(File, u64)> {
    // Asked before opening: opening a named pipe would wait for its writer.
    let about = std::fs::metadata(path).map_err(|error| Error::io("open", path, error))?;
    if !about.is_file() {
        let what = if about.is_dir() { "is a directory" } else { "is no regular file" };
        return Err(Error::input(what).file(path).expected(expected));
    }
    let file = File::open(path).map_err(|error| Error::io("open", path, error))?;
    Ok((file, about.len()))
}
