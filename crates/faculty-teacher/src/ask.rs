//! What is asked of a teacher.

use faculty_core::{Error, Result};
use faculty_nn::{DropoutRates, FeatureSite, PassSites};
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
    /// Pooled hidden states beside the logits, from the same pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<FeatureSite>,
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
    /// Where dropout acts.
    #[serde(default, skip_serializing_if = "PassSites::is_all")]
    pub sites: PassSites,
}

impl Ask {
    /// Adds `count` passes at a hidden dropout rate of 0.1 (lancopku/MUKI, `models/monte_carlo.py`).
    #[must_use]
    pub fn with_passes(mut self, count: u32, seed: u64) -> Self {
        self.passes = (count > 0).then_some(Passes { count, hidden_rate: Some(0.1), seed, sites: PassSites::All });
        self
    }

    /// Adds features, for example `FeatureSite::default()`: the first token of the last layer.
    #[must_use]
    pub fn with_features(mut self, site: FeatureSite) -> Self {
        self.features = Some(site);
        self
    }
}

impl Passes {
    /// The passes in a few words: "K = 16", "K = 16, dropout in the head alone".
    pub fn describe(&self) -> String {
        match self.sites {
            PassSites::All => format!("K = {}", self.count),
            sites => format!("K = {}, dropout in {}", self.count, sites.describe()),
        }
    }

    /// # Errors
    /// Fails if there is no pass, or a network of `layers` layers lacks the dropout sites.
    pub fn check(&self, layers: usize) -> Result<()> {
        if self.count == 0 {
            return Err(Error::input("is 0").key("passes").expected("at least 1"));
        }
        self.sites.check(layers as u32)
    }

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
