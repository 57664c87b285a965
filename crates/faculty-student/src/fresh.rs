//! Encoders from nothing: fresh weights of a family, and a tokenizer learnt from the texts they are trained on.

use burn::tensor::Device;
use faculty_core::{Error, LabelSpace, Result, StagedDir, Stream};
use faculty_model::Classifier;
use faculty_nn::{EncoderConfig, Family};
use faculty_text::{SMALLEST_BPE_VOCABULARY, TextTokenizer, train_bpe};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;

/// An encoder that no checkpoint gives: a teacher of another family where none was pretrained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FreshEncoder {
    /// The family: `bert`, `distilbert`, `roberta`, `xlm-roberta`, `electra`.
    pub family: Family,
    /// Number of layers.
    pub layers: usize,
    /// Width of the hidden states, [`EncoderConfig::FRESH_WIDTHS`]; feed-forward 4 x this.
    pub hidden: usize,
    /// Tokens of the vocabulary at most: 4,000, about what a few thousand short texts fill.
    #[serde(default = "vocabulary")]
    pub vocabulary: usize,
    /// Longest text in tokens: 256.
    #[serde(default = "max_tokens")]
    pub max_tokens: usize,
}

const fn vocabulary() -> usize {
    4000
}

const fn max_tokens() -> usize {
    256
}

impl FreshEncoder {
    /// An encoder of this size, everything else by default.
    pub const fn new(family: Family, layers: usize, hidden: usize) -> Self {
        Self { family, layers, hidden, vocabulary: vocabulary(), max_tokens: max_tokens() }
    }

    /// # Errors
    /// Fails if a size makes no sense; the error names the key.
    pub fn check(&self) -> Result<()> {
        let wrong = |key: &str, value: usize, expected: String| {
            Err(Error::input(format!("is {value}")).key(key).expected(expected))
        };
        if !(1..=48).contains(&self.layers) {
            return wrong("layers", self.layers, "1 to 48".to_owned());
        }
        if !EncoderConfig::is_fresh_width(self.hidden) {
            return wrong("hidden", self.hidden, EncoderConfig::FRESH_WIDTHS.to_owned());
        }
        if !(SMALLEST_BPE_VOCABULARY..=1 << 18).contains(&self.vocabulary) {
            let least = format!("at least {SMALLEST_BPE_VOCABULARY} (special tokens and bytes), at most {}", 1 << 18);
            return wrong("vocabulary", self.vocabulary, least);
        }
        if !(8..=4096).contains(&self.max_tokens) {
            return wrong("max_tokens", self.max_tokens, "8 to 4096".to_owned());
        }
        Ok(())
    }

    /// The encoder in words: "fresh roberta, 2 layers of width 256, a vocabulary of its own of at most 4000 tokens".
    pub fn describe(&self) -> String {
        format!(
            "fresh {}, {} {} of width {}, a vocabulary of its own of at most {} tokens",
            self.family.model_type(),
            self.layers,
            if self.layers == 1 { "layer" } else { "layers" },
            self.hidden,
            self.vocabulary
        )
    }

    /// Builds a classifier over `labels`. Its tokenizer is learnt from `texts` ([`train_bpe`]) and lies in
    /// `tokenizer_dir`; one that is there already is used, so the directory's name must say what determines it.
    ///
    /// # Errors
    /// Fails if a size makes no sense, there is no text, or the tokenizer cannot be written.
    pub fn build(
        &self,
        texts: &[String],
        tokenizer_dir: &Path,
        labels: LabelSpace,
        stream: Stream,
        device: &Device,
    ) -> Result<Classifier> {
        self.check()?;
        if !tokenizer_dir.is_dir() {
            let staged = StagedDir::create(tokenizer_dir, true)?;
            train_bpe(texts, self.vocabulary, self.max_tokens, staged.path())?;
            staged.commit()?;
        }
        let tokenizer = Arc::new(TextTokenizer::from_dir(tokenizer_dir)?);
        let size = (self.layers, self.hidden);
        let (words, padding) = (tokenizer.vocab_size(), tokenizer.pad_id());
        let config = EncoderConfig::of_size(self.family, size, words, padding, self.max_tokens);
        Classifier::fresh(config, tokenizer, labels, stream, device)
    }
}
