//! A model directory: `config.json`, weights, tokenizer.

use crate::WeightFiles;
use crate::json::{self, kind_of};
use crate::weights;
use faculty_core::{Error, LabelSpace, Result, hash_bytes, hash_file};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

/// More classes than any classifier has; a `num_labels` beyond it is a damaged file.
const MAX_LABELS: u64 = 1 << 20;

/// An opened model directory. The configuration is parsed, the weights are not touched yet.
#[derive(Debug, Clone)]
pub struct ModelDir {
    /// The directory.
    pub path: PathBuf,
    /// The parsed `config.json`.
    pub config: Map<String, Value>,
    /// The parsed `tokenizer_config.json`, if there is one.
    pub tokenizer_config: Option<Map<String, Value>>,
}

impl ModelDir {
    /// Opens a directory and parses its JSON files.
    ///
    /// # Errors
    /// Fails if the directory or its `config.json` is missing, or a file is not a JSON object (named with its line).
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        if !path.is_dir() {
            let what = if path.exists() { "is no directory" } else { "no such directory" };
            return Err(Error::input(what).file(path).expected("a model directory"));
        }
        let config_path = path.join("config.json");
        if !config_path.exists() {
            return Err(Error::input("has no config.json")
                .file(path)
                .expected("config.json, model.safetensors and tokenizer.json")
                .help("is this a Hugging Face model directory?"));
        }
        let tokenizer_config_path = path.join("tokenizer_config.json");
        let tokenizer_config =
            if tokenizer_config_path.exists() { Some(json::read_object(&tokenizer_config_path)?) } else { None };
        Ok(Self { path: path.to_path_buf(), config: json::read_object(&config_path)?, tokenizer_config })
    }

    /// The path of `config.json`, for error messages about its keys.
    pub fn config_path(&self) -> PathBuf {
        self.path.join("config.json")
    }

    /// The path of `tokenizer.json`, whether it exists or not.
    pub fn tokenizer_path(&self) -> PathBuf {
        self.path.join("tokenizer.json")
    }

    /// Opens the weights (headers only).
    ///
    /// # Errors
    /// As [`WeightFiles::open`].
    pub fn weights(&self) -> Result<WeightFiles> {
        WeightFiles::open(&self.path)
    }

    /// The class names in logit order: `id2label`, or `LABEL_0`, ... for `num_labels` classes (2 if it is absent too),
    /// as `transformers` names them.
    ///
    /// # Errors
    /// Fails if `id2label` is no map of strings with the keys 0, 1, ..., or names repeat.
    pub fn labels(&self) -> Result<LabelSpace> {
        let path = self.config_path();
        let labels = match self.config.get("id2label") {
            None | Some(Value::Null) => {
                let count = self.label_count()?;
                LabelSpace::new((0..count).map(|index| format!("LABEL_{index}")))
            }
            Some(Value::Object(map)) => {
                let mut names = BTreeMap::new();
                for (id, name) in map {
                    let Value::String(name) = name else {
                        return Err(Error::input(format!("the name of class {id} is {}", kind_of(name)))
                            .file(path)
                            .key("id2label")
                            .expected("a string"));
                    };
                    names.insert(id.clone(), name.clone());
                }
                LabelSpace::from_id2label(&names)
            }
            Some(other) => Err(Error::input(format!("is {}", kind_of(other)))
                .key("id2label")
                .expected("an object from class index to name")),
        };
        labels.map_err(|error| error.file(path))
    }

    fn label_count(&self) -> Result<u64> {
        match self.config.get("num_labels") {
            None | Some(Value::Null) => Ok(2),
            Some(value) => value.as_u64().filter(|count| (1..=MAX_LABELS).contains(count)).ok_or_else(|| {
                Error::input(format!("is {value}"))
                    .file(self.config_path())
                    .key("num_labels")
                    .expected(format!("an integer from 1 to {MAX_LABELS}"))
            }),
        }
    }

    /// The SHA-256 (64 hexadecimal digits) over names and content of `config.json`, the weight files and
    /// `tokenizer.json`: the key of everything computed from this model.
    ///
    /// The hash of a file is remembered in this process as long as its size and time of change stay the same.
    ///
    /// # Errors
    /// Fails if the weights are missing or a file cannot be read.
    pub fn model_hash(&self) -> Result<String> {
        let mut names = vec!["config.json".to_owned()];
        names.extend(weights::file_names(&self.path)?);
        if self.tokenizer_path().exists() {
            names.push("tokenizer.json".to_owned());
        }
        let mut listing = String::new();
        for name in names {
            let hash = remembered_hash(&self.path.join(&name))?;
            listing.push_str(&format!("{hash} {name}\n"));
        }
        Ok(hash_bytes(listing.as_bytes()))
    }
}

/// The SHA-256 of a file, computed once a process for each (path, size, time of change).
fn remembered_hash(path: &Path) -> Result<String> {
    type Key = (PathBuf, u64, SystemTime);
    static HASHES: Mutex<Option<HashMap<Key, String>>> = Mutex::new(None);
    let metadata = std::fs::metadata(path).map_err(|e| Error::io("open", path, e))?;
    let real = path.canonicalize().map_err(|e| Error::io("open", path, e))?;
    // Some file systems keep no time of change: then nothing is remembered.
    let Ok(changed) = metadata.modified() else { return hash_file(path) };
    let key = (real, metadata.len(), changed);
    let known = HASHES.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default().get(&key).cloned();
    if let Some(hash) = known {
        return Ok(hash);
    }
    let hash = hash_file(path)?;
    HASHES.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default().insert(key, hash.clone());
    Ok(hash)
}
