//! Tiny random classifiers as Hugging Face directories, written in milliseconds.

use crate::tiny_tokenizer::{tiny_tokenizer_config, tiny_tokenizer_json, tiny_vocabulary};
use burn::tensor::Device;
use faculty_core::Stream;
use faculty_hub::write_safetensors;
use faculty_nn::{DropoutRates, EncoderConfig, Family, SequenceClassifier};
use std::path::{Path, PathBuf};

/// What a tiny classifier looks like.
#[derive(Debug, Clone, PartialEq)]
pub struct TinySpec {
    /// The model family.
    pub family: Family,
    /// Class names, in logit order.
    pub labels: Vec<String>,
    /// Where the weights come from.
    pub seed: u64,
    /// Layers.
    pub layers: usize,
    /// Width of the hidden states; a multiple of `heads`.
    pub hidden: usize,
    /// Attention heads.
    pub heads: usize,
    /// Feed-forward width.
    pub intermediate: usize,
    /// Longest text in tokens.
    pub max_tokens: usize,
    /// Dropout rate of hidden states, attention and head.
    pub dropout: f32,
    /// Factor on every weight matrix but the embedding tables. Fresh weights (deviation 0.02) at this width hardly
    /// mix tokens, so that all texts get nearly equal logits; the default of 10 makes predictions differ.
    pub gain: f32,
}

impl TinySpec {
    /// A BERT of 2 layers, 32 wide, with these classes.
    pub fn new<S: Into<String>>(labels: impl IntoIterator<Item = S>) -> Self {
        Self {
            family: Family::Bert,
            labels: labels.into_iter().map(Into::into).collect(),
            seed: 0,
            layers: 2,
            hidden: 32,
            heads: 4,
            intermediate: 64,
            max_tokens: 64,
            dropout: 0.1,
            gain: 10.0,
        }
    }

    /// The same in another family.
    #[must_use]
    pub fn family(self, family: Family) -> Self {
        Self { family, ..self }
    }

    /// The same with other weights.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// The encoder's configuration. The padding id is 0 in every family, as in the tiny tokenizer.
    pub fn encoder_config(&self) -> EncoderConfig {
        EncoderConfig {
            // Narrower embeddings where the family has a projection.
            embedding_size: if self.family == Family::Electra { self.hidden / 2 } else { self.hidden },
            heads: self.heads,
            intermediate_size: self.intermediate,
            dropout: DropoutRates::uniform(self.dropout),
            ..EncoderConfig::of_size(
                self.family,
                (self.layers, self.hidden),
                tiny_vocabulary().len(),
                0,
                self.max_tokens,
            )
        }
    }
}

/// Writes a random classifier into `dir` (made if missing): `config.json`, `model.safetensors`, `tokenizer.json`,
/// `tokenizer_config.json`. Returns the directory.
///
/// # Panics
/// Panics if a file cannot be written.
pub fn tiny_classifier_dir(dir: impl AsRef<Path>, spec: &TinySpec) -> PathBuf {
    let dir = dir.as_ref();
    std::fs::create_dir_all(dir).unwrap();
    let config = spec.encoder_config();
    let model =
        SequenceClassifier::fresh(&config, spec.labels.len(), Stream::new(spec.seed, "tiny model"), &Device::flex());
    let mut tensors = model.export(&config).unwrap();
    let matrices = tensors.iter_mut().filter(|t| t.shape.len() == 2 && !t.name.contains("embeddings."));
    matrices.flat_map(|matrix| &mut matrix.values).for_each(|weight| *weight *= spec.gain);
    write_safetensors(&dir.join("model.safetensors"), &tensors, &[]).unwrap();
    let write = |name: &str, value: &serde_json::Value| {
        std::fs::write(dir.join(name), serde_json::to_string_pretty(value).unwrap()).unwrap();
    };
    write("config.json", &serde_json::Value::Object(config.to_hf(&spec.labels)));
    write("tokenizer.json", &tiny_tokenizer_json());
    write("tokenizer_config.json", &tiny_tokenizer_config(spec.max_tokens));
    dir.to_path_buf()
}
