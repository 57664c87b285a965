//! Weight files: one `model.safetensors`, or shards with an index, opened without reading a single tensor.

use crate::foreign::CONVERT_PICKLE;
use crate::json::{self, UniqueEntries};
use crate::{convert, header, regular, tensor_errors};
use faculty_core::{Error, NamedTensors, Result};
use header::Entry;
use serde::Deserialize;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

pub(crate) const SINGLE: &str = "model.safetensors";
pub(crate) const INDEX: &str = "model.safetensors.index.json";

/// Bytes read and converted at a time, so that an f16 file never needs both of its forms in memory.
const CHUNK: u64 = 1 << 18;

/// The open weights of a model directory. Opening reads headers only; [`NamedTensors::read`] reads and converts one
/// tensor (f16, bf16, f32 and f64 become f32).
///
/// Files are read rather than memory-mapped: a mapped file that another process shortens kills the program, a read one
/// is an error; and each tensor is read once, so that mapping would save nothing.
#[derive(Debug)]
pub struct WeightFiles {
    origin: PathBuf,
    files: Vec<WeightFile>,
    /// name -> (file, entry in that file)
    places: HashMap<String, (usize, usize)>,
}

#[derive(Debug)]
struct WeightFile {
    path: PathBuf,
    file: Mutex<File>,
    entries: Vec<Entry>,
}

impl WeightFiles {
    /// Opens the weights of a model directory: `model.safetensors`, or else the shards that
    /// `model.safetensors.index.json` lists.
    ///
    /// # Errors
    /// Fails if there are no safetensors weights (a directory with only a pickle is told how to convert it), a file is
    /// truncated, hostile or of another format, a shard is missing or lies outside the directory, or index and shards
    /// disagree.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self> {
        let dir = dir.as_ref();
        match locate(dir)? {
            Layout::Single => Self::collect(dir, vec![WeightFile::open(&dir.join(SINGLE))?]),
            Layout::Sharded(index) => {
                let shards = index.shards();
                let files =
                    shards.iter().map(|shard| WeightFile::open(&dir.join(shard))).collect::<Result<Vec<_>>>()?;
                let weights = Self::collect(dir, files)?;
                weights.check_against(&index)?;
                Ok(weights)
            }
        }
    }

    /// Opens one safetensors file, whatever its name.
    ///
    /// # Errors
    /// Fails if the file is missing, truncated, hostile or of another format.
    pub fn open_file(path: impl AsRef<Path>) -> Result<Self> {
        Self::collect(path.as_ref(), vec![WeightFile::open(path.as_ref())?])
    }

    fn collect(origin: &Path, files: Vec<WeightFile>) -> Result<Self> {
        let mut places = HashMap::new();
        for (file_index, file) in files.iter().enumerate() {
            for (entry_index, entry) in file.entries.iter().enumerate() {
                if let Some((first, _)) = places.insert(entry.name.clone(), (file_index, entry_index)) {
                    let first = files.get(first).map_or_else(String::new, |file| file.path.display().to_string());
                    return Err(Error::input(format!("the tensor is also in {first}"))
                        .file(&file.path)
                        .key(&entry.name)
                        .expected("each tensor in one shard"));
                }
            }
        }
        Ok(Self { origin: origin.to_path_buf(), files, places })
    }

    /// Checks that every tensor of the index is in the shard it names, and that no shard holds others.
    fn check_against(&self, index: &Index) -> Result<()> {
        let mut expected = HashSet::with_capacity(index.weight_map.0.len());
        for (tensor, shard) in &index.weight_map.0 {
            let found = self.places.get(tensor).and_then(|&(file, _)| self.files.get(file));
            let found = found.and_then(|file| file.path.file_name()).map(|name| name.to_string_lossy());
            if found.as_deref() != Some(shard.as_str()) {
                let message = match found {
                    Some(other) => format!("the index places the tensor in {shard}, but it is in {other}"),
                    None => format!("the index places the tensor in {shard}, which does not hold it"),
                };
                return Err(Error::input(message).file(&index.path).key(tensor));
            }
            expected.insert(tensor.as_str());
        }
        for file in &self.files {
            if let Some(entry) = file.entries.iter().find(|entry| !expected.contains(entry.name.as_str())) {
                return Err(Error::input("the shard holds a tensor that the index does not list")
                    .file(&file.path)
                    .key(&entry.name)
                    .expected(format!("only tensors that {} maps to this shard", index.path.display())));
            }
        }
        Ok(())
    }

    /// The weight files, in the order in which they are read.
    pub fn files(&self) -> Vec<&Path> {
        self.files.iter().map(|file| file.path.as_path()).collect()
    }

    /// The type a tensor is stored in, for example "F32", "BF16" or "I64"; `None` if there is no such tensor.
    pub fn dtype(&self, name: &str) -> Option<String> {
        self.entry(name).map(|(_, entry)| entry.dtype.to_string())
    }

    /// Number of values in all tensors, integer ones included.
    pub fn parameters(&self) -> u64 {
        self.files
            .iter()
            .flat_map(|file| &file.entries)
            .map(|entry| entry.shape.iter().map(|&length| length as u64).product::<u64>())
            .sum()
    }

    /// The raw bytes of a tensor of unsigned bytes.
    pub(crate) fn read_u8(&self, name: &str) -> Result<Vec<u8>> {
        let (file, entry) = self.entry(name).ok_or_else(|| self.missing(name))?;
        if entry.dtype != safetensors::Dtype::U8 {
            return Err(Error::input(format!("holds {} values", entry.dtype))
                .file(&file.path)
                .key(name)
                .expected("unsigned bytes (U8)"));
        }
        let mut out = Vec::with_capacity(entry.bytes as usize);
        file.for_each_chunk(entry, |bytes| {
            out.extend_from_slice(bytes);
            Ok(())
        })?;
        Ok(out)
    }

    fn entry(&self, name: &str) -> Option<(&WeightFile, &Entry)> {
        let &(file, entry) = self.places.get(name)?;
        let file = self.files.get(file)?;
        Some((file, file.entries.get(entry)?))
    }

    fn missing(&self, name: &str) -> Error {
        tensor_errors::missing(&self.origin, name, self.places.keys().map(String::as_str))
    }
}

