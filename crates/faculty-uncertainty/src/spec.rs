//! Confidence scores as configuration.

use crate::{Confidence, Energy, Margin, MaxSoftmax, McEntropy, SinglePassEntropy, Uniform};
use serde::{Deserialize, Serialize};

/// The scores a configuration can name, for example `{ kind = "mc-entropy", normalise = false }`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ConfidenceSpec {
    /// See [`McEntropy`].
    McEntropy(McEntropy),
    /// See [`SinglePassEntropy`].
    SinglePassEntropy(SinglePassEntropy),
    /// See [`MaxSoftmax`].
    MaxSoftmax(MaxSoftmax),
    /// See [`Margin`].
    Margin(Margin),
    /// See [`Energy`].
    Energy(Energy),
    /// See [`Uniform`].
    Uniform(Uniform),
}

/// MUKI's score.
impl Default for ConfidenceSpec {
    fn default() -> Self {
        Self::McEntropy(McEntropy::default())
    }
}

impl ConfidenceSpec {
    /// The score.
    pub fn build(&self) -> Box<dyn Confidence> {
        match *self {
            Self::McEntropy(score) => Box::new(score),
            Self::SinglePassEntropy(score) => Box::new(score),
            Self::MaxSoftmax(score) => Box::new(score),
            Self::Margin(score) => Box::new(score),
            Self::Energy(score) => Box::new(score),
            Self::Uniform(score) => Box::new(score),
        }
    }
}
