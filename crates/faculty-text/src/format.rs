//! Which format and which compression a data file has, told from its name.

use faculty_core::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The format of a data file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One JSON object a line (`.jsonl`, `.ndjson`).
    Jsonl,
    /// Comma-separated values with a header row (`.csv`).
    Csv,
    /// Tab-separated values with a header row (`.tsv`).
    Tsv,
    /// One text a line (`.txt`).
    Lines,
    /// Parquet (`.parquet`); read by builds with the feature `parquet`.
    Parquet,
}

/// The compression around a data file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Plain bytes.
    None,
    /// gzip (`.gz`), also of several members.
    Gzip,
    /// Zstandard (`.zst`), also of several frames.
    Zstd,
}

const KNOWN: &str = ".jsonl, .ndjson, .csv, .tsv or .txt, each also with .gz or .zst behind it; or .parquet";

impl Format {
    /// Format and compression from the file name: `queries.csv.gz` is CSV in gzip. Case does not matter.
    ///
    /// # Errors
    /// Fails if the extension is not known.
    pub fn of_path(path: &Path) -> Result<(Self, Compression)> {
        let compression = Compression::of_path(path);
        let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
        let stem = match compression {
            Compression::None => name.as_str(),
            Compression::Gzip => name.trim_end_matches(".gz"),
            Compression::Zstd => name.trim_end_matches(".zst"),
        };
        let format = match stem.rsplit_once('.').map(|(_, extension)| extension) {
            Some("jsonl" | "ndjson") => Self::Jsonl,
            Some("csv") => Self::Csv,
            Some("tsv") => Self::Tsv,
            Some("txt") => Self::Lines,
            Some("parquet") if compression == Compression::None => Self::Parquet,
            Some("json") => {
                return Err(Error::input("one JSON document is not read; write one JSON object a line")
                    .file(path)
                    .expected(KNOWN)
                    .help("if the file already holds one object a line, rename it to .jsonl or name the format"));
            }
            _ => {
                return Err(Error::input("the file name does not tell the format")
                    .file(path)
                    .expected(KNOWN)
                    .help("rename the file, or name the format"));
            }
        };
        Ok((format, compression))
    }
}

impl Compression {
    /// The compression from the last extension.
    pub fn of_path(path: &Path) -> Self {
        match path.extension().map(|extension| extension.to_string_lossy().to_lowercase()).as_deref() {
            Some("gz") => Self::Gzip,
            Some("zst") => Self::Zstd,
            _ => Self::None,
        }
    }
}
