//! The named method.

use super::TailJudge;
use crate::{PassSettings, Recipe};
use faculty_losses::{GatedKl, LossSpec};
use faculty_uncertainty::GateRecipe;
use serde::{Deserialize, Serialize};

/// The gated KL divergence, and teachers' tails as judges of the student's blocks.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TailJudgeMethod {
    /// Whose answers count, and whose judgement: MUKI's soft gate, without margin.
    pub gate: GateRecipe,
    /// The passes of a gate that reads them.
    pub passes: PassSettings,
    /// Temperature of teachers and student in the KL divergence: 1.
    pub temperature: f64,
    /// The judges.
    pub tails: TailJudge,
}

impl Default for TailJudgeMethod {
    fn default() -> Self {
        Self {
            gate: GateRecipe::default(),
            passes: PassSettings::default(),
            temperature: 1.0,
            tails: TailJudge::default(),
        }
    }
}

impl TailJudgeMethod {
    pub(crate) fn recipe(&self) -> Recipe {
        let loss = LossSpec::GatedKl(GatedKl { temperature: self.temperature });
        Recipe { passes: self.passes, tails: Some(self.tails), ..Recipe::gated(self.gate, loss) }
    }

    pub(crate) fn describe(&self) -> String {
        format!("gated KD, {} (group-stack-style)", self.tails.describe())
    }
}
