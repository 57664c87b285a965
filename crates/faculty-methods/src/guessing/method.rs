//! AS-DFD-style distillation as a named method.

use super::GuessingSpec;
use crate::gates::energy_gate;
use crate::{GateChoice, Recipe, WeightedLoss};
use faculty_losses::{GatedKl, LossSpec};
use faculty_uncertainty::GateRecipe;
use serde::{Deserialize, Serialize};

/// AS-DFD-style distillation (Ma et al., arXiv 2010.04883) with one or several teachers: no text, τ² KL(q ‖ p_S) on guessed
/// embeddings.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AsDfdMethod {
    /// Who is trusted on a guess where `guessing.target = "gate"`, and whose disagreement is logged otherwise: energy of one
    /// pass, z-normalised over the batch, soft at 0.5 deviations (Faculty's).
    pub gate: GateRecipe,
    /// τ of teachers and student: 4 (Faculty's; 1 to 10). The loss is multiplied by τ².
    pub temperature: f64,
    /// What is guessed and how.
    pub guessing: GuessingSpec,
}

impl Default for AsDfdMethod {
    fn default() -> Self {
        Self { gate: energy_gate(), temperature: 4.0, guessing: GuessingSpec::default() }
    }
}

impl AsDfdMethod {
    pub(crate) fn recipe(&self) -> Recipe {
        let loss = LossSpec::GatedKl(GatedKl { temperature: self.temperature });
        Recipe {
            gate: GateChoice::Gate(self.gate),
            losses: vec![WeightedLoss { loss, weight: self.temperature * self.temperature }],
            guessing: Some(self.guessing),
            ..Recipe::default()
        }
    }

    pub(crate) fn describe(&self) -> String {
        format!("AS-DFD-style, no text ({})", self.guessing.describe())
    }
}
