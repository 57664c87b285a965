//! How a classifier is trained.

use faculty_core::{Error, Result};
use faculty_nn::{DropoutRates, PrecisionChoice};
use serde::{Deserialize, Serialize};

/// How a classifier is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainSettings {
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Factor of the rate for the output layer of the head, which is fresh where the rest is pretrained (discriminative
    /// fine-tuning, Howard & Ruder, arXiv 1801.06146, in its simplest form): 1. Of a head of two layers (RoBERTa, DistilBERT,
    /// ELECTRA) the inner one keeps the plain rate.
    #[serde(skip_serializing_if = "is_one")]
    pub head_rate: f64,
    /// Texts a step.
    pub batch_size: usize,
    /// Passes over the text.
    pub epochs: usize,
    /// Share of the steps in which the rate rises from 0; after that it falls linearly to 0.
    pub warmup_ratio: f64,
    /// Decoupled weight decay; biases and LayerNorm are never decayed.
    pub weight_decay: f32,
    /// Dropout rates in training; `None` = the checkpoint's.
    pub dropout: Option<DropoutRates>,
    /// Keeps the token-embedding table as it is: no gradient of it and no optimizer step over it.
    pub freeze_embeddings: bool,
    /// Longest text in tokens; `None` = the model's limit.
    pub max_length: Option<usize>,
    /// Arithmetic of the layers' matrix products, forward and backward; weights and optimizer are f32.
    pub precision: PrecisionChoice,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde hands over a reference
fn is_one(rate: &f64) -> bool {
    *rate == 1.0
}

impl Default for TrainSettings {
    /// The settings of lancopku/MUKI's scripts (rate 2e-5, 3 epochs, warm-up 0.1) at batch 32, with AdamW as
    /// `transformers` trains by default (decay 0.01 here, epsilon 1e-8).
    fn default() -> Self {
        Self {
            learning_rate: 2e-5,
            head_rate: 1.0,
            batch_size: 32,
            epochs: 3,
            warmup_ratio: 0.1,
            weight_decay: 0.01,
            dropout: None,
            freeze_embeddings: false,
            max_length: None,
            precision: PrecisionChoice::F32,
        }
    }
}

impl TrainSettings {
    /// # Errors
    /// Fails if a value makes no sense; the error names the key.
    pub fn check(&self) -> Result<()> {
        let wrong = |key: &str, value: String, expected: &str| {
            Err(Error::input(format!("is {value}")).key(key).expected(expected))
        };
        if !(self.learning_rate.is_finite() && self.learning_rate > 0.0) {
            return wrong("learning_rate", self.learning_rate.to_string(), "a positive number such as 5e-5");
        }
        if !(self.head_rate.is_finite() && self.head_rate > 0.0) {
            return wrong("head_rate", self.head_rate.to_string(), "a positive number such as 4");
        }
        if self.batch_size == 0 {
            return wrong("batch_size", "0".to_owned(), "at least 1");
        }
        if self.epochs == 0 {
            return wrong("epochs", "0".to_owned(), "at least 1");
        }
        if !(0.0..=1.0).contains(&self.warmup_ratio) {
            return wrong("warmup_ratio", self.warmup_ratio.to_string(), "0 to 1");
        }
        if !(self.weight_decay.is_finite() && self.weight_decay >= 0.0) {
            return wrong("weight_decay", self.weight_decay.to_string(), "0 or a small positive number");
        }
        self.dropout.as_ref().map_or(Ok(()), DropoutRates::check)
    }

    /// Number of updates over `texts` texts.
    pub fn steps(&self, texts: usize) -> usize {
        self.epochs * texts.div_ceil(self.batch_size)
    }

    /// The learning rate of step `step` (from 0) of `steps`, as `transformers`' linear schedule with warm-up.
    pub fn rate_at(&self, step: usize, steps: usize) -> f64 {
        self.learning_rate * self.rate_factor(step, steps)
    }

    /// The learning rate of a step as a share of the peak rate, 0 to 1: what other modules trained beside the student
    /// multiply their own rate by.
    pub fn rate_factor(&self, step: usize, steps: usize) -> f64 {
        let warmup = (self.warmup_ratio * steps as f64).ceil();
        let (step, steps) = (step as f64, steps as f64);
        let factor = if step < warmup { step / warmup.max(1.0) } else { (steps - step) / (steps - warmup).max(1.0) };
        factor.max(0.0)
    }
}
