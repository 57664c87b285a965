//! Faculty's own recipe for texts that were written for the teachers.

use crate::{GateChoice, Recipe, WeightedLoss};
use faculty_core::{Error, Result};
use faculty_losses::{GatedKl, LossSpec, Uhc};
use faculty_uncertainty::{ConfidenceSpec, Energy, GateRecipe, GateSpec};
use serde::{Deserialize, Serialize};

/// Half of the loss follows a gate, half compares classes of one teacher alone: on texts that nobody has written for real a gate
/// errs, so that whom a text was written for has a say, too, and what a student that starts from the mean of the teachers' weights
/// knows of the teachers among each other is worth keeping. Chosen on development texts of three sets (`docs/data-free.md`), with
/// that start and a lower rate than others.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FacultyDataFreeSpec {
    /// What teachers are scored by: energy, one pass.
    pub score: ConfidenceSpec,
    /// Share of the mean of the teachers' weights in the scores: 0.7. Teachers that cannot be merged go without.
    pub merged_share: f64,
    /// Share of the gate that is the teacher's that a text was written for, where somebody wrote it: 0.6.
    pub intended_share: f64,
    /// From scores, brought to one scale, to weights: soft, at a temperature of 0.5 deviations.
    pub gate: GateSpec,
    /// Share of UHC in the loss: 0.5.
    pub uhc: f64,
    /// Temperature of teachers and student: 1.
    pub temperature: f64,
}

impl Default for FacultyDataFreeSpec {
    fn default() -> Self {
        Self {
            score: ConfidenceSpec::Energy(Energy {}),
            merged_share: 0.7,
            intended_share: 0.6,
            gate: GateSpec::Soft { temperature: 0.5 },
            uhc: 0.5,
            temperature: 1.0,
        }
    }
}

impl FacultyDataFreeSpec {
    /// # Errors
    /// Fails if the share of UHC is none; the recipe's own check sees the rest.
    pub(crate) fn check(&self) -> Result<()> {
        match (0.0..=1.0).contains(&self.uhc) {
            true => Ok(()),
            false => Err(Error::input(format!("is {}", self.uhc)).key("uhc").expected("0 to 1")),
        }
    }

    pub(crate) fn recipe(&self) -> Recipe {
        let gate = GateRecipe {
            score: self.score,
            z_normalise: !matches!(self.gate, GateSpec::Calibrated(_)),
            merged_share: self.merged_share,
            intended_share: self.intended_share,
            gate: self.gate,
            ..GateRecipe::default()
        };
        let parts = [
            (LossSpec::GatedKl(GatedKl { temperature: self.temperature }), 1.0 - self.uhc),
            (LossSpec::Uhc(Uhc { temperature: self.temperature }), self.uhc),
        ];
        let losses = parts.into_iter().filter(|(_, weight)| *weight > 0.0);
        let losses = losses.map(|(loss, weight)| WeightedLoss { loss, weight }).collect();
        Recipe { gate: GateChoice::Gate(gate), losses, ..Recipe::default() }
    }
}
