//! The text port of AuG-KD as a named method.

use super::AnchorSpec;
use crate::gates::energy_gate;
use crate::{GateChoice, PassSettings, Recipe, WeightedLoss};
use faculty_losses::{GatedKl, LossSpec};
use faculty_uncertainty::GateRecipe;
use serde::{Deserialize, Serialize};

/// AuG-KD's anchors and staged mixup on texts of another domain (Tang et al., ICLR 2024, arXiv 2403.07030; the text port is
/// Faculty's): alpha τ² KL(q ‖ p_S(e_mix)) + (1 - alpha) CE(argmax q, p_S(e_mix)).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AugKdMethod {
    /// Who is trusted on a text: energy, z-normalised, soft at 0.5 deviations (Faculty's; the paper has one teacher).
    pub gate: GateRecipe,
    /// The passes of a gate that reads them.
    pub passes: PassSettings,
    /// τ of teachers and student: 4 (4 to 10; 10 in the released code). The divergence is multiplied by τ².
    pub temperature: f64,
    /// Anchors, mixup, and the share of pseudo-labels.
    pub anchors: AnchorSpec,
}

impl Default for AugKdMethod {
    fn default() -> Self {
        Self { gate: energy_gate(), passes: PassSettings::default(), temperature: 4.0, anchors: AnchorSpec::default() }
    }
}

impl AugKdMethod {
    pub(crate) fn recipe(&self) -> Recipe {
        let loss = LossSpec::GatedKl(GatedKl { temperature: self.temperature });
        let alpha = 1.0 - self.anchors.pseudo_label;
        Recipe {
            gate: GateChoice::Gate(self.gate),
            passes: self.passes,
            losses: vec![WeightedLoss { loss, weight: alpha * self.temperature * self.temperature }],
            anchors: Some(self.anchors),
            ..Recipe::default()
        }
    }

    pub(crate) fn describe(&self) -> String {
        format!("AuG-KD on text ({})", self.anchors.describe())
    }
}
