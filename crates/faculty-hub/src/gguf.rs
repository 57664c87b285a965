//! GGUF files (llama.cpp): metadata, tokenizer and quantised tensors in one file.
//!
//! Format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>, versions 2 and 3, little endian. Counts and lengths are
//! checked against the size of the file before memory is reserved for them.

mod blocks;
mod layout;
mod reader;
mod value;

pub use blocks::GgmlType;
pub use value::GgufValue;

use crate::{regular, tensor_errors};
use faculty_core::{Error, NamedTensors, Result, nearest};
use layout::Layout;
use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Bytes that are read and dequantised at a time, rounded to whole blocks.
const CHUNK: usize = 1 << 18;

/// An open GGUF file. Opening reads metadata and the list of tensors; [`NamedTensors::read`] dequantises one tensor.
#[derive(Debug)]
pub struct GgufFile {
    path: PathBuf,
    file: Mutex<File>,
    metadata: HashMap<String, GgufValue>,
    tensors: Vec<GgufTensor>,
    places: HashMap<String, usize>,
}

/// A tensor of a GGUF file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GgufTensor {
    /// Its name, for example `blk.0.attn_q.weight`.
    pub name: String,
    /// Row-major, as everywhere in Faculty: the last length is that of a row. (GGUF itself lists it first.)
    pub shape: Vec<usize>,
    /// How its values are stored.
    pub kind: GgmlType,
    /// First byte, counted from the start of the file.
    start: u64,
    /// Number of bytes.
    bytes: u64,
}

impl GgufFile {
    /// # Errors
    /// Fails if the file is missing, truncated, hostile, of another format, version or byte order, or holds a tensor in a
    /// quantisation that Faculty does not read (it is named).
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let (mut file, size) = regular::open(path, "a GGUF file")?;
        let Layout { metadata, tensors } = layout::read(&mut file, size).map_err(|error| error.file(path))?;
        let places = tensors.iter().enumerate().map(|(place, tensor)| (tensor.name.clone(), place)).collect();
        Ok(Self { path: path.to_path_buf(), file: Mutex::new(file), metadata, tensors, places })
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The tensors, in the order of the file.
    pub fn tensors(&self) -> &[GgufTensor] {
        &self.tensors
    }

    /// A value of the metadata; `None` if the file does not give it.
    pub fn value(&self, key: &str) -> Option<&GgufValue> {
        self.metadata.get(key)
    }

    /// A value of the metadata as `read` wants it, for example `file.wanted("llama.block_count", GgufValue::integer)`.
    ///
    /// # Errors
    /// Fails if the file does not give it, or gives something else.
    pub fn wanted<'a, T>(&'a self, key: &str, read: impl Fn(&'a GgufValue) -> Option<T>) -> Result<T> {
        let error = |message: String| Error::input(message).file(&self.path).key(key);
        let Some(value) = self.value(key) else {
            let error = error("the metadata lacks it".to_owned());
            return Err(match nearest(key, self.metadata.keys().map(String::as_str)) {
                Some(near) => error.help(format!("the nearest key is `{near}`")),
                None => error,
            });
        };
        read(value).ok_or_else(|| error(format!("is {value}")).expected("a value of another type"))
    }

    /// [`wanted`](Self::wanted) where the key may be absent.
    ///
    /// # Errors
    /// Fails if the file gives something else.
    pub fn optional<'a, T>(&'a self, key: &str, read: impl Fn(&'a GgufValue) -> Option<T>) -> Result<Option<T>> {
        self.value(key).map(|_| self.wanted(key, read)).transpose()
    }

    fn tensor(&self, name: &str) -> Result<&GgufTensor> {
        let names = || self.places.keys().map(String::as_str);
        let found = self.places.get(name).and_then(|&place| self.tensors.get(place));
        found.ok_or_else(|| tensor_errors::missing(&self.path, name, names()))
    }
}

impl NamedTensors for GgufFile {
    fn names(&self) -> Vec<String> {
        self.tensors.iter().map(|tensor| tensor.name.clone()).collect()
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.tensor(name).ok().map(|tensor| tensor.shape.clone())
    }

    fn read(&self, name: &str) -> Result<Vec<f32>> {
        let tensor = self.tensor(name)?;
        let error = |error| Error::io("read", &self.path, error).key(name);
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(tensor.start)).map_err(error)?;
        let block = tensor.kind.block_bytes();
        let mut buffer = vec![0; (CHUNK / block).max(1) * block];
        let mut values = Vec::with_capacity(tensor.shape.iter().product());
        let mut left = tensor.bytes;
        while left > 0 {
            let take = left.min(buffer.len() as u64) as usize;
            let Some(piece) = buffer.get_mut(..take) else { break };
            file.read_exact(piece).map_err(error)?;
            tensor.kind.dequantise(piece, &mut values);
            left -= take as u64;
        }
        tensor_errors::check_finite(&values, 0, &tensor.shape, &self.path, name)?;
        Ok(values)
    }

    fn origin(&self) -> String {
        self.path.display().to_string()
    }
}