impl NamedTensors for WeightFiles {
    fn names(&self) -> Vec<String> {
        self.files.iter().flat_map(|file| &file.entries).map(|entry| entry.name.clone()).collect()
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.entry(name).map(|(_, entry)| entry.shape.clone())
    }

    fn read(&self, name: &str) -> Result<Vec<f32>> {
        let (file, entry) = self.entry(name).ok_or_else(|| self.missing(name))?;
        let Some(width) = convert::float_width(entry.dtype) else {
            return Err(Error::input(format!("holds {} values", entry.dtype))
                .file(&file.path)
                .key(name)
                .expected("F32, F16, BF16 or F64"));
        };
        let mut values = Vec::with_capacity(entry.bytes as usize / width);
        file.for_each_chunk(entry, |bytes| {
            let done = values.len();
            convert::append(entry.dtype, bytes, &mut values);
            tensor_errors::check_finite(&values, done, &entry.shape, &file.path, name)
        })?;
        Ok(values)
    }

    fn origin(&self) -> String {
        self.origin.display().to_string()
    }
}

impl WeightFile {
    fn open(path: &Path) -> Result<Self> {
        let (mut file, _) = regular::open(path, "a safetensors file")?;
        let entries = header::read(&mut file, path)?;
        Ok(Self { path: path.to_path_buf(), file: Mutex::new(file), entries })
    }

    /// Calls `consume` with the bytes of a tensor, piece by piece; pieces end between elements.
    fn for_each_chunk(&self, entry: &Entry, mut consume: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let error = |e| Error::io("read", &self.path, e).key(&entry.name);
        file.seek(SeekFrom::Start(entry.start)).map_err(error)?;
        let mut buffer = vec![0; entry.bytes.min(CHUNK) as usize];
        let mut left = entry.bytes;
        while left > 0 {
            let take = left.min(CHUNK);
            let piece = buffer.get_mut(..take as usize).unwrap_or_default();
            file.read_exact(piece).map_err(error)?;
            consume(piece)?;
            left -= take;
        }
        Ok(())
    }
}

