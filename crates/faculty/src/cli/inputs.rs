//! Data files on their way into a command: read, reported, recorded.

use crate::progress::Console;
use faculty_core::{Result, hash_file};
use faculty_text::{Corpus, ReadOptions, read_corpus};
use serde::Serialize;
use std::path::Path;

/// What a manifest says of a data file.
#[derive(Debug, Clone, Serialize)]
pub struct FileRecord {
    /// The file, as the user named it.
    pub file: String,
    /// SHA-256 of its bytes.
    pub sha256: String,
    /// Rows of the file.
    pub rows: usize,
    /// Usable ones.
    pub texts: usize,
    /// Broken ones, left out.
    pub broken: usize,
}

/// Reads a data file; broken rows become warnings.
///
/// # Errors
/// As [`read_corpus`].
pub fn read(path: &Path, options: &ReadOptions, console: &Console) -> Result<Corpus> {
    let corpus = read_corpus(path, options)?;
    for line in corpus.report.describe(path) {
        console.warn(&line);
    }
    Ok(corpus)
}

/// The record of a file that was read as `corpus`.
///
/// # Errors
/// Fails if the file cannot be read again.
pub fn record(corpus: &Corpus) -> Result<FileRecord> {
    Ok(FileRecord {
        file: corpus.source.display().to_string(),
        sha256: hash_file(&corpus.source)?,
        rows: corpus.report.rows,
        texts: corpus.len(),
        broken: corpus.report.broken_total,
    })
}

/// "7 of 120 texts are longer than 128 tokens and were cut" - if there are any.
pub fn note_truncated(what: &str, truncated: usize, texts: usize, console: &Console) {
    if truncated > 0 {
        console.note(&format!("{what}: {truncated} of {texts} texts are cut to the maximum length (see --max-length)"));
    }
}
