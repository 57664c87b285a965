//! A masked language model whole: network, tokenizer, and the directory it came from.

mod masks;
mod measure;

pub use masks::{MaskPlan, MaskedTexts};
pub use measure::MaskedFigures;

use crate::Tokens;
use crate::classifier::Source;
use burn::tensor::Device;
use faculty_core::{Error, Result, Stream};
use faculty_hub::write_safetensors;
use faculty_nn::EncoderConfig;
use faculty_nn::masked_lm::{MaskedHeadSource, MaskedLm};
use faculty_text::{TextTokenizer, effective_max_length};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A masked language model: network on a device, tokenizer.
#[derive(Debug, Clone)]
pub struct MaskedModel {
    /// Sizes and constants of the encoder.
    pub config: EncoderConfig,
    /// The network.
    pub network: MaskedLm,
    /// The tokenizer.
    pub tokenizer: Arc<TextTokenizer>,
    /// The device the network is on (without autodiff).
    pub device: Device,
    /// Where it came from.
    pub origin: PathBuf,
    /// SHA-256 over configuration, weights and tokenizer of the directory; empty for a network that was never saved.
    pub hash: String,
}

impl MaskedModel {
    /// Opens a masked language model, strictly.
    ///
    /// # Errors
    /// Fails if a file is missing or damaged, the architecture is not supported, a tensor is missing, unexpected, mis-shaped or
    /// not finite, the output layer is not the word table, the tokenizer has ids that the table does not, or there is no mask
    /// token.
    pub fn open(dir: impl AsRef<Path>, device: &Device) -> Result<Self> {
        Self::from_dir(dir.as_ref(), MaskedHeadSource::Checkpoint, device).map_err(|error| {
            error.help("is this a masked language model? `faculty mlm-head` trains the head that an encoder lacks")
        })
    }

    /// Starts one from the encoder of any model directory, with a fresh head drawn from `stream`.
    ///
    /// # Errors
    /// As [`MaskedModel::open`], but for the head.
    pub fn start_from(dir: impl AsRef<Path>, stream: Stream, device: &Device) -> Result<Self> {
        let model = Self::from_dir(dir.as_ref(), MaskedHeadSource::Fresh(stream), device)?;
        Ok(Self { hash: String::new(), ..model })
    }

    fn from_dir(dir: &Path, head: MaskedHeadSource, device: &Device) -> Result<Self> {
        let source = Source::open(dir)?;
        if source.tokenizer.special_ids().mask.is_none() {
            return Err(Error::input("the tokenizer has no mask token").file(dir).key("mask_token"));
        }
        let (network, _) = MaskedLm::load(&source.config, &source.dir.weights()?, head, device)?;
        let hash = source.dir.model_hash()?;
        Ok(Self {
            config: source.config,
            network,
            tokenizer: source.tokenizer,
            device: device.clone(),
            origin: source.dir.path,
            hash,
        })
    }

    /// Tokenises texts, cut to `max_length` or to what the model holds.
    ///
    /// # Errors
    /// Fails if the length does not fit the model.
    pub fn tokenize<S: AsRef<str>>(&self, texts: &[S], max_length: Option<usize>) -> Result<Tokens> {
        let limit = effective_max_length(self.tokenizer.model_max_length(), self.config.max_tokens(), max_length)?;
        let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
        let encoded = self.tokenizer.encode(&texts, limit)?;
        Ok(Tokens::new(encoded.rows, &texts, encoded.truncated, self.tokenizer.pad_id()))
    }

    /// Writes `config.json`, `model.safetensors` and the tokenizer's files into the existing directory `dir`, for
    /// `AutoModelForMaskedLM` and `AutoTokenizer`.
    ///
    /// # Errors
    /// Fails if a file cannot be written or a tensor cannot be read from its device.
    pub fn write_into(&self, dir: &Path) -> Result<()> {
        let config = serde_json::to_string_pretty(&self.config.to_hf_masked_lm())
            .map_err(|error| Error::internal("config.json cannot be written").source(error))?;
        let path = dir.join("config.json");
        std::fs::write(&path, config + "\n").map_err(|error| Error::io("write", &path, error))?;
        let tensors = self.network.export(&self.config)?;
        write_safetensors(&dir.join("model.safetensors"), &tensors, &[("format", "pt")])?;
        self.tokenizer.copy_files_to(dir)
    }
}
