//! Builds weight files byte by byte, good and bad ones.

use faculty_core::{Error, Result};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// A tensor as raw bytes: name, dtype, shape, data.
pub struct Raw(pub &'static str, pub &'static str, pub Vec<usize>, pub Vec<u8>);

/// Little-endian bytes of f32 values.
pub fn le(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// A safetensors file with correct offsets.
pub fn safetensors(tensors: &[Raw]) -> Vec<u8> {
    let mut header = serde_json::Map::new();
    let mut data = Vec::new();
    for Raw(name, dtype, shape, bytes) in tensors {
        let offsets = [data.len(), data.len() + bytes.len()];
        header.insert((*name).to_owned(), json!({"dtype": dtype, "shape": shape, "data_offsets": offsets}));
        data.extend_from_slice(bytes);
    }
    with_header(&Value::Object(header).to_string(), &data)
}

/// A safetensors file with any header text.
pub fn with_header(header: &str, data: &[u8]) -> Vec<u8> {
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(header.as_bytes());
    file.extend_from_slice(data);
    file
}

/// A small file with three tensors.
pub fn small() -> Vec<u8> {
    safetensors(&[
        Raw("a.weight", "F32", vec![2, 3], le(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0])),
        Raw("a.bias", "F32", vec![3], le(&[-1.0, 0.5, 0.25])),
        Raw("position_ids", "I64", vec![1, 2], vec![0; 16]),
    ])
}

/// A directory with the given files.
pub fn directory(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), files);
    dir
}

/// Adds files to a directory, with the directories above them.
pub fn put(dir: &Path, files: &[(&str, &[u8])]) -> PathBuf {
    for (name, bytes) in files {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    dir.to_path_buf()
}

/// Asserts that a result is an error of the user (exit code 2) whose text holds every phrase; returns the error.
#[track_caller]
pub fn refused<T>(result: Result<T>, phrases: &[&str]) -> Error {
    let error = result.err().expect("an error");
    assert_eq!(error.exit_code(), 2, "{error}");
    let text = error.to_string();
    for phrase in phrases {
        assert!(text.contains(phrase), "{phrase:?} is not in: {text}");
    }
    error
}
