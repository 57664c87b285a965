//! A causal language model whole: network, tokenizer, and the directory or GGUF file it came from.

mod gguf;

use burn::tensor::Device;
use faculty_core::{Error, Result, hash_file};
use faculty_hub::{GgufFile, ModelDir};
use faculty_nn::causal::{CausalConfig, CausalLm};
use faculty_text::LmTokenizer;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A causal language model: network on a device, tokenizer.
#[derive(Debug, Clone)]
pub struct CausalModel {
    /// Sizes and constants of the decoder.
    pub config: CausalConfig,
    /// The network.
    pub network: CausalLm,
    /// The tokenizer.
    pub tokenizer: Arc<LmTokenizer>,
    /// The device the network is on.
    pub device: Device,
    /// Where it came from.
    pub origin: PathBuf,
    /// SHA-256 over all that determines what it writes.
    pub hash: String,
}

impl CausalModel {
    /// Opens a Hugging Face directory (`config.json`, safetensors, `tokenizer.json`) or a GGUF file, strictly.
    ///
    /// # Errors
    /// Fails if a file is missing, damaged or of an architecture or quantisation that is not supported, a tensor is missing,
    /// unexpected, mis-shaped or not finite, or the tokenizer has ids that the embedding table does not.
    pub fn open(path: impl AsRef<Path>, device: &Device) -> Result<Self> {
        let path = path.as_ref();
        let model = match path.is_dir() {
            true => Self::open_dir(path, device),
            false => Self::open_gguf(path, device),
        }?;
        let (tokens, rows) = (model.tokenizer.vocab_size(), model.config.vocab_size);
        if tokens > rows {
            return Err(Error::input(format!("the tokenizer has {tokens} tokens, the embedding table {rows} rows"))
                .file(path)
                .help("tokenizer and weights do not belong together"));
        }
        Ok(model)
    }

    fn open_dir(path: &Path, device: &Device) -> Result<Self> {
        let dir = ModelDir::open(path)?;
        let config = CausalConfig::from_hf(&dir.config).map_err(|error| error.file(dir.config_path()))?;
        let network = CausalLm::load(&config, &dir.weights()?, device)?;
        Ok(Self {
            config,
            network,
            tokenizer: Arc::new(LmTokenizer::from_dir(path)?),
            device: device.clone(),
            origin: path.to_path_buf(),
            hash: dir.model_hash()?,
        })
    }

    fn open_gguf(path: &Path, device: &Device) -> Result<Self> {
        let file = GgufFile::open(path)?;
        let config = gguf::config(&file).map_err(|error| error.file(path))?;
        let network = CausalLm::load(&config, &gguf::HfNames::new(&file, &config), device)?;
        Ok(Self {
            tokenizer: Arc::new(gguf::tokenizer(&file)?),
            config,
            network,
            device: device.clone(),
            origin: path.to_path_buf(),
            hash: hash_file(path)?,
        })
    }
}
