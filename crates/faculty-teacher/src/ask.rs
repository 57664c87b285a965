//! What is asked of a teacher.

use faculty_nn::DropoutRates;
use serde::{Deserialize, Serialize};

/// What is asked of a teacher for every text. Part of the cache key.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Ask {
    /// The teacher's logits that take part, in its own order; `None` = all (see `LabelJoin`).
    pub kept: Option<Vec<usize>>,
    /// Longest text in tokens; `None` = the model's own limit.
    pub max_length: Option<usize>,
    /// Monte-Carlo passes beside the deterministic logits.
    pub passes: Option<Passes>,
}

/// Monte-Carlo dropout passes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Passes {
    /// How many (K).
    pub count: u32,
    /// Overrides the hidden dropout rate; the attention rate stays the checkpoint's. `None` = the checkpoint's rates.
    pub hidden_rate: Option<f32>,
    /// Seed of the dropout streams.
    pub seed: u64,
}

impl Ask {
    /// Adds `count` passes at a hidden dropout rate of 0.1 (lancopku/MUKI, `models/monte_carlo.py`).
    #[must_use]
    pub fn with_passes(mut self, count: u32, seed: u64) -> Self {
        self.passes = (count > 0).then_some(Passes { count, hidden_rate: Some(0.1), seed });
        self
    }
}

impl Passes {
    /// The rates of the passes for a model whose checkpoint says `checkpoint`. The classifier's rate follows an
    /// overridden hidden rate where the checkpoint does not set one of its own.
    pub fn rates(&self, checkpoint: DropoutRates) -> DropoutRates {
        match self.hidden_rate {
            None => checkpoint,
            Some(hidden) => DropoutRates {
                hidden,
                attention: checkpoint.attention,
                classifier: if checkpoint.classifier == checkpoint.hidden { hidden } else { checkpoint.classifier },
            },
        }
    }
}
