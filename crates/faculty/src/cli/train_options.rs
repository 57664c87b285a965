//! Training settings as flags and TOML keys.

use super::global::Session;
use super::precision::{effective, parse_for_training};
use clap::Args;
use faculty_core::Result;
use faculty_nn::PrecisionChoice;
use faculty_student::TrainSettings;
use serde::{Deserialize, Serialize};

/// How a model is trained. What is not given is the library's default.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
pub struct TrainOptions {
    /// Passes over the text [default: 3]
    #[arg(long, value_name = "N", help_heading = "Training")]
    pub epochs: Option<usize>,
    /// Texts a step [default: 32]
    #[arg(long, value_name = "N", help_heading = "Training")]
    pub batch_size: Option<usize>,
    /// Peak learning rate, reached after the warm-up and then falling to 0 [default: 2e-5]
    #[arg(long, value_name = "RATE", allow_negative_numbers = true, help_heading = "Training")]
    pub learning_rate: Option<f64>,
    /// Share of the steps in which the learning rate rises [default: 0.1]
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true, help_heading = "Training")]
    pub warmup_ratio: Option<f64>,
    /// Decoupled weight decay [default: 0.01]
    #[arg(long, value_name = "DECAY", allow_negative_numbers = true, help_heading = "Training")]
    pub weight_decay: Option<f64>,
    /// Cut texts to so many tokens; by default to what the model and its tokenizer allow
    #[arg(long, value_name = "TOKENS", help_heading = "Training")]
    pub max_length: Option<usize>,
    /// Keep the token embeddings as they are: less memory and time a step
    #[arg(long, help_heading = "Training")]
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub freeze_embeddings: bool,
    /// Arithmetic of the training, forward and backward: f32, bf16, or auto (bf16 where the CPU is faster at it). Weights
    /// and optimizer are f32 throughout [default: f32]
    #[arg(long, value_name = "PRECISION", value_parser = parse_for_training, help_heading = "Training")]
    pub train_precision: Option<PrecisionChoice>,
    /// Seed of everything random in training [default: 1]
    #[arg(long, value_name = "N", help_heading = "Training")]
    pub seed: Option<u64>,
}

impl TrainOptions {
    /// The settings, checked; the precision is the one that takes effect in this session.
    ///
    /// # Errors
    /// Fails if a value makes no sense.
    pub fn settings(&self, session: &Session) -> Result<TrainSettings> {
        let default = TrainSettings::default();
        let settings = TrainSettings {
            learning_rate: self.learning_rate.unwrap_or(default.learning_rate),
            batch_size: self.batch_size.unwrap_or(default.batch_size),
            epochs: self.epochs.unwrap_or(default.epochs),
            warmup_ratio: self.warmup_ratio.unwrap_or(default.warmup_ratio),
            weight_decay: self.weight_decay.map_or(default.weight_decay, |decay| decay as f32),
            max_length: self.max_length,
            freeze_embeddings: self.freeze_embeddings,
            precision: effective(self.train_precision.unwrap_or_default(), "--train-precision", session).into(),
            ..default
        };
        settings.check()?;
        Ok(settings)
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.seed.unwrap_or(1)
    }
}
