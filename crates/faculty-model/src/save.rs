//! Writing a classifier as a directory that `transformers` opens.

use crate::Classifier;
use faculty_core::{Error, Result};
use faculty_hub::write_safetensors;
use std::path::Path;

impl Classifier {
    /// Writes `config.json`, `model.safetensors` and the tokenizer's files into the existing directory `dir`, for
    /// `AutoModelForSequenceClassification` and `AutoTokenizer`.
    ///
    /// Write into a [`faculty_core::StagedDir`], so that a failure leaves nothing half-written.
    ///
    /// # Errors
    /// Fails if a file cannot be written or a tensor cannot be read from its device.
    pub fn write_into(&self, dir: &Path) -> Result<()> {
        let config = serde_json::to_string_pretty(&self.config.to_hf(self.labels.names()))
            .map_err(|error| Error::internal("config.json cannot be written").source(error))?;
        let path = dir.join("config.json");
        std::fs::write(&path, config + "\n").map_err(|error| Error::io("write", &path, error))?;
        let tensors = self.network.export(&self.config)?;
        write_safetensors(&dir.join("model.safetensors"), &tensors, &[("format", "pt")])?;
        self.tokenizer.copy_files_to(dir)
    }
}