/// How the weights of a directory are stored.
pub(crate) enum Layout {
    Single,
    Sharded(Index),
}

/// `model.safetensors.index.json`.
pub(crate) struct Index {
    path: PathBuf,
    weight_map: UniqueEntries<String>,
}

impl Index {
    /// Reads an index and checks that every shard is a plain file name.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        #[derive(Deserialize)]
        struct File {
            weight_map: Option<UniqueEntries<String>>,
        }
        let weight_map = json::read::<File>(path)?.weight_map.ok_or_else(|| {
            Error::input("is missing").file(path).key("weight_map").expected("a map from tensor to shard file")
        })?;
        for (tensor, shard) in &weight_map.0 {
            // A shard elsewhere would let an index read, and a copy of the model carry off, any file of the user.
            let plain =
                !shard.contains(['/', '\\', ':', '\0']) && shard.ends_with(".safetensors") && !shard.starts_with('.');
            if !plain {
                return Err(Error::input(format!("the shard of `{tensor}` is {shard:?}"))
                    .file(path)
                    .key("weight_map")
                    .expected("a plain file name ending in .safetensors, in the same directory"));
            }
        }
        Ok(Self { path: path.to_path_buf(), weight_map })
    }

    /// The shard names, sorted, each once.
    pub(crate) fn shards(&self) -> Vec<&str> {
        let mut shards: Vec<&str> = self.weight_map.0.iter().map(|(_, shard)| shard.as_str()).collect();
        shards.sort_unstable();
        shards.dedup();
        shards
    }
}

/// Finds the weights of a directory. The single file wins over an index, as in `transformers`.
pub(crate) fn locate(dir: &Path) -> Result<Layout> {
    if !dir.is_dir() {
        let what = if dir.exists() { "is no directory" } else { "no such directory" };
        return Err(Error::input(what).file(dir).expected("a model directory"));
    }
    if dir.join(SINGLE).exists() {
        return Ok(Layout::Single);
    }
    let index_path = dir.join(INDEX);
    if index_path.exists() {
        let index = Index::read(&index_path)?;
        if let Some(shard) = index.shards().into_iter().find(|shard| !dir.join(shard).exists()) {
            return Err(Error::input("the shard is missing")
                .file(dir.join(shard))
                .expected(format!("every shard that {} names", index_path.display())));
        }
        return Ok(Layout::Sharded(index));
    }
    Err(no_weights(dir))
}

/// The names of the weight files of a directory, the index included, sorted.
pub(crate) fn file_names(dir: &Path) -> Result<Vec<String>> {
    Ok(match locate(dir)? {
        Layout::Single => vec![SINGLE.to_owned()],
        Layout::Sharded(index) => std::iter::once(INDEX).chain(index.shards()).map(str::to_owned).collect(),
    })
}

fn no_weights(dir: &Path) -> Error {
    let holds = |name: &str| dir.join(name).exists();
    let error = |message: &str| Error::input(message).file(dir).expected(format!("{SINGLE} or {INDEX}"));
    if holds("pytorch_model.bin") || holds("pytorch_model.bin.index.json") {
        return error("holds only pytorch_model.bin; pickle is refused").help(CONVERT_PICKLE);
    }
    if holds("adapter_model.safetensors") {
        return error("holds only an adapter (adapter_model.safetensors)")
            .help("merge the adapter into its model first: model.merge_and_unload().save_pretrained(DIR)");
    }
    for other in ["tf_model.h5", "flax_model.msgpack", "model.onnx"] {
        if holds(other) {
            return error(&format!("holds only {other}"))
                .help("export the model from PyTorch: model.save_pretrained(DIR, safe_serialization=True)");
        }
    }
    error("holds no weights")
}
