//! The masked language models that Faculty trains itself, kept in the cache: no pretrained one of this size needs no download.

use crate::{MaskedReport, MaskedTraining, resolve_model};
use faculty_core::{Error, Observer, Result, StagedDir, hash_bytes, hash_file};
use faculty_hub::cache_root;
use faculty_model::MaskedModel;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// `minilm-l3` with a masked-language-model head, as `faculty mlm-head` trains it by default.
pub const MINILM_L3_MLM: &str = "minilm-l3-mlm";

/// A masked language model that the cache keeps by name: `minilm-l3`, trained with default settings on data sets by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaskedAsset {
    /// What methods call it.
    pub name: &'static str,
    /// What it is trained on, in this order.
    pub texts: &'static [&'static str],
    make: &'static str,
}

impl MaskedAsset {
    /// All that there are: the default, whose text is embedded, and one of more text.
    pub const ALL: [Self; 2] = [
        Self {
            name: MINILM_L3_MLM,
            texts: &["brown"],
            make: "`cargo xtask experiment assets/mlm-head` (or `faculty mlm-head`) makes it once, in minutes",
        },
        Self {
            name: "minilm-l3-mlm-wide",
            texts: &["brown", "wordnet", "wikitext2_vt"],
            make: "`cargo xtask experiment assets/mlm-head-wide --data-dir DIR` makes it once, in ten minutes or so",
        },
    ];

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|asset| asset.name == name)
    }

    /// The one that is trained on these data sets, in this order.
    pub fn of_texts(texts: &[String]) -> Option<Self> {
        Self::ALL.into_iter().find(|asset| asset.texts == texts)
    }

    /// Where it lies in the cache, made or not.
    ///
    /// # Errors
    /// Fails if no variable and no home directory says where the cache is.
    pub fn dir(self) -> Result<PathBuf> {
        Ok(cache_root()?.join(self.name))
    }
}

/// Raised when what is trained changes, so that an older model is made anew.
const VERSION: u32 = 1;
const RECORD: &str = "faculty-mlm-head.json";
const WEIGHTS: &str = "model.safetensors";

/// What a masked language model was trained from, beside it as `faculty-mlm-head.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MaskedRecord {
    /// Of the training itself.
    pub version: u32,
    /// The model that it started from.
    pub base: String,
    /// SHA-256 of that.
    pub base_sha256: String,
    /// The name of the texts.
    pub text: String,
    /// SHA-256 of the texts.
    pub text_sha256: String,
    /// How it was trained.
    pub settings: MaskedTraining,
    /// The seed of everything random.
    pub seed: u64,
}

/// What is stored: the record, what came of it, and the weights' hash.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Stored {
    key: String,
    weights_sha256: String,
    record: MaskedRecord,
    report: MaskedReport,
}

impl MaskedRecord {
    /// The record of a training that is to be.
    pub fn new(
        (base, base_sha256): (&str, String),
        (text, texts): (&str, &[String]),
        settings: MaskedTraining,
        seed: u64,
    ) -> Self {
        Self {
            version: VERSION,
            base: base.to_owned(),
            base_sha256,
            text: text.to_owned(),
            text_sha256: hash_bytes(texts.join("\n").as_bytes()),
            settings,
            seed,
        }
    }

    /// SHA-256 over all that determines the model.
    ///
    /// # Errors
    /// Fails if the settings cannot be written down.
    pub fn key(&self) -> Result<String> {
        let json = serde_json::to_vec(self)
            .map_err(|error| Error::internal("the record of a training cannot be written").source(error))?;
        Ok(hash_bytes(&json))
    }

    /// What came of this training, if `dir` holds it whole.
    pub fn finished(&self, dir: &Path) -> Option<MaskedReport> {
        let stored = stored(dir)?;
        (stored.key == self.key().ok()? && is_whole(dir, &stored)).then_some(stored.report)
    }

    /// Writes the trained model, its record and its figures as directory `dir`; it appears whole or not at all.
    ///
    /// # Errors
    /// Fails if something cannot be written.
    pub fn publish(self, model: &MaskedModel, report: MaskedReport, dir: &Path) -> Result<PathBuf> {
        let staged = StagedDir::create(dir, true)?;
        model.write_into(staged.path())?;
        let licence = model.origin.join("LICENSE");
        if licence.is_file() {
            let target = staged.path().join("LICENSE");
            std::fs::copy(&licence, &target).map_err(|error| Error::io("write", &target, error))?;
        }
        let weights_sha256 = hash_file(&staged.path().join(WEIGHTS))?;
        let stored = Stored { key: self.key()?, weights_sha256, record: self, report };
        let json = serde_json::to_string_pretty(&stored)
            .map_err(|error| Error::internal("the record of a training cannot be written").source(error))?;
        let path = staged.path().join(RECORD);
        std::fs::write(&path, json + "\n").map_err(|error| Error::io("write", &path, error))?;
        staged.commit()
    }
}

/// Finds the directory of a masked language model named by a user: one of [`MaskedAsset::ALL`], a directory, or a hub id.
///
/// # Errors
/// Fails if there is no such model; of one that Faculty makes itself, the error says how.
pub fn resolve_masked_lm(reference: &str, observer: &dyn Observer) -> Result<PathBuf> {
    let Some(asset) = MaskedAsset::named(reference).filter(|_| !Path::new(reference).exists()) else {
        return resolve_model(reference, observer);
    };
    let dir = asset.dir()?;
    match stored(&dir) {
        Some(stored) if stored.record.version == VERSION && is_whole(&dir, &stored) => Ok(dir),
        Some(_) => Err(Error::input("is damaged, or of another version").file(dir).help(asset.make)),
        None => Err(Error::input(format!("the masked language model `{reference}` is not on this machine"))
            .file(dir)
            .help(asset.make)),
    }
}

fn stored(dir: &Path) -> Option<Stored> {
    serde_json::from_slice(&std::fs::read(dir.join(RECORD)).ok()?).ok()
}

fn is_whole(dir: &Path, stored: &Stored) -> bool {
    hash_file(&dir.join(WEIGHTS)).is_ok_and(|found| found == stored.weights_sha256)
}
