//! Confidence scores as configuration.

use crate::density::DensityScore;
use crate::{Confidence, Energy, Margin, MaxSoftmax, McEntropy, SinglePassEntropy, Uniform};
use crate::{KulsifRatio, Mahalanobis, OwnerStatistics, RelativeMahalanobis};
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
    /// See [`Mahalanobis`].
    Mahalanobis(Mahalanobis),
    /// See [`RelativeMahalanobis`].
    RelativeMahalanobis(RelativeMahalanobis),
    /// See [`KulsifRatio`].
    KulsifRatio(KulsifRatio),
}

/// MUKI's score.
impl Default for ConfidenceSpec {
    fn default() -> Self {
        Self::McEntropy(McEntropy::default())
    }
}

impl ConfidenceSpec {
    /// The score. One that reads what owners ship scores nothing without it: see [`ConfidenceSpec::build_with`].
    pub fn build(&self) -> Box<dyn Confidence> {
        self.build_with(OwnerStatistics::default())
    }

    /// The score, with what the owners of the teachers ship.
    pub fn build_with(&self, owners: OwnerStatistics<'_>) -> Box<dyn Confidence> {
        match *self {
            Self::McEntropy(score) => Box::new(score),
            Self::SinglePassEntropy(score) => Box::new(score),
            Self::MaxSoftmax(score) => Box::new(score),
            Self::Margin(score) => Box::new(score),
            Self::Energy(score) => Box::new(score),
            Self::Uniform(score) => Box::new(score),
            Self::Mahalanobis(score) => Box::new(DensityScore::Mahalanobis(score, owners.summaries.to_vec())),
            Self::RelativeMahalanobis(score) => Box::new(DensityScore::Relative(score, owners.summaries.to_vec())),
            Self::KulsifRatio(KulsifRatio {}) => Box::new(DensityScore::Ratio(owners.ratios.to_vec())),
        }
    }

    /// True if the score reads what owners ship.
    pub const fn needs_owners(&self) -> bool {
        matches!(self, Self::Mahalanobis(_) | Self::RelativeMahalanobis(_) | Self::KulsifRatio(_))
    }

    /// True if the score reads Monte-Carlo passes.
    pub const fn needs_passes(&self) -> bool {
        matches!(self, Self::McEntropy(_))
    }

    /// True if the score reads pooled features.
    pub const fn needs_features(&self) -> bool {
        self.needs_owners()
    }
}
