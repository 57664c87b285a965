//! Golden files: values computed by other programs (PyTorch, `transformers`), stored with the test kit.

use faculty_hub::WeightFiles;
use serde::de::DeserializeOwned;
use std::path::PathBuf;

/// The directory of the golden files.
pub fn golden_dir() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden")
}

/// Reads `golden/<name>` as JSON.
///
/// # Panics
/// Panics if the file is missing or of another form.
#[track_caller]
pub fn golden_json<T: DeserializeOwned>(name: &str) -> T {
    let path = golden_dir().join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Opens `golden/<name>` as safetensors.
///
/// # Panics
/// Panics if the file is missing or of another format.
#[track_caller]
pub fn golden_tensors(name: &str) -> WeightFiles {
    WeightFiles::open_file(golden_dir().join(name)).unwrap_or_else(|error| panic!("golden/{name}: {error}"))
}
