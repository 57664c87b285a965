//! The named method.

use super::BlockAmalgamation;
use crate::{GateChoice, NoGate, Recipe, Renewal, WeightedLoss};
use faculty_losses::{GatedKl, LossSpec};
use serde::{Deserialize, Serialize};

/// STRATANET-style amalgamation (after the abstract of Vijayaraghavan et al., NAACL 2024 industry track, arXiv 2406.15476; the rest
/// is Faculty's reconstruction, `docs/stratanet.md`): τ² times the gated KL divergence under the weights of the last block, and the
/// block-wise losses.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StratanetMethod {
    /// Temperature of teachers and student: 2 (Faculty's choice).
    pub temperature: f64,
    /// Blocks, confidence, integrator.
    pub blocks: BlockAmalgamation,
    /// Renews a part of the texts in the midst of the training: off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renew: Option<Renewal>,
}

impl Default for StratanetMethod {
    fn default() -> Self {
        Self { temperature: 2.0, blocks: BlockAmalgamation::default(), renew: None }
    }
}

impl StratanetMethod {
    pub(crate) fn recipe(&self) -> Recipe {
        // The loss itself has no τ².
        let loss = LossSpec::GatedKl(GatedKl { temperature: self.temperature });
        Recipe {
            gate: GateChoice::None(NoGate::None),
            losses: vec![WeightedLoss { loss, weight: self.temperature * self.temperature }],
            blocks: Some(self.blocks),
            renew: self.renew,
            ..Recipe::default()
        }
    }

    pub(crate) fn describe(&self) -> String {
        let renewal = self.renew.map(|renewal| format!("; {}", renewal.describe())).unwrap_or_default();
        format!("STRATANET-style: {}{renewal}", self.blocks.describe())
    }
}
