//! Losses between hidden states as configuration.

use super::{AlignFeatures, Cfl, CflSettings, Contrastive, ContrastiveSettings, Dfa, DfaSettings, FeatureWidths};
use burn::tensor::Device;
use faculty_core::{Result, Stream};
use serde::{Deserialize, Serialize};

/// The losses between hidden states that a configuration can name, for example
/// `{ kind = "contrastive", memory = 512, training = { learning_rate = 5e-4 } }`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum AlignSpec {
    /// See [`Dfa`].
    Dfa(DfaSettings),
    /// See [`Cfl`].
    Cfl(CflSettings),
    /// See [`Contrastive`].
    Contrastive(ContrastiveSettings),
}

impl AlignSpec {
    /// The loss with fresh maps on `device`, their weights drawn from `stream`.
    ///
    /// # Errors
    /// Fails if a setting is out of range, there is no teacher, or a width is 0.
    pub fn build(&self, widths: &FeatureWidths, stream: Stream, device: &Device) -> Result<Box<dyn AlignFeatures>> {
        Ok(match *self {
            Self::Dfa(settings) => Box::new(Dfa::new(settings, widths, stream, device)?),
            Self::Cfl(settings) => Box::new(Cfl::new(settings, widths, stream, device)?),
            Self::Contrastive(settings) => Box::new(Contrastive::new(settings, widths, stream, device)?),
        })
    }
}
